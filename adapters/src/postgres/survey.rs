//! What the journal's promises rest on at the server: does it answer, and do its settings keep what it says it has?

use super::access::Access;
use super::failure::Failure;
use super::protected;
use sqlx::{Connection as _, Row as _};

/// The oldest version that is tested against.
const OLDEST: i32 = 150_000;

/// The server, as `check` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// As it says.
    pub version: String,
    /// What does not fit with what the journal promises.
    pub concerns: Vec<Concern>,
}

/// A setting that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// True when what was acknowledged can be lost by it.
    pub grave: bool,
    /// What it is, and what follows.
    pub sentence: String,
}

const SETTINGS: &str =
    "SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
    current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
    current_setting('data_checksums'), current_setting('server_encoding'), pg_is_in_recovery(),
    current_setting('transaction_read_only')";

/// Asks the server.
pub(super) async fn survey(access: &Access) -> Result<Survey, Failure> {
    let place = &access.place;
    let mut connection = access.connect().await?;
    let row = sqlx::query(SETTINGS).fetch_one(&mut connection).await?;
    let text = |column: usize| row.try_get::<&str, _>(column);
    let mut concerns = Vec::new();
    let mut concern =
        |grave: bool, sentence: &str| concerns.push(Concern { grave, sentence: sentence.into() });
    if text(2)? != "on" {
        concern(true, "fsync is off: a loss of power loses what was acknowledged, or all of the journal");
    }
    if text(3)? != "on" {
        concern(true, "full_page_writes is off: a loss of power can leave half-written pages");
    }
    if matches!(text(4)?, "off") {
        concern(true, "synchronous_commit is off: what was acknowledged may not be on the disk");
    }
    if row.try_get::<bool, _>(7)? {
        concern(true, "the server is a standby, and takes no changes");
    } else if text(8)? != "off" {
        concern(true, "the database takes no changes: default_transaction_read_only is on");
    }
    if text(6)? != "UTF8" {
        concern(true, "the database is not in UTF8, and cannot hold every message id");
    }
    if text(5)? != "on" {
        concern(
            false,
            "data_checksums are off: a disk that changes bytes is noticed late, or never (pg_checksums --enable, while the server is stopped)",
        );
    }
    if row.try_get::<i32, _>(0)? < OLDEST {
        concern(true, "the server is older than version 15, with which the journal is tested");
    }
    if let Some(key) = protected::open_key(place) {
        let sentence = format!("our key {} may be read by every user of this machine", key.display());
        concern(false, &sentence);
    }
    if let Some(exposure) = place.exposure() {
        let sentence = format!(
            "the server is another machine: {exposure}; write sslmode=verify-full in journal.postgres"
        );
        concern(false, &sentence);
    }
    let version = text(1)?.to_owned();
    connection.close().await?;
    Ok(Survey { version, concerns })
}
