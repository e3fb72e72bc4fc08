//! A stand-in for the national document store: it takes what the national one takes, and refuses what that refuses
//! (document-sharing §9), from the bytes that it gets and with code of its own.

use super::tokens::{Tokens, form};
use super::web::{Answer, Asked, Server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// An entry that stands there.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its DocumentReference as it came.
    pub reference: Value,
    /// The document.
    pub bytes: Vec<u8>,
    /// Nothing has replaced it.
    pub current: bool,
    patient: String,
}

/// What stands there, and how it is to misbehave.
#[derive(Default)]
pub struct State {
    /// By the id of the entry.
    pub entries: Mutex<BTreeMap<String, Kept>>,
    /// The next submission is taken, and its answer lost.
    pub lose_answer: AtomicBool,
    /// Nothing is answered but 503.
    pub down: AtomicBool,
    /// Requests are read, nothing is done, and nothing is answered.
    pub silent: AtomicBool,
    /// Everything is refused.
    pub refuse: AtomicBool,
}

/// The store, as long as the runtime that started it.
pub struct Store {
    /// What it listens with.
    pub server: Server,
    /// What stands there.
    pub state: Arc<State>,
}

const FHIR: &str = "application/fhir+json";
const ALLOWED: &str = "æøåÆØÅáÁéÉíÍóÓúÚýÝ .,:;()-–—_÷*'\"/+%&@£$€{}[]§|!?^";

impl Store {
    /// The national store asks for tokens of this service, and for its headers.
    pub async fn start(tokens: Arc<Tokens>) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), tokens).await
    }

    /// The same at an address.
    pub async fn start_at(address: SocketAddr, tokens: Arc<Tokens>) -> Self {
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let server = Server::start_at(address, move |asked| {
            let url = format!("http://{}{}", asked.header("host"), asked.target);
            if asked.path() == "/connect/token" {
                return tokens.answer(asked, &url);
            }
            if shared.down.load(Ordering::SeqCst) {
                return Answer::empty(503).with("retry-after", "7");
            }
            if shared.silent.load(Ordering::SeqCst) {
                return Answer { lost: true, ..Answer::empty(500) };
            }
            if !tokens.accepts(asked, &url) {
                return Answer::empty(401).with("www-authenticate", "DPoP error=\"invalid_token\"");
            }
            if asked.header("nhn-source-system").is_empty() || asked.header("nhn-event-id").len() != 36 {
                return refusal("missing header");
            }
            if shared.refuse.load(Ordering::SeqCst) {
                return refusal("XDSRegistryMetadataError: somebody's name");
            }
            shared.answer(asked)
        })
        .await;
        Self { server, state }
    }
}

fn refusal(why: &str) -> Answer {
    let outcome = json!({ "resourceType": "OperationOutcome", "issue": [
        { "severity": "error", "code": "invalid", "diagnostics": why } ] });
    Answer::new(400, FHIR, outcome.to_string())
}

impl State {
    /// What has not been replaced: the bytes of each, by the id of its entry.
    ///
    /// # Panics
    /// If a handler panicked.
    #[must_use]
    pub fn in_use(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = self.entries.lock().expect("not poisoned");
        entries.iter().filter(|(_, k)| k.current).map(|(id, k)| (id.clone(), k.bytes.clone())).collect()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let id = asked.path().strip_prefix("/R4/fhir/DocumentReference/");
        match (asked.method.as_str(), asked.path(), id) {
            ("POST", "/R4/fhir/Bundle", _) => match self.take(&asked.body) {
                Ok(answer) => Answer { lost: self.lose_answer.swap(false, Ordering::SeqCst), ..answer },
                Err(why) => refusal(&why),
            },
            ("POST", "/R4/fhir/DocumentReference/_search", _) => self.search(&asked.body),
            ("DELETE", _, Some(id)) => {
                let gone = self.entries.lock().expect("not poisoned").remove(id);
                Answer::empty(if gone.is_some() { 200 } else { 404 })
            }
            ("GET", "/R4/fhir/mhd/document", _) => {
                let query = form(asked.target.split('?').nth(1).unwrap_or_default().as_bytes());
                let entries = self.entries.lock().expect("not poisoned");
                let unique =
                    format!("urn:uuid:{}", query.get("documentUniqueId").cloned().unwrap_or_default());
                let found =
                    entries.values().find(|k| k.reference["masterIdentifier"]["value"] == unique.as_str());
                match found {
                    Some(kept) if query.contains_key("homeCommunityId") => {
                        Answer::new(200, "application/octet-stream", kept.bytes.clone())
                    }
                    Some(_) | None => Answer::empty(404),
                }
            }
            _ => Answer::empty(404),
        }
    }

    fn search(&self, body: &[u8]) -> Answer {
        let form = form(body);
        let wanted = form.get("patient.identifier").cloned().unwrap_or_default();
        let entries = self.entries.lock().expect("not poisoned");
        let found: Vec<Value> = entries
            .values()
            .filter(|k| k.patient == wanted && (k.current || !form.contains_key("status")))
            .map(|k| json!({ "resource": k.reference }))
            .collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "entry": found });
        Answer::new(200, FHIR, bundle.to_string())
    }

    fn take(&self, body: &[u8]) -> Result<Answer, String> {
        let bundle: Value = serde_json::from_slice(body).map_err(|_| "no JSON")?;
        need(bundle["resourceType"] == "Bundle" && bundle["type"] == "transaction", "no transaction")?;
        let all = list(&bundle["entry"]);
        let of = |kind: &'static str| all.iter().filter(move |e| e["resource"]["resourceType"] == kind);
        for entry in &all {
            let kind = entry["resource"]["resourceType"].as_str().unwrap_or_default();
            need(
                ["List", "Patient", "DocumentReference", "Binary"].contains(&kind),
                "a resource that is not taken",
            )?;
            need(
                entry["request"]["method"] == "POST" && entry["request"]["url"] == kind,
                "a request that is not taken",
            )?;
            let id = entry["resource"]["id"].as_str().unwrap_or_default();
            need(entry["fullUrl"] == format!("urn:uuid:{id}").as_str(), "fullUrl is not the id")?;
        }
        let set = of("List").next().ok_or("no submission set")?;
        need(of("List").count() == 1 && of("Patient").count() == 1, "one set and one patient")?;
        let patient = of("Patient").next().ok_or("no patient")?;
        let ids = list(&patient["resource"]["identifier"]);
        need(ids.len() == 1, "only the first identifier would be kept")?;
        let number = ids[0]["value"].as_str().unwrap_or_default();
        need(number.len() == 11 && number.bytes().all(|b| b.is_ascii_digit()), "no national id")?;
        self.check_set(set, patient)?;
        let (binaries, references): (Vec<_>, Vec<_>) =
            (of("Binary").collect(), of("DocumentReference").collect());
        need(!references.is_empty() && binaries.len() == references.len(), "a document for each entry")?;
        let mut fresh = BTreeMap::new();
        {
            let entries = self.entries.lock().expect("not poisoned");
            for entry in &references {
                let reference = &entry["resource"];
                let bytes = self.check_entry(reference, &binaries, patient, set, &entries, &references)?;
                let id = reference["id"].as_str().unwrap_or_default().to_owned();
                if entries.contains_key(&id) {
                    return Err("XDSDuplicateUniqueIdInRegistry".to_owned());
                }
                let patient = format!("{}|{number}", ids[0]["system"].as_str().unwrap_or_default());
                fresh.insert(id, Kept { reference: reference.clone(), bytes, current: true, patient });
            }
        }
        let mut entries = self.entries.lock().expect("not poisoned");
        for kept in fresh.values() {
            for relation in list(&kept.reference["relatesTo"]).iter().filter(|r| r["code"] == "replaces") {
                let old = relation["target"]["reference"].as_str().unwrap_or_default();
                if let Some(old) = entries.get_mut(old.trim_start_matches("DocumentReference/")) {
                    old.current = false;
                }
            }
        }
        entries.extend(fresh);
        let answers: Vec<Value> = all
            .iter()
            .map(|e| {
                let id = e["resource"]["id"].as_str().unwrap_or_default();
                let kind = e["request"]["url"].as_str().unwrap_or_default();
                json!({ "response": { "status": "201 Created", "location": format!("{kind}/{id}") } })
            })
            .collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": answers });
        Ok(Answer::new(200, FHIR, bundle.to_string()))
    }

    fn check_set(&self, set: &Value, patient: &Value) -> Result<(), String> {
        let set = &set["resource"];
        need(set["subject"]["reference"] == patient["fullUrl"], "the set is about another patient")?;
        need(set["status"] == "current" && set["mode"] == "working", "status and mode of the set")?;
        let extension = |name: &str| {
            list(&set["extension"]).into_iter().find(|e| e["url"].as_str().is_some_and(|u| u.ends_with(name)))
        };
        let source = extension("ihe-sourceId").ok_or("no sourceId")?;
        let source = source["valueIdentifier"]["value"].as_str().and_then(|s| s.strip_prefix("urn:oid:"));
        need(
            source.is_some_and(|s| s.bytes().all(|b| b.is_ascii_digit() || b == b'.')),
            "sourceId is no OID",
        )?;
        need(extension("ihe-designationType").is_some(), "no contentTypeCode")?;
        need(list(&set["identifier"]).len() == 2, "the set needs both identifiers")?;
        check_texts(set)
    }

    fn check_entry(
        &self,
        reference: &Value,
        binaries: &[&Value],
        patient: &Value,
        set: &Value,
        known: &BTreeMap<String, Kept>,
        fresh: &[&Value],
    ) -> Result<Vec<u8>, String> {
        need(reference.get("docStatus").is_none(), "docStatus is forbidden")?;
        let attachment = &reference["content"][0]["attachment"];
        need(attachment.get("data").is_none(), "data belongs into the Binary")?;
        for pointer in [
            "/masterIdentifier/value",
            "/status",
            "/type/coding/0/code",
            "/category/0/coding/0/code",
            "/securityLabel/0/coding/0/code",
            "/author/0/reference",
            "/content/0/attachment/contentType",
            "/content/0/attachment/language",
            "/content/0/attachment/url",
            "/content/0/attachment/creation",
            "/content/0/attachment/hash",
            "/content/0/attachment/size",
            "/content/0/format/code",
            "/context/facilityType/coding/0/code",
            "/context/practiceSetting/coding/0/code",
            "/context/sourcePatientInfo/reference",
        ] {
            need(reference.pointer(pointer).is_some(), pointer)?;
        }
        need(reference["subject"]["reference"] == patient["fullUrl"], "an entry about another patient")?;
        let members = list(&set["resource"]["entry"]);
        let own = format!("urn:uuid:{}", reference["id"].as_str().unwrap_or_default());
        need(members.iter().any(|m| m["item"]["reference"] == own.as_str()), "an entry outside of the set")?;
        for codes in ["/type/coding", "/category/0/coding"] {
            need(reference.pointer(codes).map(list).is_some_and(|c| c.len() == 1), "one coding is read")?;
        }
        let class = reference["category"][0]["coding"][0]["code"].as_str().unwrap_or_default();
        let kind = reference["type"]["coding"][0]["code"].as_str().unwrap_or_default();
        need(class.chars().next() == kind.chars().next() && class.ends_with("-1"), "class and type")?;
        for author in list(&reference["author"]) {
            let id =
                author["reference"].as_str().and_then(|r| r.strip_prefix('#')).ok_or("an author outside")?;
            need(list(&reference["contained"]).iter().any(|c| c["id"] == id), "an author that is not there")?;
        }
        let home = list(&attachment["extension"])
            .into_iter()
            .find(|e| e["url"] == "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-homeCommunityId");
        need(
            home.is_some_and(|h| h["valueUri"].as_str().is_some_and(|u| u.starts_with("urn:oid:"))),
            "community",
        )?;
        for pointer in ["/context/period/start", "/context/period/end", "/content/0/attachment/creation"] {
            let time = reference.pointer(pointer).and_then(Value::as_str).unwrap_or("Z");
            need(time.len() <= 10 || time.ends_with('Z'), "a time that is not in UTC")?;
        }
        for relation in list(&reference["relatesTo"]) {
            let target = relation["target"]["reference"].as_str().unwrap_or_default();
            let there = known.contains_key(target.trim_start_matches("DocumentReference/"))
                || fresh.iter().any(|f| f["fullUrl"] == target);
            need(there, "relatesTo something unknown")?;
        }
        let url = &attachment["url"];
        let binary = binaries.iter().find(|b| b["fullUrl"] == *url).ok_or("no such Binary")?;
        need(reference["masterIdentifier"]["value"] == *url, "Binary.id is taken as uniqueId")?;
        let bytes =
            STANDARD.decode(binary["resource"]["data"].as_str().unwrap_or_default()).map_err(|_| "data")?;
        need(binary["resource"]["contentType"] == attachment["contentType"], "two content types")?;
        need(attachment["size"].as_u64() == u64::try_from(bytes.len()).ok(), "size")?;
        let hash = STANDARD.encode(openssl::sha::sha1(&bytes));
        need(attachment["hash"] == hash.as_str(), "XDSNonIdenticalHash")?;
        sniff(attachment["contentType"].as_str().unwrap_or_default(), &bytes)?;
        check_texts(reference)?;
        Ok(bytes)
    }
}

fn sniff(media_type: &str, bytes: &[u8]) -> Result<(), String> {
    let is = |magic: &[u8]| bytes.starts_with(magic);
    let agrees = match media_type {
        "application/pdf" => is(b"%PDF"),
        "image/jpeg" => is(b"\xff\xd8"),
        "image/png" => is(b"\x89PNG"),
        "image/tiff" => is(b"II") || is(b"MM"),
        "image/gif" => is(b"GIF8"),
        "application/xml" | "text/xml" => is(b"<") || is(b"\xef\xbb\xbf<"),
        "text/plain" => bytes.iter().all(|b| (32..=126).contains(b)),
        "text/rtf" => is(b"{\\rtf"),
        _ => return Err("a type that is not taken".to_owned()),
    };
    need(agrees && bytes.len() <= 60_000_000, "bytes of another type")
}

/// Titles, names and texts hold only characters that are taken.
fn check_texts(value: &Value) -> Result<(), String> {
    match value {
        Value::Array(items) => items.iter().try_for_each(check_texts),
        Value::Object(members) => members.iter().try_for_each(|(name, value)| {
            let checked = ["title", "family", "given", "name", "display"].contains(&name.as_str());
            let texts: Vec<&str> = match value {
                Value::String(text) => vec![text],
                Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
                Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
            };
            let good = |t: &&str| t.chars().all(|c| c.is_ascii_alphanumeric() || ALLOWED.contains(c));
            need(!checked || texts.iter().all(good), "a character that is not taken")?;
            check_texts(value)
        }),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn need(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}
