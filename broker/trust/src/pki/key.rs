//! Fresh keys.

use super::failed;
use crate::fault::Fault;
use openssl::ec::{Asn1Flag, EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use std::fmt;
use zeroize::Zeroizing;

/// Kind and size of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyKind {
    /// Too short: to be refused.
    Rsa1024,
    /// What most certificates have.
    #[default]
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits.
    Rsa4096,
    /// EC on P-256.
    P256,
    /// EC on P-384.
    P384,
    /// EC on P-521: to be refused for messages.
    P521,
}

/// A private key for a certificate to be made.
#[derive(Clone)]
pub struct Key(pub(super) PKey<Private>);

impl Key {
    /// A fresh one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate(kind: KeyKind) -> Result<Self, Fault> {
        let rsa = |bits| Rsa::generate(bits).and_then(PKey::from_rsa);
        let made = match kind {
            KeyKind::Rsa1024 => rsa(1024),
            KeyKind::Rsa2048 => rsa(2048),
            KeyKind::Rsa3072 => rsa(3072),
            KeyKind::Rsa4096 => rsa(4096),
            KeyKind::P256 => ec(Nid::X9_62_PRIME256V1),
            KeyKind::P384 => ec(Nid::SECP384R1),
            KeyKind::P521 => ec(Nid::SECP521R1),
        };
        made.map(Self).map_err(failed)
    }

    /// One that [`Key::pem`] wrote without a password.
    ///
    /// # Errors
    /// [`crate::Kind::OwnKeyMissing`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, Fault> {
        crate::keys::key_from_pem(pem, None).map(Self)
    }

    /// As PKCS#8 in PEM, encrypted with AES-256 if there is a password.
    ///
    /// # Errors
    /// When OpenSSL cannot.
    pub fn pem(&self, password: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let pem = match password {
            Some(password) => self.0.private_key_to_pem_pkcs8_passphrase(
                openssl::symm::Cipher::aes_256_cbc(),
                password.as_bytes(),
            ),
            None => self.0.private_key_to_pem_pkcs8(),
        };
        pem.map(Zeroizing::new).map_err(failed)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bits)", self.0.bits())
    }
}

fn ec(curve: Nid) -> Result<PKey<Private>, ErrorStack> {
    let mut group = EcGroup::from_curve_name(curve)?;
    group.set_asn1_flag(Asn1Flag::NAMED_CURVE);
    EcKey::generate(&group).and_then(PKey::from_ec_key)
}
