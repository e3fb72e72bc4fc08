//! The head of every official sample, held against the manifest and the tables of kith-messages §3.

use message_schemas::head::{self, Role};
use message_schemas::{Code, Family, Limits, MessageHead, xml};
use std::path::{Path, PathBuf};

fn shared() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    if root.is_dir() {
        return Some(root);
    }
    assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "REQUIRE_SHARED is set, and there is no ../shared");
    println!("skipped: official heads (no ../shared)");
    None
}

struct Sample {
    file: String,
    msg_type: String,
    family: String,
    version: String,
    has_msg_head: bool,
    valid: bool,
    msg_id: String,
    bytes: Vec<u8>,
}

fn samples(shared: &Path) -> Vec<Sample> {
    let manifest = std::fs::read(shared.join("kith/manifest.tsv")).expect("the manifest");
    let manifest = String::from_utf8_lossy(&manifest).into_owned();
    manifest
        .lines()
        .skip(1)
        .map(|line| {
            let column: Vec<&str> = line.split('\t').collect();
            Sample {
                file: column[0].to_owned(),
                msg_type: column[1].to_owned(),
                family: column[2].to_owned(),
                version: column[3].to_owned(),
                has_msg_head: column[7] == "y",
                valid: column[8] == "y",
                msg_id: column[11].to_owned(),
                bytes: std::fs::read(shared.join("kith/examples").join(column[0])).expect("a sample"),
            }
        })
        .collect()
}

fn read(sample: &Sample) -> Result<MessageHead, head::ReadError> {
    let decoded = xml::decode(&sample.bytes).map_err(head::ReadError::Xml)?;
    head::read(&decoded.text, &Limits::default())
}

#[test]
fn every_valid_message_has_a_head_that_equals_the_manifest() {
    let Some(shared) = shared() else { return };
    let (mut messages, mut faults) = (0, Vec::new());
    for sample in samples(&shared).iter().filter(|s| s.valid && s.family != "ebxml") {
        messages += 1;
        let head = match read(sample) {
            Ok(head) => head,
            Err(error) => {
                faults.push(format!("{}: {error}", sample.file));
                continue;
            }
        };
        let mut differs = |what: &str, got: &str, expected: &str| {
            if got != expected {
                faults.push(format!("{}: {what} is {got}, not {expected}", sample.file));
            }
        };
        differs("id", head.msg_id.as_ref().map_or("", |id| id.as_str()), &sample.msg_id);
        differs("type", head.type_code.as_deref().unwrap_or(""), &sample.msg_type);
        differs("version", &head.kind.version.to_string(), &sample.version);
        differs("under MsgHead", &head.under_msg_head.to_string(), &sample.has_msg_head.to_string());
        differs("a date", &head.generated.is_some_and(|g| g.instant.is_some()).to_string(), "true");
        differs("a function", &head.function.is_some().to_string(), "true");
    }
    assert!(messages > 200, "{messages}");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_mandatory_paths_of_the_head_less_families_hit() {
    let Some(shared) = shared() else { return };
    let mut count = 0;
    let mut faults = Vec::new();
    for sample in samples(&shared).iter().filter(|s| s.valid && !s.has_msg_head) {
        let Ok(head) = read(sample) else { continue };
        if matches!(head.kind.family, Family::AppRec | Family::Ebxml) {
            continue;
        }
        count += 1;
        let missing: Vec<&str> = [
            ("body", head.bodies > 0),
            ("sender", head.sender.is_some()),
            ("receiver", head.receivers.iter().any(|r| r.role == Role::Primary)),
            ("patient", head.patient.is_some()),
            ("document id", head.document_id.is_some()),
            ("service type", head.service_type.is_some()),
            ("content kind", head.content_kind.is_some() || head.kind.family == Family::DischargeSummary),
        ]
        .into_iter()
        .filter_map(|(what, there)| (!there).then_some(what))
        .collect();
        if !missing.is_empty() {
            faults.push(format!("{}: {}", sample.file, missing.join(", ")));
        }
    }
    assert_eq!(count, 74);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Samples whose sender or receiver lacks a HER-id on one level: they name only the enterprise, or only the
/// organisation number of it, or (the receipt) only organisation numbers and an empty `Inst`.
const WITHOUT_HER_ID: &[(&str, &str)] = &[
    ("apprec/1.0/apprec-eksempel-npr-bkm.xml", "sender"),
    ("apprec/1.0/apprec-eksempel-npr-bkm.xml", "receiver"),
    (
        "dialogmelding-innbygger/avtaleutsending/1.0/Avtaleutsending-Helsepersonell-Avbestilling_av_time_bekreftet.xml",
        "sender",
    ),
    (
        "dialogmelding-innbygger/ekonsultasjon/1.2/Ekonsultasjon-Foresporsel_innbygger-Sporsmal_til_behandler.xml",
        "receiver",
    ),
    ("dialogmelding-innbygger/ekontakt/1.2/Henvendelse-Foresporsel_innbygger-Henvendelse.xml", "receiver"),
    (
        "dialogmelding-innbygger/timereservasjon/1.2/Avtaleutsending-Helsepersonell-Avbestilling_av_time_bekreftet.xml",
        "sender",
    ),
];

#[test]
fn sender_and_receivers_are_found_on_both_levels() {
    let Some(shared) = shared() else { return };
    let mut faults = Vec::new();
    let mut without = 0;
    for sample in samples(&shared).iter().filter(|s| s.valid && s.family != "ebxml") {
        let Ok(head) = read(sample) else { continue };
        let primary = head.receivers.iter().find(|r| r.role == Role::Primary).map(|r| &r.party);
        for (side, party) in [("sender", head.sender.as_ref()), ("receiver", primary)] {
            let known = WITHOUT_HER_ID.contains(&(sample.file.as_str(), side));
            let found = party.is_some_and(|p| p.her_id().is_some() && p.enterprise_her_id().is_some());
            if known {
                without += 1;
            }
            if found == known {
                faults.push(format!("(\"{}\", \"{side}\"),", sample.file));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(without, WITHOUT_HER_ID.len());
}

#[test]
fn the_head_of_an_ebxml_envelope_is_of_the_transport() {
    let Some(shared) = shared() else { return };
    let mut count = 0;
    for sample in samples(&shared).iter().filter(|s| s.family == "ebxml" && s.version == "2.0") {
        let head = read(sample).unwrap_or_else(|e| panic!("{}: {e}", sample.file));
        assert_eq!(head.kind.family, Family::Ebxml);
        assert!(head.msg_id.is_some() && head.type_code.is_some(), "{}", sample.file);
        assert!(head.sender.is_some() && head.receivers.len() == 1, "{}", sample.file);
        count += 1;
    }
    assert!(count >= 5, "{count}");
}

#[test]
fn no_rule_refuses_a_valid_official_sample() {
    let Some(shared) = shared() else { return };
    let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
    let mut refused = Vec::new();
    for sample in samples(&shared).iter().filter(|s| s.valid) {
        let decoded = xml::decode(&sample.bytes).expect("valid text");
        let mut reader = head::HeadReader::new();
        xml::read(&decoded.text, &Limits::default(), &mut reader).expect("valid XML");
        let Ok(head) = reader.finish(&head::Settings::default()) else { continue };
        for finding in &message_schemas::rules::check(&head, &reader, &decoded.text, now, 100) {
            if !finding.code.is_note() {
                let known = WITHOUT_HER_ID.contains(&(sample.file.as_str(), "receiver"));
                if !(known && finding.code == Code::ReceiverIncomplete) {
                    refused.push(format!("{}: {finding}", sample.file));
                }
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}
