//! Verifying: SignedData (RFC 5652 §5) with one signer and its content inside.

use super::algorithms::{Identifier, name, not_allowed, oid};
use super::attributes::{self, Attributes};
use super::{CertificateId, Problem, check_size, content_info, embedded, malformed};
use crate::algorithm::{Allowed, Digest, SignatureAlgorithm};
use crate::ber::{Malformed, Reader, Value};
use crate::certificate::{Certificate, Thumbprint, message_digest};
use crate::chain::Trusted;
use crate::der::tag;
use crate::fault::{Fault, Kind};
use crate::verified::{Form, Proof, Verified};
use jiff::Timestamp;
use message_schemas::Limits;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A SignedData that was read, its signature not yet checked.
///
/// The content cannot be had from it, only through [`Self::verify`]. The certificates that came along stay raw until
/// they are asked for: a signer that is known already is found by its thumbprint, and nothing is parsed.
pub struct Signed<'a> {
    /// Which certificate signed, by its own word.
    pub signer: CertificateId,
    /// How it is hashed.
    pub digest: Digest,
    /// How it is signed.
    pub algorithm: SignatureAlgorithm,
    /// When, by its own word.
    pub signed_at: Option<Timestamp>,
    content: Cow<'a, [u8]>,
    attributes: Option<Attributes>,
    signature: Cow<'a, [u8]>,
    /// Of PSS.
    salt: Option<u32>,
    embedded: Vec<&'a [u8]>,
}

/// Reads a SignedData: one signer, content inside, nothing trusted. Takes it with and without its ContentInfo.
///
/// # Errors
/// [`Kind::CmsMalformed`] (also for a detached signature), [`Kind::SignatureAmbiguous`] for several signers,
/// [`Kind::AlgorithmNotAllowed`] for what is not on the list at all, [`Kind::LimitExceeded`].
pub fn signed<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Signed<'a>, Fault> {
    check_size(bytes, limits)?;
    Signed::read(bytes).map_err(|problem| problem.0)
}

impl<'a> Signed<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut data = signed_data(bytes)?.inside()?;
        data.expect(tag::INTEGER)?.small()?;
        let announced = digests(data.enter(tag::SET)?)?;
        let content = content(data.enter(tag::SEQUENCE)?)?;
        let embedded = match data.optional(0xA0)? {
            Some(set) => embedded::certificates(set.inside()?)?,
            None => Vec::new(),
        };
        data.optional(0xA1)?; // revocation lists: ours are fetched by us
        let mut signers = data.enter(tag::SET)?;
        data.end()?;

        if signers.is_empty() {
            return Err(malformed("nobody has signed it").into());
        }
        let mut info = signers.enter(tag::SEQUENCE)?;
        if !signers.is_empty() {
            return Err(several().into());
        }
        info.expect(tag::INTEGER)?.small()?;
        let signer = CertificateId::read(&mut info)?;
        let digest = Identifier::read(&mut info)?.digest()?;
        let attributes = match info.optional(0xA0)? {
            Some(value) => Some(Attributes::read(&value)?),
            None => None,
        };
        let (algorithm, salt) = Identifier::read(&mut info)?.signature(digest)?;
        // It must be announced in front (§5.1): who reads as a stream hashes with what is announced there.
        if !announced.contains(&digest) {
            return Err(malformed("its hash is not the one that is announced in front").into());
        }
        let signature = info.octets(tag::OCTET_STRING)?;
        info.optional(0xA1)?; // unsigned attributes: proven by nothing, so not read
        info.end()?;

        let signed_at = attributes.as_ref().and_then(|attributes| attributes.signed_at);
        Ok(Self { signer, digest, algorithm, signed_at, content, attributes, signature, salt, embedded })
    }

    /// True if attributes are signed that in turn name the content's hash; false if the content itself is.
    #[must_use]
    pub const fn has_attributes(&self) -> bool {
        self.attributes.is_some()
    }

    /// The certificates that came along, as they came, in any order.
    #[must_use]
    pub fn embedded(&self) -> &[&'a [u8]] {
        &self.embedded
    }

    /// The bytes of the certificate that came along and is the signer's by its own word.
    #[must_use]
    pub fn claimed_der(&self) -> Option<&'a [u8]> {
        self.embedded.iter().copied().find(|certificate| embedded::is(certificate, &self.signer))
    }

    /// Its thumbprint: enough to find a signer that is known already.
    #[must_use]
    pub fn claimed_thumbprint(&self) -> Option<Thumbprint> {
        self.claimed_der().map(|der| Thumbprint(openssl::sha::sha256(der)))
    }

    /// The certificate that came along and is the signer's by its own word; none if none did, or if it cannot be read.
    #[must_use]
    pub fn claimed(&self) -> Option<Arc<Certificate>> {
        match self.claimed_der() {
            Some(der) => Certificate::from_der(der).ok(),
            // Its issuer's name may be spelt in another way, which only a certificate that is read can tell.
            None => self.certificates().into_iter().find(|certificate| self.signer.is(certificate)),
        }
    }

    /// All certificates that came along and can be read: candidates for a chain.
    #[must_use]
    pub fn certificates(&self) -> Vec<Arc<Certificate>> {
        self.embedded.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
    }

    /// The content, proven by nothing: for addressing an answer to whoever claims to have sent it.
    pub(crate) fn into_unproven(self) -> Vec<u8> {
        self.content.into_owned()
    }

    /// Whether the signature holds by this certificate, whoever trusts that: then the content is what was signed, and
    /// no more is said.
    pub(crate) fn holds(&self, certificate: &Certificate) -> bool {
        self.signer.is(certificate) && self.check(certificate).is_ok()
    }

    /// Checks the signature with the key of a trusted certificate, which may have come along or not.
    ///
    /// # Errors
    /// [`Kind::SignerUnknown`] if the signature names another certificate; [`Kind::SignatureInvalid`];
    /// [`Kind::AlgorithmNotAllowed`].
    pub fn verify(self, signer: &Arc<Trusted>, allowed: Allowed) -> Result<Verified<Vec<u8>>, Fault> {
        signer.must_be_for_signing()?;
        let certificate = signer.certificate();
        if !self.signer.is(certificate) {
            return Err(self.another_signer().of(certificate));
        }
        if !allowed.digest(self.digest) {
            return Err(not_allowed(self.digest.name(), "signature's hash").of(certificate));
        }
        self.check(certificate).map_err(|why| invalid(why).of(certificate))?;
        let proof = Proof {
            form: Form::Cms,
            signer: Arc::clone(signer),
            algorithm: self.algorithm,
            digest: self.digest,
            signed_at: self.signed_at,
        };
        Ok(Verified::after_check(self.content.into_owned(), proof))
    }

    fn check(&self, certificate: &Certificate) -> Result<(), &'static str> {
        let covered = match &self.attributes {
            Some(attributes) => {
                let hash = openssl::hash::hash(message_digest(self.digest), &self.content);
                if !hash.is_ok_and(|hash| hash.as_ref() == attributes.message_digest) {
                    return Err("its content is not the one that was signed");
                }
                &attributes.signed
            }
            None if attributes::could_be(&self.content) => {
                return Err("its content is the signed attributes of another signature");
            }
            None => &*self.content,
        };
        if certificate.verifies_salted(self.algorithm, self.salt, covered, &self.signature) {
            Ok(())
        } else {
            Err("it was not made with this certificate's key over this content")
        }
    }

    fn another_signer(&self) -> Fault {
        Fault::new(
            Kind::SignerUnknown,
            format!("The signature names another certificate than the sender's: {}.", self.signer),
            "The sender must sign with the certificate that it has registered, or register the one that it signs with.",
        )
    }
}

/// SignedData in its ContentInfo, or bare, as it stands in an envelope whose inner type is id-signedData.
fn signed_data(bytes: &[u8]) -> Result<Value<'_>, Problem> {
    let bare = Value::only(bytes)?;
    if bare.tag == tag::SEQUENCE && bare.inside()?.peek() == Some(tag::INTEGER) {
        return Ok(bare);
    }
    match content_info(bytes)? {
        (oid::SIGNED_DATA, data) => Ok(data),
        (other, _) => Err(malformed(&format!("it is {}, not signed data", name(other))).into()),
    }
}

/// DigestAlgorithmIdentifiers (RFC 5652 §5.1), those that we know.
fn digests(mut set: Reader<'_>) -> Result<Vec<Digest>, Problem> {
    const MOST: usize = 16;
    let mut digests = Vec::new();
    for _ in 0..MOST {
        if set.is_empty() {
            return Ok(digests);
        }
        digests.extend(Identifier::read(&mut set)?.digest().ok());
    }
    Err(Malformed::Excessive.into())
}

/// EncapsulatedContentInfo (RFC 5652 §5.2): data, and it is there.
fn content(mut info: Reader<'_>) -> Result<Cow<'_, [u8]>, Problem> {
    let content_type = info.expect(tag::OID)?.content;
    if content_type != oid::DATA {
        return Err(malformed(&format!("what is signed is {}, not data", name(content_type))).into());
    }
    if info.is_empty() {
        return Err(malformed("the signature is detached, and its content is not there").into());
    }
    let mut explicit = info.enter(0xA0)?;
    info.end()?;
    let content = explicit.octets(tag::OCTET_STRING)?;
    explicit.end()?;
    Ok(content)
}

fn several() -> Fault {
    Fault::new(
        Kind::SignatureAmbiguous,
        "There is more than one signature in the CMS message.",
        "The sender must sign once, with its own certificate.",
    )
}

fn invalid(why: &str) -> Fault {
    Fault::new(
        Kind::SignatureInvalid,
        format!("The signature of the CMS message does not hold: {why}."),
        "The message was changed after it was signed, or signed with another key: ask the sender to send it again.",
    )
}

/// Without the content, which nobody has proven.
impl fmt::Debug for Signed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("signer", &self.signer)
            .field("digest", &self.digest)
            .field("algorithm", &self.algorithm)
            .field("signed_at", &self.signed_at)
            .field("embedded", &self.embedded.len())
            .finish_non_exhaustive()
    }
}
