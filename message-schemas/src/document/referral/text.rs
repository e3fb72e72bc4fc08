//! The text of a referral: sections that alone carry all that was sent.

use super::labels::label;
use super::read::Referral;
use super::{
    CONSENT, CONTACTS, COPIES, DIAGNOSES, ENCLOSED, INFORMATION, PATHWAY, PATIENT, Parts, TRANSLATION, WANTED,
};
use crate::document::clinical::PLAIN;
use crate::document::clinical::chapters::Chapters;
use crate::document::codes;
use crate::document::fhir::Section;
use crate::document::labels::Form;
use crate::document::narrative::Html;
use crate::document::tell::tell_all;
use crate::document::values::{Code, Sourced};
use crate::document::words::{date_words, row_code, row_when, row_words};
use crate::document::writer::{Cover, Writer};
use crate::xml::{Node, Tree};
use uuid::Uuid;

impl<'a, 't> Writer<'a, '_, 't, Referral<'t>> {
    /// All sections that have something in them, in their fixed order.
    pub(super) fn sections(
        &mut self,
        parts: Parts<'a>,
        cover: &Cover<'a>,
        tree: &'t Tree,
    ) -> Vec<Section<'a>> {
        let body = self.body;
        let Parts { mut chapters, .. } = parts;
        let c = &mut chapters;
        self.diagnoses_told(c, &parts.diagnoses);
        for reason in &body.reasons {
            self.under_heading(reason, 8231, c);
        }
        for comment in &body.comments {
            self.under_heading(comment, 8234, c);
        }
        self.wanted_told(c);
        c.named(WANTED).shows(parts.request);
        self.pathways(c);
        for translator in &body.translators {
            self.tell(translator.node, TRANSLATION, None, c);
        }
        self.consents(c, &parts.consents);
        self.people(c, parts.patient, &parts.relatives);
        self.contacts(c);
        for (section, node) in body.told.iter().filter(|(section, _)| *section != PATIENT) {
            // Of contacts there are several: whose rows they are is said over them.
            let title = label(node.name()).map(|(title, _)| title).filter(|_| *section == CONTACTS);
            self.tell(*node, section, title, c);
        }
        for copy in &body.copies {
            self.party_row("Kopimottaker", copy, COPIES, c);
        }
        let attachments = self.attachment_section(body.attachments());
        if !attachments.is_empty() {
            let mut chapter = c.named(ENCLOSED);
            chapter.text().append(&attachments);
            for id in &parts.attachments {
                chapter.shows(*id);
            }
        }
        for id in &parts.bookings {
            c.named(ENCLOSED).shows(*id);
        }
        self.information(c, cover);
        let mut sections = Vec::new();
        self.bind(chapters, &mut sections);
        let unread = self.unread(tree.root().unwrap_or(body.node), tree);
        self.add(&mut sections, "Annet innhold", unread, Vec::new());
        sections
    }

    /// What is inside an element, by its names in Norwegian, under a title if one is needed.
    fn tell(&mut self, node: Node<'t>, section: &'static str, title: Option<&str>, c: &mut Chapters<'a>) {
        let mut html = Html::new();
        match label(node.name()) {
            // A row of its own.
            Some((_, Form::Keyed { .. })) => {
                tell_all(std::iter::once(node), label, section, &mut html, &mut self.coverage);
            }
            _ => tell_all(node.elements(), label, section, &mut html, &mut self.coverage),
        }
        if html.is_empty() {
            return;
        }
        let mut chapter = c.named(section);
        if let Some(title) = title {
            chapter.text().raw("<p><b>").text(title).raw("</b></p>");
        }
        chapter.text().append(&html);
    }

    fn diagnoses_told(&mut self, c: &mut Chapters<'a>, ids: &[Uuid]) {
        for (n, diagnosis) in self.body.diagnoses.iter().enumerate() {
            let mut words = String::new();
            diagnosis.describe(&mut words);
            for code in diagnosis.codes() {
                code.told(&mut self.coverage, DIAGNOSES);
            }
            let mut chapter = c.named(DIAGNOSES);
            chapter.text().line(if n == 0 { "Henvisningsdiagnose" } else { "Diagnose" }, &words);
            if let Some(id) = ids.get(n) {
                chapter.shows(*id);
            }
        }
    }

    fn wanted_told(&self, c: &mut Chapters<'a>) {
        let body = self.body;
        let mut html = Html::new();
        let listed = |label: &str, list: u16, code: Option<&Code<'_>>, html: &mut Html| {
            if let Some(words) = code.and_then(|code| codes::words_of_list(code, list)) {
                html.row(label, &words);
            }
        };
        listed("Type henvisning", 8455, body.category.as_ref(), &mut html);
        if let Some(wanted) = &body.wanted {
            listed("Prioritet", 8304, wanted.priority.as_ref(), &mut html);
            listed("Formål", 8248, wanted.purpose.as_ref(), &mut html);
            listed("Omsorgsnivå", 8240, wanted.admission.as_ref(), &mut html);
            row_code(&mut html, "Tjeneste", wanted.service.as_ref());
            row_code(&mut html, "Fagområde", wanted.speciality.as_ref());
            row_when(&mut html, "Ønsket dato", wanted.date.as_ref());
            row_words(&mut html, "Kommentar", wanted.comment.as_ref());
        }
        row_words(&mut html, "Merknad", body.category_note.as_ref());
        row_words(&mut html, "Kommentar til henvisningen", body.comment.as_ref());
        html.row("Status", super::state(body.service()));
        c.named(WANTED).add_rows(PLAIN, &html);
    }

    fn pathways(&mut self, c: &mut Chapters<'a>) {
        for (code, note) in &self.body.pathways {
            let mut chapter = c.named(PATHWAY);
            row_code(chapter.rows(PLAIN), "Pakkeforløp", code.as_ref());
            if let Some(note) = note {
                note.told(&mut self.coverage, PATHWAY);
                chapter.rows(PLAIN).row("Merknad", &note.value);
            }
        }
    }

    fn consents(&mut self, c: &mut Chapters<'a>, ids: &[Uuid]) {
        for (n, consent) in self.body.consents.iter().enumerate() {
            let mut chapter = c.named(CONSENT);
            let html = chapter.rows(PLAIN);
            if let Some(words) = consent.status.as_ref().and_then(|s| codes::words_of_list(s, 9064)) {
                html.row("Samtykke", &words);
            }
            row_when(html, "Dato", consent.date.as_ref());
            row_words(html, "Gitt av", consent.given_by.as_ref());
            row_words(html, "Merknad", consent.note.as_ref());
            for words in consent.given_by.iter().chain(&consent.note) {
                words.told(&mut self.coverage, CONSENT);
            }
            if let Some(id) = ids.get(n) {
                chapter.shows(*id);
            }
        }
    }

    fn people(&mut self, c: &mut Chapters<'a>, patient: Option<Uuid>, relatives: &[Uuid]) {
        let body = self.body;
        if let Some(who) = body.who() {
            let mut html = Html::new();
            who.rows(["Id hos tjenesteyter", "Id hos rekvirent"], PATIENT, &mut html, &mut self.coverage);
            who.address_rows(PATIENT, &mut html, &mut self.coverage);
            if html.is_empty() {
                c.named(PATIENT).text().raw("<p>Ingen opplysninger om pasienten.</p>");
            }
            c.named(PATIENT).add_rows(PLAIN, &html);
        }
        if let Some(basis) = &body.basis {
            basis.told(&mut self.coverage, PATIENT);
            if let Some(words) = codes::words(basis, 8246) {
                c.named(PATIENT).rows(PLAIN).row("Grunnlag for helsetjenester", words);
            }
        }
        // The patient's own stands before what is said of others.
        for (_, node) in body.told.iter().filter(|(section, _)| *section == PATIENT) {
            self.tell(*node, PATIENT, None, c);
        }
        for relative in &body.relatives {
            self.tell(relative.node, PATIENT, Some("Pårørende eller kontaktperson"), c);
        }
        for id in patient.iter().chain(relatives) {
            c.named(PATIENT).shows(*id);
        }
    }

    fn contacts(&mut self, c: &mut Chapters<'a>) {
        let body = self.body;
        let fixed = [("Henvisende instans", body.sender()), ("Mottaker", body.receiver())];
        for (label, party) in fixed {
            if let Some(party) = party {
                self.party_row(label, party, CONTACTS, c);
            }
        }
        if let Some(head) = body.head() {
            for party in &head.other_receivers {
                self.party_row("Annen mottaker", party, CONTACTS, c);
            }
        }
        for party in &body.related {
            let label = party.relation.as_ref().and_then(|r| codes::words(r, 8254));
            // Everybody named is a resource of the section.
            self.role(party, false);
            self.party_row(label.unwrap_or("Helsetjenesteenhet"), party, CONTACTS, c);
        }
        for contact in &body.contacts {
            if let Some(party) = &contact.party {
                self.role(party, false);
            }
        }
        for reference in self.party_references() {
            if let Some(urn) = reference.reference {
                c.named(CONTACTS).shows(urn.0);
            }
        }
    }

    fn information(&mut self, c: &mut Chapters<'a>, cover: &Cover<'a>) {
        let body = self.body;
        let mut html = Html::new();
        row_code(&mut html, "Tjenestetype", body.service_type.as_ref());
        row_words(&mut html, "Henvisningens id", body.id.as_ref().filter(|w| w.id().is_some()));
        row_when(&mut html, "Utstedt", body.issued.as_ref());
        if let Some(code) = &body.payment {
            code.told(&mut self.coverage, INFORMATION);
            row_code(&mut html, "Betalingskategori", Some(code));
        }
        match body.head() {
            Some(head) => self.head_information(head, cover.generated.0, INFORMATION, &mut html),
            None => {
                row_words(&mut html, "Meldingens id", self.envelope.msg_id.as_ref());
                html.row("Melding laget", &date_words(cover.generated.0));
                if self.envelope.is_test() {
                    html.row("Test", "Meldingen er merket som test");
                }
            }
        }
        c.named(INFORMATION).add_rows(PLAIN, &html);
    }
}
