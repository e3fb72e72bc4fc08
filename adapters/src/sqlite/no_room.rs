//! A database without room, made by a limit on its pages: what a full disk does, at a place of our choice.

use super::log::Log;
use super::read::Reader;
use super::room::Room;
use super::writer;
use super::{PAGE_BYTES, ledger, read, schema};
use crate::journal::calls::{Answer, Call, Claims, Writer};
use crate::journal::prepare::Prepared;
use broker_core::journal::{
    Book, CommitResult, Entry, Ledger, Payload, Provenance, Recipient, RecipientId, Settlement, VerdictRecord,
};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::StoreError;
use broker_core::transport::Label;
use broker_core::{Arrival, ContentHash};
use jiff::Timestamp;
use message_schemas::{Findings, MessageId};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
use sqlx::{AssertSqlSafe, ConnectOptions as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use uuid::Uuid;

const OWNER: &str = "default";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// A message of 100,000 bytes that cannot be compressed.
fn entry(number: u128) -> Entry {
    let mut state = u64::try_from(number).expect("small");
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let bytes: Arc<[u8]> = (0..100_000).map(|_| next()).collect();
    Entry {
        content_hash: ContentHash::of(&bytes),
        payload_hash: ContentHash::of(&bytes),
        judged_again: None,
        arrival: Arrival {
            id: MessageId(Uuid::from_u128(number)),
            source: "http".into(),
            received: at(1),
            bytes,
            idempotency_key: Some(number.to_string()),
            envelope_receiver: None,
            envelope_sender: None,
            transport: None,
        },
        verdict: VerdictRecord::Accepted,
        head: None,
        findings: Findings::with_cap(1),
        provenance: Arc::new(Provenance::default()),
        recipients: vec![Recipient {
            id: RecipientId(Uuid::from_u128(number << 8)),
            book: Book::Message,
            receiver: None,
            destination: Some("folder:a".parse().expect("a name")),
            payload: Payload::Original,
            state: State::Waiting,
            reason: None,
            receipt_deadline: None,
            expires: None,
            order_key: None,
            receipt_written: false,
            original_keys: Vec::new(),
            label: Label::default(),
        }],
        documents: Vec::new(),
        closings: Vec::new(),
        remarks: Vec::new(),
        duplicate_keys: Vec::new(),
        explanation: None,
        protection: None,
        evidence: Vec::new(),
        versions: Vec::new(),
    }
}

/// A writer whose file may have so many pages.
async fn open(path: &Path, pages: u32) -> (Writer, JoinHandle<()>) {
    let settings = SqliteConnectOptions::new().filename(path).create_if_missing(true).page_size(PAGE_BYTES);
    let settings = settings.journal_mode(SqliteJournalMode::Wal);
    let mut connection = settings.connect().await.expect("the file opens");
    schema::migrate(&mut connection, at(0)).await.expect("a schema");
    let limit = AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::raw_sql(limit).execute(&mut connection).await.expect("a limit");
    let room = Arc::new(Room::around(path, 1, true));
    writer::start(connection, OWNER.into(), room, Log::beside(path, Duration::from_secs(1)))
}

async fn commit(writer: &Writer, entries: Vec<Entry>) -> Result<usize, StoreError> {
    let prepared =
        entries.into_iter().map(|entry| Prepared::new(entry, |_| false)).collect::<Result<_, _>>()?;
    match writer.call(Call::Commit(prepared)).await? {
        Answer::Committed(results, hold) => {
            hold.keep();
            Ok(results.iter().filter(|r| matches!(r, CommitResult::Committed(_))).count())
        }
        other @ (Answer::Claimed(_) | Answer::Count(_)) => panic!("{other:?}"),
    }
}

async fn claim(writer: &Writer, limit: usize) -> Claims {
    let call = Call::Claim("folder:a".parse().expect("a name"), at(2), limit);
    match writer.call(call).await {
        Ok(Answer::Claimed(claims)) => claims,
        other => panic!("{other:?}"),
    }
}

fn handed_over(recipient: RecipientId) -> Settlement {
    Settlement {
        recipient,
        from: State::Sending,
        event: Event::HandOver,
        reason: None,
        next_attempt: None,
        detail: None,
    }
}

async fn books(reader: &Reader) -> Ledger {
    let ledger = ledger::ledger(reader).await.expect("the books");
    assert!(ledger.balances(), "{ledger:?}");
    assert_eq!(ledger::broken_link(reader).await, Ok(None));
    ledger
}

#[tokio::test]
async fn a_write_without_room_leaves_nothing_behind_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("journal.db");
    let (writer, task) = open(&path, 200).await;
    let pool = SqlitePool::connect_lazy_with(SqliteConnectOptions::new().filename(&path));
    let reader = Reader { pool, owner: OWNER.into() };

    let mut taken = 0u64;
    let refused = loop {
        match commit(&writer, vec![entry(u128::from(taken) + 1)]).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, StoreError::Full);
    assert!(taken > 10, "{taken}");
    // Of several messages offered together all are refused: one transaction.
    let several = (0..3).map(|n| entry(1000 + n)).collect();
    assert_eq!(commit(&writer, several).await, Err(StoreError::Full));
    assert_eq!(books(&reader).await.messages.accepted, taken);
    assert_eq!(read::repeated(&reader, "http", "1000").await, Ok(None), "nothing half taken in");

    // What is inside goes out, also when a message is offered in the same moment.
    let (refused, claims) = tokio::join!(commit(&writer, vec![entry(2000)]), claim(&writer, 5));
    assert_eq!((refused, claims.list().len()), (Err(StoreError::Full), 5));
    let settlements = claims.keep().iter().map(|c| handed_over(c.recipient)).collect();
    assert_eq!(writer.count(Call::Settle(settlements, at(3))).await, Ok(5));
    assert_eq!(books(&reader).await.messages.states["handed_over"], 5);

    // With room again, the next start takes in what was refused.
    drop(writer);
    task.await.expect("the writer ends");
    let (writer, _task) = open(&path, 1000).await;
    let again = (0..3).map(|n| entry(1000 + n)).collect();
    assert_eq!(commit(&writer, again).await, Ok(3));
    assert_eq!(books(&reader).await.messages.accepted, taken + 3);
}
