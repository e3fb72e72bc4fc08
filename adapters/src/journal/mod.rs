//! What the journals on disk share: how entries are made ready, how calls reach the one that writes, and what a batch
//! of calls decides. Only reading and writing rows is each journal's own.

pub(crate) mod batch;
pub(crate) mod body;
pub(crate) mod calls;
pub(crate) mod prepare;

use broker_core::ports::StoreError;

/// A value in the journal that this program cannot read.
pub(crate) fn unreadable(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} cannot be read"))
}
