//! A house with the real binary, a partner with keys of its own, and the queues between them, over AMQP 0-9-1 or 1.0.

use crate::rig::{PATIENCE, Rig, until};
use amqp_profile::content_type::PROTECTED;
use amqp_profile::sections::{
    read_application_properties, read_properties, write_application_properties, write_properties,
};
use amqp_profile::{Envelope, names, times};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use message_schemas::{Limits, head};
use serde_json::{Value, json};
use servers::Proton;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;
use system_tests::drive::{ask, binary, call, launch, sample, terminate, until_ready};
use trust::chain::{Anchors, Cache, Moment};
use trust::keys::{KeyRing, from_pkcs12};
use trust::open::{Context, Directory, open};
use trust::revocation::Evidence;
use trust::{Allowed, Certificate, ContentCipher, cms};
use uuid::Uuid;

pub(crate) const PARTIES: &str = r#"
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

pub(crate) const CONFIG: &str = r#"
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

pub(crate) const QUEUES: [&str; 9] = [
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
pub(crate) const REQUESTS: &str = r#"
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
pub(crate) const FROM: &str = "120010";
pub(crate) const TO: &str = "210010";

/// By which version of AMQP both sides reach the server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Version {
    /// The partner is played by a client of 0-9-1 that writes and reads what a server of 3.x makes of AMQP 1.0.
    V091,
    /// The partner is a foreign client of 1.0.
    V10,
}

impl Version {
    const fn as_str(self) -> &'static str {
        match self {
            Self::V091 => "0-9-1",
            Self::V10 => "1.0",
        }
    }
}

/// A house with its broker, and a partner with keys of its own.
pub(crate) struct House {
    pub(crate) rig: Rig,
    /// The partner's client, over 1.0.
    proton: Option<Proton>,
    pub(crate) folder: tempfile::TempDir,
    broker: Child,
    admin: SocketAddr,
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
    pub(crate) async fn open(test: &str, version: Version) -> Option<Self> {
        Self::open_with(test, version, PARTIES, CONFIG).await
    }

    pub(crate) async fn open_with(test: &str, version: Version, parties: &str, config: &str) -> Option<Self> {
        let proton = match version {
            Version::V091 => None,
            Version::V10 => Some(Proton::find(test)?),
        };
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
            "[amqp.bus]\nprotocol = \"{}\"\nhost = \"127.0.0.1\"\nport = {}\nvhost = \"{}\"\nuser = \"{}\"\npassword_file = \"{}\"\n\
             properties = {{ X-SystemIdentifier = \"house\" }}\nsync_reply = \"havna_syncreply\"\n[admin]\nbind = \"{admin}\"\n",
            version.as_str(),
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
        Some(Self { rig, proton, folder, broker, admin, ours, anchors, evidence })
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

    pub(crate) fn signed(&self, party: &str, bytes: &[u8]) -> Vec<u8> {
        let keys = self.keys(party);
        cms::sign(bytes, &**keys.signing(now()).unwrap(), None).unwrap()
    }

    pub(crate) fn sealed(&self, signed: &[u8]) -> Vec<u8> {
        cms::seal(signed, &[Arc::clone(&self.ours)], ContentCipher::default()).unwrap()
    }

    /// As the profile has it.
    pub(crate) fn wrapped(&self, letter: &str) -> Vec<u8> {
        self.sealed(&self.signed("granheim", letter.as_bytes()))
    }

    /// What a party finds in what the broker sent it.
    pub(crate) fn opened(&self, party: &str, bytes: &[u8]) -> String {
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

    /// Puts a message into a queue, as a partner sends it.
    pub(crate) async fn put(&self, queue: &str, envelope: &Envelope) {
        match self.proton.clone() {
            Some(proton) => self.send(proton, queue, envelope).await,
            None => self.put_encoded(queue, envelope).await,
        }
    }

    /// Over AMQP 1.0. Some write ids as UUIDs, others as text.
    async fn send(&self, proton: Proton, queue: &str, envelope: &Envelope) {
        let ids = [&envelope.message_id, &envelope.correlation_id];
        let by_uuid = ids.iter().all(|id| id.as_deref().is_some_and(|id| id.parse::<Uuid>().is_ok()));
        let properties: BTreeMap<_, _> = envelope.properties.iter().collect();
        let mut message = json!({ "id": envelope.message_id, "id_type": if by_uuid { "uuid" } else { "string" },
            "to": envelope.to, "subject": envelope.subject, "reply_to": envelope.reply_to,
            "correlation_id": envelope.correlation_id, "properties": properties,
            "body": STANDARD.encode(&envelope.body) });
        if let Some(content_type) = &envelope.content_type {
            message["content_type"] = json!(content_type);
        }
        let (rabbit, vhost, address) =
            (self.rig.rabbit, self.rig.vhost.clone(), format!("/amq/queue/{queue}"));
        let sending = move || proton.send(rabbit, &vhost, &address, &[message]);
        let outcome = tokio::task::spawn_blocking(sending).await.unwrap().unwrap();
        assert_eq!(outcome, ["ACCEPTED"]);
    }

    /// As a server of 3.x hands on what came over AMQP 1.0.
    async fn put_encoded(&self, queue: &str, envelope: &Envelope) {
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

    /// Takes one message out of a queue, as a partner gets it.
    pub(crate) async fn take(&self, queue: &str) -> Option<Envelope> {
        match self.proton.clone() {
            Some(proton) => self.receive(proton, queue).await,
            None => self.take_encoded(queue).await,
        }
    }

    /// Over AMQP 1.0.
    async fn receive(&self, proton: Proton, queue: &str) -> Option<Envelope> {
        if self.rig.messages(queue) == 0 {
            return None;
        }
        let (rabbit, vhost, address) =
            (self.rig.rabbit, self.rig.vhost.clone(), format!("/amq/queue/{queue}"));
        let receiving = move || proton.receive(rabbit, &vhost, &address, 1, PATIENCE);
        let message = tokio::task::spawn_blocking(receiving).await.unwrap().unwrap().swap_remove(0);
        let text = |name: &str| message[name].as_str().map(str::to_owned);
        assert_eq!(message["id_type"], "str", "every reader takes ids that are text");
        let properties = message["properties"].as_object().unwrap().iter();
        let ttl = message["ttl_ms"].as_u64().filter(|ms| *ms > 0);
        Some(Envelope {
            message_id: text("id"),
            to: text("to"),
            subject: text("subject"),
            reply_to: text("reply_to"),
            correlation_id: text("correlation_id"),
            content_type: text("content_type"),
            ttl: ttl.map(Duration::from_millis),
            durable: message["durable"] == Value::Bool(true),
            properties: properties
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            body: STANDARD.decode(message["body"].as_str().unwrap()).unwrap().into(),
            ..Envelope::default()
        })
    }

    /// As a reader of AMQP 1.0 finds it behind a server of 3.x.
    async fn take_encoded(&self, queue: &str) -> Option<Envelope> {
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
        let ttl = got.properties.expiration().as_ref();
        envelope.ttl = ttl.map(|ms| Duration::from_millis(ms.as_str().parse().unwrap()));
        // Readers of 0-9-1 find the same in its own places.
        let id = got.properties.message_id().as_ref().map(ToString::to_string);
        assert_eq!(envelope.message_id, id);
        let plain = headers.inner().get(names::TO).is_some_and(|value| {
            matches!(value, AMQPValue::LongString(text) if Some(text.to_string().as_str()) == envelope.properties.get(names::TO))
        });
        assert!(plain, "properties stand in plain headers too");
        Some(envelope)
    }

    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        ask(&self.folder.path().join("broker.toml"), arguments).unwrap().1
    }

    /// Waits until the broker says so.
    pub(crate) async fn says(&self, arguments: &[&str], wanted: &str) {
        until(&format!("{arguments:?} says {wanted}"), || self.ask(arguments).contains(wanted)).await;
    }

    /// A page of the broker's own: metrics, health.
    pub(crate) fn page(&self, path: &str) -> String {
        call(self.admin, "GET", path, "", &[], &[]).unwrap().1
    }

    pub(crate) fn letters(&self) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(self.folder.path().join("out")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let letters = paths.filter(|path| path.extension().is_some_and(|e| e == "xml"));
        letters.map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// Every message is out of its queue, the books balance, and the log shows nothing of any.
    pub(crate) async fn close(mut self) {
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
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// A letter under an id of its own.
pub(crate) fn letter() -> (String, String) {
    let template = String::from_utf8(sample("epikrise/accepted-1.2")).unwrap();
    let old = head::read(&template, &Limits::default()).unwrap().msg_id.unwrap();
    let id = Uuid::now_v7().to_string();
    (template.replace(old.as_str(), &id), id)
}

pub(crate) fn envelope(id: &str, body: Vec<u8>) -> Envelope {
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
