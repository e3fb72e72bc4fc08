//! Dialogmelding 1.0 (2006-10-11) and 1.1 (2013-01-23) as documents (document-sharing §6.5).
//!
//! | source (`D` = `//Dialogmelding`) | target |
//! |---|---|
//! | `D/Notat` | Communication, status completed |
//! | `D/Foresporsel` | CommunicationRequest, status active |
//! | `D/Notat/Foresporsel` | the question that is answered: text, and inResponseTo; asked long since, so no request |
//! | `SakstypeKodet`, `Sakstype` | category |
//! | `TemaKodet`, `Tema` | topic and category |
//! | `TekstNotatInnhold`, `Sporsmal` | payload, and text with its markup |
//! | `DokIdNotat`, `DokIdForesp` | identifier; of the question answered: inResponseTo |
//! | `Formål`, `Begrunnelse`, `EmneSporsmal` | reasonCode |
//! | `Hastegrad` | priority: 1 stat, 3 asap, 2 urgent, 9 routine |
//! | `FraDato`, `TilDato`, `TypeJournalinfo`, `KodetOpplysning` | text: what is asked about, no due time |
//! | `RollerRelatertNotat` 1 / 3 / others | sender and author / attester / text |
//! | `ConversationRef/RefToParent` | inResponseTo: a reply link, not a version |
//! | Sender, Receiver | sender, recipient |
//!
//! A dialogue has no versions: every message is a document of its own, new and final. It is not published
//! unless the settings say so, and never without a patient.

mod read;
mod text;

use super::attachments::Room;
use super::bundle_text::BundleText;
use super::coverage::{Coverage, Paths};
use super::described::{self, Author, Described, Person};
use super::fhir::{
    Annotation, Attester, CodeableConcept, Communication, CommunicationRequest, DateTime, Identifier,
    Payload, Reference, Resource,
};
use super::identifiers::LONGEST;
use super::identity::Ids;
use super::msg_head::MsgHead;
use super::values::{Sourced, When, Words};
use super::writer::{self, Cover, Writer};
use super::{Fault, Notes, Options, SharedDocument, Withheld, codes, lists};
use crate::family::Family;
use crate::head::ServiceType;
use crate::xml::Tree;
use read::{Dialogue, Note, Question};
use std::borrow::Cow;
use uuid::Uuid;

const KINDS: [(&str, &str); 2] = [("I00-1", "Korrespondanse"), ("I02-2", "Brev")];

/// Bytes of case and code of a case that are repeated on every note and question.
const LONGEST_CASE: usize = 1_000;

/// The parties of a message as resources.
#[derive(Debug, Clone, Copy)]
struct Parties {
    sender: Option<Uuid>,
    recipient: Option<Uuid>,
}

/// Translates a dialogue message.
pub(super) fn translate(
    text: &str,
    tree: &Tree,
    head: MsgHead<'_>,
    options: &Options,
) -> Result<SharedDocument, Fault> {
    let payload = head.payload.ok_or(Fault::NoTranslation)?;
    let (root, namespace) = (head.node, payload.namespace());
    let body = Dialogue::read(head, payload);
    if body.questions.len() + body.notes.len() + body.roles().count() > options.max_resources {
        return Err(Fault::TooLarge { what: "resources", limit: options.max_resources });
    }
    Room::of(options).unpack(&body.head.attachments, options)?;

    let mut coverage = Coverage::new(root, root, true);
    let mut notes = Notes::new(text);
    let mut withheld = Vec::new();
    let msg_id = body.head.envelope.msg_key().ok_or(Fault::NoMessageId)?;
    let sender = body.head.sender.as_ref();
    let keys = writer::keys(
        "dialog",
        sender.and_then(|p| p.institution.as_ref()),
        Some(&msg_id),
        None,
        &msg_id,
        options,
        &mut withheld,
    )?;
    let generated = writer::generated(&[body.head.envelope.generated.as_ref()], &mut notes)?;
    let judged = match &body.head.patient {
        Some(who) => who.judge(options, &mut notes, &mut withheld),
        None => {
            withheld.push(Withheld::NoPatient);
            None
        }
    };
    if !options.publish_dialogues {
        withheld.push(Withheld::Dialogue);
    }
    withheld.extend(body.head.consent());

    let mut paths = Paths::default();
    let mut ids = Ids::new(&keys, &mut paths);
    let patient = body.head.patient_node().map(|node| ids.make("Patient", node, 1, &mut coverage));
    let subject = body.head.patient.as_ref().map(|who| who.subject(patient, judged.as_ref()));
    let mut writer = Writer {
        options,
        body: &body,
        envelope: &body.head.envelope,
        sender,
        subject: subject.as_ref(),
        coverage,
        ids,
        notes,
        entries: Vec::new(),
        written: BundleText::default(),
        tail: Vec::new(),
        roles: Vec::new(),
        custodian: None,
        attached: Vec::new(),
    };
    writer.head(&body.head, patient, judged.as_ref());
    let (authors, attesters) = writer.people();
    let parties = Parties {
        sender: sender.and_then(|p| writer.role(p, true)),
        recipient: body.head.receiver.as_ref().and_then(|p| writer.role(p, false)),
    };
    let written: Vec<Uuid> = body.notes.iter().map(|n| writer.note(n, parties, generated.1)).collect();
    let asked: Vec<Uuid> = body.questions.iter().map(|q| writer.question(q, parties, generated.1)).collect();
    let attachments = writer.attachments(&body.head.attachments);
    let authors = match (authors.is_empty(), parties.sender) {
        (true, Some(sender)) => vec![Reference::to(sender)],
        _ => authors,
    };
    let told_on = body.notes.iter().filter_map(|n| n.date.as_ref()).find_map(When::dated);
    let cover = Cover {
        keys,
        service_type: ServiceType::New,
        status: "final",
        title: title(&body),
        kinds: KINDS,
        generated,
        period: (told_on.unwrap_or(generated.0), None),
        encounter: None,
        authors,
        attesters,
        withheld,
        judged,
        described: described(&body, namespace, &msg_id, judged.as_ref()),
    };
    let mut composition = writer.composition(payload, &cover);
    composition.text = Some(writer.summary(&cover, "Endelig"));
    let parts = text::Parts { notes: &written, questions: &asked, attachments: &attachments };
    composition.section = writer.sections(&parts, &cover, root, tree);
    let size = root.source().len();
    writer.seal(cover, Some(composition), size)
}

/// The topic by its list's own text: never a word of the sender's.
fn title(body: &Dialogue<'_>) -> String {
    let code = body.notes.iter().find_map(|n| n.topic.as_ref());
    let code = code.or_else(|| body.questions.iter().find_map(|q| q.kind.as_ref()));
    let text = code.and_then(|c| lists::list_text(c.system.and_then(codes::national)?, c.code()?));
    match text {
        Some(text) => format!("Dialogmelding - {text}"),
        None => "Dialogmelding".to_owned(),
    }
}

//= document-sharing §7.4
//# dialogue RolleNotat 1, else Sender
fn described(
    body: &Dialogue<'_>,
    namespace: &str,
    msg_id: &str,
    judged: Option<&super::identifiers::Judged>,
) -> Described {
    let sender = body.head.sender.as_ref();
    let of_role = |wanted: &'static str| body.roles().filter(move |r| r.code() == Some(wanted));
    let mut authors: Vec<Author> =
        of_role("1").filter_map(|r| Author::of(r.party()?, r.unit.as_ref().or(sender))).collect();
    if authors.is_empty() {
        authors.extend(body.head.sending_author());
    }
    let approver = of_role("3").filter_map(|r| r.person.as_ref()).find_map(|p| p.persons.first());
    Described {
        family: Family::Dialogue,
        namespace: namespace.to_owned(),
        series_id: Some(msg_id.to_owned()),
        orders: Vec::new(),
        patient: body.head.patient.as_ref().map(|who| who.described(judged)),
        authors,
        legal_authenticator: approver.and_then(Person::of),
        custodian: body.head.sending_unit(),
        recipients: body.head.recipients(),
        discipline: None,
        events: described::procedures(body.node.descendants()),
        attachments: Vec::new(),
    }
}

impl<'a, 't> Writer<'a, '_, 't, Dialogue<'t>> {
    /// Authors (1) and approvers (3) of K(9057).
    fn people(&mut self) -> (Vec<Reference<'a>>, Vec<Attester<'a>>) {
        let (mut authors, mut attesters) = (Vec::new(), Vec::new());
        for role in self.body.roles() {
            let Some(party) = role.party() else { continue };
            match role.code() {
                Some("1") => {
                    let id = self.role(party, true);
                    authors.extend(id.map(Reference::to));
                }
                Some("3") => {
                    let id = self.role(party, true);
                    attesters.extend(id.map(|id| Attester {
                        mode: "legal",
                        time: None,
                        party: Some(Reference::to(id)),
                    }));
                }
                Some(_) | None => {}
            }
        }
        (authors, attesters)
    }

    /// Who wrote a note or question: the author among its roles, else the sender.
    fn writer_of(&mut self, roles: &'a [read::Role<'t>], parties: Parties) -> Option<Uuid> {
        let author = roles.iter().filter(|r| r.code() == Some("1")).find_map(read::Role::party);
        author.and_then(|p| self.role(p, true)).or(parties.sender)
    }

    /// What the whole message is about; what would be long to repeat on every note stands in the text alone.
    fn case(&mut self) -> Vec<CodeableConcept<'a>> {
        let body = self.body;
        let mode = self.mode();
        let nodes =
            body.case_code.as_ref().map(|c| c.node).into_iter().chain(body.case.as_ref().map(|w| w.node));
        if nodes.map(|n| n.source().len()).sum::<usize>() > LONGEST_CASE {
            return Vec::new();
        }
        let mut category = Vec::new();
        let mut concept = body.case_code.as_ref().and_then(|c| codes::concept(c, None, mode));
        if let Some(code) = &body.case_code {
            code.mapped(&mut self.coverage, "Communication.category");
        }
        if let Some(words) = &body.case {
            words.mapped(&mut self.coverage, "Communication.category");
            concept.get_or_insert_default().text = Some(Cow::Borrowed(&*words.value));
        }
        category.extend(concept);
        category
    }

    fn note(&mut self, note: &'a Note<'t>, parties: Parties, generated: DateTime) -> Uuid {
        let mode = self.mode();
        let id = self.id("Communication", note.node, 1);
        let mut topic = note.topic.as_ref().and_then(|c| codes::concept(c, None, mode));
        if let Some(code) = &note.topic {
            code.mapped(&mut self.coverage, "Communication.topic");
        }
        let mut category = self.case();
        category.extend(topic.clone());
        if let Some(words) = &note.topic_words {
            words.mapped(&mut self.coverage, "Communication.topic");
            topic.get_or_insert_default().text = Some(Cow::Borrowed(&*words.value));
        }
        let payload = note.text.and_then(|node| self.plain_text(node, "Communication.payload"));
        let mut comments = Vec::new();
        if let Some(words) = &note.comment {
            words.mapped(&mut self.coverage, "Communication.note");
            comments.push(Annotation { text: Cow::Borrowed(&*words.value) });
        }
        let sent = self.date_time(note.date.as_ref(), "Communication.sent", text::NOTE);
        let mut in_response_to = Vec::new();
        let question = note.question.as_ref().and_then(|q| q.id.as_ref());
        let parent = self.body.head.conversation.as_ref().and_then(|c| c.parent.as_ref());
        for words in [question, parent].into_iter().flatten() {
            if let Some(value) = words.id().filter(|v| v.len() <= LONGEST) {
                words.mapped(&mut self.coverage, "Communication.inResponseTo");
                in_response_to.push(named(value));
            }
        }
        let sender = self.writer_of(&note.roles, parties);
        let identifier = self.document_id(note.id.as_ref(), "Communication.identifier");
        let out = Communication {
            id: Some(id),
            identifier,
            in_response_to,
            status: Some("completed"),
            category,
            subject: self.subject,
            topic,
            sent: Some(sent.unwrap_or(generated)),
            recipient: parties.recipient.map(Reference::to).into_iter().collect(),
            sender: sender.map(Reference::to),
            payload: payload.map(|content| Payload { content }).into_iter().collect(),
            note: comments,
            ..Communication::default()
        };
        self.push(id, Resource::Communication(Box::new(out)));
        id
    }

    fn question(&mut self, question: &'a Question<'t>, parties: Parties, generated: DateTime) -> Uuid {
        const REASON: &str = "CommunicationRequest.reasonCode";
        let mode = self.mode();
        let id = self.id("CommunicationRequest", question.node, 1);
        let mut category = self.case();
        if let Some(code) = &question.kind {
            code.mapped(&mut self.coverage, "CommunicationRequest.category");
            category.extend(codes::concept(code, None, mode));
        }
        let mut reason_code = Vec::new();
        if let Some(code) = &question.purpose {
            code.mapped(&mut self.coverage, REASON);
            reason_code.extend(codes::concept(code, Some(9068), mode));
        }
        for words in question.subject.iter().chain(&question.reason) {
            words.mapped(&mut self.coverage, REASON);
            reason_code.push(CodeableConcept::text(&*words.value));
        }
        let priority = question.urgency.as_ref().and_then(|code| {
            let priority = match code.code()? {
                "1" => "stat",
                "2" => "urgent",
                "3" => "asap",
                "9" => "routine",
                _ => return None,
            };
            code.mapped(&mut self.coverage, "CommunicationRequest.priority");
            Some(priority)
        });
        let payload = question.text.and_then(|node| self.plain_text(node, "CommunicationRequest.payload"));
        let asks = self.writer_of(&question.roles, parties).map(Reference::to);
        let identifier = self.document_id(question.id.as_ref(), "CommunicationRequest.identifier");
        let out = CommunicationRequest {
            id: Some(id),
            identifier,
            status: Some("active"),
            category,
            priority,
            subject: self.subject,
            payload: payload.map(|content| Payload { content }).into_iter().collect(),
            authored_on: Some(generated),
            requester: asks.clone(),
            recipient: parties.recipient.map(Reference::to).into_iter().collect(),
            sender: parties.sender.map(Reference::to),
            reason_code,
            ..CommunicationRequest::default()
        };
        self.push(id, Resource::CommunicationRequest(Box::new(out)));
        id
    }

    /// The sender's own number of a note or question: no system, but who gave it.
    fn document_id(&mut self, id: Option<&'a Words<'t>>, target: &'static str) -> Vec<Identifier<'a>> {
        let Some(words) = id else { return Vec::new() };
        let Some(value) = words.id() else { return Vec::new() };
        words.mapped(&mut self.coverage, target);
        vec![Identifier { value: Some(Cow::Borrowed(value)), ..Identifier::default() }]
    }
}

/// A reference by nothing but a business identifier.
fn named(value: &str) -> Reference<'_> {
    let identifier = Identifier { value: Some(Cow::Borrowed(value)), ..Identifier::default() };
    Reference { identifier: Some(Box::new(identifier)), ..Reference::default() }
}
