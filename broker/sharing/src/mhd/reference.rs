//! A DocumentReference: an entry as FHIR tells it (document-sharing §7.2).

use super::actors::{self, Contained};
use super::{coding, community, concept, earlier, extension, identifier, patient_resource, profile, urn};
use crate::json::Object;
use crate::metadata::{Common, Entry, as_oid, date_time, instant};
use crate::submission::Submission;
use crate::target::UniqueIds;

/// The entry of a document.
pub(super) fn document_reference(s: &Submission, entry: &Entry, national: bool) -> Object {
    let common = &entry.common;
    let mut contained = Contained::default();
    let authors: Vec<Object> =
        common.authors.iter().flat_map(|author| contained.author(author, national)).collect();
    let authenticator = common.legal_authenticator.as_ref().map(|person| contained.person(person));
    let patient = Object::new().set("reference", urn(s.patient_id()));
    let patient_info = if national {
        patient.clone()
    } else {
        contained.other("Patient", |resource| resource.and(patient_resource(&common.patient).without_kind()))
    };
    let relates: Vec<Object> = s
        .relations
        .iter()
        .filter(|relation| relation.entry == entry.entry)
        .map(|relation| {
            let to = if relation.within { urn(relation.target) } else { earlier(relation) };
            Object::new().set("code", relation.link.code()).set("target", Object::new().set("reference", to))
        })
        .collect();
    let labels = entry.confidentiality.iter().map(concept);
    let community_of_resource =
        (!national).then(|| extension("ihe-HomeCommunityId").set("valueOid", community(common)));
    Object::resource("DocumentReference")
        .set("id", entry.entry.to_string())
        .set("meta", profile("IHE.MHD.Comprehensive.DocumentReference"))
        .list("contained", contained.into_resources())
        .list("extension", community_of_resource)
        .set("masterIdentifier", identifier("usual", "uniqueId", unique_id(s, entry)))
        .list("identifier", [identifier("official", "entryUUID", urn(entry.entry))])
        .set("status", "current")
        .set("type", concept(&entry.kind))
        .list("category", [concept(&entry.class)])
        .set("subject", patient)
        .set("date", instant(common.created.start().unwrap_or_default()))
        .list("author", authors)
        .maybe("authenticator", authenticator)
        .list("relatesTo", relates)
        .list("securityLabel", labels)
        .list("content", [content(common, entry, national)])
        .set("context", context(common, patient_info))
}

/// What names the document.
fn unique_id(s: &Submission, entry: &Entry) -> String {
    match s.unique_ids {
        UniqueIds::Uuid => urn(entry.document),
        UniqueIds::Oid => format!("urn:oid:{}", as_oid(entry.document)),
    }
}

fn content(common: &Common, entry: &Entry, national: bool) -> Object {
    let community = national.then(|| extension("ihe-homeCommunityId").set("valueUri", community(common)));
    let attachment = Object::new()
        .list("extension", community)
        .set("contentType", entry.media_type.as_str())
        .set("language", common.language.as_str())
        .set("url", urn(entry.document))
        .set("size", entry.size())
        .set("hash", entry.hash_base64())
        .set("title", entry.title.as_str())
        .set("creation", date_time(&common.created));
    Object::new().set("attachment", attachment).set("format", coding(&entry.format_code))
}

fn context(common: &Common, patient_info: Object) -> Object {
    let (start, stop) = &common.service;
    let period = Object::new()
        .maybe("start", start.as_ref().map(date_time))
        .maybe("end", stop.as_ref().map(date_time));
    let related = common.references.iter().map(|reference| {
        let kind = Object::new().set("system", "urn:ietf:rfc:3986").set("code", reference.kind);
        let identifier =
            Object::new().set("type", Object::new().list("coding", [kind])).and(actors::id(&reference.id));
        Object::new().set("identifier", identifier)
    });
    Object::new()
        .list("event", common.events.iter().map(concept))
        .maybe("period", (!period.is_empty()).then_some(period))
        .set("facilityType", concept(&common.facility))
        .set("practiceSetting", concept(&common.practice))
        .set("sourcePatientInfo", patient_info)
        .list("related", related)
}
