//! What the address registry tells of a party, and what of it is used.
//!
//! **Invariant:** the parties' files go first. The registry only fills what they leave open, and every answer that it
//! filled says so ([`Origin`]). Where a party's messages go (destination, enterprise, region) is never the registry's
//! to say: a slip there must not send patients' messages elsewhere. Where they go to a server of queues that partners
//! share, the registry fills in the queue, since it is the registry that makes it.

use super::{Parties, PartyEntry, Queue, QueueAddress};
use jiff::Timestamp;
use message_schemas::ids::{HerId, OrgNumber};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What kind of party the registry says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistryKind {
    /// Level 1: an enterprise (virksomhet).
    Organisation,
    /// Level 2: a service (tjeneste).
    Service,
    /// Level 2: a person who works there.
    Person,
    /// Level 2: a department (avdeling).
    Department,
    /// Something newer than this program.
    Other,
}

/// What an electronic address is for (code list 9044).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AddressKind {
    /// An AMQP queue.
    Queue(Queue),
    /// Where its certificates are, in a CA's directory.
    Certificates,
    /// Any other; the code as it stands in the registry.
    Other(String),
}

impl AddressKind {
    /// The code of list 9044.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Queue(queue) => queue.code(),
            Self::Certificates => "E_DS",
            Self::Other(code) => code,
        }
    }
}

impl From<String> for AddressKind {
    fn from(code: String) -> Self {
        match Queue::ALL.into_iter().find(|queue| queue.code() == code) {
            Some(queue) => Self::Queue(queue),
            None if code == "E_DS" => Self::Certificates,
            None => Self::Other(code),
        }
    }
}

impl From<AddressKind> for String {
    fn from(kind: AddressKind) -> Self {
        kind.code().to_owned()
    }
}

/// One electronic address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectronicAddress {
    /// What it is for.
    pub kind: AddressKind,
    /// As it stands in the registry; a queue is `host/namespace/queue`.
    pub address: String,
    /// The party has it from its parent.
    pub inherited: bool,
    /// It holds from then on; none: it holds now. The registry tells changes ahead of time.
    pub from: Option<Timestamp>,
}

impl ElectronicAddress {
    /// As the address of a queue; none if it is none.
    #[must_use]
    pub fn queue(&self) -> Option<QueueAddress> {
        self.address.parse().ok()
    }
}

/// A party as the registry tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryEntry {
    /// Its number.
    pub her_id: HerId,
    /// What kind of party.
    pub kind: RegistryKind,
    /// Its name for people.
    pub name: String,
    /// The party that it belongs to.
    pub parent: Option<HerId>,
    /// The organisation that it is, or belongs to.
    pub organisation: Option<OrgNumber>,
    /// False once it is deactivated; nothing is ever deleted there.
    pub active: bool,
    /// Messages may be sent to it. Organisations alone are never addressed.
    pub addressable: bool,
    /// Takes part from then on.
    pub valid_from: Option<Timestamp>,
    /// Takes part until just before then; none is an open end.
    pub valid_to: Option<Timestamp>,
    /// When the registry changed it last.
    pub last_changed: Option<Timestamp>,
    /// Its addresses, those of the future too.
    pub addresses: Vec<ElectronicAddress>,
}

impl RegistryEntry {
    /// Whether it takes part at this time.
    #[must_use]
    pub fn takes_part(&self, at: Timestamp) -> bool {
        let level_2 = matches!(self.kind, RegistryKind::Service | RegistryKind::Person);
        self.active
            && (self.addressable || !level_2)
            && self.valid_from.is_none_or(|from| from <= at)
            && self.valid_to.is_none_or(|to| at < to)
    }

    /// Its address of a kind at this time: of several, the one that began last.
    #[must_use]
    pub fn address(&self, kind: &AddressKind, at: Timestamp) -> Option<&ElectronicAddress> {
        let holds = |a: &&ElectronicAddress| a.kind == *kind && a.from.is_none_or(|from| from <= at);
        // `None` is the least, and of equals the first stands: the registry's order.
        self.addresses.iter().rev().filter(holds).max_by_key(|a| a.from)
    }
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The party's entry in the files.
    Party,
    /// The entry of its enterprise.
    Enterprise,
    /// The address registry.
    Registry,
}

impl Origin {
    /// In words, after "from".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Party => "the party's entry",
            Self::Enterprise => "its enterprise's entry",
            Self::Registry => "the address registry",
        }
    }
}

impl Parties {
    /// The same parties, with what the registry tells of them now; what it told before is forgotten. Of parties that the
    /// files do not name, nothing is taken.
    #[must_use]
    pub fn with_registry(&self, told: &BTreeMap<HerId, Arc<RegistryEntry>>) -> Self {
        let ours = told.iter().filter(|(her_id, _)| self.entries.contains_key(her_id));
        let registry: BTreeMap<_, _> = ours.map(|(her_id, entry)| (*her_id, Arc::clone(entry))).collect();
        Self { hash: hash(self.files_hash, &registry), registry, ..self.clone() }
    }

    /// What the registry tells of a party.
    #[must_use]
    pub fn registry(&self, her_id: HerId) -> Option<&RegistryEntry> {
        self.registry.get(&her_id).map(Arc::as_ref)
    }

    /// A party's organisation number, and who said so.
    #[must_use]
    pub fn organisation_from(&self, party: &PartyEntry) -> Option<(OrgNumber, Origin)> {
        let own = party.organisation.map(|number| (number, Origin::Party));
        let parent = || Some((self.parent(party)?.organisation?, Origin::Enterprise));
        let registry = || Some((self.registry(party.her_id)?.organisation?, Origin::Registry));
        own.or_else(parent).or_else(registry)
    }

    /// What is used of the registry for a party, in sentences; nothing if nothing is.
    pub(crate) fn registry_notes(&self, party: &PartyEntry, at: Timestamp) -> Vec<String> {
        let Some(entry) = self.registry(party.her_id) else { return Vec::new() };
        let mut notes = Vec::new();
        if let Some((number, origin)) = self.organisation_from(party) {
            notes.push(format!("Its organisation number {number} is from {}.", origin.as_str()));
            if entry.organisation.is_some_and(|other| other != number) {
                notes.push("The address registry names another organisation.".to_owned());
            }
        }
        for queue in Queue::ALL {
            let Some((address, origin)) = self.queue_from(party, queue, at) else { continue };
            let told = entry.address(&AddressKind::Queue(queue), at).and_then(ElectronicAddress::queue);
            match told {
                Some(_) if origin == Origin::Registry => notes.push(format!(
                    "Its queue for {}, {}, is from {}.",
                    queue.as_str(),
                    address.name(),
                    origin.as_str()
                )),
                Some(other) if other.name() != address.name() => {
                    notes.push(format!("The address registry names another queue for {}.", queue.as_str()));
                }
                Some(_) | None => {}
            }
        }
        if !entry.takes_part(at) {
            notes.push("By the address registry it does not take part at this time.".to_owned());
        }
        notes
    }
}

/// The files' hash alone while the registry tells nothing, so that an installation without one keeps its hashes.
fn hash(files: [u8; 32], registry: &BTreeMap<HerId, Arc<RegistryEntry>>) -> [u8; 32] {
    if registry.is_empty() {
        return files;
    }
    let mut hash = Sha256::new();
    hash.update(files);
    for entry in registry.values() {
        // What decides, not when it was written.
        hash.update(format!("{:?}", RegistryEntry { last_changed: None, ..RegistryEntry::clone(entry) }));
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [[party]]
        her_id = 80201
        level = "enterprise"
        name = "Fjordby municipality"
        kind = "municipality"

        [[party]]
        her_id = 80202
        level = "service"
        name = "Fjordby municipality, nursing and care"
        kind = "municipality"
        parent = 80201
    "#;

    fn parties(text: &str) -> Parties {
        Parties::parse(&[("parties.toml".to_owned(), text.to_owned())]).expect("sound")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn entry(her_id: u32) -> RegistryEntry {
        let address = |address: &str, from: Option<&str>| ElectronicAddress {
            kind: AddressKind::Queue(Queue::Async),
            address: address.to_owned(),
            inherited: true,
            from: from.map(at),
        };
        RegistryEntry {
            her_id: HerId(her_id),
            kind: RegistryKind::Service,
            name: "Pleie og omsorg".to_owned(),
            parent: Some(HerId(80201)),
            organisation: "974760673".parse().ok(),
            active: true,
            addressable: true,
            valid_from: Some(at("2024-01-01T00:00:00Z")),
            valid_to: None,
            last_changed: None,
            addresses: vec![
                address("bus.example/NS/80201_async", None),
                address("bus.example/NS/later_async", Some("2026-06-01T00:00:00Z")),
            ],
        }
    }

    fn told(entries: &[RegistryEntry]) -> BTreeMap<HerId, Arc<RegistryEntry>> {
        entries.iter().map(|e| (e.her_id, Arc::new(e.clone()))).collect()
    }

    #[test]
    fn the_files_go_first_and_the_registry_fills_what_they_leave_open() {
        let origin = |parties: &Parties| {
            let party = parties.get(HerId(80202)).expect("it is there");
            parties.organisation_from(party).map(|(_, origin)| origin)
        };
        let told = told(&[entry(80202), entry(99)]);
        let open = parties(FILE);
        assert_eq!(origin(&open), None);
        let filled = open.with_registry(&told);
        assert_eq!(origin(&filled), Some(Origin::Registry));
        assert!(filled.registry(HerId(99)).is_none(), "the files do not name it");
        let own = parties(&format!("{FILE}\norganisation = \"983658725\"\n")).with_registry(&told);
        assert_eq!(origin(&own), Some(Origin::Party));
        let notes =
            own.registry_notes(own.get(HerId(80202)).expect("it is there"), at("2026-01-01T00:00:00Z"));
        assert_eq!(notes.len(), 3, "{notes:?}");
        let parent = parties(&FILE.replacen("kind", "organisation = \"983658725\"\nkind", 1));
        assert_eq!(origin(&parent.with_registry(&told)), Some(Origin::Enterprise));
    }

    #[test]
    fn what_the_registry_told_is_part_of_what_a_decision_was_made_from() {
        let open = parties(FILE);
        let filled = open.with_registry(&told(&[entry(80202)]));
        assert_ne!(open.hash(), filled.hash());
        assert_eq!(filled.with_registry(&BTreeMap::new()).hash(), open.hash(), "forgotten again");
        let touched = RegistryEntry { last_changed: Some(at("2026-01-01T00:00:00Z")), ..entry(80202) };
        assert_eq!(
            open.with_registry(&told(&[touched])).hash(),
            filled.hash(),
            "nothing that decides has changed"
        );
    }

    #[test]
    fn a_change_told_ahead_holds_from_its_day() {
        let parties = parties(FILE).with_registry(&told(&[entry(80202)]));
        let party = parties.get(HerId(80202)).expect("it is there");
        let queue = |queue, time: &str| {
            parties.queue(party, queue, at(time)).map(|address| address.name().to_owned())
        };
        assert_eq!(queue(Queue::Async, "2026-05-31T23:59:59Z").as_deref(), Some("80201_async"));
        assert_eq!(queue(Queue::Async, "2026-06-01T00:00:00Z").as_deref(), Some("later_async"));
        assert_eq!(queue(Queue::Sync, "2026-06-01T00:00:00Z"), None, "nobody tells one, and none is made up");
    }

    #[test]
    fn a_queue_is_the_partys_own_else_its_enterprises_else_the_registrys() {
        let now = at("2026-01-01T00:00:00Z");
        let from = |text: &str| {
            let parties = parties(text).with_registry(&told(&[entry(80202), entry(80201)]));
            let party = parties.get(HerId(80202)).expect("it is there");
            let (address, origin) = parties.queue_from(party, Queue::Async, now).expect("a queue");
            (address.name().to_owned(), origin, parties.registry_notes(party, now).join(" "))
        };
        let (name, origin, notes) = from(FILE);
        assert_eq!((name.as_str(), origin), ("80201_async", Origin::Registry));
        let told = "Its queue for messages and receipts, 80201_async, is from the address registry.";
        assert!(notes.contains(told), "{notes}");
        let enterprise = FILE.replacen("kind", "amqp.async = \"80201_async\"\nkind", 1);
        let (name, origin, notes) = from(&enterprise);
        assert_eq!((name.as_str(), origin), ("80201_async", Origin::Enterprise));
        assert!(!notes.contains("queue"), "they say the same: {notes}");
        let (name, origin, notes) = from(&format!("{enterprise}\n[party.amqp]\nasync = \"own_async\"\n"));
        assert_eq!((name.as_str(), origin), ("own_async", Origin::Party));
        let other = "The address registry names another queue for messages and receipts.";
        assert!(notes.contains(other), "{notes}");
    }

    #[test]
    fn what_is_no_queue_in_the_registry_is_none_here() {
        let mut odd = entry(80202);
        odd.addresses.truncate(1);
        odd.addresses[0].address = "bus.example/NS/".to_owned();
        let parties = parties(FILE).with_registry(&told(&[odd]));
        let party = parties.get(HerId(80202)).expect("it is there");
        assert_eq!(parties.queue(party, Queue::Async, at("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn deactivated_outdated_and_not_addressable_parties_take_no_part() {
        let now = at("2026-01-01T00:00:00Z");
        let whole = entry(1);
        assert!(whole.takes_part(now));
        assert!(!RegistryEntry { active: false, ..whole.clone() }.takes_part(now));
        assert!(!RegistryEntry { addressable: false, ..whole.clone() }.takes_part(now));
        assert!(!RegistryEntry { valid_to: Some(now), ..whole.clone() }.takes_part(now));
        assert!(
            !RegistryEntry { valid_from: Some(at("2026-01-02T00:00:00Z")), ..whole.clone() }.takes_part(now)
        );
        let organisation = RegistryEntry { kind: RegistryKind::Organisation, addressable: false, ..whole };
        assert!(
            organisation.takes_part(now),
            "an organisation is never addressed, and takes part all the same"
        );
    }
}
