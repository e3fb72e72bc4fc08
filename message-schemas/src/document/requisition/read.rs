//! Rekvisisjon 1.5 and 1.6 as they are read: one struct for both.
//!
//! 1.5 has `Permission` and a booking in `RefDoc`; 1.6 dropped both.

use crate::document::attachments::RefDoc;
use crate::document::clinical::InfItem;
use crate::document::headed::Headed;
use crate::document::individual::Individual;
use crate::document::parties::Party;
use crate::document::values::{Code, When, Words, first};
use crate::xml::Node;

/// `ServReq`
#[derive(Debug)]
pub(super) struct Requisition<'t> {
    pub node: Node<'t>,
    /// K(7309)
    pub service_type: Option<Code<'t>>,
    pub issued: Option<When<'t>>,
    /// `ReqComment`
    pub comment: Option<Words<'t>>,
    pub ack: Option<Code<'t>>,
    /// `MsgDescr`, K(8202)
    pub discipline: Option<Code<'t>>,
    pub id: Option<Words<'t>>,
    /// `ServProvId`
    pub by_provider: Option<Words<'t>>,
    /// `RequestedPrioReport`, K(7303)
    pub report_priority: Option<Code<'t>>,
    /// How the answer is wanted, and what may not be done: told.
    pub wishes: Vec<Node<'t>>,
    /// Those of `Reservation`, K(3108), by themselves.
    pub reservations: Vec<Code<'t>>,
    pub patient: Option<Patient<'t>>,
    /// `Animal`, `Material`
    pub other: Option<Node<'t>>,
    pub provider: Option<Party<'t>>,
    pub requester: Option<Party<'t>>,
    pub payer: Option<Party<'t>>,
    pub copies: Vec<Party<'t>>,
    pub attachments: Vec<RefDoc<'t>>,
    pub reasons: Vec<Headed<'t>>,
    pub comments: Vec<Headed<'t>>,
    pub asked: Vec<Asked<'t>>,
}

/// `Patient`
#[derive(Debug)]
pub(super) struct Patient<'t> {
    pub who: Individual<'t>,
    pub responsible: Option<Party<'t>>,
    /// `BasisForHealthServices`, `Relation`, `AdmLocation`: told.
    pub told: Vec<Node<'t>>,
    /// `InfItem`, what says that something is not there behind what is.
    pub information: Vec<InfItem<'t>>,
}

/// `ReqInvestigation`
#[derive(Debug)]
pub(super) struct Asked<'t> {
    pub node: Node<'t>,
    /// K(8270)
    pub service_type: Option<Code<'t>>,
    pub purpose: Option<Code<'t>>,
    /// `ReqDate`
    pub wanted: Option<When<'t>>,
    pub priority: Option<Code<'t>>,
    pub comment: Option<Words<'t>>,
    pub investigations: Vec<Investigation<'t>>,
    pub samples: Vec<Sample<'t>>,
}

/// `Investigation`
#[derive(Debug)]
pub(super) struct Investigation<'t> {
    pub node: Node<'t>,
    pub ids: Vec<Code<'t>>,
    /// `Spec`
    pub specifications: Vec<Code<'t>>,
    pub comment: Option<Words<'t>>,
    pub priority: Option<Code<'t>>,
}

/// `AnalysedSubject`: what is or will be examined.
#[derive(Debug)]
pub(super) struct Sample<'t> {
    pub node: Node<'t>,
    pub kind: Option<Words<'t>>,
    /// `TypeCoded`
    pub kind_coded: Option<Code<'t>>,
    pub by_requester: Option<Words<'t>>,
    pub by_provider: Option<Words<'t>>,
    pub collected: Option<When<'t>>,
    /// `AnatomicalOrigin`
    pub origin: Option<Words<'t>>,
    /// `SampleCollProc`
    pub procedure: Option<Code<'t>>,
    pub comment: Option<Words<'t>>,
}

impl<'t> Requisition<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut r = Self {
            node,
            service_type: None,
            issued: None,
            comment: None,
            ack: None,
            discipline: None,
            id: None,
            by_provider: None,
            report_priority: None,
            wishes: Vec::new(),
            reservations: node.all("Reservation").map(Code::read).collect(),
            patient: None,
            other: None,
            provider: None,
            requester: None,
            payer: None,
            copies: Vec::new(),
            attachments: Vec::new(),
            reasons: Vec::new(),
            comments: Vec::new(),
            asked: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "ServType" => first(&mut r.service_type, Some(Code::read(e))),
                "IssueDate" => first(&mut r.issued, When::read(e)),
                "ReqComment" => first(&mut r.comment, Words::read(e)),
                "Ack" => first(&mut r.ack, Some(Code::read(e))),
                "MsgDescr" => first(&mut r.discipline, Some(Code::read(e))),
                "Id" => first(&mut r.id, Words::read(e)),
                "ServProvId" => first(&mut r.by_provider, Words::read(e)),
                "RequestedPrioReport" => first(&mut r.report_priority, Some(Code::read(e))),
                "PaymentCat"
                | "RequestedDateReport"
                | "NoReport"
                | "LevelOfDetail"
                | "EscortRequired"
                | "Reservation"
                | "Permission" => r.wishes.push(e),
                "Patient" => first(&mut r.patient, Some(Patient::read(e))),
                "Animal" | "Material" => first(&mut r.other, Some(e)),
                "ServProvider" => first(&mut r.provider, Some(Party::read(e))),
                "Requester" => first(&mut r.requester, Some(Party::read(e))),
                "PaymentResponsible" => first(&mut r.payer, Some(Party::read(e))),
                "CopyDest" => r.copies.push(Party::read(e)),
                "RefDoc" => r.attachments.push(RefDoc::read(e)),
                "ReasonAsText" => r.reasons.push(Headed::read(e)),
                "Comment" => r.comments.push(Headed::read(e)),
                "ReqInvestigation" => r.asked.push(Asked::read(e)),
                _ => {}
            }
        }
        r
    }

    /// The clinical information.
    pub(super) fn information(&self) -> &[InfItem<'t>] {
        self.patient.as_ref().map(|p| p.information.as_slice()).unwrap_or_default()
    }

    /// The change code, K(7309).
    pub(super) fn service_code(&self) -> Option<&str> {
        self.service_type.as_ref().and_then(Code::code)
    }

    /// Bytes, about, that all requests come to with what they share on each of them.
    pub(super) fn repeated(&self) -> usize {
        let requests: usize = self.asked.iter().map(|a| a.investigations.len().max(1)).sum();
        let of_group = |a: &Asked<'t>| {
            let nodes = [&a.purpose, &a.priority].into_iter().flatten().map(|c| c.node);
            let texts = nodes.chain(a.comment.as_ref().map(|c| c.node)).map(|n| n.source().len());
            texts.sum::<usize>() + 64 * a.samples.len()
        };
        let codes = [&self.discipline, &self.report_priority].into_iter().flatten().map(|c| c.node);
        let texts = codes.chain(self.comment.as_ref().map(|c| c.node)).map(|n| n.source().len());
        let reasons = self.reasons.iter().map(|r| {
            let codes = r.heading.iter().chain(&r.codes).map(|c| c.node);
            codes.chain(r.value).map(|n| n.source().len() + 64).sum::<usize>()
        });
        let references = self.attachments.len() + self.information().len();
        let shared = texts.sum::<usize>() + reasons.sum::<usize>() + 64 * references;
        let largest = self.asked.iter().map(of_group).max().unwrap_or(0);
        requests.saturating_mul(shared.saturating_add(largest))
    }

    /// Resources that it may come to.
    pub(super) fn size(&self) -> usize {
        let asked = self.asked.iter().map(|a| 1 + a.investigations.len() + a.samples.len());
        asked.sum::<usize>() + self.copies.len() + self.information().len()
    }
}

impl<'t> Patient<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut p =
            Self { who: Individual::new(node), responsible: None, told: Vec::new(), information: Vec::new() };
        for e in node.elements() {
            if p.who.take(e) {
                continue;
            }
            match e.name() {
                "ResponsibleHcp" => first(&mut p.responsible, Some(Party::read(e))),
                "BasisForHealthServices" | "Relation" | "AdmLocation" => p.told.push(e),
                "InfItem" => p.information.push(InfItem::read(e)),
                _ => {}
            }
        }
        // Forms ask for each risk by itself: the one that is there must not hide among those that are not.
        p.information.sort_by_key(InfItem::denies);
        p
    }
}

impl<'t> Asked<'t> {
    /// The change code of the order, K(8270).
    pub(super) fn service_code(&self) -> Option<&str> {
        self.service_type.as_ref().and_then(Code::code)
    }

    fn read(node: Node<'t>) -> Self {
        Self {
            node,
            service_type: node.child("ServType").map(Code::read),
            purpose: node.child("Purpose").map(Code::read),
            wanted: node.child("ReqDate").and_then(When::read),
            priority: node.child("Priority").map(Code::read),
            comment: node.child("Comment").and_then(Words::read),
            investigations: node.all("Investigation").map(Investigation::read).collect(),
            samples: node.all("AnalysedSubject").map(Sample::read).collect(),
        }
    }
}

impl<'t> Investigation<'t> {
    fn read(node: Node<'t>) -> Self {
        Self {
            node,
            ids: node.all("Id").map(Code::read).collect(),
            specifications: node.all("Spec").map(Code::read).collect(),
            comment: node.child("Comment").and_then(Words::read),
            priority: node.child("Priority").map(Code::read),
        }
    }
}

impl<'t> Sample<'t> {
    fn read(node: Node<'t>) -> Self {
        let words = |name| node.child(name).and_then(Words::read);
        let collected = node.path("CollectedSample/CollectedDate");
        let produced = || node.path("CollectedStudyProduct/ProducedDate");
        Self {
            node,
            kind: words("Type"),
            kind_coded: node.child("TypeCoded").map(Code::read),
            by_requester: words("IdByRequester"),
            by_provider: words("IdByServProv"),
            collected: collected.or_else(produced).and_then(When::read),
            origin: words("AnatomicalOrigin"),
            procedure: node.child("SampleCollProc").map(Code::read),
            comment: words("Comment"),
        }
    }
}
