//! Pieces of a report in words: names, results, statuses, times, as a person reads them.

use super::read::Item;
use super::results::structured_text;
use super::status;
use crate::document::codes;
use crate::document::narrative::Html;
use crate::document::observed::Outcome;
use crate::document::values::{Code, When};
use crate::document::words::{code_text, when_words};
use std::borrow::Cow;

pub(super) fn name_of<'i>(item: &'i Item<'_>) -> Cow<'i, str> {
    let mut name = Cow::Borrowed("");
    for id in item.investigations.iter().flat_map(|i| &i.ids) {
        let Some(words) = id.words() else { continue };
        if name.is_empty() {
            name = Cow::Borrowed(words);
        } else {
            name.to_mut().push_str(", ");
            name.to_mut().push_str(words);
        }
        // The list's text too, where the sender has words of their own.
        if let (Some(own), Some(display)) = (id.own, id.display)
            && own != display
        {
            let name = name.to_mut();
            name.push_str(" (");
            name.push_str(display);
            name.push(')');
        }
    }
    if name.is_empty()
        && let Some(Outcome::Text(text)) = &item.outcome
        && let Some(words) = text.heading.as_ref().and_then(|h| codes::words(h, 8243))
    {
        name = Cow::Borrowed(words);
    }
    name
}

pub(super) fn status_of<'i>(item: &'i Item<'_>) -> Cow<'i, str> {
    let text = item.status.as_ref().and_then(|s| codes::words_of_list(s, 8245)).unwrap_or_default();
    let done = match item.service_code() {
        "C" => "Kansellert",
        "M" | "E" => "Endret",
        "A" => "Tillegg",
        "H" => "Tidligere sendt",
        "N" => "",
        _ => item.service_type.as_ref().and_then(|s| codes::words(s, 8270)).unwrap_or_default(),
    };
    let mut text = if done.is_empty() || text == done {
        text
    } else if text.is_empty() {
        Cow::Borrowed(done)
    } else {
        Cow::Owned([&*text, ", ", done].concat())
    };
    let (_, known) = status::of_result(item.status.as_ref().and_then(Code::code), item.service_code());
    if !known {
        let unknown = if text.is_empty() { "Ukjent status" } else { " (ukjent status)" };
        text.to_mut().push_str(unknown);
    }
    text
}

/// What of an item has no column of its own.
pub(super) fn details_of(
    item: &Item<'_>,
    dated: Option<crate::time::Stamp>,
    single: Option<&str>,
    html: &mut Html,
) {
    let before = html.len();
    let mut part = |label: &str, text: &str| {
        html.raw(if html.len() == before { "" } else { "<br/>" });
        html.text(label).raw(": ").laid_out(text);
    };
    for investigation in &item.investigations {
        for spec in &investigation.specifications {
            let mut words = String::new();
            code_text(spec, &mut words);
            part("Spesifikasjon", &words);
        }
        if let Some(comment) = &investigation.comment {
            part("Om undersøkelsen", &comment.value);
        }
    }
    if let Some(comment) = &item.comment {
        part("Kommentar", &comment.value);
    }
    if let Some(diagnosis) = &item.diagnosis {
        let mut words = String::new();
        diagnosis.describe(&mut words);
        part("Diagnostisk kommentar", &words);
    }
    // Where there is but one specimen, naming it on each line tells nothing.
    for subject in item.subjects.iter().filter(|s| single != Some(&*s.value)) {
        part("Materiale", &subject.value);
    }
    if let Some(flag) = &item.accredited {
        part("Akkreditert", flag.words());
    }
    let shown = |when: &&When<'_>| when.stamp.is_none() || when.stamp != dated;
    for (label, when) in [
        ("Undersøkt", item.investigated.as_deref().filter(shown)),
        ("Status endret", item.status_changed.as_deref()),
        ("Beskrevet", item.described.as_deref()),
        ("Kontrasignert", item.countersigned.as_deref()),
        ("Medisinsk validert", item.validated.as_deref()),
    ] {
        if let Some(when) = when {
            part(label, &when_words(when));
        }
    }
    for party in &item.providers {
        let label = party.relation.as_ref().and_then(Code::words).unwrap_or("Utført av");
        let names: Vec<_> =
            [party.person_display(), party.organisation_display()].into_iter().flatten().collect();
        if !names.is_empty() {
            part(label, &names.join(", "));
        }
    }
}

/// It stands apart from the row of its result, so it says itself whether the result still holds.
pub(super) fn structured(items: &[Item<'_>]) -> Html {
    let mut html = Html::new();
    for item in items {
        let (label, struck) = match item.service_code() {
            "C" => ("Kansellert: ", true),
            "H" => ("Tidligere sendt: ", false),
            _ => ("", false),
        };
        for structured in &item.structured {
            let mut words = String::new();
            structured_text(structured, &mut words);
            let (open, close) =
                if struck { ("<span style=\"text-decoration: line-through\">", "</span>") } else { ("", "") };
            html.raw("<p><b>").raw(label).text(&name_of(item)).raw(":</b> ");
            html.raw(open).laid_out(&words).raw(close).raw("</p>");
        }
    }
    html
}

/// A status in words.
pub(super) fn state_words(status: &str) -> &'static str {
    match status {
        "registered" => "Registrert",
        "preliminary" => "Foreløpig rapport",
        "final" => "Endelig rapport",
        "amended" => "Endret rapport",
        "appended" => "Rapport med tillegg",
        "cancelled" => "Kansellert rapport",
        _ => "Rapport med ukjent status",
    }
}
