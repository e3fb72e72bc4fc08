//! Samples that are sent many times: the same bytes but for their ids and their time.
//!
//! Nothing is written anew: the places of the ids and of the time are found once, in the bytes as they are, and only
//! these change. What was made is read back once, so that a sample in which that does not work is told before anything
//! is sent.

use crate::examine::examine;
use crate::exit::Failure;
use broker_core::transport::Label;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use message_schemas::head::Party;
use message_schemas::schema::SchemaSet;
use message_schemas::xml::{self, Node, Tree};
use message_schemas::{Family, Limits, MessageHead, MsgId};
use std::ops::Range;
use std::path::Path;
use uuid::Uuid;

/// Elements that name a document, beside the message's own id (labels of the families' heads).
const DOCUMENT_IDS: &[&str] = &["ServProvId", "DocumentId", "DokIdForesp", "DokIdNotat", "Id"];

/// Elements that may hold a message's id.
const MESSAGE_IDS: &[&str] = &["MsgId", "Id", "RefToConversation"];

/// A sample, with the places that change.
#[derive(Debug)]
pub(super) struct Sample {
    bytes: Vec<u8>,
    /// By their place, none within another.
    places: Vec<(Range<usize>, Fresh)>,
    label: Label,
    receivers: Vec<Party>,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fresh {
    MessageId,
    DocumentId {
        /// Receipts answer this one: of a message without MsgHead they name the document (kith-messages §4.5).
        answered: bool,
    },
    /// With as much as the sample gives: date or time, with or without a zone.
    Time(TimeForm),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeForm {
    Date,
    Local,
    Zoned,
}

/// A message of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) id: MsgId,
    pub(super) bytes: Vec<u8>,
}

/// Why a file cannot be a sample.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// No message, or a receipt: nobody answers it.
    #[error("it is no message that is answered with a receipt")]
    NoMessage,
    /// Its ids cannot be changed.
    #[error("{0}")]
    Fixed(&'static str),
}

impl Sample {
    /// Finds what changes in a message.
    pub(super) fn read(bytes: Vec<u8>, schemas: &SchemaSet, now: Timestamp) -> Result<Self, Unfit> {
        let limits = Limits::default();
        let head = examine(&bytes, schemas, &limits, now).head.ok_or(Unfit::NoMessage)?;
        let id =
            head.msg_id.as_ref().filter(|_| head.kind.family != Family::AppRec).ok_or(Unfit::NoMessage)?;
        let decoded = xml::decode(&bytes).map_err(|_| Unfit::NoMessage)?;
        let offset = Offsets::of(&decoded, &bytes)
            .ok_or(Unfit::Fixed("it is not written one byte to a letter, nor in UTF-8"))?;
        let tree = Tree::parse(&decoded.text, &limits).map_err(|_| Unfit::NoMessage)?;
        if tree
            .nodes()
            .any(|n| n.name() == "Signature" && n.namespace() == "http://www.w3.org/2000/09/xmldsig#")
        {
            return Err(Unfit::Fixed("it is signed, and with a fresh id its signature does not hold"));
        }
        let mut places = Vec::new();
        let mut add = |range: Option<Range<usize>>, fresh| {
            places.extend(range.map(|range| (offset.of_bytes(&decoded.text, range), fresh)));
        };
        let elements = || tree.nodes().filter(|n| n.is_element());
        for node in elements().filter(|n| MESSAGE_IDS.contains(&n.name())) {
            add(content(node, &decoded.text, id.as_str()), Fresh::MessageId);
        }
        if let Some(document) = head.document_id.as_deref().filter(|document| *document != id.as_str()) {
            for node in elements().filter(|n| DOCUMENT_IDS.contains(&n.name())) {
                add(
                    content(node, &decoded.text, document),
                    Fresh::DocumentId { answered: !head.under_msg_head },
                );
            }
        }
        if let Some(made) = elements().find(|n| n.name() == "GenDate") {
            let text = made.attr("V").map_or_else(|| made.text().trim().to_owned(), str::to_owned);
            let place = if made.attr("V").is_some() {
                value(made, &decoded.text, &text)
            } else {
                content(made, &decoded.text, &text)
            };
            add(place, Fresh::Time(TimeForm::of(&text)));
        }
        places.sort_by_key(|(range, _)| range.start);
        let label = label(&head);
        let receivers = head.receivers.into_iter().map(|receiver| receiver.party).collect();
        let sample = Self { bytes, places, label, receivers };
        sample.proved(schemas, now)
    }

    /// Reads back what is made of it.
    fn proved(self, schemas: &SchemaSet, now: Timestamp) -> Result<Self, Unfit> {
        let first = self.make(Uuid::now_v7(), now);
        let head = examine(&first.bytes, schemas, &Limits::default(), now).head;
        let changed = head.is_some_and(|head| head.msg_id.is_some_and(|id| id.key() == first.id.key()));
        if changed { Ok(self) } else { Err(Unfit::Fixed("its id cannot be changed in place")) }
    }

    /// Whose receipts answer it.
    pub(super) fn receivers(&self) -> &[Party] {
        &self.receivers
    }

    /// What an envelope around it says, but for the time.
    pub(super) const fn label(&self) -> &Label {
        &self.label
    }

    /// A message of its own, as made now.
    pub(super) fn make(&self, id: Uuid, now: Timestamp) -> Made {
        let mut bytes = Vec::with_capacity(self.bytes.len() + 128);
        let mut done = 0;
        for (place, fresh) in &self.places {
            bytes.extend_from_slice(self.bytes.get(done..place.start).unwrap_or_default());
            bytes.extend_from_slice(fresh.text(id, now).as_bytes());
            done = place.end;
        }
        bytes.extend_from_slice(self.bytes.get(done..).unwrap_or_default());
        let id = MsgId::new(&id.to_string()).expect("a UUID is not empty");
        Made { id, bytes }
    }
}

/// What an envelope around a message says, by its head.
pub(super) fn label(head: &MessageHead) -> Label {
    Label {
        subject: head.function.clone().or_else(|| head.type_code.clone()),
        from: head.sender.as_ref().and_then(Party::any_her_id),
        to: head.receivers.first().and_then(|receiver| receiver.party.any_her_id()),
        ..Label::default()
    }
}

/// How a document's id begins that receipts answer.
const ANSWERED: char = 'A';

/// The message that a receipt answers, if it names the message, or the document where it is to name that.
pub(super) fn answered(original: MsgId) -> MsgId {
    let document = original.as_str().strip_prefix(ANSWERED).filter(|id| id.len() == 32);
    let message = document.and_then(|id| Uuid::try_parse(id).ok());
    message.and_then(|id| MsgId::new(&id.to_string())).unwrap_or(original)
}

impl Fresh {
    fn text(&self, id: Uuid, now: Timestamp) -> String {
        match self {
            Self::MessageId => id.to_string(),
            // Not the message's: whoever takes one for the other is to be found out.
            Self::DocumentId { answered: false } => format!("D{}", id.simple()),
            Self::DocumentId { answered: true } => format!("{ANSWERED}{}", id.simple()),
            Self::Time(form) => {
                let here = now.to_zoned(TimeZone::get("Europe/Oslo").unwrap_or(TimeZone::UTC));
                let form = match form {
                    TimeForm::Date => "%Y-%m-%d",
                    TimeForm::Local => "%Y-%m-%dT%H:%M:%S",
                    TimeForm::Zoned => "%Y-%m-%dT%H:%M:%S%:z",
                };
                here.strftime(form).to_string()
            }
        }
    }
}

impl TimeForm {
    fn of(text: &str) -> Self {
        match text.split_once('T') {
            None => Self::Date,
            Some((_, time)) if time.contains(['Z', '+', '-']) => Self::Zoned,
            Some(_) => Self::Local,
        }
    }
}

/// Where the text of an element stands, if it is this and nothing else.
fn content(node: Node<'_>, text: &str, wanted: &str) -> Option<Range<usize>> {
    if node.elements().next().is_some() || node.text().trim() != wanted {
        return None;
    }
    let source = node.source();
    let whole = text.get(source.clone())?;
    let inner = whole.get(..whole.rfind("</")?)?;
    let begins = inner.rfind('>')? + 1;
    within(text, source.start + begins..source.start + inner.len(), wanted)
}

/// Where the value of the first attribute that is this stands in an element's start tag.
fn value(node: Node<'_>, text: &str, wanted: &str) -> Option<Range<usize>> {
    let source = node.source();
    let quoted = [format!("\"{wanted}\""), format!("'{wanted}'")];
    let at = quoted.iter().find_map(|quoted| text.get(source.clone())?.find(quoted.as_str()))?;
    within(text, source.start + at + 1..source.start + at + 1 + wanted.len(), wanted)
}

/// The part of a range that is this text, and not written in some other way (as a reference, say).
fn within(text: &str, range: Range<usize>, wanted: &str) -> Option<Range<usize>> {
    let at = range.start + text.get(range)?.find(wanted)?;
    Some(at..at + wanted.len())
}

/// From places in the text to places in the bytes.
enum Offsets {
    /// The same, after a byte order mark of so many bytes.
    Utf8(usize),
    /// One byte to a letter.
    Single,
}

impl Offsets {
    fn of(decoded: &xml::Decoded<'_>, bytes: &[u8]) -> Option<Self> {
        match decoded.encoding {
            "UTF-8" => Some(Self::Utf8(bytes.len().saturating_sub(decoded.text.len()))),
            "UTF-16" | "UTF-16LE" | "UTF-16BE" => None,
            _ => (decoded.text.chars().count() == bytes.len()).then_some(Self::Single),
        }
    }

    fn of_bytes(&self, text: &str, range: Range<usize>) -> Range<usize> {
        let place = |at: usize| match self {
            Self::Utf8(mark) => at + mark,
            Self::Single => text.get(..at).unwrap_or_default().chars().count(),
        };
        place(range.start)..place(range.end)
    }
}

/// The samples in files and folders. In a folder, what is no message is passed over; a file that is named is not.
pub(super) fn samples(
    paths: &[std::path::PathBuf],
    schemas: &SchemaSet,
    now: Timestamp,
) -> Result<Vec<Sample>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let folder = path.is_dir();
        for file in super::files::collect(std::slice::from_ref(path))? {
            if folder && !is_message(&file) {
                continue;
            }
            let bytes = super::files::read_message(&file, Limits::default().message_bytes)?;
            match Sample::read(bytes, schemas, now) {
                Ok(sample) => found.push(sample),
                Err(Unfit::NoMessage) if folder => {}
                Err(why) => return Err(Failure::Usage(format!("{}: {why}", file.display()))),
            }
        }
    }
    if found.is_empty() {
        return Err(Failure::Usage("there is no message in what is to be sent".to_owned()));
    }
    Ok(found)
}

/// By its name: documents that we made, goldens and notes lie beside samples.
fn is_message(file: &Path) -> bool {
    file.extension().is_some_and(|e| e.eq_ignore_ascii_case("xml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn schemas() -> SchemaSet {
        crate::schemas::load(None).expect("built in")
    }

    fn now() -> Timestamp {
        "2026-07-01T10:00:00Z".parse().expect("a time")
    }

    fn all() -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/samples");
        let files = super::super::files::collect(&[folder]).expect("samples");
        files.into_iter().filter(|f| f.ends_with("in.xml")).collect()
    }

    #[test]
    fn every_sample_of_ours_changes_in_its_ids_and_time_and_nowhere_else() {
        let schemas = schemas();
        let (mut fit, mut fixed) = (0, 0);
        for file in all() {
            let bytes = std::fs::read(&file).expect("a file");
            let before = examine(&bytes, &schemas, &Limits::default(), now());
            let sample = match Sample::read(bytes.clone(), &schemas, now()) {
                Ok(sample) => sample,
                Err(Unfit::NoMessage) => continue,
                Err(Unfit::Fixed(_)) => {
                    fixed += 1;
                    continue;
                }
            };
            fit += 1;
            let (one, other) = (sample.make(Uuid::now_v7(), now()), sample.make(Uuid::now_v7(), now()));
            assert_ne!(one.id, other.id);
            let after = examine(&one.bytes, &schemas, &Limits::default(), now());
            assert_eq!(after.valid, before.valid, "{}", file.display());
            let (before, after) = (before.head.expect("read"), after.head.expect("read"));
            assert_eq!(after.msg_id, Some(one.id.clone()), "{}", file.display());
            let document =
                after.document_id.as_deref().filter(|_| !after.under_msg_head).and_then(MsgId::new);
            assert_eq!(answered(document.unwrap_or_else(|| one.id.clone())), one.id, "{}", file.display());
            let generated = after.generated.and_then(|g| g.instant);
            if before.generated.is_some() {
                let day = |t: Timestamp| t.in_tz("Europe/Oslo").expect("a zone").date();
                assert_eq!(generated.map(day), Some(day(now())), "{}", file.display());
            }
            // With the old texts put back, it is the old message.
            let mut back = one.bytes.clone();
            for (place, fresh) in sample.places.iter().rev() {
                let old = sample.bytes.get(place.clone()).expect("in it").to_vec();
                let new = fresh.text(one.id.as_str().parse().expect("a UUID"), now());
                let at = back.windows(new.len()).rposition(|w| w == new.as_bytes()).expect("it is there");
                back.splice(at..at + new.len(), old);
            }
            assert_eq!(back, bytes, "{}", file.display());
        }
        assert!(fit > 20 && fixed < fit, "{fit} fit, {fixed} not");
    }

    #[test]
    fn a_sample_in_another_encoding_is_changed_where_its_bytes_are() {
        let utf8 = all().into_iter().find_map(|file| {
            let text = std::fs::read_to_string(file).ok()?;
            (text.contains("encoding=\"UTF-8\"")
                && text.contains('ø')
                && text.chars().all(|c| u32::from(c) < 256))
            .then_some(text)
        });
        let text = utf8
            .expect("a sample with letters of ours")
            .replace("encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\"");
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("below 256")).collect();
        let sample = Sample::read(bytes, &schemas(), now()).expect("it is a message");
        let made = sample.make(Uuid::now_v7(), now());
        let head = examine(&made.bytes, &schemas(), &Limits::default(), now()).head;
        assert_eq!(head.and_then(|head| head.msg_id), Some(made.id));
    }
}
