//! Is a certificate to be trusted: for this purpose, at this moment, by what is known of its revocation.

use crate::certificate::{Certificate, Thumbprint};
use crate::fault::Fault;
use crate::revocation::{Evidence, Status};
use jiff::Timestamp;
use std::sync::Arc;

/// The certificates that all trust begins with.
#[derive(Debug, Default)]
pub struct Anchors {
    /// Roots.
    pub roots: Vec<Arc<Certificate>>,
    /// Issuing certificates that senders need not bring along.
    pub intermediates: Vec<Arc<Certificate>>,
    /// Policies of which an end certificate must have one, as dotted numbers; empty asks for none.
    pub policies: Vec<String>,
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
    /// When it was judged.
    #[must_use]
    pub const fn moment(&self) -> Moment {
        self.moment
    }
    /// Until when the judgement may be used again: the next CRL or OCSP update, or the end of a certificate.
    #[must_use]
    pub const fn good_until(&self) -> Timestamp {
        self.good_until
    }
}

/// Judgements that still hold, by certificate and purpose. Shared by all threads; bounded.
#[derive(Debug, Default)]
pub struct Cache {}

impl Cache {
    /// Forgets everything: for new anchors or new revocation answers.
    pub fn clear(&self) {}
    /// Forgets one certificate.
    pub fn forget(&self, certificate: Thumbprint) {
        let _ = certificate;
    }
}

impl Anchors {
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
    ) -> Result<Arc<Trusted>, Fault> {
        let _ = (certificate, embedded, purpose, moment, evidence, cache);
        unimplemented!()
    }
}
