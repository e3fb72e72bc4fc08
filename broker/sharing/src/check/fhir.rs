//! Metadata as an ITI-65 transaction tells them.

use super::{Author, Coded, EntryFacts, Facts, Ident, SetFacts};
use crate::codes::CONFIDENTIALITY;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message_schemas::time::Stamp;
use serde_json::Value;

/// Reads the sets and entries of a transaction.
#[must_use]
pub fn read(bundle: &Value) -> Facts {
    let resources: Vec<(&str, &Value)> = items(bundle, "entry")
        .filter_map(|e| {
            Some((e.get("fullUrl").and_then(Value::as_str).unwrap_or_default(), e.get("resource")?))
        })
        .collect();
    let of = |kind: &'static str| {
        resources.iter().filter(move |(_, r)| text(r, "resourceType").as_deref() == Some(kind))
    };
    let world = World { resources: &resources };
    Facts {
        sets: of("List").map(|(_, r)| world.set(r)).collect(),
        entries: of("DocumentReference").map(|(_, r)| world.entry(r)).collect(),
    }
}

struct World<'v> {
    resources: &'v [(&'v str, &'v Value)],
}

impl<'v> World<'v> {
    /// What a reference leads to: something contained, or something else in the transaction.
    fn find(&self, container: &'v Value, reference: &str) -> Option<&'v Value> {
        match reference.strip_prefix('#') {
            Some(id) => items(container, "contained").find(|c| text(c, "id").as_deref() == Some(id)),
            None => self.resources.iter().find(|(url, _)| *url == reference).map(|(_, r)| *r),
        }
    }

    fn at(&self, container: &'v Value, pointer: &str) -> Option<&'v Value> {
        self.find(container, container.pointer(pointer)?.get("reference")?.as_str()?)
    }

    fn set(&self, list: &'v Value) -> SetFacts {
        let extension = |name: &str| {
            items(list, "extension").find(|e| text(e, "url").is_some_and(|url| url.ends_with(name)))
        };
        let role = |wanted: &str| {
            let found = items(list, "identifier").find(|i| text(i, "use").as_deref() == Some(wanted));
            found.and_then(|i| text(i, "value"))
        };
        SetFacts {
            id: text(list, "id").unwrap_or_default(),
            unique_id: role("usual"),
            source: extension("/ihe-sourceId").and_then(|e| string(e, "/valueIdentifier/value")),
            patient: self.at(list, "/subject").and_then(first_identifier),
            submitted: dtm(list.get("date")),
            content: extension("/ihe-designationType")
                .and_then(|e| e.get("valueCodeableConcept"))
                .map(codings)
                .unwrap_or_default(),
            members: items(list, "entry").filter_map(|e| string(e, "/item/reference")).collect(),
        }
    }

    fn entry(&self, reference: &'v Value) -> EntryFacts {
        let attachment = reference.pointer("/content/0/attachment").unwrap_or(&Value::Null);
        let context = reference.get("context").unwrap_or(&Value::Null);
        let all = |name: &str| items(reference, name).flat_map(codings).collect::<Vec<_>>();
        let one = |value: Option<&Value>| value.map(codings).unwrap_or_default();
        let url = text(attachment, "url").unwrap_or_default();
        let binary = self.resources.iter().find(|(full, _)| *full == url).map(|(_, r)| *r);
        let home = items(attachment, "extension")
            .chain(items(reference, "extension"))
            .find(|e| text(e, "url").is_some_and(|u| u.to_lowercase().ends_with("/ihe-homecommunityid")));
        let info = self.at(reference, "/context/sourcePatientInfo");
        EntryFacts {
            id: text(reference, "id").unwrap_or_default(),
            class: all("category"),
            kind: one(reference.get("type")),
            format: reference.pointer("/content/0/format").map(coded).into_iter().collect(),
            confidentiality: all("securityLabel"),
            facility: one(context.get("facilityType")),
            practice: one(context.get("practiceSetting")),
            authors: self.authors(reference),
            created: dtm(attachment.get("creation")),
            start: dtm(context.pointer("/period/start")),
            stop: dtm(context.pointer("/period/end")),
            language: text(attachment, "language"),
            hash: text(attachment, "hash").and_then(|h| STANDARD.decode(h).ok()).map(hex::encode),
            size: attachment.get("size").and_then(Value::as_u64),
            media_type: text(attachment, "contentType"),
            title: text(attachment, "title"),
            unique_id: string(reference, "/masterIdentifier/value"),
            patient: self.at(reference, "/subject").and_then(first_identifier),
            source_patient: info.and_then(first_identifier),
            patient_info: info.map(patient_info).unwrap_or_default(),
            home: home.and_then(|e| text(e, "valueUri").or_else(|| text(e, "valueOid"))),
            references: items(context, "related").filter_map(|r| Some(ident(r.get("identifier")?))).collect(),
            bytes: binary.and_then(|b| STANDARD.decode(text(b, "data")?).ok()),
        }
    }

    /// One author for each reference; what a role leads to belongs to it.
    fn authors(&self, reference: &'v Value) -> Vec<Author> {
        items(reference, "author")
            .map(|author| {
                let target = text(author, "reference").and_then(|r| self.find(reference, &r));
                let mut read = Author::default();
                if let Some(target) = target {
                    self.actor(reference, target, &mut read, 0);
                }
                read
            })
            .collect()
    }

    fn actor(&self, container: &'v Value, actor: &'v Value, read: &mut Author, depth: u8) {
        if depth > 3 {
            return; // a circle
        }
        let id = first_identifier(actor);
        let follow = |pointer: &str| {
            actor
                .pointer(pointer)
                .and_then(|r| r.get("reference")?.as_str())
                .and_then(|r| self.find(container, r))
        };
        match text(actor, "resourceType").as_deref() {
            Some("Practitioner") => {
                read.person = id;
                read.named |= actor.pointer("/name/0").is_some();
            }
            Some("Organization") => {
                read.organisations.extend(id);
                read.named |= text(actor, "name").is_some_and(|n| !n.is_empty());
                if let Some(house) = follow("/partOf") {
                    self.actor(container, house, read, depth + 1);
                }
            }
            Some("PractitionerRole") => {
                for pointer in ["/practitioner", "/organization"] {
                    if let Some(target) = follow(pointer) {
                        self.actor(container, target, read, depth + 1);
                    }
                }
            }
            Some(_) | None => {}
        }
    }
}

/// The patient as a registry would be told.
fn patient_info(patient: &Value) -> Vec<String> {
    let mut values = Vec::new();
    if let Some(name) = patient.pointer("/name/0") {
        let given: Vec<_> = items(name, "given").filter_map(Value::as_str).collect();
        values.push(format!("PID-5|{}^{}", text(name, "family").unwrap_or_default(), given.join(" ")));
    }
    if let Some(born) = text(patient, "birthDate") {
        values.push(format!("PID-7|{}", born.replace('-', "")));
    }
    if let Some(gender) = text(patient, "gender") {
        let sex = match gender.as_str() {
            "male" => "M",
            "female" => "F",
            "other" => "O",
            "unknown" => "U",
            _ => "",
        };
        values.push(format!("PID-8|{sex}"));
    }
    values
}

fn items<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn string(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().map(str::to_owned)
}

fn first_identifier(resource: &Value) -> Option<Ident> {
    items(resource, "identifier").next().map(ident)
}

fn ident(identifier: &Value) -> Ident {
    Ident {
        value: text(identifier, "value").unwrap_or_default(),
        authority: system(&text(identifier, "system").unwrap_or_default()),
    }
}

fn codings(concept: &Value) -> Vec<Coded> {
    items(concept, "coding").map(coded).collect()
}

fn coded(coding: &Value) -> Coded {
    Coded {
        code: text(coding, "code").unwrap_or_default(),
        system: system(&text(coding, "system").unwrap_or_default()),
    }
}

/// The OID of a system, where it has one.
fn system(uri: &str) -> String {
    match uri {
        "http://terminology.hl7.org/CodeSystem/v3-Confidentiality" => CONFIDENTIALITY.to_owned(),
        other => other.strip_prefix("urn:oid:").unwrap_or(other).to_owned(),
    }
}

fn dtm(value: Option<&Value>) -> Option<String> {
    Stamp::parse(value?.as_str()?)?.utc_digits()
}
