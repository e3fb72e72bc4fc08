//! The folder as a destination: a file per delivery, there whole or not at all.
//!
//! A file's name is made of our ids alone, so that the same delivery has the same name at every attempt; one
//! that is there already is compared, never written over. The system behind may take files away: the same
//! delivery coming once more then carries the same ids.

use super::Error;
use super::files::{SharedSync, remove_unfinished, write_whole};
use broker_core::ContentHash;
use broker_core::journal::{Book, Delivery, DocumentKind};
use dead_letter::Attempt;
use message_schemas::{HerId, MessageId};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::spawn_blocking;
use uuid::Uuid;

/// Settings of a folder that deliveries are written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The folder. Made if it is not there.
    pub path: PathBuf,
    /// Write `<name>.meta.json` before each file: ids, family, receiver, test mark, and whether the system
    /// behind shall answer with a receipt of its own.
    #[serde(default = "Options::default_meta")]
    pub meta: bool,
}

impl Options {
    /// Defaults for this folder.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self { path, meta: Self::default_meta() }
    }

    const fn default_meta() -> bool {
        true
    }
}

/// A folder that deliveries are written to. Many may be written at a time.
#[derive(Debug)]
pub struct Destination {
    folder: Arc<Folder>,
}

#[derive(Debug)]
struct Folder {
    options: Options,
    names: SharedSync,
}

impl Destination {
    /// Makes the folder if it is missing, and removes what an earlier run left unfinished.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub fn build(options: Options) -> Result<Self, Error> {
        let unusable = |source| Error::Unusable { path: options.path.clone(), source };
        std::fs::create_dir_all(&options.path).map_err(unusable)?;
        let removed = remove_unfinished(&options.path).map_err(unusable)?;
        if removed > 0 {
            tracing::info!(files = removed, "Files that an earlier run had left unfinished were removed.");
        }
        let names = SharedSync::new(options.path.clone());
        Ok(Self { folder: Arc::new(Folder { options, names }) })
    }
}

impl broker_core::ports::Destination for Destination {
    async fn send(&self, delivery: &Delivery) -> Attempt {
        let (folder, delivery) = (Arc::clone(&self.folder), delivery.clone());
        spawn_blocking(move || folder.write(&delivery))
            .await
            .unwrap_or_else(|_| Attempt::Unsure { why: "the write broke off".into() })
    }
}

impl Folder {
    fn write(&self, delivery: &Delivery) -> Attempt {
        let name = FileName::of(delivery);
        let dir = &self.options.path;
        let there = match compare(&dir.join(name.content()), &delivery.bytes) {
            Ok(There::Other) => {
                return Attempt::Refused { why: "a file of this name has other content".into() };
            }
            Ok(There::Same) => true,
            Ok(There::Nothing) => false,
            Err(error) => return later("the folder cannot be read", &error),
        };
        if !there {
            // The meta file first: whoever sees the message finds it.
            let meta = self.options.meta.then(|| write_whole(dir, &name.meta(), &Meta::of(delivery).json()));
            let written =
                meta.unwrap_or(Ok(())).and_then(|()| write_whole(dir, &name.content(), &delivery.bytes));
            if let Err(error) = written {
                return later("the file cannot be written", &error);
            }
        }
        match self.names.sync() {
            Ok(()) if there => Attempt::AlreadyThere,
            Ok(()) => Attempt::HandedOver,
            Err(error) => Attempt::Unsure { why: format!("the folder cannot be synced ({})", error.kind()) },
        }
    }
}

/// A fault that may pass; the kind alone, as the full text may hold a path.
fn later(what: &str, error: &io::Error) -> Attempt {
    Attempt::Retry { why: format!("{what} ({})", error.kind()), after: None }
}

/// What lies under a name.
enum There {
    Nothing,
    Same,
    Other,
}

fn compare(path: &Path, bytes: &[u8]) -> io::Result<There> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing),
        Err(error) => return Err(error),
    };
    if !metadata.is_file() || usize::try_from(metadata.len()).ok() != Some(bytes.len()) {
        return Ok(There::Other);
    }
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(There::Nothing), // just taken away
        Err(error) => return Err(error),
    };
    let mut rest = bytes;
    let mut piece = vec![0; bytes.len().clamp(1, 64 * 1024)];
    loop {
        let read = file.read(&mut piece)?;
        let (seen, expected) = (piece.get(..read).unwrap_or_default(), rest.get(..read));
        if Some(seen) != expected {
            return Ok(There::Other);
        }
        rest = rest.get(read..).unwrap_or_default();
        if read == 0 {
            file.sync_data()?;
            return Ok(if rest.is_empty() { There::Same } else { There::Other });
        }
    }
}

/// The names of one delivery's files: our id of the message, and the short form of the recipient's.
struct FileName {
    stem: String,
    ending: &'static str,
}

impl FileName {
    fn of(delivery: &Delivery) -> Self {
        let recipient = MessageId(delivery.recipient.0).short().replace('-', "");
        let ending = match delivery.kind {
            None | Some(DocumentKind::Opened) => "xml",
            Some(DocumentKind::Signed | DocumentKind::Sealed) => "p7m",
            Some(DocumentKind::Receipt) => "receipt.xml",
            Some(DocumentKind::FhirJson) => "fhir.json",
            Some(DocumentKind::TransportError) => "error.json",
        };
        Self { stem: format!("{}-{recipient}", delivery.message), ending }
    }

    fn content(&self) -> String {
        format!("{}.{}", self.stem, self.ending)
    }

    fn meta(&self) -> String {
        format!("{}.meta.json", self.stem)
    }
}

/// What stands in the meta file: the same at every attempt.
#[derive(Serialize)]
struct Meta<'a> {
    /// Name of the file that it belongs to.
    file: String,
    message: MessageId,
    /// The message's id in the form for the phone.
    short: String,
    recipient: Uuid,
    document: Option<Uuid>,
    /// `message`, `receipt`, `fhir-document`, `transport-error`; `signed-…` or `sealed-…` for a message or
    /// receipt in a CMS envelope.
    kind: &'static str,
    family: Option<&'a str>,
    receiver_her_id: Option<HerId>,
    media_type: &'static str,
    size_bytes: usize,
    sha256: ContentHash,
    test: bool,
    /// `written`: answered already, send no receipt; `expected`: the receiver answers; `none`: never answered.
    receipt: &'static str,
}

impl<'a> Meta<'a> {
    fn of(delivery: &'a Delivery) -> Self {
        Self {
            file: FileName::of(delivery).content(),
            message: delivery.message,
            short: delivery.message.short(),
            recipient: delivery.recipient.0,
            document: delivery.document,
            kind: match delivery.kind {
                None if delivery.book == Book::Receipt => "receipt",
                None | Some(DocumentKind::Opened) => "message",
                Some(DocumentKind::Signed) if delivery.book == Book::Receipt => "signed-receipt",
                Some(DocumentKind::Signed) => "signed-message",
                Some(DocumentKind::Sealed) if delivery.book == Book::Receipt => "sealed-receipt",
                Some(DocumentKind::Sealed) => "sealed-message",
                Some(DocumentKind::Receipt) => "receipt",
                Some(DocumentKind::FhirJson) => "fhir-document",
                Some(DocumentKind::TransportError) => "transport-error",
            },
            family: delivery.family.as_deref(),
            receiver_her_id: delivery.receiver,
            media_type: delivery.media_type(),
            size_bytes: delivery.bytes.len(),
            sha256: ContentHash::of(&delivery.bytes),
            test: delivery.test,
            receipt: crate::answer::of(delivery),
        }
    }

    fn json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("plain data can be written as JSON");
        json.push(b'\n');
        json
    }
}
