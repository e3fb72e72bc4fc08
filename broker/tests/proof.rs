//! A proof, from the decision on a sealed message to a reader who has nothing but the file and a root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use adapters::memory::MemoryStore;
use broker::proof::manifest::{Manifest, What};
use broker::proof::verify::{Broker, Means};
use broker::proof::{Case, Checked, Outcome, Signer, Standing, archive, pack, verify};
use broker_core::journal::{DocumentKind, Entry, Known, Provenance};
use broker_core::policy::Policy;
use broker_core::ports::Store;
use broker_core::protection::{Partners, Protection};
use broker_core::{Arrival, ContentHash, World, process};
use jiff::Timestamp;
use message_schemas::{HerId, Limits, MessageId, head};
use routing_rules::{Parties, Rules};
use std::sync::Arc;
use trust::pki::Crl;
use trust::pki::demo::Demo;
use trust::revocation::Evidence;
use trust::xmldsig::{self, Canonical, Options, Shape};
use trust::{Anchors, ContentCipher, KeyRing, cms};
use uuid::Uuid;

/// What is agreed with the hospital: it signs and seals, and gets what is sealed for it.
const AGREED: &str = r#"organisation = "SENDER"
[party.protection]
requires = "signed-and-sealed"
gets = "signed-and-sealed"
"#;

fn now() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().unwrap()
}

fn message() -> Vec<u8> {
    common::sample("dialogmelding/accepted-1.1")
}

fn world() -> World {
    let demo = Demo::shared();
    let list = |ca: &trust::pki::Authority| ca.crl(&Crl::fresh(now())).unwrap();
    let evidence =
        Evidence::default().with_crl(&list(&demo.root)).unwrap().with_crl(&list(&demo.issuing)).unwrap();
    let partners = Partners::new([(HerId(120_000), vec![Arc::clone(demo.sender.sealing.certificate())])]);
    let protection = Protection {
        keys: Arc::new(demo.receiver.keys()),
        anchors: Arc::new(demo.anchors()),
        evidence: Arc::new(evidence),
        partners: Arc::new(partners),
        ..Protection::default()
    };
    World {
        schemas: Arc::new(broker::schemas::load(None).unwrap()),
        parties: Arc::new(
            Parties::parse(&[(
                "parties.toml".to_owned(),
                common::parties_with(AGREED).replace("SENDER", &demo.sender.number.to_string()),
            )])
            .unwrap(),
        ),
        rules: Arc::new(Rules::none()),
        policy: Arc::new(Policy::default()),
        trust: Some(Arc::new(protection)),
        limits: Limits::default(),
        heads: head::Settings::default(),
        documents: Arc::default(),
        provenance: Arc::new(Provenance { program: "test".into(), ..Provenance::default() }),
    }
}

fn judge(bytes: Vec<u8>, world: &World) -> Entry {
    let arrival = Arrival {
        id: MessageId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)),
        source: "http".into(),
        received: now(),
        bytes: bytes.into(),
        idempotency_key: None,
        envelope_receiver: None,
        envelope_sender: None,
        transport: None,
    };
    let mut count = 0u128;
    let mut ids = || {
        count += 1;
        Uuid::from_u128(count)
    };
    match process(arrival, world, now(), &mut ids) {
        broker_core::Outcome::Judged(entry) => *entry,
        broker_core::Outcome::Need { prepared, .. } => {
            prepared.decide(&Known::default(), world, now(), &mut ids)
        }
        broker_core::Outcome::Fetch { wanted, .. } => panic!("nothing is to be fetched: {wanted:?}"),
    }
}

/// Judged, committed, and fetched for a proof.
async fn case(bytes: Vec<u8>) -> Case {
    let entry = judge(bytes, &world());
    let (store, id) = (MemoryStore::new(), entry.arrival.id);
    store.commit(vec![entry]).await.unwrap();
    let record = store.message(id).await.unwrap().unwrap();
    Case::fetch(record, &store).await.unwrap()
}

fn signed() -> Vec<u8> {
    cms::sign(&message(), &*Demo::shared().sender.signing.private_key(), None).unwrap()
}

fn sealed() -> Vec<u8> {
    let to = [Arc::clone(Demo::shared().receiver.sealing.certificate())];
    cms::seal(&signed(), &to, ContentCipher::default()).unwrap()
}

/// The broker's key, with what the case knows of its revocation.
fn signer(case: &Case) -> Signer {
    let demo = Demo::shared();
    let evidence = case.known_of_revocation(Evidence::default());
    Signer::judge(&demo.receiver.signing.private_key(), &demo.anchors(), &evidence, now()).unwrap()
}

fn packed(case: &Case) -> Vec<u8> {
    pack(case, "budstikke test", now(), Some(&signer(case))).unwrap()
}

fn roots() -> Anchors {
    Anchors { roots: vec![Arc::clone(Demo::shared().root.certificate())], ..Anchors::default() }
}

fn the_broker() -> Broker {
    Broker::Certificate(Arc::clone(Demo::shared().receiver.signing.certificate()))
}

fn check(proof: &[u8]) -> Checked {
    let keys = Demo::shared().receiver.keys();
    verify(proof, Means { anchors: Some(&roots()), broker: Some(&the_broker()), keys: &keys })
}

/// As an auditor who has no key.
fn check_by(proof: &[u8], broker: Option<&Broker>) -> Checked {
    verify(proof, Means { anchors: Some(&roots()), broker, keys: &KeyRing::default() })
}

fn standing(checked: &Checked, what: &str) -> Standing {
    checked.checks.iter().find(|c| c.what == what).unwrap_or_else(|| panic!("{what}: {checked:?}")).standing
}

fn told<'c>(checked: &'c Checked, what: &str) -> &'c str {
    &checked.checks.iter().find(|c| c.what == what).unwrap().told
}

#[tokio::test]
async fn a_sealed_message_is_proven_with_nothing_but_the_file_a_root_and_the_brokers_name() {
    let case = case(sealed()).await;
    assert_eq!(case.record.verdict.as_str(), "accepted", "{:?}", case.record.findings);
    let proof = packed(&case);
    assert_eq!(packed(&case).len(), proof.len());
    let checked = check(&proof);
    assert_eq!(checked.outcome(), Outcome::Proven, "{checked:#?}");
    assert!(checked.checks.iter().all(|c| c.standing == Standing::Holds), "{checked:#?}");
    let names: Vec<_> = checked.checks.iter().map(|c| c.what).collect();
    assert_eq!(
        names,
        [
            "archive",
            "manifest",
            "message",
            "broker's signature",
            "broker's revocation",
            "seal",
            "signatures",
            "head",
            "opened",
            "receipts"
        ]
    );
    // It names everything that the issue of trust is about.
    let entries = archive::read(&proof).unwrap();
    let manifest: Manifest = serde_json::from_slice(entries[0].bytes).unwrap();
    let has = |what| manifest.entries.iter().filter(|e| e.what == what).count();
    for (what, count) in [
        (What::Original, 1),
        (What::Record, 1),
        (What::Findings, 1),
        (What::Decision, 1),
        (What::Recipients, 1),
        (What::Events, 1),
        (What::Provenance, 1),
        (What::Protection, 1),
        (What::Receipt, 1),
        (What::Opened, 1),
        (What::Sealed, 1),
        // The sender's, the broker's, and the two CAs' above both.
        (What::Certificate, 4),
        (What::Crl, 2),
        (What::SignedContent, 1),
    ] {
        assert_eq!(has(what), count, "{what:?}: {manifest:#?}");
    }
    let opened = manifest.entries.iter().find(|e| e.what == What::Opened).unwrap();
    assert_eq!(opened.sha256, ContentHash::of(&message()));
}

#[tokio::test]
async fn without_roots_or_the_brokers_name_nothing_is_proven_and_it_is_said_what_was_not_checked() {
    let case = case(sealed()).await;
    let bare = verify(&packed(&case), Means { anchors: None, broker: None, keys: &KeyRing::default() });
    assert_eq!(bare.outcome(), Outcome::NotProven, "{bare:#?}");
    for what in ["broker's signature", "signatures", "seal"] {
        assert_eq!(standing(&bare, what), Standing::NotChecked, "{what}: {bare:#?}");
    }
    // The roots alone say that some organisation signed it, and which, but not that it was the broker.
    let unnamed = check_by(&packed(&case), None);
    assert_eq!(unnamed.outcome(), Outcome::NotProven, "{unnamed:#?}");
    assert_eq!(standing(&unnamed, "broker's signature"), Standing::NotChecked);
    assert!(told(&unnamed, "broker's signature").contains("Demo Sykehus"), "{unnamed:#?}");
    assert_eq!(standing(&unnamed, "signatures"), Standing::Holds);
    // Without the receiver's key what was signed is proven all the same: it lies beside the seal.
    let by = Broker::Organisation(Demo::shared().receiver.number);
    let without_key = check_by(&packed(&case), Some(&by));
    assert_eq!(without_key.outcome(), Outcome::Proven, "{without_key:#?}");
    for what in ["signatures", "head", "opened", "receipts"] {
        assert_eq!(standing(&without_key, what), Standing::Holds, "{what}: {without_key:#?}");
    }
    assert_eq!(standing(&without_key, "seal"), Standing::NotChecked);
    // A file that nobody signed.
    let unsigned = pack(&case, "budstikke test", now(), None).unwrap();
    let checked = check_by(&unsigned, None);
    assert_eq!((checked.outcome(), standing(&checked, "signatures")), (Outcome::NotProven, Standing::Holds));
    let checked = check(&unsigned);
    assert_eq!(standing(&checked, "broker's signature"), Standing::Fails, "{checked:#?}");
}

#[tokio::test]
async fn only_the_broker_that_is_named_can_have_signed() {
    let demo = Demo::shared();
    let case = case(sealed()).await;
    let evidence = case.known_of_revocation(Evidence::default());
    let sender =
        Signer::judge(&demo.sender.signing.private_key(), &demo.anchors(), &evidence, now()).unwrap();
    let by_sender = pack(&case, "budstikke test", now(), Some(&sender)).unwrap();
    for broker in [the_broker(), Broker::Organisation(demo.receiver.number)] {
        let checked = check_by(&by_sender, Some(&broker));
        assert_eq!(standing(&checked, "broker's signature"), Standing::Fails, "{checked:#?}");
        assert!(told(&checked, "broker's signature").contains("Demo Legekontor"), "{checked:#?}");
    }
    assert_eq!(check_by(&by_sender, None).outcome(), Outcome::NotProven);
}

#[tokio::test]
async fn a_revoked_brokers_key_proves_nothing_and_one_of_which_nothing_is_known_is_told() {
    let demo = Demo::shared();
    let key = demo.receiver.signing.private_key();
    let mut case = case(sealed()).await;
    let good = signer(&case);
    assert_eq!(good.doubt(), None);

    let revoked = demo.evidence(now(), &[demo.receiver.signing.certificate()]);
    let fault = Signer::judge(&key, &demo.anchors(), &revoked, now()).unwrap_err();
    assert_eq!(fault.kind, trust::Kind::CertificateRevoked, "a revoked key does not sign: {fault:?}");

    // Nothing is known: it is signed, and both sides tell. The message's own answers are left out for it.
    let answers = std::mem::take(&mut case.evidence);
    let unknown = Signer::judge(&key, &demo.anchors(), &Evidence::default(), now()).unwrap();
    assert!(unknown.doubt().is_some());
    let (issued, lists): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(_, bytes)| Evidence::default().with_crl(bytes).is_err());
    case.evidence = issued;
    let checked = check(&pack(&case, "budstikke test", now(), Some(&unknown)).unwrap());
    assert_eq!(standing(&checked, "broker's signature"), Standing::Holds, "{checked:#?}");
    assert_eq!(standing(&checked, "broker's revocation"), Standing::NotChecked);
    assert_ne!(checked.outcome(), Outcome::Proven);

    // The thief of a key signs all the same, but the CA's list in the file tells.
    case.evidence.extend(lists);
    let list = Crl {
        revoked: vec![(
            demo.receiver.signing.certificate().serial.clone(),
            now() - jiff::SignedDuration::from_hours(24),
        )],
        ..Crl::fresh(now())
    };
    let list: Arc<[u8]> = demo.issuing.crl(&list).unwrap().into();
    case.evidence.push((ContentHash::of(&list), list));
    let checked = check(&pack(&case, "budstikke test", now(), Some(&good)).unwrap());
    assert_eq!(standing(&checked, "broker's signature"), Standing::Fails, "{checked:#?}");
    assert!(told(&checked, "broker's signature").contains("revoked"), "{checked:#?}");
}

#[tokio::test]
async fn signed_plain_and_refused_messages_are_told_for_what_they_are() {
    let checked = check(&packed(&case(signed()).await));
    // The agreement asks for a seal too, so nothing was believed to be as agreed; the signature itself holds.
    assert_eq!(checked.outcome(), Outcome::Proven, "{checked:#?}");
    assert_eq!(standing(&checked, "signatures"), Standing::Holds);
    // What came in the clear is the broker's word; its head is that of its bytes.
    let plain = case(message()).await;
    let signer = Signer::judge(
        &Demo::shared().receiver.signing.private_key(),
        &Demo::shared().anchors(),
        &Demo::shared().evidence(now(), &[]),
        now(),
    );
    let checked = check(&pack(&plain, "budstikke test", now(), Some(&signer.unwrap())).unwrap());
    assert_eq!(checked.outcome(), Outcome::Proven, "{checked:#?}");
    assert_eq!(standing(&checked, "signatures"), Standing::NotChecked);
    assert_eq!(standing(&checked, "head"), Standing::Holds);

    let mut forged = signed();
    let at = forged.windows(8).position(|w| w == b"<MsgHead").unwrap();
    forged[at + 30] ^= 1;
    let to = [Arc::clone(Demo::shared().receiver.sealing.certificate())];
    // In a seal that does not authenticate what it holds, a forgery and damage are told in one way.
    for (cipher, verdict, code) in
        [(ContentCipher::Aes256Gcm, "refused", "A06"), (ContentCipher::Aes256Cbc, "parked", "A04")]
    {
        let case = case(cms::seal(&forged, &to, cipher).unwrap()).await;
        assert_eq!(case.record.verdict.as_str(), verdict);
        let checked = check(&packed(&case));
        assert_ne!(checked.outcome(), Outcome::Fails, "{checked:#?}");
        assert_eq!(standing(&checked, "signatures"), Standing::NotChecked);
        assert!(checked.checks.iter().any(|c| c.told.contains(code)), "{checked:#?}");
    }
}

#[tokio::test]
async fn another_root_is_not_believed() {
    let proof = packed(&case(sealed()).await);
    let other = Demo::new(trust::pki::KeyKind::P256).unwrap();
    let anchors = Anchors { roots: vec![Arc::clone(other.root.certificate())], ..Anchors::default() };
    let means = Means { anchors: Some(&anchors), broker: Some(&the_broker()), keys: &KeyRing::default() };
    let checked = verify(&proof, means);
    assert_eq!(checked.outcome(), Outcome::Fails);
    for what in ["broker's signature", "signatures"] {
        assert_eq!(standing(&checked, what), Standing::Fails, "{what}");
    }
}

/// The proof with its entries changed, and a manifest that fits them again, as a forger would do it; with the broker's
/// key, the manifest is signed anew, so that nothing but the content can tell.
fn forge(proof: &[u8], brokers_key: bool, change: impl Fn(What, &mut Vec<u8>)) -> Vec<u8> {
    let entries = archive::read(proof).unwrap();
    let mut manifest: Manifest = serde_json::from_slice(entries[0].bytes).unwrap();
    let mut bytes: Vec<(String, Vec<u8>)> =
        entries.iter().map(|e| (e.name.to_owned(), e.bytes.to_vec())).collect();
    for listed in &mut manifest.entries {
        let (_, content) = bytes.iter_mut().find(|(name, _)| *name == listed.name).unwrap();
        change(listed.what, content);
        listed.sha256 = ContentHash::of(content);
        listed.bytes = content.len();
    }
    bytes[0].1 = serde_json::to_vec_pretty(&manifest).unwrap();
    if brokers_key {
        assert_eq!(bytes[1].0, "manifest.p7m");
        let key = Demo::shared().receiver.signing.private_key();
        bytes[1].1 = cms::sign(&bytes[0].1, &*key, Some(now())).unwrap();
    }
    let entries: Vec<_> = bytes.iter().map(|(name, bytes)| archive::Entry { name, bytes }).collect();
    archive::write(&entries).unwrap()
}

fn entries_of(proof: &[u8]) -> Vec<archive::Entry<'_>> {
    archive::read(proof).unwrap()
}

fn but_signature<'a>(entries: &[archive::Entry<'a>]) -> Vec<archive::Entry<'a>> {
    entries.iter().filter(|e| e.name != "manifest.p7m").cloned().collect()
}

#[tokio::test]
async fn every_change_is_seen_also_by_who_writes_a_fitting_manifest() {
    let proof = packed(&case(sealed()).await);
    // One bit of every 199th byte: some hash, header or name no longer fits.
    for at in (0..proof.len()).step_by(199) {
        let mut changed = proof.clone();
        changed[at] ^= 1;
        // Times and checksums of the zip format itself carry nothing, nor do certificates that came along with the
        // broker's signature although they are not needed.
        if archive::read(&changed)
            .is_ok_and(|entries| but_signature(&entries) == but_signature(&entries_of(&proof)))
        {
            continue;
        }
        assert_eq!(check(&changed).outcome(), Outcome::Fails, "byte {at}");
    }
    let fails = |change: &dyn Fn(What, &mut Vec<u8>), what: &str| {
        let checked = check(&forge(&proof, false, change));
        assert_eq!(standing(&checked, what), Standing::Fails, "{checked:#?}");
    };
    fails(&replace(What::Record, "accepted", "refused"), "broker's signature");
    fails(&replace(What::Record, "T10:00:00Z", "T10:00:01Z"), "broker's signature");
    fails(
        &|what, content| content.truncate(if what == What::Original { 100 } else { usize::MAX }),
        "message",
    );
    fails(
        &|what, content| {
            if what == What::SignedContent {
                content[200] ^= 1
            }
        },
        "signatures",
    );
    fails(
        &|what, content| {
            if what == What::Crl {
                content.clear()
            }
        },
        "signatures",
    );
}

fn replace(wanted: What, from: &str, to: &str) -> impl Fn(What, &mut Vec<u8>) {
    let (from, to) = (from.to_owned(), to.to_owned());
    move |what: What, content: &mut Vec<u8>| {
        if what == wanted {
            let text = String::from_utf8(std::mem::take(content)).unwrap();
            assert!(text.contains(&from), "{what:?} has no {from}");
            *content = text.replace(&from, &to).into_bytes();
        }
    }
}

/// What the broker's own key vouches for must still be of this message.
#[tokio::test]
async fn contradictions_under_the_brokers_own_key_fail_by_name() {
    const MSG_ID: &str = "5b6f0b3e-0000-4000-8000-00000000000f";
    let head = |bytes: &[u8]| head::read(std::str::from_utf8(bytes).unwrap(), &Limits::default()).unwrap();
    let id = head(&message()).msg_id.unwrap();
    let of_sealed = packed(&case(sealed()).await);
    let of_signed = packed(&case(signed()).await);
    let mut other = case(
        cms::sign(
            String::from_utf8(message()).unwrap().replace(id.as_str(), MSG_ID).as_bytes(),
            &*Demo::shared().sender.signing.private_key(),
            None,
        )
        .unwrap(),
    )
    .await;
    let swapped =
        other.documents.iter_mut().find(|d| d.kind == DocumentKind::Receipt).unwrap().bytes.to_vec();

    let fails = |proof: &[u8], what: &str, change: &dyn Fn(What, &mut Vec<u8>)| {
        let honest = check(&forge(proof, true, |_, _| ()));
        assert_eq!(standing(&honest, what), Standing::Holds, "{honest:#?}");
        let checked = check(&forge(proof, true, change));
        assert_eq!(standing(&checked, "broker's signature"), Standing::Holds, "{checked:#?}");
        assert_eq!(standing(&checked, what), Standing::Fails, "{checked:#?}");
        assert_eq!(checked.outcome(), Outcome::Fails);
    };
    for proof in [&of_sealed, &of_signed] {
        fails(proof, "head", &replace(What::Record, id.as_str(), MSG_ID));
        fails(proof, "head", &replace(What::Record, "120010", "120011"));
        fails(proof, "receipts", &|what, content| {
            if what == What::Receipt {
                content.clone_from(&swapped);
            }
        });
        // Its own id, but of another message; of this message, but under another id; for somebody else.
        fails(proof, "receipts", &replace(What::Receipt, id.as_str(), MSG_ID));
        let receipt = entries_of(proof)
            .into_iter()
            .find(|e| e.name.starts_with("made/") && e.bytes.windows(7).any(|w| w == b"<AppRec"))
            .unwrap();
        let own = head(receipt.bytes).msg_id.unwrap();
        fails(proof, "receipts", &replace(What::Receipt, own.as_str(), MSG_ID));
        fails(proof, "receipts", &replace(What::Receipt, "120010", "120011"));
    }
    // With the receiver's key and without it.
    let altered = |what: What, content: &mut Vec<u8>| {
        if what == What::Opened {
            let text = String::from_utf8(std::mem::take(content)).unwrap();
            *content = text.replacen("<MsgHead", "<MsgHead ", 1).into_bytes();
        }
    };
    fails(&of_sealed, "opened", &altered);
    let checked = check_by(&forge(&of_sealed, true, altered), Some(&the_broker()));
    assert_eq!(standing(&checked, "opened"), Standing::Fails, "{checked:#?}");
    // A whole other message beside the seal: the sender signed it, and it is not what was sealed.
    let signed_content = |what: What, content: &mut Vec<u8>| {
        if what == What::SignedContent {
            content.clone_from(&other.original.to_vec());
        }
    };
    let checked = check(&forge(&of_sealed, true, signed_content));
    assert_eq!(checked.outcome(), Outcome::Fails, "{checked:#?}");
}

#[tokio::test]
async fn what_was_sealed_and_not_signed_is_seen_with_the_key_alone() {
    let to = [Arc::clone(Demo::shared().receiver.sealing.certificate())];
    let case = case(cms::seal(&message(), &to, ContentCipher::Aes256Gcm).unwrap()).await;
    let evidence = Demo::shared().evidence(now(), &[]);
    let key = Demo::shared().receiver.signing.private_key();
    let signer = Signer::judge(&key, &Demo::shared().anchors(), &evidence, now()).unwrap();
    let proof = pack(&case, "budstikke test", now(), Some(&signer)).unwrap();
    let with_key = check(&proof);
    assert_eq!(with_key.outcome(), Outcome::Proven, "{with_key:#?}");
    for (what, seen) in [("seal", true), ("head", true), ("signatures", false)] {
        let wanted = if seen { Standing::Holds } else { Standing::NotChecked };
        assert_eq!(standing(&with_key, what), wanted, "{what}: {with_key:#?}");
    }
    let without = check_by(&proof, Some(&the_broker()));
    assert_eq!(without.outcome(), Outcome::Proven, "{without:#?}");
    for what in ["seal", "head", "signatures"] {
        assert_eq!(standing(&without, what), Standing::NotChecked, "{what}: {without:#?}");
    }
}

#[tokio::test]
async fn the_command_tells_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let proof = packed(&case(sealed()).await);
    std::fs::write(at("good.zip"), &proof).unwrap();
    std::fs::write(at("cut.zip"), &proof[..proof.len() / 2]).unwrap();
    std::fs::write(at("noise.zip"), b"no zip file").unwrap();
    std::fs::write(at("root.pem"), Demo::shared().root.certificate().pem()).unwrap();
    let run = |file: &str, more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_budstikke"));
        let output = command.arg("verify-proof").arg(at(file)).args(more).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let root = at("root.pem");
    let root = root.to_str().unwrap();
    let broker = at("broker.pem");
    std::fs::write(&broker, Demo::shared().receiver.signing.certificate().pem()).unwrap();
    let broker = broker.to_str().unwrap();
    let number = Demo::shared().receiver.number.to_string();
    for by in [broker, &number] {
        let (code, said) = run("good.zip", &["--trust", root, "--broker", by, "--format", "json"]);
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!((code, &said["outcome"]), (Some(0), &"proven".into()), "{said}");
    }
    // In accord with itself is no success.
    let (code, said) = run("good.zip", &["--format", "json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["outcome"]), (Some(1), &"not-proven".into()), "{said}");
    let (code, said) = run("good.zip", &["--trust", root]);
    assert!(code == Some(1) && said.contains("NOT PROVEN") && said.contains("--broker"), "{said}");
    let (code, said) = run("good.zip", &["--trust", root, "--broker", trust::pki::demo::SENDER]);
    assert!(code == Some(1) && said.contains("DOES NOT HOLD"), "{said}");
    for bad in ["cut.zip", "noise.zip"] {
        let (code, said) = run(bad, &["--trust", root, "--broker", broker]);
        assert!(code == Some(1) && said.contains("DOES NOT HOLD"), "{bad}: {said}");
    }
    assert_eq!(run("nowhere.zip", &[]).0, Some(2));
    assert_eq!(run("good.zip", &["--trust", "/nowhere"]).0, Some(2));
    // A number with a slip, a file that is not there, and a broker without roots.
    for wrong in [
        &["--trust", root, "--broker", "310000117"][..],
        &["--trust", root, "--broker", "/nowhere"],
        &["--broker", broker],
    ] {
        assert_eq!(run("good.zip", wrong).0, Some(2), "{wrong:?}");
    }
}

/// A refused message is passed on to nobody, so what was inside lies nowhere but inside the seal.
#[tokio::test]
async fn a_signature_that_stands_inside_the_seal_alone_is_proven_with_the_key_alone() {
    let demo = Demo::shared();
    let invalid = String::from_utf8(message()).unwrap().replacen("<MsgId>", "<Unknown/><MsgId>", 1);
    let options = Options { shape: Shape::Enveloped, canonical: Canonical::default(), algorithm: None };
    let key = demo.sender.signing.private_key();
    let signed = xmldsig::sign(&invalid, &*key, &options, &[], &Limits::default()).unwrap();
    let to = [Arc::clone(demo.receiver.sealing.certificate())];
    let case = case(cms::seal(signed.as_bytes(), &to, ContentCipher::default()).unwrap()).await;
    assert_eq!(case.record.verdict.as_str(), "refused", "{:?}", case.record.findings);
    let proof = packed(&case);
    let with_key = check(&proof);
    assert_eq!(with_key.outcome(), Outcome::Proven, "{with_key:#?}");
    assert_eq!(standing(&with_key, "signatures"), Standing::Holds);
    let without = check_by(&proof, Some(&the_broker()));
    assert_eq!(without.outcome(), Outcome::NotProven, "{without:#?}");
    assert_eq!(standing(&without, "signatures"), Standing::NotChecked);
    assert!(told(&without, "signatures").contains("--key"), "{without:#?}");
}
