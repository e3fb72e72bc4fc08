//! The rules held against the shared vectors; skipped where those are not beside the project.

use super::decimal::Decimal;
use super::report::status;
use super::{Format, Keys, json_text, units};
use crate::time::Stamp;
use serde_json::Value;
use std::path::Path;

fn vectors() -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/vectors/document-sharing/derived-vectors.json");
    match std::fs::read(path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).expect("the vectors are JSON")),
        Err(_) => {
            assert!(
                std::env::var_os("REQUIRE_SHARED").is_none(),
                "REQUIRE_SHARED is set, and there is no ../shared"
            );
            println!("skipped: document vectors (no ../shared)");
            None
        }
    }
}

#[test]
fn ids_are_those_of_the_vectors() {
    let Some(vectors) = vectors() else { return };
    let ids = &vectors["ids"];
    let text = |v: &Value| v.as_str().expect("text").to_owned();
    assert_eq!(super::NAMESPACE.to_string(), text(&ids["namespace"]));
    let keys = Keys { series_key: text(&ids["seriesKey"]), msg_id: text(&ids["msgId"]) };
    let is = |name: &str, id: uuid::Uuid| {
        assert_eq!(id.to_string(), text(&ids["derived"][name]["uuid"]), "{name}")
    };
    is("series", keys.series());
    is("entryUUID kith-xml", keys.entry(Format::KithXml));
    is("entryUUID fhir", keys.entry(Format::Fhir));
    is("documentUniqueId kith-xml", keys.document(Format::KithXml));
    is("submissionSet", keys.set());
    is("fhir Patient fullUrl", keys.resource("Patient", "/Message/ServRprt/Patient"));
}

#[test]
fn times_are_those_of_the_vectors() {
    let Some(vectors) = vectors() else { return };
    for case in vectors["times"].as_array().expect("times") {
        let sent = case["kithTS"].as_str().expect("text");
        let stamp = Stamp::parse(sent).expect("a time");
        assert_eq!(stamp.fhir_date_time().as_deref(), case["fhir"].as_str(), "{sent}");
        assert_eq!(stamp.utc_digits().as_deref(), case["xdsDTM"].as_str(), "{sent}");
    }
}

#[test]
fn units_and_decimals_are_those_of_the_vectors() {
    let Some(vectors) = vectors() else { return };
    for (sent, code) in vectors["unitAliases_UCUM"].as_object().expect("units") {
        let ours = match units::unit(sent) {
            units::Unit::None => None,
            units::Unit::Sent { ucum, .. } => ucum,
        };
        assert_eq!(ours.as_deref(), code.as_str(), "{sent}");
    }
    for case in vectors["decimals"].as_array().expect("decimals") {
        let sent = case["V"].as_str().expect("text");
        let ours = Decimal::parse(sent).and_then(|decimal| json_text::written(&decimal));
        assert_eq!(ours.as_deref(), case["out"].as_str(), "{sent}");
    }
}

#[test]
fn both_matrices_are_those_of_the_vectors() {
    let Some(vectors) = vectors() else { return };
    for (row, columns) in vectors["diagnosticReportStatus_7306x7309"].as_object().expect("a matrix") {
        for (column, expected) in columns.as_object().expect("a row") {
            let (ours, known) = status::of_report(Some(row), Some(column));
            assert!(known && Some(ours) == expected.as_str(), "report {row} {column}: {ours}");
        }
    }
    for (row, columns) in vectors["observationStatus_8245x8270"].as_object().expect("a matrix") {
        for (column, expected) in columns.as_object().expect("a row") {
            let row = Some(row.as_str()).filter(|r| !r.is_empty());
            let (ours, known) = status::of_result(row, column);
            assert!(known && Some(ours) == expected.as_str(), "result {row:?} {column}: {ours}");
        }
    }
}
