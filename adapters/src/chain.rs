//! The chain of events: each holds the hash of the one before, so that a line changed or taken out is seen.
//!
//! The hash is SHA-256 over the fields in order, each optional one behind a byte that says whether it is
//! there, each text behind its length: no two different events have the same bytes. It proves that events
//! stand as they were written to whoever remembers the last hash; it is no signature.

use broker_core::journal::EventRecord;
use sha2::{Digest, Sha256};

/// The hash of one event.
pub(crate) type Link = [u8; 32];

/// What the first event holds as the hash before it.
pub(crate) const START: Link = [0; 32];

/// The hash of an event of this owner that follows `previous`.
pub(crate) fn link(previous: &Link, owner: &str, event: &EventRecord) -> Link {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    hasher.update(event.sequence.to_be_bytes());
    hasher.update(event.at.as_microsecond().to_be_bytes());
    text(&mut hasher, Some(owner));
    id(&mut hasher, event.message.map(|m| m.0));
    id(&mut hasher, event.recipient.map(|r| r.0));
    text(&mut hasher, Some(&event.what));
    text(&mut hasher, event.detail.as_deref());
    hasher.finalize().into()
}

fn id(hasher: &mut Sha256, id: Option<uuid::Uuid>) {
    match id {
        Some(id) => {
            hasher.update([1]);
            hasher.update(id.as_bytes());
        }
        None => hasher.update([0]),
    }
}

fn text(hasher: &mut Sha256, text: Option<&str>) {
    match text {
        Some(text) => {
            hasher.update([1]);
            hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(text);
        }
        None => hasher.update([0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use message_schemas::MessageId;
    use uuid::Uuid;

    #[test]
    fn every_field_counts() {
        let event = EventRecord {
            sequence: 1,
            at: Timestamp::UNIX_EPOCH,
            message: None,
            recipient: None,
            what: "note".into(),
            detail: None,
        };
        let first = link(&START, "default", &event);
        let mut others = vec![link(&[1; 32], "default", &event), link(&START, "other", &event)];
        let mut changed = |change: &dyn Fn(&mut EventRecord)| {
            let mut event = event.clone();
            change(&mut event);
            others.push(link(&START, "default", &event));
        };
        changed(&|e| e.sequence = 2);
        changed(&|e| e.at = Timestamp::from_microsecond(1).expect("in range"));
        changed(&|e| e.message = Some(MessageId(Uuid::nil())));
        changed(&|e| e.recipient = Some(broker_core::journal::RecipientId(Uuid::nil())));
        changed(&|e| e.what = "not".into());
        changed(&|e| e.detail = Some(String::new()));
        others.push(first);
        others.sort_unstable();
        others.dedup();
        assert_eq!(others.len(), 9);
    }
}
