//! Signing: SignedData (RFC 5652 §5) in DER, one signer, content inside.

use super::algorithms::{oid, write_digest, write_signature};
use super::attributes;
use crate::algorithm::SignatureAlgorithm;
use crate::certificate::message_digest;
use crate::der::{self, tag};
use crate::fault::{Fault, Kind};
use crate::keys::PrivateKey;
use jiff::Timestamp;

/// Signs: SignedData, DER, content inside, certificate and chain embedded. With a time, signed attributes are written;
/// without, none, as .NET senders do.
///
/// # Errors
/// [`Kind::CannotSeal`].
pub fn sign(content: &[u8], key: &dyn PrivateKey, at: Option<Timestamp>) -> Result<Vec<u8>, Fault> {
    sign_with(content, key, key.default_algorithm(), at)
}

/// As [`sign`], with another algorithm than the key's default.
///
/// # Errors
/// [`Kind::CannotSeal`], also if the key cannot do this algorithm.
pub fn sign_with(
    content: &[u8],
    key: &dyn PrivateKey,
    algorithm: SignatureAlgorithm,
    at: Option<Timestamp>,
) -> Result<Vec<u8>, Fault> {
    let failed = || cannot_sign().of(key.certificate());
    let attributes = match at {
        Some(at) => {
            let hash = openssl::hash::hash(message_digest(algorithm.digest()), content);
            Some(attributes::write(&hash.map_err(|_| failed())?, at))
        }
        // Content that could be taken for signed attributes would be refused by every careful receiver.
        None if attributes::could_be(content) => return Err(failed()),
        None => None,
    };
    let covered = attributes.as_deref().unwrap_or(content);
    let signature = key.sign(algorithm, covered).map_err(|_| failed())?;

    let hash = write_digest(algorithm.digest());
    let signer = der::sequence(&[
        &der::unsigned(&[1]),
        &issuer_and_serial(key.certificate()),
        &hash,
        &attributes.map(under_context_tag).unwrap_or_default(),
        &write_signature(algorithm),
        &der::octets(&signature),
    ]);
    let own = std::iter::once(key.certificate()).chain(key.chain());
    let certificates = der::sorted(0xA0, own.map(|certificate| certificate.der.to_vec()).collect());
    Ok(wrapped(
        oid::SIGNED_DATA,
        &[
            &der::unsigned(&[1]),
            &der::value(tag::SET, &hash),
            &der::sequence(&[&der::oid(oid::DATA), &der::context(0, &der::octets(content))]),
            &certificates,
            &der::value(tag::SET, &signer),
        ],
    ))
}

/// ContentInfo around a SEQUENCE of these parts.
pub(super) fn wrapped(content_type: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    der::sequence(&[&der::oid(content_type), &der::context(0, &der::sequence(parts))])
}

/// How we name certificates: as every receiver can read it.
pub(super) fn issuer_and_serial(certificate: &crate::Certificate) -> Vec<u8> {
    der::sequence(&[&certificate.issuer_der, &der::unsigned(&certificate.serial)])
}

/// A SET becomes `[0] IMPLICIT`: the signature covers the one, the message carries the other (RFC 5652 §5.4).
fn under_context_tag(mut set: Vec<u8>) -> Vec<u8> {
    if let Some(first) = set.first_mut() {
        *first = 0xA0;
    }
    set
}

fn cannot_sign() -> Fault {
    Fault::new(
        Kind::CannotSeal,
        "The message cannot be signed with our key.",
        "Check that the key is there, and that it can do the algorithm that is configured for this partner.",
    )
}
