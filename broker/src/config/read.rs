//! Reads settings from TOML, and names everything that is wrong in one go.
//!
//! A deserialiser stops at the first fault. An operator with three faults would then start the process
//! three times, so this reader walks the parsed document itself: every field that is wrong becomes a
//! [`Fault`] with file, line, field and remedy, and reading goes on. A field that nobody asked for is a
//! fault too: it is a spelling mistake, and a misspelt setting silently left at its default is how a
//! deadline is missed.

use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// One fault in a configuration file, or in what it points at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// The file.
    pub file: String,
    /// Line in it, from 1; 0 if the fault is not at a line.
    pub line: usize,
    /// The field, with the sections that it stands in; empty for faults of the whole file.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        f.write_str(": ")?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{} {}", self.message, self.remedy)
    }
}

/// A file being read: where it lies, its text, and the faults met so far.
#[derive(Debug)]
pub struct Reading<'t> {
    file: String,
    folder: PathBuf,
    text: &'t str,
    path: Vec<String>,
    lines: BTreeMap<String, usize>,
    faults: Vec<Fault>,
}

/// A value with its place in the file.
pub type Value<'t> = Spanned<DeValue<'t>>;

impl<'t> Reading<'t> {
    /// Begins to read a file; relative paths in it start at its folder.
    #[must_use]
    pub fn new(file: &Path, text: &'t str) -> Self {
        Self {
            file: file.display().to_string(),
            folder: file.parent().map(Path::to_path_buf).unwrap_or_default(),
            text,
            path: Vec::new(),
            lines: BTreeMap::new(),
            faults: Vec::new(),
        }
    }

    /// Reads the whole document as one section.
    #[must_use]
    pub fn document<T: Setting>(mut self) -> (Option<T>, Self) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let span = error.span().unwrap_or_default();
            self.fault(&span, error.message().trim(), "Write it as TOML (toml.io) asks.");
        }
        if !self.faults.is_empty() {
            // What else seems wrong may only follow from that.
            return (None, self);
        }
        let span = table.span();
        let read = T::read(Spanned::new(span, DeValue::Table(table.into_inner())), &mut self);
        (read, self)
    }

    /// Records a fault at a place in the field being read.
    pub fn fault(&mut self, span: &Range<usize>, message: impl Into<String>, remedy: impl Into<String>) {
        let line = self.line(span.start);
        self.faults.push(Fault {
            file: self.file.clone(),
            line,
            field: self.path.join("."),
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    /// Records a fault found after reading, at a field that was read.
    pub fn fault_at(&mut self, field: &str, message: impl Into<String>, remedy: impl Into<String>) {
        let mut known = field;
        let line = loop {
            if let Some(line) = self.lines.get(known) {
                break *line;
            }
            match known.rsplit_once('.') {
                Some((section, _)) => known = section,
                None => break 0,
            }
        };
        self.faults.push(Fault {
            file: self.file.clone(),
            line,
            field: field.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    /// All faults, by line.
    #[must_use]
    pub fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|f| f.line);
        self.faults
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        1 + before.iter().filter(|b| **b == b'\n').count()
    }

    fn wrong_type(&mut self, value: &Value<'_>, wanted: &str) {
        let found = value.get_ref().type_str();
        self.fault(&value.span(), format!("This is a TOML {found}."), format!("Write {wanted}."));
    }
}

/// What can stand as the value of a setting.
pub trait Setting: Sized {
    /// Reads it, or records why it cannot be read.
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self>;
}

/// A table whose fields are taken one by one; what is left at the end is unknown.
#[derive(Debug)]
pub struct Section<'v> {
    fields: Vec<(Spanned<String>, Value<'v>)>,
    span: Range<usize>,
    known: Vec<&'static str>,
}

impl<'v> Section<'v> {
    /// Opens a table; any other value is a fault.
    pub fn open(value: Value<'v>, reading: &mut Reading<'_>) -> Option<Self> {
        let span = value.span();
        if !value.get_ref().is_table() {
            reading.wrong_type(&value, "a section");
            return None;
        }
        let DeValue::Table(table) = value.into_inner() else { return None };
        let fields = table
            .into_iter()
            .map(|(key, value)| (Spanned::new(key.span(), key.into_inner().into_owned()), value))
            .collect();
        Some(Self { fields, span, known: Vec::new() })
    }

    /// Reads a field. Absent, it is its default, and a fault if it has none.
    pub fn field<T: Setting>(
        &mut self,
        name: &'static str,
        default: Option<T>,
        reading: &mut Reading<'_>,
    ) -> Option<T> {
        self.known.push(name);
        reading.path.push(name.to_owned());
        let read = match self.fields.iter().position(|(key, _)| key.get_ref() == name) {
            Some(at) => {
                let (key, value) = self.fields.swap_remove(at);
                let line = reading.line(key.span().start);
                reading.lines.insert(reading.path.join("."), line);
                T::read(value, reading)
            }
            None if default.is_some() => default,
            None => {
                reading.fault(&self.span, "This setting is missing.", "It has no default; set it.");
                None
            }
        };
        reading.path.pop();
        read
    }

    /// Ends the section: every field that was not taken is a fault.
    pub fn close(self, reading: &mut Reading<'_>) {
        for (key, _) in self.fields {
            reading.path.push(key.get_ref().clone());
            let remedy = match nearest(key.get_ref(), &self.known) {
                Some(near) => format!("Did you mean {near:?}?"),
                None => format!("Known here: {}.", self.known.join(", ")),
            };
            reading.fault(&key.span(), "There is no such setting.", remedy);
            reading.path.pop();
        }
    }
}

/// The known name that differs least, if by at most two letters.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known.iter().map(|k| (distance(name, k), *k)).min().filter(|(d, _)| *d <= 2).map(|(_, k)| k)
}

/// Letters to change, add or leave out to get from one word to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.chars().enumerate() {
            let (Some(&left), Some(&above)) = (row.get(j), row.get(j + 1)) else { continue };
            let best = (diagonal + usize::from(x != y)).min(left + 1).min(above + 1);
            diagonal = above;
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = best;
            }
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Declares a section: its fields, their documentation and their defaults in one place. A field without a
/// default must be set.
#[macro_export]
macro_rules! settings {
    ($($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* $field:ident: $type:ty $(= $default:expr)?,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $crate::config::read::Setting for $name {
            fn read(
                value: $crate::config::read::Value<'_>,
                reading: &mut $crate::config::read::Reading<'_>,
            ) -> Option<Self> {
                let mut section = $crate::config::read::Section::open(value, reading)?;
                $(let $field: Option<$type> =
                    section.field(stringify!($field), $crate::settings!(@default $($default)?), reading);)*
                section.close(reading);
                Some(Self { $($field: $field?,)* })
            }
        }
    )*};
    (@default) => { None };
    (@default $default:expr) => { Some($default) };
}

impl Setting for bool {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let read = value.get_ref().as_bool();
        if read.is_none() {
            reading.wrong_type(&value, "true or false");
        }
        read
    }
}

impl Setting for String {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let read = value.get_ref().as_str().map(str::to_owned);
        if read.is_none() {
            reading.wrong_type(&value, "a text in quotes");
        }
        read
    }
}

impl Setting for usize {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(integer) = value.get_ref().as_integer() else {
            reading.wrong_type(&value, "a whole number");
            return None;
        };
        let read = Self::from_str_radix(integer.as_str(), integer.radix()).ok();
        if read.is_none() {
            reading.fault(&value.span(), "The number is negative or too large.", "Write a number from 0 on.");
        }
        read
    }
}

impl Setting for u16 {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let span = value.span();
        let read = Self::try_from(usize::read(value, reading)?).ok();
        if read.is_none() {
            reading.fault(&span, "The number is too large.", "Write a number up to 65535.");
        }
        read
    }
}

/// Anything that is written as a text and parsed.
fn parsed<T>(
    value: Value<'_>,
    reading: &mut Reading<'_>,
    wanted: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let span = value.span();
    let text = String::read(value, reading)?;
    let read = parse(&text);
    if read.is_none() {
        reading.fault(&span, format!("{text:?} cannot be read here."), format!("Write {wanted}."));
    }
    read
}

impl Setting for SocketAddr {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        parsed(value, reading, "an address and a port, such as \"127.0.0.1:8080\"", |t| t.parse().ok())
    }
}

impl Setting for routing_rules::DestinationId {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        parsed(value, reading, "a name of a-z, 0-9, ':', '.', '_' and '-'", |t| t.parse().ok())
    }
}

impl Setting for message_schemas::Family {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        use serde::de::IntoDeserializer;
        use serde::de::value::{Error, StrDeserializer};
        let read = |word: &str| {
            let word: StrDeserializer<'_, Error> = word.into_deserializer();
            serde::Deserialize::deserialize(word)
        };
        // Asked for what is none, it names all that there are, each between `.
        let known: Result<Self, Error> = read("");
        let known = known.err().map_or_else(String::new, |error| error.to_string());
        let names: Vec<&str> = known.split('`').skip(3).step_by(2).collect();
        parsed(value, reading, &format!("one of: {}", names.join(" ")), |word| read(word).ok())
    }
}

impl Setting for amqp_profile::Role {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        parsed(value, reading, "async, sync, sync-reply, error or internal", |word| match word {
            "async" => Some(Self::Async),
            "sync" => Some(Self::Sync),
            "sync-reply" => Some(Self::SyncReply),
            "error" => Some(Self::Error),
            "internal" => Some(Self::Internal),
            _ => None,
        })
    }
}

impl Setting for adapters::amqp10::Dialect {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        parsed(value, reading, "rabbitmq-v1, rabbitmq-v2 or service-bus", |word| match word {
            "rabbitmq-v1" => Some(Self::RabbitmqV1),
            "rabbitmq-v2" => Some(Self::RabbitmqV2),
            "service-bus" => Some(Self::ServiceBus),
            _ => None,
        })
    }
}

impl Setting for PathBuf {
    /// A relative path starts at the folder of the file that names it.
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let text = parsed(value, reading, "a path", |t| (!t.is_empty()).then(|| t.to_owned()))?;
        Some(reading.folder.join(text))
    }
}

impl Setting for Duration {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        parsed(
            value,
            reading,
            "a length of time, such as \"250ms\", \"30s\", \"5m\", \"96h\" or \"4d\"",
            duration,
        )
    }
}

/// `250ms`, `30s`, `5m`, `96h`, `4d`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// A size in bytes: a number, or a text such as `"256 MB"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub usize);

impl Setting for Bytes {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        if value.get_ref().is_integer() {
            return usize::read(value, reading).map(Self);
        }
        parsed(value, reading, "a size, such as \"20 MB\"", |text| {
            let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
            let factor = match unit.trim() {
                "B" => 1,
                "kB" | "KB" => 1_000,
                "MB" => 1_000_000,
                "GB" => 1_000_000_000,
                _ => return None,
            };
            number.parse::<usize>().ok()?.checked_mul(factor).map(Self)
        })
    }
}

impl<T: Setting> Setting for Option<T> {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        T::read(value, reading).map(Some)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        if !value.get_ref().is_array() {
            reading.wrong_type(&value, "a list in square brackets");
            return None;
        }
        let DeValue::Array(items) = value.into_inner() else { return None };
        let mut complete = true;
        let mut read = Self::new();
        for (at, item) in items.into_iter().enumerate() {
            reading.path.push(at.to_string());
            let line = reading.line(item.span().start);
            reading.lines.insert(reading.path.join("."), line);
            match T::read(item, reading) {
                Some(item) => read.push(item),
                None => complete = false,
            }
            reading.path.pop();
        }
        complete.then_some(read)
    }
}

impl<K: Ord + std::str::FromStr, T: Setting> Setting for BTreeMap<K, T>
where
    K::Err: fmt::Display,
{
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        if !value.get_ref().is_table() {
            reading.wrong_type(&value, "a section of named entries");
            return None;
        }
        let DeValue::Table(table) = value.into_inner() else { return None };
        let mut complete = true;
        let mut read = Self::new();
        for (key, value) in table {
            reading.path.push(key.get_ref().clone().into_owned());
            let line = reading.line(key.span().start);
            reading.lines.insert(reading.path.join("."), line);
            match (key.get_ref().parse(), T::read(value, reading)) {
                (Ok(key), Some(value)) => drop(read.insert(key, value)),
                (Err(error), _) => {
                    complete = false;
                    reading.fault(
                        &key.span(),
                        format!("The name cannot be used: {error}."),
                        "Choose another.",
                    );
                }
                (Ok(_), None) => complete = false,
            }
            reading.path.pop();
        }
        complete.then_some(read)
    }
}

/// A section that another room declares with serde: read field by field, so that each fault is named.
fn declared<T: DeserializeOwned>(value: Value<'_>, reading: &mut Reading<'_>) -> Option<T> {
    let span = value.span();
    let mut sound = true;
    if let DeValue::Table(fields) = value.get_ref() {
        for (key, field) in fields {
            let one = DeTable::from_iter([(key.clone(), field.clone())]);
            let one = Spanned::new(span.clone(), DeValue::Table(one));
            if let Err(error) = T::deserialize(ValueDeserializer::from(one)) {
                sound = false;
                reading.path.push(key.get_ref().clone().into_owned());
                let at = error.span().unwrap_or_else(|| field.span());
                reading.fault(
                    &at,
                    format!("{}.", error.message().trim()),
                    "See the reference of this section.",
                );
                reading.path.pop();
            }
        }
    } else {
        reading.wrong_type(&value, "a section");
        return None;
    }
    if !sound {
        return None;
    }
    T::deserialize(ValueDeserializer::from(value))
        .map_err(|error| {
            reading.fault(&span, format!("{}.", error.message().trim()), "See the reference of this section.")
        })
        .ok()
}

impl Setting for broker_core::policy::Policy {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        declared(value, reading)
    }
}

impl Setting for message_schemas::Limits {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        declared(value, reading)
    }
}

impl Setting for dead_letter::Schedule {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        declared(value, reading)
    }
}

impl Setting for dead_letter::BreakerSettings {
    fn read(value: Value<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        declared(value, reading)
    }
}

/// Declares a setting that is one of a few words.
#[macro_export]
macro_rules! one_of {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(["one of:" $(, $word)+].join(" ")),
                }
            }
        }

        impl $crate::config::read::Setting for $name {
            fn read(
                value: $crate::config::read::Value<'_>,
                reading: &mut $crate::config::read::Reading<'_>,
            ) -> Option<Self> {
                let span = value.span();
                let word = String::read(value, reading)?;
                word.parse::<Self>()
                    .map_err(|known| reading.fault(&span, format!("{word:?} is not known here."), format!("Write {known}.")))
                    .ok()
            }
        }
    };
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "the macro declares public sections")]
mod tests {
    use super::*;

    settings! {
        /// A section to test with.
        pub struct Sample {
            /// Must be set.
            name: String,
            /// Has a default.
            wait: Duration = Duration::from_secs(5),
            /// Nested.
            inner: Vec<Inner> = Vec::new(),
        }

        /// A nested section.
        pub struct Inner {
            /// Where to listen.
            bind: SocketAddr,
            /// A size.
            size: Bytes = Bytes(1),
        }
    }

    fn read(text: &str) -> (Option<Sample>, Vec<Fault>) {
        let (sample, reading) = Reading::new(Path::new("/etc/sample.toml"), text).document();
        (sample, reading.into_faults())
    }

    #[test]
    fn what_is_not_said_is_the_default() {
        let (sample, faults) = read("name = \"a\"\n[[inner]]\nbind = \"127.0.0.1:1\"\nsize = \"20 MB\"\n");
        assert_eq!(faults, []);
        let sample = sample.expect("read");
        assert_eq!(sample.wait, Duration::from_secs(5));
        assert_eq!(sample.inner.first().expect("one").size, Bytes(20_000_000));
    }

    #[test]
    fn all_faults_are_named_with_line_field_and_remedy() {
        let (sample, faults) = read("wiat = \"5s\"\nwait = \"soon\"\n[[inner]]\nbind = 5\nsize = -1\n");
        assert_eq!(sample, None);
        let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let expected = [
            "/etc/sample.toml:1: name: This setting is missing. It has no default; set it.",
            "/etc/sample.toml:1: wiat: There is no such setting. Did you mean \"wait\"?",
            "/etc/sample.toml:2: wait: \"soon\" cannot be read here. Write a length of time, such as \"250ms\", \"30s\", \"5m\", \"96h\" or \"4d\".",
            "/etc/sample.toml:4: inner.0.bind: This is a TOML integer. Write a text in quotes.",
            "/etc/sample.toml:5: inner.0.size: The number is negative or too large. Write a number from 0 on.",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_not_toml_is_a_fault_with_a_line() {
        let (sample, faults) = read("name = \"a\"\nwait = = 5\n");
        assert_eq!(sample, None);
        assert!(!faults.is_empty() && faults.iter().all(|fault| fault.line == 2), "{faults:?}");
    }

    #[test]
    fn lengths_of_time_and_near_words() {
        assert_eq!(duration("96h"), Some(Duration::from_secs(345_600)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("99999999999999999999d"), None);
        assert_eq!(duration("-5s"), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
