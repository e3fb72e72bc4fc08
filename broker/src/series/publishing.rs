//! Publishing: a target is told what is visible of a series, whichever of its messages is being delivered.
//!
//! What the target shall show is made from all that the journal knows of the series at that moment, and from what the
//! target shows by the journal ([`sharing::series`]). So the order of arrival does not matter, and a delivery that finds
//! everything as it should be has nothing to do.
//!
//! **Invariant:** what goes out is written down before it goes, and again when its answer is there. An answer that was
//! lost, or a broker that died, leaves something begun; the next attempt finishes just that, with the same ids, before it
//! looks at what has arrived since. The journal hands out one message of a series at a time for each target.

use super::account::of_version;
use super::making::{self, NotMade};
use super::{Gathered, gather};
use crate::telemetry::alarm;
use adapters::publish::{Outcome, Publisher};
use arc_swap::ArcSwap;
use broker_core::World;
use broker_core::journal::Delivery;
use broker_core::ports::{Clock, Destination, Store, StoreError};
use broker_core::series::{Showing, ShownAt};
use dead_letter::{Attempt, Reason};
use message_schemas::document::SharedDocument;
use sharing::series::{
    Assembled, Change, Conflict, Entry, Fate, Folded, Formats, Habits, LinkKind, Made, Planned, Shown,
    Status, Step, Strand, Version, Wanted, assemble, expected, fold, plan, superseded_by,
};
use sharing::target::{Also, Environment, ReplaceScope, Withdraw};
use sharing::{
    Contents, Published, Refusal, Submission, Version as Kind, Withdrawal, submission, withdrawal,
};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;

/// What was begun is finished, and then there may be more to do; a plan that does not come to an end is a fault of ours.
const MOST_ROUNDS: usize = 4;
/// What others did meanwhile is seen, and told; whoever is overtaken so often comes again later.
const MOST_LOOKS: usize = 8;

/// A registry that can be told: [`Publisher`] over a network, and in tests one in memory.
pub trait Registry: Send + Sync + 'static {
    /// What is set for it.
    fn target(&self) -> &sharing::Target;
    /// Publishes.
    fn publish(&self, submission: &Submission) -> impl Future<Output = Outcome> + Send;
    /// Takes back.
    fn withdraw(&self, withdrawal: &Withdrawal) -> impl Future<Output = Outcome> + Send;
}

impl Registry for Publisher {
    fn target(&self) -> &sharing::Target {
        self.target()
    }

    async fn publish(&self, submission: &Submission) -> Outcome {
        self.publish(submission).await
    }

    async fn withdraw(&self, withdrawal: &Withdrawal) -> Outcome {
        self.withdraw(withdrawal).await
    }
}

/// A target, as a destination of deliveries.
pub struct Target<S, R> {
    /// Where versions are known, and what is shown is written down.
    pub store: Arc<S>,
    /// How documents are made.
    pub world: Arc<ArcSwap<World>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whom to tell.
    pub registry: R,
}

/// What is known of a series when a delivery looks.
struct View {
    /// The message brought a document, be it one that this target does not see.
    known: bool,
    here: Gathered,
    folded: Folded,
    /// What the target does not take: a document that is too large, or of another kind.
    passed_over: BTreeSet<Entry>,
}

/// Why a target was not told all.
#[derive(Debug)]
enum Stop {
    /// As an attempt ends.
    Attempt(Attempt),
    /// It is for a person.
    Aside(Reason, String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Attempt(Attempt::Retry { why: format!("the journal: {error}"), after: None })
    }
}

impl From<NotMade> for Stop {
    fn from(not: NotMade) -> Self {
        match not {
            NotMade::Journal(error) => error.into(),
            NotMade::Gone | NotMade::Fault(_) | NotMade::Unreadable | NotMade::Failed => {
                Self::Aside(Reason::NotPublishable, not.to_string())
            }
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Aside(Reason::NotPublishable, format!("{}: {refusal}", refusal.code()))
    }
}

impl<S: Store, R: Registry> Destination for Target<S, R> {
    async fn send(&self, delivery: &Delivery) -> Attempt {
        match self.tell(delivery).await {
            Ok(attempt) => attempt,
            Err(Stop::Attempt(attempt)) => attempt,
            Err(Stop::Aside(reason, why)) => Attempt::SetAside { reason, why },
        }
    }
}

impl<S: Store, R: Registry> Target<S, R> {
    async fn tell(&self, delivery: &Delivery) -> Result<Attempt, Stop> {
        let mut told = false;
        let mut view = self.view(delivery).await?;
        // Messages with several reports, and conversations that are misspelt, belong to several strands, and deliveries of
        // those may run at once. So whoever told something looks once more: the last to look sees what all have done.
        for _ in 0..MOST_LOOKS {
            let told_now = self.settle(delivery, &mut view).await?;
            told |= told_now;
            if !told_now {
                return Ok(self.attempt(delivery, &view, told));
            }
            view = View { passed_over: view.passed_over, ..self.view(delivery).await? };
        }
        let why = "other messages of the series come and go".to_owned();
        Err(Stop::Attempt(Attempt::Retry { why, after: None }))
    }

    /// What is known of the series, as far as this target sees it.
    async fn view(&self, delivery: &Delivery) -> Result<View, Stop> {
        let Gathered { mut versions, mut shown } =
            gather(&*self.store, BTreeSet::from([delivery.message])).await?;
        let known = versions.iter().any(|v| v.message == delivery.message);
        versions.retain(|v| v.is_seen_by(self.registry.target().environment));
        shown.retain(|s| s.target == delivery.destination);
        let folded = fold(&versions);
        Ok(View { known, here: Gathered { versions, shown }, folded, passed_over: BTreeSet::new() })
    }

    /// Tells the target until it shows what it should by this view. Returns whether there was anything to tell.
    async fn settle(&self, delivery: &Delivery, view: &mut View) -> Result<bool, Stop> {
        let mut series = Series {
            target: self,
            of: delivery,
            folded: &view.folded,
            versions: &view.here.versions,
            shown: std::mem::take(&mut view.here.shown),
            passed_over: std::mem::take(&mut view.passed_over),
            told: false,
        };
        series.settle().await?;
        view.here.shown = series.shown;
        view.passed_over = series.passed_over;
        Ok(series.told)
    }

    /// How the delivery ends, now that the target shows what it should.
    fn attempt(&self, delivery: &Delivery, view: &View, told: bool) -> Attempt {
        // Whatever this message is itself, the target shows what it should now.
        let versions = &view.here.versions;
        let own = versions.iter().zip(&view.folded.fates).filter(|(v, _)| v.message == delivery.message);
        let conflict = own.filter_map(|(_, fate)| match fate {
            Fate::Parked { conflict } => Some(*conflict),
            Fate::Visible
            | Fate::Superseded { .. }
            | Fate::Withdrawn { .. }
            | Fate::Cancels
            | Fate::Hidden
            | Fate::NotShown
            | Fate::Left
            | Fate::Repeat { .. } => None,
        });
        match conflict.min() {
            Some(conflict) => {
                Attempt::SetAside { reason: reason(conflict), why: conflict.words().to_owned() }
            }
            None if told => Attempt::HandedOver,
            None => nothing_to_tell(delivery, &view.here, &view.folded).unwrap_or_else(|| {
                let why = match (view.known, self.registry.target().environment) {
                    (false, _) => "no document of it is known",
                    (true, Environment::Production) => "it is a test, and the target is for the living",
                    (true, Environment::Test) => {
                        "it is neither a test nor of a synthetic patient, and the target is for tests"
                    }
                };
                Attempt::NothingToDo { why: why.to_owned() }
            }),
        }
    }

    fn formats(&self) -> Formats {
        let also = &self.registry.target().also;
        Formats {
            fhir: also.contains(&Also::Fhir),
            pdf: also.contains(&Also::Pdf),
            attachments: also.contains(&Also::Attachments),
        }
    }

    fn habits(&self) -> Habits {
        let target = self.registry.target();
        Habits {
            cascades: target.replace_scope == ReplaceScope::Original,
            deletes: target.withdraw == Withdraw::Delete,
        }
    }
}

/// Why a target was told nothing: all of the message is there, or nothing of it is to be seen. None if the target sees
/// nothing of the message.
fn nothing_to_tell(delivery: &Delivery, here: &Gathered, folded: &Folded) -> Option<Attempt> {
    let own = here.versions.iter().enumerate().filter(|(_, v)| v.message == delivery.message);
    let told: Vec<(bool, String)> =
        own.map(|(nth, version)| of_version(nth, version, folded, here, None)).collect();
    if told.iter().any(|(shown, _)| *shown) {
        return Some(Attempt::AlreadyThere);
    }
    let words: Vec<String> = told.into_iter().map(|(_, words)| words).collect();
    (!words.is_empty()).then(|| Attempt::NothingToDo { why: words.join("; ") })
}

/// Where a person reads what to do.
const fn reason(conflict: Conflict) -> Reason {
    match conflict {
        Conflict::OtherContent => Reason::ConflictingContent,
        Conflict::OtherPatient => Reason::SeriesOtherPatient,
        Conflict::NotItsOwner => Reason::SeriesNotItsOwner,
        Conflict::AfterCancel => Reason::SeriesClosed,
        Conflict::NotSafe => Reason::DocumentNotSafe,
        Conflict::Unlinked => Reason::SeriesUnlinked,
        Conflict::DatedAhead => Reason::DatedAhead,
    }
}

/// What one delivery has to do with its series.
struct Series<'d, S, R> {
    target: &'d Target<S, R>,
    of: &'d Delivery,
    folded: &'d Folded,
    versions: &'d [Version],
    shown: Vec<ShownAt>,
    /// As in [`View`].
    passed_over: BTreeSet<Entry>,
    /// Something stands otherwise than before.
    told: bool,
}

impl<S: Store, R: Registry> Series<'_, S, R> {
    /// Tells the target until it shows what it should.
    async fn settle(&mut self) -> Result<(), Stop> {
        for _ in 0..MOST_ROUNDS {
            let wanted = Wanted::of(self.folded, self.versions, self.target.formats());
            let wanted = wanted.without(&self.passed_over);
            let shown: Vec<Shown> = self.shown.iter().map(|s| s.shown.clone()).collect();
            let steps = plan(&wanted, &shown, self.target.habits());
            if steps.is_empty() {
                return Ok(());
            }
            for step in steps {
                match step {
                    Step::Submit { submission, entries, again, .. } => {
                        self.submit(submission, &entries, again).await?;
                    }
                    Step::Withdraw { entries, gone } => {
                        self.withdraw(&entries).await?;
                        self.record(self.standing(&gone, Status::Withdrawn)).await?;
                    }
                }
            }
        }
        Err(Stop::Aside(Reason::InternalFault, "the plan does not come to an end".to_owned()))
    }

    async fn submit(&mut self, number: u64, planned: &[Planned], again: bool) -> Result<(), Stop> {
        let mut made = Vec::new();
        let different: BTreeSet<&Vec<String>> = planned.iter().map(|p| &p.entry.of).collect();
        let now = self.target.clock.now();
        for of in different {
            let document = self.make(of).await?;
            let contents = Contents {
                document: &document.document,
                original: &document.original,
                fhir_xml: document.renderings.fhir_xml.as_deref(),
                pdf: document.renderings.pdf.as_deref(),
            };
            let submission = submission(&contents, Kind::Whole, &[], self.target.registry.target(), now)?;
            made.push(Made { of: of.clone(), submission });
        }
        let shown: Vec<Shown> = self.shown.iter().map(|s| s.shown.clone()).collect();
        let assembled = assemble(planned, made, &shown, number);
        let taken: BTreeSet<&Entry> = assembled.iter().flat_map(|a| &a.entries).map(|p| &p.entry).collect();
        let (_, left_out): (Vec<&Planned>, Vec<&Planned>) =
            planned.iter().partition(|p| taken.contains(&p.entry));
        if again && !left_out.is_empty() {
            let why = "what was begun cannot be finished: the target does not take it any more".to_owned();
            return Err(Stop::Aside(Reason::NotPublishable, why));
        }
        self.leave_out(number, &left_out).await?;
        let Some(Assembled { submission, entries }) = assembled else { return Ok(()) };
        // What a document that is left out would have replaced is not replaced.
        let supersedes = superseded_by(&entries, &shown, self.target.habits());

        if !again {
            // By the ids that it is sent under, so that it can be taken back if no answer ever comes.
            let sent = submission.published(|_| None).into_iter();
            let unproven = sent.map(|p| Published { sha1: String::new(), size: 0, ..p });
            let sending = entries.iter().zip(unproven).map(|(p, sent)| Shown {
                entry: p.entry.clone(),
                status: Status::Sending,
                links: p.links.clone(),
                submission: number,
                published: Some(sent),
            });
            self.record(sending).await?;
        }
        match self.target.registry.publish(&submission).await {
            Outcome::Done(published) => {
                let mut by_id: BTreeMap<_, Published> = published.into_iter().map(|p| (p.entry, p)).collect();
                let approved: Vec<Shown> = entries
                    .iter()
                    .zip(&submission.entries)
                    .map(|(p, sent)| Shown {
                        entry: p.entry.clone(),
                        status: Status::Approved,
                        links: p.links.clone(),
                        submission: number,
                        published: by_id.remove(&sent.entry),
                    })
                    .collect();
                let superseded = self.standing(&supersedes, Status::Superseded);
                self.record(approved.into_iter().chain(superseded)).await
            }
            Outcome::Refused(trouble) => {
                let refused: Vec<Entry> = entries.into_iter().map(|p| p.entry).collect();
                let refused = self.standing(&refused, Status::Refused).into_iter();
                self.record(refused.map(|shown| Shown { published: None, ..shown })).await?;
                Err(Stop::Attempt(Attempt::Refused { why: trouble.to_string() }))
            }
            // It asked us to come again: what it took before, if anything, it knows then.
            Outcome::Again { trouble, after: after @ Some(_) } => {
                Err(Stop::Attempt(Attempt::Retry { why: trouble.to_string(), after }))
            }
            // Whether it is there, only the next attempt will tell.
            Outcome::Again { trouble, after: None } => {
                Err(Stop::Attempt(Attempt::Unsure { why: trouble.to_string() }))
            }
        }
    }

    /// The target does not take these: said of each, and alarmed where readers lose what stood there before it.
    async fn leave_out(&mut self, number: u64, left_out: &[&Planned]) -> Result<(), Stop> {
        for planned in left_out {
            if planned.links.iter().any(|link| link.kind == LinkKind::Replaces) {
                let (message, target) = (self.of.message.short(), &self.of.destination);
                let format = planned.entry.format;
                alarm(
                    Reason::FormNotTaken,
                    format_args!(
                        "The {format} of message {message} is not taken by {target}; the one before it goes there \
                         without a successor."
                    ),
                );
            }
            self.passed_over.insert(planned.entry.clone());
        }
        let refused = left_out.iter().map(|p| Shown {
            entry: p.entry.clone(),
            status: Status::Refused,
            links: p.links.clone(),
            submission: number,
            published: None,
        });
        let known = |new: &Shown| {
            self.shown.iter().any(|s| s.shown.entry == new.entry && s.shown.status == Status::Refused)
        };
        let news: Vec<Shown> = refused.filter(|shown| !known(shown)).collect();
        self.record(news).await
    }

    async fn withdraw(&mut self, entries: &[Entry]) -> Result<(), Stop> {
        let published: Vec<Published> = self
            .shown
            .iter()
            .filter(|s| entries.contains(&s.shown.entry))
            .map(|s| self.published_of(&s.shown))
            .collect();
        self.record(self.standing(entries, Status::Withdrawing)).await?;
        if !published.is_empty() {
            let document = self.withdrawing(entries).await?;
            let target = self.target.registry.target();
            let withdrawal = withdrawal(&document, &published, target, self.target.clock.now())?;
            match self.target.registry.withdraw(&withdrawal).await {
                Outcome::Done(_) => {}
                Outcome::Refused(trouble) => {
                    return Err(Stop::Attempt(Attempt::Refused { why: trouble.to_string() }));
                }
                Outcome::Again { trouble, after } => {
                    return Err(Stop::Attempt(Attempt::Retry { why: trouble.to_string(), after }));
                }
            }
        }
        self.record(self.standing(entries, Status::Withdrawn)).await
    }

    async fn make(&self, of: &[String]) -> Result<making::Made, NotMade> {
        let world = self.target.world.load_full();
        let also = &self.target.registry.target().also;
        making::make(&*self.target.store, &world, self.versions, of, also).await
    }

    /// The document of the message for which entries go: the cancellation, else the newest of those that take their place.
    async fn withdrawing(&self, entries: &[Entry]) -> Result<SharedDocument, NotMade> {
        let ids: BTreeSet<&String> = entries.iter().filter_map(|e| e.of.last()).collect();
        let holds = |at: &usize| self.versions.get(*at).is_some_and(|v| ids.contains(&v.msg_id));
        let members = |s: &sharing::series::Series| -> Vec<usize> {
            s.closed.iter().filter(|at| !s.versions.contains(at)).chain(&s.versions).copied().collect()
        };
        let all = self.folded.series.values().map(members).find(|all| all.iter().any(holds));
        let all: Vec<&Version> = all.iter().flatten().filter_map(|at| self.versions.get(*at)).collect();
        let cancels = all.iter().find(|v| v.change == Change::Cancelled).or(all.last());
        let of = cancels.map(|v| v.msg_id.clone()).ok_or(NotMade::Gone)?;
        let mut document = self.make(&[of]).await?.document;
        let names_a_patient =
            |document: &SharedDocument| document.described.patient.as_ref().is_some_and(|p| p.id.is_some());
        // A cancellation need not say whose documents it cancels; targets want to know.
        for version in all.iter().rev().filter(|v| v.patient.is_some()) {
            if names_a_patient(&document) {
                break;
            }
            if let Ok(other) = self.make(std::slice::from_ref(&version.msg_id)).await {
                document.described.patient = other.document.described.patient;
            }
        }
        Ok(document)
    }

    /// As it is known at the target: as it answered, or as it was sent if its answer was lost.
    fn published_of(&self, shown: &Shown) -> Published {
        shown.published.clone().unwrap_or_else(|| expected(&shown.entry, self.target.registry.target()))
    }

    /// How these stand from now on.
    fn standing(&self, entries: &[Entry], status: Status) -> Vec<Shown> {
        let of = self.shown.iter().filter(|s| entries.contains(&s.shown.entry));
        of.map(|s| Shown { status, ..s.shown.clone() }).collect()
    }

    /// Writes down how entries stand, before anything rests on it.
    async fn record(&mut self, entries: impl IntoIterator<Item = Shown>) -> Result<(), Stop> {
        let entries: Vec<ShownAt> = entries
            .into_iter()
            .map(|shown| ShownAt {
                target: self.of.destination.clone(),
                strand: self.strand_of(&shown.entry),
                shown,
            })
            .collect();
        if entries.is_empty() {
            return Ok(());
        }
        let showing =
            Showing { message: self.of.message, entries: entries.clone(), at: self.target.clock.now() };
        self.target.store.show(showing).await?;
        self.told = true;
        for entry in entries {
            self.shown.retain(|s| s.shown.entry != entry.shown.entry);
            self.shown.push(entry);
        }
        Ok(())
    }

    fn strand_of(&self, entry: &Entry) -> Strand {
        let newest = entry.of.last();
        let version = self.versions.iter().find(|v| Some(&v.msg_id) == newest);
        let known = || self.shown.iter().find(|s| s.shown.entry == *entry).map(|s| s.strand);
        version.map(Version::strand).or_else(known).unwrap_or(Strand(entry.id()))
    }
}
