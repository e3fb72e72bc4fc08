//! The independent checker of "guaranteed delivery": it stands outside of the broker, holds what senders offered and were
//! told, and all that came out, and knows nothing of the broker's books. It reads messages by their markup alone.

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

type Hash = [u8; 32];

/// What senders keep and what receivers got. Senders and receivers write into it while the broker runs.
#[derive(Debug, Default)]
pub struct Checker(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// By message id.
    letters: BTreeMap<String, Letter>,
    /// Every thing that a receiver was handed, by receiver and the id that the transport gave it.
    things: BTreeMap<(String, String), Thing>,
    /// Hand-overs in all, repeats included.
    hand_overs: usize,
    faults: BTreeSet<String>,
    /// Letters that were confirmed and have not come out, or whose receipt has not.
    due: BTreeSet<String>,
}

#[derive(Debug)]
struct Letter {
    sender: String,
    receiver: String,
    hash: Hash,
    /// Receipts that the broker owes the sender: one for each own receiver.
    receipts_due: usize,
    confirmations: usize,
    /// The ids of the transport under which its receiver was handed it.
    came_as: BTreeSet<String>,
    /// The ids of its receipts, each with that of the transport.
    receipts: BTreeSet<(String, String)>,
}

#[derive(Debug)]
struct Thing {
    hash: Hash,
    /// Its own id: of the message or of the receipt.
    id: String,
}

/// A letter as its sender keeps it.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The message's own id.
    pub id: &'a str,
    /// Where its receipts must come out.
    pub sender: &'a str,
    /// Where the letter must come out.
    pub receiver: &'a str,
    /// All of it: it must come out unchanged.
    pub bytes: &'a [u8],
    /// How many receipts the broker owes.
    pub receipts_due: usize,
}

/// What was found; for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Letters offered.
    pub letters: usize,
    /// Confirmations that senders got: a letter offered again may be confirmed again.
    pub confirmations: usize,
    /// Receipts that came out, each counted once.
    pub receipts: usize,
    /// Things that receivers were handed once more under the same id, and could throw away.
    pub repeats: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { letters, confirmations, receipts, repeats } = self;
        write!(
            f,
            "{letters} letters, {confirmations} confirmations, {receipts} receipts, {repeats} repeats under the same id"
        )
    }
}

impl Checker {
    /// A sender is about to offer a letter. Called before the first attempt, and once for each letter.
    ///
    /// # Panics
    /// If a letter of that id was offered before: the test itself is wrong.
    pub fn offered(&self, offer: Offer<'_>) {
        let letter = Letter {
            sender: offer.sender.to_owned(),
            receiver: offer.receiver.to_owned(),
            hash: hash(offer.bytes),
            receipts_due: offer.receipts_due,
            confirmations: 0,
            came_as: BTreeSet::new(),
            receipts: BTreeSet::new(),
        };
        let before = self.inside().letters.insert(offer.id.to_ascii_lowercase(), letter);
        assert!(before.is_none(), "the test offers {} as a new letter twice", offer.id);
    }

    /// A sender was told that a letter is taken. From now on it must come out.
    pub fn confirmed(&self, id: &str) {
        let mut inside = self.inside();
        let id = id.to_ascii_lowercase();
        if let Some(letter) = inside.letters.get_mut(&id) {
            letter.confirmations += 1;
            if letter.is_due() {
                inside.due.insert(id);
            }
        } else {
            inside.faults.insert(format!("{id} was confirmed and never offered"));
        }
    }

    /// A receiver was handed a thing. `key` is what the transport calls it: a repeat carries the same one.
    pub fn handed(&self, receiver: &str, key: &str, bytes: &[u8]) {
        let mut inside = self.inside();
        let inside = &mut *inside;
        inside.hand_overs += 1;
        let hash = hash(bytes);
        let text = String::from_utf8_lossy(bytes);
        let about = element(&text, "OriginalMsgId").and_then(|original| element(original, "Id"));
        let id = element(&text, if about.is_some() { "Id" } else { "MsgId" });
        let Some(id) = id.map(str::to_ascii_lowercase) else {
            inside.faults.insert(format!("{receiver} was handed {key}, which has no id"));
            return;
        };
        let thing = Thing { hash, id: id.clone() };
        if let Some(before) = inside.things.insert((receiver.to_owned(), key.to_owned()), thing)
            && (before.hash != hash || before.id != id)
        {
            inside.faults.insert(format!("{receiver} was handed two different things under {key}"));
        }
        let about = about.map(str::to_ascii_lowercase);
        let letter_id = about.as_ref().unwrap_or(&id).clone();
        let Some(letter) = inside.letters.get_mut(&letter_id) else {
            inside.faults.insert(format!("{receiver} was handed {id}, and nobody offered {letter_id}"));
            return;
        };
        if about.is_some() {
            if letter.sender != receiver {
                inside.faults.insert(format!("{receiver} was handed a receipt of {}", letter.sender));
            }
            letter.receipts.insert((id, key.to_owned()));
        } else {
            if letter.receiver != receiver {
                inside.faults.insert(format!("{receiver} was handed a letter for {}", letter.receiver));
            }
            if letter.hash != hash {
                inside.faults.insert(format!("{letter_id} was changed"));
            }
            letter.came_as.insert(key.to_owned());
        }
        if !letter.is_due() {
            inside.due.remove(&letter_id);
        }
    }

    /// How many letters were confirmed at least once.
    #[must_use]
    pub fn confirmed_letters(&self) -> usize {
        self.inside().letters.values().filter(|l| l.confirmations > 0).count()
    }

    /// True if a letter was taken and has come out, and its receipts.
    #[must_use]
    pub fn is_done(&self, id: &str) -> bool {
        let id = id.to_ascii_lowercase();
        self.inside().letters.get(&id).is_some_and(|l| l.confirmations > 0 && !l.is_due())
    }

    /// How many of the confirmed letters have not come out yet, or lack a receipt.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.inside().due.len()
    }

    /// Judges, once everything has come to rest.
    ///
    /// # Errors
    /// What was lost, changed, doubled or made up, one line each.
    pub fn verdict(&self) -> Result<Figures, String> {
        let inside = self.inside();
        let mut faults = inside.faults.clone();
        for (id, letter) in &inside.letters {
            let (came, receipts) = (letter.came_as.len(), letter.receipts.len());
            // What was never confirmed may have got through all the same, but no more than once.
            let least = usize::from(letter.confirmations > 0);
            if came < least {
                faults.insert(format!("{id} for {} is lost", letter.receiver));
            }
            if came > 1 {
                faults.insert(format!("{} was handed {id} under {came} ids", letter.receiver));
            }
            if receipts > letter.receipts_due || receipts < letter.receipts_due * least {
                faults.insert(format!("{id} has {receipts} receipts, and {} are due", letter.receipts_due));
            }
        }
        if faults.is_empty() {
            return Ok(Figures {
                letters: inside.letters.len(),
                confirmations: inside.letters.values().map(|l| l.confirmations).sum(),
                receipts: inside.letters.values().map(|l| l.receipts.len()).sum(),
                repeats: inside.hand_overs - inside.things.len(),
            });
        }
        let shown: Vec<&str> = faults.iter().map(String::as_str).take(20).collect();
        Err(format!("{} faults:\n{}", faults.len(), shown.join("\n")))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Letter {
    fn is_due(&self) -> bool {
        self.confirmations > 0 && (self.came_as.is_empty() || self.receipts.len() < self.receipts_due)
    }
}

fn hash(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// What stands in the first element of this name, with any prefix, that has text or children.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (tag, inside) = after.split_once('>')?;
        let own = tag.split_whitespace().next().unwrap_or_default();
        let local = own.rsplit(':').next().unwrap_or_default();
        if local == name && !own.starts_with('/') && !tag.ends_with('/') {
            return Some(inside.split_once(&format!("</{own}>"))?.0.trim());
        }
        rest = inside;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(id: &str) -> Vec<u8> {
        format!("<h:MsgHead xmlns:h='x'><h:MsgInfo><h:MsgId>{id}</h:MsgId></h:MsgInfo></h:MsgHead>")
            .into_bytes()
    }

    fn receipt(id: &str, about: &str) -> Vec<u8> {
        format!(
            "<AppRec><Id>{id}</Id><OriginalMsgId><MsgType V='X'/><Id>{about}</Id></OriginalMsgId></AppRec>"
        )
        .into_bytes()
    }

    /// One letter A from the GP to the hospital, taken and come out, with its receipt.
    fn run() -> Checker {
        let checker = Checker::default();
        let bytes = letter("A");
        checker.offered(Offer {
            id: "A",
            sender: "gp",
            receiver: "hospital",
            bytes: &bytes,
            receipts_due: 1,
        });
        assert!(!checker.is_done("A"));
        checker.confirmed("A");
        assert_eq!((checker.outstanding(), checker.is_done("A")), (1, false));
        checker.handed("hospital", "1", &bytes);
        checker.handed("gp", "2", &receipt("R", "A"));
        checker
    }

    fn fault(checker: &Checker) -> String {
        checker.verdict().expect_err("a fault is seen")
    }

    #[test]
    fn a_good_run_is_good_and_a_repeat_is_no_fault() {
        let checker = run();
        checker.handed("hospital", "1", &letter("A"));
        checker.confirmed("a");
        assert!(checker.outstanding() == 0 && checker.is_done("a"));
        let figures = Figures { letters: 1, confirmations: 2, receipts: 1, repeats: 1 };
        assert_eq!(checker.verdict(), Ok(figures));
    }

    #[test]
    fn what_was_never_confirmed_may_be_lost_or_not() {
        let checker = run();
        let bytes = letter("B");
        checker.offered(Offer {
            id: "B",
            sender: "gp",
            receiver: "hospital",
            bytes: &bytes,
            receipts_due: 1,
        });
        assert!(checker.verdict().is_ok());
        checker.handed("hospital", "3", &bytes);
        assert!(checker.verdict().is_ok());
    }

    #[test]
    fn every_fault_is_seen() {
        let lost = run();
        let bytes = letter("B");
        lost.offered(Offer { id: "B", sender: "gp", receiver: "hospital", bytes: &bytes, receipts_due: 0 });
        lost.confirmed("B");
        assert!(fault(&lost).contains("b for hospital is lost"));

        let changed = run();
        let mut other = letter("A");
        other.push(b' ');
        changed.handed("hospital", "1", &other);
        let text = fault(&changed);
        assert!(text.contains("a was changed") && text.contains("two different things under 1"), "{text}");

        let doubled = run();
        doubled.handed("hospital", "9", &letter("A"));
        assert!(fault(&doubled).contains("hospital was handed a under 2 ids"));

        let twice = run();
        twice.handed("gp", "5", &receipt("S", "A"));
        assert!(fault(&twice).contains("a has 2 receipts, and 1 are due"));
        let again = run();
        again.handed("gp", "6", &receipt("R", "A"));
        assert!(fault(&again).contains("a has 2 receipts, and 1 are due"));

        let astray = run();
        astray.handed("laboratory", "1", &letter("A"));
        astray.handed("hospital", "7", &receipt("R", "A"));
        let text = fault(&astray);
        assert!(text.contains("laboratory was handed a letter for hospital"), "{text}");
        assert!(text.contains("hospital was handed a receipt of gp"), "{text}");

        let made_up = run();
        made_up.handed("hospital", "8", &letter("Z"));
        made_up.handed("hospital", "10", b"nothing in it");
        let text = fault(&made_up);
        assert!(text.contains("nobody offered z") && text.contains("10, which has no id"), "{text}");
    }
}
