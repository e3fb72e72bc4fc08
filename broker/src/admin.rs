//! Metrics and health over HTTP, on an address of their own: `/metrics`, `/health/live`, `/health/ready`.
//!
//! Nothing here tells anything of a message or a person, so there is no token; it listens on this machine
//! unless the configuration says otherwise.

use crate::health::{Health, Report};
use crate::telemetry::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the pages are made from.
#[derive(Clone)]
pub struct Admin {
    /// Health.
    pub health: Health,
    /// Renders the metrics.
    pub metrics: Metrics,
    /// Brings the gauges that nobody pushes up to date, before they are rendered.
    pub refresh: Arc<dyn Fn() + Send + Sync>,
}

impl Admin {
    /// Serves until `shutdown`.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
        let pages = Router::new()
            .route("/metrics", get(metrics))
            .route("/health/live", get(live))
            .route("/health/ready", get(ready))
            .with_state(self);
        axum::serve(listener, pages).with_graceful_shutdown(shutdown.cancelled_owned()).await
    }
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    (admin.refresh)();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.metrics.render())
}

/// Answering at all is the answer.
async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "live": true }))
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, Json<Report>) {
    let report = admin.health.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}
