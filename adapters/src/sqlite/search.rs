//! Messages by what is known of them.
//!
//! One walk over an index that holds nearly all that is asked of a message, from the newest on, until there are enough. What is
//! asked of recipients is looked up for each message that fits otherwise: their states change too often for an index of its own.

use super::failure::sort;
use super::find::record;
use super::read::Reader;
use broker_core::journal::{MessageRecord, Search};
use broker_core::ports::StoreError;
use sqlx::{QueryBuilder, Row as _, Sqlite};

/// Those that fit, newest first.
pub(super) async fn search(from: &Reader, wanted: &Search) -> Result<Vec<MessageRecord>, StoreError> {
    let mut statement = statement(&from.owner, wanted);
    let rows = statement.build().fetch_all(&from.pool).await.map_err(sort)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(record(from, row.try_get(0).map_err(sort)?).await?);
    }
    Ok(found)
}

/// Asks for their numbers.
pub(super) fn statement(owner: &str, wanted: &Search) -> QueryBuilder<Sqlite> {
    let Search { sender, family, verdict, source, since, until, reason, limit, .. } = wanted;
    let mut sql = QueryBuilder::new("SELECT m.seq FROM message m INDEXED BY message_search WHERE m.owner = ");
    sql.push_bind(owner.to_owned());
    if let Some(since) = since {
        sql.push(" AND m.received >= ").push_bind(since.as_microsecond());
    }
    if let Some(until) = until {
        sql.push(" AND m.received < ").push_bind(until.as_microsecond());
    }
    if let Some(sender) = sender {
        sql.push(" AND (m.sender = ").push_bind(sender.to_string());
        sql.push(" OR m.sender IS NULL AND m.envelope_sender = ").push_bind(sender.0).push(")");
    }
    if let Some(family) = family {
        sql.push(" AND m.family = ").push_bind(family.as_str());
    }
    if let Some(verdict) = verdict {
        sql.push(" AND m.verdict = ").push_bind(*verdict);
    }
    if let Some(source) = source {
        sql.push(" AND m.source = ").push_bind(source.clone());
    }
    if wanted.asks_of_recipients() {
        sql.push(" AND ");
        has_recipient(&mut sql, wanted);
        sql.push(")");
    }
    if let Some(reason) = reason {
        sql.push(" AND (m.reason = ").push_bind(reason.as_str()).push(" OR ");
        has_recipient(&mut sql, wanted);
        sql.push(" AND r.reason = ").push_bind(reason.as_str()).push("))");
    }
    sql.push(" ORDER BY m.received DESC, m.seq DESC LIMIT ")
        .push_bind(i64::try_from(*limit).unwrap_or(i64::MAX));
    sql
}

/// `EXISTS (…` a recipient of the message that is wanted; still open, for more to be said of it.
fn has_recipient(sql: &mut QueryBuilder<Sqlite>, wanted: &Search) {
    sql.push("EXISTS (SELECT 1 FROM recipient r WHERE r.message = m.seq");
    if let Some(receiver) = wanted.receiver {
        sql.push(" AND r.receiver = ").push_bind(receiver.0);
    }
    if let Some(destination) = &wanted.destination {
        sql.push(" AND r.destination = ").push_bind(destination.as_str().to_owned());
    }
    if let Some(state) = wanted.state {
        sql.push(" AND r.state = ").push_bind(state.as_str());
    }
}
