//! Questions to services that are not destinations of deliveries: revocation, registries, document stores. Nothing is
//! followed, nothing is kept, and the answer has a bound in time and size.

use crate::tls;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Asks over HTTP. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Caller {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    /// No connection, or it broke.
    #[error("no connection, or it broke off")]
    Unreachable,
    /// Not in time.
    #[error("no answer in time")]
    TimedOut,
    /// Anything but 200: a redirect too, since it would lead to an address that nobody allowed.
    #[error("answered {0}")]
    Status(u16),
    /// Too many questions, or not now: it says when to come again (429 or 503 with `Retry-After`).
    #[error("answered {status}, and asks to come again in {} s", .after.as_secs())]
    Later {
        /// What it answered.
        status: u16,
        /// When to come again.
        after: Duration,
    },
    /// Larger than the bound.
    #[error("the answer is too large")]
    TooLarge,
}

/// What to ask.
pub(crate) struct Call<'a> {
    pub(crate) uri: Uri,
    /// Media type and bytes to post; none to get.
    pub(crate) post: Option<(&'static str, &'a [u8])>,
    /// The media type that is wanted.
    pub(crate) accept: &'static str,
    /// A bearer token.
    pub(crate) token: Option<&'a str>,
    /// The largest answer that is read.
    pub(crate) most_bytes: usize,
}

impl Caller {
    /// Sets up; connects only when something is asked.
    pub(crate) fn build(patience: Duration, roots_file: Option<&Path>) -> Result<Self, tls::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(patience.min(Duration::from_secs(10))));
        // A machine without root certificates can still ask over plain HTTP, as most revocation services are.
        let tls = match tls::client(roots_file) {
            Err(tls::Error::NoRoots) if roots_file.is_none() => tls::none()?,
            other => other?,
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(2)
            .build(connector);
        Ok(Self { client, timeout: patience })
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn call(&self, call: Call<'_>) -> Result<Arc<[u8]>, NoAnswer> {
        let most = call.most_bytes;
        let exchange = async { read(self.ask(call).await?, most).await };
        timeout(self.timeout, exchange).await.unwrap_or(Err(NoAnswer::TimedOut))
    }

    /// Asks for an answer that is read piece by piece; the bound in size is the reader's to keep. Each piece must come in
    /// time, however many they are.
    pub(crate) async fn open(&self, call: Call<'_>) -> Result<Pieces, NoAnswer> {
        let body = timeout(self.timeout, self.ask(call)).await.unwrap_or(Err(NoAnswer::TimedOut))?;
        Ok(Pieces { body, timeout: self.timeout })
    }

    /// Sends a request of any kind, and reads the whole answer, whatever its status.
    pub(crate) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        most: usize,
    ) -> Result<Answered, NoAnswer> {
        let exchange = async {
            let response = self.client.request(request).await.map_err(|_| NoAnswer::Unreachable)?;
            let (head, body) = response.into_parts();
            let body = read(body, most).await?;
            Ok(Answered { status: head.status.as_u16(), headers: head.headers, body })
        };
        timeout(self.timeout, exchange).await.unwrap_or(Err(NoAnswer::TimedOut))
    }

    async fn ask(&self, call: Call<'_>) -> Result<Incoming, NoAnswer> {
        let request = request(call).ok_or(NoAnswer::Unreachable)?;
        let response = self.client.request(request).await.map_err(|_| NoAnswer::Unreachable)?;
        let (head, body) = response.into_parts();
        match head.status {
            StatusCode::OK => Ok(body),
            refused => Err(refusal(refused, &head.headers)),
        }
    }
}

/// An answer of any status.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Arc<[u8]>,
}

/// An answer that is read piece by piece.
pub(crate) struct Pieces {
    body: Incoming,
    timeout: Duration,
}

impl Pieces {
    /// The next piece; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, NoAnswer> {
        loop {
            let frame = timeout(self.timeout, self.body.frame()).await.map_err(|_| NoAnswer::TimedOut)?;
            let Some(frame) = frame else { return Ok(None) };
            if let Ok(piece) = frame.map_err(|_| NoAnswer::Unreachable)?.into_data() {
                return Ok(Some(piece));
            }
        }
    }
}

/// What a status means. A `Retry-After` that is a date is not read: whoever sends one is asked again as usual.
fn refusal(status: StatusCode, headers: &HeaderMap) -> NoAnswer {
    let after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match (status, after) {
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(seconds)) => {
            NoAnswer::Later { status: status.as_u16(), after: Duration::from_secs(seconds) }
        }
        (status, _) => NoAnswer::Status(status.as_u16()),
    }
}

fn request(call: Call<'_>) -> Option<Request<Full<Bytes>>> {
    let (method, body) = match call.post {
        Some((_, bytes)) => (Method::POST, Bytes::copy_from_slice(bytes)),
        None => (Method::GET, Bytes::new()),
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = call.uri;
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static(call.accept));
    let agent = concat!("budstikke/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
    if let Some((media_type, _)) = call.post {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    if let Some(token) = call.token {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
    Some(request)
}

async fn read(mut body: Incoming, most: usize) -> Result<Arc<[u8]>, NoAnswer> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| NoAnswer::Unreachable)?.into_data() else { continue };
        if bytes.len() + piece.len() > most {
            return Err(NoAnswer::TooLarge);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Caller")
    }
}
