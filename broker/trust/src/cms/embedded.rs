//! Certificates inside SignedData, looked at but not read: just enough to find the one that the signer names.
//!
//! To read a certificate costs more than to check a signature with it. The certificate of a known signer is known by
//! its thumbprint, so it is found by its raw bytes, and read only for a signer that is not known yet.

use super::algorithms::oid;
use super::{CertificateId, Problem, over_limit};
use crate::ber::{Malformed, Reader, Value, without_leading_zeroes};
use crate::der::tag;

/// A chain has three or four; some senders add a few more.
const MOST_CERTIFICATES: usize = 32;

/// The certificates of a CertificateSet (RFC 5652 §10.2.3), as they came. Other forms (attribute certificates) are
/// passed over.
pub(super) fn certificates<'a>(mut set: Reader<'a>) -> Result<Vec<&'a [u8]>, Problem> {
    let mut certificates = Vec::new();
    let mut seen = 0;
    while !set.is_empty() {
        if seen == MOST_CERTIFICATES {
            return Err(over_limit(&format!("more than {MOST_CERTIFICATES} certificates")).into());
        }
        seen += 1;
        let value = set.next()?;
        if value.tag == tag::SEQUENCE {
            certificates.push(value.raw);
        }
    }
    Ok(certificates)
}

/// Whether the certificate in these bytes is the one that is named.
pub(super) fn is(certificate: &[u8], id: &CertificateId) -> bool {
    let read = || {
        let mut all = Value::only(certificate)?.inside()?;
        let mut body = all.enter(tag::SEQUENCE)?;
        body.optional(0xA0)?;
        let serial = body.expect(tag::INTEGER)?.content;
        body.expect(tag::SEQUENCE)?; // signature algorithm
        let issuer = body.expect(tag::SEQUENCE)?.raw;
        Ok::<_, Malformed>(match id {
            CertificateId::IssuerAndSerial(named, number) => {
                named == issuer && number == without_leading_zeroes(serial)
            }
            CertificateId::KeyId(named) => key_id(body)? == Some(named),
        })
    };
    read().unwrap_or(false)
}

/// The subject key identifier, from the extensions after the issuer.
fn key_id(mut body: Reader<'_>) -> Result<Option<&[u8]>, Malformed> {
    while let Some(found) = body.peek() {
        if found != 0xA3 {
            body.next()?; // validity, subject, key, unique identifiers
            continue;
        }
        let mut extensions = body.enter(0xA3)?.enter(tag::SEQUENCE)?;
        while !extensions.is_empty() {
            let mut extension = extensions.enter(tag::SEQUENCE)?;
            if extension.expect(tag::OID)?.content == oid::SUBJECT_KEY_ID {
                extension.optional(tag::BOOLEAN)?;
                let value = extension.expect(tag::OCTET_STRING)?.content;
                return Ok(Some(Reader::new(value).expect(tag::OCTET_STRING)?.content));
            }
        }
    }
    Ok(None)
}
