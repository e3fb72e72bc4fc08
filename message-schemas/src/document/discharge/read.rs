//! Epikrise 1.1 and 1.2 as they are read: one struct for both.
//!
//! The versions differ in little: 1.1 has `Event/Id`, ids of one party with the other and `Inst/Type`, and
//! writes `ServReq/MsgDescr` as text; 1.2 has `Message/Status`. Events nest; they are kept in one list in
//! document order with the number of the event around each, so that no depth needs a stack.

use crate::document::attachments::RefDoc;
use crate::document::clinical::{InfItem, Precaution};
use crate::document::concepts::Concept;
use crate::document::envelope::Envelope;
use crate::document::headed::Headed;
use crate::document::individual::Individual;
use crate::document::parties::{Party, Postal};
use crate::document::values::{Amount, Code, When, Words, first};
use crate::xml::Node;

/// `ServRprt`
#[derive(Debug)]
pub(in crate::document) struct Discharge<'t> {
    pub node: Node<'t>,
    pub envelope: Envelope<'t>,
    /// K(7309)
    pub service_type: Option<Code<'t>>,
    pub issued: Option<When<'t>>,
    pub approved: Option<When<'t>>,
    /// K(7306)
    pub status: Option<Code<'t>>,
    /// `Priority`, `Ack`: not mapped.
    pub transport: Vec<Code<'t>>,
    /// `MsgDescr`: what kind of summary it is, in the sender's words.
    pub description: Option<Words<'t>>,
    /// `ServProvId`: what all versions of the summary share.
    pub id: Option<Words<'t>>,
    pub requests: Vec<Request<'t>>,
    pub events: Vec<Event<'t>>,
    pub patient: Option<Individual<'t>>,
    pub precautions: Vec<Precaution<'t>>,
    pub relatives: Vec<Relative<'t>>,
    /// `PatRelHCP`
    pub related: Vec<Party<'t>>,
    pub provider: Option<Party<'t>>,
    pub requester: Option<Party<'t>>,
    pub copies: Vec<Party<'t>>,
    /// `RelServProvider`
    pub responsible: Vec<Party<'t>>,
    pub attachments: Vec<RefDoc<'t>>,
}

/// `ServReq`: the referral that led to the stay.
#[derive(Debug)]
pub(in crate::document) struct Request<'t> {
    pub node: Node<'t>,
    /// `ServType`: not mapped.
    pub service_type: Option<Code<'t>>,
    pub issued: Option<When<'t>>,
    pub received: Option<When<'t>>,
    pub comment: Option<Words<'t>>,
    /// `MsgDescr` of 1.2, K(8455)
    pub category: Option<Code<'t>>,
    /// `MsgDescr` of 1.1
    pub description: Option<Words<'t>>,
    pub id: Option<Words<'t>>,
    pub reasons: Vec<Headed<'t>>,
    pub diagnoses: Vec<Concept<'t>>,
}

/// `PatientRelParty`
#[derive(Debug)]
pub(in crate::document) struct Relative<'t> {
    pub node: Node<'t>,
    pub relation: Option<Code<'t>>,
    pub name: Option<Words<'t>>,
    pub id: Option<Words<'t>>,
    pub address: Option<Postal<'t>>,
}

/// `Event`: a stay or a visit, past or planned.
#[derive(Debug)]
pub(in crate::document) struct Event<'t> {
    pub node: Node<'t>,
    /// The event around it, by its place in the list.
    pub within: Option<usize>,
    /// `ReportedEvent`
    pub reported: bool,
    pub start: Option<When<'t>>,
    pub end: Option<When<'t>>,
    pub planned: Option<Planned<'t>>,
    /// K(7309)
    pub service_type: Option<Code<'t>>,
    /// By its own state, or where it has none by that of the event around it.
    pub cancelled: bool,
    pub recipient: Option<Code<'t>>,
    pub priority: Option<Code<'t>>,
    /// `AdmOutcome`
    pub outcome: Option<Code<'t>>,
    /// `ExpDuration`
    pub duration: Option<Amount<'t>>,
    /// 1.1 only
    pub id: Option<Words<'t>>,
    /// `Service/ServId`
    pub service: Option<Code<'t>>,
    /// `Service/MedSpecialty`
    pub speciality: Option<Code<'t>>,
    /// `Service/AdmCat`, K(8240)
    pub admission: Option<Code<'t>>,
    /// `RelServProvider`
    pub parties: Vec<Party<'t>>,
    pub requests: Vec<Related<'t>>,
    pub places: Vec<Place<'t>>,
    pub items: Vec<InfItem<'t>>,
    pub comments: Vec<Headed<'t>>,
    pub coded_comments: Vec<Concept<'t>>,
}

/// `PlannedEvent`
#[derive(Debug, Default)]
pub(in crate::document) struct Planned<'t> {
    /// `ScheduledDate`
    pub scheduled: Option<When<'t>>,
    /// `PlanningDate`
    pub planning: Option<When<'t>>,
    /// `PlanningStage`, `StatusOfPlan`, `AdviceSentTo`, and of `TransportArr`, with their labels.
    pub codes: Vec<(&'static str, Code<'t>)>,
    /// `PlanComment`, `CommentExpDuration`, `Preparation`, `Advice`, and of `TransportArr`.
    pub words: Vec<(&'static str, Words<'t>)>,
    /// `ExpectedDelay`
    pub delay: Option<Amount<'t>>,
}

/// `AssRequest`: another request that the event came of.
#[derive(Debug)]
pub(in crate::document) struct Related<'t> {
    pub issued: Option<When<'t>>,
    pub kind: Option<Code<'t>>,
    pub id: Option<Words<'t>>,
}

/// `EventLocation`
#[derive(Debug)]
pub(in crate::document) struct Place<'t> {
    pub node: Node<'t>,
    /// K(8251): 2 admitted from, 3 discharged to.
    pub role: Option<Code<'t>>,
    pub start: Option<When<'t>>,
    pub end: Option<When<'t>>,
    pub kind: Option<Code<'t>>,
    pub description: Option<Words<'t>>,
    pub institution: Option<Party<'t>>,
    pub address: Option<Postal<'t>>,
    /// `SubLocation`: kind K(8242) and place.
    pub parts: Vec<(Option<Code<'t>>, Option<Words<'t>>)>,
}

impl<'t> Discharge<'t> {
    /// Reads a `Message`; none if it holds no summary.
    pub(in crate::document) fn of_message(root: Node<'t>) -> Option<Self> {
        let node = root.child("ServRprt")?;
        let mut d = Self {
            node,
            envelope: Envelope::read(root),
            service_type: None,
            issued: None,
            approved: None,
            status: None,
            transport: Vec::new(),
            description: None,
            id: None,
            requests: Vec::new(),
            events: Vec::new(),
            patient: None,
            precautions: Vec::new(),
            relatives: Vec::new(),
            related: Vec::new(),
            provider: None,
            requester: None,
            copies: Vec::new(),
            responsible: Vec::new(),
            attachments: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "ServType" => first(&mut d.service_type, Some(Code::read(e))),
                "IssueDate" => first(&mut d.issued, When::read(e)),
                "ApprDate" => first(&mut d.approved, When::read(e)),
                "Status" => first(&mut d.status, Some(Code::read(e))),
                "Priority" | "Ack" => d.transport.push(Code::read(e)),
                "MsgDescr" => first(&mut d.description, Words::read(e)),
                "ServProvId" => first(&mut d.id, Words::read(e)),
                "ServReq" => d.requests.push(Request::read(e)),
                "Event" => read_events(e, &mut d.events),
                "Patient" if d.patient.is_none() => d.read_patient(e),
                "ServProvider" => party(&mut d.provider, e),
                "Requester" => party(&mut d.requester, e),
                "CopyDest" => d.copies.push(Party::read(e)),
                "RelServProvider" => d.responsible.push(Party::read(e)),
                "RefDoc" => d.attachments.push(RefDoc::read(e)),
                _ => {}
            }
        }
        Some(d)
    }

    fn read_patient(&mut self, node: Node<'t>) {
        let mut who = Individual::new(node);
        for e in node.elements() {
            if who.take(e) {
                continue;
            }
            match e.name() {
                "PatientPrecaution" => self.precautions.push(Precaution::read(e)),
                "PatientRelParty" => self.relatives.push(Relative::read(e)),
                "PatRelHCP" => self.related.push(Party::read(e)),
                _ => {}
            }
        }
        self.patient = Some(who);
    }
}

fn party<'t>(slot: &mut Option<Party<'t>>, node: Node<'t>) {
    if slot.is_none() {
        *slot = Some(Party::read(node));
    }
}

/// Reads an event and all inside it, in document order, without recursion. An empty one is none: the schema
/// allows it, and it says nothing.
fn read_events<'t>(top: Node<'t>, events: &mut Vec<Event<'t>>) {
    let mut work = vec![(top, None)];
    while let Some((node, within)) = work.pop() {
        if node.elements().next().is_none() {
            continue;
        }
        let at = events.len();
        let mut event = Event::read(node, within);
        event.cancelled = match event.service_type.as_ref().and_then(Code::code) {
            Some(code) => code == "C",
            None => within.and_then(|around: usize| events.get(around)).is_some_and(|e| e.cancelled),
        };
        events.push(event);
        let from = work.len();
        work.extend(node.all("Event").map(|child| (child, Some(at))));
        if let Some(new) = work.get_mut(from..) {
            new.reverse();
        }
    }
}

impl<'t> Discharge<'t> {
    /// The events that were not cancelled.
    pub(super) fn standing(&self) -> impl Iterator<Item = &Event<'t>> + Clone {
        self.events.iter().filter(|e| !e.cancelled)
    }

    /// The place of the first event that was not cancelled; of the first, where all were.
    pub(super) fn leading(&self) -> usize {
        self.events.iter().position(|e| !e.cancelled).unwrap_or(0)
    }

    /// All that is not in a cancelled event, in document order.
    pub(super) fn standing_nodes(&self) -> impl Iterator<Item = Node<'t>> {
        let mut events = self.events.iter().map(|e| (e.node.source(), e.cancelled)).peekable();
        // Where the events around a node end, and whether they were cancelled.
        let mut around: Vec<(usize, bool)> = Vec::new();
        self.node.descendants().filter(move |node| {
            let at = node.source().start;
            while around.last().is_some_and(|(end, _)| at >= *end) {
                around.pop();
            }
            if let Some((place, cancelled)) = events.next_if(|(place, _)| place.start == at) {
                around.push((place.end, cancelled));
            }
            !around.last().is_some_and(|(_, cancelled)| *cancelled)
        })
    }
}

impl<'t> Request<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut r = Self {
            node,
            service_type: None,
            issued: None,
            received: None,
            comment: None,
            category: None,
            description: None,
            id: None,
            reasons: Vec::new(),
            diagnoses: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "ServType" => first(&mut r.service_type, Some(Code::read(e))),
                "IssueDate" => first(&mut r.issued, When::read(e)),
                "ReceiptDate" => first(&mut r.received, When::read(e)),
                "ReqComment" => first(&mut r.comment, Words::read(e)),
                "MsgDescr" if e.attributes().next().is_some() => {
                    first(&mut r.category, Some(Code::read(e)));
                }
                "MsgDescr" => first(&mut r.description, Words::read(e)),
                "Id" => first(&mut r.id, Words::read(e)),
                "ReasonAsText" => r.reasons.push(Headed::read(e)),
                "Diagnosis" => r.diagnoses.push(Concept::read(e)),
                _ => {}
            }
        }
        r
    }
}

impl<'t> Relative<'t> {
    fn read(node: Node<'t>) -> Self {
        Self {
            node,
            relation: node.child("Relation").map(Code::read),
            name: node.child("Name").and_then(Words::read),
            id: node.child("RelPartyOffId").and_then(Words::read),
            address: node.child("Address").map(Postal::read),
        }
    }
}

impl<'t> Event<'t> {
    fn read(node: Node<'t>, within: Option<usize>) -> Self {
        let mut v = Self {
            node,
            within,
            reported: false,
            start: None,
            end: None,
            planned: None,
            service_type: None,
            cancelled: false,
            recipient: None,
            priority: None,
            outcome: None,
            duration: None,
            id: None,
            service: None,
            speciality: None,
            admission: None,
            parties: Vec::new(),
            requests: Vec::new(),
            places: Vec::new(),
            items: Vec::new(),
            comments: Vec::new(),
            coded_comments: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "ReportedEvent" => {
                    v.reported = true;
                    first(&mut v.start, e.child("StartDateTime").and_then(When::read));
                    first(&mut v.end, e.child("EndDateTime").and_then(When::read));
                }
                "PlannedEvent" => first(&mut v.planned, Some(Planned::read(e))),
                "ServType" => first(&mut v.service_type, Some(Code::read(e))),
                "Recipient" => first(&mut v.recipient, Some(Code::read(e))),
                "Priority" => first(&mut v.priority, Some(Code::read(e))),
                "AdmOutcome" => first(&mut v.outcome, Some(Code::read(e))),
                "ExpDuration" => first(&mut v.duration, Some(Amount::read(e))),
                "Id" => first(&mut v.id, Words::read(e)),
                "Service" => {
                    first(&mut v.service, e.child("ServId").map(Code::read));
                    first(&mut v.speciality, e.child("MedSpecialty").map(Code::read));
                    first(&mut v.admission, e.child("AdmCat").map(Code::read));
                }
                "RelServProvider" => v.parties.push(Party::read(e)),
                "AssRequest" => v.requests.push(Related::read(e)),
                "EventLocation" => v.places.push(Place::read(e)),
                "InfItem" => v.items.push(InfItem::read(e)),
                "Comment" => v.comments.push(Headed::read(e)),
                "CodedComment" => v.coded_comments.push(Concept::read(e)),
                _ => {}
            }
        }
        v
    }
}

impl<'t> Planned<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut p = Self::default();
        for e in node.elements() {
            match e.name() {
                "ScheduledDate" => first(&mut p.scheduled, When::read(e)),
                "PlanningDate" => first(&mut p.planning, When::read(e)),
                "PlanningStage" => p.codes.push(("Planleggingsstadium", Code::read(e))),
                "StatusOfPlan" => p.codes.push(("Planens status", Code::read(e))),
                "AdviceSentTo" => p.codes.push(("Innkalling sendt til", Code::read(e))),
                "PlanComment" => p.words.extend(Words::read(e).map(|w| ("Kommentar til planen", w))),
                "CommentExpDuration" => {
                    p.words.extend(Words::read(e).map(|w| ("Kommentar til forventet varighet", w)));
                }
                "Preparation" => p.words.extend(Words::read(e).map(|w| ("Forberedelse", w))),
                "Advice" => p.words.extend(Words::read(e).map(|w| ("Råd", w))),
                "ExpectedDelay" => first(&mut p.delay, Some(Amount::read(e))),
                "TransportArr" => p.read_transport(e),
                _ => {}
            }
        }
        p
    }

    fn read_transport(&mut self, node: Node<'t>) {
        for e in node.elements() {
            match e.name() {
                "Responsibility" => self.codes.push(("Ansvar for transport", Code::read(e))),
                "Status" => self.codes.push(("Transportens status", Code::read(e))),
                "TransportRequirement" => self.codes.push(("Transportbehov", Code::read(e))),
                "EscortRequired" => self.codes.push(("Behov for ledsager", Code::read(e))),
                "Comment" => self.words.extend(Words::read(e).map(|w| ("Kommentar til transport", w))),
                _ => {}
            }
        }
    }
}

impl<'t> Related<'t> {
    fn read(node: Node<'t>) -> Self {
        Self {
            issued: node.child("IssueDate").and_then(When::read),
            kind: node.child("MsgType").map(Code::read),
            id: node.child("Id").and_then(Words::read),
        }
    }
}

impl<'t> Place<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut p = Self {
            node,
            role: node.child("Role").map(Code::read),
            start: node.child("StartDateTime").and_then(When::read),
            end: node.child("EndDateTime").and_then(When::read),
            kind: None,
            description: None,
            institution: None,
            address: None,
            parts: Vec::new(),
        };
        let Some(location) = node.child("Location") else { return p };
        for e in location.elements() {
            match e.name() {
                "Type" => first(&mut p.kind, Some(Code::read(e))),
                "Description" => first(&mut p.description, Words::read(e)),
                "Inst" => first(&mut p.institution, Some(Party::read_institution(e))),
                "Address" => first(&mut p.address, Some(Postal::read(e))),
                "SubLocation" => {
                    let kind = e.child("Type").map(Code::read);
                    p.parts.push((kind, e.child("Place").and_then(Words::read)));
                }
                _ => {}
            }
        }
        p
    }
}
