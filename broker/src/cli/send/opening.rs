//! Opens what answers a load: receipts come signed and sealed where that is agreed.
//!
//! With --trust, a receipt counts only if it is signed, by a certificate that these CAs vouch for, and of the organisation
//! whose receipt it is: a tool that takes whatever comes measures less than a partner's system does. Without, receipts in the clear are taken at their word, and
//! what is sealed is told as refused.

use super::fresh::answered;
use super::summary::kind;
use crate::cli::material::{Keys, Trust, Trusting};
use crate::exit::Failure;
use adapters::clock::SystemClock;
use broker_core::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use message_schemas::head::{HeadReader, Party, Settings};
use message_schemas::{Ident, Limits, MsgId, OrgNumber, xml};
use trust::chain::{Cache, Moment};
use trust::open::{Context, Directory, open};
use trust::verified::Proof;
use trust::{Allowed, Fault, KeyRing, Kind};

/// Keys, CAs, and what is known of revocation.
pub(super) struct Opener {
    keys: KeyRing,
    trust: Trust,
    /// Only what is signed by somebody trusted counts.
    verifies: bool,
    /// Every receipt is judged as of then, and not as of when it comes.
    as_of: Option<Timestamp>,
    cache: Cache,
    directory: Directory,
    limits: Limits,
    clock: SystemClock,
    addressees: Addressees,
}

/// Whose receipts are expected, and who signs them.
#[derive(Default)]
pub(super) struct Addressees {
    /// The receivers of what is sent, as the messages name them.
    pub(super) parties: Vec<Party>,
    /// Organisations that sign for all of them.
    pub(super) signed_by: Vec<OrgNumber>,
}

/// A receipt as far as it is looked at.
struct Answer {
    id: MsgId,
    kind: &'static str,
    sender: Option<Party>,
}

/// What a file or a message is that came where receipts are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    /// A receipt: what it answers, and how.
    Receipt(MsgId, &'static str),
    /// Something that cannot be opened, or whose signer is not to be trusted: the code, and why.
    Refused(String),
    /// No receipt.
    Other,
}

impl Opener {
    /// Reads the files.
    pub(super) fn load(keys: &Keys, trusting: &Trusting, addressees: Addressees) -> Result<Self, Failure> {
        let clock = SystemClock::new();
        Ok(Self {
            keys: keys.load()?,
            trust: trusting.load(clock.now())?,
            verifies: !trusting.is_empty(),
            as_of: trusting.as_of(),
            cache: Cache::default(),
            directory: Directory::new([]),
            limits: Limits::default(),
            clock,
            addressees,
        })
    }

    /// Opens and reads. Takes about as long as the private key needs, where one is used.
    pub(super) fn read(&self, bytes: &[u8]) -> Read {
        if !self.verifies
            && let Some(answer) = self.receipt(bytes)
        {
            return Read::Receipt(answer.id, answer.kind);
        }
        let now = self.clock.now();
        let at = self.as_of.unwrap_or(now);
        let context = Context {
            keys: &self.keys,
            anchors: &self.trust.anchors,
            evidence: &self.trust.evidence,
            cache: &self.cache,
            directory: &self.directory,
            second: None,
            allowed: Allowed::default(),
            moment: Moment { at, now: at },
            under_way: SignedDuration::ZERO,
            limits: &self.limits,
        };
        match open(bytes, &context) {
            // Without CAs, nothing that is signed opens: this is no more than packed, or was read above.
            Ok(_) if !self.verifies => Read::Other,
            Err(_) if !self.verifies && is_document(bytes) => Read::Other,
            Ok(opened) => match self.receipt(opened.content()) {
                Some(answer) => match self.addressees.vouch(answer.sender.as_ref(), opened.proofs()) {
                    Ok(()) => Read::Receipt(answer.id, answer.kind),
                    Err(fault) => Read::Refused(short(&fault)),
                },
                None => Read::Other,
            },
            Err(refused) => Read::Refused(short(&refused.fault)),
        }
    }

    fn receipt(&self, bytes: &[u8]) -> Option<Answer> {
        let decoded = xml::decode(bytes).ok()?;
        let mut reader = HeadReader::new();
        xml::read(&decoded.text, &self.limits, &mut reader).ok()?;
        let head = reader.finish(&Settings::default()).ok()?;
        let receipt = head.receipt?;
        Some(Answer { id: answered(receipt.original_id?), kind: kind(receipt.status), sender: head.sender })
    }

    /// What is less than it should be.
    pub(super) fn warnings(&self) -> &[String] {
        &self.trust.warnings
    }
}

impl Addressees {
    /// A receipt is the word of whoever got the message: a party that it went to, in whose name its organisation signs, or
    /// one that is named on the command line. What the receipt says of that itself counts for nothing.
    fn vouch(&self, sender: Option<&Party>, proofs: &[Proof]) -> Result<(), Fault> {
        if proofs.is_empty() {
            return Err(unsigned());
        }
        let answers = |party: &&Party| sender.is_some_and(|sender| is_same(party, sender));
        let answering: Vec<&Party> = self.parties.iter().filter(answers).collect();
        if answering.is_empty() {
            return Err(Fault::new(
                Kind::SenderContradicts,
                "A receipt is of a party that nothing of this was sent to.",
                "Ask who answers there: the receipt must name the receiver as the message does.",
            ));
        }
        let own = answering.iter().flat_map(|party| organisations(party));
        let expected: Vec<OrgNumber> = self.signed_by.iter().copied().chain(own).collect();
        let signs = |proof: &Proof| proof.signer.certificate().organisation;
        let others = proofs.iter().filter_map(signs).any(|number| !expected.contains(&number));
        if !others && proofs.iter().any(|proof| signs(proof).is_some()) {
            return Ok(());
        }
        let message = match expected.is_empty() {
            true => "A receipt is signed, and nobody says by whom it should be.",
            false => "A receipt is signed by another organisation than its addressee's.",
        };
        let remedy = "Name with --signed-by who signs for the addressee, if it has agreed to that.";
        Err(Fault::new(Kind::OrganisationMismatch, message, remedy))
    }
}

fn idents(party: &Party) -> impl Iterator<Item = &Ident> {
    let service = party.service.iter().flat_map(|service| &service.unit().idents);
    party.enterprise.idents.iter().chain(service)
}

/// Goes by one identifier in both.
fn is_same(one: &Party, other: &Party) -> bool {
    idents(one).any(|a| idents(other).any(|b| a.kind == b.kind && a.value == b.value))
}

fn organisations(party: &Party) -> impl Iterator<Item = OrgNumber> {
    idents(party).filter(|ident| ident.kind == "ENH").filter_map(|ident| ident.value.parse().ok())
}

/// Whether it is a document in the clear, of whatever kind.
fn is_document(bytes: &[u8]) -> bool {
    xml::decode(bytes).is_ok_and(|decoded| decoded.text.trim_start().starts_with('<'))
}

fn unsigned() -> Fault {
    Fault::new(
        Kind::NotSigned,
        "A receipt is not signed.",
        "Have the sender sign its receipts, or leave out --trust to take them as they are.",
    )
}

/// `CODE what`, alike for all that are refused for the same: to be counted by.
fn short(fault: &Fault) -> String {
    format!("{} {}", fault.kind.code().as_str(), fault.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use trust::pki::demo::Demo;
    use trust::{Anchors, ContentCipher, cms};

    fn samples() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../message-schemas/samples")
    }

    /// A receipt in the clear.
    fn plain() -> Vec<u8> {
        let files = crate::cli::files::collect(&[samples().join("apprec")]).expect("samples");
        let mut receipts =
            files.iter().filter(|f| f.ends_with("in.xml")).map(|f| std::fs::read(f).expect("a file"));
        receipts.find(|bytes| matches!(without_trust().read(bytes), Read::Receipt(..))).expect("a receipt")
    }

    fn without_trust() -> Opener {
        Opener {
            keys: Demo::shared().sender.keys(),
            trust: Trust {
                anchors: Anchors::default(),
                evidence: trust::revocation::Evidence::default(),
                moment: Moment { at: Timestamp::UNIX_EPOCH, now: Timestamp::UNIX_EPOCH },
                warnings: Vec::new(),
            },
            verifies: false,
            as_of: None,
            cache: Cache::default(),
            directory: Directory::new([]),
            limits: Limits::default(),
            clock: SystemClock::new(),
            addressees: Addressees::default(),
        }
    }

    /// Of the sender of messages, who gets the receipts.
    fn opener() -> Opener {
        let mut opener = without_trust();
        opener.verifies = true;
        opener.trust.anchors = Demo::shared().anchors();
        opener.trust.anchors.test_mode = Some(trust::chain::TestMode::announced_loudly_by_the_caller());
        // Whoever wrote the sample; the demo's receiver signs for it.
        opener.addressees.parties =
            without_trust().receipt(&plain()).and_then(|answer| answer.sender).into_iter().collect();
        opener.addressees.signed_by = vec![Demo::shared().receiver.number];
        opener
    }

    #[test]
    fn a_receipt_is_its_addressees_word_and_nobody_elses() {
        let demo = Demo::shared();
        let receipt = seal(&sign(&plain()), &demo.sender.sealing);
        assert!(matches!(opener().read(&receipt), Read::Receipt(..)));
        let refused = |change: fn(&mut Addressees), code: &str, words: &str| {
            let mut opener = opener();
            change(&mut opener.addressees);
            let Read::Refused(why) = opener.read(&receipt) else { panic!("{words}: it counts") };
            assert!(why.starts_with(code) && why.contains(words), "{why}");
        };
        // Trusted, and of another organisation; of one that nobody named; of a party that nothing was sent to.
        refused(|a| a.signed_by = vec![Demo::shared().sender.number], "A18", "another organisation");
        refused(
            |a| (a.signed_by, a.parties) = (Vec::new(), vec![without_number(&a.parties)]),
            "A18",
            "nobody says",
        );
        refused(|a| a.parties = vec![Party::default()], "A19", "nothing of this was sent to");
        // Its own number, as the message has it.
        let mut opener = opener();
        opener.addressees.signed_by.clear();
        let own = Ident {
            kind: "ENH".into(),
            value: demo.receiver.number.to_string(),
            system: None,
            display: None,
        };
        opener.addressees.parties[0].enterprise.idents.push(own);
        assert!(matches!(opener.read(&receipt), Read::Receipt(..)));
    }

    fn without_number(parties: &[Party]) -> Party {
        let mut party = parties[0].clone();
        party.enterprise.idents.retain(|ident| ident.kind != "ENH");
        party
    }

    fn sign(bytes: &[u8]) -> Vec<u8> {
        cms::sign(bytes, &*Demo::shared().receiver.signing.private_key(), None).expect("a signature")
    }

    fn seal(bytes: &[u8], whose: &trust::pki::Pair) -> Vec<u8> {
        cms::seal(bytes, &[Arc::clone(whose.certificate())], ContentCipher::default()).expect("an envelope")
    }

    fn code(read: Read) -> String {
        match read {
            Read::Refused(why) => why.split(' ').next().unwrap_or_default().to_owned(),
            Read::Receipt(..) | Read::Other => "no refusal".to_owned(),
        }
    }

    #[test]
    fn a_receipt_tells_what_it_answers_and_nothing_else_is_one() {
        let opener = without_trust();
        let letter = std::fs::read(samples().join("epikrise/accepted-1.2/in.xml")).expect("a file");
        assert_eq!(opener.read(&letter), Read::Other);
        assert_eq!(opener.read(b"<AppRec>"), Read::Other);
        assert!(matches!(
            opener.read(&seal(&sign(&letter), &Demo::shared().sender.sealing)),
            Read::Refused(_)
        ));
    }

    #[test]
    fn a_sealed_receipt_is_opened_with_the_senders_own_key_and_its_signer_judged() {
        let (demo, opener) = (Demo::shared(), opener());
        let expected = without_trust().read(&plain());
        assert_eq!(opener.read(&seal(&sign(&plain()), &demo.sender.sealing)), expected);
        assert_eq!(opener.read(&sign(&plain())), expected, "signed only, as some have it");
        // For somebody else, by nobody, in the clear, changed on the way, by a stranger.
        assert_eq!(code(opener.read(&seal(&sign(&plain()), &demo.receiver.sealing))), "A22");
        assert_eq!(code(opener.read(&seal(&plain(), &demo.sender.sealing))), "A01");
        assert_eq!(code(opener.read(&plain())), "A01");
        let mut changed = sign(&plain());
        let at = changed.windows(7).position(|w| w == b"<AppRec").expect("it stands there in the clear");
        changed[at + 1] = b'B';
        assert_eq!(code(opener.read(&changed)), "A06");
        let mut trusts_nobody = without_trust();
        trusts_nobody.verifies = true;
        let refused = trusts_nobody.read(&seal(&sign(&plain()), &demo.sender.sealing));
        assert!(matches!(refused, Read::Refused(_)), "{refused:?}");
        assert!(matches!(opener.read(&seal(&sign(b"<note/>"), &demo.sender.sealing)), Read::Other));
    }
}
