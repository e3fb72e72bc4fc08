//! Settings of the translation. Every rule that is a decision of ours, and not of a standard, is here.

use crate::ids::OrgNumber;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which document is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A FHIR document: Composition, Patient and the clinical resources.
    #[default]
    Document,
    /// NILAR's resources alone, with its code systems, as a collection.
    Nilar,
}

/// The language of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Language {
    /// Bokmål.
    #[default]
    #[serde(rename = "nb-NO")]
    Bokmal,
    /// Nynorsk, for senders that write it; our own labels stay Bokmål.
    #[serde(rename = "nn-NO")]
    Nynorsk,
}

impl Language {
    /// The tag.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Bokmal => "nb-NO",
            Self::Nynorsk => "nn-NO",
        }
    }
}

/// How confidential a document is, where no rule says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Confidentiality {
    /// Normal.
    #[default]
    #[serde(rename = "N")]
    Normal,
    /// Restricted.
    #[serde(rename = "R")]
    Restricted,
    /// Very restricted.
    #[serde(rename = "V")]
    VeryRestricted,
}

impl Confidentiality {
    /// The code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Normal => "N",
            Self::Restricted => "R",
            Self::VeryRestricted => "V",
        }
    }
}

/// Settings of the translation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Which document is made.
    pub mode: Mode,
    /// The language that documents are marked with.
    pub language: Language,
    /// How confidential they are.
    pub confidentiality: Confidentiality,
    /// HER-id of a legal unit to its organisation number, so that a sender that changes the kind of its id
    /// keeps its series.
    pub organisations: BTreeMap<String, OrgNumber>,
    /// Put attachments into the document. Default: yes in document mode, no in NILAR's.
    pub attachments: Option<bool>,
    /// Larger attachments are named, not shown. Those that are compressed may come to so much all together.
    pub max_attachment_bytes: usize,
    /// More reports in one message are refused.
    pub max_reports: usize,
    /// More results, specimens and orders in one report are refused.
    pub max_resources: usize,
    /// A DUF number is enough for publishing.
    pub publish_duf: bool,
    /// Publish dialogues about a patient.
    pub publish_dialogues: bool,
    /// Publish notices of patient logistics and absence.
    pub publish_logistics: bool,
    /// Publish orders (Rekvisisjon), which are no records while they are under way.
    pub publish_orders: bool,
    /// Care and nursing messages: id of the series by message id, for those whose place is known. A change or
    /// cancellation of such a message belongs to its series.
    #[serde(skip)]
    pub series: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            language: Language::default(),
            confidentiality: Confidentiality::default(),
            organisations: BTreeMap::new(),
            attachments: None,
            max_attachment_bytes: 20 * 1024 * 1024,
            max_reports: 200,
            max_resources: 20_000,
            publish_duf: false,
            publish_dialogues: false,
            publish_logistics: false,
            publish_orders: false,
            series: BTreeMap::new(),
        }
    }
}

impl Options {
    pub(super) fn shares_attachments(&self) -> bool {
        self.attachments.unwrap_or(self.mode == Mode::Document)
    }
}
