//! A stored message, judged again: because a revocation service is back, a key was found, a certificate renewed.
//!
//! It is judged from its bytes and from what the transport said then, by the world of now. What went its way stays as
//! it is; only recipients that protection has parked are replaced, or those whose sender could not be told.

use super::{Prepared, World, envelope, read};
use crate::arrival::{Arrival, Ids};
use crate::journal::{
    Book, Entry, JudgedAgain, Known, MessageRecord, Recipient, RecipientRecord, VerdictRecord,
};
use crate::lifecycle::State;
use crate::transport::Transport;
use dead_letter::Reason;
use jiff::Timestamp;
use message_schemas::HerId;
use routing_rules::DestinationId;
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
    (wanted, Box::new(Prepared::new(arrival, reading, world)))
}

/// What a recipient is, whatever it is sent.
type Place = (Book, Option<HerId>, Option<DestinationId>);

impl Prepared {
    /// Decides on a stored message again. None if nothing of it lies parked by protection, or if nothing has changed.
    #[must_use]
    pub fn decide_again(
        &self,
        record: &MessageRecord,
        known: &Known,
        world: &World,
        now: Timestamp,
        ids: &mut impl Ids,
    ) -> Option<Entry> {
        // What the transport told the sender is told, and takes no place.
        let told = envelope::told_before(record);
        let parked: Vec<&RecipientRecord> = record.recipients.iter().filter(|r| may_be_judged(r)).collect();
        if parked.is_empty() {
            return None;
        }
        // Its own first arrival is no repeat of it.
        let mut known = known.clone();
        let own = |message| message == record.id;
        let had_keys = known.seen.iter().any(|seen| own(seen.message));
        known.seen.retain(|seen| !own(seen.message));

        let mut entry = self.decide_telling(told == 0, &known, world, now, ids);
        let stays = record.recipients.len() > parked.len() + told;
        if stays {
            // Some of it is on its way, and answered for: only the places of what is replaced are filled anew.
            let open: Vec<Place> =
                parked.iter().map(|r| (r.book, r.receiver, r.destination.clone())).collect();
            entry.recipients.retain(|r| open.contains(&(r.book, r.receiver, r.destination.clone())));
            entry.closings.clear();
            entry.verdict = record.verdict.clone();
            // Where the ways have changed meanwhile, a person decides.
            if entry.recipients.len() != parked.len() {
                return None;
            }
        }
        if had_keys {
            entry.duplicate_keys.clear();
        }
        if entry.recipients.len() == parked.len() && entry.recipients.iter().zip(&parked).all(same) {
            return None;
        }
        for recipient in &mut entry.recipients {
            // It waited here through no fault of its own: its time begins now.
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

/// Parked by protection, or since its sender could not be told: ours or the world's to mend, or a person's.
fn may_be_judged(recipient: &RecipientRecord) -> bool {
    recipient.state == State::Parked
        && matches!(
            recipient.reason,
            Some(
                Reason::CannotOpen
                    | Reason::OwnKeyMissing
                    | Reason::RevocationUnknown
                    | Reason::RevocationStillUnknown
                    | Reason::SenderContradicts
                    | Reason::CannotSeal
                    | Reason::EnginesDiffer
                    | Reason::EnvelopeSenderMissing
                    | Reason::ErrorWithheld
                    | Reason::OfferedTooOften
                    | Reason::UnknownFormat
                    | Reason::SchemaInvalid
                    | Reason::MessageIdInvalid
                    | Reason::PatientNotIdentified
                    | Reason::NotXml
                    | Reason::ProtectionNotAgreed
                    | Reason::SignatureInvalid
                    | Reason::CertificateNotAccepted
                    | Reason::CertificateRevoked
                    | Reason::EnvelopeReceiverDiffers
            )
        )
}

/// Parked as before, for the same reason.
fn same((new, old): (&Recipient, &&RecipientRecord)) -> bool {
    new.state == State::Parked
        && new.reason == old.reason
        && new.receiver == old.receiver
        && new.book == old.book
}
