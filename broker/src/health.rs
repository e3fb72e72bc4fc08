//! Whether the process lives, and whether it is ready for more; and why not.
//!
//! Live means: do not restart me. Ready means: send me messages. A full journal makes it not ready, and
//! delivery goes on all the same; a difference in the books makes it neither more nor less able to take
//! messages, but is named, because somebody must look.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Something that is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Starting: not everything is open yet.
    Starting,
    /// Stopping: nothing new is taken in.
    Stopping,
    /// The journal has no room.
    JournalFull,
    /// The journal does not answer.
    JournalUnavailable,
    /// The books do not balance.
    LedgerDifference,
    /// The wall clock jumped.
    ClockJumped,
    /// The wall clock is not that of the others who share the journal.
    ClockDiffers,
    /// A changed file of parties or rules was refused; the old ones hold.
    ReloadRefused,
    /// A source cannot be read.
    SourceDown,
    /// A server of queues is not connected, or a queue cannot be read.
    QueuesDown,
    /// A server of queues takes nothing more for now.
    QueuesBlocked,
    /// A destination fails again and again; what is for it waits.
    DestinationDown,
    /// Certificates, ours or partners', run out soon or have.
    CertificateExpiring,
    /// No key of ours can sign now.
    NoSigningKey,
    /// Revocation services do not answer; messages that need them wait.
    RevocationUnknown,
    /// What is known of the address registry is older than it should be.
    RegistryStale,
    /// Parties that the files count on take no part any more, by the address registry.
    PartyDeactivated,
    /// Test mode is on: what cannot be told of revocation is let pass.
    TestMode,
}

impl Trouble {
    /// True when nothing can be taken in as long as it lasts.
    #[must_use]
    pub const fn stops_intake(self) -> bool {
        match self {
            Self::Starting | Self::Stopping | Self::JournalFull | Self::JournalUnavailable => true,
            Self::LedgerDifference
            | Self::ClockJumped
            | Self::ClockDiffers
            | Self::ReloadRefused
            | Self::SourceDown
            | Self::QueuesDown
            | Self::QueuesBlocked
            | Self::DestinationDown
            | Self::CertificateExpiring
            | Self::NoSigningKey
            | Self::RevocationUnknown
            | Self::RegistryStale
            | Self::PartyDeactivated
            | Self::TestMode => false,
        }
    }
}

/// How the process is; cheap to clone, all clones tell the same.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Troubles>>);

/// What is said of each, by what it is about: a queue, a destination, or nothing in particular.
type Troubles = BTreeMap<Trouble, BTreeMap<String, Said>>;

/// Why something is not as it should be, and how often it was said.
#[derive(Debug)]
struct Said {
    why: String,
    times: u64,
    /// When it was first said, and last.
    since: Instant,
    last: Instant,
    /// Somebody was told that it lasts.
    lasting: bool,
}

impl Default for Said {
    fn default() -> Self {
        let now = Instant::now();
        Self { why: String::new(), times: 0, since: now, last: now, lasting: false }
    }
}

/// What `/health/ready` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Messages can be sent here.
    pub ready: bool,
    /// What is not as it should be, in words.
    pub reasons: BTreeMap<Trouble, String>,
}

impl Health {
    fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that something is wrong; true if that is news.
    pub fn trouble(&self, trouble: Trouble, why: impl Into<String>) -> bool {
        self.trouble_of(trouble, "", why)
    }

    /// Says that something is wrong with one of several; true if that is news.
    pub fn trouble_of(&self, trouble: Trouble, what: &str, why: impl Into<String>) -> bool {
        let mut troubles = self.troubles();
        let said = troubles.entry(trouble).or_default().entry(what.to_owned()).or_default();
        said.why = why.into();
        said.times = said.times.saturating_add(1);
        said.times == 1
    }

    /// Says that it is over; true if that is news.
    pub fn over(&self, trouble: Trouble) -> bool {
        self.over_of(trouble, "")
    }

    /// Says that it is over with one of several; true if that is news.
    pub fn over_of(&self, trouble: Trouble, what: &str) -> bool {
        let mut troubles = self.troubles();
        let Some(all) = troubles.get_mut(&trouble) else { return false };
        let news = all.remove(what).is_some();
        if all.is_empty() {
            troubles.remove(&trouble);
        }
        news
    }

    /// How often it was said that this is wrong, as long as it is: a number that stands still is of something that nobody has
    /// met again. Zero when it is over.
    #[must_use]
    pub fn times(&self, trouble: Trouble) -> u64 {
        self.troubles().get(&trouble).and_then(|all| all.get("")).map_or(0, |said| said.times)
    }

    /// True once, when something has been said to be wrong for so long. After as long a silence it counts anew: nobody met it
    /// meanwhile.
    pub fn has_lasted(&self, trouble: Trouble, so_long: Duration) -> bool {
        let mut troubles = self.troubles();
        let Some(said) = troubles.get_mut(&trouble).and_then(|all| all.get_mut("")) else { return false };
        let silence = said.last.elapsed();
        said.last = Instant::now();
        if silence > so_long && !said.lasting {
            said.since = said.last;
        }
        said.since.elapsed() >= so_long && !std::mem::replace(&mut said.lasting, true)
    }

    /// How it is now.
    #[must_use]
    pub fn report(&self) -> Report {
        let joined = |all: &BTreeMap<String, Said>| {
            all.values().map(|said| said.why.as_str()).collect::<Vec<_>>().join(" ")
        };
        let reasons: BTreeMap<_, _> = self.troubles().iter().map(|(t, all)| (*t, joined(all))).collect();
        Report { ready: !reasons.keys().any(|t| t.stops_intake()), reasons }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_journal_is_not_ready_and_a_difference_is_named() {
        let health = Health::default();
        assert!(health.report().ready);
        assert!(health.trouble(Trouble::LedgerDifference, "1 recipient is missing."));
        assert!(health.report().ready, "messages can still be taken in");
        assert!(health.trouble(Trouble::JournalFull, "No room."));
        assert!(!health.trouble(Trouble::JournalFull, "No room."), "it is no news the second time");
        assert_eq!((health.times(Trouble::JournalFull), health.times(Trouble::ClockJumped)), (2, 0));
        let report = serde_json::to_value(health.report()).expect("JSON");
        assert_eq!(report["ready"], false);
        assert_eq!(report["reasons"]["journal_full"], "No room.");
        assert!(health.over(Trouble::JournalFull));
        assert!(health.report().ready);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_wrong_long_ago_and_is_again_has_not_lasted() {
        let (health, away, long) = (Health::default(), Trouble::JournalUnavailable, Duration::from_secs(30));
        let after = async |seconds| {
            tokio::time::advance(Duration::from_secs(seconds)).await;
            health.trouble(away, "It does not answer.");
            health.has_lasted(away, long)
        };
        assert!(!after(0).await && !after(20).await);
        assert!(!after(31).await, "nobody met it for so long");
        assert!(!after(20).await && after(20).await && !after(20).await);
    }

    #[test]
    fn what_lasts_is_news_once() {
        let (health, away) = (Health::default(), Trouble::JournalUnavailable);
        assert!(!health.has_lasted(away, Duration::ZERO), "nothing is wrong");
        for _ in 0..2 {
            health.trouble(away, "It does not answer.");
            assert!(!health.has_lasted(away, Duration::from_secs(60)), "it has only begun");
            assert!(health.has_lasted(away, Duration::ZERO) && !health.has_lasted(away, Duration::ZERO));
            assert!(health.over(away));
        }
    }

    #[test]
    fn each_of_several_is_named_until_it_is_well_again() {
        let health = Health::default();
        let down = Trouble::DestinationDown;
        assert!(health.trouble_of(down, "b", "b fails.") && health.trouble_of(down, "a", "a fails."));
        assert!(!health.trouble_of(down, "b", "b fails."), "it is no news the second time");
        assert_eq!(health.report().reasons[&down], "a fails. b fails.");
        assert!(health.over_of(down, "a") && !health.over_of(down, "a"));
        assert_eq!(health.report().reasons[&down], "b fails.");
        assert!(health.over_of(down, "b"));
        assert!(health.report().ready && health.report().reasons.is_empty());
    }
}
