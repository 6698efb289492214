//! What the cluster is and does.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::command_json;
use crate::http::AppState;
use crate::http::problem::Problem;
use crate::http::view::{QuorumView, StatusView};

/// Status of this monitor
///
/// Never waits for a quorum.
#[utoipa::path(
    get, path = "/v1/status", tag = "cluster",
    responses(
        (status = OK, description = "Its status.", body = StatusView),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn status(State(state): State<AppState>) -> Json<StatusView> {
    Json(StatusView::from(state.core.status().as_ref()))
}

/// The quorum as this monitor sees it
///
/// Never waits for a quorum.
#[utoipa::path(
    get, path = "/v1/quorum", tag = "cluster",
    responses(
        (status = OK, description = "The quorum.", body = QuorumView),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn quorum(State(state): State<AppState>) -> Json<QuorumView> {
    Json(StatusView::from(state.core.status().as_ref()).quorum)
}

/// The monmap
///
/// As `ceph mon dump --format json` shows it, read through the quorum.
#[utoipa::path(
    get, path = "/v1/monmap", tag = "cluster",
    responses(
        (status = OK, description = "As `ceph` shows it.", body = Value),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn monmap(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    command_json(&state, json!({"prefix": "mon dump"})).await.map(Json)
}

/// Which lines of the cluster log to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct LogQuery {
    /// How many lines, the newest.
    #[serde(default = "lines_default")]
    #[param(default = 20, minimum = 1, maximum = 10000)]
    lines: u32,
    /// The least severity: `debug`, `info`, `sec`, `warn` or `error`.
    level: Option<String>,
    /// The channel: `cluster`, `audit`, or `*` for all.
    channel: Option<String>,
}

fn lines_default() -> u32 {
    20
}

/// The newest lines of the cluster log
///
/// As `ceph log last --format json` shows them.
#[utoipa::path(
    get, path = "/v1/log", tag = "cluster", params(LogQuery),
    responses(
        (status = OK, description = "As `ceph` shows it.", body = Value),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn log(
    State(state): State<AppState>,
    Query(query): Query<LogQuery>,
) -> Result<Json<Value>, Problem> {
    let mut command = json!({"prefix": "log last", "num": query.lines.clamp(1, 10_000)});
    if let Some(level) = query.level {
        command["level"] = level.into();
    }
    if let Some(channel) = query.channel {
        command["channel"] = channel.into();
    }
    command_json(&state, command).await.map(Json)
}
