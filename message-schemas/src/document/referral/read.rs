//! Henvisning 1.0, 1.1 and 2.0 as they are read: one struct for all.
//!
//! Up to 1.1 a referral is a message of its own and carries patient and parties (`/Message/ServReq`); 2.0
//! travels under MsgHead, which has them (`Henvisning`). What the versions call by different names is read
//! into one field; what only one of them has is told in the text as it stands.

use crate::document::attachments::RefDoc;
use crate::document::clinical::{InfItem, Precaution};
use crate::document::components::{Contact, PatientDetails, Relative, Responsible};
use crate::document::concepts::Concept;
use crate::document::envelope::Envelope;
use crate::document::headed::Headed;
use crate::document::individual::Individual;
use crate::document::msg_head::MsgHead;
use crate::document::parties::Party;
use crate::document::values::{Code, When, Words, first};
use crate::xml::Node;

/// `ServReq`, `Henvisning`
#[derive(Debug)]
pub(in crate::document) struct Referral<'t> {
    pub node: Node<'t>,
    pub around: Around<'t>,
    /// K(7309)
    pub service_type: Option<Code<'t>>,
    pub issued: Option<When<'t>>,
    /// `PaymentCat`, K(4101)
    pub payment: Option<Code<'t>>,
    /// `ReqComment`
    pub comment: Option<Words<'t>>,
    /// `Ack`
    pub ack: Option<Code<'t>>,
    /// `MsgDescr`, `TypeInnhold`: K(8455)
    pub category: Option<Code<'t>>,
    /// What is said beside it.
    pub category_note: Option<Words<'t>>,
    /// `Id`, `DocumentId`: what all versions of the referral share.
    pub id: Option<Words<'t>>,
    /// `Patient` of the older versions: who it is; what else stands there is part of the referral.
    pub patient: Option<Individual<'t>>,
    /// `BasisForHealthServices`, K(8246)
    pub basis: Option<Code<'t>>,
    pub precautions: Vec<Precaution<'t>>,
    pub items: Vec<InfItem<'t>>,
    /// `PatRelHCP`
    pub related: Vec<Party<'t>>,
    /// `KontaktpersonHelsepersonell`, `TilknyttetEnhet`
    pub contacts: Vec<Contact<'t>>,
    /// `AnsvarForRapport`
    pub responsible: Vec<Responsible<'t>>,
    /// `TilleggsopplysningPasient`
    pub details: Vec<PatientDetails<'t>>,
    /// `ParorendeForesatt`, `ContactPerson`, `PasientrelatertKontaktperson`, `PatRelperson`
    pub relatives: Vec<Relative<'t>>,
    pub translators: Vec<Translator<'t>>,
    /// What is told as it stands, whether or not some of it is a resource too: the section, and the element.
    pub told: Vec<(&'static str, Node<'t>)>,
    pub consents: Vec<Consent<'t>>,
    pub provider: Option<Party<'t>>,
    pub requester: Option<Party<'t>>,
    pub copies: Vec<Party<'t>>,
    pub attachments: Vec<RefDoc<'t>>,
    pub bookings: Vec<Booking<'t>>,
    pub reasons: Vec<Headed<'t>>,
    pub diagnoses: Vec<Concept<'t>>,
    pub wanted: Option<Wanted<'t>>,
    pub comments: Vec<Headed<'t>>,
    /// `ForlopsId` of the assessment
    pub course: Option<Words<'t>>,
    /// `Pakkeforlopskode` and what is said of it
    pub pathways: Vec<(Option<Code<'t>>, Option<Words<'t>>)>,
}

/// What a referral came in.
#[derive(Debug)]
pub(in crate::document) enum Around<'t> {
    /// `Message`
    Message(Box<Envelope<'t>>),
    /// `MsgHead`
    Head(Box<MsgHead<'t>>),
}

/// `NeedTranslator` (1.0), `AssistertKommunikasjon`: who needs one, and for which language. The rest is told.
#[derive(Debug)]
pub(in crate::document) struct Translator<'t> {
    pub node: Node<'t>,
    /// Named when it is not the patient: `Person`, `PersonTolkebehov`.
    pub person: Option<Node<'t>>,
    pub language: Option<Code<'t>>,
}

/// `Consent`
#[derive(Debug)]
pub(in crate::document) struct Consent<'t> {
    pub node: Node<'t>,
    /// K(9064)
    pub status: Option<Code<'t>>,
    pub date: Option<When<'t>>,
    pub note: Option<Words<'t>>,
    pub given_by: Option<Words<'t>>,
}

/// `Booking` in a `RefDoc` of 1.0.
#[derive(Debug)]
pub(in crate::document) struct Booking<'t> {
    pub node: Node<'t>,
    pub start: Option<When<'t>>,
    pub end: Option<When<'t>>,
}

/// `ReqServ`: what is asked for.
#[derive(Debug)]
pub(in crate::document) struct Wanted<'t> {
    pub service_type: Option<Code<'t>>,
    /// K(8248)
    pub purpose: Option<Code<'t>>,
    pub date: Option<When<'t>>,
    /// K(8304)
    pub priority: Option<Code<'t>>,
    pub comment: Option<Words<'t>>,
    /// `Service/ServId`
    pub service: Option<Code<'t>>,
    /// `Service/MedSpeciality`
    pub speciality: Option<Code<'t>>,
    /// `Service/AdmCat`, K(8240)
    pub admission: Option<Code<'t>>,
}

impl<'t> Referral<'t> {
    /// Reads a referral that is a message of its own.
    pub(in crate::document) fn of_message(root: Node<'t>) -> Option<Self> {
        Some(Self::read(root.child("ServReq")?, Around::Message(Box::new(Envelope::read(root)))))
    }

    /// Reads a referral under MsgHead.
    pub(in crate::document) fn of_head(head: MsgHead<'t>) -> Option<Self> {
        Some(Self::read(head.payload?, Around::Head(Box::new(head))))
    }

    fn read(node: Node<'t>, around: Around<'t>) -> Self {
        let mut r = Self {
            node,
            around,
            service_type: None,
            issued: None,
            payment: None,
            comment: None,
            ack: None,
            category: None,
            category_note: None,
            id: None,
            patient: None,
            basis: None,
            precautions: Vec::new(),
            items: Vec::new(),
            related: Vec::new(),
            contacts: Vec::new(),
            responsible: Vec::new(),
            details: Vec::new(),
            relatives: Vec::new(),
            translators: Vec::new(),
            told: Vec::new(),
            consents: Vec::new(),
            provider: None,
            requester: None,
            copies: Vec::new(),
            attachments: Vec::new(),
            bookings: Vec::new(),
            reasons: Vec::new(),
            diagnoses: Vec::new(),
            wanted: None,
            comments: Vec::new(),
            course: None,
            pathways: Vec::new(),
        };
        for e in node.elements() {
            if r.take_about(e) {
                continue;
            }
            match e.name() {
                "ServType" => first(&mut r.service_type, Some(Code::read(e))),
                "IssueDate" => first(&mut r.issued, When::read(e)),
                "PaymentCat" => first(&mut r.payment, Some(Code::read(e))),
                "ReqComment" => first(&mut r.comment, Words::read(e)),
                "Ack" => first(&mut r.ack, Some(Code::read(e))),
                "MsgDescr" => first(&mut r.category, Some(Code::read(e))),
                "TypeInnholdIMelding" => {
                    first(&mut r.category, e.child("TypeInnhold").map(Code::read));
                    first(&mut r.category_note, e.child("Merknad").and_then(Words::read));
                }
                "Id" | "DocumentId" => first(&mut r.id, Words::read(e)),
                "Patient" if r.patient.is_none() => r.read_patient(e),
                "ServProvider" => party(&mut r.provider, e),
                "Requester" => party(&mut r.requester, e),
                "CopyDest" => r.copies.push(Party::read(e)),
                // In 1.0 it may hold a booking, which is no attachment.
                "RefDoc" => match e.child("Booking") {
                    Some(booking) => {
                        r.bookings.push(Booking::read(booking));
                        r.told.push((super::ENCLOSED, e));
                    }
                    None => r.attachments.push(RefDoc::read(e)),
                },
                "ReasonAsText" => r.reasons.push(Headed::read(e)),
                "Diagnosis" => r.diagnoses.push(Concept::read(e)),
                "ReqServ" => first(&mut r.wanted, Some(Wanted::read(e))),
                "Comment" => r.comments.push(Headed::read(e)),
                "VurderingAvHenvisning" => {
                    let course = e.child("Opplysninger").and_then(|o| o.child("ForlopsId"));
                    first(&mut r.course, course.and_then(Words::read));
                    r.told.push((super::ASSESSMENT, e));
                }
                "Pakkeforlop" => r.pathways.push((
                    e.child("Pakkeforlopskode").map(Code::read),
                    e.child("Merknad").and_then(Words::read),
                )),
                _ => {}
            }
        }
        r
    }

    pub(in crate::document) fn envelope(&self) -> &Envelope<'t> {
        match &self.around {
            Around::Message(envelope) => envelope,
            Around::Head(head) => &head.envelope,
        }
    }

    pub(in crate::document) fn head(&self) -> Option<&MsgHead<'t>> {
        match &self.around {
            Around::Message(_) => None,
            Around::Head(head) => Some(head),
        }
    }

    /// Who refers: the requester sends.
    pub(in crate::document) fn sender(&self) -> Option<&Party<'t>> {
        self.head().map_or(self.requester.as_ref(), |head| head.sender.as_ref())
    }

    /// Who is referred to.
    pub(in crate::document) fn receiver(&self) -> Option<&Party<'t>> {
        self.head().map_or(self.provider.as_ref(), |head| head.receiver.as_ref())
    }

    pub(in crate::document) fn who(&self) -> Option<&Individual<'t>> {
        match &self.around {
            Around::Message(_) => self.patient.as_ref(),
            Around::Head(head) => head.patient.as_ref(),
        }
    }

    pub(in crate::document) fn attachments(&self) -> &[RefDoc<'t>] {
        self.head().map_or(&self.attachments, |head| &head.attachments)
    }

    /// The code of K(7309).
    pub(in crate::document) fn service(&self) -> Option<&str> {
        self.service_type.as_ref().and_then(Code::code)
    }

    fn read_patient(&mut self, node: Node<'t>) {
        let mut who = Individual::new(node);
        for e in node.elements() {
            if !who.take(e) {
                self.take_about(e);
            }
        }
        self.patient = Some(who);
    }

    /// Takes what is about the patient: inside `Patient` in the older versions, beside it in 2.0.
    fn take_about(&mut self, e: Node<'t>) -> bool {
        match e.name() {
            "BasisForHealthServices" => first(&mut self.basis, Some(Code::read(e))),
            "PatientPrecaution" => self.precautions.push(Precaution::read(e)),
            "InfItem" => self.items.push(InfItem::read(e)),
            "PatRelHCP" => self.related.push(Party::read(e)),
            "KontaktpersonHelsepersonell" | "TilknyttetEnhet" => {
                self.contacts.push(Contact::read(e));
                self.told.push((super::CONTACTS, e));
            }
            "AnsvarForRapport" => {
                self.responsible.push(Responsible::read(e));
                self.told.push((super::CONTACTS, e));
            }
            "TilleggsopplysningPasient" => {
                self.details.push(PatientDetails::read(e));
                self.told.push((super::PATIENT, e));
            }
            "ParorendeForesatt" | "ContactPerson" | "PasientrelatertKontaktperson" => {
                self.relatives.push(Relative::read(e));
            }
            "PatRelperson" => {
                let mut relative = Relative::read(e);
                relative.person = Some(Individual::read(e));
                relative.kinship = e.child("Relation").and_then(|r| r.child("RelationCode")).map(Code::read);
                self.relatives.push(relative);
            }
            "InfoAssistertKommunikasjon" => {
                self.translators.extend(e.child("AssistertKommunikasjon").map(Translator::read));
            }
            "NeedTranslator" | "AssistertKommunikasjon" => self.translators.push(Translator::read(e)),
            "CareSituation" => self.told.push((super::CARE, e)),
            "PatRelInst" => self.told.push((super::CONTACTS, e)),
            "SendtDokument" => self.told.push((super::SENT, e)),
            "OpplysningerOmIndividuellPlan" => self.told.push((super::PLAN, e)),
            "Legemiddelgjennomgang" => self.told.push((super::DRUGS, e)),
            "Consent" => self.consents.push(Consent::read(e)),
            _ => return false,
        }
        true
    }
}

fn party<'t>(slot: &mut Option<Party<'t>>, node: Node<'t>) {
    if slot.is_none() {
        *slot = Some(Party::read(node));
    }
}

impl<'t> Translator<'t> {
    fn read(node: Node<'t>) -> Self {
        let child = |names: [&str; 2]| names.into_iter().find_map(|name| node.child(name));
        Self {
            node,
            person: child(["Person", "PersonTolkebehov"]),
            language: child(["Language", "BehovTolkSprak"]).map(Code::read),
        }
    }
}

impl<'t> Consent<'t> {
    fn read(node: Node<'t>) -> Self {
        let words = |name| node.child(name).and_then(Words::read);
        Self {
            node,
            status: node.child("ConsentStatus").map(Code::read),
            date: node.child("ConsentDate").and_then(When::read),
            note: words("Merknad"),
            given_by: words("GivenBy"),
        }
    }
}

impl<'t> Booking<'t> {
    fn read(node: Node<'t>) -> Self {
        let when = |name| node.child("Appointment").and_then(|a| a.child(name)).and_then(When::read);
        Self { node, start: when("StartDateTime"), end: when("EndDateTime") }
    }
}

impl<'t> Wanted<'t> {
    fn read(node: Node<'t>) -> Self {
        let code = |name| node.child(name).map(Code::read);
        let service = |name| node.child("Service").and_then(|s| s.child(name)).map(Code::read);
        Self {
            service_type: code("ServType"),
            purpose: code("Purpose"),
            date: node.child("ReqDate").and_then(When::read),
            priority: code("Priority"),
            comment: node.child("Comment").and_then(Words::read),
            service: service("ServId"),
            speciality: service("MedSpeciality"),
            admission: service("AdmCat"),
        }
    }
}
