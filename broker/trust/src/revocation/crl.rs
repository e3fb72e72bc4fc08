//! Certificate revocation lists (RFC 5280 §5), complete ones.

use super::{Signature, Source, SourceKind, Standing, is_fresh, time};
use crate::ber::{Malformed, Reader, Value, without_leading_zeroes};
use crate::certificate::Certificate;
use crate::der::tag;
use jiff::Timestamp;
use smallvec::SmallVec;
use std::sync::Arc;

/// The longest CRL that is read. The largest of Norwegian CAs have a few megabytes.
const LONGEST: usize = 32 * 1024 * 1024;

/// A list that was read, its signature not yet checked.
#[derive(Debug)]
pub(super) struct Crl {
    pub(super) der: Arc<[u8]>,
    hash: [u8; 32],
    /// DER of the issuer's name.
    pub(super) issuer: Vec<u8>,
    pub(super) this_update: Timestamp,
    pub(super) next_update: Timestamp,
    /// Sorted by serial number.
    entries: Vec<(Serial, Timestamp)>,
    scope: Scope,
    signature: Signature,
}

/// Without leading zeroes; RFC 5280 allows 20 bytes.
type Serial = SmallVec<[u8; 20]>;

/// For which certificates it is complete (RFC 5280 §5.2.5).
#[derive(Debug, Default)]
struct Scope {
    only_users: bool,
    only_cas: bool,
    /// URLs of the part of a list that is published in parts; none if it is the whole list.
    part: Option<Vec<String>>,
}

impl Crl {
    pub(super) fn read(der: &[u8]) -> Result<Self, &'static str> {
        if der.len() > LONGEST {
            return Err("it is too long");
        }
        read(der).map_err(|_| "it is no CRL")?
    }

    /// What it says of a certificate; none if it does not concern it, is not fresh, or is not the issuer's.
    pub(super) fn says(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        now: Timestamp,
    ) -> Option<(Standing, Source)> {
        let named = self.issuer == issuer.subject_der || self.issuer == certificate.issuer_der;
        let concerns = named && issuer.is_issuer_of(certificate) && self.scope.includes(certificate);
        if !concerns || !is_fresh(self.this_update, Some(self.next_update), now) || !self.is_signed_by(issuer)
        {
            return None;
        }
        let standing = match self.revoked_since(&certificate.serial) {
            Some(since) => Standing::Revoked { since },
            None => Standing::Good,
        };
        let source = Source {
            kind: SourceKind::Crl,
            der: Arc::clone(&self.der),
            hash: self.hash,
            this_update: self.this_update,
            next_update: Some(self.next_update),
        };
        Some((standing, source))
    }

    pub(super) fn revoked_since(&self, serial: &[u8]) -> Option<Timestamp> {
        let at = self.entries.partition_point(|(known, _)| known.as_slice() < serial);
        self.entries.get(at).filter(|(known, _)| known.as_slice() == serial).map(|(_, since)| *since)
    }

    fn is_signed_by(&self, issuer: &Certificate) -> bool {
        //= RFC 5280 §6.3.3 (f)
        //# If a key usage extension is present in the CRL issuer's certificate, verify that the cRLSign bit is set.
        issuer.usage.is_none_or(|u| u.crl_sign) && self.signature.holds(&self.der, issuer)
    }
}

impl Scope {
    fn includes(&self, certificate: &Certificate) -> bool {
        let kind = if certificate.is_ca { !self.only_users } else { !self.only_cas };
        //= RFC 5280 §6.3.3 (b) (2) (i)
        //# one of the names in the IDP matches one of the names in the DP
        let part =
            self.part.as_ref().is_none_or(|urls| urls.iter().any(|u| certificate.crl_urls.contains(u)));
        kind && part
    }
}

type Read<T> = Result<Result<T, &'static str>, Malformed>;

/// The outer error is of form, the inner one of kind.
fn read(der: &[u8]) -> Read<Crl> {
    let outer = Value::only(der)?;
    let mut inside = outer.inside()?;
    let list = inside.expect(tag::SEQUENCE)?;
    let signature = Signature::read(&list, der.len() - outer.content.len(), &mut inside)?;
    inside.end()?;

    let mut fields = list.inside()?;
    fields.optional(tag::INTEGER)?;
    fields.expect(tag::SEQUENCE)?;
    let issuer = fields.expect(tag::SEQUENCE)?.raw.to_vec();
    let this_update = time::read(&fields.next()?).ok_or(Malformed::Unexpected)?;
    //= RFC 5280 §5.1.2.5
    //# Conforming CRL issuers MUST include the nextUpdate field in all CRLs.
    if !fields.peek().is_some_and(time::is_time) {
        return Ok(Err("it does not say when the next one comes"));
    }
    let next_update = time::read(&fields.next()?).ok_or(Malformed::Unexpected)?;
    let entries = match fields.optional(tag::SEQUENCE)? {
        Some(list) => match entries(&list)? {
            Ok(entries) => entries,
            Err(why) => return Ok(Err(why)),
        },
        None => Vec::new(),
    };
    let scope = match fields.optional(0xA0)? {
        Some(extensions) => match scope(&extensions)? {
            Ok(scope) => scope,
            Err(why) => return Ok(Err(why)),
        },
        None => Scope::default(),
    };
    fields.end()?;
    Ok(Ok(Crl {
        hash: openssl::sha::sha256(der),
        der: der.into(),
        issuer,
        this_update,
        next_update,
        entries,
        scope,
        signature,
    }))
}

fn entries(list: &Value<'_>) -> Read<Vec<(Serial, Timestamp)>> {
    let mut list = list.inside()?;
    let mut entries = Vec::new();
    while !list.is_empty() {
        let mut entry = list.enter(tag::SEQUENCE)?;
        let serial = entry.expect(tag::INTEGER)?;
        let since = time::read(&entry.next()?).ok_or(Malformed::Unexpected)?;
        if let Some(extensions) = entry.optional(tag::SEQUENCE)? {
            // A critical one would be the certificate's issuer: the list is indirect.
            if each_extension(&extensions, |_, critical, _| Ok(critical))?.contains(&true) {
                return Ok(Err("an entry says something that is not read here; indirect lists are not used"));
            }
        }
        entry.end()?;
        entries.push((SmallVec::from_slice(without_leading_zeroes(serial.content)), since));
    }
    // Of two entries for one number, the earlier comes first and is found.
    entries.sort_unstable();
    Ok(Ok(entries))
}

const DELTA: &[u8] = &[0x55, 0x1D, 0x1B];
const ISSUING_POINT: &[u8] = &[0x55, 0x1D, 0x1C];

fn scope(extensions: &Value<'_>) -> Read<Scope> {
    let list = extensions.inside()?.expect(tag::SEQUENCE)?;
    let found = each_extension(&list, |oid, critical, content| match oid {
        DELTA => Ok(Err("it is a delta list; only complete ones are used")),
        ISSUING_POINT => issuing_point(content).map(|scope| scope.map(Some)),
        _ if critical => Ok(Err("it has a critical extension that is not known")),
        _ => Ok(Ok(None)),
    })?;
    let mut scope = Scope::default();
    for one in found {
        match one {
            Ok(Some(found)) => scope = found,
            Ok(None) => {}
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Ok(scope))
}

/// IssuingDistributionPoint.
fn issuing_point(content: &[u8]) -> Read<Scope> {
    let mut scope = Scope::default();
    let mut fields = Value::only(content)?.inside()?;
    while !fields.is_empty() {
        let field = fields.next()?;
        let set = field.content.iter().any(|b| *b != 0);
        match field.tag {
            0xA0 => scope.part = Some(full_names(&field)?),
            0x81 => scope.only_users = set,
            0x82 => scope.only_cas = set,
            0x83 => return Ok(Err("it is for some reasons of revocation only")),
            0x84 if set => return Ok(Err("it is indirect")),
            0x85 if set => return Ok(Err("it is for attribute certificates")),
            0x84 | 0x85 => {}
            _ => return Err(Malformed::Unexpected),
        }
    }
    Ok(Ok(scope))
}

/// The URLs of a DistributionPointName.
fn full_names(point: &Value<'_>) -> Result<Vec<String>, Malformed> {
    let mut urls = Vec::new();
    let mut choice = point.inside()?;
    if let Some(names) = choice.optional(0xA0)? {
        let mut names = names.inside()?;
        while !names.is_empty() {
            let name = names.next()?;
            if name.tag == 0x86 {
                urls.push(String::from_utf8_lossy(name.content).into_owned());
            }
        }
    }
    Ok(urls)
}

/// Calls `what` with identifier, criticality and content of each extension in a SEQUENCE OF.
pub(super) fn each_extension<T>(
    list: &Value<'_>,
    mut what: impl FnMut(&[u8], bool, &[u8]) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    const BOOLEAN: u8 = 0x01;
    let mut list: Reader<'_> = list.inside()?;
    let mut out = Vec::new();
    while !list.is_empty() {
        let mut extension = list.enter(tag::SEQUENCE)?;
        let oid = extension.expect(tag::OID)?.content;
        let critical = extension.optional(BOOLEAN)?.is_some_and(|b| b.content.iter().any(|b| *b != 0));
        let content = extension.expect(tag::OCTET_STRING)?.content;
        extension.end()?;
        out.push(what(oid, critical, content)?);
    }
    Ok(out)
}
