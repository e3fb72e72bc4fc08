//! OCSP (RFC 6960): the question, and reading answers.

use super::crl::each_extension;
use super::{Signature, Source, SourceKind, Standing, fresh_until, is_fresh, time};
use crate::ber::{Malformed, Reader, Value, without_leading_zeroes};
use crate::certificate::Certificate;
use crate::der::{self, tag};
use crate::keys::strong;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// The longest answer that is read: one status, a signature, a responder's certificate and perhaps its chain.
const LONGEST: usize = 256 * 1024;

/// The most certificates that one question or answer is about.
const MOST: usize = 64;

/// The most responder certificates that are looked at.
const MOST_RESPONDERS: usize = 4;

const ENUMERATED: u8 = 0x0A;

/// Content bytes of object identifiers.
pub(crate) const BASIC: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
pub(crate) const SHA1: &[u8] = &[0x2B, 0x0E, 0x03, 0x02, 0x1A];
pub(crate) const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// An answer that was read, its signature not yet checked.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) der: Arc<[u8]>,
    hash: [u8; 32],
    /// BasicOCSPResponse: what the signature's range counts in.
    basic: Vec<u8>,
    responder: Responder,
    singles: Vec<Single>,
    signature: Signature,
    certificates: Vec<Arc<Certificate>>,
}

/// Who says that it answers (RFC 6960 §4.2.1).
#[derive(Debug)]
enum Responder {
    Name(Vec<u8>),
    /// SHA-1 of its public key.
    Key(Vec<u8>),
}

/// One certificate's status.
#[derive(Debug)]
struct Single {
    id: CertId,
    /// None for "unknown".
    standing: Option<Standing>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
}

/// Which certificate is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CertId {
    hash: Vec<u8>,
    name_hash: Vec<u8>,
    key_hash: Vec<u8>,
    /// Without leading zeroes.
    pub(crate) serial: Vec<u8>,
    /// As it came, to be repeated in an answer.
    pub(crate) raw: Vec<u8>,
}

/// The question for one certificate. Without a nonce, so that answers can be shared; time alone makes them fresh. With
/// SHA-1, which every responder knows and which protects nothing here.
pub(super) fn request(certificate: &Certificate, issuer: &Certificate) -> Vec<u8> {
    let id = der::sequence(&[
        &der::sequence(&[&der::oid(SHA1), der::NULL]),
        &der::octets(&openssl::sha::sha1(&certificate.issuer_der)),
        &der::octets(&openssl::sha::sha1(&issuer.key_bits)),
        &der::unsigned(&certificate.serial),
    ]);
    let one = der::sequence(&[&id]);
    let list = der::sequence(&[&one]);
    der::sequence(&[&der::sequence(&[&list])])
}

/// The certificates that a question asks for.
pub(crate) fn asked(request: &[u8]) -> Result<Vec<CertId>, Malformed> {
    let mut fields = Value::only(request)?.inside()?.enter(tag::SEQUENCE)?;
    fields.optional(0xA0)?;
    fields.optional(0xA1)?;
    let mut list = fields.enter(tag::SEQUENCE)?;
    let mut ids = Vec::new();
    while !list.is_empty() && ids.len() < MOST {
        ids.push(CertId::read(&list.enter(tag::SEQUENCE)?.expect(tag::SEQUENCE)?)?);
    }
    Ok(ids)
}

impl CertId {
    fn read(value: &Value<'_>) -> Result<Self, Malformed> {
        let mut fields = value.inside()?;
        let hash = fields.enter(tag::SEQUENCE)?.expect(tag::OID)?.content.to_vec();
        let name_hash = fields.octets(tag::OCTET_STRING)?.into_owned();
        let key_hash = fields.octets(tag::OCTET_STRING)?.into_owned();
        let serial = without_leading_zeroes(fields.expect(tag::INTEGER)?.content).to_vec();
        fields.end()?;
        Ok(Self { hash, name_hash, key_hash, serial, raw: value.raw.to_vec() })
    }

    /// Whether a certificate of this issuer is meant, as far as the issuer goes.
    pub(crate) fn is_of(&self, name: &[u8], issuer: &Certificate) -> bool {
        let hash = |bytes: &[u8]| match self.hash.as_slice() {
            SHA1 => Some(openssl::sha::sha1(bytes).to_vec()),
            SHA256 => Some(Sha256::digest(bytes).to_vec()),
            _ => None,
        };
        hash(name).is_some_and(|h| h == self.name_hash)
            && hash(&issuer.key_bits).is_some_and(|h| h == self.key_hash)
    }
}

impl Answer {
    pub(super) fn read(der: &[u8]) -> Result<Self, &'static str> {
        if der.len() > LONGEST {
            return Err("it is too long");
        }
        let basic = success(der)?;
        read_basic(der, &basic).map_err(|_| "it is no OCSP answer")?
    }

    pub(super) fn serials(&self) -> impl Iterator<Item = &[u8]> {
        self.singles.iter().map(|s| s.id.serial.as_slice())
    }

    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.singles.iter().any(|s| is_fresh(s.this_update, s.next_update, now))
    }

    /// From when it is, and until when it may be used; of several, the one that is over first.
    pub(super) fn lifetime(&self) -> Option<(Timestamp, Timestamp)> {
        let of = |s: &Single| (s.this_update, fresh_until(s.this_update, s.next_update));
        self.singles.iter().map(of).min_by_key(|(_, over)| *over)
    }

    /// What it says of a certificate; none if it does not concern it, says "unknown", is not fresh, or is signed by
    /// somebody who may not. `unrevoked` is asked of a responder that the issuer delegated to.
    pub(super) fn says(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        now: Timestamp,
        unrevoked: impl Fn(&Certificate) -> bool,
    ) -> Option<(Standing, Source)> {
        let concerns = |s: &&Single| {
            s.id.serial == certificate.serial
                && (s.id.is_of(&certificate.issuer_der, issuer) || s.id.is_of(&issuer.subject_der, issuer))
                && is_fresh(s.this_update, s.next_update, now)
        };
        let single = self.singles.iter().filter(concerns).max_by_key(|s| s.this_update)?;
        let standing = single.standing?;
        if !issuer.is_issuer_of(certificate) || !self.is_signed_for(issuer, now, unrevoked) {
            return None;
        }
        let source = Source {
            kind: SourceKind::Ocsp,
            der: Arc::clone(&self.der),
            hash: self.hash,
            this_update: single.this_update,
            next_update: single.next_update,
        };
        Some((standing, source))
    }

    /// Signed by the issuer itself, or by a responder whose certificate the issuer signed for that.
    fn is_signed_for(
        &self,
        issuer: &Certificate,
        now: Timestamp,
        unrevoked: impl Fn(&Certificate) -> bool,
    ) -> bool {
        if self.responder.is(issuer) {
            return self.signature.holds(&self.basic, issuer);
        }
        //= RFC 6960 §4.2.2.2
        //# a value of id-kp-OCSPSigning in an extended key usage extension [...] is issued by the CA that issued the
        //# certificate in question
        self.certificates.iter().filter(|c| self.responder.is(c)).any(|responder| {
            let sound = Signature::of_certificate(responder).is_some_and(|s| s.algorithm().is_some());
            responder.ocsp_signing
                && !responder.is_ca
                && responder.usage.is_none_or(|u| u.digital_signature)
                && responder.is_valid_at(now)
                && sound
                && strong(&responder.key).is_ok()
                && issuer.signed(responder)
                && (responder.ocsp_no_check || unrevoked(responder))
                && self.signature.holds(&self.basic, responder)
        })
    }
}

impl Responder {
    fn is(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Name(name) => *name == certificate.subject_der,
            Self::Key(hash) => *hash == openssl::sha::sha1(&certificate.key_bits),
        }
    }
}

/// The BasicOCSPResponse inside a successful OCSPResponse.
fn success(der: &[u8]) -> Result<Vec<u8>, &'static str> {
    let broken = |_: Malformed| "it is no OCSP answer";
    let mut fields = Value::only(der).and_then(|v| v.inside()).map_err(broken)?;
    match fields.expect(ENUMERATED).and_then(|v| v.small()).map_err(broken)? {
        0 => {}
        1 => return Err("the responder could not read the question"),
        2 | 3 => return Err("the responder has a fault, and asks to try later"),
        _ => return Err("the responder refuses to answer"),
    }
    let inside = |mut fields: Reader<'_>| {
        let mut bytes = fields.enter(0xA0)?.enter(tag::SEQUENCE)?;
        let kind = bytes.expect(tag::OID)?.content.to_vec();
        Ok((kind, bytes.octets(tag::OCTET_STRING)?.into_owned()))
    };
    let (kind, basic) = inside(fields).map_err(broken)?;
    if kind == BASIC { Ok(basic) } else { Err("its type is not the basic one") }
}

/// The outer error is of form, the inner one of kind.
fn read_basic(der: &[u8], basic: &[u8]) -> Result<Result<Answer, &'static str>, Malformed> {
    let outer = Value::only(basic)?;
    let mut inside = outer.inside()?;
    let data = inside.expect(tag::SEQUENCE)?;
    let signature = Signature::read(&data, basic.len() - outer.content.len(), &mut inside)?;
    let certificates = match inside.optional(0xA0)? {
        Some(list) => certificates(&list)?,
        None => Vec::new(),
    };
    inside.end()?;

    let mut fields = data.inside()?;
    fields.optional(0xA0)?;
    let who = fields.next()?;
    let responder = match who.tag {
        0xA1 => Responder::Name(who.content.to_vec()),
        0xA2 => Responder::Key(who.inside()?.octets(tag::OCTET_STRING)?.into_owned()),
        _ => return Err(Malformed::Unexpected),
    };
    time::read(&fields.next()?).ok_or(Malformed::Unexpected)?;
    let mut list = fields.enter(tag::SEQUENCE)?;
    let mut singles = Vec::new();
    let mut critical = false;
    while !list.is_empty() && singles.len() < MOST {
        let (single, has_critical) = single(&mut list.enter(tag::SEQUENCE)?)?;
        critical |= has_critical;
        singles.push(single);
    }
    critical |= has_critical(fields.optional(0xA1)?)?;
    fields.end()?;
    if critical {
        return Ok(Err("it has a critical extension that is not known"));
    }
    let basic = basic.to_vec();
    Ok(Ok(Answer {
        hash: openssl::sha::sha256(der),
        der: der.into(),
        basic,
        responder,
        singles,
        signature,
        certificates,
    }))
}

fn certificates(list: &Value<'_>) -> Result<Vec<Arc<Certificate>>, Malformed> {
    let mut list = list.inside()?.enter(tag::SEQUENCE)?;
    let mut found = Vec::new();
    while !list.is_empty() && found.len() < MOST_RESPONDERS {
        // One that cannot be read cannot have signed; another one may have.
        found.extend(Certificate::from_der(list.next()?.raw).ok());
    }
    Ok(found)
}

/// SingleResponse, and whether it has a critical extension.
fn single(fields: &mut Reader<'_>) -> Result<(Single, bool), Malformed> {
    let id = CertId::read(&fields.expect(tag::SEQUENCE)?)?;
    let status = fields.next()?;
    let standing = match status.tag {
        0x80 => Some(Standing::Good),
        0xA1 => {
            let since = time::read(&status.inside()?.next()?).ok_or(Malformed::Unexpected)?;
            Some(Standing::Revoked { since })
        }
        0x82 => None,
        _ => return Err(Malformed::Unexpected),
    };
    let this_update = time::read(&fields.next()?).ok_or(Malformed::Unexpected)?;
    let next_update = match fields.optional(0xA0)? {
        Some(next) => Some(time::read(&next.inside()?.next()?).ok_or(Malformed::Unexpected)?),
        None => None,
    };
    let critical = has_critical(fields.optional(0xA1)?)?;
    fields.end()?;
    Ok((Single { id, standing, this_update, next_update }, critical))
}

fn has_critical(extensions: Option<Value<'_>>) -> Result<bool, Malformed> {
    let Some(extensions) = extensions else { return Ok(false) };
    let list = extensions.inside()?.expect(tag::SEQUENCE)?;
    Ok(each_extension(&list, |_, critical, _| Ok(critical))?.contains(&true))
}
