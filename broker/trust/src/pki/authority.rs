//! A CA, and what it issues.

use super::{Key, Number, Profile, Subject, extension, failed};
use crate::certificate::{Certificate, KeyUsage, message_digest};
use crate::fault::Fault;
use crate::keys::{PrivateKey, SoftwareKey};
use openssl::asn1::{Asn1Time, Asn1Type};
use openssl::bn::{BigNum, MsbOption};
use openssl::error::ErrorStack;
use openssl::pkcs12::Pkcs12;
use openssl::stack::Stack;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage as Usage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name, X509NameBuilder, X509Ref};
use std::sync::Arc;

/// A CA: its key, its certificate, and the CAs above it, root last.
#[derive(Debug, Clone)]
pub struct Authority {
    pub(super) key: Key,
    certificate: Arc<Certificate>,
    above: Vec<Arc<Certificate>>,
}

/// A certificate with its private key.
#[derive(Debug, Clone)]
pub struct Pair {
    key: Key,
    software: Arc<SoftwareKey>,
}

impl Authority {
    /// A root: signs itself.
    ///
    /// # Errors
    /// For a profile that cannot be written.
    pub fn root(profile: &Profile, key: Key) -> Result<Self, Fault> {
        let certificate = build(profile, &key, None).map_err(failed)?;
        Ok(Self { key, certificate: read(&certificate)?, above: Vec::new() })
    }

    /// A CA below this one.
    ///
    /// # Errors
    /// For a profile that cannot be written.
    pub fn authority(&self, profile: &Profile, key: Key) -> Result<Self, Fault> {
        let certificate = self.certify(profile, &key)?;
        let above = std::iter::once(&self.certificate).chain(&self.above).map(Arc::clone).collect();
        Ok(Self { key, certificate, above })
    }

    /// A certificate and its key.
    ///
    /// # Errors
    /// For a profile that cannot be written, and for a key that [`SoftwareKey`] refuses: see [`Self::certify`] for
    /// certificates of such keys.
    pub fn issue(&self, profile: &Profile, key: Key) -> Result<Pair, Fault> {
        let own = self.certify(profile, &key)?;
        let all: Vec<_> = [&own, &self.certificate].into_iter().chain(&self.above).map(Arc::clone).collect();
        let software = Arc::new(SoftwareKey::new(key.0.clone(), &all)?);
        Ok(Pair { key, software })
    }

    /// A certificate for any key.
    ///
    /// # Errors
    /// For a profile that cannot be written.
    pub fn certify(&self, profile: &Profile, key: &Key) -> Result<Arc<Certificate>, Fault> {
        let certificate = build(profile, key, Some((&self.certificate.x509, &self.key))).map_err(failed)?;
        read(&certificate)
    }

    /// A CA that was made before and kept in files; `above` are the CAs above it, root last.
    #[must_use]
    pub const fn again(key: Key, certificate: Arc<Certificate>, above: Vec<Arc<Certificate>>) -> Self {
        Self { key, certificate, above }
    }

    /// Its key, to keep it in a file.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Its certificate.
    #[must_use]
    pub const fn certificate(&self) -> &Arc<Certificate> {
        &self.certificate
    }

    /// The CAs above it, root last.
    #[must_use]
    pub fn above(&self) -> &[Arc<Certificate>] {
        &self.above
    }
}

impl Pair {
    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &Arc<Certificate> {
        self.software.certificate()
    }

    /// As a key of ours.
    #[must_use]
    pub fn private_key(&self) -> Arc<dyn PrivateKey> {
        Arc::clone(&self.software) as Arc<dyn PrivateKey>
    }

    /// The bare key, to make another certificate for it.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// PKCS#12 with the key, the certificate and the CAs above it but the root; AES-256, as of today.
    ///
    /// # Errors
    /// When OpenSSL cannot.
    pub fn pkcs12(&self, password: &str) -> Result<Vec<u8>, Fault> {
        let make = || {
            let mut above = Stack::new()?;
            for certificate in self.software.chain() {
                above.push(certificate.x509.clone())?;
            }
            Pkcs12::builder()
                .name("budstikke")
                .pkey(&self.key.0)
                .cert(&self.certificate().x509)
                .ca(above)
                .build2(password)?
                .to_der()
        };
        make().map_err(failed)
    }
}

fn read(certificate: &X509) -> Result<Arc<Certificate>, Fault> {
    Certificate::from_der(&certificate.to_der().map_err(failed)?)
}

/// Without issuer: signed by itself.
fn build(profile: &Profile, key: &Key, issuer: Option<(&X509Ref, &Key)>) -> Result<X509, ErrorStack> {
    let subject = name(&profile.subject)?;
    let mut builder = X509Builder::new()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(120, MsbOption::ONE, false)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(issuer.map_or(&subject, |(certificate, _)| certificate.subject_name()))?;
    builder.set_not_before(&*Asn1Time::from_unix(profile.not_before.as_second())?)?;
    builder.set_not_after(&*Asn1Time::from_unix(profile.not_after.as_second())?)?;
    builder.set_pubkey(&key.0)?;
    extend(&mut builder, profile, issuer.map(|(certificate, _)| certificate))?;
    builder.sign(issuer.map_or(&key.0, |(_, key)| &key.0), message_digest(profile.digest))?;
    Ok(builder.build())
}

fn extend(builder: &mut X509Builder, profile: &Profile, issuer: Option<&X509Ref>) -> Result<(), ErrorStack> {
    let mut constraints = BasicConstraints::new();
    if profile.ca {
        constraints.critical().ca();
    }
    if let Some(length) = profile.path_length {
        constraints.pathlen(length.into());
    }
    builder.append_extension(constraints.build()?)?;
    let key_id = SubjectKeyIdentifier::new().build(&builder.x509v3_context(issuer, None))?;
    builder.append_extension(key_id)?;
    if issuer.is_some() {
        let authority =
            AuthorityKeyIdentifier::new().keyid(true).build(&builder.x509v3_context(issuer, None))?;
        builder.append_extension(authority)?;
    }
    if let Some(usage) = profile.usage {
        builder.append_extension(key_usage(usage)?)?;
    }
    if !profile.policies.is_empty() {
        builder.append_extension(extension::policies(&profile.policies)?)?;
    }
    if !profile.crl_urls.is_empty() {
        builder.append_extension(extension::crl_points(&profile.crl_urls)?)?;
    }
    if !profile.ocsp_urls.is_empty() {
        builder.append_extension(extension::ocsp_access(&profile.ocsp_urls)?)?;
    }
    if profile.ocsp_signing {
        builder.append_extension(ExtendedKeyUsage::new().other("OCSPSigning").build()?)?;
    }
    if profile.ocsp_no_check {
        builder.append_extension(extension::raw("1.3.6.1.5.5.7.48.1.5", false, crate::der::NULL)?)?;
    }
    if let Some(dns) = &profile.only_dns {
        builder.append_extension(extension::only_dns(dns)?)?;
    }
    if let Some(dns) = &profile.dns {
        let names = SubjectAlternativeName::new().dns(dns).build(&builder.x509v3_context(issuer, None))?;
        builder.append_extension(names)?;
    }
    if profile.unknown_critical {
        builder.append_extension(extension::raw("2.999.3.99", true, crate::der::NULL)?)?;
    }
    Ok(())
}

fn key_usage(usage: KeyUsage) -> Result<openssl::x509::X509Extension, ErrorStack> {
    let mut bits = Usage::new();
    bits.critical();
    for (wanted, set) in [
        (usage.digital_signature, Usage::digital_signature as fn(&mut Usage) -> &mut Usage),
        (usage.non_repudiation, Usage::non_repudiation),
        (usage.key_encipherment, Usage::key_encipherment),
        (usage.data_encipherment, Usage::data_encipherment),
        (usage.cert_sign, Usage::key_cert_sign),
        (usage.crl_sign, Usage::crl_sign),
    ] {
        if wanted {
            set(&mut bits);
        }
    }
    bits.build()
}

/// The form of a number in personal certificates; nobody's.
const PERSON: &str = "UN:NO-0000-0000-000000000";

fn name(subject: &Subject) -> Result<X509Name, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    let kind = if subject.printable { Asn1Type::PRINTABLESTRING } else { Asn1Type::UTF8STRING };
    name.append_entry_by_text("C", "NO")?;
    if let Some(organisation) = &subject.organisation {
        name.append_entry_by_text_with_type("O", organisation, kind)?;
    }
    name.append_entry_by_text_with_type("CN", &subject.common_name, kind)?;
    match subject.number {
        Some(Number::Serial(number)) => name.append_entry_by_text("serialNumber", &number.to_string())?,
        Some(Number::Registered(number)) => {
            name.append_entry_by_text("organizationIdentifier", &format!("NTRNO-{number}"))?;
        }
        Some(Number::Employee(number)) => {
            name.append_entry_by_text("organizationIdentifier", &format!("NTRNO-{number}"))?;
            name.append_entry_by_text("GN", "Fiktiv")?;
            name.append_entry_by_text("SN", "Person")?;
            name.append_entry_by_text("serialNumber", PERSON)?;
        }
        Some(Number::Person) => name.append_entry_by_text("serialNumber", PERSON)?,
        None => {}
    }
    Ok(name.build())
}
