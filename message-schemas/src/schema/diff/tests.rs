use super::*;
use crate::schema::SchemaSet;

/// A set of one schema with this body.
fn set(body: &str) -> SchemaSet {
    let text = format!(
        r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:t" targetNamespace="urn:t" elementFormDefault="qualified">{body}</xs:schema>"#
    );
    SchemaSet::load([("t.xsd".to_owned(), text.into_bytes())]).unwrap().0
}

fn lines(first: &str, second: &str) -> Vec<String> {
    diff(set(first).model(), set(second).model()).iter().map(ToString::to_string).collect()
}

/// The differences of two types with these contents, without the path to the type.
fn content(first: &str, second: &str) -> Vec<String> {
    let type_ = |content: &str| format!(r#"<xs:complexType name="T">{content}</xs:complexType>"#);
    let found = lines(&type_(first), &type_(second));
    found
        .iter()
        .map(|l| l.replace("type {urn:t}T / ", "").replace("type {urn:t}T: ", "").replace("{urn:t}", ""))
        .collect()
}

const A: &str = r#"<xs:element name="a" type="xs:string"/>"#;
const B: &str = r#"<xs:element name="b" type="xs:string"/>"#;

#[test]
fn equal_languages_are_equal_however_they_are_written() {
    let optional = r#"<xs:element name="a" type="xs:string" minOccurs="0"/>"#;
    for (first, second) in [
        (
            format!("<xs:sequence>{A}{B}</xs:sequence>"),
            format!("<xs:sequence><xs:sequence>{A}</xs:sequence>{B}</xs:sequence>"),
        ),
        (format!("<xs:choice>{A}{B}</xs:choice>"), format!("<xs:choice>{B}{A}</xs:choice>")),
        (
            format!("<xs:sequence>{optional}</xs:sequence>"),
            format!(r#"<xs:sequence minOccurs="0">{A}</xs:sequence>"#),
        ),
        (
            format!(r#"<xs:choice minOccurs="0" maxOccurs="unbounded">{A}{B}</xs:choice>"#),
            format!(
                r#"<xs:sequence minOccurs="0" maxOccurs="unbounded"><xs:choice>{B}{A}</xs:choice></xs:sequence>"#
            ),
        ),
        (
            format!("<xs:sequence>{A}{A}</xs:sequence>"),
            format!(r#"<xs:sequence minOccurs="2" maxOccurs="2">{A}</xs:sequence>"#),
        ),
    ] {
        assert_eq!(content(&first, &second), [""; 0], "{first}\n{second}");
    }
    let group = format!(r#"<xs:group name="g"><xs:sequence>{A}</xs:sequence></xs:group>"#);
    let by_group = format!(r#"{group}<xs:complexType name="T"><xs:group ref="g"/></xs:complexType>"#);
    assert_eq!(
        lines(
            &by_group,
            &format!(r#"<xs:complexType name="T"><xs:sequence>{A}</xs:sequence></xs:complexType>"#)
        ),
        [""; 0]
    );
}

#[test]
fn occurrences_and_order_are_told() {
    let twice = r#"<xs:element name="a" type="xs:string" maxOccurs="2"/>"#;
    assert_eq!(
        content(
            &format!("<xs:sequence>{A}</xs:sequence>"),
            &format!("<xs:sequence>{twice}{B}</xs:sequence>")
        ),
        ["~ element a: occurrence: 1..1 -> 1..2", "+ element b: occurrence: 1..1"]
    );
    assert_eq!(
        content(&format!("<xs:sequence>{A}{B}</xs:sequence>"), &format!("<xs:sequence>{B}{A}</xs:sequence>")),
        ["~ what may come first: a -> b"]
    );
    let pairs = format!(r#"<xs:sequence maxOccurs="unbounded">{A}{B}</xs:sequence>"#);
    let runs = format!(
        "<xs:sequence>{}{}</xs:sequence>",
        A.replace("/>", r#" maxOccurs="unbounded"/>"#),
        B.replace("/>", r#" maxOccurs="unbounded"/>"#)
    );
    assert_eq!(content(&pairs, &runs), ["+ what may follow a: a"]);
    let any = |namespace| {
        format!(r###"<xs:sequence><xs:any namespace="{namespace}" processContents="lax"/></xs:sequence>"###)
    };
    assert_eq!(content(&any("##any"), &any("##other")).len(), 2);
}

#[test]
fn declarations_inside_are_compared() {
    let with = |rest: &str| format!(r#"<xs:sequence><xs:element name="a" {rest}</xs:sequence>"#);
    assert_eq!(
        content(&with(r#"type="xs:string"/>"#), &with(r#"type="xs:date"/>"#)),
        ["~ element a: type: xs:string -> xs:date"]
    );
    let inline = |facet: &str| {
        with(&format!(
            r#"><xs:simpleType><xs:restriction base="xs:token">{facet}</xs:restriction></xs:simpleType></xs:element>"#
        ))
    };
    assert_eq!(
        content(
            &inline(r#"<xs:enumeration value="X"/><xs:enumeration value="Y"/>"#),
            &inline(r#"<xs:enumeration value="Y"/>"#)
        ),
        [r#"- element a: enumeration: "X""#]
    );
    assert_eq!(
        content(&inline(r#"<xs:maxLength value="2"/>"#), &inline("")),
        [r#"- element a: maxLength: "2""#]
    );
    assert_eq!(
        content(&with(r#"type="xs:string" nillable="true"/>"#), &with(r#"type="xs:string" default="x"/>"#)),
        [
            "~ element a: nillable: true -> false",
            r#"~ element a: default or fixed value: none -> default "x""#
        ]
    );
}

#[test]
fn attributes_and_derivation_are_compared() {
    let attribute = |rest: &str| format!(r#"<xs:attribute name="v" {rest}/>"#);
    assert_eq!(
        content(&attribute(r#"type="xs:token""#), &attribute(r#"type="xs:token" use="required""#)),
        ["~ attribute v: use: optional -> required"]
    );
    assert_eq!(content(&attribute(""), ""), ["- attribute v: attribute: optional"]);
    assert_eq!(content("", r#"<xs:anyAttribute processContents="lax"/>"#).len(), 1);
    let extension = |base: &str| {
        let base = format!(r#"<xs:complexContent><xs:extension base="{base}"/></xs:complexContent>"#);
        format!(
            r#"<xs:complexType name="P"/><xs:complexType name="Q"/><xs:complexType name="T">{base}</xs:complexType>"#
        )
    };
    assert_eq!(
        lines(&extension("P"), &extension("Q")),
        ["~ type {urn:t}T: derivation: extension of {urn:t}P -> extension of {urn:t}Q"]
    );
}

#[test]
fn globals_and_keys_are_compared() {
    assert_eq!(
        lines(r#"<xs:element name="x"/>"#, r#"<xs:element name="y"/>"#),
        ["~ element {urn:t}x: only in the first set", "~ element {urn:t}y: only in the second set"]
    );
    let key = |xpath: &str| {
        format!(
            r#"<xs:element name="x"><xs:complexType/><xs:key name="k"><xs:selector xpath="{xpath}"/><xs:field xpath="@id"/></xs:key></xs:element>"#
        )
    };
    assert_eq!(lines(&key("a|b"), &key("b | a")), [""; 0]);
    assert_eq!(
        lines(&key("a"), &key("b")),
        ["~ element {urn:t}x: identity constraint k: key of a by @id -> key of b by @id"]
    );
}

#[test]
fn differences_have_a_json_form() {
    let first = set(r#"<xs:element name="x" type="xs:string"/>"#);
    let second = set(r#"<xs:element name="x" type="xs:date"/>"#);
    let json = serde_json::to_string(&diff(first.model(), second.model())).unwrap();
    assert_eq!(json, r#"[{"path":"element {urn:t}x","what":"type","first":"xs:string","second":"xs:date"}]"#);
}
