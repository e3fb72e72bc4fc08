//! Messages by what is known of them.
//!
//! Whatever is asked of recipients is read from their own indexes by receiver, destination, reason or time, and the rest from
//! those of messages, each in the order of its index until there are enough. Where either of two columns may hold what is
//! wanted, that is two questions: a sender is that of the head or that of the envelope, a reason that of the message or that of
//! a recipient.

use super::failure::Failure;
use super::find::record;
use super::read::Reader;
use broker_core::journal::{MessageRecord, Search};
use message_schemas::HerId;
use sqlx::{Postgres, QueryBuilder, Row as _};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Those that fit, newest first.
pub(super) async fn search(from: &Reader, wanted: &Search) -> Result<Vec<MessageRecord>, Failure> {
    let mut places = BTreeSet::new();
    for walk in walks(wanted) {
        // A message counts once, however many of its recipients fit.
        let mut rows_wanted = wanted.limit;
        loop {
            let mut found = BTreeSet::new();
            let rows =
                statement(&from.owner, wanted, walk, rows_wanted).build().fetch_all(&from.pool).await?;
            for row in &rows {
                let (received, day, seq): (i64, i32, i64) =
                    (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
                found.insert(Reverse((received, seq, day)));
            }
            if found.len() >= wanted.limit || rows.len() < rows_wanted {
                places.append(&mut found);
                break;
            }
            rows_wanted = rows_wanted.saturating_mul(4);
        }
    }
    let mut found = Vec::with_capacity(places.len().min(wanted.limit));
    for Reverse((_, seq, day)) in places.into_iter().take(wanted.limit) {
        found.extend(record(from, day, seq).await?);
    }
    Ok(found)
}

/// In which order rows are read.
#[derive(Debug, Clone, Copy)]
enum Walk {
    /// Messages, of whatever sender.
    Messages,
    /// Messages whose head names this sender.
    Head(HerId),
    /// Messages whose head names nobody, and their envelope this sender.
    Envelope(HerId),
    /// Recipients, with their messages.
    Recipients,
}

/// What all of them find together is wanted.
fn walks(wanted: &Search) -> Vec<Walk> {
    if wanted.asks_of_recipients() {
        return vec![Walk::Recipients];
    }
    let mut walks =
        wanted.sender.map_or_else(|| vec![Walk::Messages], |id| vec![Walk::Head(id), Walk::Envelope(id)]);
    // The walk over messages finds what was judged so, this one what stands so.
    walks.extend(wanted.reason.map(|_| Walk::Recipients));
    walks
}

/// Asks for time and place of messages, newest first.
fn statement(owner: &str, wanted: &Search, walk: Walk, rows: usize) -> QueryBuilder<Postgres> {
    let mut sql = match walk {
        Walk::Recipients => of_recipients(owner, wanted),
        Walk::Messages | Walk::Head(_) | Walk::Envelope(_) => of_messages(owner, wanted),
    };
    // By the time alone: a message stands in the table of the day by the server's clock, and came by the broker's. A day
    // without any that fits costs one look into an index. A recipient has the time of its message.
    let came = if matches!(walk, Walk::Recipients) { "r.received" } else { "m.received" };
    if let Some(since) = wanted.since {
        sql.push(format_args!(" AND {came} >= ")).push_bind(since.as_microsecond());
    }
    if let Some(until) = wanted.until {
        sql.push(format_args!(" AND {came} < ")).push_bind(until.as_microsecond());
    }
    if let Some(family) = wanted.family {
        sql.push(" AND m.family = ").push_bind(family.as_str());
    }
    if let Some(verdict) = wanted.verdict {
        sql.push(" AND m.verdict = ").push_bind(verdict);
    }
    if let Some(source) = &wanted.source {
        sql.push(" AND m.source = ").push_bind(source.clone());
    }
    match (walk, wanted.sender) {
        (Walk::Head(id), _) => sql.push(" AND m.sender = ").push_bind(id.to_string()),
        (Walk::Envelope(id), _) => {
            sql.push(" AND m.sender IS NULL AND m.envelope_sender = ").push_bind(i64::from(id.0))
        }
        (Walk::Recipients, Some(id)) => {
            sql.push(" AND coalesce(m.sender, m.envelope_sender::text) = ").push_bind(id.to_string())
        }
        (Walk::Messages | Walk::Recipients, _) => &mut sql,
    };
    sql.push(format_args!(" ORDER BY {came} DESC, m.seq DESC LIMIT "));
    sql.push_bind(i64::try_from(rows).unwrap_or(i64::MAX));
    sql
}

fn of_messages(owner: &str, wanted: &Search) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT m.received, m.day, m.seq FROM message m WHERE m.owner = ");
    sql.push_bind(owner.to_owned());
    if let Some(reason) = wanted.reason {
        sql.push(" AND m.reason = ").push_bind(reason.as_str());
    }
    sql
}

/// Their messages are looked up one by one: to sort all that fit would cost more than to find a few.
fn of_recipients(owner: &str, wanted: &Search) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(
        "SELECT r.received, m.day, m.seq FROM standing r
        CROSS JOIN LATERAL (SELECT * FROM message WHERE id = r.message AND day = r.message_day LIMIT 1) m
        WHERE r.owner = ",
    );
    sql.push_bind(owner.to_owned());
    if let Some(receiver) = wanted.receiver {
        sql.push(" AND r.receiver = ").push_bind(i64::from(receiver.0));
    }
    if let Some(destination) = &wanted.destination {
        sql.push(" AND r.destination = ").push_bind(destination.as_str().to_owned());
    }
    if let Some(state) = wanted.state {
        sql.push(" AND r.state = ").push_bind(state.as_str());
    }
    if let Some(reason) = wanted.reason {
        sql.push(" AND (r.reason = ").push_bind(reason.as_str());
        if wanted.asks_of_recipients() {
            sql.push(" OR m.reason = ").push_bind(reason.as_str());
        }
        sql.push(")");
    }
    sql
}
