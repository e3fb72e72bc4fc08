//! The contracts of the ports: one suite each, passed by every adapter and by its twin.
//!
//! A suite is a set of functions generic over a *rig*, which opens a store, kills it and takes its room
//! away. A new journal needs a rig and one line in `journals!`.

mod again;
mod books;
mod claiming;
mod delivering;
mod finding;
mod intake;
mod make;
mod postgres_alone;
mod postgres_cost;
mod postgres_shared;
mod postgres_tls;
mod rig;
mod series;
mod small_disk;
mod sqlite_alone;

use rig::{MemoryRig, PostgresRig, SqliteRig};

/// Every test of the suite, for every journal.
macro_rules! journals {
    ($($module:ident::{$($test:ident),+ $(,)?};)+) => {
        mod memory {
            use super::*;
            $($(#[tokio::test] async fn $test() { $module::$test(MemoryRig::new()).await; })+)+
        }
        mod sqlite {
            use super::*;
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() { $module::$test(SqliteRig::new()).await; })+)+
        }
        mod postgres {
            use super::*;
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if let Some(rig) = PostgresRig::new(stringify!($test)).await {
                        $module::$test(rig).await;
                    }
                })+)+
        }
    };
}

journals! {
    intake::{
        bytes_come_back_as_they_went_in,
        everything_of_an_entry_is_there_or_nothing,
        a_second_message_under_a_duplicate_key_is_stale,
        of_two_in_one_batch_the_first_wins_and_the_others_are_taken,
        the_same_idempotency_key_names_the_first_message,
        a_commit_offered_again_is_answered_again,
        look_ups_are_answered_in_order,
        what_was_sent_is_known_by_its_id,
        errors_are_counted_by_party_and_time,
        what_a_transport_said_is_kept,
        a_remark_is_told_and_changes_nothing,
        many_commits_at_once_are_all_taken,
        a_full_disk_stops_intake_and_nothing_else,
        what_was_answered_survives_a_kill,
    };
    delivering::{
        a_claim_hands_out_what_is_due_oldest_first,
        no_recipient_is_claimed_twice,
        what_is_sent_is_what_was_made,
        an_order_key_holds_all_behind_the_first,
        an_order_key_waits_for_a_retry,
        a_replay_takes_its_old_place_in_the_order,
        a_retry_waits_for_its_time,
        a_settlement_for_what_has_moved_on_is_left_alone,
        a_receipt_overtakes_the_hand_over,
        a_receipt_that_cannot_be_is_told_in_the_events,
        what_was_being_sent_at_a_kill_is_unsure,
        after_the_clock_was_set_back_nothing_waits_for_the_old_time,
        time_to_live_and_receipt_deadline_are_told,
        a_parked_recipient_is_listed_and_replayed,
        what_is_discarded_lies_there_no_more_and_can_be_laid_back,
        an_expired_recipient_begins_anew_when_replayed,
        the_backlog_counts_by_destination,
    };
    claiming::{
        a_commit_claims_what_it_is_asked_to,
        what_a_commit_claimed_is_what_a_claim_would_give,
        what_a_commit_claimed_is_unsure_after_a_kill,
        an_entry_that_is_there_already_or_is_not_taken_claims_nothing,
        a_commit_whose_caller_has_gone_gives_back_what_it_claimed,
    };
    again::{
        a_new_decision_takes_the_place_of_what_lay_parked,
        what_has_moved_on_is_not_replaced,
        a_key_that_another_took_makes_it_stale,
        what_is_on_its_way_stays_there,
        whom_the_transport_named_is_kept,
    };
    books::{
        the_ledger_balances_whatever_happens,
        what_waits_is_listed_with_what_was_answered,
        every_change_has_its_event,
        events_are_numbered_without_gaps_and_chained,
        reading_goes_on_while_others_write,
    };
    series::{
        versions_are_there_with_their_message,
        the_same_version_is_kept_once,
        versions_are_found_by_what_names_them,
        what_a_target_shows_is_what_was_last_written_down,
        what_a_person_ruled_stays_with_its_version,
    };
    finding::{
        a_message_is_found_by_every_id,
        a_message_is_found_by_what_its_source_knew_it_by,
        messages_are_found_by_what_is_known_of_them,
        a_shared_id_finds_all_newest_first,
        evidence_is_kept_once_and_found_by_its_hash,
        a_record_tells_everything,
    };
}
