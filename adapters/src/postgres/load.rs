//! What a transaction reads before it decides, and the locks under which that stays true.
//!
//! Locks are taken in one order by everybody, so that nobody waits in a circle: the end of the own chain, the lines (a
//! destination and an order key) by their hash, then recipients by their number. Only what is not pending may come out of
//! turn, and what is taken over after a death; the server finds such a circle, and the batch is tried again.

use super::columns::{
    Days, content_hash, count, key, maybe_count, moment, order_key, reason, state, text, time,
};
use super::failure::{Failure, unreadable};
use crate::journal::batch::{Found, Head, Line, Loaded, Wanted};
use crate::standing::Standing;
use broker_core::journal::RecipientId;
use message_schemas::MessageId;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use std::collections::{BTreeSet, HashMap, HashSet};
use uuid::Uuid;

/// Where a message or a recipient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) day: i32,
    pub(super) seq: i64,
    /// For a recipient: it has a row in `pending`.
    pub(super) pending: bool,
}

/// How a transaction begins.
#[derive(Debug)]
pub(super) struct Begun {
    /// The day that it writes to.
    pub(super) day: i32,
    /// Numbers for its rows, the lowest last.
    pub(super) numbers: Vec<i64>,
    pub(super) head: Head,
    pub(super) found: Found<At>,
    /// Recipients that another broker is sending.
    pub(super) foreign: HashSet<RecipientId>,
}

const HEAD: &str = "SELECT today(), last_seq, last_hash,
    ARRAY(SELECT nextval('number') FROM generate_series(1, $2) ORDER BY 1 DESC)
    FROM instance WHERE id = $1 FOR NO KEY UPDATE";

/// A line's lock lasts until the transaction ends. Names are told apart by their lengths.
macro_rules! line_lock {
    ($function:literal, $owner:literal, $to:literal, $key:literal) => {
        concat!(
            $function,
            "(hashtextextended(length(",
            $to,
            ") || ':' || ",
            $to,
            " || ",
            $key,
            ", hashtextextended(",
            $owner,
            ", 0)))"
        )
    };
}
pub(super) use line_lock;

/// The lines of pending recipients; most have none.
const LINES: &str = "SELECT DISTINCT destination, order_key FROM pending
    WHERE id = ANY($1) AND order_key IS NOT NULL AND destination IS NOT NULL";

const LOCK_LINES: &str = concat!(
    "SELECT count(",
    line_lock!("pg_advisory_xact_lock", "$1", "l.destination", "l.order_key"),
    ") FROM (SELECT * FROM unnest($2, $3) l(destination, order_key)
        ORDER BY hashtextextended(length(destination) || ':' || destination || order_key,
            hashtextextended($1, 0))) l"
);

/// The columns of a recipient that is decided about.
macro_rules! decided {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " SELECT day, seq, id, message, destination, order_key, state, reason, detail, tries,
            maybe_arrived, receipt_deadline, expires, since",
            $rest
        )
    };
}

const PENDING: &str = decided!(
    "",
    ", next_attempt, instance FROM pending WHERE owner || '' = $1 AND id = ANY($2) ORDER BY seq FOR UPDATE"
);

const SET_ASIDE: &str = decided!(
    "",
    ", NULL::bigint, NULL::bigint FROM recipient WHERE owner || '' = $1 AND id = ANY($2) AND day >= $3
        ORDER BY seq FOR UPDATE"
);

/// What this broker was sending, if it asks so, and what brokers were sending of which nothing is heard. While the server
/// itself has just begun, nobody could be heard.
const SENDING: &str = decided!(
    "",
    ", next_attempt, instance FROM pending WHERE owner = $1 AND state = 'sending' AND (
        ($3 AND instance = $2) OR NOT EXISTS (SELECT 1 FROM heartbeat h WHERE h.instance = pending.instance
            AND greatest(h.at, pg_postmaster_start_time()) > clock_timestamp() - make_interval(secs => $4)))
        ORDER BY seq FOR UPDATE"
);

/// Entries are offered again soon, if at all; another decision may come at any time.
const MESSAGES: &str = "SELECT m.id, m.content_hash, m.day, m.seq FROM unnest($2::uuid[]) AS k(id) CROSS JOIN LATERAL
    (SELECT id, content_hash, day, seq FROM message WHERE id = k.id AND owner || '' = $1 AND day >= $3 LIMIT 1) m";

const IDEMPOTENCY: &str = "SELECT k.source, k.key, i.message, i.content_hash
    FROM unnest($2, $3, $4) AS k(source, key, hash) JOIN idempotency_key i ON i.owner = $1 AND i.key = k.hash";

const DUPLICATES: &str = "SELECT d.key FROM unnest($2::bytea[]) AS k(key)
    CROSS JOIN LATERAL (SELECT key FROM duplicate_key WHERE owner = $1 AND key = k.key LIMIT 1) d";

/// Locks the own chain, and takes numbers.
pub(super) async fn begin(
    connection: &mut PgConnection,
    instance: i64,
    numbers: usize,
) -> Result<Begun, Failure> {
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await?;
    let numbers = i32::try_from(numbers).unwrap_or(i32::MAX);
    let row = sqlx::query(HEAD).bind(instance).bind(numbers).fetch_one(&mut *connection).await?;
    let link: &[u8] = row.try_get(2)?;
    Ok(Begun {
        day: row.try_get(0)?,
        head: Head {
            sequence: count(&row, 1)?,
            link: link.try_into().map_err(|_| unreadable("the hash of an event"))?,
        },
        numbers: row.try_get(3)?,
        found: Found::default(),
        foreign: HashSet::new(),
    })
}

/// Locks lines: those of pending recipients, and these.
pub(super) async fn lock_lines(
    connection: &mut PgConnection,
    owner: &str,
    of: &[Uuid],
    lines: &BTreeSet<Line>,
) -> Result<(), Failure> {
    let mut lines: BTreeSet<(String, String)> = lines.iter().map(|(to, key)| line(to, key)).collect();
    if !of.is_empty() {
        let query = sqlx::query_as(LINES).bind(of);
        lines.extend(query.fetch_all(&mut *connection).await?);
    }
    if lines.is_empty() {
        return Ok(());
    }
    let (to, keys): (Vec<String>, Vec<String>) = lines.into_iter().unzip();
    sqlx::query(LOCK_LINES).bind(owner).bind(to).bind(keys).execute(connection).await?;
    Ok(())
}

impl Begun {
    /// Reads what a batch asks about.
    pub(super) async fn read(
        &mut self,
        connection: &mut PgConnection,
        owner: &str,
        instance: i64,
        wanted: &Wanted,
        judged_again: bool,
    ) -> Result<(), Failure> {
        self.recipients(connection, owner, instance, &wanted.recipients).await?;
        if !wanted.messages.is_empty() {
            let ids: Vec<Uuid> = wanted.messages.iter().map(|m| m.0).collect();
            let from = if judged_again { i32::MIN } else { self.day - 2 };
            let query = sqlx::query(MESSAGES).bind(owner).bind(ids).bind(from);
            for row in query.fetch_all(&mut *connection).await? {
                let at = At { day: row.try_get(2)?, seq: row.try_get(3)?, pending: false };
                let known = (content_hash(&row, 1)?, Some(at));
                self.found.messages.insert(MessageId(row.try_get(0)?), known);
            }
        }
        if !wanted.idempotency.is_empty() {
            let (sources, keys): (Vec<&str>, Vec<&str>) =
                wanted.idempotency.iter().map(|(source, key)| (source.as_str(), key.as_str())).unzip();
            let hashes: Vec<Vec<u8>> = wanted.idempotency.iter().map(|(s, k)| key(&[s, k])).collect();
            // Texts go there and back, and a zero byte would not.
            let places: Vec<String> = (0..keys.len()).map(|n| n.to_string()).collect();
            let query = sqlx::query(IDEMPOTENCY).bind(owner).bind(&places).bind(&places).bind(hashes);
            for row in query.fetch_all(&mut *connection).await? {
                let place: usize = row.try_get::<&str, _>(0)?.parse().map_err(|_| unreadable("a place"))?;
                if let (Some(source), Some(key)) = (sources.get(place), keys.get(place)) {
                    let known = (MessageId(row.try_get(2)?), content_hash(&row, 3)?);
                    self.found.idempotency.insert(((*source).to_owned(), (*key).to_owned()), known);
                }
            }
        }
        if !wanted.duplicates.is_empty() {
            let keys: HashMap<Vec<u8>, _> =
                wanted.duplicates.iter().map(|k| (key(&[&k.sender, &k.msg_id, &k.receiver]), k)).collect();
            let hashes: Vec<&Vec<u8>> = keys.keys().collect();
            let query = sqlx::query(DUPLICATES).bind(owner).bind(hashes);
            for row in query.fetch_all(&mut *connection).await? {
                let found = keys.get(row.try_get::<&[u8], _>(0)?);
                self.found.duplicates.extend(found.map(|key| (*key).clone()));
            }
        }
        Ok(())
    }

    async fn recipients(
        &mut self,
        connection: &mut PgConnection,
        owner: &str,
        instance: i64,
        wanted: &BTreeSet<RecipientId>,
    ) -> Result<(), Failure> {
        if wanted.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = wanted.iter().map(|r| r.0).collect();
        for row in sqlx::query(PENDING).bind(owner).bind(&ids).fetch_all(&mut *connection).await? {
            let (id, loaded, sender) = recipient(&row, true)?;
            if sender.is_some_and(|sender| sender != instance) {
                self.foreign.insert(id);
            }
            self.found.recipients.insert(id, loaded);
        }
        // Where their ids say that they are; then, should that be wrong, wherever.
        let mut days = Days::of(ids.iter().copied());
        loop {
            let known = |id: &&Uuid| !self.found.recipients.contains_key(&RecipientId(**id));
            let left: Vec<Uuid> = ids.iter().filter(known).copied().collect();
            if left.is_empty() {
                return Ok(());
            }
            let query = sqlx::query(SET_ASIDE).bind(owner).bind(left).bind(days.from);
            for row in query.fetch_all(&mut *connection).await? {
                if row.try_get::<&str, _>(6)? == "pending" {
                    return Err(Failure::overtaken("a recipient moved on while it was looked at"));
                }
                let (id, loaded, _) = recipient(&row, false)?;
                self.found.recipients.insert(id, loaded);
            }
            if days == Days::ALL {
                return Ok(());
            }
            days = Days::ALL;
        }
    }
}

/// Recipients that were being sent by brokers of which nothing was heard for so long, and by this one if it asks so.
pub(super) async fn sending(
    connection: &mut PgConnection,
    owner: &str,
    instance: i64,
    own: bool,
    silence: std::time::Duration,
) -> Result<Vec<(RecipientId, Loaded<At>)>, Failure> {
    let query = sqlx::query(SENDING).bind(owner).bind(instance).bind(own).bind(silence.as_secs_f64());
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| recipient(row, true).map(|(id, loaded, _)| (id, loaded))).collect()
}

/// A recipient, and which broker is sending it.
pub(super) fn recipient(
    row: &PgRow,
    pending: bool,
) -> Result<(RecipientId, Loaded<At>, Option<i64>), Failure> {
    let state = state(row, 6)?;
    let loaded = Loaded {
        at: At { day: row.try_get(0)?, seq: row.try_get(1)?, pending },
        message: MessageId(row.try_get(3)?),
        destination: row.try_get(4)?,
        order_key: row.try_get(5)?,
        standing: Standing {
            state,
            reason: reason(row, 7)?,
            detail: row.try_get(8)?,
            tries: count(row, 9)?,
            maybe_arrived: row.try_get(10)?,
            receipt_deadline: time(row, 11)?,
            expires: time(row, 12)?,
            since: moment(row, 13)?,
            next_attempt: time(row, 14)?,
        },
        moved: false,
    };
    let sender = maybe_count(row, 15)?.filter(|_| state == broker_core::lifecycle::State::Sending);
    Ok((RecipientId(row.try_get(2)?), loaded, sender))
}

/// The text of a line's destination as it is locked.
pub(super) fn line(to: &str, key: &str) -> (String, String) {
    (text(to), order_key(key))
}
