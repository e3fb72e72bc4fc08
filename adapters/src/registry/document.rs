//! A communication party as the national registry writes it in JSON, and how we read it.
//!
//! Names of fields come in `PascalCase` inside a party and in `camelCase` around it, and the export's and the feed's own
//! casing is not promised; both are read. Traps that are met here: an organisation number is a number, and 0 where there
//! is none; times have no zone and are Oslo time; an open end is a date in the year 9999. What is not named here is
//! neither read nor kept: nobody's national id, birth date or home address is any business of ours.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use message_schemas::HerId;
use routing_rules::{AddressKind, ElectronicAddress, RegistryEntry, RegistryKind};
use serde::Deserialize;

/// One party, with what stands around it where it is asked for alone.
#[derive(Deserialize)]
pub(super) struct Enveloped {
    #[serde(alias = "CommunicationParty", rename = "communicationParty")]
    party: Party,
}

/// One party.
#[derive(Deserialize)]
pub(super) struct Party {
    #[serde(rename = "HerId", alias = "herId")]
    her_id: u32,
    #[serde(rename = "Type", alias = "type", default)]
    kind: Option<Kind>,
    #[serde(rename = "Name", alias = "name", default)]
    name: Option<String>,
    #[serde(rename = "DisplayName", alias = "displayName", default)]
    display_name: Option<String>,
    #[serde(rename = "Active", alias = "active")]
    active: bool,
    #[serde(rename = "IsValidCommunicationParty", alias = "isValidCommunicationParty", default)]
    addressable: bool,
    #[serde(rename = "Valid", alias = "valid", default)]
    valid: Option<Period>,
    #[serde(rename = "LastChanged", alias = "lastChanged", default)]
    last_changed: Option<String>,
    #[serde(rename = "ParentHerId", alias = "parentHerId", default)]
    parent: Option<i64>,
    #[serde(rename = "ParentOrganizationNumber", alias = "parentOrganizationNumber", default)]
    parent_organisation: Option<i64>,
    #[serde(rename = "OrganizationNumber", alias = "organizationNumber", default)]
    organisation: Option<i64>,
    #[serde(rename = "ElectronicAddresses", alias = "electronicAddresses", default)]
    addresses: Option<Vec<Address>>,
    #[serde(rename = "FutureElectronicAddresses", alias = "futureElectronicAddresses", default)]
    future_addresses: Option<Vec<Address>>,
}

/// A word, or the number behind it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Kind {
    Word(String),
    Number(i64),
}

#[derive(Deserialize)]
struct Period {
    #[serde(rename = "From", alias = "from", default)]
    from: Option<String>,
    #[serde(rename = "To", alias = "to", default)]
    to: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "Address", alias = "address", default)]
    address: Option<String>,
    #[serde(rename = "Inherited", alias = "inherited", default)]
    inherited: bool,
    #[serde(rename = "TypeCodeValue", alias = "typeCodeValue", default)]
    kind: Option<String>,
    #[serde(rename = "ValidFrom", alias = "validFrom", default)]
    from: Option<String>,
}

/// A page of the change feed.
#[derive(Deserialize)]
pub(super) struct Page {
    #[serde(rename = "CommunicationParties", alias = "communicationParties")]
    pub(super) events: Vec<Event>,
    #[serde(rename = "Links", alias = "links", default)]
    links: Option<Links>,
}

/// One change. The party is looked at only if it is one of ours, and a faulty one must not stop the feed.
#[derive(Deserialize)]
pub(super) struct Event {
    #[serde(rename = "EventId", alias = "eventId")]
    pub(super) id: String,
    #[serde(rename = "HerId", alias = "herId")]
    pub(super) her_id: u32,
    #[serde(rename = "CommunicationParty", alias = "communicationParty", default)]
    party: Option<Box<serde_json::value::RawValue>>,
}

#[derive(Deserialize)]
struct Links {
    #[serde(rename = "Next", alias = "next", default)]
    next: Option<Link>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(rename = "Href", alias = "href", default)]
    href: Option<String>,
}

impl Enveloped {
    pub(super) fn entry(self, asked: HerId) -> Result<RegistryEntry, String> {
        self.party.entry(asked)
    }
}

impl Party {
    pub(super) const fn her_id(&self) -> HerId {
        HerId(self.her_id)
    }

    /// As we keep it.
    pub(super) fn entry(self, asked: HerId) -> Result<RegistryEntry, String> {
        if HerId(self.her_id) != asked {
            return Err("it tells of another party than was asked for".to_owned());
        }
        let kind = self.kind.as_ref().map_or(RegistryKind::Other, Kind::read);
        let number = |n: Option<i64>| n.filter(|n| *n > 0).and_then(|n| format!("{n:09}").parse().ok());
        let addresses = self.addresses.unwrap_or_default().into_iter().map(|a| a.entry(false));
        let later = self.future_addresses.unwrap_or_default().into_iter().map(|a| a.entry(true));
        let valid = self.valid.unwrap_or(Period { from: None, to: None });
        Ok(RegistryEntry {
            her_id: asked,
            kind,
            name: self.display_name.filter(|n| !n.trim().is_empty()).or(self.name).unwrap_or_default(),
            parent: self.parent.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).map(HerId),
            organisation: number(self.organisation).or_else(|| number(self.parent_organisation)),
            active: self.active,
            addressable: self.addressable,
            valid_from: time(valid.from.as_deref())?,
            valid_to: time(valid.to.as_deref())?,
            last_changed: time(self.last_changed.as_deref())?,
            addresses: addresses.chain(later).filter_map(Result::transpose).collect::<Result<_, _>>()?,
        })
    }
}

impl Kind {
    fn read(&self) -> RegistryKind {
        match self {
            Self::Word(word) => match word.as_str() {
                "Organization" => RegistryKind::Organisation,
                "Service" => RegistryKind::Service,
                "Person" | "OrganizationPerson" => RegistryKind::Person,
                "Department" => RegistryKind::Department,
                _ => RegistryKind::Other,
            },
            Self::Number(1) => RegistryKind::Person,
            Self::Number(2) => RegistryKind::Organisation,
            Self::Number(4) => RegistryKind::Service,
            Self::Number(8) => RegistryKind::Department,
            Self::Number(_) => RegistryKind::Other,
        }
    }
}

impl Address {
    /// None if it leads nowhere. One of the future without a day would hold from now on, which nobody said.
    fn entry(self, future: bool) -> Result<Option<ElectronicAddress>, String> {
        let from = if future { time(self.from.as_deref())? } else { None };
        let (Some(address), Some(kind)) = (self.address, self.kind) else { return Ok(None) };
        let nowhere = address.trim().is_empty() || (future && from.is_none());
        let kind = AddressKind::from(kind);
        Ok((!nowhere).then_some(ElectronicAddress { kind, address, inherited: self.inherited, from }))
    }
}

impl Page {
    /// There is another page.
    pub(super) fn has_next(&self) -> bool {
        let next = self.links.as_ref().and_then(|links| links.next.as_ref()).and_then(|l| l.href.as_deref());
        next.is_some_and(|href| !href.is_empty())
    }
}

impl Event {
    /// The party as of this change, if the registry's word can be read.
    pub(super) fn entry(&self) -> Option<RegistryEntry> {
        serde_json::from_str::<Party>(self.party.as_ref()?.get()).ok()?.entry(HerId(self.her_id)).ok()
    }
}

/// With a zone as it says, without one Oslo time. The year 9999 is no end.
fn time(text: Option<&str>) -> Result<Option<Timestamp>, String> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.starts_with("9999-") || text.starts_with("0001-") {
        return Ok(None);
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(Some(instant));
    }
    let local = || {
        let civil: DateTime = text.parse().ok()?;
        civil.to_zoned(TimeZone::get("Europe/Oslo").ok()?).ok()
    };
    local().map(|zoned| Some(zoned.timestamp())).ok_or_else(|| "it gives a time that is none".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RegistryEntry, String> {
        serde_json::from_str::<Party>(text).map_err(|e| e.to_string())?.entry(HerId(7))
    }

    #[test]
    fn the_traps_are_known() {
        let entry = read(
            r#"{"HerId":7,"Type":"Service","Name":"Allmennlege","DisplayName":" ","Active":true,
                "IsValidCommunicationParty":true,"ParentHerId":-1,"ParentOrganizationNumber":0,
                "Valid":{"From":"2023-07-01T00:00:00","To":"9999-12-31T00:00:00"},
                "LastChanged":"2023-01-01T12:00:00.87","ElectronicAddresses":null,
                "FutureElectronicAddresses":[
                  {"Address":"h/n/q","TypeCodeValue":"E_SB_ASYNC","ValidFrom":"2027-01-01T00:00:00"},
                  {"Address":"h/n/undated","TypeCodeValue":"E_SB_ASYNC"},
                  {"Address":" ","TypeCodeValue":"E_SB_SYNC","ValidFrom":"2027-01-01T00:00:00"}]}"#,
        )
        .unwrap();
        assert_eq!((entry.name.as_str(), entry.parent, entry.organisation), ("Allmennlege", None, None));
        assert_eq!(entry.valid_from, "2023-06-30T22:00:00Z".parse().ok(), "Oslo time, in summer");
        assert_eq!(entry.valid_to, None);
        assert_eq!(entry.last_changed, "2023-01-01T11:00:00.87Z".parse().ok());
        assert_eq!(entry.addresses.len(), 1);
        assert_eq!(entry.addresses.first().and_then(|a| a.from), "2026-12-31T23:00:00Z".parse().ok());
    }

    #[test]
    fn a_party_that_is_another_or_has_no_standing_is_not_read() {
        assert!(read(r#"{"HerId":8,"Active":true}"#).is_err());
        assert!(read(r#"{"HerId":7}"#).is_err(), "nobody said that it is active");
        assert!(read(r#"{"HerId":7,"Active":true,"Valid":{"To":"soon"}}"#).is_err());
        assert_eq!(read(r#"{"herId":7,"active":true,"type":16}"#).map(|e| e.kind), Ok(RegistryKind::Other));
    }
}
