//! What is set for a target: a registry or store that documents are published to.

use crate::codes::{self, Code, FormatNames, Level};
use message_schemas::Family;
use std::collections::{BTreeMap, BTreeSet};

/// How a target is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IHE MHD, ITI-65 Comprehensive.
    Mhd,
    /// The national document store's MHD.
    MhdNational,
    /// IHE XDS.b, ITI-41.
    Xds,
}

/// Whose messages go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Living patients.
    Production,
    /// Synthetic ones.
    Test,
}

/// What is published of a message beside its own XML, which always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Also {
    /// The FHIR document.
    Fhir,
    /// The rendering.
    Pdf,
    /// Its attachments, each on its own.
    Attachments,
}

/// How the entries of an earlier version are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaceScope {
    /// Each format for itself: the target replaces just what it is told to.
    EachFormat,
    /// The original alone: the target takes what was made of it, or appended to it, out of use along with it.
    Original,
}

/// What uniquely names a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniqueIds {
    /// A UUID as it is; in XDS, entry and document share it.
    Uuid,
    /// `2.25.` and the UUID as a decimal number.
    Oid,
}

/// How what was published is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdraw {
    /// The entries are deleted, and the documents with them.
    Delete,
    /// The entries are set out of use.
    Deprecate,
    /// They are replaced by a document that says that they were withdrawn.
    Tombstone,
}

/// What is known of a sender beyond its messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sender {
    /// The OID under which it submits.
    pub source: Option<String>,
    /// The kind of institution.
    pub facility: Option<Code>,
    /// The practice setting.
    pub practice: Option<Code>,
}

/// When a document is more confidential than others. What a rule asks about and the message does not tell counts as
/// met: a rule that cannot decide takes the stricter side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfidentialityRule {
    /// Of these families; of all if empty.
    pub families: BTreeSet<Family>,
    /// From these senders (`ENH:` or `HER:` and a number); from all if empty.
    pub senders: BTreeSet<String>,
    /// Of these disciplines (8202) or specialities of an author (7426, 8451); of all if empty.
    pub specialities: BTreeSet<String>,
    /// Of the attachments alone.
    pub attachments_only: bool,
    /// At least so confidential.
    pub level: Level,
    /// Codes of list 9603 beside it.
    pub access: Vec<Code>,
}

/// A target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How it is spoken to.
    pub kind: Kind,
    /// Whose messages go there.
    pub environment: Environment,
    /// The families that are published there.
    pub families: BTreeSet<Family>,
    /// What is published beside the original.
    pub also: BTreeSet<Also>,
    /// The community that documents belong to: an OID without `urn:oid:`.
    pub home_community: String,
    /// The repository that keeps them: an OID. XDS needs it to fetch a document again.
    pub repository: Option<String>,
    /// What is known of senders, by `ENH:`, `HER:` or `RSH:` and the number.
    pub senders: BTreeMap<String, Sender>,
    /// An OID under which each sender that has none of its own gets one: followed by an arc for the register that knows
    /// it (1 ENH, 2 HER, 3 RESH) and by its number.
    pub source_root: Option<String>,
    /// The kind of institution where neither sender nor family says it.
    pub facility: Option<Code>,
    /// The practice setting where neither sender nor discipline says it.
    pub practice: Option<Code>,
    /// How confidential documents are where no rule says more.
    pub level: Level,
    /// Rules that say more; all that are met hold.
    pub confidentiality: Vec<ConfidentialityRule>,
    /// How the format of the original is named.
    pub format_names: FormatNames,
    /// What names a document.
    pub unique_ids: UniqueIds,
    /// How versions are replaced.
    pub replace_scope: ReplaceScope,
    /// How documents are taken back.
    pub withdraw: Withdraw,
    /// Language of documents.
    pub language: String,
    /// Name the receivers of a message as those that a submission is meant for.
    pub name_recipients: bool,
    /// The largest document that the target takes, in bytes.
    pub most_bytes: u64,
}

impl Target {
    /// A target with the defaults of its kind. `home_community` is an OID.
    #[must_use]
    pub fn new(kind: Kind, environment: Environment, home_community: impl Into<String>) -> Self {
        let national = kind == Kind::MhdNational;
        Self {
            kind,
            environment,
            families: default_families(),
            also: if national {
                // Consumers there pick a stylesheet by namespace; all of them can show the original.
                BTreeSet::from([Also::Attachments])
            } else {
                BTreeSet::from([Also::Fhir, Also::Attachments])
            },
            home_community: home_community.into(),
            repository: None,
            senders: BTreeMap::new(),
            source_root: None,
            facility: None,
            practice: None,
            level: Level::Normal,
            confidentiality: Vec::new(),
            format_names: if national { FormatNames::Namespace } else { FormatNames::Urn },
            unique_ids: if national { UniqueIds::Uuid } else { UniqueIds::Oid },
            replace_scope: if kind == Kind::Xds { ReplaceScope::Original } else { ReplaceScope::EachFormat },
            withdraw: match kind {
                Kind::MhdNational => Withdraw::Delete,
                Kind::Mhd | Kind::Xds => Withdraw::Deprecate,
            },
            language: "nb-NO".to_owned(),
            name_recipients: false,
            most_bytes: MOST_BYTES,
        }
    }

    /// Entry and document have one id: in XDS, some sources want that.
    #[must_use]
    pub fn shares_ids(&self) -> bool {
        self.kind == Kind::Xds && self.unique_ids == UniqueIds::Uuid
    }

    /// What is known of a sender.
    #[must_use]
    pub fn sender(&self, sender: &str) -> Option<&Sender> {
        self.senders.get(sender)
    }

    /// The OID that a sender submits under.
    #[must_use]
    pub fn source(&self, sender: &str) -> Option<String> {
        if let Some(own) = self.sender(sender).and_then(|s| s.source.clone()) {
            return Some(own);
        }
        let (kind, number) = sender.split_once(':')?;
        // Numbers of different registers may be alike.
        let register = match kind {
            "ENH" => 1,
            "HER" => 2,
            "RSH" => 3,
            _ => return None,
        };
        let source = format!("{}.{register}.{number}", self.source_root.as_ref()?);
        codes::is_oid(&source).then_some(source)
    }
}

/// The largest document that the national store takes, in bytes.
pub const MOST_BYTES: u64 = 60_000_000;

/// What is published if nothing else is set: records, not logistics, and not orders in progress.
#[must_use]
pub fn default_families() -> BTreeSet<Family> {
    BTreeSet::from([
        Family::Referral,
        Family::DischargeSummary,
        Family::ResultReport,
        Family::AdmissionReport,
        Family::HealthInformationForApplication,
        Family::HealthInformationForDoctor,
        Family::ServiceOfferNotice,
        Family::MedicalInformation,
        Family::DischargeReport,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sender_has_an_oid_of_its_own_or_none() {
        let mut target = Target::new(Kind::Mhd, Environment::Test, "2.999.1");
        assert_eq!(target.source("ENH:974589095"), None);
        target.source_root = Some("2.999.7".to_owned());
        assert_eq!(target.source("ENH:974589095").as_deref(), Some("2.999.7.1.974589095"));
        assert_ne!(target.source("ENH:974589095"), target.source("ENH:974760673"));
        assert_ne!(target.source("HER:4711"), target.source("RSH:4711"));
        assert_eq!(target.source("ENH:no number"), None);
        let own = Sender { source: Some("2.999.8".to_owned()), ..Sender::default() };
        target.senders.insert("ENH:974589095".to_owned(), own);
        assert_eq!(target.source("ENH:974589095").as_deref(), Some("2.999.8"));
    }

    #[test]
    fn receipts_logistics_dialogues_and_orders_are_not_published_by_default() {
        let families = default_families();
        for family in [Family::AppRec, Family::PatientLogistics, Family::Dialogue, Family::Requisition] {
            assert!(!families.contains(&family), "{family}");
        }
    }
}
