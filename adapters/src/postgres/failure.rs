//! What a fault of the database means to the caller.

use super::protected;
pub(super) use crate::journal::unreadable;
use broker_core::ports::StoreError;

/// Why something was not done, and whether the same may succeed at once.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) error: StoreError,
    /// Another broker was faster, or stood in the way: what is asked is looked up and decided anew.
    pub(super) again: bool,
    /// The table of a day is not there: it is made, and the same is tried again.
    pub(super) day: bool,
    /// The connection is to a server that takes no changes, or does not on this connection: the next may.
    pub(super) elsewhere: bool,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self { error, again: false, day: false, elsewhere: false }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

impl Failure {
    /// Another broker was faster.
    pub(super) fn overtaken(what: &str) -> Self {
        Self { error: StoreError::Unavailable(what.to_owned()), again: true, day: false, elsewhere: false }
    }
}

impl From<sqlx::Error> for Failure {
    /// Sorts a fault by its SQLSTATE. Only the server's message is kept: its detail may quote what a sender wrote.
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default().into_owned();
        let class = code.get(..2).unwrap_or_default();
        let sorted = match (class, code.as_str()) {
            // disk_full, and the limit of a file
            (_, "53100" | "58P02") => StoreError::Full,
            // read_only_sql_transaction: it has become a standby, or is about to
            (_, "25006") => StoreError::Unavailable("the server takes no changes".to_owned()),
            // Data and index corrupted; constraints; what cannot be stored; limits; syntax and names.
            // An internal error is what the server did not foresee, as a full disk while somebody connects: it may pass.
            ("XX" | "23" | "22" | "54" | "42", code) if code != "42501" && code != "XX000" => {
                StoreError::Damaged(error.to_string())
            }
            ("", _) if is_about_content(&error) => StoreError::Damaged(error.to_string()),
            // Everything else passes: connections, resources, shutdown, timeouts, deadlocks, rights.
            ("", _) if matches!(error, sqlx::Error::PoolTimedOut) => {
                StoreError::Unavailable(NO_CONNECTION.into())
            }
            ("", _) => StoreError::Unavailable(protected::fault(&error).unwrap_or_else(|| error.to_string())),
            (_, code) => {
                let advice = advice(code).map(|advice| format!("; {advice}")).unwrap_or_default();
                StoreError::Unavailable(format!("{error} (SQLSTATE {code}){advice}"))
            }
        };
        // unique_violation; serialization_failure and deadlock_detected; lock_not_available
        let again = code == "23505" || class == "40" || code == "55P03";
        // check_violation of a partitioned table says only this in words.
        let day = code == "23514" && error.to_string().contains("no partition");
        Self { error: sorted, again, day, elsewhere: code == "25006" }
    }
}

/// While waiting for a connection, what the server says is not told: it may be starting, or be full.
const NO_CONNECTION: &str = "no connection came about in time; the server is starting, has none left (max_connections), or \
    answers too slowly";

/// What to do about a fault that the server names, where its own words do not say it.
fn advice(code: &str) -> Option<&'static str> {
    match code {
        // invalid_password, invalid_authorization_specification
        "28P01" => Some(
            "look at user and at what stands in journal.password_file; it is read again at every connecting",
        ),
        "28000" => Some("look at user, and at pg_hba.conf there"),
        "53300" => Some("raise max_connections there, or find out who holds so many"),
        // lock_not_available
        "55P03" => {
            Some("another session holds a table of the journal; pg_blocking_pids() of the server says which")
        }
        _ => None,
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
