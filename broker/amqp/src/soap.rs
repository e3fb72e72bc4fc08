//! Errors that come as a SOAP 1.2 fault: older than the properties, and still sent by some.

use broker_core::transport::{Content, Reported};
use message_schemas::Limits;
use message_schemas::xml::{self, Node, Tree};

/// The subject of such an error.
const SUBJECT: &str = "AMQP_SOAP_FAULT";

/// Whether an error's body may be a fault.
pub(crate) fn is_fault(subject: Option<&str>, content: Content) -> bool {
    content == Content::Soap || subject.is_some_and(|subject| subject.eq_ignore_ascii_case(SUBJECT))
}

/// What a fault says; none if it is none that we read.
pub(crate) fn read(body: &[u8]) -> Option<Reported> {
    let limits = Limits::default();
    if body.len() > limits.message_bytes {
        return None;
    }
    let decoded = xml::decode(body).ok()?;
    let tree = Tree::parse(&decoded.text, &limits).ok()?;
    let root = tree.root()?;
    let fault = if root.name() == "Fault" { root } else { root.path("Body/Fault")? };
    let text = |node: Option<Node<'_>>| node.and_then(Node::trimmed).map(std::borrow::Cow::into_owned);
    let detail = fault.child("Detail");
    // What stands in the detail may stand in an element of its own.
    let detailed = |name| {
        let inner = || detail.iter().flat_map(|d| d.elements()).find_map(|e| e.child(name));
        text(detail.and_then(|d| d.child(name)).or_else(inner))
    };
    let bounded = |text: Option<String>| {
        text.map(|t| {
            t.get(..t.floor_char_boundary(crate::envelope::TEXT_BYTES)).unwrap_or_default().to_owned()
        })
    };
    Some(Reported {
        original_message_id: bounded(detailed("messageId")),
        condition: bounded(text(fault.path("Code/Value"))),
        description: bounded(text(fault.path("Reason/Text"))),
        data: None,
        tried: detailed("applicationTimeStamp").as_deref().and_then(crate::times::read),
        soap: true,
    })
}
