//! Where partners' certificates come from.

use jiff::{SignedDuration, Timestamp};
use message_schemas::HerId;
use std::future::Future;
use std::sync::Arc;
use trust::Certificate;

/// Tells the certificates that belong to a communication party now.
///
/// **Contract.** All certificates that the source has for this HER-id, for every purpose; which one is for what its key
/// usage says. A party without any is an empty list; a party that the source does not know is
/// [`NotListed::UnknownParty`], which does not pass by trying again; a source that does not answer is
/// [`NotListed::Unavailable`], within bounded time. Nothing given is trusted by that.
pub trait Registry: Send + Sync + 'static {
    /// The certificates of one party.
    fn certificates(
        &self,
        her_id: HerId,
    ) -> impl Future<Output = Result<Vec<Arc<Certificate>>, NotListed>> + Send;
}

/// Why a registry tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotListed {
    /// It knows no such party.
    #[error("the registry knows no such party")]
    UnknownParty,
    /// It does not answer, or not sensibly; trying again may help.
    #[error("the registry is not available: {0}")]
    Unavailable(String),
    /// It asks to be left alone for so long.
    #[error("the registry asks to be left alone for {} s", .0.as_secs())]
    Later(SignedDuration),
}

/// A certificate as a registry listed it, with the time over which it did.
///
/// A message is judged by what was listed when it was sent, so what a registry no longer lists stays known.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// Listed since then, as far as we saw.
    pub first_seen: Timestamp,
    /// Listed until then; none if it still is.
    pub last_seen: Option<Timestamp>,
}

impl Listed {
    /// Whether it was listed at this moment. Before the first sight there is no telling, so validity alone counts.
    #[must_use]
    pub fn as_of(&self, moment: Timestamp) -> bool {
        self.last_seen.is_none_or(|last| moment <= last)
            && self.certificate.not_before <= moment
            && moment <= self.certificate.not_after
    }
}
