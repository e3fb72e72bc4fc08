//! A GP that writes to us, a hospital; both with certificates of the fictitious PKI.

use broker_core::journal::{Book, DocumentKind, Entry, Known, Payload, Provenance};
use broker_core::policy::{Invalid, Policy};
use broker_core::process::{Prepared, process};
use broker_core::protection::Partners;
use broker_core::{Arrival, Outcome, Protection, World};
use jiff::Timestamp;
use message_schemas::head::{self, ReceiptStatus};
use message_schemas::schema::SchemaSet;
use message_schemas::{HerId, Limits, MessageId, xml};
use routing_rules::{Parties, Rules};
use std::sync::Arc;
use trust::chain::Cache;
use trust::keys::PrivateKey;
use trust::pki::{Crl, Pair, demo::Demo};
use trust::revocation::Evidence;
use trust::{Anchors, Certificate, ContentCipher, cms};
use uuid::Uuid;

/// The GP gets what we send signed and sealed; the hospital's own way is inside the house.
pub(crate) const PARTIES: &str = r#"
[[party]]
her_id = 100
level = "enterprise"
name = "Legekontoret"
kind = "gp"
organisation = "SENDER"
destination = "gp"
ours = false
[party.protection]
gets = "signed-and-sealed"
[[party]]
her_id = 101
level = "service"
name = "Fastlege"
kind = "gp"
parent = 100
ours = false
[[party]]
her_id = 200
level = "enterprise"
name = "Sykehuset"
kind = "hospital"
organisation = "RECEIVER"
destination = "hospital"
[[party]]
her_id = 202
level = "service"
name = "Avdelingen"
kind = "hospital"
parent = 200
answers = "broker"
[[party]]
her_id = 203
level = "service"
name = "Leser selv"
kind = "hospital"
parent = 200
[party.protection]
opaque = true
"#;

pub(crate) fn now() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().expect("a time")
}

pub(crate) fn demo() -> &'static Demo {
    Demo::shared()
}

/// CRLs of both CAs, on which these certificates stand.
pub(crate) fn evidence(revoked: &[&Arc<Certificate>]) -> Evidence {
    let mut list = Crl::fresh(now());
    list.revoked = revoked.iter().map(|c| (c.serial.clone(), now())).collect();
    let issuing = demo().issuing.crl(&list).expect("a CRL");
    let root = demo().root.crl(&Crl::fresh(now())).expect("a CRL");
    Evidence::default().with_crl(&issuing).and_then(|e| e.with_crl(&root)).expect("CRLs")
}

/// The world, with changes. Its schema set is empty and it takes invalid messages, so what is good is accepted with
/// findings.
pub(crate) struct Scene {
    pub(crate) parties: String,
    pub(crate) policy: Policy,
    pub(crate) evidence: Evidence,
    pub(crate) anchors: Anchors,
    pub(crate) partners: Vec<(HerId, Vec<Arc<Certificate>>)>,
    pub(crate) trust: bool,
}

impl Default for Scene {
    fn default() -> Self {
        let mut policy = Policy::default();
        policy.invalid.default = Invalid::Accept;
        let sender = &demo().sender;
        let certificates =
            vec![Arc::clone(sender.signing.certificate()), Arc::clone(sender.sealing.certificate())];
        Self {
            parties: PARTIES.to_owned(),
            policy,
            evidence: evidence(&[]),
            anchors: demo().anchors(),
            partners: vec![(HerId(100), certificates)],
            trust: true,
        }
    }
}

impl Scene {
    pub(crate) fn with_parties(from: &str, to: &str) -> Self {
        assert!(PARTIES.contains(from), "{from} is in the party file");
        Self { parties: PARTIES.replacen(from, to, 1), ..Self::default() }
    }

    pub(crate) fn world(self) -> World {
        let number = |o: &trust::pki::demo::Organisation| o.number.to_string();
        let text = self.parties.replace("SENDER", &number(&demo().sender));
        let text = text.replace("RECEIVER", &number(&demo().receiver));
        let parties = Parties::parse(&[("parties.toml".to_owned(), text)]).expect("parties");
        let (schemas, _) = SchemaSet::load(Vec::<(String, Vec<u8>)>::new()).expect("an empty set is a set");
        let protection = Protection {
            keys: Arc::new(demo().receiver.keys()),
            anchors: Arc::new(self.anchors),
            evidence: Arc::new(self.evidence),
            cache: Arc::new(Cache::default()),
            partners: Arc::new(Partners::new(self.partners)),
            second: None,
        };
        World {
            schemas: Arc::new(schemas),
            parties: Arc::new(parties),
            rules: Arc::new(Rules::none()),
            trust: self.trust.then(|| Arc::new(protection)),
            policy: Arc::new(self.policy),
            limits: Limits::default(),
            heads: head::Settings::default(),
            documents: Arc::default(),
            provenance: Arc::new(Provenance { program: "test".into(), ..Provenance::default() }),
        }
    }
}

fn organisation(service: u32) -> String {
    let ident =
        |id: u32| format!("<Ident><Id>{id}</Id><TypeId V=\"HER\" S=\"2.16.578.1.12.4.1.1.9051\"/></Ident>");
    format!(
        "<Organisation><OrganisationName>E</OrganisationName>{}<Organisation>\
         <OrganisationName>S</OrganisationName>{}</Organisation></Organisation>",
        ident(service / 100 * 100),
        ident(service)
    )
}

/// A message from the GP.
pub(crate) fn letter(to: u32) -> String {
    letter_of(101, to)
}

pub(crate) fn letter_of(from: u32, to: u32) -> String {
    format!(
        "<MsgHead xmlns=\"http://www.kith.no/xmlstds/msghead/2006-05-24\"><MsgInfo>\
         <Type V=\"DIALOG_HELSEFAGLIG\"/><MIGversion>v1.2 2006-05-24</MIGversion>\
         <GenDate>2026-03-02T10:30:00</GenDate><MsgId>6ddb98ed-9e34-4efa-9163-62e4ea0cbf43</MsgId>\
         <ProcessingStatus V=\"P\"/><Sender>{}</Sender><Receiver>{}</Receiver>\
         <Patient><FamilyName>Prøve</FamilyName><GivenName>Kari</GivenName>\
         <DateOfBirth>1950-01-01</DateOfBirth><Sex V=\"2\" DN=\"Kvinne\"/></Patient></MsgInfo>\
         <Document><RefDoc><MsgType V=\"XML\"/><Content>\
         <Dialogmelding xmlns=\"http://www.kith.no/xmlstds/dialog/2013-01-23\"><Notat>\
         <TemaKodet V=\"1\"/></Notat></Dialogmelding></Content></RefDoc></Document></MsgHead>",
        organisation(from),
        organisation(to),
    )
}

pub(crate) fn sign(content: &[u8], key: &Pair) -> Vec<u8> {
    cms::sign(content, &*key.private_key(), Some(now())).expect("a signature")
}

/// Sealed for us.
pub(crate) fn seal(content: &[u8]) -> Vec<u8> {
    seal_for(content, demo().receiver.sealing.certificate())
}

pub(crate) fn seal_for(content: &[u8], certificate: &Arc<Certificate>) -> Vec<u8> {
    cms::seal(content, &[Arc::clone(certificate)], ContentCipher::Aes256Gcm).expect("an envelope")
}

/// Signed by the GP and sealed for us, as the profile has it.
pub(crate) fn wrapped(text: &str) -> Vec<u8> {
    seal(&sign(text.as_bytes(), &demo().sender.signing))
}

pub(crate) fn document_signed(text: &str, key: &dyn PrivateKey) -> String {
    let options = trust::xmldsig::Options {
        shape: trust::xmldsig::Shape::Enveloped,
        canonical: trust::xmldsig::Canonical::default(),
        algorithm: None,
    };
    trust::xmldsig::sign(text, key, &options, &[], &Limits::default()).expect("a signature")
}

pub(crate) fn arrival(bytes: &[u8]) -> Arrival {
    Arrival {
        id: MessageId(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001)),
        source: "test".into(),
        received: now(),
        bytes: bytes.into(),
        idempotency_key: None,
        envelope_receiver: None,
        envelope_sender: None,
        transport: None,
    }
}

/// Counted ids.
pub(crate) fn ids() -> impl FnMut() -> Uuid {
    let mut count = 0u128;
    move || {
        count += 1;
        Uuid::from_u128(count)
    }
}

pub(crate) fn judge(bytes: &[u8], world: &World) -> Entry {
    decide(process(arrival(bytes), world, now(), &mut ids()), world, &Known::default(), now())
}

/// Goes on without what can be fetched.
pub(crate) fn decide(outcome: Outcome, world: &World, known: &Known, at: Timestamp) -> Entry {
    match outcome {
        Outcome::Judged(entry) => *entry,
        Outcome::Need { prepared, .. } | Outcome::Fetch { prepared, .. } => {
            Prepared::decide(&prepared, known, world, at, &mut ids())
        }
    }
}

/// `receiver state reason what` of the recipients in a book.
pub(crate) fn rows(entry: &Entry, book: Book) -> Vec<String> {
    let text = |r: &broker_core::journal::Recipient| {
        let receiver = r.receiver.map_or("-".to_owned(), |h| h.to_string());
        let reason = r.reason.map_or(String::new(), |r| format!(" {r}"));
        let what = match r.payload {
            Payload::Original => "original".to_owned(),
            Payload::Document(at) => format!("{:?}", entry.documents[at].kind).to_lowercase(),
        };
        format!("{receiver} {}{reason} {what}", r.state)
    };
    entry.recipients.iter().filter(|r| r.book == book).map(text).collect()
}

pub(crate) fn codes(entry: &Entry) -> Vec<&'static str> {
    entry.findings.iter().map(|f| f.code.as_str()).filter(|code| code.starts_with('A')).collect()
}

/// What the receipts of an entry say, as `status codes`.
pub(crate) fn receipts(entry: &Entry) -> Vec<String> {
    let made = entry.documents.iter().filter(|d| d.kind == DocumentKind::Receipt);
    made.map(|d| receipt(&d.bytes)).collect()
}

pub(crate) fn receipt(bytes: &[u8]) -> String {
    let text = xml::decode(bytes).expect("text").text.into_owned();
    let receipt = head::read(&text, &Limits::default()).expect("a receipt").receipt.expect("a receipt");
    let status = match receipt.status {
        ReceiptStatus::Ok => "ok",
        ReceiptStatus::Rejected => "rejected",
        ReceiptStatus::OkWithErrors => "ok with errors",
    };
    let codes: String = receipt.errors.iter().map(|e| format!(" {}", e.code)).collect();
    format!("{status}{codes}")
}
