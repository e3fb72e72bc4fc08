//! The members of a JSON object as they stand: in their order, and with the bytes that they have.

use crate::document::json_text::{self, WriteJson};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::fmt;

/// A JSON object.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    /// The value of a member.
    pub(super) fn parse<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let (_, raw) = self.0.iter().find(|(known, _)| known == name)?;
        serde_json::from_str(raw.get()).ok()
    }

    /// Sets a member where it stands, or behind the others.
    pub(super) fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Option<()> {
        self.put(name, to_raw_value(value).ok()?);
        Some(())
    }

    /// The same with what a document writes.
    pub(super) fn set_written(&mut self, name: &str, value: &impl WriteJson) -> Option<()> {
        self.put(name, RawValue::from_string(json_text::written(value)?).ok()?);
        Some(())
    }

    fn put(&mut self, name: &str, raw: Box<RawValue>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, slot)) => *slot = raw,
            None => self.0.push((name.to_owned(), raw)),
        }
    }

    /// Adds to a list.
    pub(super) fn extend(&mut self, name: &str, more: Vec<Box<RawValue>>) -> Option<()> {
        if more.is_empty() {
            return Some(());
        }
        let mut all: Vec<Box<RawValue>> = self.parse(name).unwrap_or_default();
        all.extend(more);
        self.set(name, &all)
    }

    /// The same with its text changed.
    pub(super) fn renamed(&self, rename: impl Fn(&str) -> String) -> Option<Self> {
        serde_json::from_str(&rename(&text_of(self)?)).ok()
    }
}

/// An object as text.
pub(super) fn text_of(fields: &Fields) -> Option<String> {
    serde_json::to_string(fields).ok()
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, raw) in &self.0 {
            map.serialize_entry(name, raw)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, Box<RawValue>>()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        from.deserialize_map(InOrder)
    }
}
