//! XDS.b: submissions to a repository; queries, updates and deletions at a registry.

use super::{
    Ask, Error, Line, Options, Outcome, Trouble, address, again, other_content, rejected, sha1_hex,
    trouble_of,
};
use crate::secret;
use axum::http::{HeaderValue, Method, Uri, header};
use hyper::body::Bytes;
use sharing::answers::{self, Answer, Differences, Found, NotAsPublished};
use sharing::metadata::as_oid;
use sharing::refusal::{NO_ANSWER, NO_TOKEN, REJECTED};
use sharing::target::UniqueIds;
use sharing::xds::{self, Call, Wire};
use sharing::{Published, Submission, Target, Withdrawal};
use std::collections::BTreeMap;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A repository and its registry.
#[derive(Debug)]
pub(super) struct Xds {
    line: Line,
    options: Options,
    repository: Uri,
    registry: Option<Uri>,
}

impl Xds {
    pub(super) fn build(options: Options) -> Result<Self, Error> {
        let repository = address(&options.url, "")?;
        let registry = options.registry_url.as_deref().map(|url| address(url, "")).transpose()?;
        let line = Line::build(&options)?;
        Ok(Self { line, repository, registry, options })
    }

    pub(super) async fn publish(&self, target: &Target, submission: &Submission) -> Outcome {
        let answer = self.call(&self.repository, |call| xds::provide(submission, call)).await;
        match answer.map(|answered| answers::registry_response(&answered.body, &answered.content_type)) {
            Ok(Answer::Taken(_)) => Outcome::Done(submission.published(|_| None)),
            Ok(Answer::Duplicate(problems)) => {
                self.is_it_ours(target, submission, &problems.to_string()).await
            }
            Ok(Answer::Rejected(problems)) => rejected(&problems),
            Ok(Answer::Unclear(why)) => again(NO_ANSWER, why.to_owned(), None),
            Err(outcome) => outcome,
        }
    }

    async fn is_it_ours(&self, target: &Target, submission: &Submission, codes: &str) -> Outcome {
        let published = submission.published(|_| None);
        let found = match self.find(target, &published).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                return other_content(&format!("{codes}; there is no registry_url to ask what stands there"));
            }
            Err(outcome) => return outcome,
        };
        for entry in &published {
            match found.get(&unique_id(target, entry)) {
                Some(found) if found.approved && found.sha1.as_deref() == Some(entry.sha1.as_str()) => {}
                Some(_) => return other_content("a document of this id has another hash, or is out of use"),
                None => return other_content("an id is taken, and the registry does not tell by what"),
            }
        }
        Outcome::Done(published)
    }

    /// The entries of these documents, by the documents' ids; none if there is no registry to ask.
    async fn find(
        &self,
        target: &Target,
        published: &[Published],
    ) -> Result<Option<BTreeMap<String, Found>>, Outcome> {
        let Some(registry) = &self.registry else { return Ok(None) };
        let answered = self.call(registry, |call| xds::find(published, target, call)).await?;
        match answers::listed(&answered.body, &answered.content_type) {
            Ok(found) => Ok(Some(found.into_iter().map(|f| (f.document.clone(), f)).collect())),
            Err(Answer::Rejected(problems) | Answer::Duplicate(problems)) => {
                Err(again(NO_ANSWER, format!("a query was refused: {problems}"), None))
            }
            Err(Answer::Unclear(why)) => Err(again(NO_ANSWER, why.to_owned(), None)),
            Err(Answer::Taken(_)) => Err(again(NO_ANSWER, "a query was not answered".to_owned(), None)),
        }
    }

    pub(super) async fn withdraw(&self, target: &Target, withdrawal: &Withdrawal) -> Outcome {
        let Some(registry) = &self.registry else {
            let why = "without registry_url, only a tombstone can be submitted".to_owned();
            return Outcome::Refused(Trouble { code: REJECTED, why });
        };
        let entries = match withdrawal {
            Withdrawal::Delete(entries) => entries,
            Withdrawal::Deprecate { entries, .. } => entries,
            Withdrawal::Supersede(_) | Withdrawal::Tombstone(_) => {
                return Outcome::Refused(Trouble { code: REJECTED, why: "not a way of XDS".to_owned() });
            }
        };
        // What is out of use or gone already is not asked for again: a registry refuses that.
        let found = match self.find(target, entries).await {
            Ok(found) => found.unwrap_or_default(),
            Err(outcome) => return outcome,
        };
        let there = |approved: bool| -> Vec<Published> {
            let here = entries
                .iter()
                .filter(|e| found.get(&unique_id(target, e)).is_some_and(|f| f.approved || !approved));
            here.cloned().collect()
        };
        let wires: Vec<(&Uri, Make)> = match withdrawal {
            Withdrawal::Deprecate { set, .. } => {
                let left = there(true);
                if left.is_empty() {
                    return Outcome::Done(entries.clone());
                }
                let set = set.clone();
                vec![(registry, Box::new(move |call: &Call<'_>| xds::deprecate(&set, &left, call)))]
            }
            Withdrawal::Delete(_) | Withdrawal::Supersede(_) | Withdrawal::Tombstone(_) => {
                let left = there(false);
                if left.is_empty() {
                    return Outcome::Done(entries.clone());
                }
                let (style, target, documents) = (target.unique_ids, target.clone(), left.clone());
                vec![
                    (registry, Box::new(move |call: &Call<'_>| xds::remove(&left, style, call))),
                    (
                        &self.repository,
                        Box::new(move |call: &Call<'_>| xds::remove_documents(&documents, &target, call)),
                    ),
                ]
            }
        };
        for (uri, wire) in wires {
            let answer = self.call(uri, wire).await;
            match answer.map(|answered| answers::registry_response(&answered.body, &answered.content_type)) {
                Ok(Answer::Taken(_)) => {}
                Ok(Answer::Duplicate(problems) | Answer::Rejected(problems)) => return rejected(&problems),
                Ok(Answer::Unclear(why)) => return again(NO_ANSWER, why.to_owned(), None),
                Err(outcome) => return outcome,
            }
        }
        Outcome::Done(entries.clone())
    }

    pub(super) async fn check(
        &self,
        target: &Target,
        published: &[Published],
    ) -> Result<Differences, Trouble> {
        let found = self
            .find(target, published)
            .await
            .map_err(trouble_of)?
            .ok_or_else(|| Trouble { code: NO_ANSWER, why: "there is no registry_url to ask".to_owned() })?;
        let answered = self
            .call(&self.repository, |call| xds::retrieve(published, target, call))
            .await
            .map_err(trouble_of)?;
        let documents = match answers::documents(&answered.body, &answered.content_type) {
            Ok(documents) => documents,
            Err(Answer::Unclear(why)) => {
                return Err(Trouble { code: NO_ANSWER, why: why.to_owned() });
            }
            // It does not have some of them: so none is told.
            Err(Answer::Taken(_) | Answer::Duplicate(_) | Answer::Rejected(_)) => BTreeMap::new(),
        };
        let mut differences = Vec::new();
        for entry in published {
            let id = unique_id(target, entry);
            let problem = match (found.get(&id), documents.get(&id)) {
                (None, _) | (Some(_), None) => Some(NotAsPublished::Missing),
                (Some(found), _) if !found.approved => Some(NotAsPublished::NotApproved),
                (Some(_), Some(bytes)) => {
                    (sha1_hex::of(bytes) != entry.sha1).then_some(NotAsPublished::OtherBytes)
                }
            };
            differences.extend(problem.map(|problem| (entry.format, problem)));
        }
        Ok(differences)
    }

    async fn call(&self, uri: &Uri, wire: impl Fn(&Call<'_>) -> Wire) -> Result<Soap, Outcome> {
        let security = self.security().map_err(|error| again(NO_TOKEN, error.to_string(), None))?;
        let to = uri.to_string();
        let call =
            Call { to: &to, message_id: Uuid::now_v7(), security: security.as_deref().map(String::as_str) };
        let wire = wire(&call);
        let content_type = HeaderValue::from_str(&wire.content_type)
            .map_err(|_| again(NO_ANSWER, "it cannot be sent".to_owned(), None))?;
        let ask = Ask {
            method: Method::POST,
            uri: uri.clone(),
            headers: vec![(header::CONTENT_TYPE, content_type)],
            body: Bytes::from(wire.body),
        };
        let answered = self.line.send(&ask).await?;
        let content_type = answered.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        // A SOAP fault comes with 400 or 500, and says more than those.
        match (answered.status, content_type) {
            (200 | 400 | 500, Some(content_type)) if content_type.contains("xml") => {
                Ok(Soap { content_type: content_type.to_owned(), body: answered.body })
            }
            (status, _) => Err(again(NO_ANSWER, format!("answered {status}, and no SOAP"), None)),
        }
    }

    /// The assertion of who asks, read anew for each request: others renew it.
    fn security(&self) -> Result<Option<Zeroizing<String>>, secret::Error> {
        self.options.security_file.as_deref().map(secret::whole).transpose()
    }
}

/// Makes a request for a call.
type Make = Box<dyn Fn(&Call<'_>) -> Wire + Send + Sync>;

struct Soap {
    content_type: String,
    body: std::sync::Arc<[u8]>,
}

fn unique_id(target: &Target, entry: &Published) -> String {
    match target.unique_ids {
        UniqueIds::Uuid => entry.document.to_string(),
        UniqueIds::Oid => as_oid(entry.document),
    }
}
