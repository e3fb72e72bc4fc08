//! What protection a partner uses: what its messages must have, which old algorithms its agreement allows, and
//! what it gets from us. Words only; the certificates behind them are the business of others.

use super::PartyEntry;
use crate::reading::{Faults, Table, line, parsed, word};
use message_schemas::family::Family;
use message_schemas::ids::OrgNumber;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a message must have to be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requires {
    /// Nothing. What it has is checked all the same.
    Nothing,
    /// A signature: of the envelope, or of the whole document.
    Signed,
    /// Sealed for us.
    Sealed,
    /// Both, as the AMQP profile has it.
    #[default]
    SignedAndSealed,
}

impl Requires {
    /// Whether it must be signed.
    #[must_use]
    pub const fn signed(self) -> bool {
        matches!(self, Self::Signed | Self::SignedAndSealed)
    }

    /// Whether it must be sealed.
    #[must_use]
    pub const fn sealed(self) -> bool {
        matches!(self, Self::Sealed | Self::SignedAndSealed)
    }
}

/// Whether the document itself must be signed, inside its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentSignature {
    /// It must.
    Required,
    /// It need not, but a signature that is there must hold.
    #[default]
    VerifiedIfPresent,
}

/// An old algorithm that an agreement may allow. There are no others to allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Legacy {
    /// SHA-1 in signatures.
    Sha1,
    /// Triple DES.
    TripleDes,
}

/// In which protection a party gets what we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gets {
    /// None: the way to it is protected otherwise, or does not leave the house.
    #[default]
    Plain,
    /// Signed by us, and open to read: where the way there is encrypted by other means.
    Signed,
    /// Signed by us and sealed for it.
    SignedAndSealed,
}

/// How content is encrypted for a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cipher {
    /// AES-256 in CBC mode: what everybody takes.
    #[default]
    Aes256Cbc,
    /// AES-256 in GCM mode, where it is known that the party takes it.
    Aes256Gcm,
}

/// A setting of a party: for all families, and for single ones, which go first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByFamily<T> {
    /// For all that are not listed.
    pub default: Option<T>,
    /// By family.
    pub families: BTreeMap<Family, T>,
}

impl<T> Default for ByFamily<T> {
    fn default() -> Self {
        Self { default: None, families: BTreeMap::new() }
    }
}

impl<T: Copy> ByFamily<T> {
    /// What holds for a family; none if nothing is said.
    #[must_use]
    pub fn of(&self, family: Option<Family>) -> Option<T> {
        family.and_then(|f| self.families.get(&f)).copied().or(self.default)
    }
}

/// What `[party.protection]` says. What it leaves open is as with the party's enterprise, else as the policy says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PartyProtection {
    /// As a sender: what its messages must have.
    pub requires: ByFamily<Requires>,
    /// As a sender: whether the document itself must be signed.
    pub document_signature: ByFamily<DocumentSignature>,
    /// As a sender: which old algorithms it may use.
    pub allow: Option<Vec<Legacy>>,
    /// As a receiver: messages that are sealed for it, and not for us, are passed on unread.
    pub opaque: Option<bool>,
    /// Its certificates, as files; who reads them is told by the configuration.
    pub certificates: Vec<String>,
    /// Organisations other than its own whose certificates sign for it: a supplier's, by agreement.
    pub signed_by: Vec<OrgNumber>,
    /// As a sender: it signs with the certificates that are listed for it, and with no other of its organisation.
    pub only_listed: Option<bool>,
    /// As a receiver: what it gets.
    pub gets: Option<Gets>,
    /// As a receiver: how it is encrypted.
    pub cipher: Option<Cipher>,
}

impl super::Parties {
    /// A protection setting: the party's own, else its enterprise's.
    pub fn protection<'a, T>(
        &'a self,
        party: &'a PartyEntry,
        setting: impl Fn(&'a PartyProtection) -> Option<T>,
    ) -> Option<T> {
        setting(&party.protection).or_else(|| self.parent(party).and_then(|p| setting(&p.protection)))
    }

    /// The old algorithms that any party may use.
    #[must_use]
    pub fn legacy(&self) -> &[Legacy] {
        &self.legacy
    }

    /// Organisations whose certificates may sign for a party: its own, its enterprise's, and those that either
    /// names.
    #[must_use]
    pub fn signers(&self, party: &PartyEntry) -> Vec<OrgNumber> {
        let both = || std::iter::once(party).chain(self.parent(party));
        let named = both().flat_map(|p| p.protection.signed_by.iter().copied());
        let mut all: Vec<_> = both().filter_map(|p| p.organisation).chain(named).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

pub(super) fn read(party: &mut Table<'_, '_>, faults: &mut Faults) -> PartyProtection {
    let Some(mut table) = party.tables("protection", faults).into_iter().next() else {
        return PartyProtection::default();
    };
    let requires = by_family(&mut table, "requires", faults);
    let document_signature = by_family(&mut table, "document_signature", faults);
    let allow = table.texts("allow", faults, word);
    let allow = table.has("allow").then_some(allow);
    let opaque = table.flag("opaque", faults);
    let certificates = table.texts("certificates", faults, line);
    let signed_by = table.texts("signed_by", faults, parsed);
    let only_listed = table.flag("only_listed", faults);
    let gets = table.text("gets", faults, word);
    let cipher = table.text("cipher", faults, word);
    table.finish(faults);
    PartyProtection {
        requires,
        document_signature,
        allow,
        opaque,
        certificates,
        signed_by,
        only_listed,
        gets,
        cipher,
    }
}

/// One word for all families, or a table of words by family with `default`.
fn by_family<T: for<'de> Deserialize<'de>>(
    table: &mut Table<'_, '_>,
    name: &'static str,
    faults: &mut Faults,
) -> ByFamily<T> {
    let mut setting = ByFamily::default();
    if !table.is_table(name) {
        setting.default = table.text(name, faults, word);
        return setting;
    }
    for mut inner in table.tables(name, faults) {
        for key in inner.names() {
            let Some(value) = inner.free_text(key, faults, word) else { continue };
            match word::<Family>(key) {
                Ok(family) => {
                    setting.families.insert(family, value);
                }
                Err(_) if key == "default" => setting.default = Some(value),
                Err(why) => inner.fault(faults, key, &why, "Write a family's name, or default."),
            }
        }
    }
    setting
}
