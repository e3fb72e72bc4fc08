//! One document, as the tools of the command line see it: verdict, findings and head, without parties or a
//! journal. Reads in one pass, as the broker itself does.

use jiff::Timestamp;
use message_schemas::head::{self, Addressing, HeadReader};
use message_schemas::schema::SchemaSet;
use message_schemas::{Code, Finding, Findings, Limits, MessageHead, MessageKind, rules, xml};

/// What is known of a document.
#[derive(Debug)]
pub struct Examined {
    /// Family and version, if known.
    pub kind: Option<MessageKind>,
    /// The namespace that tells them; of the document element if nothing is known.
    pub namespace: Option<String>,
    /// The type code as sent; where none was sent, the code of list 8279 that the document stands for.
    pub type_code: Option<String>,
    /// The verdict of the schema, envelope and payload, and of nothing else. False for what is not XML.
    pub valid: bool,
    /// What was found, by all readings.
    pub findings: Findings,
    /// The head; none for what is not a message that we know.
    pub head: Option<MessageHead>,
    /// What can be told of sender and receivers even where there is no head.
    pub addressing: Addressing,
}

/// Reads a document.
#[must_use]
pub fn examine(bytes: &[u8], schemas: &SchemaSet, limits: &Limits, now: Timestamp) -> Examined {
    if bytes.len() > limits.message_bytes {
        return too_large(limits);
    }
    let decoded = match xml::decode(bytes) {
        Ok(decoded) => decoded,
        Err(finding) => return not_xml(finding, Some(bytes), limits),
    };
    let mut findings = Findings::with_cap(limits.findings);
    if let Some(note) = decoded.note {
        findings.push(note);
    }
    let mut validator = schemas.validator(&decoded.text, limits);
    let mut reader = HeadReader::new();
    if let Err(finding) = xml::read(&decoded.text, limits, &mut (&mut validator, &mut reader)) {
        return not_xml(finding, Some(bytes), limits);
    }
    let schema = validator.finish();
    findings.append(schema.findings);
    let (head, addressing) = match reader.finish(&head::Settings::default()) {
        Ok(head) => {
            findings.append(rules::check(&head, &reader, &decoded.text, now, limits.findings));
            let addressing = Addressing::from(&head);
            (Some(head), addressing)
        }
        Err(fault) => {
            findings.push(rules::unknown_format(&fault, &reader, &decoded.text));
            let head::Fault::Unknown { addressing, .. } = fault;
            (None, *addressing)
        }
    };
    told(schema.valid, findings, head, addressing)
}

/// What is said of a document that is larger than the limit, without reading it.
#[must_use]
pub fn too_large(limits: &Limits) -> Examined {
    let finding = Finding::new(
        Code::LimitExceeded,
        format!("The document exceeds the limit of {} bytes.", limits.message_bytes),
        "Send a smaller message, or raise the limit.",
    );
    not_xml(finding, None, limits)
}

fn not_xml(finding: Finding, bytes: Option<&[u8]>, limits: &Limits) -> Examined {
    let mut findings = Findings::with_cap(limits.findings);
    findings.push(finding);
    // What stands before the fault may still tell what it was meant to be.
    let addressing = bytes.and_then(head::salvage).unwrap_or_default();
    told(false, findings, None, addressing)
}

fn told(valid: bool, findings: Findings, head: Option<MessageHead>, addressing: Addressing) -> Examined {
    Examined {
        kind: head.as_ref().map(|head| head.kind).or(addressing.kind),
        namespace: Some(addressing.namespace.clone()).filter(|namespace| !namespace.is_empty()),
        type_code: addressing.type_code.clone().or_else(|| addressing.function.clone()),
        valid,
        findings,
        head,
        addressing,
    }
}
