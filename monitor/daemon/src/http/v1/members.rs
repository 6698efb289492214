//! Who votes and who follows.
//!
//! Every change takes two optional guards: `expected_epoch`, the monmap epoch that it was planned under, so
//! that a stale plan is refused (412); and `operation_id`, any text, so that a retry of the same operation
//! gives the first result instead of doing it twice.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::{Done, command_done, command_json};
use crate::http::AppState;
use crate::http::problem::Problem;

/// What makes a change safe to send, as a query. A word that is misspelt is refused, here and in bodies: a guard
/// that nobody looks at would be worse than none.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Guards {
    /// The monmap epoch that the change was planned under; refused when the map has moved on.
    expected_epoch: Option<u64>,
    /// A name for this operation; a retry under the same name gets the first result.
    operation_id: Option<String>,
}

/// A monitor to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Member {
    /// Its name, without `mon.`.
    name: String,
    /// Its address: `IP`, `IP:PORT` or `[v2:IP:PORT,v1:IP:PORT]`.
    addr: String,
    /// The monmap epoch that the change was planned under; refused when the map has moved on.
    expected_epoch: Option<u64>,
    /// A name for this operation; a retry under the same name gets the first result.
    operation_id: Option<String>,
}

/// A voter to replace by a learner.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replacement {
    /// The learner that takes its place; it must have caught up.
    learner: String,
    /// The monmap epoch that the change was planned under; refused when the map has moved on.
    expected_epoch: Option<u64>,
    /// A name for this operation; a retry under the same name gets the first result.
    operation_id: Option<String>,
}

/// The voters
#[utoipa::path(
    get, path = "/v1/members", tag = "members",
    responses(
        (status = OK, description = "As `ceph` shows it.", body = Value),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    let map = command_json(&state, json!({"prefix": "mon dump"})).await?;
    let epoch = map.get("epoch").cloned().unwrap_or_default();
    let members = map.get("mons").cloned().unwrap_or_default();
    Ok(Json(json!({"epoch": epoch, "members": members})))
}

/// Add a voter
#[utoipa::path(
    post, path = "/v1/members", tag = "members", request_body = Member,
    responses(
        (status = OK, description = "It is done.", body = Done),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn add(
    State(state): State<AppState>,
    Json(member): Json<Member>,
) -> Result<Json<Done>, Problem> {
    add_as(&state, "mon add", member).await
}

/// Remove a voter
#[utoipa::path(
    delete, path = "/v1/members/{name}", tag = "members",
    params(("name" = String, Path, description = "Its name, without `mon.`."), Guards),
    responses(
        (status = OK, description = "It is done.", body = Done),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn remove(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Query(guards): Query<Guards>,
) -> Result<Json<Done>, Problem> {
    change(&state, json!({"prefix": "mon rm", "name": name}), guards).await
}

/// Replace a voter by a learner
///
/// In one monmap epoch, at the same rank: there is no moment with a voter more or less.
#[utoipa::path(
    post, path = "/v1/members/{name}/replace", tag = "members", request_body = Replacement,
    params(("name" = String, Path, description = "The voter that goes, without `mon.`.")),
    responses(
        (status = OK, description = "It is done.", body = Done),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn replace(
    State(state): State<AppState>,
    Path(voter): Path<String>,
    Json(Replacement { learner, expected_epoch, operation_id }): Json<Replacement>,
) -> Result<Json<Done>, Problem> {
    let guards = Guards { expected_epoch, operation_id };
    let command = json!({"prefix": "mon replace", "voter": voter, "learner": learner});
    change(&state, command, guards).await
}

/// The learners
#[utoipa::path(
    get, path = "/v1/learners", tag = "members",
    responses(
        (status = OK, description = "As `ceph` shows it.", body = Value),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn learners(State(state): State<AppState>) -> Result<Json<Value>, Problem> {
    command_json(&state, json!({"prefix": "mon learner ls"})).await.map(Json)
}

/// Add a learner
///
/// It is synced and follows the quorum, and never votes.
#[utoipa::path(
    post, path = "/v1/learners", tag = "members", request_body = Member,
    responses(
        (status = OK, description = "It is done.", body = Done),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn learner_add(
    State(state): State<AppState>,
    Json(member): Json<Member>,
) -> Result<Json<Done>, Problem> {
    add_as(&state, "mon learner add", member).await
}

/// Remove a learner
#[utoipa::path(
    delete, path = "/v1/learners/{name}", tag = "members",
    params(("name" = String, Path, description = "Its name, without `mon.`."), Guards),
    responses(
        (status = OK, description = "It is done.", body = Done),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn learner_remove(
    State(state): State<AppState>,
    Path(name): Path<String>,
    Query(guards): Query<Guards>,
) -> Result<Json<Done>, Problem> {
    change(&state, json!({"prefix": "mon learner rm", "name": name}), guards).await
}

/// Let the leader hand over
///
/// Another monitor leads before the answer comes.
#[utoipa::path(
    post, path = "/v1/leader/step-down", tag = "members",
    responses(
        (status = OK, description = "It is done.", body = Done),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn step_down(State(state): State<AppState>) -> Result<Json<Done>, Problem> {
    command_done(&state, json!({"prefix": "mon step-down"})).await
}

async fn add_as(state: &AppState, prefix: &str, member: Member) -> Result<Json<Done>, Problem> {
    let Member { name, addr, expected_epoch, operation_id } = member;
    let guards = Guards { expected_epoch, operation_id };
    change(state, json!({"prefix": prefix, "name": name, "addr": addr}), guards).await
}

/// Runs a command under its guards.
async fn change(state: &AppState, mut command: Value, guards: Guards) -> Result<Json<Done>, Problem> {
    let Guards { expected_epoch, operation_id } = guards;
    if let Some(epoch) = expected_epoch {
        command["expected_epoch"] = epoch.into();
    }
    if let Some(id) = operation_id {
        command["operation_id"] = id.into();
    }
    command_done(state, command).await
}
