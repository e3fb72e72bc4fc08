//! The national registry of communication parties over HTTP: one party, all of them, and what changes.

use super::document::{Enveloped, Page, Party};
use super::rest::{self, Error};
use crate::http::caller::{Call, Caller, NoAnswer, Pieces};
use crate::secret::Tokens;
use axum::http::Uri;
use broker_core::ports::{Change, Changes, Cursor, NotListed, PartyRegistry, Whole};
use hyper::body::{Buf, Bytes};
use message_schemas::HerId;
use routing_rules::RegistryEntry;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Where the registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NationalOptions {
    /// Address of one party; `{her_id}` stands for the HER-id.
    pub party_url: String,
    /// Address of the export of all parties; none asks for each alone.
    pub export_url: Option<String>,
    /// Address of the change feed; it is of use with the export alone, which says where it begins.
    pub events_url: Option<String>,
    /// File with a bearer token; read again when it changes.
    pub token_file: Option<PathBuf>,
    /// For one answer; for each piece of the export.
    pub timeout: Duration,
    /// The largest export that is read.
    pub export_bytes: u64,
}

impl NationalOptions {
    /// Finds faults without connecting.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), Error> {
        rest::address(&self.party_url, HerId(1)).ok_or(Error::Address)?;
        for url in self.export_url.iter().chain(&self.events_url) {
            plain(url).ok_or(Error::Address)?;
        }
        self.token_file.as_deref().map(Tokens::read).transpose()?;
        Ok(())
    }
}

/// The registry on the net. Clones share their connections.
#[derive(Clone)]
pub struct National(Arc<Inner>);

struct Inner {
    options: NationalOptions,
    tokens: Option<Tokens>,
    caller: Caller,
}

/// One party has some kilobytes; organisations with many services have more.
const PARTY_BYTES: usize = 5_000_000;

/// A page of changes holds whole parties.
const PAGE_BYTES: usize = 50_000_000;

impl National {
    /// Sets up; connects only when something is asked.
    ///
    /// # Errors
    /// If the settings are at fault.
    pub fn build(options: NationalOptions) -> Result<Self, Error> {
        options.check()?;
        let tokens = options.token_file.as_deref().map(Tokens::read).transpose()?;
        let caller = Caller::build(options.timeout, None)?;
        Ok(Self(Arc::new(Inner { options, tokens, caller })))
    }

    fn token(&self) -> Option<String> {
        let tokens = self.0.tokens.as_ref()?;
        tokens.refresh();
        tokens.first()
    }

    async fn ask(&self, uri: Uri, most_bytes: usize) -> Result<Arc<[u8]>, NoAnswer> {
        let token = self.token();
        self.0.caller.call(question(uri, token.as_deref(), most_bytes)).await
    }
}

fn question(uri: Uri, token: Option<&str>, most_bytes: usize) -> Call<'_> {
    Call { uri, post: None, accept: "application/json", token, most_bytes }
}

impl PartyRegistry for National {
    async fn party(&self, her_id: HerId) -> Result<RegistryEntry, NotListed> {
        let uri = rest::address(&self.0.options.party_url, her_id).ok_or_else(no_address)?;
        match self.ask(uri, PARTY_BYTES).await {
            Ok(body) => {
                let read: Enveloped = serde_json::from_slice(&body).map_err(|_| misread())?;
                read.entry(her_id).map_err(NotListed::Unavailable)
            }
            Err(NoAnswer::Status(404)) => Err(NotListed::UnknownParty),
            Err(why) => Err(rest::not_listed(why)),
        }
    }

    async fn all(&self, wanted: &BTreeSet<HerId>) -> Result<Option<Whole>, NotListed> {
        let options = &self.0.options;
        let (Some(url), Some(_)) = (&options.export_url, &options.events_url) else { return Ok(None) };
        let uri = plain(url).ok_or_else(no_address)?;
        let token = self.token();
        let call = question(uri, token.as_deref(), usize::MAX);
        let mut pieces = self.0.caller.open(call).await.map_err(rest::not_listed)?;

        // The export is the whole country's: it is read as it comes, on a thread of its own, and of it only what is wanted
        // is ever held.
        let (sender, receiver) = mpsc::channel(8);
        let reading = Reading { pieces: receiver, piece: Bytes::new() };
        let wanted = wanted.clone();
        let reader = tokio::task::spawn_blocking(move || {
            let mut json = serde_json::Deserializer::from_reader(io::BufReader::new(reading));
            (&mut json).deserialize_map(Export { wanted: &wanted })
        });
        let fed = feed(&mut pieces, sender, options.export_bytes).await;
        let read = reader.await.map_err(|_| misread())?;
        fed?;
        read.map(Some).map_err(|_| misread())
    }

    async fn changes(&self, after: &Cursor) -> Result<Changes, NotListed> {
        let url = self.0.options.events_url.as_deref().ok_or_else(no_address)?;
        let uri = plain(&format!("{url}?EventId={}", escaped(&after.0))).ok_or_else(no_address)?;
        let body = match self.ask(uri, PAGE_BYTES).await {
            Ok(body) => body,
            // It no longer knows the place: from here on there is no way but to begin anew.
            Err(NoAnswer::Status(400 | 404 | 410)) => return Err(NotListed::UnknownParty),
            Err(why) => return Err(rest::not_listed(why)),
        };
        let page: Page = serde_json::from_slice(&body).map_err(|_| misread())?;
        let cursor = page.events.last().map_or_else(|| after.clone(), |event| Cursor(event.id.clone()));
        let changes = page
            .events
            .iter()
            .map(|event| Change { her_id: HerId(event.her_id), entry: event.entry().map(Box::new) });
        // A next page that begins where this one began would never end.
        Ok(Changes { changes: changes.collect(), more: page.has_next() && cursor != *after, cursor })
    }
}

/// Hands the export to its reader, up to a bound. A reader that went away has found a fault, and tells it itself.
async fn feed(
    pieces: &mut Pieces,
    sender: mpsc::Sender<io::Result<Bytes>>,
    most: u64,
) -> Result<(), NotListed> {
    let mut read: u64 = 0;
    loop {
        let piece = match pieces.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return Ok(()),
            Err(why) => {
                // Not the end of the document, whatever it looks like.
                drop(sender.send(Err(io::ErrorKind::UnexpectedEof.into())).await);
                return Err(rest::not_listed(why));
            }
        };
        read = read.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if read > most {
            return Err(rest::not_listed(NoAnswer::TooLarge));
        }
        if sender.send(Ok(piece)).await.is_err() {
            return Ok(());
        }
    }
}

/// The export's bytes, for a reader that blocks.
struct Reading {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl io::Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = into.len().min(self.piece.len());
        self.piece.copy_to_slice(into.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}

/// Reads the export: where the changes after it begin, and those parties of it that are wanted.
struct Export<'w> {
    wanted: &'w BTreeSet<HerId>,
}

impl<'de> Visitor<'de> for Export<'_> {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an export of communication parties")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Whole, A::Error> {
        let (mut cursor, mut parties) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            if name.eq_ignore_ascii_case("LastEventId") {
                cursor = map.next_value::<Option<String>>()?;
            } else if name.eq_ignore_ascii_case("CommunicationParties") {
                parties = Some(map.next_value_seed(Wanted { wanted: self.wanted })?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let missing = serde::de::Error::missing_field;
        let cursor = cursor.map(Cursor).ok_or_else(|| missing("LastEventId"))?;
        Ok(Whole { parties: parties.ok_or_else(|| missing("CommunicationParties"))?, cursor })
    }
}

struct Wanted<'w> {
    wanted: &'w BTreeSet<HerId>,
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Vec<RegistryEntry>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Vec<RegistryEntry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("communication parties")
    }

    /// A party that cannot be read must not hide the others; it is asked for alone afterwards.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(raw) = seq.next_element::<Box<serde_json::value::RawValue>>()? {
            let Ok(party) = serde_json::from_str::<Party>(raw.get()) else { continue };
            let her_id = party.her_id();
            if self.wanted.contains(&her_id)
                && let Ok(entry) = party.entry(her_id)
            {
                found.push(entry);
            }
        }
        Ok(found)
    }
}

fn plain(url: &str) -> Option<Uri> {
    rest::usable(url.parse().ok()?)
}

/// For a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

fn no_address() -> NotListed {
    NotListed::Unavailable("the address is none".to_owned())
}

fn misread() -> NotListed {
    NotListed::Unavailable("the answer is not the document that was asked for".to_owned())
}

impl fmt::Debug for National {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("registry::National")
    }
}
