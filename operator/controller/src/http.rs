//! The operator's own endpoint: `/livez`, `/healthz`, `/readyz`, `/metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics::Metrics;

/// Serves until the process ends.
///
/// # Errors
/// When the address cannot be had.
pub async fn serve(listen: SocketAddr, metrics: Arc<Metrics>) -> std::io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    axum::serve(listener, router(metrics)).await
}

/// That it answers is all there is to know: a standby is as ready as the one that works, and whoever works shows by
/// its metrics how.
fn router(metrics: Arc<Metrics>) -> Router {
    let ok = get(async || "ok");
    Router::new()
        .route("/livez", ok.clone())
        .route("/healthz", ok.clone())
        .route("/readyz", ok)
        .route("/metrics", get(show))
        .with_state(metrics)
}

async fn show(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, kind)], metrics.text())
}
