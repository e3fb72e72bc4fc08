//! Real certificates, at their time.

use super::*;
use crate::keys::{certificates_from_pkcs12, from_pkcs12};
use crate::shared;

#[test]
fn shared_certificates_are_judged_as_their_readme_says() {
    let Some(bytes) = shared("helsenorge/Counterparty_Signature.p12") else { return };
    let key = from_pkcs12(&bytes, "XVNQ2QEL1PrREwVD").unwrap();
    let all = certificates_from_pkcs12(&bytes, "XVNQ2QEL1PrREwVD").unwrap();
    let roots = all.iter().filter(|c| c.is_self_issued()).cloned().collect();
    let test_mode = Some(TestMode::announced_loudly_by_the_caller());
    let anchors =
        Anchors { roots, policies: vec!["2.16.578.1.26.1.0.3.2".into()], test_mode, ..Anchors::default() };
    let judge = |embedded: &[Arc<Certificate>], moment: &str, purpose| {
        anchors.judge(
            key.certificate(),
            embedded,
            purpose,
            at(moment),
            &Evidence::default(),
            &Cache::default(),
        )
    };
    let kind = |result: Result<Arc<Trusted>, Refusal>| result.unwrap_err().fault.kind;

    let trusted = judge(&all, "2015-06-01T00:00:00Z", Purpose::Signing).unwrap();
    assert_eq!(trusted.chain().len(), 2);
    assert_eq!(kind(judge(&all, "2015-06-01T00:00:00Z", Purpose::Sealing)), Kind::CertificateUsage);
    assert_eq!(kind(judge(&all, "2026-06-01T00:00:00Z", Purpose::Signing)), Kind::CertificateExpired);
    assert_eq!(kind(judge(&all, "2014-08-01T00:00:00Z", Purpose::Signing)), Kind::CertificateNotYetValid);
    assert_eq!(kind(judge(&[], "2015-06-01T00:00:00Z", Purpose::Signing)), Kind::CertificateUntrusted);
}

#[test]
fn a_real_sender_leads_to_the_shared_trust_store() {
    let Some(signer) = shared("ebxml/nav/oppgjor/2023_08_29T12_56_58_328.cer") else { return };
    let Some(store) = shared("ebxml/nav/keystore/truststore_test.p12") else { return };
    let signer = Certificate::all_from(&signer).unwrap().remove(0);
    let store = certificates_from_pkcs12(&store, "123456789").unwrap();
    let (roots, intermediates) = store.into_iter().partition(|c| c.is_self_issued());
    let test_mode = Some(TestMode::announced_loudly_by_the_caller());
    let anchors = Anchors { roots, intermediates, test_mode, ..Anchors::default() };
    let judge = |moment: &str| {
        anchors.judge(&signer, &[], Purpose::Signing, at(moment), &Evidence::default(), &Cache::default())
    };
    let trusted = judge("2023-08-29T12:56:58Z").unwrap();
    println!("{}", trusted.chain().iter().map(|c| c.describe()).collect::<Vec<_>>().join("\n"));
    assert_eq!(judge("2026-01-01T00:00:00Z").unwrap_err().fault.kind, Kind::CertificateExpired);
}
