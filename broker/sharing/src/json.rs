//! JSON with its members in the order in which they were set, so that the same submission is always the same bytes.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// A value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Json {
    Text(String),
    Number(u64),
    List(Vec<Self>),
    Object(Object),
}

/// Members in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Object(Vec<(&'static str, Json)>);

impl Object {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A FHIR resource.
    pub(crate) fn resource(kind: &'static str) -> Self {
        Self::new().set("resourceType", kind)
    }

    pub(crate) fn set(mut self, name: &'static str, value: impl Into<Json>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    pub(crate) fn maybe(self, name: &'static str, value: Option<impl Into<Json>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// Its members and those of the other, in this order.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Without its type: for taking over the members of a resource.
    pub(crate) fn without_kind(mut self) -> Self {
        self.0.retain(|(name, _)| *name != "resourceType");
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A list, left out if it is empty, as FHIR wants it.
    pub(crate) fn list<T: Into<Json>>(self, name: &'static str, values: impl IntoIterator<Item = T>) -> Self {
        let values: Vec<Json> = values.into_iter().map(Into::into).collect();
        if values.is_empty() { self } else { self.set(name, Json::List(values)) }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl From<&Object> for Json {
    fn from(object: &Object) -> Self {
        Self::Object(object.clone())
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => to.serialize_str(text),
            Self::Number(number) => to.serialize_u64(*number),
            Self::List(values) => to.collect_seq(values),
            Self::Object(object) => object.serialize(to),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
