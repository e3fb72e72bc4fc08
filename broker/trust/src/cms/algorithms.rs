//! Algorithm identifiers in CMS (RFC 3370, 4055, 5084, 5754, 8017), to our types and back. This is the whole list: what
//! is not here is refused, by its name if it has one that people know.

use super::Problem;
use crate::algorithm::{ContentCipher, Digest, KeyTransport, SignatureAlgorithm};
use crate::ber::{Malformed, Reader, Value};
use crate::der;
use crate::der::tag;
use crate::fault::{Fault, Kind};
use std::borrow::Cow;

/// Object identifiers, as the content of their DER.
pub(super) mod oid {
    macro_rules! rsadsi { ($($arc:literal),+) => { &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, $($arc),+] } }
    macro_rules! nist { ($($arc:literal),+) => { &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, $($arc),+] } }
    macro_rules! ansi { ($($arc:literal),+) => { &[0x2A, 0x86, 0x48, 0xCE, 0x3D, $($arc),+] } }

    pub(in crate::cms) const DATA: &[u8] = rsadsi!(1, 7, 1);
    pub(in crate::cms) const SIGNED_DATA: &[u8] = rsadsi!(1, 7, 2);
    pub(in crate::cms) const ENVELOPED_DATA: &[u8] = rsadsi!(1, 7, 3);
    pub(in crate::cms) const AUTH_ENVELOPED_DATA: &[u8] = rsadsi!(1, 9, 16, 1, 23);

    pub(in crate::cms) const CONTENT_TYPE: &[u8] = rsadsi!(1, 9, 3);
    pub(in crate::cms) const MESSAGE_DIGEST: &[u8] = rsadsi!(1, 9, 4);
    pub(in crate::cms) const SIGNING_TIME: &[u8] = rsadsi!(1, 9, 5);
    pub(in crate::cms) const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1D, 0x0E];

    pub(super) const SHA1: &[u8] = &[0x2B, 0x0E, 0x03, 0x02, 0x1A];
    pub(super) const SHA256: &[u8] = nist!(2, 1);
    pub(super) const SHA384: &[u8] = nist!(2, 2);
    pub(super) const SHA512: &[u8] = nist!(2, 3);

    pub(super) const RSA: &[u8] = rsadsi!(1, 1, 1);
    pub(super) const RSA_SHA1: &[u8] = rsadsi!(1, 1, 5);
    pub(super) const RSA_OAEP: &[u8] = rsadsi!(1, 1, 7);
    pub(super) const MGF1: &[u8] = rsadsi!(1, 1, 8);
    pub(super) const OAEP_LABEL: &[u8] = rsadsi!(1, 1, 9);
    pub(super) const RSA_PSS: &[u8] = rsadsi!(1, 1, 10);
    pub(super) const RSA_SHA256: &[u8] = rsadsi!(1, 1, 11);
    pub(super) const RSA_SHA384: &[u8] = rsadsi!(1, 1, 12);
    pub(super) const RSA_SHA512: &[u8] = rsadsi!(1, 1, 13);

    pub(super) const ECDSA_SHA1: &[u8] = ansi!(4, 1);
    pub(super) const ECDSA_SHA256: &[u8] = ansi!(4, 3, 2);
    pub(super) const ECDSA_SHA384: &[u8] = ansi!(4, 3, 3);
    pub(super) const ECDSA_SHA512: &[u8] = ansi!(4, 3, 4);

    pub(super) const AES128_CBC: &[u8] = nist!(1, 2);
    pub(super) const AES128_GCM: &[u8] = nist!(1, 6);
    pub(super) const AES192_CBC: &[u8] = nist!(1, 22);
    pub(super) const AES192_GCM: &[u8] = nist!(1, 26);
    pub(super) const AES256_CBC: &[u8] = nist!(1, 42);
    pub(super) const AES256_GCM: &[u8] = nist!(1, 46);
    pub(super) const DES_EDE3_CBC: &[u8] = rsadsi!(3, 7);

    /// What is not on the list, but known well enough to be called by its name.
    pub(super) const REFUSED: [(&[u8], &str); 24] = [
        (DATA, "data"),
        (SIGNED_DATA, "signed data"),
        (ENVELOPED_DATA, "enveloped data"),
        (AUTH_ENVELOPED_DATA, "authenticated enveloped data"),
        (rsadsi!(1, 7, 5), "digested data"),
        (rsadsi!(1, 7, 6), "encrypted data"),
        (rsadsi!(1, 9, 16, 1, 2), "authenticated data"),
        (rsadsi!(1, 9, 16, 1, 9), "compressed data"),
        (rsadsi!(2, 2), "MD2"),
        (rsadsi!(2, 5), "MD5"),
        (rsadsi!(1, 1, 2), "RSA with MD2"),
        (rsadsi!(1, 1, 4), "RSA with MD5"),
        (rsadsi!(1, 1, 14), "RSA with SHA-224"),
        (nist!(2, 4), "SHA-224"),
        (ansi!(4, 3, 1), "ECDSA with SHA-224"),
        (&[0x2A, 0x86, 0x48, 0xCE, 0x38, 4, 1], "DSA"),
        (&[0x2A, 0x86, 0x48, 0xCE, 0x38, 4, 3], "DSA with SHA-1"),
        (nist!(3, 2), "DSA with SHA-256"),
        (&[0x2B, 0x65, 0x70], "Ed25519"),
        (&[0x2B, 0x0E, 0x03, 0x02, 7], "DES"),
        (rsadsi!(3, 2), "RC2"),
        (rsadsi!(3, 4), "RC4"),
        (nist!(1, 1), "AES-128 in ECB mode"),
        (nist!(1, 41), "AES-256 in ECB mode"),
    ];
}

/// The name of an identifier for a text: a known one, or its numbers. One that is longer than those of algorithms may
/// be anything, also a piece of the message, and is not repeated.
pub(super) fn name(oid: &[u8]) -> String {
    const LONGEST: usize = 12;
    if oid.len() > LONGEST {
        return "one that nobody knows".to_owned();
    }
    if let Some((_, name)) = oid::REFUSED.iter().find(|(known, _)| *known == oid) {
        return (*name).to_owned();
    }
    let mut numbers: Vec<String> = Vec::new();
    let mut number: u64 = 0;
    for byte in oid {
        number = number << 7 | u64::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.push(first.to_string());
                number -= first * 40;
            }
            numbers.push(number.to_string());
            number = 0;
        }
    }
    numbers.join(".")
}

/// AlgorithmIdentifier: an identifier, and parameters as it has them.
#[derive(Clone, Copy)]
pub(super) struct Identifier<'a> {
    pub(super) oid: &'a [u8],
    parameters: Option<Value<'a>>,
}

/// How a content is encrypted.
pub(super) struct Encryption<'a> {
    pub(super) cipher: ContentCipher,
    /// Initialisation vector, or nonce of GCM.
    pub(super) iv: Cow<'a, [u8]>,
    /// Length of the tag of GCM; nothing for CBC.
    pub(super) tag_bytes: usize,
}

impl<'a> Identifier<'a> {
    pub(super) fn read(from: &mut Reader<'a>) -> Result<Self, Malformed> {
        let mut inside = from.enter(tag::SEQUENCE)?;
        let oid = inside.expect(tag::OID)?.content;
        let parameters = if inside.is_empty() { None } else { Some(inside.next()?) };
        inside.end()?;
        Ok(Self { oid, parameters })
    }

    /// For algorithms that take none: absent, or NULL, which both occur.
    fn no_parameters(&self) -> Result<(), Malformed> {
        match self.parameters {
            None => Ok(()),
            Some(value) if value.raw == der::NULL => Ok(()),
            Some(_) => Err(Malformed::Unexpected),
        }
    }

    fn refused(&self, use_of: &str) -> Problem {
        Problem(not_allowed(&name(self.oid), use_of))
    }

    /// As a hash function.
    pub(super) fn digest(&self) -> Result<Digest, Problem> {
        let digest = match self.oid {
            oid::SHA1 => Digest::Sha1,
            oid::SHA256 => Digest::Sha256,
            oid::SHA384 => Digest::Sha384,
            oid::SHA512 => Digest::Sha512,
            _ => return Err(self.refused("hash")),
        };
        self.no_parameters()?;
        Ok(digest)
    }

    /// As a signature algorithm over a content that is hashed with `digest`; of PSS, the length of the salt.
    pub(super) fn signature(&self, digest: Digest) -> Result<(SignatureAlgorithm, Option<u32>), Problem> {
        let algorithm = match self.oid {
            // The usual one in CMS: it says RSA, and the hash is said by digestAlgorithm (RFC 3370 §3.2).
            oid::RSA => SignatureAlgorithm::RsaPkcs1(digest),
            oid::RSA_SHA1 => SignatureAlgorithm::RsaPkcs1(Digest::Sha1),
            oid::RSA_SHA256 => SignatureAlgorithm::RsaPkcs1(Digest::Sha256),
            oid::RSA_SHA384 => SignatureAlgorithm::RsaPkcs1(Digest::Sha384),
            oid::RSA_SHA512 => SignatureAlgorithm::RsaPkcs1(Digest::Sha512),
            oid::ECDSA_SHA1 => SignatureAlgorithm::Ecdsa(Digest::Sha1),
            oid::ECDSA_SHA256 => SignatureAlgorithm::Ecdsa(Digest::Sha256),
            oid::ECDSA_SHA384 => SignatureAlgorithm::Ecdsa(Digest::Sha384),
            oid::ECDSA_SHA512 => SignatureAlgorithm::Ecdsa(Digest::Sha512),
            oid::RSA_PSS => {
                let (hash, salt) = self.pss()?;
                return same_hash(SignatureAlgorithm::RsaPss(hash), digest).map(|a| (a, Some(salt)));
            }
            _ => return Err(self.refused("signature")),
        };
        self.no_parameters()?;
        same_hash(algorithm, digest).map(|a| (a, None))
    }

    /// RSASSA-PSS-params (RFC 8017 §A.2.3): hash and length of the salt. The mask must use the same hash.
    fn pss(&self) -> Result<(Digest, u32), Problem> {
        let (hash, mask, mut rest) = self.hash_and_mask()?;
        let salt = match rest.optional(0xA2)? {
            Some(value) => Value::only(value.content)?.small()?,
            None => 20,
        };
        if let Some(trailer) = rest.optional(0xA3)?
            && Value::only(trailer.content)?.small()? != 1
        {
            return Err(Malformed::Unexpected.into());
        }
        rest.end()?;
        if mask != hash {
            return Err(Problem(not_allowed("PSS with another hash in its mask", "signature")));
        }
        // No RSA key that is in use has room for a longer one.
        if salt > 1024 {
            return Err(Malformed::Length.into());
        }
        Ok((hash, salt))
    }

    /// As a key transport.
    pub(super) fn transport(&self) -> Result<KeyTransport, Problem> {
        match self.oid {
            oid::RSA => {
                self.no_parameters()?;
                Ok(KeyTransport::RsaPkcs1)
            }
            oid::RSA_OAEP => {
                let (digest, mask, mut rest) = self.hash_and_mask()?;
                if let Some(label) = rest.optional(0xA2)? {
                    let label = Self::read(&mut label.inside()?)?;
                    if label.oid != oid::OAEP_LABEL {
                        return Err(label.refused("label of OAEP"));
                    }
                    let empty = label.parameters.is_some_and(|v| v.content.is_empty());
                    if !empty {
                        return Err(Problem(not_allowed("OAEP with a label", "key transport")));
                    }
                }
                rest.end()?;
                Ok(KeyTransport::RsaOaep { digest, mask })
            }
            _ => Err(self.refused("key transport")),
        }
    }

    /// The common beginning of the parameters of PSS and OAEP: `[0]` hash, `[1]` MGF1 with its hash; SHA-1 where not
    /// given.
    fn hash_and_mask(&self) -> Result<(Digest, Digest, Reader<'a>), Problem> {
        let parameters = self.parameters.ok_or(Malformed::Unexpected)?;
        if parameters.tag != tag::SEQUENCE {
            return Err(Malformed::Unexpected.into());
        }
        let mut rest = parameters.inside()?;
        let hash = match rest.optional(0xA0)? {
            Some(value) => Self::read(&mut value.inside()?)?.digest()?,
            None => Digest::Sha1,
        };
        let mask = match rest.optional(0xA1)? {
            Some(value) => {
                let function = Self::read(&mut value.inside()?)?;
                if function.oid != oid::MGF1 {
                    return Err(function.refused("mask"));
                }
                let inner = function.parameters.ok_or(Malformed::Unexpected)?;
                Self::read(&mut Reader::new(inner.raw))?.digest()?
            }
            None => Digest::Sha1,
        };
        Ok((hash, mask, rest))
    }

    /// As a content encryption.
    pub(super) fn cipher(&self) -> Result<Encryption<'a>, Problem> {
        let cipher = match self.oid {
            oid::AES128_CBC => ContentCipher::Aes128Cbc,
            oid::AES192_CBC => ContentCipher::Aes192Cbc,
            oid::AES256_CBC => ContentCipher::Aes256Cbc,
            oid::AES128_GCM => ContentCipher::Aes128Gcm,
            oid::AES192_GCM => ContentCipher::Aes192Gcm,
            oid::AES256_GCM => ContentCipher::Aes256Gcm,
            oid::DES_EDE3_CBC => ContentCipher::TripleDesCbc,
            _ => return Err(self.refused("content encryption")),
        };
        let parameters = self.parameters.ok_or(Malformed::Unexpected)?;
        if !cipher.is_gcm() {
            let iv = Reader::new(parameters.raw).octets(tag::OCTET_STRING)?;
            if iv.len() != cipher.iv_bytes() {
                return Err(Malformed::Length.into());
            }
            return Ok(Encryption { cipher, iv, tag_bytes: 0 });
        }
        // GCMParameters (RFC 5084 §3.2): nonce, and the length of the tag, 12 where not given.
        let mut inside = Reader::new(parameters.raw).enter(tag::SEQUENCE)?;
        let nonce = inside.octets(tag::OCTET_STRING)?;
        let tag_bytes = match inside.optional(tag::INTEGER)? {
            Some(value) => value.small()?,
            None => 12,
        };
        inside.end()?;
        if !(8..=16).contains(&nonce.len()) || !(12..=16).contains(&tag_bytes) {
            return Err(Malformed::Length.into());
        }
        let tag_bytes = usize::try_from(tag_bytes).map_err(|_| Malformed::Length)?;
        Ok(Encryption { cipher, iv: nonce, tag_bytes })
    }
}

/// A signature whose hash is not the content's is legal by nobody's reading, and made by nobody.
fn same_hash(algorithm: SignatureAlgorithm, digest: Digest) -> Result<SignatureAlgorithm, Problem> {
    if algorithm.digest() == digest {
        Ok(algorithm)
    } else {
        Err(Problem(not_allowed("two different hashes for content and signature", "signature")))
    }
}

/// Refuses an algorithm by its name.
pub(super) fn not_allowed(name: &str, use_of: &str) -> Fault {
    Fault::new(
        Kind::AlgorithmNotAllowed,
        format!("The algorithm of the {use_of} is {name}, which is not allowed here."),
        "The sender must use an algorithm of the profile: AES-256-CBC, RSA, SHA-256. SHA-1 and triple DES can be \
         allowed for one partner; others cannot.",
    )
}

/// AlgorithmIdentifier of a hash function; without parameters (RFC 5754 §2).
pub(super) fn write_digest(digest: Digest) -> Vec<u8> {
    der::sequence(&[&der::oid(match digest {
        Digest::Sha1 => oid::SHA1,
        Digest::Sha256 => oid::SHA256,
        Digest::Sha384 => oid::SHA384,
        Digest::Sha512 => oid::SHA512,
    })])
}

/// AlgorithmIdentifier of a signature.
pub(super) fn write_signature(algorithm: SignatureAlgorithm) -> Vec<u8> {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(_) => der::sequence(&[&der::oid(oid::RSA), der::NULL]),
        SignatureAlgorithm::RsaPss(digest) => {
            let salt = der::context(2, &der::unsigned(&[u8::try_from(digest.bytes()).unwrap_or(u8::MAX)]));
            der::sequence(&[&der::oid(oid::RSA_PSS), &hash_and_mask(digest, digest, &salt)])
        }
        SignatureAlgorithm::Ecdsa(digest) => der::sequence(&[&der::oid(match digest {
            Digest::Sha1 => oid::ECDSA_SHA1,
            Digest::Sha256 => oid::ECDSA_SHA256,
            Digest::Sha384 => oid::ECDSA_SHA384,
            Digest::Sha512 => oid::ECDSA_SHA512,
        })]),
    }
}

/// AlgorithmIdentifier of a key transport.
pub(super) fn write_transport(transport: KeyTransport) -> Vec<u8> {
    match transport {
        KeyTransport::RsaPkcs1 => der::sequence(&[&der::oid(oid::RSA), der::NULL]),
        KeyTransport::RsaOaep { digest, mask } => {
            der::sequence(&[&der::oid(oid::RSA_OAEP), &hash_and_mask(digest, mask, &[])])
        }
    }
}

fn hash_and_mask(digest: Digest, mask: Digest, rest: &[u8]) -> Vec<u8> {
    // Here the hashes have a NULL beside them (RFC 4055 §2.1), and SHA-1 is the default, which DER leaves out.
    let hash = |digest| match digest {
        Digest::Sha1 => None,
        Digest::Sha256 => Some(der::sequence(&[&der::oid(oid::SHA256), der::NULL])),
        Digest::Sha384 => Some(der::sequence(&[&der::oid(oid::SHA384), der::NULL])),
        Digest::Sha512 => Some(der::sequence(&[&der::oid(oid::SHA512), der::NULL])),
    };
    let digest = hash(digest).map(|hash| der::context(0, &hash)).unwrap_or_default();
    let mask = hash(mask)
        .map(|hash| der::context(1, &der::sequence(&[&der::oid(oid::MGF1), &hash])))
        .unwrap_or_default();
    der::sequence(&[&digest, &mask, rest])
}

/// AlgorithmIdentifier of a content encryption with its initialisation vector or nonce.
pub(super) fn write_cipher(cipher: ContentCipher, iv: &[u8]) -> Vec<u8> {
    let oid = match cipher {
        ContentCipher::Aes128Cbc => oid::AES128_CBC,
        ContentCipher::Aes192Cbc => oid::AES192_CBC,
        ContentCipher::Aes256Cbc => oid::AES256_CBC,
        ContentCipher::Aes128Gcm => oid::AES128_GCM,
        ContentCipher::Aes192Gcm => oid::AES192_GCM,
        ContentCipher::Aes256Gcm => oid::AES256_GCM,
        ContentCipher::TripleDesCbc => oid::DES_EDE3_CBC,
    };
    let parameters = if cipher.is_gcm() {
        der::sequence(&[&der::octets(iv), &der::unsigned(&[16])])
    } else {
        der::octets(iv)
    };
    der::sequence(&[&der::oid(oid), &parameters])
}
