//! The text of a Svarrapport: sections that alone carry all clinical content.
//!
//! Whatever the resources leave out, the text has: a cancelled result is struck through, never dropped;
//! another's results (fetus, mother, donor) stand apart from the patient's; and what no table knows is
//! shown as it was sent.

use super::read::{AnalysedSubject, Item, Report, Subject};
use super::words::{details_of, name_of, state_words, status_of, structured};
use super::{Parts, Source, status};
use crate::document::codes;
use crate::document::fhir::{Reference, Section};
use crate::document::narrative::{Html, norwegian};
use crate::document::observed::unit_text;
use crate::document::parties::Party;
use crate::document::values::{Code, Sourced};
use crate::document::words::{
    code_text, date_words, line_code, row_code, row_party, row_when, row_words, when_words,
};
use crate::document::writer::Writer;
use foldhash::HashSet;

/// Bytes that a result takes, about.
const ROW: usize = 256;

/// Cells in a row of results.
const COLUMNS: &str = "7";

const HEAD: &str = "<thead><tr><th>Undersøkelse</th><th>Resultat</th><th>Enhet</th><th>Referanse</th>\
    <th>Avvik</th><th>Status</th><th>Dato</th></tr></thead>";

impl<'a, 't> Writer<'a, '_, 't, Report<'t>> {
    /// All sections that have something in them, in their fixed order.
    pub(super) fn sections(&mut self, parts: &Parts, source: &Source<'_, 't>) -> Vec<Section<'a>> {
        let mut sections = Vec::new();
        let items = self.body.about().map(|p| p.items.as_slice()).unwrap_or_default();
        let shown = Shown::new(parts, items.len());

        let overview = self.overview();
        self.add(&mut sections, "Sammendrag", overview, Vec::new());
        let is_history = |at: usize| items.get(at).is_some_and(|i| i.service_code() == "H");
        let (history, current): (Vec<usize>, Vec<usize>) =
            shown.roots.iter().partition(|at| is_history(**at));
        let results = self.results(&current, items, parts, &shown);
        let mut entry = vec![Reference::to(parts.report)];
        if results.is_empty() {
            // The report is reachable even when it holds no result, as when it is withdrawn.
            let mut html = Html::new();
            html.raw("<p>").text(state_words(parts.status)).raw(". Ingen undersøkelsesresultater.</p>");
            self.add(&mut sections, "Undersøkelsesresultater", html, entry);
        } else {
            self.add(&mut sections, "Undersøkelsesresultater", results, std::mem::take(&mut entry));
        }
        let told = self.results(&history, items, parts, &shown);
        let ids = history.iter().filter_map(|at| parts.written.ids.get(*at)).map(|id| Reference::to(*id));
        self.add(&mut sections, "Tidligere sendt", told, ids.collect());
        let structured = structured(items);
        self.add(&mut sections, "Strukturert informasjon", structured, Vec::new());
        let specimens = self.specimens();
        let ids = parts.specimens.iter().map(|id| Reference::to(*id)).collect();
        self.add(&mut sections, "Analysert materiale", specimens, ids);
        let requests = self.requests();
        let ids = parts.requests.iter().map(|id| Reference::to(*id)).collect();
        self.add(&mut sections, "Opprinnelig rekvisisjon", requests, ids);
        let information = self.clinical_information();
        self.add(&mut sections, "Kliniske opplysninger", information, Vec::new());
        let subject = self.subject_section();
        let title = match &self.body.subject {
            Subject::Patient(_) | Subject::Nobody => "Pasient",
            Subject::NotAPerson(p) if p.node.name() == "Animal" => "Dyr",
            Subject::NotAPerson(_) => "Materiale",
        };
        self.add(&mut sections, title, subject, parts.patient.map(Reference::to).into_iter().collect());
        let others = self.other_subjects();
        self.add(&mut sections, "Annet individ", others, Vec::new());
        let parties = self.parties();
        let references = self.party_references();
        self.add(&mut sections, "Helsetjenesteenheter", parties, references);
        let attachments = self.attachment_section(&self.body.attachments);
        let ids = parts.attachments.iter().map(|id| Reference::to(*id)).collect();
        self.add(&mut sections, "Vedlegg", attachments, ids);
        let document = self.document_information(parts);
        self.add(&mut sections, "Dokumentinformasjon", document, Vec::new());
        // Last of all, so that everything that is read anywhere has been marked.
        let unread = self.unread(self.body.node, source.tree);
        self.add(&mut sections, "Annet innhold", unread, Vec::new());
        sections
    }

    fn overview(&mut self) -> Html {
        let mut html = Html::new();
        let report = self.body;
        let code = |code: &'a Option<Code<'t>>| code.as_ref().and_then(Code::code);
        match code(&report.service_type) {
            service if status::is_addition(code(&report.status), service) => {
                html.raw("<p><b>Svarrapporten er et tillegg til tidligere svar.</b></p>");
            }
            Some("M" | "E") => {
                html.raw("<p><b>Svarrapporten er endret.</b></p>");
            }
            Some("C") => {
                html.raw("<p><b>Svarrapporten er kansellert: tidligere svar er trukket tilbake.</b></p>");
            }
            Some(_) | None => {}
        }
        if let Some(code) = &report.cancellation {
            code.told(&mut self.coverage, "Sammendrag");
            line_code(&mut html, "Kanselleringskode", code);
        }
        if let Some(comment) = &report.comment {
            html.raw("<p>").laid_out(&comment.value).raw("</p>");
        }
        for code in &report.coded_comments {
            line_code(&mut html, "Kommentar", code);
        }
        html
    }

    /// Tables of results: one for those that stand alone, one for each that has members.
    fn results(&mut self, roots: &[usize], items: &'a [Item<'t>], parts: &Parts, shown: &Shown) -> Html {
        let mut html = Html::with_capacity(roots.len() * ROW);
        let mut open = false;
        let mut work = Vec::new();
        for &root in roots {
            let grouped = shown.children.get(root).is_some_and(|c| !c.is_empty());
            if open && grouped {
                html.raw("</tbody></table>");
                open = false;
            }
            if !open {
                html.raw("<table>").raw(HEAD).raw("<tbody>");
                open = true;
            }
            work.push((root, 0_usize));
            while let Some((at, depth)) = work.pop() {
                if let Some(item) = items.get(at) {
                    let dated = parts.written.dated.get(at).copied().flatten();
                    self.result_row(item, depth, dated, &mut html);
                }
                let children = shown.children.get(at).map(Vec::as_slice).unwrap_or_default();
                work.extend(children.iter().rev().map(|child| (*child, depth + 1)));
            }
            if grouped {
                html.raw("</tbody></table>");
                open = false;
            }
        }
        if open {
            html.raw("</tbody></table>");
        }
        html
    }

    fn result_row(
        &mut self,
        item: &'a Item<'t>,
        depth: usize,
        dated: Option<crate::time::Stamp>,
        html: &mut Html,
    ) {
        // Cancelled, or deleted by the laboratory (8245).
        let gone = item.service_code() == "C" || item.status.as_ref().and_then(Code::code) == Some("14");
        let (open, close) =
            if gone { ("<span style=\"text-decoration: line-through\">", "</span>") } else { ("", "") };
        html.raw("<tr><td>");
        for _ in 0..depth.min(8) {
            html.raw("\u{a0}\u{a0}");
        }
        html.raw(open).text(&name_of(item)).raw(close).raw("</td><td>").raw(open);
        let named = !item.investigations.is_empty();
        let long = self.outcome_cell(item.outcome.as_ref(), named, html);
        html.raw(close).raw("</td><td>").text(unit_text(item.outcome.as_ref())).raw("</td><td>");
        for (n, range) in item.references.iter().enumerate() {
            html.raw(if n == 0 { "" } else { "<br/>" }).text(&range.value);
        }
        html.raw("</td><td>");
        if let Some(words) = item.deviation.as_ref().and_then(|d| codes::words_of_list(d, 8244)) {
            html.text(&words);
        }
        html.raw("</td><td>").text(&status_of(item)).raw("</td><td>");
        if let Some(stamp) = dated {
            html.text(norwegian(stamp).as_str());
        }
        html.raw("</td></tr>");
        if let Some(long) = long {
            html.raw("<tr><td colspan=\"").raw(COLUMNS).raw("\">").raw(open);
            self.rich(long, "Undersøkelsesresultater", html);
            html.raw(close).raw("</td></tr>");
        }
        let single = self.body.about().filter(|p| p.subjects.len() == 1).and_then(|p| p.subjects.first());
        let single = single.and_then(|s| s.by_provider.as_ref()).map(|w| &*w.value);
        let row = html.len();
        html.raw("<tr><td colspan=\"").raw(COLUMNS).raw("\">");
        let details = html.len();
        details_of(item, dated, single, html);
        if html.len() > details {
            html.raw("</td></tr>");
        } else {
            html.cut(row);
        }
    }

    fn specimens(&mut self) -> Html {
        let mut html = Html::new();
        let subjects = self.body.about().map(|p| p.subjects.as_slice()).unwrap_or_default();
        for subject in subjects {
            html.raw("<table><tbody>");
            self.specimen_rows(subject, &mut html);
            html.raw("</tbody></table>");
        }
        html
    }

    fn specimen_rows(&mut self, s: &'a AnalysedSubject<'t>, html: &mut Html) {
        if let Some(code) = s.service_type.as_ref().filter(|_| s.is_cancelled()) {
            code.told(&mut self.coverage, "Analysert materiale");
            html.raw("<tr><th>Status</th><td><b>Kansellert</b></td></tr>");
        }
        row_words(html, "Materiale", s.kind.as_ref());
        row_code(html, "Materiale (kode)", s.kind_coded.as_ref());
        row_words(html, "Id fra laboratoriet", s.by_provider.as_ref());
        row_words(html, "Id fra rekvirenten", s.by_requester.as_ref());
        row_when(html, "Tatt", s.collected.as_ref());
        if let Some(when) = &s.collected {
            when.told(&mut self.coverage, "Analysert materiale");
        }
        row_words(html, "Prøvetakers kommentar", s.collector_comment.as_ref());
        for code in &s.collector_codes {
            row_code(html, "Prøvetakers kommentar", Some(code));
        }
        row_words(html, "Forsendelse", s.logistics.as_ref());
        row_words(html, "Undersøkt objekt", s.product_kind.as_ref());
        row_words(html, "Knyttet til", s.product_reference.as_ref());
        row_words(html, "Anatomisk lokalisasjon", s.origin.as_ref());
        row_code(html, "Prøvetakingsmetode", s.procedure.as_ref());
        if let Some(party) = &s.collector {
            row_party(html, "Prøvetaker", party);
        }
        if let Some(number) = &s.number {
            number.told(&mut self.coverage, "Analysert materiale");
        }
        row_words(html, "Antall", s.number.as_ref());
        row_words(html, "Konservering", s.preservative.as_ref());
        for words in &s.handling {
            row_words(html, "Håndtering", Some(words));
        }
        if let Some(flag) = &s.accredited {
            html.row("Akkreditert", flag.words());
        }
        if let Some(headed) = &s.pretreatment {
            self.headed_row(html, "Forbehandling", 8232, headed, "Analysert materiale");
        }
        row_words(html, "Kommentar", s.comment.as_ref());
        for nested in &s.nested {
            html.raw("<tr><th>Del av materialet</th><td>");
            self.outline(*nested, "nested AnalysedSubject: told in Analysert materiale", html);
            html.raw("</td></tr>");
        }
    }

    fn requests(&mut self) -> Html {
        const SECTION: &str = "Opprinnelig rekvisisjon";
        let mut html = Html::new();
        for r in &self.body.requests {
            let mut rows = Html::new();
            for headed in &r.reasons {
                self.headed_row(&mut rows, "Begrunnelse", 8231, headed, SECTION);
            }
            row_words(&mut rows, "Rekvirentens kommentar", r.comment.as_ref());
            for headed in &r.comments {
                self.headed_row(&mut rows, "Kommentar", 8234, headed, SECTION);
            }
            row_code(&mut rows, "Ønsket svarrapporteringsprioritet", r.priority.as_ref());
            row_words(&mut rows, "Rekvisisjonens id", r.id.as_ref().filter(|w| w.id().is_some()));
            row_words(&mut rows, "Id fra laboratoriet", r.by_provider.as_ref());
            row_when(&mut rows, "Rekvirert", r.issued.as_ref());
            row_when(&mut rows, "Mottatt", r.received.as_ref());
            for when in r.issued.iter().chain(&r.received) {
                when.told(&mut self.coverage, SECTION);
            }
            row_code(&mut rows, "Betalingskategori", r.payment.as_ref());
            for code in &r.reservations {
                row_code(&mut rows, "Reservasjon", Some(code));
            }
            for code in &r.permissions {
                code.told(&mut self.coverage, SECTION);
                row_code(&mut rows, "Samtykke", Some(code));
            }
            if !rows.is_empty() {
                html.raw("<table><tbody>").append(&rows).raw("</tbody></table>");
            }
        }
        html
    }

    fn clinical_information(&mut self) -> Html {
        const SECTION: &str = "Kliniske opplysninger";
        let mut html = Html::new();
        let information = self.body.about().map(|p| p.information.as_slice()).unwrap_or_default();
        if information.is_empty() {
            return html;
        }
        html.raw("<table><tbody>");
        for item in information {
            let label = item.kind.as_ref().and_then(Code::words).unwrap_or("Klinisk opplysning");
            html.raw("<tr><th>").text(label).raw("</th><td>");
            if let Some(node) = item.description {
                self.rich(node, SECTION, &mut html);
            }
            if let Some(code) = &item.coded {
                let mut words = String::new();
                code_text(code, &mut words);
                html.raw(" ").text(&words);
            }
            if let Some(comment) = &item.comment {
                html.raw("<br/>").laid_out(&comment.value);
            }
            for (label, when) in
                [("Start", &item.start), ("Slutt", &item.end), ("Registrert", &item.original)]
            {
                if let Some(when) = when {
                    html.raw("<br/>").text(label).raw(": ").text(&when_words(when));
                }
            }
            html.raw("</td></tr>");
        }
        html.raw("</tbody></table>");
        html
    }

    fn subject_section(&mut self) -> Html {
        const SECTION: &str = "Pasient";
        let mut html = Html::new();
        let Some(p) = self.body.about() else { return html };
        html.raw("<table><tbody>");
        let labels = ["Id hos laboratoriet", "Id hos rekvirenten"];
        p.who.rows(labels, SECTION, &mut html, &mut self.coverage);
        for (label, words) in &p.told_words {
            words.told(&mut self.coverage, SECTION);
            row_words(&mut html, label, Some(words));
        }
        for (label, code) in &p.told_codes {
            code.told(&mut self.coverage, SECTION);
            row_code(&mut html, label, Some(code));
        }
        p.who.address_rows(SECTION, &mut html, &mut self.coverage);
        if let Some(stay) = p.stays {
            html.raw("<tr><th>Oppholdssted</th><td>");
            self.outline(stay, "AdmLocation: told in Pasient", &mut html);
            html.raw("</td></tr>");
        }
        html.raw("</tbody></table>");
        html
    }

    /// Another's results, apart from the patient's.
    fn other_subjects(&mut self) -> Html {
        let mut html = Html::new();
        let others = self.body.about().map(|p| p.other.as_slice()).unwrap_or_default();
        for other in others {
            let relation = other.child("Relation").map(Code::read);
            let words = relation.as_ref().and_then(|r| codes::words(r, 8238)).unwrap_or("ukjent relasjon");
            html.raw("<p><b>Gjelder ikke pasienten selv, men: ").text(words).raw("</b></p>");
            self.outline(*other, "another subject's: told in Annet individ", &mut html);
        }
        html
    }

    fn parties(&mut self) -> Html {
        let mut html = Html::new();
        let mut told: HashSet<String> = HashSet::default();
        let report = self.body;
        let about = report.about();
        let fixed: [(&str, Option<&'a Party<'t>>); 5] = [
            ("Avsender", report.provider.as_ref()),
            ("Mottaker", report.requester.as_ref()),
            ("Tilknyttet tjenesteyter", report.related.as_ref()),
            ("Ansvarlig helsetjenesteenhet", about.and_then(|p| p.responsible.as_ref())),
            ("Betalingsansvarlig", report.payer.as_ref()),
        ];
        let items = about.map(|p| p.items.as_slice()).unwrap_or_default();
        let subjects = about.map(|p| p.subjects.as_slice()).unwrap_or_default();
        let performers = items.iter().flat_map(|i| &i.providers).map(|p| ("Utført av", p));
        let collectors = subjects.iter().filter_map(|s| s.collector.as_ref()).map(|p| ("Prøvetaker", p));
        let copies = report.copies.iter().map(|p| ("Kopimottaker", p));
        let fixed = fixed.into_iter().filter_map(|(label, party)| Some((label, party?)));
        for (label, party) in fixed.chain(copies).chain(performers).chain(collectors) {
            let label = party.relation.as_ref().and_then(Code::words).unwrap_or(label);
            let mut text = String::new();
            party.describe(&mut text);
            party.told(&mut self.coverage, "Helsetjenesteenheter");
            if !text.is_empty() && told.insert(format!("{label}\n{text}")) {
                html.raw(if html.is_empty() { "<table><tbody>" } else { "" });
                html.row(label, &text);
            }
        }
        if !html.is_empty() {
            html.raw("</tbody></table>");
        }
        html
    }

    fn document_information(&mut self, parts: &Parts) -> Html {
        const SECTION: &str = "Dokumentinformasjon";
        let mut html = Html::new();
        let report = self.body;
        html.raw("<table><tbody>");
        row_code(&mut html, "Fagområde", report.discipline.as_ref());
        html.row("Status", state_words(parts.status));
        row_code(&mut html, "Rapportstatus", report.status.as_ref());
        row_code(&mut html, "Tjenestetype", report.service_type.as_ref());
        row_words(&mut html, "Rapportens id", report.id.as_ref().filter(|w| w.id().is_some()));
        row_words(&mut html, "Meldingens id", self.envelope.msg_id.as_ref());
        html.row("Melding laget", &date_words(parts.generated));
        row_when(&mut html, "Første utgave", report.issued.as_ref());
        row_when(&mut html, "Godkjent", report.approved.as_ref());
        for when in report.issued.iter().chain(&report.approved) {
            when.told(&mut self.coverage, SECTION);
        }
        if self.envelope.is_test() {
            html.row("Test", "Meldingen er merket som test");
        }
        html.raw("</tbody></table>");
        html
    }
}

/// Which items are shown under which.
#[derive(Debug)]
struct Shown {
    roots: Vec<usize>,
    children: Vec<Vec<usize>>,
}

impl Shown {
    fn new(parts: &Parts, items: usize) -> Self {
        let mut shown = Self { roots: Vec::new(), children: vec![Vec::new(); items] };
        for (at, under) in parts.links.shown_under.iter().enumerate() {
            match under.and_then(|u| shown.children.get_mut(u)) {
                Some(list) => list.push(at),
                None => shown.roots.push(at),
            }
        }
        shown
    }
}
