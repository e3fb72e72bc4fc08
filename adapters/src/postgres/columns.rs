//! Columns of the tables as values, and values as columns.

use super::failure::{Failure, unreadable};
use broker_core::ContentHash;
use broker_core::lifecycle::State;
use broker_core::ports::StoreError;
use dead_letter::Reason;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use uuid::Uuid;

/// A statement with its values.
pub(super) type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, PgArguments>;

/// Rows on their way into a table, as one array for each column: one statement for any number of them.
macro_rules! rows {
    ($(#[$doc:meta])* $name:ident of $row:ident { $($column:ident: $type:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) struct $row { $(pub(super) $column: $type),+ }

        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(super) struct $name { $($column: Vec<$type>),+ }

        impl $name {
            pub(super) const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),+];

            pub(super) fn push(&mut self, row: $row) {
                $(self.$column.push(row.$column);)+
            }

            /// Binds the columns, in their order.
            pub(super) fn bind<'q>(self, query: $crate::postgres::columns::Query<'q>)
                -> $crate::postgres::columns::Query<'q> {
                query$(.bind(self.$column))+
            }
        }

        impl FromIterator<$row> for $name {
            fn from_iter<I: IntoIterator<Item = $row>>(rows: I) -> Self {
                let mut all = Self::default();
                rows.into_iter().for_each(|row| all.push(row));
                all
            }
        }
    };
}
pub(super) use rows;

/// `unnest($3, …) AS k(seq, …)`: such rows as a table, from this parameter on.
pub(super) fn unnest(columns: &[&str], first: usize) -> String {
    let parameters: Vec<String> = (first..first + columns.len()).map(|n| format!("${n}")).collect();
    format!("unnest({}) AS k({})", parameters.join(", "), columns.join(", "))
}

/// Text as the server can hold it: it has no place for a zero byte.
pub(super) fn text(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text.to_owned() }
}

/// As [`text`].
pub(super) fn maybe_text(value: Option<&str>) -> Option<String> {
    value.map(text)
}

/// A key of any length as 32 bytes: SHA-256 over its parts, each behind its length.
pub(super) fn key(parts: &[&str]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

/// Order keys up to this length are kept as they are.
const ORDER_KEY_BYTES: usize = 200;

/// An order key as the tables hold it: a rule may make it from what a sender wrote, and an index entry has an end.
pub(super) fn order_key(key: &str) -> String {
    if key.len() <= ORDER_KEY_BYTES {
        return text(key);
    }
    format!("sha256:{}", ContentHash::of(key.as_bytes()))
}

/// A hash in a column.
pub(super) fn content_hash(row: &PgRow, column: usize) -> Result<ContentHash, Failure> {
    let bytes: &[u8] = row.try_get(column)?;
    Ok(bytes.try_into().map(ContentHash).map_err(|_| unreadable("a hash"))?)
}

/// A time in a column.
pub(super) fn time(row: &PgRow, column: usize) -> Result<Option<Timestamp>, Failure> {
    let micros: Option<i64> = row.try_get(column)?;
    Ok(micros.map(|m| Timestamp::from_microsecond(m).map_err(|_| unreadable("a time"))).transpose()?)
}

/// A time that must be there.
pub(super) fn moment(row: &PgRow, column: usize) -> Result<Timestamp, Failure> {
    Ok(time(row, column)?.ok_or_else(|| unreadable("a time"))?)
}

/// A state in a column.
pub(super) fn state(row: &PgRow, column: usize) -> Result<State, Failure> {
    Ok(State::from_name(row.try_get(column)?).ok_or_else(|| unreadable("a state"))?)
}

/// A reason in a column.
pub(super) fn reason(row: &PgRow, column: usize) -> Result<Option<Reason>, Failure> {
    let code: Option<&str> = row.try_get(column)?;
    Ok(code.and_then(Reason::from_code))
}

/// A number that is not negative.
pub(super) fn count<T: TryFrom<i64>>(row: &PgRow, column: usize) -> Result<T, Failure> {
    let number: i64 = row.try_get(column)?;
    Ok(T::try_from(number).map_err(|_| unreadable("a number"))?)
}

/// As [`count`], where there is one.
pub(super) fn maybe_count<T: TryFrom<i64>>(row: &PgRow, column: usize) -> Result<Option<T>, Failure> {
    let number: Option<i64> = row.try_get(column)?;
    Ok(number.map(|n| T::try_from(n).map_err(|_| unreadable("a number"))).transpose()?)
}

/// JSON in a column.
pub(super) fn parse<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable(what))
}

/// A time as the journal keeps it.
pub(super) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_microsecond)
}

/// A length as the journal keeps it.
pub(super) fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Days on which rows with ids of ours may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days {
    pub(super) from: i32,
    pub(super) to: i32,
}

impl Days {
    pub(super) const ALL: Self = Self { from: i32::MIN, to: i32::MAX };

    /// The days that these ids name, and one more on each side: clocks differ. All, if one names none.
    pub(super) fn of(ids: impl IntoIterator<Item = Uuid>) -> Self {
        let mut days: Option<Self> = None;
        for id in ids {
            let day =
                id.get_timestamp().filter(|_| id.get_version_num() == 7).map(|t| t.to_unix().0 / 86_400);
            let Some(day) = day.and_then(|d| i32::try_from(d).ok()) else { return Self::ALL };
            let Self { from, to } = days.unwrap_or(Self { from: day - 1, to: day + 1 });
            days = Some(Self { from: from.min(day - 1), to: to.max(day + 1) });
        }
        days.unwrap_or(Self::ALL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_day() {
        // 2026-01-15, the 20468th day.
        let id = |day: u64| Uuid::new_v7(uuid::Timestamp::from_unix_time(day * 86_400 + 5, 0, 0, 0));
        assert_eq!(Days::of([id(20_468)]), Days { from: 20_467, to: 20_469 });
        assert_eq!(Days::of([id(20_468), id(20_400)]), Days { from: 20_399, to: 20_469 });
        assert_eq!(Days::of([id(20_468), Uuid::from_u128(7)]), Days::ALL);
        assert_eq!(Days::of([]), Days::ALL);
    }

    #[test]
    fn what_the_tables_cannot_hold_is_changed_before() {
        assert_eq!(text("a\0b"), "a\u{FFFD}b");
        assert_eq!(order_key("patient"), "patient");
        let long = order_key(&"x".repeat(5000));
        assert!(long.len() < 100 && order_key(&long) == long && long != order_key(&"x".repeat(5001)));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
    }
}
