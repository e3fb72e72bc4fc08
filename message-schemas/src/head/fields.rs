//! The fields of a head that take more than one look, by the tables of kith-messages §3.

use super::layout::Layout;
use super::sketch::{Node, Sketch, Tag};
use super::{
    Attachment, Generated, Links, MessageHead, Party, Patient, ReceiptError, ReceiptHead, ReceiptStatus,
    Receiver, Role, Service, Unit, party, person_id,
};
use crate::family::MessageKind;
use crate::ids::{Ident, MsgId, Private};
use crate::time::Stamp;
use std::collections::HashSet;

pub(super) fn generated(text: &str) -> Generated {
    Generated { text: text.to_owned(), instant: Stamp::parse(text).and_then(|s| s.start()) }
}

pub(super) fn document_id(at: Node<'_>) -> Option<String> {
    // Reports are named by their provider, requests by their requester.
    let question = || at.all(Tag::Foresporsel).find_map(|f| f.value_of(Tag::DokIdForesp));
    let note = || at.all(Tag::Notat).find_map(|n| n.value_of(Tag::DokIdNotat));
    let id = if matches!(at.tag(), Tag::ServRprt | Tag::ServReport) {
        at.value_of(Tag::ServProvId)
    } else if at.tag() == Tag::ServReq {
        at.value_of(Tag::Id)
    } else {
        at.value_of(Tag::DocumentId).or_else(question).or_else(note)
    };
    id.map(str::to_owned)
}

pub(super) fn content_kind<'s>(layout: &Layout<'s>) -> Option<&'s str> {
    if let Some(body) = layout.body() {
        return body.value_of(Tag::MsgDescr);
    }
    let main = layout.main?;
    let question = || main.all(Tag::Foresporsel).find_map(|f| f.value_of(Tag::TypeForesp));
    let note = || main.all(Tag::Notat).find_map(|n| n.value_of(Tag::TemaKodet));
    main.value_of(Tag::MsgDescr).or_else(question).or_else(note)
}

pub(super) fn urgency<'s>(layout: &Layout<'s>) -> Option<&'s str> {
    let of = |at: Node<'s>| {
        at.child(Tag::ReqServ)
            .and_then(|r| r.value_of(Tag::Priority))
            .or_else(|| at.value_of(Tag::Priority))
            .or_else(|| at.value_of(Tag::RequestedPrioReport))
            .or_else(|| at.all(Tag::Foresporsel).find_map(|f| f.value_of(Tag::Hastegrad)))
    };
    layout
        .body()
        .and_then(of)
        .or_else(|| layout.main.and_then(of))
        .or_else(|| layout.info.value_of(Tag::RequestedPriority))
}

/// Ids of the requests that a report answers; `NULL` says that the id is unknown.
pub(super) fn requests(layout: &Layout<'_>) -> Vec<String> {
    let mut seen = HashSet::new();
    let reports = layout.bodies.iter().filter(|b| b.tag() != Tag::ServReq);
    reports
        .flat_map(|b| b.all(Tag::ServReq))
        .filter_map(|r| r.value_of(Tag::Id))
        .filter(|id| *id != "NULL" && seen.insert(*id))
        .map(str::to_owned)
        .collect()
}

/// Every `RefDoc` but the one that holds the main payload.
pub(super) fn attachments(sketch: &Sketch, main: Option<Node<'_>>) -> Vec<Attachment> {
    let main_doc = main.and_then(Node::parent).and_then(Node::parent);
    sketch
        .all(Tag::RefDoc)
        .filter(|doc| Some(*doc) != main_doc)
        .map(|doc| {
            let content = || doc.all(Tag::Content).flat_map(Node::children);
            let encoded_bytes = content()
                .map(|c| if c.tag() == Tag::Base64Container { c.counted() } else { c.source().len() })
                .sum();
            Attachment {
                mime_type: doc.value_of(Tag::MimeType).map(str::to_owned),
                encoded_bytes,
                reference: doc.child(Tag::MsgType).and_then(Node::code).unwrap_or_default().to_owned(),
            }
        })
        .collect()
}

pub(super) fn patient(at: Node<'_>) -> Patient {
    let mut idents = party::idents(at);
    let (off_id, kind) = (at.value_of(Tag::OffId), at.child(Tag::TypeOffId));
    // An empty number with a kind is kept: what was sent is a fact, if a poor one.
    if off_id.is_some() || kind.is_some_and(|k| k.code().is_some()) {
        idents.push(Ident {
            value: off_id.unwrap_or_default().to_owned(),
            kind: kind.and_then(Node::code).unwrap_or_default().to_owned(),
            system: kind.and_then(Node::system).map(str::to_owned),
            display: kind.and_then(Node::display).map(str::to_owned),
        });
    }
    idents.extend(party::additional(at));
    idents.sort_by_key(|i| !person_id::NATIONAL.contains(&i.kind.as_str()) || i.value.is_empty());
    let parts = || {
        let given: Vec<&str> =
            [Tag::GivenName, Tag::MiddleName].into_iter().filter_map(|t| at.value_of(t)).collect();
        let given = Some(given.join(" ")).filter(|g| !g.is_empty());
        match (at.value_of(Tag::FamilyName), given) {
            (Some(family), Some(given)) => Some(format!("{family}, {given}")),
            (Some(family), None) => Some(family.to_owned()),
            (None, given) => given,
        }
    };
    Patient {
        idents,
        checksum: None,
        name: at.value_of(Tag::Name).map(str::to_owned).or_else(parts).map(Private),
        born: at.value_of(Tag::DateOfBirth).map(|d| Private(d.to_owned())),
        sex: at.child(Tag::Sex).and_then(Node::code).map(str::to_owned),
    }
}

pub(super) fn receipt(root: Node<'_>) -> ReceiptHead {
    let original = root.child(Tag::OriginalMsgId);
    let field = |tag: Tag| original?.value_of(tag).map(str::to_owned);
    let errors: Vec<ReceiptError> = root
        .all(Tag::Error)
        .map(|e| ReceiptError {
            code: e.code().unwrap_or_default().to_owned(),
            system: e.system().map(str::to_owned),
            display: e.display().map(str::to_owned),
            text: e.original_text().map(|t| Private(t.to_owned())),
        })
        .collect();
    let status = match root.child(Tag::Status).and_then(Node::code) {
        Some("1") => ReceiptStatus::Ok,
        Some("3") => ReceiptStatus::OkWithErrors,
        // Not a code of list 8258: never taken for a success.
        Some(_) | None => ReceiptStatus::Rejected,
    };
    ReceiptHead {
        status,
        errors,
        original_id: field(Tag::Id).and_then(|id| MsgId::new(&id)),
        original_type: field(Tag::MsgType),
        original_issue_date: field(Tag::IssueDate),
    }
}

/// The head of an ebXML envelope: ids and parties of the transport, nothing of the message inside.
pub(super) fn ebxml(kind: MessageKind, namespace: &str, sketch: &Sketch) -> MessageHead {
    let header = sketch.all(Tag::MessageHeader).next();
    let value = |tag: Tag| header?.value_of(tag).map(str::to_owned);
    let data = header.and_then(|h| h.child(Tag::MessageData));
    let of_data = |tag: Tag| data?.value_of(tag);
    let party = |tag: Tag| {
        let idents: Vec<Ident> = header?
            .child(tag)?
            .all(Tag::PartyId)
            .filter_map(|p| {
                Some(Ident {
                    value: p.text()?.to_owned(),
                    kind: p.party_type().unwrap_or_default().to_owned(),
                    system: None,
                    display: None,
                })
            })
            .collect();
        let service = Service::Department(Unit { name: None, idents });
        Some(Party { service: Some(service), ..Party::default() })
    };
    MessageHead {
        kind,
        namespace: namespace.to_owned(),
        under_msg_head: false,
        type_code: value(Tag::Action),
        function: value(Tag::Action),
        msg_id: of_data(Tag::MessageId).and_then(MsgId::new),
        generated: of_data(Tag::Timestamp).map(generated),
        test: false,
        mark_unclear: false,
        document_id: None,
        service_type: None,
        report_status: None,
        content_kind: value(Tag::Service),
        sender: party(Tag::From),
        receivers: party(Tag::To).map(|party| Receiver { role: Role::Primary, party }).into_iter().collect(),
        patient: None,
        not_a_person: false,
        links: Links {
            parent: of_data(Tag::RefToMessageId).and_then(MsgId::new),
            conversation: value(Tag::ConversationId).and_then(|c| MsgId::new(&c)),
            requests: Vec::new(),
        },
        urgency: None,
        emergency: false,
        attachments: Vec::new(),
        bodies: 0,
        receipt: None,
    }
}
