//! IHE MHD: a submission as one ITI-65 transaction, and what withdraws and looks up entries.
//!
//! | | generic | the national store |
//! |---|---|---|
//! | community | extension of the resource | extension of the attachment |
//! | patient information | contained in the reference | the Bundle's Patient |
//! | authors | one PractitionerRole or Organization each | person, role, organisation and department each, all contained |
//! | replaced entries | patched to `superseded` in the same transaction | set so by the store |
//! | Patient | made unless the store has one with this id | posted |
//!
//! Sources: ITI MHD 4.2.4 (Comprehensive), document-sharing §8.1 and §9.

mod actors;
mod lookup;
mod reference;

pub use lookup::{deprecation, identifier_form, search_form};

use crate::json::Object;
use crate::metadata::{Common, Link, Patient, as_oid, instant};
use crate::submission::{Relation, Submission};
use crate::target::Kind;
use actors::Contained;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, Serializer};
use uuid::Uuid;

/// Where MHD's own definitions begin.
const MHD: &str = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/";

/// Media type of what is sent and answered.
pub const MEDIA_TYPE: &str = "application/fhir+json";

/// The transaction as JSON.
///
/// # Errors
/// If it cannot be written, which does not happen in memory.
pub fn bundle(submission: &Submission, kind: Kind) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Bundle { submission, national: kind == Kind::MhdNational })
}

/// Written piece by piece: documents become base64 one at a time.
struct Bundle<'s> {
    submission: &'s Submission,
    national: bool,
}

impl Serialize for Bundle<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let s = self.submission;
        let meta = Object::new()
            .list("profile", [format!("{MHD}IHE.MHD.Comprehensive.ProvideBundle")])
            .list("security", s.common.test.then(test_data));
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("resourceType", "Bundle")?;
        map.serialize_entry("meta", &meta)?;
        map.serialize_entry("type", "transaction")?;
        map.serialize_entry("timestamp", &instant(s.set.submitted))?;
        map.serialize_entry("entry", &Entries(self))?;
        map.end()
    }
}

fn test_data() -> Object {
    Object::new()
        .set("system", "http://terminology.hl7.org/CodeSystem/v3-ActReason")
        .set("code", "HTEST")
        .set("display", "test health data")
}

struct Entries<'b>(&'b Bundle<'b>);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Bundle { submission: s, national } = *self.0;
        let patient = urn(s.patient_id());
        let mut list = to.serialize_seq(None)?;
        list.serialize_element(&post(s.set.id, "List", set(s)))?;
        let resource = patient_resource(&s.common.patient).set("id", s.patient_id().to_string());
        let mut request = Object::new().set("method", "POST").set("url", "Patient");
        if !national {
            let id = &s.common.patient.id;
            request = request.set("ifNoneExist", format!("identifier=urn:oid:{}|{}", id.authority, id.value));
        }
        list.serialize_element(
            &Object::new().set("fullUrl", patient.as_str()).set("resource", resource).set("request", request),
        )?;
        for entry in &s.entries {
            let resource = reference::document_reference(s, entry, national);
            list.serialize_element(&post(entry.entry, "DocumentReference", resource))?;
        }
        for entry in &s.entries {
            let resource = Object::resource("Binary")
                .set("id", entry.document.to_string())
                .set("contentType", entry.media_type.as_str())
                .set("data", STANDARD.encode(&entry.bytes));
            list.serialize_element(&post(entry.document, "Binary", resource))?;
        }
        if !national {
            for relation in s.relations.iter().filter(|r| r.link == Link::Replaces && !r.within) {
                let request = Object::new().set("method", "PATCH").set("url", earlier(relation));
                list.serialize_element(
                    &Object::new().set("resource", lookup::superseded()).set("request", request),
                )?;
            }
        }
        list.end()
    }
}

fn post(id: Uuid, kind: &'static str, resource: Object) -> Object {
    Object::new()
        .set("fullUrl", urn(id))
        .set("resource", resource)
        .set("request", Object::new().set("method", "POST").set("url", kind))
}

/// The submission set.
fn set(s: &Submission) -> Object {
    let mut contained = Contained::default();
    let source = contained.submitter(&s.common);
    let recipients: Vec<Object> = s
        .set
        .recipients
        .iter()
        .map(|organisation| {
            let reference = contained.organisation(organisation, None);
            extension("ihe-intendedRecipient").set("valueReference", reference)
        })
        .collect();
    let mut extensions = vec![
        extension("ihe-designationType").set("valueCodeableConcept", concept(&s.set.content)),
        extension("ihe-sourceId")
            .set("valueIdentifier", Object::new().set("value", format!("urn:oid:{}", s.set.source))),
    ];
    extensions.extend(recipients);
    let items = s
        .entries
        .iter()
        .map(|entry| Object::new().set("item", Object::new().set("reference", urn(entry.entry))));
    let kind = Object::new()
        .set("system", "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes")
        .set("code", "submissionset");
    Object::resource("List")
        .set("id", s.set.id.to_string())
        .set("meta", profile("IHE.MHD.Comprehensive.SubmissionSet"))
        .list("contained", contained.into_resources())
        .list("extension", extensions)
        .list(
            "identifier",
            [
                identifier("usual", "uniqueId", format!("urn:oid:{}", as_oid(s.set.id))),
                identifier("official", "entryUUID", urn(s.set.id)),
            ],
        )
        .set("status", "current")
        .set("mode", "working")
        .set("code", Object::new().list("coding", [kind]))
        .set("subject", Object::new().set("reference", urn(s.patient_id())))
        .set("date", instant(s.set.submitted))
        .maybe("source", source)
        .list("entry", items)
}

/// What is told of the patient: one identifier, the national one, since a store may take the first for the only one.
fn patient_resource(patient: &Patient) -> Object {
    let name = patient.name.as_ref().map(actors::human_name);
    Object::resource("Patient")
        .list("identifier", [actors::id(&patient.id)])
        .list("name", name)
        .maybe("gender", patient.sex.map(gender))
        .maybe("birthDate", patient.born.map(|born| born.to_string()))
}

const fn gender(sex: char) -> &'static str {
    match sex {
        'M' => "male",
        'F' => "female",
        'O' => "other",
        _ => "unknown",
    }
}

/// How an earlier entry is named: where the target said that it keeps it, else by the id that it was given.
fn earlier(relation: &Relation) -> String {
    relation.location.clone().unwrap_or_else(|| format!("DocumentReference/{}", relation.target))
}

fn urn(id: Uuid) -> String {
    format!("urn:uuid:{id}")
}

fn profile(name: &str) -> Object {
    Object::new().list("profile", [format!("{MHD}{name}")])
}

fn extension(name: &str) -> Object {
    Object::new().set("url", format!("{MHD}{name}"))
}

/// An identifier that MHD tells apart by its type, and the national store by its use: both are said.
fn identifier(role: &'static str, kind: &'static str, value: String) -> Object {
    let coding = Object::new()
        .set("system", "https://profiles.ihe.net/ITI/MHD/CodeSystem/IHE.MHD.MHDIdentifierType")
        .set("code", kind);
    Object::new()
        .set("use", role)
        .set("type", Object::new().list("coding", [coding]))
        .set("system", "urn:ietf:rfc:3986")
        .set("value", value)
}

fn coding(code: &crate::codes::Code) -> Object {
    Object::new()
        .set("system", code.uri().into_owned())
        .set("code", code.code.as_str())
        .set("display", code.display.as_str())
}

fn concept(code: &crate::codes::Code) -> Object {
    Object::new().list("coding", [coding(code)])
}

/// Kept here, since set and entries both tell it.
fn community(common: &Common) -> String {
    format!("urn:oid:{}", common.home_community)
}
