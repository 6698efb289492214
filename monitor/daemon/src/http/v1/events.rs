//! Server-sent events from feeds: log lines and changes of keys.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use mon_types::log::{LogEntry, Priority};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};
use utoipa::ToSchema;

use crate::feed::Feed;
use crate::http::AppState;
use crate::http::problem::Problem;
use crate::http::view::{QuorumView, StatusView};

/// A line of the cluster log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct LogLine {
    /// Seconds since 1970.
    stamp: f64,
    /// Who wrote it.
    name: String,
    /// `cluster`, `audit`, ...
    channel: String,
    /// `debug`, `info`, `sec`, `warn` or `error`.
    priority: String,
    /// What it says.
    message: String,
}

/// Follow the cluster
///
/// Server-sent events: `quorum` with a [`QuorumView`] now and whenever it changes, and `log` with a
/// [`LogLine`] for every line that the cluster log gets from now on.
#[utoipa::path(
    get, path = "/v1/events", tag = "cluster",
    responses(
        (status = OK, description = "Events.", body = LogLine, content_type = "text/event-stream"),
        (status = "default", description = "Why it is not done.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn events(
    State(state): State<AppState>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let published = state.core.published();
    let lines = stream(
        published.log.clone(),
        published.log.newest(),
        |line| Some(log_event(line)),
        |id| id.to_string(),
    );
    let quorums = quorum_changes(&state);
    Sse::new(lines.merge(quorums)).keep_alive(KeepAlive::default())
}

/// What a reconnecting client has seen last. Who says it in words that we do not understand must not go on from now:
/// it would miss what came in between.
pub(super) fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    match id.to_str().ok().and_then(|id| id.trim().parse().ok()) {
        Some(id) => Ok(Some(id)),
        None => {
            Err(Problem::new(StatusCode::BAD_REQUEST, "Last-Event-ID must be the id of an event: a number"))
        }
    }
}

/// Events from what a feed has after `after`, as it comes. `to_event` may pass entries over. The last event
/// of each number carries its id, so that resuming never splits a commit.
pub(super) fn stream<T: Send + Sync + 'static>(
    feed: Arc<Feed<T>>,
    after: u64,
    to_event: impl Fn(&Arc<T>) -> Option<Event> + Send + 'static,
    to_id: impl Fn(u64) -> String + Send + 'static,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut changes = feed.changes();
        let mut after = after;
        loop {
            changes.mark_unchanged();
            let entries = match feed.after(after, BATCH) {
                Ok(entries) => entries,
                Err(gone) => {
                    let _ = sender.send(Ok(Event::default().event("gone").data(gone.to_string()))).await;
                    return;
                }
            };
            let is_caught_up = entries.is_empty();
            let mut entries = entries.iter().peekable();
            while let Some((number, entry)) = entries.next() {
                let ends_number = entries.peek().is_none_or(|(next, _)| next != number);
                let event = to_event(entry);
                let event = match (event, ends_number) {
                    (Some(event), true) => event.id(to_id(*number)),
                    (Some(event), false) => event,
                    // Moves the id on without an event for the application.
                    (None, true) => Event::default().id(to_id(*number)),
                    (None, false) => continue,
                };
                if sender.send(Ok(event)).await.is_err() {
                    return;
                }
                after = *number;
            }
            if is_caught_up {
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        }
    });
    ReceiverStream(receiver)
}

fn quorum_changes(state: &AppState) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let mut status = state.core.published().status.clone();
    tokio::spawn(async move {
        let mut shown: Option<QuorumView> = None;
        loop {
            let quorum = StatusView::from(status.borrow_and_update().as_ref()).quorum;
            if shown.as_ref() != Some(&quorum) {
                let event = Event::default().event("quorum").data(json!(quorum).to_string());
                shown = Some(quorum);
                if sender.send(Ok(event)).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                changed = status.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
            }
            // Counters change all the time; who watches the quorum need not be woken for each.
            tokio::time::sleep(SETTLE).await;
        }
    });
    ReceiverStream(receiver)
}

/// Events that wait for a slow client; more are read from the feed when it has caught up.
const QUEUE: usize = 64;
/// Entries that are taken from a feed at a time.
const BATCH: usize = 256;
const SETTLE: Duration = Duration::from_millis(100);

struct ReceiverStream<T>(mpsc::Receiver<T>);

impl<T> Stream for ReceiverStream<T> {
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        self.0.poll_recv(context)
    }
}

fn log_event(entry: &LogEntry) -> Event {
    let stamp = entry.stamp.to_duration().as_secs_f64();
    let line = LogLine {
        stamp,
        name: entry.name.to_string(),
        channel: entry.channel.clone(),
        priority: priority(entry.priority).into(),
        message: entry.message.clone(),
    };
    Event::default().event("log").data(json!(line).to_string())
}

fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::DEBUG => "debug",
        Priority::INFO => "info",
        Priority::SECURITY => "sec",
        Priority::WARN => "warn",
        _ => "error",
    }
}
