//! Where in a document the parts of a head stand, and which family it is.

use super::sketch::{Node, Sketch, Tag};
use super::{function, party};
use crate::family::{Family, MSG_HEAD, MessageKind, Version, by_namespace};

/// SOAP 1.1, the envelope of ebXML 2.0.
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// The elements that the fields are read from.
pub(super) struct Layout<'s> {
    pub(super) root: Node<'s>,
    /// Holds type, id, date: `Message`, `AppRec` or `MsgInfo`.
    pub(super) info: Node<'s>,
    /// The bodies of a head-less message.
    pub(super) bodies: Vec<Node<'s>>,
    /// The payload that names the family.
    pub(super) main: Option<Node<'s>>,
    pub(super) sender: Tag,
    pub(super) receiver: Tag,
    pub(super) copy: Tag,
}

impl<'s> Layout<'s> {
    pub(super) fn of(sketch: &'s Sketch) -> Option<Self> {
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
    pub(super) fn parties(&self, sketch: &'s Sketch, tag: Tag) -> Vec<Node<'s>> {
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

    pub(super) fn body(&self) -> Option<Node<'s>> {
        self.bodies.first().copied()
    }

    pub(super) fn patient(&self, sketch: &'s Sketch) -> Option<Node<'s>> {
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

/// Family and version by namespace, and the namespace that told it (kith-messages §1.1).
pub(super) fn dispatch<'s>(layout: &Layout<'s>) -> (Option<MessageKind>, &'s str) {
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
