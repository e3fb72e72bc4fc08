//! One certificate, read once and carried around shared.

mod name;
mod read;
#[cfg(test)]
mod tests;

use crate::algorithm::{Digest, SignatureAlgorithm};
use crate::fault::{Fault, Kind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use message_schemas::OrgNumber;
use openssl::pkey::{PKey, Public};
use openssl::sign::{RsaPssSaltlen, Verifier};
use openssl::x509::{X509, X509VerifyResult};
use openssl::{hash::MessageDigest, pkey::Id, rsa::Padding};
use std::fmt;
use std::sync::Arc;

/// An X.509 certificate (RFC 5280) with what we ask of it read out.
pub struct Certificate {
    /// The DER bytes as they came.
    pub der: Arc<[u8]>,
    /// SHA-256 of them.
    pub thumbprint: Thumbprint,
    /// Its subject, in one line. Only of CAs and of organisations' certificates: a person's name is not even kept.
    pub subject: String,
    /// Its issuer, in one line.
    pub issuer: String,
    /// DER of the issuer's name, for matching.
    pub issuer_der: Vec<u8>,
    /// DER of the subject's name, for matching.
    pub subject_der: Vec<u8>,
    /// The serial number's bytes, big-endian, without leading zeroes.
    pub serial: Vec<u8>,
    /// Subject key identifier.
    pub key_id: Option<Vec<u8>>,
    /// The organisation number, from subject `serialNumber` (2.5.4.5) or `organizationIdentifier` (2.5.4.97, `NTRNO-`).
    pub organisation: Option<OrgNumber>,
    /// It names a person, or may.
    pub(crate) personal: bool,
    /// What its key may be used for; none if it does not say.
    pub usage: Option<KeyUsage>,
    /// Policies, as dotted numbers.
    pub policies: Vec<String>,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid to.
    pub not_after: Timestamp,
    /// Extended key usage has OCSPSigning (RFC 6960 §4.2.2.2).
    pub ocsp_signing: bool,
    /// It bids not to ask for its own revocation (`ocsp-nocheck`, RFC 6960 §4.2.2.2.1).
    pub ocsp_no_check: bool,
    /// Basic constraints say that it is a CA.
    pub is_ca: bool,
    /// Where its issuer's CRL is (http URLs).
    pub crl_urls: Vec<String>,
    /// Where its status can be asked for (http URLs).
    pub ocsp_urls: Vec<String>,
    /// Distribution points are named, of any scheme: whether a CRL should exist at all.
    pub(crate) names_crl: bool,
    /// The bits of its public key, for the hashes of OCSP.
    pub(crate) key_bits: Vec<u8>,
    /// For OpenSSL.
    pub(crate) x509: X509,
    /// Its public key, parsed once.
    pub(crate) key: PKey<Public>,
}

/// Key usage bits (RFC 5280 §4.2.1.3) that we ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyUsage {
    /// digitalSignature.
    pub digital_signature: bool,
    /// nonRepudiation (contentCommitment).
    pub non_repudiation: bool,
    /// keyEncipherment.
    pub key_encipherment: bool,
    /// dataEncipherment.
    pub data_encipherment: bool,
    /// keyCertSign.
    pub cert_sign: bool,
    /// cRLSign.
    pub crl_sign: bool,
}

/// SHA-256 of a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Thumbprint(pub [u8; 32]);

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The longest certificate that we read. Real ones have 1 to 3 KB.
pub const LONGEST: usize = 64 * 1024;

/// The most certificates that are read from one file.
pub const MOST: usize = 1000;

impl Certificate {
    /// Reads one from DER.
    ///
    /// # Errors
    /// [`crate::Kind::CertificateMalformed`].
    pub fn from_der(der: &[u8]) -> Result<Arc<Self>, Fault> {
        read::certificate(der).map(Arc::new)
    }

    /// Reads all that a PEM text holds, or one from DER.
    ///
    /// # Errors
    /// [`crate::Kind::CertificateMalformed`], also when there is none.
    pub fn all_from(bytes: &[u8]) -> Result<Vec<Arc<Self>>, Fault> {
        read::certificates(bytes)
    }

    /// As PEM (RFC 7468 §5).
    #[must_use]
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(&self.der);
        let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|&b| char::from(b)));
            pem.push('\n');
        }
        pem + "-----END CERTIFICATE-----\n"
    }

    /// Which certificate, whose, in one line: subject, issuer, serial number, validity, thumbprint.
    #[must_use]
    pub fn describe(&self) -> String {
        let print: String = self.thumbprint.to_string().chars().take(16).collect();
        let serial = self.serial_hex();
        // Who issued it to itself is named as its subject is.
        let issuer = match self.is_self_issued() {
            true => String::new(),
            false => format!(", issued by {}", self.issuer),
        };
        if self.may_be_personal() {
            return format!("serial {serial}{issuer}, sha256 {print}");
        }
        let organisation = self.organisation.map_or_else(String::new, |o| format!(" ({o})"));
        let (from, to) = (day(self.not_before), day(self.not_after));
        format!(
            "{}{organisation}{issuer}, serial {serial}, valid {from} to {to}, sha256 {print}",
            self.subject
        )
    }

    /// [`Self::describe`], and where it came from.
    #[must_use]
    pub fn describe_from(&self, source: &str) -> String {
        format!("{}, from {source}", self.describe())
    }

    /// The serial number in hex.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        if self.serial.is_empty() { "00".into() } else { hex::encode(&self.serial) }
    }

    /// Its subject names a person, or may, for it is neither an organisation's nor a CA's; it is never printed.
    #[must_use]
    pub const fn may_be_personal(&self) -> bool {
        self.personal
    }

    /// Issuer and subject have the same name.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        self.issuer_der == self.subject_der
    }

    /// Whether its time includes this moment.
    #[must_use]
    pub fn is_valid_at(&self, moment: Timestamp) -> bool {
        self.not_before <= moment && moment <= self.not_after
    }

    /// Whether the other one names this one as its issuer. Names are the same in whatever string type each is written
    /// (RFC 5280 §7.1): a few CAs write their own name in one and their certificates' issuer in another.
    pub(crate) fn is_issuer_of(&self, other: &Self) -> bool {
        self.x509.issued(&other.x509) == X509VerifyResult::OK
    }

    /// Whether this certificate's key signed the other one. Says nothing of whether it may.
    pub(crate) fn signed(&self, other: &Self) -> bool {
        let signed = self.is_issuer_of(other) && other.x509.verify(&self.key).unwrap_or(false);
        forget_errors();
        signed
    }

    /// Whether a signature of its key holds over `data`. Any failure of OpenSSL is a no.
    pub(crate) fn verifies(&self, algorithm: SignatureAlgorithm, data: &[u8], signature: &[u8]) -> bool {
        self.verifies_salted(algorithm, None, data, signature)
    }

    /// As [`Self::verifies`], where the signature says itself how long the salt of PSS is; else it is as long as the
    /// hash.
    pub(crate) fn verifies_salted(
        &self,
        algorithm: SignatureAlgorithm,
        salt: Option<u32>,
        data: &[u8],
        signature: &[u8],
    ) -> bool {
        let fits = match algorithm {
            SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) => self.key.id() == Id::RSA,
            SignatureAlgorithm::Ecdsa(_) => self.key.id() == Id::EC,
        };
        let check = || {
            let mut verifier = Verifier::new(message_digest(algorithm.digest()), &self.key)?;
            if let SignatureAlgorithm::RsaPss(digest) = algorithm {
                verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                verifier.set_rsa_mgf1_md(message_digest(digest))?;
                let salt = salt.and_then(|bytes| i32::try_from(bytes).ok());
                verifier
                    .set_rsa_pss_saltlen(salt.map_or(RsaPssSaltlen::DIGEST_LENGTH, RsaPssSaltlen::custom))?;
            }
            verifier.verify_oneshot(signature, data)
        };
        let holds = fits && check().unwrap_or(false);
        forget_errors();
        holds
    }
}

/// Empties OpenSSL's list of errors: a check that fails leaves some, and they must not show up elsewhere.
pub(crate) fn forget_errors() {
    drop(openssl::error::ErrorStack::get());
}

/// OpenSSL's name of a hash function.
pub(crate) fn message_digest(digest: Digest) -> MessageDigest {
    match digest {
        Digest::Sha1 => MessageDigest::sha1(),
        Digest::Sha256 => MessageDigest::sha256(),
        Digest::Sha384 => MessageDigest::sha384(),
        Digest::Sha512 => MessageDigest::sha512(),
    }
}

/// Why it cannot be read; the bytes are not repeated.
pub(crate) fn malformed(why: &str) -> Fault {
    Fault::new(
        Kind::CertificateMalformed,
        format!("The certificate cannot be read: {why}."),
        "Ask its owner for the certificate as DER or PEM, as the CA issued it.",
    )
}

/// A name in DER, in one line; none if it is none.
pub(crate) fn name_in_one_line(der: &[u8]) -> Option<String> {
    use x509_parser::prelude::FromDer as _;
    x509_parser::x509::X509Name::from_der(der).ok().map(|(_, name)| name::line(&name))
}

fn day(moment: Timestamp) -> String {
    moment.to_string().chars().take(10).collect()
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}
