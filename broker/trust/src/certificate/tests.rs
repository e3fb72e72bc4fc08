//! What is read from certificates, real and broken.

use super::*;
use crate::keys::certificates_from_pkcs12;
use crate::pki::demo::{CRL_URL, Demo, OCSP_URL, valid};
use crate::pki::{Number, POLICY, Profile};
use crate::shared;
use proptest::prelude::*;

fn demo() -> &'static Arc<Certificate> {
    Demo::shared().sender.signing.certificate()
}

fn pem(certificate: &Certificate) -> Vec<u8> {
    certificate.x509.to_pem().unwrap()
}

#[test]
fn all_that_is_asked_of_it_is_read() {
    let certificate = demo();
    assert_eq!(certificate.subject, "Demo Legekontor, Demo Legekontor");
    assert_eq!(certificate.issuer, "Budstikke Demo Issuing CA, Budstikke Demo PKI");
    assert_eq!(certificate.organisation.map(|o| o.to_string()).as_deref(), Some("310000108"));
    assert_eq!(certificate.usage, Some(KeyUsage { non_repudiation: true, ..KeyUsage::default() }));
    assert_eq!(certificate.policies, [POLICY]);
    assert_eq!((certificate.not_before, certificate.not_after), valid());
    assert_eq!(certificate.crl_urls, [CRL_URL]);
    assert_eq!(certificate.ocsp_urls, [OCSP_URL]);
    assert!(!certificate.is_ca && !certificate.is_self_issued() && !certificate.ocsp_signing);
    let issuing = Demo::shared().issuing.certificate();
    assert!(issuing.is_ca && issuing.signed(certificate) && !certificate.signed(issuing));
    assert_eq!(issuing.subject_der, certificate.issuer_der);
    // OpenSSL reads the same.
    assert_eq!(certificate.subject_der, certificate.x509.subject_name().to_der().unwrap());
    assert_eq!(certificate.issuer_der, certificate.x509.issuer_name().to_der().unwrap());
    assert_eq!(certificate.serial, certificate.x509.serial_number().to_bn().unwrap().to_vec());
    assert_eq!(certificate.key_id.as_deref(), certificate.x509.subject_key_id().map(|id| id.as_slice()));
}

#[test]
fn it_is_told_of_in_one_line() {
    let line = demo().describe_from("the party file");
    let whose = "Demo Legekontor, Demo Legekontor (310000108), issued by ";
    let issuer = &Demo::shared().issuing.certificate().subject;
    assert!(line.starts_with(&format!("{whose}{issuer}, serial ")), "{line}");
    let root = Demo::shared().root.certificate().describe();
    assert!(!root.contains("issued by"), "a root says who it is once: {root}");
    assert!(line.contains(", valid 2020-01-01 to 2049-01-01, sha256 "), "{line}");
    assert!(line.ends_with(", from the party file"), "{line}");
    let mut profile = Profile::signing(
        &format!("Line\nbreak\u{1b}[31m {}", "x".repeat(40)),
        Demo::shared().sender.number,
        valid(),
    );
    profile.subject.organisation = None;
    let odd = Demo::shared().issuing.certify(&profile, Demo::shared().sender.signing.key()).unwrap();
    assert!(!odd.describe().chars().any(char::is_control), "{}", odd.describe());
}

#[test]
fn two_organisations_in_one_subject_are_a_fault() {
    let demo = Demo::shared();
    let mut profile = Profile::signing("310000108", demo.sender.number, valid());
    profile.subject.organisation = None;
    profile.subject.number = Some(Number::Serial(demo.receiver.number));
    let certificate = demo.issuing.certify(&profile, demo.sender.signing.key()).unwrap();
    assert_eq!(certificate.organisation, Some(demo.receiver.number), "a common name is no number");
    let mut der = certificate.der.to_vec();
    // The identifier of the common name, 2.5.4.3, becomes 2.5.4.5.
    let at = der.windows(14).position(|w| w.ends_with(b"310000108")).unwrap();
    assert_eq!(der[at..at + 3], [0x55, 4, 3]);
    der[at + 2] = 5;
    let fault = Certificate::from_der(&der).unwrap_err();
    assert!(fault.message.contains("two organisations"), "{fault}");
}

#[test]
fn pem_and_der_are_read_however_many() {
    let demo = Demo::shared();
    let (leaf, issuing) = (demo.sender.signing.certificate(), demo.issuing.certificate());
    let text =
        [b"Some words before\n".to_vec(), pem(leaf), b"\nand between\r\n".to_vec(), pem(issuing)].concat();
    let all = Certificate::all_from(&text).unwrap();
    let prints: Vec<_> = all.iter().map(|c| c.thumbprint).collect();
    assert_eq!(prints, [leaf.thumbprint, issuing.thumbprint]);
    assert_eq!(Certificate::all_from(&leaf.der).unwrap().len(), 1);
    let marked = [&b"\xEF\xBB\xBF"[..], &pem(leaf)].concat();
    assert_eq!(Certificate::all_from(&marked).unwrap().len(), 1);
    for nothing in [&b""[..], b"no certificate", b"-----BEGIN CERTIFICATE-----\n", &[0x30, 0x80, 0, 0]] {
        assert_eq!(Certificate::all_from(nothing).unwrap_err().kind, Kind::CertificateMalformed);
    }
    let trailing = [&leaf.der[..], &[0]].concat();
    assert!(Certificate::from_der(&trailing).unwrap_err().message.contains("after its end"));
    assert!(Certificate::from_der(&vec![0x30; LONGEST + 1]).unwrap_err().message.contains("too long"));
}

#[test]
fn real_certificates_are_read() {
    for file in ["expired", "valid"] {
        let Some(bytes) = shared(&format!("ebxml/nav/certs/{file}.qcevident.ca23.ssl.buypass.no.cer")) else {
            return;
        };
        let all = Certificate::all_from(&bytes).unwrap();
        println!("{}", all[0].describe());
        assert!(!all[0].crl_urls.is_empty() && !all[0].ocsp_urls.is_empty());
    }
    let Some(own) = shared("ebxml/nav/certs/cert_selfsigned.pem") else { return };
    assert!(Certificate::all_from(&own).unwrap()[0].is_self_issued());
    let Some(store) = shared("ebxml/nav/keystore/truststore_test.p12") else { return };
    let store = certificates_from_pkcs12(&store, "123456789").unwrap();
    assert_eq!(store.len(), 31);
    for certificate in &store {
        println!("{}", certificate.describe());
    }
    let Some(signer) = shared("ebxml/nav/oppgjor/2023_08_29T12_56_58_328.cer") else { return };
    let signer = Certificate::all_from(&signer).unwrap().remove(0);
    assert!(signer.organisation.is_some() && signer.usage.unwrap().non_repudiation);
}

proptest! {
    #[test]
    fn broken_ones_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let mut der = demo().der.to_vec();
        prop_assert!(Certificate::from_der(&der[..cut.index(der.len())]).is_err());
        for (at, byte) in flips {
            let at = at.index(der.len());
            der[at] = byte;
        }
        match Certificate::from_der(&der) {
            Ok(read) => {
                let line = read.describe();
                prop_assert!(!line.chars().any(char::is_control));
                // Whatever still has its signature is about the same key and the same subject.
                if Demo::shared().issuing.certificate().signed(&read) {
                    prop_assert_eq!(&read.key_bits, &demo().key_bits);
                    prop_assert_eq!(&read.subject_der, &demo().subject_der);
                }
            }
            Err(fault) => prop_assert_eq!(fault.kind, Kind::CertificateMalformed),
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _fault = Certificate::all_from(&bytes).is_err();
        let _fault = Certificate::from_der(&[&[0x30, 0x82, 1, 0x80][..], &bytes].concat()).is_err();
    }
}
