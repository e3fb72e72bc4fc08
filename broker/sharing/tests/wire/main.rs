//! From our own messages to what goes over the wire, and back through the checker; and the samples of others through it.

mod given;
mod lifecycle;
mod others;
mod schemas;
mod vectors;

use given::{document, earlier, now, target};
use message_schemas::document::{Format, Publishable, SharedDocument};
use message_schemas::time::Stamp;
use message_schemas::xml::{self, Tree};
use message_schemas::{Family, Limits, mime};
use sharing::check::{Facts, breaches, read_ebrim, read_fhir};
use sharing::target::{Also, Environment, Kind, UniqueIds};
use sharing::{Contents, Refusal, Submission, Target, Version, characters, mhd, submission, xds};
use std::collections::BTreeSet;
use uuid::Uuid;

/// What a submission says on the wire, read by the checker, with the raw text.
fn on_the_wire(submission: &Submission, kind: Kind) -> (Facts, String) {
    if kind == Kind::Xds {
        let call =
            xds::Call { to: "https://example.org/xds", message_id: Uuid::from_u128(1), security: None };
        let wire = xds::provide(submission, &call);
        let package =
            mime::unpack(&wire.body, Some(&wire.content_type), &Limits::default()).expect("a package");
        let text = xml::decode(&package.root.bytes).expect("text").text.into_owned();
        let tree = Tree::parse(&text, &Limits::default()).expect("XML");
        (read_ebrim(&tree, &package.parts), text)
    } else {
        let json = mhd::bundle(submission, kind).expect("JSON");
        let value = serde_json::from_slice(&json).expect("JSON");
        (read_fhir(&value), String::from_utf8(json).expect("text"))
    }
}

#[test]
fn what_we_say_of_our_messages_holds_to_every_rule() {
    let mut seen = 0;
    for name in given::samples() {
        for document in given::translated(&name) {
            if document.publishable != Publishable::Yes {
                continue;
            }
            let original = given::original(&name);
            for kind in [Kind::Mhd, Kind::MhdNational, Kind::Xds] {
                let target = target(kind);
                let contents = Contents {
                    document: &document,
                    original: &original,
                    fhir_xml: Some(b"<Bundle xmlns=\"http://hl7.org/fhir\"/>"),
                    pdf: Some(b"%PDF-1.7"),
                };
                let made =
                    submission(&contents, Version::Whole, &[], &target, now()).expect("it may be published");
                let (facts, wire) = on_the_wire(&made, kind);
                assert_eq!(breaches(&facts), [], "{name} to {kind:?}");
                assert_eq!(facts.entries.len(), made.entries.len());
                let first = facts.entries.first().and_then(|e| e.bytes.clone());
                assert_eq!(first.as_deref(), Some(original.as_slice()), "{name}: byte for byte");
                let again = submission(&contents, Version::Whole, &[], &target, now()).expect("again");
                assert!(again == made && on_the_wire(&again, kind).1 == wire, "{name}: the same once more");
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn the_national_store_gets_no_character_that_it_refuses() {
    let (mut document, original) = document();
    document.title = "Prøvesvar µ <Gáŋgaviika>".to_owned();
    let patient = document.described.patient.as_mut().expect("a patient");
    patient.family = "Žižek-Müller #1".to_owned();
    for author in &mut document.described.authors {
        if let Some(house) = &mut author.organisation {
            house.name = "Øst & Vest ~ Sykehus°".to_owned();
        }
    }
    document.described.series_id = Some("a#b".to_owned());
    let target = target(Kind::MhdNational);
    let contents = Contents { document: &document, original: &original, fhir_xml: None, pdf: None };
    let target = Target { also: BTreeSet::new(), ..target };
    let made = submission(&contents, Version::Whole, &[], &target, now()).expect("published");
    assert!(made.substituted >= 3, "{}", made.substituted);
    let json: serde_json::Value =
        serde_json::from_slice(&mhd::bundle(&made, Kind::MhdNational).expect("JSON")).expect("JSON");
    let mut texts = Vec::new();
    gather(&json, "", &mut texts);
    for (name, text) in texts {
        if ["title", "family", "given", "name", "display"].contains(&name.as_str()) {
            assert!(text.chars().all(characters::allowed), "{name}");
        }
    }
    assert!(!json.to_string().contains("a#b"), "an id with a character replaced would be another id");
    assert!(json.to_string().contains("Zizek-Muller 1"));
}

fn gather(value: &serde_json::Value, name: &str, into: &mut Vec<(String, String)>) {
    match value {
        serde_json::Value::String(text) => into.push((name.to_owned(), text.clone())),
        serde_json::Value::Array(items) => items.iter().for_each(|item| gather(item, name, into)),
        serde_json::Value::Object(members) => {
            members.iter().for_each(|(name, item)| gather(item, name, into))
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

#[test]
fn tests_and_living_patients_never_meet() {
    let (document, original) = document();
    assert!(document.synthetic_patient, "our samples are about nobody");
    let refusal = |test: bool, synthetic: bool, environment: Environment| {
        let mut document = document.clone();
        (document.test, document.synthetic_patient) = (test, synthetic);
        let contents = Contents { document: &document, original: &original, fhir_xml: None, pdf: None };
        let target = Target { environment, ..target(Kind::Mhd) };
        submission(&contents, Version::Whole, &[], &target, now()).map(|_| ()).map_err(|r| r.code())
    };
    use Environment::{Production, Test};
    assert_eq!(refusal(true, false, Production), Err("N01"));
    assert_eq!(refusal(true, true, Production), Err("N01"));
    assert_eq!(refusal(false, true, Production), Err("N02"));
    assert_eq!(refusal(false, false, Production), Ok(()));
    assert_eq!(refusal(false, false, Test), Err("N03"));
    assert_eq!(refusal(true, false, Test), Err("N03"));
    assert_eq!(refusal(true, true, Test), Ok(()));
    assert_eq!(refusal(false, true, Test), Ok(()));
}

#[test]
fn what_may_not_be_published_is_refused_with_a_code() {
    let (document, original) = document();
    let contents = Contents { document: &document, original: &original, fhir_xml: None, pdf: None };
    let refused = |contents: &Contents<'_>, target: &Target| {
        submission(contents, Version::Whole, &[], target, now()).err().map(|r: Refusal| r.code())
    };
    let plain = target(Kind::Mhd);
    assert_eq!(refused(&contents, &plain), None);
    let none = Target { families: BTreeSet::from([Family::Referral]), ..plain.clone() };
    assert_eq!(refused(&contents, &none), Some("N05"));
    assert_eq!(refused(&contents, &Target { source_root: None, ..plain.clone() }), Some("N06"));
    let with_pdf = Target { also: BTreeSet::from([Also::Pdf]), ..plain.clone() };
    assert_eq!(refused(&contents, &with_pdf), Some("N08"));
    assert_eq!(refused(&contents, &Target { most_bytes: 10, ..plain.clone() }), Some("N09"));
    let national = target(Kind::MhdNational);
    let wide = Contents { original: b"\xff\xfe<\0", ..contents };
    assert_eq!(refused(&wide, &Target { also: BTreeSet::new(), ..national }), Some("N09"));
    let mut withheld = document.clone();
    withheld.publishable = Publishable::No(vec![message_schemas::document::Withheld::NoNationalId]);
    assert_eq!(refused(&Contents { document: &withheld, ..contents }, &plain), Some("N04"));
    let mut silent = document.clone();
    silent.described.discipline = None;
    let no_practice = Target { practice: None, ..plain };
    assert_eq!(refused(&Contents { document: &silent, ..contents }, &no_practice), Some("N07"));
}

#[test]
fn a_rule_that_cannot_decide_takes_the_stricter_side() {
    use sharing::codes::{Level, access};
    use sharing::target::ConfidentialityRule;
    let (mut document, original) = document();
    let rule = ConfidentialityRule {
        families: BTreeSet::new(),
        senders: BTreeSet::new(),
        specialities: BTreeSet::from(["PSYK".to_owned()]),
        attachments_only: false,
        level: Level::VeryRestricted,
        access: access("NORU").into_iter().collect(),
    };
    let target = Target { confidentiality: vec![rule], ..target(Kind::Xds) };
    let mut codes = |discipline: Option<&str>| {
        document.described.discipline = discipline.map(str::to_owned);
        document.described.authors.iter_mut().for_each(|a| a.specialty = None);
        let contents = Contents { document: &document, original: &original, fhir_xml: None, pdf: None };
        let made = submission(&contents, Version::Whole, &[], &target, now()).expect("published");
        let codes = made.entries.into_iter().next().expect("an entry").confidentiality;
        codes.into_iter().map(|c| c.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(Some("CLIN")), ["N"]);
    assert_eq!(codes(Some("PSYK")), ["V", "NORU"]);
    assert_eq!(codes(None), ["V", "NORU"]);
}

#[test]
fn one_id_for_entry_and_document_where_a_source_wants_it() {
    let (document, original) = document();
    let target = Target { unique_ids: UniqueIds::Uuid, ..target(Kind::Xds) };
    let contents = Contents { document: &document, original: &original, fhir_xml: None, pdf: None };
    let made = submission(&contents, Version::Whole, &[], &target, now()).expect("published");
    let (facts, wire) = on_the_wire(&made, Kind::Xds);
    for entry in &facts.entries {
        assert_eq!(entry.unique_id.as_deref(), Some(entry.id.as_str()));
        assert!(wire.contains(&format!("<Document id=\"{}\">", entry.id)));
    }
}

//= document-sharing §3.4
//# date, gYearMonth, gYear: digits only, not shifted.
#[test]
fn a_day_without_a_time_is_the_same_day_everywhere() {
    let (document, original) = document();
    for (sent, digits, on_fhir) in [
        ("2017-09-20", "20170920", "2017-09-20"),
        ("2017-09", "201709", "2017-09"),
        ("2017-09-20T00:30:00", "20170919223000", "2017-09-19T22:30:00Z"),
    ] {
        let dated = Stamp::parse(sent).expect("a time");
        let document = SharedDocument { dated, ..document.clone() };
        for kind in [Kind::Mhd, Kind::MhdNational, Kind::Xds] {
            let contents = Contents { document: &document, original: &original, fhir_xml: None, pdf: None };
            let target = Target { also: BTreeSet::new(), ..target(kind) };
            let made = submission(&contents, Version::Whole, &[], &target, now()).expect("published");
            let (facts, wire) = on_the_wire(&made, kind);
            assert_eq!(breaches(&facts), [], "{sent} to {kind:?}");
            assert!(facts.entries.iter().all(|entry| entry.created.as_deref() == Some(digits)), "{sent}");
            assert!(kind == Kind::Xds || wire.contains(&format!("\"creation\":\"{on_fhir}\"")), "{wire}");
        }
    }
}

#[test]
fn no_national_id_stands_where_it_would_be_written_down() {
    let (document, original) = document();
    let id = document.described.patient.as_ref().and_then(|p| p.id.clone()).expect("an id").0;
    let contents = Contents { document: &document, original: &original, fhir_xml: None, pdf: None };
    let made = submission(&contents, Version::Whole, &[], &target(Kind::Xds), now()).expect("published");
    assert!(!format!("{made:?}").contains(&id));
    let family = &document.described.patient.as_ref().expect("a patient").family;
    assert!(!family.is_empty() && !format!("{made:?}").contains(family.as_str()));
    let known = earlier(&made, &[Format::KithXml]);
    let call = xds::Call { to: "https://example.org", message_id: Uuid::from_u128(2), security: None };
    for wire in [
        xds::find(&known, &target(Kind::Xds), &call),
        xds::retrieve(&known, &target(Kind::Xds), &call),
        xds::remove(&known, UniqueIds::Oid, &call),
    ] {
        assert!(!String::from_utf8_lossy(&wire.body).contains(&id));
    }
}
