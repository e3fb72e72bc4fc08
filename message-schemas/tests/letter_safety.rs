//! Letters that would harm if misread: a drug that is warned of is none in use, and what was cancelled is not so.

mod document_rules;

use document_rules::{check, read, told};
use message_schemas::document::view::View;
use message_schemas::document::{Options, SharedDocument};
use serde_json::Value;
use std::path::Path;

fn stay() -> String {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/epikrise/document-stay-1.2/in.xml");
    std::fs::read_to_string(at).expect("in.xml")
}

fn made(text: &str) -> SharedDocument {
    let mut documents = read(text.as_bytes()).translate(&Options::default()).expect("a document");
    let document = documents.remove(0);
    let faults = check(&document);
    assert!(faults.is_empty(), "{faults:#?}");
    document
}

fn changed(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    text.replace(from, to)
}

fn all(document: &SharedDocument, kind: &str) -> Vec<Value> {
    let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
    let entries = bundle["entry"].as_array().expect("entries");
    entries.iter().map(|e| &e["resource"]).filter(|r| r["resourceType"] == kind).cloned().collect()
}

/// The text of a section; empty where there is none.
fn section(document: &SharedDocument, title: &str) -> String {
    let composition = all(document, "Composition").remove(0);
    let sections = composition["section"].as_array().expect("sections");
    let found = sections.iter().find(|s| s["title"] == title);
    found.and_then(|s| s["text"]["div"].as_str()).unwrap_or_default().to_owned()
}

fn statuses(document: &SharedDocument, kind: &str) -> Vec<String> {
    let of = |r: &Value| r["status"].as_str().unwrap_or_default().to_owned();
    all(document, kind).iter().map(of).collect()
}

#[test]
fn a_drug_that_is_warned_of_is_not_in_use() {
    const USED: &str =
        "<Type V=\"MEDB\" DN=\"Legemiddelopplysning\"/>\n        <StartDateTime V=\"2026-03-04\"/>";
    for kind in ["CAVE", "NB", "SM"] {
        let warned = format!("<Type V=\"{kind}\"/>\n        <StartDateTime V=\"2026-03-04\"/>");
        let document = made(&changed(&stay(), USED, &warned));
        let drugs = all(&document, "MedicationStatement");
        assert!(!drugs.iter().any(|d| d.to_string().contains("Allopurinol")), "{kind}: {drugs:#?}");
        assert_eq!(drugs.len(), 2, "{kind}: the others are drugs as before");
        let flags = all(&document, "Flag");
        let flag = flags.iter().find(|f| f["code"]["coding"][0]["code"] == "M04AA01").expect("a warning");
        assert_eq!(flag["status"], "active", "{kind}");
        assert_eq!(flag["category"][0]["coding"][0]["code"], "safety", "{kind}");
        assert_eq!(flag["period"]["start"], "2026-03-04", "{kind}");
        let safety = section(&document, "Kritisk informasjon");
        assert!(safety.contains("<b>Advarsel:</b> Allopurinol"), "{kind}: {safety}");
        for line in ["Oppgitt status: Benyttes regelmessig", "Dosering: 1 tablett morgen", "Dose: 100.0 mg"] {
            assert!(safety.contains(line), "{kind}: {safety}");
        }
        assert!(!section(&document, "Legemidler").contains("Allopurinol"), "{kind}");
    }
}

#[test]
fn a_drug_that_is_not_tolerated_is_an_allergy_under_cave_too() {
    let allergic =
        "<DosageText>Utslett etter første dose</DosageText>\n        </Medication>\n        <Type V=\"MEDB\"";
    let document = made(&changed(&stay(), allergic, &allergic.replace("MEDB", "CAVE")));
    assert_eq!(all(&document, "AllergyIntolerance")[0]["code"]["coding"][0]["code"], "J01CE02");
    assert_eq!(all(&document, "MedicationStatement").len(), 3, "no use of it");
}

/// Document-sharing §4: what stands under CAVE, NB or SM is a Flag, whatever it is made of.
#[test]
fn a_result_that_is_warned_of_is_a_warning_and_stays_a_result() {
    const FOUND: &str = "<Type V=\"FUNN\" DN=\"Funn og undersøkelsesresultat\"/>";
    let warnings = |document: &SharedDocument| -> Vec<Value> {
        let flags = all(document, "Flag");
        let of_result = |f: &Value| f["code"]["text"].as_str().is_some_and(|t| t.contains("B-Hemoglobin"));
        flags.into_iter().filter(of_result).collect()
    };
    assert_eq!(warnings(&made(&stay())), Vec::<Value>::new(), "elsewhere it warns of nothing");
    for kind in ["CAVE", "NB", "SM"] {
        let text = changed(&stay(), FOUND, &format!("<Type V=\"{kind}\"/>"));
        let document = made(&text);
        let flags = warnings(&document);
        assert_eq!(flags.len(), 1, "{kind}");
        let flag = &flags[0];
        assert_eq!(flag["status"], "active", "{kind}");
        assert_eq!(flag["category"][0]["coding"][0]["code"], "safety", "{kind}");
        assert_eq!(
            flag["code"]["text"],
            "B-Hemoglobin (NOR05172): > 12.50 g/dL (Under nedre referansegrense). Kontrolleres hos fastlege",
            "{kind}"
        );
        assert!(flag["code"].get("coding").is_none(), "the code of an investigation says not what was found");
        let result = &all(&document, "Observation")[0];
        assert_eq!(result["code"]["coding"][0]["code"], "NOR05172", "{kind}");
        assert!(section(&document, "Kritisk informasjon").contains("B-Hemoglobin"), "{kind}");

        const WHEN: &str = "<InvDate V=\"2026-03-03T07:00:00\"/>";
        let withdrawn = made(&changed(&text, WHEN, &format!("<ServType V=\"C\"/>{WHEN}")));
        assert_eq!(warnings(&withdrawn)[0]["status"], "entered-in-error", "{kind}");
    }
}

/// The code is what a machine reads, so a person is shown what it says (document-sharing §3.1).
#[test]
fn a_deviation_is_shown_as_its_code_has_it() {
    const LOW: &str = "<DevResultInd V=\"2\" DN=\"Under nedre referansegrense\"/>";
    let document = made(&changed(&stay(), LOW, &LOW.replace("\"2\"", "\"1\"")));
    let shown = section(&document, "Funn og undersøkelser");
    assert!(shown.contains("<td>Over øvre referansegrense (Under nedre referansegrense)</td>"), "{shown}");
}

const STAY: &str = "<ServType V=\"N\" DN=\"Ny\"/>\n      <AdmOutcome";

#[test]
fn what_stands_in_a_cancelled_event_is_withdrawn() {
    let text = changed(&stay(), STAY, &STAY.replace("\"N\"", "\"C\""));
    let document = made(&text);
    let conditions = all(&document, "Condition");
    assert_eq!(conditions.len(), 2);
    let allergies = all(&document, "AllergyIntolerance");
    assert_eq!(allergies.len(), 1);
    for resource in conditions.iter().chain(&allergies) {
        assert_eq!(resource["verificationStatus"]["coding"][0]["code"], "entered-in-error");
        assert!(resource.get("clinicalStatus").is_none(), "con-5, ait-2");
    }
    assert_eq!(statuses(&document, "MedicationStatement"), ["entered-in-error"; 3]);
    assert_eq!(statuses(&document, "Observation"), ["cancelled"]);
    let flags = all(&document, "Flag");
    let of =
        |text: &str| flags.iter().find(|f| f["code"]["text"] == text).expect("a warning")["status"].clone();
    assert_eq!(of("Reagerte på kontrastvæske"), "entered-in-error");
    assert_eq!(of("Blodsmitte"), "active", "it is of the patient");

    const LABEL: &str =
        "<p><b>Kansellert, gjelder ikke:</b></p><div style=\"text-decoration: line-through\">";
    for (title, words) in [
        ("Kritisk informasjon", "Reagerte på kontrastvæske"),
        ("Kritisk informasjon", "Fenoksymetylpenicillin"),
        ("Diagnoser", "Akutt infeksiøs endokarditt"),
        ("Vurdering", "God effekt av"),
        ("Funn og undersøkelser", "B-Hemoglobin"),
        ("Legemidler", "Allopurinol"),
        ("Kodede kommentarer", "Utvidet kontroll"),
    ] {
        let html = section(&document, title);
        let (valid, cancelled) = html.split_once(LABEL).unwrap_or_else(|| panic!("{title}: {html}"));
        assert!(!valid.contains(words) && cancelled.contains(words), "{title}: {html}");
    }
    for title in ["Prosedyrer", "Videre oppfølging", "Pasient"] {
        assert!(!section(&document, title).contains("Kansellert"), "{title}");
    }

    // The event inside it says that it is new: it stands, and the document is of it.
    assert_eq!(statuses(&document, "Procedure"), ["completed"]);
    let mut stays = statuses(&document, "Encounter");
    stays.sort_unstable();
    assert_eq!(stays, ["cancelled", "finished", "planned"]);
    let of_whole = all(&document, "Composition")[0]["encounter"]["reference"].clone();
    let inner =
        all(&document, "Encounter").into_iter().find(|e| e["status"] == "finished").expect("the ward");
    assert_eq!(of_whole, format!("urn:uuid:{}", inner["id"].as_str().expect("an id")));
    let days = |d: &SharedDocument| {
        let day = |s: message_schemas::time::Stamp| s.fhir_date_time().expect("a date");
        (day(d.period.0), d.period.1.map(day))
    };
    assert_eq!(days(&document), ("2026-03-03".to_owned(), Some("2026-03-05".to_owned())));
    assert_eq!(document.described.events.len(), 1);

    // Without a state of its own it is cancelled with what is around it.
    let alone = "</ReportedEvent>\n        <ServType V=\"N\" DN=\"Ny\"/>";
    let document = made(&changed(&text, alone, "</ReportedEvent>"));
    assert_eq!(statuses(&document, "Procedure"), ["entered-in-error"]);
    assert!(section(&document, "Prosedyrer").contains(LABEL));
    assert_eq!(days(&document), ("2026-03-09T13:00:00+01:00".to_owned(), None), "when it was issued");
    assert!(document.described.events.is_empty());
}

#[test]
fn a_cancelled_appointment_is_no_plan() {
    let planned = "</PlannedEvent>\n      <ServType V=\"N\" DN=\"Ny\"/>";
    let document = made(&changed(&stay(), planned, &planned.replace("\"N\"", "\"C\"")));
    let html = section(&document, "Videre oppfølging");
    let (valid, cancelled) = html.split_once("Kansellert, gjelder ikke:").expect("it is said");
    assert!(!valid.contains("Planlagt tid"), "{html}");
    assert!(cancelled.contains("10.04.2026 09:00") && cancelled.contains("Møt fastende"), "{html}");
    assert!(statuses(&document, "Encounter").contains(&"cancelled".to_owned()));
    assert!(told(&document).contains("God effekt av".replace(' ', "").as_str()));
    assert!(!section(&document, "Diagnoser").contains("Kansellert"), "the stay stands");
}

#[test]
fn a_stay_that_ends_before_it_starts_has_no_period() {
    const CAME: &str = "<EventLocation>\n        <StartDateTime V=\"2026-03-02\"/>";
    let went = |end: &str| {
        let document = made(&changed(&stay(), CAME, &format!("{CAME}<EndDateTime V=\"{end}\"/>")));
        let encounters = all(&document, "Encounter");
        let mut places = encounters.iter().flat_map(|e| e["location"].as_array().into_iter().flatten());
        let period = places.next().expect("a place")["period"].clone();
        (period["start"].as_str().map(str::to_owned), period["end"].as_str().map(str::to_owned))
    };
    let both = |start: &str, end: &str| (Some(start.to_owned()), Some(end.to_owned()));
    assert_eq!(went("2026-03-08"), both("2026-03-02", "2026-03-08"));
    assert_eq!(went("2026-03"), both("2026-03-02", "2026-03"), "the month holds the day");
    assert_eq!(went("2026-02-08"), (None, None));
}

#[test]
fn a_diagnosis_that_is_expected_to_end_is_not_over() {
    const BEGAN: &str = "<Type V=\"H\" DN=\"Hoveddiagnose\"/>\n        <StartDateTime V=\"2026-03-02\"/>";
    let ended = |end: &str| {
        let text = changed(&stay(), BEGAN, &format!("{BEGAN}<EndDateTime V=\"{end}\"/>"));
        let document = made(&text);
        let main = all(&document, "Condition").into_iter().find(|c| c["onsetDateTime"] == "2026-03-02");
        let main = main.expect("the main diagnosis");
        assert!(section(&document, "Diagnoser").contains("Slutt: "), "{end}");
        (main["abatementDateTime"].as_str().map(str::to_owned), main["clinicalStatus"].is_null())
    };
    assert_eq!(ended("2026-03-08"), (Some("2026-03-08".to_owned()), false));
    assert_eq!(ended("2026-06"), (None, true));
}

#[test]
fn the_sender_of_a_discharge_summary_is_who_sends_it_and_not_who_wrote_it() {
    let text = stay();
    let (before, rest) = text.split_once("<ServProvider>").expect("a sender");
    let (_, after) = rest.split_once("</ServProvider>").expect("its end");
    let person = "<HCP><HCProf><Name>Alene, Laila</Name></HCProf></HCP>";
    let document = made(&[before, "<ServProvider>", person, "</ServProvider>", after].concat());
    let view = View::read(&document.json).expect("a view");
    assert!(view.authors[0].starts_with("Hjerte, Hanne"), "{:?}", view.authors);
    assert_eq!(view.sender.as_deref(), Some("Alene, Laila"));
    let of_hospital = View::read(&made(&text).json).expect("a view");
    assert_eq!(of_hospital.sender.as_deref(), Some("Granheim sykehus"));
}
