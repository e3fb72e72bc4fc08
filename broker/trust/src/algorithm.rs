//! The algorithms there are for us. What is not here is refused by name.

use serde::{Deserialize, Serialize};

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Digest {
    /// Broken for signatures; only where a partner's agreement allows it.
    Sha1,
    /// The default.
    Sha256,
    /// Longer.
    Sha384,
    /// Longest.
    Sha512,
}

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaPkcs1(Digest),
    /// RSASSA-PSS with MGF1 of the same hash and a salt of its length (RFC 8017 §8.1).
    RsaPss(Digest),
    /// ECDSA on P-256 or P-384 (FIPS 186-5).
    Ecdsa(Digest),
}

impl SignatureAlgorithm {
    /// Its hash function.
    #[must_use]
    pub const fn digest(self) -> Digest {
        match self {
            Self::RsaPkcs1(d) | Self::RsaPss(d) | Self::Ecdsa(d) => d,
        }
    }
}

/// How content is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentCipher {
    /// AES-128 in CBC mode.
    Aes128Cbc,
    /// AES-192 in CBC mode.
    Aes192Cbc,
    /// AES-256 in CBC mode: the profile's default.
    #[default]
    Aes256Cbc,
    /// AES-128 in GCM mode.
    Aes128Gcm,
    /// AES-192 in GCM mode.
    Aes192Gcm,
    /// AES-256 in GCM mode.
    Aes256Gcm,
    /// Triple DES in CBC mode; only where a partner's agreement allows it.
    TripleDesCbc,
}

/// How the content key is encrypted for a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyTransport {
    /// RSAES-PKCS1-v1_5 (RFC 8017 §7.2).
    RsaPkcs1,
    /// RSAES-OAEP (RFC 8017 §7.1): hash, and hash of the mask.
    RsaOaep {
        /// Hash function.
        digest: Digest,
        /// Hash function of MGF1.
        mask: Digest,
    },
}

/// What a partner's agreement allows beyond the default. DES, RC2, MD5, DSA and HMAC cannot be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Allowed {
    /// SHA-1 in signatures and digests.
    pub sha1: bool,
    /// Triple DES.
    pub triple_des: bool,
}

impl Allowed {
    /// Whether this hash function may carry a signature.
    #[must_use]
    pub const fn digest(self, digest: Digest) -> bool {
        !matches!(digest, Digest::Sha1) || self.sha1
    }

    /// Whether content may be encrypted like that.
    #[must_use]
    pub const fn cipher(self, cipher: ContentCipher) -> bool {
        !matches!(cipher, ContentCipher::TripleDesCbc) || self.triple_des
    }
}
