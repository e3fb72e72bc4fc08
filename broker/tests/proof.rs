//! A proof, from the decision on a sealed message to a reader who has nothing but the file and a root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use adapters::memory::MemoryStore;
use broker::proof::manifest::{Manifest, What};
use broker::proof::verify::Means;
use broker::proof::{Case, Checked, Standing, archive, pack, verify};
use broker_core::journal::{Entry, Known, Provenance};
use broker_core::policy::Policy;
use broker_core::ports::Store;
use broker_core::protection::{Partners, Protection};
use broker_core::{Arrival, ContentHash, Outcome, World, process};
use jiff::Timestamp;
use message_schemas::{HerId, Limits, MessageId, head};
use routing_rules::{Parties, Rules};
use std::path::Path;
use std::sync::Arc;
use trust::pki::Crl;
use trust::pki::demo::Demo;
use trust::revocation::Evidence;
use trust::{Anchors, ContentCipher, KeyRing, cms};
use uuid::Uuid;

/// The hospital writes to the specialist; both are told by their organisations, and get what is sealed for them.
const PARTIES: &str = r#"
[[party]]
her_id = 120000
level = "enterprise"
name = "Granheim sykehus"
kind = "hospital"
organisation = "SENDER"
destination = "folder:granheim"
[party.protection]
requires = "signed-and-sealed"
gets = "signed-and-sealed"
[[party]]
her_id = 120010
level = "service"
name = "Kirurgisk poliklinikk"
kind = "hospital"
parent = 120000
[[party]]
her_id = 210000
level = "enterprise"
name = "Havna legekontor"
kind = "contract-specialist"
destination = "folder:specialist"
[[party]]
her_id = 210010
level = "service"
name = "Ola Legesen"
kind = "contract-specialist"
parent = 210000
answers = "broker"
"#;

fn now() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().unwrap()
}

fn message() -> Vec<u8> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/samples");
    std::fs::read(samples.join("dialogmelding/accepted-1.1/in.xml")).unwrap()
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
                PARTIES.replace("SENDER", &demo.sender.number.to_string()),
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
    };
    let mut count = 0u128;
    let mut ids = || {
        count += 1;
        Uuid::from_u128(count)
    };
    match process(arrival, world, now(), &mut ids) {
        Outcome::Judged(entry) => *entry,
        Outcome::Need { prepared, .. } => prepared.decide(&Known::default(), world, now(), &mut ids),
        Outcome::Fetch { wanted, .. } => panic!("nothing is to be fetched: {wanted:?}"),
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

fn packed(case: &Case) -> Vec<u8> {
    pack(case, "budstikke test", now(), Some(&*Demo::shared().receiver.signing.private_key())).unwrap()
}

fn roots() -> Anchors {
    Anchors { roots: vec![Arc::clone(Demo::shared().root.certificate())], ..Anchors::default() }
}

fn check(proof: &[u8]) -> Checked {
    verify(proof, Means { anchors: Some(&roots()), keys: &Demo::shared().receiver.keys() })
}

fn standing(checked: &Checked, what: &str) -> Standing {
    checked.checks.iter().find(|c| c.what == what).unwrap_or_else(|| panic!("{what}: {checked:?}")).standing
}

#[tokio::test]
async fn a_sealed_message_is_proven_with_nothing_but_the_file_and_a_root() {
    let case = case(sealed()).await;
    assert_eq!(case.record.verdict.as_str(), "accepted", "{:?}", case.record.findings);
    let proof = packed(&case);
    assert_eq!(packed(&case).len(), proof.len());
    let checked = check(&proof);
    assert!(checked.holds(), "{checked:#?}");
    for what in
        ["archive", "manifest", "message", "broker's signature", "signatures", "roots", "seal", "receipts"]
    {
        assert_eq!(standing(&checked, what), Standing::Holds, "{what}: {checked:#?}");
    }
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
        (What::Certificate, 3),
        (What::Crl, 2),
        (What::SignedContent, 1),
    ] {
        assert_eq!(has(what), count, "{what:?}: {manifest:#?}");
    }
    let opened = manifest.entries.iter().find(|e| e.what == What::Opened).unwrap();
    assert_eq!(opened.sha256, ContentHash::of(&message()));
}

#[tokio::test]
async fn without_keys_and_roots_it_is_said_what_was_not_checked() {
    let proof = pack(&case(sealed()).await, "budstikke test", now(), None).unwrap();
    let checked = verify(&proof, Means { anchors: None, keys: &KeyRing::default() });
    assert!(checked.holds(), "{checked:#?}");
    assert_eq!(standing(&checked, "signatures"), Standing::Holds);
    for what in ["broker's signature", "roots", "seal"] {
        assert_eq!(standing(&checked, what), Standing::NotChecked, "{what}");
    }
}

#[tokio::test]
async fn signed_plain_and_refused_messages_are_told_for_what_they_are() {
    let checked = check(&packed(&case(signed()).await));
    // The agreement asks for a seal too, so nothing was believed to be as agreed; the signature itself holds.
    assert!(checked.holds(), "{checked:#?}");
    let mut forged = signed();
    let at = forged.windows(8).position(|w| w == b"<MsgHead").unwrap();
    forged[at + 30] ^= 1;
    let to = [Arc::clone(Demo::shared().receiver.sealing.certificate())];
    let case = case(cms::seal(&forged, &to, ContentCipher::default()).unwrap()).await;
    assert_eq!(case.record.verdict.as_str(), "refused");
    let checked = check(&packed(&case));
    assert!(checked.holds(), "{checked:#?}");
    assert_eq!(standing(&checked, "signatures"), Standing::NotChecked);
    assert!(checked.checks.iter().any(|c| c.told.contains("A06")), "{checked:#?}");
}

#[tokio::test]
async fn another_root_is_not_believed() {
    let proof = packed(&case(sealed()).await);
    let other = Demo::new(trust::pki::KeyKind::P256).unwrap();
    let anchors = Anchors { roots: vec![Arc::clone(other.root.certificate())], ..Anchors::default() };
    let checked = verify(&proof, Means { anchors: Some(&anchors), keys: &KeyRing::default() });
    assert!(!checked.holds());
    for what in ["broker's signature", "signatures"] {
        assert_eq!(standing(&checked, what), Standing::Fails, "{what}");
    }
}

/// The proof with its entries changed, and a manifest that fits them again, as a forger would do it.
fn forge(proof: &[u8], change: impl Fn(What, &mut Vec<u8>)) -> Vec<u8> {
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
        assert!(!check(&changed).holds(), "byte {at}");
    }
    let fails = |change: &dyn Fn(What, &mut Vec<u8>), what: &str| {
        let checked = check(&forge(&proof, change));
        assert_eq!(standing(&checked, what), Standing::Fails, "{checked:#?}");
    };
    let replace = |wanted: What, from: &'static str, to: &'static str| {
        move |what: What, content: &mut Vec<u8>| {
            if what == wanted {
                *content = String::from_utf8(std::mem::take(content)).unwrap().replace(from, to).into_bytes();
            }
        }
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
    fails(&replace(What::Receipt, "<Id>", "<Id>00"), "receipts");
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
    let (code, said) = run("good.zip", &["--trust", root, "--format", "json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &said["holds"]), (Some(0), &true.into()), "{said}");
    let (code, said) = run("good.zip", &[]);
    assert!(code == Some(0) && said.contains("not checked"), "{said}");
    for bad in ["cut.zip", "noise.zip"] {
        let (code, said) = run(bad, &["--trust", root]);
        assert!(code == Some(1) && said.contains("DOES NOT HOLD"), "{bad}: {said}");
    }
    assert_eq!(run("nowhere.zip", &[]).0, Some(2));
    assert_eq!(run("good.zip", &["--trust", "/nowhere"]).0, Some(2));
}
