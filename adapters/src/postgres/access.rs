//! The way to the server: where it is, and as whom we come.

use super::failure::Failure;
use super::place::Place;
use super::protected;
use crate::amqp::chain_of;
use crate::secret;
use broker_core::ports::StoreError;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection, PgPool};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

/// Connecting may take so long.
pub(super) const CONNECTING: Duration = Duration::from_secs(5);

/// How the server is reached. What stands in files is read whenever it is used, so that a changed password is in force
/// at once.
#[derive(Debug, Clone)]
pub(super) struct Access {
    pub(super) place: Place,
    pub(super) password_file: Option<PathBuf>,
}

impl Access {
    /// What a connection is made with now.
    pub(super) fn options(&self) -> Result<PgConnectOptions, StoreError> {
        protected::readable(&self.place)?;
        let password = self.password_file.as_deref().map(secret::first_line).transpose();
        let password = password.map_err(|error| StoreError::Unavailable(chain_of(&error)))?;
        Ok(self.place.options(password.as_ref().map(|password| password.as_str())))
    }

    /// A connection, or why there is none.
    pub(super) async fn connect(&self) -> Result<PgConnection, Failure> {
        match timeout(CONNECTING, self.options()?.connect()).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(StoreError::Unavailable("the server cannot be reached in time".into()).into()),
        }
    }

    /// What `pool` connects with from now on is what stands in our files now. What cannot be read changes nothing.
    pub(super) fn renew(&self, pool: &PgPool) {
        if let Ok(options) = self.options() {
            pool.set_connect_options(options);
        }
    }
}
