//! A stored message, judged again: because a revocation service is back, a key was found, a certificate renewed, a party
//! entered.
//!
//! It is judged from its bytes and from what the transport said then, by the world of now. What went its way stays as
//! it is; only recipients that lie parked for what may be mended are replaced.

use super::{Prepared, World, envelope, read};
use crate::arrival::{Arrival, Ids};
use crate::journal::{
    Book, Entry, JudgedAgain, Known, MessageRecord, Recipient, RecipientId, RecipientRecord, VerdictRecord,
};
use crate::lifecycle::State;
use crate::transport::{Role, Transport};
use dead_letter::{Reason, is_judged_again};
use jiff::Timestamp;
use std::sync::Arc;
use trust::revocation::Wanted;

/// Reads a stored message again. If something is wanted, the shell fetches it and calls this once more; then it asks
/// the journal for [`Prepared::lookups`] and goes on with [`Prepared::decide_again`].
#[must_use]
pub fn read_again(
    record: &MessageRecord,
    bytes: Arc<[u8]>,
    world: &World,
    now: Timestamp,
) -> (Vec<Wanted>, Box<Prepared>) {
    let arrival = Arrival {
        id: record.id,
        source: record.source.clone(),
        received: record.received,
        bytes,
        idempotency_key: None,
        envelope_receiver: record.envelope_receiver,
        envelope_sender: record.envelope_sender,
        // By now it is here, however often it was offered.
        transport: record
            .transport
            .as_ref()
            .map(|transport| Arc::new(Transport { worn_out: false, ..Transport::clone(transport) })),
    };
    let mut reading = read::read(&arrival, world, now);
    let wanted = std::mem::take(&mut reading.wanted);
    let mut prepared = Prepared::new(arrival, reading, world);
    prepared.beside = record.recipients.iter().any(contradicts);
    (wanted, Box::new(prepared))
}

impl Prepared {
    /// Decides on a stored message again: on all of it that lies parked and may be judged, or on `only` these of that. None
    /// if there is nothing of that, or if nothing has changed.
    #[must_use]
    pub fn decide_again(
        &self,
        record: &MessageRecord,
        only: Option<&[RecipientId]>,
        known: &Known,
        world: &World,
        now: Timestamp,
        ids: &mut impl Ids,
    ) -> Option<Entry> {
        let meant = |r: &&RecipientRecord| may_be_judged(r) && only.is_none_or(|ids| ids.contains(&r.id));
        // What the transport told the sender is told, and takes no place.
        let told = envelope::told_before(record);
        let parked: Vec<&RecipientRecord> = record.recipients.iter().filter(meant).collect();
        if parked.is_empty() {
            return None;
        }
        // Its own first arrival is no repeat of it.
        let mut known = known.clone();
        let own = |message| message == record.id;
        let had_keys = known.seen.iter().any(|seen| own(seen.message));
        known.seen.retain(|seen| !own(seen.message));
        // Who asks for what contradicts another has looked at both, and wants it beside that.
        let beside = parked.iter().any(|r| contradicts(r));
        known.seen.retain(|seen| !beside || seen.content_hash == self.payload_hash);
        let closed = closed_before(record, &parked, &mut known);

        let mut entry = self.decide_telling(!told, &known, world, now, ids);
        // What was replaced before is history.
        let stands = |r: &&RecipientRecord| r.state != State::Replaced && !envelope::is_told(r);
        let stays = record.recipients.iter().filter(stands).count() > parked.len();
        if stays {
            // Some of it is on its way, and answered for: only the places of what is replaced are filled anew.
            let places = Places(&parked);
            entry.recipients.retain(|r| places.take(r));
            entry.closings.clear();
            // While something lies there still, it is that which is told of the message.
            let lies = |r: &RecipientRecord| r.state == State::Parked && !parked.iter().any(|p| p.id == r.id);
            if record.recipients.iter().any(lies) {
                entry.verdict = record.verdict.clone();
            }
            // Where the ways have changed meanwhile, a person decides.
            if !places.are_filled_by(&entry.recipients) {
                return None;
            }
        }
        entry.closings.retain(|closing| !closed.contains(&closing.recipient));
        if had_keys {
            entry.duplicate_keys.clear();
        }
        for key in entry.duplicate_keys.iter_mut().filter(|_| beside) {
            key.msg_id = self.beside_key(&key.msg_id);
        }
        if entry.recipients.len() == parked.len() && entry.recipients.iter().zip(&parked).all(same) {
            return None;
        }
        // It waited here through no fault of its own: its time begins now. Who asked waits no longer for that.
        let asked = |r: &&mut Recipient| matches!(r.label.role, Role::Sync | Role::SyncReply);
        for recipient in entry.recipients.iter_mut().filter(|r| !asked(r)) {
            recipient.expires = recipient.expires.and(world.policy.time_to_live.from(now));
        }
        if let VerdictRecord::Duplicate { .. } = entry.verdict {
            entry.recipients.clear();
        }
        let in_place_of = parked.iter().map(|r| r.id).collect();
        entry.judged_again = Some(JudgedAgain { at: now, in_place_of, who_and_why: None });
        Some(entry)
    }
}

/// What an incoming receipt closed when it first came, before it was found to have nowhere to go: it is no second one of
/// itself.
fn closed_before(record: &MessageRecord, parked: &[&RecipientRecord], known: &mut Known) -> Vec<RecipientId> {
    let is_receipt = record.head.as_ref().is_some_and(|head| head.receipt.is_some());
    let was_read = |r: &RecipientRecord| matches!(r.reason, Some(Reason::NotForUs | Reason::NoDestination));
    if !is_receipt || !parked.iter().copied().any(was_read) {
        return Vec::new();
    }
    let closed = known.originals.iter_mut().filter(|o| matches!(o.state, State::Receipted | State::Rejected));
    closed
        .map(|original| {
            original.state = State::HandedOver;
            original.recipient
        })
        .collect()
}

/// The places of what is judged again, in a message of which some is on its way.
struct Places<'a>(&'a [&'a RecipientRecord]);

impl Places<'_> {
    /// A recipient belongs here: in one of the places, or as the receipt that was not written while it lay.
    fn take(&self, new: &Recipient) -> bool {
        self.0.iter().any(|old| fills(new, old)) || self.answers(new)
    }

    /// What went nowhere was not answered.
    fn answers(&self, new: &Recipient) -> bool {
        let of = |old: &&RecipientRecord| {
            goes_anywhere(old) && old.receiver.is_some() && old.receiver == new.label.from
        };
        new.book == Book::Receipt && self.0.iter().any(of)
    }

    /// Each is filled: what had a way, as often as before.
    fn are_filled_by(&self, new: &[Recipient]) -> bool {
        let same_place = |a: &RecipientRecord, b: &RecipientRecord| {
            (a.book, a.receiver, &a.destination) == (b.book, b.receiver, &b.destination)
        };
        self.0.iter().all(|old| {
            let filling = new.iter().filter(|r| fills(r, old) && !self.answers(r)).count();
            let before = self.0.iter().filter(|other| same_place(old, other)).count();
            filling == before || (goes_anywhere(old) && filling > 0)
        })
    }
}

/// Whether one takes the place of the other: wherever it goes, if the other went nowhere.
fn fills(new: &Recipient, old: &RecipientRecord) -> bool {
    new.book == old.book
        && new.receiver == old.receiver
        && (old.destination.is_none() || new.destination == old.destination)
}

/// It had no way yet, and may get several.
fn goes_anywhere(old: &RecipientRecord) -> bool {
    old.book == Book::Message && old.destination.is_none()
}

/// It came under the id of another content.
fn contradicts(recipient: &RecipientRecord) -> bool {
    recipient.state == State::Parked && recipient.reason == Some(Reason::ConflictingContent)
}

/// Parked for what may have been mended since: ours or the world's, or a person's.
fn may_be_judged(recipient: &RecipientRecord) -> bool {
    recipient.state == State::Parked
        && recipient.reason.is_some_and(is_judged_again)
        && !envelope::is_told(recipient)
}

/// Parked as before, for the same reason.
fn same((new, old): (&Recipient, &&RecipientRecord)) -> bool {
    new.state == State::Parked
        && new.reason == old.reason
        && new.receiver == old.receiver
        && new.book == old.book
}
