//! The text of a care message: every component in its chapter.

use super::clinical::Written;
use super::read::{CareMessage, Chapter, JournalNote};
use crate::document::fhir::{Reference, Resource, Section};
use crate::document::narrative::Html;
use crate::document::tell::{category_heading, component_keys, tell, tell_all};
use crate::document::values::{Code, Sourced, When, Words};
use crate::document::words::{amount_text, when_words};
use crate::document::writer::{Cover, Writer};
use crate::document::{codes, labels};
use crate::xml::{Node, Tree};
use foldhash::{HashMap, HashMapExt};
use std::borrow::Cow;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Where the report says that a note stands: under its heading, which is a sender's word.
const NOTES: &str = "the section of its heading";

/// Elements of a prescription that have a column in the table of drugs.
const COLUMNS: [&str; 8] = [
    "Navn",
    "Legemiddelform",
    "Styrke",
    "DosVeiledEnkel",
    "Bruk",
    "DoseringStarttidspunkt",
    "DoseringSluttidspunkt",
    "StatusTilForskrivningen",
];

/// What became of the message, in words.
pub(super) fn state(service: &str) -> &'static str {
    match service {
        "C" => "Kansellert: opplysningene er trukket tilbake",
        "M" | "E" => "Endret",
        _ => "Endelig",
    }
}

impl<'a, 't> Writer<'a, '_, 't, CareMessage<'t>> {
    /// All sections that have something in them, in their order.
    pub(super) fn sections(
        &mut self,
        written: &Written,
        cover: &Cover<'a>,
        attachments: &[Uuid],
        root: Node<'t>,
        tree: &'t Tree,
    ) -> Vec<Section<'a>> {
        let body = self.body;
        let mut sections = Vec::new();
        for chapter in Chapter::ALL {
            if chapter == Chapter::Document {
                let html = self.attachment_section(body.attachments());
                let ids = attachments.iter().map(|id| Reference::to(*id)).collect();
                self.add(&mut sections, "Vedlegg", html, ids);
            }
            let mut html = Html::new();
            self.before(chapter, cover, &mut html);
            if chapter == Chapter::Medication {
                self.medication_table(&mut html);
            } else {
                if chapter == Chapter::Medical {
                    self.notes_without_heading(&mut html);
                }
                for (_, node) in body.told.iter().filter(|(c, _)| *c == chapter) {
                    tell(*node, chapter.title(), &mut html, &mut self.coverage);
                }
            }
            if sections.is_empty() && !html.is_empty() {
                html = self.warned(html);
            }
            let entries = written.entries.iter().filter(|(c, _)| *c == chapter);
            let mut entries: Vec<Reference<'a>> = entries.map(|(_, id)| Reference::to(*id)).collect();
            if chapter == Chapter::Patient {
                let patient = self.entries.iter().find(|e| matches!(e.resource, Resource::Patient(_)));
                entries.extend(patient.map(|e| Reference::to(e.full_url.0)));
            } else if chapter == Chapter::Contacts {
                entries.extend(self.party_references());
            }
            self.add(&mut sections, chapter.title(), html, entries);
            if chapter == Chapter::Medical {
                self.notes(&mut sections);
            }
        }
        let unread = self.unread(root, tree);
        self.add(&mut sections, "Annet innhold", unread, Vec::new());
        sections
    }

    fn notes_without_heading(&mut self, html: &mut Html) {
        for note in &self.body.notes {
            let bare =
                note.texts.iter().filter(|(_, heading)| heading.as_ref().and_then(codes::heading).is_none());
            let bare: Vec<Node<'t>> = bare.map(|(text, _)| *text).collect();
            if !bare.is_empty() || note.texts.is_empty() {
                self.note_head(note, html);
            }
            let others = note.node.elements().filter(|e| e.name() != "Journaltekst");
            tell_all(bare.into_iter().chain(others), labels::label, NOTES, html, &mut self.coverage);
        }
    }

    //= document-sharing §6.6
    //# GenereltJournalnotat/Journaltekst (Overskriftskode 9142 9145 9141.., Notat, Merknad) | per heading | narrative
    /// A section for each heading that notes stand under, in the order in which they came.
    fn notes(&mut self, sections: &mut Vec<Section<'a>>) {
        let body = self.body;
        let mut made: Vec<(&'a Code<'t>, Cow<'a, str>, Html)> = Vec::new();
        let mut places = HashMap::new();
        for note in &body.notes {
            let mut begun = BTreeSet::new();
            for (text, heading) in &note.texts {
                let Some((heading, title)) = heading.as_ref().and_then(|h| Some((h, codes::heading(h)?)))
                else {
                    continue;
                };
                let at =
                    *places.entry((heading.system, heading.code(), title.clone())).or_insert_with(|| {
                        made.push((heading, title, Html::new()));
                        made.len() - 1
                    });
                let Some((.., html)) = made.get_mut(at) else { continue };
                if begun.insert(at) {
                    self.note_head(note, html);
                }
                tell(*text, NOTES, html, &mut self.coverage);
                heading.mapped(&mut self.coverage, "Composition.section.code");
            }
        }
        for (heading, title, mut html) in made {
            let code = codes::concept(heading, None, self.options.mode);
            if sections.is_empty() {
                html = self.warned(html);
            }
            self.add_coded(sections, title, code, html, Vec::new());
        }
    }

    /// What a note says of itself: where its sender keeps it.
    fn note_head(&mut self, note: &JournalNote<'_>, html: &mut Html) {
        component_keys(note.node, &mut self.coverage);
        if let Some(category) = category_heading(note.node, NOTES, &[], &mut self.coverage) {
            html.raw("<p><b>").text(category).raw("</b></p>");
        }
    }

    /// The first section says what a reader of any section must know.
    fn warned(&self, section: Html) -> Html {
        let body = self.body;
        let mut html = Html::new();
        if matches!(body.service_code(), "M" | "E" | "C") {
            html.raw("<p><b>").text(state(body.service_code())).raw(".</b></p>");
        }
        if body.reserved {
            html.raw("<p><b>Avsender tar forbehold om at meldingen sendes videre.</b></p>");
        }
        html.append(&section);
        html
    }

    /// One table of all drugs; what has no column stands in a row below its drug.
    fn medication_table(&mut self, html: &mut Html) {
        const SECTION: &str = Chapter::Medication.title();
        let body = self.body;
        for (_, node) in body.told.iter().filter(|(c, _)| *c == Chapter::Medication) {
            component_keys(*node, &mut self.coverage);
            // Nearly always the name of the chapter.
            if let Some(category) = category_heading(*node, SECTION, &[], &mut self.coverage) {
                html.raw("<p><b>").text(category).raw("</b></p>");
            }
        }
        if body.prescriptions.is_empty() {
            return;
        }
        html.raw("<table><thead><tr>");
        for head in ["Legemiddel", "Form", "Styrke", "Dosering", "Bruk", "Fra", "Til", "Status"] {
            html.raw("<th>").text(head).raw("</th>");
        }
        html.raw("</tr></thead><tbody>");
        for p in &body.prescriptions {
            let code = |c: &Option<Code<'t>>, list| {
                c.as_ref().and_then(|c| codes::words_of_list(c, list)).unwrap_or_default().into_owned()
            };
            let words = |w: &Option<Words<'t>>| w.as_ref().map(|w| w.value.to_string()).unwrap_or_default();
            let when = |w: &Option<When<'t>>| w.as_ref().map(when_words).unwrap_or_default();
            let cells = [
                words(&p.name),
                code(&p.form, 7448),
                p.strength.as_ref().map(amount_text).unwrap_or_default(),
                words(&p.dosage),
                code(&p.usage, 9101),
                when(&p.from),
                when(&p.to),
                code(&p.status, 9104),
            ];
            html.raw("<tr>");
            for cell in &cells {
                html.raw("<td>").laid_out(cell).raw("</td>");
            }
            html.raw("</tr>");
            for words in p.name.iter().chain(&p.dosage) {
                words.told(&mut self.coverage, SECTION);
            }
            for code in [&p.form, &p.usage, &p.status].into_iter().flatten() {
                code.told(&mut self.coverage, SECTION);
            }
            for when in p.from.iter().chain(&p.to) {
                when.told(&mut self.coverage, SECTION);
            }
            if let Some(strength) = &p.strength {
                strength.told(&mut self.coverage, SECTION);
            }
            let drug = p.node.child("Forskrivningsinfo");
            let all = p.node.elements().chain(drug.into_iter().flat_map(Node::elements));
            let rest = all.filter(|e| Some(*e) != drug && !COLUMNS.contains(&e.name()));
            let mut below = Html::new();
            tell_all(rest, labels::label, SECTION, &mut below, &mut self.coverage);
            if !below.is_empty() {
                html.raw("<tr><td></td><td colspan=\"7\">").append(&below);
                html.raw("</td></tr>");
            }
        }
        html.raw("</tbody></table>");
    }

    /// What stands in a chapter before its components.
    fn before(&mut self, chapter: Chapter, cover: &Cover<'a>, html: &mut Html) {
        let body = self.body;
        if let (Chapter::Patient, Some(who)) = (chapter, &body.head.patient) {
            html.raw("<table><tbody>");
            self.head_patient(who, chapter.title(), html);
            html.raw("</tbody></table>");
        }
        if chapter == Chapter::Contacts {
            let mut rows = Html::new();
            self.head_parties(&body.head, chapter.title(), &mut rows);
            if !rows.is_empty() {
                html.raw("<table><tbody>").append(&rows);
                html.raw("</tbody></table>");
            }
        }
        if chapter == Chapter::Document {
            html.raw("<table><tbody>");
            html.row("Status", state(body.service_code()));
            self.head_information(&body.head, cover.generated.0, chapter.title(), html);
            html.raw("</tbody></table>");
        }
    }
}
