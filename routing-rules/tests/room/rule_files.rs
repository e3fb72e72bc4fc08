//! The rule files of this room: they load, and every example in them comes out as it says.

use routing_rules::{Parties, Rules};
use std::path::Path;

fn toml_files(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .map(|path| {
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("text"))
        })
        .collect()
}

#[test]
fn rule_files_do_what_their_examples_say() {
    let parties = Parties::parse(&toml_files("rules/parties")).expect("parties without fault");
    let rules = Rules::parse(&toml_files("rules"), &parties).expect("rules without fault");
    assert!(rules.len() >= 4, "the folder was read");
    let failures: Vec<String> = rules.run_examples(&parties).iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn an_example_that_is_wrong_is_told_with_its_reason() {
    let parties = Parties::parse(&toml_files("rules/parties")).expect("parties without fault");
    let mut files = toml_files("rules");
    for (_, text) in &mut files {
        *text = text.replace("time.hour >= 16", "time.hour >= 15").replace("size = 18000000", "size = 1800");
    }
    let rules = Rules::parse(&files, &parties).expect("rules without fault");
    let failures: Vec<String> = rules.run_examples(&parties).iter().map(ToString::to_string).collect();
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(failures.iter().any(|f| f.contains("the last minute of office hours")
        && f.contains("expected that it does not fire, got it fired: delivers to folder:hospital-on-call")));
    assert!(
        failures.iter().any(|f| f.contains("hold-large.toml:10") && f.contains("is false")),
        "{failures:?}"
    );
}
