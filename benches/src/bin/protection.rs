//! What protection costs: opening, verifying and validating a signed and sealed message, and signing and sealing the
//! receipt, beside the bare RSA operations, hashes and tokens that nobody can avoid (the floor), in the same run.
//!
//! `cargo run --release -p benchmarks --bin protection [SECONDS]` spends so long on each row (1). Where `xmlsec1` and `java`
//! are installed, they verify the same documents.

use benchmarks::measure::{self, Taken};
use benchmarks::protection::{CERTIFICATE_FILE, Setting, kinds};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use trust::xmldsig::Canonical;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let seconds: f64 = std::env::args().nth(1).map_or(Ok(1.0), |s| s.parse())?;
    let about = Duration::from_secs_f64(seconds);
    for (name, kind) in kinds() {
        println!("{name}");
        let setting = Setting::new(kind)?;
        stages(&setting, about)?;
        if name.ends_with("2048") {
            others(&setting)?;
        }
    }
    Ok(())
}

fn stages(setting: &Setting, about: Duration) -> Result<(), Failure> {
    let floor = [
        row("RSA: private operation", measure::repeat(about, || setting.private_operation())),
        row("RSA: public operation", measure::repeat(about, || setting.public_operation())),
        row("SHA-256 of the message", measure::repeat(about / 4, || setting.hash())),
        row("AES-256-CBC of the message", measure::repeat(about / 4, || setting.decipher())),
        row("tokens of the message", measure::repeat(about / 4, || setting.tokens())),
    ];
    let [private, public, hash, cipher, tokens] = floor.map(|t| t.median);
    // Decrypt the key, sign the receipt, sign its envelope; check two signatures over the message.
    let whole_floor = private * 3 + public * 2 + hash * 3 + cipher + tokens;
    println!(
        "  {:<44} {:>9.1} µs {:>9.0}/s",
        "the floor of all of it",
        micros(whole_floor),
        1.0 / whole_floor.as_secs_f64()
    );

    for (name, canonical) in [("inclusive", Canonical::default()), ("exclusive", Setting::exclusive())] {
        let document = setting.signed(&canonical)?;
        row(&format!("XMLDSig: verify, {name}"), measure::repeat(about, || setting.verify(&document)));
    }
    row("XMLDSig: sign a receipt", measure::repeat(about, || setting.sign_receipt()));
    row("CMS: open", measure::repeat(about, || setting.unseal()));
    row("CMS: verify", measure::repeat(about, || setting.verify_cms()));
    row("CMS: sign and seal a receipt", measure::repeat(about, || setting.seal_receipt()));
    row("open, verify, validate", measure::repeat(about, || setting.take_in()));
    let both = row(
        "open, verify, validate; sign, sign, seal",
        measure::repeat(about, || (setting.take_in(), setting.sign_and_seal_receipt())),
    );
    println!(
        "  {:<44} {:>9.0} %",
        "of the floor",
        whole_floor.as_secs_f64() / both.median.as_secs_f64() * 100.0
    );
    let (one, two) = (together(setting, 1, about), together(setting, 2, about));
    println!("  {:<44} {one:>9.0}/s {two:>9.0}/s: {:.2} times", "on one thread, on two", two / one);
    Ok(())
}

fn row(name: &str, taken: Taken) -> Taken {
    let (median, fastest) = taken.rates();
    println!(
        "  {name:<44} {:>9.1} µs ({:>9.1} at best) {median:>9.0}/s ({fastest:>9.0})",
        micros(taken.median),
        micros(taken.fastest),
    );
    taken
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Messages a second, taken in and answered on so many threads at once.
fn together(setting: &Setting, threads: usize, about: Duration) -> f64 {
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let seconds = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    black_box((setting.take_in(), setting.sign_and_seal_receipt()));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let elapsed = measure::wait(about);
        over.store(true, Ordering::Relaxed);
        elapsed.as_secs_f64()
    });
    #[expect(clippy::cast_precision_loss, reason = "thousands a second")]
    let done = done.load(Ordering::Relaxed) as f64;
    done / seconds
}

/// The same documents, verified by libxmlsec1 and by the JDK, where they are installed.
fn others(setting: &Setting) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let certificate = folder.path().join(CERTIFICATE_FILE);
    std::fs::write(&certificate, setting.signer_pem())?;
    for (name, canonical) in [("inclusive", Canonical::default()), ("exclusive", Setting::exclusive())] {
        let document = folder.path().join(format!("{name}.xml"));
        std::fs::write(&document, setting.signed(&canonical)?)?;
        report(&format!("libxmlsec1: verify, {name}"), xmlsec1(&certificate, &document));
        report(&format!("JDK: verify, {name}"), jdk(&certificate, &document));
    }
    Ok(())
}

fn report(name: &str, micros: Option<f64>) {
    match micros {
        Some(micros) => println!("  {name:<44} {micros:>9.1} µs {:>32.0}/s", 1e6 / micros),
        None => println!("  {name:<44} not installed"),
    }
}

/// With the key pinned, as its command line does it again and again in one process.
fn xmlsec1(certificate: &Path, document: &Path) -> Option<f64> {
    const TIMES: u32 = 2000;
    let output = Command::new("xmlsec1")
        .args([
            "--verify",
            "--enabled-key-data",
            "key-name",
            "--repeat",
            &TIMES.to_string(),
            "--pubkey-cert-pem",
        ])
        .args([certificate, document])
        .output()
        .ok()?;
    // "Executed 2000 tests in 1812 msec"
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let mut words = said.lines().find(|l| l.starts_with("Executed"))?.split_whitespace().skip(4);
    let milliseconds: f64 = words.next()?.parse().ok()?;
    Some(milliseconds * 1000.0 / f64::from(TIMES))
}

/// With the key pinned and the virtual machine warm: the program times itself.
fn jdk(certificate: &Path, document: &Path) -> Option<f64> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/VerifyAgainAndAgain.java");
    let output = Command::new("java").arg(program).args([certificate, document]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

// The setting is shared by threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Arc<Setting>>();
};
