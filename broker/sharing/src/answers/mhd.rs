//! Answers in FHIR: the transaction's, complaints, and entries that were searched for.
//!
//! Only what is asked for is read, into types that hold nothing else, and of each list only so much: an answer takes no
//! more memory than a few times its size.

use super::few::Few;
use super::{Answer, Found, Problems, known};
use crate::submission::Submission;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The most entries that are read of an answer; one with more says nothing.
const MOST_ENTRIES: usize = 10_000;

/// What kind of resource it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    resource_type: String,
}

/// A Bundle, of whose entries `E` is read.
#[derive(Deserialize)]
#[serde(bound(deserialize = "E: Deserialize<'de>"))]
struct Bundle<E> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    entry: Few<E, MOST_ENTRIES>,
    #[serde(default)]
    link: Few<PageLink, 10>,
}

#[derive(Deserialize)]
struct PageLink {
    relation: Option<String>,
}

#[derive(Deserialize)]
struct Done {
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    status: String,
    location: Option<String>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    issue: Few<Issue, 100>,
}

#[derive(Deserialize)]
struct Issue {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    code: String,
    diagnostics: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    coding: Few<Coding, 10>,
    text: Option<String>,
}

#[derive(Deserialize)]
struct Coding {
    code: Option<String>,
}

#[derive(Deserialize)]
struct Hit {
    resource: Option<Reference>,
}

/// A DocumentReference.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    resource_type: Option<String>,
    id: Option<String>,
    #[serde(default)]
    identifier: Few<Identifier, 20>,
    master_identifier: Option<Identifier>,
    status: Option<String>,
    #[serde(default)]
    content: Few<Content, 1>,
}

#[derive(Deserialize)]
struct Identifier {
    value: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    attachment: Option<Attachment>,
}

#[derive(Deserialize)]
struct Attachment {
    hash: Option<String>,
    url: Option<String>,
}

fn kind(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Head>(body).ok().map(|head| head.resource_type)
}

/// Reads the answer to a submission. `status` is that of HTTP.
#[must_use]
pub fn transaction(submission: &Submission, status: u16, body: &[u8]) -> Answer {
    let kind = kind(body);
    let outcome = (kind.as_deref() == Some("OperationOutcome"))
        .then(|| serde_json::from_slice::<Outcome>(body).ok())
        .flatten();
    match (status, outcome) {
        (409, None) => Answer::Duplicate(Problems::default()),
        (409, Some(outcome)) => Answer::Duplicate(problems(&outcome)),
        (_, Some(outcome)) => problems(&outcome).into_answer(),
        (200 | 201, None) => match serde_json::from_slice::<Bundle<Done>>(body) {
            Ok(bundle) if kind.as_deref() == Some("Bundle") => taken(submission, &bundle),
            _ => Answer::Unclear("it says that it took it, but not what became of each entry"),
        },
        (_, None) => Answer::Rejected(Problems { codes: Vec::new(), errors: true }),
    }
}

fn taken(submission: &Submission, bundle: &Bundle<Done>) -> Answer {
    if bundle.kind.as_deref() != Some("transaction-response") {
        return Answer::Unclear("it is no answer to a transaction");
    }
    // List, Patient, then the entries: one answer to each of what was sent, in order.
    const BEFORE: usize = 2;
    let least = BEFORE + 2 * submission.entries.len();
    if bundle.entry.members.len() < least || bundle.entry.more {
        return Answer::Unclear("it does not say what became of each entry");
    }
    let mut locations = BTreeMap::new();
    for (n, answered) in bundle.entry.members.iter().enumerate() {
        let Some(response) = &answered.response else {
            return Answer::Unclear("it does not say what became of each entry");
        };
        if !is_success(&response.status) {
            return Answer::Unclear("it took some of it, and some not");
        }
        let entry = n.checked_sub(BEFORE).and_then(|n| submission.entries.get(n));
        if let (Some(entry), Some(location)) = (entry, response.location.as_deref().and_then(relative)) {
            locations.insert(entry.entry, location);
        }
    }
    Answer::Taken(locations)
}

/// A status of three digits that begins with 2; words may follow.
fn is_success(status: &str) -> bool {
    let (code, _) = status.split_once(' ').unwrap_or((status, ""));
    code.len() == 3 && code.starts_with('2') && code.bytes().all(|b| b.is_ascii_digit())
}

/// `DocumentReference/id` of a location, which may be absolute and of a version. Nothing else is ever called.
fn relative(location: &str) -> Option<String> {
    let (_, id) = location.rsplit_once("DocumentReference/")?;
    let id = id.split(['/', '?']).next()?;
    let plain = !id.is_empty()
        && id.len() <= 64
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        && id.bytes().any(|b| b != b'.');
    plain.then(|| format!("DocumentReference/{id}"))
}

fn problems(outcome: &Outcome) -> Problems {
    let mut problems = Problems::default();
    for issue in &outcome.issue.members {
        problems.errors |= issue.severity != "warning" && issue.severity != "information";
        // The codes of the registry behind it stand in its words.
        let details = issue.details.as_ref();
        let coded = details
            .into_iter()
            .flat_map(|d| d.coding.members.iter().filter_map(|c| c.code.as_deref()).chain(d.text.as_deref()))
            .chain(issue.diagnostics.as_deref());
        for text in coded {
            text.split(|c: char| !c.is_ascii_alphanumeric())
                .filter(|word| word.starts_with("XDS"))
                .filter_map(known::known)
                .for_each(|word| problems.add(word));
        }
        problems.add(&issue.code);
    }
    problems
}

/// Reads the answer to a search (ITI-67), or one entry; none if it is neither, or does not hold all that was found: what
/// stands on a further page is not known.
#[must_use]
pub fn found(body: &[u8]) -> Option<Vec<Found>> {
    match kind(body)?.as_str() {
        "DocumentReference" => {
            Some(entry(&serde_json::from_slice::<Reference>(body).ok()?).into_iter().collect())
        }
        "Bundle" => {
            let bundle: Bundle<Hit> = serde_json::from_slice(body).ok()?;
            let more = bundle.link.members.iter().any(|l| l.relation.as_deref() == Some("next"));
            if more || bundle.entry.more || bundle.kind.as_deref() != Some("searchset") {
                return None;
            }
            Some(bundle.entry.members.iter().filter_map(|e| entry(e.resource.as_ref()?)).collect())
        }
        _ => None,
    }
}

fn entry(reference: &Reference) -> Option<Found> {
    if reference.resource_type.as_deref()? != "DocumentReference" {
        return None;
    }
    let attachment = reference.content.members.first().and_then(|c| c.attachment.as_ref());
    let id = reference.id.as_deref();
    let entry = reference
        .identifier
        .members
        .iter()
        .find_map(|i| Uuid::parse_str(i.value.as_deref()?.strip_prefix("urn:uuid:")?).ok());
    let hash = attachment.and_then(|a| STANDARD.decode(a.hash.as_deref()?).ok());
    Some(Found {
        entry: entry.or_else(|| Uuid::parse_str(id?).ok()),
        document: reference.master_identifier.as_ref().and_then(|m| m.value.clone()).unwrap_or_default(),
        approved: reference.status.as_deref() == Some("current"),
        sha1: hash.map(hex::encode),
        location: id.and_then(|id| relative(&format!("DocumentReference/{id}"))),
        url: attachment.and_then(|a| a.url.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_an_id_and_nothing_else() {
        for (location, expected) in [
            ("DocumentReference/a-1", Some("DocumentReference/a-1")),
            ("https://x/R4/fhir/DocumentReference/a-1/_history/2", Some("DocumentReference/a-1")),
            ("DocumentReference/../x", None),
            ("DocumentReference/", None),
            ("DocumentReference/a b", None),
            ("Binary/1", None),
        ] {
            assert_eq!(relative(location).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn complaints_are_told_by_code_and_never_by_their_words() {
        let body = br#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid",
            "diagnostics":"XDSPatientIdDoesNotMatch: patient 13116900216 Line Danser"}]}"#;
        let outcome: Outcome = serde_json::from_slice(body).unwrap();
        let problems = problems(&outcome);
        assert_eq!(problems.codes, ["XDSPatientIdDoesNotMatch", "invalid"]);
        assert!(problems.errors);
    }

    #[test]
    fn a_word_that_only_looks_like_a_code_is_not_repeated() {
        let body = br#"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"LineDanser",
            "diagnostics":"XDSLineDanser XDS13116900216","details":{"coding":[{"code":"XDSReplaceFailed"}]}}]}"#;
        let outcome: Outcome = serde_json::from_slice(body).unwrap();
        assert_eq!(problems(&outcome).codes, ["XDSReplaceFailed", known::UNKNOWN]);
    }

    #[test]
    fn a_status_is_three_digits() {
        for good in ["200", "201 Created", "204 "] {
            assert!(is_success(good), "{good}");
        }
        for bad in ["", "2", "2x", "20", "2000", "200OK", "2xx Fine", "404 2"] {
            assert!(!is_success(bad), "{bad}");
        }
    }

    #[test]
    fn a_page_of_a_search_is_no_answer_and_long_lists_are_cut() {
        let one = r#"{"resource":{"resourceType":"DocumentReference","id":"a","x":[1,{"y":[]}],"status":"current"}}"#;
        let bundle = |entries: &str, link: &str| {
            format!(r#"{{"resourceType":"Bundle","type":"searchset","link":[{link}],"entry":[{entries}]}}"#)
        };
        let read = |text: String| found(text.as_bytes());
        assert_eq!(read(bundle(one, r#"{"relation":"self"}"#)).map(|f| f.len()), Some(1));
        assert_eq!(read(bundle("", "")).map(|f| f.len()), Some(0));
        assert_eq!(read(bundle(one, r#"{"relation":"next"}"#)), None);
        assert_eq!(read(bundle(&vec!["{}"; MOST_ENTRIES + 1].join(","), "")), None);
        assert_eq!(read(r#"{"resourceType":"Bundle","type":"collection"}"#.to_owned()), None);
    }
}
