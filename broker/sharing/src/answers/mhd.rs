//! Answers in FHIR: the transaction's, complaints, and entries that were searched for.

use super::{Answer, Found, Problems};
use crate::submission::Submission;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource_type: String,
    #[serde(rename = "type")]
    kind: Option<serde_json::Value>,
    #[serde(default)]
    entry: Vec<Entry>,
    #[serde(default)]
    issue: Vec<Issue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    response: Option<Response>,
    resource: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Response {
    status: String,
    location: Option<String>,
}

#[derive(Deserialize)]
struct Issue {
    #[serde(default)]
    severity: String,
    #[serde(default)]
    code: String,
    diagnostics: Option<String>,
    details: Option<serde_json::Value>,
}

/// Reads the answer to a submission. `status` is that of HTTP.
#[must_use]
pub fn transaction(submission: &Submission, status: u16, body: &[u8]) -> Answer {
    let resource = serde_json::from_slice::<Resource>(body);
    match (status, resource) {
        (200 | 201, Ok(bundle)) if bundle.resource_type == "Bundle" => taken(submission, &bundle),
        (200 | 201, Ok(outcome)) if outcome.resource_type == "OperationOutcome" => {
            problems(&outcome).into_answer()
        }
        (200 | 201, _) => Answer::Unclear("it says that it took it, but not what became of each entry"),
        (409, Err(_)) => Answer::Duplicate(Problems::default()),
        (409, Ok(outcome)) => Answer::Duplicate(problems(&outcome)),
        (_, Ok(outcome)) if outcome.resource_type == "OperationOutcome" => problems(&outcome).into_answer(),
        (_, _) => Answer::Rejected(Problems { codes: Vec::new(), errors: true }),
    }
}

fn taken(submission: &Submission, bundle: &Resource) -> Answer {
    if bundle.kind.as_ref().and_then(|k| k.as_str()) != Some("transaction-response") {
        return Answer::Unclear("it is no answer to a transaction");
    }
    // List, Patient, then the entries: one answer to each of what was sent, in order.
    const BEFORE: usize = 2;
    let least = BEFORE + 2 * submission.entries.len();
    if bundle.entry.len() < least {
        return Answer::Unclear("it does not say what became of each entry");
    }
    let mut locations = BTreeMap::new();
    for (n, answered) in bundle.entry.iter().enumerate() {
        let Some(response) = &answered.response else {
            return Answer::Unclear("it does not say what became of each entry");
        };
        if !response.status.starts_with('2') {
            return Answer::Unclear("it took some of it, and some not");
        }
        let entry = n.checked_sub(BEFORE).and_then(|n| submission.entries.get(n));
        if let (Some(entry), Some(location)) = (entry, response.location.as_deref().and_then(relative)) {
            locations.insert(entry.entry, location);
        }
    }
    Answer::Taken(locations)
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

fn problems(outcome: &Resource) -> Problems {
    let mut problems = Problems::default();
    for issue in outcome.issue.iter().take(100) {
        problems.errors |= issue.severity != "warning" && issue.severity != "information";
        // The codes of the registry behind it stand in its words.
        let details = issue.details.as_ref();
        let coded = details
            .and_then(|d| d.get("coding")?.get(0)?.get("code")?.as_str())
            .into_iter()
            .chain(details.and_then(|d| d.get("text")?.as_str()))
            .chain(issue.diagnostics.as_deref());
        for text in coded {
            text.split(|c: char| !c.is_ascii_alphanumeric())
                .filter(|w| w.starts_with("XDS"))
                .for_each(|w| problems.add(w));
        }
        problems.add(&issue.code);
    }
    problems
}

/// Reads the answer to a search (ITI-67), or one entry; none if it is neither.
#[must_use]
pub fn found(body: &[u8]) -> Option<Vec<Found>> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    match value.get("resourceType")?.as_str()? {
        "DocumentReference" => Some(entry(&value).into_iter().collect()),
        "Bundle" => {
            let bundle: Resource = serde_json::from_value(value).ok()?;
            Some(bundle.entry.iter().filter_map(|e| e.resource.as_ref()).filter_map(entry).collect())
        }
        _ => None,
    }
}

fn entry(reference: &serde_json::Value) -> Option<Found> {
    if reference.get("resourceType")?.as_str()? != "DocumentReference" {
        return None;
    }
    let attachment = reference.get("content").and_then(|c| c.get(0)?.get("attachment"));
    let id = reference.get("id").and_then(|id| id.as_str());
    let identifiers = reference.get("identifier").and_then(|i| i.as_array());
    let entry = identifiers
        .into_iter()
        .flatten()
        .find_map(|i| Uuid::parse_str(i.get("value")?.as_str()?.strip_prefix("urn:uuid:")?).ok());
    let hash = attachment.and_then(|a| STANDARD.decode(a.get("hash")?.as_str()?).ok());
    Some(Found {
        entry: entry.or_else(|| Uuid::parse_str(id?).ok()),
        document: reference
            .get("masterIdentifier")
            .and_then(|m| m.get("value")?.as_str())
            .unwrap_or_default()
            .to_owned(),
        approved: reference.get("status").and_then(|s| s.as_str()) == Some("current"),
        sha1: hash.map(hex::encode),
        location: id.and_then(|id| relative(&format!("DocumentReference/{id}"))),
        url: attachment.and_then(|a| a.get("url")?.as_str()).map(str::to_owned),
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
        let outcome: Resource = serde_json::from_slice(body).unwrap();
        let problems = problems(&outcome);
        assert_eq!(problems.codes, ["XDSPatientIdDoesNotMatch", "invalid"]);
        assert!(problems.errors);
    }
}
