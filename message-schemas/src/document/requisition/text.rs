//! The text of a requisition.

use super::labels::label;
use super::read::{Asked, Requisition};
use crate::document::clinical::SAFETY;
use crate::document::clinical::chapters::{Chapters, OTHERS, Slot, slot, split};
use crate::document::codes;
use crate::document::fhir::{Reference, Resource, Section};
use crate::document::narrative::Html;
use crate::document::parties::Party;
use crate::document::tell::tell_all;
use crate::document::values::{Code, Sourced};
use crate::document::words::{date_words, row_code, row_when, row_words};
use crate::document::writer::{Cover, Writer};
use crate::xml::{Node, Tree};
use uuid::Uuid;

pub(super) const ASKED: &str = "Ønskede undersøkelser";
pub(super) const SAMPLES: &str = "Materiale";
pub(super) const DOCUMENT: &str = "Dokumentinformasjon";
const REASONS: &str = "Begrunnelse";
const CONTACTS: &str = "Kontakter";
const PATIENT: &str = "Pasient";

/// The clinical information: what whoever examines the patient must know, and the rest.
pub(super) const CLINICAL: &[Slot] = &[
    slot(SAFETY, &[(8233, &["CAVE", "NB", "SM"])]),
    slot(
        "Kliniske opplysninger",
        &[(
            8233,
            &[
                "H", "B", "ART", "ANAM", "OPPL", "GOPL", "SYMP", "FUNN", "US", "OPIN", "MPRS", "PRS", "TB",
                "GBEH", "MEDB", "FA", "PROG", "SYKM",
            ],
        )],
    ),
    split(OTHERS, &[]),
];

/// What the sections are made of, and name.
#[derive(Debug)]
pub(super) struct Parts<'p, 'a> {
    pub requests: &'p [Uuid],
    pub samples: &'p [Uuid],
    pub attachments: &'p [Uuid],
    pub clinical: Chapters<'a>,
}

/// What became of the order, in words.
pub(super) fn state(service: Option<&str>) -> &'static str {
    match service {
        Some("C") => "Kansellert: rekvisisjonen er trukket tilbake",
        Some("M" | "E") => "Endret",
        Some("A") => "Tillegg",
        _ => "Ny",
    }
}

/// What an order is called, by its place and by what the message does with it; nothing where one order is just asked for.
fn heading(asked: &Asked<'_>, nth: usize, all: usize) -> Option<String> {
    let code = asked.service_type.as_ref();
    let done = match asked.service_code() {
        Some("H") => Some("tidligere rekvirert, tatt med som historikk"),
        Some("A") => Some("tillegg"),
        Some("C") => Some("kansellert"),
        Some("M" | "E") => Some("endret"),
        Some("N") => Some("ny"),
        Some(_) => code.and_then(|c| codes::words(c, 8270)),
        None => None,
    };
    if all == 1 && matches!(asked.service_code(), None | Some("N")) {
        return None;
    }
    let place = if all == 1 { "Bestilling".to_owned() } else { format!("Bestilling {nth} av {all}") };
    Some(done.map_or_else(|| place.clone(), |done| format!("{place}: {done}")))
}

impl<'a, 't> Writer<'a, '_, 't, Requisition<'t>> {
    /// All sections that have something in them.
    pub(super) fn sections(
        &mut self,
        parts: Parts<'_, 'a>,
        cover: &Cover<'a>,
        root: Node<'t>,
        tree: &'t Tree,
    ) -> Vec<Section<'a>> {
        let body = self.body;
        let references = |ids: &[Uuid]| ids.iter().map(|id| Reference::to(*id)).collect::<Vec<_>>();
        let mut sections = Vec::new();
        let mut clinical = Vec::new();
        self.bind(parts.clinical, &mut clinical);
        let (safety, clinical): (Vec<_>, Vec<_>) = clinical.into_iter().partition(|s| s.title == SAFETY);
        sections.extend(safety);
        let mut html = Html::new();
        self.open(&mut html);
        for headed in &body.reasons {
            if let Some(code) = &headed.heading {
                code.told(&mut self.coverage, REASONS);
            }
            self.headed_row(&mut html, "Begrunnelse", 8231, headed, REASONS);
        }
        self.close_and_add(&mut sections, REASONS, html, Vec::new());

        let mut html = Html::new();
        let history = |asked: &&Asked<'t>| asked.service_code() == Some("H");
        // What is asked for stands before what was asked for earlier.
        let (earlier, now): (Vec<&Asked<'t>>, Vec<&Asked<'t>>) = body.asked.iter().partition(history);
        for (n, asked) in now.into_iter().chain(earlier).enumerate() {
            if let Some(heading) = heading(asked, n + 1, body.asked.len()) {
                // The first level below the title of the section.
                html.raw("<h1>").text(&heading).raw("</h1>");
            }
            tell_all(std::iter::once(asked.node), label, ASKED, &mut html, &mut self.coverage);
        }
        if html.is_empty() {
            html.raw("<p>").raw(state(body.service_code())).raw(".</p>");
        }
        let entries = [references(parts.requests), references(parts.samples)].concat();
        self.add(&mut sections, ASKED, html, entries);

        sections.extend(clinical);

        let mut html = Html::new();
        self.open(&mut html);
        row_words(&mut html, "Rekvirentens kommentar", body.comment.as_ref());
        for headed in &body.comments {
            if let Some(code) = &headed.heading {
                code.told(&mut self.coverage, "Kommentarer");
            }
            self.headed_row(&mut html, "Kommentar", 8234, headed, "Kommentarer");
        }
        self.close_and_add(&mut sections, "Kommentarer", html, Vec::new());

        self.about(&mut sections);
        self.contacts(&mut sections);
        let html = self.attachment_section(&body.attachments);
        self.add(&mut sections, "Vedlegg", html, references(parts.attachments));
        self.document_information(cover, &mut sections);
        let unread = self.unread(root, tree);
        self.add(&mut sections, "Annet innhold", unread, Vec::new());
        sections
    }

    fn open(&self, html: &mut Html) {
        html.raw(OPEN);
    }

    /// Closes a table and adds it, unless it has no row.
    fn close_and_add(
        &self,
        sections: &mut Vec<Section<'a>>,
        title: &'static str,
        mut html: Html,
        entry: Vec<Reference<'a>>,
    ) {
        if html.len() > OPEN.len() {
            html.raw("</tbody></table>");
            self.add(sections, title, html, entry);
        }
    }

    /// The patient; or the animal or material.
    fn about(&mut self, sections: &mut Vec<Section<'a>>) {
        let body = self.body;
        let mut html = Html::new();
        if let Some(p) = &body.patient {
            self.open(&mut html);
            p.who.rows(
                ["Id fra tjenesteyteren", "Id fra rekvirenten"],
                PATIENT,
                &mut html,
                &mut self.coverage,
            );
            p.who.address_rows(PATIENT, &mut html, &mut self.coverage);
            html.raw("</tbody></table>");
            tell_all(p.told.iter().copied(), label, PATIENT, &mut html, &mut self.coverage);
        }
        let patient = self.entries.iter().find(|e| matches!(e.resource, Resource::Patient(_)));
        let entry = patient.map(|e| Reference::to(e.full_url.0)).into_iter().collect();
        self.add(sections, PATIENT, html, entry);
        if let Some(other) = body.other {
            let title = if other.name() == "Animal" { "Dyr" } else { "Undersøkt materiale" };
            let mut html = Html::new();
            tell_all(other.elements(), label, title, &mut html, &mut self.coverage);
            self.add(sections, title, html, Vec::new());
        }
    }

    fn contacts(&mut self, sections: &mut Vec<Section<'a>>) {
        let body = self.body;
        let mut html = Html::new();
        self.open(&mut html);
        let responsible = body.patient.as_ref().and_then(|p| p.responsible.as_ref());
        let fixed: [(&str, Option<&'a Party<'t>>); 4] = [
            ("Rekvirent", body.requester.as_ref()),
            ("Ansvarlig", responsible),
            ("Mottaker", body.provider.as_ref()),
            ("Betalingsansvarlig", body.payer.as_ref()),
        ];
        let fixed = fixed.into_iter().filter_map(|(label, party)| Some((label, party?)));
        for (label, party) in fixed.chain(body.copies.iter().map(|p| ("Kopimottaker", p))) {
            let label = party.relation.as_ref().and_then(Code::words).unwrap_or(label);
            let mut text = String::new();
            party.describe(&mut text);
            party.told(&mut self.coverage, CONTACTS);
            if !text.is_empty() {
                html.row(label, &text);
            }
        }
        let references = self.party_references();
        self.close_and_add(sections, CONTACTS, html, references);
    }

    fn document_information(&mut self, cover: &Cover<'a>, sections: &mut Vec<Section<'a>>) {
        let body = self.body;
        let mut html = Html::new();
        self.open(&mut html);
        row_code(&mut html, "Fagområde", body.discipline.as_ref());
        row_code(&mut html, "Tjenestetype", body.service_type.as_ref());
        html.row("Status", state(body.service_code()));
        for words in body.id.iter().chain(&body.by_provider) {
            words.told(&mut self.coverage, DOCUMENT);
        }
        row_words(&mut html, "Rekvisisjonens id", body.id.as_ref());
        row_words(&mut html, "Tjenesteyterens id", body.by_provider.as_ref());
        row_code(&mut html, "Svarprioritet", body.report_priority.as_ref());
        row_when(&mut html, "Rekvirert", body.issued.as_ref());
        row_words(&mut html, "Meldingens id", self.envelope.msg_id.as_ref());
        html.row("Melding laget", &date_words(cover.generated.0));
        if self.envelope.is_test() {
            html.row("Test", "Meldingen er merket som test");
        }
        html.raw("</tbody></table>");
        tell_all(body.wishes.iter().copied(), label, DOCUMENT, &mut html, &mut self.coverage);
        self.add(sections, DOCUMENT, html, Vec::new());
    }
}

const OPEN: &str = "<table><tbody>";
