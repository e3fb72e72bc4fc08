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
    /// A person has looked at it, and left it unpublished.
    Left,
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
    /// It says that it was made well after it came.
    DatedAhead,
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
            Self::DatedAhead => "it says that it was made after it came here",
        }
    }

    /// Whether a person may publish it in spite of this. The others would mix what is not alike, or show what nobody knows
    /// whose it is; only their sender can mend them.
    #[must_use]
    pub const fn may_be_let_in(self) -> bool {
        match self {
            Self::OtherPatient | Self::AfterCancel | Self::DatedAhead => true,
            Self::OtherContent | Self::NotItsOwner | Self::NotSafe | Self::Unlinked => false,
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
    /// Nothing that is made of these is to be seen any more: what a cancellation has closed, and what is kept out though it
    /// may have been seen before.
    pub closed: Vec<usize>,
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
            (Some(_), _) if version.ruling.left => Some(Fate::Left),
            (None, Place::Nowhere | Place::Foreign(_)) if version.ruling.left => Some(Fate::Left),
            (Some(_), _) => Some(parked(Conflict::OtherContent)),
            (None, Place::Nowhere) => Some(parked(Conflict::Unlinked)),
            (None, Place::Foreign(_)) => Some(parked(Conflict::NotItsOwner)),
            (None, Place::Series(key)) if version.ruling.left || is_dated_ahead(version) => {
                groups.entry(key).or_default().kept_out.push(at);
                Some(if version.ruling.left { Fate::Left } else { parked(Conflict::DatedAhead) })
            }
            (None, Place::Series(key)) => groups.entry(key).or_default().admit(at, version),
        };
        if let (Some(fate), Some(slot)) = (fate, fates.get_mut(at)) {
            *slot = fate;
        }
    }
    refuse_foreign_cancellations(versions, &mut groups, &mut fates);
    let groups = groups.into_iter().flat_map(|(key, group)| group.apart(key, versions));
    let series = groups.map(|(key, group)| (key, group.fold(versions, &mut fates))).collect();
    Folded { fates, series }
}

/// What is dated ahead would hide all that corrects it. A cancellation hides nothing that is to be seen: it counts as of
/// when it came.
fn is_dated_ahead(version: &Version) -> bool {
    version.has_content() && version.is_dated_ahead() && !version.is_let_in(Conflict::DatedAhead)
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
    let has_content = |g: &Group| {
        let let_in =
            g.others.iter().filter(|other| other.is_let_in(versions)).flat_map(|other| &other.members);
        g.members.iter().chain(let_in).any(|at| versions.get(*at).is_some_and(Version::has_content))
    };
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
    /// A person left them unpublished, or they are dated ahead.
    kept_out: Vec<usize>,
    /// Not safe to show; whether that concerns anybody depends on what else there is.
    unsafe_ones: Vec<usize>,
    patient: Option<PatientKey>,
    /// Of other patients, by the same id: in the order in which their first came.
    others: Vec<Other>,
}

/// What came of another patient.
#[derive(Debug)]
struct Other {
    patient: PatientKey,
    members: Vec<usize>,
}

impl Other {
    /// A person has let something of it be shown.
    fn is_let_in(&self, versions: &[Version]) -> bool {
        let mut all = self.members.iter().filter_map(|at| versions.get(*at));
        all.any(|v| v.is_let_in(Conflict::OtherPatient) && v.withheld != Some(Withheld::Unsafe))
    }
}

impl Group {
    /// Lets a version take part, or says why not.
    fn admit(&mut self, at: usize, version: &Version) -> Option<Fate> {
        //= document-sharing §2.2
        //# Never merge, replace or withdraw across patients.
        if let (Some(ours), Some(theirs)) = (self.patient, version.patient)
            && ours != theirs
        {
            match self.others.iter_mut().find(|other| other.patient == theirs) {
                Some(other) => other.members.push(at),
                None => self.others.push(Other { patient: theirs, members: vec![at] }),
            }
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

    /// The series, and behind it one for each other patient of whom something was let in. A cancellation that names nobody
    /// cancels what goes by its id, whosever it is.
    fn apart(mut self, key: String, versions: &[Version]) -> Vec<(String, Self)> {
        let nobodys = |at: &usize| {
            versions.get(*at).is_some_and(|v| v.patient.is_none() && v.change == Change::Cancelled)
        };
        let of_nobody: Vec<usize> = self.members.iter().copied().filter(nobodys).collect();
        let others = std::mem::take(&mut self.others);
        let mut all = Vec::with_capacity(1 + others.len());
        for (number, other) in (2..).zip(others).filter(|(_, other)| other.is_let_in(versions)) {
            let mut group = Self::default();
            for at in other.members.into_iter().chain(of_nobody.iter().copied()) {
                if let Some(version) = versions.get(at) {
                    group.admit(at, version);
                }
            }
            all.push((format!("{key}|patient {number}"), group));
        }
        all.push((key, self));
        all
    }

    fn fold(mut self, versions: &[Version], fates: &mut [Fate]) -> Series {
        self.members.sort_by(|a, b| order(versions, *a).cmp(&order(versions, *b)));
        for at in &self.unsafe_ones {
            set(fates, *at, Fate::NotShown);
        }
        let (mut closed, state) = self.state(versions, fates);
        closed.append(&mut self.kept_out);
        if matches!(state, State::Visible(_)) {
            for at in &self.unsafe_ones {
                set(fates, *at, parked(Conflict::NotSafe));
            }
        }
        Series { versions: self.members, closed, state }
    }

    /// What cancellations have closed, and what is to be seen.
    fn state(&self, versions: &[Version], fates: &mut [Fate]) -> (Vec<usize>, State) {
        let mut closed: Vec<usize> = Vec::new();
        let mut closed_by = None;
        let mut open: Vec<usize> = Vec::new();
        let mut running = Running::default();
        for (at, version) in self.members.iter().filter_map(|at| Some((*at, versions.get(*at)?))) {
            if version.change == Change::Cancelled {
                set(fates, at, Fate::Cancels);
                open.iter().for_each(|earlier| set(fates, *earlier, Fate::Withdrawn { by: at }));
                running = Running::default();
                if closed_by.is_none() || !open.is_empty() {
                    closed_by = Some(at);
                }
                closed.append(&mut open);
                closed.push(at);
            } else if closed_by.is_some() && open.is_empty() && !version.is_let_in(Conflict::AfterCancel) {
                set(fates, at, parked(Conflict::AfterCancel));
                closed.push(at);
            } else {
                open.push(at);
                running.next(at, version, fates);
            }
        }
        match closed_by {
            Some(by) if open.is_empty() => (closed, State::Withdrawn { by }),
            _ => (closed, running.end(versions, fates)),
        }
    }
}

/// By which versions stand behind each other: (GenDate, MsgId), and of one instant what is new before what changes it, and
/// what cancels behind all that it cancels.
fn order(versions: &[Version], at: usize) -> Option<(jiff::Timestamp, u8, &str)> {
    let rank = |change| match change {
        Change::New => 0,
        Change::Changed | Change::Added => 1,
        Change::Cancelled => 2,
    };
    versions.get(at).map(|v| (v.made(), rank(v.change), v.msg_id.as_str()))
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
