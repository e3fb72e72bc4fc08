//! The queues at which a party is reached over AMQP, as the address register has them.
//!
//! **Invariant:** a queue is looked up by HER-id and never made up from one: parties use their enterprise's queues, and the
//! number in a queue's name need not be theirs.

use super::{AddressKind, Origin, Parties, PartyEntry};
use crate::reading::{Faults, Table, parsed};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// Which of a party's queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// Business messages and receipts (`E_SB_ASYNC`).
    Async,
    /// Requests whose sender waits (`E_SB_SYNC`).
    Sync,
    /// Answers to those (`E_SB_SYNCREPLY`).
    SyncReply,
    /// Transport errors about what the party sent (`E_SB_ERROR`).
    Error,
}

impl Queue {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Async, Self::Sync, Self::SyncReply, Self::Error];

    /// Its code in list 9044, by which the address register knows it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Async => "E_SB_ASYNC",
            Self::Sync => "E_SB_SYNC",
            Self::SyncReply => "E_SB_SYNCREPLY",
            Self::Error => "E_SB_ERROR",
        }
    }

    /// What it is for, in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Async => "messages and receipts",
            Self::Sync => "requests",
            Self::SyncReply => "answers",
            Self::Error => "transport errors",
        }
    }
}

/// The address of a queue: a bare name, or as the register writes it, `host/namespace/queue`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueAddress(String);

/// Why a text is no address of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a queue is written as its name, or as host/namespace/queue, without blanks and in at most 255 bytes"
)]
pub struct NoQueueAddress;

impl QueueAddress {
    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The queue's name: what stands after the last `/`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The namespace (an exchange, on RabbitMQ), where the address holds one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.0.rsplit('/').nth(1).filter(|namespace| !namespace.is_empty())
    }
}

impl FromStr for QueueAddress {
    type Err = NoQueueAddress;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let address = Self(text.to_owned());
        let odd = |c: char| c.is_control() || c.is_whitespace();
        if address.name().is_empty() || text.len() > 255 || text.contains(odd) {
            return Err(NoQueueAddress);
        }
        Ok(address)
    }
}

impl TryFrom<String> for QueueAddress {
    type Error = NoQueueAddress;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<QueueAddress> for String {
    fn from(address: QueueAddress) -> Self {
        address.0
    }
}

impl fmt::Display for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `[party.amqp]` says. What it leaves out is as with the party's enterprise.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PartyAmqp {
    /// Business messages and receipts.
    pub asynchronous: Option<QueueAddress>,
    /// Requests.
    pub sync: Option<QueueAddress>,
    /// Answers.
    pub sync_reply: Option<QueueAddress>,
    /// Errors.
    pub error: Option<QueueAddress>,
}

impl PartyAmqp {
    /// One of them.
    #[must_use]
    pub const fn queue(&self, queue: Queue) -> Option<&QueueAddress> {
        match queue {
            Queue::Async => self.asynchronous.as_ref(),
            Queue::Sync => self.sync.as_ref(),
            Queue::SyncReply => self.sync_reply.as_ref(),
            Queue::Error => self.error.as_ref(),
        }
    }
}

impl Parties {
    /// A party's queue at this time: its own, else its enterprise's, else as the address registry tells.
    #[must_use]
    pub fn queue<'a>(
        &'a self,
        party: &'a PartyEntry,
        queue: Queue,
        at: Timestamp,
    ) -> Option<Cow<'a, QueueAddress>> {
        self.queue_from(party, queue, at).map(|(address, _)| address)
    }

    /// The same, and who said so.
    #[must_use]
    pub fn queue_from<'a>(
        &'a self,
        party: &'a PartyEntry,
        queue: Queue,
        at: Timestamp,
    ) -> Option<(Cow<'a, QueueAddress>, Origin)> {
        let said = |entry: &'a PartyEntry, origin| Some((Cow::Borrowed(entry.amqp.queue(queue)?), origin));
        // What a party has from its organisation stands among its own addresses there.
        let registry = || {
            let address = self.registry(party.her_id)?.address(&AddressKind::Queue(queue), at)?;
            Some((Cow::Owned(address.queue()?), Origin::Registry))
        };
        said(party, Origin::Party).or_else(|| said(self.parent(party)?, Origin::Enterprise)).or_else(registry)
    }

    /// Whose queue for messages or requests this is, among our own parties. Of several that share it, the one that they have
    /// it from; of several equals, the one with the lowest number.
    #[must_use]
    pub fn whose_queue(&self, name: &str, at: Timestamp) -> Option<&PartyEntry> {
        let distance = |party: &PartyEntry| {
            let has = |queue: &Queue| {
                self.queue_from(party, *queue, at).is_some_and(|(address, _)| address.name() == name)
            };
            let queue = [Queue::Async, Queue::Sync].into_iter().find(has)?;
            let (_, origin) = self.queue_from(party, queue, at)?;
            let passed_on = || self.registry(party.her_id)?.address(&AddressKind::Queue(queue), at);
            Some(match origin {
                Origin::Party => 0,
                Origin::Registry if passed_on().is_none_or(|address| !address.inherited) => 0,
                Origin::Enterprise | Origin::Registry => 1,
            })
        };
        let ours = self.iter().filter(|party| party.ours);
        ours.filter_map(|party| Some((distance(party)?, party)))
            .min_by_key(|(d, _)| *d)
            .map(|(_, party)| party)
    }
}

pub(super) fn read(party: &mut Table<'_, '_>, faults: &mut Faults) -> PartyAmqp {
    let Some(mut table) = party.tables("amqp", faults).into_iter().next() else {
        return PartyAmqp::default();
    };
    let asynchronous = table.text("async", faults, parsed);
    let sync = table.text("sync", faults, parsed);
    let sync_reply = table.text("syncreply", faults, parsed);
    let error = table.text("error", faults, parsed);
    table.finish(faults);
    PartyAmqp { asynchronous, sync, sync_reply, error }
}

#[cfg(test)]
mod tests {
    use super::super::{ElectronicAddress, RegistryEntry, RegistryKind};
    use super::*;
    use message_schemas::ids::HerId;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// A service with a lower number than the enterprise whose queues it shares, one with a queue of its own, and a partner.
    const HOUSE: &str = r#"
[[party]]
her_id = 20
level = "service"
name = "Avdelingen"
kind = "hospital"
parent = 70
[[party]]
her_id = 21
level = "service"
name = "Laboratoriet"
kind = "hospital"
parent = 70
amqp.async = "laboratory_async"
[[party]]
her_id = 70
level = "enterprise"
name = "Sykehuset"
kind = "hospital"
destination = "hospital"
amqp.async = "host/ns/hospital_async"
amqp.sync = "hospital_sync"
amqp.syncreply = "hospital_syncreply"
[[party]]
her_id = 10
level = "enterprise"
name = "Nabo"
kind = "gp"
ours = false
destination = "gp"
amqp.async = "gp_async"
"#;

    fn house(text: &str) -> Parties {
        Parties::parse(&[("parties.toml".to_owned(), text.to_owned())]).expect("parties")
    }

    fn owner(parties: &Parties, name: &str) -> Option<u32> {
        let at = "2026-03-02T10:00:00Z".parse().expect("a time");
        parties.whose_queue(name, at).map(|party| party.her_id.0)
    }

    #[test]
    fn a_queue_belongs_to_the_party_that_the_others_have_it_from() {
        let parties = house(HOUSE);
        assert_eq!(owner(&parties, "hospital_async"), Some(70), "20 has it from 70");
        assert_eq!(owner(&parties, "hospital_sync"), Some(70), "20 and 21 have it from 70");
        assert_eq!(owner(&parties, "laboratory_async"), Some(21));
        assert_eq!(owner(&parties, "gp_async"), None, "it is a partner's");
        assert_eq!(owner(&parties, "hospital_syncreply"), None, "nobody writes to us there unasked");
        assert_eq!(owner(&parties, "no_such_queue"), None);
    }

    #[test]
    fn the_registry_tells_who_has_a_queue_from_whom() {
        let entry = |her_id, inherited| {
            let address = ElectronicAddress {
                kind: AddressKind::Queue(Queue::Async),
                address: "host/ns/shared_async".to_owned(),
                inherited,
                from: None,
            };
            let entry = RegistryEntry {
                her_id: HerId(her_id),
                kind: RegistryKind::Service,
                name: String::new(),
                parent: None,
                organisation: None,
                active: true,
                addressable: true,
                valid_from: None,
                valid_to: None,
                last_changed: None,
                addresses: vec![address],
            };
            (HerId(her_id), Arc::new(entry))
        };
        let parties = house(&HOUSE.replace("amqp.async = \"host/ns/hospital_async\"\n", ""));
        assert_eq!(owner(&parties, "shared_async"), None);
        let told = |entries: [_; 2]| parties.with_registry(&BTreeMap::from(entries));
        assert_eq!(owner(&told([entry(20, true), entry(70, false)]), "shared_async"), Some(70));
        assert_eq!(owner(&told([entry(20, false), entry(70, false)]), "shared_async"), Some(20), "equals");
        // 70 is not one of those that the registry tells of: some answer is better than none.
        assert_eq!(owner(&told([entry(20, true), entry(99, false)]), "shared_async"), Some(20));
    }

    #[test]
    fn the_last_part_of_an_address_is_the_queue() {
        let full: QueueAddress =
            "tb.test.nhn.no/NHNTESTServiceBus/8141703_async".parse().expect("an address");
        assert_eq!((full.name(), full.namespace()), ("8141703_async", Some("NHNTESTServiceBus")));
        let bare: QueueAddress = "8141703_async".parse().expect("a name");
        assert_eq!((bare.name(), bare.namespace()), ("8141703_async", None));
        for wrong in ["", " ", "host/namespace/", "a b", &"x".repeat(256)] {
            assert_eq!(wrong.parse::<QueueAddress>(), Err(NoQueueAddress), "{wrong}");
        }
    }
}
