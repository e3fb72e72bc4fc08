//! A running broker over HTTP: hands it messages, asks what became of them.

use super::prepare::Prepared;
use super::summary::Outcome;
use crate::exit::{Failure, chain};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Answers are small; whatever is larger is none.
const LARGEST_ANSWER: usize = 10_000_000;

/// For one answer to a load.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker. Clones share their connections.
#[derive(Clone)]
pub(super) struct Http {
    to: String,
    token: Option<String>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// Why there is no good answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// It says no.
    #[error("{status}: {said}")]
    Refused {
        /// How.
        status: StatusCode,
        /// In words.
        said: String,
    },
    /// Nobody listens there, so it has heard nothing.
    #[error("no answer: nobody listens there ({0})")]
    NobodyThere(String),
    /// It says nothing.
    #[error("no answer: {0}")]
    Lost(String),
}

impl Http {
    /// Reads the token; connects only when something is sent.
    pub(super) fn build(to: &str, token_file: Option<&Path>) -> Result<Self, Failure> {
        let to = to.trim_end_matches('/').to_owned();
        if !to.starts_with("http://") {
            return Err(Failure::Usage("the address must begin with http://".to_owned()));
        }
        let token =
            token_file.map(|file| fs::read_to_string(file).map_err(Failure::file(file))).transpose()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { to, token: token.map(|token| token.trim().to_owned()), client })
    }

    /// Where it is.
    pub(super) fn address(&self) -> &str {
        &self.to
    }

    /// Hands a message over; what the broker says of it.
    pub(super) async fn post(&self, key: &str, body: Bytes) -> Result<Value, NoAnswer> {
        self.call(Method::POST, "/v1/messages", Some(key), body).await
    }

    /// Hands one of many over.
    pub(super) async fn send(&self, message: &Prepared) -> Outcome {
        let posted = self.post(message.id.as_str(), message.bytes.clone());
        match tokio::time::timeout(PATIENCE, posted).await {
            Ok(Ok(taken)) if is_good(&taken) => Outcome::Acknowledged,
            Ok(Ok(taken)) => Outcome::Refused(word(&taken, "verdict").to_owned()),
            Ok(Err(NoAnswer::Refused { status, .. })) => Outcome::Refused(status.as_str().to_owned()),
            Ok(Err(NoAnswer::NobodyThere(_) | NoAnswer::Lost(_))) => Outcome::Lost("no answer".to_owned()),
            Err(_) => Outcome::Lost("no answer in time".to_owned()),
        }
    }

    /// What the broker knows under an id.
    pub(super) async fn state(&self, id: &str) -> Result<Value, NoAnswer> {
        self.call(Method::GET, &format!("/v1/messages/{id}"), None, Bytes::new()).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Bytes,
    ) -> Result<Value, NoAnswer> {
        let lost = |what: String| NoAnswer::Lost(what);
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.to))
            .header("content-type", "application/xml");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| lost(format!("the address, key or token cannot be used: {error}")))?;
        let answer = self.client.request(request).await.map_err(|error| {
            let why = chain(&error);
            if error.is_connect() { NoAnswer::NobodyThere(why) } else { lost(why) }
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER);
        let body = body.collect().await.map_err(|error| lost(format!("it broke off: {error}")))?.to_bytes();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let said = value.get("detail").or_else(|| value.get("title")).and_then(Value::as_str);
        Err(NoAnswer::Refused { status, said: said.unwrap_or_default().to_owned() })
    }
}

/// A field of an answer.
pub(super) fn word<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// It was taken in, and not for the sake of being refused.
pub(super) fn is_good(answer: &Value) -> bool {
    !matches!(word(answer, "verdict"), "refused" | "parked" | "silent")
}

pub(super) fn recipients(answer: &Value) -> &[Value] {
    answer.get("recipients").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn settled(recipient: &Value) -> bool {
    !matches!(word(recipient, "state"), "waiting" | "sending" | "unsure")
}

pub(super) fn arrived(recipient: &Value) -> bool {
    matches!(word(recipient, "state"), "handed_over" | "receipted")
}

/// One line for a recipient: what is not known of it is left out.
pub(super) fn told(recipient: &Value) -> String {
    let known = |name: &str| recipient.get(name).filter(|value| !value.is_null());
    let of = |name: &str| known(name).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    let receiver = of("receiver").map_or_else(|| "no receiver".to_owned(), |r| format!("receiver {r}"));
    let destination = of("destination").map_or_else(String::new, |d| format!(" at {d}"));
    let reason = of("reason").map_or_else(String::new, |r| format!(" ({r})"));
    format!("{receiver}{destination}: {}{reason}", word(recipient, "state"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_of_a_recipient_is_left_out() {
        let parked =
            serde_json::json!({"receiver": null, "destination": null, "state": "parked", "reason": "P38"});
        assert_eq!(told(&parked), "no receiver: parked (P38)");
        let there = serde_json::json!({"receiver": 202, "destination": "folder:gp", "state": "receipted"});
        assert_eq!(told(&there), "receiver 202 at folder:gp: receipted");
    }
}
