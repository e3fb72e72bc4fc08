//! Reading TOML so that a person who mends a file sees all its faults at once, each with line, field and remedy.
//!
//! Deserialising by derive stops at the first fault. Here a table is asked for its fields one by one; a
//! wrong or missing one is noted and the reading goes on, and fields nobody asked for are faults too.

use crate::fault::{Fault, FaultKind};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use sha2::{Digest, Sha256};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The faults met so far, in files of one kind.
#[derive(Debug)]
pub(crate) struct Faults {
    kind: FaultKind,
    list: Vec<Fault>,
}

impl Faults {
    pub(crate) const fn new(kind: FaultKind) -> Self {
        Self { kind, list: Vec::new() }
    }

    /// Notes a fault at a byte offset of a file.
    pub(crate) fn push(&mut self, source: Source<'_>, at: usize, field: &str, message: &str, remedy: &str) {
        self.list.push(Fault {
            code: self.kind,
            file: source.name.to_owned(),
            line: source.line(at),
            field: field.to_owned(),
            message: message.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    /// The value if nothing was wrong, else all faults by place.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, Vec<Fault>> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.list.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        Err(self.list)
    }
}

/// A file: its name and text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'s> {
    pub(crate) name: &'s str,
    pub(crate) text: &'s str,
}

impl Source<'_> {
    /// The line of a byte offset, from 1.
    pub(crate) fn line(self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|b| *b == b'\n').count()
    }
}

/// The files by name, so that neither order nor folder walk changes what they say.
pub(crate) fn by_name(files: &[(String, String)]) -> Vec<Source<'_>> {
    let mut sources: Vec<_> = files.iter().map(|(name, text)| Source { name, text }).collect();
    sources.sort_by_key(|source| source.name);
    sources
}

/// SHA-256 over names and texts, each with its length before it.
pub(crate) fn hash(sources: &[Source<'_>]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in sources.iter().flat_map(|s| [s.name, s.text]) {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

/// Reads one file that holds nothing but entries `[[name]]`, and hands each to `entry`.
pub(crate) fn entries(
    source: Source<'_>,
    name: &'static str,
    faults: &mut Faults,
    mut entry: impl FnMut(Table<'_, '_>, &mut Faults),
) {
    let (document, errors) = DeTable::parse_recoverable(source.text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        let message = format!("This is not TOML: {}.", error.message());
        faults.push(source, at, "", &message, "Mend the line; strings stand in quotes, one field a line.");
    }
    let mut root = Table::new(source, String::new(), document.span(), document.get_ref());
    for table in root.tables(name, faults) {
        entry(table, faults);
    }
    if errors.is_empty() {
        root.finish(faults);
    }
}

/// A table that is asked for its fields.
#[derive(Debug)]
pub(crate) struct Table<'t, 's> {
    pub(crate) source: Source<'s>,
    /// What it is called in faults, e.g. `party 8093`.
    pub(crate) label: String,
    span: Range<usize>,
    table: &'t DeTable<'s>,
    asked: Vec<&'static str>,
    extra: Vec<String>,
}

impl<'t, 's> Table<'t, 's> {
    fn new(source: Source<'s>, label: String, span: Range<usize>, table: &'t DeTable<'s>) -> Self {
        Self { source, label, span, table, asked: Vec::new(), extra: Vec::new() }
    }

    /// The line on which it begins.
    pub(crate) fn line(&self) -> usize {
        self.source.line(self.span.start)
    }

    /// Where a field's value begins; the table's beginning if it has no such field.
    pub(crate) fn place(&self, name: &str) -> usize {
        self.table.get(name).map_or(self.span.start, |value| value.span().start)
    }

    /// Notes a fault of a field.
    pub(crate) fn fault(&self, faults: &mut Faults, name: &str, message: &str, remedy: &str) {
        faults.push(self.source, self.place(name), &self.field(name), message, remedy);
    }

    fn field(&self, name: &str) -> String {
        match (self.label.is_empty(), name.is_empty()) {
            (true, _) => name.to_owned(),
            (false, true) => self.label.clone(),
            (false, false) => format!("{}: {name}", self.label),
        }
    }

    fn ask(&mut self, name: &'static str) -> Option<&'t Spanned<DeValue<'s>>> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        self.table.get(name)
    }

    /// Whether the field is written at all.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table.get(name).is_some()
    }

    /// Notes that a field is missing, unless it is there and already found wrong.
    pub(crate) fn need<T>(&self, name: &str, value: Option<T>, faults: &mut Faults) -> Option<T> {
        if value.is_none() && !self.has(name) {
            self.fault(faults, name, "This field is missing.", &format!("Write {name} = …."));
        }
        value
    }

    /// A text that `read` understands.
    pub(crate) fn text<T>(
        &mut self,
        name: &'static str,
        faults: &mut Faults,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.ask(name)?;
        self.one(name, value, faults, &read)
    }

    /// A list of texts that `read` understands; a single text is a list of one. Empty if absent.
    pub(crate) fn texts<T>(
        &mut self,
        name: &'static str,
        faults: &mut Faults,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Vec<T> {
        let Some(value) = self.ask(name) else { return Vec::new() };
        match value.get_ref().as_array() {
            Some(list) => list.iter().filter_map(|v| self.one(name, v, faults, &read)).collect(),
            None => self.one(name, value, faults, &read).into_iter().collect(),
        }
    }

    fn one<T>(
        &self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        faults: &mut Faults,
        read: &impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(number) => Some(number.as_str().to_owned()),
            DeValue::Datetime(time) => Some(time.to_string()),
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Array(_) | DeValue::Table(_) => None,
        };
        let read = text.ok_or_else(|| "A text in quotes is wanted here.".to_owned()).and_then(|t| read(&t));
        read.map_err(|why| {
            let remedy = "Write one of the values that the documentation of this field lists.";
            faults.push(self.source, value.span().start, &self.field(name), &why, remedy);
        })
        .ok()
    }

    /// True or false.
    pub(crate) fn flag(&mut self, name: &'static str, faults: &mut Faults) -> Option<bool> {
        let value = self.ask(name)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.fault(
                faults,
                name,
                "This is neither true nor false.",
                "Write true or false, without quotes.",
            );
        }
        flag
    }

    /// Whether the field holds true or false, rather than something else.
    pub(crate) fn is_flag(&self, name: &str) -> bool {
        self.table.get(name).is_some_and(|value| value.get_ref().is_bool())
    }

    /// Whether the field holds a table.
    pub(crate) fn is_table(&self, name: &str) -> bool {
        self.table.get(name).is_some_and(|value| value.get_ref().is_table())
    }

    /// A list of tables, or a single one.
    pub(crate) fn tables(&mut self, name: &'static str, faults: &mut Faults) -> Vec<Self> {
        let Some(value) = self.ask(name) else { return Vec::new() };
        let label = self.field(name);
        let mut tables = Vec::new();
        let list = value.get_ref().as_array();
        for value in list.map_or_else(|| vec![value], |list| list.iter().collect()) {
            match value.get_ref().as_table() {
                Some(table) => tables.push(Self::new(self.source, label.clone(), value.span(), table)),
                None => {
                    let remedy = format!("Write [[{name}]] or {name} = {{ … }}.");
                    faults.push(self.source, value.span().start, &label, "A table is wanted here.", &remedy);
                }
            }
        }
        tables
    }

    /// The names of all fields of a table whose fields are free, marked as asked for.
    pub(crate) fn names(&mut self) -> Vec<&'t str> {
        self.extra = self.table.keys().map(|key| key.get_ref().to_string()).collect();
        self.table.keys().map(|key| key.get_ref().as_ref()).collect()
    }

    /// The text of a field of a table whose fields are free.
    pub(crate) fn free_text<T>(
        &self,
        name: &str,
        faults: &mut Faults,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.one(name, self.table.get(name)?, faults, &read)
    }

    /// Notes every field that nobody asked for.
    pub(crate) fn finish(self, faults: &mut Faults) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            if !self.asked.contains(&name) && !self.extra.iter().any(|e| e == name) {
                let remedy = format!("Fields here are: {}.", self.asked.join(", "));
                let field = self.field(name);
                faults.push(self.source, key.span().start, &field, "There is no such field.", &remedy);
            }
        }
    }
}

/// Reads one of the words of an enum.
pub(crate) fn word<'de, T: Deserialize<'de>>(text: &str) -> Result<T, String> {
    let deserializer: serde::de::value::StringDeserializer<serde::de::value::Error> =
        text.to_owned().into_deserializer();
    T::deserialize(deserializer).map_err(|error| format!("{}.", capital(&error.to_string())))
}

/// Reads by `FromStr`.
pub(crate) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| format!("{}.", capital(&error.to_string())))
}

/// Takes any text that is not blank and not longer than a line.
pub(crate) fn line(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(char::is_control) || text.chars().count() > 200 {
        return Err("A text of one line, of 1 to 200 characters, is wanted here.".to_owned());
    }
    Ok(text.to_owned())
}

fn capital(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
