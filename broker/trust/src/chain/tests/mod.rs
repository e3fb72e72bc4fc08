//! What is trusted, and what is not.

mod cache;
mod real;

use super::*;
use crate::algorithm::Digest;
use crate::certificate::KeyUsage;
use crate::fault::Kind;
use crate::pki::demo::{Demo, offered, valid};
use crate::pki::{Authority, Crl, Key, KeyKind, Number, Profile, Responder};
use jiff::{SignedDuration, Timestamp};

const NOW: &str = "2026-03-01T12:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn at(text: &str) -> Moment {
    Moment { at: time(text), now: time(text) }
}

/// The demo's anchors and evidence, and what is put beside them.
struct Bench {
    anchors: Anchors,
    evidence: Evidence,
    embedded: Vec<Arc<Certificate>>,
    moment: Moment,
}

impl Bench {
    fn new() -> Self {
        let demo = Demo::shared();
        let moment = at(NOW);
        Self {
            anchors: demo.anchors(),
            evidence: demo.evidence(moment.now, &[]),
            embedded: Vec::new(),
            moment,
        }
    }

    fn judge(&self, certificate: &Arc<Certificate>, purpose: Purpose) -> Result<Arc<Trusted>, Refusal> {
        let cache = Cache::default();
        self.anchors.judge(certificate, &self.embedded, purpose, self.moment, &self.evidence, &cache)
    }

    #[track_caller]
    fn refuses(&self, certificate: &Arc<Certificate>, kind: Kind, text: &str) {
        let fault = self.judge(certificate, Purpose::Signing).unwrap_err().fault;
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.message.contains(text), "{fault}");
        assert!(fault.certificate.is_some() && !fault.remedy.is_empty(), "{fault}");
    }
}

fn small() -> Key {
    Key::generate(KeyKind::P256).unwrap()
}

fn signing() -> Profile {
    offered(Profile::signing("Demo Legekontor", Demo::shared().sender.number, valid()))
}

/// A certificate of the demo's issuing CA.
fn issued(profile: &Profile) -> Arc<Certificate> {
    Demo::shared().issuing.certify(profile, &small()).unwrap()
}

#[test]
fn the_demo_is_trusted_with_every_kind_of_key() {
    let bench = Bench::new();
    let demo = Demo::shared();
    for (pair, purpose) in
        [(&demo.sender.signing, Purpose::Signing), (&demo.sender.sealing, Purpose::Sealing)]
    {
        let trusted = bench.judge(pair.certificate(), purpose).unwrap();
        assert_eq!(trusted.certificate().thumbprint, pair.certificate().thumbprint);
        let chain: Vec<_> = trusted.chain().iter().map(|c| c.thumbprint).collect();
        assert_eq!(chain, [demo.issuing.certificate().thumbprint, demo.root.certificate().thumbprint]);
        assert_eq!(trusted.revocation().len(), 2, "of it and of the issuing CA");
        assert_eq!(trusted.good_until(), time(NOW) + SignedDuration::from_hours(23), "the next list");
    }
    for kind in [KeyKind::Rsa2048, KeyKind::Rsa3072, KeyKind::Rsa4096, KeyKind::P256, KeyKind::P384] {
        let certificate = demo.issuing.certify(&signing(), &Key::generate(kind).unwrap()).unwrap();
        bench.judge(&certificate, Purpose::Signing).unwrap();
    }
    let registered = Number::Registered(demo.sender.number);
    let mut profile = signing();
    profile.subject.number = Some(registered);
    let certificate = issued(&profile);
    assert_eq!(certificate.organisation, Some(demo.sender.number));
    bench.judge(&certificate, Purpose::Signing).unwrap();
}

#[test]
fn only_what_leads_to_a_root_is_trusted() {
    let mut bench = Bench::new();
    let demo = Demo::shared();
    let good = demo.sender.signing.certificate();

    bench.anchors.intermediates.clear();
    bench.refuses(good, Kind::CertificateUntrusted, "does not lead to a root");
    bench.embedded = vec![Arc::clone(demo.issuing.certificate()), Arc::clone(good)];
    bench.judge(good, Purpose::Signing).unwrap();

    // A root that comes along is nobody's root.
    let evil = Authority::root(&Profile::root("Budstikke Demo Root", valid()), small()).unwrap();
    let evil_issuing =
        evil.authority(&Profile::issuing("Budstikke Demo Issuing CA", valid()), small()).unwrap();
    let forged = evil_issuing.certify(&signing(), &small()).unwrap();
    bench.embedded = vec![Arc::clone(evil.certificate()), Arc::clone(evil_issuing.certificate())];
    bench.refuses(&forged, Kind::CertificateUntrusted, "");
    // One with the right names beside the real ones: its signature is not the real CA's.
    bench.embedded = vec![Arc::clone(demo.issuing.certificate())];
    bench.refuses(&forged, Kind::CertificateUntrusted, "");

    let own = Authority::root(&signing(), small()).unwrap();
    bench.refuses(own.certificate(), Kind::CertificateUntrusted, "signed by itself");
    bench.anchors.roots.clear();
    bench.refuses(good, Kind::CertificateUntrusted, "");
}

#[test]
fn a_self_signed_certificate_among_the_roots_is_no_signer() {
    let mut bench = Bench::new();
    let demo = Demo::shared();
    bench.refuses(demo.root.certificate(), Kind::CertificateUsage, "CA's");
    let own = Authority::root(&signing(), small()).unwrap();
    bench.anchors.roots.push(Arc::clone(own.certificate()));
    bench.refuses(own.certificate(), Kind::CertificateUntrusted, "signed by itself");
}

#[test]
fn only_cas_issue() {
    let mut bench = Bench::new();
    let demo = Demo::shared();
    let cert_sign =
        KeyUsage { cert_sign: true, crl_sign: true, non_repudiation: true, ..KeyUsage::default() };
    for profile in [
        signing(),
        Profile { usage: Some(cert_sign), ..signing() },
        Profile { usage: None, ..signing() },
        Profile {
            usage: Some(KeyUsage { crl_sign: true, ..KeyUsage::default() }),
            ..Profile::issuing("No CA", valid())
        },
        Profile { usage: None, ..Profile::issuing("Says nothing", valid()) },
    ] {
        let no_ca = demo.root.authority(&profile, small()).unwrap();
        let below = no_ca.certify(&signing(), &small()).unwrap();
        bench.anchors.intermediates = vec![Arc::clone(no_ca.certificate())];
        bench.refuses(&below, Kind::CertificateUntrusted, "");
    }
    // The issuing CA may have no CA below it.
    let deeper = demo.issuing.authority(&Profile::issuing("One too many", valid()), small()).unwrap();
    let below = deeper.certify(&signing(), &small()).unwrap();
    bench.anchors.intermediates =
        vec![Arc::clone(demo.issuing.certificate()), Arc::clone(deeper.certificate())];
    bench.refuses(&below, Kind::CertificateUntrusted, "may not issue");
    bench.refuses(demo.issuing.certificate(), Kind::CertificateUsage, "CA's");
}

#[test]
fn chains_are_bounded() {
    let mut bench = Bench::new();
    let mut authority = Demo::shared().root.clone();
    for depth in 0..7 {
        authority = authority.authority(&Profile::root(&format!("CA {depth}"), valid()), small()).unwrap();
        bench.anchors.intermediates.push(Arc::clone(authority.certificate()));
    }
    let below = authority.certify(&signing(), &small()).unwrap();
    bench.refuses(&below, Kind::CertificateUntrusted, "too many CAs");
    // Whatever a message brings along, only so much of it is considered.
    bench.embedded = bench.anchors.intermediates.iter().cycle().take(5000).cloned().collect();
    bench.refuses(&below, Kind::CertificateUntrusted, "");
}

/// A CA whose own certificate has its name in another string type than what it issued.
#[test]
fn a_name_is_the_same_in_every_string_type() {
    let demo = Demo::shared();
    let mut bench = Bench::new();
    let key = small();
    let first = demo.root.authority(&Profile::issuing("Two Ways", valid()), key.clone()).unwrap();
    let leaf = first.certify(&signing(), &small()).unwrap();
    let mut profile = Profile::issuing("Two Ways", valid());
    profile.subject.printable = true;
    let second = demo.root.authority(&profile, key).unwrap();
    assert_ne!(second.certificate().subject_der, leaf.issuer_der);
    bench.anchors.intermediates = vec![Arc::clone(second.certificate())];
    let root = demo.root.crl(&Crl::fresh(time(NOW))).unwrap();
    let root = Evidence::default().with_crl(&root).unwrap();
    bench.anchors.revocation = RevocationRule::IfOffered;
    for authority in [&first, &second] {
        let revoked = vec![(leaf.serial.clone(), time(NOW))];
        for (revoked, good) in [(Vec::new(), true), (revoked, false)] {
            let crl = authority.crl(&Crl { revoked: revoked.clone(), ..Crl::fresh(time(NOW)) }).unwrap();
            let request = Evidence::wanted(&leaf, second.certificate()).ocsp_request;
            let responder = Responder { revoked, ..Responder::fresh(&first, time(NOW)) };
            let answer = responder.answer(&request).unwrap();
            for evidence in [root.with_crl(&crl), root.with_ocsp(&answer)] {
                bench.evidence = evidence.unwrap();
                let judged = bench.judge(&leaf, Purpose::Signing).map_err(|r| r.fault.kind);
                assert_eq!(judged.err(), (!good).then_some(Kind::CertificateRevoked));
            }
        }
    }
}

#[test]
fn names_and_critical_extensions_bind() {
    let mut bench = Bench::new();
    let demo = Demo::shared();
    let profile = Profile { only_dns: Some("good.example".into()), ..Profile::issuing("Bound", valid()) };
    let bound = demo.root.authority(&profile, small()).unwrap();
    bench.anchors.intermediates = vec![Arc::clone(bound.certificate())];
    let named = |dns: &str| bound.certify(&Profile { dns: Some(dns.into()), ..signing() }, &small()).unwrap();
    bench.evidence = bench.evidence.with_crl(&bound.crl(&Crl::fresh(time(NOW))).unwrap()).unwrap();
    bench.anchors.revocation = RevocationRule::IfOffered;
    bench.judge(&named("post.good.example"), Purpose::Signing).unwrap();
    bench.refuses(&named("post.evil.example"), Kind::CertificateUntrusted, "may not issue for");

    let bench = Bench::new();
    bench.refuses(
        &issued(&Profile { unknown_critical: true, ..signing() }),
        Kind::CertificateUntrusted,
        "critical",
    );
}

#[test]
fn validity_is_judged_at_the_moment_that_is_given() {
    let mut bench = Bench::new();
    let (from, to) = (time("2026-01-01T00:00:00Z"), time("2026-02-01T00:00:00Z"));
    let certificate = issued(&Profile { not_before: from, not_after: to, ..signing() });
    let mut at = |moment: Timestamp| {
        bench.moment.at = moment;
        bench.judge(&certificate, Purpose::Signing).map_err(|r| r.fault.kind)
    };
    let second = SignedDuration::from_secs(1);
    assert_eq!(at(from - second).unwrap_err(), Kind::CertificateNotYetValid);
    at(from).unwrap();
    // It has run out by now, but was valid when the message was sent.
    let trusted = at(to - second).unwrap();
    assert!(trusted.good_until() > time(NOW));
    at(to).unwrap();
    assert_eq!(at(to + second).unwrap_err(), Kind::CertificateExpired);

    let demo = Demo::shared();
    let brief = Profile { not_after: to, ..Profile::issuing("Brief", valid()) };
    let brief = demo.root.authority(&brief, small()).unwrap();
    let mut bench = Bench::new();
    bench.anchors.intermediates = vec![Arc::clone(brief.certificate())];
    bench.refuses(
        &brief.certify(&signing(), &small()).unwrap(),
        Kind::CertificateExpired,
        "CA certificate above",
    );
}

#[test]
fn usage_policy_and_strength() {
    let mut bench = Bench::new();
    let demo = Demo::shared();
    bench.refuses(demo.sender.sealing.certificate(), Kind::CertificateUsage, "nonRepudiation");
    let fault = bench.judge(demo.sender.signing.certificate(), Purpose::Sealing).unwrap_err().fault;
    assert_eq!(fault.kind, Kind::CertificateUsage);
    bench.refuses(&issued(&Profile { usage: None, ..signing() }), Kind::CertificateUsage, "nonRepudiation");
    bench.refuses(&issued(&Profile { ca: true, ..signing() }), Kind::CertificateUsage, "CA's");

    bench.refuses(&issued(&Profile { policies: vec![], ..signing() }), Kind::CertificatePolicy, "none");
    let other = Profile { policies: vec!["2.999.3.2".into(), "2.5.29.32.0".into()], ..signing() };
    bench.refuses(&issued(&other), Kind::CertificatePolicy, "2.999.3.2, 2.5.29.32.0");
    bench.anchors.policies.clear();
    bench.judge(&issued(&other), Purpose::Signing).unwrap();

    let bench = Bench::new();
    let with = |kind| demo.issuing.certify(&signing(), &Key::generate(kind).unwrap()).unwrap();
    bench.refuses(&with(KeyKind::Rsa1024), Kind::KeyWeak, "too short");
    bench.refuses(&with(KeyKind::P521), Kind::KeyWeak, "secp521r1");
    bench.refuses(
        &issued(&Profile { digest: Digest::Sha1, ..signing() }),
        Kind::AlgorithmNotAllowed,
        "SHA-1",
    );
}

#[test]
fn a_personal_certificate_is_told_of_without_its_person() {
    let bench = Bench::new();
    let number = Demo::shared().sender.number;
    for (whose, organisation) in [(Number::Person, None), (Number::Employee(number), Some(number))] {
        let mut profile = Profile { policies: vec![], ..signing() };
        profile.subject.common_name = "Kari Fiktiv".into();
        profile.subject.number = Some(whose);
        let certificate = issued(&profile);
        assert_eq!(certificate.organisation, organisation);
        let refusal = bench.judge(&certificate, Purpose::Signing).unwrap_err();
        let told = [
            refusal.to_string(),
            format!("{refusal:?}"),
            certificate.describe(),
            certificate.subject.clone(),
        ];
        for text in told {
            assert!(!text.contains("Kari") && !text.contains("Fiktiv") && !text.contains("UN:NO"), "{text}");
        }
        assert!(certificate.may_be_personal() && certificate.describe().contains(&certificate.serial_hex()));
    }
}

#[test]
fn revocation_decides() {
    let demo = Demo::shared();
    let mut bench = Bench::new();
    let signer = demo.sender.signing.certificate();
    bench.evidence = demo.evidence(time(NOW), &[signer]);
    bench.refuses(signer, Kind::CertificateRevoked, "since 2026-02-28T12:00:00Z");
    // Revoked after it was sent, by the sender's word: refused all the same, and told.
    bench.moment.at = time("2026-01-01T00:00:00Z");
    bench.refuses(signer, Kind::CertificateRevoked, "after 2026-01-01T00:00:00Z");
    bench.judge(demo.receiver.signing.certificate(), Purpose::Signing).unwrap();

    let mut bench = Bench::new();
    bench.evidence = demo.evidence(time(NOW), &[demo.issuing.certificate()]);
    bench.refuses(signer, Kind::CertificateRevoked, "");
    // Revoked above and unknown below: revoked.
    bench.evidence = Evidence::default()
        .with_crl(
            &demo
                .root
                .crl(&Crl {
                    revoked: vec![(demo.issuing.certificate().serial.clone(), time(NOW))],
                    ..Crl::fresh(time(NOW))
                })
                .unwrap(),
        )
        .unwrap();
    bench.refuses(signer, Kind::CertificateRevoked, "");
}

#[test]
fn what_is_not_known_is_said_with_what_to_fetch() {
    let demo = Demo::shared();
    let mut bench = Bench::new();
    let signer = demo.sender.signing.certificate();
    bench.evidence = Evidence::default();
    bench.refuses(signer, Kind::RevocationUnknown, "no fresh and valid");
    let fault = bench.judge(signer, Purpose::Signing).unwrap_err().fault;
    assert!(fault.message.contains(&demo.issuing.certificate().subject), "whose answer: {}", fault.message);
    for place in signer.ocsp_urls.iter().chain(&signer.crl_urls) {
        assert!(fault.remedy.contains(place.as_str()), "where it is to be had: {}", fault.remedy);
    }
    let wanted = bench.judge(signer, Purpose::Signing).unwrap_err().wanted;
    let of: Vec<_> = wanted.iter().map(|w| w.certificate).collect();
    assert_eq!(of, [signer.thumbprint, demo.issuing.certificate().thumbprint]);
    assert!(
        !wanted[0].ocsp_request.is_empty()
            && !wanted[0].ocsp_urls.is_empty()
            && !wanted[1].crl_urls.is_empty()
    );
    // With half of it, the other half is wanted.
    bench.evidence = bench.evidence.with_crl(&demo.issuing.crl(&Crl::fresh(time(NOW))).unwrap()).unwrap();
    let wanted = bench.judge(signer, Purpose::Signing).unwrap_err().wanted;
    assert_eq!(
        wanted.iter().map(|w| w.certificate).collect::<Vec<_>>(),
        [demo.issuing.certificate().thumbprint]
    );

    bench.anchors.test_mode = Some(TestMode::announced_loudly_by_the_caller());
    bench.evidence = Evidence::default();
    let trusted = bench.judge(signer, Purpose::Signing).unwrap();
    assert!(trusted.revocation().iter().all(|s| s.standing == crate::revocation::Standing::Unknown));
    assert!(trusted.good_until() <= time(NOW), "not kept");
    bench.evidence = demo.evidence(time(NOW), &[signer]);
    bench.refuses(signer, Kind::CertificateRevoked, "");
}

#[test]
fn a_certificate_that_offers_nothing_passes_only_where_the_rule_says_so() {
    let demo = Demo::shared();
    let mut bench = Bench::new();
    let silent = issued(&Profile { crl_urls: vec![], ocsp_urls: vec![], ..signing() });
    bench.judge(&silent, Purpose::Signing).unwrap();
    let only_root = demo.root.crl(&Crl::fresh(time(NOW))).unwrap();
    bench.evidence = Evidence::default().with_crl(&only_root).unwrap();
    bench.refuses(&silent, Kind::RevocationUnknown, "names no place to ask");
    assert!(bench.judge(&silent, Purpose::Signing).unwrap_err().wanted.is_empty());
    bench.anchors.revocation = RevocationRule::IfOffered;
    let trusted = bench.judge(&silent, Purpose::Signing).unwrap();
    assert_eq!(trusted.good_until(), time(NOW) + SignedDuration::from_hours(1));
    // One that offers, and gives nothing, does not pass by that rule.
    bench.refuses(demo.sender.signing.certificate(), Kind::RevocationUnknown, "no fresh");
}
