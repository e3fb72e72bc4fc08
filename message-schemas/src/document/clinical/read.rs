//! Clinical information (`InfItem`) as it is read, the same in Henvisning, Epikrise and Rekvisisjon of all versions.

use crate::document::codes;
use crate::document::concepts::Concept;
use crate::document::observed::Outcome;
use crate::document::parties::Party;
use crate::document::values::{Amount, Code, When, Words, first};
use crate::xml::Node;

/// `InfItem`
#[derive(Debug)]
pub(in crate::document) struct InfItem<'t> {
    pub node: Node<'t>,
    /// K(8233); a CV from Henvisning 2.0 on.
    pub kind: Option<Code<'t>>,
    pub content: Content<'t>,
    pub start: Option<When<'t>>,
    pub end: Option<When<'t>>,
    /// `OrgDate`: when it was first recorded.
    pub recorded: Option<When<'t>>,
    /// `Origin` and `RelHCProvider`: where it is from, and who did it.
    pub parties: Vec<Party<'t>>,
}

/// `PatientPrecaution`: a warning to whoever treats the patient.
#[derive(Debug)]
pub(in crate::document) struct Precaution<'t> {
    pub node: Node<'t>,
    pub text: Option<Words<'t>>,
    pub start: Option<When<'t>>,
    pub end: Option<When<'t>>,
}

/// What an item holds.
#[derive(Debug)]
pub(in crate::document) enum Content<'t> {
    Finding(Box<Finding<'t>>),
    Drug(Box<Drug<'t>>),
    Remark(Remark<'t>),
    Nothing,
}

/// `ResultItem`: a finding. It has no status, id or reference, and nothing nests in it.
#[derive(Debug)]
pub(in crate::document) struct Finding<'t> {
    pub node: Node<'t>,
    pub outcome: Option<Outcome<'t>>,
    /// K(8270)
    pub service_type: Option<Code<'t>>,
    /// `InvDate`
    pub investigated: Option<When<'t>>,
    pub comment: Option<Words<'t>>,
    /// K(8244)
    pub deviation: Option<Code<'t>>,
    /// `ClinInv/Id`
    pub investigation: Option<Code<'t>>,
    /// `ClinInv/Spec`
    pub specifications: Vec<Code<'t>>,
    /// `DiagComment`
    pub diagnosis: Option<Concept<'t>>,
}

/// `Medication`
#[derive(Debug)]
pub(in crate::document) struct Drug<'t> {
    pub node: Node<'t>,
    pub id: Option<Code<'t>>,
    /// K(7307) or K(9101): see [`super::drugs`].
    pub status: Option<Code<'t>>,
    pub comment: Option<Words<'t>>,
    pub dosage_coded: Option<Code<'t>>,
    pub dosage_text: Option<Words<'t>>,
    pub dose: Option<Amount<'t>>,
    pub form: Option<Code<'t>>,
    pub route: Option<Code<'t>>,
    /// `IntendedDuration`
    pub duration: Option<Amount<'t>>,
    /// `QuantitySupplied`
    pub supplied: Option<Amount<'t>>,
}

/// `Observation`: everything else.
#[derive(Debug)]
pub(in crate::document) struct Remark<'t> {
    pub node: Node<'t>,
    /// Text; in Epikrise maybe markup.
    pub description: Option<Node<'t>>,
    pub comment: Option<Words<'t>>,
    /// `CodedDescr`: a concept in Epikrise, a code in Rekvisisjon, none in Henvisning.
    pub coded: Option<Concept<'t>>,
}

impl<'t> InfItem<'t> {
    pub(in crate::document) fn read(node: Node<'t>) -> Self {
        let mut item = Self {
            node,
            kind: None,
            content: Content::Nothing,
            start: None,
            end: None,
            recorded: None,
            parties: Vec::new(),
        };
        for e in node.elements() {
            match e.name() {
                "ResultItem" => item.hold(|| Content::Finding(Box::new(Finding::read(e)))),
                "Medication" => item.hold(|| Content::Drug(Box::new(Drug::read(e)))),
                "Observation" => item.hold(|| Content::Remark(Remark::read(e))),
                "Type" => first(&mut item.kind, Some(Code::read(e))),
                "StartDateTime" => first(&mut item.start, When::read(e)),
                "EndDateTime" => first(&mut item.end, When::read(e)),
                "OrgDate" => first(&mut item.recorded, When::read(e)),
                "Origin" | "RelHCProvider" => item.parties.push(Party::read(e)),
                _ => {}
            }
        }
        item
    }

    /// The first of what may stand once; what follows stays unread.
    fn hold(&mut self, read: impl FnOnce() -> Content<'t>) {
        if matches!(self.content, Content::Nothing) {
            self.content = read();
        }
    }

    /// Says that something is not there, by the list of such statements, K(8210).
    pub(in crate::document) fn denies(&self) -> bool {
        let Content::Remark(remark) = &self.content else { return false };
        let code = remark.coded.as_ref().and_then(|c| c.concept.as_ref());
        code.and_then(|c| c.system).and_then(codes::national) == Some(8210)
    }

    /// The code of its kind.
    pub(in crate::document) fn kind(&self) -> &str {
        self.kind.as_ref().and_then(Code::code).unwrap_or_default()
    }
}

impl<'t> Precaution<'t> {
    pub(in crate::document) fn read(node: Node<'t>) -> Self {
        Self {
            node,
            text: node.child("Precaution").and_then(Words::read),
            start: node.child("StartDateTime").and_then(When::read),
            end: node.child("EndDateTime").and_then(When::read),
        }
    }
}

impl<'t> Finding<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut f = Self {
            node,
            outcome: None,
            service_type: None,
            investigated: None,
            comment: None,
            deviation: None,
            investigation: None,
            specifications: Vec::new(),
            diagnosis: None,
        };
        for e in node.elements() {
            match e.name() {
                "TextResult" | "NumResult" | "Interval" | "DateResult" => {
                    first(&mut f.outcome, Some(Outcome::read(e)));
                }
                "ServType" => first(&mut f.service_type, Some(Code::read(e))),
                "InvDate" => first(&mut f.investigated, When::read(e)),
                "Comment" => first(&mut f.comment, Words::read(e)),
                "DevResultInd" => first(&mut f.deviation, Some(Code::read(e))),
                "ClinInv" => {
                    first(&mut f.investigation, e.child("Id").map(Code::read));
                    f.specifications.extend(e.all("Spec").map(Code::read));
                }
                "DiagComment" => first(&mut f.diagnosis, Some(Concept::read(e))),
                _ => {}
            }
        }
        f
    }
}

impl<'t> Drug<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut d = Self {
            node,
            id: None,
            status: None,
            comment: None,
            dosage_coded: None,
            dosage_text: None,
            dose: None,
            form: None,
            route: None,
            duration: None,
            supplied: None,
        };
        for e in node.elements() {
            match e.name() {
                "DrugId" => first(&mut d.id, Some(Code::read(e))),
                "Status" => first(&mut d.status, Some(Code::read(e))),
                "Comment" => first(&mut d.comment, Words::read(e)),
                "DosageCoded" => first(&mut d.dosage_coded, Some(Code::read(e))),
                "DosageText" => first(&mut d.dosage_text, Words::read(e)),
                "UnitDose" => first(&mut d.dose, Some(Amount::read(e))),
                "Form" => first(&mut d.form, Some(Code::read(e))),
                "RouteOfAdm" => first(&mut d.route, Some(Code::read(e))),
                "IntendedDuration" => first(&mut d.duration, Some(Amount::read(e))),
                "QuantitySupplied" => first(&mut d.supplied, Some(Amount::read(e))),
                _ => {}
            }
        }
        d
    }
}

impl<'t> Remark<'t> {
    fn read(node: Node<'t>) -> Self {
        let mut r = Self { node, description: None, comment: None, coded: None };
        for e in node.elements() {
            match e.name() {
                "Description" => first(&mut r.description, Some(e)),
                "Comment" => first(&mut r.comment, Words::read(e)),
                "CodedDescr" => first(&mut r.coded, Some(Concept::read(e))),
                _ => {}
            }
        }
        r
    }
}
