//! Versions for tests, and what a fold comes to in words.

use jiff::{SignedDuration, Timestamp};
use message_schemas::MessageId;
use sharing::series::{
    Change, Conflict, Folded, Item, Names, PatientKey, Ruling, Sha, State, Version, Withheld, fold, merged_id,
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A version of one series, made at that minute; its content is of its message id.
pub(crate) fn version(msg_id: &str, minute: i64, change: Change) -> Version {
    Version {
        message: MessageId(Uuid::new_v5(&Uuid::NAMESPACE_OID, msg_id.as_bytes())),
        msg_id: msg_id.to_owned(),
        family: "epikrise".to_owned(),
        sender: "ENH:974589095".to_owned(),
        names: Names::Series("d1".to_owned()),
        generated: Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute),
        change,
        content: Sha::of(msg_id.as_bytes()),
        patient: Some(patient(1)),
        withheld: None,
        test: false,
        synthetic: false,
        attachments: Vec::new(),
        items: Vec::new(),
        ruling: Ruling::default(),
    }
}

/// One of a few patients.
pub(crate) fn patient(n: u8) -> PatientKey {
    PatientKey::new("2.16.578.1.12.4.1.4.1", &format!("patient {n}"))
}

/// A laboratory report with these results; `-` before a key cancels it.
pub(crate) fn report(msg_id: &str, minute: i64, change: Change, items: &[&str]) -> Version {
    let item = |text: &&str| match text.strip_prefix('-') {
        Some(key) => Item { key: key.to_owned(), cancelled: true },
        None => Item { key: (*text).to_owned(), cancelled: false },
    };
    Version {
        family: "svarrapport".to_owned(),
        items: items.iter().map(item).collect(),
        ..version(msg_id, minute, change)
    }
}

/// A nursing message that opens a series.
pub(crate) fn opens(msg_id: &str, minute: i64, conversation: Option<&str>) -> Version {
    let conversation = conversation.map(str::to_owned);
    Version {
        family: "plo-Innleggelsesrapport".to_owned(),
        names: Names::Opens { conversation },
        ..version(msg_id, minute, Change::New)
    }
}

/// A nursing message that follows another.
pub(crate) fn follows(
    msg_id: &str,
    minute: i64,
    change: Change,
    parent: &str,
    conversation: &str,
) -> Version {
    Version {
        family: "plo-Innleggelsesrapport".to_owned(),
        names: Names::Follows {
            parent: Some(parent.to_owned()),
            conversation: Some(conversation.to_owned()),
        },
        ..version(msg_id, minute, change)
    }
}

/// What is visible in each series: the originals, and of each document its results by the message that they are from.
pub(crate) fn seen(versions: &[Version], folded: &Folded) -> BTreeMap<String, String> {
    let id = |at: usize| versions[at].msg_id.clone();
    let mut out = BTreeMap::new();
    for (key, series) in &folded.series {
        let text = match &series.state {
            State::Nothing => "nothing".to_owned(),
            State::Withdrawn { by } => format!("withdrawn by {}", id(*by)),
            State::Visible(visible) => {
                let originals: Vec<String> = visible.originals.iter().map(|at| id(*at)).collect();
                let documents: Vec<String> = visible
                    .documents
                    .iter()
                    .map(|d| {
                        let of: Vec<String> = d.parts.iter().map(|p| id(p.version)).collect();
                        let items: Vec<String> = d
                            .parts
                            .iter()
                            .map(|p| {
                                let all: Vec<usize> = (0..versions[p.version].items.len()).collect();
                                let kept = p.items.as_ref().unwrap_or(&all);
                                let keys = kept.iter().map(|i| &versions[p.version].items[*i]);
                                let keys: Vec<String> = keys
                                    .map(|i| format!("{}{}", if i.cancelled { "-" } else { "" }, i.key))
                                    .collect();
                                format!("{}:{}", id(p.version), keys.join(","))
                            })
                            .collect();
                        format!("{} [{}]", merged_id(&of), items.join(" "))
                    })
                    .collect();
                let marks = format!(
                    "{}{}",
                    if visible.partial { " partial" } else { "" },
                    if visible.incomplete { " incomplete" } else { "" }
                );
                format!("{} | {}{marks}", originals.join("+"), documents.join("; "))
            }
        };
        out.insert(key.clone(), text);
    }
    out
}

/// What is visible of the only series.
pub(crate) fn only(versions: &[Version]) -> String {
    let seen = seen(versions, &fold(versions));
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.into_values().next().unwrap_or_default()
}

/// Every order of these.
pub(crate) fn orders(versions: &[Version]) -> Vec<Vec<Version>> {
    let mut all = vec![Vec::new()];
    for version in versions {
        all = all
            .into_iter()
            .flat_map(|order: Vec<Version>| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, version.clone());
                    longer
                })
            })
            .collect();
    }
    all
}

/// Whom the visible of each series are about.
pub(crate) fn patients(versions: &[Version], folded: &Folded) -> BTreeMap<String, BTreeSet<String>> {
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, series) in &folded.series {
        let State::Visible(visible) = &series.state else { continue };
        let of = out.entry(key.clone()).or_default();
        of.extend(visible.originals.iter().filter_map(|at| versions[*at].patient).map(|p| format!("{p:?}")));
        for part in visible.documents.iter().flat_map(|d| &d.parts) {
            of.extend(versions[part.version].patient.map(|p| format!("{p:?}")));
        }
    }
    out
}

/// One that is withheld.
pub(crate) fn withheld(version: Version, why: Withheld) -> Version {
    Version { withheld: Some(why), ..version }
}

/// One that a person let in, in spite of this.
pub(crate) fn let_in(mut version: Version, in_spite_of: Conflict) -> Version {
    version.ruling.in_spite_of.insert(in_spite_of);
    version
}

/// One that came at that minute after 1970.
pub(crate) fn came(version: Version, minute: u64) -> Version {
    let mut rest = [0; 10];
    rest.copy_from_slice(&version.message.0.as_bytes()[..10]);
    let id = uuid::Builder::from_unix_timestamp_millis(minute * 60_000, &rest).into_uuid();
    Version { message: MessageId(id), ..version }
}
