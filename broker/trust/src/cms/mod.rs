//! Sealed and signed envelopes: CMS (RFC 5652, RFC 5083) in the nested form of the AMQP profile.
//!
//! `EnvelopedData(id-data = SignedData(id-data = payload))`. Reading takes BER, several recipients and every order of
//! certificates; writing gives DER.
//!
//! What is knowingly taken beside the profile's form, because real senders write it: an envelope that says that
//! signed data is in it (inner type id-signedData), and with that a SignedData without its ContentInfo; recipients of
//! other kinds than RSA key transport beside ours; recipients and signers named by subject key identifier; OAEP.
//!
//! What CBC and PKCS#1 v1.5 leave open: whether sealed content *is* signed data can be told only after decryption, so a
//! sender that is told so learns a bit about the plaintext of somebody else's message. Each failure of decryption has
//! one text here; how often an unproven sender gets any answer is limited by the broker.

mod algorithms;
mod attributes;
mod embedded;
mod envelope;
mod seal;
mod sign;
mod signed;
mod symmetric;
#[cfg(test)]
mod tests;

pub(crate) use envelope::cannot_open;
pub use envelope::{Envelope, Opened, Recipient, envelope, open};
pub use seal::seal;
pub use sign::{sign, sign_with};
pub use signed::{Signed, signed};

use crate::ber::{Malformed, Reader, Value, without_leading_zeroes};
use crate::certificate::Certificate;
use crate::der::tag;
use crate::fault::{Fault, Kind};
use message_schemas::Limits;
use openssl::x509::X509Name;
use std::cmp::Ordering;
use std::fmt::{self, Write as _};

/// How a certificate is named in CMS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateId {
    /// DER of the issuer's name, and the serial number's bytes without leading zeroes.
    IssuerAndSerial(Vec<u8>, Vec<u8>),
    /// Subject key identifier.
    KeyId(Vec<u8>),
}

impl CertificateId {
    /// Whether this certificate is meant.
    #[must_use]
    pub fn is(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial(issuer, serial) => {
                *serial == certificate.serial
                    && (*issuer == certificate.issuer_der || same(issuer, certificate))
            }
            Self::KeyId(id) => certificate.key_id.as_ref() == Some(id),
        }
    }

    /// IssuerAndSerialNumber, or `[0] IMPLICIT SubjectKeyIdentifier`: recipients and signers are named alike.
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        if from.peek() == Some(tag::SEQUENCE) {
            let mut name = from.enter(tag::SEQUENCE)?;
            let issuer = name.expect(tag::SEQUENCE)?.raw;
            let serial = name.expect(tag::INTEGER)?.content;
            name.end()?;
            Ok(Self::IssuerAndSerial(issuer.to_vec(), without_leading_zeroes(serial).to_vec()))
        } else {
            Ok(Self::KeyId(from.octets(0x80)?.into_owned()))
        }
    }
}

/// The issuer's name in another spelling: another string type, or BER. Senders write it anew from their own notion of
/// names, so it is compared as names are (RFC 5280 §7.1). Only asked where the serial number is the same.
fn same(issuer: &[u8], certificate: &Certificate) -> bool {
    let name = X509Name::from_der(issuer);
    name.is_ok_and(|name| name.try_cmp(certificate.x509.issuer_name()).is_ok_and(Ordering::is_eq))
}

/// In one line, for the texts of faults. The issuer is left out: its name stands there as DER, and the serial number
/// is what an integrator compares.
impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 32;
        let (what, bytes) = match self {
            Self::IssuerAndSerial(_, serial) => ("issuer and serial number", serial),
            Self::KeyId(id) => ("subject key identifier", id),
        };
        write!(f, "{what} ")?;
        f.write_str(&hex::encode(bytes.get(..SHOWN).unwrap_or(bytes)))?;
        if bytes.len() > SHOWN { f.write_char('…') } else { Ok(()) }
    }
}

/// True if the bytes begin as CMS (a BER sequence with a content type), and not as XML.
#[must_use]
pub fn looks_like(bytes: &[u8]) -> bool {
    let [tag::SEQUENCE, length, rest @ ..] = bytes else { return false };
    let more = if *length > 0x80 { usize::from(length & 0x7F) } else { 0 };
    rest.get(more) == Some(&tag::OID)
}

/// What stops the reading of CMS. A thing that is not well formed becomes a fault of this module.
struct Problem(Fault);

impl From<Malformed> for Problem {
    fn from(problem: Malformed) -> Self {
        Self(malformed(&problem.to_string()))
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self(fault)
    }
}

fn malformed(why: &str) -> Fault {
    Fault::new(
        Kind::CmsMalformed,
        format!("These bytes are no CMS message that is read here: {why}."),
        "The sender must send CMS (RFC 5652) as the profile has it: signed data, content included, inside enveloped data.",
    )
}

fn over_limit(what: &str) -> Fault {
    Fault::new(
        Kind::LimitExceeded,
        format!("The CMS message has {what}."),
        "The sender must send a smaller message; if it is a real one, raise the limit in the configuration.",
    )
}

fn check_size(bytes: &[u8], limits: &Limits) -> Result<(), Fault> {
    if bytes.len() <= limits.message_bytes {
        return Ok(());
    }
    Err(over_limit(&format!("{} bytes, and {} are allowed", bytes.len(), limits.message_bytes)))
}

/// Reads a ContentInfo (RFC 5652 §3): the content type, and the SEQUENCE that is its content.
fn content_info(bytes: &[u8]) -> Result<(&[u8], Value<'_>), Malformed> {
    let mut all = Reader::new(bytes);
    let mut info = all.enter(tag::SEQUENCE)?;
    all.end()?;
    let content_type = info.expect(tag::OID)?.content;
    let mut explicit = info.enter(0xA0)?;
    info.end()?;
    let content = explicit.expect(tag::SEQUENCE)?;
    explicit.end()?;
    Ok((content_type, content))
}
