//! Communication parties, from the two structures that the families use (kith-messages §2.1).
//!
//! Ids are picked by kind and never by position, and a level is chosen by its HER-id: of several
//! departments the first that has one, a person only when no department has.

use super::sketch::{Node, Tag};
use super::{Address, Party, Receiver, Role, Service, Unit};
use crate::ids::{Ident, Private};

fn private(text: &str) -> Private {
    Private(text.to_owned())
}

fn ident(value: &str, kind: Option<Node<'_>>) -> Ident {
    Ident {
        value: value.to_owned(),
        kind: kind.and_then(Node::code).unwrap_or_default().to_owned(),
        system: kind.and_then(Node::system).map(str::to_owned),
        display: kind.and_then(Node::display).map(str::to_owned),
    }
}

/// `Ident/(Id, TypeId)` of MsgHead; repeated ones all.
pub(super) fn idents(of: Node<'_>) -> Vec<Ident> {
    of.all(Tag::Ident).filter_map(|i| Some(ident(i.value_of(Tag::Id)?, i.child(Tag::TypeId)))).collect()
}

/// `AdditionalId/(Id, Type)` of the head-less families.
pub(super) fn additional(of: Node<'_>) -> impl Iterator<Item = Ident> {
    of.all(Tag::AdditionalId).filter_map(|a| {
        let kind = a.child(Tag::Type).or_else(|| a.child(Tag::TypeId));
        Some(ident(a.value_of(Tag::Id)?, kind))
    })
}

/// `Given Family`, from parts.
fn person_name(of: Node<'_>) -> Option<Private> {
    let parts: Vec<&str> = [Tag::GivenName, Tag::MiddleName, Tag::FamilyName]
        .into_iter()
        .filter_map(|tag| of.value_of(tag))
        .collect();
    (!parts.is_empty()).then(|| Private(parts.join(" ")))
}

/// Name and ids of `Inst`, `Dept`, `HCPerson` or `HCProf`.
fn hcp_unit(of: Node<'_>) -> Unit {
    let mut idents: Vec<Ident> =
        of.value_of(Tag::Id).map(|id| ident(id, of.child(Tag::TypeId))).into_iter().collect();
    idents.extend(additional(of));
    Unit { name: of.value_of(Tag::Name).map(private), idents }
}

fn address(of: Node<'_>) -> Option<Address> {
    let from = of.child(Tag::Address)?;
    let part = |tag| from.value_of(tag).map(private);
    let address = Address {
        kind: from.child(Tag::Type).and_then(Node::code).map(str::to_owned),
        street: part(Tag::StreetAdr),
        postal_code: part(Tag::PostalCode),
        city: part(Tag::City),
    };
    (address.street.is_some() || address.postal_code.is_some() || address.city.is_some()).then_some(address)
}

/// Level 2: of those offered the first with a HER-id, else the first that says anything.
fn service(offered: impl Iterator<Item = Service>) -> Option<Service> {
    let mut fallback = None;
    for service in offered {
        let unit = service.unit();
        if unit.her_id().is_some() {
            return Some(service);
        }
        if fallback.is_none() && (unit.name.is_some() || !unit.idents.is_empty()) {
            fallback = Some(service);
        }
    }
    fallback
}

/// From `HCP`: the head-less families and AppRec.
fn from_hcp(hcp: Node<'_>) -> Party {
    let address = address(hcp);
    //= HIS 1153-2:2016 AD2.9-AD2.11
    //# Level 1 is HCP/Inst; level 2 is HCP/Inst/Dept or HCP/Inst/HCPerson.
    let Some(inst) = hcp.child(Tag::Inst) else {
        let person = hcp.child(Tag::HCProf).map(|p| Service::Person(hcp_unit(p)));
        return Party { enterprise: Unit::default(), service: service(person.into_iter()), address };
    };
    let departments = inst.all(Tag::Dept).map(|d| Service::Department(hcp_unit(d)));
    let inside = inst.all(Tag::Dept).flat_map(|d| d.all(Tag::HCPerson));
    let persons = inst.all(Tag::HCPerson).chain(inside).map(|p| Service::Person(hcp_unit(p)));
    Party { enterprise: hcp_unit(inst), service: service(departments.chain(persons)), address }
}

/// From `Organisation`, or the person that may stand in its place in `OtherReceiver`: MsgHead.
fn from_organisation(around: Node<'_>) -> Party {
    let person_of = |p: Node<'_>| Service::Person(Unit { name: person_name(p), idents: idents(p) });
    let Some(top) = around.child(Tag::Organisation) else {
        let person = around.child(Tag::HealthcareProfessional).or_else(|| around.child(Tag::Person));
        let service = service(person.map(person_of).into_iter());
        return Party { enterprise: Unit::default(), service, address: None };
    };
    let unit = |o: Node<'_>| Unit { name: o.value_of(Tag::OrganisationName).map(private), idents: idents(o) };
    //= HIS 1153-2:2016 AD2.1-AD2.8
    //# Level 2 is Organisation/Organisation or Organisation/HealthcareProfessional; a professional below a
    //# service is not the communication party.
    let departments = top.all(Tag::Organisation).map(|o| Service::Department(unit(o)));
    let persons = top.all(Tag::HealthcareProfessional).map(person_of);
    Party { enterprise: unit(top), service: service(departments.chain(persons)), address: address(top) }
}

/// The party in `Sender`, `Receiver`, `Requester` …, by whichever structure it holds; none if it says nothing.
pub(super) fn party(around: Node<'_>) -> Option<Party> {
    let party = around.child(Tag::HCP).map_or_else(|| from_organisation(around), from_hcp);
    (party != Party::default()).then_some(party)
}

/// Of several candidates the first with a HER-id on level 2, else the first that says anything: a repeated
/// element must not hide the true one.
pub(super) fn best<'s>(candidates: impl Iterator<Item = Node<'s>>) -> Option<Party> {
    let mut fallback = None;
    for candidate in candidates.filter_map(party) {
        if candidate.her_id().is_some() {
            return Some(candidate);
        }
        fallback.get_or_insert(candidate);
    }
    fallback
}

/// The role of an `OtherReceiver` (list 8112).
pub(super) fn other_role(of: Node<'_>) -> Role {
    match of.child(Tag::RoleReceiver).and_then(Node::code) {
        Some("COP") => Role::Copy,
        Some("PRIM") => Role::Primary,
        //= HIS 80601:2006 §RoleReceiver
        //# FR is a receiver in a forwarded message, OR the original receiver; neither is addressed by this one.
        Some(_) | None => Role::Mentioned,
    }
}

/// Adds a receiver, once: the reports of one message repeat theirs.
pub(super) fn add(receivers: &mut Vec<Receiver>, role: Role, party: Option<Party>) {
    if let Some(party) = party
        && !receivers.iter().any(|r| r.role == role && r.party == party)
    {
        receivers.push(Receiver { role, party });
    }
}
