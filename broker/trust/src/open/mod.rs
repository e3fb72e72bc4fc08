//! The order of it all, for one message: unseal, verify, judge, unpack, and tell what was found.
//!
//! ```text
//! bytes ─▶ EnvelopedData ─▶ SignedData ─▶ (MIME, gzip) ─▶ XML ─▶ its own signature ─▶ covered bytes
//!          any of our keys   judged, then                        judged, then
//!                            verified                            verified
//! ```
//!
//! Every layer may be absent; each may be there once. Signatures that are there are always checked. Whether they
//! had to be there, and whether the signer may speak for the sender, is decided where the sender is known.

mod directory;
mod discreet;
mod report;
#[cfg(test)]
mod tests;
mod unpack;

pub use directory::Directory;
pub use discreet::{closed_if_unproven, open_discreetly};
pub use report::{Covered, Layer, Recipient, Revocation, Sealed, Signed, Summary};

use crate::algorithm::Allowed;
use crate::certificate::{Certificate, Thumbprint};
use crate::chain::{Anchors, Cache, Moment, Purpose, Trusted};
use crate::cms;
use crate::fault::{Fault, Kind};
use crate::keys::KeyRing;
use crate::revocation::{Evidence, Wanted};
use crate::second_opinion::{Question, SecondOpinion};
use crate::verified::{Form, Proof, Verified};
use crate::xmldsig::{self, Attachment, Shape};
use jiff::{SignedDuration, Timestamp};
use memchr::memmem;
use message_schemas::{Limits, xml};
use std::borrow::Cow;
use std::sync::Arc;
use unpack::Packing;

/// Everything that opening rests on besides the message.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Our keys.
    pub keys: &'a KeyRing,
    /// Where trust begins.
    pub anchors: &'a Anchors,
    /// What is known of revocation.
    pub evidence: &'a Evidence,
    /// Judgements that still hold.
    pub cache: &'a Cache,
    /// Partners' certificates, for signatures that bring none along. They are judged like all others.
    pub directory: &'a Directory,
    /// A second engine for the signatures of documents, if there is one.
    pub second: Option<&'a dyn SecondOpinion>,
    /// The widest that any partner may use; the sender's own agreement is held against it afterwards.
    pub allowed: Allowed,
    /// When.
    pub moment: Moment,
    /// So long may a message have been under way: a certificate that ended meanwhile was good when it signed.
    pub under_way: SignedDuration,
    /// How much we are willing to read.
    pub limits: &'a Limits,
}

/// A message that was opened. What was signed is verified.
#[derive(Debug, Clone)]
pub struct Opened<'a> {
    layers: Vec<Layer>,
    proofs: Vec<Proof>,
    payload: Cow<'a, [u8]>,
    covered: Option<Verified<Vec<u8>>>,
    signed: Option<Vec<u8>>,
}

/// What an opened message leaves behind.
#[derive(Debug, Clone)]
pub struct Parts {
    /// What was found, outermost layer first.
    pub layers: Vec<Layer>,
    /// The signatures that hold, outermost first.
    pub proofs: Vec<Proof>,
    /// What was inside, byte for byte; none if nothing was around it.
    pub payload: Option<Vec<u8>>,
    /// What the document's signature covered; none if it has none.
    pub covered: Option<Vec<u8>>,
    /// The SignedData that was inside a sealed envelope: with it the signature can be checked when the key of ours is
    /// long gone. None if it stands in the message as it came.
    pub signed: Option<Vec<u8>>,
}

/// A message that was not opened, or not to be trusted.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Why.
    pub fault: Fault,
    /// How far it came, outermost layer first.
    pub layers: Vec<Layer>,
    /// What could be read without proof: good for addressing an answer, and for nothing else.
    pub unverified: Option<Vec<u8>>,
    /// What must be fetched to judge it, where that is why ([`Kind::RevocationUnknown`]).
    pub wanted: Vec<Wanted>,
}

impl<'a> Opened<'a> {
    /// What was found, outermost layer first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The signatures that hold, outermost first.
    #[must_use]
    pub fn proofs(&self) -> &[Proof] {
        &self.proofs
    }

    /// What was inside, byte for byte, with the document's own signature: what is passed on.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What is read: the bytes that the document's signature covered, else the payload.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        self.covered.as_ref().map_or(&self.payload, |covered| covered.get().as_slice())
    }

    /// True if the payload is not the message as it came: something was around it.
    #[must_use]
    pub const fn was_packed(&self) -> bool {
        matches!(self.payload, Cow::Owned(_))
    }

    /// True if it was sealed.
    #[must_use]
    pub fn was_sealed(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer, Layer::Sealed(_)))
    }

    /// The signature of this form.
    #[must_use]
    pub fn proof(&self, form: Form) -> Option<&Proof> {
        self.proofs.iter().find(|proof| proof.form == form)
    }

    /// For keeping.
    #[must_use]
    pub fn into_parts(self) -> Parts {
        let Self { layers, proofs, payload, covered, signed } = self;
        let payload = match payload {
            Cow::Borrowed(_) => None,
            Cow::Owned(bytes) => Some(bytes),
        };
        Parts { layers, proofs, payload, covered: covered.map(Verified::into_inner), signed }
    }
}

/// Opens a message.
///
/// # Errors
/// The first thing that is wrong, with what was found until then.
pub fn open<'a>(bytes: &'a [u8], context: &Context<'_>) -> Result<Opened<'a>, Box<Refused>> {
    let mut opening = Opening { context: *context, found: Found::default() };
    let result = opening.unpack(bytes).and_then(|payload| {
        let covered = opening.document(&payload)?;
        Ok((payload, covered))
    });
    let Found { layers, proofs, unverified, wanted, signed } = opening.found;
    match result {
        Ok((payload, covered)) => Ok(Opened { layers, proofs, payload, covered, signed }),
        Err(fault) => Err(Box::new(Refused { fault, layers, unverified, wanted })),
    }
}

/// Opens an envelope that came with attachments (ebXML): its one signature covers them all.
///
/// # Errors
/// As for [`open`]; also when there is no signature.
pub fn open_with_attachments(
    text: &str,
    attachments: &[Attachment<'_>],
    context: &Context<'_>,
) -> Result<Opened<'static>, Box<Refused>> {
    let mut opening = Opening { context: *context, found: Found::default() };
    let result = opening.check_document(text, attachments).and_then(|covered| {
        covered.ok_or_else(|| {
            Fault::new(
                Kind::NotSigned,
                "The envelope is not signed.",
                "Ask the sender to sign it, with all that comes along.",
            )
        })
    });
    let Found { layers, proofs, wanted, .. } = opening.found;
    match result {
        Ok(covered) => {
            let payload = Cow::Owned(text.as_bytes().to_vec());
            Ok(Opened { layers, proofs, payload, covered: Some(covered), signed: None })
        }
        Err(fault) => Err(Box::new(Refused { fault, layers, unverified: None, wanted })),
    }
}

/// A message being opened.
struct Opening<'c> {
    context: Context<'c>,
    found: Found,
}

#[derive(Default)]
struct Found {
    layers: Vec<Layer>,
    proofs: Vec<Proof>,
    unverified: Option<Vec<u8>>,
    wanted: Vec<Wanted>,
    signed: Option<Vec<u8>>,
}

impl Opening<'_> {
    /// Takes off layer after layer. Each kind may come once, so this ends.
    fn unpack<'a>(&mut self, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, Fault> {
        let mut content = Cow::Borrowed(bytes);
        while let Some(packing) = Packing::of(&content) {
            content = Cow::Owned(match packing {
                Packing::Enveloped => {
                    // Nothing may be sealed twice, and what is signed is not sealed further in: the profile's
                    // order is sealed outside, signed inside.
                    self.once(|l| matches!(l, Layer::Sealed(_) | Layer::Signed(_)), "sealed envelope")?;
                    self.unseal(&content)?
                }
                Packing::Signed => {
                    self.once(|l| matches!(l, Layer::Signed(_)), "CMS signature")?;
                    let verified = self.verify(&content)?;
                    if let Cow::Owned(signed) = content {
                        self.found.signed = Some(signed);
                    }
                    verified
                }
                Packing::Gzip => {
                    self.once(|l| matches!(l, Layer::Gzip { .. }), "gzip")?;
                    let unpacked = unpack::gzip(&content, self.context.limits)?;
                    self.found.layers.push(Layer::Gzip { bytes: unpacked.len() });
                    unpacked
                }
                Packing::Mime => {
                    // S/MIME puts an entity around each of the two layers and one inside.
                    if self.found.layers.iter().filter(|l| matches!(l, Layer::Mime { .. })).count() > 2 {
                        return Err(too_deep("MIME entity"));
                    }
                    let (media_type, body) = unpack::entity(&content)?;
                    self.found.layers.push(Layer::Mime { media_type });
                    body
                }
                Packing::OtherCms => return Err(unpack::no_such_cms(&content)),
            });
        }
        Ok(content)
    }

    fn once(&self, same: impl Fn(&Layer) -> bool, what: &str) -> Result<(), Fault> {
        if self.found.layers.iter().any(same) { Err(too_deep(what)) } else { Ok(()) }
    }

    fn unseal(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        let Context { keys, allowed, limits, .. } = self.context;
        let envelope = cms::envelope(bytes, limits)?;
        let opened = envelope.open(keys, allowed);
        self.found.layers.push(Layer::Sealed(Sealed {
            bytes: bytes.len(),
            cipher: envelope.cipher,
            recipients: envelope.recipients.iter().map(Recipient::new).collect(),
            opened_with: opened.as_ref().ok().map(|o| Summary::from(&*o.key)),
        }));
        Ok(opened?.content)
    }

    /// SignedData: the signer by its own word is judged, then its key checks the signature.
    fn verify(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        let signed = cms::signed(bytes, self.context.limits)?;
        // A signer whose judgement still holds is found without reading a certificate.
        let known = signed.claimed_thumbprint().and_then(|thumbprint| self.known(thumbprint));
        let embedded = if known.is_some() { Vec::new() } else { signed.certificates() };
        let claimed = known.as_ref().map(|trusted| trusted.certificate());
        let claimed = claimed.or_else(|| embedded.iter().find(|c| signed.signer.is(c)));
        let claimed = claimed.or_else(|| self.context.directory.find(&signed.signer)).cloned();
        let mut report = Signed {
            form: Form::Cms,
            algorithm: signed.algorithm,
            digest: signed.digest,
            canonical: None,
            signed_at: signed.signed_at,
            signer: claimed.as_deref().map(Summary::from),
            intact: false,
            verified: false,
            chain: Vec::new(),
            revocation: Vec::new(),
            judged: None,
            covered: None,
        };
        let named = claimed.clone();
        let verified = claimed.ok_or_else(unknown_signer).and_then(|certificate| {
            let trusted = match known {
                Some(trusted) => trusted,
                None => self.judge(&certificate, &embedded, signed.signed_at)?,
            };
            signed.verify(&trusted, self.context.allowed)
        });
        match &verified {
            Ok(verified) => {
                report.holds(verified.get(), &verified.proof().signer);
                self.found.proofs.push(verified.proof().clone());
            }
            // Read once more, since checking used it up: only where something is wrong.
            Err(_) => {
                let again = cms::signed(bytes, self.context.limits).ok();
                let holds = |signed: &cms::Signed<'_>| named.is_some_and(|named| signed.holds(&named));
                report.intact = again.as_ref().is_some_and(holds);
                self.found.unverified = again.map(cms::Signed::into_unproven);
            }
        }
        self.found.layers.push(Layer::Signed(Box::new(report)));
        Ok(verified?.into_inner())
    }

    /// The document's own signature, where it has one.
    fn document(&mut self, payload: &[u8]) -> Result<Option<Verified<Vec<u8>>>, Fault> {
        // What is no text is told by whoever reads it.
        let Ok(decoded) = xml::decode(payload) else { return Ok(None) };
        let text = &*decoded.text;
        if memmem::find(text.as_bytes(), SIGNATURE).is_none() {
            return Ok(None);
        }
        let checked = self.check_document(text, &[]);
        if checked.is_err() {
            self.found.unverified = Some(payload.to_vec());
        }
        match checked {
            // A document that cannot be read at all is not a forgery: its reader says what is wrong, and where.
            Err(_) if xml::read(text, self.context.limits, &mut Nobody).is_err() => Ok(None),
            checked => checked,
        }
    }

    fn check_document(
        &mut self,
        text: &str,
        attachments: &[Attachment<'_>],
    ) -> Result<Option<Verified<Vec<u8>>>, Fault> {
        let Context { allowed, limits, .. } = self.context;
        let head = text.as_bytes().get(..text.len().min(SOAP_WITHIN)).unwrap_or_default();
        let shape = if memmem::find(head, SOAP).is_some() { Shape::Ebxml } else { Shape::Enveloped };
        let Some(signed) = xmldsig::signed(text, shape, attachments, allowed, limits)? else {
            return Ok(None);
        };
        // A signer whose judgement still holds is found without reading a certificate. Of several, which is the signer's
        // can be told only by reading them.
        let known = signed.only_thumbprint().and_then(|thumbprint| self.known(thumbprint));
        let certificates = if known.is_some() { Vec::new() } else { signed.certificates() };
        let claimed =
            known.as_ref().map(|trusted| trusted.certificate()).or_else(|| leaf(&certificates)).cloned();
        let mut report = Signed {
            form: Form::XmlDsig,
            algorithm: signed.algorithm,
            digest: signed.digest,
            canonical: Some(if signed.canonical.exclusive { "exclusive" } else { "inclusive" }),
            signed_at: None,
            signer: claimed.as_deref().map(Summary::from),
            intact: false,
            verified: false,
            chain: Vec::new(),
            revocation: Vec::new(),
            judged: None,
            covered: None,
        };
        let verified = claimed.ok_or_else(unknown_signer).and_then(|certificate| {
            let judged = known.map_or_else(|| self.judge(&certificate, &certificates, None), Ok);
            let trusted = judged.inspect_err(|_| report.intact = signed.holds(&certificate))?;
            let verified = signed.verify(&trusted);
            report.intact = verified.is_ok();
            if let Some(second) = self.context.second {
                let question = Question { text, shape, attachments, certificate: &certificate, allowed };
                second.ask(&question).against(verified.is_ok(), &certificate)?;
            }
            verified
        });
        if let Ok(verified) = &verified {
            report.holds(verified.get(), &verified.proof().signer);
            self.found.proofs.push(verified.proof().clone());
        }
        self.found.layers.push(Layer::Signed(Box::new(report)));
        verified.map(Some)
    }

    /// A signer that was judged before.
    fn known(&self, certificate: Thumbprint) -> Option<Arc<Trusted>> {
        let Context { anchors, evidence, cache, moment, .. } = self.context;
        anchors.known(certificate, Purpose::Signing, moment, evidence, cache)
    }

    /// Judges a signer, at the moment that counts.
    fn judge(
        &mut self,
        certificate: &Arc<Certificate>,
        embedded: &[Arc<Certificate>],
        signed_at: Option<Timestamp>,
    ) -> Result<Arc<Trusted>, Fault> {
        let Context { anchors, evidence, cache, moment, under_way, .. } = self.context;
        let judge = |moment| anchors.judge(certificate, embedded, Purpose::Signing, moment, evidence, cache);
        let judged = judge(moment).or_else(|refusal| {
            if refusal.fault.kind != Kind::CertificateExpired {
                return Err(refusal);
            }
            // It ended while the message was under way: what counts is when it was sent. Who claims to have signed
            // later than that has not.
            let earliest = moment.at.checked_sub(under_way).unwrap_or(moment.at);
            let signed_in_time = signed_at.is_none_or(|at| at <= certificate.not_after);
            if certificate.not_after < earliest || !signed_in_time {
                return Err(refusal);
            }
            judge(Moment { at: certificate.not_after, now: moment.now })
        });
        judged.map_err(|refusal| {
            self.found.wanted = refusal.wanted;
            refusal.fault
        })
    }
}

/// The name without which there is no signature in a document: unlike its namespace, it cannot be written in another
/// way.
const SIGNATURE: &[u8] = b"Signature";
const SOAP: &[u8] = b"http://schemas.xmlsoap.org/soap/envelope/";
/// A SOAP envelope names its namespace on its first element.
const SOAP_WITHIN: usize = 2_000;

/// Reads, and keeps nothing.
struct Nobody;

impl xml::Handler for Nobody {
    fn start(&mut self, _: &xml::Element<'_>) {}
    fn text(&mut self, _: &str, _: xml::Offset) {}
    fn end(&mut self, _: xml::Offset) {}
}

/// Among certificates in any order, the one that is nobody's issuer.
fn leaf(certificates: &[Arc<Certificate>]) -> Option<&Arc<Certificate>> {
    certificates.iter().find(|c| !c.is_ca).or_else(|| certificates.first())
}

fn unknown_signer() -> Fault {
    Fault::new(
        Kind::SignerUnknown,
        "The signature brings no certificate along, and names none that is known here.",
        "Have the sender include its certificate, or add it to the party's certificates.",
    )
}

fn too_deep(what: &str) -> Fault {
    Fault::new(
        Kind::LimitExceeded,
        format!("There is one {what} inside another, or in a place where none belongs."),
        "Sign once, and seal once around it.",
    )
}
