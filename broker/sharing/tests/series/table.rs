//! The table of document-sharing §2.2, row by row, in every order of arrival.

use crate::make::{follows, only, opens, orders, patient, report, seen, version, withheld};
use sharing::series::Change::{Added, Cancelled, Changed, New};
use sharing::series::{Conflict, Fate, Names, Sha, Version, Withheld, fold};

/// What is visible, and that no order of arrival changes it.
fn always(versions: &[Version], expected: &str) {
    for order in orders(versions) {
        let ids: Vec<&str> = order.iter().map(|v| v.msg_id.as_str()).collect();
        assert_eq!(only(&order), expected, "arrived as {ids:?}");
    }
}

fn parked(conflict: Conflict) -> Fate {
    Fate::Parked { conflict }
}

#[test]
fn a_new_one_is_visible() {
    always(&[version("n", 1, New)], "n | n [n:]");
}

#[test]
fn a_change_takes_the_place_of_everything_before_it() {
    always(&[version("n", 1, New), version("m", 2, Changed)], "m | m [m:]");
    always(&[version("n", 1, New), version("m1", 2, Changed), version("m2", 3, Changed)], "m2 | m2 [m2:]");
}

#[test]
fn a_second_new_one_is_a_change() {
    always(&[version("n1", 1, New), version("n2", 2, New)], "n2 | n2 [n2:]");
}

#[test]
fn a_change_without_a_beginning_is_visible() {
    always(&[version("m", 2, Changed)], "m | m [m:]");
}

#[test]
fn messages_of_one_instant_stand_in_the_order_of_their_ids() {
    always(&[version("a", 1, Changed), version("b", 1, Changed)], "b | b [b:]");
    // But a change is never behind what it changes.
    always(&[version("a", 1, New), version("b", 1, Changed)], "b | b [b:]");
    always(&[version("b", 1, New), version("a", 1, Changed)], "a | a [a:]");
}

#[test]
fn a_cancellation_withdraws_everything_whenever_it_comes() {
    always(&[version("n", 1, New), version("m", 2, Changed), version("c", 3, Cancelled)], "withdrawn by c");
    always(&[version("c", 3, Cancelled)], "withdrawn by c");
    // Made in the same instant, with a later id.
    always(&[version("c", 3, Cancelled), version("m", 3, Changed)], "withdrawn by c");
}

#[test]
fn what_is_made_after_a_cancellation_waits_for_a_person() {
    let versions = [version("n", 1, New), version("c", 2, Cancelled), version("m", 3, Changed)];
    always(&versions, "withdrawn by c");
    for order in orders(&versions) {
        let folded = fold(&order);
        for (version, fate) in order.iter().zip(&folded.fates) {
            let parks = *fate == parked(Conflict::AfterCancel);
            assert_eq!(parks, version.msg_id == "m", "{fate:?}");
        }
    }
    always(&[version("c1", 1, Cancelled), version("c2", 2, Cancelled)], "withdrawn by c1");
}

#[test]
fn the_same_message_again_changes_nothing() {
    let versions = [version("n", 1, New), version("n", 1, New), version("m", 2, Changed)];
    always(&versions, "m | m [m:]");
    assert_eq!(fold(&versions).fates[1], Fate::Repeat { of: 0 });
}

#[test]
fn the_same_id_with_other_content_waits_for_a_person() {
    let other = Version { content: Sha::of(b"other"), ..version("n", 9, New) };
    let versions = [version("n", 1, New), other];
    assert_eq!(fold(&versions).fates, [Fate::Visible, parked(Conflict::OtherContent)]);
    assert_eq!(only(&versions), "n | n [n:]");
}

#[test]
fn another_patient_never_enters_a_series() {
    for change in [New, Changed, Cancelled, Added] {
        let other = Version { patient: Some(patient(2)), ..version("x", 9, change) };
        let versions = [version("n", 1, New), other];
        assert_eq!(fold(&versions).fates, [Fate::Visible, parked(Conflict::OtherPatient)], "{change:?}");
        assert_eq!(only(&versions), "n | n [n:]");
    }
    let nameless = Version { patient: None, ..version("c", 9, Cancelled) };
    assert_eq!(only(&[version("n", 1, New), nameless]), "withdrawn by c", "it need not repeat whose it was");
}

#[test]
fn only_the_owner_may_withdraw() {
    let mut foreign = version("c", 9, Cancelled);
    foreign.sender = "ENH:999999999".to_owned();
    for order in orders(&[version("n", 1, New), foreign.clone()]) {
        let folded = fold(&order);
        let of = order.iter().position(|v| v.msg_id == "c").expect("it is there");
        assert_eq!(folded.fates[of], parked(Conflict::NotItsOwner));
        let seen = seen(&order, &folded);
        assert_eq!(seen.into_values().collect::<Vec<_>>(), ["n | n [n:]"]);
    }
    // Two senders with documents of their own under one id, and one withdraws its own.
    let mut theirs = version("t", 1, New);
    theirs.sender = "ENH:999999999".to_owned();
    for order in orders(&[version("n", 1, New), theirs, foreign]) {
        let seen: Vec<String> = seen(&order, &fold(&order)).into_values().collect();
        assert_eq!(seen, ["n | n [n:]", "withdrawn by c"]);
    }
}

#[test]
fn what_is_reserved_replaces_and_is_not_shown() {
    let reserved = withheld(version("m", 2, Changed), Withheld::Reserved);
    always(&[version("n", 1, New), reserved.clone()], "nothing");
    always(&[version("n", 1, New), reserved, version("m2", 3, Changed)], "m2 | m2 [m2:]");
}

#[test]
fn what_is_not_safe_changes_nothing() {
    let unsafe_one = withheld(version("m", 2, Changed), Withheld::Unsafe);
    let versions = [version("n", 1, New), unsafe_one.clone()];
    always(&versions, "n | n [n:]");
    assert_eq!(fold(&versions).fates[1], parked(Conflict::NotSafe));
    assert_eq!(fold(&[unsafe_one]).fates, [Fate::NotShown], "nothing else is there to be wrong beside it");
    let cancels = withheld(version("c", 2, Cancelled), Withheld::Unsafe);
    always(&[version("n", 1, New), cancels], "withdrawn by c");
}

#[test]
fn an_addition_stands_beside_what_it_adds_to() {
    always(&[version("n", 1, New), version("a", 2, Added)], "n+a | n [n:]; a [a:] partial");
    always(&[version("n", 1, New), version("a", 2, Added), version("m", 3, Changed)], "m | m [m:]");
}

#[test]
fn a_difference_is_merged_and_the_next_whole_change_replaces_all() {
    let n = report("n", 1, New, &["A", "B", "C"]);
    let difference = report("m", 2, Changed, &["-C"]);
    always(&[n.clone(), difference.clone()], "n+m | m+n [n:A,B m:-C] partial");
    let whole = report("w", 3, Changed, &["A", "B"]);
    always(&[n, difference, whole], "w | w [w:A,B]");
}

#[test]
fn a_difference_that_came_first_does_not_hide_the_beginning() {
    let order = [report("m", 2, Changed, &["-C"]), report("n", 1, New, &["A", "B", "C"])];
    assert_eq!(only(&order[..1]), "m | m [m:-C] incomplete");
    assert_eq!(only(&order), "n+m | m+n [n:A,B m:-C] partial");
}

#[test]
fn an_older_change_between_is_put_in_its_place() {
    let n = report("n", 1, New, &["A"]);
    let between = report("m1", 2, Changed, &["A", "B"]);
    always(
        &[n.clone(), between.clone(), report("m2", 3, Changed, &["A"])],
        "m1+m2 | m2+m1 [m1:B m2:A] partial",
    );
    always(&[n, between, report("m2", 3, Changed, &["A", "B"])], "m2 | m2 [m2:A,B]");
}

#[test]
fn two_new_reports_lose_no_result() {
    always(
        &[report("n1", 1, New, &["A"]), report("n2", 2, New, &["B"])],
        "n1+n2 | n2+n1 [n1:A n2:B] partial",
    );
    always(&[report("n", 1, New, &["A"]), report("a", 2, Added, &["B"])], "n+a | a+n [n:A a:B] partial");
}

#[test]
fn nothing_of_a_merged_document_is_shown_when_a_part_may_not_be() {
    let n = withheld(report("n", 1, New, &["A", "B"]), Withheld::Reserved);
    always(&[n, report("m", 2, Changed, &["A"])], "nothing");
}

#[test]
fn nursing_messages_follow_their_parents() {
    let key = |id: &str| format!("plo-Innleggelsesrapport|ENH:974589095|{id}");
    // Two documents in one conversation, and a change of the second.
    let versions = [opens("n1", 1, None), opens("n2", 2, Some("n1")), follows("m", 3, Changed, "n2", "n1")];
    for order in orders(&versions) {
        let seen = seen(&order, &fold(&order));
        assert_eq!(seen[&key("n1")], "n1 | n1 [n1:]");
        assert_eq!(seen[&key("n2")], "m | m [m:]");
    }
    // Until the parent is known, by the conversation.
    let lone = seen(&versions[2..], &fold(&versions[2..]));
    assert_eq!(lone[&key("n1")], "m | m [m:]");
    let chain =
        [opens("n", 1, None), follows("m", 2, Changed, "n", "n"), follows("c", 3, Cancelled, "m", "n")];
    always(&chain, "withdrawn by c");
}

#[test]
fn a_nursing_cancellation_by_another_is_refused() {
    let mut foreign = follows("c", 2, Cancelled, "n", "n");
    foreign.sender = "ENH:999999999".to_owned();
    let versions = [opens("n", 1, None), foreign];
    assert_eq!(fold(&versions).fates, [Fate::Visible, parked(Conflict::NotItsOwner)]);
    let mut answer = follows("m", 2, Changed, "n", "n");
    answer.sender = "ENH:999999999".to_owned();
    let versions = [opens("n", 1, None), answer];
    let seen: Vec<String> = seen(&versions, &fold(&versions)).into_values().collect();
    assert_eq!(seen, ["n | n [n:]", "m | m [m:]"], "each is its sender's own");
}

#[test]
fn nursing_messages_in_a_circle_end() {
    let circle = [
        follows("a", 1, Changed, "b", "x"),
        follows("b", 2, Changed, "a", "x"),
        follows("s", 3, Changed, "s", "x"),
    ];
    for order in orders(&circle) {
        let seen = seen(&order, &fold(&order));
        assert_eq!(seen.into_values().collect::<Vec<_>>(), ["s | s [s:]"]);
    }
    let mut alone = follows("m", 1, Changed, "n", "n");
    alone.names = Names::Follows { parent: None, conversation: None };
    assert_eq!(fold(&[alone]).fates, [parked(Conflict::Unlinked)]);
}

#[test]
fn a_strand_holds_what_must_be_seen_together() {
    let n = version("n", 1, New);
    let mut theirs = version("t", 1, New);
    theirs.sender = "ENH:999999999".to_owned();
    assert_eq!(n.strand(), theirs.strand(), "of all senders, to see who cancels whose");
    let mut spelt = n.clone();
    spelt.names = Names::Series(" d1 ".to_owned());
    assert_eq!(n.strand(), spelt.strand());
    let (opens, follows) = (opens("N1", 1, None), follows("m", 2, Changed, "N1", "N1"));
    assert_eq!(opens.strand(), follows.strand());
    assert_eq!(follows.parent(), Some(opens.mark()));
    assert_ne!(n.strand(), report("n", 1, New, &[]).strand());
}
