//! The shared vectors of partial updates; skipped where those are not beside the project.

use crate::make::report;
use serde_json::Value;
use sharing::series::Change::{Cancelled, Changed, New};
use sharing::series::{Entry, Formats, Habits, LinkKind, Shown, State, Status, Step, Wanted, fold, plan};
use std::path::Path;

fn vectors() -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/vectors/document-sharing/derived-vectors.json");
    match std::fs::read(path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).expect("the vectors are JSON")),
        Err(_) => {
            assert!(
                std::env::var_os("REQUIRE_SHARED").is_none(),
                "REQUIRE_SHARED is set, and there is no ../shared"
            );
            println!("skipped: partial updates (no ../shared)");
            None
        }
    }
}

/// A key of the vectors as a result's: of a nested one none, and without the sender's own number behind `#`.
fn top_level(key: &str) -> Option<&str> {
    (!key.contains('/')).then(|| key.split('#').next().unwrap_or(key))
}

#[test]
fn partial_updates_are_those_of_the_vectors() {
    let Some(vectors) = vectors() else { return };
    let cases = vectors["partialUpdates"].as_array().expect("a list");
    let mut checked = 0;
    for case in cases.iter().filter(|c| c.get("message").is_some()) {
        let what = case["what"].as_str().expect("text");
        let message = case["message"].as_object().expect("an object");
        let withdraws = case["kithXml"] == "withdraw all";
        let items: Vec<String> = message
            .iter()
            .filter_map(|(key, code)| Some((top_level(key)?, code == "C")))
            .map(|(key, cancelled)| format!("{}{key}", if cancelled { "-" } else { "" }))
            .collect();
        let items: Vec<&str> = items.iter().map(String::as_str).collect();
        let mut versions = Vec::new();
        if let Some(earlier) = case["earlier"].as_array() {
            let keys: Vec<&str> = earlier.iter().filter_map(|k| top_level(k.as_str()?)).collect();
            versions.push(report("n", 1, New, &keys));
        }
        let shown: Vec<Shown> = versions
            .iter()
            .map(|v| Shown {
                entry: Entry {
                    series_key: "svarrapport|ENH:974589095|d1".to_owned(),
                    of: vec![v.msg_id.clone()],
                    format: message_schemas::document::Format::KithXml,
                    again: 0,
                },
                status: Status::Approved,
                links: Vec::new(),
                submission: 1,
                published: None,
            })
            .collect();
        let change = if withdraws { Cancelled } else { Changed };
        versions.push(report("m", 2, change, &items));
        let folded = fold(&versions);
        let state = &folded.series.values().next().expect("a series").state;
        let steps = plan(&Wanted::of(&folded, &versions, Formats::default()), &shown, Habits::default());

        if withdraws {
            assert!(matches!(state, State::Withdrawn { .. }), "{what}");
            let entries = shown.into_iter().map(|s| s.entry).collect();
            let all = Step::Withdraw { entries, gone: Vec::new() };
            assert_eq!(steps, [all], "{what}");
            checked += 1;
            continue;
        }
        let State::Visible(visible) = state else { panic!("{what}: {state:?}") };
        assert_eq!(visible.partial, case["partial"] == true, "{what}");
        assert_eq!(visible.incomplete, case["partial"] == "unknown", "{what}");
        let [Step::Submit { entries, .. }] = steps.as_slice() else { panic!("{what}: {steps:?}") };
        let kinds: Vec<LinkKind> = entries.iter().flat_map(|e| &e.links).map(|l| l.kind).collect();
        let expected: &[LinkKind] = match case["kithXml"].as_str().expect("text") {
            "RPLC" => &[LinkKind::Replaces],
            "APND" => &[LinkKind::Appends],
            "new" => &[],
            other => panic!("{what}: {other}"),
        };
        assert_eq!(kinds, expected, "{what}");

        // What is shown of each result: from the message, or from before, and whether it is cancelled.
        let mut seen: Vec<(String, String)> = Vec::new();
        for part in &visible.documents[0].parts {
            let version = &versions[part.version];
            let all: Vec<usize> = (0..version.items.len()).collect();
            for item in part.items.as_ref().unwrap_or(&all).iter().map(|at| &version.items[*at]) {
                let says = match (item.cancelled, version.msg_id.as_str()) {
                    (true, _) => "cancelled",
                    (false, "n") => "earlier",
                    (false, _) => "new",
                };
                seen.push((item.key.clone(), says.to_owned()));
            }
        }
        seen.sort();
        let mut wanted: Vec<(String, String)> = case["shown"]
            .as_object()
            .expect("an object")
            .iter()
            .filter(|(key, _)| *key != "note")
            .filter_map(|(key, says)| Some((top_level(key)?, key, says.as_str()?)))
            .map(|(top, key, says)| {
                // A result that the message repeats as history is the message's own.
                let repeated = message.get(key).is_some_and(|code| code == "H");
                let says = if repeated { "new" } else { says.split(' ').next().unwrap_or_default() };
                (top.to_owned(), says.to_owned())
            })
            .collect();
        wanted.sort();
        assert_eq!(seen, wanted, "{what}");
        checked += 1;
    }
    assert_eq!(checked, 7, "cases of the vectors");
}
