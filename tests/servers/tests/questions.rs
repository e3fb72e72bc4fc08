//! The operators' questions are answered by indexes, whatever they ask for: on tables of several days whose rows differ, with
//! plans that know the values and with plans that do not.
//!
//! On so few rows the server may take a walk for cheap. So it is told to walk and to sort only where there is no other way: what
//! walks or sorts then would do so on millions of rows too. How long they take there, the program `questions` of benches/ shows.

use servers::Postgres;
use servers::questions::{self, Question};
use std::collections::BTreeMap;
use std::path::Path;

const DAYS: u64 = 4;
const ROWS_A_DAY: u64 = 2_000;

/// Few rows come to be sorted: those of one message, of one series, of what is pending.
const MAY_SORT: &[&str] = &[
    "where a message is now",
    "the series of a message, with what targets show of it",
    "what waits where, and since when",
    "what waits for a destination, the oldest first",
];

const NO_OTHER_WAY: &str =
    "SET enable_seqscan = off; SET enable_sort = off; SET enable_incremental_sort = off; ";

#[test]
fn each_question_is_answered_by_an_index_and_in_its_order() {
    let Some(server) = servers::postgres("questions") else { return };
    let database = server.database("questions").expect("a database");
    fill(server, &database);
    let sql =
        |statement: &str| server.sql(&database, statement).unwrap_or_else(|e| panic!("{e}\nin {statement}"));
    let sample = |column: &str| {
        let one = "FROM message WHERE document_id IS NOT NULL AND mod(seq, 10) = 0 ORDER BY seq LIMIT 1";
        sql(&format!("SELECT {column} {one}")).trim().to_owned()
    };
    let mut values = BTreeMap::from([
        ("owner", "default".to_owned()),
        ("id", sample("id")),
        ("msg_id", sample("msg_id")),
        ("sender", sample("sender")),
        ("source", "amqp:in".to_owned()),
        ("party", sample("sender")),
        ("amqp_id", sample("md5('q' || seq)")),
        ("receiver", "9000003".to_owned()),
        ("family", "discharge-summary".to_owned()),
        ("code", "P01".to_owned()),
        ("state", String::new()),
        ("destination", "amqp:hangs".to_owned()),
        ("since", sql("SELECT (today() - 2) * 86400000000::bigint").trim().to_owned()),
        ("until", sql("SELECT (today() + 1) * 86400000000::bigint").trim().to_owned()),
    ]);
    let mut asked = 0;
    for state in ["rejected", "parked", "receipted", "handed_over", "waiting"] {
        values.insert("state", state.to_owned());
        let explained =
            |q: &Question| Question { statement: format!("EXPLAIN {}", q.statement), ..q.clone() };
        let with_values = questions::all(&values).expect("all are given");
        for question in &with_values {
            let answer = sql(&question.statement);
            // A code that one sample has by chance is none of ours to promise.
            assert!(
                !answer.trim().is_empty() || question.title.contains("overdue"),
                "{} finds nothing",
                question.title
            );
        }
        let plans = with_values.iter().map(explained).chain(questions::explained_without_values(&values));
        for Question { title, statement } in plans {
            let plan = sql(&format!("{NO_OTHER_WAY}{statement}"));
            asked += 1;
            assert!(!plan.contains("Seq Scan"), "{title}, {state}: it walks\n{plan}");
            let sorts = sorts(&plan);
            assert!(!sorts || MAY_SORT.contains(&title), "{title}, {state}: it sorts\n{plan}");
            if title.contains("overdue") {
                let by_time = |line: &str| line.contains("Index Cond") && line.contains("receipt_deadline <");
                assert!(plan.lines().any(by_time), "{title}: it reads what is not overdue\n{plan}");
            }
        }
    }
    assert!(asked >= 5 * 2 * 17, "{asked} plans");
}

/// True if rows are sorted. Of what contradicts itself (a state that this table never holds) there are none.
fn sorts(plan: &str) -> bool {
    let lines: Vec<&str> = plan.lines().map(|line| line.trim_start_matches([' ', '-', '>'])).collect();
    let of_rows = |at: usize| lines.get(at + 2).is_none_or(|below| !below.starts_with("Result "));
    lines.iter().enumerate().any(|(at, line)| line.starts_with("Sort  ") && of_rows(at))
}

/// The tables as the journal makes them, and the days of the program.
fn fill(server: &Postgres, database: &str) {
    let sql = |statement: &str| server.sql(database, statement).unwrap_or_else(|e| panic!("{e}"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read =
        |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let folder = std::fs::read_dir(root.join("adapters/migrations/postgres")).expect("migrations");
    let mut migrations: Vec<_> = folder.map(|file| file.expect("a file").path()).collect();
    migrations.sort();
    for migration in migrations {
        sql(&read(&migration));
    }
    sql(&format!("SELECT make_day(today() - {DAYS} + d) FROM generate_series(1, {DAYS}) d"));
    sql("INSERT INTO provenance (owner, hash, record) VALUES ('default', '\\x00', '{}')");
    let day = read(&root.join("benches/src/bin/questions/day.sql"));
    for n in 0..DAYS {
        let places = [("{first}", n * ROWS_A_DAY), ("{last}", (n + 1) * ROWS_A_DAY), ("{ago}", DAYS - 1 - n)];
        sql(&places
            .iter()
            .fold(day.clone(), |text, (place, number)| text.replace(place, &number.to_string())));
    }
    sql("VACUUM ANALYZE");
}
