//! Documents made of letters about a patient, Epikrise and Henvisning: our own samples against goldens, the
//! official ones against the rules that every document must keep (document-sharing §10).
//!
//! As in `documents.rs`: a folder `samples/<family>/document-*` holds `in.xml`, `document.json` and `report.txt`.

mod document_rules;

use document_rules::{Read, check, read, squeezed, told};
use message_schemas::document::{self, Fault, Mode, Options, Outcome, Publishable, SharedDocument, Withheld};
use message_schemas::head::ServiceType;
use message_schemas::time::Stamp;
use message_schemas::{Family, Limits, xml};
use serde_json::Value;
use std::path::{Path, PathBuf};

const FAMILIES: [&str; 2] = ["epikrise", "henvisning"];
/// Versions that have no translation.
const OLD: [&str; 3] = ["0.9", "0.91", "epikrise/1.0"];

fn folders() -> Vec<PathBuf> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let of = |family: &&str| std::fs::read_dir(samples.join(family)).expect("samples");
    let mut found: Vec<PathBuf> = FAMILIES
        .iter()
        .flat_map(of)
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("document-")))
        .collect();
    found.sort();
    assert!(found.len() >= 7);
    found
}

fn official() -> Vec<(String, Read)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/kith/examples");
    if !root.is_dir() {
        assert!(
            std::env::var_os("REQUIRE_SHARED").is_none(),
            "REQUIRE_SHARED is set, and there is no ../shared"
        );
        println!("skipped: official samples (no ../shared)");
        return Vec::new();
    }
    let versions = FAMILIES.iter().flat_map(|f| std::fs::read_dir(root.join(f)).expect("versions"));
    let mut found = Vec::new();
    for version in versions.map(|v| v.expect("a version").path()) {
        if OLD.iter().any(|old| version.ends_with(old)) {
            continue;
        }
        for entry in std::fs::read_dir(version).expect("samples") {
            let path = entry.expect("an entry").path();
            let bytes = std::fs::read(&path).expect("a sample");
            found.push((path.file_name().expect("a name").to_string_lossy().into_owned(), read(&bytes)));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() >= 20, "{}", found.len());
    found
}

fn everything() -> Vec<(String, Read)> {
    let ours = folders().into_iter().map(|f| {
        let bytes = std::fs::read(f.join("in.xml")).expect("in.xml");
        (f.file_name().expect("a name").to_string_lossy().into_owned(), read(&bytes))
    });
    ours.chain(official()).collect()
}

fn ours(case: &str) -> SharedDocument {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(case).join("in.xml");
    read(&std::fs::read(at).expect("in.xml")).translate(&Options::default()).expect("a document").remove(0)
}

/// The resources of a type, in their order.
fn all(document: &SharedDocument, kind: &str) -> Vec<Value> {
    let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
    let entries = bundle["entry"].as_array().expect("entries");
    let resources = entries.iter().map(|e| e["resource"].clone());
    resources.filter(|r| r["resourceType"] == kind).collect()
}

fn one(document: &SharedDocument, kind: &str) -> Value {
    let mut found = all(document, kind);
    assert_eq!(found.len(), 1, "{kind}");
    found.remove(0)
}

fn titles(document: &SharedDocument) -> Vec<String> {
    let sections = one(document, "Composition")["section"].clone();
    let titles = sections.as_array().expect("sections").iter().map(|s| s["title"].as_str().expect("a title"));
    titles.map(str::to_owned).collect()
}

#[test]
fn documents_equal_their_goldens() {
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut wrong = Vec::new();
    for folder in folders() {
        let message = read(&std::fs::read(folder.join("in.xml")).expect("in.xml"));
        let (json, report) = message.goldens();
        for (name, now) in [("document.json", json), ("report.txt", report)] {
            let path = folder.join(name);
            if update {
                std::fs::write(&path, now).expect("written");
            } else if std::fs::read_to_string(&path).unwrap_or_default() != now {
                wrong.push(path);
            }
        }
    }
    assert!(wrong.is_empty(), "differ (UPDATE_GOLDENS=1 writes them anew): {wrong:#?}");
}

#[test]
fn every_sample_keeps_the_rules_of_a_document() {
    for (name, message) in everything() {
        let documents = message.translate(&Options::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let again = message.translate(&Options::default()).expect("a document");
        assert_eq!(documents.len(), 1, "{name}");
        for (one, two) in documents.iter().zip(&again) {
            assert!(one.json == two.json, "{name}: the same message gives the same bytes");
            let faults = check(one);
            assert!(faults.is_empty(), "{name}: {faults:#?}");
        }
    }
}

#[test]
fn no_sample_has_anything_that_nobody_reads() {
    for (name, message) in everything() {
        for document in message.translate(&Options::default()).expect("a document") {
            let unread: Vec<_> = document
                .coverage
                .lines(&message.tree)
                .into_iter()
                .filter(|l| l.reason == document::UNREAD || l.reason == document::UNREAD_MANY)
                .collect();
            assert!(unread.is_empty(), "{name}: {unread:#?}");
        }
    }
}

#[test]
fn the_text_alone_has_every_text_of_the_source() {
    for (name, message) in everything() {
        for document in message.translate(&Options::default()).expect("a document") {
            let told = told(&document);
            for line in document.coverage.lines(&message.tree) {
                // What is attached is a document of its own.
                let attached = line.reason == "DocumentReference" && line.path.contains("/Content/");
                if line.outcome == Outcome::Dropped || line.path.contains("/@") || attached {
                    continue;
                }
                let found = message.tree.nodes().find(|n| n.is_element() && n.xpath() == line.path);
                let node = found.expect("the path names an element");
                let texts = node.children().filter(|n| !n.is_element());
                for text in texts.map(|n| n.own_text().trim().to_owned()).filter(|t| !t.is_empty()) {
                    assert!(said(&told, &text), "{name}: {} is not in the text", line.path);
                }
            }
        }
    }
}

/// Words as they are, times as Norwegians write them, truth as yes and no.
fn said(told: &str, text: &str) -> bool {
    let day = Stamp::parse(text).filter(|s| s.date().is_some()).and_then(|s| s.oslo());
    let day = day.is_some_and(|d| told.contains(&d.strftime("%d.%m.%Y").to_string()));
    match text {
        "true" => told.contains("Ja"),
        "false" => told.contains("Nei"),
        words => day || told.contains(&squeezed(words)),
    }
}

#[test]
fn a_discharge_summary_is_in_the_name_of_who_was_responsible() {
    let document = ours("epikrise/document-stay-1.2");
    assert_eq!(document.keys.series_key, "epikrise|ENH:974760673|EPI-2026-0042");
    assert_eq!(document.keys.msg_id, "5c0e3c0b-6e6d-4c3c-9c55-0e6a2b1f7d01");
    assert_eq!((document.class_code, document.type_code), ("A00-1", "A03-2"));
    assert_eq!(document.publishable, Publishable::Yes);
    assert_eq!(document.service_type, ServiceType::New);
    assert_eq!(document.period.0.fhir_date_time().as_deref(), Some("2026-03-02T10:30:00+01:00"));
    assert_eq!(
        document.period.1.and_then(|s| s.fhir_date_time()).as_deref(),
        Some("2026-03-08T12:00:00+01:00")
    );
    let d = &document.described;
    assert_eq!(
        (d.family, d.orders.as_slice()),
        (Family::DischargeSummary, ["HENV-77".to_owned()].as_slice())
    );
    let author = d.authors.first().expect("an author");
    let person = author.person.as_ref().expect("a person");
    assert_eq!((person.family.as_str(), person.given.as_str()), ("Hjerte", "Hanne"));
    assert_eq!(person.id, Some(("9000005".into(), "2.16.578.1.12.4.1.4.4")));
    let unit = author.organisation.as_ref().expect("the sender");
    assert_eq!(unit.id, Some(("974760673".into(), "2.16.578.1.12.4.1.4.101")));
    assert_eq!(author.department.as_ref().expect("a department").name, "Hjertemedisin");
    assert_eq!(author.specialty.as_ref().expect("a speciality").code, "010");
    assert_eq!(d.legal_authenticator.as_ref().expect("an approver").family, "Legesen");
    assert_eq!(d.recipients.first().expect("a receiver").name, "Havna legekontor");
    assert_eq!(d.events.iter().map(|e| e.code.as_str()).collect::<Vec<_>>(), ["FNG05"]);
    assert_eq!(d.attachments.first().map(|a| a.bytes.starts_with(b"%PDF-")), Some(true));
    let composition = one(&document, "Composition");
    assert_eq!(composition["title"], "Epikrise - Hjertemedisinsk avdeling");
    assert_eq!(document.title, "Epikrise", "what is logged has no word of the sender's");
    let attester = &composition["attester"][0];
    assert_eq!(
        (&attester["mode"], &attester["time"]),
        (&"legal".into(), &"2026-03-09T13:45:00+01:00".into())
    );
}

#[test]
fn stays_have_class_status_and_ranked_diagnoses() {
    let document = ours("epikrise/document-stay-1.2");
    let stays = all(&document, "Encounter");
    let of = |n: usize, field: &str| stays[n][field].as_str().unwrap_or_default().to_owned();
    assert_eq!(stays.len(), 3, "the empty event is none");
    let classes: Vec<_> = stays.iter().map(|s| s["class"]["code"].as_str().expect("a class")).collect();
    let mut sorted = classes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["AMB", "IMP", "SS"]);
    let planned = stays.iter().position(|s| s["status"] == "planned").expect("the plan");
    assert_eq!(stays[planned]["period"]["start"], "2026-04-10T09:00:00+02:00");
    let main = stays.iter().position(|s| s["class"]["code"] == "IMP").expect("the stay");
    assert_eq!(of(main, "status"), "finished");
    let ranks: Vec<_> =
        stays[main]["diagnosis"].as_array().expect("diagnoses").iter().map(|d| &d["rank"]).collect();
    assert_eq!(ranks, [&Value::from(1), &Value::from(2)]);
    let conditions = all(&document, "Condition");
    assert_eq!(conditions[0]["code"]["coding"][0]["code"], "I330", "the main diagnosis is first");
    assert_eq!(conditions[0]["code"]["coding"][1]["code"], "B951");
    assert_eq!(conditions[0]["bodySite"][0]["text"], "Venstre");
    assert!(stays[main]["hospitalization"]["origin"].is_object());
    assert_eq!(stays[main]["hospitalization"]["dischargeDisposition"]["text"], "Ut til hjemmet");
    let inner = stays.iter().find(|s| s["class"]["code"] == "SS").expect("the ward");
    assert!(inner["partOf"].is_object());
    assert_eq!(
        one(&document, "Composition")["encounter"]["reference"],
        format!("urn:uuid:{}", of(main, "id"))
    );
    let request = one(&document, "ServiceRequest");
    assert_eq!((&request["status"], &request["intent"]), (&"completed".into(), &"order".into()));
    let reasons = request["reasonCode"].to_string();
    assert!(reasons.contains("K77") && !reasons.contains("I330"), "the referral's diagnoses stay apart");
}

#[test]
fn a_warning_without_end_holds_however_far_off_its_end_is_written() {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/epikrise/document-stay-1.2/in.xml");
    let text = std::fs::read_to_string(at).expect("in.xml");
    for end in ["9999-12-31", "9999-12-31T23:59:59", "9999-12-31T00:00:00Z"] {
        let message = text.replace("EndDateTime V=\"2025-01\"", &format!("EndDateTime V=\"{end}\""));
        let documents = read(message.as_bytes()).translate(&Options::default()).expect("a document");
        let flags = all(&documents[0], "Flag");
        let flag =
            flags.iter().find(|f| f["code"]["text"] == "Reagerte på kontrastvæske").expect("the warning");
        assert_eq!(flag["status"], "active", "{end}");
        assert!(flag["period"]["end"].as_str().is_some_and(|e| e.starts_with("9999-12-31")), "{flag}");
    }
}

#[test]
fn warnings_and_drugs_are_what_they_say() {
    let document = ours("epikrise/document-stay-1.2");
    let flags = all(&document, "Flag");
    let states: Vec<_> = flags.iter().map(|f| (f["code"]["text"].clone(), f["status"].clone())).collect();
    assert!(states.contains(&("Reagerte på kontrastvæske".into(), "inactive".into())), "it ended before");
    assert!(states.contains(&("Blodsmitte".into(), "active".into())));
    let drugs = all(&document, "MedicationStatement");
    let by = |name: &str| {
        drugs
            .iter()
            .find(|d| d["medicationCodeableConcept"]["text"] == name)
            .unwrap_or_else(|| panic!("{name}"))
            .clone()
    };
    let allopurinol = by("Allopurinol");
    assert_eq!(allopurinol["medicationCodeableConcept"]["coding"][0]["code"], "M04AA01");
    assert_eq!(allopurinol["status"], "active");
    assert_eq!(allopurinol["dosage"][0]["timing"]["repeat"]["boundsDuration"]["code"], "d");
    assert!(String::from_utf8_lossy(&document.json).contains("\"doseQuantity\":{\"value\":100.0,"));
    let needed = by("Paracetamol");
    assert_eq!(needed["dosage"][0]["asNeededBoolean"], true);
    assert_eq!(needed["dosage"][0]["text"], "Varighet: 2 kurer");
    assert!(needed["medicationCodeableConcept"].get("coding").is_none());
    let unclear = by("Furosemid");
    assert_eq!(
        (&unclear["status"], &unclear["statusReason"][0]["text"]),
        (&"unknown".into(), &"Status 2".into())
    );
    let allergy = one(&document, "AllergyIntolerance");
    assert_eq!(allergy["code"]["coding"][0]["code"], "J01CE02");
    assert_eq!(allergy["clinicalStatus"]["coding"][0]["code"], "active");
    let first = &one(&document, "Composition")["section"][0];
    assert_eq!(first["title"], "Kritisk informasjon");
    assert!(first["text"]["div"].as_str().expect("text").contains("Fenoksymetylpenicillin"));
    assert!(!String::from_utf8_lossy(&document.json).contains("alert(1)"));
}

#[test]
fn headings_have_their_places() {
    let document = ours("epikrise/document-stay-1.2");
    assert_eq!(
        titles(&document),
        [
            "Kritisk informasjon",
            "Diagnoser",
            "Vurdering",
            "Videre oppfølging",
            "Funn og undersøkelser",
            "Legemidler",
            "Prosedyrer",
            "Tilbakemelding",
            "Tobakk",
            "Kodede kommentarer",
            "Pasient",
            "Kontakter",
            "Kopimottakere",
            "Hendelser",
            "Opprinnelig henvisning",
            "Vedlegg",
            "Dokumentinformasjon",
        ]
    );
}

#[test]
fn an_outpatient_summary_has_its_own_type_and_a_patient_without_number_is_not_published() {
    let document = ours("epikrise/document-outpatient-change-1.1");
    assert_eq!((document.class_code, document.type_code), ("A00-1", "A13-2"));
    assert_eq!(document.publishable, Publishable::No(vec![Withheld::NoNationalId]));
    assert_eq!(document.keys.series_key, "epikrise|HER:130000|9a1d7f40-0001-4e1b-9c3e-0000000000aa");
    assert_eq!(one(&document, "Composition")["status"], "amended");
    let stays = all(&document, "Encounter");
    let states: Vec<_> = stays.iter().map(|s| s["status"].as_str().expect("a status")).collect();
    assert!(states.contains(&"cancelled") && states.contains(&"unknown"), "{states:?}");
    let drug = one(&document, "MedicationStatement");
    assert_eq!(drug["status"], "active");
    assert_eq!(drug["statusReason"][0]["coding"][0]["system"], "urn:oid:2.16.578.1.12.4.1.1.7307");
    assert_eq!(drug["dosage"][0]["text"], "Enhetsdose: litt");
    assert_eq!(one(&document, "Observation")["status"], "cancelled");
    assert_eq!(one(&document, "Condition")["code"]["text"], "Kronisk håndeksem");
    let author = document.described.authors.first().and_then(|a| a.person.as_ref()).expect("an author");
    assert_eq!((author.given.as_str(), author.family.as_str()), ("Hud", "Hansen"));
    assert!(document.described.orders.is_empty(), "NULL is no id");
    let request = one(&document, "ServiceRequest");
    assert!(request.get("identifier").is_none());
    assert_eq!(request["reasonCode"][0]["text"], "Utslett på begge hender");
}

#[test]
fn a_cancellation_is_told_and_marked() {
    let document = ours("epikrise/document-cancellation-1.2");
    assert_eq!(document.service_type, ServiceType::Cancel);
    assert!(document.test);
    let composition = one(&document, "Composition");
    assert_eq!(composition["status"], "entered-in-error");
    assert!(composition["section"][0]["text"]["div"].as_str().expect("text").contains("kansellert"));
    assert_eq!(document.series, ours("epikrise/document-stay-1.2").series, "the series of what it withdraws");
}

#[test]
fn a_referral_is_in_the_name_of_who_refers_and_asks_who_is_asked() {
    let document = ours("henvisning/document-structured-1.1");
    assert_eq!(document.keys.series_key, "henvisning|ENH:312000318|HENV-2026-17");
    assert_eq!((document.class_code, document.type_code), ("I00-1", "I01-2"));
    assert_eq!(document.publishable, Publishable::Yes);
    assert_eq!(document.title, "Henvisning - Råd til henviser");
    assert_eq!(document.period.0.fhir_date_time().as_deref(), Some("2026-02-28T15:30:00+01:00"));
    assert!(document.period.1.is_none());
    let d = &document.described;
    assert_eq!((d.family, d.orders.as_slice()), (Family::Referral, ["HENV-2026-17".to_owned()].as_slice()));
    let author = d.authors.first().expect("an author");
    assert_eq!(author.person.as_ref().expect("a person").family, "Fiktiv");
    assert_eq!(author.organisation.as_ref().expect("the sender").name, "Havna legekontor");
    assert_eq!(d.recipients.first().expect("a receiver").name, "Granheim sykehus");
    assert_eq!(d.patient.as_ref().and_then(|p| p.sex), Some('M'));

    let request = one(&document, "ServiceRequest");
    let text = |path: &str| request.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!(
        (text("/status"), text("/intent"), text("/priority")),
        ("active".into(), "proposal".into(), "urgent".into())
    );
    assert_eq!(text("/requisition/value"), "HENV-2026-17");
    assert_eq!(text("/requisition/assigner/display"), "Havna legekontor");
    assert_eq!(text("/code/text"), "Henvisning, Indremedisin");
    assert_eq!(text("/occurrenceDateTime"), "2026-03-20");
    assert_eq!(text("/locationCode/0/text"), "Poliklinisk omsorg");
    assert_eq!(text("/reasonCode/0/text"), "Brystsmerter ved anstrengelse");
    assert_eq!(text("/reasonCode/1/text"), "Også om natten");
    assert_eq!(text("/reasonCode/2/coding/0/code"), "K02");
    assert_eq!(request["reasonReference"].as_array().map(Vec::len), Some(1));
    assert_eq!(request["supportingInfo"].as_array().map(Vec::len), Some(1));
    assert!(request["note"].to_string().contains("Ønsket behandler: Beate Behandler"));
    let patient = one(&document, "Patient");
    assert_eq!(patient["generalPractitioner"].as_array().map(Vec::len), Some(1));
    assert!(patient.get("communication").is_none(), "the translator is for somebody else");
    assert_eq!(all(&document, "RelatedPerson").len(), 2);
    assert_eq!(one(&document, "MedicationStatement")["dosage"][0]["asNeededBoolean"], true);
    assert!(all(&document, "AllergyIntolerance").is_empty(), "free text cannot be told to be an allergy");
    assert_eq!(all(&document, "Flag").len(), 2);
    assert!(all(&document, "Procedure").is_empty(), "free text is no procedure");
    let consent = one(&document, "Consent");
    assert_eq!((&consent["status"], &consent["dateTime"]), (&"active".into(), &"2026-02-28".into()));
    assert!(consent.get("provision").is_none());
    assert!(String::from_utf8_lossy(&document.json).contains("\"low\":{\"value\":3.10,"));
    assert_eq!(
        titles(&document),
        [
            "Kritisk informasjon",
            "Diagnoser",
            "Aktuell problemstilling",
            "Andre relevante tilstander",
            "Rutineundersøkelse",
            "Funn og undersøkelser",
            "Prosedyrer",
            "Legemidler",
            "Egen overskrift",
            "Ønsket tjeneste",
            "Assistert kommunikasjon",
            "Samtykke",
            "Pasient og pårørende",
            "Kontakter",
            "Kopimottakere",
            "Vedlegg",
            "Dokumentinformasjon",
        ]
    );
}

#[test]
fn a_cancelled_referral_of_a_child_keeps_custody_out_of_the_patient() {
    let document = ours("henvisning/document-child-1.0");
    assert!(document.test, "an implementation that is not approved is a test");
    assert_eq!(document.publishable, Publishable::No(vec![Withheld::SenderUnknown]));
    assert_eq!(one(&document, "ServiceRequest")["status"], "revoked");
    assert_eq!(one(&document, "Composition")["status"], "entered-in-error");
    let patient = one(&document, "Patient").to_string();
    assert!(!patient.contains("oreldreansvar"));
    assert!(patient.contains("\"EN\""), "the translator is for the patient");
    assert!(told(&document).contains("Deltforeldreansvar"));
    let time = one(&document, "Appointment");
    assert_eq!((&time["status"], &time["start"]), (&"proposed".into(), &"2026-04-01T10:00:00+02:00".into()));
    let relative = one(&document, "RelatedPerson");
    assert_eq!(
        (&relative["name"][0]["family"], &relative["birthDate"]),
        (&"Testesen".into(), &"1985-01-01".into())
    );
    assert_eq!(relative["relationship"][0]["text"], "Far");
}

#[test]
fn a_referral_under_msg_head_is_the_same_in_another_cover() {
    let document = ours("henvisning/document-assessed-2.0");
    assert_eq!(document.keys.series_key, "henvisning|ENH:312000318|2f0a9b52-77c1-4d80-8f0c-0c56a27e0a11");
    assert_eq!(document.publishable, Publishable::Yes);
    assert_eq!(document.described.namespace, "http://ehelse.no/xmlstds/henvisning/2017-11-30");
    let person = document.described.authors.first().and_then(|a| a.person.as_ref()).expect("an author");
    assert_eq!(
        (person.family.as_str(), person.given.as_str(), person.middle.as_str()),
        ("Jonsen", "Anne", "May")
    );
    assert_eq!(document.described.attachments.len(), 1);
    let patient = one(&document, "Patient");
    assert_eq!(
        (&patient["name"][0]["family"], &patient["name"][0]["given"][0]),
        (&"Testesen".into(), &"Fiktiv".into())
    );
    assert_eq!(patient["name"][0]["extension"][0]["valueString"], "Prøve");
    assert_eq!(patient["maritalStatus"]["text"], "Ugift");
    assert!(patient["generalPractitioner"].is_array());
    let request = one(&document, "ServiceRequest");
    assert_eq!(
        (&request["priority"], &request["identifier"][0]["value"]),
        (&"urgent".into(), &"FORLOP-9".into())
    );
    assert!(request["orderDetail"].to_string().contains("A01A"));
    let drug = one(&document, "MedicationStatement");
    assert_eq!(drug["statusReason"][0]["coding"][0]["system"], "urn:oid:2.16.578.1.12.4.1.1.9101");
    let composition = one(&document, "Composition");
    assert_eq!(
        (&composition["status"], &composition["attester"][0]["time"]),
        (&"amended".into(), &"2026-03-04".into())
    );
    assert!(titles(&document).contains(&"Rettighetsvurdering".to_owned()));
}

#[test]
fn the_patients_own_stands_before_what_is_said_of_others() {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/henvisning/document-assessed-2.0/in.xml");
    let text = std::fs::read_to_string(at).expect("in.xml");
    let relative = "<po:ParorendeForesatt><po:Slektskap V=\"MO\" DN=\"Mor\"/><po:Merknad>Ringes først</po:Merknad>\
                    </po:ParorendeForesatt>";
    let own = "<po:TilleggsopplysningPasient>";
    assert!(text.contains(own));
    let text = text.replacen(own, &format!("{relative}{own}"), 1);
    let document = read(text.as_bytes()).translate(&Options::default()).expect("a document").remove(0);
    let composition = one(&document, "Composition");
    let section = |title: &str| {
        let sections = composition["section"].as_array().expect("sections");
        let found = sections.iter().find(|s| s["title"] == title).expect("a section");
        found["text"]["div"].as_str().expect("text").to_owned()
    };
    let people = section("Pasient og pårørende");
    let place = |words: &str| people.find(words).unwrap_or_else(|| panic!("{words}: {people}"));
    assert!(place("Sivilstatus") < place("Pårørende eller kontaktperson"), "{people}");
    assert!(place("Pårørende eller kontaktperson") < place("Ringes først"), "{people}");
    let contacts = section("Kontakter");
    let (before, _) = contacts.split_once("Treffes tirsdager").expect("the remark");
    let (_, over) = before.rsplit_once("<p><b>").expect("a heading");
    assert!(over.starts_with("Kontaktperson, helsepersonell</b></p>"), "whose remark is it? {contacts}");
}

#[test]
fn consent_that_is_not_understood_keeps_a_referral_back() {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/henvisning/document-no-consent-2.0/in.xml");
    let text = std::fs::read_to_string(at).expect("in.xml");
    let told = |code: &str| {
        let text = text.replace("<ConsentStatus V=\"4\"", &format!("<ConsentStatus {code}"));
        read(text.as_bytes()).translate(&Options::default()).expect("a document").remove(0).publishable
    };
    for given in ["V=\"1\"", "V=\"2\"", "V=\"3\""] {
        assert_eq!(told(given), Publishable::Yes, "{given}");
    }
    assert_eq!(told("V=\"4\""), Publishable::No(vec![Withheld::NoConsent]));
    for unclear in ["V=\"9\"", "V=\"NULL\"", "V=\"\"", "OT=\"Pasienten samtykker ikke\"", ""] {
        assert_eq!(told(unclear), Publishable::No(vec![Withheld::ConsentUnclear]), "{unclear}");
    }
}

#[test]
fn without_consent_a_referral_is_built_and_not_published() {
    let document = ours("henvisning/document-no-consent-2.0");
    assert_eq!(document.publishable, Publishable::No(vec![Withheld::NoConsent]));
    let consents = all(&document, "Consent");
    assert_eq!(consents.len(), 2);
    assert!(consents.iter().any(|c| c["provision"]["type"] == "deny"));
    let author = document.described.authors.first().and_then(|a| a.person.as_ref()).expect("an author");
    assert_eq!(author.family, "Legesen");
}

#[test]
fn what_cannot_be_a_document_is_a_fault() {
    let made = |namespace: &str, body: &str, options: &Options| {
        let text = format!("<Message xmlns='{namespace}'><GenDate V='2026-01-01T10:00:00'/>{body}</Message>");
        let tree = xml::Tree::parse(&text, &Limits::default()).expect("XML");
        document::translate(&text, &tree, options).map(|d| d.len())
    };
    let epikrise = "http://www.kith.no/xmlstds/epikrise/2012-02-15";
    let usual = Options::default();
    assert_eq!(made(epikrise, "<MsgId>1</MsgId>", &usual), Err(Fault::NoReport));
    assert_eq!(made(epikrise, "<ServRprt/>", &usual), Err(Fault::NoMessageId));
    let change = "<MsgId>1</MsgId><ServRprt><ServType V='M'/></ServRprt>";
    assert_eq!(made(epikrise, change, &usual), Err(Fault::NoDocumentId));
    let bare = "<MsgId>1</MsgId><ServRprt/>";
    assert_eq!(made(epikrise, bare, &usual), Ok(1));
    assert_eq!(made("http://www.kith.no/xmlstds/epikrise", bare, &usual), Err(Fault::NoTranslation));
    let nilar = Options { mode: Mode::Nilar, ..Options::default() };
    assert_eq!(made(epikrise, bare, &nilar), Err(Fault::NoTranslation), "NILAR has no such resources");
    let referral = "http://www.kith.no/xmlstds/henvisning/2005-07-08";
    assert_eq!(made(referral, "<MsgId>1</MsgId>", &usual), Err(Fault::NoReport));
    assert_eq!(made(referral, "<MsgId>1</MsgId><ServReq/>", &usual), Ok(1));
    let change = "<MsgId>1</MsgId><ServReq><ServType V='C'/><Id>NULL</Id></ServReq>";
    assert_eq!(made(referral, change, &usual), Err(Fault::NoDocumentId), "NULL names nothing");
    assert_eq!(
        made("http://www.kith.no/xmlstds/henvisning/2003-10-13", bare, &usual),
        Err(Fault::NoTranslation)
    );
    let few = Options { max_resources: 3, ..Options::default() };
    let many =
        format!("<MsgId>1</MsgId><ServRprt>{}</ServRprt>", "<Event><ServType V='N'/></Event>".repeat(4));
    assert_eq!(made(epikrise, &many, &few), Err(Fault::TooLarge { what: "resources", limit: 3 }));
}

/// Deletes, repeats and garbles pieces of valid messages, by a fixed sequence: whatever comes, a document
/// keeps the rules, or there is a fault; nothing panics.
#[test]
fn damaged_messages_give_sound_documents_or_faults() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).expect("small")).expect("small")
    };
    let mut documents = 0;
    for folder in folders() {
        let message = read(&std::fs::read(folder.join("in.xml")).expect("in.xml"));
        let elements: Vec<_> = message.tree.nodes().filter(|n| n.is_element()).skip(1).collect();
        for _ in 0..25 {
            let node = elements[next(elements.len())];
            let other = elements[next(elements.len())];
            let (from, to) = (node.source().start, node.source().end);
            let slice = |range: std::ops::Range<usize>| message.text.get(range).expect("on a boundary");
            let (before, piece, behind) = (slice(0..from), slice(from..to), slice(to..message.text.len()));
            let odd =
                ["2025-02-30", "", "NULL", "9999999999999999999", "-1E-30", "\u{1F9EA}\u{301}", "a b  c"];
            let changed = match next(5) {
                0 => format!("{before}{behind}"),
                1 => format!("{before}{piece}{piece}{piece}{behind}"),
                2 => format!("{before}{}{behind}", slice(other.source())),
                3 => {
                    let value = odd[next(odd.len())];
                    let name = node.name();
                    format!("{before}<{name} V=\"{value}\" S=\"1..2\" U=\"{value}\">{value}</{name}>{behind}")
                }
                _ => format!("{before}<{0}><b>x</b>{piece}</{0}>{behind}", other.name()),
            };
            let Ok(tree) = xml::Tree::parse(&changed, &Limits::default()) else { continue };
            for document in document::translate(&changed, &tree, &Options::default()).unwrap_or_default() {
                documents += 1;
                let wrong = check(&document);
                assert!(wrong.is_empty(), "{}: {wrong:#?}\n{changed}", folder.display());
            }
        }
    }
    assert!(documents > 50, "{documents} documents");
}
