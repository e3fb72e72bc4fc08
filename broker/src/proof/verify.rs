//! Checks a proof: with nothing but the file, and the roots of whoever checks.

mod checked;
mod entries;
mod receipts;
mod signatures;
mod vouched;

pub use checked::{Check, Checked, Standing};

use entries::Proof;
use trust::{Anchors, Fault, KeyRing};

/// What whoever checks brings along.
#[derive(Debug, Clone, Copy)]
pub struct Means<'a> {
    /// Their own roots; without them, those in the file are taken at their word.
    pub anchors: Option<&'a Anchors>,
    /// The receiver's keys, to see that what was inside the seal is what the message had inside.
    pub keys: &'a KeyRing,
}

/// Checks a proof.
#[must_use]
pub fn verify(bytes: &[u8], means: Means<'_>) -> Checked {
    let mut checked = Checked { message: None, checks: Vec::new() };
    let Some(proof) = Proof::read(bytes, &mut checked) else { return checked };
    checked.message = Some(proof.manifest.message);
    let record = proof.record(&mut checked);
    let rests = proof.evidence(means.anchors);
    proof.vouched(&rests, means, &mut checked);
    if let Some(record) = record {
        proof.signatures(&record, &rests, means, &mut checked);
        proof.receipts(&record, &mut checked);
    }
    checked
}

fn one_line(fault: &Fault) -> String {
    let certificate = fault.certificate.as_ref().map_or_else(String::new, |c| format!(" Certificate: {c}."));
    format!("{} {}{certificate}", fault.kind.code(), fault.message)
}
