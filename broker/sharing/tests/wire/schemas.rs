//! Bodies against the schemas of ebXML and XDS, by another program.

use crate::given::{document, earlier, now, target};
use crate::vectors::shared;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use message_schemas::document::Format;
use message_schemas::xml::Tree;
use message_schemas::{Limits, mime};
use sharing::target::{Kind, UniqueIds, Withdraw};
use sharing::xds::{self, Call, Wire};
use sharing::{Contents, Target, Version, Withdrawal, submission, withdrawal};
use std::process::Command;
use uuid::Uuid;

/// What stands in the SOAP body, with documents in place of what points at their parts.
fn body(wire: &Wire) -> String {
    let package = mime::unpack(&wire.body, Some(&wire.content_type), &Limits::default()).expect("SOAP");
    let text = String::from_utf8(package.root.bytes.to_vec()).expect("text");
    let tree = Tree::parse(&text, &Limits::default()).expect("XML");
    let node = tree.root().and_then(|e| e.child("Body")?.elements().next()).expect("a body");
    let mut body = text.get(node.source()).expect("a range").to_owned();
    for part in &package.parts {
        let id = part.id.as_deref().expect("an id");
        let start = body.find("<xop:Include").expect("an include");
        let end = start + body.get(start..).and_then(|rest| rest.find("/>")).expect("its end") + 2;
        let include = body.get(start..end).expect("a range");
        assert!(include.contains(id), "parts come in the order of documents");
        body.replace_range(start..end, &STANDARD.encode(&part.bytes));
    }
    body
}

#[test]
fn bodies_are_valid_by_the_schemas() {
    let Some(folder) = shared() else { return };
    if Command::new("xmllint").arg("--version").output().is_err() {
        println!("skipped: no xmllint");
        return;
    }
    let schema = folder.join("ebxml-schemas/xds-b-offline.xsd");
    let (document, original) = document();
    let call = Call { to: "https://example.org/xds", message_id: Uuid::from_u128(3), security: None };
    let mut wires = Vec::new();
    for style in [UniqueIds::Oid, UniqueIds::Uuid] {
        let target = Target {
            unique_ids: style,
            name_recipients: true,
            withdraw: Withdraw::Deprecate,
            ..target(Kind::Xds)
        };
        let contents = Contents { document: &document, original: &original, fhir_xml: None, pdf: None };
        let made = submission(&contents, Version::Whole, &[], &target, now()).expect("published");
        let known = earlier(&made, &[Format::KithXml, Format::Fhir]);
        wires.push(("provide", xds::provide(&made, &call)));
        wires.push(("find", xds::find(&known, &target, &call)));
        wires.push(("retrieve", xds::retrieve(&known, &target, &call)));
        wires.push(("remove", xds::remove(&known, style, &call)));
        let Withdrawal::Deprecate { set, entries } =
            withdrawal(&document, &known, &target, now()).expect("withdrawn")
        else {
            panic!("a set says so");
        };
        wires.push(("deprecate", xds::deprecate(&set, &entries, &call)));
    }
    let dir = tempfile::tempdir().expect("a folder");
    for (n, (what, wire)) in wires.iter().enumerate() {
        let file = dir.path().join(format!("{n}-{what}.xml"));
        std::fs::write(&file, body(wire)).expect("written");
        let done = Command::new("xmllint")
            .args(["--noout", "--nonet", "--schema"])
            .arg(&schema)
            .arg(&file)
            .output()
            .expect("xmllint runs");
        assert!(done.status.success(), "{what}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
