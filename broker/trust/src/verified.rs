//! Proof that a signature was checked, as a type.

use crate::algorithm::{Digest, SignatureAlgorithm};
use crate::chain::Trusted;
use jiff::Timestamp;
use std::sync::Arc;

/// A value that a signature covered, and that signature held.
///
/// There is one door, inside this room: the verifiers of `cms` and `xmldsig`. A value cannot be put in from outside:
///
/// ```compile_fail,E0451
/// fn forge(proof: trust::verified::Proof) -> trust::Verified<Vec<u8>> {
///     trust::Verified { value: b"forged".to_vec(), proof }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Verified<T> {
    value: T,
    proof: Proof,
}

/// Which signature it was.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The signature's form.
    pub form: Form,
    /// Whose certificate, and why it is trusted.
    pub signer: Arc<Trusted>,
    /// How it was signed.
    pub algorithm: SignatureAlgorithm,
    /// How the covered bytes were hashed.
    pub digest: Digest,
    /// When the signer says it signed; proves nothing by itself.
    pub signed_at: Option<Timestamp>,
}

/// Which form of signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// CMS SignedData (RFC 5652 §5).
    Cms,
    /// XML signature (W3C, RFC 3275).
    XmlDsig,
}

impl<T> Verified<T> {
    /// The door. Only for a verifier that has just checked the signature over exactly these bytes.
    pub(crate) const fn after_check(value: T, proof: Proof) -> Self {
        Self { value, proof }
    }

    /// What was covered.
    pub const fn get(&self) -> &T {
        &self.value
    }

    /// What was covered, without its proof.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Which signature covers it.
    pub const fn proof(&self) -> &Proof {
        &self.proof
    }
}
