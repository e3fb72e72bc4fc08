//! A submission in ebRIM: `SubmitObjectsRequest` with one package, its documents, and how they stand to each other
//! (ITI TF-3 §4.2; document-sharing §7.2, §7.3 and §2.3).

use super::xml::Xml;
use crate::codes::Code;
use crate::hl7v2;
use crate::metadata::{Author, Common, Entry, Id, Organisation, Person, as_oid, dtm};
use crate::published::Published;
use crate::submission::Submission;
use crate::target::UniqueIds;
use message_schemas::document::NAMESPACE;
use message_schemas::time::Stamp;
use uuid::Uuid;

/// Object type of a document that does not change.
pub(crate) const STABLE: &str = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1";
/// In use.
pub(crate) const APPROVED: &str = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved";
/// Out of use.
pub(crate) const DEPRECATED: &str = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated";
/// Marks a package as a submission set.
pub(crate) const IS_SET: &str = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd";

/// Schemes by which entries are classified.
pub(crate) mod entry {
    pub(crate) const AUTHOR: &str = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d";
    pub(crate) const CLASS: &str = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a";
    pub(crate) const TYPE: &str = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983";
    pub(crate) const FORMAT: &str = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d";
    pub(crate) const CONFIDENTIALITY: &str = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f";
    pub(crate) const EVENT: &str = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4";
    pub(crate) const FACILITY: &str = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1";
    pub(crate) const PRACTICE: &str = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead";
    pub(crate) const PATIENT_ID: &str = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427";
    pub(crate) const UNIQUE_ID: &str = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab";
}

/// Schemes by which sets are classified.
pub(crate) mod set {
    pub(crate) const AUTHOR: &str = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d";
    pub(crate) const CONTENT: &str = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500";
    pub(crate) const PATIENT_ID: &str = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446";
    pub(crate) const SOURCE_ID: &str = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832";
    pub(crate) const UNIQUE_ID: &str = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8";
}

const OBJECT: &str = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:";
const LCM: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0";
const RIM: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0";

/// How an entry is named in ebRIM. Only names that are URNs are kept by an IHE registry; the source that wants one id
/// for everything keeps them as they are.
pub(crate) fn entry_id(entry: Uuid, style: UniqueIds) -> String {
    match style {
        UniqueIds::Uuid => entry.to_string(),
        UniqueIds::Oid => urn(entry),
    }
}

/// How a document is named.
pub(crate) fn unique_id(document: Uuid, style: UniqueIds) -> String {
    match style {
        UniqueIds::Uuid => document.to_string(),
        UniqueIds::Oid => as_oid(document),
    }
}

pub(crate) fn urn(id: Uuid) -> String {
    format!("urn:uuid:{id}")
}

/// The request.
pub(super) fn submit_objects(xml: &mut Xml, s: &Submission) {
    request(xml, |xml| {
        package(xml, s);
        for entry in &s.entries {
            extrinsic_object(xml, s, entry);
        }
        for entry in &s.entries {
            let target = entry_id(entry.entry, s.unique_ids);
            let slots = [("SubmissionSetStatus", "Original")];
            let member = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember";
            association(xml, s.membership(entry), member, &urn(s.set.id), &target, &slots);
        }
        for relation in &s.relations {
            let [source, target] = [relation.entry, relation.target].map(|e| entry_id(e, s.unique_ids));
            association(xml, relation.id, relation.link.association(), &source, &target, &[]);
        }
    });
}

/// The request that sets entries out of use (ITI-57): a set of its own, which says so of each.
pub(super) fn deprecate(xml: &mut Xml, s: &Submission, entries: &[Published]) {
    const UPDATE: &str = "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus";
    request(xml, |xml| {
        package(xml, s);
        for old in entries {
            let target = entry_id(old.entry, s.unique_ids);
            let id = Uuid::new_v5(
                &NAMESPACE,
                format!("association|{}|deprecates|{}", s.set.id, old.entry).as_bytes(),
            );
            let slots = [("OriginalStatus", APPROVED), ("NewStatus", DEPRECATED)];
            association(xml, id, UPDATE, &urn(s.set.id), &target, &slots);
        }
    });
}

/// The request that takes objects out of the registry (ITI-62).
pub(super) fn remove(xml: &mut Xml, ids: &[String]) {
    xml.element("lcm:RemoveObjectsRequest", &[("xmlns:lcm", LCM), ("xmlns:rim", RIM)], |xml| {
        xml.element("rim:ObjectRefList", &[], |xml| {
            for id in ids {
                xml.element("rim:ObjectRef", &[("id", id)], |_| {});
            }
        });
    });
}

fn request(xml: &mut Xml, objects: impl FnOnce(&mut Xml)) {
    xml.element("lcm:SubmitObjectsRequest", &[("xmlns:lcm", LCM)], |xml| {
        xml.element("RegistryObjectList", &[("xmlns", RIM)], objects);
    });
}

fn package(xml: &mut Xml, s: &Submission) {
    let id = urn(s.set.id);
    let object_type = format!("{OBJECT}RegistryPackage");
    let attributes = [
        ("id", id.as_str()),
        ("objectType", object_type.as_str()),
        ("status", APPROVED),
        ("home", &format!("urn:oid:{}", s.common.home_community)),
    ];
    xml.element("RegistryPackage", &attributes, |xml| {
        slot(xml, "submissionTime", [dtm(s.set.submitted)]);
        // An organisation and a person, parted by a bar; here only organisations.
        slot(xml, "intendedRecipient", s.set.recipients.iter().map(organisation));
        let mut part = Parts { parent: &id, count: 0 };
        if let Some(author) = s.common.authors.first() {
            self::author(xml, &mut part, set::AUTHOR, author);
        }
        part.code(xml, set::CONTENT, &s.set.content);
        let marker = part.next();
        let classification = format!("{OBJECT}Classification");
        xml.element(
            "Classification",
            &[
                ("id", &marker),
                ("objectType", &classification),
                ("classifiedObject", &id),
                ("classificationNode", IS_SET),
            ],
            |_| {},
        );
        part.identifier(xml, set::UNIQUE_ID, "XDSSubmissionSet.uniqueId", &as_oid(s.set.id));
        part.identifier(xml, set::SOURCE_ID, "XDSSubmissionSet.sourceId", &s.set.source);
        part.identifier(xml, set::PATIENT_ID, "XDSSubmissionSet.patientId", &patient(&s.common.patient.id));
    });
}

fn extrinsic_object(xml: &mut Xml, s: &Submission, e: &Entry) {
    let common = &e.common;
    let id = entry_id(e.entry, s.unique_ids);
    let home = format!("urn:oid:{}", common.home_community);
    let attributes = [
        ("id", id.as_str()),
        ("objectType", STABLE),
        ("status", APPROVED),
        ("mimeType", e.media_type.as_str()),
        ("home", home.as_str()),
    ];
    xml.element("ExtrinsicObject", &attributes, |xml| {
        slots(xml, common, e);
        name(xml, &e.title);
        let mut part = Parts { parent: &id, count: 0 };
        for author in &common.authors {
            self::author(xml, &mut part, entry::AUTHOR, author);
        }
        part.code(xml, entry::CLASS, &e.class);
        part.code(xml, entry::TYPE, &e.kind);
        part.code(xml, entry::FORMAT, &e.format_code);
        for code in &e.confidentiality {
            part.code(xml, entry::CONFIDENTIALITY, code);
        }
        for event in &common.events {
            part.code(xml, entry::EVENT, event);
        }
        part.code(xml, entry::FACILITY, &common.facility);
        part.code(xml, entry::PRACTICE, &common.practice);
        part.identifier(xml, entry::PATIENT_ID, "XDSDocumentEntry.patientId", &patient(&common.patient.id));
        let unique = unique_id(e.document, s.unique_ids);
        part.identifier(xml, entry::UNIQUE_ID, "XDSDocumentEntry.uniqueId", &unique);
    });
}

fn slots(xml: &mut Xml, common: &Common, e: &Entry) {
    let (start, stop) = &common.service;
    slot(xml, "creationTime", common.created.utc_digits());
    slot(xml, "hash", [e.hash_hex()]);
    slot(xml, "languageCode", [common.language.clone()]);
    slot(xml, "legalAuthenticator", common.legal_authenticator.as_ref().map(person));
    let references = common
        .references
        .iter()
        .map(|r| hl7v2::cxi(&r.id.value, &r.id.authority, r.kind))
        .filter(|value| value.chars().count() <= hl7v2::LONGEST);
    slot(xml, "urn:ihe:iti:xds:2013:referenceIdList", references);
    slot(xml, "repositoryUniqueId", common.repository.clone());
    slot(xml, "serviceStartTime", start.as_ref().and_then(Stamp::utc_digits));
    slot(xml, "serviceStopTime", stop.as_ref().and_then(Stamp::utc_digits));
    slot(xml, "size", [e.size().to_string()]);
    let p = &common.patient;
    slot(xml, "sourcePatientId", [patient(&p.id)]);
    let name = p.name.as_ref().map(|n| (n.family.as_str(), n.given.as_str(), n.middle.as_str()));
    let sex = p.sex.map(String::from);
    slot(xml, "sourcePatientInfo", hl7v2::patient_info(name, p.born, sex.as_deref()));
}

fn author(xml: &mut Xml, part: &mut Parts<'_>, scheme: &str, author: &Author) {
    part.classification(xml, scheme, "", |xml| {
        slot(xml, "authorPerson", author.person.as_ref().map(person));
        let houses = author.organisation.iter().chain(&author.department);
        slot(xml, "authorInstitution", houses.map(organisation));
        slot(xml, "authorRole", author.role.as_ref().map(|c| hl7v2::coded(&c.code, &c.system)));
        slot(xml, "authorSpecialty", author.speciality.as_ref().map(|c| hl7v2::coded(&c.code, &c.system)));
    });
}

fn patient(id: &Id) -> String {
    hl7v2::cx(&id.value, &id.authority)
}

fn person(person: &Person) -> String {
    let id = person.id.as_ref().map(|id| (id.value.as_str(), id.authority.as_str()));
    hl7v2::xcn(id, &person.name.family, &person.name.given, &person.name.middle)
}

fn organisation(organisation: &Organisation) -> String {
    let id = organisation.id.as_ref().map(|id| (id.value.as_str(), id.authority.as_str()));
    hl7v2::xon(&organisation.name, id)
}

/// A slot; left out without values.
fn slot(xml: &mut Xml, name: &str, values: impl IntoIterator<Item = String>) {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return;
    }
    xml.element("Slot", &[("name", name)], |xml| {
        xml.element("ValueList", &[], |xml| values.for_each(|value| xml.text("Value", &value)));
    });
}

fn name(xml: &mut Xml, text: &str) {
    xml.element("Name", &[], |xml| {
        xml.element("LocalizedString", &[("xml:lang", "nb-NO"), ("value", text)], |_| {});
    });
}

fn association(xml: &mut Xml, id: Uuid, kind: &str, source: &str, target: &str, slots: &[(&str, &str)]) {
    let id = urn(id);
    let object_type = format!("{OBJECT}Association");
    let attributes = [
        ("id", id.as_str()),
        ("objectType", object_type.as_str()),
        ("associationType", kind),
        ("sourceObject", source),
        ("targetObject", target),
    ];
    xml.element("Association", &attributes, |xml| {
        for (name, value) in slots {
            slot(xml, name, [(*value).to_owned()]);
        }
    });
}

/// Hands out ids for the parts of an object, which need some: made of their parent's, so that they are always the same.
struct Parts<'p> {
    parent: &'p str,
    count: u32,
}

impl Parts<'_> {
    fn next(&mut self) -> String {
        self.count += 1;
        urn(Uuid::new_v5(&NAMESPACE, format!("ebrim|{}|{}", self.parent, self.count).as_bytes()))
    }

    fn classification(&mut self, xml: &mut Xml, scheme: &str, node: &str, inner: impl FnOnce(&mut Xml)) {
        let id = self.next();
        let object_type = format!("{OBJECT}Classification");
        let attributes = [
            ("id", id.as_str()),
            ("objectType", object_type.as_str()),
            ("classificationScheme", scheme),
            ("classifiedObject", self.parent),
            ("nodeRepresentation", node),
        ];
        xml.element("Classification", &attributes, inner);
    }

    fn code(&mut self, xml: &mut Xml, scheme: &str, code: &Code) {
        self.classification(xml, scheme, &code.code, |xml| {
            slot(xml, "codingScheme", [code.system.clone()]);
            name(xml, &code.display);
        });
    }

    fn identifier(&mut self, xml: &mut Xml, scheme: &str, what: &str, value: &str) {
        let id = self.next();
        let object_type = format!("{OBJECT}ExternalIdentifier");
        let attributes = [
            ("id", id.as_str()),
            ("objectType", object_type.as_str()),
            ("identificationScheme", scheme),
            ("registryObject", self.parent),
            ("value", value),
        ];
        xml.element("ExternalIdentifier", &attributes, |xml| name(xml, what));
    }
}
