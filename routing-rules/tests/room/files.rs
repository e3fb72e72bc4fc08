//! Files of parties and rules: what they may hold, and that all their faults are told at once.

use crate::common::{PARTIES, file, parties};
use message_schemas::family::{Family, MessageKind, Version};
use message_schemas::ids::HerId;
use proptest::prelude::*;
use routing_rules::{
    Answers, Cipher, Format, Gets, Legacy, Parties, PartyKind, Queue, ReceiptDeadline, Requires, Rules,
};

fn faults_of_parties(text: &str) -> Vec<String> {
    let faults = Parties::parse(&file("p.toml", text)).expect_err("faults");
    faults.iter().map(ToString::to_string).collect()
}

fn faults_of_rules(text: &str) -> Vec<String> {
    let faults = Rules::parse(&file("r.toml", text), &parties()).expect_err("faults");
    faults.iter().map(ToString::to_string).collect()
}

fn holds(faults: &[String], wanted: &[&str]) {
    for part in wanted {
        assert!(faults.iter().any(|f| f.contains(part)), "no fault holds {part:?} in {faults:#?}");
    }
    assert_eq!(faults.len(), wanted.len(), "{faults:#?}");
}

#[test]
fn a_party_says_all_there_is_to_know() {
    let parties = Parties::parse(&file(
        "p.toml",
        r#"
        [[party]]
        her_id = 7
        level = "service"
        name = "Lab"
        kind = "laboratory"
        organisation = 974760673
        region = "fjord"
        destination = "http:lab"
        receives = [{ family = "requisition", versions = ["1.5", "1.6"], format = "both" }]
        answers = "none"
        accepts_invalid = ["result-report"]
        receipt_deadline = { default = "48h", dialogue = "off" }
        valid_from = 2026-07-01
        valid_to = "2027-01-01T00:00:00Z"
        "#,
    ))
    .expect("no fault");
    let lab = parties.get(HerId(7)).expect("it is there");
    assert_eq!((lab.kind, lab.answers, lab.ours), (PartyKind::Laboratory, Answers::None, true));
    let kind = |minor| MessageKind { family: Family::Requisition, version: Version(1, minor) };
    assert_eq!(lab.takes(kind(6)), Some(&[Format::KithXml, Format::FhirDocument][..]));
    assert_eq!(lab.takes(kind(4)), None);
    assert_eq!(lab.accepts_invalid(Family::ResultReport), Some(true));
    assert_eq!(lab.accepts_invalid(Family::Dialogue), Some(false));
    assert_eq!(lab.receipt_deadline(Family::Dialogue), Some(ReceiptDeadline::Off));
    assert_eq!(lab.receipt_deadline(Family::Referral), Some(ReceiptDeadline::Hours(48)));
    assert!(!lab.valid_at("2026-06-30T21:59:59Z".parse().expect("a time")), "a date begins in Oslo");
    assert!(lab.valid_at("2026-06-30T22:00:00Z".parse().expect("a time")));
    assert!(!lab.valid_at("2027-01-01T00:00:00Z".parse().expect("a time")));
    assert_eq!(parties.her_to_enh().len(), 1);
}

#[test]
fn a_service_inherits_from_its_enterprise() {
    let parties = parties();
    let ward = parties.get(HerId(101)).expect("it is there");
    assert_eq!(parties.region(ward), Some("fjord"));
    assert_eq!(parties.destination(ward, true).map(|d| d.as_str()), Some("folder:hospital"));
    assert_eq!(parties.her_to_enh().get(&HerId(101)).map(ToString::to_string).as_deref(), Some("974760673"));
    assert!(parties.is_ours(HerId(101)) && !parties.is_ours(HerId(301)) && !parties.is_ours(HerId(999)));
    assert_eq!(parties.destinations().count(), 3);
}

const PROTECTED: &str = r#"
    [[party]]
    her_id = 8
    level = "enterprise"
    name = "Kommune"
    kind = "municipality"
    organisation = 974760673
    [party.protection]
    requires = { default = "nothing", referral = "signed" }
    allow = ["sha1"]
    signed_by = ["983658725"]
    gets = "signed-and-sealed"
    cipher = "aes256-gcm"
    [[party]]
    her_id = 9
    level = "service"
    name = "Hjemmetjeneste"
    kind = "municipality"
    parent = 8
    [party.protection]
    requires = "signed-and-sealed"
    allow = []
    certificates = ["hjemme.pem"]
"#;

#[test]
fn protection_is_inherited_setting_by_setting() {
    let parties = Parties::parse(&file("p.toml", PROTECTED)).expect("no fault");
    let [enterprise, service] = [8, 9].map(|h| parties.get(HerId(h)).expect("it is there"));
    let requires = |party, family| parties.protection(party, |p| p.requires.of(Some(family)));
    assert_eq!(requires(enterprise, Family::Referral), Some(Requires::Signed));
    assert_eq!(requires(enterprise, Family::Dialogue), Some(Requires::Nothing));
    assert_eq!(requires(service, Family::Dialogue), Some(Requires::SignedAndSealed), "its own goes before");
    assert_eq!(parties.protection(service, |p| p.gets), Some(Gets::SignedAndSealed));
    assert_eq!(parties.protection(service, |p| p.cipher), Some(Cipher::Aes256Gcm));
    assert_eq!(parties.protection(service, |p| p.opaque), None, "nothing is said");
    // None is something else than nothing said.
    assert_eq!(parties.protection(service, |p| p.allow.as_deref()), Some(&[][..]));
    assert_eq!(parties.protection(enterprise, |p| p.allow.as_deref()), Some(&[Legacy::Sha1][..]));
    let signers: Vec<String> = parties.signers(service).iter().map(ToString::to_string).collect();
    assert_eq!(signers, ["974760673", "983658725"], "the enterprise's, and who signs for it");
    assert_eq!(service.protection.certificates, ["hjemme.pem"]);
}

#[test]
fn queues_are_inherited_one_by_one() {
    let text = r#"
        [[party]]
        her_id = "8141703"
        level = "enterprise"
        name = "Testsykehuset"
        kind = "hospital"
        [party.amqp]
        async = "tb.test.nhn.no/NHNTESTServiceBus/8141703_async"
        error = "8141703_error"

        [[party]]
        her_id = "8141705"
        level = "service"
        name = "Avdeling"
        kind = "hospital"
        parent = "8141703"
        [party.amqp]
        error = "8141705_error"
    "#;
    let parties = Parties::parse(&[("a.toml".to_owned(), text.to_owned())]).expect("parties");
    let service = parties.get(HerId(8_141_705)).expect("the service");
    let now = "2026-01-01T00:00:00Z".parse().expect("a time");
    let name = |queue| parties.queue(service, queue, now).map(|address| address.name().to_owned());
    assert_eq!(name(Queue::Async).as_deref(), Some("8141703_async"), "its enterprise's");
    assert_eq!(name(Queue::Error).as_deref(), Some("8141705_error"), "its own");
    assert_eq!(name(Queue::Sync), None, "nobody's, and never made up");
}

#[test]
fn a_wrong_queue_is_told_with_its_line() {
    let text = r#"
        [[party]]
        her_id = "8141703"
        level = "enterprise"
        name = "Testsykehuset"
        kind = "hospital"
        [party.amqp]
        async = "two words"
        reply = "x"
    "#;
    let faults = Parties::parse(&[("a.toml".to_owned(), text.to_owned())]).expect_err("two faults");
    assert_eq!(faults.iter().map(|f| f.line).collect::<Vec<_>>(), [8, 9], "{faults:?}");
}

#[test]
fn wrong_words_of_protection_are_told() {
    let wrong = PROTECTED
        .replace("default = \"nothing\"", "default = \"some\"")
        .replace("\"sha1\"", "\"md5\"")
        .replace("gets =", "get =");
    holds(&faults_of_parties(&wrong), &["requires", "allow", "There is no such field"]);
}

#[test]
fn all_faults_of_a_file_of_parties_are_told_at_once() {
    let faults = faults_of_parties(
        r#"[[party]]
her_id = "seven"
level = "departement"
name = ""
kind = "hospital"
colour = "red"

[[party]]
her_id = 8
level = "service"
kind = "gp"
name = "A"
parent = 9
organisation = "974760674"
destination = "Folder: x"
receipt_deadline = "soon"
valid_from = 2026-05-01
valid_to = 2026-04-01
receives = [{ family = "referal" }, { versions = ["x"], form = "both" }]

[other]
"#,
    );
    holds(
        &faults,
        &[
            "p.toml:2: L02 party: her_id: A HER-id is a number",
            "p.toml:3: L02 party: level: Unknown variant",
            "p.toml:4: L02 party: name: A text of one line",
            "p.toml:6: L02 party: colour: There is no such field. Fields here are: her_id, level",
            "p.toml:14: L02 party 8: organisation: An organisation number has nine digits",
            "p.toml:15: L02 party 8: destination: A destination's name",
            "p.toml:16: L02 party 8: receipt_deadline: A deadline is",
            "p.toml:18: L02 party 8: valid_to: This is not after valid_from.",
            "p.toml:19: L02 party 8: receives: family: Unknown variant `referal`",
            "p.toml:19: L02 party 8: receives: versions: A version is two numbers",
            "p.toml:19: L02 party 8: receives: family: This field is missing.",
            "p.toml:19: L02 party 8: receives: form: There is no such field.",
            "p.toml:13: L02 party 8: parent: No party has this HER-id.",
            "p.toml:21: L02 other: There is no such field.",
        ],
    );
}

#[test]
fn parties_contradict_each_other_across_files() {
    let one = "[[party]]\nher_id = 1\nlevel = \"enterprise\"\nname = \"A\"\nkind = \"gp\"\nparent = 2\n";
    let two = "[[party]]\nher_id = 1\nlevel = \"service\"\nname = \"B\"\nkind = \"gp\"\n\
               [[party]]\nher_id = 2\nlevel = \"service\"\nname = \"C\"\nkind = \"gp\"\nparent = 2\n";
    let files = [("a.toml".to_owned(), one.to_owned()), ("b.toml".to_owned(), two.to_owned())];
    let faults = Parties::parse(&files).expect_err("faults");
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    holds(
        &faults,
        &[
            "b.toml:2: L02 party 1: her_id: This HER-id stands already in a.toml line 2.",
            "a.toml:6: L02 party 1: parent: An enterprise has no parent.",
            "b.toml:11: L02 party 2: parent: The parent is a service.",
        ],
    );
}

#[test]
fn all_faults_of_a_file_of_rules_are_told_at_once() {
    let faults = faults_of_rules(
        r#"[[rule]]
name = "a"
families = ["letter", "referral"]
receivers = [101, 999]
sender_regions = ["moon"]
hours = "22-07"
weekdays = ["monday"]
when = "message.colour == 'red'"

[[rule]]
name = "a"
deliver = ["folder:x as pdf"]
hold = "why"
order = "alphabetical"
then = "maybe"
priority = "high"
when = "message.size"

[[rule]]
name = "b"
when = "message.size > 'large'"
copy = "folder:x"
[[rule.example]]
family = "referral"
version = "1.1"
receiver = 101
wether = "rain"
"#,
    );
    holds(
        &faults,
        &[
            "r.toml:3: L03 rule a: families: Unknown variant `letter`",
            "r.toml:4: L03 rule a: receivers: No party has the HER-id 999.",
            "r.toml:5: L03 rule a: sender_regions: No party has this region.",
            "r.toml:6: L03 rule a: hours: Hours are written as",
            "r.toml:7: L03 rule a: weekdays: A weekday is",
            "r.toml:8: L03 rule a: when: message has these fields",
            "r.toml:1: L03 rule a: The rule does nothing.",
            "r.toml:11: L03 rule a: name: Another rule has this name already",
            "r.toml:12: L03 rule a: deliver: A format is",
            "r.toml:13: L03 rule a: hold: The rule both delivers and holds.",
            "r.toml:14: L03 rule a: order: Unknown variant",
            "r.toml:15: L03 rule a: then: What comes then",
            "r.toml:16: L03 rule a: priority: Invalid digit",
            "r.toml:17: L03 rule a: when: The expression does not give true or false.",
            "r.toml:21: L03 rule b: when: It compares or joins things of different kinds",
            "r.toml:23: L03 rule b: example: name: This field is missing.",
            "r.toml:23: L03 rule b: example: sender: This field is missing.",
            "r.toml:23: L03 rule b: example: matches: This field is missing.",
            "r.toml:27: L03 rule b: example: wether: There is no such field.",
        ],
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    let faults = faults_of_parties("[[party]]\nher_id = 1\nname = \"open\nkind = \"gp\"\n");
    assert!(faults.iter().any(|f| f.starts_with("p.toml:3: L02 This is not TOML")), "{faults:#?}");
}

#[test]
fn hashes_follow_content_and_not_the_order_of_files() {
    let a = ("a.toml".to_owned(), PARTIES.to_owned());
    let b = ("b.toml".to_owned(), String::new());
    let hash = |files: &[(String, String)]| Parties::parse(files).expect("no fault").hash();
    assert_eq!(hash(&[a.clone(), b.clone()]), hash(&[b.clone(), a.clone()]));
    assert_ne!(hash(std::slice::from_ref(&a)), hash(&[a.clone(), b]));
    let changed = (a.0.clone(), format!("{PARTIES} "));
    assert_ne!(hash(&[a]), hash(&[changed]));
}

proptest! {
    /// Whatever stands in a file, reading it ends, and what is wrong has a line that exists.
    #[test]
    fn no_file_brings_the_reader_down(cut in 0usize..2000, insert in "\\PC{0,12}", rules in any::<bool>()) {
        let text = if rules { include_str!("../../rules/results.toml") } else { PARTIES };
        let at = text.char_indices().map(|(i, _)| i).nth(cut % text.chars().count()).unwrap_or(0);
        let (before, after) = text.split_at(at);
        let text = format!("{before}{insert}{after}");
        let lines = text.lines().count() + 1;
        let faults = if rules {
            Rules::parse(&file("x.toml", &text), &parties()).err()
        } else {
            Parties::parse(&file("x.toml", &text)).err()
        };
        for fault in faults.into_iter().flatten() {
            prop_assert!((1..=lines).contains(&fault.line), "{}", fault);
            prop_assert!(!fault.message.is_empty() && !fault.remedy.is_empty());
        }
    }

    /// Whatever is written as a condition, compiling and trying it ends.
    #[test]
    fn no_expression_brings_the_reader_down(source in "[a-z.()\\[\\]!&|<>=+*'\" 0-9?:,-]{0,80}") {
        let text = format!("[[rule]]\nname = 'x'\ncopy = 'folder:x'\nwhen = '''{source}'''\n");
        if let Err(faults) = Rules::parse(&file("x.toml", &text), &parties()) {
            prop_assert!(!faults.is_empty());
        }
    }
}
