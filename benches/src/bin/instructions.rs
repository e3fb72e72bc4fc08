//! How many instructions the hot paths take, which no load of the machine changes, against the figures kept in
//! `instructions.toml`.
//!
//! `CARGO_INCREMENTAL=0 cargo build --workspace --bin instructions && target/debug/instructions` counts (with valgrind) and
//! compares: a path that takes more than the tolerance above its figure fails. `--write` writes the figures anew, to be read
//! in the diff. The figures are of the tests' profile, where the rooms of the hot paths are optimised too, so that CI builds
//! everything once; and of a build that is not incremental, as CI's: an incremental one inlines less.

use benchmarks::paths::{PATHS, Path};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, ExitCode};

type Failure = Box<dyn std::error::Error>;

/// So much more is taken for noise: hash seeds, random padding, allocator, and what the compiler inlines when code moves
/// from one file to another.
const TOLERANCE_PERCENT: f64 = 8.0;

/// Counted over so many runs, after one that warms up.
const RUNS: u64 = 5;

fn main() -> Result<ExitCode, Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--run", name, times] => {
            let path = PATHS.iter().find(|path| path.name == *name).ok_or("no such path")?;
            let mut work = (path.prepare)();
            // The first time is another work: caches are filled.
            work();
            (0..times.parse::<u64>()?).for_each(|_| counted_alone(&mut *work));
            Ok(ExitCode::SUCCESS)
        }
        ["--write"] => {
            let mut text = String::from(
                "# Instructions for one message on each path; `instructions --write` writes it, built without incremental data.\n",
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

/// What valgrind counts: only while this function runs. Making keys takes as many instructions as chance will have it,
/// so what comes before must not count.
#[inline(never)]
fn counted_alone(work: &mut dyn FnMut()) {
    work();
}

/// Instructions of one run.
fn count(path: &Path) -> Result<u64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_alone*"])
        .arg(std::env::current_exe()?)
        .args(["--run", path.name, &RUNS.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().find(|line| line.contains("Collected"));
    let count = line.and_then(|l| l.rsplit(':').next()).and_then(|n| n.trim().parse::<u64>().ok());
    match count {
        Some(count) if output.status.success() && count > 0 => Ok(count / RUNS),
        Some(_) | None => Err(format!("{}: valgrind gave no count: {}", path.name, last(&said)).into()),
    }
}

fn last(said: &str) -> &str {
    said.lines().last().unwrap_or_default()
}
