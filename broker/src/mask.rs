//! Hides what is personal in values that are printed.

use message_schemas::MessageHead;
use serde_json::Value;

/// What stands in the place of a hidden value.
const HIDDEN: &str = "***";

/// A head as JSON, the patient and what people wrote about a patient hidden unless `show`.
#[must_use]
pub fn head(head: &MessageHead, show: bool) -> Value {
    let mut value = serde_json::to_value(head).unwrap_or(Value::Null);
    if show {
        return value;
    }
    if let Some(patient) = value.get_mut("patient") {
        for field in ["name", "born"] {
            hide(patient.get_mut(field));
        }
        for ident in patient.get_mut("idents").and_then(Value::as_array_mut).into_iter().flatten() {
            hide(ident.get_mut("value"));
        }
    }
    let errors = value.get_mut("receipt").and_then(|receipt| receipt.get_mut("errors"));
    for error in errors.and_then(Value::as_array_mut).into_iter().flatten() {
        hide(error.get_mut("text"));
    }
    value
}

fn hide(value: Option<&mut Value>) {
    if let Some(value) = value.filter(|value| !value.is_null()) {
        *value = Value::from(HIDDEN);
    }
}
