//! The text of a discharge summary: sections that alone carry all that was sent.

use super::read::{Discharge, Event, Planned, Request};
use super::{
    CODED, CONTACTS, COPIES, ENCLOSED, EVENTS, INFORMATION, PATIENT, PLANS, Parts, REFERRAL, relation, state,
};
use crate::document::clinical::PLAIN;
use crate::document::clinical::chapters::Chapters;
use crate::document::codes;
use crate::document::fhir::Section;
use crate::document::narrative::Html;
use crate::document::values::{Code, Sourced};
use crate::document::words::{amount_text, code_text, date_words, row_code, row_when, row_words, when_words};
use crate::document::writer::{Cover, Writer};
use crate::xml::Tree;
use uuid::Uuid;

impl<'a, 't> Writer<'a, '_, 't, Discharge<'t>> {
    /// All sections that have something in them, in their fixed order.
    pub(super) fn sections(
        &mut self,
        parts: Parts<'a>,
        cover: &Cover<'a>,
        tree: &'t Tree,
    ) -> Vec<Section<'a>> {
        let body = self.body;
        let Parts { mut chapters, mut cancelled, .. } = parts;
        for (n, event) in body.events.iter().enumerate() {
            let c = &mut chapters;
            self.event(event, c);
            if let Some(id) = parts.encounters.get(n) {
                c.named(EVENTS).shows(*id);
            }
            let c = if event.cancelled { &mut cancelled } else { &mut chapters };
            if let Some(planned) = &event.planned {
                self.plan(planned, c);
            }
            for comment in &event.coded_comments {
                let mut words = String::new();
                comment.describe(&mut words);
                for code in comment.codes() {
                    code.told(&mut self.coverage, CODED);
                }
                c.named(CODED).text().line("Kommentar", &words);
            }
        }
        chapters.add_cancelled(cancelled);
        let c = &mut chapters;
        self.people(c, parts.patient, &parts.relatives);
        self.contacts(c);
        for copy in &body.copies {
            self.party_row("Kopimottaker", copy, COPIES, c);
        }
        for (n, request) in body.requests.iter().enumerate() {
            self.request_told(request, c);
            if let Some(id) = parts.requests.get(n) {
                c.named(REFERRAL).shows(*id);
            }
        }
        let attachments = self.attachment_section(&body.attachments);
        if !attachments.is_empty() {
            let mut chapter = c.named(ENCLOSED);
            chapter.text().append(&attachments);
            for id in &parts.attachments {
                chapter.shows(*id);
            }
        }
        self.information(c, cover);
        let mut sections = Vec::new();
        self.bind(chapters, &mut sections);
        let unread = self.unread(tree.root().unwrap_or(body.node), tree);
        self.add(&mut sections, "Annet innhold", unread, Vec::new());
        sections
    }

    fn event(&mut self, event: &'a Event<'t>, c: &mut Chapters<'a>) {
        let mut html = Html::new();
        let kind = match (&event.planned, event.within) {
            (Some(_), _) => "Planlagt hendelse",
            (None, Some(_)) => "Del av opphold",
            (None, None) => "Opphold eller kontakt",
        };
        html.raw("<tr><th colspan=\"2\">").text(kind).raw("</th></tr>");
        if event.cancelled {
            html.row("Status", "Kansellert");
        }
        row_when(&mut html, "Start", event.start.as_ref());
        row_when(&mut html, "Slutt", event.end.as_ref());
        for when in event.start.iter().chain(&event.end) {
            when.told(&mut self.coverage, EVENTS);
        }
        if let Some(words) = event.admission.as_ref().and_then(|a| codes::words_of_list(a, 8240)) {
            html.row("Omsorgsnivå", &words);
        }
        row_code(&mut html, "Tjeneste", event.service.as_ref());
        row_code(&mut html, "Fagområde", event.speciality.as_ref());
        row_code(&mut html, "Utfall", event.outcome.as_ref());
        for (label, code) in [("Mottaker av pasienten", &event.recipient), ("Prioritet", &event.priority)] {
            if let Some(code) = code {
                code.told(&mut self.coverage, EVENTS);
                row_code(&mut html, label, Some(code));
            }
        }
        if let Some(amount) = &event.duration {
            amount.told(&mut self.coverage, EVENTS);
            html.row("Forventet varighet", &amount_text(amount));
        }
        if let Some(id) = &event.id {
            id.told(&mut self.coverage, EVENTS);
            html.row("Id", &id.value);
        }
        for request in &event.requests {
            let mut words = String::new();
            if let Some(kind) = &request.kind {
                kind.told(&mut self.coverage, EVENTS);
                code_text(kind, &mut words);
            }
            for part in request.id.iter() {
                part.told(&mut self.coverage, EVENTS);
                words.push_str(if words.is_empty() { "" } else { ", " });
                words.push_str(&part.value);
            }
            if let Some(when) = &request.issued {
                when.told(&mut self.coverage, EVENTS);
                words.push_str(if words.is_empty() { "" } else { ", " });
                words.push_str(&when_words(when));
            }
            html.row("Tilknyttet rekvisisjon", &words);
        }
        self.places_told(event, &mut html);
        for party in &event.parties {
            party.told(&mut self.coverage, EVENTS);
            let label = party.relation.as_ref().and_then(|r| codes::words_of_list(r, 8254));
            let mut words = String::new();
            party.describe(&mut words);
            html.row(label.as_deref().unwrap_or("Deltaker"), &words);
        }
        c.named(EVENTS).add_rows(PLAIN, &html);
    }

    fn places_told(&mut self, event: &'a Event<'t>, html: &mut Html) {
        for place in &event.places {
            let mut parts: Vec<String> = Vec::new();
            if let Some(party) = &place.institution {
                party.told(&mut self.coverage, EVENTS);
                let mut words = String::new();
                party.describe(&mut words);
                parts.push(words);
            }
            if let Some(words) = &place.description {
                words.told(&mut self.coverage, EVENTS);
                parts.push(words.value.to_string());
            }
            if let Some(code) = &place.kind {
                code.told(&mut self.coverage, EVENTS);
                parts.extend(code.words().map(str::to_owned));
            }
            for (kind, words) in &place.parts {
                if let Some(code) = kind {
                    code.told(&mut self.coverage, EVENTS);
                }
                if let Some(words) = words {
                    words.told(&mut self.coverage, EVENTS);
                }
                let kind = kind.as_ref().and_then(|k| codes::words(k, 8242));
                let words = words.as_ref().map(|w| &*w.value);
                parts.push(kind.into_iter().chain(words).collect::<Vec<_>>().join(" "));
            }
            if let Some(address) = &place.address {
                address.told(&mut self.coverage, EVENTS);
                let mut words = String::new();
                address.describe(&mut words);
                parts.push(words);
            }
            for (label, when) in [("fra", &place.start), ("til", &place.end)] {
                if let Some(when) = when {
                    when.told(&mut self.coverage, EVENTS);
                    parts.push(format!("{label} {}", when_words(when)));
                }
            }
            let label = match place.role.as_ref().and_then(Code::code) {
                Some("2") => "Innlagt fra",
                Some("3") => "Utskrevet til",
                _ => "Sted",
            };
            if let Some(code) = &place.role {
                code.told(&mut self.coverage, EVENTS);
            }
            parts.retain(|p| !p.is_empty());
            html.row(place.role.as_ref().and_then(|r| r.display).unwrap_or(label), &parts.join(", "));
        }
    }

    fn plan(&mut self, planned: &'a Planned<'t>, c: &mut Chapters<'a>) {
        let mut html = Html::new();
        for (label, when) in [("Planlagt tid", &planned.scheduled), ("Planlagt den", &planned.planning)] {
            if let Some(when) = when {
                when.told(&mut self.coverage, PLANS);
                row_when(&mut html, label, Some(when));
            }
        }
        for (label, words) in &planned.words {
            words.told(&mut self.coverage, PLANS);
            html.row(label, &words.value);
        }
        for (label, code) in &planned.codes {
            code.told(&mut self.coverage, PLANS);
            row_code(&mut html, label, Some(code));
        }
        if let Some(amount) = &planned.delay {
            amount.told(&mut self.coverage, PLANS);
            html.row("Forventet ventetid", &amount_text(amount));
        }
        if !html.is_empty() {
            c.named(PLANS).add_rows(PLAIN, &html);
        }
    }

    fn people(&mut self, c: &mut Chapters<'a>, patient: Option<Uuid>, relatives: &[Uuid]) {
        let body = self.body;
        let mut html = Html::new();
        if let Some(who) = &body.patient {
            who.rows(["Id hos tjenesteyter", "Id hos rekvirent"], PATIENT, &mut html, &mut self.coverage);
            who.address_rows(PATIENT, &mut html, &mut self.coverage);
        }
        for relative in &body.relatives {
            let mut parts: Vec<String> = Vec::new();
            for words in relative.name.iter().chain(&relative.id) {
                words.told(&mut self.coverage, PATIENT);
                parts.push(words.value.to_string());
            }
            if let Some(address) = &relative.address {
                address.told(&mut self.coverage, PATIENT);
                let mut words = String::new();
                address.describe(&mut words);
                parts.push(words);
            }
            let label = relative.relation.as_ref().and_then(Code::words).unwrap_or("Pårørende");
            parts.retain(|p| !p.is_empty());
            html.row(label, &parts.join(", "));
        }
        if html.is_empty() {
            return;
        }
        let mut chapter = c.named(PATIENT);
        chapter.add_rows(PLAIN, &html);
        for id in patient.iter().chain(relatives) {
            chapter.shows(*id);
        }
    }

    fn contacts(&mut self, c: &mut Chapters<'a>) {
        let body = self.body;
        let fixed = [("Avsender", &body.provider), ("Mottaker", &body.requester)];
        for (label, party) in fixed {
            if let Some(party) = party {
                self.party_row(label, party, CONTACTS, c);
            }
        }
        for party in body.responsible.iter().chain(&body.related) {
            let label = party.relation.as_ref().and_then(|r| codes::words_of_list(r, 8254));
            if relation(party).is_some() {
                // Everybody with a part in it is a resource of the section.
                self.role(party, false);
            }
            self.party_row(label.as_deref().unwrap_or("Tjenesteyter"), party, CONTACTS, c);
        }
        for reference in self.party_references() {
            if let Some(urn) = reference.reference {
                c.named(CONTACTS).shows(urn.0);
            }
        }
    }

    fn request_told(&mut self, request: &'a Request<'t>, c: &mut Chapters<'a>) {
        let mut html = Html::new();
        if let Some(words) = request.category.as_ref().and_then(|m| codes::words_of_list(m, 8455)) {
            html.row("Type henvisning", &words);
        }
        row_words(&mut html, "Beskrivelse", request.description.as_ref());
        row_when(&mut html, "Utstedt", request.issued.as_ref());
        row_when(&mut html, "Mottatt", request.received.as_ref());
        for when in request.issued.iter().chain(&request.received) {
            when.told(&mut self.coverage, REFERRAL);
        }
        for reason in &request.reasons {
            self.headed_row(&mut html, "Begrunnelse", 8231, reason, REFERRAL);
            if let Some(heading) = &reason.heading {
                heading.told(&mut self.coverage, REFERRAL);
            }
        }
        for diagnosis in &request.diagnoses {
            let mut words = String::new();
            diagnosis.describe(&mut words);
            html.row("Henvisningsdiagnose", &words);
        }
        row_words(&mut html, "Kommentar", request.comment.as_ref());
        row_words(&mut html, "Henvisningens id", request.id.as_ref().filter(|w| w.id().is_some()));
        if html.is_empty() {
            html.row("Henvisning", "uten opplysninger");
        }
        c.named(REFERRAL).add_rows(PLAIN, &html);
    }

    fn information(&mut self, c: &mut Chapters<'a>, cover: &Cover<'a>) {
        let body = self.body;
        let mut html = Html::new();
        html.row("Status", state(cover.status));
        if let Some(words) = &body.description {
            words.mapped(&mut self.coverage, "Composition.title");
            html.row("Type epikrise", &words.value);
        }
        for (label, list, code) in
            [("Rapportstatus", 7306, &body.status), ("Tjenestetype", 7309, &body.service_type)]
        {
            if let Some(words) = code.as_ref().and_then(|code| codes::words(code, list)) {
                html.row(label, words);
            }
        }
        if let Some(id) = &body.id {
            match id.id() {
                Some(value) => {
                    id.mapped(&mut self.coverage, "Composition.identifier");
                    html.row("Epikrisens id", value);
                }
                None => id.dropped(&mut self.coverage, "NULL: missing"),
            }
        }
        row_words(&mut html, "Meldingens id", self.envelope.msg_id.as_ref());
        html.row("Melding laget", &date_words(cover.generated.0));
        for (label, when) in [("Utstedt", &body.issued), ("Godkjent", &body.approved)] {
            if let Some(when) = when {
                when.told(&mut self.coverage, INFORMATION);
                row_when(&mut html, label, Some(when));
            }
        }
        if self.envelope.is_test() {
            html.row("Test", "Meldingen er merket som test");
        }
        c.named(INFORMATION).add_rows(PLAIN, &html);
    }
}
