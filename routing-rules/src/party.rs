//! Who takes part: the communication parties that we know, what they can take, and where they are reached.

mod amqp;
mod file;
mod protection;
mod registry;

pub use amqp::{NoQueueAddress, PartyAmqp, Queue, QueueAddress};
pub(crate) use file::{formats, instant};
pub use protection::{ByFamily, Cipher, DocumentSignature, Gets, Legacy, PartyProtection, Requires};
pub use registry::{AddressKind, ElectronicAddress, Origin, RegistryEntry, RegistryKind};

use crate::destination::{DestinationId, Format};
use crate::fault::Fault;
use jiff::Timestamp;
use message_schemas::family::{Family, MessageKind, Version};
use message_schemas::ids::{HerId, OrgNumber};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What kind of party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartyKind {
    /// A municipality's health and care service (kommune).
    Municipality,
    /// A general practitioner (fastlege).
    Gp,
    /// A specialist in private practice under contract (avtalespesialist).
    ContractSpecialist,
    /// A hospital (helseforetak, sykehus).
    Hospital,
    /// A laboratory or imaging department.
    Laboratory,
    /// A national or quality register.
    Register,
}

impl PartyKind {
    /// The name used in settings and rules.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Municipality => "municipality",
            Self::Gp => "gp",
            Self::ContractSpecialist => "contract-specialist",
            Self::Hospital => "hospital",
            Self::Laboratory => "laboratory",
            Self::Register => "register",
        }
    }
}

/// Level of a party in the address register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Level 1: the enterprise (virksomhet). It only groups.
    Enterprise,
    /// Level 2: the service or person that messages are addressed to.
    Service,
}

/// Who answers for a party, with an application receipt. There are never two receipts for one receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// We write the receipt when the message is committed, for technical acceptance; the system behind is told not to.
    Broker,
    /// The party's own system; we forward the message and relay its receipt, and answer only for what we refuse.
    #[default]
    Party,
    /// Nobody: the party answers in another way, or not at all.
    None,
}

/// A family that a party can take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// The family.
    pub family: Family,
    /// The versions; empty means all.
    pub versions: Vec<Version>,
    /// In which forms it is to be delivered; never empty.
    pub formats: Vec<Format>,
}

/// Whether messages of this sender are taken in although they do not follow their schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AcceptsInvalid {
    /// For all families, or for none.
    All(bool),
    /// For these families, and for no other.
    Families(Vec<Family>),
}

/// How long this party may take to answer with a receipt before somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptDeadline {
    /// Its receipts are not waited for.
    Off,
    /// So many hours after the message was generated (the standard says 96).
    Hours(u32),
}

/// One party, as its entry in the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyEntry {
    /// Its number in the address register.
    pub her_id: HerId,
    /// Enterprise or service.
    pub level: Level,
    /// Its name, for people.
    pub name: String,
    /// What kind of party.
    pub kind: PartyKind,
    /// The enterprise that it belongs to; only a service has one.
    pub parent: Option<HerId>,
    /// Its organisation number; a service without one has its parent's.
    pub organisation: Option<OrgNumber>,
    /// Its region, a word for rules to ask for; a service without one has its parent's.
    pub region: Option<String>,
    /// True if messages to it are ours to deliver; false for a partner that only sends to us.
    pub ours: bool,
    /// What it can take; empty means everything, as KITH XML. Receipts are always taken.
    pub receives: Vec<Capability>,
    /// Where it is reached; a service without one is reached where its parent is.
    pub destination: Option<DestinationId>,
    /// Where messages marked as tests go; none means where all others go.
    pub test_destination: Option<DestinationId>,
    /// Who answers for it.
    pub answers: Answers,
    /// As a sender: whether its messages are taken in although invalid; none leaves it to the general setting.
    pub accepts_invalid: Option<AcceptsInvalid>,
    /// Deadline of its receipts for all families; none leaves it to the general setting.
    pub receipt_deadline: Option<ReceiptDeadline>,
    /// Deadlines of its receipts for single families; these go first.
    pub receipt_deadlines: BTreeMap<Family, ReceiptDeadline>,
    /// What protection it uses.
    pub protection: PartyProtection,
    /// Its queues.
    pub amqp: PartyAmqp,
    /// Takes part from this instant on.
    pub valid_from: Option<Timestamp>,
    /// Takes part until just before this instant.
    pub valid_to: Option<Timestamp>,
}

impl PartyEntry {
    /// What is said about invalid messages of this family; none if nothing is said.
    #[must_use]
    pub fn accepts_invalid(&self, family: Family) -> Option<bool> {
        self.accepts_invalid.as_ref().map(|accepts| match accepts {
            AcceptsInvalid::All(yes) => *yes,
            AcceptsInvalid::Families(families) => families.contains(&family),
        })
    }

    /// The deadline of its receipt for a message of this family; none if nothing is said.
    #[must_use]
    pub fn receipt_deadline(&self, family: Family) -> Option<ReceiptDeadline> {
        self.receipt_deadlines.get(&family).copied().or(self.receipt_deadline)
    }

    /// The forms in which it takes this kind of message; none if it does not take it.
    #[must_use]
    pub fn takes(&self, kind: MessageKind) -> Option<&[Format]> {
        let fits = |c: &&Capability| {
            c.family == kind.family && (c.versions.is_empty() || c.versions.contains(&kind.version))
        };
        match self.receives.iter().find(fits) {
            Some(capability) => Some(&capability.formats),
            None if self.receives.is_empty() || kind.family == Family::AppRec => Some(&[Format::KithXml]),
            None => None,
        }
    }

    /// Whether it takes part at this instant.
    #[must_use]
    pub fn valid_at(&self, at: Timestamp) -> bool {
        self.valid_from.is_none_or(|from| from <= at) && self.valid_to.is_none_or(|to| at < to)
    }
}

/// All parties that we know; made by [`Parties::parse`], complete and free of contradictions.
#[derive(Debug, Clone, Default)]
pub struct Parties {
    entries: BTreeMap<HerId, PartyEntry>,
    /// What any of them may use.
    legacy: Vec<Legacy>,
    /// What the address registry tells of them.
    registry: BTreeMap<HerId, Arc<RegistryEntry>>,
    /// Of the files alone.
    files_hash: [u8; 32],
    hash: [u8; 32],
}

impl Parties {
    /// Reads files of parties, given as (name, text). The order of the files does not matter.
    ///
    /// # Errors
    /// All faults of all files.
    pub fn parse(files: &[(String, String)]) -> Result<Self, Vec<Fault>> {
        file::parse(files)
    }

    /// The party with this HER-id.
    #[must_use]
    pub fn get(&self, her_id: HerId) -> Option<&PartyEntry> {
        self.entries.get(&her_id)
    }

    /// Whether messages to this party are ours to deliver and to answer for.
    #[must_use]
    pub fn is_ours(&self, her_id: HerId) -> bool {
        self.get(her_id).is_some_and(|party| party.ours)
    }

    /// All parties, by HER-id.
    pub fn iter(&self) -> impl Iterator<Item = &PartyEntry> {
        self.entries.values()
    }

    /// The enterprise that a party belongs to.
    #[must_use]
    pub fn parent(&self, party: &PartyEntry) -> Option<&PartyEntry> {
        party.parent.and_then(|her_id| self.get(her_id))
    }

    /// Where a party is reached: at its own destination, else at its enterprise's.
    #[must_use]
    pub fn destination<'a>(&'a self, party: &'a PartyEntry, test: bool) -> Option<&'a DestinationId> {
        let own = |p: &'a PartyEntry| p.test_destination.as_ref().filter(|_| test).or(p.destination.as_ref());
        own(party).or_else(|| self.parent(party).and_then(own))
    }

    /// A party's region: its own, else its enterprise's.
    #[must_use]
    pub fn region<'a>(&'a self, party: &'a PartyEntry) -> Option<&'a str> {
        party.region.as_deref().or_else(|| self.parent(party).and_then(|p| p.region.as_deref()))
    }

    /// A party's organisation number: its own, else its enterprise's, else as the address registry tells.
    #[must_use]
    pub fn organisation(&self, party: &PartyEntry) -> Option<OrgNumber> {
        self.organisation_from(party).map(|(number, _)| number)
    }

    /// The organisation number (ENH) of every party that has one, itself or by its enterprise.
    #[must_use]
    pub fn her_to_enh(&self) -> BTreeMap<HerId, OrgNumber> {
        self.iter().filter_map(|party| Some((party.her_id, self.organisation(party)?))).collect()
    }

    /// Every destination that is named, with a party that names it, so that a missing one can be told.
    pub fn destinations(&self) -> impl Iterator<Item = (&DestinationId, &PartyEntry)> {
        self.iter().flat_map(|p| p.destination.iter().chain(&p.test_destination).map(move |d| (d, p)))
    }

    /// SHA-256 of all files by name, and of what the registry fills, to store with each decision.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }
}
