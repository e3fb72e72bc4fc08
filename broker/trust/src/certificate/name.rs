//! Names in certificates: one line of text from them, and the organisation number in them.

use super::malformed;
use crate::fault::Fault;
use message_schemas::OrgNumber;
use x509_parser::asn1_rs::{Oid, Tag, oid};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

static COMMON_NAME: Oid<'_> = oid!(2.5.4.3);
static SERIAL_NUMBER: Oid<'_> = oid!(2.5.4.5);
static ORGANISATION: Oid<'_> = oid!(2.5.4.10);
static SURNAME: Oid<'_> = oid!(2.5.4.4);
static GIVEN_NAME: Oid<'_> = oid!(2.5.4.42);
static PSEUDONYM: Oid<'_> = oid!(2.5.4.65);
static ORGANISATION_IDENTIFIER: Oid<'_> = oid!(2.5.4.97);

/// The longest text that is taken from one attribute, in characters: whoever makes a certificate chooses its names.
const LONGEST_TEXT: usize = 80;

/// `CN, O`, whichever of the two there is; no control characters, and not long.
pub(super) fn line(name: &X509Name<'_>) -> String {
    let parts: Vec<String> = [&COMMON_NAME, &ORGANISATION]
        .into_iter()
        .filter_map(|oid| texts(name, oid).next())
        .map(|t| tame(&t))
        .collect();
    if parts.is_empty() { "no name".into() } else { parts.join(", ") }
}

/// The organisation number: subject `serialNumber` of nine digits, or `organizationIdentifier` with `NTRNO-`
/// (ETSI EN 319 412-1 §5.1.4). Two different ones in one name would let each reader choose, so that is a fault.
pub(super) fn organisation(name: &X509Name<'_>) -> Result<Option<OrgNumber>, Fault> {
    let plain = texts(name, &SERIAL_NUMBER);
    let registered =
        texts(name, &ORGANISATION_IDENTIFIER).filter_map(|t| t.strip_prefix("NTRNO-").map(str::to_owned));
    let mut found: Option<OrgNumber> = None;
    for number in plain.chain(registered).filter_map(|t| t.trim().parse().ok()) {
        match found {
            Some(first) if first != number => return Err(malformed("its subject names two organisations")),
            Some(_) | None => found = Some(number),
        }
    }
    Ok(found)
}

/// Whether a person is named: by names, or by the form of a serial number that persons' certificates have (Norwegian
/// ones, and ETSI EN 319 412-1 §5.1.3). An employee's certificate names both a person and an organisation.
pub(super) fn is_persons(name: &X509Name<'_>) -> bool {
    let names = [&SURNAME, &GIVEN_NAME, &PSEUDONYM].into_iter().any(|oid| texts(name, oid).next().is_some());
    let of_person =
        |text: &str| ["UN:", "PNO", "IDC", "PAS", "TIN"].iter().any(|form| text.starts_with(form));
    names || texts(name, &SERIAL_NUMBER).any(|text| of_person(&text))
}

fn texts<'n>(name: &'n X509Name<'_>, oid: &'n Oid<'_>) -> impl Iterator<Item = String> + 'n {
    name.iter_attributes().filter(move |a| a.attr_type() == oid).filter_map(text)
}

/// The text of an attribute in any string type that certificates use (RFC 5280 §4.1.2.4).
fn text(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let value = attribute.attr_value();
    let bytes = value.data;
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        }
        // Old CAs write Latin-1 here, whatever T.61 says.
        Tag::T61String => Some(bytes.iter().map(|&b| char::from(b)).collect()),
        Tag::BmpString => {
            let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
        }
        _ => None,
    }
}

fn tame(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { '?' } else { c }).take(LONGEST_TEXT).collect()
}
