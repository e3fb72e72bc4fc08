//! Recipients that their commit claims, because they can be sent at once.

use crate::door::Slot;
use crate::wake::Wake;
use broker_core::journal::{Committed, Delivery, Entry, Recipient};
use broker_core::lifecycle::State;

/// What of an entry is to be sent at once, each with its slot. Dropped, all slots go back.
#[derive(Debug, Default)]
pub(super) struct Direct(Vec<(Delivery, Slot)>);

impl Direct {
    /// Takes a slot for each recipient for which there is one, and lets it begin as being sent.
    pub(super) fn of(entry: &mut Entry, wake: &Wake) -> Self {
        let mut direct = Vec::new();
        for at in 0..entry.recipients.len() {
            let Some(delivery) = entry.recipients.get(at).and_then(|r| at_once(entry, r)) else { continue };
            let Some(slot) = wake.slot(&delivery.destination, delivery.bytes.len()) else { continue };
            if let Some(recipient) = entry.recipients.get_mut(at) {
                recipient.state = State::Sending;
                direct.push((delivery, slot));
            }
        }
        Self(direct)
    }

    /// Hands over what the commit has claimed. For an entry that was there already that is nothing: then it was sent, or is
    /// looked after, another way.
    pub(super) fn hand_over(self, committed: &Committed) {
        for (delivery, slot) in self.0 {
            if committed.claimed().contains(&delivery.recipient) {
                slot.hand(delivery);
            }
        }
    }
}

/// The delivery of a recipient that waits for nothing: one with an order key may have others before it.
fn at_once(entry: &Entry, recipient: &Recipient) -> Option<Delivery> {
    let free = recipient.state == State::Waiting && recipient.order_key.is_none();
    free.then(|| Delivery::first(entry, recipient)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::tests::entry;
    use message_schemas::MessageId;

    /// A served door of one destination, with so many slots.
    fn wake(slots: usize) -> (Wake, tokio::sync::mpsc::UnboundedReceiver<crate::door::Handed>) {
        let to = entry(1).recipients[0].destination.clone().expect("a destination");
        let wake = Wake::new([&to]);
        let outlet = wake.door(&to).serve(slots).expect("the only loop");
        wake.door(&to).open();
        (wake, outlet)
    }

    fn free(wake: &Wake) -> usize {
        wake.destinations().map(|to| wake.door(to).free()).sum()
    }

    #[test]
    fn what_there_is_no_slot_for_waits_in_the_journal() {
        let (wake, _outlet) = wake(1);
        let (mut first, mut second) = (entry(1), entry(2));
        let direct = [Direct::of(&mut first, &wake), Direct::of(&mut second, &wake)];
        assert_eq!((first.recipients[0].state, second.recipients[0].state), (State::Sending, State::Waiting));
        assert_eq!(free(&wake), 0);
        drop(direct);
        assert_eq!(free(&wake), 1);
    }

    #[test]
    fn one_with_an_order_key_and_one_that_goes_nowhere_take_no_slot() {
        let (wake, _outlet) = wake(9);
        let (mut ordered, mut parked, mut elsewhere) = (entry(1), entry(2), entry(3));
        ordered.recipients[0].order_key = Some("k".to_owned());
        parked.recipients[0].state = State::Parked;
        elsewhere.recipients[0].destination = "folder:b".parse().ok();
        for entry in [&mut ordered, &mut parked, &mut elsewhere] {
            let before = entry.recipients[0].state;
            let direct = Direct::of(entry, &wake);
            assert_eq!((entry.recipients[0].state, free(&wake)), (before, 9));
            drop(direct);
        }
    }

    #[test]
    fn only_what_the_commit_has_claimed_is_handed_over() {
        let (wake, mut outlet) = wake(2);
        let (mut new, mut known) = (entry(1), entry(2));
        let direct = [Direct::of(&mut new, &wake), Direct::of(&mut known, &wake)];
        let proof = |e: &Entry| Committed::after_durable_commit(MessageId(e.arrival.id.0));
        let [first, second] = direct;
        first.hand_over(&proof(&new).claiming(vec![new.recipients[0].id]));
        // The entry was there already: whoever offered it first has seen to it.
        second.hand_over(&proof(&known));
        assert_eq!(outlet.try_recv().map(|h| h.delivery.recipient), Ok(new.recipients[0].id));
        assert!(outlet.try_recv().is_err());
        assert_eq!(free(&wake), 2, "what was handed over was dropped by the test");
    }
}
