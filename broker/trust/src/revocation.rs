//! Revocation, judged from answers that were fetched before (RFC 5280 CRLs, RFC 6960 OCSP).

use crate::certificate::{Certificate, Thumbprint};
use crate::fault::Fault;
use jiff::Timestamp;
use std::sync::Arc;

/// Answers at hand: a snapshot, shared and never changed in place.
#[derive(Debug, Clone, Default)]
pub struct Evidence {}

/// What is known of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Which certificate.
    pub certificate: Thumbprint,
    /// What is known.
    pub standing: Standing,
    /// From where; none if from nowhere.
    pub source: Option<Source>,
}

/// What is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not revoked.
    Good,
    /// Revoked since then.
    Revoked {
        /// Since when.
        since: Timestamp,
    },
    /// No answer, or none that is fresh and signed by whom it must be.
    Unknown,
    /// The certificate names no place to ask, and policy takes that.
    NotOffered,
}

/// The answer that says so: kept for the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// CRL or OCSP.
    pub kind: SourceKind,
    /// Its bytes.
    pub der: Arc<[u8]>,
    /// When it was made.
    pub this_update: Timestamp,
    /// When the next is promised.
    pub next_update: Option<Timestamp>,
}

impl Source {
    /// Until when it may be used.
    pub(crate) fn fresh_until(&self) -> Timestamp {
        self.next_update.unwrap_or(self.this_update)
    }
}

/// CRL or OCSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A list of all that are revoked.
    Crl,
    /// An answer about one.
    Ocsp,
}

/// What must be fetched to know more: the shell does it and comes back with more [`Evidence`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// About which certificate.
    pub certificate: Thumbprint,
    /// CRLs, by URL; the first that answers is enough.
    pub crl_urls: Vec<String>,
    /// OCSP responders, by URL.
    pub ocsp_urls: Vec<String>,
    /// The request to post to them.
    pub ocsp_request: Vec<u8>,
}

impl Evidence {
    /// The same evidence and a CRL more. Its signature is checked when it is used.
    ///
    /// # Errors
    /// When it is no CRL.
    pub fn with_crl(&self, bytes: &[u8]) -> Result<Self, Fault> {
        let _ = bytes;
        unimplemented!()
    }

    /// The same evidence and an OCSP answer more. Its signature is checked when it is used.
    ///
    /// # Errors
    /// When it is no successful OCSP answer.
    pub fn with_ocsp(&self, bytes: &[u8]) -> Result<Self, Fault> {
        let _ = bytes;
        unimplemented!()
    }

    /// What is known of a certificate; `issuer` is the next of its chain.
    #[must_use]
    pub fn status(&self, certificate: &Certificate, issuer: &Certificate, now: Timestamp) -> Status {
        let _ = (issuer, now);
        let offered = certificate.names_crl || !certificate.ocsp_urls.is_empty();
        let standing = if offered { Standing::Unknown } else { Standing::NotOffered };
        Status { certificate: certificate.thumbprint, standing, source: None }
    }

    /// Tells snapshots apart.
    pub(crate) fn generation(&self) -> u64 {
        0
    }

    /// What to fetch for a certificate.
    #[must_use]
    pub fn wanted(certificate: &Certificate, issuer: &Certificate) -> Wanted {
        let _ = issuer;
        Wanted {
            certificate: certificate.thumbprint,
            crl_urls: certificate.crl_urls.clone(),
            ocsp_urls: certificate.ocsp_urls.clone(),
            ocsp_request: Vec::new(),
        }
    }
}
