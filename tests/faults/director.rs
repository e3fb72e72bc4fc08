//! The faults, one after the other, while brokers are killed every few seconds.

use crate::scene::{Kind, Scene};
use servers::proxy::Mode;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use system_tests::drive::clock;

/// How long it may take until letters are taken again after a fault is over.
const RECOVERY: Duration = Duration::from_secs(90);

/// How long a fault lasts that is not over at once.
const LASTS: Duration = Duration::from_secs(3);

/// Between two kills; an odd number, so that they fall on different moments of the other faults.
const BETWEEN_KILLS: Duration = Duration::from_millis(3_700);

/// What came of the faults; for people.
#[derive(Debug, Default)]
pub(crate) struct Told {
    kills: usize,
    starts: usize,
    /// How often each fault was given, and the longest time from its end until the next letter was taken.
    faults: BTreeMap<&'static str, (usize, Duration)>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {} kills of a broker, {} starts", self.kills, self.starts)?;
        for (name, (times, slowest)) in &self.faults {
            writeln!(
                f,
                "  {name:<44} {times:>3} times, taken again after {:.1} s at most",
                slowest.as_secs_f64()
            )?;
        }
        Ok(())
    }
}

type Fault = (&'static str, fn(&Scene));

/// Every fault that the scene can be given; each ends by itself.
const FAULTS: &[Fault] = &[
    ("senders' connections are cut", |scene| scene.instances.iter().for_each(|i| i.door.cut())),
    ("senders' connections are cut within a message", |scene| {
        for_a_while(|mode| scene.instances.iter().for_each(|i| i.door.set(mode)), Mode::CutAfter(1_500));
    }),
    ("the way from senders swallows all", |scene| {
        for_a_while(|mode| scene.instances.iter().for_each(|i| i.door.set(mode)), Mode::Hole);
    }),
    ("deliveries are cut within a message", |scene| {
        for_a_while(|m| healthy_ways(scene, m), Mode::CutAfter(2_900))
    }),
    ("the way to destinations swallows all", |scene| for_a_while(|m| healthy_ways(scene, m), Mode::Hole)),
    ("deliveries are half-open", |scene| scene.receivers.iter().for_each(|r| r.way.lose_far_side())),
    ("the way to destinations is slow", |scene| {
        for_a_while(|m| healthy_ways(scene, m), Mode::Delay(Duration::from_millis(300)));
    }),
    ("receipts are cut", |scene| for_a_while(|mode| scene.sender.way.set(mode), Mode::CutAfter(2_000))),
];

fn healthy_ways(scene: &Scene, mode: Mode) {
    scene.receivers.iter().filter(|r| r.kind == Kind::Healthy).for_each(|r| r.way.set(mode));
}

fn for_a_while(set: impl Fn(Mode), mode: Mode) {
    set(mode);
    std::thread::sleep(LASTS);
    set(Mode::Pass);
}

/// Gives every fault, round after round, until so many letters have been taken.
pub(crate) fn direct(scene: &Scene, letters: usize) -> Told {
    let (over, kills) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut told = Told::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0.. {
                std::thread::sleep(BETWEEN_KILLS);
                if over.load(Ordering::Relaxed) {
                    break;
                }
                scene.instances[turn % scene.instances.len()].kill();
                kills.fetch_add(1, Ordering::Relaxed);
            }
        });
        // So that the killer ends even if a fault is not recovered from.
        let _over = Over(&over);
        loop {
            for (name, fault) in FAULTS {
                fault(scene);
                let took = recovered(scene, name);
                let so_far = told.faults.entry(name).or_default();
                *so_far = (so_far.0 + 1, so_far.1.max(took));
            }
            if scene.checker.confirmed_letters() >= letters {
                break;
            }
        }
    });
    told.kills = kills.into_inner();
    told.starts = scene.instances.iter().map(|i| i.starts.load(Ordering::Relaxed)).sum();
    told
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until letters are taken again: how long it took.
fn recovered(scene: &Scene, fault: &str) -> Duration {
    let (from, before) = (clock(), scene.checker.confirmed_letters());
    servers::wait_for(&format!("letters are taken again after: {fault}"), RECOVERY, || {
        Ok((scene.checker.confirmed_letters() > before).then_some(()))
    })
    .unwrap_or_else(|e| panic!("{e}"));
    clock() - from
}
