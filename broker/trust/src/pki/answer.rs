//! What a CA says of revocation: CRLs (RFC 5280 §5) and OCSP answers (RFC 6960).

use super::authority::{Authority, Pair};
use super::{Key, failed, signed};
use crate::algorithm::Digest;
use crate::certificate::Certificate;
use crate::der;
use crate::fault::Fault;
use crate::revocation::ocsp::{BASIC, CertId, asked};
use crate::revocation::time;
use jiff::{SignedDuration, Timestamp};

/// What is to stand in a CRL.
#[derive(Debug, Clone)]
pub struct Crl {
    /// When it is made.
    pub this_update: Timestamp,
    /// When the next one comes; none leaves it out, which is a fault.
    pub next_update: Option<Timestamp>,
    /// Serial numbers, and since when.
    pub revoked: Vec<(Vec<u8>, Timestamp)>,
    /// Its number.
    pub number: u32,
    /// The hash that it is signed with.
    pub digest: Digest,
    /// Which part of what could be said it says.
    pub part: Part,
}

/// What a CRL covers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Part {
    /// Everything.
    #[default]
    All,
    /// End certificates.
    Users,
    /// CA certificates.
    Authorities,
    /// What names this distribution point.
    Point(String),
    /// Changes since the list of this number; not used by us.
    DeltaOf(u32),
    /// Certificates of other issuers too; not used by us.
    Indirect,
    /// Some reasons of revocation; not used by us.
    SomeReasons,
    /// It has a critical extension that nobody knows.
    Unknown,
}

impl Crl {
    /// An empty one, made an hour ago, for a day.
    #[must_use]
    pub fn fresh(now: Timestamp) -> Self {
        Self {
            this_update: now - SignedDuration::from_hours(1),
            next_update: Some(now + SignedDuration::from_hours(23)),
            revoked: Vec::new(),
            number: 1,
            digest: Digest::Sha256,
            part: Part::All,
        }
    }
}

impl Authority {
    /// A CRL of this CA.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn crl(&self, crl: &Crl) -> Result<Vec<u8>, Fault> {
        let entries: Vec<Vec<u8>> = crl
            .revoked
            .iter()
            .map(|(serial, since)| der::sequence(&[&der::unsigned(serial), &time::write(*since)]))
            .collect();
        // The list of entries is left out when there is none (§5.1.2.6).
        let entries = if entries.is_empty() { Vec::new() } else { der::sequence(&[&entries.concat()]) };
        let number = extension(&[0x55, 0x1D, 0x14], false, &der::unsigned(&crl.number.to_be_bytes()));
        let extensions = der::sequence(&[&number, &part(&crl.part)]);
        let list = der::sequence(&[
            &der::unsigned(&[1]),
            &signed::algorithm(&self.key, crl.digest),
            &self.certificate().subject_der,
            &time::write(crl.this_update),
            &crl.next_update.map_or_else(Vec::new, time::write),
            &entries,
            &der::context(0, &extensions),
        ]);
        signed::signed(&list, &self.key, crl.digest, &[]).map_err(failed)
    }
}

fn part(part: &Part) -> Vec<u8> {
    const TRUE: &[u8] = &[0xFF];
    let point = |content: &[u8]| extension(&[0x55, 0x1D, 0x1C], true, &der::sequence(&[content]));
    match part {
        Part::All => Vec::new(),
        Part::Users => point(&der::value(0x81, TRUE)),
        Part::Authorities => point(&der::value(0x82, TRUE)),
        Part::Point(url) => {
            let full_name = der::context(0, &der::value(0x86, url.as_bytes()));
            point(&der::context(0, &full_name))
        }
        Part::DeltaOf(number) => extension(&[0x55, 0x1D, 0x1B], true, &der::unsigned(&number.to_be_bytes())),
        Part::Indirect => point(&der::value(0x84, TRUE)),
        // keyCompromise alone.
        Part::SomeReasons => point(&der::value(0x83, &[6, 0x40])),
        Part::Unknown => extension(&[0x88, 0x37, 0x03, 0x63], true, der::NULL),
    }
}

fn extension(oid: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let critical = if critical { der::value(0x01, &[0xFF]) } else { Vec::new() };
    der::sequence(&[&der::oid(oid), &critical, &der::octets(content)])
}

/// An OCSP responder: bytes in, bytes out.
#[derive(Debug, Clone)]
pub struct Responder<'a> {
    /// For whose certificates it answers.
    pub authority: &'a Authority,
    /// Who signs the answers; the CA itself if nobody else.
    pub delegate: Option<&'a Pair>,
    /// Serial numbers, and since when.
    pub revoked: Vec<(Vec<u8>, Timestamp)>,
    /// From when the answers are.
    pub this_update: Timestamp,
    /// When there may be a newer one.
    pub next_update: Option<Timestamp>,
    /// The hash that they are signed with.
    pub digest: Digest,
}

impl<'a> Responder<'a> {
    /// One that signs with the CA's own key, with answers made just now, for an hour.
    #[must_use]
    pub fn fresh(authority: &'a Authority, now: Timestamp) -> Self {
        Self {
            authority,
            delegate: None,
            revoked: Vec::new(),
            this_update: now,
            next_update: Some(now + SignedDuration::from_hours(1)),
            digest: Digest::Sha256,
        }
    }

    /// Answers a question; what is no question is answered with "malformed request".
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn answer(&self, request: &[u8]) -> Result<Vec<u8>, Fault> {
        const ENUMERATED: u8 = 0x0A;
        let ids = match asked(request) {
            Ok(ids) if !ids.is_empty() => ids,
            Ok(_) | Err(_) => return Ok(der::sequence(&[&der::value(ENUMERATED, &[1])])),
        };
        let basic = self.basic(&ids)?;
        let bytes = der::sequence(&[&der::oid(BASIC), &der::octets(&basic)]);
        Ok(der::sequence(&[&der::value(ENUMERATED, &[0]), &der::context(0, &bytes)]))
    }

    fn basic(&self, ids: &[CertId]) -> Result<Vec<u8>, Fault> {
        let (signer, key): (&Certificate, &Key) = match self.delegate {
            Some(pair) => (pair.certificate(), pair.key()),
            None => (self.authority.certificate(), &self.authority.key),
        };
        let responses: Vec<Vec<u8>> = ids.iter().map(|id| self.single(id)).collect();
        let data = der::sequence(&[
            &der::context(2, &der::octets(&openssl::sha::sha1(&signer.key_bits))),
            &time::generalized(self.this_update),
            &der::sequence(&[&responses.concat()]),
        ]);
        let certificates = match self.delegate {
            Some(_) => der::context(0, &der::sequence(&[&signer.der])),
            None => Vec::new(),
        };
        signed::signed(&data, key, self.digest, &certificates).map_err(failed)
    }

    fn single(&self, id: &CertId) -> Vec<u8> {
        let issuer = self.authority.certificate();
        let revoked = self.revoked.iter().find(|(serial, _)| *serial == id.serial);
        let status = match revoked {
            _ if !id.is_of(&issuer.subject_der, issuer) => der::value(0x82, &[]),
            Some((_, since)) => der::context(1, &time::generalized(*since)),
            None => der::value(0x80, &[]),
        };
        let next = self.next_update.map_or_else(Vec::new, |n| der::context(0, &time::generalized(n)));
        der::sequence(&[&id.raw, &status, &time::generalized(self.this_update), &next])
    }
}
