//! Keys and certificates from files' bytes: PKCS#12 (RFC 7292), PEM and DER.

use super::{PrivateKey, SoftwareKey, pkcs12};
use crate::certificate::{Certificate, forget_errors, malformed};
use crate::fault::{Fault, Kind};
use openssl::error::ErrorStack;
use openssl::pkcs12::{ParsedPkcs12_2, Pkcs12};
use openssl::pkey::{PKey, Private};
use std::sync::Arc;

/// Reads the key, its certificate and its chain from PKCS#12: the first key, if there are several ([`all_from_pkcs12`]).
///
/// # Errors
/// A wrong password, or nothing usable in it; never the password itself.
pub fn from_pkcs12(bytes: &[u8], password: &str) -> Result<Arc<dyn PrivateKey>, Fault> {
    let mut parsed = parse(bytes, password)?;
    let key = parsed.pkey.take().ok_or_else(|| no_key("There is no private key in the PKCS#12 file."))?;
    let certificates = certificates(&parsed)?;
    Ok(Arc::new(SoftwareKey::new(key, &certificates)?))
}

/// Reads every key of a PKCS#12 file, each with its certificate and chain: some stores hold several.
///
/// # Errors
/// As for [`from_pkcs12`], also when one key is not usable.
pub fn all_from_pkcs12(bytes: &[u8], password: &str) -> Result<Vec<Arc<dyn PrivateKey>>, Fault> {
    let certificates = certificates_from_pkcs12(bytes, password)?;
    let bags = pkcs12::shrouded_keys(bytes)
        .map_err(|_| malformed("its PKCS#12 structure is not one that is read"))?;
    let mut keys: Vec<Arc<dyn PrivateKey>> = Vec::new();
    for bag in bags {
        let key = PKey::private_key_from_pkcs8_passphrase(&bag, password.as_bytes()).map_err(|_| {
            no_key("A private key in the PKCS#12 file does not open with the file's password.")
        })?;
        keys.push(Arc::new(SoftwareKey::new(key, &certificates)?));
    }
    // A store without shrouded keys may still hold a plain or doubly wrapped one, which OpenSSL finds.
    if keys.is_empty() { from_pkcs12(bytes, password).map(|key| vec![key]) } else { Ok(keys) }
}

/// Reads all certificates of a PKCS#12 file, the key's own first: for trust stores in this form.
///
/// # Errors
/// As for [`from_pkcs12`].
pub fn certificates_from_pkcs12(bytes: &[u8], password: &str) -> Result<Vec<Arc<Certificate>>, Fault> {
    certificates(&parse(bytes, password)?)
}

/// Reads a key and its certificates from PEM: the certificate that fits the key is its own, the rest its chain.
///
/// # Errors
/// As for [`from_pkcs12`].
pub fn from_pem(bytes: &[u8], password: Option<&str>) -> Result<Arc<dyn PrivateKey>, Fault> {
    from_parts(bytes, password, bytes)
}

/// Reads a key from one file and its certificates from another; each may be PEM or DER, the key PKCS#1, PKCS#8 (also
/// encrypted) or SEC 1.
///
/// # Errors
/// As for [`from_pkcs12`].
pub fn from_parts(
    key: &[u8],
    password: Option<&str>,
    certificates: &[u8],
) -> Result<Arc<dyn PrivateKey>, Fault> {
    let key =
        if key.first() == Some(&0x30) { key_from_der(key, password)? } else { key_from_pem(key, password)? };
    let certificates = Certificate::all_from(certificates)?;
    Ok(Arc::new(SoftwareKey::new(key, &certificates)?))
}

fn parse(bytes: &[u8], password: &str) -> Result<ParsedPkcs12_2, Fault> {
    let read = Pkcs12::from_der(bytes).map_err(|_| malformed("it is no PKCS#12 file"))?;
    forget_errors();
    read.parse2(password).map_err(|errors| {
        if errors.errors().iter().any(|e| e.reason().is_some_and(|r| r.contains("unsupported"))) {
            no_key(
                "The PKCS#12 file is encrypted with an algorithm that is not read here (RC2 or RC4 of old exports).",
            )
        } else {
            no_key("The PKCS#12 file does not open: the password is wrong, or the file is damaged.")
        }
    })
}

fn certificates(parsed: &ParsedPkcs12_2) -> Result<Vec<Arc<Certificate>>, Fault> {
    let others = parsed.ca.iter().flatten();
    let all: Result<Vec<_>, Fault> = parsed
        .cert
        .iter()
        .map(AsRef::as_ref)
        .chain(others)
        .map(|x509: &openssl::x509::X509Ref| {
            let der = x509.to_der().map_err(|_| malformed("OpenSSL does not write it"))?;
            Certificate::from_der(&der)
        })
        .collect();
    all
}

pub(crate) fn key_from_pem(pem: &[u8], password: Option<&str>) -> Result<PKey<Private>, Fault> {
    let mut asked = false;
    // Always with a callback of our own: OpenSSL's would ask at the terminal.
    let read = PKey::private_key_from_pem_callback(pem, |buffer| {
        asked = true;
        let password = password.unwrap_or_default().as_bytes();
        match buffer.get_mut(..password.len()) {
            Some(room) => {
                room.copy_from_slice(password);
                Ok(password.len())
            }
            None => Err(ErrorStack::get()),
        }
    });
    read.map_err(|_| match (asked, password) {
        (true, None) => no_key("The private key is encrypted, and there is no password for it."),
        (true, Some(_)) => {
            no_key("The private key does not open: the password is wrong, or the file is damaged.")
        }
        (false, _) => no_key("There is no private key in the PEM file that can be read."),
    })
}

fn key_from_der(der: &[u8], password: Option<&str>) -> Result<PKey<Private>, Fault> {
    let plain = PKey::private_key_from_der(der);
    let read = match (plain, password) {
        (Err(_), Some(password)) => PKey::private_key_from_pkcs8_passphrase(der, password.as_bytes()),
        (plain, _) => plain,
    };
    read.map_err(|_| {
        no_key("There is no private key in the DER file that can be read with this password, if any.")
    })
}

fn no_key(message: &str) -> Fault {
    Fault::new(
        Kind::OwnKeyMissing,
        message,
        "Check the file and its password; `openssl pkcs12 -legacy` converts old files.",
    )
}
