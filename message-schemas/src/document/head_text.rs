//! What stands in MsgHead, in the text and resources of any family that travels under it.

use super::coverage::Outcome;
use super::described::{Author, Organisation};
use super::fhir::Resource;
use super::identifiers::Judged;
use super::individual::Individual;
use super::msg_head::{Description, MsgHead};
use super::narrative::Html;
use super::values::{Sourced, Words};
use super::words::{date_words, row_code, row_when, row_words};
use super::writer::Writer;
use crate::time::Stamp;
use crate::xml::Node;
use foldhash::HashSet;
use uuid::Uuid;

impl<'a, 't, B> Writer<'a, '_, 't, B> {
    /// Marks envelope and cover, and writes patient and sending legal unit: what every document begins with.
    pub(super) fn head(&mut self, head: &'a MsgHead<'t>, patient: Option<Uuid>, judged: Option<&Judged>) {
        self.envelope_marks((Outcome::Mapped, "Bundle.identifier"));
        head.mark_cover(&mut self.coverage);
        if let (Some(id), Some(who)) = (patient, &head.patient) {
            let resource = self.patient(id, who, judged, [None, None]);
            self.push(id, Resource::Patient(Box::new(resource)));
        }
        self.custodian();
    }

    /// The patient, in rows of a table that the caller opens and closes.
    pub(super) fn head_patient(&mut self, who: &'a Individual<'t>, section: &'static str, html: &mut Html) {
        who.rows(["Id fra tjenesteyter", "Id fra rekvirent"], section, html, &mut self.coverage);
        who.address_rows(section, html, &mut self.coverage);
    }

    /// Who sends, who receives, and who else: a row each.
    pub(super) fn head_parties(&mut self, head: &'a MsgHead<'t>, section: &'static str, html: &mut Html) {
        let fixed = [("Avsender", head.sender.as_ref()), ("Mottaker", head.receiver.as_ref())];
        let fixed = fixed.into_iter().filter_map(|(label, party)| Some((label, party?)));
        let others = head.other_receivers.iter().map(|p| ("Annen mottaker", p));
        let mut told = HashSet::default();
        for (label, party) in fixed.chain(others) {
            let mut text = String::new();
            party.describe(&mut text);
            party.told(&mut self.coverage, section);
            if !text.is_empty() && told.insert((label, text.clone())) {
                html.row(label, &text);
            }
        }
    }

    /// Ids, time and conversation of the message, and what is said about its documents: rows of a table.
    pub(super) fn head_information(
        &mut self,
        head: &'a MsgHead<'t>,
        generated: Stamp,
        section: &'static str,
        html: &mut Html,
    ) {
        row_words(html, "Meldingens id", head.envelope.msg_id.as_ref());
        html.row("Melding laget", &date_words(generated));
        if let Some(conversation) = &head.conversation {
            for (label, words) in
                [("Viser til melding", &conversation.parent), ("Startet med melding", &conversation.first)]
            {
                if let Some(words) = words {
                    words.told(&mut self.coverage, section);
                    html.row(label, &words.value);
                }
            }
        }
        for description in &head.descriptions {
            match description {
                Description::Code(label, code) => {
                    code.told(&mut self.coverage, section);
                    row_code(html, label, Some(code));
                }
                Description::Words(label, words) => {
                    words.told(&mut self.coverage, section);
                    html.row(label, &words.value);
                }
                Description::When(label, when) => {
                    when.told(&mut self.coverage, section);
                    row_when(html, label, Some(when));
                }
            }
        }
        if head.envelope.is_test() {
            html.row("Test", "Meldingen er merket som test");
        }
    }
}

impl<'t> MsgHead<'t> {
    /// The patient to whom `id` belongs, if one is named.
    pub(super) fn patient_node(&self) -> Option<Node<'t>> {
        self.patient.as_ref().map(|p| p.node)
    }

    /// The sender as author, where the payload names none.
    pub(super) fn sending_author(&self) -> Option<Author> {
        self.sender.as_ref().and_then(|p| Author::of(p, None))
    }

    /// To whom it was sent, copies not counted.
    pub(super) fn recipients(&self) -> Vec<Organisation> {
        let unit = self.receiver.as_ref().and_then(|p| p.institution.as_ref());
        unit.and_then(Organisation::of).into_iter().collect()
    }

    /// The sending legal unit.
    pub(super) fn sending_unit(&self) -> Option<Organisation> {
        self.sender.as_ref().and_then(|p| p.institution.as_ref()).and_then(Organisation::of)
    }

    /// The message that this one answers or follows, as keys write it.
    pub(super) fn parent(&self) -> Option<&str> {
        self.conversation.as_ref()?.parent.as_ref().and_then(Words::id)
    }

    /// The message that the conversation began with.
    pub(super) fn conversation(&self) -> Option<&str> {
        self.conversation.as_ref()?.first.as_ref().and_then(Words::id)
    }
}
