//! The signature on a CRL, an OCSP answer or a certificate: `SEQUENCE { what is signed, algorithm, BIT STRING }`.

use crate::algorithm::{Digest, SignatureAlgorithm};
use crate::ber::{Malformed, Reader, Value};
use crate::certificate::{Certificate, Thumbprint};
use crate::der::tag;
use std::ops::Range;
use std::sync::OnceLock;

/// Where it stands in the bytes, and how it was made.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    signed: Range<usize>,
    algorithm: Option<SignatureAlgorithm>,
    value: Vec<u8>,
    /// Whether it holds with the key of this certificate: a long list is hashed once, not for each message, and by one
    /// thread while others wait for it.
    checked: OnceLock<(Thumbprint, bool)>,
}

impl Signature {
    /// Reads the two values after what is signed; `start` is where that begins in the bytes.
    pub(crate) fn read(signed: &Value<'_>, start: usize, rest: &mut Reader<'_>) -> Result<Self, Malformed> {
        let algorithm = algorithm(&rest.expect(tag::SEQUENCE)?)?;
        let bits = rest.expect(tag::BIT_STRING)?;
        // The first byte counts unused bits; a signature has whole bytes.
        let value = bits.content.strip_prefix(&[0]).ok_or(Malformed::Unexpected)?.to_vec();
        Ok(Self { signed: start..start + signed.raw.len(), algorithm, value, checked: OnceLock::new() })
    }

    /// How it was made; none for what we do not take, SHA-1 among it.
    pub(crate) fn algorithm(&self) -> Option<SignatureAlgorithm> {
        self.algorithm.filter(|a| a.digest() != Digest::Sha1)
    }

    /// Whether it holds over its part of these bytes, with this certificate's key. The bytes are those it was read from.
    pub(crate) fn holds(&self, bytes: &[u8], certificate: &Certificate) -> bool {
        let check = || self.check(bytes, certificate);
        let (whose, holds) = *self.checked.get_or_init(|| (certificate.thumbprint, check()));
        if whose == certificate.thumbprint { holds } else { check() }
    }

    fn check(&self, bytes: &[u8], certificate: &Certificate) -> bool {
        match (self.algorithm(), bytes.get(self.signed.clone())) {
            (Some(algorithm), Some(signed)) => certificate.verifies(algorithm, signed, &self.value),
            _ => false,
        }
    }

    /// The signature on a certificate.
    pub(crate) fn of_certificate(certificate: &Certificate) -> Option<Self> {
        let mut inside = Value::only(&certificate.der).ok()?.inside().ok()?;
        let signed = inside.next().ok()?;
        Self::read(&signed, 0, &mut inside).ok()
    }
}

/// Content bytes of object identifiers (RFC 8017 appendix C, RFC 5758).
const RSA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01];
const ECDSA_SHA2: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03];
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

/// AlgorithmIdentifier; none for what is not on our list.
fn algorithm(value: &Value<'_>) -> Result<Option<SignatureAlgorithm>, Malformed> {
    let mut inside = value.inside()?;
    let oid = inside.expect(tag::OID)?.content;
    let (arc, last) = oid.split_at_checked(oid.len().saturating_sub(1)).unwrap_or_default();
    Ok(match (arc, last) {
        (RSA, [10]) => pss(&mut inside)?,
        (RSA, [11]) => Some(SignatureAlgorithm::RsaPkcs1(Digest::Sha256)),
        (RSA, [12]) => Some(SignatureAlgorithm::RsaPkcs1(Digest::Sha384)),
        (RSA, [13]) => Some(SignatureAlgorithm::RsaPkcs1(Digest::Sha512)),
        (ECDSA_SHA2, [2]) => Some(SignatureAlgorithm::Ecdsa(Digest::Sha256)),
        (ECDSA_SHA2, [3]) => Some(SignatureAlgorithm::Ecdsa(Digest::Sha384)),
        (ECDSA_SHA2, [4]) => Some(SignatureAlgorithm::Ecdsa(Digest::Sha512)),
        _ => None,
    })
}

/// RSASSA-PSS-params: only the hash is read; another mask or salt makes the check fail, for the check sets them.
fn pss(parameters: &mut Reader<'_>) -> Result<Option<SignatureAlgorithm>, Malformed> {
    let mut fields = parameters.enter(tag::SEQUENCE)?;
    let Some(hash) = fields.optional(0xA0)? else { return Ok(None) };
    let oid = hash.inside()?.enter(tag::SEQUENCE)?.expect(tag::OID)?.content;
    let digest = match oid.strip_prefix(SHA2) {
        Some([1]) => Digest::Sha256,
        Some([2]) => Digest::Sha384,
        Some([3]) => Digest::Sha512,
        _ => return Ok(None),
    };
    Ok(Some(SignatureAlgorithm::RsaPss(digest)))
}
