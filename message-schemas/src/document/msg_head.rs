//! MsgHead (HIS 80601:2006) as it is read for documents: who, whom about, and what it carries.
//!
//! | source (`I` = `/MsgHead/MsgInfo`) | read as |
//! |---|---|
//! | `I/GenDate`, `MsgId`, `ProcessingStatus` | time, id and test mark of the document |
//! | `I/Type`, `MIGversion`, `RequestedPriority`, `Ack`, `ComMethod` | envelope and transport: not mapped |
//! | `I/ConversationRef` | [`Conversation`]: of PLO the series, of a dialogue what it answers |
//! | `I/Sender`, `Receiver`, `OtherReceiver` | [`Party`]: outer Organisation the legal unit, inner ones departments |
//! | `I/Patient` | [`Individual`] |
//! | `Document/RefDoc` with `MsgType` XML | the payload; its namespace decides the family |
//! | every other `Document/RefDoc` | an attachment |
//! | `Document/Consent` K(3109) | text, and whether it may be published |
//! | `Document/ContentType` and its siblings | text |
//! | `PatientReport` | several patients in one message: [`Fault::SeveralPatients`] |
//! | `Signature` | judged where the message came in; not part of the record |
//!
//! Where no `RefDoc` says XML, the first whose content is of a family that is known is the payload: some
//! senders leave the type out. A second payload is kept as an attachment, so that nothing of it is lost.

use super::attachments::RefDoc;
use super::coverage::{Coverage, Outcome, part};
use super::envelope::Envelope;
use super::individual::Individual;
use super::parties::Party;
use super::values::{Code, Sourced, When, Words, first};
use super::{Fault, Withheld, codes};
use crate::family;
use crate::xml::Node;

/// What `Document/Consent` is called in the text.
const CONSENT: &str = "Samtykke";

/// A whole message under MsgHead.
#[derive(Debug)]
pub(super) struct MsgHead<'t> {
    /// `MsgHead`
    pub node: Node<'t>,
    /// `MsgInfo`: id, date, test mark.
    pub envelope: Envelope<'t>,
    /// `RequestedPriority`
    pub priority: Option<Code<'t>>,
    pub conversation: Option<Conversation<'t>>,
    pub sender: Option<Party<'t>>,
    pub receiver: Option<Party<'t>>,
    pub other_receivers: Vec<Party<'t>>,
    pub patient: Option<Individual<'t>>,
    /// The document element of the family.
    pub payload: Option<Node<'t>>,
    /// The card that the payload lies in.
    pub payload_card: Option<RefDoc<'t>>,
    pub attachments: Vec<RefDoc<'t>>,
    /// What is said about documents beside their cards.
    pub descriptions: Vec<Description<'t>>,
    /// `ds:Signature`
    pub signature: Option<Node<'t>>,
}

/// `ConversationRef`: the message that this one answers or follows, and the one that began it all.
#[derive(Debug)]
pub(super) struct Conversation<'t> {
    /// `RefToParent`
    pub parent: Option<Words<'t>>,
    /// `RefToConversation`
    pub first: Option<Words<'t>>,
}

/// A field of `Document`, with what it is called in the text.
#[derive(Debug)]
pub(super) enum Description<'t> {
    Code(&'static str, Code<'t>),
    Words(&'static str, Words<'t>),
    When(&'static str, When<'t>),
}

impl<'t> MsgHead<'t> {
    /// Reads a message whose document element is `MsgHead`.
    ///
    /// # Errors
    /// [`Fault::SeveralPatients`] for a message of patient reports.
    pub(super) fn read(node: Node<'t>) -> Result<Self, Fault> {
        let mut head = Self {
            node,
            envelope: Envelope::read(node.child("MsgInfo").unwrap_or(node)),
            priority: None,
            conversation: None,
            sender: None,
            receiver: None,
            other_receivers: Vec::new(),
            patient: None,
            payload: None,
            payload_card: None,
            attachments: Vec::new(),
            descriptions: Vec::new(),
            signature: None,
        };
        let mut cards = Vec::new();
        for e in node.elements() {
            match e.name() {
                "MsgInfo" => head.read_info(e),
                "Document" => {
                    head.descriptions.extend(e.elements().filter_map(Description::read));
                    cards.extend(e.all("RefDoc").map(RefDoc::read));
                }
                "PatientReport" => return Err(Fault::SeveralPatients),
                "Signature" => first(&mut head.signature, Some(e)),
                _ => {}
            }
        }
        let is_payload = |card: &RefDoc<'t>| {
            card.kind.as_ref().and_then(Code::code) == Some("XML") && card.inline().is_some()
        };
        let known = |card: &RefDoc<'t>| {
            card.inline().is_some_and(|inside| family::by_namespace(inside.namespace()).is_some())
        };
        let found = cards.iter().position(is_payload).or_else(|| cards.iter().position(known));
        if let Some(at) = found {
            let card = cards.remove(at);
            head.payload = card.inline();
            head.payload_card = Some(card);
        }
        head.attachments = cards;
        Ok(head)
    }

    fn read_info(&mut self, info: Node<'t>) {
        for e in info.elements() {
            match e.name() {
                "RequestedPriority" => first(&mut self.priority, Some(Code::read(e))),
                "ConversationRef" => first(&mut self.conversation, Some(Conversation::read(e))),
                "Sender" => first(&mut self.sender, party(e)),
                "Receiver" => first(&mut self.receiver, party(e)),
                "OtherReceiver" => self.other_receivers.extend(party(e)),
                "Patient" => first(&mut self.patient, Some(Individual::read(e))),
                _ => {}
            }
        }
    }

    /// Why what is said of consent beside the payload or an attachment keeps the document back. None is asked for; what is
    /// there must say that it was given: K(3109) 1, or where a sender writes of the list of referrals, K(9064) 1 to 3.
    pub(super) fn consent(&self) -> Option<Withheld> {
        let said = |description: &Description<'t>| {
            let Description::Code(CONSENT, code) = description else { return None };
            code.words()?;
            let of_referrals = code.system.and_then(codes::national) == Some(9064);
            match (code.code(), of_referrals) {
                (Some("1"), _) | (Some("2" | "3"), true) => None,
                (Some("2"), false) | (Some("4"), true) => Some(Withheld::NoConsent),
                _ => Some(Withheld::ConsentUnclear),
            }
        };
        let all = || self.descriptions.iter().filter_map(said);
        all().find(|why| *why == Withheld::NoConsent).or_else(|| all().next())
    }

    /// Marks what covers the payload and is not [`Envelope`]. What becomes a resource or text (parties, patient,
    /// conversation, descriptions, attachments) is marked by who writes it.
    pub(super) fn mark_cover(&self, coverage: &mut Coverage) {
        if let Some(code) = &self.priority {
            code.dropped(coverage, "transport, not part of the record");
        }
        if let Some(card) = &self.payload_card {
            card.mark_cover(coverage, "cover of the payload");
        }
        if let Some(signature) = self.signature {
            coverage.mark_all(signature, Outcome::Dropped, "signature, judged where the message came in");
        }
        // Where a sender says the schema lies.
        coverage.mark(self.node, part::OTHER, Outcome::Dropped, "schema hint");
        if let Some(payload) = self.payload {
            coverage.mark(payload, part::OTHER, Outcome::Dropped, "schema hint");
        }
    }
}

/// `Sender`, `Receiver`, `OtherReceiver`: an organisation, or a person of its own.
fn party<'t>(node: Node<'t>) -> Option<Party<'t>> {
    let organisation = node.child("Organisation").map(Party::read_organisation);
    let persons = ["HealthcareProfessional", "Person", "Patient"];
    let person = || persons.into_iter().find_map(|name| node.child(name)).map(Party::read_professional);
    let mut party = organisation.or_else(person)?;
    party.role = node.child("RoleReceiver").map(Code::read);
    party.transport.extend(node.all("ComMethod").map(Code::read));
    Some(party)
}

impl<'t> Conversation<'t> {
    fn read(node: Node<'t>) -> Self {
        let words = |name| node.child(name).and_then(Words::read);
        Self { parent: words("RefToParent"), first: words("RefToConversation") }
    }
}

impl<'t> Description<'t> {
    fn read(node: Node<'t>) -> Option<Self> {
        Some(match node.name() {
            "DocumentConnection" => Self::Code("Sammenheng med andre dokumenter", Code::read(node)),
            "ContentType" => Self::Code("Type innhold", Code::read(node)),
            "ContentDescription" => Self::Words("Beskrivelse av innhold", Words::read(node)?),
            "ContentCategory" => Self::Code("Kategori", Code::read(node)),
            "Consent" => Self::Code(CONSENT, Code::read(node)),
            "Annotation" => Self::Words("Merknad", Words::read(node)?),
            "FromDate" => Self::When("Fra", When::read(node)?),
            "ToDate" => Self::When("Til", When::read(node)?),
            "OidRef" => Self::Words("OID", Words::read(node)?),
            "EnquiryRefId" => Self::Words("Svar på forespørsel", Words::read(node)?),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::xml::Tree;

    fn tree(documents: &str) -> Tree {
        let text = format!(
            "<MsgHead xmlns='http://www.kith.no/xmlstds/msghead/2006-05-24'><MsgInfo>
               <GenDate>2026-03-01T10:00:00</GenDate><MsgId>1</MsgId><ProcessingStatus V='D'/>
               <ConversationRef><RefToParent>2</RefToParent><RefToConversation>3</RefToConversation></ConversationRef>
               <Sender><Organisation><OrganisationName>Legesenteret</OrganisationName>
                 <Ident><Id>910</Id><TypeId V='HER'/></Ident>
                 <Organisation><OrganisationName>Avdelingen</OrganisationName>
                   <Ident><Id>911</Id><TypeId V='HER'/></Ident>
                   <HealthcareProfessional><RoleToPatient V='6' S='2.16.578.1.12.4.1.1.9034'/>
                     <FamilyName>Lie</FamilyName><MiddleName>Dal</MiddleName><GivenName>Eva</GivenName>
                     <Ident><Id>222200068</Id><TypeId V='HPR'/></Ident>
                     <TeleCom><TypeTelecom V='MC'/><TeleAddress V='tel:900'/></TeleCom>
                   </HealthcareProfessional></Organisation></Organisation></Sender>
               <Patient><FamilyName>Moe</FamilyName><GivenName>Kari</GivenName></Patient>
             </MsgInfo>{documents}</MsgHead>"
        );
        Tree::parse(&text, &Limits::default()).unwrap()
    }

    fn document(kind: &str, content: &str) -> String {
        format!("<Document><RefDoc><MsgType V='{kind}'/><Content>{content}</Content></RefDoc></Document>")
    }

    const NOTE: &str = "<Dialogmelding xmlns='http://www.kith.no/xmlstds/dialog/2013-01-23'/>";

    #[test]
    fn the_outer_organisation_is_the_legal_unit_and_the_person_keeps_name_parts() {
        let tree = tree(&document("XML", NOTE));
        let head = MsgHead::read(tree.root().unwrap()).unwrap();
        let sender = head.sender.as_ref().unwrap();
        assert_eq!(sender.institution.as_ref().unwrap().id("HER"), Some("910"));
        assert_eq!(sender.departments.first().unwrap().display().as_deref(), Some("Avdelingen"));
        assert_eq!(sender.person_display().unwrap(), "Eva Dal Lie");
        let name = sender.persons.first().and_then(|p| p.name.as_ref()).unwrap();
        assert_eq!(name.parted(), ["Lie", "Eva", "Dal"]);
        assert_eq!(head.patient.as_ref().unwrap().name.as_ref().unwrap().spoken(), "Kari Moe");
        let conversation = head.conversation.as_ref().unwrap();
        assert_eq!(conversation.parent.as_ref().unwrap().value, "2");
        assert_eq!(conversation.first.as_ref().unwrap().value, "3");
        assert!(head.envelope.is_test());
    }

    #[test]
    fn the_payload_is_what_says_xml_and_everything_else_is_attached() {
        let three = [document("A", "QQ=="), document("XML", NOTE), document("XML", NOTE)].concat();
        let tree_ = tree(&three);
        let head = MsgHead::read(tree_.root().unwrap()).unwrap();
        assert_eq!(head.payload.unwrap().name(), "Dialogmelding");
        assert_eq!(head.attachments.len(), 2);
        let untyped = tree(&[document("A", "QQ=="), document("", NOTE)].concat());
        let head = MsgHead::read(untyped.root().unwrap()).unwrap();
        assert_eq!(head.payload.unwrap().name(), "Dialogmelding");
        let bytes = tree(&document("XML", "QQ=="));
        let head = MsgHead::read(bytes.root().unwrap()).unwrap();
        assert!(head.payload.is_none(), "bytes are no payload");
    }

    #[test]
    fn only_a_consent_that_was_given_lets_a_document_go() {
        let said = |consent: &str| {
            let first = document("XML", NOTE).replacen("<RefDoc>", &format!("{consent}<RefDoc>"), 1);
            let tree = tree(&first);
            MsgHead::read(tree.root().unwrap()).unwrap().consent()
        };
        let list =
            |code: &str, list: u16| format!("<Consent V='{code}' S='2.16.578.1.12.4.1.1.{list}' DN='x'/>");
        for given in
            ["", "<Consent/>", "<Consent V='1'/>", &list("1", 3109), &list("2", 9064), &list("3", 9064)]
        {
            assert_eq!(said(given), None, "{given}");
        }
        for refused in ["<Consent V='2'/>", &list("2", 3109), &list("4", 9064)] {
            assert_eq!(said(refused), Some(Withheld::NoConsent), "{refused}");
        }
        for unclear in ["<Consent DN='Nei'/>", "<Consent OT='Nei'/>", &list("4", 3109), &list("9", 9064)] {
            assert_eq!(said(unclear), Some(Withheld::ConsentUnclear), "{unclear}");
        }
        let two = [list("7", 3109), list("2", 3109)].concat();
        assert_eq!(said(&two), Some(Withheld::NoConsent));
    }

    #[test]
    fn a_national_identity_number_is_the_official_one_wherever_it_stands() {
        let official = |kinds: &[&str]| {
            let ids: String =
                kinds.iter().map(|k| format!("<Ident><Id>{k}</Id><TypeId V='{k}'/></Ident>")).collect();
            let text = format!("<MsgHead><MsgInfo><Patient>{ids}</Patient></MsgInfo></MsgHead>");
            let tree = Tree::parse(&text, &Limits::default()).unwrap();
            let head = MsgHead::read(tree.root().unwrap()).unwrap();
            let who = head.patient.unwrap();
            assert_eq!(who.additional.len() + usize::from(who.official.is_some()), kinds.len());
            who.official.and_then(|id| id.kind().map(str::to_owned))
        };
        for kinds in [["PNR", "FNR", "DNR"], ["DUF", "DNR", "FNR"], ["FNR", "FHN", "XXX"]] {
            assert_eq!(official(&kinds).as_deref(), Some("FNR"), "{kinds:?}");
        }
        assert_eq!(official(&["FHN", "DNR"]).as_deref(), Some("DNR"));
        assert_eq!(official(&["PNR"]), None);
    }

    #[test]
    fn patient_reports_are_refused() {
        let tree = tree("<PatientReport><CaseNo>1</CaseNo></PatientReport>");
        assert_eq!(MsgHead::read(tree.root().unwrap()).unwrap_err(), Fault::SeveralPatients);
    }
}
