//! Laboratory reports that come in parts: results that are known again, and one document of several messages.

use message_schemas::Limits;
use message_schemas::document::{self, Fault, Format, Keys, Options, Part, SharedDocument};
use message_schemas::xml::Tree;
use serde_json::Value;
use std::collections::BTreeSet;

/// A result: code, value, change code, own id, sample.
struct Item<'a>(&'a str, &'a str, &'a str, &'a str, &'a str);

fn item(Item(code, value, change, id, sample): &Item<'_>, nested: &str) -> String {
    format!(
        r#"<ResultItem><NumResult><NumResultValue V="{value}" U="mmol/L"/></NumResult><ServType V="{change}"/>
        <Investigation><Id V="{code}" S="2.16.578.1.12.4.1.1.7280" DN="Analyse {code}"/></Investigation>
        <IdResultItem>{id}</IdResultItem><StatusInvestigation V="3"/>
        <RefAnalysedSubject>{sample}</RefAnalysedSubject>{nested}</ResultItem>"#
    )
}

/// A report with these results, made on that day of March.
fn report(msg_id: &str, day: u8, change: &str, items: &str) -> String {
    format!(
        r#"<Message xmlns="http://www.kith.no/xmlstds/labsvar/2012-02-15">
  <Type V="SVAR_LAB"/><MIGversion>v1.4 2012-02-15</MIGversion>
  <GenDate V="2026-03-{day:02}T09:00:00Z"/><MsgId>{msg_id}</MsgId>
  <ServReport>
    <ServType V="{change}"/><IssueDate V="2026-03-01"/><Status V="F"/><MsgDescr V="CLIN"/>
    <ServProvId>SR-1</ServProvId><Comment>Kommentar i {msg_id}</Comment>
    <ServReq><Id>REQ-1</Id></ServReq>
    <Patient><Name>Nordlys, Aksel</Name><OffId>02906130060</OffId><TypeOffId V="FNR"/>
      <AnalysedSubject><CollectedSample><CollectedDate V="2026-03-01T07:30:00"/></CollectedSample>
        <Type>Serum</Type><IdByServProvider>s1</IdByServProvider></AnalysedSubject>
      {items}
    </Patient>
    <ServProvider><HCP><Inst><Name>Laboratoriet</Name><Id>974760673</Id><TypeId V="ENH"/></Inst></HCP></ServProvider>
    <Requester><HCP><Inst><Name>Legekontoret</Name><Id>200</Id><TypeId V="HER"/></Inst></HCP></Requester>
  </ServReport>
</Message>"#
    )
}

fn items(all: &[Item<'_>]) -> String {
    all.iter().map(|i| item(i, "")).collect()
}

struct Read {
    text: String,
    tree: Tree,
}

fn read(text: String) -> Read {
    let tree = Tree::parse(&text, &Limits::default()).expect("it is XML");
    Read { text, tree }
}

fn alone(read: &Read) -> SharedDocument {
    let all = document::translate(&read.text, &read.tree, &Options::default()).expect("it is translated");
    all.into_iter().next().expect("one report")
}

fn keys(read: &Read) -> Vec<String> {
    alone(read).results.into_iter().map(|r| r.key).collect()
}

/// Merged, with these results of each.
fn merged(parts: &[(&Read, &[usize])], id: &str) -> SharedDocument {
    let parts: Vec<Part<'_>> = parts
        .iter()
        .map(|(read, results)| Part { text: &read.text, tree: &read.tree, nth: 1, results })
        .collect();
    document::merge(&parts, id, false, &Options::default()).expect("they are merged")
}

fn bundle(document: &SharedDocument) -> Value {
    serde_json::from_slice(&document.json).expect("JSON")
}

fn resources<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    let entries = bundle["entry"].as_array().expect("entries").iter().map(|e| &e["resource"]);
    entries.filter(|r| r["resourceType"] == kind).collect()
}

/// Every reference resolves, everything is reachable from the Composition, and nothing is there twice.
fn holds_together(document: &SharedDocument) {
    let bundle = bundle(document);
    let entries = bundle["entry"].as_array().expect("entries");
    let urls: Vec<&str> = entries.iter().map(|e| e["fullUrl"].as_str().expect("a url")).collect();
    let there: BTreeSet<&str> = urls.iter().copied().collect();
    assert_eq!(there.len(), urls.len(), "each once");
    let references = |value: &Value| {
        let text = value.to_string();
        let found = text.match_indices("\"reference\":\"").map(|(at, mark)| {
            let rest = text.get(at + mark.len()..).unwrap_or_default();
            rest.split('"').next().unwrap_or_default().to_owned()
        });
        found.collect::<Vec<_>>()
    };
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut work = vec![urls[0].to_owned()];
    while let Some(url) = work.pop() {
        if reached.insert(url.clone()) {
            let entry = entries.iter().find(|e| e["fullUrl"] == url.as_str());
            work.extend(references(&entry.unwrap_or_else(|| panic!("{url} is not there"))["resource"]));
        }
    }
    assert_eq!(reached.len(), urls.len(), "everything is reached");
    for entry in entries {
        let id = entry["fullUrl"].as_str().and_then(|u| u.strip_prefix("urn:uuid:"));
        assert_eq!(entry["resource"]["id"].as_str(), id);
    }
    for kind in ["Composition", "Patient", "DiagnosticReport"] {
        assert_eq!(resources(&bundle, kind).len(), 1, "{kind}");
    }
}

#[test]
fn a_result_is_known_again_by_what_was_investigated_and_of_what() {
    let first =
        read(report("n", 1, "N", &items(&[Item("A", "1", "N", "1", "s1"), Item("B", "2", "N", "2", "s1")])));
    let other_ids =
        read(report("m", 2, "M", &items(&[Item("B", "3", "M", "9", "s1"), Item("A", "1", "H", "8", "s1")])));
    let (a, b) = (keys(&first), keys(&other_ids));
    assert_eq!(a, [b[1].clone(), b[0].clone()], "whatever the sender numbers them");
    let sample = read(report("m", 2, "M", &items(&[Item("A", "1", "N", "1", "s2")])));
    assert!(!a.contains(&keys(&sample)[0]), "another sample is another result");
    let twice =
        read(report("m", 2, "M", &items(&[Item("A", "1", "N", "1", "s1"), Item("A", "2", "N", "2", "s1")])));
    let twice = keys(&twice);
    assert_eq!(twice[0], a[0]);
    assert_ne!(twice[1], a[0], "equal ones are counted");
    let cancelled = alone(&read(report("m", 2, "M", &items(&[Item("A", "1", "C", "1", "s1")]))));
    assert!(cancelled.results[0].cancelled && cancelled.results[0].key == a[0]);
}

#[test]
fn what_stands_under_a_result_is_none_of_the_top() {
    let inner = item(&Item("X", "7", "N", "2", "s1"), "");
    let nested = read(report("n", 1, "N", &item(&Item("A", "1", "N", "1", "s1"), &inner)));
    assert_eq!(keys(&nested).len(), 1);
    let refers = item(&Item("X", "7", "N", "2", "s1"), "<RefIdResultItem>1</RefIdResultItem>");
    let beside = read(report("n", 1, "N", &format!("{}{refers}", item(&Item("A", "1", "N", "1", "s1"), ""))));
    assert_eq!(keys(&beside), keys(&nested));
}

#[test]
fn a_difference_is_shown_with_what_it_leaves_out() {
    let n = read(report(
        "n",
        1,
        "N",
        &items(&[Item("A", "4.40", "N", "1", "s1"), Item("B", "15.0", "N", "2", "s1")]),
    ));
    let m = read(report("m", 2, "M", &items(&[Item("B", "15.0", "C", "1", "s1")])));
    let document = merged(&[(&n, &[0]), (&m, &[0])], "m+n");
    holds_together(&document);
    let keys = Keys { series_key: alone(&m).keys.series_key, msg_id: "m+n".to_owned() };
    assert_eq!(document.id, keys.document(Format::Fhir));
    assert_ne!(document.id, alone(&m).id, "with more in it, it is another document");
    assert_eq!(document.kith_xml, alone(&m).kith_xml);

    let json = String::from_utf8(document.json.clone()).expect("text");
    assert!(json.contains("4.40"), "digits stay as sent");
    let bundle = bundle(&document);
    let results: Vec<(String, String)> = resources(&bundle, "Observation")
        .iter()
        .map(|o| (o["code"]["coding"][0]["code"].to_string(), o["status"].to_string()))
        .collect();
    assert_eq!(results, [("\"B\"".into(), "\"cancelled\"".into()), ("\"A\"".into(), "\"final\"".to_owned())]);
    assert_eq!(resources(&bundle, "DiagnosticReport")[0]["result"].as_array().map(Vec::len), Some(2));
    let composition = resources(&bundle, "Composition")[0];
    let titles: Vec<&str> = composition["section"]
        .as_array()
        .expect("sections")
        .iter()
        .filter_map(|s| s["title"].as_str())
        .collect();
    assert_eq!(titles[0], "Om svarrapporten");
    assert!(titles.contains(&"Undersøkelsesresultater"));
    assert!(
        titles.iter().any(|t| t.starts_with("Undersøkelsesresultater, fra meldingen 2026-03-01")),
        "{titles:?}"
    );
    assert_eq!(composition["relatesTo"].as_array().map(Vec::len), Some(2), "made from both");
    assert!(json.contains("Kommentar i n") && json.contains("Kommentar i m"), "no comment is lost");

    let before = bundle_of_alone(&n);
    let earlier = resources(&before, "Observation")[0]["id"].clone();
    assert!(resources(&bundle, "Observation").iter().any(|o| o["id"] == earlier), "it keeps its id");
}

fn bundle_of_alone(read: &Read) -> Value {
    bundle(&alone(read))
}

#[test]
fn what_a_newer_message_says_is_not_shown_beside_what_it_said_before() {
    let n = read(report(
        "n",
        1,
        "N",
        &items(&[Item("A", "1.11", "N", "1", "s1"), Item("B", "2.22", "N", "2", "s1")]),
    ));
    let m = read(report("m", 2, "M", &items(&[Item("B", "3.33", "M", "2", "s1")])));
    let json = String::from_utf8(merged(&[(&n, &[0]), (&m, &[0])], "m+n").json).expect("text");
    assert!(json.contains("1.11") && json.contains("3.33"));
    assert!(!json.contains("2.22"), "neither as a resource nor in the text");
}

#[test]
fn what_stands_under_a_result_comes_along_with_it() {
    let inner = item(&Item("X", "7.77", "N", "2", "s1"), "");
    let tree = item(&Item("A", "1", "N", "1", "s1"), &inner);
    let refers = item(&Item("Y", "8.88", "N", "4", "s1"), "<RefIdResultItem>3</RefIdResultItem>");
    let n =
        read(report("n", 1, "N", &format!("{tree}{}{refers}", item(&Item("B", "2", "N", "3", "s1"), ""))));
    let m = read(report("m", 2, "M", &items(&[Item("C", "3", "N", "1", "s1")])));
    let with_a = merged(&[(&n, &[0]), (&m, &[0])], "m+n");
    holds_together(&with_a);
    let json = String::from_utf8(with_a.json).expect("text");
    assert!(json.contains("7.77") && !json.contains("8.88"));
    let with_b = merged(&[(&n, &[1]), (&m, &[0])], "m+n");
    holds_together(&with_b);
    let json = String::from_utf8(with_b.json).expect("text");
    assert!(json.contains("8.88") && !json.contains("7.77"));
}

#[test]
fn many_messages_make_one_document_the_same_each_time() {
    let all: Vec<Read> = (1..=5_u8)
        .map(|n| {
            let (code, value) = (format!("K{n}"), format!("{n}.{n}0"));
            read(report(
                &format!("m{n}"),
                n,
                if n == 1 { "N" } else { "M" },
                &items(&[Item(&code, &value, "N", "1", "s1")]),
            ))
        })
        .collect();
    let parts: Vec<(&Read, &[usize])> = all.iter().map(|r| (r, &[0_usize][..])).collect();
    let document = merged(&parts, "m5+m4+m3+m2+m1");
    holds_together(&document);
    assert_eq!(resources(&bundle(&document), "Observation").len(), 5);
    assert_eq!(document.json, merged(&parts, "m5+m4+m3+m2+m1").json);
    let none_left: Vec<(&Read, &[usize])> = vec![(&all[0], &[]), (&all[1], &[0])];
    assert_eq!(resources(&bundle(&merged(&none_left, "m2+m1")), "Observation").len(), 1);
}

#[test]
fn a_change_of_what_never_came_says_so() {
    let m = read(report("m", 2, "M", &items(&[Item("A", "1", "M", "1", "s1")])));
    let part = Part { text: &m.text, tree: &m.tree, nth: 1, results: &[0] };
    let options = Options::default();
    let marked = document::merge(&[part], "m", true, &options).expect("a document");
    holds_together(&marked);
    assert_eq!(marked.id, alone(&m).id);
    assert!(String::from_utf8_lossy(&marked.json).contains("kan være ufullstendig"));
    let plain = document::merge(&[part], "m", false, &options).expect("a document");
    assert_eq!(plain.json, alone(&m).json, "nothing else is changed");
}

#[test]
fn what_is_not_about_the_same_kind_of_subject_is_not_merged() {
    let n = read(
        report("n", 1, "N", &items(&[Item("A", "1", "N", "1", "s1")]))
            .replace("<Patient>", "<Animal>")
            .replace("</Patient>", "</Animal>"),
    );
    let m = read(report("m", 2, "M", &items(&[Item("B", "2", "N", "1", "s1")])));
    let part = |r| {
        let Read { text, tree }: &Read = r;
        Part { text, tree, nth: 1, results: &[0] }
    };
    let refused = document::merge(&[part(&n), part(&m)], "m+n", false, &Options::default());
    assert_eq!(refused.map(|d| d.id), Err(Fault::NotWritten));
    assert_eq!(document::merge(&[], "m", false, &Options::default()).map(|d| d.id), Err(Fault::NoReport));
}
