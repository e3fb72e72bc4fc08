//! What is answered to each request.

use super::body::{self, Patience};
use super::messages::{View, document_link, link, receipts};
use super::problem::Problem;
use super::server::Hooks;
use crate::intake::{Intake, Told};
use crate::secret::Tokens;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use broker_core::journal::MessageRecord;
use broker_core::ports::{NotTaken, Store, StoreError};
use message_schemas::MessageId;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

/// What all requests share.
pub(super) struct App<S> {
    pub(super) name: String,
    pub(super) intake: Intake,
    pub(super) store: Arc<S>,
    pub(super) hooks: Hooks,
    pub(super) tokens: Option<Tokens>,
    pub(super) patience: Patience,
    pub(super) commit_timeout: Duration,
}

type Answer = Result<Response<Body>, Problem>;

/// Matches listed for one id, at most.
const MATCHES: usize = 50;

/// All addresses. `/v1` is behind the bearer token, if there is one; health and metrics hold no ids and are
/// not.
pub(super) fn router<S: Store>(app: Arc<App<S>>) -> Router {
    let v1 = Router::new()
        .route("/messages", post(take::<S>))
        .route("/messages/{id}", get(state::<S>))
        .route("/messages/{id}/receipt", get(receipt::<S>))
        .route("/messages/{id}/documents/{document}", get(document::<S>))
        .route("/messages/{id}/original", get(original::<S>))
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .fallback(|| async { Problem::not_found() })
        .layer(middleware::from_fn_with_state(Arc::clone(&app), authorise::<S>));
    Router::new()
        .nest("/v1", v1)
        .route("/health/live", get(|| async { json(StatusCode::OK, &Health { status: "live" }) }))
        .route("/health/ready", get(ready::<S>))
        .route("/metrics", get(metrics::<S>))
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .fallback(|| async { Problem::not_found() })
        .with_state(app)
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Lets requests with a token through, and all if no token is set.
async fn authorise<S: Store>(State(app): State<Arc<App<S>>>, request: Request, next: Next) -> Response<Body> {
    let allowed =
        app.tokens.as_ref().is_none_or(|tokens| bearer(request.headers()).is_some_and(|t| tokens.holds(t)));
    if allowed {
        return next.run(request).await;
    }
    body::discard(request.into_body(), app.intake.budget()).await;
    Problem::unauthorized().into_response()
}

//= RFC 9110 §11.1
//# It uses a case-insensitive token to identify the authentication scheme.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// `POST /v1/messages`.
async fn take<S: Store>(State(app): State<Arc<App<S>>>, request: Request) -> Answer {
    let (parts, mut body) = request.into_parts();
    let taken = take_in(&app, &parts.headers, &mut body).await;
    if taken.is_err() {
        body::discard(body, app.intake.budget()).await;
    }
    taken
}

#[derive(Serialize)]
struct Accepted {
    id: MessageId,
    short: String,
    state: String,
}

async fn take_in<S: Store>(app: &App<S>, headers: &HeaderMap, body: &mut Body) -> Answer {
    let key = idempotency_key(headers)?;
    let (bytes, room) = body::read(headers, body, app.intake.budget(), app.patience).await?;
    if bytes.is_empty() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "empty_body",
            "The body is empty",
            "A message is the body of the request.",
        ));
    }
    let arrival = app.intake.arrival(&app.name, bytes.into(), key);
    let (tell, told) = oneshot::channel();
    let offered = app.intake.offer(arrival, room, move |told| {
        drop(tell.send(told)); // the client may have gone
    });
    timeout(app.patience.room, offered).await.map_err(|_| Problem::busy())?;
    let told = timeout(app.commit_timeout, told).await.map_err(|_| outcome_unknown())?;
    match told.unwrap_or(Told::NotTaken(NotTaken::Unavailable)) {
        Told::Taken(taken) => {
            let id = taken.committed.message();
            let state = link(id);
            let location = HeaderValue::from_str(&state).expect("ids are visible ASCII");
            let mut response = json(StatusCode::ACCEPTED, &Accepted { id, short: id.short(), state });
            response.headers_mut().insert(header::LOCATION, location);
            Ok(response)
        }
        Told::NotTaken(NotTaken::Full) => Err(Problem::store_full()),
        Told::NotTaken(NotTaken::Unavailable) => Err(Problem::unavailable()),
        Told::NotTaken(NotTaken::KeyReused { message }) => Err(Problem::new(
            StatusCode::CONFLICT,
            "idempotency_key_reused",
            "The Idempotency-Key was used for another message",
            format!("The first message under this key is {message}. Use a fresh key for each message."),
        )),
    }
}

fn outcome_unknown() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "outcome_unknown",
        "The commit takes too long",
        "The message may have been taken in. Send it again with the same Idempotency-Key to hear.",
    )
    .after(Duration::from_secs(5))
}

/// The caller's key, by which the same call is known again.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let (Some(value), further) = (values.next(), values.next()) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()) && further.is_none());
    text.map(|text| Some(text.to_owned())).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_idempotency_key",
            "The Idempotency-Key cannot be used",
            "It must be one header of 1 to 255 visible ASCII characters.",
        )
    })
}

#[derive(Serialize)]
struct Matches<'a> {
    /// Newest first, capped.
    matches: Vec<View<'a>>,
}

/// `GET /v1/messages/{id}`.
async fn state<S: Store>(State(app): State<Arc<App<S>>>, Path(id): Path<String>) -> Answer {
    let found = find(&app, &id).await?;
    Ok(match found.as_slice() {
        [] => return Err(Problem::not_found()),
        [one] => json(StatusCode::OK, &View::of(one)),
        many => json(StatusCode::OK, &Matches { matches: many.iter().map(View::of).collect() }),
    })
}

#[derive(Serialize)]
struct Choices {
    choices: Vec<String>,
}

/// `GET /v1/messages/{id}/receipt`.
async fn receipt<S: Store>(State(app): State<Arc<App<S>>>, Path(id): Path<String>) -> Answer {
    let record = one(&app, &id, "/receipt").await?;
    let record = match record {
        Found::One(record) => record,
        Found::Many(answer) => return Ok(answer),
    };
    match receipts(&record).as_slice() {
        [] => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no_receipt",
            "No receipt",
            "No receipt of ours was written for this message; its state tells why.",
        )),
        [only] => bytes_of(&app, *only).await,
        several => {
            let choices = several.iter().map(|id| document_link(record.id, *id)).collect();
            Ok(json(StatusCode::MULTIPLE_CHOICES, &Choices { choices }))
        }
    }
}

/// `GET /v1/messages/{id}/documents/{document}`.
async fn document<S: Store>(
    State(app): State<Arc<App<S>>>,
    Path((id, document)): Path<(String, String)>,
) -> Answer {
    let document: Uuid = document.parse().map_err(|_| Problem::not_found())?;
    let found = find(&app, &id).await?;
    let of_it = found.iter().any(|record| record.recipients.iter().any(|r| r.document == Some(document)));
    if of_it { bytes_of(&app, document).await } else { Err(Problem::not_found()) }
}

/// `GET /v1/messages/{id}/original`.
async fn original<S: Store>(State(app): State<Arc<App<S>>>, Path(id): Path<String>) -> Answer {
    let record = match one(&app, &id, "/original").await? {
        Found::One(record) => record,
        Found::Many(answer) => return Ok(answer),
    };
    let bytes = app.store.body(record.id).await.map_err(store_problem)?.ok_or_else(Problem::not_found)?;
    Ok(bytes_answer("application/xml", &bytes))
}

async fn find<S: Store>(app: &App<S>, id: &str) -> Result<Vec<MessageRecord>, Problem> {
    if let Ok(ours) = id.parse::<MessageId>()
        && let Some(record) = app.store.message(ours).await.map_err(store_problem)?
    {
        return Ok(vec![record]);
    }
    app.store.find(id, MATCHES).await.map_err(store_problem)
}

enum Found {
    One(Box<MessageRecord>),
    /// An answer that lists where each of several can be read.
    Many(Response<Body>),
}

async fn one<S: Store>(app: &App<S>, id: &str, part: &str) -> Result<Found, Problem> {
    let mut found = find(app, id).await?;
    if found.len() > 1 {
        let choices = found.iter().map(|record| format!("{}{part}", link(record.id))).collect();
        return Ok(Found::Many(json(StatusCode::MULTIPLE_CHOICES, &Choices { choices })));
    }
    found.pop().map(|record| Found::One(Box::new(record))).ok_or_else(Problem::not_found)
}

async fn bytes_of<S: Store>(app: &App<S>, document: Uuid) -> Answer {
    let (media_type, bytes) =
        app.store.document(document).await.map_err(store_problem)?.ok_or_else(Problem::not_found)?;
    Ok(bytes_answer(media_type, &bytes))
}

fn bytes_answer(media_type: &'static str, bytes: &[u8]) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes.to_vec()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // What a stranger wrote is never to be run by a browser.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    response
}

fn store_problem(error: StoreError) -> Problem {
    match error {
        StoreError::Full | StoreError::Unavailable(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "The journal is not available",
            "Ask again later.",
        )
        .after(Duration::from_secs(5)),
        StoreError::Newer { .. } | StoreError::Damaged(_) => {
            tracing::error!(%error, "The journal could not answer a request.");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "journal_fault",
                "The journal cannot be read",
                "Somebody must look at the journal.",
            )
        }
    }
}

async fn ready<S: Store>(State(app): State<Arc<App<S>>>) -> Answer {
    match (app.hooks.ready)() {
        Ok(()) => Ok(json(StatusCode::OK, &Health { status: "ready" })),
        Err(why) => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "Not ready to take messages", why))
        }
    }
}

async fn metrics<S: Store>(State(app): State<Arc<App<S>>>) -> Response<Body> {
    let mut response = Response::new(Body::from((app.hooks.metrics)()));
    let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let Ok(text) = serde_json::to_vec(value) else {
        return Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal fault",
            "The answer could not be written.",
        )
        .into_response();
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
