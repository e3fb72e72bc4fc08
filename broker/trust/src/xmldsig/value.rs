//! SignatureValue: what OpenSSL checks and makes, in the form that XML Signature writes it.

use crate::algorithm::SignatureAlgorithm;
use crate::certificate::Certificate;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;

/// Whether a signature value holds over the canonical SignedInfo.
pub(super) fn holds(
    certificate: &Certificate,
    algorithm: SignatureAlgorithm,
    signed_info: &[u8],
    value: &[u8],
) -> bool {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) => {
            certificate.verifies(algorithm, signed_info, value)
        }
        SignatureAlgorithm::Ecdsa(_) => numbers_to_der(value, field_bytes(certificate))
            .is_some_and(|der| certificate.verifies(algorithm, signed_info, &der)),
    }
}

/// A signature as the key made it, as XML Signature writes it.
pub(super) fn written(
    certificate: &Certificate,
    algorithm: SignatureAlgorithm,
    value: Vec<u8>,
) -> Option<Vec<u8>> {
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(_) | SignatureAlgorithm::RsaPss(_) => Some(value),
        SignatureAlgorithm::Ecdsa(_) => der_to_numbers(&value, field_bytes(certificate)).ok(),
    }
}

//= RFC 9231 §2.3.6
//# The signature value is the concatenation of r and s, each as an octet string of the length of the base point's
//# order, base64 encoded.
fn numbers_to_der(value: &[u8], length: usize) -> Option<Vec<u8>> {
    if value.len() != 2 * length {
        return None;
    }
    let (r, s) = value.split_at_checked(length)?;
    let (r, s) = (BigNum::from_slice(r).ok()?, BigNum::from_slice(s).ok()?);
    EcdsaSig::from_private_components(r, s).ok()?.to_der().ok()
}

fn der_to_numbers(der: &[u8], length: usize) -> Result<Vec<u8>, ErrorStack> {
    let signature = EcdsaSig::from_der(der)?;
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    let mut out = signature.r().to_vec_padded(length)?;
    out.extend(signature.s().to_vec_padded(length)?);
    Ok(out)
}

/// The length of one number of the key's curve: P-256 and P-384 have orders as long as their fields.
fn field_bytes(certificate: &Certificate) -> usize {
    usize::try_from(certificate.key.bits().div_ceil(8)).unwrap_or_default()
}
