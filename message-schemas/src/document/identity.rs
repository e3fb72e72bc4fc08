//! Keys and ids of a document: the same message gives the same ids, on every machine and for ever.
//!
//! All ids are UUIDv5 in one namespace; the names that they are made of are those of document-sharing §2.1.
//! There is no clock and no chance in them.

use super::coverage::{Coverage, Paths};
use crate::ids::MsgId;
use crate::xml::Node;
use foldhash::HashMap;
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use std::fmt;
use uuid::Uuid;

/// Namespace of all ids made here: v5 of the URL namespace and `urn:integration-broker:document-sharing:v1`.
pub const NAMESPACE: Uuid = Uuid::from_u128(0x8c7f_7e2d_e7f3_5881_a97b_eecf_36d7_9d73);

/// What is made of a message; the last part of the names of its documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Format {
    /// The KITH XML as received.
    KithXml,
    /// The FHIR document.
    Fhir,
    /// Its rendering.
    Pdf,
    /// An attachment of the message, counted from 1 in document order.
    Attachment(u32),
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KithXml => f.write_str("kith-xml"),
            Self::Fhir => f.write_str("fhir"),
            Self::Pdf => f.write_str("pdf"),
            Self::Attachment(n) => write!(f, "attachment-{n}"),
        }
    }
}

impl From<Format> for String {
    fn from(format: Format) -> Self {
        format.to_string()
    }
}

impl TryFrom<String> for Format {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "kith-xml" => Ok(Self::KithXml),
            "fhir" => Ok(Self::Fhir),
            "pdf" => Ok(Self::Pdf),
            other => {
                let n = other.strip_prefix("attachment-").and_then(|n| n.parse().ok());
                n.map(Self::Attachment).ok_or("no format of a document")
            }
        }
    }
}

/// An id of a document or message as keys and comparisons use it: a UUID in lower case without braces or
/// `urn:uuid:`, else the trimmed text.
#[must_use]
pub fn normal_id(id: &str) -> String {
    MsgId::new(id).map(|id| id.key()).unwrap_or_default()
}

/// The keys of one version of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// `family|sender|series id`: what all versions share.
    pub series_key: String,
    /// The message id, with `#n` for the second and later reports of one message.
    pub msg_id: String,
}

impl Keys {
    /// Keys of a document. `sender` is `ENH:`, `HER:` or `RSH:` with the number of the legal unit.
    #[must_use]
    pub fn new(family: &str, sender: &str, series_id: &str, msg_id: &str) -> Self {
        Self { series_key: format!("{family}|{sender}|{}", normal_id(series_id)), msg_id: msg_id.to_owned() }
    }

    fn v5(name: &str) -> Uuid {
        finish(begin(name))
    }

    /// The series.
    #[must_use]
    pub fn series(&self) -> Uuid {
        Self::v5(&format!("series|{}", self.series_key))
    }

    /// This version in one format.
    #[must_use]
    pub fn document(&self, format: Format) -> Uuid {
        Self::v5(&format!("document|{}|{}|{}", self.series_key, self.msg_id, format))
    }

    /// The registry entry of this version in one format.
    #[must_use]
    pub fn entry(&self, format: Format) -> Uuid {
        Self::v5(&format!("entry|{}|{}|{}", self.series_key, self.msg_id, format))
    }

    /// The submission set of this version.
    #[must_use]
    pub fn set(&self) -> Uuid {
        Self::v5(&format!("set|{}|{}", self.series_key, self.msg_id))
    }

    /// A resource made from the element at `path`; the second of its type from there has `#2` behind it.
    #[must_use]
    pub fn resource(&self, kind: &str, path: &str) -> Uuid {
        Self::v5(&format!("resource|{}|{}|{kind}|{path}", self.series_key, self.msg_id))
    }
}

//= RFC 9562 §5.5
//# UUIDv5 values are created by computing an SHA-1 hash over a given Namespace ID value concatenated with the
//# desired name value after both have been converted to a canonical sequence of octets in network byte order.
fn begin(name: &str) -> Sha1 {
    Sha1::new().chain_update(NAMESPACE.as_bytes()).chain_update(name.as_bytes())
}

fn finish(hash: Sha1) -> Uuid {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    uuid::Builder::from_sha1_bytes(bytes).into_uuid()
}

/// Hands out the ids of resources, and remembers where each came from. What all their names begin with is
/// hashed once.
#[derive(Debug)]
pub(super) struct Ids<'p> {
    begun: Sha1,
    paths: &'p mut Paths,
    /// The path of the resource that was made last; the next one takes its room.
    path: String,
    /// The role that each element was given, by node number.
    roles: HashMap<usize, Uuid>,
}

impl<'p> Ids<'p> {
    pub(super) fn new(keys: &Keys, paths: &'p mut Paths) -> Self {
        Self {
            begun: begin(&format!("resource|{}|{}|", keys.series_key, keys.msg_id)),
            paths,
            path: String::new(),
            roles: HashMap::default(),
        }
    }

    /// The role that an element has been given already.
    pub(super) fn role(&self, node: Node<'_>) -> Option<Uuid> {
        self.roles.get(&node.id()).copied()
    }

    /// Remembers the role of an element: it has one, however often and in whatever part it is named.
    pub(super) fn keep_role(&mut self, node: Node<'_>, id: Uuid) -> Uuid {
        self.roles.insert(node.id(), id);
        id
    }

    /// The id of a resource of this type from this element; `nth` counts those of one type from one element.
    pub(super) fn make(&mut self, kind: &str, node: Node<'_>, nth: u32, coverage: &mut Coverage) -> Uuid {
        self.path.clear();
        self.paths.write(node, &mut self.path);
        if nth > 1 {
            self.path.push_str(&format!("#{nth}"));
        }
        let id = finish(self.begun.clone().chain_update(kind).chain_update("|").chain_update(&self.path));
        coverage.trace(id, &self.path);
        id
    }

    pub(super) fn path(&mut self, node: Node<'_>) -> String {
        self.paths.of(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_the_one_that_its_name_gives() {
        assert_eq!(
            NAMESPACE,
            Uuid::new_v5(&Uuid::NAMESPACE_URL, b"urn:integration-broker:document-sharing:v1")
        );
    }

    #[test]
    fn ids_do_not_depend_on_how_a_uuid_is_spelt() {
        let keys = |id: &str| Keys::new("svarrapport", "ENH:974760673", id, "m");
        let plain = keys("1b4e28ba-2fa1-41d2-883f-0016d3cca427");
        assert_eq!(plain, keys(" {1B4E28BA-2FA1-41D2-883F-0016D3CCA427}"));
        assert_eq!(plain, keys("urn:uuid:1b4e28ba-2fa1-41d2-883f-0016d3cca427"));
        assert_eq!(plain.series_key, "svarrapport|ENH:974760673|1b4e28ba-2fa1-41d2-883f-0016d3cca427");
        assert_eq!(
            keys(" 2024-77A ").series_key,
            "svarrapport|ENH:974760673|2024-77A",
            "other ids keep their case"
        );
        assert_ne!(plain.document(Format::Fhir), plain.document(Format::KithXml));
        assert_ne!(plain.document(Format::Attachment(1)), plain.document(Format::Attachment(2)));
    }
}
