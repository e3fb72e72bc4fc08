//! Deliveries sent over HTTP: one `POST` each, with our ids in the headers.
//!
//! Which answer means what is a table below. Between "surely not there" and "perhaps there" decides whether
//! the body was begun: before that, no server can have the message, whatever broke.

use crate::answer;
use crate::durations;
use crate::secret::{self, Tokens};
use crate::tls;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use broker_core::journal::Delivery;
use dead_letter::Attempt;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// Settings of a destination that is reached over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Where to post. `http` or `https`, without user or password in it.
    pub url: String,
    /// File with a bearer token (its first line); read again when it changes.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Root certificates (PEM) to check the server against; this machine's if not set.
    #[serde(default)]
    pub roots_file: Option<PathBuf>,
    /// For the connection.
    #[serde(default = "Options::default_connect_timeout", with = "durations::required")]
    pub connect_timeout: Duration,
    /// From the start of the request to the head of the answer.
    #[serde(default = "Options::default_answer_timeout", with = "durations::required")]
    pub answer_timeout: Duration,
    /// How long an unused connection is kept open.
    #[serde(default = "Options::default_idle_timeout", with = "durations::required")]
    pub idle_timeout: Duration,
    /// The longest `Retry-After` that is obeyed.
    #[serde(default = "Options::default_longest_wait", with = "durations::required")]
    pub longest_wait: Duration,
}

impl Options {
    /// Defaults for this address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token_file: None,
            roots_file: None,
            connect_timeout: Self::default_connect_timeout(),
            answer_timeout: Self::default_answer_timeout(),
            idle_timeout: Self::default_idle_timeout(),
            longest_wait: Self::default_longest_wait(),
        }
    }

    const fn default_connect_timeout() -> Duration {
        Duration::from_secs(5)
    }

    const fn default_answer_timeout() -> Duration {
        Duration::from_secs(30)
    }

    const fn default_idle_timeout() -> Duration {
        Duration::from_secs(20)
    }

    const fn default_longest_wait() -> Duration {
        Duration::from_secs(3600)
    }

    /// Finds faults without connecting: the address, the token file, the root certificates.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), Error> {
        self.address()?;
        self.token_file.as_deref().map(Tokens::read).transpose()?;
        self.roots_file.as_deref().map(|path| tls::client(Some(path))).transpose()?;
        Ok(())
    }

    fn address(&self) -> Result<Uri, Error> {
        let address: Uri = self.url.parse().map_err(|_| Error::Address)?;
        let usable = matches!(address.scheme_str(), Some("http" | "https"))
            && address.authority().is_some_and(|a| !a.as_str().contains('@'));
        if usable { Ok(address) } else { Err(Error::Address) }
    }
}

/// Why a destination cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not an address to post to. It is not repeated here, as it may hold a password.
    #[error("the url must be http:// or https:// with a host, and no user or password in it")]
    Address,
    /// The token file.
    #[error(transparent)]
    Token(#[from] secret::Error),
    /// The root certificates.
    #[error(transparent)]
    Tls(#[from] tls::Error),
}

/// A destination that is reached over HTTP. Connections are kept and used again.
pub struct Destination {
    options: Options,
    address: Uri,
    tokens: Option<Tokens>,
    client: Client<HttpsConnector<HttpConnector>, Payload>,
}

impl Destination {
    /// Sets up; connects only when something is sent.
    ///
    /// # Errors
    /// If the settings are at fault.
    pub fn build(options: Options) -> Result<Self, Error> {
        let address = options.address()?;
        let tokens = options.token_file.as_deref().map(Tokens::read).transpose()?;
        let secure = address.scheme_str() == Some("https");
        if tokens.is_some() && !secure && !is_local(&address) {
            tracing::warn!(
                "A bearer token is sent over http to another machine: everybody between can read it."
            );
        }
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(options.connect_timeout));
        let tls = if secure { tls::client(options.roots_file.as_deref())? } else { tls::none()? };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(options.idle_timeout)
            .build(connector);
        Ok(Self { options, address, tokens, client })
    }

    fn request(&self, delivery: &Delivery, begun: Arc<AtomicBool>) -> Result<Request<Payload>, Attempt> {
        let refused = |_| Attempt::Refused { why: "the ids cannot stand in HTTP headers".into() };
        let value = |text: &str| HeaderValue::from_str(text).map_err(refused);
        let mut request =
            Request::new(Payload { bytes: Some(Bytes::from_owner(Arc::clone(&delivery.bytes))), begun });
        *request.method_mut() = axum::http::Method::POST;
        *request.uri_mut() = self.address.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(delivery.media_type()));
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("budstikke/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert("idempotency-key", value(&delivery.recipient.0.to_string())?);
        headers.insert("budstikke-message", value(&delivery.message.to_string())?);
        headers.insert("budstikke-receipt", HeaderValue::from_static(answer::of(delivery)));
        if let Some(document) = delivery.document {
            headers.insert("budstikke-document", value(&document.to_string())?);
        }
        if let Some(receiver) = delivery.receiver {
            headers.insert("budstikke-receiver", value(&receiver.to_string())?);
        }
        if let Some(family) = &delivery.family {
            headers.insert("budstikke-family", value(family)?);
        }
        if delivery.test {
            headers.insert("budstikke-test", HeaderValue::from_static("true"));
        }
        if let Some(tokens) = &self.tokens {
            tokens.refresh();
            let mut bearer = value(&format!("Bearer {}", tokens.first().unwrap_or_default()))?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        Ok(request)
    }
}

impl broker_core::ports::Destination for Destination {
    async fn send(&self, delivery: &Delivery) -> Attempt {
        let begun = Arc::new(AtomicBool::new(false));
        let request = match self.request(delivery, Arc::clone(&begun)) {
            Ok(request) => request,
            Err(refused) => return refused,
        };
        let why = match timeout(self.options.answer_timeout, self.client.request(request)).await {
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                drain(body).await;
                return judge(head.status, &head.headers, self.options.longest_wait);
            }
            Ok(Err(error)) if error.is_connect() => return retry("no connection"),
            Ok(Err(_)) => "the connection broke before an answer came",
            Err(_) => "no answer in time",
        };
        if begun.load(Ordering::SeqCst) { Attempt::Unsure { why: why.into() } } else { retry(why) }
    }
}

fn retry(why: &str) -> Attempt {
    Attempt::Retry { why: why.into(), after: None }
}

/// What an answer means. Its body is never looked at.
fn judge(status: StatusCode, headers: &HeaderMap, longest_wait: Duration) -> Attempt {
    let why = format!("answered {}", status.as_u16());
    match status.as_u16() {
        200..=299 => Attempt::HandedOver,
        409 => Attempt::AlreadyThere,
        408 | 429 | 500..=599 => {
            Attempt::Retry { why, after: retry_after(headers).map(|d| d.min(longest_wait)) }
        }
        300..=399 => Attempt::Refused { why: format!("{why}: redirects are not followed") },
        _ => Attempt::Refused { why },
    }
}

//= RFC 9110 §10.2.3
//# Retry-After = HTTP-date / delay-seconds
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    // A date is read against the date of the same answer, so that neither clock needs to be right.
    let at = |text: &str| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let sent: Timestamp = at(headers.get(header::DATE)?.to_str().ok()?.trim())?;
    Duration::try_from(at(text)?.duration_since(sent)).ok()
}

/// Reads a short answer to its end, so that the connection can be used again; a long one costs the connection.
async fn drain(mut body: Incoming) {
    const MOST: usize = 64 * 1024;
    let reading = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > MOST {
                break;
            }
        }
    };
    drop(timeout(Duration::from_secs(2), reading).await); // the answer's head has told already
}

fn is_local(address: &Uri) -> bool {
    let host = address.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The bytes of a delivery, which remember whether they were asked for.
struct Payload {
    bytes: Option<Bytes>,
    begun: Arc<AtomicBool>,
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.begun.store(true, Ordering::SeqCst);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |b| u64::try_from(b.len()).unwrap_or(0)))
    }
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("http::Destination").field("host", &self.address.host()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)]) -> Attempt {
        let headers =
            headers.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect();
        judge(StatusCode::from_u16(status).unwrap(), &headers, Duration::from_secs(3600))
    }

    #[test]
    fn every_answer_means_something() {
        assert_eq!(answer(200, &[]), Attempt::HandedOver);
        assert_eq!(answer(202, &[]), Attempt::HandedOver);
        assert_eq!(answer(409, &[]), Attempt::AlreadyThere);
        for status in [408, 429, 500, 502, 503, 507] {
            assert!(matches!(answer(status, &[]), Attempt::Retry { after: None, .. }), "{status}");
        }
        for status in [301, 307, 400, 401, 403, 404, 413, 422] {
            assert!(matches!(answer(status, &[]), Attempt::Refused { .. }), "{status}");
        }
    }

    #[test]
    fn a_wish_to_wait_is_heard_and_capped() {
        let wait = |headers: &[(&'static str, &'static str)]| match answer(503, headers) {
            Attempt::Retry { after, .. } => after.map(|d| d.as_secs()),
            other @ (Attempt::HandedOver
            | Attempt::AlreadyThere
            | Attempt::NothingToDo { .. }
            | Attempt::Refused { .. }
            | Attempt::ReceiverAway { .. }
            | Attempt::SetAside { .. }
            | Attempt::Unsure { .. }) => panic!("{other:?}"),
        };
        assert_eq!(wait(&[("retry-after", "7")]), Some(7));
        assert_eq!(wait(&[("retry-after", "99999999999")]), Some(3600));
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(wait(&[date, ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")]), Some(30));
        assert_eq!(wait(&[date, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")]), None);
        assert_eq!(wait(&[("retry-after", "soon")]), None);
    }

    #[test]
    fn addresses_that_cannot_be_posted_to_are_refused() {
        for url in ["", "ftp://example.org/", "example.org", "/v1", "https://user:secret@example.org/"] {
            assert!(matches!(Options::new(url).check(), Err(Error::Address)), "{url}");
        }
        assert!(Options::new("http://127.0.0.1:8080/in").check().is_ok());
    }
}
