//! What a fault of the database means to the caller.

pub(super) use crate::journal::unreadable;
use broker_core::ports::StoreError;

/// `SQLITE_FULL`, `SQLITE_CORRUPT`, `SQLITE_TOOBIG`, `SQLITE_CONSTRAINT`, `SQLITE_NOTADB`: primary result codes of SQLite.
const FULL: u32 = 13;
const CORRUPT: u32 = 11;
const TOO_BIG: u32 = 18;
const CONSTRAINT: u32 = 19;
const NOT_A_DATABASE: u32 = 26;

/// Sorts a fault of the database.
pub(super) fn sort(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<u32>().ok());
    match code.map(|c| c & 0xFF) {
        Some(FULL) => StoreError::Full,
        Some(CORRUPT | TOO_BIG | CONSTRAINT | NOT_A_DATABASE) => StoreError::Damaged(error.to_string()),
        Some(_) => StoreError::Unavailable(error.to_string()),
        None if is_about_content(&error) => StoreError::Damaged(error.to_string()),
        None => StoreError::Unavailable(error.to_string()),
    }
}

/// Rows came, and were not what they must be.
const fn is_about_content(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Decode(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
    )
}
