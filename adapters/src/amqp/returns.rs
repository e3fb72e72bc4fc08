//! Which of the messages under way came back, since no queue takes them.
//!
//! The server returns an unroutable message before it confirms it, and the library hangs each returned message on
//! whichever confirm it sees next: with several under way on one channel that is often another's, above all when one
//! confirm covers many. So a confirm alone says nothing; it is held until no return of its message can be on its way
//! to us any more.
//!
//! What this rests on: the library keeps returned messages in a queue, and each confirm that it resolves takes the
//! first, if there is one. Therefore
//! 1. a confirm that took none was resolved when the queue was empty: a return of its message hangs on a confirm that
//!    was resolved before. It is enough to see all of those ([`Returns::settled`]);
//! 2. a confirm that took the return of another says nothing of the queue behind it. It is held until a message that
//!    was published later is confirmed and took none, or nothing is under way.

use std::collections::HashMap;
use std::sync::Arc;

/// What became of a published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// The server has it.
    Taken,
    /// The server did not take it (a queue is full, or in trouble).
    NotTaken,
    /// No queue takes it; the server's words.
    Returned(String),
    /// It was confirmed, but the channel ended before it was certain that it does not come back.
    Unknown,
}

/// A confirm as the library told it.
#[derive(Debug, Clone)]
pub(super) struct Confirm {
    /// Number of the message; later ones are higher.
    pub(super) number: u64,
    /// Its id.
    pub(super) id: Arc<str>,
    /// True for ack.
    pub(super) taken: bool,
    /// The returned message that hung on it: id and the server's words.
    pub(super) returned: Option<(String, String)>,
}

/// Confirms of one channel that are not yet believed.
#[derive(Debug, Default)]
pub(super) struct Returns {
    /// By id: the server's words.
    returned: HashMap<String, String>,
    /// Took none; with the round in which they were seen.
    clear: Vec<(u64, Confirm)>,
    /// Took another's; with the number from which on a message was published later.
    doubtful: Vec<(u64, Confirm)>,
    round: u64,
    waiting: bool,
    ended: bool,
}

impl Returns {
    /// The channel ended: what it would have returned is lost.
    pub(super) const fn end(&mut self) {
        self.ended = true;
    }

    /// A confirm was seen; `next` is the number that the next message will have. If a round is given back, the caller
    /// calls [`Self::settled`] with it once everything that is ready by now has been seen.
    pub(super) fn seen(&mut self, mut confirm: Confirm, next: u64) -> Option<u64> {
        match confirm.returned.take() {
            None => self.clear.push((self.round, confirm)),
            Some((id, words)) => {
                self.doubtful.push((next, confirm));
                self.returned.insert(id, words);
            }
        }
        self.next_round()
    }

    fn next_round(&mut self) -> Option<u64> {
        if self.waiting || (self.clear.is_empty() && self.doubtful.is_empty()) {
            return None;
        }
        self.waiting = true;
        self.round += 1;
        Some(self.round - 1)
    }

    /// Everything that was ready when this round was given has been seen. Tells what is certain now, and the next round
    /// if one is needed. `under_way` counts messages whose confirm has not been seen.
    pub(super) fn settled(&mut self, round: u64, under_way: usize) -> (Vec<(u64, Fate)>, Option<u64>) {
        self.waiting = false;
        let mut certain = Vec::new();
        let (believed, held) = std::mem::take(&mut self.clear).into_iter().partition(|(r, _)| *r <= round);
        self.clear = held;
        let believed: Vec<(u64, Confirm)> = believed;
        let latest = believed.iter().map(|(_, confirm)| confirm.number).max();
        for (_, confirm) in believed {
            certain.push(self.fate(confirm));
        }
        for (from, confirm) in std::mem::take(&mut self.doubtful) {
            let nothing_comes = under_way == 0 && self.clear.is_empty();
            if self.returned.contains_key(&*confirm.id)
                || nothing_comes
                || self.ended
                || latest.is_some_and(|latest| latest >= from)
            {
                let (number, fate) = self.fate(confirm);
                let unknown = self.ended && fate == Fate::Taken;
                certain.push((number, if unknown { Fate::Unknown } else { fate }));
            } else {
                self.doubtful.push((from, confirm));
            }
        }
        let again = if self.clear.is_empty() { None } else { self.next_round() };
        (certain, again)
    }

    fn fate(&mut self, confirm: Confirm) -> (u64, Fate) {
        let fate = match self.returned.remove(&*confirm.id) {
            Some(words) => Fate::Returned(words),
            None if confirm.taken => Fate::Taken,
            None => Fate::NotTaken,
        };
        (confirm.number, fate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// The library: returned messages in a queue, one taken by each confirm.
    #[derive(Default)]
    struct Library {
        returned: VecDeque<u64>,
    }

    impl Library {
        fn confirm(&mut self, number: u64) -> Confirm {
            let returned = self.returned.pop_front().map(|n| (n.to_string(), "NO_ROUTE".to_owned()));
            Confirm { number, id: number.to_string().into(), taken: true, returned }
        }
    }

    fn returned() -> Fate {
        Fate::Returned("NO_ROUTE".into())
    }

    #[test]
    fn one_confirm_for_many_hangs_the_return_on_a_wrong_one() {
        let (mut returns, mut library) = (Returns::default(), Library::default());
        library.returned.push_back(3);
        // The library goes through them in any order.
        let confirms = [1, 3, 2].map(|n| library.confirm(n));
        let [wrong, unroutable, other] = confirms;
        // And we may see them in another.
        let round = returns.seen(unroutable, 4).unwrap();
        assert_eq!(returns.seen(other, 4), None);
        assert_eq!(returns.seen(wrong, 4), None);
        let (mut certain, again) = returns.settled(round, 0);
        let round = again.unwrap();
        certain.extend(returns.settled(round, 0).0);
        certain.sort_by_key(|(number, _)| *number);
        assert_eq!(certain, [(1, Fate::Taken), (2, Fate::Taken), (3, returned())]);
    }

    #[test]
    fn one_that_took_the_return_of_another_is_held_until_a_later_one_took_none() {
        let (mut returns, mut library) = (Returns::default(), Library::default());
        library.returned.extend([3, 4]);
        let four = library.confirm(4); // takes the return of 3; its own is still in the queue
        let round = returns.seen(four, 5).unwrap();
        assert_eq!(returns.settled(round, 2), (vec![], None), "1 and 3 are under way");
        let three = library.confirm(3); // takes the return of 4
        let round = returns.seen(three, 5).unwrap();
        let (mut certain, again) = returns.settled(round, 1);
        certain.sort_by_key(|(number, _)| *number);
        assert_eq!((certain, again), (vec![(3, returned()), (4, returned())], None));
        assert!(returns.returned.is_empty() && returns.doubtful.is_empty());
    }

    #[test]
    fn a_good_one_that_took_the_return_of_another_is_believed_in_the_end() {
        let (mut returns, mut library) = (Returns::default(), Library::default());
        library.returned.push_back(2);
        let one = library.confirm(1);
        let round = returns.seen(one, 3).unwrap();
        assert_eq!(returns.settled(round, 1), (vec![], None));
        let earlier = library.confirm(2);
        let round = returns.seen(earlier, 3).unwrap();
        // Nothing is under way any more.
        let (mut certain, _) = returns.settled(round, 0);
        certain.sort_by_key(|(number, _)| *number);
        assert_eq!(certain, [(1, Fate::Taken), (2, returned())]);
    }

    #[test]
    fn with_one_that_hangs_a_later_one_decides() {
        let (mut returns, mut library) = (Returns::default(), Library::default());
        library.returned.push_back(2);
        let one = library.confirm(1);
        let round = returns.seen(one, 3).unwrap();
        assert_eq!(returns.settled(round, 2).0, [], "0 hangs, 2 is under way");
        let two = library.confirm(2);
        let round = returns.seen(two, 3).unwrap();
        assert_eq!(returns.settled(round, 1).0, [(2, returned())], "2 was not published later");
        let three = library.confirm(3);
        let round = returns.seen(three, 4).unwrap();
        let (mut certain, _) = returns.settled(round, 1);
        certain.sort_by_key(|(number, _)| *number);
        assert_eq!(certain, [(1, Fate::Taken), (3, Fate::Taken)]);
    }

    #[test]
    fn with_the_channel_ended_nobody_knows() {
        let (mut returns, mut library) = (Returns::default(), Library::default());
        library.returned.extend([3, 4]);
        let four = library.confirm(4);
        let round = returns.seen(four, 5).unwrap();
        returns.end();
        assert_eq!(returns.settled(round, 0).0, [(4, Fate::Unknown)], "its return may have been lost");
    }

    #[test]
    fn chance_finds_no_wrong_fate() {
        // A small generator: the library's order and ours are any.
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut roll = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
        };
        for _ in 0..2_000 {
            let (mut returns, mut library) = (Returns::default(), Library::default());
            let (mut open, mut next, mut told) = (Vec::new(), 0u64, HashMap::new());
            let mut unroutable = Vec::new();
            for _ in 0..12 {
                for _ in 0..roll(4) {
                    open.push(next);
                    if roll(3) == 0 {
                        unroutable.push(next);
                        library.returned.push_back(next);
                    }
                    next += 1;
                }
                // Some are confirmed: any, but for one thing: a return comes before its confirm, so it is in the queue.
                let mut seen = Vec::new();
                for _ in 0..roll(open.len() + 1) {
                    let number = open.swap_remove(roll(open.len()));
                    seen.push(library.confirm(number));
                }
                let mut round = None;
                while !seen.is_empty() {
                    let confirm = seen.swap_remove(roll(seen.len()));
                    round = round.or(returns.seen(confirm, next));
                }
                while let Some(this) = round {
                    let (certain, again) = returns.settled(this, open.len());
                    for (number, fate) in certain {
                        assert!(told.insert(number, fate).is_none());
                    }
                    round = again;
                }
            }
            for (number, fate) in told {
                let wanted = if unroutable.contains(&number) { returned() } else { Fate::Taken };
                assert_eq!(fate, wanted, "message {number}");
            }
        }
    }
}
