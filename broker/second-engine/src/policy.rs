//! What a signature must look like before libxmlsec1 is asked at all: where it stands, what it refers to, and how.

use crate::algorithms::{self, Algorithm};
use crate::attachments;
use crate::document::{Document, Node};
use crate::frame::{Question, Shape};
use crate::xpath;

const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// Why there is no "valid".
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The signature is not valid, or has a form that is not on the list.
    Invalid(String),
    /// Nothing can be said of it.
    Unable(String),
}

fn invalid<T>(why: &str) -> Result<T, Refusal> {
    Err(Refusal::Invalid(why.to_owned()))
}

/// A signature that may be verified.
pub(crate) struct Expected<'d> {
    /// The one that the shape names.
    pub(crate) signature: Node<'d>,
    /// How many references it has.
    pub(crate) references: usize,
    /// All algorithms that it names for `SignedInfo`: libxmlsec1 gets no other.
    pub(crate) signing: Vec<&'static Algorithm>,
    /// All algorithms that its references name.
    pub(crate) referring: Vec<&'static Algorithm>,
}

/// Finds the expected signature of a document and holds it against the list.
///
/// # Errors
/// If it is not there, or anything about it is not on the list.
pub(crate) fn expect<'d>(document: &'d Document, question: &Question<'_>) -> Result<Expected<'d>, Refusal> {
    let Some(root) = document.root() else { return invalid("the document has no element") };
    let signature = match question.shape {
        Shape::Enveloped => enveloped(root)?,
        Shape::Ebxml => in_header(root)?,
    };
    let mut parts = signature.elements();
    let Some(signed_info) = parts.next().filter(|n| n.is(DS, "SignedInfo")) else {
        return invalid("the signature does not begin with SignedInfo");
    };
    if !parts.next().is_some_and(|n| n.is(DS, "SignatureValue")) {
        return invalid("SignedInfo is not followed by SignatureValue");
    }
    // KeyInfo is not looked at: the key is given. Nothing else may stand there.
    if parts.next().is_some_and(|n| !n.is(DS, "KeyInfo")) || parts.next().is_some() {
        return invalid("the signature holds more than SignedInfo, SignatureValue and KeyInfo");
    }
    signed(signature, signed_info, question)
}

/// The last child element of the document element; no other child is a signature.
fn enveloped(root: Node<'_>) -> Result<Node<'_>, Refusal> {
    let mut children: Vec<_> = root.elements().collect();
    let Some(last) = children.pop().filter(|n| n.is(DS, "Signature")) else {
        return invalid("the last child of the document element is no signature");
    };
    if children.iter().any(|n| n.is(DS, "Signature")) {
        return invalid("the document element has more than one signature");
    }
    Ok(last)
}

/// The one signature in the one header of an envelope.
fn in_header(root: Node<'_>) -> Result<Node<'_>, Refusal> {
    if !root.is(SOAP, "Envelope") {
        return invalid("the document is no SOAP envelope");
    }
    let Some(header) = only(root.elements().filter(|n| n.is(SOAP, "Header"))) else {
        return invalid("the envelope has not exactly one header");
    };
    match only(header.elements().filter(|n| n.is(DS, "Signature"))) {
        Some(signature) => Ok(signature),
        None => invalid("the header has not exactly one signature"),
    }
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}

fn signed<'d>(
    signature: Node<'d>,
    signed_info: Node<'d>,
    question: &Question<'_>,
) -> Result<Expected<'d>, Refusal> {
    let sha1 = question.sha1;
    let mut parts = signed_info.elements();
    let canonical = match parts.next() {
        Some(n) if n.is(DS, "CanonicalizationMethod") => {
            algorithms::find(algorithms::CANONICAL, &algorithm(n), sha1, "CanonicalizationMethod")?
        }
        _ => return invalid("SignedInfo does not begin with CanonicalizationMethod"),
    };
    let method = match parts.next() {
        Some(n) if n.is(DS, "SignatureMethod") => {
            if n.elements().next().is_some() {
                return invalid("SignatureMethod has parameters");
            }
            algorithms::find(algorithms::SIGNATURES, &algorithm(n), sha1, "SignatureMethod")?
        }
        _ => return invalid("CanonicalizationMethod is not followed by SignatureMethod"),
    };
    let mut referring = Vec::new();
    let mut document_covered = false;
    let mut attachments_covered = vec![false; question.attachments.len()];
    let mut references = 0;
    for reference in parts {
        if !reference.is(DS, "Reference") {
            return invalid("SignedInfo holds something that is no Reference");
        }
        references += 1;
        let covered = match reference.attribute("URI").as_deref() {
            // A missing URI is for the application to resolve, and this one does not.
            None => return invalid("a reference has no URI"),
            Some("") => {
                whole_document(reference, question, &mut referring)?;
                &mut document_covered
            }
            Some(uri) => {
                if question.shape == Shape::Enveloped {
                    return invalid("a reference is to something else than the document");
                }
                bare(reference)?;
                let ids = question.attachments.iter().map(|(id, _)| id.as_str());
                match attachments::named(uri, ids).and_then(|i| attachments_covered.get_mut(i)) {
                    Some(covered) => covered,
                    None => return invalid("a reference is to something that is no part of the message"),
                }
            }
        };
        if std::mem::replace(covered, true) {
            return invalid("two references are to the same thing");
        }
        referring.push(digest(reference, sha1)?);
    }
    if !document_covered {
        return invalid("no reference covers the document");
    }
    if attachments_covered.contains(&false) {
        return invalid("a part is not covered by any reference");
    }
    Ok(Expected { signature, references, signing: vec![canonical, method], referring })
}

fn algorithm(node: Node<'_>) -> String {
    node.attribute("Algorithm").unwrap_or_default()
}

fn digest(reference: Node<'_>, sha1: bool) -> Result<&'static Algorithm, Refusal> {
    let Some(method) = only(reference.elements().filter(|n| n.is(DS, "DigestMethod"))) else {
        return invalid("a reference has not exactly one DigestMethod");
    };
    algorithms::find(algorithms::DIGESTS, &algorithm(method), sha1, "DigestMethod")
}

fn transforms<'d>(reference: Node<'d>) -> Vec<Node<'d>> {
    let all = reference.elements().filter(|n| n.is(DS, "Transforms"));
    all.flat_map(|t| t.elements()).collect()
}

/// A reference to a part: over its bytes as they are.
fn bare(reference: Node<'_>) -> Result<(), Refusal> {
    if transforms(reference).is_empty() { Ok(()) } else { invalid("a reference to a part has transforms") }
}

/// The transforms of the reference to the document: the signature taken out, in an envelope what is for the next node
/// too, then at most one canonical form. The first two commute, so their order is free.
fn whole_document(
    reference: Node<'_>,
    question: &Question<'_>,
    referring: &mut Vec<&'static Algorithm>,
) -> Result<(), Refusal> {
    let mut enveloped = false;
    let mut next_node = false;
    let mut canonical = false;
    for transform in transforms(reference) {
        if !transform.is(DS, "Transform") {
            return invalid("Transforms holds something that is no Transform");
        }
        if canonical {
            return invalid("a transform follows the canonical form");
        }
        let uri = algorithm(transform);
        match uri.as_str() {
            algorithms::ENVELOPED if !enveloped => enveloped = true,
            algorithms::XPATH if !next_node && question.shape == Shape::Ebxml => {
                for_the_next_node(transform)?;
                next_node = true;
            }
            _ => {
                referring.push(algorithms::find(algorithms::CANONICAL, &uri, question.sha1, "a transform")?);
                canonical = true;
            }
        }
    }
    if !enveloped {
        return invalid("the reference to the document does not take out the signature");
    }
    referring.extend(algorithms::SELECTIONS);
    Ok(())
}

/// The one XPath expression that there is.
fn for_the_next_node(transform: Node<'_>) -> Result<(), Refusal> {
    let known = only(transform.elements()).filter(|n| n.is(DS, "XPath")).and_then(|n| {
        let prefix = xpath::soap_prefix(&n.text())?;
        (n.elements().next().is_none() && n.bound(&prefix) == Some(SOAP)).then_some(())
    });
    match known {
        Some(()) => Ok(()),
        None => invalid("the XPath transform is not the one of ebXML 2.0"),
    }
}
