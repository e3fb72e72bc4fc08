//! Documents published: to MHD stores and XDS repositories, and taken back.
//!
//! What is submitted was decided before ([`sharing`]); here it is sent, and what the target answers becomes one of three
//! things: it is there, it is refused, or it must be sent again. A submission has the same ids however often it is sent,
//! so a target that has taken it already says that it is a duplicate; what stands there is then looked at, and the same
//! bytes count as taken.
//!
//! **Invariants.** No national id stands in an address or a log. A target's words are not repeated: its codes are. Every
//! request ends in time, every answer is read up to a limit, and nothing that an answer names is called on another host.

mod mhd;
mod sha1_hex;
pub mod token;
mod xds;

use crate::http::caller::{Answered, Caller, NoAnswer};
use crate::{secret, tls};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use hyper::body::Bytes;
use sharing::answers::{Differences, Problems};
use sharing::metadata::Id;
use sharing::refusal::{NO_ANSWER, NO_TOKEN, NOT_AS_PUBLISHED, OTHER_CONTENT, REJECTED};
use sharing::{Kind, Published, Submission, Target, Withdrawal};
use std::path::PathBuf;
use std::time::Duration;
use token::{TokenFault, TokenOptions, TokenSource};

/// Where a target is, and what it wants beside documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The address: of the FHIR base (MHD), of the repository (XDS).
    pub url: String,
    /// Where a transaction is posted, below `url` (MHD); `Bundle` at the national store, nothing in MHD proper.
    pub submit_path: String,
    /// Where documents are fetched, below `url` (MHD); none: at the address that an entry names.
    pub document_path: Option<String>,
    /// The registry's address for queries, updates and deletions (XDS); none: no checking back, and no such withdrawal.
    pub registry_url: Option<String>,
    /// For one answer.
    pub timeout: Duration,
    /// The largest answer to a submission or a withdrawal that is read, in bytes. What was searched for may be sixteen
    /// times as large, and a document that is fetched by so much larger than what was sent.
    pub answer_bytes: usize,
    /// Root certificates (PEM) to check the server against; this machine's if not set.
    pub roots_file: Option<PathBuf>,
    /// How a token is had.
    pub token: Option<TokenOptions>,
    /// The header `nhn-source-system` (the national store).
    pub source_system: Option<String>,
    /// A file with the `wsse:Security` element of each request (XDS), kept fresh by others.
    pub security_file: Option<PathBuf>,
}

impl Options {
    /// Defaults for a target of this kind at this address.
    #[must_use]
    pub fn new(kind: Kind, url: impl Into<String>) -> Self {
        let national = kind == Kind::MhdNational;
        Self {
            url: url.into(),
            submit_path: if national { "Bundle".to_owned() } else { String::new() },
            document_path: None,
            registry_url: None,
            timeout: Duration::from_secs(60),
            answer_bytes: 1_000_000,
            roots_file: None,
            token: None,
            source_system: None,
            security_file: None,
        }
    }
}

/// Why a target cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is none.
    #[error("an address must be http:// or https:// with a host, and no user or password in it")]
    Address,
    /// A file of secrets.
    #[error(transparent)]
    Secret(#[from] secret::Error),
    /// Root certificates.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The key for tokens.
    #[error(transparent)]
    Token(#[from] TokenFault),
}

/// What became of a submission or a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is there, or gone: for sure.
    Done(Vec<Published>),
    /// It will not be, as it is.
    Refused(Trouble),
    /// Send the same again: it was not taken, or nobody knows.
    Again {
        /// Why.
        trouble: Trouble,
        /// Not before so long, if the target said so.
        after: Option<Duration>,
    },
}

/// A code with a page in `dead-letter/reasons/`, and what is behind it; nothing of a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The code.
    pub code: &'static str,
    /// In words.
    pub why: String,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.why)
    }
}

/// One target.
#[derive(Debug)]
pub struct Publisher {
    target: Target,
    speaks: Speaks,
}

#[derive(Debug)]
enum Speaks {
    Mhd(mhd::Mhd),
    Xds(xds::Xds),
}

impl Publisher {
    /// Sets up; connects only when something is sent.
    ///
    /// # Errors
    /// If the settings are at fault.
    pub fn build(target: Target, options: Options) -> Result<Self, Error> {
        let speaks = match target.kind {
            Kind::Mhd | Kind::MhdNational => Speaks::Mhd(mhd::Mhd::build(&target, options)?),
            Kind::Xds => Speaks::Xds(xds::Xds::build(options)?),
        };
        Ok(Self { target, speaks })
    }

    /// What is set for it.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Sends a submission. What it makes obsolete is withdrawn after it was taken; dropped before it ends, it may or may
    /// not have been taken, and is sent again.
    pub async fn publish(&self, submission: &Submission) -> Outcome {
        let outcome = match &self.speaks {
            Speaks::Mhd(mhd) => mhd.publish(&self.target, submission).await,
            Speaks::Xds(xds) => xds.publish(&self.target, submission).await,
        };
        if matches!(outcome, Outcome::Done(_))
            && let Some(clearing) = sharing::clearing(submission, &self.target)
        {
            let gone = Box::pin(self.withdraw(&clearing)).await;
            if !matches!(gone, Outcome::Done(_)) {
                return gone;
            }
        }
        outcome
    }

    /// Takes back what was published. What is gone already counts as taken back.
    pub async fn withdraw(&self, withdrawal: &Withdrawal) -> Outcome {
        match withdrawal {
            Withdrawal::Tombstone(submission) => Box::pin(self.publish(submission)).await,
            Withdrawal::Delete { .. } | Withdrawal::Supersede { .. } | Withdrawal::Deprecate { .. } => {
                match &self.speaks {
                    Speaks::Mhd(mhd) => mhd.withdraw(withdrawal).await,
                    Speaks::Xds(xds) => xds.withdraw(&self.target, withdrawal).await,
                }
            }
        }
    }

    /// Asks the target for what it has taken: is it there, in use, and the same bytes?
    ///
    /// # Errors
    /// If it cannot be asked, or does not answer.
    pub async fn check(&self, published: &[Published], patient: &Id) -> Result<Differences, Trouble> {
        match &self.speaks {
            Speaks::Mhd(mhd) => mhd.check(&self.target, published, patient).await,
            Speaks::Xds(xds) => xds.check(&self.target, published).await,
        }
    }
}

/// The trouble that differences are.
#[must_use]
pub fn not_as_published(differences: &Differences) -> Option<Trouble> {
    let (format, what) = differences.first()?;
    Some(Trouble {
        code: NOT_AS_PUBLISHED,
        why: format!("{}: {what}", sharing::published::format::name(*format)),
    })
}

/// Sends requests to one host, with a token.
struct Line {
    caller: Caller,
    token: Option<TokenSource>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

/// A request before it has a token.
struct Ask {
    method: Method,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    /// The largest answer that is read.
    most: usize,
}

impl Line {
    fn build(options: &Options) -> Result<Self, Error> {
        let caller = Caller::build(options.timeout, options.roots_file.as_deref())?;
        let token = options.token.clone().map(|o| TokenSource::build(o, caller.clone())).transpose()?;
        Ok(Self { caller, token })
    }

    /// Sends it. A token that is not taken, or a nonce that is wanted, is renewed once.
    async fn send(&self, ask: &Ask) -> Result<Answered, Outcome> {
        let mut first = true;
        loop {
            let mut request = Request::new(Full::new(ask.body.clone()));
            *request.method_mut() = ask.method.clone();
            *request.uri_mut() = ask.uri.clone();
            let headers = request.headers_mut();
            let agent = concat!("budstikke/", env!("CARGO_PKG_VERSION"));
            headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
            headers.extend(ask.headers.iter().cloned());
            if let Some(token) = &self.token {
                let shown = token.headers(&ask.method, &ask.uri).await;
                headers.extend(shown.map_err(|fault| again(NO_TOKEN, fault.to_string(), None))?);
            }
            let answered = self.caller.exchange(request, ask.most).await.map_err(|why| unanswered(&why))?;
            match (&self.token, answered.status) {
                (Some(token), 401) if first => token.refused(&answered.headers).await,
                (_, 401 | 403) => {
                    return Err(again(NO_TOKEN, format!("answered {}", answered.status), None));
                }
                // A redirect leads to a proxy or a page for logging in; nothing is followed.
                (_, 300..=399 | 408 | 429 | 502..=504) => {
                    return Err(again(
                        NO_ANSWER,
                        format!("answered {}", answered.status),
                        later(&answered.headers),
                    ));
                }
                _ => return Ok(answered),
            }
            first = false;
        }
    }
}

fn unanswered(why: &NoAnswer) -> Outcome {
    again(NO_ANSWER, why.to_string(), None)
}

fn again(code: &'static str, why: String, after: Option<Duration>) -> Outcome {
    Outcome::Again { trouble: Trouble { code, why }, after }
}

fn rejected(problems: &Problems) -> Outcome {
    Outcome::Refused(Trouble { code: REJECTED, why: problems.to_string() })
}

fn other_content(why: &str) -> Outcome {
    Outcome::Refused(Trouble { code: OTHER_CONTENT, why: why.to_owned() })
}

/// Why an outcome that is none of a question means that it could not be asked.
fn trouble_of(outcome: Outcome) -> Trouble {
    match outcome {
        Outcome::Refused(trouble) | Outcome::Again { trouble, .. } => trouble,
        Outcome::Done(_) => Trouble { code: NO_ANSWER, why: "it was not asked".to_owned() },
    }
}

/// The largest answer to a search.
fn most_found(options: &Options) -> usize {
    options.answer_bytes.saturating_mul(16)
}

/// The largest answer that holds these documents, perhaps in base64.
fn most_fetched(options: &Options, entries: &[Published]) -> usize {
    let sent = entries.iter().fold(0u64, |sum, entry| sum.saturating_add(entry.size));
    let written = usize::try_from(sent.saturating_mul(3) / 2).unwrap_or(usize::MAX);
    written.saturating_add(options.answer_bytes)
}

fn later(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(Duration::from_secs(3600)))
}

/// An address without user or password; `path` is added to it.
fn address(url: &str, path: &str) -> Result<Uri, Error> {
    let joined = if path.is_empty() {
        url.to_owned()
    } else {
        format!("{}/{}", url.trim_end_matches('/'), path.trim_start_matches('/'))
    };
    let uri: Uri = joined.parse().map_err(|_| Error::Address)?;
    let usable = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|a: &Authority| !a.as_str().contains('@'));
    if usable { Ok(uri) } else { Err(Error::Address) }
}

/// A header that is set for every request.
fn fixed(name: &'static str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
}
