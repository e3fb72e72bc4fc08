//! Application receipts (applikasjonskvittering, AppRec): the answer to a message, as a value.
//!
//! [`receipts_due`] says for which receivers of a message a receipt is due, [`Receipt::answer`] makes it,
//! [`Receipt::to_xml`] writes it. Incoming receipts are read like every message, by [`crate::head`];
//! [`correlation`] gives the keys by which their original is found.
//!
//! **Invariants:** a receipt is never answered with a receipt. A receipt speaks for one receiver and mirrors
//! the addresses of the message, whether they were right or not. No text of the message but its ids and
//! addresses is repeated. Ids and times are arguments.

mod codes;
mod correlate;
mod due;
mod write;

pub use codes::ErrorCode;
pub use correlate::{Correlation, correlation};
pub use due::{Due, Envelope, Ownership, Settings, Silence, receipts_due};

use crate::codes::List;
use crate::family::{Family, MessageKind, Version as FamilyVersion};
use crate::head::{Addressing, MessageHead, Party, ReceiptStatus, Receiver, Role};
use crate::time::{self, Stamp};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Version of the receipt itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Version {
    /// HIS 80415:2004.
    #[serde(rename = "1.0")]
    V1_0,
    /// HIS 80415:2012.
    #[serde(rename = "1.1")]
    V1_1,
}

/// The receipt that a message of this kind is answered with; none if it gets none.
#[must_use]
pub fn version_for(kind: MessageKind, function: Option<&str>) -> Option<Version> {
    use Family as F;
    let newer_from = |major, minor| {
        Some(if kind.version >= FamilyVersion(major, minor) { Version::V1_1 } else { Version::V1_0 })
    };
    //= HITS 1168:2016 §8.3
    //# The standard of the message decides the version of the receipt, not the taste of the receiver.
    match kind.family {
        F::AppRec | F::Ebxml => None,
        //= HITS 1217:2018 §2.13
        //# AppRec 1.1 for asynchronous services, none for synchronous ones.
        F::Dialogue if function.is_some_and(is_synchronous) => None,
        F::Dialogue if function.is_some_and(|f| f.starts_with(CITIZEN)) => Some(Version::V1_1),
        F::Dialogue => newer_from(1, 1),
        F::DischargeSummary => newer_from(1, 2),
        F::Referral => newer_from(1, 1),
        F::ResultReport => newer_from(1, 4),
        F::Requisition => newer_from(1, 6),
        F::AdmissionReport
        | F::HealthInformationForApplication
        | F::HealthInformationForDoctor
        | F::ServiceOfferNotice
        | F::MedicalInformation
        | F::DischargeReport
        | F::PatientLogistics
        | F::AbsenceNotice => newer_from(1, 6),
        // Not stated anywhere; inferred from its age.
        F::RecordExtract => Some(Version::V1_0),
    }
}

const CITIZEN: &str = "DIALOG_INNBYGGER_";

/// The citizen services that answer in the same breath. The two look-ups that share their type with
/// asynchronous booking (TIMERESERVASJON) cannot be told apart here: the queue tells.
fn is_synchronous(function: &str) -> bool {
    function
        .strip_prefix(CITIZEN)
        .is_some_and(|service| matches!(service, "BEHANDLEROVERSIKT" | "HENT_BEHANDLER" | "TEST"))
}

/// An application receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its version.
    pub version: Version,
    /// Its own id.
    pub id: Uuid,
    /// When it was made.
    pub generated: Timestamp,
    /// What made it.
    pub software: Option<Software>,
    /// The receiver of the message that it speaks for.
    pub sender: Party,
    /// In which role that receiver was.
    pub sender_role: SenderRole,
    /// The sender of the message.
    pub receiver: Party,
    /// What became of the message.
    pub status: ReceiptStatus,
    /// Why, if it was not well.
    pub errors: Vec<Error>,
    /// Which message.
    pub original: Original,
}

/// Name and version of the program that made a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Software {
    /// `SoftwareName`.
    pub name: String,
    /// `SoftwareVersion`.
    pub version: String,
}

/// Role of the one who sends a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderRole {
    /// 1.1 `PRIM`.
    Primary,
    /// `COP`, in both versions.
    Copy,
    /// 1.0 `REQ`: the requester, of a report.
    Requester,
    /// 1.0 `SPR`: the service provider.
    Provider,
}

/// One error of a receipt that we write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// What is wrong.
    pub code: ErrorCode,
    /// `@OT`: where and how, in words of ours. Never text of the message.
    pub detail: Option<String>,
}

impl Error {
    /// Without detail.
    #[must_use]
    pub const fn of(code: ErrorCode) -> Self {
        Self { code, detail: None }
    }

    /// With detail.
    #[must_use]
    pub fn because(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: Some(detail.into()) }
    }
}

/// Which message a receipt answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Code of list 8279, or the type as sent where no mapping is safe.
    pub msg_type: Option<String>,
    /// Its GenDate, completed to an `xs:dateTime`.
    pub issue_date: String,
    /// Its message id or, by the 1.0 rule, its document id. Empty only if the message had none at all.
    pub id: String,
}

/// What a receipt shall say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Received, read, and ready for handling.
    Accepted,
    /// Not taken in; at least one reason.
    Rejected {
        /// The reason.
        error: Error,
        /// Further concrete faults.
        others: Vec<Error>,
    },
}

impl Verdict {
    /// Rejected for one reason.
    #[must_use]
    pub const fn rejected(error: Error) -> Self {
        Self::Rejected { error, others: Vec::new() }
    }
}

/// What is not in the message: id, time and program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Making {
    /// Id of the receipt, new for each.
    pub id: Uuid,
    /// When it is made.
    pub now: Timestamp,
    /// Who makes it.
    pub software: Option<Software>,
}

/// Why there is no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// A receipt is never receipted.
    #[error("the message is a receipt itself")]
    IsReceipt,
    /// A transport envelope, or a synchronous service.
    #[error("messages of this kind are not receipted")]
    KindHasNone,
    /// Nobody to send it to.
    #[error("the sender cannot be read from the message")]
    NoSender,
    /// FR or OR.
    #[error("the receiver is only mentioned, not addressed")]
    NotAddressed,
}

impl Receipt {
    /// The receipt of one receiver for a message.
    ///
    /// # Errors
    /// Why there is none for this message or this receiver.
    pub fn answer(
        head: &MessageHead,
        receiver: &Receiver,
        verdict: Verdict,
        making: Making,
    ) -> Result<Self, WhyNot> {
        Self::answer_to(&Addressing::from(head), receiver, verdict, making)
    }

    /// The receipt for a message of which only this much could be read: an unknown format (T10), a document
    /// that breaks off (T01).
    ///
    /// # Errors
    /// Why there is none for this message or this receiver.
    pub fn answer_to(
        message: &Addressing,
        receiver: &Receiver,
        verdict: Verdict,
        making: Making,
    ) -> Result<Self, WhyNot> {
        //= HITS 1168:2016 §3
        //# The receipt acknowledges a fagmelding; it is itself covered by the transport acknowledgment only.
        if message.root == "AppRec" || message.kind.is_some_and(|k| k.family == Family::AppRec) {
            return Err(WhyNot::IsReceipt);
        }
        let version = match message.kind {
            Some(kind) => version_for(kind, message.function.as_deref()).ok_or(WhyNot::KindHasNone)?,
            // An unknown format is newer than what we know, more often than not.
            None => Version::V1_1,
        };
        let to = message.sender.clone().ok_or(WhyNot::NoSender)?;
        let sender_role = match (receiver.role, version) {
            (Role::Mentioned, _) => return Err(WhyNot::NotAddressed),
            (Role::Copy, _) => SenderRole::Copy,
            (Role::Primary, Version::V1_1) => SenderRole::Primary,
            (Role::Primary, Version::V1_0) => primary_role_of_old(message.kind),
        };
        let (status, errors) = match verdict {
            Verdict::Accepted => (ReceiptStatus::Ok, Vec::new()),
            Verdict::Rejected { error, mut others } => {
                others.insert(0, error);
                (ReceiptStatus::Rejected, others)
            }
        };
        Ok(Self {
            version,
            id: making.id,
            generated: making.now,
            software: making.software,
            //= HITS 1168:2016 §6.1
            //# All address information is mirrored: the receiver it speaks for sends, the original sender receives.
            sender: receiver.party.clone(),
            sender_role,
            receiver: to,
            status,
            errors,
            original: original(message, version, making.now),
        })
    }

    /// The receipt as XML, UTF-8, valid against the schema of its version.
    #[must_use]
    pub fn to_xml(&self) -> String {
        write::to_xml(self)
    }

    /// The message id of the receipt.
    #[must_use]
    pub fn msg_id(&self) -> String {
        self.id.hyphenated().to_string()
    }
}

/// `REQ` when we are the requester, else `SPR`; for MsgHead families SPR is inferred.
fn primary_role_of_old(kind: Option<MessageKind>) -> SenderRole {
    match kind.map(|k| k.family) {
        Some(Family::DischargeSummary | Family::ResultReport) => SenderRole::Requester,
        Some(_) | None => SenderRole::Provider,
    }
}

fn original(message: &Addressing, version: Version, now: Timestamp) -> Original {
    let message_id = message.msg_id.as_ref().map(crate::ids::MsgId::as_str);
    let document_id = message.document_id.as_deref();
    //= HIS 80415:2004 §6.5 with correction 2
    //# For messages without MsgHead, Id is ServProvId of a report and Id of a request: the document id.
    //= HIS 80415:2012 §4.3.2
    //# In 1.1 Id is the MsgId of the message.
    let id = match version {
        // ServProvId may be missing before Svarrapport 1.4: the message id must do (inferred).
        Version::V1_0 if !message.under_msg_head => document_id.or(message_id),
        Version::V1_0 | Version::V1_1 => message_id.or(document_id),
    };
    Original {
        msg_type: message.function.clone().or_else(|| message.type_code.clone()),
        // A message without a readable date still deserves its answer; the time of the answer stands in.
        issue_date: message
            .generated
            .as_ref()
            .and_then(|g| completed(&g.text))
            .unwrap_or_else(|| time::oslo_text(now)),
        id: id.unwrap_or_default().to_owned(),
    }
}

/// A `TS` as `xs:dateTime`: as sent where it is one, completed where it is less.
fn completed(text: &str) -> Option<String> {
    use crate::time::Precision;
    let stamp = Stamp::parse(text)?;
    match stamp.precision() {
        // `2012-02-15T10:30` lacks the seconds that the type demands.
        Precision::Full if text.as_bytes().get(16) == Some(&b':') => Some(text.to_owned()),
        Precision::Full => stamp.fhir_date_time(),
        Precision::Year | Precision::Month | Precision::Day => {
            stamp.date().map(|d| format!("{:04}-{:02}-{:02}T00:00:00", d.year(), d.month(), d.day()))
        }
        Precision::TimeOfDay => None,
    }
}

impl SenderRole {
    pub(super) const fn code_and_text(self) -> (&'static str, &'static str) {
        match self {
            Self::Primary => ("PRIM", "Primærmottaker"),
            Self::Copy => ("COP", "Kopimottaker"),
            Self::Requester => ("REQ", "Rekvirent"),
            Self::Provider => ("SPR", "Tjenesteyter"),
        }
    }
}

impl ReceiptStatus {
    /// Code of list 8258.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ok => "1",
            Self::Rejected => "2",
            Self::OkWithErrors => "3",
        }
    }

    /// Its Norwegian text.
    #[must_use]
    pub fn text(self) -> &'static str {
        List::ReceiptStatus.display(self.code()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_completed_and_never_shifted() {
        let cases = [
            ("2012-02-15T10:30:00.5+01:00", Some("2012-02-15T10:30:00.5+01:00")),
            ("2012-02-15T10:30:00", Some("2012-02-15T10:30:00")),
            ("2012-02-15T10:30+01:00", Some("2012-02-15T10:30:00+01:00")),
            ("2012-02-15", Some("2012-02-15T00:00:00")),
            ("2012-02", Some("2012-02-01T00:00:00")),
            ("10:30:00", None),
            ("yesterday", None),
        ];
        for (sent, expected) in cases {
            assert_eq!(completed(sent).as_deref(), expected, "{sent}");
        }
    }

    #[test]
    fn the_message_decides_the_version() {
        use Family as F;
        use Version::{V1_0, V1_1};
        let version = |family, major, minor, function: &str| {
            version_for(MessageKind { family, version: FamilyVersion(major, minor) }, Some(function))
        };
        let table = [
            (F::DischargeSummary, 1, 1, V1_0),
            (F::DischargeSummary, 1, 2, V1_1),
            (F::Referral, 1, 0, V1_0),
            (F::Referral, 1, 1, V1_1),
            (F::Referral, 2, 0, V1_1),
            (F::Requisition, 1, 5, V1_0),
            (F::Requisition, 1, 6, V1_1),
            (F::ResultReport, 1, 3, V1_0),
            (F::ResultReport, 1, 4, V1_1),
            (F::Dialogue, 1, 0, V1_0),
            (F::Dialogue, 1, 1, V1_1),
            (F::PatientLogistics, 1, 5, V1_0),
            (F::PatientLogistics, 1, 6, V1_1),
            (F::RecordExtract, 1, 4, V1_0),
        ];
        for (family, major, minor, expected) in table {
            assert_eq!(version(family, major, minor, ""), Some(expected), "{family} {major}.{minor}");
        }
        assert_eq!(version(F::Dialogue, 1, 0, "DIALOG_INNBYGGER_TIMER"), Some(V1_1));
        assert_eq!(version(F::Dialogue, 1, 1, "DIALOG_INNBYGGER_BEHANDLEROVERSIKT"), None);
        assert_eq!(version(F::AppRec, 1, 1, "APPREC"), None);
    }
}
