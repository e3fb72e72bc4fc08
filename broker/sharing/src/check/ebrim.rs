//! Metadata as an ITI-41 request tells them.

use super::{Author, Coded, EntryFacts, Facts, Ident, SetFacts};
use crate::xds::ebrim::{entry, set};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message_schemas::mime;
use message_schemas::xml::{Node, Tree};

/// Reads the sets and entries of a request; documents that travel in parts of their own are looked for in `parts`.
#[must_use]
pub fn read(tree: &Tree, parts: &[mime::Part<'_>]) -> Facts {
    let elements = |name: &'static str| tree.nodes().filter(move |n| n.is_element() && n.name() == name);
    let members: Vec<_> = elements("Association")
        .filter(|a| a.attr("associationType").is_some_and(|t| t.ends_with(":HasMember")))
        .map(|a| (a.attr("sourceObject").unwrap_or_default(), a.attr("targetObject").unwrap_or_default()))
        .collect();
    let documents: Vec<_> =
        elements("Document").map(|d| (d.attr("id").unwrap_or_default(), bytes(d, parts))).collect();
    Facts {
        sets: elements("RegistryPackage").map(|node| package(node, &members)).collect(),
        entries: elements("ExtrinsicObject")
            .map(|node| {
                let id = node.attr("id");
                let bytes = documents.iter().find(|d| Some(d.0) == id).and_then(|d| d.1.clone());
                EntryFacts { bytes, ..object(node) }
            })
            .collect(),
    }
}

fn bytes(document: Node<'_>, parts: &[mime::Part<'_>]) -> Option<Vec<u8>> {
    if let Some(include) = document.child("Include") {
        let id = include.attr("href")?.strip_prefix("cid:")?;
        return parts.iter().find(|p| p.id.as_deref() == Some(id)).map(|p| p.bytes.to_vec());
    }
    STANDARD.decode(document.text().split_ascii_whitespace().collect::<String>()).ok()
}

fn package(node: Node<'_>, members: &[(&str, &str)]) -> SetFacts {
    let id = node.attr("id").unwrap_or_default();
    SetFacts {
        id: id.to_owned(),
        unique_id: identifier(node, set::UNIQUE_ID),
        source: identifier(node, set::SOURCE_ID),
        patient: identifier(node, set::PATIENT_ID).map(|p| cx(&p)),
        submitted: slot(node, "submissionTime").into_iter().next(),
        content: codes(node, set::CONTENT),
        members: members.iter().filter(|m| m.0 == id).map(|m| m.1.to_owned()).collect(),
    }
}

fn object(node: Node<'_>) -> EntryFacts {
    let one = |name: &str| slot(node, name).into_iter().next();
    EntryFacts {
        id: node.attr("id").unwrap_or_default().to_owned(),
        class: codes(node, entry::CLASS),
        kind: codes(node, entry::TYPE),
        format: codes(node, entry::FORMAT),
        confidentiality: codes(node, entry::CONFIDENTIALITY),
        facility: codes(node, entry::FACILITY),
        practice: codes(node, entry::PRACTICE),
        authors: classified(node, entry::AUTHOR).map(author).collect(),
        created: one("creationTime"),
        start: one("serviceStartTime"),
        stop: one("serviceStopTime"),
        language: one("languageCode"),
        hash: one("hash"),
        size: one("size").and_then(|s| s.parse().ok()),
        media_type: node.attr("mimeType").map(str::to_owned),
        title: node.path("Name/LocalizedString").and_then(|n| n.attr("value")).map(str::to_owned),
        unique_id: identifier(node, entry::UNIQUE_ID),
        patient: identifier(node, entry::PATIENT_ID).map(|p| cx(&p)),
        source_patient: one("sourcePatientId").map(|p| cx(&p)),
        patient_info: slot(node, "sourcePatientInfo"),
        home: node.attr("home").map(str::to_owned),
        references: slot(node, "urn:ihe:iti:xds:2013:referenceIdList").iter().map(|r| cx(r)).collect(),
        bytes: None,
    }
}

fn author(node: Node<'_>) -> Author {
    let persons = slot(node, "authorPerson");
    let houses = slot(node, "authorInstitution");
    let person = persons.first().map(|p| components(p)).unwrap_or_default();
    let id = person.first().filter(|id| !id.is_empty()).map(|id| Ident {
        value: id.clone(),
        authority: person.get(8).map(|a| authority(a)).unwrap_or_default(),
    });
    let organisations = houses
        .iter()
        .map(|house| components(house))
        .filter(|c| c.len() > 1)
        .map(|c| Ident {
            value: c.get(9).cloned().unwrap_or_default(),
            authority: c.get(5).map(|a| authority(a)).unwrap_or_default(),
        })
        .collect();
    let named = person.get(1).is_some_and(|n| !n.is_empty())
        || houses.iter().any(|house| components(house).first().is_some_and(|n| !n.is_empty()));
    Author { person: id, organisations, named }
}

fn components(value: &str) -> Vec<String> {
    value.split('^').map(str::to_owned).collect()
}

/// The OID of `&oid&ISO`.
fn authority(component: &str) -> String {
    component.split('&').nth(1).unwrap_or_default().to_owned()
}

fn cx(value: &str) -> Ident {
    let components = components(value);
    Ident {
        value: components.first().cloned().unwrap_or_default(),
        authority: components.get(3).map(|a| authority(a)).unwrap_or_default(),
    }
}

fn slot(node: Node<'_>, name: &str) -> Vec<String> {
    let slots = node.all("Slot").filter(|s| s.attr("name") == Some(name));
    let lists = slots.filter_map(|s| s.child("ValueList"));
    lists.flat_map(|l| l.all("Value")).map(|v| v.text().trim().to_owned()).collect()
}

fn classified<'t>(node: Node<'t>, scheme: &'static str) -> impl Iterator<Item = Node<'t>> {
    node.all("Classification").filter(move |c| c.attr("classificationScheme") == Some(scheme))
}

fn codes(node: Node<'_>, scheme: &'static str) -> Vec<Coded> {
    classified(node, scheme)
        .map(|c| Coded {
            code: c.attr("nodeRepresentation").unwrap_or_default().to_owned(),
            system: slot(c, "codingScheme").into_iter().next().unwrap_or_default(),
        })
        .collect()
}

fn identifier(node: Node<'_>, scheme: &str) -> Option<String> {
    let mut all = node.all("ExternalIdentifier").filter(|i| i.attr("identificationScheme") == Some(scheme));
    all.next()?.attr("value").map(str::to_owned)
}
