//! Answers of a registry or repository: SOAP, perhaps in a package with documents.

use super::{Answer, Found, Problems};
use crate::xds::ebrim::{APPROVED, entry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message_schemas::xml::{self, Node, Tree};
use message_schemas::{Limits, mime};
use std::collections::BTreeMap;
use uuid::Uuid;

const RS: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0";
const SUCCESS: &str = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success";
const FAILURE: &str = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure";

/// What was read of a query's answer: entries, or why not.
pub type Listed = Result<Vec<Found>, Answer>;

/// An answer, unpacked.
struct Envelope<'a> {
    tree: Tree,
    package: mime::Package<'a>,
}

fn envelope<'a>(body: &'a [u8], content_type: &str) -> Option<Envelope<'a>> {
    // How much is read of an answer was bounded when it came in.
    let limits = Limits { message_bytes: body.len(), text_bytes: body.len(), ..Limits::default() };
    // Some answer without a package to what was asked in one.
    let package = mime::unpack(body, Some(content_type), &limits).ok()?;
    let text = xml::decode(&package.root.bytes).ok()?.text.into_owned();
    let tree = Tree::parse(&text, &limits).ok()?;
    Some(Envelope { tree, package })
}

/// Reads the answer to a submission, an update or a deletion. A success in part, or with warnings, is none: what was
/// asked for is all or nothing (document-sharing §8.2).
#[must_use]
pub fn registry_response(body: &[u8], content_type: &str) -> Answer {
    let Some(envelope) = envelope(body, content_type) else {
        return Answer::Unclear("it is no SOAP");
    };
    judge(&envelope.tree)
}

fn judge(tree: &Tree) -> Answer {
    let named = |name: &str| tree.nodes().find(|n| n.is_element() && n.name() == name);
    if named("Fault").is_some() {
        let mut problems = Problems { errors: true, ..Problems::default() };
        if let Some(code) = tree.nodes().filter(|n| n.is_element() && n.name() == "Value").last() {
            problems.add(code.text().rsplit(':').next().unwrap_or_default().trim());
        }
        return problems.into_answer();
    }
    let status_of = |n: Node<'_>| n.attr("status").map(str::to_owned);
    let response =
        tree.nodes().find(|n| n.is_element() && n.namespace() == RS && n.name() == "RegistryResponse");
    let response = response.or_else(|| named("AdhocQueryResponse"));
    let Some(response) = response else { return Answer::Unclear("it holds no RegistryResponse") };
    let problems = problems(response);
    match status_of(response).as_deref() {
        Some(SUCCESS) if problems.codes.is_empty() && !problems.errors => Answer::Taken(BTreeMap::new()),
        // Taken with warnings, or in part: neither is what was asked for.
        Some(SUCCESS) => problems.into_answer(),
        Some(FAILURE) => problems.into_answer(),
        Some(_) => match problems.into_answer() {
            Answer::Rejected(problems) if problems.codes.is_empty() => {
                Answer::Unclear("it took some of it, and some not")
            }
            other @ (Answer::Taken(_) | Answer::Duplicate(_) | Answer::Rejected(_) | Answer::Unclear(_)) => {
                other
            }
        },
        None => Answer::Unclear("its RegistryResponse has no status"),
    }
}

fn problems(response: Node<'_>) -> Problems {
    let mut problems = Problems::default();
    for error in response.descendants().filter(|n| n.is_element() && n.name() == "RegistryError").take(100) {
        let severity = error.attr("severity").unwrap_or_default();
        problems.errors |= !severity.ends_with(":Warning");
        problems.add(error.attr("errorCode").unwrap_or("RegistryError"));
    }
    problems
}

/// Reads the entries that a query (ITI-18) found.
///
/// # Errors
/// What was answered instead.
pub fn listed(body: &[u8], content_type: &str) -> Listed {
    let Some(envelope) = envelope(body, content_type) else {
        return Err(Answer::Unclear("it is no SOAP"));
    };
    match judge(&envelope.tree) {
        Answer::Taken(_) => {}
        other @ (Answer::Duplicate(_) | Answer::Rejected(_) | Answer::Unclear(_)) => return Err(other),
    }
    let objects = envelope.tree.nodes().filter(|n| n.is_element() && n.name() == "ExtrinsicObject");
    Ok(objects.map(object).collect())
}

fn object(node: Node<'_>) -> Found {
    let slot = |name: &str| {
        let slot = node.all("Slot").find(|s| s.attr("name") == Some(name))?;
        Some(slot.path("ValueList/Value")?.text().trim().to_owned())
    };
    let unique = node
        .all("ExternalIdentifier")
        .find(|i| i.attr("identificationScheme") == Some(entry::UNIQUE_ID))
        .and_then(|i| i.attr("value"));
    let id = node.attr("id").unwrap_or_default();
    Found {
        entry: Uuid::parse_str(id.strip_prefix("urn:uuid:").unwrap_or(id)).ok(),
        document: unique.unwrap_or_default().to_owned(),
        approved: node.attr("status") == Some(APPROVED),
        sha1: slot("hash").map(|hash| hash.to_ascii_lowercase()),
        location: None,
        url: None,
    }
}

/// Reads the documents that were fetched (ITI-43), by the ids under which the target knows them.
///
/// # Errors
/// What was answered instead.
pub fn documents(body: &[u8], content_type: &str) -> Result<BTreeMap<String, Vec<u8>>, Answer> {
    let Some(envelope) = envelope(body, content_type) else {
        return Err(Answer::Unclear("it is no SOAP"));
    };
    match judge(&envelope.tree) {
        Answer::Taken(_) => {}
        other @ (Answer::Duplicate(_) | Answer::Rejected(_) | Answer::Unclear(_)) => return Err(other),
    }
    let responses = envelope.tree.nodes().filter(|n| n.is_element() && n.name() == "DocumentResponse");
    let mut documents = BTreeMap::new();
    for response in responses {
        let id = response.child("DocumentUniqueId").map(|n| n.text().trim().to_owned());
        let bytes = response.child("Document").and_then(|document| content(document, &envelope.package));
        match (id, bytes) {
            (Some(id), Some(bytes)) => drop(documents.insert(id, bytes)),
            _ => return Err(Answer::Unclear("a document in it cannot be read")),
        }
    }
    Ok(documents)
}

/// The bytes of a document: in a part of its own, or as base64.
fn content(document: Node<'_>, package: &mime::Package<'_>) -> Option<Vec<u8>> {
    if let Some(include) = document.child("Include") {
        let id = include.attr("href")?.strip_prefix("cid:")?;
        let part = package.parts.iter().find(|p| p.id.as_deref() == Some(id))?;
        return Some(part.bytes.to_vec());
    }
    let text: String = document.text().split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}
