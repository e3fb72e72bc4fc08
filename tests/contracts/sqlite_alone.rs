//! What only a journal on disk can be put through: tampering, a newer schema, several processes.

use super::make::{With as _, at, claim, commit, destination, message, message_id, settlement};
use super::rig::{Rig as _, SqliteRig};
use adapters::sqlite::{Mode, Options, SqliteStore};
use broker_core::journal::{Known, Lookup, OriginalKey, RecipientId, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::{Store as _, StoreError};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

async fn by_hand(rig: &SqliteRig) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(rig.path());
    options.foreign_keys(false).connect().await.expect("the file opens")
}

async fn run(rig: &SqliteRig, sql: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = by_hand(rig).await;
    let done = sqlx::raw_sql(sql).execute(&mut connection).await.map(drop);
    connection.close().await.expect("the file closes");
    done
}

#[tokio::test]
async fn the_ledger_names_a_recipient_that_was_deleted_or_invented() {
    let rig = SqliteRig::new();
    let store = rig.open().await;
    let ids = commit(&store, message(1).to("folder:a").to("folder:a").receipt_to("folder:r")).await;
    run(&rig, "DELETE FROM recipient WHERE seq = 2").await.expect("tampering");
    let ledger = store.ledger().await.expect("the books");
    assert!(!ledger.balances());
    assert_eq!((ledger.messages.missing, ledger.messages.unexplained), (vec![ids[1]], vec![]));
    assert!(ledger.receipts.balances());

    // One taken away and one invented keep the sums; the ids tell.
    run(
        &rig,
        "INSERT INTO recipient (owner, id, message, book, receipt_written, received, since, state, tries, maybe_arrived)
         SELECT owner, unhex('0000000000000000000000000000000A'), message, book, 0, received, since, state, 0, 0
         FROM recipient WHERE seq = 1",
    )
    .await
    .expect("tampering");
    let ledger = store.ledger().await.expect("the books");
    assert!(!ledger.balances());
    assert_eq!(ledger.messages.accepted, ledger.messages.states.values().sum::<u64>());
    assert_eq!(ledger.messages.unexplained, [RecipientId(uuid::Uuid::from_u128(10))]);

    // A recipient moved from one book to the other is missing in one and unexplained in the other.
    run(&rig, "UPDATE recipient SET book = 'message' WHERE book = 'receipt'").await.expect("tampering");
    assert_eq!(store.ledger().await.expect("the books").receipts.missing, [ids[2]]);
}

#[tokio::test]
async fn events_and_bodies_refuse_to_be_changed_and_the_chain_tells_who_did_it_all_the_same() {
    let rig = SqliteRig::new();
    let store = rig.open().await;
    for n in 1..=5 {
        commit(&store, message(n).to("folder:a")).await;
    }
    for refused in [
        "UPDATE event SET what = 'x' WHERE seq = 3",
        "DELETE FROM event WHERE seq = 10",
        "UPDATE body SET bytes = x'00' WHERE seq = 1",
    ] {
        assert!(run(&rig, refused).await.is_err(), "{refused}");
    }
    assert_eq!(store.broken_link().await, Ok(None));
    run(&rig, "DROP TRIGGER event_is_not_changed; DROP TRIGGER event_is_not_deleted")
        .await
        .expect("tampering");
    run(&rig, "UPDATE event SET detail = 'receipt' WHERE seq = 8").await.expect("tampering");
    assert_eq!(store.broken_link().await, Ok(Some(8)));
    run(&rig, "UPDATE event SET at = at + 1 WHERE seq = 6").await.expect("tampering");
    assert_eq!(store.broken_link().await, Ok(Some(6)));
    run(&rig, "DELETE FROM event WHERE seq = 4").await.expect("tampering");
    assert_eq!(store.broken_link().await, Ok(Some(4)));
}

#[tokio::test]
async fn a_journal_of_a_newer_program_is_refused_in_every_mode() {
    let rig = SqliteRig::new();
    rig.open().await.close().await;
    run(&rig, "INSERT INTO schema (number, name, applied) VALUES (999, 'later', 0)")
        .await
        .expect("tampering");
    for mode in [Mode::Run, Mode::Admin, Mode::Read] {
        let refused = SqliteStore::open(&rig.path(), mode).await.err();
        assert!(matches!(refused, Some(StoreError::Newer { found: 999, .. })), "{mode:?}: {refused:?}");
    }
}

#[tokio::test]
async fn one_process_runs_while_others_read_and_administer() {
    let rig = SqliteRig::new();
    assert!(SqliteStore::open(&rig.path(), Mode::Read).await.is_err(), "reading makes no journal");
    assert!(!rig.path().exists());
    let store = rig.open().await;
    let second = SqliteStore::open(&rig.path(), Mode::Run).await;
    assert!(matches!(second, Err(StoreError::Unavailable(_))), "two processes must not run the loops");

    let id = commit(&store, message(1).to("folder:a")).await[0];
    claim(&store, "folder:a", 1, 1).await;
    assert_eq!(store.settle(&[settlement(id, Event::Park)], at(2)).await, Ok(1));
    let reader = SqliteStore::open(&rig.path(), Mode::Read).await.expect("it opens");
    assert_eq!(reader.ledger().await.expect("the books").messages.states["parked"], 1);
    assert!(matches!(reader.commit(vec![message(2)]).await, Err(StoreError::Unavailable(_))));
    let admin = SqliteStore::open(&rig.path(), Mode::Admin).await.expect("it opens");
    assert_eq!(admin.replay(&[(id, None)], "operator", at(3)).await, Ok(1));
    // The running process sees it, and the chain of events goes on through both.
    assert_eq!(claim(&store, "folder:a", 3, 1).await, [id]);
    commit(&store, message(3)).await;
    assert_eq!(reader.broken_link().await, Ok(None));

    store.close().await;
    assert!(matches!(store.commit(vec![message(4)]).await, Err(StoreError::Unavailable(_))));
    drop(store);
    SqliteStore::open(&rig.path(), Mode::Run).await.expect("the lock is free again");
}

#[tokio::test]
async fn text_is_kept_small_on_the_disk() {
    let rig = SqliteRig::new();
    let store = rig.open().await;
    commit(&store, message(1).bytes("<Line/>".repeat(10_000).as_bytes())).await;
    commit(&store, message(2).bytes(b"<a/>")).await;
    let rows: Vec<(String, i64, i64)> =
        sqlx::query_as("SELECT codec, size, length(bytes) FROM body ORDER BY seq")
            .fetch_all(&mut by_hand(&rig).await)
            .await
            .expect("rows");
    assert!(rows[0].0 == "zstd" && rows[0].1 == 70_000 && rows[0].2 < 1000, "{rows:?}");
    assert_eq!((rows[1].0.as_str(), rows[1].1, rows[1].2), ("plain", 4, 4));
}

#[tokio::test]
async fn a_claim_whose_caller_has_gone_goes_back() {
    let rig = SqliteRig::new();
    let store = rig.open().await;
    let id = commit(&store, message(1).to("folder:a")).await[0];
    let to = destination("folder:a");
    for _ in 0..20 {
        let claim = store.claim(&to, at(5), 1);
        // Dropped at whatever step it has come to.
        drop(tokio::time::timeout(std::time::Duration::from_micros(300), claim).await);
    }
    for _ in 0..200 {
        let record = store.message(message_id(1)).await.expect("a search").expect("the message");
        // It may wait and yet be taken once more by a claim whose caller has gone, before it is back for good.
        if record.recipients[0].state == State::Waiting && claim(&store, "folder:a", 6, 1).await == [id] {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the recipient stays with a caller that has gone");
}

#[tokio::test]
async fn an_owner_neither_sees_nor_moves_what_is_anothers() {
    let rig = SqliteRig::new();
    let open = async |owner: &str| {
        let options = Options { owner: owner.into(), ..Options::new(Mode::Run) };
        SqliteStore::open_with(&rig.path(), options).await.expect("the journal opens")
    };
    let north = open("north").await;
    let entry = message(1).to("folder:a").duplicate_key("HER:1", "m", "").idempotency_key("k").head("m");
    let id = commit(&north, entry.original_key("m", "HER:2")).await[0];
    north.close().await;

    let south = open("south").await;
    let lookups = [vec![
        Lookup::Seen { sender: "HER:1".into(), msg_id: "m".into() },
        Lookup::Original(OriginalKey { id: "m".into(), receiver: "HER:2".into() }),
    ]];
    assert_eq!(south.look_up(&lookups).await, Ok(vec![Known::default()]));
    assert_eq!(south.repeated("http", "k").await, Ok(None));
    assert_eq!(claim(&south, "folder:a", 9, 9).await, []);
    assert_eq!(south.next_due(&destination("folder:a")).await, Ok(None));
    assert!(south.find("m", 9).await.expect("a search").is_empty());
    assert!(south.message(message_id(1)).await.expect("a search").is_none());
    assert_eq!(south.body(message_id(1)).await, Ok(None));
    assert_eq!(south.events(9).await.expect("events"), []);
    assert_eq!(south.replay(&[(id, None)], "operator", at(9)).await, Ok(0));
    assert_eq!(south.ledger().await.expect("the books").messages.accepted, 0);
    assert_eq!(south.backlog().await, Ok(vec![]));
    // The same keys are free to another owner.
    let own = message(2).to("folder:a").duplicate_key("HER:1", "m", "").idempotency_key("k");
    commit(&south, own).await;
    assert_eq!(claim(&south, "folder:a", 9, 9).await.len(), 1);
    south.close().await;

    let north = open("north").await;
    assert_eq!(north.recover(at(10)).await, Ok(0), "what the other was sending is not ours to recover");
    assert_eq!(claim(&north, "folder:a", 9, 9).await, [id]);
    assert_eq!(north.broken_link().await, Ok(None), "one chain through both");
    let owners: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT owner FROM (SELECT owner FROM message WHERE seq = 1
         UNION SELECT owner FROM body WHERE seq = 1 UNION SELECT owner FROM recipient WHERE seq = 1
         UNION SELECT owner FROM event WHERE seq <= 2 UNION SELECT owner FROM provenance WHERE seq = 1)",
    )
    .fetch_all(&mut by_hand(&rig).await)
    .await
    .expect("rows");
    assert_eq!(owners, ["north"]);
}

#[tokio::test]
async fn a_lock_file_that_a_kill_left_is_in_nobodys_way_and_a_running_process_is_named() {
    let rig = SqliteRig::new();
    let lock = rig.path().with_extension("db.lock");
    std::fs::write(&lock, "4711\n").expect("a file");
    let store = rig.open().await;
    let refused = SqliteStore::open(&rig.path(), Mode::Run).await.expect_err("it runs already").to_string();
    assert!(refused.contains(&std::process::id().to_string()) && refused.contains("P32"), "{refused}");
    drop(store);
}

#[tokio::test]
async fn what_is_no_journal_is_refused_and_not_touched() {
    let rig = SqliteRig::new();
    for content in [
        "no database at all, but long enough for a header of a hundred bytes, if it were one; so it \
                     goes on a little",
        "x",
    ] {
        std::fs::write(rig.path(), content).expect("a file");
        for mode in [Mode::Run, Mode::Admin, Mode::Read] {
            let refused = SqliteStore::open(&rig.path(), mode).await.err();
            assert!(matches!(refused, Some(StoreError::Damaged(_))), "{mode:?}: {refused:?}");
        }
        assert_eq!(std::fs::read_to_string(rig.path()).expect("the file"), content);
    }
    std::fs::remove_file(rig.path()).expect("the file");
    let settings = SqliteConnectOptions::new().filename(rig.path()).create_if_missing(true);
    let mut other = settings.connect().await.expect("a file");
    sqlx::raw_sql("CREATE TABLE theirs (x)").execute(&mut other).await.expect("a table");
    other.close().await.expect("closed");
    let before = std::fs::read(rig.path()).expect("the file");
    let refused = SqliteStore::open(&rig.path(), Mode::Run).await.err();
    assert!(matches!(refused, Some(StoreError::Damaged(_))), "{refused:?}");
    assert_eq!(std::fs::read(rig.path()).expect("the file"), before);
}

#[tokio::test]
async fn a_journal_with_a_page_of_noise_says_damaged() {
    let rig = SqliteRig::new();
    let store = rig.open().await;
    for n in 0..200 {
        commit(&store, message(n).to("folder:a")).await;
    }
    store.close().await;
    let mut bytes = std::fs::read(rig.path()).expect("the file");
    for page in bytes.chunks_mut(16 << 10).skip(1) {
        page.iter_mut().take(64).for_each(|b| *b ^= 0x5A);
    }
    std::fs::write(rig.path(), bytes).expect("the file");
    // Whether the start or the first look finds it: an answer, and never another content.
    match SqliteStore::open(&rig.path(), Mode::Run).await {
        Err(error) => assert!(matches!(error, StoreError::Damaged(_)), "{error:?}"),
        Ok(store) => {
            let refused = store.ledger().await;
            assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
            let refused = store.commit(vec![message(999).to("folder:a")]).await;
            assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
        }
    }
}

#[tokio::test]
async fn long_words_are_kept_short() {
    let rig = SqliteRig::new();
    let store = rig.open().await;
    let id = commit(&store, message(1).to("folder:a")).await[0];
    claim(&store, "folder:a", 1, 1).await;
    let detail = Some("ø".repeat(1_000_000));
    assert_eq!(store.settle(&[Settlement { detail, ..settlement(id, Event::Park) }], at(2)).await, Ok(1));
    let record = store.message(message_id(1)).await.expect("a search").expect("the message");
    let kept = record.recipients[0].detail.as_deref().expect("a detail");
    assert!(kept.len() < 1100 && kept.starts_with("øøø") && kept.ends_with('…'), "{}", kept.len());
}
