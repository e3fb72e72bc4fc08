//! What the demo sends, and what must come of it.

use crate::documents::{GONE, REPLACED, SHOWN};
use crate::systems::Answer;

/// By which door a message comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Http,
    Folder,
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrap {
    /// As was agreed with its sender: signed and sealed, or plain.
    AsAgreed,
    /// Changed by somebody after it was signed.
    Tampered,
    /// Signed with a certificate that is revoked.
    Revoked,
    /// Plain, although it must be signed and sealed.
    Bare,
}

/// What a message does to an earlier one of the same document, as its sender says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revision {
    /// The whole content again (M).
    Corrects,
    /// Nothing of it holds (C).
    Cancels,
}

/// One message of the demo.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    /// For the table.
    pub(crate) title: &'static str,
    /// Folder below `message-schemas/samples`.
    pub(crate) sample: &'static str,
    pub(crate) door: Door,
    pub(crate) wrap: Wrap,
    /// The verdict on the whole message.
    pub(crate) verdict: &'static str,
    /// `receiver state`, of its recipients, sorted.
    pub(crate) recipients: &'static [&'static str],
    /// `party says`, what the sender must have heard when all is done, sorted.
    pub(crate) receipts: &'static [&'static str],
    /// FHIR documents that must have been delivered.
    pub(crate) documents: usize,
    /// What must be seen of it in the region's document store; empty where the store is told nothing.
    pub(crate) store: &'static str,
    /// It is sent when the message of that title is to be seen in the store, made of the same sample.
    pub(crate) revises: Option<(&'static str, Revision)>,
    /// What the receiver's own system says.
    pub(crate) answer: Answer,
}

const fn letter(title: &'static str, sample: &'static str, door: Door) -> Letter {
    Letter {
        title,
        sample,
        door,
        wrap: Wrap::AsAgreed,
        verdict: "accepted",
        recipients: &[],
        receipts: &[],
        documents: 0,
        store: "",
        revises: None,
        answer: Answer::Yes,
    }
}

/// It is about a record, which the region's document store gets.
const fn record(letter: Letter, store: &'static str) -> Letter {
    Letter { store, ..letter }
}

/// To the specialist, for whom the broker answers.
const fn specialist(title: &'static str, sample: &'static str, door: Door) -> Letter {
    Letter { recipients: &["210010 handed_over"], receipts: &["210010 ok"], ..letter(title, sample, door) }
}

/// The same, and a FHIR document beside it.
const fn report(title: &'static str, sample: &'static str, door: Door) -> Letter {
    Letter {
        recipients: &["210010 handed_over", "210010 handed_over"],
        documents: 1,
        ..specialist(title, sample, door)
    }
}

/// To the municipality, which answers for itself.
const fn municipality(title: &'static str, sample: &'static str, door: Door) -> Letter {
    Letter { recipients: &["200010 receipted"], receipts: &["200010 ok"], ..letter(title, sample, door) }
}

/// To the hospital, which answers for itself.
const fn hospital(title: &'static str, sample: &'static str, door: Door) -> Letter {
    Letter { recipients: &["220010 receipted"], receipts: &["220010 ok"], ..letter(title, sample, door) }
}

/// Refused, and the sender hears why.
const fn refused(
    title: &'static str,
    sample: &'static str,
    recipients: &'static [&'static str],
    receipts: &'static [&'static str],
) -> Letter {
    Letter { verdict: "refused", recipients, receipts, ..letter(title, sample, Door::Http) }
}

/// Refused because it is not proven whose it is. It has an id of its own, so that nothing else answers for it.
fn forged(title: &'static str, wrap: Wrap, receipt: &'static str) -> Letter {
    let receipts = Box::leak(Box::new([receipt]));
    Letter { wrap, ..refused(title, "dialogmelding/accepted-1.1", &["210010 rejected"], receipts) }
}

/// The report that is corrected, and the summary that is cancelled.
const REPORT: &str = "Result report 1.4";
const SUMMARY: &str = "Discharge summary 1.2";

/// What comes of documents that are to be seen already: a correction takes the place of one, a cancellation withdraws one.
pub(crate) fn revisions() -> Vec<Letter> {
    let revises = |title, revision| Some((title, revision));
    vec![
        Letter {
            revises: revises(REPORT, Revision::Corrects),
            store: SHOWN,
            ..report("Result report 1.4, corrected", "svarrapport/head-accepted-1.4", Door::Http)
        },
        Letter {
            revises: revises(SUMMARY, Revision::Cancels),
            store: GONE,
            ..specialist("Discharge summary 1.2, cancelled", "epikrise/accepted-1.2", Door::Http)
        },
    ]
}

/// One message of every family and version, then the usual faults.
pub(crate) fn letters() -> Vec<Letter> {
    use Door::{Folder, Http};
    vec![
        specialist("Discharge summary 1.0", "epikrise/accepted-1.0", Folder),
        record(specialist("Discharge summary 1.1", "epikrise/accepted-1.1", Http), SHOWN),
        record(specialist(SUMMARY, "epikrise/accepted-1.2", Http), GONE),
        hospital("Referral 0.91", "henvisning/accepted-0.91", Folder),
        record(hospital("Referral 1.0", "henvisning/accepted-1.0", Http), SHOWN),
        record(hospital("Referral 1.1", "henvisning/accepted-1.1", Http), SHOWN),
        record(hospital("Referral 2.0", "henvisning/accepted-2.0", Folder), SHOWN),
        record(hospital("Onward referral 2.0", "henvisning/accepted-2.0-onward", Http), SHOWN),
        Letter {
            recipients: &["220010 handed_over", "220010 receipted"],
            ..hospital("Emergency referral, patient unknown", "henvisning/emergency-1.1", Http)
        },
        specialist("Result report 1.2", "svarrapport/head-accepted-1.2", Http),
        record(report("Result report 1.3", "svarrapport/head-accepted-1.3", Folder), SHOWN),
        record(report(REPORT, "svarrapport/head-accepted-1.4", Http), REPLACED),
        Letter {
            recipients: &["220010 rejected"],
            receipts: &["220010 E35"],
            answer: Answer::No,
            ..hospital("Requisition 1.4, the hospital says no", "rekvisisjon/accepted-1.4", Http)
        },
        hospital("Requisition 1.5", "rekvisisjon/accepted-1.5", Folder),
        hospital("Requisition 1.6", "rekvisisjon/accepted-1.6", Http),
        specialist("Dialogue 1.0", "dialogmelding/accepted-1.0", Folder),
        specialist("Dialogue 1.1", "dialogmelding/accepted-1.1", Http),
        specialist("Citizen dialogue, asynchronous", "dialogmelding-innbygger/asynchronous", Http),
        Letter {
            receipts: &[],
            ..specialist("Citizen dialogue, synchronous", "dialogmelding-innbygger/synchronous", Http)
        },
        municipality("Admission report 1.5", "plo/innleggelsesrapport-1.5", Http),
        municipality("Admission report 1.6", "plo/innleggelsesrapport-1.6", Folder),
        municipality("Health information, application 1.5", "plo/helseopplysninger-soknad-1.5", Http),
        municipality("Health information, application 1.6", "plo/helseopplysninger-soknad-1.6", Http),
        municipality("Health information, doctor 1.5", "plo/helseopplysninger-lege-1.5", Folder),
        municipality("Health information, doctor 1.6", "plo/helseopplysninger-lege-1.6", Http),
        municipality("Service offer notice 1.5", "plo/orientering-tjenestetilbud-1.5", Http),
        municipality("Service offer notice 1.6", "plo/orientering-tjenestetilbud-1.6", Http),
        municipality("Medical information 1.5", "plo/medisinske-opplysninger-1.5", Folder),
        municipality("Medical information 1.6", "plo/medisinske-opplysninger-1.6", Http),
        municipality("Discharge report 1.5", "plo/utskrivningsrapport-1.5", Http),
        municipality("Discharge report 1.6", "plo/utskrivningsrapport-1.6", Http),
        municipality("Patient logistics 1.5", "plo/pasientlogistikk-1.5", Http),
        municipality("Absence notice 1.5", "plo/fravar-1.5", Folder),
        specialist("Record extract 1.4", "epj-ekstrakt/accepted-1.4", Http),
        Letter {
            answer: Answer::Later,
            ..municipality("Patient logistics 1.6, receipt too late", "plo/pasientlogistikk-1.6", Http)
        },
        refused(
            "Fault: against its schema",
            "epikrise/refused-schema",
            &["210010 rejected"],
            &["210010 T02"],
        ),
        refused("Fault: not XML", "rekvisisjon/refused-not-xml", &["220010 rejected"], &["220010 T01"]),
        refused(
            "Fault: unknown format",
            "epikrise/refused-unknown-namespace",
            &["210010 rejected"],
            &["210010 T10"],
        ),
        refused(
            "Fault: message id no UUID",
            "dialogmelding/refused-id-1.1",
            &["210010 rejected"],
            &["210010 E10"],
        ),
        refused(
            "Fault: patient not identified",
            "henvisning/refused-patient-1.1",
            &["220010 rejected"],
            &["220010 E36"],
        ),
        refused(
            "Fault: unknown receiver",
            "plo/receiver-unknown-service",
            &["299999 rejected"],
            &["299999 E21"],
        ),
        Letter {
            verdict: "silent",
            recipients: &["300010 parked"],
            ..letter("Fault: for somebody else", "plo/nobody-ours", Http)
        },
        forged("Forged: changed on the way", Wrap::Tampered, "210010 S01"),
        forged("Forged: its certificate is revoked", Wrap::Revoked, "210010 S03"),
        forged("Forged: neither signed nor sealed", Wrap::Bare, "210010 S99"),
        Letter { verdict: "duplicate", ..letter("Fault: the same once more", "epikrise/accepted-1.2", Http) },
    ]
}
