//! That what the broker made and said of a message is of this message: its head, what was inside, the receipts.
//!
//! A broker's key may sign a file whose parts are of different messages, by mistake or on purpose. So whatever names the
//! message is held against the message's own bytes as they were opened again, and not against another word of the broker's.

use super::checked::{Checked, Standing};
use super::entries::{Proof, Record};
use super::signatures::Inside;
use crate::proof::manifest::What;
use broker_core::ContentHash;
use message_schemas::head::{self, MessageHead, Party};
use message_schemas::{HerId, Limits, xml};

impl Proof<'_> {
    /// That the head in the record is the one that the message has. Gives the head that the rest is held against.
    pub(super) fn head(
        &self,
        record: &Record,
        inside: Option<&Inside<'_>>,
        checked: &mut Checked,
    ) -> Option<MessageHead> {
        const WHAT: &str = "head";
        let Some(inside) = inside else {
            let why = "What the message holds is not seen here: its head is the word of who made the file.";
            checked.say(WHAT, Standing::NotChecked, why);
            return record.head.clone();
        };
        let read = read(inside.content());
        let (standing, told) = match (&record.head, &read) {
            (Some(said), Some(read)) if is_same(said, read) => {
                (Standing::Holds, "Ids, kind, sender and receivers in the record are those in the message.")
            }
            (Some(_), Some(_)) => (
                Standing::Fails,
                "Ids, kind, sender or receivers in the record are not those in the message.",
            ),
            (Some(_), None) => (Standing::Fails, "The record has a head, and the message has none."),
            (None, _) => (Standing::NotChecked, "The record has no head: the broker could not read one."),
        };
        checked.say(WHAT, standing, told);
        read
    }

    /// That every document that is said to have been inside was inside.
    pub(super) fn opened(&self, record: &Record, inside: Option<&Inside<'_>>, checked: &mut Checked) {
        const WHAT: &str = "opened";
        let mut documents = self.all(What::Opened).peekable();
        if documents.peek().is_none() {
            return;
        }
        let (standing, told) = match inside {
            Some(inside) if documents.all(|bytes| inside.payload() == Some(bytes)) => {
                (Standing::Holds, "What was inside is what the message has inside.")
            }
            Some(_) => (Standing::Fails, "A document that is said to have been inside the message is not."),
            None if documents.all(|bytes| record.payload == Some(ContentHash::of(bytes))) => (
                Standing::NotChecked,
                "It is what the record speaks of; that it was inside is the word of who made the file.",
            ),
            None => (Standing::Fails, "It is not what the record says was inside."),
        };
        checked.say(WHAT, standing, told);
    }

    /// That each receipt is the one that its name says, and answers this message.
    pub(super) fn receipts(&self, message: Option<&MessageHead>, checked: &mut Checked) {
        const WHAT: &str = "receipts";
        let count = self.all(What::Receipt).count();
        if count == 0 {
            return checked.say(WHAT, Standing::NotChecked, "No receipt was made here.");
        }
        let Some(message) = message.filter(|message| ids(message).next().is_some()) else {
            let why = "The message has no id that a receipt could name.";
            return checked.say(WHAT, Standing::NotChecked, why);
        };
        for (name, bytes) in self.named(What::Receipt) {
            let fault = match read(bytes) {
                None => Some("cannot be read"),
                Some(receipt) if !is_named(name, &receipt) => Some("has another id than its name says"),
                Some(receipt) if !answers(&receipt, message) => Some("answers another message"),
                Some(_) => None,
            };
            if let Some(fault) = fault {
                return checked.say(WHAT, Standing::Fails, format!("A receipt {fault}: {name}."));
            }
        }
        checked.say(WHAT, Standing::Holds, format!("{count} of {count} answer this message."));
    }
}

fn read(bytes: &[u8]) -> Option<MessageHead> {
    head::read(&xml::decode(bytes).ok()?.text, &Limits::default()).ok()
}

/// By what a later version of this program reads out of them in the same way.
fn is_same(said: &MessageHead, read: &MessageHead) -> bool {
    let receivers = |head: &MessageHead| -> Vec<_> {
        head.receivers.iter().map(|r| (r.role, parties(&r.party))).collect()
    };
    said.namespace == read.namespace
        && said.kind == read.kind
        && said.document_id == read.document_id
        && said.msg_id.as_ref().map(|m| m.key()) == read.msg_id.as_ref().map(|m| m.key())
        && said.sender.as_ref().map(parties) == read.sender.as_ref().map(parties)
        && receivers(said) == receivers(read)
}

fn parties(party: &Party) -> (Option<HerId>, Option<HerId>) {
    (party.enterprise_her_id(), party.her_id())
}

/// By which a receipt names the message.
fn ids(message: &MessageHead) -> impl Iterator<Item = String> {
    message.msg_id.as_ref().map(|id| id.key()).into_iter().chain(message.document_id.clone())
}

/// A receipt is kept under its own id.
fn is_named(name: &str, receipt: &MessageHead) -> bool {
    let id = receipt.msg_id.as_ref().and_then(|id| id.uuid());
    id.is_some_and(|id| {
        name.strip_prefix("made/").and_then(|n| n.strip_suffix(".xml")) == Some(&id.to_string())
    })
}

/// It names the message, and goes from one of those that the message went to, to the one that it came from.
fn answers(receipt: &MessageHead, message: &MessageHead) -> bool {
    let original = receipt.receipt.as_ref().and_then(|r| r.original_id.as_ref()).map(|id| id.key());
    let named = original.is_some_and(|original| ids(message).any(|id| id.eq_ignore_ascii_case(&original)));
    let sender: Vec<_> = message.sender.iter().map(Party::her_id).collect();
    let receivers: Vec<_> = message.receivers.iter().map(|r| r.party.her_id()).collect();
    named
        && receipt.sender.iter().all(|from| may_be(from, &receivers))
        && receipt.receivers.iter().all(|to| may_be(&to.party, &sender))
}

/// It is one of these, as far as HER-ids tell.
fn may_be(party: &Party, these: &[Option<HerId>]) -> bool {
    party.her_id().is_none_or(|her_id| these.iter().any(|this| this.is_none_or(|this| this == her_id)))
}
