//! Svarrapport 1.3 and 1.4 as they are read: one struct for both.
//!
//! The versions differ in little that is read here: 1.3 may hold several reports and `ServReq/Permission`,
//! and has no list on `StructuredInfo/Type` and `CodedInfo/Code` ([`Code`] takes one where it is sent). Where
//! each field stands is in the XSDs `svar-v13.xsd` and `svar-v1.4.xsd`; order and number are not held against
//! the sender. The first of what may stand once is read, what follows it stays unread and is shown as it is.
//!
//! Result items are kept in one list in document order with the number of the item around each, so that no
//! depth of nesting needs a stack.

use crate::document::attachments::RefDoc;
use crate::document::concepts::Concept;
use crate::document::headed::Headed;
use crate::document::individual::Individual;
use crate::document::observed::Outcome;
use crate::document::parties::Party;
use crate::document::values::{Amount, Code, Few, Flag, When, Words, add, first};
use crate::xml::Node;
use smallvec::SmallVec;

/// Whom or what a report is about.
#[derive(Debug)]
pub(super) enum Subject<'t> {
    Patient(Box<Patient<'t>>),
    /// `Animal` or `Material`, and what lies in it.
    NotAPerson(Box<Patient<'t>>),
    Nobody,
}

/// `Patient`, `Animal` or `Material`: who it is and the results.
#[derive(Debug)]
pub(super) struct Patient<'t> {
    pub node: Node<'t>,
    pub who: Individual<'t>,
    /// `BasisForHealthServices`, `Relation`
    pub told_codes: Vec<(&'static str, Code<'t>)>,
    /// `Species`, `NameOwner`, `InvMaterial`
    pub told_words: Vec<(&'static str, Words<'t>)>,
    pub responsible: Option<Party<'t>>,
    pub stays: Option<Node<'t>>,
    pub information: Vec<Information<'t>>,
    pub subjects: Vec<AnalysedSubject<'t>>,
    pub items: Vec<Item<'t>>,
    /// Fetus, donor, mother: another's results, never the patient's.
    pub other: Vec<Node<'t>>,
}

/// `ServReport`
#[derive(Debug)]
pub(super) struct Report<'t> {
    pub node: Node<'t>,
    pub service_type: Option<Code<'t>>,
    pub issued: Option<When<'t>>,
    pub approved: Option<When<'t>>,
    pub status: Option<Code<'t>>,
    pub cancellation: Option<Code<'t>>,
    pub ack: Option<Code<'t>>,
    pub discipline: Option<Code<'t>>,
    pub id: Option<Words<'t>>,
    pub comment: Option<Words<'t>>,
    pub coded_comments: Vec<Code<'t>>,
    pub attachments: Vec<RefDoc<'t>>,
    pub requests: Vec<Request<'t>>,
    pub subject: Subject<'t>,
    pub provider: Option<Party<'t>>,
    pub requester: Option<Party<'t>>,
    pub payer: Option<Party<'t>>,
    pub copies: Vec<Party<'t>>,
    pub related: Option<Party<'t>>,
}

/// `ServReq`: the order behind the report.
#[derive(Debug)]
pub(super) struct Request<'t> {
    pub node: Node<'t>,
    pub id: Option<Words<'t>>,
    pub by_provider: Option<Words<'t>>,
    pub issued: Option<When<'t>>,
    pub received: Option<When<'t>>,
    pub payment: Option<Code<'t>>,
    pub priority: Option<Code<'t>>,
    pub comment: Option<Words<'t>>,
    pub reservations: Vec<Code<'t>>,
    pub permissions: Vec<Code<'t>>,
    pub reasons: Vec<Headed<'t>>,
    pub comments: Vec<Headed<'t>>,
    /// `ServType`, `Ack`, `MsgDescr`: not mapped.
    pub unused: Vec<Code<'t>>,
}

/// `InfItem`
#[derive(Debug)]
pub(super) struct Information<'t> {
    pub kind: Option<Code<'t>>,
    pub description: Option<Node<'t>>,
    pub comment: Option<Words<'t>>,
    pub coded: Option<Code<'t>>,
    pub start: Option<When<'t>>,
    pub end: Option<When<'t>>,
    pub original: Option<When<'t>>,
}

/// `AnalysedSubject`
#[derive(Debug)]
pub(super) struct AnalysedSubject<'t> {
    pub node: Node<'t>,
    pub by_provider: Option<Words<'t>>,
    pub by_requester: Option<Words<'t>>,
    pub kind: Option<Words<'t>>,
    pub kind_coded: Option<Code<'t>>,
    pub collected: Option<When<'t>>,
    pub collector_comment: Option<Words<'t>>,
    pub collector_codes: Vec<Code<'t>>,
    pub logistics: Option<Words<'t>>,
    pub product_kind: Option<Words<'t>>,
    pub product_reference: Option<Words<'t>>,
    pub origin: Option<Words<'t>>,
    pub procedure: Option<Code<'t>>,
    pub collector: Option<Party<'t>>,
    pub number: Option<Words<'t>>,
    pub preservative: Option<Words<'t>>,
    pub handling: Vec<Words<'t>>,
    pub accredited: Option<Flag<'t>>,
    pub pretreatment: Option<Headed<'t>>,
    pub comment: Option<Words<'t>>,
    /// K(8270)
    pub service_type: Option<Code<'t>>,
    /// `SampleCollInd`: not mapped.
    pub unused: Vec<Code<'t>>,
    pub nested: Vec<Node<'t>>,
}

/// `ResultItem`. A report has many, so what is seldom sent takes the room of a pointer only.
#[derive(Debug)]
pub(super) struct Item<'t> {
    pub node: Node<'t>,
    /// The item around it, by its place in the list.
    pub nested_in: Option<usize>,
    /// Says nothing of its own state, and stands under one that is cancelled.
    pub cancelled_with: bool,
    pub outcome: Option<Outcome<'t>>,
    pub service_type: Option<Code<'t>>,
    pub references: Few<Words<'t>>,
    pub investigations: Few<Investigation<'t>>,
    pub investigated: Option<Box<When<'t>>>,
    pub comment: Option<Words<'t>>,
    pub deviation: Option<Code<'t>>,
    pub id: Option<Words<'t>>,
    pub refers_to: Option<Words<'t>>,
    pub status: Option<Code<'t>>,
    pub status_changed: Option<Box<When<'t>>>,
    pub described: Option<Box<When<'t>>>,
    pub countersigned: Option<Box<When<'t>>>,
    pub validated: Option<Box<When<'t>>>,
    pub subjects: Few<Words<'t>>,
    pub accredited: Option<Flag<'t>>,
    pub providers: Vec<Party<'t>>,
    pub diagnosis: Option<Box<Concept<'t>>>,
    pub structured: Vec<Structured<'t>>,
}

/// `Investigation`
#[derive(Debug)]
pub(super) struct Investigation<'t> {
    pub ids: Few<Code<'t>>,
    pub specifications: Vec<Code<'t>>,
    pub comment: Option<Words<'t>>,
}

/// `StructuredInfo`
#[derive(Debug)]
pub(super) struct Structured<'t> {
    pub kind: Option<Code<'t>>,
    pub values: Vec<StructuredValue<'t>>,
}

/// One value of a `StructuredInfo`.
#[derive(Debug)]
pub(super) enum StructuredValue<'t> {
    Words(Words<'t>),
    Amount(Amount<'t>),
    Code(Code<'t>),
    Flag(Flag<'t>),
}

impl<'t> Report<'t> {
    pub(super) fn read(node: Node<'t>) -> Self {
        let mut r = Self {
            node,
            service_type: None,
            issued: None,
            approved: None,
            status: None,
            cancellation: None,
            ack: None,
            discipline: None,
            id: None,
            comment: None,
            coded_comments: Vec::new(),
            attachments: Vec::new(),
            requests: Vec::new(),
            subject: Subject::Nobody,
            provider: None,
            requester: None,
            payer: None,
            copies: Vec::new(),
            related: None,
        };
        for e in node.elements() {
            match e.name() {
                "ServType" => first(&mut r.service_type, Some(Code::read(e))),
                "IssueDate" => first(&mut r.issued, When::read(e)),
                "ApprDate" => first(&mut r.approved, When::read(e)),
                "Status" => first(&mut r.status, Some(Code::read(e))),
                "CancellationCode" => first(&mut r.cancellation, Some(Code::read(e))),
                "Ack" => first(&mut r.ack, Some(Code::read(e))),
                "MsgDescr" => first(&mut r.discipline, Some(Code::read(e))),
                "ServProvId" => first(&mut r.id, Words::read(e)),
                "Comment" => first(&mut r.comment, Words::read(e)),
                "CodedComment" => r.coded_comments.push(Code::read(e)),
                "RefDoc" => r.attachments.push(RefDoc::read(e)),
                "ServReq" => add(&mut r.requests, Request::read(e)),
                "Patient" => r.read_subject(|p| Subject::Patient(Box::new(p)), e),
                "Animal" | "Material" => r.read_subject(|p| Subject::NotAPerson(Box::new(p)), e),
                "ServProvider" => party(&mut r.provider, e),
                "Requester" => party(&mut r.requester, e),
                "PaymentResponsible" => party(&mut r.payer, e),
                "CopyDest" => r.copies.push(Party::read(e)),
                "RelServProv" => party(&mut r.related, e),
                _ => {}
            }
        }
        r
    }

    fn read_subject(&mut self, make: impl FnOnce(Patient<'t>) -> Subject<'t>, node: Node<'t>) {
        if matches!(self.subject, Subject::Nobody) {
            self.subject = make(Patient::read(node));
        }
    }

    /// Who or what it is about, person or not.
    pub(super) fn about(&self) -> Option<&Patient<'t>> {
        match &self.subject {
            Subject::Patient(p) | Subject::NotAPerson(p) => Some(p),
            Subject::Nobody => None,
        }
    }
}

fn party<'t>(slot: &mut Option<Party<'t>>, node: Node<'t>) {
    if slot.is_none() {
        *slot = Some(Party::read(node));
    }
}

impl<'t> Patient<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut p = Self {
            node,
            who: Individual::new(node),
            told_codes: Vec::new(),
            told_words: Vec::new(),
            responsible: None,
            stays: None,
            information: Vec::new(),
            subjects: Vec::new(),
            items: Vec::new(),
            other: Vec::new(),
        };
        p.items.reserve_exact(node.all("ResultItem").count());
        p.subjects.reserve_exact(node.all("AnalysedSubject").count());
        for e in node.elements() {
            if p.who.take(e) {
                continue;
            }
            match e.name() {
                "BasisForHealthServices" => p.told_codes.push(("Grunnlag for helsetjenester", Code::read(e))),
                "Relation" => p.told_codes.push(("Relasjon", Code::read(e))),
                "Species" => p.told_words.extend(Words::read(e).map(|w| ("Art", w))),
                "NameOwner" => p.told_words.extend(Words::read(e).map(|w| ("Eier", w))),
                "InvMaterial" => p.told_words.extend(Words::read(e).map(|w| ("Materiale", w))),
                "ResponsibleHcp" => party(&mut p.responsible, e),
                "AdmLocation" => first(&mut p.stays, Some(e)),
                "InfItem" => p.information.push(Information::read(e)),
                "AnalysedSubject" => p.subjects.push(AnalysedSubject::read(e)),
                "ResultItem" => read_items(e, &mut p.items),
                "Patient" | "Animal" | "Material" => p.other.push(e),
                _ => {}
            }
        }
        super::items::cancel_members(&mut p.items);
        p
    }
}

/// Reads an item and all inside it, in document order, without recursion.
fn read_items<'t>(top: Node<'t>, items: &mut Vec<Item<'t>>) {
    let mut work: SmallVec<[_; 8]> = SmallVec::from_slice(&[(top, None)]);
    while let Some((node, nested_in)) = work.pop() {
        let at = items.len();
        items.push(Item::read(node, nested_in));
        let from = work.len();
        work.extend(node.all("ResultItem").map(|child| (child, Some(at))));
        if let Some(new) = work.get_mut(from..) {
            new.reverse();
        }
    }
}

fn boxed(node: Node<'_>) -> Option<Box<When<'_>>> {
    When::read(node).map(Box::new)
}

impl<'t> Item<'t> {
    fn read(node: Node<'t>, nested_in: Option<usize>) -> Self {
        let mut i = Self {
            node,
            nested_in,
            cancelled_with: false,
            outcome: None,
            service_type: None,
            references: Few::new(),
            investigations: Few::new(),
            investigated: None,
            comment: None,
            deviation: None,
            id: None,
            refers_to: None,
            status: None,
            status_changed: None,
            described: None,
            countersigned: None,
            validated: None,
            subjects: Few::new(),
            accredited: None,
            providers: Vec::new(),
            diagnosis: None,
            structured: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "TextResult" | "NumResult" | "Interval" | "DateResult" => {
                    first(&mut i.outcome, Some(Outcome::read(e)));
                }
                "ServType" => first(&mut i.service_type, Some(Code::read(e))),
                "RefInterval" => {
                    i.references.extend(e.child("Descr").and_then(Words::read));
                }
                "Investigation" => i.investigations.push(Investigation::read(e)),
                "InvDate" => first(&mut i.investigated, boxed(e)),
                "Comment" => first(&mut i.comment, Words::read(e)),
                "DevResultInd" => first(&mut i.deviation, Some(Code::read(e))),
                "IdResultItem" => first(&mut i.id, Words::read(e)),
                "RefIdResultItem" => first(&mut i.refers_to, Words::read(e)),
                "StatusInvestigation" => first(&mut i.status, Some(Code::read(e))),
                "StatusChangeDate" => first(&mut i.status_changed, boxed(e)),
                "DescrDate" => first(&mut i.described, boxed(e)),
                "CounterSignDate" => first(&mut i.countersigned, boxed(e)),
                "MedicalValidationDate" => first(&mut i.validated, boxed(e)),
                "RefAnalysedSubject" => i.subjects.extend(Words::read(e)),
                "Accredited" => first(&mut i.accredited, Flag::read(e)),
                "RelServProv" => i.providers.push(Party::read(e)),
                "DiagComment" => first(&mut i.diagnosis, Some(Box::new(Concept::read(e)))),
                "StructuredInfo" => i.structured.push(Structured::read(e)),
                _ => {}
            }
        }
        i
    }

    /// The code of K(8270); missing, which is common on nested items, is new, or cancelled with what it stands
    /// under.
    pub(super) fn service_code(&self) -> &str {
        let missing = if self.cancelled_with { "C" } else { "N" };
        self.service_type.as_ref().and_then(Code::code).unwrap_or(missing)
    }
}

impl<'t> Investigation<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut i = Self { ids: Few::new(), specifications: Vec::new(), comment: None };
        for e in node.elements() {
            match e.name() {
                "Id" => i.ids.push(Code::read(e)),
                "Spec" => i.specifications.push(Code::read(e)),
                "Comment" => first(&mut i.comment, Words::read(e)),
                _ => {}
            }
        }
        i
    }
}

impl<'t> Structured<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut s = Self { kind: None, values: Vec::new() };
        for e in node.elements() {
            let value = e.elements().next();
            match (e.name(), value) {
                ("Type", _) => first(&mut s.kind, Some(Code::read(e))),
                ("TextInfo" | "IntegerInfo", Some(v)) => {
                    s.values.extend(Words::read(v).map(StructuredValue::Words));
                }
                ("PhysicalInfo", Some(v)) => s.values.push(StructuredValue::Amount(Amount::read(v))),
                ("CodedInfo", Some(v)) => s.values.push(StructuredValue::Code(Code::read(v))),
                ("BooleanInfo", Some(v)) => s.values.extend(Flag::read(v).map(StructuredValue::Flag)),
                _ => {}
            }
        }
        s
    }
}

impl<'t> Request<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut r = Self {
            node,
            id: None,
            by_provider: None,
            issued: None,
            received: None,
            payment: None,
            priority: None,
            comment: None,
            reservations: Vec::new(),
            permissions: Vec::new(),
            reasons: Vec::new(),
            comments: Vec::new(),
            unused: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "Id" => first(&mut r.id, Words::read(e)),
                "IdByServProvider" => first(&mut r.by_provider, Words::read(e)),
                "IssueDate" => first(&mut r.issued, When::read(e)),
                "ReceiptDate" => first(&mut r.received, When::read(e)),
                "PaymentCat" => first(&mut r.payment, Some(Code::read(e))),
                "RequestedPrioReport" => first(&mut r.priority, Some(Code::read(e))),
                "ReqComment" => first(&mut r.comment, Words::read(e)),
                "Reservation" => r.reservations.push(Code::read(e)),
                "Permission" => r.permissions.push(Code::read(e)),
                "ReasonAsText" => r.reasons.push(Headed::read(e)),
                "Comment" => r.comments.push(Headed::read(e)),
                "ServType" | "Ack" | "MsgDescr" => r.unused.push(Code::read(e)),
                _ => {}
            }
        }
        r
    }
}

impl<'t> Information<'t> {
    fn read(node: Node<'t>) -> Self {
        let observation = node.child("Observation");
        let inner = |name| observation.and_then(|o| o.child(name));
        Self {
            kind: node.child("Type").map(Code::read),
            description: inner("Description"),
            comment: inner("Comment").and_then(Words::read),
            coded: inner("CodedDescr").map(Code::read),
            start: node.child("StartDateTime").and_then(When::read),
            end: node.child("EndDateTime").and_then(When::read),
            original: node.child("OrgDate").and_then(When::read),
        }
    }
}

impl<'t> AnalysedSubject<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut a = Self {
            node,
            by_provider: None,
            by_requester: None,
            kind: None,
            kind_coded: None,
            collected: None,
            collector_comment: None,
            collector_codes: Vec::new(),
            logistics: None,
            product_kind: None,
            product_reference: None,
            origin: None,
            procedure: None,
            collector: None,
            number: None,
            preservative: None,
            handling: Vec::new(),
            accredited: None,
            pretreatment: None,
            comment: None,
            service_type: None,
            unused: Vec::new(),
            nested: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "CollectedSample" | "CollectedStudyProduct" => a.read_collection(e),
                "Type" => first(&mut a.kind, Words::read(e)),
                "TypeCoded" => first(&mut a.kind_coded, Some(Code::read(e))),
                "IdByRequester" => first(&mut a.by_requester, Words::read(e)),
                "IdByServProvider" => first(&mut a.by_provider, Words::read(e)),
                "PreservMaterial" => first(&mut a.preservative, Words::read(e)),
                "Comment" => first(&mut a.comment, Words::read(e)),
                "AnatomicalOrigin" => first(&mut a.origin, Words::read(e)),
                "Number" => first(&mut a.number, Words::read(e)),
                "SampleCollProc" => first(&mut a.procedure, Some(Code::read(e))),
                "SampleHandling" => a.handling.extend(Words::read(e)),
                "Accredited" => first(&mut a.accredited, Flag::read(e)),
                "Pretreatment" => first(&mut a.pretreatment, Some(Headed::read(e))),
                "RelServProv" => party(&mut a.collector, e),
                "ServType" => first(&mut a.service_type, Some(Code::read(e))),
                "SampleCollInd" => a.unused.push(Code::read(e)),
                "AnalysedSubject" => a.nested.push(e),
                _ => {}
            }
        }
        a
    }

    /// Withdrawn by the laboratory.
    pub(super) fn is_cancelled(&self) -> bool {
        self.service_type.as_ref().and_then(Code::code) == Some("C")
    }

    fn read_collection(&mut self, node: Node<'t>) {
        for e in node.elements() {
            match e.name() {
                "CollectedDate" | "ProducedDate" => first(&mut self.collected, When::read(e)),
                "CollectorComment" => first(&mut self.collector_comment, Words::read(e)),
                "CollectorCommentCoded" => self.collector_codes.push(Code::read(e)),
                "Logistics" => first(&mut self.logistics, Words::read(e)),
                "Type" => first(&mut self.product_kind, Words::read(e)),
                "RefRelatedProd" => first(&mut self.product_reference, Words::read(e)),
                _ => {}
            }
        }
    }
}
