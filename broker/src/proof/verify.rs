//! Checks a proof: with nothing but the file, and the roots of whoever checks.

mod checked;
mod contents;
mod entries;
mod signatures;
mod vouched;

pub use checked::{Check, Checked, Outcome, Standing};

use entries::Proof;
use message_schemas::OrgNumber;
use std::sync::Arc;
use trust::{Anchors, Certificate, Fault, KeyRing};

/// What whoever checks brings along.
#[derive(Debug, Clone, Copy)]
pub struct Means<'a> {
    /// Their own roots; without them, those in the file are taken at their word, and nothing is proven.
    pub anchors: Option<&'a Anchors>,
    /// Who should have signed the file; without them, nobody has.
    pub broker: Option<&'a Broker>,
    /// The receiver's keys, to see that what was inside the seal is what the message had inside.
    pub keys: &'a KeyRing,
}

/// Who should have signed a proof.
#[derive(Debug, Clone)]
pub enum Broker {
    /// The holder of this very certificate.
    Certificate(Arc<Certificate>),
    /// This organisation, by whichever certificate of its own.
    Organisation(OrgNumber),
}

/// Checks a proof.
#[must_use]
pub fn verify(bytes: &[u8], means: Means<'_>) -> Checked {
    let mut checked = Checked { message: None, checks: Vec::new(), left_open: false };
    let Some(proof) = Proof::read(bytes, &mut checked) else { return checked };
    checked.message = Some(proof.manifest.message);
    let record = proof.record(&mut checked);
    let rests = proof.evidence(means.anchors);
    proof.vouched(&rests, means, &mut checked);
    if let Some(record) = record {
        let inside = proof.signatures(&record, &rests, means, &mut checked);
        let head = proof.head(&record, inside.as_ref(), &mut checked);
        proof.opened(&record, inside.as_ref(), &mut checked);
        proof.receipts(head.as_ref(), &mut checked);
    }
    checked
}

fn one_line(fault: &Fault) -> String {
    let certificate = fault.certificate.as_ref().map_or_else(String::new, |c| format!(" Certificate: {c}."));
    format!("{} {}{certificate}", fault.kind.code(), fault.message)
}
