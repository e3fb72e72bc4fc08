//! What an operator hears who asks about documents: `budstikke series`, and what `budstikke trace` says of a message that is to
//! be seen nowhere.

use crate::rig::{Rig, Series};
use crate::{BORN, OTHER, PATIENT, of_another};
use serde_json::Value;
use system_tests::drive::sample;

/// A target for living patients, beside two for tests.
const LIVING: &str = r#"
[publish.living]
kind = "xds"
url = "http://{domain}/repository"
registry_url = "http://{domain}/registry"
environment = "production"
home_community = "2.999.1"
repository = "2.999.3"
source_root = "2.999.2"
withdraw = "delete"
families = ["discharge-summary"]
timeout = "2s"
practice = { list = "8655", code = "S03", name = "Indremedisin" }
"#;

/// Somebody whose id could be a living person's.
const LIVES: &str = "13116900216";

const REPORT: Series =
    Series { sample: "svarrapport/head-accepted-1.4", id: Some("RAPPORT-14-1"), number: 50 };
const SUMMARY: Series = Series { sample: "epikrise/accepted-1.2", id: Some("RAPPORT-12-1"), number: 51 };
const REFERRAL: Series = Series { sample: "henvisning/accepted-1.1", id: Some("HENV-11-1"), number: 52 };
const ADMISSION: Series = Series { sample: "plo/innleggelsesrapport-1.6", id: None, number: 53 };

fn lines(said: &str) -> Vec<Value> {
    said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn series_tells_what_stands_where_and_what_waits_for_a_person() {
    let mut rig = Rig::lay_out("asked-series");
    let _stores = rig.open();
    rig.start();
    let (code, said) = rig.ask(&["series", "0000-0000"]);
    assert_eq!((code, said.trim()), (Some(1), "No document is known under this id."));
    assert_eq!(rig.ask(&["series", "0000-0000", "--format", "json"]), (Some(1), String::new()));

    rig.publish(&REPORT.version(1, "N"));
    rig.publish(&REPORT.version(2, "M"));
    let foreign = rig.send(of_another(&REPORT.text(3, "M")).as_bytes());
    rig.come_to(&foreign, &["parked"; 2]);
    // By the id of a message, and by that of the document.
    let document = "RAPPORT-14-1-50";
    for id in [&REPORT.message_id(1), document] {
        let (code, said) = rig.ask(&["series", id]);
        assert_eq!(code, Some(0), "{said}");
        let line = |containing: &str| {
            said.lines().find(|l| l.contains(containing)).unwrap_or_else(|| panic!("no {containing}: {said}"))
        };
        assert!(line("Series svarrapport|").ends_with(": visible"), "{said}");
        assert!(
            line("N new").contains(&format!("superseded by {}", REPORT.message_id(2))),
            "what took its place: {said}"
        );
        let conflict = line(&REPORT.message_id(3));
        assert!(conflict.contains("waits for a person: the series is another patient's"), "{said}");
        for target in ["national", "region"] {
            for (version, status) in [(1, "superseded"), (2, "approved")] {
                let of = format!("at publish:{target}: kith-xml of {}: {status}", REPORT.message_id(version));
                line(&of);
            }
        }
        // What it says to do next is to be done just so.
        let hint = line("budstikke dead-letter show");
        let words: Vec<&str> = hint.split_whitespace().rev().take(3).collect();
        let (code, said) = rig.ask(&[words[2], words[1], words[0]]);
        assert!(code == Some(0) && said.contains("P59"), "{said}");
    }

    let (code, said) = rig.ask(&["series", document, "--format", "json"]);
    assert_eq!(code, Some(0));
    let series = lines(&said);
    let (own, outside) = (&series[0], &series[1]);
    assert_eq!(own["state"], "visible");
    let fates: Vec<_> = own["versions"].as_array().expect("versions").iter().map(|v| &v["fate"]).collect();
    assert_eq!(fates, ["superseded", "visible"]);
    assert_eq!(own["versions"][0]["by"], REPORT.message_id(2));
    assert_eq!(own["published"].as_array().expect("entries").len(), 8, "two forms, versions and targets");
    assert_eq!(outside["versions"][0]["conflict"], "other_patient");
    assert_eq!(outside["versions"][0]["message"], foreign);
    assert!(!said.contains(PATIENT) && !said.contains(OTHER), "whose it is, is not said: {said}");

    // Two families may name their documents alike.
    let summary = SUMMARY.text(1, "N").replace("RAPPORT-12-1-51", document);
    rig.publish(summary.as_bytes());
    let (_, said) = rig.ask(&["series", document]);
    assert!(said.contains("Series svarrapport|") && said.contains("Series epikrise|"), "{said}");
}

/// A message with two reports.
const TWO: &str = "svarrapport/head-several-reports-1.3";
const FIRST: &str = "RAPPORT-13-1";
const SECOND: &str = "RAPPORT-13-2";

#[test]
fn each_report_of_a_message_is_found_by_its_own_id() {
    let mut rig = Rig::lay_out("asked-reports");
    let _stores = rig.open();
    rig.start();
    rig.publish(&sample(TWO));
    for (id, other) in [(FIRST, SECOND), (SECOND, FIRST)] {
        let (code, said) = rig.ask(&["series", id]);
        let first = said.lines().next().unwrap_or_default();
        assert!(code == Some(0) && first.ends_with(&format!("|{id}: visible")), "{said}");
        assert!(!said.contains(other), "the other is not asked for: {said}");
    }
    let second = "67296aa4-3417-5f08-a78e-fbfa6eb43daf#2";
    assert!(rig.ask(&["series", second]).1.contains(second), "by the name under which it is told");
    // By their message: both.
    let (_, said) = rig.ask(&["series", "67296aa4-3417-5f08-a78e-fbfa6eb43daf"]);
    assert!(said.contains(FIRST) && said.contains(SECOND), "{said}");

    // One of them is cancelled. The message itself stays, since the other holds; it is said what else it tells.
    let text = String::from_utf8(sample(TWO)).expect("UTF-8");
    let (start, end) = ("<ServReport>", "</ServReport>");
    let (before, rest) = text.split_once(start).expect("a report");
    let (report, _) = rest.split_once(end).expect("its end");
    let cancellation = "67296aa4-3417-5f08-a78e-fbfa6eb43db0";
    let cancels = format!("{before}{start}{report}{end}\n</Message>")
        .replacen("67296aa4-3417-5f08-a78e-fbfa6eb43daf", cancellation, 1)
        .replacen("2026-03-01T10:00:00", "2026-03-01T11:00:00", 1)
        .replacen("<ServType V=\"N\" DN=\"Ny\"/>", "<ServType V=\"C\"/>", 1);
    rig.publish(cancels.as_bytes());
    let (_, said) = rig.ask(&["series", FIRST]);
    assert!(said.lines().next().is_some_and(|first| first.ends_with(": withdrawn")), "{said}");
    let (_, said) = rig.ask(&["series", SECOND]);
    let first = "67296aa4-3417-5f08-a78e-fbfa6eb43daf";
    let still =
        format!("it also tells of {first}, withdrawn by {cancellation}: that can be read there still");
    assert_eq!(said.matches(&still).count(), 2, "at each target: {said}");
    let (_, said) = rig.ask(&["series", SECOND, "--format", "json"]);
    let told = lines(&said).remove(0);
    let also: Vec<_> =
        told["published"].as_array().expect("entries").iter().map(|e| &e["also_tells"]).collect();
    assert_eq!(also.iter().filter(|a| a[0]["by"] == cancellation).count(), 2, "the originals alone: {said}");
}

#[test]
fn trace_says_why_a_document_is_not_to_be_seen() {
    let mut rig = Rig::lay_out_with("asked-trace", LIVING);
    let _stores = rig.open();
    rig.start();
    // Each message, how its deliveries to targets end in the order of their names, and what is said of which target.
    let reserved = "<Forsendelsesstatus V=\"N\"/><ForbeholdOmVideresending>true</ForbeholdOmVideresending>";
    let marked = |text: String| text.replacen("</MsgId>", "</MsgId>\n  <Status V=\"TEST\" DN=\"Test\"/>", 1);
    let cases: [(&str, String, &[&str], &str); 8] = [
        ("shown", REFERRAL.text(1, "N"), &["handed_over"; 2], "at national: shown as kith-xml, fhir"),
        (
            "somebody who may live, at targets for tests",
            Series { number: 60, ..REFERRAL }
                .text(1, "N")
                .replace(PATIENT, LIVES)
                .replace(BORN, "1969-11-13"),
            &[],
            "at national: not published, N03: a real patient's document is not published to a target for tests",
        ),
        (
            "an id that does not check",
            Series { number: 61, ..REFERRAL }.text(1, "N").replace(PATIENT, "13116900217"),
            &[],
            "at national: not published, N04: the document is not for publishing: the patient's national id does not check",
        ),
        (
            "a test, at a target for the living",
            marked(Series { number: 62, ..SUMMARY }.text(1, "N")),
            &["handed_over"; 2],
            "at living: not published, N01: a test message is not published to a target in production",
        ),
        (
            "nobody who lives, at a target for the living",
            SUMMARY.text(1, "N"),
            &["parked", "handed_over", "handed_over"],
            "at living: not published, it lies aside, P64 cannot be published to the target (N02: a synthetic",
        ),
        (
            "a reservation",
            ADMISSION.text(1, "N").replacen("<Forsendelsesstatus V=\"N\"/>", reserved, 1),
            &["handed_over"; 2],
            "at national: not published, N04: the document is not for publishing: the sender reserves that the message be",
        ),
        (
            "a version that gives no document",
            String::from_utf8(sample("epikrise/accepted-1.0")).expect("UTF-8"),
            &["parked"],
            "at national: not published: it gives no document, D",
        ),
        (
            "a family that nobody takes",
            String::from_utf8(sample("epj-ekstrakt/accepted-1.4")).expect("UTF-8"),
            &[],
            "documents   published nowhere: no target takes the family record-extract",
        ),
    ];
    for (what, text, states, expected) in cases {
        let id = rig.send(text.as_bytes());
        rig.come_to(&id, states);
        let (code, said) = rig.ask(&["trace", &id]);
        assert!(code == Some(0) && said.contains(expected), "{what}: {said}");
        assert!(!said.contains(PATIENT) && !said.contains(LIVES), "{what}: {said}");
        let (_, said) = rig.ask(&["trace", &id, "--format", "json"]);
        let record = lines(&said).remove(0);
        let accounts = record["documents"].as_array().unwrap_or_else(|| panic!("{what}: {said}"));
        let told = accounts.iter().map(|a| match a["target"].as_str() {
            Some(target) => format!("at {target}: {}", a["words"].as_str().unwrap_or_default()),
            None => format!("documents   {}", a["words"].as_str().unwrap_or_default()),
        });
        assert_eq!(told.filter(|t| t.contains(expected)).count(), 1, "{what}: {said}");
        let shown = accounts.iter().any(|a| a["shown"] == true);
        assert_eq!(shown, states.contains(&"handed_over") && what != "a reservation", "{what}: {said}");
    }

    // It stays true when the settings change: nothing was told to the target that is added now.
    let id = rig.send(
        Series { number: 63, ..REFERRAL }
            .text(1, "N")
            .replace(PATIENT, LIVES)
            .replace(BORN, "1969-11-13")
            .as_bytes(),
    );
    rig.come_to(&id, &[]);
    let settings = std::fs::read_to_string(rig.region.config()).expect("settings");
    let more = settings.replace("families = [\"discharge-summary\"]", "families = [\"referral\"]");
    std::fs::write(rig.region.config(), more).expect("written");
    let (_, said) = rig.ask(&["trace", &id]);
    assert!(
        said.contains("at living: not published: when it came, this target did not take it. Now it would"),
        "{said}"
    );
}
