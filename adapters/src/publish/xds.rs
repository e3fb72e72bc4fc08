//! XDS.b: submissions to a repository; queries, updates and deletions at a registry.

use super::{
    Ask, Error, Line, Options, Outcome, Trouble, address, again, most_fetched, most_found, other_content,
    rejected, sha1_hex, trouble_of,
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
        let answer = self
            .call(&self.repository, self.options.answer_bytes, |call| xds::provide(submission, call))
            .await;
        match answer.map(|answered| {
            answers::registry_response(answered.status, &answered.body, &answered.content_type)
        }) {
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
        let answered =
            self.call(registry, most_found(&self.options), |call| xds::find(published, target, call)).await?;
        match answers::listed(answered.status, &answered.body, &answered.content_type) {
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
            Withdrawal::Delete { entries, .. } | Withdrawal::Deprecate { entries, .. } => entries,
            Withdrawal::Supersede { .. } | Withdrawal::Tombstone(_) => {
                return Outcome::Refused(Trouble { code: REJECTED, why: "not a way of XDS".to_owned() });
            }
        };
        // What is out of use or gone already is not asked for again: a registry refuses that.
        let found = match self.find(target, entries).await {
            Ok(found) => found.unwrap_or_default(),
            Err(outcome) => return outcome,
        };
        let (listed, missing): (Vec<_>, Vec<_>) =
            entries.iter().cloned().partition(|e| found.contains_key(&unique_id(target, e)));
        // What nobody knows to have been taken may be missing; the bytes of what was taken are known.
        let missing: Vec<Published> = missing.into_iter().filter(|e| !e.sha1.is_empty()).collect();
        if let Withdrawal::Deprecate { set, .. } = withdrawal {
            let in_use = |e: &Published| found.get(&unique_id(target, e)).is_some_and(|f| f.approved);
            let left: Vec<Published> = listed.into_iter().filter(in_use).collect();
            if !left.is_empty()
                && let Err(outcome) = self.settled(registry, |call| xds::deprecate(set, &left, call)).await
            {
                return outcome;
            }
            // What is out of use is still listed: nothing of it may be missing.
            if !missing.is_empty() {
                return unlisted();
            }
            return Outcome::Done(entries.clone());
        }
        if !listed.is_empty() {
            let removed = self.settled(registry, |call| xds::remove(&listed, target.unique_ids, call)).await;
            if let Err(outcome) = removed {
                return outcome;
            }
            let removed =
                self.settled(&self.repository, |call| xds::remove_documents(&listed, target, call)).await;
            if let Err(outcome) = removed {
                return outcome;
            }
        }
        // That a query does not find it is no proof. One by one, so that each is answered for.
        for entry in missing {
            if let Err(outcome) = self.remove_unlisted(registry, target, entry).await {
                return outcome;
            }
        }
        Outcome::Done(entries.clone())
    }

    /// Asks for the deletion of what a query did not find: gone if the registry deletes it, or says that there is no such
    /// entry.
    async fn remove_unlisted(
        &self,
        registry: &Uri,
        target: &Target,
        entry: Published,
    ) -> Result<(), Outcome> {
        let one = [entry];
        let most = self.options.answer_bytes;
        let answered = self.call(registry, most, |call| xds::remove(&one, target.unique_ids, call)).await?;
        match answers::registry_response(answered.status, &answered.body, &answered.content_type) {
            Answer::Taken(_) => {
                self.settled(&self.repository, |call| xds::remove_documents(&one, target, call)).await
            }
            Answer::Rejected(problems) if problems.codes == ["UnresolvedReferenceException"] => Ok(()),
            Answer::Rejected(_) | Answer::Duplicate(_) => Err(unlisted()),
            Answer::Unclear(why) => Err(again(NO_ANSWER, why.to_owned(), None)),
        }
    }

    /// Sends an update or a deletion, which must succeed.
    async fn settled(&self, uri: &Uri, wire: impl Fn(&Call<'_>) -> Wire) -> Result<(), Outcome> {
        let answered = self.call(uri, self.options.answer_bytes, wire).await?;
        match answers::registry_response(answered.status, &answered.body, &answered.content_type) {
            Answer::Taken(_) => Ok(()),
            Answer::Duplicate(problems) | Answer::Rejected(problems) => Err(rejected(&problems)),
            Answer::Unclear(why) => Err(again(NO_ANSWER, why.to_owned(), None)),
        }
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
            .call(&self.repository, most_fetched(&self.options, published), |call| {
                xds::retrieve(published, target, call)
            })
            .await
            .map_err(trouble_of)?;
        let documents = match answers::documents(answered.status, &answered.body, &answered.content_type) {
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

    async fn call(&self, uri: &Uri, most: usize, wire: impl Fn(&Call<'_>) -> Wire) -> Result<Soap, Outcome> {
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
            most,
        };
        let answered = self.line.send(&ask).await?;
        let content_type = answered.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        // A SOAP fault comes with 400 or 500, and says more than those.
        match (answered.status, content_type) {
            (200 | 400 | 500, Some(content_type)) if content_type.contains("xml") => Ok(Soap {
                status: answered.status,
                content_type: content_type.to_owned(),
                body: answered.body,
            }),
            (status, _) => Err(again(NO_ANSWER, format!("answered {status}, and no SOAP"), None)),
        }
    }

    /// The assertion of who asks, read anew for each request: others renew it.
    fn security(&self) -> Result<Option<Zeroizing<String>>, secret::Error> {
        self.options.security_file.as_deref().map(secret::whole).transpose()
    }
}

/// It took something that it does not find any longer: nobody knows whether it shows it.
fn unlisted() -> Outcome {
    let why = "the registry does not find what it had taken, so it is not known to be withdrawn".to_owned();
    Outcome::Refused(Trouble { code: REJECTED, why })
}

struct Soap {
    status: u16,
    content_type: String,
    body: std::sync::Arc<[u8]>,
}

fn unique_id(target: &Target, entry: &Published) -> String {
    match target.unique_ids {
        UniqueIds::Uuid => entry.document.to_string(),
        UniqueIds::Oid => as_oid(entry.document),
    }
}
