//! Versions and cancellation: what is visible of a document that came in several messages.
//!
//! What is visible is a fold over all messages of a series that are known, in the order of (GenDate, MsgId). So the
//! order of arrival never matters: a message that comes late is put in its place, and the fold is made again. Only
//! what is in conflict with what came before it stays outside of the fold, waits for a person, and changes nothing.
//!
//! | message | what it comes to |
//! |---|---|
//! | N, M | the whole content: it takes the place of what was visible |
//! | M of a laboratory that leaves out results | a difference: merged into what was visible, which stays |
//! | A, H | beside what was visible; on a laboratory report as a difference |
//! | C | nothing of the series is visible, whatever came before or comes later with an earlier GenDate |
//! | N, M made after a C | for a person: the series is closed |
//! | the same again | nothing |
//! | the same MsgId with other content, or about another patient | for a person |
//! | C from another than the series' owner | for a person: it withdraws nothing |
//! | N, M that says it was made well after it came | for a person: in its place it would hide what corrects it |
//!
//! A person at the broker may let one in ([`Ruling`]): what was made after a C opens the series again from there on, until
//! another C; what is about another patient stands beside, in a series of its own; what is dated ahead stands where it came.
//! Whatever comes later, and in which order, the fold comes to the same.
//!
//! Source: document-sharing §2.1 and §2.2 (HISD 1154, HITS 1102 §4.1 and §4.2, and decisions marked there).
//!
//! **Invariants.** Nothing here reads a clock, a network or a file. What is visible of a series is of one patient and
//! one sender. Work grows with the number of messages of a series, and of results in them, not with their square.
//!
//! **Deliberately absent:** IssueDate. It should be the same in all versions, but senders change it.

mod assign;
mod fold;
mod items;
mod plan;
mod read;
mod submit;
mod version;

pub use fold::{Conflict, Document, Fate, Folded, Part, Series, State, Visible, fold};
pub use plan::{
    Entry, Formats, Habits, Link, LinkKind, Planned, Shown, Status, Step, UNKNOWN, Wanted, merged_id, plan,
    superseded_by,
};
pub use submit::{Assembled, Made, assemble, expected};
pub use version::{Change, FAMILIES, Item, Mark, Names, PatientKey, Ruling, Sha, Strand, Version, Withheld};
