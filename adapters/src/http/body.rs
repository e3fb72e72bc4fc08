//! Reading a request's body, within the budget and within time.

use super::problem::Problem;
use crate::budget::{Budget, Room};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::time::timeout;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Between two pieces of the body.
    pub(super) idle: Duration,
    /// For the whole body.
    pub(super) whole: Duration,
    /// For room in the budget.
    pub(super) room: Duration,
}

/// Reads the body. Room is reserved as bytes come, so that a slow client holds only what it has sent.
pub(super) async fn read(
    headers: &HeaderMap,
    body: &mut Body,
    budget: &Budget,
    patience: Patience,
) -> Result<(Vec<u8>, Room), Problem> {
    let announced = announced(headers);
    if announced.is_some_and(|bytes| bytes > u64::try_from(budget.message_bytes()).unwrap_or(u64::MAX)) {
        return Err(too_large(budget));
    }
    timeout(patience.whole, read_pieces(body, announced, budget, patience))
        .await
        .unwrap_or_else(|_| Err(too_slow()))
}

async fn read_pieces(
    body: &mut Body,
    announced: Option<u64>,
    budget: &Budget,
    patience: Patience,
) -> Result<(Vec<u8>, Room), Problem> {
    /// Space made at once for what a client announces; beyond it, space is made for what has come.
    const AT_ONCE: usize = 64 * 1024;
    let announced = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(announced.min(AT_ONCE));
    let mut room = budget.empty_room();
    loop {
        let frame = timeout(patience.idle, body.frame()).await.map_err(|_| too_slow())?;
        let Some(frame) = frame else { break };
        let Ok(piece) = frame.map_err(|_| broken())?.into_data() else { continue }; // trailers
        match timeout(patience.room, room.grow(piece.len())).await {
            Ok(Ok(())) => bytes.extend_from_slice(&piece),
            Ok(Err(_)) => return Err(too_large(budget)),
            Err(_) => return Err(Problem::busy()),
        }
    }
    Ok((bytes, room))
}

/// Reads on for a while and throws away: a client that is still sending would else lose the answer with the
/// connection.
pub(super) async fn discard(mut body: Body, budget: &Budget) {
    const PATIENCE: Duration = Duration::from_secs(3);
    let most = budget.message_bytes().saturating_mul(4);
    let reading = async {
        let mut seen = 0usize;
        while let Some(Ok(frame)) = body.frame().await {
            seen = seen.saturating_add(frame.data_ref().map_or(0, |data| data.len()));
            if seen > most {
                break;
            }
        }
    };
    drop(timeout(PATIENCE, reading).await); // either way the answer goes out
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(budget: &Budget) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "message_too_large",
        "The message is too large",
        format!("A message may have {} bytes.", budget.message_bytes()),
    )
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "body_timeout",
        "The body came too slowly",
        "The message was not taken in. Send it again.",
    )
}

fn broken() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body_broken",
        "The body broke off",
        "The message was not taken in, as its end never came.",
    )
}
