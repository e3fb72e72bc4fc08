//! The command line, as a person or a script meets it: the built program is run on samples of our own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall fail")]

use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn budstikke(arguments: &[&str]) -> Output {
    run(arguments, &[])
}

fn run(arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_budstikke"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that needs no input may end before it is written.
    let _closed = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("not ended by a signal")
}

fn lines(output: &Output) -> Vec<Value> {
    text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A sample of our own, found by a part of its path; with the folder that holds them all.
fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/samples")
}

fn sample(containing: &str) -> PathBuf {
    let mut folders = vec![samples()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("in.xml") && path.to_string_lossy().contains(containing) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.into_iter().next().unwrap_or_else(|| panic!("no sample contains {containing}"))
}

#[test]
fn validate_says_what_is_wrong_one_object_a_line_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read(sample("epikrise/accepted-1.2")).unwrap();
    fs::create_dir(folder.path().join("b")).unwrap();
    fs::write(folder.path().join("a.xml"), &good).unwrap();
    fs::write(folder.path().join("b/garbage.bin"), [0u8, 159, 146, 150]).unwrap();
    fs::write(folder.path().join("c.txt"), "not a message").unwrap();
    fs::write(folder.path().join("d.xml"), "").unwrap();
    let output = budstikke(&["validate", "--format", "json", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 1, "{}", String::from_utf8_lossy(&output.stderr));
    let lines = lines(&output);
    let files: Vec<_> =
        lines.iter().map(|l| l["file"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
    assert_eq!(files, ["a.xml", "garbage.bin", "c.txt", "d.xml"]);
    assert_eq!(lines[0]["valid"], true, "{}", lines[0]);
    assert!(
        lines[0]["family"].is_string()
            && lines[0]["version"].is_string()
            && lines[0]["namespace"].is_string()
    );
    for line in &lines[1..] {
        assert_eq!(line["valid"], false);
        let finding = &line["findings"][0];
        assert_eq!(finding["layer"], "xml", "{line}");
        for key in ["code", "line", "column", "path", "message", "remedy"] {
            assert!(!finding[key].is_null(), "{key} is missing in {finding}");
        }
    }
}

#[test]
fn validate_tells_valid_from_wrong_usage_by_its_exit_code() {
    let good = sample("epikrise/accepted-1.2");
    assert_eq!(code(&budstikke(&["validate", good.to_str().unwrap()])), 0);
    assert_eq!(code(&run(&["validate", "-"], &fs::read(&good).unwrap())), 0);
    assert_eq!(code(&budstikke(&["validate", "/nowhere/at-all.xml"])), 2);
    assert_eq!(code(&budstikke(&["validate"])), 2);
    let empty = tempfile::tempdir().unwrap();
    let output =
        budstikke(&["validate", "--schemas", empty.path().to_str().unwrap(), good.to_str().unwrap()]);
    assert_eq!(code(&output), 3);
}

#[test]
fn inspect_hides_the_patient_unless_asked() {
    let good = sample("svarrapport/document-biochemistry-1.4");
    let hidden = budstikke(&["inspect", good.to_str().unwrap()]);
    assert_eq!(code(&hidden), 0, "{}", String::from_utf8_lossy(&hidden.stderr));
    let shown = budstikke(&["inspect", "--show-patient", good.to_str().unwrap()]);
    let (hidden, shown): (Value, Value) =
        (serde_json::from_str(&text(&hidden)).unwrap(), serde_json::from_str(&text(&shown)).unwrap());
    assert_eq!(hidden["patient"]["idents"][0]["value"], "***");
    assert_ne!(shown["patient"]["idents"][0]["value"], "***");
    assert_eq!(hidden["sender"], shown["sender"]);
}

#[test]
fn translate_gives_a_bundle_a_line_and_a_report_of_every_piece() {
    let good = sample("svarrapport/document-biochemistry-1.4");
    let output = budstikke(&["translate", good.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    let bundles = lines(&output);
    assert!(!bundles.is_empty());
    assert!(bundles.iter().all(|b| b["resourceType"] == "Bundle" && b["type"] == "document"));
    let report = lines(&budstikke(&["translate", good.to_str().unwrap(), "--report=-"]));
    let (last, pieces) = report.split_last().unwrap();
    assert!(pieces.iter().all(|l| l["path"].is_string() && l["reason"].is_string()));
    for outcome in ["mapped", "narrative", "dropped"] {
        let count = pieces.iter().filter(|l| l["outcome"] == outcome).count();
        assert_eq!(last["totals"][outcome], count);
    }
    assert!(last["totals"]["mapped"].as_u64().unwrap() > 0);
    assert_eq!(report, lines(&budstikke(&["translate", good.to_str().unwrap(), "--report"])));
    assert_eq!(code(&run(&["translate", "-"], b"<x/>")), 1);
}

#[test]
fn translate_gives_a_document_in_every_form() {
    let good = sample("svarrapport/document-biochemistry-1.4");
    let form = |form: &str| budstikke(&["translate", "--to", form, good.to_str().unwrap()]);
    for (name, begins) in [
        ("fhir-json", "{\"resourceType\":\"Bundle\""),
        ("fhir-xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Bundle xmlns=\"http://hl7.org/fhir\">"),
        ("html", "<!DOCTYPE html>"),
        ("pdf", "%PDF-1.7"),
        ("mhd", "{\"resourceType\":\"Bundle\""),
        ("xds", "Content-Type: multipart/related"),
    ] {
        let output = form(name);
        assert_eq!(code(&output), 0, "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.starts_with(begins.as_bytes()), "{name}");
        assert_eq!(output.stdout, form(name).stdout, "{name}: the same bytes again");
    }
    assert_eq!(code(&form("word")), 2);

    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/config/publishing.toml");
    let at = |form: &str, target: &str| {
        let config = config.to_str().unwrap();
        budstikke(&[
            "translate",
            "--to",
            form,
            good.to_str().unwrap(),
            "--config",
            config,
            "--target",
            target,
        ])
    };
    for (form, target, expected) in
        [("mhd", "store", 0), ("xds", "store", 2), ("html", "store", 2), ("mhd", "nobody", 2)]
    {
        let output = at(form, target);
        assert_eq!(code(&output), expected, "{form} {target}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // What is only shown needs none of the target's keys.
    let config = config.to_str().unwrap();
    let shown = budstikke(&[
        "publish",
        good.to_str().unwrap(),
        "--config",
        config,
        "--target",
        "national",
        "--dry-run",
    ]);
    assert_eq!(code(&shown), 0, "{}", String::from_utf8_lossy(&shown.stderr));
    assert!(text(&shown).contains("\"transaction\""));
}

#[test]
fn a_pdf_is_not_thrown_at_a_terminal() {
    let good = sample("svarrapport/document-biochemistry-1.4");
    let line = format!("{} translate --to pdf {}", env!("CARGO_BIN_EXE_budstikke"), good.display());
    // It gives the command a terminal of its own.
    let Ok(output) = Command::new("script").args(["-qec", &line, "/dev/null"]).stdin(Stdio::null()).output()
    else {
        println!("skipped: a PDF before a terminal (script is not installed)");
        return;
    };
    assert_eq!(code(&output), 2);
    let said = text(&output);
    assert!(said.contains("--out") && !said.contains("%PDF"), "{said}");
}

#[test]
fn several_documents_become_numbered_files() {
    let several = sample("svarrapport/document-several-reports-1.3");
    let several = several.to_str().unwrap();
    let refused = budstikke(&["translate", "--to", "pdf", several]);
    assert_eq!(code(&refused), 2);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--out"), "the remedy is said");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("svar.pdf");
    let write = |more: &[&str]| {
        let fixed = ["translate", "--to", "pdf", several, "--out", out.to_str().unwrap()];
        code(&budstikke(&[&fixed, more].concat()))
    };
    assert_eq!(write(&[]), 0);
    for name in ["svar-1.pdf", "svar-2.pdf"] {
        assert!(fs::read(folder.path().join(name)).unwrap().starts_with(b"%PDF-1.7"), "{name}");
    }
    assert_eq!(write(&[]), 2, "what is there is not written over");
    assert_eq!(write(&["--force"]), 0);
}

#[test]
fn receipt_answers_for_each_receiver_and_its_answer_is_valid() {
    let good = sample("epikrise/accepted-1.2");
    let output = budstikke(&["receipt", good.to_str().unwrap(), "--error", "E21"]);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    let receipt = text(&output);
    assert!(receipt.contains("AppRec") && receipt.contains("E21"), "{receipt}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("receipt.xml");
    let first = receipt.split_inclusive("AppRec>").collect::<String>();
    fs::write(&file, first).unwrap();
    let said = budstikke(&["receipt", file.to_str().unwrap()]);
    if receipt.matches("<OriginalMsgId>").count() == 1 {
        assert_eq!(code(&budstikke(&["validate", file.to_str().unwrap()])), 0);
        let said: Value = serde_json::from_str(&text(&said)).unwrap();
        assert_eq!(said["status"], "rejected");
    }
}

#[test]
fn explain_knows_every_code_that_is_printed_and_no_other() {
    let output = budstikke(&["explain", "p22"]);
    assert_eq!(code(&output), 0);
    assert!(!text(&output).is_empty());
    assert_eq!(code(&budstikke(&["explain", "Z99"])), 2);
    let all = lines(&budstikke(&["explain", "--format", "json"]));
    for code in message_schemas::Code::ALL {
        assert!(all.iter().any(|entry| entry["code"] == code.as_str()), "{code} has no page");
    }
}

#[test]
fn our_schemas_equal_themselves_and_differ_from_a_part_of_them() {
    assert_eq!(code(&budstikke(&["schema-diff", "builtin", "builtin"])), 0);
    let folder = tempfile::tempdir().unwrap();
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/schemas");
    fs::copy(schemas.join("xml.xsd"), folder.path().join("xml.xsd")).unwrap();
    let output = budstikke(&["schema-diff", "builtin", folder.path().to_str().unwrap(), "--format", "json"]);
    assert_eq!(code(&output), 1, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!lines(&output).is_empty());
}

#[test]
fn check_names_all_faults_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broker.toml");
    fs::write(&file, "ownr = \"x\"\nparties = []\n[journal]\npath = 5\n[destinations.a]\n").unwrap();
    let output = budstikke(&["check", file.to_str().unwrap()]);
    assert_eq!(code(&output), 3);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for expected in ["broker.toml:1: ownr", "Did you mean \"owner\"", "broker.toml:4: journal.path"] {
        assert!(said.contains(expected), "{expected} is missing in:\n{said}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_budstikke"))
        .args(["explain", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(code(&output), 0);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn completions_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&budstikke(&["completions", shell])).contains("budstikke"));
    }
}

/// The example of targets, with nobody behind the store's address.
fn publishing(folder: &Path, environment: &str) -> String {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ops/config/publishing.toml");
    let text = fs::read_to_string(example)
        .unwrap()
        .replace("token_file = \"secrets/store-token\"\n", "")
        .replace("https://fhir.example.no/R4", "http://127.0.0.1:1/R4")
        .replace("environment = \"test\"", &format!("environment = \"{environment}\""));
    fs::create_dir_all(folder.join("parties")).unwrap();
    let file = folder.join(format!("{environment}.toml"));
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn publish_tells_refusals_by_code_and_says_when_nobody_knows() {
    let folder = tempfile::tempdir().unwrap();
    let (test, production) = (publishing(folder.path(), "test"), publishing(folder.path(), "production"));
    let message = sample("svarrapport/document-biochemistry-1.4");
    let message = message.to_str().unwrap();
    let publish = |config: &str, target: &str, more: &[&str]| {
        budstikke(&[&["publish", message, "--config", config, "--target", target], more].concat())
    };
    let dry = publish(&test, "store", &["--dry-run"]);
    assert_eq!(code(&dry), 0);
    assert_eq!(lines(&dry)[0]["type"], "transaction");
    assert!(text(&publish(&test, "region", &["--dry-run"])).contains("ProvideAndRegisterDocumentSetRequest"));
    let refused = publish(&production, "store", &["--dry-run"]);
    assert_eq!(code(&refused), 1);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("budstikke explain N01"));
    let silent = publish(&test, "store", &[]);
    assert_eq!(code(&silent), 2);
    assert!(String::from_utf8_lossy(&silent.stderr).contains("N13"));
    assert_eq!(code(&publish(&test, "nowhere", &[])), 2);
}
