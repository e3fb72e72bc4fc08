//! From all known messages of a strand to what is visible of each series in it.

use super::assign::{Place, places};
use super::items::Results;
use super::version::{Change, Names, PatientKey, Version, Withheld};
use message_schemas::document::normal_id;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What became of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is visible, or part of what is.
    Visible,
    /// A later one took its place.
    Superseded {
        /// Which.
        by: usize,
    },
    /// The series was cancelled.
    Withdrawn {
        /// By which.
        by: usize,
    },
    /// It cancels the series.
    Cancels,
    /// In its place, and withheld: nothing is visible instead of it.
    Hidden,
    /// Not safe to show, and nothing else of the series is visible: there is nothing to decide.
    NotShown,
    /// The same message with the same content, once more.
    Repeat {
        /// The first.
        of: usize,
    },
    /// It stands outside of the fold, for a person to look at.
    Parked {
        /// Why.
        conflict: Conflict,
    },
}

/// Why a version stands outside of the fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// The same message id came before with other content.
    OtherContent,
    /// The series is another patient's.
    OtherPatient,
    /// It cancels the series of another sender.
    NotItsOwner,
    /// The series was cancelled before this was made.
    AfterCancel,
    /// It changes what is visible, and it cannot be told safely whose it is.
    NotSafe,
    /// It changes or cancels something and does not say what.
    Unlinked,
}

impl Conflict {
    /// What is wrong, in a few words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::OtherContent => "the same id came before with other content",
            Self::OtherPatient => "the series is another patient's",
            Self::NotItsOwner => "it cancels another sender's document",
            Self::AfterCancel => "the series was cancelled before it was made",
            Self::NotSafe => "it cannot be told safely whose it is",
            Self::Unlinked => "it does not say what it changes",
        }
    }
}

/// A strand, folded. Numbers are places in the slice that was folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// What became of each version.
    pub fates: Vec<Fate>,
    /// The series, by their keys.
    pub series: BTreeMap<String, Series>,
}

/// One series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Series {
    /// What takes part in the fold, in the order of (GenDate, MsgId).
    pub versions: Vec<usize>,
    /// What is to be seen.
    pub state: State,
}

/// What is to be seen of a series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Nothing, and nothing was: all that is known is withheld or in conflict.
    #[default]
    Nothing,
    /// This.
    Visible(Visible),
    /// Nothing any more.
    Withdrawn {
        /// The first cancellation.
        by: usize,
    },
}

/// What is visible of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visible {
    /// The messages whose originals and attachments stand: the last whole one, then the differences behind it.
    pub originals: Vec<usize>,
    /// The documents made from them.
    pub documents: Vec<Document>,
    /// A difference stands beside what it differs from.
    pub partial: bool,
    /// The message that opened the series is not known, so there may be more that is valid.
    pub incomplete: bool,
}

/// One document, made from one message or merged from several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What of which message, oldest first. The last one is the newest: what is said of the report as a whole is its.
    pub parts: Vec<Part>,
}

/// What a document takes from one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which.
    pub version: usize,
    /// The top-level results that stay, by their place in the message; none means all of the message.
    pub items: Option<Vec<usize>>,
}

/// Folds the versions of one strand, given in the order in which they arrived. That order decides only what is in
/// conflict with what was there first.
#[must_use]
pub fn fold(versions: &[Version]) -> Folded {
    let mut fates = vec![Fate::NotShown; versions.len()];
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut seen: HashMap<(&str, &str, &str), usize> = HashMap::new();
    for ((at, version), place) in versions.iter().enumerate().zip(places(versions)) {
        let identity = (version.family.as_str(), version.sender.as_str(), version.msg_id.as_str());
        let (first, place) = (*seen.entry(identity).or_insert(at), place);
        let fate = match (versions.get(first).filter(|_| first != at), place) {
            //= HITS 1102 (as cited in document-sharing §2.2)
            //# Copies to several receivers share MsgId and content.
            (Some(earlier), _) if earlier.content == version.content => Some(Fate::Repeat { of: first }),
            (Some(_), _) => Some(parked(Conflict::OtherContent)),
            (None, Place::Nowhere) => Some(parked(Conflict::Unlinked)),
            (None, Place::Foreign(_)) => Some(parked(Conflict::NotItsOwner)),
            (None, Place::Series(key)) => groups.entry(key).or_default().admit(at, version),
        };
        if let (Some(fate), Some(slot)) = (fate, fates.get_mut(at)) {
            *slot = fate;
        }
    }
    refuse_foreign_cancellations(versions, &mut groups, &mut fates);
    let series = groups.into_iter().map(|(key, group)| (key, group.fold(versions, &mut fates))).collect();
    Folded { fates, series }
}

const fn parked(conflict: Conflict) -> Fate {
    Fate::Parked { conflict }
}

fn set(fates: &mut [Fate], at: usize, fate: Fate) {
    if let Some(slot) = fates.get_mut(at) {
        *slot = fate;
    }
}

/// A document id under which another sender has documents, and this one nothing but cancellations: it means the other's.
fn refuse_foreign_cancellations(
    versions: &[Version],
    groups: &mut BTreeMap<String, Group>,
    fates: &mut [Fate],
) {
    let named = |g: &Group| {
        let version = g.members.first().and_then(|at| versions.get(*at))?;
        match &version.names {
            Names::Series(id) => Some((version.family.clone(), normal_id(id))),
            Names::Opens { .. } | Names::Follows { .. } => None,
        }
    };
    let has_content =
        |g: &Group| g.members.iter().any(|at| versions.get(*at).is_some_and(Version::has_content));
    let owned: HashSet<_> = groups.values().filter(|g| has_content(g)).filter_map(named).collect();
    groups.retain(|_, group| {
        let foreign = !has_content(group) && named(group).is_some_and(|id| owned.contains(&id));
        if foreign {
            group.members.iter().for_each(|at| set(fates, *at, parked(Conflict::NotItsOwner)));
        }
        !foreign
    });
}

/// The versions of one series, while they gather.
#[derive(Debug, Default)]
struct Group {
    members: Vec<usize>,
    /// Not safe to show; whether that concerns anybody depends on what else there is.
    unsafe_ones: Vec<usize>,
    patient: Option<PatientKey>,
}

impl Group {
    /// Lets a version take part, or says why not.
    fn admit(&mut self, at: usize, version: &Version) -> Option<Fate> {
        //= document-sharing §2.2
        //# Never merge, replace or withdraw across patients.
        if let (Some(ours), Some(theirs)) = (self.patient, version.patient)
            && ours != theirs
        {
            return Some(parked(Conflict::OtherPatient));
        }
        // A cancellation need not repeat the content, nor say whose it was.
        if version.withheld == Some(Withheld::Unsafe) && version.has_content() {
            self.unsafe_ones.push(at);
            return None;
        }
        self.patient = self.patient.or(version.patient);
        self.members.push(at);
        None
    }

    fn fold(mut self, versions: &[Version], fates: &mut [Fate]) -> Series {
        self.members.sort_by(|a, b| order(versions, *a).cmp(&order(versions, *b)));
        let state = self.state(versions, fates);
        if matches!(state, State::Visible(_)) {
            for at in &self.unsafe_ones {
                set(fates, *at, parked(Conflict::NotSafe));
            }
        }
        Series { versions: self.members, state }
    }

    fn state(&self, versions: &[Version], fates: &mut [Fate]) -> State {
        let known = || self.members.iter().filter_map(|at| Some((*at, versions.get(*at)?)));
        let closed = known().find(|(_, v)| v.change == Change::Cancelled);
        if let Some((by, cancellation)) = closed {
            for (at, version) in known() {
                let fate = if version.change == Change::Cancelled {
                    Fate::Cancels
                } else if version.generated > cancellation.generated {
                    parked(Conflict::AfterCancel)
                } else {
                    Fate::Withdrawn { by }
                };
                set(fates, at, fate);
            }
            return State::Withdrawn { by };
        }
        let mut running = Running::default();
        for (at, version) in known() {
            running.next(at, version, fates);
        }
        running.end(versions, fates)
    }
}

/// By which versions stand behind each other: (GenDate, MsgId), and of one instant what is new before what changes it. What is
/// cancelled is cancelled by all that was made in the same instant.
fn order(versions: &[Version], at: usize) -> Option<(jiff::Timestamp, bool, &str)> {
    versions.get(at).map(|v| (v.generated, v.change != Change::New, v.msg_id.as_str()))
}

/// What is visible, while the versions go by.
#[derive(Debug, Default)]
struct Running<'v> {
    originals: Vec<usize>,
    results: Results<'v>,
    opened: bool,
    in_parts: bool,
}

impl<'v> Running<'v> {
    fn next(&mut self, at: usize, version: &'v Version, fates: &mut [Fate]) {
        self.opened |= version.change == Change::New;
        set(fates, at, Fate::Visible);
        if self.is_whole(version) {
            for earlier in std::mem::take(&mut self.originals) {
                set(fates, earlier, Fate::Superseded { by: at });
            }
            self.results.replace(at, version);
        } else {
            self.results.merge(at, version);
        }
        self.in_parts = version.in_parts();
        self.originals.push(at);
    }

    /// Whether nothing of what was visible is needed beside it.
    fn is_whole(&self, version: &Version) -> bool {
        if self.originals.is_empty() {
            return true;
        }
        if version.in_parts() {
            return self.results.covered_by(version);
        }
        version.change != Change::Added
    }

    fn end(self, versions: &[Version], fates: &mut [Fate]) -> State {
        let withheld = |at: &usize| versions.get(*at).is_some_and(|v| v.withheld.is_some());
        // Of a merged document no part can be taken out.
        let (hidden, originals): (Vec<usize>, Vec<usize>) = if self.in_parts {
            if self.originals.iter().any(withheld) {
                (self.originals, Vec::new())
            } else {
                (Vec::new(), self.originals)
            }
        } else {
            self.originals.into_iter().partition(withheld)
        };
        hidden.iter().for_each(|at| set(fates, *at, Fate::Hidden));
        if originals.is_empty() {
            return State::Nothing;
        }
        let whole = |version: usize| Part { version, items: None };
        let documents = if self.in_parts && originals.len() > 1 {
            let part = |at: &usize| Part { version: *at, items: Some(self.results.kept_of(*at)) };
            vec![Document { parts: originals.iter().map(part).collect() }]
        } else {
            originals.iter().map(|at| Document { parts: vec![whole(*at)] }).collect()
        };
        State::Visible(Visible {
            partial: originals.len() > 1,
            incomplete: self.in_parts && !self.opened,
            originals,
            documents,
        })
    }
}

impl Visible {
    /// All versions that are visible in whole or in part.
    #[must_use]
    pub fn of(&self) -> HashSet<usize> {
        self.originals.iter().copied().collect()
    }
}
