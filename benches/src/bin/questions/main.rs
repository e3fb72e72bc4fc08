//! The operators' questions to a large journal on PostgreSQL: how long each takes, and by which plan.
//!
//! `cargo run --release -p benchmarks --bin questions [ROWS]` starts a private server, writes ROWS (10 million) messages without
//! bodies and as many recipients over thirty days (`day.sql`), and asks each question of `ops/postgresql/questions.sql` five times after one
//! that is not counted; then what `budstikke messages` asks. It takes some 25 GB of the temporary folder, and a quarter of an hour.

use adapters::clock::SystemClock;
use adapters::postgres::{Mode, Options, Place, PostgresStore};
use broker_core::journal::{Provenance, Search};
use broker_core::lifecycle::State;
use broker_core::ports::{Clock as _, Store as _};
use dead_letter::Reason;
use jiff::Timestamp;
use message_schemas::{Family, HerId};
use servers::Postgres;
use servers::questions::{self, Question};
use std::collections::BTreeMap;
use std::io;

const DAYS: u64 = 30;
/// What an answer may take.
const WANTED_MS: f64 = 50.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: u64 = std::env::args().nth(1).map_or(Ok(10_000_000), |n| n.parse())?;
    let server = Postgres::start(&[])?;
    let database = server.database("questions")?;
    let place: Place = server.place(&database).parse()?;
    let options =
        |mode| Options { password_file: Some(server.password_file()), ..Options::new(place.clone(), mode) };
    PostgresStore::open(options(Mode::Run)).await?.close().await;
    println!("writing {rows} messages and as many recipients");
    fill(&server, &database, rows)?;
    let sizes =
        "SELECT pg_size_pretty(sum(pg_relation_size(relid))), pg_size_pretty(sum(pg_indexes_size(relid)))
        FROM pg_stat_user_tables";
    println!("tables | indexes: {}", server.sql(&database, sizes)?.trim());
    let values = values(&server, &database)?;
    let questions = questions::all(&values).map_err(|names| format!("no value for {names:?}"))?;
    println!("{:44} {:>8} {:>8} {:>6}  read by", "question", "planned", "run", "rows");
    let mut slow = Vec::new();
    for question in &questions {
        let answer = ask(&server, &database, question)?;
        println!(
            "{:44} {:>5.1} ms {:>5.1} ms {:>6}  {}",
            question.title, answer.planning_ms, answer.execution_ms, answer.rows, answer.paths
        );
        if answer.planning_ms + answer.execution_ms > WANTED_MS {
            slow.push(question.title);
        }
    }
    let (clock, store) = (SystemClock::new(), PostgresStore::open(options(Mode::Read)).await?);
    for (title, wanted) in searches(&values)? {
        let (mut taken, mut found) = (Vec::new(), 0);
        for _ in 0..5 {
            let began = clock.monotonic();
            found = store.search(&wanted).await?.len();
            taken.push(clock.monotonic() - began);
        }
        taken.sort();
        let median = taken[taken.len() / 2];
        println!("messages {title:44} {:>8.1} ms {found:>6}", median.as_secs_f64() * 1e3);
    }
    store.close().await;
    println!("over {WANTED_MS} ms: {}", if slow.is_empty() { "none".to_owned() } else { slow.join(", ") });
    Ok(())
}

/// One day, with its places filled in.
const DAY: &str = include_str!("day.sql");

/// Day by day, two at a time.
fn fill(server: &Postgres, database: &str, rows: u64) -> io::Result<()> {
    server.sql(
        database,
        &format!(
            "SELECT make_day(today() - {DAYS} + d) FROM generate_series(1, {DAYS}) d;
             INSERT INTO provenance (owner, hash, record) VALUES ('default', '\\x00', '{}')",
            serde_json::to_string(&Provenance::default())?
        ),
    )?;
    let day = |day: u64| -> io::Result<()> {
        let places =
            [("{first}", day * rows / DAYS), ("{last}", (day + 1) * rows / DAYS), ("{ago}", DAYS - 1 - day)];
        let statements = places
            .iter()
            .fold(DAY.to_owned(), |text, (place, number)| text.replace(place, &number.to_string()));
        server.sql(database, &statements).map(drop)
    };
    std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            let day = &day;
            scope.spawn(move || (0..DAYS).filter(|d| d % 2 == half).try_for_each(day))
        });
        halves.into_iter().try_for_each(|h| h.join().map_err(|_| io::Error::other("a writer ended"))?)
    })?;
    server.sql(database, "VACUUM ANALYZE").map(drop)
}

/// What is asked for: of the middle of the time, so that neither the first nor the last partition is lucky.
fn values(server: &Postgres, database: &str) -> io::Result<BTreeMap<&'static str, String>> {
    let day = server.sql(database, &format!("SELECT (today() - {}) * 86400000000::bigint", DAYS / 2))?;
    let day: i64 = day.trim().parse().map_err(io::Error::other)?;
    // A message of that day that has all that is asked for.
    let one = format!(
        "FROM message WHERE day = {day} / 86400000000 AND document_id IS NOT NULL AND mod(seq, 10) = 0 ORDER BY seq LIMIT 1"
    );
    let sample = |column: &str| -> io::Result<String> {
        let found = server.sql(database, &format!("SELECT {column} {one}"))?;
        Ok(found.trim().to_owned())
    };
    Ok(BTreeMap::from([
        ("owner", "default".to_owned()),
        ("id", sample("id")?),
        ("msg_id", sample("msg_id")?),
        ("sender", sample("sender")?),
        ("source", "amqp:in".to_owned()),
        ("party", sample("sender")?),
        ("amqp_id", sample("md5('q' || seq)")?),
        ("receiver", "9000123".to_owned()),
        ("family", "discharge-summary".to_owned()),
        ("code", "P05".to_owned()),
        ("state", "rejected".to_owned()),
        ("destination", "amqp:hangs".to_owned()),
        ("since", (day - 7 * 86_400_000_000).to_string()),
        ("until", (day + 7 * 86_400_000_000).to_string()),
    ]))
}

/// What `budstikke messages` asks: each answer is fifty whole records, or as many as there are.
fn searches(
    values: &BTreeMap<&'static str, String>,
) -> Result<Vec<(&'static str, Search)>, Box<dyn std::error::Error>> {
    let number = |name: &str| values.get(name).map_or(Ok(0), |text| text.parse::<i64>());
    let since = Some(Timestamp::from_microsecond(number("since")?)?);
    let all = || Search { limit: 50, ..Search::default() };
    let (sender, receiver) = (Some(HerId(u32::try_from(number("sender")?)?)), Some(HerId(9_000_123)));
    let family = Some(Family::DischargeSummary);
    Ok(vec![
        ("the latest", all()),
        ("of a sender", Search { sender, ..all() }),
        ("of a sender since then", Search { sender, since, ..all() }),
        ("of a sender who never sent", Search { sender: Some(HerId(1)), ..all() }),
        ("of a sender for a receiver", Search { sender, receiver, ..all() }),
        ("for a receiver, rejected", Search { receiver, state: Some(State::Rejected), ..all() }),
        ("parked", Search { state: Some(State::Parked), ..all() }),
        ("waiting", Search { state: Some(State::Waiting), ..all() }),
        ("waiting at a destination", Search { destination: "amqp:hangs".parse().ok(), ..all() }),
        ("of a family, judged parked", Search { family, verdict: Some("parked"), ..all() }),
        ("by code", Search { reason: Some(Reason::ReceiverNotFound), ..all() }),
        ("by code, for a receiver", Search { reason: Some(Reason::ReceiverNotFound), receiver, ..all() }),
        (
            "by code, for a receiver who never got any",
            Search { reason: Some(Reason::ReceiverNotFound), receiver: Some(HerId(1)), ..all() },
        ),
    ])
}

#[derive(Debug)]
struct Answer {
    planning_ms: f64,
    execution_ms: f64,
    rows: u64,
    paths: String,
}

/// The median of five, by what PostgreSQL measures itself.
fn ask(server: &Postgres, database: &str, question: &Question) -> io::Result<Answer> {
    let explain = format!("EXPLAIN (ANALYZE, TIMING OFF) {}", question.statement);
    let mut taken = Vec::new();
    let mut plan = String::new();
    for round in 0..6 {
        plan = server.sql(database, &explain)?;
        if round > 0 {
            taken.push((figure(&plan, "Planning Time: ")?, figure(&plan, "Execution Time: ")?));
        }
    }
    taken.sort_by(|a, b| (a.0 + a.1).total_cmp(&(b.0 + b.1)));
    let (planning_ms, execution_ms) = taken[taken.len() / 2];
    let rows = plan.split("(actual rows=").nth(1).and_then(|r| r.split(' ').next()).unwrap_or_default();
    let rows = rows.parse().map_err(io::Error::other)?;
    let mut paths: Vec<_> = plan.lines().filter_map(path).collect();
    paths.sort();
    paths.dedup();
    Ok(Answer { planning_ms, execution_ms, rows, paths: paths.join(", ") })
}

fn figure(plan: &str, name: &str) -> io::Result<f64> {
    let text = plan.lines().find_map(|l| l.trim().strip_prefix(name)).unwrap_or_default();
    text.trim_end_matches(" ms").parse().map_err(io::Error::other)
}

/// How a line of a plan reads its table: an index without its day, or the whole table.
fn path(line: &str) -> Option<String> {
    if line.contains("never executed") {
        return None;
    }
    let table = |name: &str| name.split("_2").next().unwrap_or(name).to_owned();
    if let Some((_, rest)) = line.split_once("Seq Scan on ") {
        return Some(format!("WHOLE {}", table(rest.split(' ').next()?)));
    }
    let (_, rest) = line.split_once(" using ").or_else(|| line.split_once("Bitmap Index Scan on "))?;
    let index = rest.split(' ').next()?;
    let columns = index.split_once("_2").map_or(index, |(_, after)| {
        after.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('_')
    });
    Some(format!("{}({})", table(index), columns.trim_end_matches("_idx")))
}
