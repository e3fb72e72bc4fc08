//! Files to sets: namespaces, includes, alternatives, and what is refused by name.

use super::schema;
use crate::Limits;
use crate::schema::{LoadReport, SchemaError, SchemaSet};

fn try_load(files: &[(&str, &str)]) -> Result<(SchemaSet, LoadReport), SchemaError> {
    SchemaSet::load(files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())))
}

#[track_caller]
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    match try_load(files) {
        Ok(_) => panic!("loaded"),
        Err(error) => error.faults.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn refused(declarations: &str) -> String {
    let faults = faults(&[("t.xsd", &schema(declarations))]);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults[0].clone()
}

fn valid(set: &SchemaSet, text: &str) -> bool {
    set.validate(text, &Limits::default()).unwrap().valid
}

fn file(target: &str, body: &str) -> String {
    let target = if target.is_empty() {
        String::new()
    } else {
        format!("targetNamespace='{target}' xmlns='{target}'")
    };
    format!(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' {target} xmlns:a='urn:a' xmlns:b='urn:b' elementFormDefault='qualified'>{body}</xs:schema>"
    )
}

#[test]
fn imports_are_found_by_namespace_whatever_their_address() {
    let a = file(
        "urn:a",
        "<xs:import namespace='urn:b' schemaLocation='http://retired.example/b.xsd'/><xs:element name='r' type='b:T'/>",
    );
    let b = file("urn:b", "<xs:simpleType name='T'><xs:restriction base='xs:int'/></xs:simpleType>");
    let (set, report) = try_load(&[("a.xsd", &a), ("other-name.xsd", &b)]).unwrap();
    assert_eq!(report.files, ["a.xsd", "other-name.xsd"]);
    assert_eq!(report.namespaces, ["urn:a", "urn:b"]);
    assert!(valid(&set, "<r xmlns='urn:a'>1</r>"));
    assert!(!valid(&set, "<r xmlns='urn:a'>x</r>"));
    assert!(
        set.declares_root("urn:a", "r") && !set.declares_root("urn:b", "r") && !set.declares_root("", "r")
    );
}

#[test]
fn includes_and_chameleons() {
    let a = file(
        "urn:a",
        "<xs:include schemaLocation='../x/common.xsd'/><xs:include schemaLocation='more.xsd'/><xs:element name='r' type='T'/><xs:element name='s' type='M'/>",
    );
    let b = file("urn:b", "<xs:include schemaLocation='common.xsd'/><xs:element name='r' type='T'/>");
    let common = file(
        "",
        "<xs:complexType name='T'><xs:sequence><xs:element name='i' type='I'/></xs:sequence></xs:complexType><xs:simpleType name='I'><xs:restriction base='xs:int'/></xs:simpleType>",
    );
    let more = file(
        "urn:a",
        "<xs:include schemaLocation='a.xsd'/><xs:simpleType name='M'><xs:restriction base='I'/></xs:simpleType>",
    );
    let (set, report) =
        try_load(&[("a.xsd", &a), ("b.xsd", &b), ("common.xsd", &common), ("more.xsd", &more)]).unwrap();
    assert!(report.alternatives.is_empty());
    assert!(valid(&set, "<r xmlns='urn:a'><i>1</i></r>"));
    assert!(valid(&set, "<r xmlns='urn:b'><i>1</i></r>"));
    assert!(!valid(&set, "<r xmlns='urn:b'><i xmlns='urn:a'>1</i></r>"));
    assert!(valid(&set, "<s xmlns='urn:a'>1</s>"));
}

#[test]
fn of_two_files_with_one_namespace_the_entry_file_chooses_else_the_last() {
    let old = file("urn:a", "<xs:element name='r' type='xs:int'/>");
    let new = file("urn:a", "<xs:element name='r' type='xs:date'/>");
    let (set, report) = try_load(&[("v1.xsd", &old), ("v2.xsd", &new)]).unwrap();
    assert_eq!(report.files, ["v2.xsd"]);
    assert_eq!((&*report.alternatives[0].used, &*report.alternatives[0].passed_over), ("v2.xsd", "v1.xsd"));
    assert!(valid(&set, "<r xmlns='urn:a'>2020-01-01</r>"));
    let entry = file("", "<xs:import namespace='urn:a' schemaLocation='v1.xsd'/>");
    let (set, report) = try_load(&[("v1.xsd", &old), ("v2.xsd", &new), ("all.xsd", &entry)]).unwrap();
    assert_eq!((&*report.alternatives[0].used, &*report.alternatives[0].passed_over), ("v1.xsd", "v2.xsd"));
    assert!(valid(&set, "<r xmlns='urn:a'>1</r>"));
}

#[test]
fn two_files_of_one_namespace_that_agree_are_taken_together() {
    let one = file("urn:a", "<xs:element name='r' type='T'/>");
    let two = file("urn:a", "<xs:simpleType name='T'><xs:restriction base='xs:int'/></xs:simpleType>");
    let (set, report) = try_load(&[("1.xsd", &one), ("2.xsd", &two)]).unwrap();
    assert!(report.alternatives.is_empty());
    assert!(valid(&set, "<r xmlns='urn:a'>1</r>"));
}

#[test]
fn a_doctype_in_a_schema_is_stepped_over_and_never_obeyed() {
    let body = file("urn:a", "<xs:element name='r' type='xs:int'/>");
    let subset = "<!DOCTYPE xs:schema PUBLIC 'p' 'http://nowhere.example/x.dtd' [ <!ATTLIST xs:schema a CDATA #FIXED '>'>\n<!ENTITY % p ''> <!ENTITY e 'text'> ]>";
    assert!(try_load(&[("a.xsd", &format!("{subset}{body}"))]).is_ok());
    let used = file("urn:a", "<xs:annotation><xs:documentation>&e;</xs:documentation></xs:annotation>");
    let faults = faults(&[("a.xsd", &format!("{subset}{used}"))]);
    assert!(faults[0].contains("entity"), "{faults:?}");
}

#[test]
fn the_hash_is_of_all_names_and_bytes_in_any_order() {
    let a = file("urn:a", "<xs:element name='r'/>");
    let b = file("urn:b", "<xs:element name='r'/>");
    let hash = |files: &[(&str, &str)]| *try_load(files).unwrap().0.hash();
    assert_eq!(hash(&[("a.xsd", &a), ("b.xsd", &b)]), hash(&[("b.xsd", &b), ("a.xsd", &a)]));
    assert_ne!(hash(&[("a.xsd", &a), ("b.xsd", &b)]), hash(&[("a.xsd", &a), ("c.xsd", &b)]));
}

#[test]
fn what_is_not_supported_is_refused_by_name_and_line() {
    for (declarations, expected) in [
        ("\n<xs:redefine schemaLocation='x.xsd'/>", "t.xsd:3: xs:redefine is not supported"),
        ("<xs:notation name='n' public='p'/>", "xs:notation is not supported"),
        ("<xs:element name='a' typ='x'/>", "the attribute typ of xs:element is not supported"),
        ("<xs:element name='a'><xs:alternative/></xs:element>", "xs:alternative is not supported"),
        ("<xs:complexType name='a'><xs:openContent/></xs:complexType>", "xs:openContent is not supported"),
        (
            "<xs:simpleType name='a'><xs:restriction base='xs:string'><xs:assertion value='1'/></xs:restriction></xs:simpleType>",
            "xs:assertion is not supported",
        ),
        (
            "<xs:complexType name='a'><xs:sequence><xs:all/></xs:sequence></xs:complexType>",
            "xs:all cannot stand here",
        ),
        (
            "<xs:complexType name='a'><xs:sequence><xs:element name='b' maxOccurs='-1'/></xs:sequence></xs:complexType>",
            "maxOccurs of xs:element",
        ),
        ("<xs:element name='a' type='xs:strng'/>", "no type xs:strng is defined"),
        ("<xs:element name='a' type='p:x'/>", "the prefix p is not declared"),
        ("<xs:element name='a' substitutionGroup='b'/>", "no element {urn:t}b is defined"),
        ("<xs:element name='a'/><xs:element name='a'/>", "element {urn:t}a is defined twice"),
        ("<xs:include schemaLocation='gone.xsd'/>", "the included file gone.xsd is not in the set"),
        (
            "<xs:simpleType name='a'><xs:restriction base='xs:string'><xs:pattern value='['/></xs:restriction></xs:simpleType>",
            "the simple type cannot be used",
        ),
        (
            "<xs:element name='a'><xs:key name='k'><xs:selector xpath='b[1]'/><xs:field xpath='@c'/></xs:key></xs:element>",
            "path of an identity constraint",
        ),
        (
            "<xs:complexType name='a'><xs:sequence maxOccurs='99999'><xs:element name='b'/><xs:element name='c'/></xs:sequence></xs:complexType>",
            "needs more than 10000 states",
        ),
        (
            "<xs:complexType name='a'><xs:sequence maxOccurs='unbounded'><xs:element name='b' maxOccurs='1000'/></xs:sequence></xs:complexType>",
            "needs more than 10000 states",
        ),
    ] {
        if declarations.contains("b[1]") {
            let all = faults(&[("t.xsd", &schema(declarations))]).join("\n");
            assert!(all.contains(expected), "{all}");
            continue;
        }
        let found = refused(declarations);
        assert!(found.contains(expected), "{found} for {declarations}");
    }
}

#[test]
fn circles_are_refused() {
    for declarations in [
        "<xs:complexType name='a'><xs:complexContent><xs:extension base='a'/></xs:complexContent></xs:complexType>",
        "<xs:group name='a'><xs:sequence><xs:group ref='a'/></xs:sequence></xs:group>",
        "<xs:attributeGroup name='a'><xs:attributeGroup ref='a'/></xs:attributeGroup>",
        "<xs:simpleType name='a'><xs:list itemType='a'/></xs:simpleType>",
        "<xs:element name='a' substitutionGroup='a'/>",
    ] {
        assert!(refused(declarations).contains("is defined by itself"), "{declarations}");
    }
}

#[test]
fn all_faults_of_all_files_come_together() {
    let found = faults(&[
        ("b.xsd", &file("urn:b", "<xs:redefine/>\n<xs:notation/>")),
        ("a.xsd", "<not-a-schema/>"),
        ("c.xsd", "<xs:schema"),
    ]);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].starts_with("a.xsd:1: not a schema"));
    assert!(found[3].starts_with("c.xsd:1: not readable as XML"));
}
