//! Our own keys: the port that a hardware module can take, and keys in memory from PKCS#12 and PEM.

mod file;
mod pkcs12;
mod software;
#[cfg(test)]
mod tests;

pub(crate) use file::key_from_pem;
pub use file::{all_from_pkcs12, certificates_from_pkcs12, from_parts, from_pem, from_pkcs12};
pub use software::SoftwareKey;
pub(crate) use software::strong;

use crate::algorithm::{KeyTransport, SignatureAlgorithm};
use crate::certificate::Certificate;
use crate::cms::CertificateId;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The key's operation failed. Says nothing more, so that nothing can be learnt from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key could not do it")]
pub struct KeyFailed;

/// One private key with its certificate. Called from the threads that do the crypto; may block.
pub trait PrivateKey: Send + Sync + fmt::Debug {
    /// The certificate of its public half.
    fn certificate(&self) -> &Arc<Certificate>;

    /// Certificates to send along, issuer first, without the root.
    fn chain(&self) -> &[Arc<Certificate>];

    /// Decrypts a content key. For PKCS#1 v1.5 a padding fault must not be told apart from a wrong key: give random
    /// bytes or [`KeyFailed`]; the caller goes on in the same way.
    ///
    /// # Errors
    /// [`KeyFailed`].
    fn unwrap_key(&self, transport: KeyTransport, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFailed>;

    /// Signs `data` (hashing it). ECDSA signatures are DER.
    ///
    /// # Errors
    /// [`KeyFailed`], also for an algorithm that the key cannot do.
    fn sign(&self, algorithm: SignatureAlgorithm, data: &[u8]) -> Result<Vec<u8>, KeyFailed>;

    /// The algorithm that it signs with unless told otherwise: SHA-256 with RSA PKCS#1 v1.5 or ECDSA.
    fn default_algorithm(&self) -> SignatureAlgorithm;
}

/// All our keys; several may be live at once, for roll-over.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: Vec<Arc<dyn PrivateKey>>,
}

impl KeyRing {
    /// Of these keys.
    #[must_use]
    pub fn new(keys: Vec<Arc<dyn PrivateKey>>) -> Self {
        Self { keys }
    }

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn PrivateKey>> {
        self.keys.iter()
    }

    /// The key to sign with at this moment: nonRepudiation, valid, the newest.
    #[must_use]
    pub fn signing(&self, now: Timestamp) -> Option<&Arc<dyn PrivateKey>> {
        let fit = |c: &Certificate| c.usage.is_some_and(|u| u.non_repudiation) && c.is_valid_at(now);
        self.keys.iter().filter(|k| fit(k.certificate())).max_by_key(|k| k.certificate().not_before)
    }

    /// The keys that a recipient's name in CMS means. Not asked for validity: what was sealed before a key's
    /// certificate ran out is still to be opened.
    pub fn decrypting(&self, recipient: &CertificateId) -> impl Iterator<Item = &Arc<dyn PrivateKey>> {
        self.keys.iter().filter(move |k| recipient.is(k.certificate()))
    }
}

/// How soon a certificate runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Expiry {
    /// It has run out.
    Over,
    /// Within 7 days.
    Within7Days,
    /// Within 30 days.
    Within30Days,
    /// Within 60 days.
    Within60Days,
}

/// The certificates that run out within 60 days, soonest first, with the whole days that are left (negative: since).
#[must_use]
pub fn expiring(certificates: &[Arc<Certificate>], now: Timestamp) -> Vec<(Arc<Certificate>, Expiry, i64)> {
    const DAY_SECONDS: i64 = 24 * 60 * 60;
    let left =
        |c: &Certificate| c.not_after.as_second().saturating_sub(now.as_second()).div_euclid(DAY_SECONDS);
    let level = |days: i64| match days {
        ..0 => Some(Expiry::Over),
        0..7 => Some(Expiry::Within7Days),
        7..30 => Some(Expiry::Within30Days),
        30..60 => Some(Expiry::Within60Days),
        60.. => None,
    };
    let mut found: Vec<_> = certificates
        .iter()
        .filter_map(|c| level(left(c)).map(|level| (Arc::clone(c), level, left(c))))
        .collect();
    found.sort_by_key(|(_, _, days)| *days);
    found
}
