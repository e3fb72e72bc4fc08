//! The faults, one after the other, with brokers killed every few seconds during every second of them: what they recover
//! from by themselves, and what they come back from.

use crate::scene::Scene;
use crate::senders;
use crate::ways::Ways;
use servers::proxy::Mode;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use system_tests::drive::clock;

/// How long it may take until letters go from end to end after a fault is over.
const RECOVERY: Duration = Duration::from_secs(90);

/// How long a fault lasts that is not over at once.
const LASTS: Duration = Duration::from_secs(3);

/// Longer than the brokers wait for a lock.
const LOCKED: Duration = Duration::from_secs(7);

/// So long that the other broker takes over what the frozen one had under way, and the frozen one knows nothing of it.
const FROZEN: Duration = Duration::from_secs(22);

/// Between two kills; an odd number, so that they fall on different moments of the other faults.
const BETWEEN_KILLS: Duration = Duration::from_millis(3_700);

/// What came of the faults; for people.
#[derive(Debug, Default)]
pub(crate) struct Told {
    kills: usize,
    starts: usize,
    rounds: usize,
    /// Letters that a full queue refused.
    refused: usize,
    /// How often each fault was given, and the longest time from its end until letters that were offered then had come
    /// out by every way at every healthy receiver, receipts too.
    faults: BTreeMap<&'static str, (usize, Duration)>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, starts, rounds, refused, .. } = self;
        writeln!(
            f,
            "  {rounds} rounds, {kills} kills of a broker, {starts} starts, {refused} refusals by full queues"
        )?;
        for (name, (times, slowest)) in &self.faults {
            let seconds = slowest.as_secs_f64();
            writeln!(f, "  {name:<48} {times:>3} times, from end to end again after {seconds:.1} s at most")?;
        }
        Ok(())
    }
}

/// Gives a fault, and ends it.
type Give<T> = fn(&Scene, &T) -> io::Result<()>;

/// Faults of the ways from senders and to destinations.
const EVERYWHERE: &[(&str, Give<()>)] = &[
    ("senders' connections are cut", |scene, ()| {
        scene.instances.iter().for_each(|i| i.door.cut());
        Ok(())
    }),
    ("senders' connections are cut within a message", |scene, ()| {
        for_a_while(|mode| scene.instances.iter().for_each(|i| i.door.set(mode)), Mode::CutAfter(1_500))
    }),
    ("the way from senders swallows all", |scene, ()| {
        for_a_while(|mode| scene.instances.iter().for_each(|i| i.door.set(mode)), Mode::Hole)
    }),
    ("deliveries are cut within a message", |scene, ()| {
        for_a_while(|mode| ways_to_the_well(scene, mode), Mode::CutAfter(2_900))
    }),
    ("the way to destinations swallows all", |scene, ()| {
        for_a_while(|mode| ways_to_the_well(scene, mode), Mode::Hole)
    }),
    ("deliveries are half-open", |scene, ()| {
        scene.receivers.iter().filter_map(|r| r.way()).for_each(|way| way.lose_far_side());
        Ok(())
    }),
    ("the way to destinations is slow", |scene, ()| {
        for_a_while(|mode| ways_to_the_well(scene, mode), Mode::Delay(Duration::from_millis(300)))
    }),
];

/// Faults of the servers, and of the ways to them.
const OF_SERVERS: &[(&str, Give<Ways>)] = &[
    ("RabbitMQ is killed", |_, ways| {
        ways.cluster.rabbit.kill()?;
        ways.cluster.rabbit.start_again()
    }),
    ("PostgreSQL is killed", |_, ways| {
        ways.cluster.postgres.kill()?;
        ways.cluster.postgres.start_again()
    }),
    ("connections to RabbitMQ are cut", |_, ways| {
        ways.to_rabbit.cut();
        Ok(())
    }),
    ("connections to RabbitMQ are cut within a frame", |_, ways| {
        for_a_while(|mode| ways.to_rabbit.set(mode), Mode::CutAfter(20_000))
    }),
    ("connections to RabbitMQ are half-open", |_, ways| {
        ways.to_rabbit.lose_far_side();
        Ok(())
    }),
    ("connections to PostgreSQL are cut", |_, ways| {
        ways.to_postgres.cut();
        Ok(())
    }),
    ("connections to PostgreSQL are half-open", |_, ways| {
        ways.to_postgres.lose_far_side();
        Ok(())
    }),
    ("connections to PostgreSQL are cut within a row", |_, ways| {
        for_a_while(|mode| ways.to_postgres.set(mode), Mode::CutAfter(20_000))
    }),
    ("RabbitMQ is restarted", |_, ways| {
        ways.cluster.rabbit.stop()?;
        ways.cluster.rabbit.start_again()
    }),
    ("PostgreSQL is restarted", |_, ways| {
        ways.cluster.postgres.stop()?;
        ways.cluster.postgres.start_again()
    }),
    ("the way to RabbitMQ swallows all", |_, ways| for_a_while(|mode| ways.to_rabbit.set(mode), Mode::Hole)),
    ("the way to PostgreSQL swallows all", |_, ways| {
        for_a_while(|mode| ways.to_postgres.set(mode), Mode::Hole)
    }),
    ("publishers' connections are cut", |_, ways| {
        ways.from_senders.cut();
        Ok(())
    }),
    ("RabbitMQ's disk is full", |_, ways| {
        ways.cluster.rabbit.disk_alarm(true)?;
        std::thread::sleep(LASTS);
        ways.cluster.rabbit.disk_alarm(false)
    }),
    ("RabbitMQ's memory is full", |_, ways| {
        ways.cluster.rabbit.memory_alarm(true)?;
        std::thread::sleep(LASTS);
        ways.cluster.rabbit.memory_alarm(false)
    }),
    ("somebody locks a table of the journal", |_, ways| {
        ways.cluster.sql(&format!("LOCK TABLE pending; SELECT pg_sleep({})", LOCKED.as_secs())).map(drop)
    }),
    ("a table of the journal is written anew", |_, ways| {
        ways.cluster.sql("VACUUM FULL pending").map(drop) // a statement of its own
    }),
    ("PostgreSQL has no connection left", |_, ways| {
        ways.cluster.connections(false)?;
        std::thread::sleep(LASTS);
        ways.cluster.connections(true)
    }),
    ("a broker is frozen and thaws", |scene, _| {
        let frozen = &scene.instances[0];
        frozen.freeze()?;
        std::thread::sleep(FROZEN);
        frozen.thaw()
    }),
    ("the inbox is full", inbox_is_full),
    ("receivers' queues are full", queues_are_full),
];

/// Brokers cannot commit, so they take no more than their prefetch, and what is more fills the inbox until senders hear
/// that it is full.
fn inbox_is_full(scene: &Scene, ways: &Ways) -> io::Result<()> {
    let before = scene.refused.load(Ordering::Relaxed);
    ways.cluster.limit("^inbox$", 2)?;
    ways.to_postgres.set(Mode::Hole);
    let refused = || Ok((scene.refused.load(Ordering::Relaxed) > before).then_some(()));
    let full = servers::wait_for("the inbox refuses a letter", RECOVERY, refused);
    ways.to_postgres.set(Mode::Pass);
    ways.cluster.limit_no_more()?;
    full
}

/// Nobody reads the queues until the brokers have heard that each is full.
fn queues_are_full(scene: &Scene, ways: &Ways) -> io::Result<()> {
    let readers: Vec<_> =
        scene.receivers.iter().chain([&scene.sender]).filter(|r| r.reads_a_queue()).collect();
    let pattern = readers.iter().map(|r| r.name.as_str()).collect::<Vec<_>>().join("|");
    ways.cluster.limit(&format!("^({pattern})$"), 2)?;
    readers.iter().for_each(|r| r.hold(true));
    let full = readers.iter().try_for_each(|reader| {
        let query = format!(
            "SELECT count(*) FROM pending WHERE destination = 'to:{}' AND detail LIKE '%queue is full%'",
            reader.name
        );
        let what = format!("a delivery to {} is refused", reader.name);
        servers::wait_for(&what, RECOVERY, || Ok((ways.cluster.count(&query)? > 0).then_some(())))
    });
    readers.iter().for_each(|r| r.hold(false));
    ways.cluster.limit_no_more()?;
    full
}

fn ways_to_the_well(scene: &Scene, mode: Mode) {
    scene.receivers.iter().filter(|r| r.is_well()).filter_map(|r| r.way()).for_each(|way| way.set(mode));
}

#[expect(clippy::unnecessary_wraps, reason = "it ends most faults, and others can fail")]
fn for_a_while(set: impl Fn(Mode), mode: Mode) -> io::Result<()> {
    set(mode);
    std::thread::sleep(LASTS);
    set(Mode::Pass);
    Ok(())
}

/// Gives every fault, round after round, until so many letters have been taken. In the next round those have kills around
/// them that had none.
pub(crate) fn direct(scene: &Scene, letters: usize) -> Told {
    let killer = Killer::default();
    let mut told = Told::default();
    std::thread::scope(|scope| {
        scope.spawn(|| killer.run(scene));
        // So that it ends even if a fault is not recovered from.
        let _over = Over(&killer);
        loop {
            let mut turn = told.rounds;
            let mut give = |name: &'static str, fault: &dyn Fn() -> io::Result<()>| {
                killer.at_work.store(turn.is_multiple_of(2), Ordering::Relaxed);
                turn += 1;
                fault().unwrap_or_else(|e| panic!("{name}: {e}"));
                let took = recovered(scene, name);
                let so_far = told.faults.entry(name).or_default();
                *so_far = (so_far.0 + 1, so_far.1.max(took));
            };
            for (name, fault) in EVERYWHERE {
                give(name, &|| fault(scene, &()));
            }
            if let Some(ways) = &scene.ways {
                for (name, fault) in OF_SERVERS {
                    give(name, &|| fault(scene, ways));
                }
            }
            told.rounds += 1;
            if scene.checker.confirmed_letters() >= letters {
                break;
            }
        }
    });
    told.kills = killer.kills.into_inner();
    told.starts = scene.instances.iter().map(|i| i.starts()).sum();
    told.refused = scene.refused.load(Ordering::Relaxed);
    told
}

/// Kills one broker after the other while it is at work.
#[derive(Default)]
struct Killer {
    at_work: AtomicBool,
    over: AtomicBool,
    kills: AtomicUsize,
}

impl Killer {
    fn run(&self, scene: &Scene) {
        while !self.over.load(Ordering::Relaxed) {
            if self.at_work.load(Ordering::Relaxed) {
                let turn = self.kills.fetch_add(1, Ordering::Relaxed);
                scene.instances[turn % scene.instances.len()].kill();
            }
            std::thread::sleep(BETWEEN_KILLS);
        }
    }
}

struct Over<'a>(&'a Killer);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// Waits until letters that are offered now have come out, and their receipts: how long it took.
fn recovered(scene: &Scene, fault: &str) -> Duration {
    let from = clock();
    let probes = senders::probe(scene);
    servers::wait_for(&format!("letters go from end to end again after: {fault}"), RECOVERY, || {
        Ok(probes.iter().all(|id| scene.checker.is_done(id)).then_some(()))
    })
    .unwrap_or_else(|e| panic!("{e}"));
    clock() - from
}
