//! Dialogmelding 1.0 and 1.1 as they are read: one struct for both.
//!
//! 1.1 adds `EmneSporsmal`, `KodetOpplysning` and units to roles, allows markup in `Sporsmal` and several
//! `TypeJournalinfo`.

use crate::document::msg_head::MsgHead;
use crate::document::parties::Party;
use crate::document::values::{Code, When, Words, first};
use crate::xml::Node;

/// A whole message.
#[derive(Debug)]
pub(super) struct Dialogue<'t> {
    /// `Dialogmelding`
    pub node: Node<'t>,
    pub head: MsgHead<'t>,
    /// `SakstypeKodet`
    pub case_code: Option<Code<'t>>,
    /// `Sakstype`
    pub case: Option<Words<'t>>,
    pub questions: Vec<Question<'t>>,
    pub notes: Vec<Note<'t>>,
}

/// `Foresporsel`: something asked.
#[derive(Debug)]
pub(super) struct Question<'t> {
    pub node: Node<'t>,
    /// `TypeForesp`, K(9065) or K(8331)
    pub kind: Option<Code<'t>>,
    /// `EmneSporsmal`
    pub subject: Option<Words<'t>>,
    /// `Sporsmal`: text, or markup.
    pub text: Option<Node<'t>>,
    /// `Formål`, K(9068)
    pub purpose: Option<Code<'t>>,
    /// `Begrunnelse`
    pub reason: Option<Words<'t>>,
    /// `Hastegrad`, K(9067)
    pub urgency: Option<Code<'t>>,
    /// `FraDato`, `TilDato`: the period that is asked about.
    pub from: Option<When<'t>>,
    pub to: Option<When<'t>>,
    /// `TypeJournalinfo`, K(9066), and `KodetOpplysning`
    pub wanted: Vec<Code<'t>>,
    /// `DokIdForesp`
    pub id: Option<Words<'t>>,
    pub roles: Vec<Role<'t>>,
}

/// `Notat`: something told.
#[derive(Debug)]
pub(super) struct Note<'t> {
    pub node: Node<'t>,
    /// `TemaKodet`; its list tells the use.
    pub topic: Option<Code<'t>>,
    /// `Tema`
    pub topic_words: Option<Words<'t>>,
    /// `TekstNotatInnhold`: text, or markup.
    pub text: Option<Node<'t>>,
    /// `Merknad`
    pub comment: Option<Words<'t>>,
    /// `DokIdNotat`
    pub id: Option<Words<'t>>,
    /// `DatoNotat`
    pub date: Option<When<'t>>,
    /// The question that is answered.
    pub question: Option<Question<'t>>,
    pub roles: Vec<Role<'t>>,
}

/// `RollerRelatertNotat`
#[derive(Debug)]
pub(super) struct Role<'t> {
    /// `RolleNotat`, K(9057)
    pub role: Option<Code<'t>>,
    /// `HealthcareProfessional` or `Person`, with the unit's where there is no other.
    pub person: Option<Party<'t>>,
    /// `TilknyttetEnhet`
    pub unit: Option<Party<'t>>,
    /// Its `Merknad`
    pub comment: Option<Words<'t>>,
}

impl<'t> Dialogue<'t> {
    /// Reads the payload of a message.
    pub(super) fn read(head: MsgHead<'t>, node: Node<'t>) -> Self {
        let mut d =
            Self { node, head, case_code: None, case: None, questions: Vec::new(), notes: Vec::new() };
        for e in node.elements() {
            match e.name() {
                "SakstypeKodet" => first(&mut d.case_code, Some(Code::read(e))),
                "Sakstype" => first(&mut d.case, Words::read(e)),
                "Foresporsel" => d.questions.push(Question::read(e)),
                "Notat" => d.notes.push(Note::read(e)),
                _ => {}
            }
        }
        d
    }

    /// Roles of all notes and questions, in order.
    pub(super) fn roles(&self) -> impl Iterator<Item = &Role<'t>> {
        let of_notes = self.notes.iter().flat_map(|n| &n.roles);
        of_notes.chain(self.questions.iter().flat_map(|q| &q.roles))
    }
}

impl<'t> Question<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut q = Self {
            node,
            kind: None,
            subject: None,
            text: None,
            purpose: None,
            reason: None,
            urgency: None,
            from: None,
            to: None,
            wanted: Vec::new(),
            id: None,
            roles: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "TypeForesp" => first(&mut q.kind, Some(Code::read(e))),
                "EmneSporsmal" => first(&mut q.subject, Words::read(e)),
                "Sporsmal" => first(&mut q.text, Some(e)),
                "Formål" => first(&mut q.purpose, Some(Code::read(e))),
                "Begrunnelse" => first(&mut q.reason, Words::read(e)),
                "Hastegrad" => first(&mut q.urgency, Some(Code::read(e))),
                "FraDato" => first(&mut q.from, When::read(e)),
                "TilDato" => first(&mut q.to, When::read(e)),
                "TypeJournalinfo" | "KodetOpplysning" => q.wanted.push(Code::read(e)),
                "DokIdForesp" => first(&mut q.id, Words::read(e)),
                "RollerRelatertNotat" => q.roles.push(Role::read(e)),
                _ => {}
            }
        }
        q
    }
}

impl<'t> Note<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut n = Self {
            node,
            topic: None,
            topic_words: None,
            text: None,
            comment: None,
            id: None,
            date: None,
            question: None,
            roles: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "TemaKodet" => first(&mut n.topic, Some(Code::read(e))),
                "Tema" => first(&mut n.topic_words, Words::read(e)),
                "TekstNotatInnhold" => first(&mut n.text, Some(e)),
                "Merknad" => first(&mut n.comment, Words::read(e)),
                "DokIdNotat" => first(&mut n.id, Words::read(e)),
                "DatoNotat" => first(&mut n.date, When::read(e)),
                "Foresporsel" => first(&mut n.question, Some(Question::read(e))),
                "RollerRelatertNotat" => n.roles.push(Role::read(e)),
                _ => {}
            }
        }
        n
    }
}

impl<'t> Role<'t> {
    fn read(node: Node<'t>) -> Self {
        let unit = node.child("TilknyttetEnhet");
        let person = |at: Option<Node<'t>>| {
            let at = at?;
            at.child("HealthcareProfessional").or_else(|| at.child("Person"))
        };
        let mut read = Self {
            role: node.child("RolleNotat").map(Code::read),
            person: person(Some(node)).or_else(|| person(unit)).map(Party::read_professional),
            unit: unit.and_then(|u| u.child("Kontaktenhet")).map(Party::read_organisation),
            comment: unit.and_then(|u| u.child("Merknad")).and_then(Words::read),
        };
        // The role towards the patient stands beside the person, in it, or both.
        let beside = node.child("RoleToPatient").map(Code::read);
        if let Some(party) = read.person.as_mut().or(read.unit.as_mut()) {
            match (&mut party.role_to_patient, beside) {
                (slot @ None, beside) => *slot = beside,
                (Some(_), Some(beside)) => party.role = Some(beside),
                (Some(_), None) => {}
            }
        }
        read
    }

    /// The code of K(9057).
    pub(super) fn code(&self) -> Option<&str> {
        self.role.as_ref().and_then(Code::code)
    }

    /// Who has it.
    pub(super) fn party(&self) -> Option<&Party<'t>> {
        self.person.as_ref().or(self.unit.as_ref())
    }
}
