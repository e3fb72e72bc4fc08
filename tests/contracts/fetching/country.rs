//! A stand-in for the national registry of communication parties: its paths, its documents, its feed.

use crate::web::{Answer, Asked, Server};
use adapters::registry::{National, NationalOptions};
use message_schemas::HerId;
use routing_rules::{AddressKind, ElectronicAddress, Queue, RegistryEntry, RegistryKind};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Changes a page: few, so that there are pages.
const PAGE: usize = 2;

/// The registry. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Country(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    parties: BTreeMap<HerId, RegistryEntry>,
    events: Vec<RegistryEntry>,
}

/// A service with the queues of its organisation, as most are.
pub(crate) fn service(her_id: u32) -> RegistryEntry {
    let queue = |queue, name: &str| ElectronicAddress {
        kind: AddressKind::Queue(queue),
        address: format!("bus.example/Namespace/8141703_{name}"),
        inherited: true,
        from: None,
    };
    RegistryEntry {
        her_id: HerId(her_id),
        kind: RegistryKind::Service,
        name: "Allmennlege".to_owned(),
        parent: Some(HerId(8_141_703)),
        organisation: "974760673".parse().ok(),
        active: true,
        addressable: true,
        valid_from: "2023-04-03T22:00:00Z".parse().ok(),
        valid_to: None,
        last_changed: "2023-04-04T07:59:57.87Z".parse().ok(),
        addresses: vec![
            queue(Queue::Error, "error"),
            queue(Queue::Sync, "sync"),
            queue(Queue::Async, "async"),
            queue(Queue::SyncReply, "syncreply"),
        ],
    }
}

/// The same, switched off.
pub(crate) fn deactivated(her_id: u32) -> RegistryEntry {
    RegistryEntry { active: false, ..service(her_id) }
}

impl Country {
    pub(crate) fn list(&self, entry: RegistryEntry) {
        let mut state = self.0.lock().unwrap();
        state.events.push(entry.clone());
        state.parties.insert(entry.her_id, entry);
    }

    /// Answers as the registry does. What stands in a path comes in small letters.
    pub(crate) fn answer(&self, asked: &Asked) -> Answer {
        let says = |value: &Value| Answer::Says(200, value.to_string().into_bytes());
        let state = self.0.lock().unwrap();
        if let Some(her_id) = asked.path.strip_prefix("/communicationparties/") {
            let entry = her_id.parse().ok().and_then(|her_id: HerId| state.parties.get(&her_id));
            return entry.map_or(Answer::Says(404, Vec::new()), |entry| says(&enveloped(entry)));
        }
        if asked.path == "/communicationpartyexport" {
            let parties: Vec<_> = state.parties.values().map(party).collect();
            return says(&json!({
                "lastDateTimeOffset": "2026-11-21T13:00:00+01:00",
                "lastEventId": format!("event-{}", state.events.len()),
                "communicationParties": parties,
            }));
        }
        let place = asked.path.strip_prefix("/communicationpartyevents?eventid=event-");
        let Some(place) = place.and_then(|place| place.parse().ok()) else {
            return Answer::Says(404, Vec::new());
        };
        let page: Vec<_> = state.events.iter().enumerate().skip(place).take(PAGE).collect();
        let end = place + page.len();
        let events: Vec<_> = page.into_iter().map(|(at, entry)| event(at + 1, entry)).collect();
        let next = (end < state.events.len()).then(|| json!({ "href": "/CommunicationPartyEvents?…" }));
        says(&json!({ "communicationParties": events, "links": { "next": next } }))
    }

    pub(crate) async fn server(&self) -> Server {
        let this = self.clone();
        Server::start(move |asked| this.answer(asked)).await
    }
}

pub(crate) fn options(server: &Server) -> NationalOptions {
    NationalOptions {
        party_url: server.url("/CommunicationParties/{her_id}"),
        export_url: Some(server.url("/CommunicationPartyExport")),
        events_url: Some(server.url("/CommunicationPartyEvents")),
        token_file: None,
        timeout: Duration::from_millis(800),
        export_bytes: 1_000_000,
    }
}

pub(crate) fn national(server: &Server) -> National {
    National::build(options(server)).unwrap()
}

fn event(number: usize, entry: &RegistryEntry) -> Value {
    json!({
        "eventId": format!("event-{number}"),
        "fromDatetime": "2026-11-21T13:00:00.1234567+01:00",
        "herId": entry.her_id.0,
        "orgNr": 0,
        "eventType": "CommunicationPartyUpdated",
        "communicationParty": party(entry),
    })
}

pub(crate) fn enveloped(entry: &RegistryEntry) -> Value {
    json!({
        "herId": entry.her_id.0,
        "parentHerId": entry.parent.map(|p| p.0),
        "type": kind(entry.kind),
        "communicationParty": party(entry),
    })
}

const fn kind(kind: RegistryKind) -> &'static str {
    match kind {
        RegistryKind::Organisation => "Organization",
        RegistryKind::Service => "Service",
        RegistryKind::Person => "Person",
        RegistryKind::Department => "Department",
        RegistryKind::Other => "None",
    }
}

/// Times have no zone and are Oslo time.
fn local(time: Option<jiff::Timestamp>) -> Value {
    time.map_or_else(
        || json!("9999-12-31T00:00:00"),
        |time| json!(time.in_tz("Europe/Oslo").unwrap().datetime().to_string()),
    )
}

fn code(oid: u32, value: &str) -> Value {
    json!({
        "Active": true, "CodeText": "…", "CodeValue": value, "LongDescription": null, "OID": oid, "SimpleType": "…"
    })
}

fn party(entry: &RegistryEntry) -> Value {
    let address = |a: &ElectronicAddress| {
        let mut address = json!({
            "Address": a.address,
            "Inherited": a.inherited,
            "LastChanged": "2023-04-04T09:40:26.89",
            "Type": code(9044, a.kind.code()),
            "TypeCodeValue": a.kind.code(),
        });
        if a.from.is_some() {
            address["ValidFrom"] = local(a.from);
        }
        address
    };
    let (later, now): (Vec<_>, Vec<_>) = entry.addresses.iter().partition(|a| a.from.is_some());
    let organisation = entry.organisation.map_or(0, |number| number.to_string().parse::<u32>().unwrap());
    json!({
        "Code": code(8666, "05"),
        "CoverageAreas": null,
        "Properties": null,
        "Active": entry.active,
        "DisplayName": null,
        "ElectronicAddresses": now.into_iter().map(address).collect::<Vec<_>>(),
        "FutureElectronicAddresses": later.into_iter().map(address).collect::<Vec<_>>(),
        "HerId": entry.her_id.0,
        "IsValidCommunicationParty": entry.addressable,
        "LastChanged": local(entry.last_changed),
        "Municipality": code(3402, "0301"),
        "Name": entry.name,
        "ParentBusinessType": code(9040, "103"),
        "ParentHerId": entry.parent.map_or(0, |p| p.0),
        "ParentName": "Testsenteret",
        "ParentOrganizationNumber": organisation,
        "PhysicalAddresses": [{
            "City": "OSLO", "Inherited": true, "PostalCode": 110, "StreetAddress": "Testtorget 1",
            "Type": code(3401, "RES"), "TypeCodeValue": "RES",
        }],
        "ServerTime": "2026-11-21T13:00:00.681664+02:00",
        "Type": kind(entry.kind),
        "Valid": { "From": local(entry.valid_from), "To": local(entry.valid_to) },
    })
}
