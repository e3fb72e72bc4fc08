//! Columns of the tables as values, and values as columns.

use super::failure::{sort, unreadable};
use broker_core::ContentHash;
use broker_core::journal::RecipientId;
use broker_core::lifecycle::State;
use broker_core::ports::StoreError;
use jiff::Timestamp;
use message_schemas::MessageId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

/// An id out of its 16 bytes.
pub(super) fn uuid(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|_| unreadable("an id"))
}

/// The id of a message in a column.
pub(super) fn message_id(row: &SqliteRow, column: usize) -> Result<MessageId, StoreError> {
    uuid(row.try_get(column).map_err(sort)?).map(MessageId)
}

/// The id of a recipient in a column.
pub(super) fn recipient_id(row: &SqliteRow, column: usize) -> Result<RecipientId, StoreError> {
    uuid(row.try_get(column).map_err(sort)?).map(RecipientId)
}

/// A hash in a column.
pub(super) fn content_hash(row: &SqliteRow, column: usize) -> Result<ContentHash, StoreError> {
    let bytes: &[u8] = row.try_get(column).map_err(sort)?;
    bytes.try_into().map(ContentHash).map_err(|_| unreadable("a hash"))
}

/// A time in a column.
pub(super) fn time(row: &SqliteRow, column: usize) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<i64> = row.try_get(column).map_err(sort)?;
    micros.map(|m| Timestamp::from_microsecond(m).map_err(|_| unreadable("a time"))).transpose()
}

/// A state in a column.
pub(super) fn state(row: &SqliteRow, column: usize) -> Result<State, StoreError> {
    State::from_name(row.try_get(column).map_err(sort)?).ok_or_else(|| unreadable("a state"))
}

/// JSON in a column.
pub(super) fn parse<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| unreadable(what))
}

/// A value as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Damaged(e.to_string()))
}

/// An id as its 16 bytes.
pub(super) fn id_bytes(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}
