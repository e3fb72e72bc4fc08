//! Why a document is not published, or not known to be. Each code has a page in `dead-letter/reasons/`.

use message_schemas::Family;
use message_schemas::document::Withheld;

/// Why nothing is submitted: decided here, before anything leaves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A test message is never shown beside those of living patients.
    #[error("a test message is not published to a target in production")]
    TestToProduction,
    /// A synthetic patient neither.
    #[error("a synthetic patient's document is not published to a target in production")]
    SyntheticToProduction,
    /// A living patient's document has no place where tests are done.
    #[error("a real patient's document is not published to a target for tests")]
    RealToTest,
    /// The document itself says that it must not be published.
    #[error("the document is not for publishing: {}", reasons(.0))]
    Withheld(Vec<Withheld>),
    /// This target does not take the family.
    #[error("documents of family {0} are not published to this target")]
    FamilyNotShared(Family),
    /// Each system that submits has an OID of its own.
    #[error("there is no source OID for the sender of this message")]
    SenderWithoutSource,
    /// A required code that neither the message nor a setting tells.
    #[error("there is no practice setting for the sender of this message")]
    NoPractice,
    /// What the target wants of every message was not made of this one.
    #[error("the target wants a rendering that was not made: {0}")]
    NotRendered(&'static str),
    /// The target would refuse the message's own bytes.
    #[error("the target does not take the message: {0}")]
    OriginalNotTaken(&'static str),
}

impl Refusal {
    /// The code, as stored and printed.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TestToProduction => "N01",
            Self::SyntheticToProduction => "N02",
            Self::RealToTest => "N03",
            Self::Withheld(_) => "N04",
            Self::FamilyNotShared(_) => "N05",
            Self::SenderWithoutSource => "N06",
            Self::NoPractice => "N07",
            Self::NotRendered(_) => "N08",
            Self::OriginalNotTaken(_) => "N09",
        }
    }
}

/// The target answered no.
pub const REJECTED: &str = "N10";
/// The target holds something else under our id.
pub const OTHER_CONTENT: &str = "N11";
/// What was published is not there, not in use, or not the same bytes.
pub const NOT_AS_PUBLISHED: &str = "N12";
/// The target did not answer, or not yet.
pub const NO_ANSWER: &str = "N13";
/// No token could be had, or the target does not accept it.
pub const NO_TOKEN: &str = "N14";

/// All codes there are.
pub const CODES: &[&str] = &[
    "N01",
    "N02",
    "N03",
    "N04",
    "N05",
    "N06",
    "N07",
    "N08",
    "N09",
    REJECTED,
    OTHER_CONTENT,
    NOT_AS_PUBLISHED,
    NO_ANSWER,
    NO_TOKEN,
];

fn reasons(withheld: &[Withheld]) -> String {
    withheld.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
