//! What the standards demand beyond the schema, as findings R01 to R12 and R14. R13 is about what stands
//! outside of the message, and given by `broker-core`.
//!
//! Pure: the head, where its fields stand, and the time now. A finding whose code [is a
//! note](crate::Code::is_note) never refuses a message; what the others lead to (E10, E21, E36, T10) is
//! decided by the core's table of verdicts.
//!
//! Receipts and transport envelopes are held to little: they are not answered.

use crate::family::{Family, MessageKind, Version};
use crate::finding::{Code, Finding, Findings};
use crate::head::{Checksum, Fault, Field, HeadReader, MessageHead, Party, Patient, Role};
use crate::xml::Places;
use jiff::{SignedDuration, Timestamp};

/// Attachments above this are not sure to be taken by partners (HIS 1036:2011): 10 MB, unpacked.
const SURE_ATTACHMENTS_BYTES: usize = 10_000_000;

/// How far clocks may be apart before a date is remarkable.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_hours(24);

/// 1990-01-01T00:00:00Z, before the first of these messages.
const FIRST_MESSAGES: i64 = 631_152_000;

/// Checks a head against the rules. `reader` is the one that gave the head, `text` what it read; both are
/// asked only for the places of findings.
#[must_use]
pub fn check(head: &MessageHead, reader: &HeadReader, text: &str, now: Timestamp, cap: usize) -> Findings {
    let mut report = Report { reader, places: Places::new(text), findings: Findings::with_cap(cap) };
    if head.kind.family == Family::Ebxml {
        return report.findings;
    }
    sender(head, &mut report);
    generated(head, now, &mut report);
    if head.kind.family == Family::AppRec {
        return report.findings;
    }
    message_id(head, &mut report);
    message_type(head, &mut report);
    test_mark(head, &mut report);
    body(head, &mut report);
    receivers(head, &mut report);
    patient(head, &mut report);
    attachments(head, &mut report);
    report.findings
}

/// The finding for a document that is no message we know (T10).
#[must_use]
pub fn unknown_format(fault: &Fault, reader: &HeadReader, text: &str) -> Finding {
    let Fault::Unknown { .. } = fault;
    let mut report = Report { reader, places: Places::new(text), findings: Findings::with_cap(1) };
    report.placed(
        Field::Root,
        Finding::new(
            Code::UnsupportedFormat,
            "The namespace and document element are not those of a message that is known here.",
            "Send a version that the receiver's entry in the address register lists.",
        ),
    )
}

struct Report<'a> {
    reader: &'a HeadReader,
    places: Places<'a>,
    findings: Findings,
}

impl Report<'_> {
    fn placed(&mut self, field: Field, finding: Finding) -> Finding {
        match self.reader.mark(field) {
            Some(mark) => finding.at(self.places.place(mark.offset)).on(mark.path),
            None => finding,
        }
    }

    /// Adds a finding at a field, or at the first of the others that is there.
    fn add(&mut self, fields: &[Field], finding: Finding) {
        if self.findings.is_full() {
            return self.findings.count_omitted();
        }
        let field = fields.iter().copied().find(|f| self.reader.mark(*f).is_some()).unwrap_or(Field::Root);
        let placed = self.placed(field, finding);
        self.findings.push(placed);
    }
}

fn message_id(head: &MessageHead, report: &mut Report<'_>) {
    //= HIS 80415:2012 §3.3.4
    //# E10: the message identifier is not a valid UUID.
    let message = match &head.msg_id {
        Some(id) if id.uuid().is_some() => return,
        Some(_) => "The message id is not a UUID.",
        None => "The message has no id.",
    };
    report.add(
        &[Field::MsgId],
        Finding::new(
            Code::MessageIdNotUuid,
            message,
            "Give every message a new UUID as its MsgId, 36 characters with hyphens.",
        ),
    );
}

fn message_type(head: &MessageHead, report: &mut Report<'_>) {
    // Type is optional in some families; what is absent contradicts nothing.
    let Some(code) = head.type_code.as_deref() else { return };
    let finding = match fits(head.kind, code) {
        Fit::Exact | Fit::Unknown => return,
        Fit::OtherVersion => Finding::new(
            Code::TypeOfOtherVersion,
            "The type code is one of another version of this message.",
            "Send the type code that belongs to the namespace.",
        ),
        //= HISD 1209:2018 §Service
        //# The type code, the service and the message must be of the same kind.
        Fit::OtherFamily => Finding::new(
            Code::TypeContradictsNamespace,
            "The type code and the namespace name different messages.",
            "Send the message under its own type code.",
        ),
    };
    report.add(&[Field::Type], finding);
}

fn test_mark(head: &MessageHead, report: &mut Report<'_>) {
    if head.mark_unclear {
        report.add(
            &[Field::TestMark],
            Finding::new(
                Code::TestMarkUnclear,
                "The mark that tells whether this is a test has a code of no list, or none.",
                "Mark what is real with Status APR or ProcessingStatus P, and a test with TEST, NAPR, T or D.",
            ),
        );
    }
}

enum Fit {
    Exact,
    OtherVersion,
    OtherFamily,
    /// Not a code that we know: it passes (kith-messages §6.2).
    Unknown,
}

/// How a type code fits a kind of message (kith-messages §1.2 and §1.3).
fn fits(kind: MessageKind, code: &str) -> Fit {
    use Family as F;
    // The family that a code belongs to, and the versions that it was made for.
    let head_less = Version(2, 0);
    let (family, from, to) = match code {
        "E" => (F::DischargeSummary, Version(1, 0), Version(1, 1)),
        "EPIKRISE" => (F::DischargeSummary, Version(1, 2), head_less),
        "H" => (F::Referral, Version(0, 9), Version(1, 0)),
        "HENVISNING" => (F::Referral, Version(1, 1), Version(1, 1)),
        "HENVISNING_NYTILSTAND" | "HENVISNING_VIDERE" => (F::Referral, Version(2, 0), Version(2, 99)),
        "S" => (F::ResultReport, Version(1, 0), Version(1, 3)),
        "R" => (F::Requisition, Version(1, 0), Version(1, 5)),
        "SVAR_LAB" | "SVAR_RTG" => (F::ResultReport, Version(1, 4), head_less),
        "REQ_LAB" | "REQ_RTG" => (F::Requisition, Version(1, 6), head_less),
        _ => match family_of(code) {
            Some(family) => (family, Version(0, 0), Version(99, 0)),
            None => return Fit::Unknown,
        },
    };
    if family != kind.family {
        return Fit::OtherFamily;
    }
    if (from..=to).contains(&kind.version) { Fit::Exact } else { Fit::OtherVersion }
}

fn family_of(code: &str) -> Option<Family> {
    use Family as F;
    Some(match code {
        "APPREC" => F::AppRec,
        "TILBAKEMELD" => F::Dialogue,
        "INNLEGGELSESRAPPORT" => F::AdmissionReport,
        "HELSEOPPL_SOKNAD" => F::HealthInformationForApplication,
        "HELSEOPPLYSNINGER_LEGE" => F::HealthInformationForDoctor,
        "ORIENTERING_TJENESTETILBUD" => F::ServiceOfferNotice,
        "MEDISINSKE_OPPLYSNINGER" => F::MedicalInformation,
        "UTSKRIVNINGSRAPPORT" => F::DischargeReport,
        "FRAVARSMELDING" => F::AbsenceNotice,
        "EPJ-EKSTRAKT" => F::RecordExtract,
        _ if code.starts_with("DIALOG_") => F::Dialogue,
        _ if code.starts_with("LOG_") => F::PatientLogistics,
        // The old disciplines: SVAR_KKL and their like, in any version.
        _ if code.starts_with("SVAR_") => F::ResultReport,
        _ if code.starts_with("REQ_") => F::Requisition,
        _ => return None,
    })
}

fn body(head: &MessageHead, report: &mut Report<'_>) {
    // The body is optional in the schemas of Rekvisisjon and Svarrapport 1.4, yet without it there is
    // neither sender nor receiver (kith-messages §1.2, inferred).
    if !head.under_msg_head && head.bodies == 0 {
        report.add(
            &[Field::Root],
            Finding::new(
                Code::MissingBody,
                "The message has no body, and so neither sender nor receiver.",
                "Send the report or request inside the message.",
            ),
        );
    }
}

fn sender(head: &MessageHead, report: &mut Report<'_>) {
    let readable = |p: &Party| {
        let service = p.service.as_ref().is_some_and(|s| !s.unit().idents.is_empty());
        service || !p.enterprise.idents.is_empty()
    };
    if head.sender.as_ref().is_some_and(readable)
        || (!head.under_msg_head && head.bodies == 0 && head.receipt.is_none())
    {
        return;
    }
    //= HITS 1168:2016 §5.3
    //# A message whose sender cannot be read gets no receipt.
    report.add(
        &[Field::Sender],
        Finding::new(
            Code::SenderUnreadable,
            "The sender has no identifier.",
            "Name the sender with HER-ids on both levels.",
        ),
    );
}

fn receivers(head: &MessageHead, report: &mut Report<'_>) {
    if !head.under_msg_head && head.bodies == 0 {
        return;
    }
    const REMEDY: &str = "Name enterprise and communication party of every receiver, each with its HER-id.";
    if !head.receivers.iter().any(|r| r.role != Role::Mentioned) {
        let finding = Finding::new(Code::ReceiverIncomplete, "The message names no receiver.", REMEDY);
        report.add(&[Field::Receiver(0)], finding);
    }
    for (i, receiver) in head.receivers.iter().enumerate().filter(|(_, r)| r.role != Role::Mentioned) {
        //= HIS 80415:2012 §3.3.4
        //# E21: the HER-id of the receiver is missing on level 1 or level 2.
        let message = match (receiver.party.enterprise_her_id(), receiver.party.her_id()) {
            (Some(_), Some(_)) => continue,
            (None, Some(_)) => "A receiver's enterprise (level 1) has no HER-id.",
            (Some(_), None) => "A receiver's communication party (level 2) has no HER-id.",
            (None, None) => "A receiver has no HER-id, neither on level 1 nor on level 2.",
        };
        report.add(&[Field::Receiver(i)], Finding::new(Code::ReceiverIncomplete, message, REMEDY));
    }
}

fn patient(head: &MessageHead, report: &mut Report<'_>) {
    if let Some(patient) = &head.patient
        && matches!(patient.checksum, Some(Checksum::Fails | Checksum::OutOfRange))
    {
        //= HIS 1001:2010 §4
        //# The number is kept as text; a failed check alone is not a reason to refuse.
        report.add(
            &[Field::PatientId, Field::Patient],
            Finding::new(
                Code::PatientIdChecksum,
                "The patient's national id does not hold as one of its kind.",
                "Check the number and its kind at the source.",
            ),
        );
    }
    let sufficient = match &head.patient {
        Some(patient) => sufficiently_identified(patient),
        None => !needs_patient(head),
    };
    //= HIS 80415:2012 §3.3.4
    //# An emergency referral is always accepted if readable, even with an unidentified patient.
    if sufficient || head.emergency {
        return;
    }
    report.add(
        &[Field::Patient],
        Finding::new(
            Code::PatientNotIdentified,
            if head.patient.is_some() {
                "The patient is not sufficiently identified."
            } else {
                "The message names no patient."
            },
            "Send the name with a national id, or with birth date and sex.",
        )
        .expecting("name and FNR, DNR or FHN; or name, birth date and sex"),
    );
}

/// Whether a message without a patient lacks one. Results and requests may be about an animal or a
/// material; of the dialogues only those between professionals are always about a patient: a deviation
/// report, what a citizen sends, and functions to come may be about nobody.
fn needs_patient(head: &MessageHead) -> bool {
    match head.kind.family {
        Family::Dialogue => matches!(
            head.function.as_deref(),
            Some(
                "DIALOG_FORESPORSEL"
                    | "DIALOG_SVAR"
                    | "DIALOG_NOTAT"
                    | "DIALOG_HELSEFAGLIG"
                    | "DIALOG_STATUS_HENVISNING"
            )
        ),
        Family::AppRec | Family::Ebxml => false,
        Family::DischargeSummary
        | Family::Referral
        | Family::ResultReport
        | Family::Requisition
        | Family::AdmissionReport
        | Family::HealthInformationForApplication
        | Family::HealthInformationForDoctor
        | Family::ServiceOfferNotice
        | Family::MedicalInformation
        | Family::DischargeReport
        | Family::PatientLogistics
        | Family::AbsenceNotice
        | Family::RecordExtract => !head.not_a_person && (head.under_msg_head || head.bodies > 0),
    }
}

fn sufficiently_identified(patient: &Patient) -> bool {
    //= HIS 80415:2012 §3.3.4
    //# Name and national identity number, or name, birth date and sex, or name and D-number, or name and
    //# common help number.
    let numbered = patient
        .idents
        .iter()
        .any(|i| matches!(i.kind.as_str(), "FNR" | "DNR" | "FHN") && !i.value.is_empty());
    patient.name.is_some() && (numbered || (patient.born.is_some() && patient.sex.is_some()))
}

fn generated(head: &MessageHead, now: Timestamp, report: &mut Report<'_>) {
    let instant = head.generated.as_ref().and_then(|g| g.instant);
    let Some(instant) = instant else {
        let finding = Finding::new(
            Code::GeneratedUnreadable,
            if head.generated.is_some() {
                "The date of generation cannot be read as a date."
            } else {
                "The message has no date of generation."
            },
            "Send GenDate as date and time with zone.",
        );
        return report.add(&[Field::Generated], finding);
    };
    //= HITS 1168:2016 §4.1
    //# The receipt is due within 96 hours of GenDate: a wrong date is a wrong deadline.
    let early = now.checked_add(CLOCK_SLACK).is_ok_and(|latest| instant > latest);
    if early || instant.as_second() < FIRST_MESSAGES {
        report.add(
            &[Field::Generated],
            Finding::new(
                Code::GeneratedImplausible,
                if early {
                    "The date of generation lies more than 24 hours in the future."
                } else {
                    "The date of generation lies before 1990."
                },
                "Check the clock of the sending system.",
            ),
        );
    }
}

fn attachments(head: &MessageHead, report: &mut Report<'_>) {
    //= HIS 1036:2011 §2
    //# Sizes are agreed bilaterally; above about 10 MB a warning is due.
    let unpacked: usize = head.attachments.iter().map(|a| a.encoded_bytes / 4 * 3).sum();
    if unpacked > SURE_ATTACHMENTS_BYTES {
        report.add(
            &[Field::Attachment],
            Finding::new(
                Code::AttachmentsLarge,
                "The attachments are together larger than 10 MB.",
                "Agree on sizes with the receiver, or send fewer at a time.",
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Settings;
    use crate::limits::Limits;

    const MESSAGE: &str = r#"<MsgHead xmlns="http://www.kith.no/xmlstds/msghead/2006-05-24"><MsgInfo>
        <Type V="DIALOG_AVVIK"/><GenDate>2026-03-01T10:00:00+01:00</GenDate>
        <MsgId>0b6f0a3e-6f5c-4c43-8c7c-6ad0cf3c4c10</MsgId>
        <Sender><Organisation><Ident><Id>1</Id><TypeId V="HER"/></Ident></Organisation></Sender>
        <Receiver><Organisation><Ident><Id>2</Id><TypeId V="HER"/></Ident>
          <Organisation><Ident><Id>20</Id><TypeId V="HER"/></Ident></Organisation></Organisation></Receiver>
        </MsgInfo><Document><RefDoc><MsgType V="XML"/><Content>
        <Dialogmelding xmlns="http://www.kith.no/xmlstds/dialog/2006-10-11"/></Content></RefDoc></Document>
        <Document><RefDoc><MsgType V="A"/><Content><Base64Container>BYTES</Base64Container></Content></RefDoc>
        </Document></MsgHead>"#;

    fn codes(text: &str) -> Vec<&'static str> {
        let mut reader = HeadReader::new();
        crate::xml::read(text, &Limits::default(), &mut reader).expect("well-formed");
        let head = reader.finish(&Settings::default()).expect("a head");
        let now = "2026-03-01T12:00:00Z".parse().expect("a time");
        let findings = check(&head, &reader, text, now, 100);
        assert!(findings.iter().all(|f| f.line > 0 && f.path.starts_with("/MsgHead")), "{findings:?}");
        findings.iter().map(|f| f.code.as_str()).collect()
    }

    #[test]
    fn each_rule_finds_its_fault_and_nothing_else() {
        assert_eq!(codes(MESSAGE), Vec::<&str>::new());
        let cases = [
            ("2026-03-01T10:00:00+01:00", "2026-03-02T13:00:01+01:00", "R08"),
            ("2026-03-01T10:00:00+01:00", "1989-12-31T23:59:59Z", "R08"),
            ("2026-03-01T10:00:00+01:00", "1 March", "R11"),
            ("0b6f0a3e-6f5c-4c43-8c7c-6ad0cf3c4c10", "", "R01"),
            ("DIALOG_AVVIK", "LOG_INNLAGT", "R04"),
            ("DIALOG_AVVIK", "DIALOG_SVAR", "R02"),
            ("<Id>1</Id>", "<Id/>", "R06"),
            ("<Id>20</Id>", "<Id>x</Id>", "R05"),
        ];
        for (sound, flawed, code) in cases {
            let found = codes(&MESSAGE.replace(sound, flawed));
            // A message under another type is held to the other type's rules too.
            assert_eq!(found.first(), Some(&code), "{flawed}");
            assert!(found.len() == 1 || code == "R04", "{flawed}: {found:?}");
        }
        assert!(codes(&MESSAGE.replace("DIALOG_AVVIK", "SOMETHING_NEW")).is_empty(), "unknown codes pass");
    }

    #[test]
    fn a_clock_that_is_a_day_ahead_is_borne() {
        assert!(codes(&MESSAGE.replace("2026-03-01T10:00:00+01:00", "2026-03-02T12:59:59+01:00")).is_empty());
    }

    #[test]
    fn attachments_above_ten_megabytes_are_remarked_on() {
        let of = |bytes: usize| codes(&MESSAGE.replace("BYTES", &"A".repeat(bytes)));
        assert!(of(13_333_332).is_empty());
        assert_eq!(of(13_333_340), ["R10"]);
    }
}
