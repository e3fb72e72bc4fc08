//! `SEQUENCE { what is signed, algorithm, BIT STRING }`, as CRLs and OCSP answers are.

use super::Key;
use crate::algorithm::Digest;
use crate::certificate::message_digest;
use crate::der;
use openssl::error::ErrorStack;
use openssl::pkey::Id;
use openssl::sign::Signer;

/// The AlgorithmIdentifier of this key's signatures: RSA PKCS#1 v1.5 or ECDSA.
pub(super) fn algorithm(key: &Key, digest: Digest) -> Vec<u8> {
    let rsa = |last| der::oid(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, last]);
    let ecdsa = |last| der::oid(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, last]);
    if key.0.id() == Id::EC {
        return match digest {
            Digest::Sha1 => der::sequence(&[&der::oid(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x01])]),
            Digest::Sha256 => der::sequence(&[&ecdsa(2)]),
            Digest::Sha384 => der::sequence(&[&ecdsa(3)]),
            Digest::Sha512 => der::sequence(&[&ecdsa(4)]),
        };
    }
    let oid = match digest {
        Digest::Sha1 => rsa(5),
        Digest::Sha256 => rsa(11),
        Digest::Sha384 => rsa(12),
        Digest::Sha512 => rsa(13),
    };
    der::sequence(&[&oid, der::NULL])
}

/// The whole, with `more` after the signature.
pub(super) fn signed(data: &[u8], key: &Key, digest: Digest, more: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let signature = Signer::new(message_digest(digest), &key.0)?.sign_oneshot_to_vec(data)?;
    Ok(der::sequence(&[data, &algorithm(key, digest), &der::bits(&signature), more]))
}
