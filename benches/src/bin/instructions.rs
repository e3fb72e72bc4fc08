//! How many instructions the hot paths take, which no load of the machine changes, against the figures kept in
//! `instructions.toml`.
//!
//! `cargo run --release -p benchmarks --bin instructions` counts (with valgrind) and compares: a path that takes more than
//! the tolerance above its figure fails. `-- --write` writes the figures anew, to be read in the diff.

use benchmarks::paths::{PATHS, Path};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, ExitCode};

type Failure = Box<dyn std::error::Error>;

/// So much more is taken for noise: hash seeds, random padding, allocator.
const TOLERANCE_PERCENT: f64 = 4.0;

/// Counted over so many runs, after one that warms up.
const RUNS: u64 = 8;

fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--run", name, times] => {
            let path = PATHS.iter().find(|path| path.name == *name).ok_or("no such path")?;
            let mut work = (path.prepare)();
            (0..times.parse::<u64>()?).for_each(|_| work());
            Ok(ExitCode::SUCCESS)
        }
        ["--write"] => {
            let mut text = String::from(
                "# Instructions for one message on each path; `instructions --write` writes it.\n",
            );
            for path in PATHS {
                let counted = count(path)?;
                println!("{:<40} {counted:>12}", path.name);
                writeln!(text, "{:?} = {counted}", path.name)?;
            }
            std::fs::write(kept(), text)?;
            Ok(ExitCode::SUCCESS)
        }
        [] => compare(),
        _ => Err("only --write is known".into()),
    }
}

fn kept() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.toml")
}

fn compare() -> Result<ExitCode, Failure> {
    let kept: BTreeMap<String, u64> = toml::from_str(&std::fs::read_to_string(kept())?)?;
    let mut worse = false;
    for path in PATHS {
        let counted = count(path)?;
        let before = *kept.get(path.name).ok_or_else(|| format!("{:?} has no figure; --write", path.name))?;
        #[expect(clippy::cast_precision_loss, reason = "a few percent are asked for")]
        let percent = (counted as f64 / before as f64 - 1.0) * 100.0;
        let verdict = if percent > TOLERANCE_PERCENT {
            worse = true;
            "MORE than kept"
        } else if percent < -TOLERANCE_PERCENT {
            "less: write it anew"
        } else {
            "as kept"
        };
        println!("{:<40} {counted:>12} {percent:>+7.1} %  {verdict}", path.name);
    }
    Ok(if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Instructions of one run: what further runs add to the first.
fn count(path: &Path) -> Result<u64, Failure> {
    let (one, all) = (total(path, 1)?, total(path, 1 + RUNS)?);
    Ok(all.saturating_sub(one) / RUNS)
}

fn total(path: &Path, times: u64) -> Result<u64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--run", path.name, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.contains("I") && line.contains("refs:"));
    let digits: String = line
        .and_then(|l| l.rsplit(':').next())
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().map_err(|_| format!("{}: valgrind gave no count: {}", path.name, last(&said)).into())
}

fn last(said: &str) -> &str {
    said.lines().last().unwrap_or_default()
}
