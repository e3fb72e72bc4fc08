//! MHD: transactions, deletions, and entries looked at, over FHIR.

use super::{
    Answered, Ask, Error, Line, Options, Outcome, Trouble, address, again, fixed, most_fetched, most_found,
    other_content, rejected, sha1_hex, trouble_of,
};
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use hyper::body::Bytes;
use sharing::answers::{self, Answer, Differences, Found, NotAsPublished};
use sharing::metadata::{Id, as_oid};
use sharing::mhd::{MEDIA_TYPE, bundle, deprecation, identifier_form, search_form};
use sharing::refusal::{NO_ANSWER, REJECTED};
use sharing::{Kind, Published, Submission, Target, Withdrawal};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A store.
#[derive(Debug)]
pub(super) struct Mhd {
    line: Line,
    options: Options,
    submit: Uri,
    national: bool,
}

impl Mhd {
    pub(super) fn build(target: &Target, options: Options) -> Result<Self, Error> {
        let submit = address(&options.url, &options.submit_path)?;
        let line = Line::build(&options)?;
        Ok(Self { line, submit, national: target.kind == Kind::MhdNational, options })
    }

    pub(super) async fn publish(&self, target: &Target, submission: &Submission) -> Outcome {
        let Ok(body) = bundle(submission, target.kind) else {
            return Outcome::Refused(Trouble { code: REJECTED, why: "it cannot be written".to_owned() });
        };
        let ask = self.ask(Method::POST, self.submit.clone(), MEDIA_TYPE, body);
        let answered = match self.line.send(&ask).await {
            Ok(answered) => answered,
            Err(outcome) => return outcome,
        };
        if answered.status >= 500 {
            return again(NO_ANSWER, format!("answered {}", answered.status), None);
        }
        match answers::transaction(submission, answered.status, &answered.body) {
            Answer::Taken(locations) => Outcome::Done(self.located(submission, &locations).await),
            Answer::Duplicate(_) => self.is_it_ours(submission).await,
            Answer::Rejected(problems) => rejected(&problems),
            Answer::Unclear(why) => again(NO_ANSWER, why.to_owned(), None),
        }
    }

    /// What was published, with where it is. A store that does not say so is asked; if it does not answer now, it is asked
    /// again when that is needed.
    async fn located(&self, submission: &Submission, told: &BTreeMap<Uuid, String>) -> Vec<Published> {
        let mut published = submission.published(|entry| told.get(&entry).cloned());
        if !self.national
            && published.iter().any(|entry| entry.location.is_none())
            && let Ok(found) = self.found(search_form(&submission.common.patient.id)).await
        {
            for entry in published.iter_mut().filter(|entry| entry.location.is_none()) {
                entry.location = found.iter().find(|f| is_of(f, entry)).and_then(|f| f.location.clone());
            }
        }
        published
    }

    /// Something of this submission is there: all of it, with the same bytes?
    async fn is_it_ours(&self, submission: &Submission) -> Outcome {
        let found = match self.search(&submission.common.patient.id).await {
            Ok(found) => found,
            Err(outcome) => return outcome,
        };
        for entry in &submission.entries {
            match found.get(&entry.entry) {
                Some(found) if found.approved && found.sha1.as_deref() == Some(&entry.hash_hex()) => {}
                Some(_) => return other_content("an entry of this id has another hash, or is out of use"),
                None => return other_content("an id is taken, and not by an entry of this patient in use"),
            }
        }
        Outcome::Done(submission.published(|entry| found.get(&entry)?.location.clone()))
    }

    /// The patient's entries that are in use.
    async fn search(&self, patient: &Id) -> Result<BTreeMap<Uuid, Found>, Outcome> {
        let found = self.found(search_form(patient)).await?;
        Ok(found.into_iter().filter_map(|f| Some((f.entry?, f))).collect())
    }

    /// What a search for the ids of an entry finds. The ids alone say enough, and more would hide an entry whose patient the
    /// store has merged into another since; but some stores refuse to search without a patient.
    async fn found_by_ids(&self, entry: &Published, patient: Option<&Id>) -> Result<Vec<Found>, Outcome> {
        let ids = identifier_form(std::slice::from_ref(entry), None);
        match (self.searched(ids).await?, patient) {
            (Answered { status: 400..=499, .. }, Some(patient)) => {
                self.found(identifier_form(std::slice::from_ref(entry), Some(patient))).await
            }
            (answered, _) => entries_of(&answered),
        }
    }

    /// What a search finds.
    async fn found(&self, form: String) -> Result<Vec<Found>, Outcome> {
        entries_of(&self.searched(form).await?)
    }

    /// What a search is answered with. Ids stand in the body.
    async fn searched(&self, form: String) -> Result<Answered, Outcome> {
        let uri = address(&self.options.url, "DocumentReference/_search").map_err(|_| unusable())?;
        let mut ask = self.ask(Method::POST, uri, "application/x-www-form-urlencoded", form.into_bytes());
        ask.most = most_found(&self.options);
        // A store that passes over what it does not know would answer another question.
        ask.headers.extend(fixed("prefer", "handling=strict"));
        self.line.send(&ask).await
    }

    pub(super) async fn withdraw(&self, withdrawal: &Withdrawal) -> Outcome {
        let (entries, patient, delete) = match withdrawal {
            Withdrawal::Delete { entries, patient } => (entries, patient.as_ref(), true),
            Withdrawal::Supersede { entries, patient } => (entries, patient.as_ref(), false),
            Withdrawal::Deprecate { .. } | Withdrawal::Tombstone(_) => return unusable(),
        };
        for entry in entries {
            if let Err(outcome) = self.withdraw_one(entry, patient, delete).await {
                return outcome;
            }
        }
        Outcome::Done(entries.clone())
    }

    async fn withdraw_one(
        &self,
        entry: &Published,
        patient: Option<&Id>,
        delete: bool,
    ) -> Result<(), Outcome> {
        let told = match &entry.location {
            // The national store keeps each entry under our id.
            Some(_) | None if self.national => Some(format!("DocumentReference/{}", entry.entry)),
            location => location.clone(),
        };
        if let Some(path) = told {
            match self.change(&path, delete).await? {
                200..=299 => return Ok(()),
                // Gone already: by this very request, whose answer was lost, or by somebody else.
                404 | 410 if delete && self.national => return Ok(()),
                404 | 410 if !self.national => {}
                status => return Err(refused_with(status)),
            }
        }
        // It is not where it was, or that was never told: it is gone only if the store does not find it either.
        let found = self.found_by_ids(entry, patient).await?;
        for found in found.iter().filter(|f| is_of(f, entry) && (delete || f.approved)) {
            let Some(path) = &found.location else {
                return Err(again(NO_ANSWER, "an entry is there, and it is not said where".to_owned(), None));
            };
            match self.change(path, delete).await? {
                200..=299 => {}
                404 | 410 => {
                    let why = "an entry is found by a search, and not where it is said to be".to_owned();
                    return Err(again(NO_ANSWER, why, None));
                }
                status => return Err(refused_with(status)),
            }
        }
        Ok(())
    }

    /// Asks for the deletion of an entry, or for it to be set out of use. Returns what was answered.
    async fn change(&self, path: &str, delete: bool) -> Result<u16, Outcome> {
        let uri = address(&self.options.url, path).map_err(|_| unusable())?;
        let ask = if delete {
            self.ask(Method::DELETE, uri, MEDIA_TYPE, Vec::new())
        } else {
            self.ask(Method::PATCH, uri, MEDIA_TYPE, deprecation().map_err(|_| unusable())?)
        };
        match self.line.send(&ask).await? {
            Answered { status: 500..=599, .. } => {
                Err(again(NO_ANSWER, "it could not withdraw for now".to_owned(), None))
            }
            Answered { status, .. } => Ok(status),
        }
    }

    pub(super) async fn check(
        &self,
        target: &Target,
        published: &[Published],
        patient: &Id,
    ) -> Result<Differences, Trouble> {
        let found = self.search(patient).await.map_err(trouble_of)?;
        let mut differences = Vec::new();
        for entry in published {
            let problem = match found.get(&entry.entry) {
                None => Some(NotAsPublished::Missing),
                Some(found) if !found.approved => Some(NotAsPublished::NotApproved),
                Some(found) => {
                    let bytes = self.document(target, entry, found).await?;
                    (sha1_hex::of(&bytes) != entry.sha1).then_some(NotAsPublished::OtherBytes)
                }
            };
            differences.extend(problem.map(|problem| (entry.format, problem)));
        }
        Ok(differences)
    }

    /// Fetches the bytes of a document (ITI-68).
    async fn document(&self, target: &Target, entry: &Published, found: &Found) -> Result<Vec<u8>, Trouble> {
        let cannot = |why: &str| Trouble { code: NO_ANSWER, why: why.to_owned() };
        let uri = match &self.options.document_path {
            Some(path) => {
                let query = format!(
                    "{path}?homeCommunityId={}&repositoryUniqueId={}&documentUniqueId={}",
                    target.home_community,
                    target.repository.as_deref().unwrap_or(&target.home_community),
                    entry.document
                );
                address(&self.options.url, &query)
            }
            None => {
                let url = found
                    .url
                    .as_deref()
                    .ok_or_else(|| cannot("an entry does not say where its bytes are"))?;
                if url.contains("://") { address(url, "") } else { address(&self.options.url, url) }
            }
        };
        let uri = uri.map_err(|_| cannot("the address of a document cannot be used"))?;
        // A token of ours goes to no other host, whatever an entry says.
        if uri.authority() != self.submit.authority() || uri.scheme() != self.submit.scheme() {
            return Err(cannot("an entry keeps its bytes on another host"));
        }
        let mut ask = self.ask(Method::GET, uri, MEDIA_TYPE, Vec::new());
        ask.most = most_fetched(&self.options, std::slice::from_ref(entry));
        ask.headers.retain(|(name, _)| *name != header::ACCEPT);
        ask.headers.push((header::ACCEPT, HeaderValue::from_static("*/*")));
        let answered = self.line.send(&ask).await.map_err(trouble_of)?;
        if answered.status == 200 {
            Ok(answered.body.to_vec())
        } else {
            Err(cannot(&format!("a document was answered with {}", answered.status)))
        }
    }

    fn ask(&self, method: Method, uri: Uri, media_type: &'static str, body: Vec<u8>) -> Ask {
        let mut headers: Vec<(HeaderName, HeaderValue)> = vec![
            (header::ACCEPT, HeaderValue::from_static(MEDIA_TYPE)),
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        ];
        if self.national {
            headers.extend(self.options.source_system.as_deref().and_then(|s| fixed("nhn-source-system", s)));
            headers.extend(fixed("nhn-event-id", &Uuid::now_v7().to_string()));
        }
        Ask { method, uri, headers, body: Bytes::from(body), most: self.options.answer_bytes }
    }
}

/// The entries that the answer to a search holds.
fn entries_of(answered: &Answered) -> Result<Vec<Found>, Outcome> {
    if answered.status != 200 {
        return Err(again(NO_ANSWER, format!("a search was answered with {}", answered.status), None));
    }
    answers::found(&answered.body)
        .ok_or_else(|| again(NO_ANSWER, "a search was not answered with entries".to_owned(), None))
}

/// Whether an entry at the target is this one. A store may give it another id, and must not give the document one.
fn is_of(found: &Found, entry: &Published) -> bool {
    found.entry == Some(entry.entry)
        || found.document == format!("urn:uuid:{}", entry.document)
        || found.document == format!("urn:oid:{}", as_oid(entry.document))
}

fn refused_with(status: u16) -> Outcome {
    let why = format!("a withdrawal was answered with {status}");
    Outcome::Refused(Trouble { code: REJECTED, why })
}

fn unusable() -> Outcome {
    Outcome::Refused(Trouble { code: REJECTED, why: "the target cannot be asked for this".to_owned() })
}
