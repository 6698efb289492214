//! Ceph's config keys.
//!
//! A key's revision is the version of the key/value service that set it; it comes as `ETag`. `If-Match`
//! makes a change conditional on it and `If-None-Match: *` on the key's absence; a change that finds
//! something else is refused with 412. Watches are server-sent events whose ids are service versions, so a
//! client that reconnects with `Last-Event-ID` misses nothing, or learns with 410 that it must list anew.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use mon_core::effect::{CommandReply, KvChange};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_stream::Stream;
use utoipa::{IntoParams, ToSchema};

use super::events::{last_event_id, stream};
use super::{command_bytes, command_json};
use crate::http::AppState;
use crate::http::problem::Problem;

/// Which keys to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only keys that start with this.
    #[serde(default)]
    prefix: String,
    /// Only keys after this one: the `next` of the page before.
    #[serde(default)]
    after: String,
    /// How many keys at most.
    #[serde(default = "limit_default")]
    #[param(default = 1000, minimum = 1, maximum = 10000)]
    limit: usize,
}

fn limit_default() -> usize {
    1000
}

/// A page of keys.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Keys {
    /// The version that the list is at least as new as: watch from here.
    version: u64,
    /// The keys in order.
    keys: Vec<String>,
    /// Where the next page starts; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A change that was committed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Changed {
    /// The key.
    key: String,
    /// Its new revision; 0 when it is gone.
    revision: u64,
}

/// One event of a watch.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct KvEvent {
    /// The key.
    key: String,
    /// The version that changed it.
    version: u64,
    /// The new value where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The new value's length in bytes; absent when the key was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
}

/// What `config-key stat` says.
#[derive(Debug, Deserialize)]
struct Stat {
    revision: u64,
    exists: bool,
    text: Option<String>,
    version: u64,
}

/// List keys
#[utoipa::path(
    get, path = "/v1/kv", tag = "kv", params(ListQuery),
    responses(
        (status = OK, description = "A page of keys.", body = Keys),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(state): State<AppState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Keys>, Problem> {
    if query.limit == 0 {
        return Err(bad_request("limit must be at least 1"));
    }
    // Asked first: what the list shows is then at least as new.
    let Stat { version, .. } = stat(&state, &query.prefix).await?;
    let all: Vec<String> = parse(command_json(&state, json!({"prefix": "config-key ls"})).await?)?;
    let limit = query.limit.min(10_000);
    let mut keys: Vec<String> = all
        .into_iter()
        .filter(|key| key.starts_with(&query.prefix) && (query.after.is_empty() || *key > query.after))
        .collect();
    keys.sort_unstable();
    let has_more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| has_more).cloned();
    Ok(Json(Keys { version, keys, next }))
}

/// Get a value
#[utoipa::path(
    get, path = "/v1/kv/{*key}", tag = "kv", params(("key" = String, Path, description = "The key; it may hold slashes.")),
    responses(
        (status = OK, description = "The value.", body = Vec<u8>, content_type = "application/octet-stream", headers(("ETag" = String, description = "The revision."))),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn get(State(state): State<AppState>, Path(key): Path<String>) -> Result<Response, Problem> {
    let key = checked(key)?;
    // A value that is no text comes by a second read; the revision tells whether both saw the same.
    let mut before = stat(&state, &key).await?;
    for _ in 0..READS_MAX {
        if !before.exists {
            return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no key '{key}'")));
        }
        if let Some(text) = before.text {
            return Ok(value_response(text.into(), before.revision));
        }
        let reply =
            command_bytes(&state, json!({"prefix": "config-key get", "key": key}), Bytes::new()).await?;
        let after = stat(&state, &key).await?;
        if after.revision == before.revision {
            return Ok(value_response(reply.output, after.revision));
        }
        before = after;
    }
    Err(keeps_changing(&key))
}

/// Set a value
#[utoipa::path(
    put, path = "/v1/kv/{*key}", tag = "kv", request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    params(
        ("key" = String, Path, description = "The key; it may hold slashes."),
        ("If-Match" = Option<String>, Header, description = "The revision that the key must have; `*` for any: the key must exist."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: the key must not exist."),
    ),
    responses(
        (status = OK, body = Changed, description = "Set, as the condition held."),
        (status = NO_CONTENT, description = "Set, without a condition. The revision comes with the next GET."),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(state): State<AppState>,
    Path(key): Path<String>,
    headers: HeaderMap,
    value: Bytes,
) -> Result<Response, Problem> {
    change(&state, &checked(key)?, condition(&headers)?, Some(value)).await
}

/// Remove a key
///
/// Removing an absent key is no error, unless a condition says that it must exist.
#[utoipa::path(
    delete, path = "/v1/kv/{*key}", tag = "kv",
    params(
        ("key" = String, Path, description = "The key; it may hold slashes."),
        ("If-Match" = Option<String>, Header, description = "The revision that the key must have; `*` for any: the key must exist."),
    ),
    responses(
        (status = OK, body = Changed, description = "Removed, as the condition held."),
        (status = NO_CONTENT, description = "Removed, without a condition."),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn delete(
    State(state): State<AppState>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    change(&state, &checked(key)?, condition(&headers)?, None).await
}

/// What to watch.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchQuery {
    /// Only keys that start with this.
    #[serde(default)]
    prefix: String,
    /// Changes after this version: the `version` of a list. Without it, changes from now on.
    /// `Last-Event-ID` goes before it.
    after: Option<u64>,
}

/// Watch keys
///
/// Server-sent events `put` and `delete` with a [`KvEvent`] as data. 410 when changes after the version
/// that was asked for are no longer kept, or when there is no such version yet, as the store was restored from an
/// older state: list anew. A stream that ends with the event `gone` says the same.
#[utoipa::path(
    get, path = "/v1/watch", tag = "kv", params(WatchQuery, ("Last-Event-ID" = Option<u64>, Header, description = "Set by clients that reconnect.")),
    responses(
        (status = OK, description = "Events.", body = KvEvent, content_type = "text/event-stream"),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn watch(
    State(state): State<AppState>,
    Query(query): Query<WatchQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let feed = state.core.published().kv.clone();
    let after = match last_event_id(&headers)?.or(query.after) {
        Some(after) if after > feed.newest() => {
            // We may not have seen it yet, but the quorum has, unless its store is older than the asker.
            let Stat { version, .. } = stat(&state, "").await?;
            if after > version {
                let detail = format!(
                    "version {after} is yet to come, the newest is {version}: the store was restored from an older \
                     state; list anew and watch from there"
                );
                return Err(Problem::new(StatusCode::GONE, detail));
            }
            after
        }
        Some(after) => after,
        // Nothing has changed since this process started, so the feed does not know yet where it stands.
        None if feed.newest() == 0 => stat(&state, "").await?.version,
        None => feed.newest(),
    };
    feed.after(after, 1).map_err(|gone| Problem::new(StatusCode::GONE, gone.to_string()))?;
    let to_event =
        move |change: &Arc<KvChange>| change.key.starts_with(&query.prefix).then(|| kv_event(change));
    Ok(Sse::new(stream(feed, after, to_event, |version| version.to_string()))
        .keep_alive(KeepAlive::default()))
}

/// Reads before a value that keeps changing is given up.
const READS_MAX: usize = 5;

async fn stat(state: &AppState, key: &str) -> Result<Stat, Problem> {
    // Any key will do to learn the version; the command wants one.
    let key = if key.is_empty() { "-" } else { key };
    parse(command_json(state, json!({"prefix": "config-key stat", "key": key})).await?)
}

/// What must hold for a change to be made.
enum Condition {
    Nothing,
    /// The key is at this revision; 0 stands for an absent key.
    Revision(u64),
    /// There is such a key.
    Exists,
}

/// The condition that a request's headers make.
fn condition(headers: &HeaderMap) -> Result<Condition, Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default().trim());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(Condition::Nothing),
        (None, Some("*")) => Ok(Condition::Revision(0)),
        (Some("*"), None) => Ok(Condition::Exists),
        (Some(tag), None) => match tag.trim_matches('"').parse() {
            Ok(revision) => Ok(Condition::Revision(revision)),
            Err(_) => Err(bad_request("If-Match must hold the ETag of one revision, or *")),
        },
        (None, Some(_)) => Err(bad_request("If-None-Match can only be *")),
        (Some(_), Some(_)) => Err(bad_request("use either If-Match or If-None-Match")),
    }
}

/// A key that can be written in a line: other programs list keys one a line, and NUL ends a prefix in the store.
fn checked(key: String) -> Result<String, Problem> {
    if key.contains(char::is_control) {
        return Err(bad_request("the key holds a control character; use printable ones"));
    }
    Ok(key)
}

fn bad_request(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

/// Sets a key, or without a value removes it, when the condition holds.
async fn change(
    state: &AppState,
    key: &str,
    condition: Condition,
    value: Option<Bytes>,
) -> Result<Response, Problem> {
    match condition {
        Condition::Nothing => {
            let prefix = if value.is_some() { "config-key set" } else { "config-key rm" };
            run(state, json!({"prefix": prefix, "key": key}), value).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Condition::Revision(revision) => swap(state, key, revision, value).await,
        Condition::Exists => {
            for _ in 0..READS_MAX {
                let Stat { exists, revision, .. } = stat(state, key).await?;
                if !exists {
                    let detail = format!("there is no key '{key}'");
                    return Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail));
                }
                match swap(state, key, revision, value.clone()).await {
                    // Changed in between; whether it is still there is to be seen.
                    Err(problem) if problem.status == StatusCode::PRECONDITION_FAILED => {}
                    result => return result,
                }
            }
            Err(keeps_changing(key))
        }
    }
}

async fn swap(state: &AppState, key: &str, revision: u64, value: Option<Bytes>) -> Result<Response, Problem> {
    let command =
        json!({"prefix": "config-key cas", "key": key, "expected_version": revision, "format": "json"});
    let reply = run(state, command, value).await?;
    let changed: Changed = parse(serde_json::from_slice(&reply.output).unwrap_or_default())?;
    let tag = etag(changed.revision);
    Ok(([(header::ETAG, tag)], Json(changed)).into_response())
}

async fn run(state: &AppState, mut command: Value, value: Option<Bytes>) -> Result<CommandReply, Problem> {
    // Without input a conditional change removes the key; an empty value is said in words.
    if value.as_ref().is_some_and(Bytes::is_empty) {
        command["val"] = json!("");
    }
    command_bytes(state, command, value.unwrap_or_default()).await
}

fn keeps_changing(key: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, format!("key '{key}' keeps changing; try again"))
}

fn value_response(value: Bytes, revision: u64) -> Response {
    let kind = HeaderValue::from_static("application/octet-stream");
    ([(header::CONTENT_TYPE, kind), (header::ETAG, etag(revision))], value).into_response()
}

fn etag(revision: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn kv_event(change: &KvChange) -> Event {
    let text = change.value.as_ref().and_then(|value| std::str::from_utf8(value).ok());
    let event = KvEvent {
        key: change.key.clone(),
        version: change.version.0,
        value: text.map(Into::into),
        size: change.value.as_ref().map(Bytes::len),
    };
    let name = if change.value.is_some() { "put" } else { "delete" };
    Event::default().event(name).data(json!(event).to_string())
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the monitor's answer is not as expected: {error}"),
        )
    })
}
