//! Series of documents: versions, and what targets show.

use super::columns::{json, parse, uuid};
use super::failure::{sort, unreadable};
use super::read::Reader;
use super::rows::hex;
use crate::journal::prepare::{PreparedRuling, PreparedShown};
use broker_core::ports::StoreError;
use broker_core::series::{Kept, ShownAt, Sought};
use jiff::Timestamp;
use sharing::series::Strand;
use sqlx::{Row as _, SqliteConnection};
use std::collections::BTreeSet;

const VERSIONS: &str = "
SELECT seq, record FROM version WHERE seq IN (
    SELECT v.seq FROM json_each($1) k CROSS JOIN version v ON v.owner = $5 AND v.strand = unhex(k.value)
    UNION SELECT v.seq FROM json_each($2) k CROSS JOIN version v ON v.owner = $5 AND v.mark = unhex(k.value)
    UNION SELECT v.seq FROM json_each($3) k CROSS JOIN version v ON v.owner = $5 AND v.parent = unhex(k.value)
    UNION SELECT v.seq FROM json_each($4) k CROSS JOIN version v ON v.owner = $5 AND v.message = unhex(k.value))
ORDER BY seq";

/// Versions, in the order of arrival.
pub(super) async fn versions(from: &Reader, sought: &Sought) -> Result<Vec<Kept>, StoreError> {
    let rows = sqlx::query(VERSIONS)
        .bind(json(&sought.strands.iter().map(|s| hex(s.0)).collect::<Vec<_>>())?)
        .bind(json(&sought.marks.iter().map(|m| hex(m.0)).collect::<Vec<_>>())?)
        .bind(json(&sought.followers.iter().map(|m| hex(m.0)).collect::<Vec<_>>())?)
        .bind(json(&sought.messages.iter().map(|m| hex(m.0)).collect::<Vec<_>>())?)
        .bind(&*from.owner)
        .fetch_all(&from.pool)
        .await
        .map_err(sort)?;
    let kept = rows.iter().map(|row| {
        let record: &str = row.try_get(1).map_err(sort)?;
        Ok(Kept { arrived: row.try_get(0).map_err(sort)?, version: parse(record, "a version")? })
    });
    kept.collect()
}

const SHOWN: &str = "SELECT s.target, s.strand, s.record FROM json_each($1) k
    CROSS JOIN shown s ON s.owner = $2 AND s.strand = unhex(k.value) ORDER BY s.target, s.entry";

/// What all targets show of these strands.
pub(super) async fn shown(from: &Reader, strands: &BTreeSet<Strand>) -> Result<Vec<ShownAt>, StoreError> {
    let rows = sqlx::query(SHOWN)
        .bind(json(&strands.iter().map(|s| hex(s.0)).collect::<Vec<_>>())?)
        .bind(&*from.owner)
        .fetch_all(&from.pool)
        .await
        .map_err(sort)?;
    let shown = rows.iter().map(|row| {
        let target: &str = row.try_get(0).map_err(sort)?;
        let record: &str = row.try_get(2).map_err(sort)?;
        Ok(ShownAt {
            target: target.parse().map_err(|_| unreadable("a target"))?,
            strand: Strand(uuid(row.try_get(1).map_err(sort)?)?),
            shown: parse(record, "an entry at a target")?,
        })
    });
    shown.collect()
}

/// `true` tells the parser that what follows is no join.
const SHOW: &str = "INSERT INTO shown (owner, target, entry, strand, at, record)
    SELECT $1, value->>0, unhex(value->>1), unhex(value->>2), $3, value->>3 FROM json_each($2) WHERE true
    ON CONFLICT (owner, target, entry) DO UPDATE SET strand = excluded.strand, at = excluded.at,
        record = excluded.record";

/// Writes down how entries stand.
pub(super) async fn show(
    connection: &mut SqliteConnection,
    owner: &str,
    shown: &[PreparedShown],
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<_> = shown.iter().map(|s| (&s.target, hex(s.entry), hex(s.strand), &s.record)).collect();
    sqlx::query(SHOW)
        .bind(owner)
        .bind(json(&rows)?)
        .bind(now.as_microsecond())
        .execute(connection)
        .await
        .map_err(sort)?;
    Ok(())
}

const RULE: &str = "UPDATE version SET record = $3 WHERE seq = $2 AND owner = $1";

/// Writes down what a person ruled on a version.
pub(super) async fn rule(
    connection: &mut SqliteConnection,
    owner: &str,
    ruling: &PreparedRuling,
) -> Result<(), StoreError> {
    let query = sqlx::query(RULE).bind(owner).bind(ruling.seq).bind(&ruling.record);
    query.execute(connection).await.map_err(sort)?;
    Ok(())
}

/// For the test of the plans.
#[cfg(test)]
pub(super) const STATEMENTS: &[&str] = &[VERSIONS, SHOWN, SHOW, RULE];
