//! The national registry of communication parties.

use super::read::{Bytes, Reading};
use crate::settings;
use adapters::registry::{DirectoryOptions, NationalOptions, RestError};
use jiff::SignedDuration;
use std::path::PathBuf;
use std::time::Duration;

settings! {
    /// The national registry of communication parties. It fills what the parties' files leave open, and tells when a
    /// party is deactivated; where messages go is the files' to say.
    pub struct Registry {
        /// Address of one party; `{her_id}` stands for the HER-id.
        party_url: String,
        /// Address of the export of all parties. Without it each party is asked for alone, as often as `fresh_for` says.
        export_url: Option<String> = None,
        /// Address of the change feed that begins where the export ends; one is of no use without the other.
        events_url: Option<String> = None,
        /// A file with the bearer token to show there; read again when it changes.
        token_file: Option<PathBuf> = None,
        /// For one answer, and for each piece of the export.
        timeout: Duration = Duration::from_secs(30),
        /// The largest export that is read.
        export_bytes: Bytes = Bytes(4_000_000_000),
        /// A folder that answers are kept in.
        cache: PathBuf,
        /// So long an answer is taken for the present one. Older ones still serve while the registry is away.
        fresh_for: Duration = Duration::from_secs(12 * 3600),
        /// How often it is asked what has changed.
        ask_every: Duration = Duration::from_secs(60),
    }
}

impl Registry {
    /// What single fields cannot tell.
    pub(super) fn agree(&self, reading: &mut Reading<'_>) {
        if let Err(RestError::Address) = self.options().check() {
            reading.fault_at(
                "registry.party_url",
                "An address is none, or that of a party has no {her_id} in it.",
                "Write addresses that start with https://, with {her_id} where the number of a party goes.",
            );
        }
        if self.export_url.is_some() != self.events_url.is_some() {
            reading.fault_at(
                "registry.events_url",
                "The change feed begins where the export ends; here is one without the other.",
                "Set both export_url and events_url, or neither.",
            );
        }
        if self.ask_every.is_zero() {
            reading.fault_at("registry.ask_every", "It would be asked without a pause.", "Write 1s or more.");
        }
    }

    /// As the adapter takes it.
    #[must_use]
    pub fn options(&self) -> NationalOptions {
        NationalOptions {
            party_url: self.party_url.clone(),
            export_url: self.export_url.clone(),
            events_url: self.events_url.clone(),
            token_file: self.token_file.clone(),
            timeout: self.timeout,
            export_bytes: u64::try_from(self.export_bytes.0).unwrap_or(u64::MAX),
        }
    }

    /// How it is kept.
    #[must_use]
    pub fn directory(&self) -> DirectoryOptions {
        DirectoryOptions {
            folder: Some(self.cache.clone()),
            fresh_for: SignedDuration::try_from(self.fresh_for).unwrap_or(SignedDuration::MAX),
            ..DirectoryOptions::default()
        }
    }
}
