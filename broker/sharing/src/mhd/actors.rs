//! Persons and organisations, contained in the resource that names them.
//!
//! Each is contained once and referenced from its container, as FHIR asks (dom-3).

use super::{concept, extension};
use crate::json::Object;
use crate::metadata::{Author, Common, Id, Name, Organisation, Person};

/// The resources contained in one resource.
#[derive(Default)]
pub(super) struct Contained {
    resources: Vec<Object>,
}

impl Contained {
    /// Contains a resource, and tells how to refer to it.
    fn hold(&mut self, kind: &'static str, fill: impl FnOnce(Object) -> Object) -> Object {
        let id = format!("actor-{}", self.resources.len() + 1);
        self.resources.push(fill(Object::resource(kind).set("id", id.as_str())));
        Object::new().set("reference", format!("#{id}")).set("type", kind)
    }

    pub(super) fn into_resources(self) -> Vec<Object> {
        self.resources
    }

    /// Contains anything else.
    pub(super) fn other(&mut self, kind: &'static str, fill: impl FnOnce(Object) -> Object) -> Object {
        self.hold(kind, fill)
    }

    pub(super) fn person(&mut self, person: &Person) -> Object {
        self.hold("Practitioner", |resource| {
            resource.list("identifier", person.id.as_ref().map(id)).list("name", named(&person.name))
        })
    }

    /// An organisation, or a department of the one that `part_of` refers to.
    pub(super) fn organisation(&mut self, organisation: &Organisation, part_of: Option<&Object>) -> Object {
        let kind = part_of.map(|_| {
            let coding = Object::new()
                .set("system", "http://terminology.hl7.org/CodeSystem/organization-type")
                .set("code", "dept");
            Object::new().list("coding", [coding])
        });
        self.hold("Organization", |resource| {
            resource
                .list("identifier", organisation.id.as_ref().map(id))
                .list("type", kind)
                .set("name", organisation.name.as_str())
                .maybe("partOf", part_of)
        })
    }

    /// The references that stand for an author: one in general; the national store wants each of person, role,
    /// organisation and department among them.
    pub(super) fn author(&mut self, author: &Author, national: bool) -> Vec<Object> {
        let organisation = author.organisation.as_ref().map(|o| self.organisation(o, None));
        let department = match (&author.department, &organisation) {
            (Some(department), Some(house)) => Some(self.organisation(department, Some(house))),
            (Some(department), None) => Some(self.organisation(department, None)),
            (None, _) => None,
        };
        let Some(person) = author.person.as_ref().map(|p| self.person(p)) else {
            return if national {
                organisation.into_iter().chain(department).collect()
            } else {
                department.or(organisation).into_iter().collect()
            };
        };
        let has_role = organisation.is_some() || author.role.is_some() || author.speciality.is_some();
        if !has_role {
            return vec![person];
        }
        // The department leads to its organisation. The national store reads the organisation of the role itself.
        let house =
            if national { organisation.as_ref() } else { department.as_ref().or(organisation.as_ref()) };
        let role = self.hold("PractitionerRole", |resource| {
            resource
                .set("practitioner", &person)
                .maybe("organization", house)
                .list("code", author.role.as_ref().map(concept))
                .list("specialty", author.speciality.as_ref().map(concept))
        });
        if national {
            [Some(person), Some(role), organisation, department].into_iter().flatten().collect()
        } else {
            vec![role]
        }
    }

    /// Who submits: the first author's person and organisation. R4 allows no organisation as a source, so it stands in
    /// an extension; the national store keeps the two only if both are there.
    pub(super) fn submitter(&mut self, common: &Common) -> Option<Object> {
        let author = common.authors.first()?;
        let organisation = author.organisation.as_ref().map(|o| self.organisation(o, None));
        let person = author.person.as_ref().map(|p| self.person(p));
        let extensions = organisation.map(|o| extension("ihe-authorOrg").set("valueReference", o));
        let source = Object::new().list("extension", extensions);
        Some(match person {
            // The reference of a person already has its members; the extension goes before them.
            Some(person) => source.and(person),
            None => source,
        })
    }
}

pub(super) fn id(id: &Id) -> Object {
    Object::new().set("system", format!("urn:oid:{}", id.authority)).set("value", id.value.as_str())
}

pub(super) fn human_name(name: &Name) -> Object {
    let given = [&name.given, &name.middle].into_iter().filter(|n| !n.is_empty()).map(String::as_str);
    let family = (!name.family.is_empty()).then_some(name.family.as_str());
    Object::new().maybe("family", family).list("given", given)
}

fn named(name: &Name) -> Option<Object> {
    (*name != Name::default()).then(|| human_name(name))
}
