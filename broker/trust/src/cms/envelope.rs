//! Opening: EnvelopedData (RFC 5652 §6) and AuthEnvelopedData (RFC 5083).
//!
//! Everything that can be told without a key is told in words. From the private key's operation on there is one fault
//! with one text, and a content key that cannot be had is replaced by a random one, so that a wrong padding, a wrong
//! key and a tampered content end in the same work and the same answer (RFC 3218 §2.3).

use super::algorithms::{Encryption, Identifier, name, not_allowed, oid};
use super::{CertificateId, Problem, check_size, content_info, malformed, over_limit, symmetric};
use crate::algorithm::{Allowed, ContentCipher, KeyTransport};
use crate::ber::{Malformed, Reader, Value};
use crate::certificate::Certificate;
use crate::der::tag;
use crate::fault::{Fault, Kind};
use crate::keys::{KeyRing, PrivateKey};
use message_schemas::Limits;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Recipients of all kinds in one envelope. The profile has one; a message to many carries a few.
const MOST_RECIPIENTS: usize = 64;

/// The outside of a sealed envelope: what can be told without a key.
#[derive(Clone)]
pub struct Envelope<'a> {
    /// For whom it is sealed, by RSA key transport.
    pub recipients: Vec<Recipient<'a>>,
    /// How many other recipients there are: key agreement, passwords and the like, which are never ours.
    pub others: usize,
    /// How the content is encrypted.
    pub cipher: ContentCipher,
    iv: Cow<'a, [u8]>,
    content: Cow<'a, [u8]>,
    /// Of GCM: what the tag covers besides the content, and the tag.
    associated: Vec<u8>,
    tag: Cow<'a, [u8]>,
}

/// One recipient of a sealed envelope.
#[derive(Debug, Clone)]
pub struct Recipient<'a> {
    /// Whose.
    pub id: CertificateId,
    /// How the key is encrypted; the fault if it is in a way that is not taken, which matters only if it is ours.
    pub transport: Result<KeyTransport, Fault>,
    /// The encrypted key.
    pub wrapped: Cow<'a, [u8]>,
}

/// What was in a sealed envelope.
#[derive(Clone)]
pub struct Opened {
    /// The content.
    pub content: Vec<u8>,
    /// Which of our keys opened it.
    pub key: Arc<Certificate>,
    /// How the key was encrypted.
    pub transport: KeyTransport,
    /// How the content was encrypted.
    pub cipher: ContentCipher,
}

/// Reads the outside of an EnvelopedData or AuthEnvelopedData.
///
/// # Errors
/// [`Kind::CmsMalformed`], [`Kind::AlgorithmNotAllowed`] for a cipher that is not on the list at all,
/// [`Kind::LimitExceeded`].
pub fn envelope<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Envelope<'a>, Fault> {
    check_size(bytes, limits)?;
    Envelope::read(bytes).map_err(|problem| problem.0)
}

/// Opens an EnvelopedData or AuthEnvelopedData with the first of our keys that it is sealed for.
///
/// # Errors
/// As [`envelope`]; [`Kind::OwnKeyMissing`] when none of our keys is named; [`Kind::CannotOpen`] for every failure of
/// decryption, with one and the same text.
pub fn open(bytes: &[u8], keys: &KeyRing, allowed: Allowed, limits: &Limits) -> Result<Opened, Fault> {
    envelope(bytes, limits)?.open(keys, allowed)
}

impl<'a> Envelope<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Problem> {
        let (content_type, value) = content_info(bytes)?;
        let authenticated = match content_type {
            oid::ENVELOPED_DATA => false,
            oid::AUTH_ENVELOPED_DATA => true,
            other => return Err(malformed(&format!("it is {}, not enveloped data", name(other))).into()),
        };
        let mut data = value.inside()?;
        data.expect(tag::INTEGER)?.small()?;
        data.optional(0xA0)?; // originatorInfo: certificates of key agreement
        let (recipients, others) = recipients(data.enter(tag::SET)?)?;

        let mut info = data.enter(tag::SEQUENCE)?;
        let inner = info.expect(tag::OID)?.content;
        if inner != oid::DATA && inner != oid::SIGNED_DATA {
            return Err(malformed(&format!("there is {} inside the enveloped data", name(inner))).into());
        }
        let Encryption { cipher, iv, tag_bytes } = Identifier::read(&mut info)?.cipher()?;
        if cipher.is_gcm() != authenticated {
            return Err(malformed("the cipher does not go with this kind of enveloped data").into());
        }
        let content = info.octets(0x80)?;
        info.end()?;

        let (mut associated, mut tag) = (Vec::new(), Cow::Borrowed(&[][..]));
        if authenticated {
            if let Some(attributes) = data.optional(0xA1)? {
                associated = super::attributes::distinguished(&Value { tag: tag::SET, ..attributes })?;
            }
            tag = data.octets(tag::OCTET_STRING)?;
            if tag.len() != tag_bytes {
                return Err(Malformed::Length.into());
            }
            data.optional(0xA2)?; // unauthAttrs: proven by nothing, so not read
        } else {
            data.optional(0xA1)?; // unprotectedAttrs: likewise
        }
        data.end()?;
        Ok(Self { recipients, others, cipher, iv, content, associated, tag })
    }

    /// Opens it with the first of our keys that it is sealed for.
    ///
    /// # Errors
    /// As [`open`].
    pub fn open(&self, keys: &KeyRing, allowed: Allowed) -> Result<Opened, Fault> {
        if !allowed.cipher(self.cipher) {
            return Err(not_allowed(self.cipher.name(), "content encryption"));
        }
        let Ours { key, transport, wrapped } = self.ours(keys)?;
        let content_key =
            content_key(&**key, transport, wrapped, self.cipher.key_bytes()).ok_or_else(cannot_open)?;
        let content = symmetric::decrypt(
            self.cipher,
            &content_key,
            &self.iv,
            &self.associated,
            &self.content,
            &self.tag,
        )
        .map_err(|_| cannot_open())?;
        Ok(Opened { content, key: Arc::clone(key.certificate()), transport, cipher: self.cipher })
    }

    /// The first recipient that is one of our keys: by its name, never by its place, and never by trying.
    fn ours<'k>(&'k self, keys: &'k KeyRing) -> Result<Ours<'k>, Fault> {
        let mut refused = None;
        for recipient in &self.recipients {
            let Some(key) = keys.decrypting(&recipient.id).next() else { continue };
            match &recipient.transport {
                Ok(transport) => {
                    return Ok(Ours { key, transport: *transport, wrapped: &recipient.wrapped });
                }
                Err(fault) => refused = Some(fault.clone().of(key.certificate())),
            }
        }
        Err(refused.unwrap_or_else(|| self.not_ours(keys)))
    }

    fn not_ours(&self, keys: &KeyRing) -> Fault {
        const SHOWN: usize = 4;
        let mut named: Vec<String> =
            self.recipients.iter().take(SHOWN).map(|recipient| recipient.id.to_string()).collect();
        let more = self.recipients.len().saturating_sub(SHOWN) + self.others;
        if more > 0 {
            named.push(format!("{more} more"));
        }
        Fault::new(
            Kind::OwnKeyMissing,
            format!("It is sealed for {}, and none of our keys is that: {}.", named.join(", "), ours(keys)),
            "If it is meant for us, the sender must seal it for our present certificate; if that is a former \
             certificate of ours, put its key back among the keys.",
        )
    }
}

/// The serial numbers of the certificates that others seal for us with.
fn ours(keys: &KeyRing) -> String {
    const SHOWN: usize = 8;
    let certificates = keys.iter().map(|key| key.certificate());
    let sealing = certificates.filter(|c| c.usage.is_some_and(|usage| usage.key_encipherment));
    let mut serials: Vec<String> = sealing.map(|c| c.serial_hex()).collect();
    let more = serials.len().saturating_sub(SHOWN);
    serials.truncate(SHOWN);
    match (serials.as_slice(), more) {
        ([], _) => "we have none for sealing".to_owned(),
        (shown, 0) => format!("ours have the serial numbers {}", shown.join(", ")),
        (shown, more) => format!("ours have the serial numbers {} and {more} more", shown.join(", ")),
    }
}

/// A recipient that is us.
struct Ours<'k> {
    key: &'k Arc<dyn PrivateKey>,
    transport: KeyTransport,
    wrapped: &'k [u8],
}

/// RecipientInfos (RFC 5652 §6.2): those by key transport, and how many others there are.
fn recipients<'a>(mut set: Reader<'a>) -> Result<(Vec<Recipient<'a>>, usize), Problem> {
    let mut recipients = Vec::new();
    let mut others = 0;
    while !set.is_empty() {
        if recipients.len() + others == MOST_RECIPIENTS {
            return Err(over_limit(&format!("more than {MOST_RECIPIENTS} recipients")).into());
        }
        if set.peek() != Some(tag::SEQUENCE) {
            // Key agreement, a key of an archive, a password, another kind: [1] to [4].
            if set.next()?.tag & 0xE0 != 0xA0 {
                return Err(Malformed::Unexpected.into());
            }
            others += 1;
            continue;
        }
        let mut recipient = set.enter(tag::SEQUENCE)?;
        recipient.expect(tag::INTEGER)?.small()?;
        let id = CertificateId::read(&mut recipient)?;
        let transport = Identifier::read(&mut recipient)?.transport().map_err(|problem| problem.0);
        let wrapped = recipient.octets(tag::OCTET_STRING)?;
        recipient.end()?;
        recipients.push(Recipient { id, transport, wrapped });
    }
    if recipients.len() + others == 0 {
        return Err(malformed("it is sealed for nobody").into());
    }
    Ok((recipients, others))
}

/// The content key: the right one, or a random one of the right length if the key gives none or one of a wrong length.
/// The random one is made before the other is known, so that both ways cost the same. None if there is no randomness.
fn content_key(
    key: &dyn PrivateKey,
    transport: KeyTransport,
    wrapped: &[u8],
    length: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let random = symmetric::random(length).ok()?;
    match key.unwrap_key(transport, wrapped) {
        Ok(right) if right.len() == length => Some(right),
        Ok(_) | Err(_) => Some(random),
    }
}

/// The one fault for everything that fails from the private key's operation on. It has no detail, for no detail.
pub(crate) fn cannot_open() -> Fault {
    Fault::new(
        Kind::CannotOpen,
        "The sealed message cannot be opened.",
        "Ask the sender to seal it once more, for our present certificate.",
    )
}

/// Without the content: what was sealed is nobody's to print.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("key", &self.key)
            .field("transport", &self.transport)
            .field("cipher", &self.cipher)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("recipients", &self.recipients)
            .field("others", &self.others)
            .field("cipher", &self.cipher)
            .finish_non_exhaustive()
    }
}
