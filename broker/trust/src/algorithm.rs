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

impl Digest {
    /// As people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// Length of a hash, in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
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

impl ContentCipher {
    /// True if it proves by itself that nobody changed the content (RFC 5084).
    #[must_use]
    pub const fn is_gcm(self) -> bool {
        match self {
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm => true,
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc | Self::TripleDesCbc => false,
        }
    }

    /// Length of its key, in bytes.
    #[must_use]
    pub const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes192Cbc | Self::Aes192Gcm | Self::TripleDesCbc => 24,
            Self::Aes256Cbc | Self::Aes256Gcm => 32,
        }
    }

    /// Length of its initialisation vector, or of the nonce that we write, in bytes.
    #[must_use]
    pub const fn iv_bytes(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => 16,
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm => 12,
            Self::TripleDesCbc => 8,
        }
    }

    /// As people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "AES-128-CBC",
            Self::Aes192Cbc => "AES-192-CBC",
            Self::Aes256Cbc => "AES-256-CBC",
            Self::Aes128Gcm => "AES-128-GCM",
            Self::Aes192Gcm => "AES-192-GCM",
            Self::Aes256Gcm => "AES-256-GCM",
            Self::TripleDesCbc => "triple DES",
        }
    }
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
