//! The national profile on the wire: the real binary between a partner's queues and a house that takes folders. What comes
//! as the profile has it is answered by a receipt on its sender's queue, whatever else by a code on its error queue; what
//! comes by our error queue is answered by nothing; and no message stops a queue.

use crate::rig::{PATIENCE, Rig, until};
use amqp_profile::content_type::PROTECTED;
use amqp_profile::sections::{
    read_application_properties, read_properties, write_application_properties, write_properties,
};
use amqp_profile::{Envelope, names, times};
use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use message_schemas::head::ReceiptStatus;
use message_schemas::{Limits, head};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use system_tests::drive::{ask, binary, launch, sample, terminate, until_ready};
use trust::chain::{Anchors, Cache, Moment};
use trust::keys::{KeyRing, from_pkcs12};
use trust::open::{Context, Directory, open};
use trust::revocation::Evidence;
use trust::{Allowed, Certificate, ContentCipher, cms};
use uuid::Uuid;

const PARTIES: &str = r#"
[[party]]
her_id = 120000
level = "enterprise"
name = "Granheim sykehus"
kind = "hospital"
ours = false
destination = "partners"
organisation = "312000512"
[party.protection]
gets = "signed-and-sealed"
certificates = ["pki/parties/granheim/signing.pem", "pki/parties/granheim/sealing.pem"]
[party.amqp]
async = "tb.example.no/Namespace/granheim_async"
error = "tb.example.no/Namespace/granheim_error"
[[party]]
her_id = 120010
level = "service"
parent = 120000
name = "Kirurgisk poliklinikk"
kind = "hospital"
ours = false
[[party]]
her_id = 100000
level = "enterprise"
name = "Laboratoriet"
kind = "laboratory"
ours = false
destination = "partners"
[party.amqp]
error = "laboratory_error"
[[party]]
her_id = 210000
level = "enterprise"
name = "Havna legekontor"
kind = "gp"
[party.amqp]
async = "havna_async"
error = "havna_error"
[[party]]
her_id = 210010
level = "service"
parent = 210000
name = "Ola Legesen"
kind = "gp"
answers = "broker"
destination = "gp"
"#;

const CONFIG: &str = r#"
parties = ["parties.toml"]
[journal]
path = "journal.db"
[destinations.gp]
folder = "out"
[destinations.partners]
amqp = "bus"
[sources.amqp.messages]
connection = "bus"
queue = "havna_async"
role = "async"
[sources.amqp.errors]
connection = "bus"
queue = "havna_error"
role = "error"
[limits]
message_bytes = 200000
[trust]
anchors = ["pki/root.pem"]
intermediates = ["pki/issuing.pem"]
[[trust.keys]]
file = "pki/parties/broker/signing.p12"
password_file = "pki/password"
[[trust.keys]]
file = "pki/parties/broker/sealing.p12"
password_file = "pki/password"
[trust.revocation]
online = false
files = ["pki/root.crl", "pki/issuing.crl"]
"#;

const QUEUES: [&str; 9] = [
    "havna_async",
    "havna_error",
    "havna_sync",
    "havna_syncreply",
    "granheim_async",
    "granheim_error",
    "granheim_syncreply",
    "laboratory_error",
    "epj_sync",
];

/// Requests, and answers to them.
const REQUESTS: &str = r#"
[sources.amqp.requests]
connection = "bus"
queue = "havna_sync"
role = "sync"
[sources.amqp.answers]
connection = "bus"
queue = "havna_syncreply"
role = "sync-reply"
"#;

/// Who wrote the sample, and to whom.
const FROM: &str = "120010";
const TO: &str = "210010";

/// A house with its broker, and a partner with keys of its own.
struct House {
    rig: Rig,
    folder: tempfile::TempDir,
    broker: Child,
    ours: Arc<Certificate>,
    anchors: Anchors,
    evidence: Evidence,
}

impl Drop for House {
    fn drop(&mut self) {
        self.broker.kill().ok();
        self.broker.wait().ok();
    }
}

impl House {
    async fn open(test: &str) -> Option<Self> {
        Self::open_with(test, PARTIES, CONFIG).await
    }

    async fn open_with(test: &str, parties: &str, config: &str) -> Option<Self> {
        let rig = Rig::new(test).await?;
        for queue in QUEUES {
            rig.queue(queue, FieldTable::default()).await;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let made = Command::new(binary()).args(["pki", "demo"]).arg(at("pki")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        std::fs::create_dir(at("out")).unwrap();
        std::fs::write(at("parties.toml"), parties).unwrap();
        let admin = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let bus = format!(
            "[amqp.bus]\nhost = \"127.0.0.1\"\nport = {}\nvhost = \"{}\"\nuser = \"{}\"\npassword_file = \"{}\"\n\
             properties = {{ X-SystemIdentifier = \"house\" }}\nsync_reply = \"havna_syncreply\"\n[admin]\nbind = \"{admin}\"\n",
            rig.rabbit.port(),
            rig.vhost,
            servers::rabbit::USER,
            rig.rabbit.password_file().display(),
        );
        std::fs::write(at("broker.toml"), format!("{config}{bus}")).unwrap();
        let first =
            |path: &str| Certificate::all_from(&std::fs::read(at(path)).unwrap()).unwrap().swap_remove(0);
        let list =
            |evidence: Evidence, path: &str| evidence.with_crl(&std::fs::read(at(path)).unwrap()).unwrap();
        let evidence = ["pki/root.crl", "pki/issuing.crl"].into_iter().fold(Evidence::default(), list);
        let (ours, root) = (first("pki/parties/broker/sealing.pem"), first("pki/root.pem"));
        let config = at("broker.toml");
        let broker = tokio::task::spawn_blocking(move || {
            let mut broker = launch(&config, Some(&config.with_file_name("log"))).unwrap();
            until_ready(&mut broker, admin, PATIENCE).unwrap();
            broker
        });
        let broker = broker.await.unwrap();
        let anchors = Anchors { roots: vec![root], ..Anchors::default() };
        Some(Self { rig, folder, broker, ours, anchors, evidence })
    }

    fn keys(&self, party: &str) -> KeyRing {
        let pki = self.folder.path().join("pki");
        let password = std::fs::read_to_string(pki.join("password")).unwrap();
        let key = |file: &str| {
            let bytes = std::fs::read(pki.join("parties").join(party).join(file)).unwrap();
            from_pkcs12(&bytes, password.trim()).unwrap()
        };
        KeyRing::new(vec![key("signing.p12"), key("sealing.p12")])
    }

    fn signed(&self, party: &str, bytes: &[u8]) -> Vec<u8> {
        let keys = self.keys(party);
        cms::sign(bytes, &**keys.signing(now()).unwrap(), None).unwrap()
    }

    fn sealed(&self, signed: &[u8]) -> Vec<u8> {
        cms::seal(signed, &[Arc::clone(&self.ours)], ContentCipher::default()).unwrap()
    }

    /// As the profile has it.
    fn wrapped(&self, letter: &str) -> Vec<u8> {
        self.sealed(&self.signed("granheim", letter.as_bytes()))
    }

    /// What a party finds in what the broker sent it.
    fn opened(&self, party: &str, bytes: &[u8]) -> String {
        let keys = self.keys(party);
        let context = Context {
            keys: &keys,
            anchors: &self.anchors,
            evidence: &self.evidence,
            cache: &Cache::default(),
            directory: &Directory::default(),
            second: None,
            allowed: Allowed::default(),
            moment: Moment { at: now(), now: now() },
            under_way: jiff::SignedDuration::ZERO,
            limits: &Limits::default(),
        };
        let opened = open(bytes, &context).unwrap();
        assert!(opened.was_sealed() && !opened.proofs().is_empty(), "signed and sealed");
        String::from_utf8(opened.payload().to_vec()).unwrap()
    }

    /// Puts a message into a queue as a server of 3.x hands on what came over AMQP 1.0.
    async fn put(&self, queue: &str, envelope: &Envelope) {
        let section = |bytes: Vec<u8>| AMQPValue::LongString(LongString::from(bytes));
        let mut headers = FieldTable::default();
        headers.insert("x-amqp-1.0-properties".into(), section(write_properties(envelope)));
        headers.insert("x-amqp-1.0-app-properties".into(), section(write_application_properties(envelope)));
        let mut properties = BasicProperties::default().with_headers(headers);
        if let Some(id) = &envelope.message_id {
            properties = properties.with_message_id(id.as_str().into());
        }
        let options = BasicPublishOptions::default();
        let publishing =
            self.rig.channel.basic_publish("".into(), queue.into(), options, &envelope.body, properties);
        publishing.await.unwrap().await.unwrap();
    }

    /// Takes one message out of a queue, as a reader of AMQP 1.0 finds it behind a server of 3.x.
    async fn take(&self, queue: &str) -> Option<Envelope> {
        let got =
            self.rig.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap()?;
        let headers = got.properties.headers().clone().unwrap();
        let section = |name: &str| match headers.inner().get(name) {
            Some(AMQPValue::LongString(text)) => text.as_bytes().to_vec(),
            other => panic!("{name}: {other:?}"),
        };
        let mut envelope = Envelope { body: got.delivery.data.clone().into(), ..Envelope::default() };
        read_properties(&section("x-amqp-1.0-properties"), &mut envelope).unwrap();
        read_application_properties(&section("x-amqp-1.0-app-properties"), &mut envelope).unwrap();
        envelope.durable = *got.properties.delivery_mode() == Some(2);
        // Readers of 0-9-1 find the same in its own places.
        let id = got.properties.message_id().as_ref().map(ToString::to_string);
        assert_eq!(envelope.message_id, id);
        let plain = headers.inner().get(names::TO).is_some_and(|value| {
            matches!(value, AMQPValue::LongString(text) if Some(text.to_string().as_str()) == envelope.properties.get(names::TO))
        });
        assert!(plain, "properties stand in plain headers too");
        Some(envelope)
    }

    fn ask(&self, arguments: &[&str]) -> String {
        ask(&self.folder.path().join("broker.toml"), arguments).unwrap().1
    }

    /// Waits until the broker says so.
    async fn says(&self, arguments: &[&str], wanted: &str) {
        until(&format!("{arguments:?} says {wanted}"), || self.ask(arguments).contains(wanted)).await;
    }

    fn letters(&self) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(self.folder.path().join("out")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let letters = paths.filter(|path| path.extension().is_some_and(|e| e == "xml"));
        letters.map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// Every message is out of its queue, the books balance, and the log shows nothing of any.
    async fn close(mut self) {
        for queue in ["havna_async", "havna_error", "havna_sync", "havna_syncreply"] {
            self.rig.holds(queue, 0).await;
        }
        assert!(terminate(&mut self.broker).unwrap(), "the broker does not end well");
        let ledger = ask(&self.folder.path().join("broker.toml"), &["ledger"]).unwrap();
        assert_eq!(ledger.0, Some(0), "{}", ledger.1);
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        assert!(
            !log.contains("Message>") && !log.contains("a-name-that-is-nobodys"),
            "the log shows a message"
        );
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the partner stands outside of the broker, with a clock of its own"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// A letter under an id of its own.
fn letter() -> (String, String) {
    let template = String::from_utf8(sample("epikrise/accepted-1.2")).unwrap();
    let old = head::read(&template, &Limits::default()).unwrap().msg_id.unwrap();
    let id = Uuid::now_v7().to_string();
    (template.replace(old.as_str(), &id), id)
}

fn envelope(id: &str, body: Vec<u8>) -> Envelope {
    Envelope {
        message_id: Some(id.to_owned()),
        to: Some("havna_async".to_owned()),
        subject: Some("EPIKRISE".to_owned()),
        reply_to: Some("tb.example.no/Namespace/granheim_async".to_owned()),
        correlation_id: Some(id.to_owned()),
        content_type: Some(PROTECTED.to_owned()),
        properties: [
            (names::FROM, FROM.to_owned()),
            (names::TO, TO.to_owned()),
            (names::WRITTEN, times::write(now())),
            ("X-Note", "a-name-that-is-nobodys".to_owned()),
        ]
        .into_iter()
        .collect(),
        body: body.into(),
        ..Envelope::default()
    }
}

/// Without this property.
fn without(envelope: &Envelope, name: &str) -> Envelope {
    let pairs = envelope.properties.iter().filter(|(n, _)| *n != name);
    let properties = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Envelope { properties, ..envelope.clone() }
}

fn with(envelope: &Envelope, name: &str, value: &str) -> Envelope {
    let mut changed = without(envelope, name);
    changed.properties.insert(name, value);
    changed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_has_its_receipt_and_an_error_about_that_is_answered_by_nothing() {
    let Some(house) = House::open("profile-good").await else { return };
    let (text, msg_id) = letter();
    let good = envelope(&Uuid::now_v7().to_string(), house.wrapped(&text));
    // Twice: the sender did not hear that the first was taken.
    house.put("havna_async", &good).await;
    house.put("havna_async", &good).await;
    // And once more, sealed anew under the same id.
    house.put("havna_async", &Envelope { body: house.wrapped(&text).into(), ..good.clone() }).await;
    house.rig.holds("granheim_async", 1).await;
    house.rig.holds("havna_async", 0).await;

    let receipt = house.take("granheim_async").await.unwrap();
    assert_eq!(receipt.subject.as_deref(), Some("APPREC"));
    assert_eq!(receipt.to.as_deref(), Some("granheim_async"), "by the party file, and not by the number");
    assert_eq!(receipt.reply_to.as_deref(), Some("havna_async"));
    assert_eq!(receipt.content_type.as_deref(), Some(PROTECTED));
    assert_eq!(receipt.correlation_id, receipt.message_id);
    assert!(receipt.message_id.as_deref().is_some_and(|id| id.parse::<Uuid>().is_ok()));
    assert!(receipt.durable && receipt.ttl.is_none());
    assert_eq!(receipt.properties.get(names::FROM), Some(TO));
    assert_eq!(receipt.properties.get(names::TO), Some(FROM));
    assert!(receipt.properties.get(names::WRITTEN).and_then(times::read).is_some());
    assert_eq!(receipt.properties.get("X-SystemIdentifier"), Some("house"));
    let said =
        head::read(&house.opened("granheim", &receipt.body), &Limits::default()).unwrap().receipt.unwrap();
    assert_eq!(said.status, ReceiptStatus::Ok);
    assert_eq!(said.original_id.unwrap().as_str(), msg_id);
    until("the letter is there", || !house.letters().is_empty()).await;
    assert!(house.letters() == [text.into_bytes()], "once, and byte for byte");

    // The partner could not take the receipt; somebody else reports about nothing of ours; a third one without anything.
    let receipt_id = receipt.message_id.unwrap();
    let mut error = envelope("their-error", Vec::new());
    (error.subject, error.content_type) = (Some("APPREC".to_owned()), None);
    error.properties.insert(names::CONDITION, "transport:decryption-failed");
    error.properties.insert(names::DESCRIPTION, "Kunne ikke dekryptere");
    let about = with(&error, names::ORIGINAL, &receipt_id.replace('-', "").to_uppercase());
    house.put("havna_error", &about).await;
    let unknown =
        Envelope { message_id: Some("another".to_owned()), ..with(&error, names::ORIGINAL, "unheard-of") };
    house.put("havna_error", &unknown).await;
    house.put("havna_error", &Envelope::default()).await;
    house.says(&["trace", &receipt_id], "transport_error").await;
    house.says(&["dead-letter", "list", "--code", "P52"], "P52").await;
    until("both are kept", || {
        house.ask(&["dead-letter", "list", "--code", "P53"]).matches("P53").count() == 2
    })
    .await;
    let traced = house.ask(&["trace", &receipt_id]);
    assert!(traced.contains("transport:decryption-failed in message"), "{traced}");

    // A second letter goes all the way round: by now an answer to the errors would be there.
    let (text, _) = letter();
    house.put("havna_async", &envelope("second", house.wrapped(&text))).await;
    house.rig.holds("granheim_async", 1).await;
    until("the second letter is there", || house.letters().len() > 1).await;
    assert_eq!(house.letters().len(), 2);
    assert_eq!(house.rig.messages("granheim_error"), 0, "errors are answered by nothing");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_at_fault_is_told_by_its_code_and_stops_no_queue() {
    let Some(house) = House::open("profile-faults").await else { return };
    let (text, _) = letter();
    let protected = house.wrapped(&text);
    let base = |id: &str| envelope(id, protected.clone());
    let of_body = |id: &str, body: Vec<u8>| envelope(id, body);
    let granheim = Certificate::all_from(
        &std::fs::read(house.folder.path().join("pki/parties/granheim/sealing.pem")).unwrap(),
    )
    .unwrap()
    .swap_remove(0);
    let signed = house.signed("granheim", text.as_bytes());
    let for_another = cms::seal(&signed, &[granheim], ContentCipher::default()).unwrap();
    let mut damaged = protected.clone();
    *damaged.last_mut().unwrap() ^= 1;

    let field = "transport:invalid-field-value";
    let cases: Vec<(Envelope, &str, Option<&str>)> = vec![
        (Envelope { subject: None, ..base("no-subject") }, field, Some("subject;")),
        (without(&base("no-time"), names::WRITTEN), field, Some("applicationTimeStamp;")),
        (with(&base("odd-receiver"), names::TO, "Havna"), field, Some("toHerId;")),
        (with(&base("not-ours"), names::TO, "120010"), field, Some("toHerId;")),
        (Envelope { content_type: None, ..base("no-type") }, field, Some("content-type;")),
        (Envelope { content_type: Some("text/plain".into()), ..base("plain") }, field, Some("content-type;")),
        (Envelope { reply_to: Some("elsewhere".into()), ..base("reply-to") }, field, Some("replyTo;")),
        (of_body("too-large", vec![b'0'; 300_000]), field, Some("size;")),
        (of_body("in-the-clear", text.clone().into_bytes()), "transport:invalid-cms-pkcs", None),
        (of_body("signed-alone", signed.clone()), "transport:invalid-cms-pkcs", None),
        (of_body("garbage", b"\x30\x82\x10\x00\x06\x09garbage".to_vec()), "transport:invalid-cms-pkcs", None),
        (of_body("empty", Vec::new()), "transport:invalid-cms-pkcs", None),
        (of_body("for-another", for_another), "transport:decryption-failed", None),
        (of_body("damaged", damaged), "transport:decryption-failed", None),
        (of_body("no-xml", house.wrapped("neither head nor tail")), "transport:not-well-formed-xml", None),
    ];
    for (case, _, _) in &cases {
        house.put("havna_async", case).await;
    }
    // The same fault under the same id once more: told once.
    house.put("havna_async", &cases[0].0).await;
    let revoked = house.sealed(&house.signed("revoked", text.as_bytes()));
    house.put("havna_async", &of_body("revoked", revoked)).await;
    house.put("havna_async", &with(&base("spoofed"), names::FROM, "100000")).await;
    house.put("havna_async", &without(&base("nobody"), names::FROM)).await;
    let (good, _) = letter();
    house.put("havna_async", &envelope("good", house.wrapped(&good))).await;

    house.rig.holds("granheim_async", 1).await;
    house.rig.holds("granheim_error", u64::try_from(cases.len() + 1).unwrap()).await;
    house.rig.holds("laboratory_error", 1).await;
    house.rig.holds("havna_async", 0).await;
    let mut told = BTreeMap::new();
    while let Some(error) = house.take("granheim_error").await {
        let said = |name: &str| error.properties.get(name).map(str::to_owned);
        let original = said(names::ORIGINAL).unwrap();
        assert_eq!(error.body.len(), 0, "{original}: no content goes back");
        assert_eq!(error.content_type.as_deref(), Some(PROTECTED), "{original}");
        assert_ne!(error.message_id.as_deref(), Some(original.as_str()));
        assert_eq!(said(names::TO).as_deref(), Some(FROM), "{original}");
        assert!(said(names::TRIED).as_deref().and_then(times::read).is_some(), "{original}");
        assert!(said(names::DESCRIPTION).is_some_and(|words| !words.is_empty()), "{original}");
        let subject = if original == "no-subject" { "UNKNOWN" } else { "EPIKRISE" };
        assert_eq!(error.subject.as_deref(), Some(subject), "{original}");
        assert!(error.durable, "{original}");
        let before = told.insert(original, (said(names::CONDITION).unwrap(), said(names::DATA)));
        assert_eq!(before, None, "told once");
    }
    let revoked = told.remove("revoked").expect("told");
    assert_eq!(revoked.0, "transport:revoked-certificate");
    assert!(revoked.1.is_some(), "which certificate");
    let expected: BTreeMap<_, _> = cases
        .iter()
        .map(|(case, code, data)| {
            (case.message_id.clone().unwrap(), ((*code).to_owned(), data.map(str::to_owned)))
        })
        .collect();
    assert_eq!(told, expected);
    let spoofed = house.take("laboratory_error").await.unwrap();
    assert_eq!(spoofed.properties.get(names::CONDITION), Some("abuse:spoofing-attack"));
    assert_eq!(spoofed.properties.get(names::DATA), Some("100000;120010;"));
    until("the good one arrives", || house.letters().len() == 1).await;

    // Who is nobody is told nothing; everything is kept, with its bytes and what stood on its outside.
    house.says(&["dead-letter", "list", "--code", "P50"], "P50").await;
    let listed = house.ask(&["dead-letter", "list", "--code", "P50", "--format", "json"]);
    let id = serde_json::from_str::<serde_json::Value>(listed.lines().next().unwrap()).unwrap();
    let id = id["message"].as_str().unwrap().to_owned();
    assert!(house.ask(&["trace", &id]).contains("async queue, from nobody to 210010, message id nobody"));
    let kept = house.folder.path().join("kept");
    house.ask(&["dead-letter", "show", &id, "--out", &kept.display().to_string()]);
    assert!(same(&kept, &protected), "the bytes as they came");
    house.close().await;
}

fn same(file: &Path, bytes: &[u8]) -> bool {
    std::fs::read(file).is_ok_and(|kept| kept == bytes)
}

/// A request, as the partner asks it.
fn request(id: &str, body: Vec<u8>) -> Envelope {
    Envelope {
        to: Some("havna_sync".to_owned()),
        reply_to: Some("granheim_syncreply".to_owned()),
        ..envelope(id, body)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_answers_is_told_so() {
    let config = format!("{CONFIG}{REQUESTS}[policy.amqp]\nsync_deadline = \"2s\"\n");
    let Some(house) = House::open_with("profile-silence", PARTIES, &config).await else { return };
    let (question, _) = letter();
    house.put("havna_sync", &request("question", house.wrapped(&question))).await;
    house.rig.holds("granheim_error", 1).await;
    let error = house.take("granheim_error").await.unwrap();
    assert_eq!(error.properties.get(names::CONDITION), Some("transport:internal-error"));
    assert_eq!(error.properties.get(names::ORIGINAL), Some("question"));
    house.says(&["dead-letter", "list", "--code", "P57"], "P57").await;
    assert_eq!(house.rig.messages("granheim_async"), 0, "a request has no receipt");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_answer_and_nobody_elses() {
    // The surgery's system reads requests from a queue, and answers over one of ours.
    let parties = PARTIES
        .replace(
            "answers = \"broker\"\ndestination = \"gp\"",
            "answers = \"broker\"\ndestination = \"partners\"",
        )
        .replace(
            "async = \"havna_async\"",
            "async = \"havna_async\"\nsync = \"epj_sync\"\nsyncreply = \"havna_syncreply\"",
        )
        .replace(
            "kind = \"gp\"\n[party.amqp]",
            "kind = \"gp\"\n[party.protection]\ngets = \"signed-and-sealed\"\ncertificates = \
             [\"pki/parties/gp/signing.pem\", \"pki/parties/gp/sealing.pem\"]\n[party.amqp]",
        );
    let config = format!("{CONFIG}{REQUESTS}[policy.amqp]\nsync_deadline = \"5m\"\n");
    let Some(house) = House::open_with("profile-sync", &parties, &config).await else { return };
    let (question, _) = letter();
    house.put("havna_sync", &request("question", house.wrapped(&question))).await;
    house.rig.holds("epj_sync", 1).await;
    let asked = house.take("epj_sync").await.unwrap();
    assert_eq!(asked.reply_to.as_deref(), Some("havna_syncreply"), "answers come to us");
    assert_eq!(asked.subject.as_deref(), Some("EPIKRISE"));
    assert_eq!(house.opened("gp", &asked.body), question);

    // Back from the one to the other.
    let (back, msg_id) = letter();
    let back = back.replace(">1200", ">~").replace(">2100", ">1200").replace(">~", ">2100");
    let answer = |id: &str, to: Option<String>, signer: &str| {
        let body = house.sealed(&house.signed(signer, back.as_bytes()));
        let mut answer = envelope(id, body);
        (answer.reply_to, answer.correlation_id) = (None, to);
        with(&with(&answer, names::FROM, TO), names::TO, FROM)
    };
    house.put("havna_syncreply", &answer("unasked", Some(Uuid::now_v7().to_string()), "gp")).await;
    house.says(&["trace", &msg_id], "P55").await;
    let stranger = with(&answer("stranger", asked.message_id.clone(), "gp"), names::FROM, "100000");
    house.put("havna_syncreply", &stranger).await;
    house.says(&["trace", &msg_id], "P56").await;
    house.put("havna_syncreply", &answer("answer", asked.message_id.clone(), "gp")).await;
    house.rig.holds("granheim_syncreply", 1).await;
    let answered = house.take("granheim_syncreply").await.unwrap();
    assert_eq!(answered.correlation_id.as_deref(), Some("question"));
    assert_ne!(answered.message_id.as_deref(), Some("question"));
    assert_eq!(answered.reply_to, None);
    assert_eq!(answered.properties.get(names::FROM), Some(TO));
    assert_eq!(answered.properties.get(names::TO), Some(FROM));
    assert!(house.opened("granheim", &answered.body).contains(&msg_id));
    house.says(&["trace", asked.message_id.as_deref().unwrap()], "receipted").await;
    for queue in ["granheim_async", "granheim_error", "laboratory_error"] {
        assert_eq!(house.rig.messages(queue), 0, "{queue}: no receipts, and no errors");
    }
    house.close().await;
}
