//! The text of a dialogue message.

use super::read::{Dialogue, Note, Question, Role};
use crate::document::fhir::{Reference, Resource, Section};
use crate::document::narrative::Html;
use crate::document::values::{Code, Sourced, When, Words};
use crate::document::words::{row_code, row_when, row_words};
use crate::document::writer::{Cover, Writer};
use crate::xml::{Node, Tree};
use uuid::Uuid;

pub(super) const NOTE: &str = "Notat";
const QUESTION: &str = "Forespørsel";
const INFORMATION: &str = "Dokumentinformasjon";

/// What the sections name.
#[derive(Debug)]
pub(super) struct Parts<'p> {
    pub notes: &'p [Uuid],
    pub questions: &'p [Uuid],
    pub attachments: &'p [Uuid],
}

impl<'a, 't> Writer<'a, '_, 't, Dialogue<'t>> {
    /// All sections that have something in them.
    pub(super) fn sections(
        &mut self,
        parts: &Parts<'_>,
        cover: &Cover<'a>,
        root: Node<'t>,
        tree: &'t Tree,
    ) -> Vec<Section<'a>> {
        let body = self.body;
        let mut sections = Vec::new();
        for (note, id) in body.notes.iter().zip(parts.notes) {
            let mut html = Html::new();
            self.note_text(note, &mut html);
            self.add(&mut sections, NOTE, html, vec![Reference::to(*id)]);
            if let Some(question) = &note.question {
                let mut html = Html::new();
                self.question_text(question, &mut html);
                self.add(&mut sections, "Besvart forespørsel", html, Vec::new());
            }
        }
        for (question, id) in body.questions.iter().zip(parts.questions) {
            let mut html = Html::new();
            self.question_text(question, &mut html);
            self.add(&mut sections, QUESTION, html, vec![Reference::to(*id)]);
        }
        if let Some(who) = &body.head.patient {
            let mut html = Html::new();
            html.raw("<table><tbody>");
            self.head_patient(who, "Pasient", &mut html);
            html.raw("</tbody></table>");
            let patient = self.entries.iter().find(|e| matches!(e.resource, Resource::Patient(_)));
            let entry = patient.map(|e| Reference::to(e.full_url.0)).into_iter().collect();
            self.add(&mut sections, "Pasient", html, entry);
        }
        let mut rows = Html::new();
        self.head_parties(&body.head, "Kontakter", &mut rows);
        if !rows.is_empty() {
            let mut html = Html::new();
            html.raw("<table><tbody>").append(&rows);
            html.raw("</tbody></table>");
            let parties = self.party_references();
            self.add(&mut sections, "Kontakter", html, parties);
        }
        let html = self.attachment_section(&body.head.attachments);
        let ids = parts.attachments.iter().map(|id| Reference::to(*id)).collect();
        self.add(&mut sections, "Vedlegg", html, ids);
        let mut html = Html::new();
        html.raw("<table><tbody>");
        self.tell_code("Sakstype (kode)", body.case_code.as_ref(), INFORMATION, &mut html);
        self.tell_words("Sakstype", body.case.as_ref(), INFORMATION, &mut html);
        self.head_information(&body.head, cover.generated.0, INFORMATION, &mut html);
        html.raw("</tbody></table>");
        self.add(&mut sections, INFORMATION, html, Vec::new());
        let unread = self.unread(root, tree);
        self.add(&mut sections, "Annet innhold", unread, Vec::new());
        sections
    }

    fn note_text(&mut self, note: &'a Note<'t>, html: &mut Html) {
        html.raw("<table><tbody>");
        self.tell_code("Tema (kode)", note.topic.as_ref(), NOTE, html);
        self.tell_words("Tema", note.topic_words.as_ref(), NOTE, html);
        self.tell_when("Dato", note.date.as_ref(), NOTE, html);
        self.tell_rich("Innhold", note.text, NOTE, html);
        self.tell_words("Merknad", note.comment.as_ref(), NOTE, html);
        self.tell_words("Notatets id", note.id.as_ref(), NOTE, html);
        note.roles.iter().for_each(|role| self.tell_role(role, NOTE, html));
        html.raw("</tbody></table>");
    }

    fn question_text(&mut self, question: &'a Question<'t>, html: &mut Html) {
        html.raw("<table><tbody>");
        self.tell_code("Type", question.kind.as_ref(), QUESTION, html);
        self.tell_words("Emne", question.subject.as_ref(), QUESTION, html);
        self.tell_rich("Spørsmål", question.text, QUESTION, html);
        self.tell_code("Formål", question.purpose.as_ref(), QUESTION, html);
        self.tell_words("Begrunnelse", question.reason.as_ref(), QUESTION, html);
        self.tell_code("Hastegrad", question.urgency.as_ref(), QUESTION, html);
        self.tell_when("Gjelder fra", question.from.as_ref(), QUESTION, html);
        self.tell_when("Gjelder til", question.to.as_ref(), QUESTION, html);
        for code in &question.wanted {
            self.tell_code("Opplysninger", Some(code), QUESTION, html);
        }
        self.tell_words("Forespørselens id", question.id.as_ref(), QUESTION, html);
        question.roles.iter().for_each(|role| self.tell_role(role, QUESTION, html));
        html.raw("</tbody></table>");
    }

    /// Everybody with something to do with a note or question, by role.
    fn tell_role(&mut self, role: &'a Role<'t>, section: &'static str, html: &mut Html) {
        let label = role.role.as_ref().and_then(Code::words).unwrap_or("Helsepersonell");
        if let Some(code) = &role.role {
            code.told(&mut self.coverage, section);
        }
        let mut text = String::new();
        for party in role.person.iter().chain(&role.unit) {
            text.push_str(if text.is_empty() { "" } else { "; " });
            party.describe(&mut text);
            party.told(&mut self.coverage, section);
        }
        if let Some(comment) = &role.comment {
            comment.told(&mut self.coverage, section);
            text.push_str(if text.is_empty() { "" } else { "; " });
            text.push_str(&comment.value);
        }
        if !text.is_empty() {
            html.row(label, &text);
        }
    }

    fn tell_code(&mut self, label: &str, code: Option<&'a Code<'t>>, section: &'static str, html: &mut Html) {
        if let Some(code) = code {
            code.told(&mut self.coverage, section);
        }
        row_code(html, label, code);
    }

    fn tell_words(
        &mut self,
        label: &str,
        words: Option<&'a Words<'t>>,
        section: &'static str,
        html: &mut Html,
    ) {
        if let Some(words) = words {
            words.told(&mut self.coverage, section);
        }
        row_words(html, label, words);
    }

    fn tell_when(&mut self, label: &str, when: Option<&'a When<'t>>, section: &'static str, html: &mut Html) {
        if let Some(when) = when {
            when.told(&mut self.coverage, section);
        }
        row_when(html, label, when);
    }

    fn tell_rich(&mut self, label: &str, node: Option<Node<'t>>, section: &'static str, html: &mut Html) {
        let Some(node) = node else { return };
        let mut cell = Html::new();
        self.rich(node, section, &mut cell);
        if !cell.is_empty() {
            html.raw("<tr><th>").text(label).raw("</th><td>").append(&cell);
            html.raw("</td></tr>");
        }
    }
}
