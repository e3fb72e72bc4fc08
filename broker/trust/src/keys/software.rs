//! A key in memory.

use super::{KeyFailed, PrivateKey};
use crate::algorithm::{Digest, KeyTransport, SignatureAlgorithm};
use crate::certificate::{Certificate, message_digest};
use crate::fault::{Fault, Kind};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A private key that OpenSSL holds. OpenSSL wipes it when it is dropped.
pub struct SoftwareKey {
    key: PKey<Private>,
    certificate: Arc<Certificate>,
    chain: Vec<Arc<Certificate>>,
}

impl SoftwareKey {
    /// A key, its certificate, and whatever certificates there are to make a chain of.
    ///
    /// # Errors
    /// [`Kind::KeyWeak`] for a key that we do not accept; [`Kind::CertificateMalformed`] if no certificate is the
    /// key's.
    pub fn new(key: PKey<Private>, certificates: &[Arc<Certificate>]) -> Result<Self, Fault> {
        let own = certificates.iter().find(|c| key.public_eq(&c.key)).ok_or_else(|| {
            Fault::new(
                Kind::CertificateMalformed,
                "None of the certificates beside the key is the key's own.",
                "Put the certificate of this key into the file, or name the file that has it.",
            )
        })?;
        strong(&key).map_err(|fault| fault.of(own))?;
        let chain = chain(own, certificates);
        Ok(Self { key, certificate: Arc::clone(own), chain })
    }

    fn try_unwrap(&self, transport: KeyTransport, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let mut context = PkeyCtx::new(&self.key)?;
        context.decrypt_init()?;
        match transport {
            // A padding fault gives random bytes here: OpenSSL 3.2 and later reject implicitly, so that nobody can
            // tell a padding fault from a wrong key.
            KeyTransport::RsaPkcs1 => context.set_rsa_padding(Padding::PKCS1)?,
            KeyTransport::RsaOaep { digest, mask } => {
                context.set_rsa_padding(Padding::PKCS1_OAEP)?;
                context.set_rsa_oaep_md(md(digest))?;
                context.set_rsa_mgf1_md(md(mask))?;
            }
        }
        let mut out = Zeroizing::new(Vec::new());
        out.resize(self.key.size(), 0);
        let length = context.decrypt(wrapped, Some(&mut out))?;
        out.truncate(length);
        Ok(out)
    }

    fn try_sign(&self, algorithm: SignatureAlgorithm, data: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let digest = message_digest(algorithm.digest());
        let mut signer = Signer::new(digest, &self.key)?;
        if let SignatureAlgorithm::RsaPss(_) = algorithm {
            signer.set_rsa_padding(Padding::PKCS1_PSS)?;
            signer.set_rsa_mgf1_md(digest)?;
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        signer.sign_oneshot_to_vec(data)
    }
}

impl PrivateKey for SoftwareKey {
    fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }

    fn chain(&self) -> &[Arc<Certificate>] {
        &self.chain
    }

    fn unwrap_key(&self, transport: KeyTransport, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFailed> {
        if self.key.id() != Id::RSA {
            return Err(KeyFailed);
        }
        self.try_unwrap(transport, wrapped).map_err(|_| KeyFailed)
    }

    fn sign(&self, algorithm: SignatureAlgorithm, data: &[u8]) -> Result<Vec<u8>, KeyFailed> {
        let wanted = match algorithm {
            SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) => Id::RSA,
            SignatureAlgorithm::Ecdsa(_) => Id::EC,
        };
        if self.key.id() != wanted {
            return Err(KeyFailed);
        }
        self.try_sign(algorithm, data).map_err(|_| KeyFailed)
    }

    fn default_algorithm(&self) -> SignatureAlgorithm {
        if self.key.id() == Id::EC {
            SignatureAlgorithm::Ecdsa(Digest::Sha256)
        } else {
            SignatureAlgorithm::RsaPkcs1(Digest::Sha256)
        }
    }
}

impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftwareKey")
            .field("certificate", &self.certificate.thumbprint)
            .finish_non_exhaustive()
    }
}

/// Whether a key is one that we accept: RSA of at least 2048 bits, or EC on P-256 or P-384.
pub(crate) fn strong<T: HasPublic>(key: &PKeyRef<T>) -> Result<(), Fault> {
    let weak = |what: String| {
        Err(Fault::new(
            Kind::KeyWeak,
            format!("The key is {what}; at least RSA of 2048 bits, or EC on P-256 or P-384, is needed."),
            "The certificate's owner must order a certificate with a stronger key.",
        ))
    };
    match key.id() {
        Id::RSA if key.bits() >= 2048 => Ok(()),
        Id::RSA => weak(format!("RSA of {} bits", key.bits())),
        Id::EC => match key.ec_key().ok().and_then(|k| k.group().curve_name()) {
            Some(Nid::X9_62_PRIME256V1 | Nid::SECP384R1) => Ok(()),
            Some(other) => weak(format!("EC on {}", other.short_name().unwrap_or("another curve"))),
            None => weak("EC on a curve without a name".into()),
        },
        _ => weak("of another kind".into()),
    }
}

/// The certificates above this one, issuer first, without the root: which certificate comes next is found by its
/// signature, for files hold them in any order.
fn chain(own: &Arc<Certificate>, certificates: &[Arc<Certificate>]) -> Vec<Arc<Certificate>> {
    const LONGEST: usize = 8;
    let mut chain: Vec<Arc<Certificate>> = Vec::new();
    let mut last = own;
    while chain.len() < LONGEST {
        let Some(next) = certificates.iter().find(|c| c.is_ca && !c.is_self_issued() && c.signed(last))
        else {
            break;
        };
        chain.push(Arc::clone(next));
        last = next;
    }
    chain
}

fn md(digest: Digest) -> &'static openssl::md::MdRef {
    use openssl::md::Md;
    match digest {
        Digest::Sha1 => Md::sha1(),
        Digest::Sha256 => Md::sha256(),
        Digest::Sha384 => Md::sha384(),
        Digest::Sha512 => Md::sha512(),
    }
}
