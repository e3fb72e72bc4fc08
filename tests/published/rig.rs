//! A broker as it runs, with two targets to publish to: the national document store with its token service, and an XDS
//! domain. And messages of one document in several versions.

use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use serde_json::Value;
use servers::stores::registry::Domain;
use servers::stores::store::Store;
use servers::stores::tokens::Tokens;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;
use system_tests::drive::{Region, clock, sample};
use tokio::runtime::Runtime;

/// Families are named, since dialogues and orders are published only where they are.
const TARGETS: &str = r#"
[publish.national]
kind = "mhd-national"
url = "http://{national}/R4/fhir"
environment = "test"
home_community = "2.999.1"
source_root = "2.999.2"
also = ["fhir", "attachments"]
families = {families}
source_system = "tests"
document_path = "mhd/document"
timeout = "2s"
practice = { list = "8655", code = "S03", name = "Indremedisin" }
retry = { first = "100ms", max = "300ms" }
breaker = { pause = { first = "100ms", max = "300ms" } }

[publish.national.token]
url = "http://{national}/connect/token"
client_id = "client-1"
scope = "publish"
key_file = "client-key.pem"
key_id = "key-1"

[publish.region]
kind = "xds"
url = "http://{domain}/repository"
registry_url = "http://{domain}/registry"
environment = "test"
home_community = "2.999.1"
repository = "2.999.3"
source_root = "2.999.2"
withdraw = "delete"
replace = "original"
also = ["fhir", "attachments"]
families = {families}
timeout = "2s"
practice = { list = "8655", code = "S03", name = "Indremedisin" }
retry = { first = "100ms", max = "300ms" }
breaker = { pause = { first = "100ms", max = "300ms" } }
"#;

const FAMILIES: &str = r#"["referral", "discharge-summary", "result-report", "dialogue", "requisition", "admission-report",
    "health-information-for-application", "health-information-for-doctor", "medical-information", "discharge-report"]"#;

/// The broker, its region and its targets.
pub(crate) struct Rig {
    pub(crate) region: Region,
    at: [SocketAddr; 2],
    tokens: Arc<Tokens>,
    process: Option<Child>,
    // What serves the stores, so it ends last.
    runtime: Runtime,
}

/// What it publishes to.
pub(crate) struct Stores {
    pub(crate) national: Store,
    pub(crate) domain: Domain,
}

/// Entries that are in use, by their ids: at the national store, and at the domain.
pub(crate) type Seen = [BTreeMap<String, Vec<u8>>; 2];

impl Rig {
    /// Nothing runs yet, and nobody listens.
    pub(crate) fn lay_out(name: &str) -> Self {
        Self::lay_out_with(name, "")
    }

    /// The same with more settings, in which `{domain}` is where the domain will listen.
    pub(crate) fn lay_out_with(name: &str, more: &str) -> Self {
        let at = servers::free_ports::<2>()
            .expect("free ports")
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let targets = format!("{TARGETS}{more}")
            .replace("{national}", &at[0].to_string())
            .replace("{domain}", &at[1].to_string())
            .replace("{families}", FAMILIES);
        let region = Region::lay_out(name, |settings| settings + &targets).expect("a region");
        let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
        let public = PKey::public_key_from_der(&key.public_key_to_der().expect("DER")).expect("a key");
        let pem = key.private_key_to_pem_pkcs8().expect("PEM");
        std::fs::write(region.folder.join("client-key.pem"), pem).expect("the region's folder");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        Self { region, at, tokens: Arc::new(Tokens::new(public)), process: None, runtime }
    }

    /// The targets begin to listen.
    pub(crate) fn open(&self) -> Stores {
        self.runtime.block_on(async {
            Stores {
                national: Store::start_at(self.at[0], Arc::clone(&self.tokens)).await,
                domain: Domain::start_at(self.at[1]).await,
            }
        })
    }

    pub(crate) fn start(&mut self) {
        let started = self.region.start(Some(&self.log()));
        self.process = Some(started.unwrap_or_else(|e| panic!("{e}\n{}", self.said())));
    }

    /// As if the power had gone.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("it was started");
        process.kill().expect("it can be killed");
        process.wait().expect("it is dead");
    }

    fn log(&self) -> PathBuf {
        self.region.folder.join("broker.log")
    }

    /// What the broker wrote into its log.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Sends a message over HTTP; the broker's id of it.
    pub(crate) fn send(&self, xml: &[u8]) -> String {
        let key = uuid::Uuid::now_v7().to_string();
        let (status, body) = self.region.post(&key, xml).expect("an answer");
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        assert_eq!(status, 202, "{body}");
        answer["id"].as_str().expect("an id").to_owned()
    }

    /// Its deliveries to targets: the destination, the state, the attempts.
    pub(crate) fn publications(&self, id: &str) -> Vec<Value> {
        let (_, body) = self.region.state(id).expect("an answer");
        let state: Value = serde_json::from_str(&body).expect("JSON");
        let of = state["recipients"].as_array().cloned().unwrap_or_default();
        of.into_iter()
            .filter(|r| r["destination"].as_str().is_some_and(|d| d.starts_with("publish:")))
            .collect()
    }

    /// Waits until every target was told of it.
    pub(crate) fn told(&self, id: &str) {
        self.come_to(id, &["handed_over"; 2]);
    }

    /// Waits until its deliveries to targets stand so, in the order of the targets' names.
    pub(crate) fn come_to(&self, id: &str, states: &[&str]) {
        self.until(&format!("{id} comes to {states:?}"), || {
            let mut all = self.publications(id);
            all.sort_by_key(|r| r["destination"].to_string());
            all.iter().map(|r| r["state"].as_str().unwrap_or_default()).eq(states.iter().copied())
        });
    }

    /// Sends it, and waits until every target was told.
    pub(crate) fn publish(&self, xml: &[u8]) -> String {
        let id = self.send(xml);
        self.told(&id);
        id
    }

    /// What `budstikke` says to these words.
    pub(crate) fn ask(&self, words: &[&str]) -> (Option<i32>, String) {
        self.region.ask(words).expect("the command runs")
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = clock() + Duration::from_secs(60);
        while !holds() {
            let lying = || self.ask(&["dead-letter", "list"]).1;
            assert!(clock() < deadline, "never came: {what}\n{}\n{}", lying(), self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill().ok();
            process.wait().ok();
        }
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.region.folder).ok();
        }
    }
}

impl Stores {
    pub(crate) fn seen(&self) -> Seen {
        [self.national.state.in_use(), self.domain.state.in_use()]
    }

    /// How many submissions each of them was sent.
    pub(crate) fn submissions(&self) -> [usize; 2] {
        let national = self.national.server.log();
        let domain = self.domain.server.log();
        let action = "ProvideAndRegisterDocumentSet-b";
        [
            national.iter().filter(|a| a.method == "POST" && a.path() == "/R4/fhir/Bundle").count(),
            domain.iter().filter(|a| a.header("content-type").contains(action)).count(),
        ]
    }
}

/// A document of a sample of ours, in versions of its own.
#[derive(Clone, Copy)]
pub(crate) struct Series {
    pub(crate) sample: &'static str,
    /// The id of the document in the sample; none where the first message names it.
    pub(crate) id: Option<&'static str>,
    /// Tells series of one sample apart: two digits.
    pub(crate) number: u8,
}

impl Series {
    pub(crate) fn message_id(&self, version: u8) -> String {
        format!("7d4c1f7e-6a41-4c1b-9a57-0a7be9a1{:02}{version:02}", self.number)
    }

    /// Its version of that number, made in that hour, with that change code: N, M or C.
    pub(crate) fn version(&self, number: u8, change: &str) -> Vec<u8> {
        self.text(number, change).into_bytes()
    }

    /// The same, to be changed further.
    pub(crate) fn text(&self, number: u8, change: &str) -> String {
        let text = String::from_utf8(sample(self.sample)).expect("UTF-8");
        let (before, rest) = text.split_once("<MsgId>").expect("an id");
        let (_, after) = rest.split_once("</MsgId>").expect("an id");
        let conversation = if self.id.is_none() && change != "N" {
            let first = self.message_id(1);
            format!(
                "<ConversationRef><RefToParent>{first}</RefToParent><RefToConversation>{first}</RefToConversation></ConversationRef>"
            )
        } else {
            String::new()
        };
        let mut text = format!("{before}<MsgId>{}</MsgId>{conversation}{after}", self.message_id(number));
        text = text.replacen("2026-03-01T10:00:00", &format!("2026-03-01T1{number}:00:00"), 1);
        if let Some(id) = self.id {
            assert!(text.contains(id), "{} has no {id}", self.sample);
            text = text.replace(id, &format!("{id}-{}", self.number));
        }
        let code = if self.id.is_some() { "ServType" } else { "Forsendelsesstatus" };
        let new = format!("<{code} V=\"N\" DN=\"Ny\"/>");
        assert!(text.contains(&new), "{} has no {new}", self.sample);
        text.replacen(&new, &format!("<{code} V=\"{change}\"/>"), 1)
    }
}
