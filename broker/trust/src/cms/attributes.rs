//! Signed attributes (RFC 5652 §11): what the signer signed instead of the content itself.

use super::Problem;
use super::algorithms::oid;
use super::malformed;
use crate::ber::{Malformed, Reader, Value};
use crate::der::{self, tag};
use crate::revocation::time;
use jiff::Timestamp;

/// More than any signer writes; some add the whole name of their issuer, or a policy.
const MOST_BYTES: usize = 64 * 1024;

/// How deep attributes go. The deepest of real signers is the CAdES one that names the signer's certificate by the
/// whole name of its issuer: 13.
const DEPTH: usize = 24;

/// Signed attributes that are complete.
#[derive(Debug)]
pub(super) struct Attributes {
    /// The bytes that are signed: their DER, under the tag of a SET (RFC 5652 §5.4).
    pub(super) signed: Vec<u8>,
    /// The content's hash, by the signer's word.
    pub(super) message_digest: Vec<u8>,
    /// When, by the signer's word.
    pub(super) signed_at: Option<Timestamp>,
}

impl Attributes {
    /// Reads `[0] IMPLICIT SignedAttributes`. What counts is read from the same bytes that are signed.
    pub(super) fn read(value: &Value<'_>) -> Result<Self, Problem> {
        if value.raw.len() > MOST_BYTES {
            return Err(Malformed::Excessive.into());
        }
        let signed = distinguished(&Value { tag: tag::SET, ..*value })?;
        let mut set = Value::only(&signed)?.inside()?;
        let (mut content_type, mut message_digest, mut signing_time) = (None, None, None);
        while !set.is_empty() {
            let mut attribute = set.enter(tag::SEQUENCE)?;
            let name = attribute.expect(tag::OID)?.content;
            let values = attribute.enter(tag::SET)?;
            attribute.end()?;
            let place = match name {
                oid::CONTENT_TYPE => &mut content_type,
                oid::MESSAGE_DIGEST => &mut message_digest,
                oid::SIGNING_TIME => &mut signing_time,
                _ => continue,
            };
            // Each exactly once, with exactly one value (RFC 5652 §11.1 to §11.3).
            if place.replace(single(values)?).is_some() {
                return Err(malformed("a signed attribute stands there twice").into());
            }
        }
        let content_type = content_type.ok_or_else(|| missing("content type"))?;
        if content_type.tag != tag::OID || content_type.content != oid::DATA {
            return Err(malformed("the signed attributes say another content type than data").into());
        }
        let message_digest = message_digest.ok_or_else(|| missing("message digest"))?;
        if message_digest.tag != tag::OCTET_STRING {
            return Err(Malformed::Unexpected.into());
        }
        let message_digest = message_digest.content.to_vec();
        let signed_at = signing_time.and_then(|value| time::read(&value));
        Ok(Self { message_digest, signed_at, signed })
    }
}

/// True for content that could be the signed attributes of some other signature: a SET with a message digest in it.
///
/// Whoever has a signature with signed attributes can take it for one without, over exactly those bytes. XML never
/// begins like that, so such content is refused.
pub(super) fn could_be(content: &[u8]) -> bool {
    let read = || {
        let mut set = Reader::new(content).enter(tag::SET)?;
        let mut found = false;
        while !set.is_empty() {
            let mut attribute = set.enter(tag::SEQUENCE)?;
            found |= attribute.expect(tag::OID)?.content == oid::MESSAGE_DIGEST;
        }
        Ok::<_, Malformed>(found)
    };
    read().unwrap_or(false)
}

/// The signed attributes of content with this hash, as they are signed.
pub(super) fn write(message_digest: &[u8], at: Timestamp) -> Vec<u8> {
    let attribute = |name, value: Vec<u8>| der::sequence(&[&der::oid(name), &der::set_of(vec![value])]);
    der::set_of(vec![
        attribute(oid::CONTENT_TYPE, der::oid(oid::DATA)),
        attribute(oid::MESSAGE_DIGEST, der::octets(message_digest)),
        attribute(oid::SIGNING_TIME, time::write(at)),
    ])
}

/// A value in DER (X.690 §10 and §11): shortest definite lengths, strings in one piece, sets in order, and no other
/// TRUE than FF. Deeper than any attribute goes is refused.
pub(super) fn distinguished(value: &Value<'_>) -> Result<Vec<u8>, Malformed> {
    put_distinguished(value, DEPTH)
}

fn put_distinguished(value: &Value<'_>, depth: usize) -> Result<Vec<u8>, Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed::Excessive)?;
    if !value.is_constructed() {
        let truth = value.tag == tag::BOOLEAN && value.content != [0];
        return Ok(der::value(value.tag, if truth { &[0xFF] } else { value.content }));
    }
    // A universal string type in segments. Under a context tag nobody can tell, and there it stays constructed.
    let is_string = matches!(value.tag & 0x1F, 4 | 12 | 18..=30) && value.tag & 0xC0 == 0;
    if is_string {
        return Ok(der::value(value.tag & 0x1F, &value.octets()?));
    }
    let mut parts = Vec::new();
    let mut inside = value.inside()?;
    while !inside.is_empty() {
        parts.push(put_distinguished(&inside.next()?, depth)?);
    }
    Ok(if value.tag == tag::SET { der::set_of(parts) } else { der::value(value.tag, &parts.concat()) })
}

fn single(mut values: Reader<'_>) -> Result<Value<'_>, Malformed> {
    let value = values.next()?;
    values.end()?;
    Ok(value)
}

fn missing(what: &str) -> Problem {
    Problem(malformed(&format!("the signed attributes have no {what}")))
}
