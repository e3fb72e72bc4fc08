//! Reads the head of a message from the events of the pass that validates it.
//!
//! Nothing is required here: what is missing is `None`, what stands in an unusual place is still found, and
//! the rules say later what that means. So a message with a schema error is routed and receipted like any
//! other, as far as it can be read.

use super::sketch::{Node, Sketch, Tag};
use super::{
    Attachment, Generated, Links, MessageHead, Party, Patient, ReceiptError, ReceiptHead, ReceiptStatus,
    Receiver, Role, Service, ServiceType, Unit, function, party, person_id,
};
use crate::family::{Family, MSG_HEAD, MessageKind, Version, by_namespace};
use crate::finding::Finding;
use crate::ids::{Ident, MsgId, Private};
use crate::limits::Limits;
use crate::time::Stamp;
use crate::xml::{Element, Handler, Offset};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// SOAP 1.1, the envelope of ebXML 2.0.
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// What an installation decides about reading heads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Month offsets of the test populations that are normal here (40, 65 and 80 are in use).
    pub month_offsets: Vec<u8>,
}

/// What a receipt can be addressed with: all of a head that survives when the rest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Addressing {
    /// Family and version, where the namespace told them.
    pub kind: Option<MessageKind>,
    /// The namespace of the payload, or of the document element.
    pub namespace: String,
    /// Local name of the document element.
    pub root: String,
    /// True when the message travels under MsgHead.
    pub under_msg_head: bool,
    /// The type code as sent.
    pub type_code: Option<String>,
    /// The code of list 8279 that it stands for.
    pub function: Option<String>,
    /// The message id.
    pub msg_id: Option<MsgId>,
    /// The document id.
    pub document_id: Option<String>,
    /// When the message was made.
    pub generated: Option<Generated>,
    /// Who sends.
    pub sender: Option<Party>,
    /// To whom, the primary receiver first.
    pub receivers: Vec<Receiver>,
}

impl From<&MessageHead> for Addressing {
    fn from(head: &MessageHead) -> Self {
        Self {
            kind: Some(head.kind),
            namespace: head.namespace.clone(),
            root: String::new(),
            under_msg_head: head.under_msg_head,
            type_code: head.type_code.clone(),
            function: head.function.clone(),
            msg_id: head.msg_id.clone(),
            document_id: head.document_id.clone(),
            generated: head.generated.clone(),
            sender: head.sender.clone(),
            receivers: head.receivers.clone(),
        }
    }
}

/// Why a document has no head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The namespace or the document element is not one that we know (T10). What a receipt needs is read
    /// where the structure allows it.
    #[error("the document element {root} of namespace {namespace} is not known here")]
    Unknown {
        /// Namespace of the payload under MsgHead, else of the document element.
        namespace: String,
        /// Local name of the document element.
        root: String,
        /// What was read all the same.
        addressing: Box<Addressing>,
    },
}

/// Why a text has no head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not XML as we read it.
    #[error("the text is not well-formed XML")]
    Xml(Finding),
    /// It is no message that we know.
    #[error(transparent)]
    Head(#[from] Fault),
}

/// A field of the head that findings point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `Type` or `MsgType`.
    Type,
    /// `MsgId`, or `Id` of a receipt.
    MsgId,
    /// `GenDate`.
    Generated,
    /// The sending party.
    Sender,
    /// The receiving party of this number, counted as in `MessageHead::receivers`.
    Receiver(usize),
    /// `Patient`.
    Patient,
    /// The national id of the patient.
    PatientId,
    /// The first attachment.
    Attachment,
    /// The document element.
    Root,
}

/// Where a field stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Offset of its start tag in the decoded text.
    pub offset: Offset,
    /// Its absolute XPath, local names, positions among what the head keeps.
    pub path: String,
}

/// Collects what the head needs while a document is read. Give it to [`crate::xml::read`], alone or beside
/// the validator, then ask [`HeadReader::finish`].
#[derive(Debug, Default)]
pub struct HeadReader {
    sketch: Sketch,
}

impl Handler for HeadReader {
    fn start(&mut self, element: &Element<'_>) {
        self.sketch.start(element);
    }
    fn text(&mut self, text: &str, at: Offset) {
        self.sketch.text(text, at);
    }
    fn end(&mut self, at: Offset) {
        self.sketch.end(at);
    }
}

/// Reads a whole text for its head alone.
///
/// # Errors
/// The fault that makes the text not XML, or no message that we know.
pub fn read(text: &str, limits: &Limits) -> Result<MessageHead, ReadError> {
    let mut reader = HeadReader::new();
    crate::xml::read(text, limits, &mut reader).map_err(ReadError::Xml)?;
    Ok(reader.finish(&Settings::default())?)
}

/// The elements that the fields are read from.
struct Layout<'s> {
    root: Node<'s>,
    /// Holds type, id, date: `Message`, `AppRec` or `MsgInfo`.
    info: Node<'s>,
    /// The bodies of a head-less message.
    bodies: Vec<Node<'s>>,
    /// The payload that names the family.
    main: Option<Node<'s>>,
    sender: Tag,
    receiver: Tag,
    copy: Tag,
}

impl<'s> Layout<'s> {
    fn of(sketch: &'s Sketch) -> Option<Self> {
        let root = sketch.root()?;
        let mut bodies: Vec<Node<'s>> = root
            .children()
            .filter(|n| matches!(n.tag(), Tag::ServRprt | Tag::ServReq | Tag::ServReport))
            .collect();
        let info = root.child(Tag::MsgInfo).unwrap_or(root);
        let payloads: Vec<Node<'s>> = sketch.all(Tag::Payload).filter(|n| *n != root).collect();
        let known = |n: &Node<'_>| by_namespace(n.name().1).is_some_and(function::under_msg_head);
        let main = payloads.iter().copied().find(known).or_else(|| payloads.first().copied());
        //= HITS 1168:2016 §6.1
        //# The requester refers or orders, the service provider performs: who sends depends on the family.
        let report = |n: &Node<'_>| matches!(n.tag(), Tag::ServRprt | Tag::ServReport);
        let (sender, receiver, copy) = if root.tag() == Tag::AppRec || info.tag() == Tag::MsgInfo {
            (Tag::Sender, Tag::Receiver, Tag::OtherReceiver)
        } else if bodies.iter().any(report) {
            // A request beside the report is misplaced, not a second body.
            bodies.retain(report);
            (Tag::ServProvider, Tag::Requester, Tag::CopyDest)
        } else {
            (Tag::Requester, Tag::ServProvider, Tag::CopyDest)
        };
        Some(Self { root, info, bodies, main, sender, receiver, copy })
    }

    /// Elements of a tag where they belong, or wherever they strayed to.
    fn parties(&self, sketch: &'s Sketch, tag: Tag) -> Vec<Node<'s>> {
        let at_home: Vec<Node<'s>> = match self.bodies.as_slice() {
            [] => self.info.all(tag).collect(),
            bodies => bodies.iter().flat_map(|b| b.all(tag)).collect(),
        };
        if at_home.iter().any(|n| party::party(*n).is_some()) {
            return at_home;
        }
        // Strayed, but not into a payload: whoever is named there is not who sends this message.
        sketch.all(tag).filter(|n| !self.inside_payload(*n)).collect()
    }

    fn inside_payload(&self, node: Node<'s>) -> bool {
        std::iter::successors(node.parent(), |n| n.parent())
            .any(|n| n.tag() == Tag::Payload && n != self.root)
    }

    fn body(&self) -> Option<Node<'s>> {
        self.bodies.first().copied()
    }

    fn patient(&self, sketch: &'s Sketch) -> Option<Node<'s>> {
        let inside = self.bodies.iter().find_map(|b| b.child(Tag::Patient));
        // Not a Patient somewhere below a payload: that may be anyone.
        inside.or_else(|| self.info.child(Tag::Patient)).or_else(|| {
            sketch.all(Tag::Patient).find(|p| p.parent().is_some_and(|q| q.tag() != Tag::Payload))
        })
    }
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl HeadReader {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The head of the document that was read.
    ///
    /// # Errors
    /// [`Fault::Unknown`] when namespace or document element are not ours.
    pub fn finish(&self, settings: &Settings) -> Result<MessageHead, Fault> {
        let unknown = || {
            let addressing = self.addressing();
            let (namespace, root) = (addressing.namespace.clone(), addressing.root.clone());
            Fault::Unknown { namespace, root, addressing: Box::new(addressing) }
        };
        let layout = Layout::of(&self.sketch).ok_or_else(unknown)?;
        let (kind, namespace) = dispatch(&layout);
        let kind = kind.ok_or_else(unknown)?;
        let sketch = &self.sketch;
        if kind.family == Family::Ebxml {
            return Ok(ebxml(kind, namespace, sketch));
        }
        let Layout { root, info, main, .. } = layout;
        let body = layout.body();
        let either = |tag: Tag| body.and_then(|b| b.value_of(tag)).or_else(|| main?.value_of(tag));
        let a = self.address(&layout, Some(kind), namespace);

        let status = info.child(Tag::Status).and_then(Node::code);
        let processing = info.child(Tag::ProcessingStatus).and_then(Node::code);
        let urgency = urgency(&layout);
        let mut patient = layout.patient(sketch).map(patient);
        if let Some(p) = &mut patient {
            p.checksum = person_id::of(p, &settings.month_offsets);
        }
        let conversation = info.child(Tag::ConversationRef);
        let reference = |tag: Tag| conversation?.value_of(tag).and_then(MsgId::new);
        Ok(MessageHead {
            kind,
            namespace: a.namespace,
            under_msg_head: a.under_msg_head,
            type_code: a.type_code,
            function: a.function,
            msg_id: a.msg_id,
            generated: a.generated,
            test: kind.family != Family::AppRec
                && (matches!(status, Some("TEST" | "NAPR")) || matches!(processing, Some("D" | "T"))),
            document_id: a.document_id,
            service_type: either(Tag::ServType)
                .or_else(|| main?.child(Tag::InformasjonOmForsendelsen)?.value_of(Tag::Forsendelsesstatus))
                .map(ServiceType::from_code),
            report_status: body.and_then(|b| b.value_of(Tag::Status)).map(str::to_owned),
            content_kind: content_kind(&layout).map(str::to_owned),
            sender: a.sender,
            receivers: a.receivers,
            patient,
            not_a_person: layout
                .bodies
                .iter()
                .any(|b| b.child(Tag::Animal).is_some() || b.child(Tag::Material).is_some()),
            links: Links {
                parent: reference(Tag::RefToParent),
                conversation: reference(Tag::RefToConversation),
                requests: requests(&layout),
            },
            emergency: kind.family == Family::Referral && urgency == Some("0"),
            urgency: urgency.map(str::to_owned),
            attachments: attachments(sketch, main),
            bodies: if a.under_msg_head { 0 } else { layout.bodies.len() },
            receipt: (kind.family == Family::AppRec).then(|| receipt(root)),
        })
    }

    /// What a receipt can be addressed with, of whatever was read so far: also of a document that broke off.
    #[must_use]
    pub fn addressing(&self) -> Addressing {
        let Some(layout) = Layout::of(&self.sketch) else { return Addressing::default() };
        let (kind, namespace) = dispatch(&layout);
        self.address(&layout, kind, namespace)
    }

    fn address(&self, layout: &Layout<'_>, kind: Option<MessageKind>, namespace: &str) -> Addressing {
        let sketch = &self.sketch;
        let Layout { root, info, main, .. } = *layout;
        let receipt = root.tag() == Tag::AppRec;
        let type_code = info.value_of(if receipt { Tag::MsgType } else { Tag::Type }).map(str::to_owned);
        let mut receivers = Vec::new();
        for at in layout.parties(sketch, layout.receiver) {
            // A receiver without any address is one to answer for: E21 mirrors what was missing.
            party::add(&mut receivers, Role::Primary, Some(party::party(at).unwrap_or_default()));
        }
        for at in layout.parties(sketch, layout.copy) {
            let role = if layout.copy == Tag::CopyDest { Role::Copy } else { party::other_role(at) };
            party::add(&mut receivers, role, party::party(at));
        }
        let id = if receipt { Tag::Id } else { Tag::MsgId };
        Addressing {
            kind,
            namespace: namespace.to_owned(),
            root: root.name().0.to_owned(),
            under_msg_head: info.tag() == Tag::MsgInfo,
            function: kind
                .and_then(|k| function::of(k, type_code.as_deref(), content_kind(layout)))
                .or_else(|| type_code.clone().filter(|_| kind.is_none())),
            type_code,
            msg_id: info.value_of(id).and_then(MsgId::new),
            document_id: layout.body().and_then(document_id).or_else(|| main.and_then(document_id)),
            generated: info.value_of(Tag::GenDate).map(generated),
            sender: party::best(layout.parties(sketch, layout.sender).into_iter()),
            receivers,
        }
    }

    /// Where a field stands; none if it is missing. Costs a walk, so it is asked for findings only.
    #[must_use]
    pub fn mark(&self, field: Field) -> Option<Mark> {
        let layout = Layout::of(&self.sketch)?;
        let receipt = layout.root.tag() == Tag::AppRec;
        let info = layout.info;
        let node = match field {
            Field::Root => Some(layout.root),
            Field::Type => info.child(if receipt { Tag::MsgType } else { Tag::Type }),
            Field::MsgId => info.child(if receipt { Tag::Id } else { Tag::MsgId }),
            Field::Generated => info.child(Tag::GenDate),
            Field::Sender => layout.parties(&self.sketch, layout.sender).first().copied(),
            Field::Receiver(n) => {
                let mut all = layout.parties(&self.sketch, layout.receiver);
                all.extend(layout.parties(&self.sketch, layout.copy));
                all.get(n).copied()
            }
            Field::Patient => layout.patient(&self.sketch),
            Field::PatientId => {
                layout.patient(&self.sketch).and_then(|p| p.child(Tag::OffId).or_else(|| p.child(Tag::Ident)))
            }
            Field::Attachment => self.sketch.all(Tag::Base64Container).next(),
        }?;
        Some(Mark { offset: node.source().start, path: node.path() })
    }
}

/// Family and version by namespace, and the namespace that told it (kith-messages §1.1).
fn dispatch<'s>(layout: &Layout<'s>) -> (Option<MessageKind>, &'s str) {
    let (root, namespace) = layout.root.name();
    if layout.root.tag() == Tag::Envelope {
        let header = layout.root.child(Tag::Header).and_then(|h| h.child(Tag::MessageHeader));
        let ebxml = MessageKind { family: Family::Ebxml, version: Version(2, 0) };
        return (header.filter(|_| namespace == SOAP).map(|_| ebxml), namespace);
    }
    if layout.root.tag() == Tag::MsgHead && namespace == MSG_HEAD {
        let payload = layout.main.map_or(MSG_HEAD, |m| m.name().1);
        return (by_namespace(payload).filter(|k| function::under_msg_head(*k)), payload);
    }
    let kind = by_namespace(namespace).filter(|k| {
        !function::under_msg_head(*k) && root == if k.family == Family::AppRec { "AppRec" } else { "Message" }
    });
    (kind, namespace)
}

fn generated(text: &str) -> Generated {
    Generated { text: text.to_owned(), instant: Stamp::parse(text).and_then(|s| s.start()) }
}

fn document_id(at: Node<'_>) -> Option<String> {
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

fn content_kind<'s>(layout: &Layout<'s>) -> Option<&'s str> {
    if let Some(body) = layout.body() {
        return body.value_of(Tag::MsgDescr);
    }
    let main = layout.main?;
    let question = || main.all(Tag::Foresporsel).find_map(|f| f.value_of(Tag::TypeForesp));
    let note = || main.all(Tag::Notat).find_map(|n| n.value_of(Tag::TemaKodet));
    main.value_of(Tag::MsgDescr).or_else(question).or_else(note)
}

fn urgency<'s>(layout: &Layout<'s>) -> Option<&'s str> {
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
fn requests(layout: &Layout<'_>) -> Vec<String> {
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
fn attachments(sketch: &Sketch, main: Option<Node<'_>>) -> Vec<Attachment> {
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

fn patient(at: Node<'_>) -> Patient {
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

fn receipt(root: Node<'_>) -> ReceiptHead {
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
fn ebxml(kind: MessageKind, namespace: &str, sketch: &Sketch) -> MessageHead {
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
