//! The extensions that OpenSSL has no safe builder for, written as DER (RFC 5280 §4.2).

use crate::der;
use openssl::asn1::{Asn1Object, Asn1OctetString};
use openssl::error::ErrorStack;
use openssl::x509::X509Extension;

/// `[6] IMPLICIT IA5String`: a URL as GeneralName.
fn url(url: &str) -> Vec<u8> {
    der::value(0x86, url.as_bytes())
}

fn dotted(oid: &str) -> Result<Vec<u8>, ErrorStack> {
    Ok(der::oid(Asn1Object::from_str(oid)?.as_slice()))
}

pub(super) fn raw(oid: &str, critical: bool, content: &[u8]) -> Result<X509Extension, ErrorStack> {
    let oid = Asn1Object::from_str(oid)?;
    X509Extension::new_from_der(&oid, critical, &*Asn1OctetString::new_from_bytes(content)?)
}

/// CRLDistributionPoints, one point for each URL.
pub(super) fn crl_points(urls: &[String]) -> Result<X509Extension, ErrorStack> {
    let points: Vec<Vec<u8>> = urls
        .iter()
        .map(|u| {
            let full_name = der::context(0, &url(u));
            der::sequence(&[&der::context(0, &full_name)])
        })
        .collect();
    raw("2.5.29.31", false, &der::sequence(&[&points.concat()]))
}

/// AuthorityInfoAccess with OCSP responders.
pub(super) fn ocsp_access(urls: &[String]) -> Result<X509Extension, ErrorStack> {
    let ocsp = dotted("1.3.6.1.5.5.7.48.1")?;
    let access: Vec<Vec<u8>> = urls.iter().map(|u| der::sequence(&[&ocsp, &url(u)])).collect();
    raw("1.3.6.1.5.5.7.1.1", false, &der::sequence(&[&access.concat()]))
}

/// CertificatePolicies without qualifiers.
pub(super) fn policies(policies: &[String]) -> Result<X509Extension, ErrorStack> {
    let all: Result<Vec<Vec<u8>>, ErrorStack> =
        policies.iter().map(|p| Ok(der::sequence(&[&dotted(p)?]))).collect();
    raw("2.5.29.32", false, &der::sequence(&[&all?.concat()]))
}

/// NameConstraints with one permitted DNS subtree.
pub(super) fn only_dns(name: &str) -> Result<X509Extension, ErrorStack> {
    let subtree = der::sequence(&[&der::value(0x82, name.as_bytes())]);
    raw("2.5.29.30", true, &der::sequence(&[&der::context(0, &subtree)]))
}
