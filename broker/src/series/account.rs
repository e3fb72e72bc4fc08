//! What became of a message's documents at each target, in words: for whoever asks why something is not to be seen there.
//!
//! It is told from what is kept (deliveries, versions, what targets show) and from the settings as they are now. What the
//! settings were when the message came is kept nowhere, so of a target that was not told it is said what holds today.

use super::making::content;
use super::{Gathered, gather};
use crate::world::PUBLISHING;
use broker_core::journal::{MessageRecord, RecipientRecord, VerdictRecord};
use broker_core::lifecycle::State;
use broker_core::ports::{Store, StoreError};
use broker_core::series::ShownAt;
use message_schemas::document::{self, Format, SharedDocument};
use message_schemas::xml::{self, Tree};
use message_schemas::{Family, Limits};
use serde::Serialize;
use sharing::Target;
use sharing::series::{Fate, Folded, Status, Version, Withheld, fold};
use sharing::submission::may_be_published;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be said of one target; of all of them, if none takes the family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Its name under `publish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Something of the message is to be seen there.
    pub shown: bool,
    /// How it stands, and why. Nothing of a patient.
    pub words: String,
}

/// What documents are made and judged by.
#[derive(Debug)]
pub struct Settings {
    /// By their names under `publish`.
    pub targets: BTreeMap<String, Target>,
    /// How documents are made.
    pub options: document::Options,
    /// How large messages may be.
    pub limits: Limits,
}

/// Tells of a message; nothing if it was not taken in, or where nothing is published.
///
/// # Errors
/// When the journal does not answer.
pub async fn account<S: Store>(
    store: &S,
    record: &MessageRecord,
    settings: &Settings,
) -> Result<Vec<Account>, StoreError> {
    let told: Vec<(&str, &RecipientRecord)> = record
        .recipients
        .iter()
        .filter_map(|r| Some((r.destination.as_ref()?.as_str().strip_prefix(PUBLISHING)?, r)))
        .collect();
    let accepted = matches!(record.verdict, VerdictRecord::Accepted | VerdictRecord::AcceptedWithFindings);
    let Some(family) = record.head.as_ref().map(|h| h.kind.family) else { return Ok(Vec::new()) };
    let is_letter = !matches!(family, Family::AppRec | Family::Ebxml);
    if told.is_empty() && (settings.targets.is_empty() || !accepted || !is_letter) {
        return Ok(Vec::new());
    }
    let gathered = gather(store, BTreeSet::from([record.id])).await?;
    let documents = documents(store, record, settings).await?;
    let mut accounts: Vec<Account> = told
        .iter()
        .map(|(name, recipient)| {
            let target = settings.targets.get(*name);
            let (shown, words) = of_told(record, recipient, target, &gathered, &documents);
            Account { target: Some((*name).to_owned()), shown, words }
        })
        .collect();
    let others = settings.targets.iter().filter(|(name, _)| !told.iter().any(|(told, _)| told == name));
    for (name, target) in others.filter(|(_, target)| target.families.contains(&family)) {
        let words = of_untold(name, target, &documents);
        accounts.push(Account { target: Some(name.clone()), shown: false, words });
    }
    if accounts.is_empty() {
        let words = format!("published nowhere: no target takes the family {family}");
        accounts.push(Account { target: None, shown: false, words });
    }
    Ok(accounts)
}

/// The documents of a message as they would be made now, or why there are none.
async fn documents<S: Store>(
    store: &S,
    record: &MessageRecord,
    settings: &Settings,
) -> Result<Result<Vec<SharedDocument>, String>, StoreError> {
    let Some(bytes) = content(store, record.id).await? else {
        return Ok(Err("its content is no longer kept".to_owned()));
    };
    let made = || {
        let decoded = xml::decode(&bytes).map_err(|finding| finding.to_string())?;
        let tree = Tree::parse(&decoded.text, &settings.limits).map_err(|finding| finding.to_string())?;
        document::translate(&decoded.text, &tree, &settings.options)
            .map_err(|fault| format!("it gives no document, {}: {fault}", fault.code()))
    };
    Ok(made())
}

/// Why documents may not be published there; none if they may, or if it cannot be told.
fn refusal(documents: &Result<Vec<SharedDocument>, String>, target: &Target) -> Option<String> {
    let documents = documents.as_ref().ok()?;
    let refusal = documents.iter().find_map(|document| may_be_published(document, target).err())?;
    Some(format!("{}: {refusal}", refusal.code()))
}

/// Of a target that the message was meant for when it came.
fn of_told(
    record: &MessageRecord,
    recipient: &RecipientRecord,
    target: Option<&Target>,
    gathered: &Gathered,
    documents: &Result<Vec<SharedDocument>, String>,
) -> (bool, String) {
    let reason = || {
        let reason = recipient.reason.map_or_else(String::new, |r| format!(", {r} {}", r.title()));
        let detail = recipient.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
        format!("{reason}{detail}")
    };
    match recipient.state {
        State::Waiting | State::Sending | State::Unsure => {
            let (state, tries) = (recipient.state, recipient.tries);
            (false, format!("not published yet: {state}, {tries} attempts{}", reason()))
        }
        State::Parked | State::Rejected | State::Expired | State::Discarded => {
            (false, format!("not published, it lies aside{}", reason()))
        }
        State::Replaced => (false, "judged again: see what took its place".to_owned()),
        State::HandedOver | State::Receipted => {
            let at = |shown: &ShownAt| Some(&shown.target) == recipient.destination.as_ref();
            let here = Gathered {
                versions: gathered
                    .versions
                    .iter()
                    .filter(|v| target.is_none_or(|t| v.is_seen_by(t.environment)))
                    .cloned()
                    .collect(),
                shown: gathered.shown.iter().filter(|s| at(s)).cloned().collect(),
            };
            let why = target.and_then(|target| refusal(documents, target));
            let folded = fold(&here.versions);
            let own = here.versions.iter().enumerate().filter(|(_, v)| v.message == record.id);
            let told: Vec<(bool, String)> =
                own.map(|(nth, version)| of_version(nth, version, &folded, &here, why.as_deref())).collect();
            let words: Vec<&str> = told.iter().map(|(_, words)| words.as_str()).collect();
            if words.is_empty() {
                return (false, "nothing is shown: no document of it is known".to_owned());
            }
            (told.iter().any(|(shown, _)| *shown), words.join("; "))
        }
    }
}

/// Of one version, at a target that was told: whether it is shown there, and how it stands.
pub(super) fn of_version(
    nth: usize,
    version: &Version,
    folded: &Folded,
    here: &Gathered,
    why: Option<&str>,
) -> (bool, String) {
    let id = |at: usize| here.versions.get(at).map_or("another", |v| v.msg_id.as_str());
    let kept_back = || {
        let withheld = match version.withheld {
            Some(Withheld::Reserved) => "it is kept back",
            Some(Withheld::Unsafe) => "it is not safe to show",
            None => "it is withheld",
        };
        (false, format!("not published, {}", why.unwrap_or(withheld)))
    };
    // What never went out is not called gone.
    let is_of = |s: &&ShownAt| s.shown.entry.of.contains(&version.msg_id);
    let in_use = here.shown.iter().filter(is_of).any(|s| s.shown.status == Status::Approved);
    let gone = if in_use {
        "still shown"
    } else if here.shown.iter().any(|s| s.shown.entry.of.contains(&version.msg_id)) {
        "no longer shown"
    } else {
        "not shown"
    };
    let alone = || {
        let of = folded.series.values().find(|series| series.versions.contains(&nth));
        of.is_none_or(|series| series.versions.len() == 1)
    };
    match folded.fates.get(nth) {
        Some(Fate::Visible) => {
            let formats: BTreeSet<Format> = here
                .shown
                .iter()
                .filter(|s| s.shown.status == Status::Approved && s.shown.entry.of.contains(&version.msg_id))
                .map(|s| s.shown.entry.format)
                .collect();
            let refused = here.shown.iter().filter(is_of).filter(|s| s.shown.status == Status::Refused);
            let refused: BTreeSet<Format> = refused.map(|s| s.shown.entry.format).collect();
            let words = |formats: BTreeSet<Format>| {
                formats.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            let not_taken: BTreeSet<Format> = refused.difference(&formats).copied().collect();
            if formats.is_empty() {
                (false, "nothing is shown: the target does not take it in any form".to_owned())
            } else if not_taken.is_empty() {
                (true, format!("shown as {}", words(formats)))
            } else {
                (true, format!("shown as {}, and not taken as {}", words(formats), words(not_taken)))
            }
        }
        Some(Fate::Superseded { by }) if in_use => {
            (true, format!("{gone}: {} should take its place", id(*by)))
        }
        Some(Fate::Superseded { by }) => (false, format!("{gone}: {} took its place", id(*by))),
        Some(Fate::Withdrawn { by }) => (in_use, format!("{gone}: {} cancelled it", id(*by))),
        Some(Fate::Cancels) if alone() => {
            (false, "it cancels, and nothing else is known of its series".to_owned())
        }
        Some(Fate::Cancels) => (false, "it cancels: nothing of the document is shown any more".to_owned()),
        Some(Fate::Hidden | Fate::NotShown) => kept_back(),
        Some(Fate::Repeat { of }) => (false, format!("the same came before, as {}", id(*of))),
        Some(Fate::Left) => (false, "not published: a person left it so".to_owned()),
        Some(Fate::Parked { conflict }) => (false, format!("not published: {}", conflict.words())),
        None => kept_back(),
    }
}

/// Of a target that takes the family, and was not told.
fn of_untold(name: &str, target: &Target, documents: &Result<Vec<SharedDocument>, String>) -> String {
    match documents {
        Err(why) => format!("not published: {why}"),
        Ok(_) => match refusal(documents, target) {
            Some(why) => format!("not published, {why}"),
            None => format!(
                "not published: when it came, this target did not take it. Now it would (budstikke publish --target {name})"
            ),
        },
    }
}
