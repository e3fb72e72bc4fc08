//! A load with full protection: what the tool sends is signed and sealed, and so are the receipts that it gets.

use crate::common::free_port;
use crate::region::{Region, parties};
use serde_json::Value;
use std::fs;
use std::process::Output;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../message-schemas/samples/epikrise/accepted-1.2");

/// A hospital that gets everything signed and sealed, and a GP for whom the broker answers.
fn region() -> Region {
    let region = Region::new();
    let parties = parties().replace("answers = \"none\"", "answers = \"broker\"");
    let parties =
        parties.replace("requires = \"signed\"", "requires = \"signed\"\ngets = \"signed-and-sealed\"");
    fs::write(region.at("parties.toml"), parties).unwrap();
    region
}

/// Sends three as the hospital, and looks for receipts where it gets them.
fn load(region: &Region, more: &str) -> Output {
    let line = format!(
        "send {SAMPLE} --count 3 --folder in --receipts-from out/hospital --password-file pki/password \
         --key pki/parties/granheim/signing.p12 --sign cms --seal-for pki/parties/broker/sealing.pem --format json {more}"
    );
    region.ask(&line.split_whitespace().collect::<Vec<_>>())
}

fn told(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

const TRUST: &str = "--trust pki/root.pem --trust pki/issuing.pem --crl pki/root.crl --crl pki/issuing.crl";
/// The broker answers for the GP.
const SIGNED_BY: &str = "--signed-by 312000709";
const OWN_KEY: &str = "--key pki/parties/granheim/sealing.p12";

#[test]
fn a_load_with_full_protection_opens_and_verifies_the_receipts_that_it_measures() {
    let region = region();
    let _authority = region.authority();
    let _broker = region.broker();

    let sent = load(&region, &format!("{OWN_KEY} {TRUST} {SIGNED_BY}"));
    let summary = told(&sent);
    assert_eq!(sent.status.code(), Some(0), "{summary}");
    assert_eq!(
        (&summary["receipts"]["by_kind"]["ok"], &summary["receipts"]["missing"]),
        (&3.into(), &0.into())
    );
    assert!(summary["to_receipt_ms"]["p99"].as_f64().unwrap() > 0.0, "{summary}");
    assert_eq!(region.files("out/hospital", ".p7m"), 3, "they came sealed");

    // Without the key that they are sealed for, with CAs that did not issue the signer, with none at all, and when the signer
    // is neither the GP nor anybody who may sign for it, none counts.
    let other_ca = region.ask(&["pki", "demo", "elsewhere"]);
    assert!(other_ca.status.success());
    for (more, code) in [
        (TRUST.to_owned(), "A22"),
        (format!("{OWN_KEY} {TRUST}"), "A18"),
        (format!("{OWN_KEY} {TRUST} --signed-by 312000512"), "A18"),
        (format!("{OWN_KEY} --trust elsewhere/root.pem --without-revocation"), "A11"),
        (OWN_KEY.to_owned(), "A11"),
    ] {
        let sent = load(&region, &format!("{more} --patience 2s"));
        let summary = told(&sent);
        assert_eq!((sent.status.code(), &summary["receipts"]["missing"]), (Some(1), &3.into()), "{summary}");
        let refused = summary["receipts"]["refused"].as_object().unwrap();
        let [(why, count)] = &refused.iter().collect::<Vec<_>>()[..] else { panic!("{summary}") };
        assert!(why.starts_with(code) && **count == 3, "{more}: {summary}");
    }
}

#[test]
fn receipts_that_nobody_sees_are_not_judged() {
    let region = region();
    let to = format!("http://127.0.0.1:{}", free_port());
    for receipts in [&["--receipts-from", "http"][..], &[]] {
        let words = ["send", SAMPLE, "--count", "1", "--to", &to, "--trust", "pki/root.pem"];
        let output = region.ask(&[&words[..], receipts].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains("--receipts-from"), "{said}");
    }
}
