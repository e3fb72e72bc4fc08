//! What the cache may keep.

use super::*;

#[test]
fn a_judgement_is_kept_while_it_holds() {
    let bench = Bench::new();
    let demo = Demo::shared();
    let cache = Cache::default();
    let signer = demo.sender.signing.certificate();
    let ask = |moment: Moment, evidence: &Evidence, anchors: &Anchors, purpose| {
        anchors.judge(signer, &[], purpose, moment, evidence, &cache)
    };
    let judge = |moment| ask(moment, &bench.evidence, &bench.anchors, Purpose::Signing);
    let first = judge(bench.moment).unwrap();
    assert!(Arc::ptr_eq(&first, &judge(bench.moment).unwrap()));
    let earlier = Moment { at: time("2025-01-01T00:00:00Z"), now: bench.moment.now };
    assert!(Arc::ptr_eq(&first, &judge(earlier).unwrap()), "valid then too");

    let before = Moment { at: time("2019-01-01T00:00:00Z"), now: bench.moment.now };
    assert_eq!(judge(before).unwrap_err().fault.kind, Kind::CertificateNotYetValid);
    let after = Moment { at: time("2050-01-01T00:00:00Z"), now: bench.moment.now };
    assert_eq!(judge(after).unwrap_err().fault.kind, Kind::CertificateExpired);
    let tomorrow = Moment { at: bench.moment.at, now: first.good_until() + SignedDuration::from_hours(1) };
    assert_eq!(judge(tomorrow).unwrap_err().fault.kind, Kind::RevocationUnknown, "the list is over");
    let sealing = ask(bench.moment, &bench.evidence, &bench.anchors, Purpose::Sealing);
    assert_eq!(sealing.unwrap_err().fault.kind, Kind::CertificateUsage);
    let revoked = demo.evidence(bench.moment.now, &[signer]);
    let revoked = ask(bench.moment, &revoked, &bench.anchors, Purpose::Signing);
    assert_eq!(revoked.unwrap_err().fault.kind, Kind::CertificateRevoked, "new evidence");
    let rootless = ask(bench.moment, &bench.evidence, &Anchors::default(), Purpose::Signing);
    assert_eq!(rootless.unwrap_err().fault.kind, Kind::CertificateUntrusted, "other anchors");

    cache.forget(signer.thumbprint);
    let second = judge(bench.moment).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    cache.clear();
    assert!(!Arc::ptr_eq(&second, &judge(bench.moment).unwrap()));
}

#[test]
fn new_answers_ask_for_revocation_alone() {
    let demo = Demo::shared();
    let mut bench = Bench::new();
    let cache = Cache::default();
    let signer = demo.sender.signing.certificate();
    let judge = |bench: &Bench, embedded: &[Arc<Certificate>]| {
        bench.anchors.judge(signer, embedded, Purpose::Signing, bench.moment, &bench.evidence, &cache)
    };
    // The issuing certificate comes along with the first message only: the second judgement needs no new chain.
    bench.anchors.intermediates.clear();
    let first = judge(&bench, &[Arc::clone(demo.issuing.certificate())]).unwrap();
    let later = bench.moment.now + SignedDuration::from_hours(2);
    bench.moment.now = later;
    bench.evidence = demo.evidence(later, &[]);
    let second = judge(&bench, &[]).unwrap();
    assert!(second.good_until() > first.good_until());
    assert_eq!(second.moment(), bench.moment);
    assert!(Arc::ptr_eq(&second, &judge(&bench, &[]).unwrap()));
    // A chain that is revoked now is no way around.
    bench.evidence = demo.evidence(later, &[demo.issuing.certificate()]);
    let embedded = [Arc::clone(demo.issuing.certificate())];
    assert_eq!(judge(&bench, &embedded).unwrap_err().fault.kind, Kind::CertificateRevoked);
    bench.evidence = Evidence::default();
    assert_eq!(judge(&bench, &embedded).unwrap_err().fault.kind, Kind::RevocationUnknown);
    // Nor does a chain outlast the time of its certificates.
    bench.moment.at = time("2050-01-01T00:00:00Z");
    assert_eq!(judge(&bench, &embedded).unwrap_err().fault.kind, Kind::CertificateExpired);
}
