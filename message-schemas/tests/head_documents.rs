//! Documents made of messages under MsgHead, dialogue and care, and of requisitions: our own samples against
//! goldens, the official ones against the rules that every document must keep (document-sharing §10).
//!
//! As in `documents.rs`: a folder `samples/<family>/document-*` holds `in.xml`, `document.json` and `report.txt`.

mod document_rules;

use document_rules::{Read, check, read, squeezed, told};
use message_schemas::document::view::{self, View, Weight};
use message_schemas::document::{self, Fault, Options, Outcome, Publishable, SharedDocument, Withheld};
use message_schemas::time::Stamp;
use message_schemas::{Limits, xml};
use serde_json::Value;
use std::path::{Path, PathBuf};

const FAMILIES: [&str; 3] = ["dialogmelding", "plo", "rekvisisjon"];

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
    for version in versions {
        for entry in std::fs::read_dir(version.expect("a version").path()).expect("samples") {
            let path = entry.expect("an entry").path();
            let bytes = std::fs::read(&path).expect("a sample");
            found.push((path.file_name().expect("a name").to_string_lossy().into_owned(), read(&bytes)));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() >= 50, "{}", found.len());
    found
}

fn everything() -> Vec<(String, Read)> {
    let ours = folders().into_iter().map(|f| {
        let bytes = std::fs::read(f.join("in.xml")).expect("in.xml");
        (f.file_name().expect("a name").to_string_lossy().into_owned(), read(&bytes))
    });
    ours.chain(official()).collect()
}

#[test]
fn every_sample_keeps_the_rules_of_a_document() {
    let mut checked = 0;
    for (name, message) in everything() {
        let documents = message.translate(&Options::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let again = message.translate(&Options::default()).expect("a document");
        for (one, two) in documents.iter().zip(&again) {
            assert!(one.json == two.json, "{name}: the same message gives the same bytes");
            let faults = check(one);
            assert!(faults.is_empty(), "{name}: {faults:#?}");
            checked += 1;
        }
    }
    assert!(checked >= folders().len());
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
                if line.outcome == Outcome::Dropped || line.path.contains("/@") {
                    continue;
                }
                let found = message.tree.nodes().find(|n| n.is_element() && n.xpath() == line.path);
                let node = found.expect("the path names an element");
                let texts = node.children().filter(|n| !n.is_element());
                for text in texts.map(|n| n.own_text().trim().to_owned()).filter(|t| !t.is_empty()) {
                    assert!(
                        node.name() == "Base64Container" || said(&told, &text),
                        "{name}: {} is not in the text",
                        line.path
                    );
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
    assert!(folders().len() >= 10);
}

fn sample(case: &str) -> String {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(case).join("in.xml");
    std::fs::read_to_string(at).expect("in.xml")
}

fn one(text: &str, options: &Options) -> Result<(SharedDocument, Value), Fault> {
    let made = read(text.as_bytes()).translate(options)?;
    let [document] = <[_; 1]>::try_from(made).expect("one document");
    let json = serde_json::from_slice(&document.json).expect("JSON");
    Ok((document, json))
}

fn resources<'v>(bundle: &'v Value, kind: &str) -> Vec<&'v Value> {
    let entries = bundle["entry"].as_array().expect("entries");
    entries.iter().map(|e| &e["resource"]).filter(|r| r["resourceType"] == kind).collect()
}

fn reasons(document: &SharedDocument) -> Vec<Withheld> {
    match &document.publishable {
        Publishable::Yes => Vec::new(),
        Publishable::No(why) => why.clone(),
    }
}

#[test]
fn a_discharge_report_tells_what_is_sure_in_resources() {
    let (document, bundle) =
        one(&sample("plo/document-discharge-report-1.6"), &Options::default()).expect("a document");
    assert_eq!(reasons(&document), []);
    assert_eq!((document.class_code, document.type_code), ("A00-1", "A11-2"));
    assert_eq!(document.title, "Utskrivningsrapport");
    let titles: Vec<&str> = bundle["entry"][0]["resource"]["section"]
        .as_array()
        .expect("sections")
        .iter()
        .map(|s| s["title"].as_str().expect("a title"))
        .collect();
    assert_eq!(titles.first(), Some(&"Cave og allergier"), "{titles:?}");
    assert!(!titles.contains(&"Annet innhold"), "{titles:?}");

    let allergies = resources(&bundle, "AllergyIntolerance");
    assert_eq!(allergies.len(), 2);
    assert_eq!(allergies[0]["code"]["coding"][0]["system"], "http://www.whocc.no/atc");
    assert_eq!(allergies[0]["code"]["coding"][0]["code"], "J01CE");
    assert_eq!(allergies[0]["category"], serde_json::json!(["medication"]));
    assert_eq!(allergies[1]["category"], serde_json::json!(["food", "environment"]));
    let flags = resources(&bundle, "Flag");
    assert_eq!(flags.len(), 2, "cave, and infection");
    assert_eq!(flags[1]["code"]["text"], "Kontaktsmitte: MRSA påvist i nese");

    let drugs = resources(&bundle, "MedicationStatement");
    let statuses: Vec<_> = drugs.iter().map(|d| d["status"].as_str().expect("a status")).collect();
    assert_eq!(statuses, ["active", "active", "stopped"]);
    assert_eq!(drugs[0]["dosage"][0]["asNeededBoolean"], true);
    assert_eq!(drugs[0]["medicationCodeableConcept"]["coding"][0]["code"], "N02BE01");
    assert_eq!(drugs[1]["medicationCodeableConcept"]["text"], "Amlodin, Tablett, 5.0 mg");

    let functions = resources(&bundle, "Observation");
    assert_eq!(functions[0]["valueInteger"], 3);
    let absent = |n: usize| functions[n]["dataAbsentReason"]["coding"][0]["code"].clone();
    assert_eq!((absent(1), absent(2)), ("not-applicable".into(), "unknown".into()));
    assert!(functions[1].get("valueInteger").is_none(), "nine is no value");

    let encounter = resources(&bundle, "Encounter");
    assert_eq!(encounter[0]["status"], "finished");
    assert_eq!(encounter[0]["period"]["end"], "2026-03-01T09:00:00+01:00");
    let main = encounter[0]["diagnosis"][0]["condition"]["reference"].as_str().expect("a reference");
    let conditions = resources(&bundle, "Condition");
    let first = conditions.iter().find(|c| main.ends_with(c["id"].as_str().expect("an id")));
    assert_eq!(first.expect("a condition")["code"]["text"], "Lårhalsbrudd venstre side");

    let appointments = resources(&bundle, "Appointment");
    assert_eq!(appointments.len(), 1, "only what is booked, begins and has a length");
    assert_eq!(appointments[0]["start"], "2026-03-29T01:30:00+01:00");
    assert_eq!(appointments[0]["end"], "2026-03-29T03:15:00+02:00", "clocks change in between");

    let patient = resources(&bundle, "Patient")[0];
    let language = &patient["communication"][0]["language"]["coding"];
    assert_eq!((&language[0]["code"], &language[1]["code"]), (&"SE".into(), &"se".into()));
    assert_eq!(patient["name"][0]["extension"][0]["valueString"], "Åsgjerd");

    let author = &document.described.authors[0];
    assert_eq!(author.person.as_ref().map(|p| p.family.as_str()), Some("Koll"));
    assert_eq!(author.organisation.as_ref().map(|o| o.name.as_str()), Some("Granheim sykehus"));
    assert_eq!(document.described.attachments.len(), 1);
}

#[test]
fn a_diagnosis_of_care_that_is_expected_to_end_is_not_over() {
    const OVER: &str = "<SluttdatoDiagnose>2021-05-01";
    let text = sample("plo/document-medical-information-1.5");
    assert_eq!(text.matches(OVER).count(), 1);
    let began_2020 = |text: &str| {
        let (_, bundle) = one(text, &Options::default()).expect("a document");
        let all = resources(&bundle, "Condition");
        let found = all.into_iter().find(|c| c["onsetDateTime"] == "2020-05-01").expect("the diagnosis");
        let status = found["clinicalStatus"]["coding"][0]["code"].as_str().map(str::to_owned);
        (status, found["abatementDateTime"].as_str().map(str::to_owned))
    };
    assert_eq!(began_2020(&text), (Some("resolved".to_owned()), Some("2021-05-01".to_owned())));
    let expected = text.replace(OVER, "<SluttdatoDiagnose>2099-05-01");
    assert_eq!(began_2020(&expected), (Some("active".to_owned()), None));
}

#[test]
fn a_discharge_that_is_only_expected_has_not_been() {
    let text = sample("plo/document-discharge-report-1.6");
    let (from, to) = ("09:00:00\"/><Anslag>false", "09:00:00\"/><Anslag>1");
    assert_eq!(text.matches(from).count(), 1);
    let (_, bundle) = one(&text.replace(from, to), &Options::default()).expect("a document");
    let encounter = resources(&bundle, "Encounter")[0];
    assert_eq!(encounter["status"], "unknown");
    assert_eq!(encounter["period"]["end"], "2026-03-01T09:00:00+01:00");
}

#[test]
fn a_change_or_cancellation_belongs_to_the_series_of_its_parent() {
    const FIRST: &str = "1d2f6b52-7a51-4a35-9e77-3f5a0e8c16a1";
    let key =
        |case: &str, options: &Options| one(&sample(case), options).expect("a document").0.keys.series_key;
    let plain = Options::default();
    let series = format!("plo-Innleggelsesrapport|ENH:314052005|{FIRST}");
    assert_eq!(key("plo/document-admission-change-1.6", &plain), series);
    assert_eq!(key("plo/document-admission-cancellation-1.6", &plain), series, "its parent is the change");

    // Who keeps the series knows better: the document was an answer inside a conversation.
    let mut known = Options::default();
    known.series.insert("1d2f6b52-7a51-4a35-9e77-3f5a0e8c16a2".into(), "another".into());
    assert_eq!(
        key("plo/document-admission-cancellation-1.6", &known),
        "plo-Innleggelsesrapport|ENH:314052005|another"
    );

    // A new one opens a series of its own even as an answer.
    let new = sample("plo/document-admission-change-1.6")
        .replace("Forsendelsesstatus V=\"M\"", "Forsendelsesstatus V=\"N\"");
    let (document, _) = one(&new, &plain).expect("a document");
    assert!(document.keys.series_key.ends_with("|1d2f6b52-7a51-4a35-9e77-3f5a0e8c16a2"));

    let text = sample("plo/document-admission-change-1.6");
    let (before, rest) = text.split_once("<ConversationRef>").expect("a conversation");
    let (_, behind) = rest.split_once("</ConversationRef>").expect("its end");
    let alone = format!("{before}{behind}");
    assert_eq!(one(&alone, &plain).expect_err("a fault"), Fault::NoDocumentId);
    let status = |case: &str| {
        let (_, bundle) = one(&sample(case), &plain).expect("a document");
        bundle["entry"][0]["resource"]["status"].as_str().expect("a status").to_owned()
    };
    let first = |case: &str| {
        let (_, bundle) = one(&sample(case), &plain).expect("a document");
        bundle["entry"][0]["resource"]["section"][0]["text"]["div"].as_str().expect("a div").to_owned()
    };
    assert!(first("plo/document-admission-change-1.6").contains("<b>Endret.</b>"));
    assert!(first("plo/document-admission-cancellation-1.6").contains("<b>Kansellert: "));
    assert!(
        first("plo/document-medical-information-1.5").contains("forbehold om at meldingen sendes videre")
    );
    assert_eq!(status("plo/document-admission-change-1.6"), "amended");
    assert_eq!(status("plo/document-admission-cancellation-1.6"), "entered-in-error");
}

#[test]
fn four_kinds_of_care_message_may_not_be_changed() {
    let text = |root: &str, namespace: &str| {
        sample("plo/document-admission-change-1.6")
            .replace("po/Innleggelsesrapport/2012-04-01", namespace)
            .replace("x:Innleggelsesrapport", &format!("x:{root}"))
    };
    for (root, namespace) in [
        ("Konsultasjon", "po/HelseopplysningerTilLege/2012-04-01"),
        ("OverforingMedisinskeOpplysninger", "po/MedisinskeOpplysninger/2012-04-01"),
        ("OrienteringOmTjenestetilbud", "po/OrienteringOmTjenestetilbud/2009-06-30"),
        ("Pasientlogistikk", "po/Pasientlogistikk/2012-04-01"),
        ("MeldingFravar", "po/MeldingFravar/2009-06-30"),
    ] {
        let fault = one(&text(root, namespace), &Options::default()).expect_err("a fault");
        assert_eq!(fault, Fault::ChangeNotAllowed, "{root}");
    }
    for (root, namespace) in [
        ("TverrfagligEpikrise", "po/TverrfagligEpikrise/2009-06-30"),
        ("HelseopplysningerVedSoknad", "po/HelseopplysningerVedSoknad/2012-04-01"),
    ] {
        assert!(one(&text(root, namespace), &Options::default()).is_ok(), "{root}");
    }
}

/// To the schema `1` is as true as `true`, with or without blanks around it; and what nobody can read as a no is no no.
#[test]
fn a_reservation_withholds_however_it_is_written() {
    const SENT: &str = "<ForbeholdOmVideresending>true</ForbeholdOmVideresending>";
    let text = sample("plo/document-medical-information-1.5");
    assert!(text.contains(SENT));
    let why = |written: &str| {
        let (document, bundle) = one(&text.replace(SENT, written), &Options::default()).expect("a document");
        let warned = bundle["entry"][0]["resource"]["section"][0]["text"]["div"]
            .as_str()
            .is_some_and(|div| div.contains("forbehold om at meldingen sendes videre"));
        (reasons(&document), warned)
    };
    let element = |value: &str| format!("<ForbeholdOmVideresending>{value}</ForbeholdOmVideresending>");
    for yes in ["true", "1", "\n  1\t", " true ", "", "ja", "TRUE", "2"] {
        assert_eq!(why(&element(yes)), (vec![Withheld::OnwardReserved], true), "{yes:?}");
    }
    for no in ["false", "0", " 0\n"] {
        assert_eq!(why(&element(no)), (vec![], false), "{no:?}");
    }
    assert_eq!(why(""), (vec![], false));
    let both = element("false") + &element("1");
    assert_eq!(why(&both), (vec![Withheld::OnwardReserved], true), "one no takes no other back");
}

#[test]
fn a_truth_written_as_a_number_is_the_same_document() {
    let text = sample("plo/document-discharge-report-1.6");
    let numbers = text.replace(">true<", "> 1 <").replace(">false<", ">0<");
    assert_ne!(text, numbers);
    let (_, words) = one(&text, &Options::default()).expect("a document");
    let (_, numbers) = one(&numbers, &Options::default()).expect("a document");
    for kind in ["Condition", "AllergyIntolerance", "Appointment"] {
        assert!(!resources(&words, kind).is_empty(), "{kind}");
        assert_eq!(resources(&words, kind), resources(&numbers, kind), "{kind}");
    }
    let sections = |bundle: &Value| bundle["entry"][0]["resource"]["section"].clone();
    assert_eq!(sections(&words), sections(&numbers));
}

#[test]
fn what_is_no_shared_record_is_built_and_not_published() {
    let why = |case: &str, options: &Options| reasons(&one(&sample(case), options).expect("a document").0);
    let plain = Options::default();
    assert_eq!(why("plo/document-medical-information-1.5", &plain), [Withheld::OnwardReserved]);
    assert_eq!(why("plo/document-death-notice-1.6", &plain), [Withheld::Logistics]);
    assert_eq!(why("dialogmelding/document-note-1.1", &plain), [Withheld::Dialogue]);
    assert_eq!(
        why("dialogmelding/document-no-patient-1.1", &plain),
        [Withheld::NoPatient, Withheld::Dialogue]
    );
    assert_eq!(why("rekvisisjon/document-laboratory-1.6", &plain), [Withheld::OrderInProgress]);
    assert_eq!(
        why("rekvisisjon/document-cancellation-1.5", &plain),
        [Withheld::OrderInProgress, Withheld::NotAPerson]
    );

    let open: Options = serde_json::from_str(
        r#"{"publish_dialogues": true, "publish_logistics": true, "publish_orders": true}"#,
    )
    .expect("settings");
    assert_eq!(why("rekvisisjon/document-laboratory-1.6", &open), []);
    assert_eq!(why("plo/document-death-notice-1.6", &open), []);
    assert_eq!(why("dialogmelding/document-note-1.1", &open), []);
    assert_eq!(why("dialogmelding/document-no-patient-1.1", &open), [Withheld::NoPatient], "never shared");
}

#[test]
fn an_answer_and_a_question() {
    let (document, bundle) =
        one(&sample("dialogmelding/document-note-1.1"), &Options::default()).expect("a document");
    assert_eq!(document.title, "Dialogmelding - Svar på forespørsel");
    assert!(resources(&bundle, "CommunicationRequest").is_empty(), "the question was answered");
    let note = resources(&bundle, "Communication")[0];
    assert_eq!(note["payload"][0]["contentString"], "Fortsett som før.\nKontroll om to uker.");
    assert_eq!(note["inResponseTo"][0]["identifier"]["value"], "F-2026-9");
    assert_eq!(note["inResponseTo"][1]["identifier"]["value"], "c0ffee00-0000-4000-8000-000000000001");
    assert_eq!(note["sent"], "2026-03-01");
    assert_eq!(document.described.authors[0].person.as_ref().map(|p| p.family.as_str()), Some("Koll"));
    assert_eq!(document.described.legal_authenticator.as_ref().map(|p| p.family.as_str()), Some("Fjell"));
    assert!(!String::from_utf8_lossy(&document.json).contains("alert"));

    let (_, bundle) =
        one(&sample("dialogmelding/document-question-1.0"), &Options::default()).expect("a document");
    let question = resources(&bundle, "CommunicationRequest")[0];
    assert_eq!((&question["status"], &question["priority"]), (&"active".into(), &"asap".into()));
    assert_eq!(question["payload"][0]["contentString"], "Ønsker epikriser fra siste år.\nTakk på forhånd.");
    assert!(question.get("occurrencePeriod").is_none());
}

#[test]
fn an_order_is_one_request_for_each_investigation() {
    let (document, bundle) =
        one(&sample("rekvisisjon/document-laboratory-1.6"), &Options::default()).expect("a document");
    assert_eq!(document.keys.series_key, "rekvisisjon|ENH:312000229|RK-2026-5");
    assert_eq!(document.title, "Rekvisisjon - Medisinsk biokjemi");
    let requests = resources(&bundle, "ServiceRequest");
    let statuses: Vec<_> = requests.iter().map(|r| r["status"].as_str().expect("a status")).collect();
    assert_eq!(statuses, ["active", "active", "revoked"]);
    assert!(requests.iter().all(|r| r["requisition"]["value"] == "RK-2026-5"));
    assert_eq!(requests[0]["specimen"], requests[1]["specimen"]);
    assert_eq!(requests[2]["code"]["text"], "Senkning");
    let (_, cancelled) =
        one(&sample("rekvisisjon/document-cancellation-1.5"), &Options::default()).expect("a document");
    assert_eq!(resources(&cancelled, "ServiceRequest")[0]["status"], "revoked");
}

/// The titles and texts of the sections.
fn sections(bundle: &Value) -> Vec<(&str, &str)> {
    let sections = bundle["entry"][0]["resource"]["section"].as_array().expect("sections");
    let parts = sections.iter().map(|s| (s["title"].as_str(), s["text"]["div"].as_str()));
    parts.map(|(title, div)| (title.expect("a title"), div.expect("a div"))).collect()
}

fn section<'v>(bundle: &'v Value, title: &str) -> &'v str {
    sections(bundle).into_iter().find(|(t, _)| *t == title).map(|(_, div)| div).unwrap_or_default()
}

#[test]
fn what_an_order_says_is_critical_stands_in_front_and_is_a_flag() {
    let item = |code: &str, list: u16, words: &str| {
        format!(
            "<InfItem><Observation><CodedDescr V='{code}' S='2.16.578.1.12.4.1.1.{list}' DN='{words}'/>\
             </Observation><Type V='NB' DN='Spesielle hensyn'/></InfItem>"
        )
    };
    let items = [
        item("NOPAC", 8210, "Ikke pacemaker"),
        item("INS", 8209, "Insulinpumpe"),
        "<InfItem><Observation><Description>Brystkreft</Description></Observation><Type V='H'/></InfItem>"
            .to_owned(),
    ];
    let text = sample("rekvisisjon/document-laboratory-1.6").replacen(
        "<InfItem>",
        &format!("{}<InfItem>", items.concat()),
        1,
    );
    let (document, bundle) = one(&text, &Options::default()).expect("a document");
    assert!(check(&document).is_empty(), "{:#?}", check(&document));
    let flags = resources(&bundle, "Flag");
    let codes: Vec<_> = flags.iter().map(|f| f["code"]["coding"][0]["code"].as_str()).collect();
    assert_eq!(codes, [Some("INS"), Some("NOPAC")]);
    assert!(flags.iter().all(|f| f["category"][0]["coding"][0]["code"] == "safety"));
    let (title, safety) = sections(&bundle)[0];
    assert_eq!(title, "Kritisk informasjon");
    let place = |words: &str| safety.find(words).expect("told");
    assert!(place("Insulinpumpe") < place("Ikke pacemaker"), "what is there before what is not: {safety}");
    let others = section(&bundle, "Kliniske opplysninger");
    assert!(others.contains("Feber siden tirsdag") && !others.contains("Insulinpumpe"), "{others}");
    let condition = resources(&bundle, "Condition")[0];
    let reason = resources(&bundle, "ServiceRequest")[0]["reasonReference"][0]["reference"].clone();
    assert_eq!(reason, format!("urn:uuid:{}", condition["id"].as_str().expect("an id")));
}

#[test]
fn an_addition_says_so_and_tells_what_is_added_from_what_was_sent_before() {
    let sent = "<ReqInvestigation><ServType V=\"C\" DN=\"Kansellering\"/>";
    let history = "<ReqInvestigation><ServType V=\"H\" DN=\"Historikk\"/><Investigation><Id OT=\"Ferritin\"/>\
                   </Investigation></ReqInvestigation>";
    let added = "<ReqInvestigation><ServType V=\"A\" DN=\"Tillegg\"/>";
    let text = sample("rekvisisjon/document-laboratory-1.6")
        .replacen("<ServType V=\"N\" DN=\"Ny\"/>", "<ServType V=\"A\" DN=\"Tillegg\"/>", 1)
        .replacen(sent, &[history, added].concat(), 1);
    let (document, bundle) = one(&text, &Options::default()).expect("a document");
    assert!(check(&document).is_empty(), "{:#?}", check(&document));
    let of = |name: &str| {
        let requests = resources(&bundle, "ServiceRequest");
        let found = requests.into_iter().find(|r| r["code"]["text"] == name).expect("a request");
        found["status"].as_str().expect("a status").to_owned()
    };
    assert_eq!((of("Senkning"), of("Ferritin")), ("active".into(), "unknown".into()));
    assert_eq!(bundle["entry"][0]["resource"]["status"], "final", "FHIR has no word for it");
    let asked = section(&bundle, "Ønskede undersøkelser");
    let place = |words: &str| asked.find(words).unwrap_or_else(|| panic!("{words}: {asked}"));
    let order = [
        place("<h1>Bestilling 1 av 3: ny</h1>"),
        place("P-CRP"),
        place("<h1>Bestilling 2 av 3: tillegg</h1>"),
        place("Senkning"),
        place("<h1>Bestilling 3 av 3: tidligere rekvirert"),
        place("Ferritin"),
    ];
    assert!(order.is_sorted(), "{order:?}");
    let shown = View::read(&document.json).expect("a view");
    assert_eq!((shown.status, shown.weight), ("Tillegg", Weight::Notice));
    assert!(String::from_utf8_lossy(&view::html(&shown)).contains("<h3>Bestilling 2 av 3: tillegg</h3>"));
    let (plain, _) =
        one(&sample("rekvisisjon/document-laboratory-1.6"), &Options::default()).expect("a document");
    assert_eq!(View::read(&plain.json).expect("a view").status, "Endelig");
}

#[test]
fn notes_stand_in_a_section_of_their_heading_with_its_code() {
    let text = sample("plo/document-discharge-report-1.6");
    let (before, rest) = text.split_once("<epj2:GenereltJournalnotat").expect("a note");
    let (note, after) = rest.split_once("</epj2:GenereltJournalnotat>").expect("its end");
    let one_more = |code: &str, words: &str, said: &str| {
        format!(
            "<epj2:Journaltekst><epj2:Overskriftskode V=\"{code}\" S=\"2.16.578.1.12.4.1.1.9142\" DN=\"{words}\"/>\
             <epj2:Notat>{said}</epj2:Notat></epj2:Journaltekst>"
        )
    };
    let (treated, found) =
        (one_more("FO", "Forløp og behandling", "Utskrevet"), one_more("FU", "Funn", "BT 120/80"));
    let bare = "<epj2:Journaltekst><epj2:Notat>Uten overskrift</epj2:Notat></epj2:Journaltekst>";
    let second = note.replace("\"k5\"", "\"k5b\"");
    let (head, _) = second.split_once('>').expect("a note");
    let text = format!(
        "{before}<epj2:GenereltJournalnotat{note}{found}</epj2:GenereltJournalnotat>\
         <epj2:GenereltJournalnotat{head}>{treated}{bare}</epj2:GenereltJournalnotat>{after}"
    );
    let (document, bundle) = one(&text, &Options::default()).expect("a document");
    assert!(check(&document).is_empty(), "{:#?}", check(&document));
    let titles: Vec<_> = sections(&bundle).into_iter().map(|(title, _)| title).collect();
    let place = |title: &str| titles.iter().position(|t| *t == title).unwrap_or_else(|| panic!("{titles:?}"));
    let medical = place("Medisinskfaglige opplysninger");
    assert_eq!((place("Forløp og behandling"), place("Funn")), (medical + 1, medical + 2), "{titles:?}");
    let told = section(&bundle, "Forløp og behandling");
    assert!(told.find("Operert første dag") < told.find("Utskrevet"), "{told}");
    assert!(told.contains("Utskrevet") && !told.contains("BT 120"), "{told}");
    assert!(section(&bundle, "Funn").contains("BT 120/80"));
    assert!(section(&bundle, "Medisinskfaglige opplysninger").contains("Uten overskrift"));
    let written = bundle["entry"][0]["resource"]["section"].as_array().expect("sections");
    let coded = &written[place("Funn")]["code"]["coding"][0];
    assert_eq!(
        (&coded["system"], &coded["code"]),
        (&"urn:oid:2.16.578.1.12.4.1.1.9142".into(), &"FU".into())
    );
}

#[test]
fn the_heading_that_a_note_was_kept_under_is_told_and_warnings_come_first() {
    let text = sample("plo/document-discharge-report-1.6");
    let with = |key: &str, category: &str, text: &str| {
        let keyed = format!(" komponentID=\"{key}\"");
        assert!(text.contains(&keyed), "{key}");
        text.replacen(&keyed, &format!(" m:informasjonskategori=\"{category}\"{keyed}"), 1)
    };
    let (document, bundle) =
        one(&with("k5", "Andre notater", &text), &Options::default()).expect("a document");
    let noted = section(&bundle, "Forløp og behandling");
    assert!(
        noted.contains("<p><b>Andre notater</b></p>") && noted.contains("<td>Operert første dag"),
        "{noted}"
    );
    let message = read(with("k5", "Andre notater", &text).as_bytes());
    let lines = document.coverage.lines(&message.tree);
    let line = |name: &str| {
        let found = lines.iter().find(|l| l.path.contains("GenereltJournalnotat") && l.path.ends_with(name));
        found.expect("a line").outcome
    };
    assert_eq!(line("/@informasjonskategori"), Outcome::Narrative);
    assert_eq!(line("/@komponentID"), Outcome::Dropped, "a key of the sender's");

    let both = with("k9", "Kritisk informasjon", &with("k5", "Cave/allergier", &text));
    let (document, warned) = one(&both, &Options::default()).expect("a document");
    assert!(check(&document).is_empty(), "{:#?}", check(&document));
    let (title, first) = sections(&warned)[0];
    assert_eq!(title, "Cave og allergier");
    assert!(
        first.contains("Cave/allergier</th></tr><tr><th>Forløp og behandling</th><td>Operert første dag"),
        "{first}"
    );
    assert!(first.contains(">Kritisk informasjon</th>") && first.contains("MRSA påvist i nese"), "{first}");
    assert!(!section(&warned, "Medisinskfaglige opplysninger").contains("Operert"));
    for kind in ["AllergyIntolerance", "Flag"] {
        let count = |bundle| resources(bundle, kind).len();
        assert_eq!(count(&warned), count(&bundle), "{kind}: none is made of free text");
    }
}

#[test]
fn what_many_requests_share_is_not_repeated_without_bound() {
    let text = sample("rekvisisjon/document-laboratory-1.6");
    let one_more = "<Investigation><Id OT=\"Prøve\"/></Investigation>".repeat(2_000);
    let long = text.replace("Infeksjon?", &"Lang begrunnelse. ".repeat(5_000)).replacen(
        "<StandingInv>",
        &format!("{one_more}<StandingInv>"),
        1,
    );
    let (document, bundle) = one(&long, &Options::default()).expect("a document");
    assert!(document.json.len() < 40 * long.len(), "{} of {}", document.json.len(), long.len());
    let requests = resources(&bundle, "ServiceRequest");
    assert_eq!(requests.len(), 2_003);
    assert!(requests[0]["reasonCode"][0]["text"].as_str().expect("a text").starts_with("Lang begrunnelse."));
    assert!(requests[1].get("reasonCode").is_none());
    assert!(check(&document).is_empty());
}

#[test]
fn what_cannot_be_a_document_is_a_fault() {
    let options = Options::default();
    let head = |inside: &str| {
        let text = format!(
            "<MsgHead xmlns='{}'><MsgInfo><GenDate>2026-03-01T10:00:00</GenDate></MsgInfo>{inside}</MsgHead>",
            message_schemas::family::MSG_HEAD
        );
        one(&text, &options).map(|_| ())
    };
    assert_eq!(head("<PatientReport/>"), Err(Fault::SeveralPatients));
    assert_eq!(head(""), Err(Fault::NoTranslation));
    let payload = |content: &str| {
        head(&format!("<Document><RefDoc><MsgType V='XML'/><Content>{content}</Content></RefDoc></Document>"))
    };
    assert_eq!(payload("<x xmlns='urn:unknown'/>"), Err(Fault::NoTranslation));
    assert_eq!(
        payload("<Dialogmelding xmlns='http://www.kith.no/xmlstds/dialog/2013-01-23'/>"),
        Err(Fault::NoMessageId)
    );
    let order =
        "<Message xmlns='http://www.kith.no/xmlstds/rekvisisjon/2012-02-15'><MsgId>1</MsgId></Message>";
    assert_eq!(one(order, &options).map(|_| ()), Err(Fault::NoReport));
}

/// Deletes, repeats and moves pieces of valid messages, by a fixed sequence: whatever comes, a document keeps the
/// rules, or there is a fault; nothing panics.
#[test]
fn damaged_messages_give_sound_documents_or_faults() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).expect("small")).expect("small")
    };
    let (mut documents, mut faults) = (0, 0);
    for folder in folders() {
        let message = read(&std::fs::read(folder.join("in.xml")).expect("in.xml"));
        let elements: Vec<_> = message.tree.nodes().filter(|n| n.is_element()).skip(1).collect();
        for _ in 0..20 {
            let node = elements[next(elements.len())];
            let other = elements[next(elements.len())];
            let (from, to) = (node.source().start, node.source().end);
            let slice = |range: std::ops::Range<usize>| message.text.get(range).expect("on a boundary");
            let (before, piece, behind) = (slice(0..from), slice(from..to), slice(to..message.text.len()));
            let odd =
                ["2025-02-30", "", "NULL", "9999999999999999999", "-1E-30", "\u{1F9EA}\u{301}", "a b  c"];
            let changed = match next(4) {
                0 => format!("{before}{behind}"),
                1 => format!("{before}{piece}{piece}{piece}{behind}"),
                2 => format!("{before}{}{behind}", slice(other.source())),
                _ => {
                    let value = odd[next(odd.len())];
                    format!("{before}<{0} V=\"{value}\" S=\"1..2\">{value}</{0}>{behind}", node.name())
                }
            };
            let Ok(tree) = xml::Tree::parse(&changed, &Limits::default()) else { continue };
            match document::translate(&changed, &tree, &Options::default()) {
                Err(_) => faults += 1,
                Ok(made) => {
                    for document in made {
                        documents += 1;
                        let wrong = check(&document);
                        assert!(wrong.is_empty(), "{}: {wrong:#?}\n{changed}", folder.display());
                    }
                }
            }
        }
    }
    assert!(documents > 100 && faults > 0, "{documents} documents, {faults} faults");
}

#[test]
fn a_wish_that_was_withdrawn_says_so_where_it_begins() {
    let text = sample("plo/document-discharge-report-1.6");
    let given = "<FramsattDato>2026-02-25</FramsattDato></ReservasjonOnske>";
    assert_eq!(text.matches(given).count(), 1);
    let told = |withdrawn: &str| {
        let added = given.replace("</ReservasjonOnske>", &format!("{withdrawn}</ReservasjonOnske>"));
        let (_, bundle) = one(&text.replace(given, &added), &Options::default()).expect("a document");
        section(&bundle, "Reservasjoner og ønsker").to_owned()
    };
    let heading = |words: &str| format!("<th colspan=\"2\">{words}</th></tr><tr><th>Gjelder</th>");
    for standing in ["", "<TrukketTilbakeAv/>", "<TrukketTilbakeDato> </TrukketTilbakeDato>"] {
        let text = told(standing);
        assert!(text.contains(&heading("Reservasjon eller ønske")), "{standing}: {text}");
    }
    for withdrawn in [
        "<TrukketTilbakeAv><fk1:FamilyName>Testesen</fk1:FamilyName></TrukketTilbakeAv>",
        "<TrukketTilbakeDato>2026-02-27</TrukketTilbakeDato>",
    ] {
        let text = told(withdrawn);
        assert!(text.contains(&heading("Trukket tilbake: Reservasjon eller ønske")), "{withdrawn}: {text}");
    }
}
