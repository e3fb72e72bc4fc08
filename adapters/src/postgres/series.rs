//! Series of documents: versions, and what targets show.

use super::columns::{parse, rows, text, unnest};
use super::failure::{Failure, unreadable};
use super::read::Reader;
use crate::journal::prepare::{PreparedRuling, PreparedShown};
use broker_core::series::{Kept, ShownAt, Sought};
use jiff::Timestamp;
use sharing::series::Strand;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use uuid::Uuid;

const VERSIONS: &str = "
SELECT seq, record FROM version WHERE owner = $5 AND strand = ANY($1)
UNION SELECT seq, record FROM version WHERE owner = $5 AND mark = ANY($2)
UNION SELECT seq, record FROM version WHERE owner = $5 AND parent = ANY($3)
UNION SELECT seq, record FROM version WHERE owner = $5 AND message = ANY($4)
ORDER BY seq";

/// Versions, in the order of arrival.
pub(super) async fn versions(from: &Reader, sought: &Sought) -> Result<Vec<Kept>, Failure> {
    let rows = sqlx::query(VERSIONS)
        .bind(sought.strands.iter().map(|s| s.0).collect::<Vec<Uuid>>())
        .bind(sought.marks.iter().map(|m| m.0).collect::<Vec<Uuid>>())
        .bind(sought.followers.iter().map(|m| m.0).collect::<Vec<Uuid>>())
        .bind(sought.messages.iter().map(|m| m.0).collect::<Vec<Uuid>>())
        .bind(&*from.owner)
        .fetch_all(&from.pool)
        .await?;
    let kept = rows
        .iter()
        .map(|row| Ok(Kept { arrived: row.try_get(0)?, version: parse(row.try_get(1)?, "a version")? }));
    kept.collect()
}

const SHOWN: &str = "SELECT target, strand, record FROM shown
    WHERE owner = $1 AND strand = ANY($2) ORDER BY target, entry";

/// What all targets show of these strands.
pub(super) async fn shown(from: &Reader, strands: &BTreeSet<Strand>) -> Result<Vec<ShownAt>, Failure> {
    let strands: Vec<Uuid> = strands.iter().map(|s| s.0).collect();
    let rows = sqlx::query(SHOWN).bind(&*from.owner).bind(strands).fetch_all(&from.pool).await?;
    let shown = rows.iter().map(|row| {
        let target: &str = row.try_get(0)?;
        Ok(ShownAt {
            target: target.parse().map_err(|_| unreadable("a target"))?,
            strand: Strand(row.try_get(1)?),
            shown: parse(row.try_get(2)?, "an entry at a target")?,
        })
    });
    shown.collect()
}

rows!(
    /// How entries stand at targets.
    Entries of EntryRow { target: String, entry: Uuid, strand: Uuid, record: String }
);

/// In an order that is the same for all brokers.
static SHOW: LazyLock<String> = LazyLock::new(|| {
    let (names, rows) = (Entries::COLUMNS.join(", "), unnest(Entries::COLUMNS, 3));
    format!(
        "INSERT INTO shown (owner, at, {names}) SELECT $1, $2, k.* FROM {rows} ORDER BY target, entry
         ON CONFLICT (owner, target, entry) DO UPDATE SET strand = excluded.strand, at = excluded.at,
            record = excluded.record"
    )
});

/// Writes down how entries stand.
pub(super) async fn show(
    connection: &mut PgConnection,
    owner: &str,
    shown: &[PreparedShown],
    now: Timestamp,
) -> Result<(), Failure> {
    let entries: Entries = shown
        .iter()
        .map(|s| EntryRow {
            target: s.target.clone(),
            entry: s.entry,
            strand: s.strand,
            record: text(&s.record),
        })
        .collect();
    let query = sqlx::query(AssertSqlSafe(SHOW.as_str())).bind(owner.to_owned()).bind(now.as_microsecond());
    entries.bind(query).execute(connection).await?;
    Ok(())
}

const RULE: &str = "UPDATE version SET record = $3 WHERE seq = $2 AND owner = $1";

/// Writes down what a person ruled on a version.
pub(super) async fn rule(
    connection: &mut PgConnection,
    owner: &str,
    ruling: &PreparedRuling,
) -> Result<(), Failure> {
    let query = sqlx::query(RULE).bind(owner.to_owned()).bind(ruling.seq).bind(text(&ruling.record));
    query.execute(connection).await?;
    Ok(())
}
