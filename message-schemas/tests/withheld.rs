//! What a patient has said no to is built, delivered, and not published, wherever the message says it.

mod document_rules;

use document_rules::{check, read};
use message_schemas::document::{Options, Publishable, Withheld};
use std::path::Path;

/// Why a sample of ours is kept back with `added` before the first place of `before`.
fn why(case: &str, before: &str, added: &str) -> Vec<Withheld> {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(case).join("in.xml");
    let sample = std::fs::read_to_string(at).expect("in.xml");
    assert!(sample.contains(before), "{case}");
    let text = sample.replacen(before, &format!("{added}{before}"), 1);
    let options = r#"{"publish_dialogues": true, "publish_orders": true}"#;
    let options: Options = serde_json::from_str(options).expect("settings");
    let document = read(text.as_bytes()).translate(&options).expect("a document").remove(0);
    let faults = check(&document);
    assert!(faults.is_empty(), "{case}: {faults:#?}");
    match document.publishable {
        Publishable::Yes => Vec::new(),
        Publishable::No(why) => why,
    }
}

#[test]
fn a_consent_that_was_refused_withholds_what_lies_under_a_head() {
    for case in [
        "plo/document-discharge-report-1.6",
        "henvisning/document-assessed-2.0",
        "dialogmelding/document-note-1.1",
    ] {
        let said = |code: &str| why(case, "<RefDoc>", &format!("<Consent V=\"{code}\" DN=\"x\"/>"));
        assert_eq!(said("1"), [], "{case}");
        assert_eq!(said("2"), [Withheld::NoConsent], "{case}");
        assert_eq!(said("8"), [Withheld::ConsentUnclear], "{case}");
    }
}

#[test]
fn a_change_code_of_no_list_withholds() {
    for (case, code) in [
        ("svarrapport/document-biochemistry-1.3", "<ServType "),
        ("henvisning/document-assessed-2.0", "<ServType "),
        ("epikrise/document-stay-1.2", "<ServType "),
        ("rekvisisjon/document-laboratory-1.6", "<ServType "),
        ("plo/document-discharge-report-1.6", "<Forsendelsesstatus "),
    ] {
        let said = |change: &str| {
            let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(case).join("in.xml");
            let sample = std::fs::read_to_string(at).expect("in.xml");
            let (before, rest) = sample.split_once(code).expect("a change code");
            let (_, after) = rest.split_once("/>").expect("its end");
            let text = format!("{before}{code}{change}/>{after}");
            let options = r#"{"publish_dialogues": true, "publish_orders": true}"#;
            let options: Options = serde_json::from_str(options).expect("settings");
            read(text.as_bytes()).translate(&options).expect("a document").remove(0).publishable
        };
        assert_eq!(said("V=\"N\" DN=\"Ny\""), Publishable::Yes, "{case}");
        assert_eq!(said("V=\"X\" DN=\"Rar\""), Publishable::No(vec![Withheld::ChangeUnclear]), "{case}");
    }
}

#[test]
fn a_reservation_withholds_a_report_and_an_order() {
    for (case, before) in [
        ("svarrapport/document-biochemistry-1.3", "<ReasonAsText>"),
        ("rekvisisjon/document-laboratory-1.6", "<Patient>"),
    ] {
        let said = |code: &str| {
            why(case, before, &format!("<Reservation V=\"{code}\" S=\"2.16.578.1.12.4.1.1.3108\" DN=\"x\"/>"))
        };
        assert_eq!(said("T"), [], "{case}");
        assert_eq!(said("R"), [Withheld::PatientReserves], "{case}");
        assert_eq!(said("U"), [Withheld::ReservationUnclear], "{case}");
    }
}

#[test]
fn a_birth_date_that_is_not_that_of_the_national_id_withholds() {
    let at =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/svarrapport/document-biochemistry-1.3/in.xml");
    let sample = std::fs::read_to_string(at).expect("in.xml");
    let born = |value: &str| {
        let (from, rest) = sample.split_once("<DateOfBirth V=\"").expect("a birth date");
        let (_, rest) = rest.split_once('"').expect("its end");
        let text = format!("{from}<DateOfBirth V=\"{value}\"{rest}");
        read(text.as_bytes()).translate(&Options::default()).expect("a document").remove(0).publishable
    };
    let other = Publishable::No(vec![Withheld::BirthDateContradicts]);
    for same in ["1975-05-14", "1975-05", "1975", "1975-05-13T23:00:00Z"] {
        assert_eq!(born(same), Publishable::Yes, "{same}");
    }
    for different in ["1975-05-15", "1975-04-14", "1985-05-14", "1975-06", "1974"] {
        assert_eq!(born(different), other, "{different}");
    }
}
