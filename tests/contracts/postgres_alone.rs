//! What only a journal on a server can be put through: several brokers at once, a server that restarts or dies, days that
//! are dropped, tampering.

use super::make::{With as _, at, claim, commit, destination, message, message_id, settlement, state};
use super::rig::{PostgresRig, Rig as _};
use adapters::postgres::{Keep, Mode, Options, PostgresStore};
use broker_core::journal::{CommitResult, Known, Lookup, OriginalKey, RecipientId, SetAside, Settlement};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::{Store as _, StoreError};
use servers::Postgres;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A test, where there is a server.
macro_rules! with_server {
    ($($(#[$meta:meta])* async fn $test:ident($rig:ident) $body:block)+) => {$(
        $(#[$meta])*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            if let Some($rig) = PostgresRig::new(stringify!($test)).await $body
        }
    )+};
}

const DAY: Duration = Duration::from_secs(86_400);

/// Lets the server take another day for today.
fn set_today(rig: &PostgresRig, day: u32) {
    rig.sql(&format!(
        "SET ROLE {}; CREATE OR REPLACE FUNCTION today() RETURNS integer LANGUAGE sql STABLE AS 'SELECT {day}';
         SELECT make_day({day})",
        servers::postgres::USER
    ));
}

/// Nothing is heard of a broker any more, although it runs.
fn mute(rig: &PostgresRig, instance: &str) {
    rig.sql(&format!(
        "CREATE FUNCTION say_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER mute BEFORE INSERT OR UPDATE ON heartbeat FOR EACH ROW
             WHEN (NEW.instance = {instance}) EXECUTE FUNCTION say_nothing();
         DELETE FROM heartbeat WHERE instance = {instance}"
    ));
}

/// Waits until the connections of the test have ended: what they counted is told then.
async fn all_have_gone(rig: &PostgresRig) {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    for _ in 0..3000 {
        if rig.sql(others).trim() == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("connections stay open");
}

with_server! {
    /// As an operator changes it: at the server, then in the file; the connections end some time after.
    async fn a_changed_password_is_in_force_at_once(rig) {
        rig.open().await.close().await;
        let role = format!("turned_{}", std::process::id());
        rig.sql(&format!("CREATE ROLE {role} LOGIN PASSWORD 'first' IN ROLE {}", servers::postgres::USER));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("password");
        std::fs::write(&file, "first\n").expect("written");
        let line = rig.server.place(&rig.database).replace(&format!("user={}", servers::postgres::USER), &format!("user={role}"));
        let options = Options { password_file: Some(file.clone()), ..Options::new(line.parse().expect("a place"), Mode::Run) };
        let store = PostgresStore::open(options.clone()).await.expect("it opens");
        commit(&store, message(1).to("folder:a")).await;
        let ended = format!("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = '{role}'");

        rig.sql(&format!("ALTER ROLE {role} PASSWORD 'second'; {ended}"));
        let refused = PostgresStore::open(options).await.expect_err("the old password").to_string();
        assert!(refused.contains("journal.password_file") && !refused.contains("first"), "{refused}");
        std::fs::write(&file, "second\n").expect("written");
        // Reading too: its connections are others' than the writer's.
        for _ in 0..100 {
            if store.message(message_id(1)).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert!(store.message(message_id(1)).await.expect("it reads again").is_some());
        insist(&store, 2).await;
        store.close().await;
        rig.sql(&format!("REASSIGN OWNED BY {role} TO {0}; DROP ROLE {role}", servers::postgres::USER));
    }

    async fn the_ledger_names_a_recipient_that_was_deleted_or_invented(rig) {
        let store = rig.open().await;
        let ids = commit(&store, message(1).to("folder:a").to("folder:a").receipt_to("folder:r")).await;
        let gone = ids[1].0;
        rig.sql(&format!("DELETE FROM pending WHERE id = '{gone}'"));
        let missing = store.ledger().await.expect("the books").messages.missing;
        assert_eq!(missing, [ids[1]], "what is said to be pending must be there");
        rig.sql(&format!("DELETE FROM recipient WHERE id = '{gone}'"));
        let ledger = store.ledger().await.expect("the books");
        assert!(!ledger.balances());
        assert_eq!((ledger.messages.missing, ledger.messages.unexplained), (vec![ids[1]], vec![]));
        assert!(ledger.receipts.balances());

        // One taken away and one invented keep the sums; the ids tell.
        rig.sql(&format!(
            "INSERT INTO recipient (day, seq, owner, id, message, message_day, book, body_day, body, size, receipt_written,
                     received, since, state, tries, maybe_arrived)
                 SELECT day, 0, owner, '00000000-0000-0000-0000-00000000000a', message, message_day, book, body_day, body, size,
                     receipt_written, received, since, 'rejected', tries, maybe_arrived FROM recipient WHERE id = '{}'",
            ids[0].0
        ));
        let ledger = store.ledger().await.expect("the books");
        assert!(!ledger.balances());
        assert_eq!(ledger.messages.accepted, ledger.messages.states.values().sum::<u64>());
        assert_eq!(ledger.messages.unexplained, [RecipientId(uuid::Uuid::from_u128(10))]);
    }

    async fn events_and_bodies_refuse_to_be_changed_and_the_chain_tells_who_did_it_all_the_same(rig) {
        let (store, other) = (rig.open().await, rig.open().await);
        for n in 1..=5 {
            commit(&store, message(n).to("folder:a")).await;
            commit(&other, message(100 + n).to("folder:a")).await;
        }
        for refused in [
            "UPDATE event SET what = 'x' WHERE seq = 3",
            "DELETE FROM event WHERE seq = 10",
            "UPDATE body SET bytes = '\\x00'",
        ] {
            assert!(rig.server.sql(&rig.database, refused).is_err(), "{refused}");
        }
        assert_eq!(store.broken_link().await, Ok(None));
        rig.sql("ALTER TABLE event DISABLE TRIGGER event_is_append_only");
        let of_other = "chain = (SELECT max(id) FROM instance)";
        rig.sql(&format!("DELETE FROM event WHERE seq = 10 AND {of_other}"));
        assert_eq!(store.broken_link().await, Ok(Some(10)), "the end of any chain is missed");
        rig.sql(&format!("UPDATE event SET detail = 'receipt' WHERE seq = 8 AND {of_other}"));
        assert_eq!(store.broken_link().await, Ok(Some(8)));
        rig.sql(&format!("UPDATE event SET at = at + 1 WHERE seq = 6 AND NOT {of_other}"));
        assert_eq!(store.broken_link().await, Ok(Some(6)));
        rig.sql(&format!("DELETE FROM event WHERE seq = 4 AND NOT {of_other}"));
        assert_eq!(store.broken_link().await, Ok(Some(4)));
    }

    async fn a_journal_of_a_newer_program_is_refused_and_none_is_made_for_a_reader(rig) {
        rig.open().await.close().await;
        rig.sql("INSERT INTO schema (number, name) VALUES (999, 'later')");
        for mode in [Mode::Run, Mode::Admin, Mode::Read] {
            let refused = PostgresStore::open(rig.options(mode)).await.err();
            assert!(matches!(refused, Some(StoreError::Newer { found: 999, .. })), "{mode:?}: {refused:?}");
        }
        let empty = PostgresRig { database: rig.server.database("empty").expect("a database"), ..rig };
        for mode in [Mode::Admin, Mode::Read] {
            let refused = PostgresStore::open(empty.options(mode)).await.err();
            assert!(matches!(refused, Some(StoreError::Unavailable(_))), "{mode:?}: {refused:?}");
        }
        // Two that come at the same time: one makes the tables, the other finds them.
        let (one, two) = tokio::join!(empty.open(), empty.open());
        commit(&one, message(1).to("folder:a")).await;
        assert_eq!(claim(&two, "folder:a", 5, 5).await.len(), 1);
    }

    async fn commands_read_and_change_beside_brokers_and_have_chains_of_their_own(rig) {
        let store = rig.open().await;
        let id = commit(&store, message(1).to("folder:a")).await[0];
        claim(&store, "folder:a", 1, 1).await;
        assert_eq!(store.settle(&[settlement(id, Event::Park)], at(2)).await, Ok(1));
        let reader = PostgresStore::open(rig.options(Mode::Read)).await.expect("it opens");
        assert_eq!(reader.ledger().await.expect("the books").messages.states["parked"], 1);
        assert!(matches!(reader.commit(vec![message(2)]).await, Err(StoreError::Unavailable(_))));
        let admin = PostgresStore::open(rig.options(Mode::Admin)).await.expect("it opens");
        assert_eq!(admin.replay(&[(id, None)], "operator", at(3)).await, Ok(1));
        assert_eq!(claim(&store, "folder:a", 3, 1).await, [id]);
        commit(&store, message(3)).await;
        assert_eq!(reader.broken_link().await, Ok(None));
        assert_eq!(rig.sql("SELECT count(DISTINCT chain) FROM event").trim(), "2");
        admin.close().await;
        store.close().await;
        assert!(matches!(store.commit(vec![message(4)]).await, Err(StoreError::Unavailable(_))));
    }

    async fn two_brokers_share_deliveries_and_keep_the_order(rig) {
        const LINES: u128 = 9;
        let stores = [rig.open().await, rig.open().await];
        let mut place: HashMap<RecipientId, (u128, u128)> = HashMap::new();
        for n in 0..180 {
            let entry = message(n).in_order("folder:a", &(n % LINES).to_string()).to("folder:a");
            let ids = commit(&stores[usize::from(n % 2 == 0)], entry).await;
            place.insert(ids[0], (n % LINES, n));
        }
        let place = Arc::new(place);
        // By line, what is on its way; and all that was handed over, in order.
        let flying: Arc<Mutex<HashMap<u128, u128>>> = Arc::default();
        let sent: Arc<Mutex<Vec<RecipientId>>> = Arc::default();
        let tasks: Vec<_> = (0..6)
            .map(|n| {
                let (store, place) = (stores[n % 2].clone(), Arc::clone(&place));
                let (flying, sent) = (Arc::clone(&flying), Arc::clone(&sent));
                tokio::spawn(async move {
                    while !store.backlog().await.expect("a count").is_empty() {
                        let ids = claim(&store, "folder:a", 1000, 7).await;
                        for id in &ids {
                            if let Some((line, n)) = place.get(id) {
                                let before = flying.lock().expect("a lock").insert(*line, *n);
                                assert_eq!(before, None, "two of one line at a time");
                            }
                        }
                        tokio::task::yield_now().await;
                        for id in &ids {
                            if let Some((line, _)) = place.get(id) {
                                flying.lock().expect("a lock").remove(line);
                            }
                            sent.lock().expect("a lock").push(*id);
                        }
                        let done: Vec<_> = ids.iter().map(|id| settlement(*id, Event::HandOver)).collect();
                        assert_eq!(store.settle(&done, at(1000)).await, Ok(ids.len()));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("the task ends");
        }
        let sent = sent.lock().expect("a lock").clone();
        let distinct: std::collections::HashSet<_> = sent.iter().collect();
        assert_eq!((sent.len(), distinct.len()), (360, 360));
        for line in 0..LINES {
            let order: Vec<u128> = sent.iter().filter_map(|id| place.get(id)).filter(|p| p.0 == line).map(|p| p.1).collect();
            assert!(order.is_sorted(), "{order:?}");
        }
        assert_eq!(stores[0].broken_link().await, Ok(None));
        assert!(stores[1].ledger().await.expect("the books").balances());
    }

    async fn what_is_sent_at_once_is_what_the_journal_holds(rig) {
        // The broker that took a message in has its bytes at hand when it claims; at another attempt, or at another broker,
        // they are read. Nobody may see a difference.
        let (here, there) = (rig.open().await, rig.open().await);
        commit(&here, message(1).head("m-1").to("folder:a").receipt_to("folder:a")).await;
        commit(&there, message(2).head("m-2").to("folder:a").receipt_to("folder:a")).await;
        let mut seen = Vec::new();
        for store in [&here, &there, &here] {
            let claimed = store.claim(&destination("folder:a"), at(10), 100).await.expect("a claim");
            let again = |id| Settlement { next_attempt: Some(at(10)), ..settlement(id, Event::Retry) };
            let done: Vec<_> = claimed.iter().map(|delivery| again(delivery.recipient)).collect();
            assert_eq!(store.settle(&done, at(10)).await, Ok(4));
            let mut sent: Vec<_> =
                claimed.into_iter().map(|d| (d.recipient, d.bytes, d.kind, d.test, d.family)).collect();
            sent.sort_by_key(|(recipient, ..)| *recipient);
            seen.push(sent);
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[1], seen[2]);
        assert!(seen[0].iter().all(|(_, bytes, _, _, family)| family.is_some() && !bytes.is_empty()));
    }

    async fn of_the_same_message_at_two_brokers_one_is_taken(rig) {
        let stores = [rig.open().await, rig.open().await];
        let tasks: Vec<_> = (0..120u128)
            .map(|n| {
                let store = stores[usize::from(n % 2 == 0)].clone();
                let entry = message(n).to("folder:a").duplicate_key("HER:1", &(n / 4).to_string(), "")
                    .duplicate_key("HER:1", &(n / 4).to_string(), "9");
                tokio::spawn(async move { store.commit(vec![entry]).await })
            })
            .collect();
        let mut taken = 0;
        for task in tasks {
            let results = task.await.expect("the task ends").expect("a commit");
            taken += results.iter().filter(|r| matches!(r, CommitResult::Committed(_))).count();
        }
        assert_eq!(taken, 30);
        assert!(stores[0].ledger().await.expect("the books").balances());
        assert_eq!(stores[0].broken_link().await, Ok(None));
    }

    async fn what_a_dead_broker_was_sending_is_taken_over_and_its_late_answer_changes_nothing(rig) {
        let (stalled, other) = (rig.open().await, rig.open().await);
        let entry = message(1).in_order("folder:a", "k").in_order("folder:a", "k").to("folder:a");
        let ids = commit(&stalled, entry).await;
        assert_eq!(claim(&stalled, "folder:a", 1, 9).await, [ids[0], ids[2]]);
        assert_eq!(other.take_over(at(2)).await, Ok(0), "it lives");
        assert_eq!(other.recover(at(2)).await, Ok(0), "a broker that starts leaves the others alone");
        mute(&rig, rig.sql("SELECT min(id) FROM instance").trim());
        assert_eq!(other.take_over(at(3)).await, Ok(2));
        assert_eq!(other.take_over(at(3)).await, Ok(0));
        let again = other.claim(&destination("folder:a"), at(3), 9).await.expect("a claim");
        let told: Vec<_> = again.iter().map(|d| (d.recipient, d.maybe_arrived, d.tries)).collect();
        assert_eq!(told, [(ids[0], true, 1), (ids[2], true, 1)], "the line keeps its order");

        let late: Vec<Settlement> = [ids[0], ids[2]].iter().map(|id| settlement(*id, Event::Retry)).collect();
        assert_eq!(stalled.settle(&late, at(4)).await, Ok(0), "another is sending them");
        assert_eq!(state(&other, ids[0]).await, State::Sending);
        let done: Vec<Settlement> = [ids[0], ids[2]].iter().map(|id| settlement(*id, Event::HandOver)).collect();
        assert_eq!(other.settle(&done, at(5)).await, Ok(2));
        assert_eq!(claim(&stalled, "folder:a", 6, 9).await, ids[1..2], "it may go on with the next");
        // One that leaves in order is not waited for.
        stalled.close().await;
        assert_eq!(other.take_over(at(7)).await, Ok(1));
    }

    async fn what_a_dead_broker_claimed_at_intake_is_taken_over(rig) {
        let (stalled, other) = (rig.open().await, rig.open().await);
        let ids = commit(&stalled, message(1).to("folder:a").at_once()).await;
        assert_eq!(other.take_over(at(2)).await, Ok(0), "it lives");
        assert_eq!(claim(&other, "folder:a", 2, 9).await, [], "another is sending it");
        mute(&rig, rig.sql("SELECT min(id) FROM instance").trim());
        assert_eq!(other.take_over(at(3)).await, Ok(1));
        let again = other.claim(&destination("folder:a"), at(3), 9).await.expect("a claim");
        let told: Vec<_> = again.iter().map(|d| (d.recipient, d.maybe_arrived, d.tries)).collect();
        assert_eq!(told, [(ids[0], true, 1)]);
        assert_eq!(stalled.settle(&[settlement(ids[0], Event::HandOver)], at(4)).await, Ok(0), "too late");
    }

    async fn days_are_dropped_when_nothing_in_them_is_open_and_keys_stay_longer(rig) {
        set_today(&rig, 20_000);
        let (store, other) = (rig.open().await, rig.open().await);
        commit(&store, message(1).to("folder:a").duplicate_key("HER:1", "m", "").head("m-1")).await;
        commit(&other, message(2).to("folder:a")).await;
        set_today(&rig, 20_001);
        let parked = commit(&store, message(3).recipient(|r| r.state = State::Parked).original_key("doc", "1")).await[0];
        set_today(&rig, 20_002);
        let awaited = commit(&store, message(4).recipient(|r| {
            r.destination = Some(destination("folder:a"));
            r.receipt_deadline = Some(at(500));
        })).await[0];
        let claimed = claim(&store, "folder:a", 10, 9).await;
        let done: Vec<_> = claimed.iter().map(|id| settlement(*id, Event::HandOver)).collect();
        assert_eq!(store.settle(&done, at(11)).await, Ok(3));

        let keep = Keep { messages: DAY * 30, keys: DAY * 90 };
        set_today(&rig, 20_040);
        let cleared = store.clear(keep).await.expect("a round");
        assert_eq!((cleared.days, cleared.held, cleared.keys), (1, 2, 0), "one is parked, one awaits its receipt");
        for gone in [1, 2] {
            assert!(store.message(message_id(gone)).await.expect("a search").is_none());
            assert_eq!(store.body(message_id(gone)).await, Ok(None));
        }
        assert_eq!(store.broken_link().await, Ok(None), "the cut is known");
        assert!(store.ledger().await.expect("the books").balances());
        let again = message(9).duplicate_key("HER:1", "m", "");
        assert_eq!(store.commit(vec![again.clone()]).await, Ok(vec![CommitResult::Stale]));
        assert_eq!(rig.sql("SELECT count(*) FROM pg_tables WHERE tablename LIKE '%_20241004'").trim(), "1", "evidence");

        // Each ends in its way, and its day can go.
        commit(&store, message(5).closing(awaited, Event::ReceiptOk)).await;
        assert_eq!(store.replay(&[(parked, Some(destination("folder:b")))], "operator", at(20)).await, Ok(1));
        assert_eq!(store.clear(keep).await.map(|c| (c.days, c.held)), Ok((1, 1)), "it is on its way now");
        claim(&store, "folder:b", 20, 1).await;
        assert_eq!(store.settle(&[settlement(parked, Event::HandOver)], at(21)).await, Ok(1));
        assert_eq!(store.clear(keep).await.map(|c| (c.days, c.held)), Ok((1, 0)));
        assert!(store.message(message_id(3)).await.expect("a search").is_none());
        assert_eq!(other.broken_link().await, Ok(None));
        assert!(store.ledger().await.expect("the books").balances());
        let receipt = [vec![Lookup::Original(OriginalKey { id: "doc".into(), receiver: "1".into() })]];
        assert_eq!(store.look_up(&receipt).await, Ok(vec![Known::default()]), "nothing is left to be closed");

        // A cut that somebody made by hand is not known.
        rig.sql("UPDATE dropped SET last_seq = last_seq - 1 WHERE first_seq = 1");
        assert!(store.broken_link().await.expect("a walk").is_some());
        set_today(&rig, 20_100);
        assert!(store.clear(keep).await.expect("a round").keys > 0);
        commit(&store, again).await;
    }

    async fn what_the_server_cannot_hold_or_index_is_taken_all_the_same(rig) {
        let store = rig.open().await;
        let long = "x".repeat(200_000);
        let entry = message(1)
            .in_order("folder:a", &format!("{long}1"))
            .in_order("folder:a", &format!("{long}2"))
            .in_order("folder:a", &format!("{long}1"))
            .original_key(&long, "1")
            .duplicate_key("HER:1", &long, "1")
            .idempotency_key(&format!("a\0b{long}"));
        let mut entry = entry.head("m-1");
        entry.arrival.source = "http".into();
        entry.explanation = Some("{\"why\":\"a\\u0000b\"}".into());
        entry.head.as_mut().expect("a head").document_id = Some(format!("doc\0{long}"));
        let ids = commit(&store, entry.clone()).await;
        assert!(store.repeated("http", &format!("a\0b{long}")).await.expect("a search").is_some());
        let record = store.message(message_id(1)).await.expect("a search").expect("the message");
        assert_eq!(record.explanation.expect("an account")["why"], "a\0b");
        assert_eq!(claim(&store, "folder:a", 9, 9).await, ids[..2], "long keys are told apart");
        let words = Settlement { detail: Some("a\0b".repeat(10_000)), ..settlement(ids[0], Event::Park) };
        assert_eq!(store.settle(&[words], at(10)).await, Ok(1));
        store.note("alarm", "\0", at(11)).await.expect("a note");
        assert_eq!(claim(&store, "folder:a", 12, 9).await, ids[2..]);
        let lookups = [vec![Lookup::Seen { sender: "HER:1".into(), msg_id: long.clone() }]];
        assert_eq!(store.look_up(&lookups).await.expect("answers")[0].seen.len(), 1);
        assert!(store.find(&format!("doc\0{long}"), 5).await.expect("a search").len() == 1);
        assert!(store.find("no\0thing", 5).await.expect("a search").is_empty());
        assert_eq!(store.broken_link().await, Ok(None));
    }

    async fn an_owner_neither_sees_nor_moves_what_is_anothers(rig) {
        let open = async |owner: &str| {
            let options = Options { owner: owner.into(), ..rig.options(Mode::Run) };
            PostgresStore::open(options).await.expect("the journal opens")
        };
        let (north, south) = (open("north").await, open("south").await);
        let entry = message(1).to("folder:a").duplicate_key("HER:1", "m", "").idempotency_key("k").head("m");
        let id = commit(&north, entry.original_key("m", "HER:2")).await[0];
        let lookups = [vec![
            Lookup::Seen { sender: "HER:1".into(), msg_id: "m".into() },
            Lookup::Original(OriginalKey { id: "m".into(), receiver: "HER:2".into() }),
        ]];
        assert_eq!(south.look_up(&lookups).await, Ok(vec![Known::default()]));
        assert_eq!(south.repeated("http", "k").await, Ok(None));
        assert_eq!(claim(&south, "folder:a", 9, 9).await, []);
        assert!(south.find("m", 9).await.expect("a search").is_empty());
        assert!(south.message(message_id(1)).await.expect("a search").is_none());
        assert_eq!(south.body(message_id(1)).await, Ok(None));
        assert_eq!(south.events(9).await.expect("events"), []);
        assert_eq!(south.replay(&[(id, None)], "operator", at(9)).await, Ok(0));
        assert_eq!(south.ledger().await.expect("the books").messages.accepted, 0);
        assert_eq!(south.backlog().await, Ok(vec![]));
        assert_eq!(south.set_aside(&SetAside { limit: 9, ..SetAside::default() }).await.expect("a list").len(), 0);
        // The same keys are free to another owner.
        commit(&south, message(2).to("folder:a").duplicate_key("HER:1", "m", "").idempotency_key("k")).await;
        assert_eq!(claim(&north, "folder:a", 9, 9).await, [id]);
        mute(&rig, "1 OR TRUE");
        rig.sql("TRUNCATE heartbeat");
        assert_eq!(south.take_over(at(10)).await, Ok(0), "what the other was sending is not ours");
    }

    async fn a_claim_whose_caller_has_gone_goes_back(rig) {
        let store = rig.open().await;
        let id = commit(&store, message(1).to("folder:a")).await[0];
        let to = destination("folder:a");
        for _ in 0..20 {
            // Dropped at whatever step it has come to.
            drop(tokio::time::timeout(Duration::from_millis(1), store.claim(&to, at(5), 1)).await);
        }
        for _ in 0..2000 {
            if state(&store, id).await == State::Waiting {
                assert_eq!(claim(&store, "folder:a", 6, 1).await, [id]);
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the recipient stays with a caller that has gone");
    }

    async fn no_question_walks_through_a_large_table(rig) {
        let store = rig.open().await;
        commit(&store, message(1).to("folder:a").receipt_to("folder:r").head("m-1").original_key("m-1", "1")
            .duplicate_key("HER:1", "m-1", "1").idempotency_key("k")).await;
        // The same many times over, by the server itself: other ids, other numbers.
        rig.sql(
            "CREATE TEMP TABLE n AS SELECT g, 1000000 + g AS seq, gen_random_uuid() AS id, gen_random_uuid() AS r
                 FROM generate_series(1, 6000) g;
             INSERT INTO message SELECT (jsonb_populate_record(m, jsonb_build_object('seq', n.seq, 'id', n.id, 'short', n.g,
                 'msg_id', n.g::text, 'received', m.received + n.g))).* FROM message m, n;
             INSERT INTO recipient (day, seq, owner, id, message, message_day, book, receiver, destination, body_day, body, size,
                     receipt_written, received, since, state, tries, maybe_arrived)
                 SELECT day, n.seq, owner, n.r, n.id, message_day, book, receiver, destination, body_day, body, size,
                     receipt_written, received, since, 'handed_over', tries, maybe_arrived
                 FROM recipient m, n WHERE m.kind IS NULL;
             INSERT INTO pending SELECT (jsonb_populate_record(m, jsonb_build_object('seq', n.seq, 'id', n.r,
                 'destination', 'folder:' || n.g % 200, 'message', n.id))).* FROM pending m, n WHERE m.kind IS NULL;
             INSERT INTO document SELECT (jsonb_populate_record(m, jsonb_build_object('seq', n.seq, 'id', gen_random_uuid(),
                 'message', n.id))).* FROM document m, n;
             INSERT INTO body SELECT day, n.seq, codec, key_id, size, bytes FROM (SELECT * FROM body LIMIT 1) m, n;
             INSERT INTO event SELECT day, n.seq, chain + 1, n.seq, owner, at, n.id, n.r, what, detail, previous, hash
                 FROM (SELECT * FROM event WHERE what = 'accepted' LIMIT 1) m, n;
             INSERT INTO duplicate_key SELECT owner, sha256(n.g::text::bytea), sha256(n.g::text::bytea), receiver, n.id,
                 content_hash, day FROM (SELECT * FROM duplicate_key LIMIT 1) m, n;
             INSERT INTO original_key SELECT owner, sha256(n.g::text::bytea), n.r, recipient_day, n.seq, n.id, generated,
                 receipt_written, day FROM (SELECT * FROM original_key LIMIT 1) m, n;
             INSERT INTO idempotency_key SELECT owner, sha256(n.g::text::bytea), n.id, content_hash, day
                 FROM (SELECT * FROM idempotency_key LIMIT 1) m, n",
        );
        rig.sql("ANALYZE");
        store.close().await;
        let walks = || rig.sql(
            "SELECT coalesce(string_agg(relname || ' ' || seq_scan, ', ' ORDER BY relname), '') FROM pg_stat_user_tables
             WHERE n_live_tup >= 6000 AND relname <> 'dropped'",
        );
        all_have_gone(&rig).await;
        let before = walks();
        assert!(before.matches(' ').count() >= 9 * 2 - 1, "all large tables are there: {before}");

        let store = rig.open().await;
        let ids = commit(&store, message(2).to("folder:a").in_order("folder:a", "k").receipt_to("folder:r").head("m-2")
            .original_key("m-2", "1").duplicate_key("HER:1", "m-2", "1").idempotency_key("k2")).await;
        commit(&store, message(2).to("folder:a").idempotency_key("k2")).await;
        let claimed = claim(&store, "folder:a", 100, 10).await;
        let done: Vec<_> = claimed.iter().map(|id| settlement(*id, Event::Park)).collect();
        assert_eq!(store.settle(&done, at(101)).await, Ok(claimed.len()));
        assert_eq!(store.replay(&[(ids[0], None)], "operator", at(102)).await, Ok(1));
        commit(&store, message(3).closing(ids[1], Event::ReceiptOk)).await;
        let lookups = [vec![
            Lookup::Seen { sender: "HER:1".into(), msg_id: "m-2".into() },
            Lookup::Original(OriginalKey { id: "m-2".into(), receiver: "1".into() }),
        ]];
        assert_eq!(store.look_up(&lookups).await.expect("answers")[0].originals.len(), 1);
        assert!(store.repeated("http", "k2").await.expect("a search").is_some());
        store.next_due(&destination("folder:7")).await.expect("a search");
        store.overdue(at(200), 100).await.expect("a search");
        for id in ["m-2".to_owned(), message_id(2).to_string(), message_id(2).short(), ids[1].0.to_string()] {
            assert!(!store.find(&id, 10).await.expect("a search").is_empty(), "{id}");
        }
        store.documents(message_id(2)).await.expect("a search");
        store.body(message_id(2)).await.expect("a search");
        store.set_aside(&SetAside { limit: 10, ..SetAside::default() }).await.expect("a list");
        store.events(10).await.expect("events");
        store.recover(at(300)).await.expect("a recovery");
        store.take_over(at(300)).await.expect("a look");
        store.close().await;
        all_have_gone(&rig).await;
        assert_eq!(walks(), before);
        // So would be told that a statement walks.
        rig.sql("SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM message WHERE size < 0");
        all_have_gone(&rig).await;
        assert_ne!(walks(), before);
    }

    async fn a_day_that_grows_costs_no_more_to_work_in(rig) {
        // The server looks at the tables of a new day within seconds of their first rows; what it planned before must not
        // last, and what it plans must be for the days that are asked for.
        const ROUNDS: u128 = 60;
        const EACH: u128 = 20;
        const THERE: u128 = 6_000;
        let store = rig.open().await;
        // So many that it would be dear to look at all of them for one batch.
        for batch in 0..THERE / 500 {
            let entries = (0..500).map(|n| message(100_000 + batch * 500 + n).to("folder:b")).collect();
            store.commit(entries).await.expect("a commit");
        }
        rig.sql("ANALYZE");
        for round in 0..ROUNDS {
            let entries = (0..EACH).map(|n| message(round * EACH + n).to("folder:a")).collect();
            store.commit(entries).await.expect("a commit");
            let claimed = store.claim(&destination("folder:a"), at(1_000_000), 1000).await.expect("claims");
            assert_eq!(claimed.len() as u128, EACH);
            let done: Vec<_> = claimed.iter().map(|d| settlement(d.recipient, Event::HandOver)).collect();
            assert_eq!(store.settle(&done, at(1_000_001)).await, Ok(claimed.len()));
        }
        store.close().await;
        all_have_gone(&rig).await;
        let read = |table: &str| -> u128 {
            let sql = "SELECT coalesce(sum(seq_tup_read), 0) + coalesce(sum(idx_tup_fetch), 0) FROM pg_stat_user_tables
                WHERE relname LIKE 'TABLE';";
            rig.sql(&sql.replace("TABLE", table)).trim().parse().expect("a number")
        };
        for table in ["recipient%", "message%", "body%", "pending"] {
            let read = read(table);
            assert!(read < ROUNDS * EACH * 60, "{read} rows of {table} read for {} messages", ROUNDS * EACH);
        }
    }

    async fn claims_that_come_together_are_each_answered_with_their_own(rig) {
        let store = rig.open().await;
        for n in 0..40 {
            commit(&store, message(n).to(&format!("folder:d{}", n % 4))).await;
        }
        let claims = (0..12).map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let name = format!("folder:d{}", n % 5);
                let claimed = store.claim(&destination(&name), at(100), 4).await.expect("claims");
                (name, claimed)
            })
        });
        let mut seen = HashMap::new();
        for claim in claims.collect::<Vec<_>>() {
            let (name, claimed) = claim.await.expect("it ends");
            assert!(claimed.len() <= 4);
            for delivery in claimed {
                let to = rig.sql(&format!("SELECT destination FROM pending WHERE id = '{}'", delivery.recipient.0));
                assert_eq!(to.trim(), name);
                assert!(seen.insert(delivery.recipient, name.clone()).is_none(), "claimed twice");
            }
        }
        // Destinations 0 and 1 were asked three times for four each of ten, 2 and 3 twice, the last has nothing.
        let of = |n: u8| seen.values().filter(|name| **name == format!("folder:d{n}")).count();
        assert_eq!([of(0), of(1), of(2), of(3), of(4)], [10, 10, 8, 8, 0]);
    }

    async fn the_survey_names_what_endangers_the_journal(rig) {
        let survey = PostgresStore::survey(&rig.options(Mode::Read)).await.expect("an answer");
        let grave: Vec<_> = survey.concerns.iter().filter(|c| c.grave).map(|c| c.sentence.as_str()).collect();
        assert!(grave.len() == 1 && grave[0].starts_with("fsync is off"), "the shared cluster: {grave:?}");
        let mut wrong = rig.options(Mode::Read);
        wrong.password_file = Some("no-such-file".into());
        assert!(matches!(PostgresStore::survey(&wrong).await, Err(StoreError::Unavailable(_))));
    }
}

/// Offers an entry until it is taken; gives how often it had to.
async fn insist(store: &PostgresStore, n: u128) -> usize {
    let entry =
        message(n).to("folder:a").duplicate_key("HER:1", &n.to_string(), "").idempotency_key(&n.to_string());
    for attempt in 1..=3000 {
        match store.commit(vec![entry.clone()]).await {
            Ok(results) => {
                assert!(matches!(results.as_slice(), [CommitResult::Committed(_)]), "{results:?}");
                return attempt;
            }
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("never taken");
}

/// The server goes and comes back while messages are taken in and delivered: nothing that was answered is lost, and
/// nothing is there twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_or_is_killed_loses_and_doubles_nothing() {
    if servers::postgres("a_server_that_restarts").is_none() {
        return;
    }
    let server: &'static Postgres = Box::leak(Box::new(Postgres::start(&[]).expect("a server of its own")));
    let rig = PostgresRig { server, database: server.database("journal").expect("a database") };
    let stores = [rig.open().await, rig.open().await];
    let tasks: Vec<_> = (0..8u128)
        .map(|task| {
            let store = stores[usize::from(task % 2 == 0)].clone();
            tokio::spawn(async move {
                let mut attempts = 0;
                for n in 0..60 {
                    attempts += insist(&store, task * 1000 + n).await;
                    // Whatever can be claimed is handed over; what cannot be told now is told by the next.
                    if let Ok(claimed) = store.claim(&destination("folder:a"), at(9000), 3).await {
                        let done: Vec<_> =
                            claimed.iter().map(|d| settlement(d.recipient, Event::HandOver)).collect();
                        drop(store.settle(&done, at(9000)).await);
                    }
                }
                attempts
            })
        })
        .collect();
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let away = tokio::task::spawn_blocking(move || {
            if round % 2 == 0 { server.kill() } else { server.stop() }.and_then(|()| server.start_again())
        });
        away.await.expect("the server's thread").expect("the server comes back");
    }
    let mut attempts = 0;
    for task in tasks {
        attempts += task.await.expect("the task ends");
    }
    assert!(attempts >= 480);
    let ledger = stores[0].ledger().await.expect("the books");
    assert!(ledger.balances(), "{ledger:?}");
    assert_eq!(ledger.messages.accepted, 480, "each once");
    assert_eq!(stores[1].broken_link().await, Ok(None));
    for n in [0, 59, 7000, 7059] {
        let body = stores[0].body(message_id(n)).await.expect("a body");
        assert_eq!(body.as_deref(), Some(&*message(n).arrival.bytes));
    }
    // What was on its way when an answer was lost is sent again.
    // A broker may learn by this very call that its connection went with the server.
    for store in &stores {
        let mut recovered = store.recover(at(9001)).await;
        for _ in 0..50 {
            if recovered.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            recovered = store.recover(at(9001)).await;
        }
        assert!(recovered.is_ok(), "{recovered:?}");
    }
    for _ in 0..1000 {
        let ids = claim(&stores[0], "folder:a", 9002, 100).await;
        let done: Vec<_> = ids.iter().map(|id| settlement(*id, Event::HandOver)).collect();
        assert_eq!(stores[0].settle(&done, at(9002)).await, Ok(ids.len()));
        if ids.is_empty() {
            break;
        }
    }
    let states = stores[0].ledger().await.expect("the books").messages.states;
    assert_eq!(states["handed_over"], 480, "{states:?}");
    for store in stores {
        store.close().await;
    }
    server.stop().expect("the server stops");
}

/// A claim that the server made and whose answer was lost is known to nobody. This broker lives, so no other would take
/// the recipient over: it must come back by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_was_lost_can_be_made_again() {
    let Some(rig) = PostgresRig::alone("a_claim_whose_answer_was_lost", &[]) else { return };
    let store = rig.open().await;
    let ids = commit(&store, message(1).to("folder:a")).await;
    // With a standby that never answers, a commit is made and waits; whoever is ended then never hears of it.
    rig.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    rig.sql("SELECT pg_reload_conf()");
    let claiming = {
        let store = store.clone();
        tokio::spawn(async move { store.claim(&destination("folder:a"), at(1), 1).await })
    };
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'";
    until("the commit waits", || rig.sql(end).trim() != "0").await;
    assert!(matches!(claiming.await.expect("the task ends"), Err(StoreError::Unavailable(_))));
    let sending = "SELECT count(*) FROM pending WHERE state = 'sending'";
    assert_eq!(rig.sql(sending).trim(), "1", "the test itself: the claim was not made");
    rig.sql("ALTER SYSTEM RESET synchronous_standby_names");
    rig.sql("SELECT pg_reload_conf()");
    until("it is claimed by nobody", || rig.sql(sending).trim() == "0").await;
    assert_eq!(claim(&store, "folder:a", 2, 1).await, ids);
    assert_eq!(store.settle(&[settlement(ids[0], Event::HandOver)], at(2)).await, Ok(1));

    // As much for what was claimed by the commit that took it in.
    rig.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    rig.sql("SELECT pg_reload_conf()");
    let entry = message(2).to("folder:a").at_once();
    let id = entry.recipients[0].id;
    let committing = {
        let (store, entry) = (store.clone(), entry.clone());
        tokio::spawn(async move { store.commit(vec![entry]).await })
    };
    until("the commit waits", || rig.sql(end).trim() != "0").await;
    assert!(matches!(committing.await.expect("the task ends"), Err(StoreError::Unavailable(_))));
    assert_eq!(rig.sql(sending).trim(), "1", "the test itself: the commit was not made");
    rig.sql("ALTER SYSTEM RESET synchronous_standby_names");
    rig.sql("SELECT pg_reload_conf()");
    until("it is claimed by nobody", || rig.sql(sending).trim() == "0").await;
    let results = store.commit(vec![entry]).await.expect("a commit");
    assert!(
        matches!(results.as_slice(), [CommitResult::Committed(c)] if c.claimed().is_empty()),
        "{results:?}"
    );
    assert_eq!(claim(&store, "folder:a", 3, 1).await, [id]);
    assert!(store.ledger().await.expect("the books").balances());
}

/// Connecting to a server whose disk is full, and whose file of names is not there, ends in an internal error. A journal that is
/// called damaged is one that somebody brings back from a copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_internal_error_of_the_server_is_no_damage_and_passes() {
    let Some(rig) = PostgresRig::new("an_internal_error").await else { return };
    let store = rig.open().await;
    for (code, damaged) in [("XX000", false), ("XX001", true)] {
        rig.sql(&format!(
            "CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE EXCEPTION 'could not write init file' USING ERRCODE = '{code}'; END $$;
             CREATE OR REPLACE TRIGGER fails BEFORE INSERT ON body FOR EACH ROW EXECUTE FUNCTION fails()"
        ));
        let failed = store.commit(vec![message(1).to("folder:a")]).await.expect_err("it fails");
        assert_eq!(matches!(failed, StoreError::Damaged(_)), damaged, "{code}: {failed}");
        assert!(damaged || matches!(failed, StoreError::Unavailable(_)), "{failed}");
    }
    rig.sql("DROP TRIGGER fails ON body");
    commit(&store, message(1).to("folder:a")).await;
}

/// Asks again and again until it is so.
async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not in time: {what}");
}
