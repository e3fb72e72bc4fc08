//! Answers of a registry or repository: SOAP, perhaps in a package with documents.

use super::{Answer, Found, Problems};
use crate::xds::ebrim::{APPROVED, entry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message_schemas::xml::{self, Node, Tree};
use message_schemas::{Limits, mime};
use std::collections::BTreeMap;
use uuid::Uuid;

const SOAP: [&str; 2] =
    ["http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"];
const QUERY: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0";
const XDS: &str = "urn:ihe:iti:xds-b:2007";
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

/// What stands in the body of an envelope. Headers say nothing of what became of a request.
fn content_of(tree: &Tree) -> Option<Node<'_>> {
    let envelope = tree.root().filter(|n| n.name() == "Envelope" && SOAP.contains(&n.namespace()))?;
    let body = envelope.child("Body").filter(|n| n.namespace() == envelope.namespace())?;
    body.elements().next()
}

/// Reads the answer to a submission, an update or a deletion. A success in part, or with warnings, is none: what was
/// asked for is all or nothing (document-sharing §8.2). `status` is that of HTTP: a success that comes with an error
/// contradicts itself.
#[must_use]
pub fn registry_response(status: u16, body: &[u8], content_type: &str) -> Answer {
    let Some(envelope) = envelope(body, content_type) else {
        return Answer::Unclear("it is no SOAP");
    };
    match content_of(&envelope.tree) {
        Some(content) if content.namespace() == RS && content.name() == "RegistryResponse" => {
            judge(status, content)
        }
        other => otherwise(other),
    }
}

/// What is told by something else than what was asked for.
fn otherwise(content: Option<Node<'_>>) -> Answer {
    match content {
        Some(fault) if fault.name() == "Fault" && SOAP.contains(&fault.namespace()) => {
            let mut problems = Problems { errors: true, ..Problems::default() };
            let codes = fault.descendants().filter(|n| matches!(n.name(), "Value" | "faultcode"));
            if let Some(code) = codes.filter(|n| n.is_element()).last() {
                problems.add(code.text().rsplit(':').next().unwrap_or_default().trim());
            }
            problems.into_answer()
        }
        Some(refusal) if refusal.namespace() == RS && refusal.name() == "RegistryResponse" => {
            match problems(refusal) {
                problems if problems.errors => problems.into_answer(),
                _ => Answer::Unclear("it says that all is well, and not what was asked for"),
            }
        }
        Some(_) | None => Answer::Unclear("its body does not hold what was asked for"),
    }
}

fn judge(http: u16, response: Node<'_>) -> Answer {
    let problems = problems(response);
    match response.attr("status") {
        Some(SUCCESS) if problems.codes.is_empty() && !problems.errors => {
            if http == 200 {
                Answer::Taken(BTreeMap::new())
            } else {
                Answer::Unclear("it says success, with a status of HTTP that says otherwise")
            }
        }
        // Taken with warnings, or in part: neither is what was asked for.
        Some(SUCCESS | FAILURE) => problems.into_answer(),
        Some(_) => match problems.into_answer() {
            Answer::Rejected(problems) if problems.codes.is_empty() => {
                Answer::Unclear("it took some of it, and some not")
            }
            other @ (Answer::Taken(_) | Answer::Duplicate(_) | Answer::Rejected(_) | Answer::Unclear(_)) => {
                other
            }
        },
        None => Answer::Unclear("its answer has no status"),
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

/// Reads the entries that a query (ITI-18) found. Only a list says that there are none.
///
/// # Errors
/// What was answered instead.
pub fn listed(status: u16, body: &[u8], content_type: &str) -> Listed {
    let Some(envelope) = envelope(body, content_type) else {
        return Err(Answer::Unclear("it is no SOAP"));
    };
    let response = match content_of(&envelope.tree) {
        Some(content) if content.namespace() == QUERY && content.name() == "AdhocQueryResponse" => content,
        other => return Err(otherwise(other)),
    };
    match judge(status, response) {
        Answer::Taken(_) => {}
        other @ (Answer::Duplicate(_) | Answer::Rejected(_) | Answer::Unclear(_)) => return Err(other),
    }
    match response.child("RegistryObjectList") {
        Some(list) => Ok(list.all("ExtrinsicObject").map(object).collect()),
        None => Err(Answer::Unclear("it holds no list of what was found")),
    }
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
pub fn documents(status: u16, body: &[u8], content_type: &str) -> Result<BTreeMap<String, Vec<u8>>, Answer> {
    let Some(envelope) = envelope(body, content_type) else {
        return Err(Answer::Unclear("it is no SOAP"));
    };
    let set = match content_of(&envelope.tree) {
        Some(content) if content.namespace() == XDS && content.name() == "RetrieveDocumentSetResponse" => {
            content
        }
        other => return Err(otherwise(other)),
    };
    let response = set.child("RegistryResponse").filter(|n| n.namespace() == RS);
    match response.map(|response| judge(status, response)) {
        Some(Answer::Taken(_)) => {}
        Some(other @ (Answer::Duplicate(_) | Answer::Rejected(_) | Answer::Unclear(_))) => return Err(other),
        None => return Err(Answer::Unclear("it holds no RegistryResponse")),
    }
    let responses = set.all("DocumentResponse");
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
