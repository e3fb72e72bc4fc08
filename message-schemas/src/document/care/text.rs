//! The text of a care message: every component in its chapter.

use super::clinical::Written;
use super::read::{CareMessage, Chapter};
use crate::document::fhir::{Reference, Resource, Section};
use crate::document::narrative::Html;
use crate::document::tell::tell;
use crate::document::values::Sourced;
use crate::document::writer::{Cover, Writer};
use crate::xml::{Node, Tree};
use uuid::Uuid;

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
            for (_, node) in body.told.iter().filter(|(c, _)| *c == chapter) {
                tell(*node, chapter.title(), &mut html, &mut self.coverage);
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
        }
        let unread = self.unread(root, tree);
        self.add(&mut sections, "Annet innhold", unread, Vec::new());
        sections
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
            if let Some(reserved) = body.reserved.as_ref().filter(|r| r.value) {
                reserved.told(&mut self.coverage, chapter.title());
                html.raw("<p><b>Avsender tar forbehold om at meldingen sendes videre.</b></p>");
            }
            html.raw("<table><tbody>");
            html.row("Status", state(body.service_code()));
            self.head_information(&body.head, cover.generated.0, chapter.title(), html);
            html.raw("</tbody></table>");
        }
    }
}
