//! What went wrong, as a problem document.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use std::time::Duration;

/// A failure as told to a client.
//= RFC 9457 §3.1
//# This specification defines the following problem details members: type, status, title, detail, instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status, also of the answer itself.
    pub status: StatusCode,
    /// What kind of problem: for programs. Never renamed.
    pub code: &'static str,
    /// The same for people; one text per code.
    pub title: &'static str,
    /// What happened this time, and what can be done; never what the client sent.
    pub detail: String,
    /// When it makes sense to come back.
    pub retry_after: Option<Duration>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, code, title, detail: detail.into(), retry_after: None }
    }

    pub(super) const fn after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", "There is nothing under this address.")
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Method not allowed",
            "This address does not take this method.",
        )
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "A bearer token is needed",
            "The request carries no token, or not a valid one.",
        )
    }

    /// No room in the budget, or intake is behind.
    pub(super) fn busy() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "Too much is in flight",
            "Other messages are being taken in. Nothing was kept of this one; send it again.",
        )
        .after(Duration::from_secs(1))
    }

    pub(super) fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The journal is not available",
            "The message was not taken in. Send it again, with the same Idempotency-Key.",
        )
        .after(Duration::from_secs(5))
    }

    pub(super) fn store_full() -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "store_full",
            "The journal has no room left",
            "The message was not taken in. Somebody must make room; send it again later.",
        )
        .after(Duration::from_secs(60))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let document = Document {
            kind: format!("urn:budstikke:problem:{}", self.code),
            title: self.title,
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
        };
        let json = serde_json::to_vec(&document).expect("plain data can be written as JSON");
        let mut response = Response::new(Body::from(json));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(pause) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs().max(1)));
        }
        response
    }
}
