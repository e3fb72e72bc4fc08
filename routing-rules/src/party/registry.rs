//! What the address registry tells of a party, and what of it is used.
//!
//! **Invariant:** the parties' files go first. The registry only fills what they leave open, and every answer that it
//! filled says so ([`Origin`]). Where a party's messages go (destination, enterprise, region) is never the registry's
//! to say: a slip there must not send patients' messages elsewhere.

use super::{Parties, PartyEntry};
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
    /// The AMQP queue for messages and receipts.
    Async,
    /// The AMQP queue for requests that are answered at once.
    Sync,
    /// The AMQP queue for the answers to these.
    SyncReply,
    /// The AMQP queue for transport errors.
    Error,
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
            Self::Async => "E_SB_ASYNC",
            Self::Sync => "E_SB_SYNC",
            Self::SyncReply => "E_SB_SYNCREPLY",
            Self::Error => "E_SB_ERROR",
            Self::Certificates => "E_DS",
            Self::Other(code) => code,
        }
    }
}

impl From<String> for AddressKind {
    fn from(code: String) -> Self {
        match code.as_str() {
            "E_SB_ASYNC" => Self::Async,
            "E_SB_SYNC" => Self::Sync,
            "E_SB_SYNCREPLY" => Self::SyncReply,
            "E_SB_ERROR" => Self::Error,
            "E_DS" => Self::Certificates,
            _ => Self::Other(code),
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
    /// The name of the queue: what stands after the last `/`; none if nothing does.
    #[must_use]
    pub fn queue(&self) -> Option<&str> {
        self.address.trim().rsplit('/').next().filter(|name| !name.is_empty())
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
            kind: AddressKind::Async,
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
        assert_eq!(notes.len(), 2, "{notes:?}");
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
        let entry = entry(80202);
        let queue =
            |time: &str| entry.address(&AddressKind::Async, at(time)).and_then(ElectronicAddress::queue);
        assert_eq!(queue("2026-05-31T23:59:59Z"), Some("80201_async"));
        assert_eq!(queue("2026-06-01T00:00:00Z"), Some("later_async"));
        assert!(entry.address(&AddressKind::Sync, at("2026-06-01T00:00:00Z")).is_none());
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
