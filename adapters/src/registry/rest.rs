//! The address registry's certificates over HTTP, in its JSON form: one document for the certificate that a party signs
//! with, one for the one that it is sealed for (registries of the sector; `certificateValue` is base64 of DER).

use crate::http::caller::{Call, Caller, NoAnswer};
use crate::secret::{self, Tokens};
use crate::tls;
use axum::http::Uri;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use broker_core::ports::{NotListed, Registry};
use jiff::SignedDuration;
use message_schemas::HerId;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use trust::Certificate;

/// Where the registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Address of the certificate that a party signs with; `{her_id}` stands for the HER-id.
    pub signing_url: String,
    /// Address of the certificate that a party is sealed for.
    pub sealing_url: String,
    /// File with a bearer token; read again when it changes.
    pub token_file: Option<PathBuf>,
    /// For one answer.
    pub timeout: Duration,
}

impl Options {
    /// Finds faults without connecting.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), Error> {
        for template in [&self.signing_url, &self.sealing_url] {
            address(template, HerId(1)).ok_or(Error::Address)?;
        }
        self.token_file.as_deref().map(Tokens::read).transpose()?;
        Ok(())
    }
}

/// Why a registry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address is none.
    #[error(
        "the address must be http:// or https:// with a host and {{her_id}} in it, and no user or password"
    )]
    Address,
    /// The token file.
    #[error(transparent)]
    Token(#[from] secret::Error),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

/// A registry on the net.
pub struct Rest {
    options: Options,
    tokens: Option<Tokens>,
    caller: Caller,
}

/// One certificate as the registry tells it. What else it says of it stands in the certificate itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    certificate_value: Option<String>,
}

/// An answer is a few kilobytes.
const MOST_BYTES: usize = 200_000;

impl Rest {
    /// Sets up; connects only when something is asked.
    ///
    /// # Errors
    /// If the settings are at fault.
    pub fn build(options: Options) -> Result<Self, Error> {
        options.check()?;
        let tokens = options.token_file.as_deref().map(Tokens::read).transpose()?;
        let caller = Caller::build(options.timeout, None)?;
        Ok(Self { options, tokens, caller })
    }

    /// One document; none if the registry has no such.
    async fn document(&self, template: &str, her_id: HerId) -> Result<Option<Arc<Certificate>>, NotListed> {
        let unavailable = |why: String| NotListed::Unavailable(why);
        let uri = address(template, her_id).ok_or_else(|| unavailable("the address is none".to_owned()))?;
        if let Some(tokens) = &self.tokens {
            tokens.refresh();
        }
        let token = self.tokens.as_ref().and_then(Tokens::first);
        let call = Call {
            uri,
            post: None,
            accept: "application/json",
            token: token.as_deref(),
            most_bytes: MOST_BYTES,
        };
        match self.caller.call(call).await {
            Ok(body) => certificate(&body).map(Some).map_err(unavailable),
            Err(NoAnswer::Status(404)) => Ok(None),
            Err(why) => Err(not_listed(why)),
        }
    }
}

impl Registry for Rest {
    async fn certificates(&self, her_id: HerId) -> Result<Vec<Arc<Certificate>>, NotListed> {
        let (signing, sealing) = tokio::join!(
            self.document(&self.options.signing_url, her_id),
            self.document(&self.options.sealing_url, her_id)
        );
        let mut found: Vec<_> = [signing?, sealing?].into_iter().flatten().collect();
        // One certificate may serve both.
        found.dedup_by_key(|c| c.thumbprint);
        if found.is_empty() { Err(NotListed::UnknownParty) } else { Ok(found) }
    }
}

/// Why there is no answer, for whoever asked.
pub(super) fn not_listed(why: NoAnswer) -> NotListed {
    match why {
        NoAnswer::Later { after, .. } => {
            NotListed::Later(SignedDuration::try_from(after).unwrap_or(SignedDuration::ZERO))
        }
        NoAnswer::Unreachable | NoAnswer::TimedOut | NoAnswer::Status(_) | NoAnswer::TooLarge => {
            NotListed::Unavailable(why.to_string())
        }
    }
}

pub(super) fn address(template: &str, her_id: HerId) -> Option<Uri> {
    if !template.contains("{her_id}") {
        return None;
    }
    usable(template.replace("{her_id}", &her_id.to_string()).parse().ok()?)
}

/// An address on the web, without a user or password in it.
pub(super) fn usable(uri: Uri) -> Option<Uri> {
    let usable = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|a| !a.as_str().contains('@') && !a.host().is_empty());
    usable.then_some(uri)
}

/// A certificate that is named and not there is a fault of the registry, not the absence of one.
fn certificate(body: &[u8]) -> Result<Arc<Certificate>, String> {
    let document: Document = serde_json::from_slice(body)
        .map_err(|_| "the answer is not the document that was asked for".to_owned())?;
    let value = document.certificate_value.filter(|value| !value.trim().is_empty());
    let value = value.ok_or_else(|| "it names a certificate and gives none".to_owned())?;
    let der = STANDARD.decode(value.trim()).map_err(|_| "the certificate is no base64".to_owned())?;
    Certificate::from_der(&der).map_err(|fault| fault.message)
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("registry::Rest")
    }
}
