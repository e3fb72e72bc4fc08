//! Our own keys: the port that a hardware module can take, and keys in memory from PKCS#12 and PEM.

use crate::algorithm::{KeyTransport, SignatureAlgorithm};
use crate::certificate::Certificate;
use crate::fault::Fault;
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
        let _ = now;
        unimplemented!()
    }
}

/// Reads the key, its certificate and its chain from PKCS#12.
///
/// # Errors
/// A wrong password, or nothing usable in it; never the password itself.
pub fn from_pkcs12(bytes: &[u8], password: &str) -> Result<Arc<dyn PrivateKey>, Fault> {
    let _ = (bytes, password);
    unimplemented!()
}

/// Reads a key and its certificates from PEM: the certificate that fits the key is its own, the rest its chain.
///
/// # Errors
/// As for [`from_pkcs12`].
pub fn from_pem(bytes: &[u8], password: Option<&str>) -> Result<Arc<dyn PrivateKey>, Fault> {
    let _ = (bytes, password);
    unimplemented!()
}
