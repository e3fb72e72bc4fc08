//! From the JSON of a document to its view.

use super::{Section, Subject, View, Weight, blocks};
use crate::document::addition;
use crate::document::json::Json;
use crate::document::words::date_words;
use crate::time::Stamp;

/// Sections inside sections that are told apart.
const DEEPEST: u8 = 3;

pub(super) fn view(json: &[u8]) -> Option<View> {
    let bundle = Json::parse(json)?;
    let bundle = Resources(&bundle);
    let composition = bundle.all().find(|r| r.text("resourceType") == Some("Composition"))?;
    let (status, weight) =
        status(composition.text("status").unwrap_or_default(), addition::is_tagged(composition));
    let stamp = composition.text("date").and_then(Stamp::parse);
    let date = stamp.map(date_words).unwrap_or_default();
    let mut sections = Vec::new();
    for section in composition.list("section") {
        add(section, 1, &mut sections)?;
    }
    let authors: Vec<String> =
        composition.list("author").iter().filter_map(|author| bundle.party(author)).collect();
    let custodian = composition.get("custodian").and_then(|party| bundle.party(party));
    Some(View {
        language: composition.text("language").unwrap_or("nb-NO").to_owned(),
        title: composition.text("title").unwrap_or_default().to_owned(),
        id: bundle.id(),
        status,
        weight,
        date,
        made: stamp.and_then(|s| s.start()),
        test: bundle.is_test(),
        patient: composition.get("subject").and_then(|subject| bundle.subject(subject)),
        sender: custodian.or_else(|| authors.first().cloned()),
        authors,
        summary: match composition.get("text").and_then(|text| text.text("div")) {
            Some(div) => blocks::read(div)?,
            None => Vec::new(),
        },
        sections,
    })
}

fn add(section: &Json<'_>, level: u8, sections: &mut Vec<Section>) -> Option<()> {
    let blocks = match section.get("text").and_then(|text| text.text("div")) {
        Some(div) => blocks::read(div)?,
        None => Vec::new(),
    };
    sections.push(Section { title: section.text("title").unwrap_or_default().to_owned(), level, blocks });
    // Recursion is over our own chapters, whose nesting is fixed by the families' tables.
    section.list("section").iter().try_for_each(|inner| add(inner, (level + 1).min(DEEPEST), sections))
}

/// Composition.status in words; what is added to an earlier document changes nothing in it.
fn status(code: &str, addition: bool) -> (&'static str, Weight) {
    match code {
        "final" | "amended" if addition => ("Tillegg", Weight::Notice),
        "final" => ("Endelig", Weight::Plain),
        "preliminary" if addition => ("Tillegg, foreløpig", Weight::Notice),
        "preliminary" => ("Foreløpig", Weight::Notice),
        "amended" => ("Endret", Weight::Notice),
        "entered-in-error" => ("Trukket tilbake", Weight::Warning),
        _ => ("Ukjent status", Weight::Notice),
    }
}

/// The resources of a Bundle, found by reference.
struct Resources<'b, 'j>(&'b Json<'j>);

impl<'b, 'j> Resources<'b, 'j> {
    fn all(&self) -> impl Iterator<Item = &'b Json<'j>> {
        self.0.list("entry").iter().filter_map(|entry| entry.get("resource"))
    }

    fn id(&self) -> Option<String> {
        let value = self.0.get("identifier")?.text("value")?;
        Some(value.strip_prefix("urn:uuid:").unwrap_or(value).to_owned())
    }

    fn is_test(&self) -> bool {
        let labels = self.0.get("meta").map_or(&[][..], |meta| meta.list("security"));
        labels.iter().any(|label| label.text("code") == Some("HTEST"))
    }

    fn find(&self, reference: &Json<'_>) -> Option<&'b Json<'j>> {
        let url = reference.text("reference")?;
        self.0.list("entry").iter().find(|entry| entry.text("fullUrl") == Some(url))?.get("resource")
    }

    /// A person or organisation in words.
    fn party(&self, reference: &Json<'_>) -> Option<String> {
        let Some(resource) = self.find(reference) else {
            return reference.text("display").map(str::to_owned);
        };
        let named = match resource.text("resourceType") {
            Some("PractitionerRole") => {
                let parts = ["practitioner", "organization"].into_iter();
                let parts: Vec<String> = parts
                    .filter_map(|part| resource.get(part))
                    .filter_map(|part| self.display(part))
                    .collect();
                (!parts.is_empty()).then(|| parts.join(", "))
            }
            Some("Patient" | "Practitioner" | "RelatedPerson") => name(resource),
            _ => resource.text("name").map(str::to_owned),
        };
        named.or_else(|| reference.text("display").map(str::to_owned))
    }

    /// The words of a reference, else the name of what it points at.
    fn display(&self, reference: &Json<'_>) -> Option<String> {
        if let Some(words) = reference.text("display") {
            return Some(words.to_owned());
        }
        let resource = self.find(reference)?;
        resource.text("name").map(str::to_owned).or_else(|| name(resource))
    }

    fn subject(&self, reference: &Json<'_>) -> Option<Subject> {
        let Some(patient) = self.find(reference).filter(|r| r.text("resourceType") == Some("Patient")) else {
            let id = reference.get("identifier").and_then(id_of);
            let name = reference.text("display").unwrap_or_default().to_owned();
            return (id.is_some() || !name.is_empty()).then_some(Subject { name, id, born: None, sex: None });
        };
        let born = patient.text("birthDate").and_then(Stamp::parse).map(date_words);
        let sex = patient.text("gender").and_then(|gender| match gender {
            "male" => Some("Mann"),
            "female" => Some("Kvinne"),
            "other" => Some("Annet"),
            _ => None,
        });
        let name = name(patient).or_else(|| reference.text("display").map(str::to_owned)).unwrap_or_default();
        Some(Subject { name, id: patient.list("identifier").iter().find_map(id_of), born, sex })
    }
}

/// The name of a person.
fn name(person: &Json<'_>) -> Option<String> {
    let name = person.list("name").first()?;
    if let Some(text) = name.text("text") {
        return Some(text.to_owned());
    }
    let given = name.list("given").iter().filter_map(Json::as_text);
    let parts: Vec<&str> = given.chain(name.text("family")).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// What kind of id it is, and the id.
fn id_of(identifier: &Json<'_>) -> Option<(&'static str, String)> {
    let value = identifier.text("value")?.to_owned();
    let kind = match identifier.text("system").unwrap_or_default() {
        "urn:oid:2.16.578.1.12.4.1.4.1" => "Fødselsnummer",
        "urn:oid:2.16.578.1.12.4.1.4.2" => "D-nummer",
        "urn:oid:2.16.578.1.12.4.1.4.3" => "Felles hjelpenummer",
        "urn:oid:2.16.578.1.12.4.1.4.5" => "DUF-nummer",
        _ => "Id",
    };
    Some((kind, value))
}
