//! Thousands of changed documents before two engines: ours and libxmlsec1.
//!
//! What we accept and libxmlsec1 refuses is a failure, always. What we refuse and libxmlsec1 accepts must be of a
//! class that `deviations.md` explains.

use crate::ebxml;
use crate::engine::{Engine, Opinion};
use crate::mutate::{CHARACTERS, Chance, MARKUP, SIGNATURE};
use crate::people::{demo, sender};
use crate::samples;
use message_schemas::Limits;
use std::collections::BTreeMap;
use std::sync::Arc;
use system_tests::{long, shared};
use trust::algorithm::Allowed;
use trust::pki::KeyKind;
use trust::xmldsig::{self, Attachment, Canonical, Options, Shape};
use trust::{Fault, Kind, Trusted};

/// Changed only to look at other documents; every run of the suite uses this one.
const SEED: u64 = 0x0000_51C7_0B0D_571E;

fn seed() -> u64 {
    let seed = std::env::var("ORACLE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(SEED);
    println!("seed {seed}");
    seed
}

/// How many documents: thousands, or ten times as many in the long form.
fn many(count: usize) -> usize {
    if long() { count * 10 } else { count }
}

/// A document with the parts that its signature covers.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) shape: Shape,
    pub(crate) parts: Vec<(String, Vec<u8>)>,
}

impl Case {
    fn attachments(&self) -> Vec<Attachment<'_>> {
        self.parts.iter().map(|(id, bytes)| Attachment { id, bytes }).collect()
    }

    /// What we say: true, false and why, or that there is no signature at all.
    fn ours(&self, signer: &Arc<Trusted>) -> Result<(), Option<Fault>> {
        let parts = self.attachments();
        let signed = xmldsig::signed(&self.text, self.shape, &parts, Allowed::default(), &Limits::default());
        match signed {
            Ok(Some(signed)) => signed.verify(signer).map(|_| ()).map_err(Some),
            Ok(None) => Err(None),
            Err(fault) => Err(Some(fault)),
        }
    }

    fn theirs(&self, engine: &mut Engine, signer: &Arc<Trusted>) -> Opinion {
        engine.ask(&self.text, self.shape, &self.attachments(), signer.certificate())
    }

    fn sign(&self, canonical: Canonical) -> Result<Self, Fault> {
        let options = Options { shape: self.shape, canonical, algorithm: None };
        let key = demo(KeyKind::Rsa2048).sender.signing.private_key();
        let text = xmldsig::sign(&self.text, &*key, &options, &self.attachments(), &Limits::default())?;
        Ok(Self { text, ..self.clone() })
    }
}

/// The class of a refusal that is ours alone, by its heading in `deviations.md`; none if it is not explained.
fn explain(fault: &Fault) -> Option<&'static str> {
    const STRICT: &[(&str, &str)] = &[
        ("A value of the signature is not base64", "Values that are not base64"),
        ("A comment or an instruction stands inside a value", "Comments inside values"),
        ("An attribute stands where", "What the schema does not have"),
        ("An element stands where", "What the schema does not have"),
        ("Text stands where", "What the schema does not have"),
    ];
    if fault.kind == Kind::SignerUnknown {
        return Some("KeyInfo names another certificate");
    }
    if fault.kind == Kind::SignatureAmbiguous {
        return Some("A second signature anywhere");
    }
    let strict = STRICT.iter().find(|(message, _)| fault.message.starts_with(message));
    strict.filter(|_| fault.kind == Kind::SignatureShape).map(|(_, class)| *class)
}

/// Keeps a document to look into, in the folder that `KEEP_DIFFERENCES` names.
fn keep(case: &Case, number: usize) {
    if let Some(folder) = std::env::var_os("KEEP_DIFFERENCES") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{number}.xml")), &case.text).unwrap();
    }
}

fn random_form(chance: &mut Chance) -> Canonical {
    let exclusive = chance.below(2) == 0;
    let lists = ["", "", "#default", "xsi", "mh unbound xsi"];
    let list = if exclusive { *chance.pick(&lists) } else { "" };
    Canonical {
        exclusive,
        comments: chance.below(4) == 0,
        prefixes: list.split_ascii_whitespace().map(str::to_owned).collect(),
    }
}

/// Small samples and envelopes, unsigned.
fn unsigned() -> Option<Vec<Case>> {
    let shared = shared("changed documents before two engines")?;
    let (samples, _) = samples::all(&shared);
    let mut cases: Vec<Case> = samples
        .into_iter()
        .filter(|s| s.text.len() < 12_000)
        .map(|s| Case { name: s.name, text: s.text, shape: Shape::Enveloped, parts: Vec::new() })
        .collect();
    // A third is envelopes.
    cases.extend(ebxml::envelopes().cycle().take(cases.len() / 2));
    Some(cases)
}

#[test]
fn what_we_sign_after_changes_is_valid_for_both() {
    let (Some(cases), Some(mut engine)) = (unsigned(), Engine::start()) else { return };
    let signer = sender(demo(KeyKind::Rsa2048));
    let mut chance = Chance::new(seed());
    let (mut signed, mut refused) = (0, 0);
    let mut unexplained = Vec::new();
    for i in 0..many(3_000) {
        let mut case = cases[i % cases.len()].clone();
        let mut done = Vec::new();
        for _ in 0..=chance.below(5) {
            let (name, change) = chance.pick(MARKUP);
            if let Some(text) = change(&case.text, &mut chance) {
                case.text = text;
                done.push(*name);
            }
        }
        let form = random_form(&mut chance);
        let Ok(case) = case.sign(form.clone()) else {
            refused += 1;
            continue;
        };
        let theirs = case.theirs(&mut engine, &signer);
        let ours = case.ours(&signer);
        signed += 1;
        if ours.is_ok() && theirs == Opinion::Valid {
            continue;
        }
        keep(&case, i);
        unexplained.push(format!(
            "document {i}, {}, {done:?}, {form:?}: we {ours:?}, libxmlsec1 {theirs:?}",
            case.name
        ));
    }
    println!("{signed} signed, {refused} not");
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    assert!(signed > refused, "most changes leave a document that can be signed");
}

#[test]
fn verdicts_agree_on_changed_documents() {
    let (Some(cases), Some(mut engine)) = (unsigned(), Engine::start()) else { return };
    let signer = sender(demo(KeyKind::Rsa2048));
    let mut chance = Chance::new(seed() ^ 1);
    let signed: Vec<Case> = cases
        .iter()
        .map(|c| c.sign(random_form(&mut chance)).unwrap_or_else(|f| panic!("{}: {f}", c.name)))
        .collect();
    let mut verdicts = [0, 0];
    let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for i in 0..many(8_000) {
        let mut case = signed[i % signed.len()].clone();
        let mut done = Vec::new();
        // One change mostly: two seldom leave anything to differ on.
        for _ in 0..=chance.below(4) / 3 {
            let list = *chance.pick(&[MARKUP, SIGNATURE, SIGNATURE, CHARACTERS]);
            let (name, change) = chance.pick(list);
            if let Some(text) = change(&case.text, &mut chance) {
                case.text = text;
                done.push(*name);
            }
        }
        if case.shape == Shape::Ebxml && chance.below(4) == 0 {
            done.push(ebxml::change_parts(&mut case.parts, &mut chance));
        }
        let ours = case.ours(&signer);
        let theirs = case.theirs(&mut engine, &signer);
        verdicts[usize::from(ours.is_ok())] += 1;
        let wrong = match (&ours, &theirs) {
            (Ok(()), Opinion::Valid) | (Err(_), Opinion::Invalid(_)) => continue,
            (Err(Some(fault)), Opinion::Valid) => match explain(fault) {
                Some(class) => {
                    *explained.entry(class).or_default() += 1;
                    continue;
                }
                None => format!("we refuse: {fault}; libxmlsec1 accepts"),
            },
            (Err(_), Opinion::Unable(_)) => continue,
            (Err(None), Opinion::Valid) => "we see no signature; libxmlsec1 accepts".to_owned(),
            (Ok(()), _) => format!("WE ACCEPT; libxmlsec1 {theirs:?}"),
        };
        unexplained.push(format!("document {i}, {}, {done:?}: {wrong}", case.name));
        keep(&case, i);
    }
    println!("{} accepted, {} refused by both; explained: {explained:?}", verdicts[1], verdicts[0]);
    let deviations = include_str!("deviations.md");
    for class in explained.keys() {
        assert!(deviations.contains(&format!("### {class}\n")), "deviations.md has no entry {class}");
    }
    assert!(
        unexplained.is_empty(),
        "{}\n{} unexplained",
        unexplained.iter().take(60).cloned().collect::<Vec<_>>().join("\n"),
        unexplained.len()
    );
    // A generator that breaks everything, or nothing, would prove nothing.
    assert!(verdicts.iter().all(|n| n * 8 > verdicts[0] + verdicts[1]), "{verdicts:?}");
}
