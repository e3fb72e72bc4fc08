//! Taking back what was published (document-sharing §2.3): every format and attachment of every version.

use crate::codes;
use crate::metadata::{Entry, Id, Link};
use crate::published::Published;
use crate::refusal::Refusal;
use crate::submission::{Relation, Submission, frame};
use crate::target::{Kind, Target, Withdraw};
use jiff::Timestamp;
use message_schemas::document::{Format, NAMESPACE, SharedDocument};
use sha1::{Digest, Sha1};
use std::collections::BTreeSet;
use uuid::Uuid;

/// What a tombstone says. Plain ASCII, so that every target takes it as text; in Norwegian without letters beyond that.
const WORDS: &str = "Dokumentet er trukket tilbake av avsender.";

/// How entries are taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Withdrawal {
    /// Each is deleted.
    Delete {
        /// The entries.
        entries: Vec<Published>,
        /// Whose they are, if that is known.
        patient: Option<Id>,
    },
    /// Each is set out of use, one by one (MHD).
    Supersede {
        /// The entries.
        entries: Vec<Published>,
        /// Whose they are, if that is known.
        patient: Option<Id>,
    },
    /// A set is submitted that sets them out of use (ITI-57).
    Deprecate {
        /// The set, without documents.
        set: Box<Submission>,
        /// The entries.
        entries: Vec<Published>,
    },
    /// A document is submitted that takes their place and says that they were withdrawn.
    Tombstone(Box<Submission>),
}

/// How the entries of a series are taken back at a target. `cancellation` is the message that does so: it need not
/// repeat the content, but says whose documents they are, and from whom.
///
/// # Errors
/// [`Refusal`], if a set has to be submitted and cannot be.
pub fn withdrawal(
    cancellation: &SharedDocument,
    published: &[Published],
    target: &Target,
    now: Timestamp,
) -> Result<Withdrawal, Refusal> {
    let entries = published.to_vec();
    let patient = || {
        let (value, authority) = cancellation.described.patient.as_ref()?.id.clone()?;
        Some(Id { value, authority: authority.to_owned() })
    };
    Ok(match (target.withdraw, target.kind) {
        (Withdraw::Delete, _) => Withdrawal::Delete { entries, patient: patient() },
        (Withdraw::Deprecate, Kind::Mhd | Kind::MhdNational) => {
            Withdrawal::Supersede { entries, patient: patient() }
        }
        (Withdraw::Deprecate, Kind::Xds) => {
            let mut set = frame(cancellation, target, now)?;
            set.set.id = of_what_goes("deprecation", published);
            Withdrawal::Deprecate { set: Box::new(set), entries }
        }
        (Withdraw::Tombstone, _) => {
            Withdrawal::Tombstone(Box::new(tombstone(cancellation, published, target, now)?))
        }
    })
}

/// How the earlier entries go that a new version leaves without a successor; none if there are none.
#[must_use]
pub fn clearing(submission: &Submission, target: &Target) -> Option<Withdrawal> {
    let entries = submission.obsolete.clone();
    if entries.is_empty() {
        return None;
    }
    let patient = Some(submission.common.patient.id.clone());
    Some(match (target.withdraw, target.kind) {
        (Withdraw::Delete, _) => Withdrawal::Delete { entries, patient },
        (Withdraw::Deprecate | Withdraw::Tombstone, Kind::Mhd | Kind::MhdNational) => {
            Withdrawal::Supersede { entries, patient }
        }
        (Withdraw::Deprecate | Withdraw::Tombstone, Kind::Xds) => {
            let id = of_what_goes("clearing", &entries);
            let set = Submission {
                set: crate::metadata::SubmissionSet { id, ..submission.set.clone() },
                common: submission.common.clone(),
                unique_ids: submission.unique_ids,
                entries: Vec::new(),
                relations: Vec::new(),
                obsolete: Vec::new(),
                left_out: Vec::new(),
                substituted: 0,
            };
            Withdrawal::Deprecate { set: Box::new(set), entries }
        }
    })
}

/// An id made of what is taken back, and of nothing else: not of the message for which it goes, whose own documents have
/// ids of that, and which may be another one when messages arrive in another order.
fn of_what_goes(what: &str, published: &[Published]) -> Uuid {
    let entries: BTreeSet<String> = published.iter().map(|old| old.entry.to_string()).collect();
    let entries: Vec<String> = entries.into_iter().collect();
    Uuid::new_v5(&NAMESPACE, format!("{what}|{}", entries.join("+")).as_bytes())
}

fn tombstone(
    cancellation: &SharedDocument,
    published: &[Published],
    target: &Target,
    now: Timestamp,
) -> Result<Submission, Refusal> {
    const MEDIA_TYPE: &str = "text/plain";
    let mut submission = frame(cancellation, target, now)?;
    let format = Format::KithXml;
    submission.set.id = of_what_goes("tombstone set", published);
    let document = of_what_goes("tombstone document", published);
    let entry = if target.shares_ids() { document } else { of_what_goes("tombstone entry", published) };
    let name = codes::media_format(MEDIA_TYPE);
    submission.entries.push(Entry {
        format,
        entry,
        document,
        class: codes::document_type(cancellation.class_code),
        kind: codes::document_type(cancellation.type_code),
        format_code: codes::Code::new(codes::FORMATS, name, name),
        confidentiality: vec![target.level.code()],
        media_type: MEDIA_TYPE.to_owned(),
        title: "Dokumentet er trukket tilbake".to_owned(),
        common: submission.common.clone(),
        sha1: Sha1::digest(WORDS.as_bytes()).into(),
        bytes: WORDS.as_bytes().to_vec(),
    });
    let replaces = |old| Relation::to_earlier(entry, Link::Replaces, old);
    submission.relations = published.iter().map(replaces).collect();
    Ok(submission)
}
