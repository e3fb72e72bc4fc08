//! What stands at a target: kept after a submission was taken, needed to replace and to withdraw.

use crate::submission::Submission;
use message_schemas::document::Format;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One entry at one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Id of the entry.
    pub entry: Uuid,
    /// Id of the document.
    pub document: Uuid,
    /// The set that it came in.
    pub set: Uuid,
    /// What of the message it is.
    #[serde(with = "format")]
    pub format: Format,
    /// SHA-1 of its bytes, in hex.
    pub sha1: String,
    /// How many bytes.
    pub size: u64,
    /// Where the target keeps the entry, relative to its address, if it told so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Associations that it is the source of, or by which its set holds it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub associations: Vec<Uuid>,
}

impl Submission {
    /// What stands at the target when this was taken. `location` tells where the entry of an id is kept there.
    #[must_use]
    pub fn published(&self, location: impl Fn(Uuid) -> Option<String>) -> Vec<Published> {
        let associations = |entry| {
            let own = self.relations.iter().filter(move |r| r.entry == entry).map(|r| r.id);
            own.collect::<Vec<_>>()
        };
        self.entries
            .iter()
            .map(|entry| Published {
                entry: entry.entry,
                document: entry.document,
                set: self.set.id,
                format: entry.format,
                sha1: entry.hash_hex(),
                size: entry.size(),
                location: location(entry.entry),
                associations: [vec![self.membership(entry)], associations(entry.entry)].concat(),
            })
            .collect()
    }
}

/// Formats by their names in ids.
pub mod format {
    use message_schemas::document::Format;
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// The name of a format.
    #[must_use]
    pub fn name(format: Format) -> String {
        match format {
            Format::KithXml => "kith-xml".to_owned(),
            Format::Fhir => "fhir".to_owned(),
            Format::Pdf => "pdf".to_owned(),
            Format::Attachment(n) => format!("attachment-{n}"),
        }
    }

    /// The format of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Format> {
        Some(match name {
            "kith-xml" => Format::KithXml,
            "fhir" => Format::Fhir,
            "pdf" => Format::Pdf,
            other => Format::Attachment(other.strip_prefix("attachment-")?.parse().ok()?),
        })
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(super) fn serialize<S: Serializer>(format: &Format, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&name(*format))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Format, D::Error> {
        let text = String::deserialize(from)?;
        named(&text).ok_or_else(|| de::Error::custom("there is no such format"))
    }
}
