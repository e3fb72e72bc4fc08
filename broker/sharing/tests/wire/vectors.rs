//! The shared vectors; skipped where they are not beside the project.

use serde_json::Value;
use sha1::{Digest, Sha1};
use sharing::metadata::{ACCESSION, as_oid};
use sharing::{characters, hl7v2};
use std::path::{Path, PathBuf};
use uuid::Uuid;

pub(crate) fn shared() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/document-sharing");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "REQUIRE_SHARED is set, and there is no ../shared");
    println!("skipped: no ../shared");
    None
}

fn vectors() -> Option<Value> {
    let bytes = std::fs::read(shared()?.join("derived-vectors.json")).expect("vectors");
    Some(serde_json::from_slice(&bytes).expect("JSON"))
}

#[test]
fn strings_of_hl7_version_2() {
    let Some(vectors) = vectors() else { return };
    const HPR: &str = "2.16.578.1.12.4.1.4.4";
    let ours = [
        hl7v2::cx("13116900216", "2.16.578.1.12.4.1.4.1"),
        hl7v2::cx("53116900216", "2.16.578.1.12.4.1.4.2"),
        hl7v2::xon("Finnmarkssykehuset HF", Some(("983974880", "2.16.578.1.12.4.1.4.101"))),
        hl7v2::xon("Laboratoriemedisinsk avdeling", Some(("4211607", "2.16.578.1.12.4.1.4.102"))),
        hl7v2::xcn(Some(("9144889", HPR)), "Koman", "Magnar", ""),
        hl7v2::xcn(Some(("9144889", HPR)), "Koman", "Magnar", "Lie"),
        hl7v2::xcn(None, "Koman", "Magnar", ""),
        hl7v2::patient_info(Some(("Danser", "Line", "")), Some(jiff::civil::date(1969, 11, 13)), Some("F"))
            .join("\n"),
        hl7v2::cxi("b6a1c1f0-0000-4000-8000-000000000001", "2.16.578.1.12.4.5.9999.1", ACCESSION),
    ];
    let theirs = vectors["xdsStrings"].as_array().expect("a list");
    assert_eq!(theirs.len(), ours.len());
    for (vector, ours) in theirs.iter().zip(&ours) {
        let value = &vector["value"];
        let expected = match value.as_array() {
            Some(values) => values.iter().map(|v| v.as_str().expect("a text")).collect::<Vec<_>>().join("\n"),
            None => value.as_str().expect("a text").to_owned(),
        };
        assert_eq!(*ours, expected, "{}", vector["what"]);
    }
    for vector in vectors["hl7Escaping"].as_array().expect("a list") {
        assert_eq!(
            hl7v2::escape(vector["component"].as_str().expect("a text")),
            vector["hl7v2"].as_str().expect("a text")
        );
    }
}

#[test]
fn ids_hashes_and_characters() {
    let Some(vectors) = vectors() else { return };
    for (what, id) in vectors["ids"]["derived"].as_object().expect("ids") {
        let uuid = Uuid::parse_str(id["uuid"].as_str().expect("a text")).expect("a UUID");
        assert_eq!(as_oid(uuid), id["as2.25"].as_str().expect("a text"), "{what}");
    }
    for vector in vectors["hashes"].as_array().expect("a list") {
        let Some(text) = vector["utf8"].as_str() else { continue };
        assert_eq!(hex::encode(Sha1::digest(text)), vector["sha1Hex_ebRIM"].as_str().expect("a text"));
        assert_eq!(u64::try_from(text.len()).ok(), vector["size"].as_u64());
    }
    for vector in vectors["nhnAllowedCharacters"].as_array().expect("a list") {
        let text = vector["text"].as_str().expect("a text");
        let bad: String = text.chars().filter(|c| !characters::allowed(*c)).collect();
        assert_eq!(bad, vector["bad"].as_str().unwrap_or_default(), "{text}");
        assert!(characters::substitute(text).chars().all(characters::allowed));
    }
}
