//! What arrived: bytes and what the transport said about them; nothing decided.

use crate::transport::Transport;
use jiff::Timestamp;
use message_schemas::{HerId, MessageId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// One message as an adapter took it in. Plain data, so that a sample folder, a fuzzer, a benchmark and the
/// simulator all call the same `process`.
#[derive(Clone)]
pub struct Arrival {
    /// Our own id, given by the adapter's shell before anything is decided.
    pub id: MessageId,
    /// Which adapter took it in (`http`, `folder:inbox`); never a path or an address of a sender.
    pub source: String,
    /// When it was received.
    pub received: Timestamp,
    /// The original bytes. They are kept as they are and never written anew.
    pub bytes: Arc<[u8]>,
    /// The caller's key, so that a repeated call is the same call. Unique per `source`.
    pub idempotency_key: Option<String>,
    /// The party that the transport named as receiver, if it names one (an ebXML `To`, a queue); folders and
    /// HTTP name none.
    pub envelope_receiver: Option<HerId>,
    /// The party that the transport named as sender, if it names one. What the message says must agree with it.
    pub envelope_sender: Option<HerId>,
    /// What else the transport said, if it is one that carries envelopes.
    pub transport: Option<Arc<Transport>>,
}

impl Arrival {
    /// SHA-256 of the original bytes.
    #[must_use]
    pub fn content_hash(&self) -> ContentHash {
        ContentHash::of(&self.bytes)
    }
}

impl Arrival {
    /// The same, when another message came first under its key with other bytes: it takes a key of its own, by which its
    /// repeats are known, and is judged as what it is. None for a source that keeps what is not taken in, and is told.
    #[must_use]
    pub fn under_a_used_id(&self) -> Option<Self> {
        let transport = self.transport.as_ref().filter(|transport| !transport.used_id)?;
        let key = self.idempotency_key.as_ref()?;
        Some(Self {
            idempotency_key: Some(format!("{key} sha256:{}", self.content_hash())),
            transport: Some(Arc::new(Transport { used_id: true, ..Transport::clone(transport) })),
            ..self.clone()
        })
    }
}

impl fmt::Debug for Arrival {
    /// Never the bytes: they are a patient's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("id", &self.id)
            .field("source", &self.source)
            .field("received", &self.received)
            .field("size_bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// SHA-256 of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// Hashes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for ContentHash {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut out = [0u8; 32];
        hex::decode_to_slice(text, &mut out).map_err(|_| "a SHA-256 has 64 hexadecimal digits")?;
        Ok(Self(out))
    }
}

/// Where new ids come from. The shell gives random ones, a test counted ones: chance is an argument.
pub trait Ids {
    /// A fresh random id (UUIDv4 or v7) that nothing else has.
    fn fresh(&mut self) -> Uuid;
}

impl<F: FnMut() -> Uuid> Ids for F {
    fn fresh(&mut self) -> Uuid {
        self()
    }
}
