//! Is a certificate to be trusted: for this purpose, at this moment, by what is known of its revocation.

mod build;
mod cache;
mod judge;
#[cfg(test)]
mod tests;

pub use cache::Cache;

use cache::Found;

use crate::certificate::{Certificate, Thumbprint};
use crate::fault::{Fault, Kind};
use crate::revocation::{Evidence, Status, Wanted};
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;

/// The certificates that all trust begins with, and what is asked of those below them.
#[derive(Debug, Clone, Default)]
pub struct Anchors {
    /// Roots.
    pub roots: Vec<Arc<Certificate>>,
    /// Issuing certificates that senders need not bring along.
    pub intermediates: Vec<Arc<Certificate>>,
    /// Policies of which an end certificate must have one, as dotted numbers; empty asks for none.
    pub policies: Vec<String>,
    /// What is asked of revocation.
    pub revocation: RevocationRule,
    /// Only for tests and demonstrations; none in production.
    pub test_mode: Option<TestMode>,
}

/// What is asked of revocation. There is no rule that does not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RevocationRule {
    /// Every certificate of the chain but the root must be known to be good.
    #[default]
    Required,
    /// As above, but a certificate that names no place to ask, and of whose CA there is no list, passes.
    IfOffered,
}

/// Lets a certificate pass whose revocation cannot be told. A revoked one is still refused, and everything else is
/// still asked for. Whoever makes this value tells of it at start, in health and in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TestMode(());

impl TestMode {
    /// Switches test mode on. Named so that a search finds everyone who does.
    #[must_use]
    pub const fn announced_loudly_by_the_caller() -> Self {
        Self(())
    }
}

/// What a certificate is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It signed something: nonRepudiation.
    Signing,
    /// Something is to be sealed for it: keyEncipherment.
    Sealing,
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The moment at which validity is judged: the time of sending, where that is the rule.
    pub at: Timestamp,
    /// Now, for the freshness of revocation answers.
    pub now: Timestamp,
}

/// A certificate that was judged and found good. Only [`Anchors::judge`] makes one.
#[derive(Debug, Clone)]
pub struct Trusted {
    certificate: Arc<Certificate>,
    purpose: Purpose,
    chain: Vec<Arc<Certificate>>,
    revocation: Vec<Status>,
    moment: Moment,
    good_until: Timestamp,
}

impl Trusted {
    /// The certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }
    /// What it was judged for.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }
    /// The chain above it, issuer first, root last.
    #[must_use]
    pub fn chain(&self) -> &[Arc<Certificate>] {
        &self.chain
    }
    /// What was known of the revocation of it and of the chain but the root, in that order.
    #[must_use]
    pub fn revocation(&self) -> &[Status] {
        &self.revocation
    }
    /// When it was judged. A later message may be given the same judgement, until [`Self::good_until`].
    #[must_use]
    pub const fn moment(&self) -> Moment {
        self.moment
    }
    /// Until when the judgement may be used again: the next CRL or OCSP update, or the end of a certificate.
    #[must_use]
    pub const fn good_until(&self) -> Timestamp {
        self.good_until
    }

    /// A certificate that was judged for sealing proves nothing about a signature.
    pub(crate) fn must_be_for_signing(&self) -> Result<(), Fault> {
        match self.purpose {
            Purpose::Signing => Ok(()),
            Purpose::Sealing => Err(Fault::new(
                Kind::CertificateUsage,
                "The certificate was judged for sealing, and a signature is to be checked with it.",
                "This is a mistake in the program: report it.",
            )
            .of(&self.certificate)),
        }
    }
}

/// Why a certificate is not trusted, and what may still be fetched to know more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong.
    pub fault: Fault,
    /// With [`crate::Kind::RevocationUnknown`]: what to fetch, for each certificate of which too little is known. Empty
    /// if there is nowhere to ask.
    pub wanted: Vec<Wanted>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, wanted: Vec::new() }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        refusal.fault
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fault, f)
    }
}

impl std::error::Error for Refusal {}

impl Anchors {
    /// A judgement that still holds, found by the certificate's thumbprint: the second message of a sender costs no
    /// reading of certificates.
    #[must_use]
    pub fn known(
        &self,
        certificate: Thumbprint,
        purpose: Purpose,
        moment: Moment,
        evidence: &Evidence,
        cache: &Cache,
    ) -> Option<Arc<Trusted>> {
        self.found(cache::Key::new(self, certificate, purpose), moment, evidence, cache)
    }

    /// Judges a certificate. `embedded` are certificates that came with the message, in any order; they help to
    /// build the chain and are trusted for nothing.
    ///
    /// # Errors
    /// What is wrong first: form, chain, validity, usage, policy, revocation.
    pub fn judge(
        &self,
        certificate: &Arc<Certificate>,
        embedded: &[Arc<Certificate>],
        purpose: Purpose,
        moment: Moment,
        evidence: &Evidence,
        cache: &Cache,
    ) -> Result<Arc<Trusted>, Refusal> {
        let key = cache::Key::new(self, certificate.thumbprint, purpose);
        // If a chain that was found before does not hold any more, another one may.
        if let Some(known) = self.found(key, moment, evidence, cache) {
            return Ok(known);
        }
        let judged = judge::judge(self, certificate, embedded, purpose, moment, evidence)?;
        let trusted = Arc::new(judged);
        cache.put(key, &trusted, evidence);
        Ok(trusted)
    }

    /// What the cache knows, with revocation asked again where that is due.
    fn found(
        &self,
        key: cache::Key,
        moment: Moment,
        evidence: &Evidence,
        cache: &Cache,
    ) -> Option<Arc<Trusted>> {
        match cache.find(&key, moment, evidence) {
            Found::Judgement(known) => Some(known),
            Found::Chain(known) => {
                let trusted = Arc::new(judge::again(self, &known, moment, evidence).ok()?);
                cache.put(key, &trusted, evidence);
                Some(trusted)
            }
            Found::Nothing => None,
        }
    }
}
