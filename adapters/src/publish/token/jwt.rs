//! Signed JSON (JWS, RFC 7515) with RSA and P-256 keys.

use super::TokenFault;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Signer as Signing};
use serde_json::{Value, json};

/// How is signed (RFC 7518 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA with P-256.
    Es256,
    /// RSA, PKCS#1 v1.5.
    Rs256,
    /// RSA-PSS.
    Ps256,
}

impl Algorithm {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }
}

/// A key that signs.
pub(super) struct Signer {
    key: PKey<Private>,
    algorithm: Algorithm,
}

/// Bytes of each half of a P-256 signature and coordinate.
const P256: i32 = 32;

impl Signer {
    /// A key from PEM, which must fit the algorithm.
    pub(super) fn from_pem(pem: &[u8], wanted: Option<Algorithm>) -> Result<Self, TokenFault> {
        // A pass phrase would be asked for on the terminal without this.
        let key = PKey::private_key_from_pem_callback(pem, |_| Ok(0))
            .map_err(|_| TokenFault::Key("it is no private key in PEM, or has a password"))?;
        let algorithm = match (key.id(), wanted) {
            (Id::RSA, None | Some(Algorithm::Ps256)) => Algorithm::Ps256,
            (Id::RSA, Some(Algorithm::Rs256)) => Algorithm::Rs256,
            (Id::EC, None | Some(Algorithm::Es256)) => Algorithm::Es256,
            _ => return Err(TokenFault::Key("it does not fit the algorithm")),
        };
        if key.id() == Id::RSA && key.bits() < 2048 {
            return Err(TokenFault::Key("an RSA key must have 2048 bits or more"));
        }
        if key.id() == Id::EC {
            let curve = key.ec_key().ok().and_then(|key| key.group().curve_name());
            if curve != Some(Nid::X9_62_PRIME256V1) {
                return Err(TokenFault::Key("only the curve P-256 is supported"));
            }
        }
        Ok(Self { key, algorithm })
    }

    /// A new P-256 key.
    pub(super) fn fresh() -> Result<Self, TokenFault> {
        let make = || {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            PKey::from_ec_key(EcKey::generate(&group)?)
        };
        let key = make().map_err(|_| TokenFault::Key("no key can be made"))?;
        Ok(Self { key, algorithm: Algorithm::Es256 })
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public half as a JWK.
    pub(super) fn public(&self) -> Result<Value, TokenFault> {
        let cannot = |_| TokenFault::Key("its public half cannot be told");
        let text = |bytes: Vec<u8>| URL_SAFE_NO_PAD.encode(bytes);
        if self.algorithm == Algorithm::Es256 {
            let key = self.key.ec_key().map_err(cannot)?;
            let (mut x, mut y) = (BigNum::new().map_err(cannot)?, BigNum::new().map_err(cannot)?);
            let mut context = BigNumContext::new().map_err(cannot)?;
            key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).map_err(cannot)?;
            let (x, y) = (x.to_vec_padded(P256).map_err(cannot)?, y.to_vec_padded(P256).map_err(cannot)?);
            return Ok(json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) }));
        }
        let key = self.key.rsa().map_err(cannot)?;
        Ok(json!({ "kty": "RSA", "n": text(key.n().to_vec()), "e": text(key.e().to_vec()) }))
    }

    /// Signs.
    pub(super) fn sign(&self, head: &Value, claims: &Value) -> Result<String, TokenFault> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(head), part(claims));
        let signature = self.signature(signed.as_bytes()).map_err(|_| TokenFault::Key("it cannot sign"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signature(&self, bytes: &[u8]) -> Result<Vec<u8>, openssl::error::ErrorStack> {
        let mut signing = Signing::new(MessageDigest::sha256(), &self.key)?;
        if self.algorithm == Algorithm::Ps256 {
            signing.set_rsa_padding(Padding::PKCS1_PSS)?;
            signing.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
            signing.set_rsa_mgf1_md(MessageDigest::sha256())?;
        }
        signing.update(bytes)?;
        let signature = signing.sign_to_vec()?;
        if self.algorithm != Algorithm::Es256 {
            return Ok(signature);
        }
        //= RFC 7518 §3.4
        //# The JWS Signature value MUST be a 64-octet sequence.
        let halves = EcdsaSig::from_der(&signature)?;
        Ok([halves.r().to_vec_padded(P256)?, halves.s().to_vec_padded(P256)?].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::rsa::Rsa;
    use openssl::sign::Verifier;

    fn parts(jwt: &str) -> (String, Vec<u8>) {
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        (signed.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap())
    }

    #[test]
    fn what_is_signed_can_be_verified_by_others() {
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let pem = rsa.private_key_to_pem_pkcs8().unwrap();
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
            let signer = Signer::from_pem(&pem, Some(algorithm)).unwrap();
            let (signed, signature) = parts(&signer.sign(&json!({}), &json!({"a": 1})).unwrap());
            let mut verifier = Verifier::new(MessageDigest::sha256(), &rsa).unwrap();
            if algorithm == Algorithm::Ps256 {
                verifier.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
            }
            verifier.update(signed.as_bytes()).unwrap();
            assert!(verifier.verify(&signature).unwrap(), "{}", algorithm.name());
        }
        let signer = Signer::fresh().unwrap();
        let (signed, signature) = parts(&signer.sign(&json!({}), &json!({"a": 1})).unwrap());
        assert_eq!(signature.len(), 64);
        let halves = EcdsaSig::from_private_components(
            BigNum::from_slice(&signature[..32]).unwrap(),
            BigNum::from_slice(&signature[32..]).unwrap(),
        )
        .unwrap();
        let digest = openssl::sha::sha256(signed.as_bytes());
        assert!(halves.verify(&digest, &signer.key.ec_key().unwrap()).unwrap());
    }

    #[test]
    fn keys_that_do_not_fit_are_refused() {
        let small = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
        assert!(Signer::from_pem(&small.private_key_to_pem_pkcs8().unwrap(), None).is_err());
        let curve = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
        let other = PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap();
        assert!(Signer::from_pem(&other.private_key_to_pem_pkcs8().unwrap(), None).is_err());
        assert!(Signer::from_pem(b"no key", None).is_err());
        let fresh = Signer::fresh().unwrap();
        let pem = fresh.key.private_key_to_pem_pkcs8().unwrap();
        assert!(Signer::from_pem(&pem, Some(Algorithm::Ps256)).is_err());
    }
}
