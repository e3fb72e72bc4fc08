//! Our verdicts beside those of other validators, on thousands of messages with planted faults.
//!
//! Seeded mutations of the official samples are judged by us, by libxml2 and by the JDK, all with the
//! official schema files. Where all agree there is nothing to say. Every disagreement must be of a class
//! that `message-schemas/deviations.md` explains, by name, or the test fails.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test")]

mod mutate;
mod tools;

use message_schemas::schema::SchemaSet;
use message_schemas::{Limits, xml};
use mutate::{Chance, FAULTS, Fault, Sample};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tools::Verdict;

/// Changed only to look at other messages; every run of the suite uses this one.
const SEED: u64 = 0x0B0D_571E_C0DE;
/// Messages with faults against the schema.
const MUTATIONS: usize = 6_000;
/// Messages with damaged characters.
const DAMAGED: usize = 3_000;

/// `../shared/kith` beside the workspace, if it is there.
fn kith() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/kith");
    if let Ok(root) = root.canonicalize() {
        return Some(root);
    }
    assert!(std::env::var_os("REQUIRE_SHARED").is_none(), "no ../shared, and REQUIRE_SHARED is set");
    println!("skipped: comparison with other validators (no ../shared)");
    None
}

/// The seed to use: `ORACLE_SEED`, or the fixed one.
fn seed() -> u64 {
    std::env::var("ORACLE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(SEED)
}

/// The valid samples small enough to be repeated often.
fn samples(kith: &Path) -> Vec<(String, Sample)> {
    let manifest = std::fs::read_to_string(kith.join("manifest.tsv")).unwrap();
    let rows = manifest.lines().skip(1).map(|row| row.split('\t').collect::<Vec<_>>());
    rows.filter(|columns| columns[8] == "y")
        .map(|columns| {
            (columns[0].to_owned(), std::fs::read(kith.join("examples").join(columns[0])).unwrap())
        })
        .filter(|(_, bytes)| bytes.len() < 20_000)
        .map(|(name, bytes)| (name, Sample::read(&bytes)))
        .collect()
}

fn official(kith: &Path) -> SchemaSet {
    let files = std::fs::read_dir(kith.join("schemas")).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
    });
    SchemaSet::load(files).unwrap_or_else(|error| panic!("{error}")).0
}

/// A folder for the messages, gone when the test is over (kept if it fails, to look into).
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("oracles-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, number: usize, bytes: &[u8]) -> String {
        let name = format!("{number:05}.xml");
        std::fs::write(self.0.join(&name), bytes).unwrap();
        name
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // Nothing depends on it being gone.
            drop(std::fs::remove_dir_all(&self.0));
        }
    }
}

fn ours(set: &SchemaSet, bytes: &[u8]) -> (Verdict, Vec<String>) {
    match xml::decode(bytes).and_then(|d| set.validate(&d.text, &Limits::default())) {
        Ok(v) if v.valid => (Verdict::Valid, Vec::new()),
        Ok(v) => (Verdict::Invalid, v.findings.iter().map(ToString::to_string).collect()),
        Err(finding) => (Verdict::Malformed, vec![finding.to_string()]),
    }
}

/// One message and what everybody says of it.
struct Case<'a> {
    sample: &'a str,
    text: &'a str,
    fault: Fault,
    ours: Verdict,
    findings: &'a [String],
    xmllint: Verdict,
    /// None if the JDK was not asked.
    jdk: Option<(Verdict, &'a [String])>,
}

impl Case<'_> {
    fn jdk_agrees(&self) -> bool {
        self.jdk.is_none_or(|(verdict, _)| verdict == self.ours)
    }

    /// What stands in the message now and did not in the sample.
    fn planted(&self) -> &str {
        let same = |(a, b): &(u8, u8)| a == b;
        let ahead = self.text.bytes().zip(self.sample.bytes()).take_while(same).count();
        let behind = self.text.bytes().rev().zip(self.sample.bytes().rev()).take_while(same).count();
        // Shared characters may be counted from both ends.
        let end = self.text.len().saturating_sub(behind).max(ahead);
        self.text.get(ahead..end).unwrap_or_default()
    }

    /// The attribute value or text around what was planted.
    fn value(&self) -> &str {
        let at = self.planted().as_ptr() as usize - self.text.as_ptr() as usize;
        let before = self.text.get(..at).unwrap_or_default();
        let after = self.text.get(at..).unwrap_or_default();
        let start = before.rfind(['"', '>']).map_or(0, |i| i + 1);
        let end = after.find(['"', '<']).map_or(self.text.len(), |i| at + i);
        self.text.get(start..end).unwrap_or_default()
    }
}

/// The class of a disagreement, by its heading in `deviations.md`; none if it is not explained.
fn explain(case: &Case<'_>) -> Option<&'static str> {
    let value = case.value().trim().trim_start_matches("&#10;").trim_start();
    let xmllint_alone = case.ours != case.xmllint && case.jdk_agrees();
    let jdk_alone = case.ours == case.xmllint && !case.jdk_agrees();
    if xmllint_alone && case.ours == Verdict::Valid && case.text.contains("<![CDATA[ ]]>") {
        return Some("White space in a CDATA section between elements");
    }
    let dated = value.len() >= 4 && value.bytes().take(4).all(|b| b.is_ascii_digit());
    if xmllint_alone && case.ours == Verdict::Valid && case.fault == Fault::Pad && dated {
        return Some("White space around dates and times");
    }
    let fixed = |finding: &String| finding.contains(": V08 The attribute ");
    if xmllint_alone && case.ours == Verdict::Invalid && case.findings.iter().all(fixed) {
        return Some("Fixed value where a type refers to a global attribute");
    }
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let number = value.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
    if xmllint_alone && case.ours == Verdict::Valid && number && digits > 19 {
        return Some("Long decimals and integers");
    }
    if jdk_alone && case.ours == Verdict::Valid && number && (10..=18).contains(&digits) {
        return Some("Years of more than nine digits");
    }
    let base64 = |finding: &String| finding.contains("The value is not content in base64.");
    if xmllint_alone && case.ours == Verdict::Invalid && case.findings.iter().all(base64) {
        return Some("Characters that are not base64");
    }
    let in_location = format!("schemaLocation=\"{}\"", case.value());
    let hint =
        case.text.contains(&in_location) || (case.fault == Fault::Nil && case.text.contains("nil=\"x\""));
    if jdk_alone && case.ours == Verdict::Valid && hint {
        return Some("The values of xsi:schemaLocation and xsi:nil");
    }
    None
}

#[test]
fn verdicts_agree_with_other_validators() {
    let Some(kith) = kith() else { return };
    let seed = seed();
    println!("seed {seed}");
    let mut chance = Chance::new(seed);
    let samples = samples(&kith);
    let folder = Folder::new("verdicts");
    let mut cases = Vec::new();
    let mut files = Vec::new();
    while cases.len() < MUTATIONS {
        // Every sample and every kind of fault comes up equally often.
        let (name, sample) = &samples[cases.len() % samples.len()];
        let fault = FAULTS[chance.below(FAULTS.len())];
        if let Some(text) = sample.spoil(fault, &mut chance) {
            files.push(folder.write(cases.len(), text.as_bytes()));
            cases.push((name, sample, fault, text));
        }
    }
    let schema = kith.join("schemas/kith-all.xsd");
    let Some(xmllint) = tools::xmllint(Some(&schema), &folder.0, &files) else { return };
    let jdk = tools::jdk(&schema, &folder.0, &files);

    let set = official(&kith);
    let mut verdicts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for (i, (name, sample, fault, text)) in cases.iter().enumerate() {
        let (verdict, findings) = ours(&set, text.as_bytes());
        *verdicts.entry(verdict).or_default() += 1;
        let case = Case {
            sample: sample.text(),
            text,
            fault: *fault,
            ours: verdict,
            findings: &findings,
            xmllint: xmllint[i],
            jdk: jdk.as_ref().map(|j| (j[i].0, j[i].1.as_slice())),
        };
        if verdict == case.xmllint && case.jdk.is_none_or(|(j, _)| j == verdict) {
            continue;
        }
        match explain(&case) {
            Some(class) => *explained.entry(class).or_default() += 1,
            None => unexplained.push(format!(
                "{} {name} {fault:?}: we {verdict:?}, libxml2 {:?}, JDK {:?} {findings:?}",
                files[i], case.xmllint, case.jdk
            )),
        }
    }
    println!("{} messages: {verdicts:?}; explained differences: {explained:?}", cases.len());
    let deviations = include_str!("../../deviations.md");
    for class in explained.keys() {
        assert!(deviations.contains(&format!("### {class}\n")), "deviations.md has no entry {class}");
    }
    assert!(
        unexplained.is_empty(),
        "seed {seed}, files in {}:\n{}\n{} unexplained",
        folder.0.display(),
        unexplained.iter().take(60).cloned().collect::<Vec<_>>().join("\n"),
        unexplained.len()
    );
    // A generator that spoils nothing, or everything, would prove nothing.
    assert!(verdicts.get(&Verdict::Valid).is_some_and(|n| n * 20 > cases.len()));
    assert!(verdicts.get(&Verdict::Invalid).is_some_and(|n| n * 4 > cases.len()));
}

#[test]
fn damaged_documents_are_refused_as_others_refuse_them() {
    let Some(kith) = kith() else { return };
    let seed = seed();
    println!("seed {seed}");
    let mut chance = Chance::new(seed ^ 1);
    let samples = samples(&kith);
    let folder = Folder::new("damaged");
    let mut files = Vec::new();
    let mut cases = Vec::new();
    for i in 0..DAMAGED {
        let (name, sample) = &samples[i % samples.len()];
        let bytes = sample.damage(&mut chance);
        files.push(folder.write(i, &bytes));
        cases.push((name, bytes));
    }
    let Some(xmllint) = tools::xmllint(None, &folder.0, &files) else { return };
    let set = official(&kith);
    let mut counts = [0; 2];
    // "The version in the XML declaration" in deviations.md.
    let mut stricter = 0;
    let mut wrong = Vec::new();
    for (i, (name, bytes)) in cases.iter().enumerate() {
        let (verdict, findings) = ours(&set, bytes);
        let malformed = verdict == Verdict::Malformed;
        counts[usize::from(malformed)] += 1;
        if malformed != (xmllint[i] == Verdict::Malformed) {
            if findings.iter().all(|f| f.contains("The XML declaration is not lawful")) {
                stricter += 1;
                continue;
            }
            wrong.push(format!("{} {name}: we {verdict:?}, libxml2 {:?} {findings:?}", files[i], xmllint[i]));
        }
    }
    println!(
        "{DAMAGED} documents: {} well-formed, {} not, in {stricter} of them only we see a fault",
        counts[0], counts[1]
    );
    assert!(
        wrong.is_empty(),
        "seed {seed}, files in {}:\n{}\n{}",
        folder.0.display(),
        wrong.join("\n"),
        wrong.len()
    );
    assert!(counts.iter().all(|n| n * 10 > DAMAGED), "{counts:?}");
}
