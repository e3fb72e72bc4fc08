//! What a finding says, and that one mistake gives one.

use super::{codes, load, verdict};
use crate::finding::Finding;

const LETTER: &str = r#"
    <xs:simpleType name="Kind"><xs:restriction base="xs:string"><xs:enumeration value="A"/><xs:enumeration value="B"/></xs:restriction></xs:simpleType>
    <xs:element name="letter"><xs:complexType><xs:sequence>
      <xs:element name="id" type="xs:string"/>
      <xs:element name="when" type="xs:date"/>
      <xs:element name="kind" type="Kind"/>
      <xs:element name="note" type="xs:string" minOccurs="0"/>
      <xs:element name="line" maxOccurs="unbounded"><xs:complexType><xs:sequence><xs:element name="n" type="xs:int"/></xs:sequence><xs:attribute name="a" type="Kind" use="required"/></xs:complexType></xs:element>
      <xs:element name="end" type="xs:string"/>
    </xs:sequence></xs:complexType></xs:element>"#;

#[track_caller]
fn only(document: &str) -> Finding {
    let verdict = verdict(&load(LETTER), document);
    assert_eq!(verdict.findings.as_slice().len(), 1, "{:?}", verdict.findings);
    verdict.findings.as_slice()[0].clone()
}

#[test]
fn a_finding_has_code_place_path_expectation_and_remedy() {
    let found = only(
        "<letter><id/><when>1</when>\n<kind>A</kind>\n  <line a=\"A\"><n>1</n></line><line a=\"A\"><n>1</n></line><end/></letter>",
    );
    assert_eq!(found.code.as_str(), "V06");
    // The document head that the tests add has one line end.
    assert_eq!((found.line, found.column > 1), (2, true));
    assert_eq!(found.path, "/letter/when");
    assert!(found.expected.as_deref().is_some_and(|e| e.contains("YYYY-MM-DD")), "{found}");
    assert!(!found.remedy.is_empty());
    let found = only(
        "<letter><id/><when>2020-01-01</when><kind>A</kind><line a='A'><n>1</n></line>\n<line a='A'><n>1</n></line>\n<line a='Secret'><n>1</n></line><end/></letter>",
    );
    assert_eq!((found.path.as_str(), found.line, found.column), ("/letter/line[3]", 4, 7));
    assert!(found.expected.as_deref().is_some_and(|e| e.contains(r#""A", "B""#)), "{found}");
    assert!(!found.to_string().contains("Secret"));
}

#[test]
fn one_mistake_gives_one_finding() {
    let set = load(LETTER);
    let line = "<line a='A'><n>1</n></line>";
    for (what, document, expected) in [
        ("dropped", format!("<letter><id/><kind>A</kind>{line}<end/></letter>"), "V03"),
        (
            "dropped at the end",
            format!("<letter><id/><when>2020-01-01</when><kind>A</kind>{line}</letter>"),
            "V03",
        ),
        (
            "all lines dropped",
            "<letter><id/><when>2020-01-01</when><kind>A</kind><end/></letter>".to_owned(),
            "V03",
        ),
        (
            "repeated",
            format!("<letter><id/><id/><when>2020-01-01</when><kind>A</kind>{line}<end/></letter>"),
            "V02",
        ),
        (
            "swapped",
            format!("<letter><when>2020-01-01</when><id/><kind>A</kind>{line}<end/></letter>"),
            "V03",
        ),
        (
            "moved to the front",
            format!("<letter><end/><id/><when>2020-01-01</when><kind>A</kind>{line}</letter>"),
            "V03",
        ),
        ("renamed", format!("<letter><id/><wen>2020-01-01</wen><kind>A</kind>{line}<end/></letter>"), "V02"),
        (
            "renamed at the end",
            format!("<letter><id/><when>2020-01-01</when><kind>A</kind>{line}<ende/></letter>"),
            "V02",
        ),
        (
            "added",
            format!("<letter><id/><x><y/></x><when>2020-01-01</when><kind>A</kind>{line}<end/></letter>"),
            "V02",
        ),
        (
            "namespace",
            format!("<letter><id/><o:when>2020-01-01</o:when><kind>A</kind>{line}<end/></letter>"),
            "V02",
        ),
        (
            "stray text",
            format!("<letter>a<id/>b<when>2020-01-01</when><kind>A</kind>{line}<end/></letter>"),
            "V07",
        ),
    ] {
        assert_eq!(codes(&set, &document), [expected], "{what}");
    }
}

#[test]
fn all_mistakes_come_in_one_go() {
    let set = load(LETTER);
    let document = "<letter><id x=''/><when>yesterday</when><kind>C</kind><line><n>one</n></line><line a='A'/>t<end/><more/></letter>";
    assert_eq!(codes(&set, document), ["V04", "V06", "V06", "V05", "V06", "V03", "V07", "V02"]);
}

#[test]
fn a_stray_element_is_still_checked() {
    let set = load(LETTER);
    let line = "<line a='A'><n>1</n></line>";
    let document = format!(
        "<letter><id/><when>2020-01-01</when><kind>A</kind>{line}<end/><line a='Z'><n>x</n></line></letter>"
    );
    assert_eq!(codes(&set, &document), ["V02", "V06", "V06"]);
}

#[test]
fn an_unknown_root_gives_one_finding() {
    assert_eq!(codes(&load(LETTER), "<o:letter><id/></o:letter>"), ["V01"]);
    assert_eq!(codes(&load(LETTER), "<line a='A'><n>1</n></line>"), ["V01"]);
}

#[test]
fn findings_are_capped_and_counted() {
    let set = load(LETTER);
    let document = format!(
        "<letter><id/><when>2020-01-01</when><kind>A</kind>{}<end/></letter>",
        "<line a='Z'><n>1</n></line>".repeat(1000)
    );
    let found = verdict(&set, &document);
    assert!(!found.valid);
    assert_eq!((found.findings.as_slice().len(), found.findings.omitted()), (100, 900));
}

#[test]
fn nothing_of_the_document_is_quoted() {
    let set = load(LETTER);
    let document = "<letter>HEMMELIG<id HEMLIG='x'/><when>HEMMELIG</when><kind>HEMMELIG</kind><line a='HEMMELIG'><n>HEMMELIG</n></line><end/></letter>";
    let found = verdict(&set, document);
    assert_eq!(found.findings.as_slice().len(), 6);
    for finding in &found.findings {
        assert!(!finding.to_string().contains("HEMMELIG"), "{finding}");
    }
}

#[test]
fn long_names_are_cut_in_findings() {
    let name = "n".repeat(5_000);
    let found = only(&format!(
        "<letter><id/><{name}/><when>2020-01-01</when><kind>A</kind><line a='A'><n>1</n></line><end/></letter>"
    ));
    assert!(found.to_string().len() < 600, "{}", found.to_string().len());
}
