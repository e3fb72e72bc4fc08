//! What is asked of a store that entries stand in: set one out of use, find the entries of a patient.

use crate::json::Object;
use crate::metadata::{Id, as_oid};
use crate::published::Published;

/// The change that sets an entry out of use.
pub(super) fn superseded() -> Object {
    let part = |name: &'static str| Object::new().set("name", name);
    Object::resource("Parameters").list(
        "parameter",
        [part("operation").list(
            "part",
            [
                part("type").set("valueCode", "replace"),
                part("path").set("valueString", "DocumentReference.status"),
                part("value").set("valueCode", "superseded"),
            ],
        )],
    )
}

/// The body of the `PATCH` that sets an entry out of use.
///
/// # Errors
/// If it cannot be written, which does not happen in memory.
pub fn deprecation() -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&superseded())
}

/// The form of a search (ITI-67) for the entries of a patient that are in use. It is posted as a body: a national id
/// never stands in an address, where every server on the way writes it down.
#[must_use]
pub fn search_form(patient: &Id) -> String {
    format!("{}&status=current", of_patient(patient))
}

fn of_patient(patient: &Id) -> String {
    let id = format!("urn:oid:{}|{}", patient.authority, patient.value);
    format!("patient.identifier={}", percent(&id))
}

/// The form of a search for these entries, whatever their status: by the ids of entries and documents (ITI-67), and by whose
/// they are where a store wants that.
#[must_use]
pub fn identifier_form(entries: &[Published], patient: Option<&Id>) -> String {
    let ids = entries.iter().flat_map(|e| {
        [
            format!("urn:uuid:{}", e.entry),
            format!("urn:uuid:{}", e.document),
            format!("urn:oid:{}", as_oid(e.document)),
        ]
    });
    let mut ids: Vec<String> = ids.map(|id| percent(&id)).collect();
    ids.dedup();
    let patient = patient.map_or_else(String::new, |patient| format!("{}&", of_patient(patient)));
    format!("{patient}identifier={}", ids.join(","))
}

/// Percent-encoded for a form.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_a_form() {
        let id = Id { value: "13116900216".to_owned(), authority: "2.16.578.1.12.4.1.4.1".to_owned() };
        assert_eq!(
            search_form(&id),
            "patient.identifier=urn%3Aoid%3A2.16.578.1.12.4.1.4.1%7C13116900216&status=current"
        );
    }
}
