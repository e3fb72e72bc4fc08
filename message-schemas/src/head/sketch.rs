//! The few elements of a document that a head is read from, kept while it passes by.
//!
//! A message of a thousand results has the same head as one of three, so a general tree is the wrong thing
//! to build: a [`Sketch`] keeps elements by [`Tag`], with the four attributes of a code and the text of
//! leaves, and steps over everything else by counting depth. Names are compared only among the children of
//! elements that were kept.
//!
//! **Invariants:** never a result item, a note or the bytes of an attachment; at most [`MOST_NODES`] nodes
//! and [`MOST_TEXT`] bytes whatever is sent. Namespaces are not looked at here, so that a slip in one does
//! not lose the sender.

use crate::xml::{Element, Handler, Offset};
use std::ops::Range;

/// Far above what any message needs for its parties (the official samples need 150).
const MOST_NODES: usize = 20_000;
/// Bytes of text and attribute values kept.
const MOST_TEXT: usize = 1_000_000;

const NOTHING: u32 = u32::MAX;

macro_rules! tags {
    (containers { $($container:ident)+ } leaves { $($leaf:ident)+ }) => {
        /// An element that matters to a head, by its local name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(clippy::upper_case_acronyms, reason = "as the element is called")]
        pub(super) enum Tag {
            /// The document element, or the first element of an inline document, whatever its name.
            Payload,
            $($container,)+
            $($leaf,)+
        }

        impl Tag {
            fn of(local: &str) -> Option<Self> {
                Some(match local {
                    $(stringify!($container) => Self::$container,)+
                    $(stringify!($leaf) => Self::$leaf,)+
                    _ => return None,
                })
            }

            /// The local name; nothing for a payload, whose name is not known here.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    Self::Payload => "",
                    $(Self::$container => stringify!($container),)+
                    $(Self::$leaf => stringify!($leaf),)+
                }
            }

            const fn is_leaf(self) -> bool {
                match self {
                    Self::Payload => false,
                    $(Self::$container => false,)+
                    $(Self::$leaf => true,)+
                }
            }
        }
    };
}

tags! {
    containers {
        Message AppRec MsgHead Envelope
        ServRprt ServReq ServReport
        ServProvider Requester CopyDest HCP Inst Dept HCPerson HCProf AdditionalId Address
        Patient Animal Material RefDoc Content ReqServ
        MsgInfo ConversationRef Sender Receiver OtherReceiver Organisation Ident
        HealthcareProfessional Person Document
        InformasjonOmForsendelsen Foresporsel Notat
        OriginalMsgId
        Header MessageHeader MessageData From To
    }
    leaves {
        Type MsgType GenDate MsgId Status ServType ServProvId Id MsgDescr Name TypeId
        OffId TypeOffId DateOfBirth Sex MimeType Base64Container FileReference Priority
        RequestedPrioReport StreetAdr PostalCode City
        ProcessingStatus RequestedPriority RefToParent RefToConversation RoleReceiver OrganisationName
        FamilyName MiddleName GivenName
        DocumentId Forsendelsesstatus DokIdForesp DokIdNotat Hastegrad TypeForesp TemaKodet
        Role Error IssueDate
        PartyId ConversationId Service Action MessageId Timestamp RefToMessageId
    }
}

/// Whether an element of this tag is kept inside one of that.
fn wanted(parent: Tag, child: Tag) -> bool {
    use Tag as T;
    if parent == T::Patient {
        // A mother or child of the patient, and where the patient lives, is no business of the head.
        return !matches!(child, T::Patient | T::Address | T::Organisation | T::HCP);
    }
    !parent.is_leaf() && !matches!(parent, T::Animal | T::Material)
}

#[derive(Debug, Clone)]
struct NodeData {
    tag: Tag,
    parent: u32,
    first_child: u32,
    last_child: u32,
    next_sibling: u32,
    /// Where the start tag begins and the end tag ends in the source.
    source: Range<u32>,
    text: Range<u32>,
    /// Text counted but not kept.
    counted: usize,
    /// `V`, `S`, `DN`, `OT`, and `type` for an ebXML party.
    attributes: [Range<u32>; 5],
    /// Name and namespace, for the document element and payloads only.
    name: Option<Box<(String, String)>>,
}

/// The kept elements. Node 0 is the document element.
#[derive(Debug, Clone, Default)]
pub(super) struct Sketch {
    nodes: Vec<NodeData>,
    text: String,
    open: Vec<u32>,
    skipping: usize,
}

fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(NOTHING)
}

const ABSENT: Range<u32> = NOTHING..NOTHING;

impl Sketch {
    /// The document element.
    pub(super) fn root(&self) -> Option<Node<'_>> {
        (!self.nodes.is_empty()).then_some(Node { sketch: self, id: 0 })
    }

    /// Every kept element with this tag, in document order.
    pub(super) fn all(&self, tag: Tag) -> impl Iterator<Item = Node<'_>> {
        (0..narrow(self.nodes.len())).map(|id| Node { sketch: self, id }).filter(move |n| n.tag() == tag)
    }

    fn keep_text(&mut self, text: &str) -> Range<u32> {
        let start = narrow(self.text.len());
        if self.text.len() + text.len() <= MOST_TEXT {
            self.text.push_str(text);
        }
        start..narrow(self.text.len())
    }

    /// The tag that a new element is kept under; none to step over it.
    fn tag_for(&self, local: &str) -> Option<Tag> {
        let Some(&parent) = self.open.last() else {
            return Some(Tag::of(local).filter(|t| !t.is_leaf()).unwrap_or(Tag::Payload));
        };
        if self.nodes.len() >= MOST_NODES || self.text.len() >= MOST_TEXT {
            return None;
        }
        let parent = self.nodes.get(parent as usize)?.tag;
        if parent == Tag::Content {
            return Some(if local == "Base64Container" { Tag::Base64Container } else { Tag::Payload });
        }
        Tag::of(local).filter(|child| wanted(parent, *child))
    }
}

impl Handler for Sketch {
    fn start(&mut self, element: &Element<'_>) {
        if self.skipping > 0 {
            self.skipping += 1;
            return;
        }
        let Some(tag) = self.tag_for(element.local) else {
            self.skipping = 1;
            return;
        };
        let named = self.open.is_empty() || tag == Tag::Payload;
        let name =
            named.then(|| Box::new((element.local.to_owned(), element.uri(element.namespace).to_owned())));
        let mut attributes = [ABSENT, ABSENT, ABSENT, ABSENT, ABSENT];
        if tag.is_leaf() {
            for attribute in element.attributes {
                let at = match attribute.local {
                    "V" => 0,
                    "S" => 1,
                    "DN" => 2,
                    "OT" => 3,
                    "type" => 4,
                    _ => continue,
                };
                let range = self.keep_text(attribute.value.trim());
                if let Some(slot) = attributes.get_mut(at) {
                    *slot = range;
                }
            }
        }
        let id = narrow(self.nodes.len());
        let parent = self.open.last().copied().unwrap_or(NOTHING);
        let mut previous = NOTHING;
        if let Some(data) = self.nodes.get_mut(parent as usize) {
            previous = std::mem::replace(&mut data.last_child, id);
            if previous == NOTHING {
                data.first_child = id;
            }
        }
        if let Some(data) = self.nodes.get_mut(previous as usize) {
            data.next_sibling = id;
        }
        let at = narrow(element.offset);
        let text_at = narrow(self.text.len());
        self.nodes.push(NodeData {
            tag,
            parent,
            first_child: NOTHING,
            last_child: NOTHING,
            next_sibling: NOTHING,
            source: at..at,
            text: text_at..text_at,
            counted: 0,
            attributes,
            name,
        });
        self.open.push(id);
    }

    fn text(&mut self, text: &str, _at: Offset) {
        if self.skipping > 0 {
            return;
        }
        let Some(node) = self.open.last().and_then(|&id| self.nodes.get_mut(id as usize)) else { return };
        if node.tag == Tag::Base64Container {
            node.counted += text.len();
        } else if node.tag.is_leaf() && self.text.len() + text.len() <= MOST_TEXT {
            // Pieces follow each other: a leaf keeps no element between them.
            self.text.push_str(text);
            node.text.end = narrow(self.text.len());
        }
    }

    fn end(&mut self, at: Offset) {
        if self.skipping > 0 {
            self.skipping -= 1;
            return;
        }
        if let Some(node) = self.open.pop().and_then(|id| self.nodes.get_mut(id as usize)) {
            node.source.end = narrow(at);
        }
    }
}

/// A kept element.
#[derive(Clone, Copy)]
pub(super) struct Node<'s> {
    sketch: &'s Sketch,
    id: u32,
}

impl<'s> Node<'s> {
    fn data(self) -> &'s NodeData {
        #[expect(
            clippy::indexing_slicing,
            reason = "ids are handed out by the sketch itself and never outlive it"
        )]
        &self.sketch.nodes[self.id as usize]
    }

    fn at(self, id: u32) -> Option<Self> {
        (id != NOTHING).then_some(Self { sketch: self.sketch, id })
    }

    fn kept(self, range: &Range<u32>) -> &'s str {
        self.sketch.text.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    fn attribute(self, at: usize) -> Option<&'s str> {
        self.data().attributes.get(at).map(|r| self.kept(r)).filter(|v| !v.is_empty())
    }

    pub(super) fn tag(self) -> Tag {
        self.data().tag
    }

    /// Local name and namespace; told apart from its tag only for the document element and payloads.
    pub(super) fn name(self) -> (&'s str, &'s str) {
        self.data().name.as_ref().map_or((self.tag().name(), ""), |n| (n.0.as_str(), n.1.as_str()))
    }

    pub(super) fn parent(self) -> Option<Self> {
        self.at(self.data().parent)
    }

    pub(super) fn children(self) -> impl Iterator<Item = Self> + use<'s> {
        std::iter::successors(self.at(self.data().first_child), |n| n.at(n.data().next_sibling))
    }

    pub(super) fn all(self, tag: Tag) -> impl Iterator<Item = Self> + use<'s> {
        self.children().filter(move |n| n.tag() == tag)
    }

    pub(super) fn child(self, tag: Tag) -> Option<Self> {
        self.all(tag).next()
    }

    /// The trimmed text; none if there is none.
    pub(super) fn text(self) -> Option<&'s str> {
        Some(self.kept(&self.data().text).trim()).filter(|t| !t.is_empty())
    }

    /// `@V`; none if absent or empty.
    pub(super) fn code(self) -> Option<&'s str> {
        self.attribute(0)
    }

    /// `@V`, or the text: the same field is one in some families and the other in others.
    pub(super) fn value(self) -> Option<&'s str> {
        self.code().or_else(|| self.text())
    }

    /// `@S`.
    pub(super) fn system(self) -> Option<&'s str> {
        self.attribute(1)
    }

    /// `@DN`.
    pub(super) fn display(self) -> Option<&'s str> {
        self.attribute(2)
    }

    /// `@OT`.
    pub(super) fn original_text(self) -> Option<&'s str> {
        self.attribute(3)
    }

    /// `@type`, of an ebXML party id.
    pub(super) fn party_type(self) -> Option<&'s str> {
        self.attribute(4)
    }

    /// The value of a child, by attribute or text.
    pub(super) fn value_of(self, tag: Tag) -> Option<&'s str> {
        self.all(tag).find_map(Self::value)
    }

    /// Bytes of text that were counted and not kept.
    pub(super) fn counted(self) -> usize {
        self.data().counted
    }

    /// Where it stands in the source text, tags included.
    pub(super) fn source(self) -> Range<Offset> {
        self.data().source.start as usize..self.data().source.end as usize
    }

    /// The absolute path, with `[n]` where kept siblings share a name.
    pub(super) fn path(self) -> String {
        let mut steps = Vec::new();
        let mut here = Some(self);
        while let Some(node) = here {
            let name = node.name().0;
            let position = node.parent().and_then(|parent| {
                let same: Vec<u32> = parent.children().filter(|n| n.name().0 == name).map(|n| n.id).collect();
                (same.len() > 1).then(|| same.iter().position(|id| *id == node.id).unwrap_or(0) + 1)
            });
            steps.push(position.map_or_else(|| format!("/{name}"), |n| format!("/{name}[{n}]")));
            here = node.parent();
        }
        steps.into_iter().rev().collect()
    }
}
