//! Revocation, judged from answers that were fetched before (RFC 5280 CRLs, RFC 6960 OCSP).
//!
//! [`Evidence`] holds whatever was fetched; nothing in it is believed until it is used. Then it must be signed by whom
//! it must be, concern the certificate that is asked for, and be fresh. Of several answers that pass, the most recent
//! one wins. If none passes, that is said: unknown is no answer, and never the sender's fault.

mod crl;
pub(crate) mod ocsp;
mod signature;
#[cfg(test)]
mod tests;
pub(crate) mod time;

pub(crate) use signature::Signature;

use crate::certificate::{Certificate, Thumbprint};
use crate::fault::{Fault, Kind};
use crl::Crl;
use jiff::{SignedDuration, Timestamp};
use ocsp::Answer;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a CA's clock and ours may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// How long an OCSP answer is used that does not say when the next one comes (RFC 6960 §2.4: newer is always at hand).
const WITHOUT_NEXT: SignedDuration = SignedDuration::from_hours(1);

/// The most CRLs of one name: the one before and the one after a change, for a few parts.
const MOST_CRLS: usize = 16;

/// The most OCSP answers about one serial number.
const MOST_ANSWERS: usize = 4;

/// The most issuers with CRLs, and the most serial numbers with OCSP answers.
const MOST_NAMES: usize = 10_000;

/// Answers at hand: a snapshot, shared and never changed in place.
#[derive(Clone, Default)]
pub struct Evidence {
    generation: u64,
    /// By the DER of the issuer's name.
    crls: Arc<HashMap<Vec<u8>, Vec<Arc<Crl>>>>,
    /// By serial number without leading zeroes.
    answers: Arc<HashMap<Vec<u8>, Vec<Arc<Answer>>>>,
}

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
    /// SHA-256 of them, taken once: lists are long, and thousands of messages rest on one.
    pub hash: [u8; 32],
    /// When it was made.
    pub this_update: Timestamp,
    /// When the next is promised.
    pub next_update: Option<Timestamp>,
}

impl Source {
    /// Until when it may be used.
    pub(crate) fn fresh_until(&self) -> Timestamp {
        fresh_until(self.this_update, self.next_update)
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

/// From when an answer is, and until when it may be used: for whoever fetches the next one in time. Its signature is
/// not checked here. None if it cannot be read.
#[must_use]
pub fn lifetime(kind: SourceKind, bytes: &[u8]) -> Option<(Timestamp, Timestamp)> {
    match kind {
        SourceKind::Crl => Crl::read(bytes).ok().map(|crl| (crl.this_update, crl.next_update)),
        SourceKind::Ocsp => Answer::read(bytes).ok()?.lifetime(),
    }
}

impl Evidence {
    /// The same evidence and a CRL more; one that it has already changes nothing. Its signature is checked when it is used.
    ///
    /// # Errors
    /// When it is no CRL, or one of a kind that is not used: delta, indirect, for some reasons only.
    pub fn with_crl(&self, bytes: &[u8]) -> Result<Self, Fault> {
        let crl = Arc::new(Crl::read(bytes).map_err(|why| unusable("CRL", why))?);
        let mut crls = HashMap::clone(&self.crls);
        room(&mut crls);
        let list = crls.entry(crl.issuer.clone()).or_default();
        if list.iter().any(|known| known.der == crl.der) {
            return Ok(self.clone());
        }
        first_in_first_out(list, MOST_CRLS);
        list.push(crl);
        Ok(Self { generation: next(), crls: Arc::new(crls), answers: Arc::clone(&self.answers) })
    }

    /// The same evidence and an OCSP answer more. Its signature is checked when it is used.
    ///
    /// # Errors
    /// When it is no successful OCSP answer.
    pub fn with_ocsp(&self, bytes: &[u8]) -> Result<Self, Fault> {
        let answer = Arc::new(Answer::read(bytes).map_err(|why| unusable("OCSP answer", why))?);
        let mut answers = HashMap::clone(&self.answers);
        for serial in answer.serials() {
            room(&mut answers);
            let list: &mut Vec<Arc<Answer>> = answers.entry(serial.to_vec()).or_default();
            list.retain(|known| known.der != answer.der);
            first_in_first_out(list, MOST_ANSWERS);
            list.push(Arc::clone(&answer));
        }
        Ok(Self { generation: next(), crls: Arc::clone(&self.crls), answers: Arc::new(answers) })
    }

    /// The same evidence without what is no longer fresh.
    #[must_use]
    pub fn fresh(&self, now: Timestamp) -> Self {
        let mut crls = HashMap::clone(&self.crls);
        let mut answers = HashMap::clone(&self.answers);
        crls.values_mut()
            .for_each(|list| list.retain(|crl| !over(crl.this_update, Some(crl.next_update), now)));
        answers.values_mut().for_each(|list| list.retain(|answer| answer.is_fresh(now)));
        crls.retain(|_, list| !list.is_empty());
        answers.retain(|_, list| !list.is_empty());
        if count(&crls) == count(&self.crls) && count(&answers) == count(&self.answers) {
            return self.clone();
        }
        Self { generation: next(), crls: Arc::new(crls), answers: Arc::new(answers) }
    }

    /// What is known of a certificate; `issuer` is the next of its chain.
    #[must_use]
    pub fn status(&self, certificate: &Certificate, issuer: &Certificate, now: Timestamp) -> Status {
        let listed = self.listed(certificate, issuer, now);
        let answered = self.answers.get(&certificate.serial).into_iter().flatten();
        let answered = answered.filter_map(|a| {
            a.says(certificate, issuer, now, |responder| {
                let standing =
                    self.listed(responder, issuer, now).map(|(standing, _)| standing).max_by_key(rank);
                !matches!(standing, Some(Standing::Revoked { .. }))
            })
        });
        // At the same moment, the worse news counts.
        let latest =
            listed.chain(answered).max_by_key(|(standing, source)| (source.this_update, rank(standing)));
        let (standing, source) = match latest {
            Some((standing, source)) => (standing, Some(source)),
            None if certificate.names_crl || !certificate.ocsp_urls.is_empty() => (Standing::Unknown, None),
            None => (Standing::NotOffered, None),
        };
        Status { certificate: certificate.thumbprint, standing, source }
    }

    /// What to fetch for a certificate.
    #[must_use]
    pub fn wanted(certificate: &Certificate, issuer: &Certificate) -> Wanted {
        Wanted {
            certificate: certificate.thumbprint,
            crl_urls: certificate.crl_urls.clone(),
            ocsp_urls: certificate.ocsp_urls.clone(),
            ocsp_request: ocsp::request(certificate, issuer),
        }
    }

    /// Tells snapshots apart: no two different ones in a process have the same.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    fn listed<'e>(
        &'e self,
        certificate: &'e Certificate,
        issuer: &'e Certificate,
        now: Timestamp,
    ) -> impl Iterator<Item = (Standing, Source)> + 'e {
        // The issuer's name may be written in two ways.
        let other = (certificate.issuer_der != issuer.subject_der).then_some(&issuer.subject_der);
        let names = std::iter::once(&certificate.issuer_der).chain(other);
        let lists = names.filter_map(|name| self.crls.get(name)).flatten();
        lists.filter_map(move |crl| crl.says(certificate, issuer, now))
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (crls, answers) = (count(&self.crls), count(&self.answers));
        f.debug_struct("Evidence").field("crls", &crls).field("answers", &answers).finish_non_exhaustive()
    }
}

fn count<T>(map: &HashMap<Vec<u8>, Vec<T>>) -> usize {
    map.values().map(Vec::len).sum()
}

fn next() -> u64 {
    // Empty evidence is 0, wherever it is made.
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The bound on names is far above what there is; a map that reaches it holds forgeries, and begins anew.
fn room<T>(map: &mut HashMap<Vec<u8>, T>) {
    if map.len() >= MOST_NAMES {
        map.clear();
    }
}

/// What was fetched last stays: dates in answers whose signature was not checked yet must not push others out.
fn first_in_first_out<T>(list: &mut Vec<T>, most: usize) {
    if list.len() >= most {
        list.remove(0);
    }
}

fn fresh_until(this_update: Timestamp, next_update: Option<Timestamp>) -> Timestamp {
    next_update.unwrap_or_else(|| this_update.saturating_add(WITHOUT_NEXT).unwrap_or(this_update))
}

fn over(this_update: Timestamp, next_update: Option<Timestamp>, now: Timestamp) -> bool {
    fresh_until(this_update, next_update).saturating_add(SKEW).unwrap_or(Timestamp::MAX) <= now
}

/// Made, and not over; clocks may be a little apart.
fn is_fresh(this_update: Timestamp, next_update: Option<Timestamp>, now: Timestamp) -> bool {
    let made = this_update.saturating_sub(SKEW).unwrap_or(Timestamp::MIN) <= now;
    made && !over(this_update, next_update, now)
}

const fn rank(standing: &Standing) -> u8 {
    match standing {
        Standing::Revoked { .. } => 3,
        Standing::Unknown => 2,
        Standing::NotOffered => 1,
        Standing::Good => 0,
    }
}

fn unusable(what: &str, why: &str) -> Fault {
    Fault::new(
        Kind::RevocationUnknown,
        format!("The {what} cannot be used: {why}."),
        "Check what the CA's address answers; a proxy's page in its place is a usual cause.",
    )
}
