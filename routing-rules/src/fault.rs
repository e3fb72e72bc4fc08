//! What is wrong with a file of parties or rules: always with its place and a remedy, always all of it.

use serde::Serialize;
use std::fmt;

/// Which kind of file the fault is in; each has a page in `dead-letter/reasons/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum FaultKind {
    /// A file of parties.
    #[serde(rename = "L02")]
    Parties,
    /// A file of rules.
    #[serde(rename = "L03")]
    Rules,
}

impl FaultKind {
    /// The code as printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parties => "L02",
            Self::Rules => "L03",
        }
    }
}

/// One fault in a file of parties or rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which kind of file, as a code that `explain` knows.
    pub code: FaultKind,
    /// The file, as it was named to the reader.
    pub file: String,
    /// Line in it, from 1.
    pub line: usize,
    /// The field concerned, with the entry it stands in (`party 8093: parent`); empty for faults of the file itself.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} ", self.file, self.line, self.code.as_str())?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{} {}", self.message, self.remedy)
    }
}

/// An example in a rule file that did not come out as it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExampleFailure {
    /// The rule file.
    pub file: String,
    /// Line of the example, from 1.
    pub line: usize,
    /// The rule that it belongs to.
    pub rule: String,
    /// The example's name.
    pub example: String,
    /// What was expected.
    pub expected: String,
    /// What came out instead, with the reason.
    pub got: String,
}

impl fmt::Display for ExampleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: rule {}, example \"{}\": expected {}, got {}",
            self.file, self.line, self.rule, self.example, self.expected, self.got
        )
    }
}
