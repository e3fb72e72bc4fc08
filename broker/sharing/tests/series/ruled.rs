//! What a person rules on what stands outside of a series, and what says that it was made after it came.

use crate::make::{came, follows, let_in, only, opens, orders, patient, report, seen, version, withheld};
use jiff::SignedDuration;
use sharing::series::Change::{Cancelled, Changed, New};
use sharing::series::{Conflict, Fate, Version, Withheld, fold};
use std::collections::BTreeMap;

const fn parked(conflict: Conflict) -> Fate {
    Fate::Parked { conflict }
}

/// What became of each, by its message id; the same in every order of arrival.
fn fates(versions: &[Version]) -> BTreeMap<String, Fate> {
    let named = |order: &[Version]| {
        let folded = fold(order);
        let name = |at: usize| versions.iter().position(|v| *v == order[at]).expect("it is there");
        let fate = |fate: &Fate| match *fate {
            Fate::Superseded { by } => Fate::Superseded { by: name(by) },
            Fate::Withdrawn { by } => Fate::Withdrawn { by: name(by) },
            Fate::Repeat { of } => Fate::Repeat { of: name(of) },
            same @ (Fate::Visible
            | Fate::Cancels
            | Fate::Hidden
            | Fate::NotShown
            | Fate::Left
            | Fate::Parked { .. }) => same,
        };
        let all = order.iter().zip(&folded.fates).map(|(v, f)| (v.msg_id.clone(), fate(f)));
        all.collect::<BTreeMap<_, _>>()
    };
    let first = named(versions);
    for order in orders(versions) {
        assert_eq!(named(&order), first, "{order:#?}");
    }
    first
}

fn always(versions: &[Version], expected: &str) {
    for order in orders(versions) {
        assert_eq!(only(&order), expected, "{order:#?}");
    }
}

/// It says that it was made a year and more after it came.
fn ahead(version: Version, came_at: u64) -> Version {
    let generated = version.generated + SignedDuration::from_hours(24 * 400);
    came(Version { generated, ..version }, came_at)
}

#[test]
fn what_is_let_in_after_a_cancellation_opens_the_series_again_from_there_on() {
    let (n, c) = (version("n", 1, New), version("c", 2, Cancelled));
    let m = let_in(version("m", 4, Changed), Conflict::AfterCancel);
    let before = version("before", 3, Changed);
    let versions = [n, c, before, m];
    always(&versions, "m | m [m:]");
    let told = fates(&versions);
    assert_eq!(told["n"], Fate::Withdrawn { by: 1 }, "what was cancelled stays so");
    assert_eq!(told["before"], parked(Conflict::AfterCancel), "nobody has ruled on it");
    assert_eq!(told["m"], Fate::Visible);

    // What changes it later needs no ruling of its own; another cancellation closes it again.
    let later = [versions.to_vec(), vec![version("m2", 5, Changed)]].concat();
    always(&later, "m2 | m2 [m2:]");
    let closed = [later, vec![version("c2", 6, Cancelled)]].concat();
    always(&closed, "withdrawn by c2");
    assert_eq!(fates(&closed)["m"], Fate::Withdrawn { by: 5 });
    // A cancellation that was made before it, and comes late, does not touch it.
    let late = [versions.to_vec(), vec![version("c0", 3, Cancelled)]].concat();
    always(&late, "m | m [m:]");
}

#[test]
fn of_another_patient_a_series_of_its_own_is_let_in() {
    let of = |version: Version, n: u8| Version { patient: Some(patient(n)), ..version };
    let key = |rest: &str| format!("epikrise|ENH:974589095|d1{rest}");
    let n = version("n", 1, New);
    let other = let_in(of(version("x", 2, Changed), 2), Conflict::OtherPatient);
    let arrived = [n, other];
    let seen_of = |more: &[Version]| {
        let all = [&arrived, more].concat();
        seen(&all, &fold(&all))
    };
    let told = seen_of(&[]);
    assert_eq!((told[&key("")].as_str(), told[&key("|patient 2")].as_str()), ("n | n [n:]", "x | x [x:]"));
    // What changes or cancels one of them does not touch the other.
    let told = seen_of(&[of(version("y", 3, Changed), 2), version("m", 4, Changed)]);
    assert_eq!((told[&key("")].as_str(), told[&key("|patient 2")].as_str()), ("m | m [m:]", "y | y [y:]"));
    let told = seen_of(&[of(version("c", 3, Cancelled), 2)]);
    let expected = ("n | n [n:]", "withdrawn by c");
    assert_eq!((told[&key("")].as_str(), told[&key("|patient 2")].as_str()), expected);
    let told = seen_of(&[version("c", 3, Cancelled)]);
    let expected = ("withdrawn by c", "x | x [x:]");
    assert_eq!((told[&key("")].as_str(), told[&key("|patient 2")].as_str()), expected);
    // A cancellation of the id that names nobody cancels both: better nothing than what its sender took back.
    let told = seen_of(&[Version { patient: None, ..version("c", 3, Cancelled) }]);
    let expected = ("withdrawn by c", "withdrawn by c");
    assert_eq!((told[&key("")].as_str(), told[&key("|patient 2")].as_str()), expected);
    // Of a third nobody has ruled.
    let all = [arrived.to_vec(), vec![of(version("z", 3, New), 3)]].concat();
    assert_eq!(fold(&all).fates[2], parked(Conflict::OtherPatient));
    // And whatever is ruled, nothing is shown of which nobody knows whose it is.
    let unsafe_one = withheld(arrived[1].clone(), Withheld::Unsafe);
    let all = [arrived[0].clone(), unsafe_one];
    assert_eq!(fold(&all).fates[1], parked(Conflict::OtherPatient));
}

#[test]
fn what_is_left_unpublished_takes_no_part() {
    let mut m = version("m", 2, Changed);
    m.ruling.left = true;
    let versions = [version("n", 1, New), m];
    always(&versions, "n | n [n:]");
    assert_eq!(fates(&versions)["m"], Fate::Left);
    let mut late = version("late", 4, Changed);
    late.ruling.left = true;
    let versions = [version("c", 3, Cancelled), late, version("n", 1, New)];
    always(&versions, "withdrawn by c");
    assert_eq!(fates(&versions)["late"], Fate::Left);
}

#[test]
fn what_is_dated_ahead_hides_nothing_that_corrects_it() {
    let n = ahead(version("n", 1, New), 1);
    let versions = [n.clone(), version("m", 2, Changed)];
    always(&versions, "m | m [m:]");
    assert_eq!(fates(&versions)["n"], parked(Conflict::DatedAhead));
    assert_eq!(fold(std::slice::from_ref(&n)).fates, [parked(Conflict::DatedAhead)]);
    // Let in, it stands where it came.
    let n = let_in(n, Conflict::DatedAhead);
    always(std::slice::from_ref(&n), "n | n [n:]");
    always(&[n.clone(), version("m", 2, Changed)], "m | m [m:]");
    always(&[n, version("m", 0, Changed)], "n | n [n:]");
    // A day is not much: clocks differ, and zones are forgotten.
    let near = came(version("n", 24 * 60, New), 0);
    always(std::slice::from_ref(&near), "n | n [n:]");
    let over = came(version("n", 24 * 60 + 1, New), 0);
    assert_eq!(fold(&[over]).fates, [parked(Conflict::DatedAhead)]);
}

#[test]
fn a_cancellation_that_is_dated_ahead_counts_as_of_when_it_came() {
    let c = ahead(version("c", 2, Cancelled), 5);
    let versions = [version("n", 1, New), c, version("m", 6, Changed)];
    always(&versions, "withdrawn by c");
    let told = fates(&versions);
    assert_eq!(told["n"], Fate::Withdrawn { by: 1 });
    assert_eq!(told["m"], parked(Conflict::AfterCancel), "whoever made it knew of the cancellation, perhaps");
}

#[test]
fn a_ruling_is_on_one_conflict() {
    let m = ahead(version("m", 3, Changed), 3);
    let versions = [version("c", 2, Cancelled), let_in(m.clone(), Conflict::DatedAhead)];
    assert_eq!(fates(&versions)["m"], parked(Conflict::AfterCancel));
    let both = let_in(let_in(m, Conflict::DatedAhead), Conflict::AfterCancel);
    always(&[version("c", 2, Cancelled), both], "m | m [m:]");
}

#[test]
fn reports_and_nursing_messages_are_let_in_too() {
    let late = let_in(report("d", 3, Changed, &["A"]), Conflict::AfterCancel);
    let versions = [report("n", 1, New, &["A", "B"]), report("c", 2, Cancelled, &[]), late];
    always(&versions, "d | d [d:A] incomplete");
    let again = let_in(follows("m", 3, Changed, "n", "n"), Conflict::AfterCancel);
    let versions = [opens("n", 1, None), follows("c", 2, Cancelled, "n", "n"), again];
    always(&versions, "m | m [m:]");
}

/// What was seen before a person, or this program, came to know better.
#[test]
fn what_is_kept_out_is_not_to_be_seen_any_more() {
    let mut left = version("m", 2, Changed);
    left.ruling.left = true;
    let far = ahead(version("far", 1, New), 1);
    for kept_out in [left, far] {
        let versions = [version("n", 1, New), kept_out];
        let folded = fold(&versions);
        let series = folded.series.values().next().expect("a series");
        assert_eq!((series.versions.as_slice(), series.closed.as_slice()), ([0].as_slice(), [1].as_slice()));
    }
}
