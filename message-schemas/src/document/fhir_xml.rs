//! The document as FHIR XML: the same content as its JSON, by FHIR's rules for the two (R4 §2.6.1, §2.6.2).
//!
//! | in JSON | in XML |
//! |---|---|
//! | `resourceType` | the name of the element |
//! | a property with a primitive value, and `_property` beside it | an element with attribute `value`, its id and extensions |
//! | a list | the element again and again |
//! | `id` of a resource; of an element | an element; an attribute |
//! | `url` of an extension | an attribute |
//! | `div` of a narrative | the XHTML element itself, in its own namespace |
//! | a resource inside (`resource`, `contained`) | an element with the resource's element in it |
//!
//! The order of elements means nothing in JSON and is fixed in XML. The JSON is written in FHIR's order but
//! for what all resources and all elements begin with; that is put in front here. Decimals keep their digits
//! and the same JSON gives the same bytes.

use super::Fault;
use super::json::Json;
use crate::xml::{escape_attribute, escape_text};
use std::borrow::Cow;

/// What every resource begins with, in this order (Resource and DomainResource).
const RESOURCE_FIRST: &[&str] =
    &["id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"];
/// What every element begins with (Element and BackboneElement).
const ELEMENT_FIRST: &[&str] = &["extension", "modifierExtension"];

/// Writes a resource, given as FHIR JSON of ours, as FHIR XML in UTF-8.
///
/// # Errors
/// [`Fault::NotWritten`] if it is not the JSON of a resource.
pub fn fhir_xml(json: &[u8]) -> Result<Vec<u8>, Fault> {
    let resource = Json::parse(json).ok_or(Fault::NotWritten)?;
    if resource.text("resourceType").is_none() {
        return Err(Fault::NotWritten);
    }
    let mut writer = Writer { out: String::with_capacity(json.len() + json.len() / 4) };
    writer.out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    writer.resource(&resource, " xmlns=\"http://hl7.org/fhir\"");
    Ok(writer.out.into_bytes())
}

struct Writer {
    out: String,
}

impl Writer {
    fn resource(&mut self, resource: &Json<'_>, namespace: &str) {
        let name = resource.text("resourceType").unwrap_or_default();
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str(namespace);
        self.out.push('>');
        self.properties(resource, RESOURCE_FIRST, &["resourceType"]);
        self.close(name);
    }

    /// Those that come first everywhere, and then the others as they stand; some are no elements.
    fn properties(&mut self, object: &Json<'_>, first: &[&str], attributes: &[&str]) {
        let all = object.properties();
        let rank = |name: &str| first.iter().position(|f| *f == name.trim_start_matches('_'));
        for wanted in 0..first.len() {
            for (name, value) in all.iter().filter(|(name, _)| rank(name) == Some(wanted)) {
                self.property(object, name, value);
            }
        }
        for (name, value) in all {
            if rank(name).is_none() && !attributes.contains(&name.as_ref()) {
                self.property(object, name, value);
            }
        }
    }

    fn property(&mut self, object: &Json<'_>, name: &str, value: &Json<'_>) {
        if let Some(plain) = name.strip_prefix('_') {
            // Beside a value it was written with that.
            if object.get(plain).is_none() {
                self.value(plain, &Json::Null, Some(value));
            }
            return;
        }
        let has_beside = object.properties().iter().any(|(n, _)| n.strip_prefix('_') == Some(name));
        let beside = if has_beside { object.get(&format!("_{name}")) } else { None };
        self.value(name, value, beside);
    }

    /// A property, or each element of its list with what stands beside it.
    fn value(&mut self, name: &str, value: &Json<'_>, beside: Option<&Json<'_>>) {
        let (values, besides) = (all(value), beside.map(all).unwrap_or_default());
        for n in 0..values.len().max(besides.len()) {
            self.one(name, values.get(n).unwrap_or(&Json::Null), besides.get(n));
        }
    }

    fn one(&mut self, name: &str, value: &Json<'_>, beside: Option<&Json<'_>>) {
        match value {
            Json::Object(_) if value.text("resourceType").is_some() => {
                self.open(name);
                self.out.push('>');
                self.resource(value, "");
                self.close(name);
            }
            Json::Object(_) => {
                self.open(name);
                self.attribute("id", value.text("id"));
                let extension = matches!(name, "extension" | "modifierExtension");
                self.attribute("url", value.text("url").filter(|_| extension));
                self.out.push('>');
                let attributes: &[&str] = if extension { &["id", "url"] } else { &["id"] };
                self.properties(value, ELEMENT_FIRST, attributes);
                self.close(name);
            }
            Json::Text(markup) if name == "div" => self.out.push_str(markup),
            Json::Text(text) => self.primitive(name, Some(Cow::Borrowed(text)), beside),
            Json::Number(digits) => self.primitive(name, Some(Cow::Borrowed(digits)), beside),
            Json::Bool(value) => {
                self.primitive(name, Some(Cow::Borrowed(if *value { "true" } else { "false" })), beside);
            }
            Json::Null | Json::List(_) => self.primitive(name, None, beside),
        }
    }

    fn primitive(&mut self, name: &str, value: Option<Cow<'_, str>>, beside: Option<&Json<'_>>) {
        let beside = beside.filter(|b| !b.properties().is_empty());
        if value.is_none() && beside.is_none() {
            return;
        }
        self.open(name);
        self.attribute("id", beside.and_then(|b| b.text("id")));
        self.attribute("value", value.as_deref());
        match beside {
            Some(beside) if beside.get("extension").is_some() => {
                self.out.push('>');
                self.properties(beside, ELEMENT_FIRST, &["id"]);
                self.close(name);
            }
            _ => self.out.push_str("/>"),
        }
    }

    fn open(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(&escape_text(name));
    }

    fn attribute(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.out.push_str(&escape_attribute(value));
            self.out.push('"');
        }
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(&escape_text(name));
        self.out.push('>');
    }
}

/// The values of a list, or the one value that there is.
fn all<'a, 'j>(value: &'a Json<'j>) -> &'a [Json<'j>] {
    if let Json::List(values) = value { values } else { std::slice::from_ref(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(json: &str) -> String {
        let bytes = fhir_xml(json.as_bytes()).expect("a resource");
        let text = String::from_utf8(bytes).expect("UTF-8");
        text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration").to_owned()
    }

    #[test]
    fn ids_urls_and_values_stand_where_they_belong() {
        assert_eq!(
            xml(
                r#"{"resourceType":"Patient","id":"p","name":[{"id":"n","family":"Ås","given":["A & B","<C>"],
                "extension":[{"url":"u","valueBoolean":true}]}],"photo":[{"url":"http://x/y"}],"multipleBirthInteger":2}"#
            ),
            "<Patient xmlns=\"http://hl7.org/fhir\"><id value=\"p\"/><name id=\"n\"><extension url=\"u\">\
             <valueBoolean value=\"true\"/></extension><family value=\"Ås\"/><given value=\"A &amp; B\"/>\
             <given value=\"&lt;C>\"/></name><photo><url value=\"http://x/y\"/></photo>\
             <multipleBirthInteger value=\"2\"/></Patient>"
        );
    }

    #[test]
    fn what_stands_beside_a_primitive_goes_inside_it() {
        assert_eq!(
            xml(r#"{"resourceType":"Basic","_created":{"extension":[{"url":"u","valueCode":"unknown"}]},
                "alias":["a",null,"c"],"_alias":[null,{"id":"2","extension":[{"url":"v","valueInteger":1}]},{"id":"3"}]}"#),
            "<Basic xmlns=\"http://hl7.org/fhir\"><created><extension url=\"u\"><valueCode value=\"unknown\"/>\
             </extension></created><alias value=\"a\"/><alias id=\"2\"><extension url=\"v\">\
             <valueInteger value=\"1\"/></extension></alias><alias id=\"3\" value=\"c\"/></Basic>"
        );
    }

    #[test]
    fn resources_narratives_and_decimals_stay_what_they_are() {
        assert_eq!(
            xml(r#"{"resourceType":"Bundle","entry":[{"fullUrl":"urn:x","resource":{"resourceType":"Basic",
                "extension":[{"url":"u","valueDecimal":6.00}],"contained":[{"resourceType":"Basic","id":"c"}],
                "text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">1<br/>2</div>"},
                "note":"a\nb\t\"c\""}}]}"#),
            "<Bundle xmlns=\"http://hl7.org/fhir\"><entry><fullUrl value=\"urn:x\"/><resource><Basic>\
             <text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\">1<br/>2</div></text>\
             <contained><Basic><id value=\"c\"/></Basic></contained>\
             <extension url=\"u\"><valueDecimal value=\"6.00\"/></extension>\
             <note value=\"a&#10;b&#9;&quot;c&quot;\"/></Basic></resource></entry></Bundle>"
        );
    }

    #[test]
    fn what_is_no_resource_is_refused() {
        for wrong in ["", "[]", "{}", "{\"resourceType\":1}", "{\"resourceType\":\"Basic\""] {
            assert_eq!(fhir_xml(wrong.as_bytes()), Err(Fault::NotWritten), "{wrong}");
        }
    }
}
