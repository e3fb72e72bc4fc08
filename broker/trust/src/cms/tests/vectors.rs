//! The shared vectors, with the outcomes that their READMEs state.

use super::*;
use crate::algorithm::{Digest, KeyTransport};
use crate::keys::{all_from_pkcs12, certificates_from_pkcs12, from_pkcs12};
use crate::shared;

const COUNTERPARTY: &str = "XVNQ2QEL1PrREwVD";
const HELSENORGE: &str = "drQhrTUSKyQCHYoY";

/// The certificates are of then.
const THEN: &str = "2015-06-01T00:00:00Z";

/// What the two parties of the vectors have.
struct Parties {
    payload: Vec<u8>,
    keys: KeyRing,
    helsenorge: Arc<Trusted>,
    counterparty: Arc<Trusted>,
}

fn file(name: &str) -> Option<Vec<u8>> {
    shared(&format!("helsenorge/{name}"))
}

fn parties() -> Option<Parties> {
    let signer = |name: &str, password: &str| {
        let bytes = file(name)?;
        let key = from_pkcs12(&bytes, password).unwrap();
        Some(trusted(key.certificate(), &certificates_from_pkcs12(&bytes, password).unwrap(), THEN))
    };
    // Two live keys of the same party, as during a roll-over; the right one is not the first.
    let keys = KeyRing::new(vec![
        from_pkcs12(&file("Counterparty_Signature.p12")?, COUNTERPARTY).unwrap(),
        from_pkcs12(&file("Counterparty_Encryption.p12")?, COUNTERPARTY).unwrap(),
    ]);
    Some(Parties {
        payload: file("payload_DIALOG_INNBYGGER_EKONTAKT.xml")?,
        keys,
        helsenorge: signer("Helsenorge_Signature.p12", HELSENORGE)?,
        counterparty: signer("Counterparty_Signature.p12", COUNTERPARTY)?,
    })
}

#[test]
fn messages_to_the_counterparty_are_opened_and_verified() {
    let Some(parties) = parties() else { return };
    // Name, certificates embedded, with signed attributes.
    for (name, embedded, attributes) in [
        ("noattr.aes256", 1, false),
        ("aes256", 1, true),
        ("chain.aes256", 3, true),
        ("ber-stream", 1, true),
        ("two_recipients", 1, true),
        ("ski.aes256", 1, true),
        ("oaep.aes256", 1, true),
    ] {
        let bytes = file(&format!("helsenorge_to_counterparty.{name}.p7m")).unwrap();
        assert!(looks_like(&bytes), "{name}");
        let outside = envelope(&bytes, &limits()).unwrap();
        assert_eq!(outside.recipients.len(), if name == "two_recipients" { 2 } else { 1 }, "{name}");
        assert_eq!(
            matches!(outside.recipients[0].id, CertificateId::KeyId(_)),
            name == "ski.aes256",
            "{name}"
        );

        let opened = open(&bytes, &parties.keys, DEFAULT, &limits()).unwrap();
        assert_eq!(opened.cipher, ContentCipher::Aes256Cbc, "{name}");
        let oaep = KeyTransport::RsaOaep { digest: Digest::Sha1, mask: Digest::Sha1 };
        let transport = if name == "oaep.aes256" { oaep } else { KeyTransport::RsaPkcs1 };
        assert_eq!(opened.transport, transport, "{name}");
        assert!(opened.key.usage.unwrap().key_encipherment, "{name}");

        let signed = signed(&opened.content, &limits()).unwrap();
        assert_eq!(signed.embedded().len(), embedded, "{name}");
        assert_eq!(signed.has_attributes(), attributes, "{name}");
        assert_eq!(signed.signed_at.is_some(), attributes, "{name}");
        let signer = parties.helsenorge.certificate();
        assert_eq!(signed.claimed_thumbprint(), Some(signer.thumbprint), "{name}");
        assert_eq!(signed.claimed().unwrap().subject, signer.subject, "{name}");
        assert_eq!(signed.certificates().len(), embedded, "{name}");
        let verified = signed.verify(&parties.helsenorge, DEFAULT).unwrap();
        assert_eq!(verified.get(), &parties.payload, "{name}");
        assert_eq!(verified.proof().digest, Digest::Sha256, "{name}");
    }
}

#[test]
fn the_opposite_direction_is_opened_and_verified() {
    let Some(parties) = parties() else { return };
    let keys = ring(&from_pkcs12(&file("Helsenorge_Encryption.p12").unwrap(), HELSENORGE).unwrap());
    let bytes = file("counterparty_to_helsenorge.noattr.aes256.p7m").unwrap();
    let opened = open(&bytes, &keys, DEFAULT, &limits()).unwrap();
    let verified =
        signed(&opened.content, &limits()).unwrap().verify(&parties.counterparty, DEFAULT).unwrap();
    assert_eq!(verified.get(), &parties.payload);
}

#[test]
fn signed_data_alone_is_verified() {
    let Some(parties) = parties() else { return };
    let bytes = file("helsenorge_to_counterparty.signed.der").unwrap();
    let verified = signed(&bytes, &limits()).unwrap().verify(&parties.helsenorge, DEFAULT).unwrap();
    assert_eq!(verified.get(), &parties.payload);
    assert_eq!(envelope(&bytes, &limits()).unwrap_err().kind, Kind::CmsMalformed);
}

#[test]
fn what_is_old_needs_to_be_allowed() {
    let Some(parties) = parties() else { return };
    let bytes = file("helsenorge_to_counterparty.3des.p7m").unwrap();
    let fault = open(&bytes, &parties.keys, DEFAULT, &limits()).unwrap_err();
    assert_eq!(fault.kind, Kind::AlgorithmNotAllowed);
    assert!(fault.message.contains("triple DES"), "{fault}");
    let opened = open(&bytes, &parties.keys, LEGACY, &limits()).unwrap();
    let verified = signed(&opened.content, &limits()).unwrap().verify(&parties.helsenorge, DEFAULT).unwrap();
    assert_eq!(verified.get(), &parties.payload);

    let opened = open(&file("legacy_sha1_digest.p7m").unwrap(), &parties.keys, DEFAULT, &limits()).unwrap();
    let verify = |allowed| signed(&opened.content, &limits()).unwrap().verify(&parties.helsenorge, allowed);
    let fault = verify(DEFAULT).unwrap_err();
    assert_eq!(fault.kind, Kind::AlgorithmNotAllowed);
    assert!(fault.message.contains("SHA-1"), "{fault}");
    assert_eq!(verify(LEGACY).unwrap().get(), &parties.payload);
}

#[test]
fn what_is_wrong_is_refused_for_its_reason() {
    let Some(parties) = parties() else { return };
    let outcome = |name: &str| {
        let opened = open(&file(name).unwrap(), &parties.keys, DEFAULT, &limits())?;
        signed(&opened.content, &limits())?.verify(&parties.helsenorge, DEFAULT)
    };
    for (name, kind) in [
        ("neg_wrong_signer.p7m", Kind::SignerUnknown),
        ("neg_wrong_recipient.p7m", Kind::OwnKeyMissing),
        ("neg_tampered_content.p7m", Kind::SignatureInvalid),
        ("neg_detached_signature.p7m", Kind::CmsMalformed),
        ("neg_encrypted_not_signed.p7m", Kind::CmsMalformed),
        ("neg_truncated.p7m", Kind::CmsMalformed),
    ] {
        let fault = outcome(name).unwrap_err();
        assert_eq!(fault.kind, kind, "{name}: {fault}");
    }
    // The signature itself is good; only its signer is another one.
    let opened = open(&file("neg_wrong_signer.p7m").unwrap(), &parties.keys, DEFAULT, &limits()).unwrap();
    assert!(signed(&opened.content, &limits()).unwrap().verify(&parties.counterparty, DEFAULT).is_ok());
}

#[test]
fn without_an_embedded_certificate_the_registered_one_verifies() {
    let Some(parties) = parties() else { return };
    let bytes = file("neg_no_embedded_cert.p7m").unwrap();
    let opened = open(&bytes, &parties.keys, DEFAULT, &limits()).unwrap();
    let signed = signed(&opened.content, &limits()).unwrap();
    assert!(signed.embedded().is_empty());
    assert!(signed.claimed().is_none() && signed.claimed_thumbprint().is_none());
    assert_eq!(signed.verify(&parties.helsenorge, DEFAULT).unwrap().get(), &parties.payload);
}

#[test]
fn payload_protection_of_ebxml_is_opened() {
    let Some(store) = shared("ebxml/nav/keystore/test_keystore2024.p12") else { return };
    let cms = |name: &str| shared(&format!("ebxml/synthetic/cms/{name}")).unwrap();
    // The store has a key of the other party too, which must not open what is not sealed for us.
    let mut keys = all_from_pkcs12(&store, "123456789").unwrap();
    let owner = |key: &Arc<dyn PrivateKey>| format!("{:?}", key.certificate().x509.subject_name());
    keys.retain(|key| owner(key).contains("ARBEID"));
    assert_eq!(keys.len(), 1);
    let keys = KeyRing::new(keys);
    let plain = cms("plain.xml");
    for (name, expected) in [
        ("aes256-cbc.pkcs1", &plain),
        ("aes128-cbc.pkcs1", &plain),
        ("3des-cbc.pkcs1", &plain),
        ("aes256-cbc.oaep", &plain),
        ("aes256-cbc.keyid", &plain),
        ("aes256-cbc.indefinite-ber", &plain),
        ("aes256-gcm.authenveloped", &plain),
        ("aes256-cbc.two-recipients", &plain),
        ("aes256-cbc.mime-inside", &cms("plain.mime")),
    ] {
        let opened = open(&cms(&format!("{name}.p7m")), &keys, LEGACY, &limits()).unwrap();
        assert_eq!(&opened.content, expected, "{name}");
    }
    let gzip = open(&cms("aes256-cbc.gzip-inside.p7m"), &keys, DEFAULT, &limits()).unwrap().content;
    assert!(gzip.starts_with(&[0x1F, 0x8B]));

    for (name, kind) in [
        ("aes256-cbc.wrong-recipient", Kind::OwnKeyMissing),
        ("negative.truncated", Kind::CmsMalformed),
        ("negative.not-cms", Kind::CmsMalformed),
    ] {
        let fault = open(&cms(&format!("{name}.p7m")), &keys, LEGACY, &limits()).unwrap_err();
        assert_eq!(fault.kind, kind, "{name}");
    }
}

#[test]
fn a_real_message_is_read_from_outside() {
    let Some(bytes) = shared("ebxml/nav/oppgjor/2023_08_29T12_56_58_328.p7m") else { return };
    let outside = envelope(&bytes, &limits()).unwrap();
    assert_eq!(outside.cipher, ContentCipher::Aes256Cbc);
    assert_eq!(outside.recipients.len(), 1);
    assert_eq!(outside.recipients[0].transport, Ok(KeyTransport::RsaPkcs1));
    let fault = outside.open(&Demo::shared().receiver.keys(), DEFAULT).unwrap_err();
    assert_eq!(fault.kind, Kind::OwnKeyMissing);
}
