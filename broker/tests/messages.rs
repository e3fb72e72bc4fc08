//! `messages`, as whoever is called asks who has no id in hand: what came from them, what was refused, where does it stand?

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

mod common;

use common::{CONFIG, Home, PARTIES, sample};
use serde_json::Value;
use std::fs;

#[test]
fn what_came_is_found_by_what_is_known_of_it() {
    let home = Home::new(CONFIG, PARTIES);
    let asked = |filters: &[&str]| {
        let output = home.ask(&[&["messages", "--config", "broker.toml"], filters].concat());
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), said, String::from_utf8(output.stderr).unwrap())
    };
    let listed = |filters: &[&str]| {
        let (code, said, failed) = asked(filters);
        assert_eq!(code, Some(0), "{filters:?}: {failed}");
        said
    };
    let _broker = home.broker();
    assert_eq!(listed(&[]), "0 messages; see one with: budstikke trace ID\n");

    let good = sample("epikrise/accepted-1.2");
    let broken = String::from_utf8(good.clone())
        .unwrap()
        .replace("<GenDate ", "<GenDates ")
        .replace("ebf49d88", "ebf49d89");
    let files = [("good", &good[..]), ("broken", broken.as_bytes()), ("not-xml", b"%PDF-1.4")];
    for (taken, (name, bytes)) in (1..).zip(files) {
        fs::write(home.at(&format!("in/{name}.part")), bytes).unwrap();
        fs::rename(home.at(&format!("in/{name}.part")), home.at(&format!("in/{name}.xml"))).unwrap();
        home.wait_for("it to be taken", || listed(&[]).lines().count() == taken + 1);
    }
    home.wait_for("it to be delivered", || {
        listed(&["--verdict", "accepted"]).contains("1 handed_over; answer 1 ")
    });

    let all = listed(&[]);
    assert_eq!(all.lines().count(), 4, "{all}");
    let good = listed(&[
        "--sender",
        "120010",
        "--receiver",
        "210010",
        "--family",
        "discharge-summary",
        "--state",
        "handed_over",
    ]);
    assert!(good.contains(" 120010 > 210010 ") && good.contains("  discharge-summary 1.2 "), "{good}");
    assert!(good.ends_with("1 messages; see one with: budstikke trace ID\n"), "{good}");
    let refused = listed(&["--verdict", "refused"]);
    assert_eq!(refused.lines().count(), 2, "{refused}");
    assert!(
        refused.lines().all(|line| line.contains(" refused P0") || line.contains("see one")),
        "{refused}"
    );
    assert_eq!(
        listed(&["--limit", "1"]).lines().last(),
        Some("1 messages; --limit hides more; see one with: budstikke trace ID")
    );
    // Every line, and JSON, name the id that trace takes.
    let found: Value = serde_json::from_str(&listed(&[
        "--state",
        "handed_over",
        "--destination",
        "folder:gp",
        "--format",
        "json",
    ]))
    .unwrap();
    assert!(good.contains(found["short"].as_str().unwrap()), "{found}");
    assert_eq!(found["kind"]["family"], "discharge-summary");

    let nothing = ["--until", "2020-01-01"];
    assert!(listed(&nothing).starts_with("0 messages"));
    assert_eq!(listed(&["--since", "1h"]), all);
    for (filter, value) in [
        ("--family", "letter"),
        ("--verdict", "bad"),
        ("--state", "gone"),
        ("--code", "P999"),
        ("--since", "noon"),
    ] {
        let (code, _, said) = asked(&[filter, value]);
        assert!(code == Some(2) && said.contains(value), "{said}");
    }
}
