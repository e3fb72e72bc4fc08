//! MHD: transactions, deletions, and entries looked at, over FHIR.

use super::{
    Answered, Ask, Error, Line, Options, Outcome, Trouble, address, again, fixed, other_content, rejected,
    sha1_hex, trouble_of,
};
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use hyper::body::Bytes;
use sharing::answers::{self, Answer, Differences, Found, NotAsPublished};
use sharing::metadata::Id;
use sharing::mhd::{MEDIA_TYPE, bundle, deprecation, search_form};
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
            Answer::Taken(locations) => {
                Outcome::Done(submission.published(|entry| locations.get(&entry).cloned()))
            }
            Answer::Duplicate(_) => self.is_it_ours(submission).await,
            Answer::Rejected(problems) => rejected(&problems),
            Answer::Unclear(why) => again(NO_ANSWER, why.to_owned(), None),
        }
    }

    /// Something of this submission is there: all of it, with the same bytes?
    async fn is_it_ours(&self, submission: &Submission) -> Outcome {
        let found = match self.search(&submission.common.patient.id).await {
            Ok(found) => found,
            Err(outcome) => return outcome,
        };
        for entry in &submission.entries {
            match found.get(&entry.entry).map(|found| found.sha1.as_deref()) {
                Some(Some(hash)) if hash == entry.hash_hex() => {}
                Some(_) => return other_content("an entry of this id has another hash"),
                None => return other_content("an id is taken, and not by an entry of this patient in use"),
            }
        }
        Outcome::Done(submission.published(|entry| found.get(&entry)?.location.clone()))
    }

    /// The patient's entries that are in use. The id stands in the body.
    async fn search(&self, patient: &Id) -> Result<BTreeMap<Uuid, Found>, Outcome> {
        let uri = address(&self.options.url, "DocumentReference/_search").map_err(|_| unusable())?;
        let form = search_form(patient).into_bytes();
        let ask = self.ask(Method::POST, uri, "application/x-www-form-urlencoded", form);
        let answered = self.line.send(&ask).await?;
        if answered.status != 200 {
            return Err(again(NO_ANSWER, format!("a search was answered with {}", answered.status), None));
        }
        let found = answers::found(&answered.body)
            .ok_or_else(|| again(NO_ANSWER, "a search was not answered with entries".to_owned(), None))?;
        Ok(found.into_iter().filter_map(|f| Some((f.entry?, f))).collect())
    }

    pub(super) async fn withdraw(&self, withdrawal: &Withdrawal) -> Outcome {
        let (entries, delete) = match withdrawal {
            Withdrawal::Delete(entries) => (entries, true),
            Withdrawal::Supersede(entries) => (entries, false),
            Withdrawal::Deprecate { entries, .. } => (entries, false),
            Withdrawal::Tombstone(_) => return unusable(),
        };
        for entry in entries {
            let path = self.path(entry);
            let Ok(uri) = address(&self.options.url, &path) else { return unusable() };
            let ask = if delete {
                self.ask(Method::DELETE, uri, MEDIA_TYPE, Vec::new())
            } else {
                let Ok(patch) = deprecation() else { return unusable() };
                self.ask(Method::PATCH, uri, MEDIA_TYPE, patch)
            };
            match self.line.send(&ask).await {
                Ok(Answered { status: 200..=299, .. }) => {}
                // Gone already: by this very request, whose answer was lost, or by somebody else.
                Ok(Answered { status: 404 | 410, .. }) if delete => {}
                Ok(Answered { status: 500..=599, .. }) => {
                    return again(NO_ANSWER, "it could not withdraw for now".to_owned(), None);
                }
                Ok(answered) => {
                    let why = format!("a withdrawal was answered with {}", answered.status);
                    return Outcome::Refused(Trouble { code: REJECTED, why });
                }
                Err(outcome) => return outcome,
            }
        }
        Outcome::Done(entries.clone())
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
        ask.headers.retain(|(name, _)| *name != header::ACCEPT);
        ask.headers.push((header::ACCEPT, HeaderValue::from_static("*/*")));
        let answered = self.line.send(&ask).await.map_err(trouble_of)?;
        if answered.status == 200 {
            Ok(answered.body.to_vec())
        } else {
            Err(cannot(&format!("a document was answered with {}", answered.status)))
        }
    }

    /// Where an entry is: as the target said, else by its id.
    fn path(&self, entry: &Published) -> String {
        match &entry.location {
            Some(location) if !self.national => location.clone(),
            Some(_) | None => format!("DocumentReference/{}", entry.entry),
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
        Ask { method, uri, headers, body: Bytes::from(body) }
    }
}

fn unusable() -> Outcome {
    Outcome::Refused(Trouble { code: REJECTED, why: "the target cannot be asked for this".to_owned() })
}
