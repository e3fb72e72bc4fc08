//! The content's own encryption: what OpenSSL does with the content key.

use crate::algorithm::ContentCipher;
use openssl::error::ErrorStack;
use openssl::symm::{self, Cipher};
use zeroize::Zeroizing;

/// Length of the tag that we write with GCM, in bytes.
pub(super) const TAG_BYTES: usize = 16;

/// Decrypts. `tag` and `associated` are for GCM only.
pub(super) fn decrypt(
    cipher: ContentCipher,
    key: &[u8],
    iv: &[u8],
    associated: &[u8],
    content: &[u8],
    tag: &[u8],
) -> Result<Vec<u8>, ErrorStack> {
    if cipher.is_gcm() {
        symm::decrypt_aead(of(cipher), key, Some(iv), associated, content, tag)
    } else {
        symm::decrypt(of(cipher), key, Some(iv), content)
    }
}

/// What encryption gives.
pub(super) struct Encrypted {
    pub(super) key: Zeroizing<Vec<u8>>,
    pub(super) iv: Vec<u8>,
    pub(super) content: Vec<u8>,
    /// Of GCM.
    pub(super) tag: Vec<u8>,
}

/// Encrypts with a new key and a new initialisation vector.
pub(super) fn encrypt(cipher: ContentCipher, content: &[u8]) -> Result<Encrypted, ErrorStack> {
    let key = random(cipher.key_bytes())?;
    let iv = random(cipher.iv_bytes())?.to_vec();
    let mut tag = Vec::new();
    let content = if cipher.is_gcm() {
        tag.resize(TAG_BYTES, 0);
        symm::encrypt_aead(of(cipher), &key, Some(&iv), &[], content, &mut tag)?
    } else {
        symm::encrypt(of(cipher), &key, Some(&iv), content)?
    };
    Ok(Encrypted { key, iv, content, tag })
}

/// Bytes that nobody can guess.
pub(super) fn random(bytes: usize) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
    let mut out = Zeroizing::new(vec![0; bytes]);
    openssl::rand::rand_bytes(&mut out)?;
    Ok(out)
}

fn of(cipher: ContentCipher) -> Cipher {
    match cipher {
        ContentCipher::Aes128Cbc => Cipher::aes_128_cbc(),
        ContentCipher::Aes192Cbc => Cipher::aes_192_cbc(),
        ContentCipher::Aes256Cbc => Cipher::aes_256_cbc(),
        ContentCipher::Aes128Gcm => Cipher::aes_128_gcm(),
        ContentCipher::Aes192Gcm => Cipher::aes_192_gcm(),
        ContentCipher::Aes256Gcm => Cipher::aes_256_gcm(),
        ContentCipher::TripleDesCbc => Cipher::des_ede3_cbc(),
    }
}
