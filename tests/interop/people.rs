//! Who signs and seals here: the organisations of the fictitious PKI, and their certificates as trusted ones.

use crate::tools::Desk;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use std::sync::{Arc, OnceLock};
use trust::chain::{Cache, Moment, Purpose, RevocationRule, TestMode};
use trust::pki::demo::{Demo, Organisation};
use trust::pki::{KeyKind, Pair};
use trust::revocation::Evidence;
use trust::{Anchors, Certificate, Trusted};

/// A day on which all certificates of the fictitious PKI are valid.
pub(crate) fn now() -> Timestamp {
    "2026-01-15T09:00:00Z".parse().unwrap()
}

/// RSA, or EC.
pub(crate) fn is_rsa(kind: KeyKind) -> bool {
    !matches!(kind, KeyKind::P256 | KeyKind::P384 | KeyKind::P521)
}

/// The PKI with keys of this kind, made once.
pub(crate) fn demo(kind: KeyKind) -> &'static Demo {
    static P256: OnceLock<Demo> = OnceLock::new();
    static P384: OnceLock<Demo> = OnceLock::new();
    let made = || Demo::new(kind).unwrap();
    if is_rsa(kind) {
        Demo::shared()
    } else if kind == KeyKind::P256 {
        P256.get_or_init(made)
    } else {
        P384.get_or_init(made)
    }
}

/// The certificate as a trusted one. Revocation is no matter of these tests.
pub(crate) fn trusted(anchors: Anchors, certificate: &Arc<Certificate>, at: Timestamp) -> Arc<Trusted> {
    let anchors = Anchors {
        revocation: RevocationRule::IfOffered,
        test_mode: Some(TestMode::announced_loudly_by_the_caller()),
        ..anchors
    };
    let moment = Moment { at, now: at };
    anchors
        .judge(certificate, &[], Purpose::Signing, moment, &Evidence::default(), &Cache::default())
        .unwrap_or_else(|fault| panic!("{fault}"))
}

/// The sender's signing certificate, trusted.
pub(crate) fn sender(demo: &Demo) -> Arc<Trusted> {
    trusted(demo.anchors(), demo.sender.signing.certificate(), now())
}

/// A certificate in PEM.
pub(crate) fn pem(certificate: &Certificate) -> String {
    let text = STANDARD.encode(&certificate.der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|i| &text[i..text.len().min(i + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// Puts `NAME.key`, `NAME.crt` on the desk.
pub(crate) fn lay_out(desk: &Desk, name: &str, pair: &Pair) {
    desk.write(&format!("{name}.key"), pair.key().pem(None).unwrap());
    desk.write(&format!("{name}.crt"), pem(pair.certificate()));
}

/// Puts the signing and the sealing key of an organisation on the desk.
pub(crate) fn lay_out_all(desk: &Desk, name: &str, organisation: &Organisation) {
    lay_out(desk, &format!("{name}-sign"), &organisation.signing);
    lay_out(desk, &format!("{name}-seal"), &organisation.sealing);
}
