//! Histories made by chance, seeded, in every order of arrival.

use crate::make::{came, follows, opens, orders, patient, patients, report, seen, version, withheld};
use jiff::SignedDuration;
use sharing::series::Change::{Added, Cancelled, Changed, New};
use sharing::series::{Change, Conflict, Fate, Names, Sha, State, Version, Withheld, fold};

/// A generator of numbers: xorshift64*, so that a failure can be made again from its seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(high).expect("31 bits") % sides
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }

    fn change(&mut self) -> Change {
        self.pick(&[New, New, Changed, Changed, Changed, Changed, Added, Cancelled])
    }

    /// A history of one kind of document without conflicts of ids or patients: some are reserved, some arrive twice.
    pub(crate) fn history(&mut self, length: usize) -> Vec<Version> {
        let kind = self.roll(3);
        let mut versions: Vec<Version> = (0..length)
            .map(|n| {
                let id = format!("m{n}");
                let (minute, change) = (i64::try_from(self.roll(length + 1)).expect("small"), self.change());
                let made = match kind {
                    0 => version(&id, minute, change),
                    1 => {
                        let keys = ["A", "B", "-B", "C", "-C", "D"];
                        let items: Vec<&str> = keys.into_iter().filter(|_| self.roll(2) == 0).collect();
                        report(&id, minute, change, &items)
                    }
                    _ if change == New => opens(&id, minute, self.pick(&[None, Some("m0"), Some("lost")])),
                    _ => {
                        let parent = self.pick(&["m0", "m1", "m2", "m3", "lost"]);
                        follows(&id, minute, change, parent, self.pick(&["m0", "m0", "lost"]))
                    }
                };
                match self.roll(12) {
                    0 => withheld(made, Withheld::Reserved),
                    1 => withheld(made, Withheld::Unsafe),
                    _ => made,
                }
            })
            .collect();
        if self.roll(4) == 0 {
            let again = versions[self.roll(length)].clone();
            versions.push(again);
        }
        versions
    }

    /// The same, of which some are dated ahead, and a person has ruled on some.
    pub(crate) fn ruled_history(&mut self, length: usize) -> Vec<Version> {
        let mut versions = self.history(length);
        for version in &mut versions {
            if self.roll(8) == 0 {
                let came_at = u64::try_from(self.roll(length + 1)).expect("small");
                *version = came(version.clone(), came_at);
                version.generated += SignedDuration::from_hours(24 * 400);
            }
            match self.roll(6) {
                0 => version.ruling.left = true,
                1 | 2 => version.ruling.in_spite_of.extend([Conflict::AfterCancel, Conflict::DatedAhead]),
                _ => {}
            }
        }
        // The same message is the same version, and ruled on once.
        if let Some(mut last) = versions.pop() {
            if let Some(first) = versions.iter().find(|v| v.msg_id == last.msg_id) {
                last = first.clone();
            }
            versions.push(last);
        }
        versions
    }
}

fn check_all_orders(seed: u64, histories: usize, longest: usize) {
    let mut dice = Dice(seed);
    for nth in 0..histories {
        let length = 2 + dice.roll(longest - 1);
        let history = if nth % 2 == 0 { dice.history(length) } else { dice.ruled_history(length) };
        let first = seen(&history, &fold(&history));
        for order in orders(&history) {
            let folded = fold(&order);
            let now = seen(&order, &folded);
            assert_eq!(now, first, "history {nth} of seed {seed}: {order:#?}");
            assert_eq!(folded.fates.len(), order.len());
            for (key, series) in &folded.series {
                let closed: Vec<&usize> = series.closed.iter().collect();
                let let_in = |at: &&usize| !order[**at].ruling.in_spite_of.is_empty();
                let reopened = series.versions.iter().filter(let_in).any(|at| !closed.contains(&at));
                let cancelled = series.versions.iter().any(|at| order[*at].change == Cancelled);
                let withdrawn = matches!(series.state, State::Withdrawn { .. });
                assert_eq!(cancelled && !reopened, withdrawn, "a cancelled series shows nothing: {key}");
                if let State::Visible(visible) = &series.state {
                    assert!(
                        visible.originals.iter().all(|at| !closed.contains(&at)),
                        "{key} shows what is closed"
                    );
                }
            }
        }
    }
}

#[test]
fn arrival_order_never_matters() {
    check_all_orders(0x5EED_0001, 3_000, 4);
    check_all_orders(0x5EED_0002, 150, 5);
}

/// 720 orders each, 5040 where one arrives twice.
#[test]
fn arrival_order_never_matters_for_six() {
    let mut dice = Dice(0x5EED_0003);
    for _ in 0..12 {
        let history = dice.history(6);
        let first = seen(&history, &fold(&history));
        for order in orders(&history) {
            assert_eq!(seen(&order, &fold(&order)), first, "{order:#?}");
        }
    }
}

#[test]
fn the_same_message_twice_changes_nothing() {
    let mut dice = Dice(0x5EED_0004);
    for _ in 0..3_000 {
        let length = 1 + dice.roll(6);
        let history = dice.history(length);
        let before = seen(&history, &fold(&history));
        for again in 0..history.len() {
            let mut longer = history.clone();
            longer.push(history[again].clone());
            let folded = fold(&longer);
            assert_eq!(seen(&longer, &folded), before);
            assert!(matches!(folded.fates[history.len()], Fate::Repeat { .. }));
        }
    }
}

/// With everything that goes wrong: other content, other patients, other senders.
#[test]
fn what_is_visible_is_of_one_patient_and_one_sender_whatever_comes() {
    let mut dice = Dice(0x5EED_0005);
    for nth in 0..4_000 {
        let length = 2 + dice.roll(5);
        let mut history = dice.history(length);
        for version in &mut history {
            version.patient = dice.pick(&[Some(patient(1)), Some(patient(1)), Some(patient(2)), None]);
            if dice.roll(3) == 0 {
                version.ruling.in_spite_of.insert(Conflict::OtherPatient);
            }
            if dice.roll(4) == 0 {
                version.sender = "ENH:999999999".to_owned();
            }
            if dice.roll(6) == 0 {
                version.msg_id = "m0".to_owned();
                version.content = Sha::of(&[u8::try_from(dice.roll(3)).expect("small")]);
            }
        }
        let folded = fold(&history);
        for (key, of) in patients(&history, &folded) {
            assert!(of.len() <= 1, "history {nth}: {key} shows {of:?}");
        }
        for (key, series) in &folded.series {
            for at in &series.versions {
                assert!(key.contains(&history[*at].sender), "{key} holds another sender's message");
            }
        }
    }
}

/// What stays outside of the fold changes nothing of what is visible.
#[test]
fn what_waits_for_a_person_changes_nothing() {
    let mut dice = Dice(0x5EED_0006);
    let mut tried = 0;
    for _ in 0..4_000 {
        let length = 1 + dice.roll(5);
        let history = dice.history(length);
        let before = seen(&history, &fold(&history));
        let mut newcomer = dice.history(1).remove(0);
        newcomer.msg_id = "newcomer".to_owned();
        newcomer.family.clone_from(&history[0].family);
        newcomer.names = match &history[0].names {
            Names::Series(id) => Names::Series(id.clone()),
            Names::Opens { .. } | Names::Follows { .. } => Names::Follows {
                parent: Some(history[0].msg_id.clone()),
                conversation: Some("m0".to_owned()),
            },
        };
        newcomer.patient = Some(patient(2));
        let mut longer = history.clone();
        longer.push(newcomer);
        let folded = fold(&longer);
        if matches!(folded.fates[history.len()], Fate::Parked { .. }) {
            assert_eq!(seen(&longer, &folded), before);
            tried += 1;
        }
    }
    assert!(tried > 1_000, "{tried}");
}
