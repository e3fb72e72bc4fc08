//! Reads the head of a message from the events of the pass that validates it.
//!
//! Nothing is required here: what is missing is `None`, what stands in an unusual place is still found, and
//! the rules say later what that means. So a message with a schema error is routed and receipted like any
//! other, as far as it can be read.

use super::fields::{
    attachments, content_kind, document_id, ebxml, generated, patient, receipt, requests, urgency,
};
use super::layout::{Layout, dispatch};
use super::marks::{self, Marks};
use super::sketch::{Sketch, Tag};
use super::{Generated, Links, MessageHead, Party, Receiver, Role, ServiceType, function, party, person_id};
use crate::family::{Family, MessageKind};
use crate::finding::Finding;
use crate::ids::MsgId;
use crate::limits::Limits;
use crate::xml::{Element, Handler, Offset};
use serde::{Deserialize, Serialize};

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
    /// The mark of a test that is unclear.
    TestMark,
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

        // A receipt closes what it answers, whatever it is marked as.
        let marks = if kind.family == Family::AppRec { Marks::default() } else { Marks::read(info) };
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
            test: marks.test,
            mark_unclear: marks.unclear,
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
            Field::TestMark => marks::unclear(info),
            Field::Attachment => self.sketch.all(Tag::Base64Container).next(),
        }?;
        Some(Mark { offset: node.source().start, path: node.path() })
    }
}
