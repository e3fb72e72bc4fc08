//! The plain structures of the journal in memory.

use crate::chain::{self, Link};
use crate::records;
use crate::standing::{Change, Standing, event_name};
use broker_core::ContentHash;
use broker_core::journal::{
    Aside, Balance, Book, Closing, CommitResult, Committed, Deadline, Delivery, Document, Entry, EventRecord,
    Known, Ledger, Lookup, MessageRecord, Original, OriginalKey, Overdue, Payload, Provenance, Recipient,
    RecipientId, RecipientRecord, Remark, Search, Seen, Sent, SetAside, Settlement,
};
use broker_core::lifecycle::{Event, State};
use broker_core::ports::{Backlog, StoreError, Waiting};
use broker_core::series::{Kept, Ruled, Showing, ShownAt, Sought};
use broker_core::transport::Role;
use jiff::Timestamp;
use message_schemas::{HerId, MessageId};
use routing_rules::DestinationId;
use sharing::series::{Strand, Version};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// A message's or recipient's place in the order of arrival.
type Seq = usize;

/// All that the journal holds.
#[derive(Clone, Default)]
pub(super) struct Journal {
    messages: Vec<Message>,
    message_ids: HashMap<MessageId, Seq>,
    recipients: Vec<Row>,
    recipient_ids: HashMap<RecipientId, Seq>,
    documents: HashMap<Uuid, (Seq, Document)>,
    duplicates: HashMap<(String, String), BTreeMap<String, (MessageId, ContentHash)>>,
    originals: HashMap<OriginalKey, Vec<Seq>>,
    idempotency: HashMap<(String, String), (MessageId, ContentHash)>,
    evidence: HashMap<ContentHash, Arc<[u8]>>,
    versions: Vec<Version>,
    shown: BTreeMap<(DestinationId, Uuid), ShownAt>,
    events: Vec<(EventRecord, Link)>,
    /// Recipients that may be claimed, by when they are due.
    due: HashMap<DestinationId, BTreeSet<(Timestamp, Seq)>>,
    /// Open recipients of one destination and order key.
    queues: HashMap<(DestinationId, String), BTreeSet<Seq>>,
}

#[derive(Clone)]
struct Message {
    entry: Arc<Entry>,
    recipients: Vec<Seq>,
    events: Vec<usize>,
}

#[derive(Clone)]
struct Row {
    message: Seq,
    recipient: Arc<Recipient>,
    destination: Option<DestinationId>,
    standing: Standing,
    due: Option<Timestamp>,
}

/// The proof for an entry that was taken in just now, with what that has claimed.
fn committed(entry: &Entry) -> Committed {
    let claimed = entry.recipients.iter().filter(|r| records::is_claimed(r)).map(|r| r.id);
    Committed::after_durable_commit(entry.arrival.id).claiming(claimed.collect())
}

impl Journal {
    pub(super) fn commit(&mut self, entries: Vec<Entry>) -> Result<Vec<CommitResult>, StoreError> {
        let mut offered = HashSet::new();
        let known = |e: &Entry| self.message_ids.contains_key(&e.arrival.id);
        let new = |e: &&Entry| if e.judged_again.is_some() { self.replaces(e).is_some() } else { !known(e) };
        for entry in entries.iter().filter(new) {
            for recipient in &entry.recipients {
                if self.recipient_ids.contains_key(&recipient.id) || !offered.insert(recipient.id) {
                    return Err(StoreError::Damaged("a recipient's id was given before".into()));
                }
                if matches!(recipient.payload, Payload::Document(at) if at >= entry.documents.len()) {
                    return Err(StoreError::Damaged("a recipient's document is not in its entry".into()));
                }
            }
        }
        Ok(entries.into_iter().map(|entry| self.take_in(entry)).collect())
    }

    fn take_in(&mut self, entry: Entry) -> CommitResult {
        let id = entry.arrival.id;
        if entry.judged_again.is_some() {
            return self.take_in_again(entry);
        }
        if self.message_ids.contains_key(&id) {
            return CommitResult::Committed(Committed::after_durable_commit(id));
        }
        let idempotency =
            entry.arrival.idempotency_key.clone().map(|key| (entry.arrival.source.clone(), key));
        if let Some((message, hash)) = idempotency.as_ref().and_then(|key| self.idempotency.get(key)) {
            return CommitResult::Repeated { message: *message, same_content: *hash == entry.content_hash };
        }
        if self.is_taken(&entry) {
            return CommitResult::Stale;
        }

        let now = entry.arrival.received;
        let seq = self.messages.len();
        self.keep(seq, &entry);
        if let Some(key) = idempotency {
            self.idempotency.insert(key, (id, entry.content_hash));
        }
        let entry = Arc::new(entry);
        self.message_ids.insert(id, seq);
        self.messages.push(Message { entry: Arc::clone(&entry), recipients: Vec::new(), events: Vec::new() });
        self.append(now, Some(id), None, "taken_in", Some(records::taken_in(&entry)));
        for recipient in &entry.recipients {
            self.enter(seq, recipient, now);
        }
        self.close(&entry.closings, now);
        self.remark(&entry.remarks, now);
        CommitResult::Committed(committed(&entry))
    }

    /// Puts a new decision in the place of recipients that lie set aside.
    fn take_in_again(&mut self, entry: Entry) -> CommitResult {
        let id = entry.arrival.id;
        let (Some(again), Some(seq)) = (entry.judged_again.clone(), self.replaces(&entry)) else {
            return CommitResult::Overtaken;
        };
        if self.is_taken(&entry) {
            return CommitResult::Stale;
        }
        let now = again.at;
        self.keep(seq, &entry);
        let Some(message) = self.messages.get_mut(seq) else { return CommitResult::Overtaken };
        // What was made before stays, and so do the places that recipients of before point to.
        let made_before = message.entry.documents.len();
        let mut kept = entry.clone();
        kept.documents = message.entry.documents.iter().chain(&entry.documents).cloned().collect();
        message.entry = Arc::new(kept);
        self.append(now, Some(id), None, "judged_again", Some(records::taken_in(&entry)));
        for replaced in &again.in_place_of {
            if let Some(&seq) = self.recipient_ids.get(replaced) {
                self.change(seq, &records::replaced(&again), now);
            }
        }
        for recipient in &entry.recipients {
            let payload = match recipient.payload {
                Payload::Original => Payload::Original,
                Payload::Document(at) => Payload::Document(made_before + at),
            };
            self.enter(seq, &Recipient { payload, ..recipient.clone() }, now);
        }
        self.close(&entry.closings, now);
        self.remark(&entry.remarks, now);
        CommitResult::Committed(committed(&entry))
    }

    /// The message of which a new decision can replace what it wants to: all of that lies set aside still.
    fn replaces(&self, entry: &Entry) -> Option<Seq> {
        let seq = *self.message_ids.get(&entry.arrival.id)?;
        let set_aside = |r: &RecipientId| {
            let row = self.recipient_ids.get(r).and_then(|seq| self.recipients.get(*seq));
            row.is_some_and(|row| row.message == seq && row.standing.state.after(Event::Replace).is_some())
        };
        entry.judged_again.as_ref()?.in_place_of.iter().all(set_aside).then_some(seq)
    }

    /// Another message has one of the keys already.
    fn is_taken(&self, entry: &Entry) -> bool {
        entry.duplicate_keys.iter().any(|k| {
            let seen = self.duplicates.get(&(k.sender.clone(), k.msg_id.clone()));
            seen.is_some_and(|seen| seen.contains_key(&k.receiver))
        })
    }

    /// What an entry leaves behind besides its message and recipients.
    fn keep(&mut self, message: Seq, entry: &Entry) {
        for key in &entry.duplicate_keys {
            self.duplicates
                .entry((key.sender.clone(), key.msg_id.clone()))
                .or_default()
                .insert(key.receiver.clone(), (entry.arrival.id, entry.payload_hash));
        }
        for document in &entry.documents {
            self.documents.insert(document.id, (message, document.clone()));
        }
        for evidence in &entry.evidence {
            self.evidence.entry(evidence.hash).or_insert_with(|| Arc::clone(&evidence.bytes));
        }
        for version in &entry.versions {
            let same = |v: &Version| {
                v.mark() == version.mark() && v.strand() == version.strand() && v.content == version.content
            };
            if !self.versions.iter().any(same) {
                self.versions.push(version.clone());
            }
        }
    }

    fn close(&mut self, closings: &[Closing], now: Timestamp) {
        for closing in closings {
            if let Some(&seq) = self.recipient_ids.get(&closing.recipient) {
                let change = Change::from(closing);
                if !self.change(seq, &change, now) {
                    let message = self.id_of(seq);
                    let told = records::left_alone(closing.event);
                    self.append(now, Some(message), Some(closing.recipient), "left_alone", Some(told));
                }
            }
        }
    }

    fn remark(&mut self, remarks: &[Remark], now: Timestamp) {
        for remark in remarks {
            if let Some(&seq) = self.recipient_ids.get(&remark.recipient) {
                let message = self.id_of(seq);
                let detail = records::bounded(&remark.detail);
                self.append(now, Some(message), Some(remark.recipient), &remark.what, Some(detail));
            }
        }
    }

    fn enter(&mut self, message: Seq, recipient: &Recipient, now: Timestamp) {
        let seq = self.recipients.len();
        let standing = Standing::at_intake(recipient, now);
        self.recipient_ids.insert(recipient.id, seq);
        for key in &recipient.original_keys {
            self.originals.entry(key.clone()).or_default().push(seq);
        }
        self.recipients.push(Row {
            message,
            destination: recipient.destination.clone(),
            recipient: Arc::new(recipient.clone()),
            standing,
            due: None,
        });
        if let Some(message) = self.messages.get_mut(message) {
            message.recipients.push(seq);
        }
        let id = self.id_of(seq);
        let book = records::book_name(recipient.book).to_owned();
        self.append(now, Some(id), Some(recipient.id), "accepted", Some(book));
        self.line_up(seq);
    }

    /// Lets an event happen to a recipient, with its line in the events. False if it cannot happen.
    fn change(&mut self, seq: Seq, change: &Change, now: Timestamp) -> bool {
        let Some(row) = self.recipients.get_mut(seq) else { return false };
        if !row.standing.happens(change, now) {
            return false;
        }
        let recipient = row.recipient.id;
        let message = self.id_of(seq);
        self.append(now, Some(message), Some(recipient), event_name(change.event), change.told());
        self.line_up(seq);
        true
    }

    /// Puts a recipient where the next claim finds it, or takes it away, and the others of its order key.
    fn line_up(&mut self, seq: Seq) {
        let Some(row) = self.recipients.get(seq) else { return };
        let Some(destination) = row.destination.clone() else { return };
        let Some(key) = row.recipient.order_key.clone() else {
            let due = row.standing.next_attempt.filter(|_| row.standing.is_claimable());
            self.set_due(&destination, seq, due);
            return;
        };
        let open = row.standing.state.is_open();
        let queue = self.queues.entry((destination.clone(), key)).or_default();
        if open {
            queue.insert(seq);
        } else {
            queue.remove(&seq);
        }
        let queue: Vec<Seq> = queue.iter().copied().collect();
        let state = |seq: &Seq| self.recipients.get(*seq).map(|r| r.standing.state);
        let busy = queue.iter().any(|seq| state(seq) == Some(State::Sending));
        let head = queue.first().copied().filter(|_| !busy);
        self.set_due(&destination, seq, None);
        for seq in queue {
            let due =
                self.recipients.get(seq).filter(|_| Some(seq) == head).and_then(|r| r.standing.next_attempt);
            self.set_due(&destination, seq, due);
        }
    }

    fn set_due(&mut self, destination: &DestinationId, seq: Seq, due: Option<Timestamp>) {
        let Some(row) = self.recipients.get_mut(seq) else { return };
        let line = self.due.entry(destination.clone()).or_default();
        if let Some(was) = row.due {
            line.remove(&(was, seq));
        }
        if let Some(due) = due {
            line.insert((due, seq));
        }
        row.due = due;
    }

    pub(super) fn append(
        &mut self,
        at: Timestamp,
        message: Option<MessageId>,
        recipient: Option<RecipientId>,
        what: &str,
        detail: Option<String>,
    ) {
        let sequence = u64::try_from(self.events.len()).unwrap_or(u64::MAX).saturating_add(1);
        let previous = self.events.last().map_or(chain::START, |(_, link)| *link);
        let event = EventRecord { sequence, at, message, recipient, what: what.to_owned(), detail };
        let link = chain::link(&previous, records::OWNER, &event);
        let of = message.and_then(|id| self.message_ids.get(&id)).and_then(|seq| self.messages.get_mut(*seq));
        if let Some(message) = of {
            message.events.push(self.events.len());
        }
        self.events.push((event, link));
    }

    fn id_of(&self, recipient: Seq) -> MessageId {
        let message = self.recipients.get(recipient).and_then(|row| self.messages.get(row.message));
        message.map_or(MessageId(Uuid::nil()), |m| m.entry.arrival.id)
    }

    pub(super) fn look_up(&self, lookups: &[Lookup]) -> Known {
        let mut known = Known::default();
        for lookup in lookups {
            match lookup {
                Lookup::Seen { sender, msg_id } => {
                    let seen = self.duplicates.get(&(sender.clone(), msg_id.clone()));
                    known.seen.extend(seen.into_iter().flatten().map(|(receiver, (message, hash))| Seen {
                        message: *message,
                        receiver: receiver.clone(),
                        content_hash: *hash,
                    }));
                }
                Lookup::Original(key) => {
                    let rows = self.originals.get(key).into_iter().flatten();
                    known.originals.extend(
                        rows.filter_map(|seq| self.recipients.get(*seq).zip(Some(*seq))).map(|(row, seq)| {
                            Original {
                                recipient: row.recipient.id,
                                message: self.id_of(seq),
                                state: row.standing.state,
                                generated: self
                                    .messages
                                    .get(row.message)
                                    .and_then(|m| records::generated(&m.entry)),
                                receipt_written: row.recipient.receipt_written,
                            }
                        }),
                    );
                }
                Lookup::Sent(id) => known.sent.extend(self.sent(*id)),
                Lookup::ErrorsTo { party, since } => known.errors += self.errors_to(*party, *since),
            }
        }
        known
    }

    fn sent(&self, id: RecipientId) -> Option<Sent> {
        let seq = *self.recipient_ids.get(&id)?;
        let row = self.recipients.get(seq)?;
        Some(Sent {
            recipient: id,
            message: self.id_of(seq),
            receiver: row.recipient.receiver,
            state: row.standing.state,
            label: row.recipient.label.clone(),
            transport: self.messages.get(row.message)?.entry.arrival.transport.clone(),
        })
    }

    fn errors_to(&self, party: HerId, since: Timestamp) -> u64 {
        let made = self.recipients.iter().filter(|row| {
            let received = || self.messages.get(row.message).map(|m| m.entry.arrival.received);
            row.recipient.label.role == Role::Error
                && row.recipient.receiver == Some(party)
                && received() >= Some(since)
        });
        u64::try_from(made.count()).unwrap_or(u64::MAX)
    }

    pub(super) fn repeated(&self, source: &str, key: &str) -> Option<(MessageId, ContentHash)> {
        self.idempotency.get(&(source.to_owned(), key.to_owned())).copied()
    }

    pub(super) fn first_under(&self, keys: &[(String, String)]) -> Vec<MessageId> {
        keys.iter().filter_map(|key| self.idempotency.get(key)).map(|(message, _)| *message).collect()
    }

    pub(super) fn claim(
        &mut self,
        destination: &DestinationId,
        now: Timestamp,
        limit: usize,
    ) -> Vec<Delivery> {
        let due = self.due.get(destination).into_iter().flatten();
        let due: Vec<Seq> = due.take_while(|(at, _)| *at <= now).take(limit).map(|(_, seq)| *seq).collect();
        due.into_iter()
            .filter_map(|seq| {
                let tries = self.recipients.get(seq)?.standing.tries;
                self.change(seq, &Change::plain(Event::Claim), now).then(|| self.delivery(seq, tries))?
            })
            .collect()
    }

    fn delivery(&self, seq: Seq, tries: u32) -> Option<Delivery> {
        let row = self.recipients.get(seq)?;
        let entry = &self.messages.get(row.message)?.entry;
        let document = match row.recipient.payload {
            Payload::Original => None,
            Payload::Document(at) => Some(entry.documents.get(at)?),
        };
        Some(Delivery {
            recipient: row.recipient.id,
            message: entry.arrival.id,
            book: row.recipient.book,
            receiver: row.recipient.receiver,
            destination: row.destination.clone()?,
            kind: document.map(|d| d.kind),
            document: document.map(|d| d.id),
            bytes: Arc::clone(document.map_or(&entry.arrival.bytes, |d| &d.bytes)),
            tries,
            expires: row.standing.expires,
            maybe_arrived: row.standing.maybe_arrived,
            receipt_written: row.recipient.receipt_written,
            test: entry.head.as_ref().is_some_and(|h| h.test),
            family: entry.head.as_ref().map(|h| h.kind.family.as_str().to_owned()),
            label: row.recipient.label.clone(),
        })
    }

    pub(super) fn next_due(&self, destination: &DestinationId) -> Option<Timestamp> {
        self.due.get(destination)?.first().map(|(at, _)| *at)
    }

    pub(super) fn settle(&mut self, settlements: &[Settlement], now: Timestamp) -> usize {
        let mut effective = 0;
        for settlement in settlements {
            let Some(&seq) = self.recipient_ids.get(&settlement.recipient) else { continue };
            let there = self.recipients.get(seq).is_some_and(|r| r.standing.state == settlement.from);
            effective += usize::from(there && self.change(seq, &Change::from(settlement), now));
        }
        effective
    }

    pub(super) fn recover(&mut self, now: Timestamp) -> usize {
        let sending = self.recipients.iter().enumerate().filter(|(_, r)| r.standing.state == State::Sending);
        let sending: Vec<Seq> = sending.map(|(seq, _)| seq).collect();
        if let Some(last) = self.events.last().map(|(event, _)| event.at)
            && records::is_set_back(now, last)
        {
            self.set_back(now, last);
        }
        sending.into_iter().filter(|seq| self.change(*seq, &records::died(), now)).count()
    }

    /// After the clock was set back nothing waits for a time that is to come a second time.
    fn set_back(&mut self, now: Timestamp, last: Timestamp) {
        let mut late = Vec::new();
        for (seq, row) in self.recipients.iter_mut().enumerate() {
            if row.standing.is_claimable() && row.standing.next_attempt.is_some_and(|next| next > now) {
                row.standing.next_attempt = Some(now);
                late.push(seq);
            }
        }
        late.iter().for_each(|seq| self.line_up(*seq));
        self.append(now, None, None, "clock_set_back", Some(records::set_back(now, last, late.len())));
    }

    pub(super) fn overdue(&self, now: Timestamp, limit: usize) -> Vec<Overdue> {
        let mut found: Vec<(Timestamp, Seq, Overdue)> = Vec::new();
        for (seq, row) in self.recipients.iter().enumerate() {
            let standing = &row.standing;
            let over = |t: Option<Timestamp>| t.filter(|t| *t <= now);
            let (what, when) = if standing.is_claimable() {
                (Deadline::TimeToLive, over(standing.expires))
            } else if standing.state == State::HandedOver {
                (Deadline::Receipt, over(standing.receipt_deadline))
            } else {
                continue;
            };
            if let Some(when) = when {
                let (recipient, message) = (row.recipient.id, self.id_of(seq));
                found.push((when, seq, Overdue { recipient, message, state: standing.state, what }));
            }
        }
        found.sort_by_key(|(when, seq, _)| (*when, *seq));
        found.into_iter().take(limit).map(|(_, _, overdue)| overdue).collect()
    }

    pub(super) fn ledger(&self) -> Ledger {
        let book = |book: Book| {
            let mut balance = Balance { states: records::no_states(), ..Balance::default() };
            let name = records::book_name(book);
            let accepted: HashSet<RecipientId> = self
                .events
                .iter()
                .filter(|(e, _)| e.what == "accepted" && e.detail.as_deref() == Some(name))
                .filter_map(|(e, _)| e.recipient)
                .collect();
            balance.accepted = u64::try_from(accepted.len()).unwrap_or(u64::MAX);
            let mut standing = HashSet::new();
            for row in self.recipients.iter().filter(|r| r.recipient.book == book) {
                *balance.states.entry(row.standing.state.as_str().to_owned()).or_default() += 1;
                standing.insert(row.recipient.id);
            }
            balance.missing = accepted.difference(&standing).copied().collect();
            balance.unexplained = standing.difference(&accepted).copied().collect();
            balance
        };
        Ledger { messages: book(Book::Message), receipts: book(Book::Receipt) }
    }

    pub(super) fn find(&self, id: &str, limit: usize) -> Vec<MessageRecord> {
        let meant = records::Meant::read(id);
        let mut found = BTreeSet::new();
        for (seq, message) in self.messages.iter().enumerate() {
            let own = message.entry.arrival.id;
            let head = message.entry.head.as_ref();
            let is_it = meant.uuid == Some(own.0)
                || meant.short.is_some_and(|bits| bits == records::short_bits(own))
                || records::sent_as(&message.entry).is_some_and(|key| key == meant.key)
                || head.and_then(|h| h.document_id.as_ref()).is_some_and(|d| *d == meant.text);
            if is_it {
                found.insert(seq);
            }
        }
        if let Some(uuid) = meant.uuid {
            found.extend(self.documents.get(&uuid).map(|(seq, _)| *seq));
            let recipient =
                self.recipient_ids.get(&RecipientId(uuid)).and_then(|seq| self.recipients.get(*seq));
            found.extend(recipient.map(|r| r.message));
        }
        found.into_iter().rev().take(limit).filter_map(|seq| self.record(seq)).collect()
    }

    pub(super) fn search(&self, wanted: &Search) -> Vec<MessageRecord> {
        let mut places: Vec<Seq> = (0..self.messages.len()).collect();
        places.sort_by_key(|seq| std::cmp::Reverse((self.messages[*seq].entry.arrival.received, *seq)));
        let records = places.into_iter().filter_map(|seq| self.record(seq));
        records.filter(|record| wanted.wants(record)).take(wanted.limit).collect()
    }

    pub(super) fn message(&self, id: MessageId) -> Option<MessageRecord> {
        self.record(*self.message_ids.get(&id)?)
    }

    fn record(&self, seq: Seq) -> Option<MessageRecord> {
        let message = self.messages.get(seq)?;
        let entry = &message.entry;
        Some(MessageRecord {
            id: entry.arrival.id,
            short: entry.arrival.id.short(),
            source: entry.arrival.source.clone(),
            received: entry.arrival.received,
            content_hash: entry.content_hash,
            size_bytes: u64::try_from(entry.arrival.bytes.len()).unwrap_or(u64::MAX),
            verdict: entry.verdict.clone(),
            head: entry.head.clone(),
            findings: entry.findings.clone(),
            provenance: Provenance::clone(&entry.provenance),
            explanation: entry.explanation.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            envelope_receiver: entry.arrival.envelope_receiver,
            envelope_sender: entry.arrival.envelope_sender,
            transport: entry.arrival.transport.clone(),
            protection: entry.protection.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            recipients: message.recipients.iter().filter_map(|seq| self.recipient(*seq)).collect(),
            events: message
                .events
                .iter()
                .filter_map(|at| self.events.get(*at))
                .map(|(e, _)| e.clone())
                .collect(),
        })
    }

    fn recipient(&self, seq: Seq) -> Option<RecipientRecord> {
        let row = self.recipients.get(seq)?;
        let entry = &self.messages.get(row.message)?.entry;
        let document = match row.recipient.payload {
            Payload::Original => None,
            Payload::Document(at) => entry.documents.get(at),
        };
        Some(RecipientRecord {
            id: row.recipient.id,
            book: row.recipient.book,
            receiver: row.recipient.receiver,
            destination: row.destination.clone(),
            payload: records::payload_name(document.map(|d| d.kind)).to_owned(),
            document: document.map(|d| d.id),
            state: row.standing.state,
            reason: row.standing.reason,
            detail: row.standing.detail.clone(),
            tries: row.standing.tries,
            next_attempt: row.standing.next_attempt,
            receipt_deadline: row.standing.receipt_deadline,
            expires: row.standing.expires,
        })
    }

    pub(super) fn body(&self, id: MessageId) -> Option<Arc<[u8]>> {
        self.messages.get(*self.message_ids.get(&id)?).map(|m| Arc::clone(&m.entry.arrival.bytes))
    }

    pub(super) fn document(&self, id: Uuid) -> Option<(&'static str, Arc<[u8]>)> {
        self.documents.get(&id).map(|(_, d)| (d.kind.media_type(), Arc::clone(&d.bytes)))
    }

    pub(super) fn documents(&self, of: MessageId) -> Vec<Document> {
        let message = self.message_ids.get(&of).and_then(|seq| self.messages.get(*seq));
        message.map_or_else(Vec::new, |m| m.entry.documents.clone())
    }

    pub(super) fn evidence(&self, hash: ContentHash) -> Option<Arc<[u8]>> {
        self.evidence.get(&hash).cloned()
    }

    pub(super) fn versions(&self, sought: &Sought) -> Vec<Kept> {
        (1..)
            .zip(&self.versions)
            .filter(|(_, v)| {
                sought.strands.contains(&v.strand())
                    || sought.marks.contains(&v.mark())
                    || v.parent().is_some_and(|parent| sought.followers.contains(&parent))
                    || sought.messages.contains(&v.message)
            })
            .map(|(arrived, version)| Kept { arrived, version: version.clone() })
            .collect()
    }

    pub(super) fn shown(&self, strands: &BTreeSet<Strand>) -> Vec<ShownAt> {
        self.shown.values().filter(|s| strands.contains(&s.strand)).cloned().collect()
    }

    pub(super) fn show(&mut self, showing: Showing) {
        let told = records::bounded(&showing.told());
        self.append(showing.at, Some(showing.message), None, "shown", Some(told));
        for at in showing.entries {
            self.shown.insert((at.target.clone(), at.shown.entry.id()), at);
        }
    }

    pub(super) fn rule(&mut self, ruled: Ruled) {
        let told = records::bounded(&ruled.told);
        self.append(ruled.at, Some(ruled.version.message), None, "ruled", Some(told));
        let place = usize::try_from(ruled.arrived - 1).ok();
        if let Some(version) = place.and_then(|at| self.versions.get_mut(at)) {
            *version = ruled.version;
        }
    }

    pub(super) fn set_aside(&self, wanted: &SetAside) -> Vec<Aside> {
        self.recipients
            .iter()
            .enumerate()
            .filter(|(_, row)| matches!(row.standing.state, State::Parked | State::Expired))
            .filter(|(_, row)| wanted.reason.is_none() || row.standing.reason == wanted.reason)
            .filter(|(_, row)| wanted.destination.is_none() || row.destination == wanted.destination)
            .filter(|(_, row)| wanted.receiver.is_none() || row.recipient.receiver == wanted.receiver)
            .filter(|(seq, _)| wanted.message.is_none_or(|m| m == self.id_of(*seq)))
            .filter_map(|(seq, row)| {
                let message = self.record(row.message)?;
                Some(Aside {
                    message: message.id,
                    received: message.received,
                    sender: message.sender(),
                    source: message.source,
                    recipient: self.recipient(seq)?,
                })
            })
            .take(wanted.limit)
            .collect()
    }

    pub(super) fn replay(
        &mut self,
        id: RecipientId,
        to: Option<&DestinationId>,
        who_and_why: &str,
        now: Timestamp,
    ) -> bool {
        let Some(&seq) = self.recipient_ids.get(&id) else { return false };
        let Some(row) = self.recipients.get_mut(seq) else { return false };
        if row.standing.state.after(Event::Replay).is_none() || (to.is_none() && row.destination.is_none()) {
            return false;
        }
        if let Some(to) = to {
            row.destination = Some(to.clone());
        }
        self.change(seq, &records::replayed(to, who_and_why), now)
    }

    pub(super) fn backlog(&self) -> Vec<Backlog> {
        let mut by_destination: BTreeMap<&DestinationId, (u64, Option<Timestamp>)> = BTreeMap::new();
        for row in self.recipients.iter().filter(|r| r.standing.state.is_open()) {
            let (Some(destination), Some(message)) = (&row.destination, self.messages.get(row.message))
            else {
                continue;
            };
            let (open, oldest) = by_destination.entry(destination).or_default();
            let received = message.entry.arrival.received;
            *open += 1;
            *oldest = Some(oldest.map_or(received, |o| o.min(received)));
        }
        let backlog = by_destination.into_iter();
        backlog.map(|(d, (open, oldest))| Backlog { destination: d.clone(), open, oldest }).collect()
    }

    pub(super) fn waiting(&self, destination: &DestinationId, limit: usize) -> Vec<Waiting> {
        let open =
            self.recipients.iter().enumerate().filter(|(_, row)| {
                row.standing.state.is_open() && row.destination.as_ref() == Some(destination)
            });
        let mut waiting: Vec<Waiting> = open
            .filter_map(|(seq, row)| {
                let received = self.messages.get(row.message)?.entry.arrival.received;
                Some(Waiting { message: self.id_of(seq), received, recipient: self.recipient(seq)? })
            })
            .collect();
        waiting.sort_by_key(|one| one.received);
        waiting.truncate(limit);
        waiting
    }

    pub(super) fn events(&self, limit: usize) -> Vec<EventRecord> {
        self.events.iter().rev().take(limit).map(|(e, _)| e.clone()).collect()
    }

    pub(super) fn broken_link(&self) -> Option<u64> {
        let mut previous = chain::START;
        for (at, (event, link)) in (1..).zip(&self.events) {
            if event.sequence != at || chain::link(&previous, records::OWNER, event) != *link {
                return Some(at);
            }
            previous = *link;
        }
        None
    }
}
