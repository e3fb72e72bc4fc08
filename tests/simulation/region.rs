//! The region of the simulation: who takes part, what they send, and what a correct receiver does.

use crate::chance::Chance;
use broker_core::journal::{Delivery, DocumentKind, RecipientId};
use dead_letter::Attempt;
use jiff::Timestamp;
use message_schemas::apprec::{Error, ErrorCode, Making, Receipt, Verdict};
use message_schemas::{Limits, head, xml};
use routing_rules::{Parties, Rules};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Enterprise 100 sends. 201 answers for itself, the broker answers for 202, nobody for 203. 204 is kept in
/// order by a rule. Nobody knows 999.
const PARTIES: &str = r#"
[[party]]
her_id = 100
level = "enterprise"
name = "Legesenteret"
kind = "gp"
destination = "gp"

[[party]]
her_id = 101
level = "service"
name = "Fastlege"
kind = "gp"
parent = 100

[[party]]
her_id = 200
level = "enterprise"
name = "Sykehuset"
kind = "hospital"
destination = "hospital"

[[party]]
her_id = 201
level = "service"
name = "Kirurgi"
kind = "hospital"
parent = 200

[[party]]
her_id = 202
level = "service"
name = "Medisin"
kind = "hospital"
parent = 200
destination = "wards"
answers = "broker"

[[party]]
her_id = 203
level = "service"
name = "Register"
kind = "register"
parent = 200
answers = "none"

[[party]]
her_id = 204
level = "service"
name = "Avdeling i rekkefølge"
kind = "hospital"
parent = 200
destination = "ordered"
"#;

const RULES: &str = r#"
[[rule]]
name = "ward-in-order"
when = "receiver.her_id == 204"
order = "conversation"
"#;

pub(crate) const DESTINATIONS: [&str; 4] = ["gp", "hospital", "ordered", "wards"];

pub(crate) fn parties() -> Parties {
    Parties::parse(&[("parties.toml".to_owned(), PARTIES.to_owned())]).expect("the parties are in order")
}

pub(crate) fn rules(parties: &Parties) -> Rules {
    Rules::parse(&[("rules.toml".to_owned(), RULES.to_owned())], parties).expect("the rules are in order")
}

/// What the sender wants to get through.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) msg_id: String,
    pub(crate) receivers: Vec<u32>,
    pub(crate) bytes: Arc<[u8]>,
    /// `Some` if the sender repeats its offers under one key.
    pub(crate) key: Option<String>,
    pub(crate) acknowledged: bool,
    /// Its number among the letters to the ordered ward.
    pub(crate) number: usize,
}

impl Letter {
    pub(crate) fn new(number: usize, chance: &mut Chance, now: Timestamp) -> Self {
        let msg_id = chance.uuid().to_string();
        let first = [201, 202, 203, 204][chance.below(4)];
        let mut receivers = vec![first];
        if chance.per_mille(250) {
            receivers.push([201, 202, 203, 999][chance.below(4)]);
        }
        receivers.dedup();
        let bytes = message(&msg_id, &receivers, now);
        let key = chance.per_mille(500).then(|| format!("key-{number}"));
        Self { msg_id, receivers, bytes, key, acknowledged: false, number }
    }
}

fn organisation(enterprise: u32, service: u32) -> String {
    let ident = |id: u32| {
        format!(
            "<Ident><Id>{id}</Id><TypeId V=\"HER\" S=\"2.16.578.1.12.4.1.1.9051\" DN=\"HER-id\"/></Ident>"
        )
    };
    format!(
        "<Organisation><OrganisationName>E{enterprise}</OrganisationName>{}<Organisation>\
         <OrganisationName>S{service}</OrganisationName>{}</Organisation></Organisation>",
        ident(enterprise),
        ident(service)
    )
}

/// A dialogue message (notat) from 101 to these services, the first as primary receiver.
fn message(msg_id: &str, receivers: &[u32], now: Timestamp) -> Arc<[u8]> {
    let enterprise = |service: u32| if service == 999 { 990 } else { 200 };
    // What goes to the ordered ward is one long conversation.
    let conversation = if receivers.first() == Some(&204) {
        "<ConversationRef><RefToParent>0b0c3f4e-5a0e-4c1e-9d59-2f3c5d1f7a11</RefToParent>\
         <RefToConversation>0b0c3f4e-5a0e-4c1e-9d59-2f3c5d1f7a11</RefToConversation></ConversationRef>"
    } else {
        ""
    };
    let (first, copies) = receivers.split_first().expect("a letter has a receiver");
    let copies: String = copies
        .iter()
        .map(|&s| {
            format!(
                "<OtherReceiver><RoleReceiver V=\"COP\" S=\"2.16.578.1.12.4.1.1.8112\" DN=\"Kopimottaker\"/>{}</OtherReceiver>",
                organisation(enterprise(s), s)
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <MsgHead xmlns=\"http://www.kith.no/xmlstds/msghead/2006-05-24\"><MsgInfo>\
         <Type V=\"DIALOG_HELSEFAGLIG\" DN=\"Helsefaglig dialog\"/><MIGversion>v1.2 2006-05-24</MIGversion>\
         <GenDate>{now}</GenDate><MsgId>{msg_id}</MsgId>{conversation}\
         <Sender>{}</Sender><Receiver>{}</Receiver>{copies}\
         <Patient><FamilyName>Prøve</FamilyName><GivenName>Kari</GivenName>\
         <DateOfBirth>1950-01-01</DateOfBirth><Sex V=\"2\" DN=\"Kvinne\"/></Patient></MsgInfo>\
         <Document><RefDoc><MsgType V=\"XML\" DN=\"XML-instans\"/><Content>\
         <Dialogmelding xmlns=\"http://www.kith.no/xmlstds/dialog/2013-01-23\"><Notat>\
         <TemaKodet V=\"1\" S=\"2.16.578.1.12.4.1.1.7322\" DN=\"Annet\"/>\
         <TekstNotatInnhold>Nr. {msg_id}</TekstNotatInnhold></Notat></Dialogmelding>\
         </Content></RefDoc></Document></MsgHead>",
        organisation(100, 101),
        organisation(enterprise(*first), *first),
    )
    .into_bytes()
    .into()
}

/// A receiving system: keeps what it gets by recipient id, recognises repeats, and answers for itself.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// What it holds.
    pub(crate) got: BTreeMap<RecipientId, Arc<[u8]>>,
    /// In the order in which it was first received.
    pub(crate) order: Vec<(RecipientId, Option<u32>)>,
    /// Receipts that it wants to send: when, and the bytes.
    pub(crate) answers: Vec<(Timestamp, Arc<[u8]>)>,
    /// Receipts that it got: (original message, answering party) with the receipts' ids.
    pub(crate) receipts: BTreeMap<(String, u32), Vec<String>>,
}

impl Receiver {
    /// What a correct receiver does with a delivery.
    pub(crate) fn receive(&mut self, delivery: &Delivery, chance: &mut Chance, now: Timestamp) -> Attempt {
        if let Some(before) = self.got.get(&delivery.recipient) {
            assert_eq!(before, &delivery.bytes, "two different things were handed over under one id");
            return Attempt::AlreadyThere;
        }
        self.got.insert(delivery.recipient, Arc::clone(&delivery.bytes));
        self.order.push((delivery.recipient, delivery.receiver.map(|h| h.0)));
        let text = xml::decode(&delivery.bytes).expect("what was taken in can be decoded").text;
        let head = head::read(&text, &Limits::default()).expect("what was taken in has a head");
        if let Some(receipt) = &head.receipt {
            assert_ne!(delivery.kind, Some(DocumentKind::FhirJson));
            let original = receipt.original_id.as_ref().expect("a receipt names its original").key();
            let answering = head.sender.as_ref().and_then(|s| s.her_id()).expect("a receipt has a sender").0;
            let id = head.msg_id.expect("a receipt has an id").key();
            self.receipts.entry((original, answering)).or_default().push(id);
        } else if !delivery.receipt_written && matches!(delivery.receiver.map(|h| h.0), Some(201 | 204)) {
            self.answer(&head, delivery, chance, now);
        }
        Attempt::HandedOver
    }

    /// The system behind answers: mostly at once, sometimes late, twice, with a no, or never.
    fn answer(
        &mut self,
        head: &message_schemas::MessageHead,
        delivery: &Delivery,
        chance: &mut Chance,
        now: Timestamp,
    ) {
        let me = head.receivers.iter().find(|r| r.party.her_id() == delivery.receiver).expect("it is for me");
        let verdict = if chance.per_mille(100) {
            Verdict::rejected(Error::of(ErrorCode::PatientUnknown))
        } else {
            Verdict::Accepted
        };
        if chance.per_mille(80) {
            return;
        }
        let making = Making { id: chance.uuid(), now, software: None };
        let receipt = Receipt::answer(head, me, verdict, making).expect("a fagmelding has a receipt");
        let bytes: Arc<[u8]> = receipt.to_xml().into_bytes().into();
        let hours = if chance.per_mille(100) { 120 } else { 0 };
        let at = now
            + jiff::SignedDuration::from_secs(
                hours * 3600 + i64::try_from(chance.below(600)).expect("small"),
            );
        self.answers.push((at, Arc::clone(&bytes)));
        if chance.per_mille(100) {
            self.answers.push((at, bytes));
        }
    }
}
