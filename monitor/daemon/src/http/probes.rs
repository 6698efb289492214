//! What the kubelet asks. The paths and the text are those of Kubernetes' own components.
//!
//! | path | fails when | then the kubelet |
//! |---|---|---|
//! | `/livez` | the core does not answer | restarts the container: never because of lost quorum |
//! | `/startupz` | the core has not started | waits before it asks the others |
//! | `/readyz` | not in quorum, or not able to serve | takes the pod out of services |

use std::fmt::Write;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::view::why_not_ready;

/// How long the core may take to answer. A slow disk can hold it up for seconds; that is no reason to
/// restart it, which would make the disk no faster.
const PATIENCE: Duration = Duration::from_secs(20);

/// One thing that is looked at; the reason when it is not well.
type Check = (&'static str, Option<String>);

pub(super) async fn livez(State(state): State<AppState>, RawQuery(query): RawQuery) -> Response {
    let core = if state.core.is_alive(PATIENCE).await { None } else { Some("no answer".into()) };
    // A failed write stops the process, so a core that answers has a store that works.
    answer("livez", query.as_deref(), &[("core", core.clone()), ("store", core)])
}

pub(super) async fn startupz(State(state): State<AppState>, RawQuery(query): RawQuery) -> Response {
    let status = state.core.status();
    let started = if status.name.is_empty() { Some("not started".into()) } else { None };
    answer("startupz", query.as_deref(), &[("started", started)])
}

pub(super) async fn readyz(State(state): State<AppState>, RawQuery(query): RawQuery) -> Response {
    let status = state.core.status();
    let sync = status.sync.as_ref().map(|sync| format!("{} keys from {} so far", sync.keys, sync.provider));
    answer("readyz", query.as_deref(), &[("quorum", why_not_ready(&status)), ("sync", sync)])
}

fn answer(name: &str, query: Option<&str>, checks: &[Check]) -> Response {
    let is_well = checks.iter().all(|(_, failure)| failure.is_none());
    let is_verbose =
        query.is_some_and(|query| query.split('&').any(|word| word.split('=').next() == Some("verbose")));
    if is_well && !is_verbose {
        return "ok".into_response();
    }
    let mut text = String::new();
    for (check, failure) in checks {
        // Writing to a string cannot fail.
        let _ = match failure {
            None => writeln!(text, "[+]{check} ok"),
            Some(reason) => writeln!(text, "[-]{check} failed: {reason}"),
        };
    }
    let verdict = if is_well { "passed" } else { "failed" };
    let _ = writeln!(text, "{name} check {verdict}");
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text).into_response()
}
