//! Documents made of reports: our own samples against goldens, the official ones against the rules that
//! every document must keep (document-sharing §10).
//!
//! A folder `samples/svarrapport/document-*` holds `in.xml`; beside it stand `document.json` (one Bundle, or
//! a list of several) and `report.txt`: what became of the source, and what was odd. `UPDATE_GOLDENS=1`
//! writes them anew.

mod document_rules;

use document_rules::{Read, check, read, squeezed, told};
use message_schemas::document::view::{View, Weight};
use message_schemas::document::{self, Fault, Mode, Options, Outcome, SharedDocument};
use message_schemas::{Limits, xml};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folders() -> Vec<PathBuf> {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/svarrapport");
    let mut found: Vec<PathBuf> = std::fs::read_dir(at)
        .expect("samples")
        .map(|e| e.expect("an entry").path())
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("document-")))
        .collect();
    found.sort();
    assert!(found.len() >= 10);
    found
}

fn official() -> Vec<(String, Read)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/kith/examples/svarrapport");
    if !root.is_dir() {
        assert!(
            std::env::var_os("REQUIRE_SHARED").is_none(),
            "REQUIRE_SHARED is set, and there is no ../shared"
        );
        println!("skipped: official reports (no ../shared)");
        return Vec::new();
    }
    let mut found = Vec::new();
    for version in ["1.3", "1.4"] {
        for entry in std::fs::read_dir(root.join(version)).expect("samples") {
            let path = entry.expect("an entry").path();
            let bytes = std::fs::read(&path).expect("a sample");
            found.push((path.file_name().expect("a name").to_string_lossy().into_owned(), read(&bytes)));
        }
    }
    assert!(found.len() >= 40);
    found.sort_by(|a, b| a.0.cmp(&b.0));
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
    assert!(checked >= 11);
}

#[test]
fn the_text_alone_has_every_text_of_the_source() {
    for (name, message) in everything() {
        let documents = message.translate(&Options::default()).expect("a document");
        for document in &documents {
            let told = told(document);
            for line in document.coverage.lines(&message.tree) {
                if line.outcome == Outcome::Dropped
                    || line.path.contains("/@")
                    || !line.path.contains("/ServReport")
                {
                    continue;
                }
                let node = message
                    .tree
                    .nodes()
                    .find(|n| n.is_element() && n.xpath() == line.path)
                    .expect("the path names an element");
                let texts = node.children().filter(|n| !n.is_element());
                for text in texts.map(|n| squeezed(n.own_text())).filter(|t| !t.is_empty()) {
                    // Ids that bind resources are no words to a reader; bytes and unread times neither.
                    let technical =
                        ["IdResultItem", "RefIdResultItem", "RefAnalysedSubject", "Base64Container"];
                    assert!(
                        told.contains(&text) || technical.contains(&node.name()),
                        "{name}: {} is not in the text",
                        line.path
                    );
                }
            }
        }
    }
}

#[test]
fn no_valid_sample_has_anything_that_nobody_reads() {
    for (name, message) in everything() {
        if name == "document-broken-values" {
            continue;
        }
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
fn numbers_have_the_digits_that_were_sent() {
    for (name, message) in everything() {
        let mut sent: Vec<&str> = Vec::new();
        for node in message.tree.nodes().filter(|n| n.name() == "NumResultValue") {
            let plain = |v: &&str| v.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !v.is_empty();
            sent.extend(node.attr("V").filter(plain));
        }
        let documents = message.translate(&Options::default()).expect("a document");
        let json: String = documents.iter().map(|d| String::from_utf8_lossy(&d.json)).collect();
        for value in sent {
            let quantity = format!("\"valueQuantity\":{{\"value\":{value},");
            // Behind a comparator that no Quantity can have.
            let behind = format!(" {value} ");
            let texts = json.split("\"valueCodeableConcept\":{\"text\":\"").skip(1);
            let mut texts = texts.filter_map(|rest| rest.split('"').next());
            assert!(
                json.contains(&quantity)
                    || json.contains(&format!("\"value\":{value}}}"))
                    || texts.any(|text| text.contains(&behind)),
                "{name}: {value}"
            );
        }
    }
}

fn ours(case: &str) -> Read {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/svarrapport").join(case).join("in.xml");
    read(&std::fs::read(at).expect("in.xml"))
}

/// How a bacterium reacts is not so where it was not found; what says of itself that it is new stands.
#[test]
fn what_stands_under_a_cancelled_result_is_cancelled_with_it() {
    let text = ours("document-microbiology-grouped").text;
    let found = "<IdResultItem>1</IdResultItem>";
    let mecillinam = "<Investigation><Id V=\"NPU54389\"";
    assert_eq!((text.matches(found).count(), text.matches(mecillinam).count()), (1, 1));
    let statuses = |text: &str| {
        let document = read(text.as_bytes()).translate(&Options::default()).expect("a document").remove(0);
        let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
        let entries = bundle["entry"].as_array().expect("entries").iter().map(|e| &e["resource"]);
        let results = entries.filter(|r| r["resourceType"] == "Observation");
        let of = |r: &Value| r["status"].as_str().expect("a status").to_owned();
        let sections = bundle["entry"][0]["resource"]["section"].to_string();
        (results.map(of).collect::<Vec<_>>(), sections.matches("text-decoration: line-through").count())
    };
    assert_eq!(statuses(&text), (vec!["final".to_owned(); 8], 0));

    // The amount stands in it; Mecillinam and the first Ampicillin refer to it.
    let cancelled = text.replace(found, &format!("<ServType V=\"C\"/>{found}"));
    let (with, struck) = statuses(&cancelled);
    assert_eq!(
        with,
        ["cancelled", "cancelled", "final", "cancelled", "cancelled", "final", "final", "final"]
    );
    assert_eq!(struck, 8, "name and value of each");

    let kept = cancelled.replace(mecillinam, &format!("<ServType V=\"N\"/>{mecillinam}"));
    assert_eq!(
        statuses(&kept).0,
        ["cancelled", "cancelled", "final", "final", "cancelled", "final", "final", "final"]
    );
}

#[test]
fn what_stands_apart_from_its_result_says_that_it_is_cancelled() {
    let text = ours("document-pathology-markup").text;
    let told = |service: &str| {
        let text = text.replacen("<DiagComment>", &format!("{service}<DiagComment>"), 1);
        let document = read(text.as_bytes()).translate(&Options::default()).expect("a document").remove(0);
        let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
        let sections = bundle["entry"][0]["resource"]["section"].as_array().expect("sections").clone();
        let found = sections.iter().find(|s| s["title"] == "Strukturert informasjon").expect("the section");
        found["text"]["div"].as_str().expect("a text").to_owned()
    };
    assert!(!told("").contains("Kansellert"));
    let cancelled = told("<ServType V=\"C\"/>");
    assert!(
        cancelled.contains("<b>Kansellert: Vurdering:</b> <span style=\"text-decoration: line-through\">")
    );
    assert!(told("<ServType V=\"H\"/>").contains("<b>Tidligere sendt: Vurdering:</b>"));
}

#[test]
fn what_the_laboratory_deleted_is_struck_through_under_every_service_type() {
    let text = ours("document-change-with-cancelled-item").text;
    let deleted = text.find("<StatusInvestigation V=\"14\"").expect("a deleted result");
    let from = text.get(..deleted).and_then(|before| before.rfind("<ServType V=\"C\"")).expect("cancelled");
    let struck = |text: &str| {
        let document = read(text.as_bytes()).translate(&Options::default()).expect("a document").remove(0);
        let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
        bundle["entry"][0]["resource"]["section"].to_string().matches("text-decoration: line-through").count()
    };
    let (before, rest) = text.split_at(from);
    let changed = [before, &rest.replacen("<ServType V=\"C\"", "<ServType V=\"M\"", 1)].concat();
    assert!(struck(&text) > 0);
    assert_eq!(struck(&changed), struck(&text));
    let kept = changed.replace("<StatusInvestigation V=\"14\"", "<StatusInvestigation V=\"3\"");
    assert!(struck(&kept) < struck(&text));
}

#[test]
fn two_reports_of_a_patient_are_two_documents() {
    let documents = ours("document-several-reports-1.3").translate(&Options::default()).expect("documents");
    let [first, second] = documents.as_slice() else { panic!("two documents") };
    assert_ne!(first.series, second.series);
    assert!(second.keys.msg_id.ends_with("#2") && !first.keys.msg_id.contains('#'));
    let has = |d: &SharedDocument, text: &str| String::from_utf8_lossy(&d.json).contains(text);
    assert!(has(first, "NPU03230") && !has(first, "NPU01945"));
    assert!(has(second, "NPU01945") && !has(second, "NPU03230"));
}

/// The message is published as the original of each of its documents, with all that stands in it.
#[test]
fn reports_of_several_patients_in_one_message_give_no_document() {
    let at =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/svarrapport/document-several-reports-1.3/in.xml");
    let text = std::fs::read_to_string(at).expect("in.xml");
    let translated = |text: &str| read(text.as_bytes()).translate(&Options::default()).map(|d| d.len());
    assert_eq!(translated(&text), Ok(2));
    let second = text.rfind("<ServReport>").expect("a second report");
    let changed = |from: &str, to: &str| {
        let (before, after) = text.split_at(second);
        assert!(after.contains(from), "{from}");
        translated(&format!("{before}{}", after.replacen(from, to, 1)))
    };
    let id = "<OffId>14857541384</OffId>";
    assert_eq!(changed(id, "<OffId>02906130060</OffId>"), Err(Fault::SeveralPatients));
    assert_eq!(changed(id, ""), Err(Fault::SeveralPatients), "nobody knows whose");
    assert_eq!(changed(r#"<TypeOffId V="FNR""#, r#"<TypeOffId V="XXX""#), Err(Fault::SeveralPatients));
    let (from, to) =
        (text.rfind("<Patient>").expect("a patient"), text.rfind("</Patient>").expect("its end"));
    let patient = text.get(from..to).expect("on a boundary").to_owned() + "</Patient>";
    assert_eq!(changed(&patient, ""), Err(Fault::SeveralPatients));
    let withdrawn = text.replace(&patient, "");
    let (before, after) = withdrawn.split_at(second);
    let withdrawn = format!("{before}{}", after.replacen(r#"<ServType V="N""#, r#"<ServType V="C""#, 1));
    assert_eq!(translated(&withdrawn), Ok(2), "what withdraws may say no more");
    // Where none names anybody nationally nothing is published, so nothing is told of one to another.
    assert_eq!(translated(&text.replace(id, "")), Ok(2));
}

#[test]
fn an_addition_is_called_one_and_no_change() {
    let message = ours("document-pathology-markup");
    let text = message
        .text
        .replacen("<ServType V=\"N\" DN=\"Ny\"/>", "<ServType V=\"M\" DN=\"Endring\"/>", 1)
        .replacen(
            "<Status V=\"F\" DN=\"Endelig rapport\"/>",
            "<Status V=\"A\" DN=\"Tillegg til rapport\"/>",
            1,
        );
    let document = read(text.as_bytes()).translate(&Options::default()).expect("a document").remove(0);
    let shown = View::read(&document.json).expect("a view");
    assert_eq!((shown.status, shown.weight), ("Tillegg", Weight::Notice));
    let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
    let composition = &bundle["entry"][0]["resource"];
    assert_eq!(composition["status"], "amended", "FHIR has no word for it");
    let first = composition["section"][0]["text"]["div"].as_str().expect("text");
    assert!(first.contains("tillegg til tidligere svar") && !first.contains("endret"), "{first}");
    let changed = text.replacen("<Status V=\"A\"", "<Status V=\"F\"", 1);
    let changed = read(changed.as_bytes()).translate(&Options::default()).expect("a document").remove(0);
    assert_eq!(View::read(&changed.json).expect("a view").status, "Endret");
}

#[test]
fn a_result_without_a_date_shows_none() {
    let document =
        ours("document-microbiology-grouped").translate(&Options::default()).expect("a document").remove(0);
    let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
    let entries = bundle["entry"].as_array().expect("entries");
    let amount = entries.iter().map(|e| &e["resource"]).find(|r| r["code"]["text"] == "Mengde");
    let amount = amount.expect("a result");
    assert_eq!(
        amount["effectiveDateTime"], "2025-02-12T15:00:00+01:00",
        "the report's own, by document-sharing 6.4"
    );
    let sections = entries[0]["resource"]["section"].as_array().expect("sections");
    let results = sections.iter().find(|s| s["title"] == "Undersøkelsesresultater").expect("results");
    let rows = results["text"]["div"].as_str().expect("text");
    let row = rows.split("<tr>").find(|row| row.contains("Mengde")).expect("a row");
    assert!(row.ends_with("<td></td></tr>"), "{row}");
    let sampled = rows.split("<tr>").find(|row| row.contains("Escherichia coli")).expect("a row");
    assert!(sampled.contains("<td>09.02.2025</td>"), "{sampled}");
}

#[test]
fn settings_change_the_key_but_not_the_rules() {
    let message = ours("document-broken-values");
    let plain = message.translate(&Options::default()).expect("a document");
    assert!(plain[0].keys.series_key.starts_with("svarrapport|HER:250010|"));
    let mapped: Options =
        serde_json::from_str(r#"{"organisations": {"250010": "314052005"}}"#).expect("settings");
    let mapped = message.translate(&mapped).expect("a document");
    assert!(mapped[0].keys.series_key.starts_with("svarrapport|ENH:314052005|"));
    assert!(
        serde_json::from_str::<Options>(r#"{"atachments": true}"#).is_err(),
        "unknown settings are refused"
    );
}

#[test]
fn nilar_mode_has_neither_composition_nor_patient() {
    let options = Options { mode: Mode::Nilar, ..Options::default() };
    for (name, message) in everything() {
        for document in message.translate(&options).unwrap_or_else(|e| panic!("{name}: {e}")) {
            let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
            for entry in bundle["entry"].as_array().expect("entries") {
                let kind = entry["resource"]["resourceType"].as_str().expect("a type");
                assert!(
                    ["DiagnosticReport", "Observation", "Specimen", "ServiceRequest", "PractitionerRole"]
                        .contains(&kind),
                    "{name}: {kind}"
                );
            }
        }
    }
    let json = ours("document-biochemistry-1.3").translate(&options).expect("a document").remove(0).json;
    let json = String::from_utf8_lossy(&json).into_owned();
    assert!(json.contains("http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk"));
    assert!(!json.contains("v3-ObservationInterpretation"));
}

#[test]
fn what_cannot_be_a_document_is_a_fault_with_a_page() {
    let empty = |version: &str, body: &str| {
        let text = format!(
            "<Message xmlns='http://www.kith.no/xmlstds/labsvar/{version}'><Type V='S'/>\
             <MIGversion>v</MIGversion>{body}</Message>"
        );
        let tree = xml::Tree::parse(&text, &Limits::default()).expect("XML");
        document::translate(&text, &tree, &Options::default()).map(|d| d.len())
    };
    let dated = "<GenDate V='2025-01-01T10:00:00'/><MsgId>m</MsgId>";
    assert_eq!(empty("2012-02-15", dated), Err(Fault::NoReport));
    assert_eq!(empty("2005-03-14", dated), Err(Fault::NoTranslation));
    assert_eq!(empty("2012-02-15", "<GenDate V='2025'/><ServReport/>"), Err(Fault::NoMessageId));
    let change = format!("{dated}<ServReport><ServType V='M'/></ServReport>");
    assert_eq!(empty("2008-12-01", &change), Err(Fault::NoDocumentId));
    assert_eq!(empty("2008-12-01", "<MsgId>m</MsgId><ServReport/>"), Err(Fault::NoTime));
    let packed = format!(
        "{dated}<ServReport><RefDoc><MsgType V='A'/><Compression V='Z'/><Content>QQ==</Content></RefDoc></ServReport>"
    );
    assert_eq!(empty("2012-02-15", &packed), Err(Fault::PackedAttachment));
    let many = format!("{dated}{}", "<ServReport/>".repeat(201));
    assert_eq!(empty("2008-12-01", &many), Err(Fault::TooLarge { what: "reports", limit: 200 }));
    assert_eq!(
        empty("2008-12-01", &format!("{dated}<ServReport/>")),
        Ok(1),
        "even a bare report is readable"
    );
    for code in Fault::CODES {
        let page =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../dead-letter/reasons").join(format!("{code}.md"));
        assert!(page.is_file(), "{code} has no page");
    }
}

#[test]
fn whose_it_is_must_be_told_once() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let cases = [
        "svarrapport/document-biochemistry-1.4",
        "henvisning/document-structured-1.1",
        "henvisning/accepted-2.0",
        "epikrise/accepted-1.2",
        "rekvisisjon/document-laboratory-1.6",
    ];
    for case in cases {
        let bytes = std::fs::read(samples.join(case).join("in.xml")).expect("in.xml");
        let text = xml::decode(&bytes).expect("text").text.into_owned();
        let translated = |text: &str| read(text.as_bytes()).translate(&Options::default()).map(|d| d.len());
        assert!(translated(&text).is_ok(), "{case}");
        let (from, to) = (text.find("<Patient>"), text.find("</Patient>"));
        let (from, to) = (from.expect("a patient"), to.expect("its end") + "</Patient>".len());
        let patient = text.get(from..to).expect("on a boundary");
        let twice = text.replacen(patient, &format!("{patient}{patient}"), 1);
        assert_eq!(translated(&twice), Err(Fault::SeveralPatients), "{case}");
        // One of them under another's id as well.
        let other = if patient.contains("<OffId>") {
            patient.replacen("<OffId>", "<OffId>14857541384</OffId><OffId>", 1)
        } else {
            let (from, to) = (patient.find("<Ident>"), patient.find("</Ident>"));
            let (from, to) = (from.expect("an id"), to.expect("its end") + "</Ident>".len());
            let id = patient.get(from..to).expect("on a boundary");
            let number =
                id.split("<Id>").nth(1).and_then(|rest| rest.split("</Id>").next()).expect("a number");
            patient.replacen(id, &format!("{id}{}", id.replace(number, "14857541384")), 1)
        };
        assert_eq!(translated(&text.replacen(patient, &other, 1)), Err(Fault::SeveralPatients), "{case}");
        // Beside the first as an additional one, where only a D-number may stand.
        if patient.contains("<OffId>") {
            let beside = |kind: &str, number: &str| {
                let id =
                    format!("<AdditionalId><Id>{number}</Id><Type V=\"{kind}\"/></AdditionalId></Patient>");
                translated(&text.replacen(patient, &patient.replacen("</Patient>", &id, 1), 1)).is_ok()
            };
            assert!(!beside("FNR", "01015000232"), "{case}");
            assert!(!beside("DNR", "01015000232"), "{case}: of another kind by its name only");
            assert!(beside("DNR", "41015000231"), "{case}");
        }
    }
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
    let (mut documents, mut faults) = (0, 0);
    for folder in folders() {
        let message = read(&std::fs::read(folder.join("in.xml")).expect("in.xml"));
        let elements: Vec<_> = message.tree.nodes().filter(|n| n.is_element()).skip(1).collect();
        for _ in 0..15 {
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
                    format!(
                        "{before}<{0} V=\"{value}\" S=\"1..2\" U=\"{value}\">{value}</{0}>{behind}",
                        node.name()
                    )
                }
                _ => format!("{before}<{0}><b>x</b>{piece}</{0}>{behind}", other.name()),
            };
            let Ok(tree) = xml::Tree::parse(&changed, &Limits::default()) else { continue };
            match document::translate(&changed, &tree, &Options::default()) {
                Err(_) => faults += 1,
                Ok(made) => {
                    for document in made {
                        documents += 1;
                        let wrong = check(&document);
                        assert!(wrong.is_empty(), "{}: {wrong:#?}\n{changed}", folder.display());
                        assert!(
                            document.coverage.lines(&tree).iter().all(|l| l.reason != document::UNREAD_MANY)
                        );
                    }
                }
            }
        }
    }
    assert!(documents > 100 && faults > 0, "{documents} documents, {faults} faults");
}

fn element_paths(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            let kind = map.get("resourceType").and_then(Value::as_str);
            let path = kind.unwrap_or(path);
            for (name, inner) in map {
                element_paths(inner, &format!("{path}.{name}"), out);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| element_paths(inner, path, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.insert(path.to_owned());
        }
    }
}

/// The hand-made document has no source message. Its ids are made by the rule, and it uses no element that our
/// documents do not use; it differs where the list of laboratory areas is needed (a result of another
/// discipline than its report's), which is not carried here.
#[test]
fn the_worked_example_has_our_ids_and_our_elements() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/vectors/document-sharing/examples/fhir-document-svarrapport.json");
    let Ok(bytes) = std::fs::read(path) else {
        assert!(
            std::env::var_os("REQUIRE_SHARED").is_none(),
            "REQUIRE_SHARED is set, and there is no ../shared"
        );
        println!("skipped: the worked example (no ../shared)");
        return;
    };
    let example: Value = serde_json::from_slice(&bytes).expect("JSON");
    let keys = document::Keys::new(
        "svarrapport",
        "ENH:983974880",
        "0e066e33-966a-4212-81c7-43737641ed0d",
        "fe15dfa9-0000-4c29-bb15-17de2fc62622",
    );
    let composition = &example["entry"][0]["resource"];
    assert_eq!(example["id"], keys.document(document::Format::Fhir).to_string());
    assert_eq!(composition["identifier"]["value"], keys.series().urn().to_string());
    let kith = keys.document(document::Format::KithXml).urn().to_string();
    assert_eq!(composition["relatesTo"][0]["targetIdentifier"]["value"], kith);

    let (mut theirs, mut ours) = (BTreeSet::new(), BTreeSet::new());
    element_paths(&example, "", &mut theirs);
    for (name, message) in everything() {
        for document in message.translate(&Options::default()).unwrap_or_else(|e| panic!("{name}: {e}")) {
            element_paths(&serde_json::from_slice(&document.json).expect("JSON"), "", &mut ours);
        }
    }
    let missing: Vec<_> = theirs.difference(&ours).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn an_order_of_which_nothing_is_told_gives_no_empty_table() {
    let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/svarrapport/document-broken-values/in.xml");
    let text = std::fs::read_to_string(at).expect("in.xml");
    let permission = r#"<Permission V="1" S="2.16.578.1.12.4.1.1.9064" DN="Samtykke"/>"#;
    assert_eq!(text.matches(permission).count(), 1);
    let documents = read(text.replace(permission, "").as_bytes()).translate(&Options::default());
    let faults: Vec<_> = documents.expect("a document").iter().flat_map(check).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A report whose laboratory is a person alone, with a responsible person of another name.
fn sent_by_a_person() -> String {
    let text = ours("document-biochemistry-1.4").text;
    let (before, rest) = text.split_once("<ServProvider>").expect("a sender");
    let (_, after) = rest.split_once("</ServProvider>").expect("its end");
    let person = "<HCP><HCProf><Type V=\"LE\" DN=\"Lege\"/><Name>Laila Alene</Name></HCProf></HCP>";
    [before, "<ServProvider>", person, "</ServProvider>", after].concat()
}

#[test]
fn the_sender_of_a_report_is_who_sends_it_and_not_who_wrote_it() {
    let document = read(sent_by_a_person().as_bytes()).translate(&Options::default()).expect("one").remove(0);
    assert!(check(&document).is_empty(), "{:#?}", check(&document));
    let view = View::read(&document.json).expect("a view");
    assert_eq!(view.authors, ["Even Prøve (Bioingeniør)"]);
    assert_eq!(view.sender.as_deref(), Some("Laila Alene (Lege)"));
    let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
    let composition = &bundle["entry"][0]["resource"];
    assert_eq!(composition["custodian"], serde_json::json!({ "display": "Laila Alene (Lege)" }));
    let summary = composition["text"]["div"].as_str().expect("a text");
    assert!(summary.contains("Avsender: Laila Alene (Lege)."), "{summary}");
}

#[test]
fn a_message_time_that_is_none_is_reported_as_dropped() {
    let text = ours("document-biochemistry-1.4").text;
    let sent = "<GenDate V=\"2025-03-04T09:00:00.2500000Z\"/>";
    assert_eq!(text.matches(sent).count(), 1);
    let mapped = (Outcome::Mapped, "Bundle.timestamp");
    let dropped = (Outcome::Dropped, "no usable time: another date of the message stands for it");
    for (time, fate) in [
        ("2025-03-04T09:00:00Z", mapped),
        ("2025-03-04", mapped),
        ("4. mars", dropped),
        ("09:00:00", dropped),
    ] {
        let message = read(text.replace(sent, &format!("<GenDate V=\"{time}\"/>")).as_bytes());
        let document = message.translate(&Options::default()).expect("a document").remove(0);
        let lines = document.coverage.lines(&message.tree);
        let line = lines.iter().find(|l| l.path.contains("/GenDate")).expect("it is reported");
        assert_eq!((line.outcome, line.reason), fate, "{time}");
    }
}

#[test]
fn an_attachment_that_is_not_what_it_is_said_to_be_shows_both() {
    let text = ours("document-radiology").text;
    let said = "<MimeType>application/pdf</MimeType>";
    let bytes = ("JVBERi0xLjQKJSBm\naWt0aXYK", "QUJD");
    assert_eq!((text.matches(said).count(), text.matches(bytes.0).count()), (1, 1));
    let line = |text: &str| {
        let document = read(text.as_bytes()).translate(&Options::default()).expect("a document").remove(0);
        let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
        let sections = bundle["entry"][0]["resource"]["section"].as_array().expect("sections").clone();
        let found = sections.iter().find(|s| s["title"] == "Vedlegg").expect("the section");
        let div = found["text"]["div"].as_str().expect("a text").to_owned();
        let (_, rest) = div.split_once("<p>").expect("a line");
        rest.split_once("</p>").expect("its end").0.to_owned()
    };
    assert_eq!(line(&text), "Skisse, application/pdf, id bilde-1");
    let other = text.replace(said, "<MimeType>image/png</MimeType>");
    assert_eq!(line(&other), "Skisse, image/png (innholdet er application/pdf), id bilde-1");
    let words = text.replace(said, "<MimeType>en skisse</MimeType>");
    assert_eq!(line(&words), "Skisse, en skisse (innholdet er application/pdf), id bilde-1");
    let silent = text.replace(said, "");
    assert_eq!(line(&silent), "Skisse, innholdet er application/pdf, id bilde-1");
    let none = text.replace(bytes.0, bytes.1);
    assert_eq!(line(&none), "Skisse, application/pdf (innholdet er av ukjent type), id bilde-1");
    let own = none.replace(said, "<MimeType>application/x-own</MimeType>");
    assert_eq!(line(&own), "Skisse, application/x-own, id bilde-1", "nobody can tell");
}

#[test]
fn a_cancelled_sample_is_told_to_be_so_before_all_else() {
    let text = ours("document-biochemistry-1.4").text;
    let id = "<IdByServProvider>7001</IdByServProvider>";
    assert_eq!(text.matches(id).count(), 1);
    let told = |service: &str, mode: Mode| {
        let message = read(text.replace(id, &format!("{service}{id}")).as_bytes());
        let options = Options { mode, ..Options::default() };
        let document = message.translate(&options).expect("a document").remove(0);
        let lines = document.coverage.lines(&message.tree);
        let line = lines.iter().find(|l| l.path.contains("/AnalysedSubject/ServType")).map(|l| l.outcome);
        let bundle: Value = serde_json::from_slice(&document.json).expect("JSON");
        let sections = bundle["entry"][0]["resource"]["section"].as_array().cloned().unwrap_or_default();
        let found = sections.iter().find(|s| s["title"] == "Analysert materiale");
        (found.and_then(|s| s["text"]["div"].as_str()).unwrap_or_default().to_owned(), line)
    };
    let (plain, outcome) = told("<ServType V=\"N\"/>", Mode::Document);
    assert_eq!((plain.contains("ansellert"), outcome), (false, Some(Outcome::Dropped)));
    let (cancelled, outcome) = told("<ServType V=\"C\"/>", Mode::Document);
    let status =
        "<table><tbody><tr><th>Status</th><td><b>Kansellert</b></td></tr><tr><th>Materiale (kode)</th>";
    assert!(cancelled.contains(status), "{cancelled}");
    assert_eq!(outcome, Some(Outcome::Narrative));
    assert_eq!(told("<ServType V=\"C\"/>", Mode::Nilar).1, Some(Outcome::Dropped), "it has no text");
}
