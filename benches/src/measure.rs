//! Timing of short work: many rounds, of which the median and the fastest count, so that a busy machine
//! shows in the distance between them and not in the figure.

use adapters::clock::SystemClock;
use broker_core::ports::Clock as _;
use std::hint::black_box;
use std::time::Duration;

/// What one piece of work took, over all rounds.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Half of the rounds were as fast, or faster.
    pub median: Duration,
    /// The fastest round.
    pub fastest: Duration,
}

impl Taken {
    /// As often a second, by the median and by the fastest.
    #[must_use]
    pub fn rates(&self) -> (f64, f64) {
        (1.0 / self.median.as_secs_f64(), 1.0 / self.fastest.as_secs_f64())
    }
}

/// Does the work again and again for about so long, in rounds of a length that the clock can tell.
pub fn repeat<T>(about: Duration, mut work: impl FnMut() -> T) -> Taken {
    let clock = SystemClock::new();
    // The first runs are slower: pages, caches, branch predictors.
    let mut once = Duration::MAX;
    for _ in 0..3 {
        let began = clock.monotonic();
        black_box(work());
        once = once.min(clock.monotonic() - began);
    }
    let each_round = Duration::from_millis(2).as_nanos() / once.as_nanos().max(1);
    let each_round = u32::try_from(each_round).unwrap_or(u32::MAX).max(1);
    let mut rounds = Vec::new();
    let end = clock.monotonic() + about;
    while clock.monotonic() < end || rounds.len() < 3 {
        let began = clock.monotonic();
        for _ in 0..each_round {
            black_box(work());
        }
        rounds.push((clock.monotonic() - began) / each_round);
    }
    rounds.sort_unstable();
    let at = |n: usize| rounds.get(n).copied().unwrap_or_default();
    Taken { median: at(rounds.len() / 2), fastest: at(0) }
}

/// Waits for about so long, and tells how long it was.
#[must_use]
pub fn wait(about: Duration) -> Duration {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    std::thread::sleep(about);
    clock.monotonic() - began
}

/// The value of a line such as `VmHWM` in a process's status file, in bytes.
#[must_use]
pub fn memory(process: &str, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':'));
    let kilobytes: Option<u64> = value.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The processor time that a process and those of its children that have ended have used: fields 14 to 17 of its stat file,
/// in hundredths of a second.
#[must_use]
pub fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = behind_name.split(' ').skip(11).take(4).filter_map(|f| f.parse::<u64>().ok());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

/// How many there were a second.
#[must_use]
pub fn per_second(count: u64, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count for people to read")]
    let count = count as f64;
    count / elapsed.as_secs_f64()
}
