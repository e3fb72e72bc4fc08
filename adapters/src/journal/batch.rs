//! What a batch of calls decides: everything in memory, between one reading of the journal and one writing.
//!
//! The journals read what a batch asks about ([`Wanted`]), let its calls happen here one after the other, and write
//! down what has changed. So they cannot differ in what a call does. `K` is the key by which a journal finds a row again.

use super::prepare::Prepared;
use super::unreadable;
use crate::chain::{self, Link};
use crate::records;
use crate::standing::{Change, Standing, event_name};
use broker_core::ContentHash;
use broker_core::journal::{
    CommitResult, Committed, DuplicateKey, EventRecord, JudgedAgain, RecipientId, Settlement,
};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::StoreError;
use jiff::Timestamp;
use message_schemas::MessageId;
use routing_rules::DestinationId;
use std::collections::{BTreeSet, HashMap, HashSet};

/// A destination and an order key: recipients that go one after the other.
pub(crate) type Line = (String, String);

/// What a batch asks about.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) messages: Vec<MessageId>,
    pub(crate) idempotency: Vec<(String, String)>,
    pub(crate) duplicates: Vec<DuplicateKey>,
    pub(crate) provenances: BTreeSet<String>,
    pub(crate) recipients: BTreeSet<RecipientId>,
}

impl Wanted {
    /// What an entry asks about.
    pub(crate) fn entry(&mut self, entry: &Prepared) {
        self.messages.push(entry.id);
        self.provenances.insert(entry.provenance.clone());
        self.duplicates.extend(entry.duplicate_keys.iter().cloned());
        let key = entry.idempotency_key.clone();
        self.idempotency.extend(key.map(|key| (entry.source.clone(), key)));
        self.recipients.extend(entry.closings.iter().map(|c| c.recipient));
        self.recipients.extend(entry.remarks.iter().map(|r| r.recipient));
        self.recipients.extend(entry.judged_again.iter().flat_map(|again| &again.in_place_of));
    }
}

/// What was found of it.
#[derive(Debug)]
pub(crate) struct Found<K> {
    /// With their rows; none for one that this batch takes in.
    pub(crate) messages: HashMap<MessageId, (ContentHash, Option<K>)>,
    pub(crate) idempotency: HashMap<(String, String), (MessageId, ContentHash)>,
    pub(crate) duplicates: HashSet<DuplicateKey>,
    pub(crate) recipients: HashMap<RecipientId, Loaded<K>>,
}

impl<K> Default for Found<K> {
    fn default() -> Self {
        Self {
            messages: HashMap::new(),
            idempotency: HashMap::new(),
            duplicates: HashSet::new(),
            recipients: HashMap::new(),
        }
    }
}

/// A recipient as the batch found it and as it will leave it.
#[derive(Debug, Clone)]
pub(crate) struct Loaded<K> {
    pub(crate) at: K,
    pub(crate) message: MessageId,
    pub(crate) destination: Option<String>,
    pub(crate) order_key: Option<String>,
    pub(crate) standing: Standing,
    pub(crate) moved: bool,
}

/// The end of a chain of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Number of the last event; 0 before the first.
    pub(crate) sequence: u64,
    /// Its hash.
    pub(crate) link: Link,
}

impl Head {
    /// Before the first event.
    pub(crate) const START: Self = Self { sequence: 0, link: chain::START };
}

/// An event with its place in the chain.
#[derive(Debug, Clone)]
pub(crate) struct Chained {
    pub(crate) event: EventRecord,
    pub(crate) previous: Link,
    pub(crate) hash: Link,
}

/// What a batch has come to. Times of events are the callers'.
pub(crate) struct Batch<'b, K> {
    owner: &'b str,
    pub(crate) head: Head,
    pub(crate) found: Found<K>,
    /// Entries to add, with the row of the message where it is there already.
    pub(crate) added: Vec<(&'b Prepared, Option<K>)>,
    pub(crate) duplicates: Vec<(&'b DuplicateKey, MessageId, ContentHash)>,
    pub(crate) idempotency: Vec<(&'b str, &'b str, MessageId, ContentHash)>,
    /// Lines in which something has changed.
    pub(crate) lines: BTreeSet<Line>,
    pub(crate) events: Vec<Chained>,
}

impl<'b, K: Copy> Batch<'b, K> {
    /// Begins with what was found.
    pub(crate) fn new(owner: &'b str, head: Head, found: Found<K>) -> Self {
        Self {
            owner,
            head,
            found,
            added: Vec::new(),
            duplicates: Vec::new(),
            idempotency: Vec::new(),
            lines: BTreeSet::new(),
            events: Vec::new(),
        }
    }

    /// Takes an entry in, unless something of it is there already.
    pub(crate) fn take_in(&mut self, entry: &'b Prepared) -> Result<CommitResult, StoreError> {
        if let Some(again) = &entry.judged_again {
            return Ok(self.take_in_again(entry, again));
        }
        if let Some((hash, _)) = self.found.messages.get(&entry.id) {
            // The same entry again, because the answer was lost.
            let same = hash.0 == entry.content_hash;
            let committed = Committed::after_durable_commit(entry.id);
            return if same {
                Ok(CommitResult::Committed(committed))
            } else {
                Err(unreadable("two messages under one id"))
            };
        }
        let idempotency = entry.idempotency_key.as_ref().map(|key| (entry.source.clone(), key.clone()));
        if let Some((message, hash)) = idempotency.as_ref().and_then(|key| self.found.idempotency.get(key)) {
            return Ok(CommitResult::Repeated {
                message: *message,
                same_content: hash.0 == entry.content_hash,
            });
        }
        if entry.duplicate_keys.iter().any(|key| self.found.duplicates.contains(key)) {
            return Ok(CommitResult::Stale);
        }

        let hash = ContentHash(entry.content_hash);
        self.found.messages.insert(entry.id, (hash, None));
        if let (Some(found), Some(key)) = (idempotency, &entry.idempotency_key) {
            self.idempotency.push((&entry.source, key, entry.id, hash));
            self.found.idempotency.insert(found, (entry.id, hash));
        }
        self.append(entry.received, Some(entry.id), None, "taken_in", Some(entry.taken_in.clone()));
        Ok(CommitResult::Committed(self.add(entry, None, entry.received)))
    }

    /// Puts a new decision in the place of recipients that lie set aside.
    fn take_in_again(&mut self, entry: &'b Prepared, again: &JudgedAgain) -> CommitResult {
        let Some(&(_, Some(row))) = self.found.messages.get(&entry.id) else {
            return CommitResult::Overtaken;
        };
        let set_aside = |r: &RecipientId| {
            let loaded = self.found.recipients.get(r);
            loaded.is_some_and(|r| r.message == entry.id && r.standing.state.after(Event::Replace).is_some())
        };
        if !again.in_place_of.iter().all(set_aside) {
            return CommitResult::Overtaken;
        }
        if entry.duplicate_keys.iter().any(|key| self.found.duplicates.contains(key)) {
            return CommitResult::Stale;
        }
        self.append(again.at, Some(entry.id), None, "judged_again", Some(entry.taken_in.clone()));
        for replaced in &again.in_place_of {
            self.change(*replaced, &records::replaced(again), again.at);
        }
        CommitResult::Committed(self.add(entry, Some(row), again.at))
    }

    /// Adds what follows from an entry: of a new message, or of one that has this row already.
    fn add(&mut self, entry: &'b Prepared, row: Option<K>, now: Timestamp) -> Committed {
        for key in &entry.duplicate_keys {
            if self.found.duplicates.insert(key.clone()) {
                self.duplicates.push((key, entry.id, entry.payload_hash));
            }
        }
        self.added.push((entry, row));
        for prepared in &entry.recipients {
            let recipient = &prepared.recipient;
            let book = records::book_name(recipient.book).to_owned();
            self.append(now, Some(entry.id), Some(recipient.id), "accepted", Some(book));
            if let (Some(to), Some(key), true) =
                (&recipient.destination, &recipient.order_key, recipient.state.is_open())
            {
                self.lines.insert((to.as_str().to_owned(), key.clone()));
            }
        }
        for closing in &entry.closings {
            let change = Change::from(closing);
            if !self.change(closing.recipient, &change, now) {
                let of = self.found.recipients.get(&closing.recipient).map(|r| r.message);
                let told = records::left_alone(closing.event);
                if of.is_some() {
                    self.append(now, of, Some(closing.recipient), "left_alone", Some(told));
                }
            }
        }
        for remark in &entry.remarks {
            if let Some(of) = self.found.recipients.get(&remark.recipient).map(|r| r.message) {
                let detail = records::bounded(&remark.detail);
                self.append(now, Some(of), Some(remark.recipient), &remark.what, Some(detail));
            }
        }
        Committed::after_durable_commit(entry.id).claiming(entry.claimed().collect())
    }

    /// Lets an event happen to a recipient that was found. False if it cannot, or nobody knows it.
    pub(crate) fn change(&mut self, id: RecipientId, change: &Change, now: Timestamp) -> bool {
        let Some(loaded) = self.found.recipients.get_mut(&id) else { return false };
        if !loaded.standing.happens(change, now) {
            return false;
        }
        loaded.moved = true;
        if let (Some(to), Some(key)) = (&loaded.destination, &loaded.order_key) {
            self.lines.insert((to.clone(), key.clone()));
        }
        let message = loaded.message;
        self.append(now, Some(message), Some(id), event_name(change.event), change.told());
        true
    }

    /// Records what came of attempts. Returns how many took effect.
    pub(crate) fn settle(&mut self, settlements: &[Settlement], now: Timestamp) -> usize {
        let still = |batch: &Self, s: &Settlement| {
            batch.found.recipients.get(&s.recipient).is_some_and(|r| r.standing.state == s.from)
        };
        settlements
            .iter()
            .filter(|s| still(self, s) && self.change(s.recipient, &Change::from(*s), now))
            .count()
    }

    /// Sends recipients again. Returns how many it could.
    pub(crate) fn replay(
        &mut self,
        recipients: &[(RecipientId, Option<DestinationId>)],
        who_and_why: &str,
        now: Timestamp,
    ) -> usize {
        let mut replayed = 0;
        for (id, to) in recipients {
            let Some(loaded) = self.found.recipients.get_mut(id) else { continue };
            let can = loaded.standing.state.after(Event::Replay).is_some();
            if !can || (to.is_none() && loaded.destination.is_none()) {
                continue;
            }
            if let Some(to) = to {
                loaded.destination = Some(to.as_str().to_owned());
            }
            replayed += usize::from(self.change(*id, &records::replayed(to.as_ref(), who_and_why), now));
        }
        replayed
    }

    /// Makes unsure what was being sent. Returns how many.
    pub(crate) fn recover(&mut self, sending: Vec<(RecipientId, Loaded<K>)>, now: Timestamp) -> usize {
        let mut lost = 0;
        for (id, loaded) in sending {
            self.found.recipients.entry(id).or_insert(loaded);
            let sending = self.found.recipients.get(&id).is_some_and(|r| r.standing.state == State::Sending);
            lost += usize::from(sending && self.change(id, &records::died(), now));
        }
        lost
    }

    /// Appends an event.
    pub(crate) fn append(
        &mut self,
        at: Timestamp,
        message: Option<MessageId>,
        recipient: Option<RecipientId>,
        what: &str,
        detail: Option<String>,
    ) {
        let sequence = self.head.sequence + 1;
        let event = EventRecord { sequence, at, message, recipient, what: what.to_owned(), detail };
        let (previous, hash) = (self.head.link, chain::link(&self.head.link, self.owner, &event));
        self.head = Head { sequence, link: hash };
        self.events.push(Chained { event, previous, hash });
    }
}
