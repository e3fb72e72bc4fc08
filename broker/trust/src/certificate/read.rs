//! Reading certificates: as lenient as the real ones need, and bounded.

use super::{Certificate, KeyUsage, LONGEST, MOST, Thumbprint, malformed, name};
use crate::fault::Fault;
use jiff::Timestamp;
use openssl::x509::X509;
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::sync::Arc;
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

static OCSP: Oid<'_> = oid!(1.3.6.1.5.5.7.48.1);
static OCSP_NO_CHECK: Oid<'_> = oid!(1.3.6.1.5.5.7.48.1.5);

/// The most URLs of one kind that are taken from a certificate; the rest would only cost us requests.
const MOST_URLS: usize = 8;

/// The longest URL that is taken.
const LONGEST_URL: usize = 2048;

pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<Arc<Certificate>>, Fault> {
    // DER begins with a SEQUENCE; PEM is text, with any text before it.
    if bytes.first() == Some(&0x30) {
        return Certificate::from_der(bytes).map(|one| vec![one]);
    }
    // Windows' Notepad puts a byte order mark before PEM.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut found = Vec::new();
    for block in Pem::iter_from_buffer(bytes) {
        let block = block.map_err(|_| malformed("its PEM text is broken"))?;
        if matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE") {
            found.push(Certificate::from_der(&block.contents)?);
        }
        if found.len() > MOST {
            return Err(malformed("there are too many in one file"));
        }
    }
    if found.is_empty() { Err(malformed("there is none, neither DER nor PEM")) } else { Ok(found) }
}

pub(super) fn certificate(der: &[u8]) -> Result<Certificate, Fault> {
    if der.len() > LONGEST {
        return Err(malformed("it is too long"));
    }
    let (rest, parsed) =
        X509Certificate::from_der(der).map_err(|_| malformed("it is no X.509 certificate"))?;
    if !rest.is_empty() {
        return Err(malformed("there are bytes after its end"));
    }
    let x509 = X509::from_der(der).map_err(|_| malformed("OpenSSL does not read it"))?;
    let key = x509.public_key().map_err(|_| malformed("its public key is of no kind that we know"))?;
    let extensions = extensions(&parsed)?;
    let organisation = name::organisation(parsed.subject())?;
    let personal = !extensions.is_ca && (organisation.is_none() || name::is_persons(parsed.subject()));
    let self_issued = parsed.subject().as_raw() == parsed.issuer().as_raw();
    let hidden = || "a person's certificate, or one without organisation number".to_owned();
    Ok(Certificate {
        der: der.into(),
        thumbprint: Thumbprint(Sha256::digest(der).into()),
        subject: if personal { hidden() } else { name::line(parsed.subject()) },
        issuer: if personal && self_issued { hidden() } else { name::line(parsed.issuer()) },
        issuer_der: parsed.issuer().as_raw().to_vec(),
        subject_der: parsed.subject().as_raw().to_vec(),
        serial: without_leading_zeroes(parsed.raw_serial()),
        key_id: extensions.key_id,
        organisation,
        personal,
        usage: extensions.usage,
        policies: extensions.policies,
        not_before: timestamp(parsed.validity().not_before),
        not_after: timestamp(parsed.validity().not_after),
        ocsp_signing: extensions.ocsp_signing,
        ocsp_no_check: extensions.ocsp_no_check,
        is_ca: extensions.is_ca,
        crl_urls: extensions.crl_urls,
        ocsp_urls: extensions.ocsp_urls,
        names_crl: extensions.names_crl,
        key_bits: parsed.public_key().subject_public_key.data.to_vec(),
        x509,
        key,
    })
}

/// What we ask of the extensions (RFC 5280 §4.2). Critical ones that nobody knows are refused when the chain is built.
#[derive(Default)]
struct Extensions {
    key_id: Option<Vec<u8>>,
    usage: Option<KeyUsage>,
    policies: Vec<String>,
    is_ca: bool,
    ocsp_signing: bool,
    ocsp_no_check: bool,
    names_crl: bool,
    crl_urls: Vec<String>,
    ocsp_urls: Vec<String>,
}

/// The extensions that are read below, as content bytes.
const ASKED: [&[u8]; 7] = [
    &[0x55, 0x1D, 14],
    &[0x55, 0x1D, 15],
    &[0x55, 0x1D, 19],
    &[0x55, 0x1D, 31],
    &[0x55, 0x1D, 32],
    &[0x55, 0x1D, 37],
    &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01],
];

fn extensions(parsed: &X509Certificate<'_>) -> Result<Extensions, Fault> {
    let mut out = Extensions::default();
    let mut seen = HashSet::new();
    for extension in parsed.extensions() {
        //= RFC 5280 §4.2
        //# A certificate MUST NOT include more than one instance of a particular extension.
        if !seen.insert(&extension.oid) {
            return Err(malformed("an extension stands in it twice"));
        }
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the parser knows many extensions that say nothing to us"
        )]
        match extension.parsed_extension() {
            // Others are left alone: some CAs write things in them that no reader understands.
            ParsedExtension::ParseError { .. } if ASKED.contains(&extension.oid.as_bytes()) => {
                return Err(malformed("one of its extensions is broken"));
            }
            ParsedExtension::SubjectKeyIdentifier(id) => out.key_id = Some(id.0.to_vec()),
            ParsedExtension::KeyUsage(usage) => {
                out.usage = Some(KeyUsage {
                    digital_signature: usage.digital_signature(),
                    non_repudiation: usage.non_repudiation(),
                    key_encipherment: usage.key_encipherment(),
                    data_encipherment: usage.data_encipherment(),
                    cert_sign: usage.key_cert_sign(),
                    crl_sign: usage.crl_sign(),
                });
            }
            ParsedExtension::CertificatePolicies(policies) => {
                out.policies = policies.iter().map(|p| dotted(p.policy_id.as_bytes())).collect();
            }
            ParsedExtension::BasicConstraints(constraints) => out.is_ca = constraints.ca,
            ParsedExtension::ExtendedKeyUsage(usage) => out.ocsp_signing = usage.ocsp_signing,
            ParsedExtension::CRLDistributionPoints(points) => {
                out.names_crl = !points.is_empty();
                let names = points.iter().filter_map(|p| match &p.distribution_point {
                    Some(DistributionPointName::FullName(names)) => Some(names),
                    Some(DistributionPointName::NameRelativeToCRLIssuer(_)) | None => None,
                });
                out.crl_urls = urls(names.flatten());
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                let locations = access.iter().filter(|a| a.access_method == OCSP);
                out.ocsp_urls = urls(locations.map(|a| &a.access_location));
            }
            _ => out.ocsp_no_check |= extension.oid == OCSP_NO_CHECK,
        }
    }
    Ok(out)
}

/// The http URLs among these names. LDAP, which old certificates name too, is not asked.
fn urls<'n, 'a: 'n>(names: impl Iterator<Item = &'n GeneralName<'a>>) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for name in names {
        if let GeneralName::URI(url) = name {
            let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
            let tame = url.len() <= LONGEST_URL && url.bytes().all(|b| b.is_ascii_graphic());
            if matches!(scheme.as_str(), "http" | "https") && tame && !urls.iter().any(|u| u == url) {
                urls.push((*url).to_owned());
            }
        }
        if urls.len() == MOST_URLS {
            break;
        }
    }
    urls
}

/// An object identifier as dotted number (X.690 §8.19). Our own: the parser's is wrong for 2.48 and above.
fn dotted(content: &[u8]) -> String {
    let mut out = String::new();
    let mut arc: u64 = 0;
    for byte in content {
        arc = arc.saturating_mul(128).saturating_add(u64::from(byte & 0x7F));
        if byte & 0x80 != 0 {
            continue;
        }
        // The first number holds two arcs.
        if out.is_empty() {
            let first = (arc / 40).min(2);
            out = format!("{first}.{}", arc - first * 40);
        } else {
            out.push('.');
            out.push_str(&arc.to_string());
        }
        arc = 0;
    }
    out
}

/// RFC 5280 §4.1.2.5 lets a certificate last to the end of 9999, a second or two past what [`Timestamp`] holds.
fn timestamp(time: ASN1Time) -> Timestamp {
    let seconds = time.timestamp();
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

pub(super) fn without_leading_zeroes(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|&b| b == 0).collect()
}
