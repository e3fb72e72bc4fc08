//! The operators' questions to a large journal on PostgreSQL: how long each takes, and by which plan.
//!
//! `cargo run --release -p benchmarks --bin questions [ROWS]` starts a private server, writes ROWS (10 million) messages without
//! bodies and as many recipients over thirty days, and asks each question of `ops/postgresql/questions.sql` five times after one
//! that is not counted. It takes some 12 GB of the temporary folder.

use adapters::postgres::{Mode, Options, Place, PostgresStore};

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
    let password = Some(server.password().to_owned());
    PostgresStore::open(Options { password, ..Options::new(place, Mode::Run) }).await?.close().await;
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
    println!("over {WANTED_MS} ms: {}", if slow.is_empty() { "none".to_owned() } else { slow.join(", ") });
    Ok(())
}

/// One statement a day, two at a time. Numbers are spread by a multiplication, so that what one sender sent lies all over the day.
fn fill(server: &Postgres, database: &str, rows: u64) -> io::Result<()> {
    server.sql(
        database,
        &format!(
            "SELECT make_day(today() - {DAYS} + d) FROM generate_series(1, {DAYS}) d;
             INSERT INTO provenance (owner, hash, record) VALUES ('default', '\\x00', '{{}}')"
        ),
    )?;
    let day = |day: u64| -> io::Result<()> {
        let (first, last) = (day * rows / DAYS, (day + 1) * rows / DAYS);
        let spread = "mod(g::bigint * 7919, 1000003)";
        server.sql(
            database,
            &format!(
                "SET synchronous_commit = off;
                 INSERT INTO message (day, seq, owner, id, short, received, source, sender, msg_id, document_id, family, version,
                     type, generated, test, verdict, reason, size, content_hash, provenance, body, findings)
                 SELECT d.day, g, 'default', md5('m' || g)::uuid, mod(g::bigint * 7919, 1099511627776), d.from_us + {spread} * 86000,
                     'amqp:fjordby', 'HER:' || 8000000 + mod({spread}, 2000), md5('i' || g), md5('d' || g),
                     (ARRAY['SVARRAPPORT','EPIKRISE','HENVISNING','DIALOGMELDING','PLO','REKVISISJON','APPREC','DIALOG_INNBYGGER'])
                         [1 + mod({spread}, 8)], '1.4', 'x', d.from_us, false,
                     CASE WHEN mod(g, 100) = 0 THEN 'parked' ELSE 'accepted' END,
                     CASE WHEN mod(g, 100) = 0 THEN 'P' || to_char(1 + mod(g / 100, 40), 'FM00') END,
                     20000, decode(md5('a' || g) || md5('b' || g), 'hex'), 1, g, '[]'
                 FROM generate_series({first}, {last} - 1) g,
                     (SELECT today() - {DAYS} + 1 + {day} AS day, (today() - {DAYS} + 1 + {day}) * 86400000000::bigint AS from_us) d;
                 INSERT INTO recipient (day, seq, owner, id, message, message_day, book, receiver, destination, body_day, body, size,
                     receipt_written, received, since, state, reason, tries, maybe_arrived)
                 SELECT d.day, g, 'default', md5('r' || g)::uuid, md5('m' || g)::uuid, d.day, 'message',
                     9000000 + mod({spread}, 3000), 'amqp:d' || mod({spread}, 200), d.day, g, 20000, false,
                     d.from_us + {spread} * 86000, d.from_us,
                     CASE WHEN {day} = {DAYS} - 1 AND mod(g, 50) = 7 THEN 'pending' WHEN mod(g, 500) = 1 THEN 'parked'
                          WHEN mod(g, 100) = 2 THEN 'rejected' ELSE 'receipted' END,
                     CASE WHEN mod(g, 500) = 1 THEN 'P18' END, 1, false
                 FROM generate_series({first}, {last} - 1) g,
                     (SELECT today() - {DAYS} + 1 + {day} AS day, (today() - {DAYS} + 1 + {day}) * 86400000000::bigint AS from_us) d"
            ),
        )?;
        Ok(())
    };
    std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            let day = &day;
            scope.spawn(move || (0..DAYS).filter(|d| d % 2 == half).try_for_each(day))
        });
        halves.into_iter().try_for_each(|h| h.join().map_err(|_| io::Error::other("a writer ended"))?)
    })?;
    server.sql(
        database,
        "INSERT INTO pending (SELECT (jsonb_populate_record(NULL::pending, to_jsonb(r) || jsonb_build_object('state',
             CASE WHEN mod(seq, 3) = 0 THEN 'waiting' ELSE 'handed_over' END, 'due', received, 'receipt_deadline',
             received + 86400000000 * 4))).* FROM recipient r WHERE state = 'pending')",
    )?;
    server.sql(database, "VACUUM ANALYZE")?;
    Ok(())
}

/// What is asked for: of the middle of the time, so that neither the first nor the last partition is lucky.
fn values(server: &Postgres, database: &str) -> io::Result<BTreeMap<&'static str, String>> {
    let day = server.sql(database, &format!("SELECT (today() - {}) * 86400000000::bigint", DAYS / 2))?;
    let day: i64 = day.trim().parse().map_err(io::Error::other)?;
    let sample = |column: &str| -> io::Result<String> {
        let found = server.sql(database, &format!("SELECT {column} FROM message WHERE seq = 4321"))?;
        Ok(found.trim().to_owned())
    };
    Ok(BTreeMap::from([
        ("owner", "default".to_owned()),
        ("id", sample("id")?),
        ("msg_id", sample("msg_id")?),
        ("sender", sample("sender")?),
        ("receiver", "9000123".to_owned()),
        ("family", "EPIKRISE".to_owned()),
        ("code", "P18".to_owned()),
        ("state", "rejected".to_owned()),
        ("destination", "amqp:d17".to_owned()),
        ("since", (day - 7 * 86_400_000_000).to_string()),
        ("until", (day + 7 * 86_400_000_000).to_string()),
    ]))
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
