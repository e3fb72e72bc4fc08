//! The checker on samples of the national reference source: what they break is known, and listed.

use crate::vectors::shared;
use message_schemas::Limits;
use message_schemas::xml::{self, Tree};
use sharing::check::{Facts, breaches, read_ebrim, read_fhir};

fn broken(facts: &Facts) -> Vec<String> {
    breaches(facts).into_iter().map(|b| format!("{}: {}", b.at, b.rule)).collect()
}

#[test]
fn a_transaction_of_the_national_source() {
    let Some(folder) = shared() else { return };
    let name = "nhn-xca/fhir/IT_iti-65_ProvideBundle02_dept_with_reference_in_authors.json";
    let bytes = std::fs::read(folder.join(name)).expect("a sample");
    let value = serde_json::from_slice(&bytes).expect("JSON");
    assert_eq!(
        broken(&read_fhir(&value)),
        [
            // A UUID under urn:oid:.
            "set 1: uniqueId of the set is an OID",
            // It sends none, and the store then writes Unknown.
            "entry 1: languageCode",
            // A national id instead of a number of the register of health workers.
            "entry 1: persons are named by their HPR number",
        ]
    );
}

#[test]
fn a_submission_of_the_national_source() {
    let Some(folder) = shared() else { return };
    let bytes = std::fs::read(folder.join("nhn-xca/soap/PnR_request.xml")).expect("a sample");
    let text = xml::decode(&bytes).expect("text").text.into_owned();
    let tree = Tree::parse(&text, &Limits::default()).expect("XML");
    assert_eq!(
        broken(&read_ebrim(&tree, &[])),
        [
            "set 1: the same patient in set and entries",
            "entry 1: entryUUID is a UUID",
            "entry 1: uniqueId is a UUID or an OID",
            "entry 1: a confidentialityCode of version 3",
            "entry 1: hash is that of the bytes",
            "entry 1: size is that of the bytes",
            "entry 1: patientId under a national authority",
            "entry 1: authorities of authors are bare OIDs",
            "entry 1: persons are named by their HPR number",
            "entry 1: homeCommunityId is urn:oid:",
        ]
    );
}
