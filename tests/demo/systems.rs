//! The receiving systems of the demo that answer for themselves.

use crate::stage::Stage;
use crate::story::Wrap;
use crate::vault::{Vault, now, protected};
use message_schemas::apprec::{Error, ErrorCode, Making, Receipt, Verdict};
use message_schemas::{HerId, Limits, head, xml};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use system_tests::drive::files;
use uuid::Uuid;

/// What a receiving system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
    /// Yes, but not before it is told to ([`Systems::release`]).
    Later,
}

/// What a receiving system says to a message of this id.
pub(crate) type Answering = dyn Fn(&str) -> Answer + Send + Sync;

/// The receiving systems that answer for themselves.
pub(crate) struct Systems {
    stage: Arc<dyn Stage>,
    vault: Arc<Vault>,
    answering: Box<Answering>,
    held: Mutex<Vec<(String, u32)>>,
    stop: AtomicBool,
}

impl Systems {
    pub(crate) fn new(stage: &Arc<dyn Stage>, vault: &Arc<Vault>, answering: Box<Answering>) -> Arc<Self> {
        Arc::new(Self {
            stage: Arc::clone(stage),
            vault: Arc::clone(vault),
            answering,
            held: Mutex::default(),
            stop: AtomicBool::new(false),
        })
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// How many receipts are held back.
    pub(crate) fn holds(&self) -> usize {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Sends the receipts that were held back.
    pub(crate) fn release(&self) {
        for (receipt, party) in std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner))
        {
            self.send(&receipt, party);
        }
    }

    /// Reads a message as a receiving system does, and answers for one party: what it gets sealed it opens first, and
    /// takes nothing that is not sealed.
    pub(crate) fn answer(&self, bytes: &[u8], party: u32) {
        let opened;
        let bytes = match protected(enterprise(party)) {
            Some(name) => {
                let Some(inside) = self.vault.open(name, bytes) else { return };
                opened = inside;
                &opened
            }
            None => bytes,
        };
        let Ok(decoded) = xml::decode(bytes) else { return };
        let Ok(message) = head::read(&decoded.text, &Limits::default()) else { return };
        let Some(me) = message.receivers.iter().find(|r| r.party.her_id() == Some(HerId(party))) else {
            return;
        };
        let answer = (self.answering)(&message.msg_id.as_ref().map(|m| m.key()).unwrap_or_default());
        let verdict = match answer {
            Answer::Yes | Answer::Later => Verdict::Accepted,
            Answer::No => Verdict::rejected(Error::of(ErrorCode::PatientUnknown)),
        };
        let making = Making { id: Uuid::now_v7(), now: now(), software: None };
        let Ok(receipt) = Receipt::answer(&message, me, verdict, making) else { return };
        match answer {
            Answer::Later => {
                self.held.lock().unwrap_or_else(PoisonError::into_inner).push((receipt.to_xml(), party))
            }
            Answer::Yes | Answer::No => self.send(&receipt.to_xml(), party),
        }
    }

    fn send(&self, receipt: &str, party: u32) {
        let name = format!("receipt-{}", Uuid::now_v7().simple());
        let bytes = match protected(enterprise(party)) {
            Some(party) => {
                self.vault.wrap(party, receipt.as_bytes(), Wrap::AsAgreed).expect("a receipt can be sealed")
            }
            None => receipt.as_bytes().to_vec(),
        };
        self.stage.put(&name, &bytes).expect("the inbox takes a receipt");
    }

    /// A system that looks into its folder.
    pub(crate) fn watch_folder(self: &Arc<Self>, folder: PathBuf, party: u32) {
        let systems = Arc::clone(self);
        std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !systems.stop.load(Ordering::Relaxed) {
                for file in files(&folder) {
                    if file.extension().is_some_and(|e| e == "xml") && seen.insert(file.clone()) {
                        systems.answer(&std::fs::read(&file).unwrap_or_default(), party);
                    }
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
    }
}

/// The enterprise of a service, as the region numbers them.
const fn enterprise(service: u32) -> u32 {
    service / 1000 * 1000
}
