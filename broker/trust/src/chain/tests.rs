//! What is trusted, and what is not.

use super::*;
use crate::fault::Kind;
use crate::keys::{certificates_from_pkcs12, from_pkcs12};
use crate::pki::demo::Demo;
use crate::shared;

fn at(text: &str) -> Moment {
    let moment = text.parse().unwrap();
    Moment { at: moment, now: moment }
}

const TEST: Option<TestMode> = Some(TestMode::announced_loudly_by_the_caller());

#[test]
fn shared_certificates_are_judged_as_their_readme_says() {
    let Some(bytes) = shared("helsenorge/Counterparty_Signature.p12") else { return };
    let key = from_pkcs12(&bytes, "XVNQ2QEL1PrREwVD").unwrap();
    let all = certificates_from_pkcs12(&bytes, "XVNQ2QEL1PrREwVD").unwrap();
    let roots = all.iter().filter(|c| c.is_self_issued()).cloned().collect();
    let anchors = Anchors { roots, test_mode: TEST, ..Anchors::default() };
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
fn the_demo_is_trusted() {
    let demo = Demo::shared();
    let anchors = demo.anchors();
    for (pair, purpose) in
        [(&demo.sender.signing, Purpose::Signing), (&demo.sender.sealing, Purpose::Sealing)]
    {
        let moment = at("2026-01-01T00:00:00Z");
        let judge = |evidence: &Evidence| {
            anchors.judge(pair.certificate(), &[], purpose, moment, evidence, &Cache::default())
        };
        let trusted = judge(&demo.evidence(moment.now, &[])).unwrap();
        assert_eq!(trusted.revocation().len(), 2);
        let refusal = judge(&Evidence::default()).unwrap_err();
        assert_eq!(refusal.fault.kind, Kind::RevocationUnknown);
        assert_eq!(refusal.wanted.len(), 2);
    }
}
