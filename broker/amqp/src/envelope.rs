//! One canonical form for what AMQP 0-9-1 and 1.0 carry.
//!
//! The adapters fill it from what their library gives them, and write it from what this room makes. Values are text,
//! as the profile has them; what came in another type was turned into text before.

use crate::names;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use broker_core::transport::SubjectSource;

/// A single text (an id, an address, a property) is at most so long; AMQP 1.0 itself would allow 4 GB.
pub const TEXT_BYTES: usize = 8 << 10;
/// So many application properties are taken beside those that the profile asks for.
pub const PROPERTIES: usize = 128;
/// Names and values of these properties together.
pub const PROPERTIES_BYTES: usize = 64 << 10;

/// An AMQP message without its protocol version.
///
/// Who fills it from what a stranger sent calls [`Envelope::bound`] once at the end.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// `message-id`: text as it came; a `uuid` as its hyphenated text.
    pub message_id: Option<String>,
    /// `to`: the queue that it was sent to, bare or as a full address.
    pub to: Option<String>,
    /// `subject`: the message's function, a code of list 8279 or the like.
    pub subject: Option<String>,
    /// Where the subject was found; none if there is none.
    pub subject_source: Option<SubjectSource>,
    /// `reply-to`: the queue that answers go to.
    pub reply_to: Option<String>,
    /// `correlation-id`: text as it came.
    pub correlation_id: Option<String>,
    /// `content-type`.
    pub content_type: Option<String>,
    /// Time to live as the message carries it; none for ever.
    pub ttl: Option<Duration>,
    /// `application-properties`.
    pub properties: Properties,
    /// The sender asked for durable keeping.
    pub durable: bool,
    /// It was offered before, to us or to another consumer. False proves nothing.
    pub redelivered: bool,
    /// How often the server says it was offered before; a 3.10 server says 0 to AMQP 1.0 whatever happened.
    pub delivery_count: Option<u32>,
    /// What was cut off because it broke a limit, by name; an incoming envelope with any of it is at fault.
    pub overlong: Vec<String>,
    /// The content: raw bytes, neither MIME nor base64.
    pub body: Arc<[u8]>,
}

impl Envelope {
    /// Takes away every text that is longer than [`TEXT_BYTES`], and names it in `overlong`.
    #[must_use]
    pub fn bound(mut self) -> Self {
        let fields = [
            ("message-id", &mut self.message_id),
            ("to", &mut self.to),
            ("subject", &mut self.subject),
            ("reply-to", &mut self.reply_to),
            ("correlation-id", &mut self.correlation_id),
            ("content-type", &mut self.content_type),
        ];
        for (name, field) in fields {
            if field.as_ref().is_some_and(|text| text.len() > TEXT_BYTES) {
                *field = None;
                self.overlong.push(name.to_owned());
            }
        }
        self.overlong.append(&mut self.properties.left_out);
        self
    }
}

impl fmt::Debug for Envelope {
    /// No value that the sender chose: properties can be personal, and the body is a patient's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |text: &Option<String>| text.as_ref().map(String::len);
        f.debug_struct("Envelope")
            .field("message_id_bytes", &size(&self.message_id))
            .field("subject_bytes", &size(&self.subject))
            .field("subject_source", &self.subject_source)
            .field("ttl", &self.ttl)
            .field("properties", &self.properties.len())
            .field("durable", &self.durable)
            .field("redelivered", &self.redelivered)
            .field("delivery_count", &self.delivery_count)
            .field("overlong", &self.overlong.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Application properties: looked up whatever their case, kept and written in the case that they came in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// By lower-case name: the name as it came, and the value.
    by_name: BTreeMap<String, (String, String)>,
    /// Those of them that are not the profile's own, and their bytes.
    others: (usize, usize),
    left_out: Vec<String>,
}

impl Properties {
    /// The value of this name, whatever the case of either.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        if let Some((_, value)) = self.by_name.get(name) {
            return Some(value);
        }
        self.by_name.get(&name.to_ascii_lowercase()).map(|(_, value)| value.as_str())
    }

    /// Adds one. The first of a name stays: a later one cannot take its place. What breaks a limit is left out, and
    /// named (or counted, where the name itself is too long) in [`Envelope::overlong`].
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        let bytes = name.len() + value.len();
        let key = name.to_ascii_lowercase();
        if self.by_name.contains_key(&key) {
            return;
        }
        // Who fills an envelope up with others cannot crowd these out: they tell whose it is.
        let own = names::ALL.iter().any(|known| known.eq_ignore_ascii_case(&key));
        let (count, total) = self.others;
        let room = own || (count < PROPERTIES && total + bytes <= PROPERTIES_BYTES);
        if room && value.len() <= TEXT_BYTES && name.len() <= 255 {
            if !own {
                self.others = (count + 1, total + bytes);
            }
            self.by_name.insert(key, (name, value));
        } else if self.left_out.len() < PROPERTIES {
            self.left_out.push(if name.len() <= 64 { name } else { "application-properties".to_owned() });
        }
    }

    /// Names as they came, and values; ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.by_name.values().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// True for none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut properties = Self::default();
        pairs.into_iter().for_each(|(name, value)| properties.insert(name, value));
        properties
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Properties({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_found_whatever_their_case_and_the_first_stays() {
        let properties: Properties = [("FromHerId", "8093"), ("fromherid", "1")].into_iter().collect();
        assert_eq!(properties.get("fromHerId"), Some("8093"));
        assert_eq!(properties.iter().collect::<Vec<_>>(), [("FromHerId", "8093")]);
    }

    #[test]
    fn what_breaks_a_limit_is_left_out_and_named() {
        let mut envelope = Envelope {
            subject: Some("X".repeat(TEXT_BYTES + 1)),
            to: Some("93238_async".into()),
            ..Envelope::default()
        };
        envelope.properties.insert("errorDescription", "x".repeat(TEXT_BYTES + 1));
        (0..2 * PROPERTIES).for_each(|n| envelope.properties.insert(format!("x-{n}"), "y".repeat(400)));
        let bounded = envelope.bound();
        assert_eq!(bounded.subject, None);
        assert_eq!(bounded.to.as_deref(), Some("93238_async"));
        assert!(bounded.overlong.contains(&"subject".to_owned()));
        assert!(bounded.overlong.contains(&"errorDescription".to_owned()));
        assert!(bounded.properties.len() <= PROPERTIES);
        assert!(bounded.overlong.len() <= PROPERTIES + 6);

        let mut full = Properties::default();
        (0..2 * PROPERTIES).for_each(|n| full.insert(format!("x-{n}"), "y"));
        full.insert("FROMHERID", "8093");
        full.insert(names::ORIGINAL, "x".repeat(TEXT_BYTES));
        assert_eq!((full.get(names::FROM), full.len()), (Some("8093"), PROPERTIES + 2));
    }

    #[test]
    fn debug_shows_no_value() {
        let envelope = Envelope {
            message_id: Some("secret-id".into()),
            properties: [("X-Name", "Line Danser")].into_iter().collect(),
            body: b"13116900216".as_slice().into(),
            ..Envelope::default()
        };
        let shown = format!("{envelope:?}");
        assert!(["secret", "Line", "X-Name", "13116900216"].iter().all(|s| !shown.contains(s)), "{shown}");
    }
}
