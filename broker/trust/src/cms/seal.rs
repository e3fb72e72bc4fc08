//! Sealing: EnvelopedData (RFC 5652 §6), AuthEnvelopedData for GCM (RFC 5083, RFC 5084), in DER.

use super::algorithms::{oid, write_cipher, write_transport};
use super::sign::{issuer_and_serial, wrapped};
use super::symmetric;
use crate::algorithm::{ContentCipher, KeyTransport};
use crate::certificate::{Certificate, message_digest};
use crate::der::{self, tag};
use crate::fault::{Fault, Kind};
use openssl::encrypt::Encrypter;
use openssl::error::ErrorStack;
use openssl::pkey::Id;
use openssl::rsa::Padding;
use std::sync::Arc;

/// Seals: EnvelopedData (AuthEnvelopedData for GCM), DER, RSA PKCS#1 v1.5, issuer and serial number.
///
/// # Errors
/// [`Kind::CannotSeal`].
pub fn seal(
    content: &[u8],
    recipients: &[Arc<Certificate>],
    cipher: ContentCipher,
) -> Result<Vec<u8>, Fault> {
    seal_by(content, recipients, cipher, KeyTransport::RsaPkcs1)
}

/// With OAEP too. Not offered to anybody: partners are known to open PKCS#1 v1.5, and OAEP is known to fail with some.
pub(super) fn seal_by(
    content: &[u8],
    recipients: &[Arc<Certificate>],
    cipher: ContentCipher,
    transport: KeyTransport,
) -> Result<Vec<u8>, Fault> {
    if recipients.is_empty() {
        return Err(cannot_seal("there is no certificate to seal it for"));
    }
    let sealed = symmetric::encrypt(cipher, content).map_err(|_| cannot_seal("the encryption failed"))?;
    let mut infos = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let key = encrypt_key(recipient, transport, &sealed.key).ok_or_else(|| {
            cannot_seal("the certificate's key cannot encrypt; it must be RSA").of(recipient)
        })?;
        infos.push(der::sequence(&[
            &der::unsigned(&[0]),
            &issuer_and_serial(recipient),
            &write_transport(transport),
            &der::octets(&key),
        ]));
    }
    let version = der::unsigned(&[0]);
    let info = der::sequence(&[
        &der::oid(oid::DATA),
        &write_cipher(cipher, &sealed.iv),
        &der::value(0x80, &sealed.content),
    ]);
    let infos = der::sorted(tag::SET, infos);
    Ok(if cipher.is_gcm() {
        wrapped(oid::AUTH_ENVELOPED_DATA, &[&version, &infos, &info, &der::octets(&sealed.tag)])
    } else {
        wrapped(oid::ENVELOPED_DATA, &[&version, &infos, &info])
    })
}

/// Encrypts the content key for a recipient.
fn encrypt_key(recipient: &Certificate, transport: KeyTransport, content_key: &[u8]) -> Option<Vec<u8>> {
    let encrypt = || {
        let mut encrypter = Encrypter::new(&recipient.key)?;
        match transport {
            KeyTransport::RsaPkcs1 => encrypter.set_rsa_padding(Padding::PKCS1)?,
            KeyTransport::RsaOaep { digest, mask } => {
                encrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
                encrypter.set_rsa_oaep_md(message_digest(digest))?;
                encrypter.set_rsa_mgf1_md(message_digest(mask))?;
            }
        }
        let mut wrapped = vec![0; encrypter.encrypt_len(content_key)?];
        let length = encrypter.encrypt(content_key, &mut wrapped)?;
        wrapped.truncate(length);
        Ok::<_, ErrorStack>(wrapped)
    };
    if recipient.key.id() == Id::RSA { encrypt().ok() } else { None }
}

fn cannot_seal(why: &str) -> Fault {
    Fault::new(
        Kind::CannotSeal,
        format!("The message cannot be sealed for its receiver: {why}."),
        "Get the receiver's present encryption certificate from the registry, or from the receiver.",
    )
}
