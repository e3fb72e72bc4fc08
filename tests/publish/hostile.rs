//! Targets that answer what is not so, or what contradicts itself: no such answer is taken for a success.

use super::given::{made, now, target, version};
use super::{again, done, refused};
use adapters::publish::{Options, Publisher};
use serde_json::{Value, json};
use servers::stores::web::{Answer, Asked, Server};
use sharing::target::{Kind, Withdraw};
use sharing::{Submission, Target, withdrawal};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FHIR: &str = "application/fhir+json";

/// A store (MHD) that keeps entries under ids of its own.
#[derive(Default)]
struct Kept {
    /// DocumentReferences as it tells of them.
    references: Vec<Value>,
    tells_locations: bool,
    status: Option<&'static str>,
    /// What a search is answered with, instead of what is there.
    search: Option<Value>,
    /// A search without a patient is refused.
    wants_patient: bool,
    /// What a submission is answered with, instead of being taken.
    instead: Option<Answer>,
}

/// The form names the patient of the samples.
fn is_of_patient(form: &[u8]) -> bool {
    let (document, _) = version("m1");
    let (id, oid) = document.described.patient.and_then(|p| p.id).expect("a patient");
    String::from_utf8_lossy(form).contains(&format!("patient.identifier=urn%3Aoid%3A{oid}%7C{id}"))
}

type Shared = Arc<Mutex<Kept>>;

impl Kept {
    fn answer(&mut self, asked: &Asked) -> Answer {
        let id = asked.path().strip_prefix("/fhir/DocumentReference/");
        match (asked.method.as_str(), id) {
            ("POST", None) => self.instead.clone().unwrap_or_else(|| self.take(&asked.body)),
            ("POST", Some("_search")) if self.wants_patient && !is_of_patient(&asked.body) => {
                Answer::empty(400)
            }
            ("POST", Some("_search")) => {
                let entries: Vec<Value> = self.references.iter().map(|r| json!({ "resource": r })).collect();
                let all = json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries });
                Answer::new(200, FHIR, self.search.as_ref().unwrap_or(&all).to_string())
            }
            ("DELETE", Some(id)) => {
                let before = self.references.len();
                self.references.retain(|r| r["id"] != id);
                Answer::empty(if self.references.len() < before { 204 } else { 404 })
            }
            _ => Answer::empty(405),
        }
    }

    fn take(&mut self, body: &[u8]) -> Answer {
        let bundle: Value = serde_json::from_slice(body).expect("JSON");
        let mut answers = Vec::new();
        for entry in bundle["entry"].as_array().expect("entries") {
            let mut response = json!({ "status": self.status.unwrap_or("201 Created") });
            let mut resource = entry["resource"].clone();
            if resource["resourceType"] == "DocumentReference" {
                let id = format!("own-{}", self.references.len());
                if self.tells_locations {
                    response["location"] = json!(format!("DocumentReference/{id}/_history/1"));
                }
                resource["id"] = json!(id);
                self.references.push(resource);
            }
            answers.push(json!({ "response": response }));
        }
        let taken = json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": answers });
        Answer::new(200, FHIR, taken.to_string())
    }
}

async fn store() -> (Server, Shared, Publisher) {
    let kept = Shared::default();
    let shared = Arc::clone(&kept);
    let server = Server::start(move |asked| shared.lock().expect("not poisoned").answer(asked)).await;
    let mut options = Options::new(Kind::Mhd, server.url("/fhir"));
    options.timeout = Duration::from_secs(5);
    let target = Target { withdraw: Withdraw::Delete, ..target(Kind::Mhd) };
    let publisher = Publisher::build(target, options).expect("a publisher");
    (server, kept, publisher)
}

fn submission_to(publisher: &Publisher) -> Submission {
    made("m1", publisher.target(), &[])
}

const EMPTY: &str = r#"{"resourceType":"Bundle","type":"searchset"}"#;

#[tokio::test]
async fn an_entry_whose_place_was_never_told_is_found_and_deleted() {
    for searched_at_once in [true, false] {
        let (_server, kept, publisher) = store().await;
        let silent = json!({ "resourceType": "Bundle", "type": "collection" });
        kept.lock().expect("not poisoned").search = (!searched_at_once).then_some(silent);
        let published = done(publisher.publish(&submission_to(&publisher)).await);
        assert!(published.iter().all(|p| p.location.is_some() == searched_at_once));
        let way = withdrawal(&version("m3").0, &published, publisher.target(), now()).expect("a way");
        if !searched_at_once {
            assert_eq!(again(publisher.withdraw(&way).await).0.code, "N13", "it cannot be looked for");
        }
        kept.lock().expect("not poisoned").search = None;
        done(publisher.withdraw(&way).await);
        assert_eq!(kept.lock().expect("not poisoned").references, Vec::<Value>::new());
        done(publisher.withdraw(&way).await);
    }
}

#[tokio::test]
async fn a_store_that_searches_for_patients_alone_is_told_whose_it_is() {
    let (_server, kept, publisher) = store().await;
    kept.lock().expect("not poisoned").search =
        Some(json!({ "resourceType": "Bundle", "type": "collection" }));
    let published = done(publisher.publish(&submission_to(&publisher)).await);
    assert!(published.iter().all(|p| p.location.is_none()), "it never said where it keeps them");
    kept.lock().expect("not poisoned").search = None;
    kept.lock().expect("not poisoned").wants_patient = true;
    let mut nobodys = version("m3").0;
    nobodys.described.patient = None;
    let way = withdrawal(&nobodys, &published, publisher.target(), now()).expect("a way");
    assert_eq!(again(publisher.withdraw(&way).await).0.code, "N13", "it cannot be looked for");
    let way = withdrawal(&version("m3").0, &published, publisher.target(), now()).expect("a way");
    done(publisher.withdraw(&way).await);
    assert_eq!(kept.lock().expect("not poisoned").references, Vec::<Value>::new());
}

#[tokio::test]
async fn an_entry_that_moved_is_deleted_where_it_is() {
    let (_server, kept, publisher) = store().await;
    kept.lock().expect("not poisoned").tells_locations = true;
    let published = done(publisher.publish(&submission_to(&publisher)).await);
    for reference in &mut kept.lock().expect("not poisoned").references {
        reference["id"] = json!(format!("moved-{}", reference["id"].as_str().unwrap_or_default()));
    }
    let way = withdrawal(&version("m3").0, &published, publisher.target(), now()).expect("a way");
    done(publisher.withdraw(&way).await);
    assert_eq!(kept.lock().expect("not poisoned").references, Vec::<Value>::new());
}

#[tokio::test]
async fn what_is_not_said_to_be_there_is_not_taken_for_gone() {
    let (_server, kept, publisher) = store().await;
    kept.lock().expect("not poisoned").tells_locations = true;
    let published = done(publisher.publish(&submission_to(&publisher)).await);
    let way = withdrawal(&version("m3").0, &published, publisher.target(), now()).expect("a way");
    let references = std::mem::take(&mut kept.lock().expect("not poisoned").references);
    // It deletes nothing, and finds all of it.
    let entries: Vec<Value> = references.iter().map(|r| json!({ "resource": r })).collect();
    kept.lock().expect("not poisoned").search =
        Some(json!({ "resourceType": "Bundle", "type": "searchset", "entry": entries }));
    assert_eq!(again(publisher.withdraw(&way).await).0.code, "N13");
    // A page that is not the last.
    let page = json!({ "resourceType": "Bundle", "type": "searchset", "link": [{ "relation": "next", "url": "x" }] });
    kept.lock().expect("not poisoned").search = Some(page);
    assert_eq!(again(publisher.withdraw(&way).await).0.code, "N13");
    kept.lock().expect("not poisoned").search = Some(serde_json::from_str(EMPTY).expect("JSON"));
    done(publisher.withdraw(&way).await);
}

#[tokio::test]
async fn a_duplicate_that_is_out_of_use_is_no_success() {
    let (_server, kept, publisher) = store().await;
    let submission = submission_to(&publisher);
    done(publisher.publish(&submission).await);
    kept.lock().expect("not poisoned").instead = Some(Answer::empty(409));
    done(publisher.publish(&submission).await);
    for reference in &mut kept.lock().expect("not poisoned").references {
        reference["status"] = json!("superseded");
    }
    assert_eq!(refused(publisher.publish(&submission).await).code, "N11");
}

#[tokio::test]
async fn half_a_status_and_a_page_for_logging_in_are_no_answers() {
    let (_server, kept, publisher) = store().await;
    kept.lock().expect("not poisoned").status = Some("2x");
    assert_eq!(again(publisher.publish(&submission_to(&publisher)).await).0.code, "N13");
    let login = Answer::empty(302).with("location", "http://127.0.0.1:1/login");
    kept.lock().expect("not poisoned").instead = Some(login);
    assert_eq!(again(publisher.publish(&submission_to(&publisher)).await).0.code, "N13");
}

#[tokio::test]
async fn words_that_are_no_codes_are_not_repeated() {
    let (_server, kept, publisher) = store().await;
    let outcome = json!({ "resourceType": "OperationOutcome", "issue": [
        { "severity": "error", "code": "Danser", "diagnostics": "XDSLineDanser" } ] });
    kept.lock().expect("not poisoned").instead = Some(Answer::new(400, FHIR, outcome.to_string()));
    let trouble = refused(publisher.publish(&submission_to(&publisher)).await);
    assert_eq!(trouble.why, "a code that is not known");
}

#[tokio::test]
async fn an_answer_that_is_far_too_large_is_not_read() {
    let (_server, kept, publisher) = store().await;
    let many = vec![r#"{"resource":{"a":[]}}"#; 100_000].join(",");
    let large = format!(r#"{{"resourceType":"Bundle","type":"transaction-response","entry":[{many}]}}"#);
    kept.lock().expect("not poisoned").instead = Some(Answer::new(200, FHIR, large));
    let (trouble, _) = again(publisher.publish(&submission_to(&publisher)).await);
    assert_eq!((trouble.code, trouble.why.as_str()), ("N13", "the answer is too large"));
}

/// A domain (XDS) that answers each action with what is set for it.
#[derive(Default)]
struct Says {
    submission: (u16, String, String),
    query: String,
    deletion: String,
    update: String,
}

const RESPONSE: &str = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType";

fn response(status: &str, code: &str) -> String {
    let severity = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error";
    let errors = if code.is_empty() {
        String::new()
    } else {
        format!(
            "<RegistryErrorList><RegistryError errorCode=\"{code}\" severity=\"{severity}\"/></RegistryErrorList>"
        )
    };
    format!(
        "<RegistryResponse xmlns=\"urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0\" \
         status=\"{RESPONSE}:{status}\">{errors}</RegistryResponse>"
    )
}

fn queried(list: &str) -> String {
    format!(
        "<AdhocQueryResponse xmlns=\"urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0\" \
         status=\"{RESPONSE}:Success\">{list}</AdhocQueryResponse>"
    )
}

const NOTHING: &str = "<RegistryObjectList xmlns=\"urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0\"/>";

fn soap(status: u16, head: &str, body: &str) -> Answer {
    let text = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Header>{head}</s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>"
    );
    Answer::new(status, "application/soap+xml; charset=UTF-8", text)
}

async fn domain(withdraw: Withdraw) -> (Server, Arc<Mutex<Says>>, Publisher) {
    let says = Arc::new(Mutex::new(Says {
        submission: (200, String::new(), response("Success", "")),
        ..Says::default()
    }));
    let shared = Arc::clone(&says);
    let server = Server::start(move |asked| {
        let says = shared.lock().expect("not poisoned");
        let kind = asked.header("content-type");
        if kind.contains("ProvideAndRegister") {
            let (status, head, body) = &says.submission;
            soap(*status, head, body)
        } else if kind.contains("StoredQuery") {
            soap(200, "", &says.query)
        } else if kind.contains("DeleteDocumentSet") {
            soap(200, "", &says.deletion)
        } else {
            soap(200, "", &says.update)
        }
    })
    .await;
    let mut options = Options::new(Kind::Xds, server.url("/repository"));
    options.registry_url = Some(server.url("/registry"));
    options.timeout = Duration::from_secs(5);
    let target = Target { withdraw, ..target(Kind::Xds) };
    let publisher = Publisher::build(target, options).expect("a publisher");
    (server, says, publisher)
}

#[tokio::test]
async fn a_registry_that_contradicts_itself_has_not_taken_it() {
    let (_server, says, publisher) = domain(Withdraw::Delete).await;
    let submission = submission_to(&publisher);
    let say = |status, head: &str, body: &str| {
        says.lock().expect("not poisoned").submission = (status, head.to_owned(), body.to_owned());
    };
    let success = response("Success", "");
    say(500, "", &success);
    assert_eq!(again(publisher.publish(&submission).await).0.code, "N13");
    say(200, &success, &response("Failure", "XDSRegistryError"));
    assert_eq!(refused(publisher.publish(&submission).await).why, "XDSRegistryError");
    say(200, &success, "");
    assert_eq!(again(publisher.publish(&submission).await).0.code, "N13");
    say(200, "", &format!("<x>{success}</x>"));
    assert_eq!(again(publisher.publish(&submission).await).0.code, "N13");
    say(200, "", &response("Failure", "XDSLineDanser"));
    assert_eq!(refused(publisher.publish(&submission).await).why, "a code that is not known");
    say(200, "", &success);
    assert_eq!(done(publisher.publish(&submission).await).len(), 3);
}

#[tokio::test]
async fn what_a_registry_does_not_find_is_not_thereby_withdrawn() {
    for way in [Withdraw::Delete, Withdraw::Deprecate] {
        let (_server, says, publisher) = domain(way).await;
        let published = done(publisher.publish(&submission_to(&publisher)).await);
        let out = withdrawal(&version("m3").0, &published, publisher.target(), now()).expect("a way");
        let query = |said: String| says.lock().expect("not poisoned").query = said;
        says.lock().expect("not poisoned").deletion = response("Failure", "XDSRegistryError");
        for said in [response("Success", ""), queried("")] {
            query(said);
            assert_eq!(again(publisher.withdraw(&out).await).0.code, "N13");
        }
        query(queried(NOTHING));
        assert_eq!(refused(publisher.withdraw(&out).await).code, "N10");
        says.lock().expect("not poisoned").deletion = response("Failure", "UnresolvedReferenceException");
        if way == Withdraw::Delete {
            done(publisher.withdraw(&out).await);
        } else {
            assert_eq!(refused(publisher.withdraw(&out).await).code, "N10");
        }
        // What nobody knows to have been taken need not be there.
        let mut unknown = published;
        unknown.iter_mut().for_each(|p| p.sha1.clear());
        let out = withdrawal(&version("m3").0, &unknown, publisher.target(), now()).expect("a way");
        done(publisher.withdraw(&out).await);
    }
}
