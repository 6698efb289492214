//! Watches: what happened after a version, late, twice or not at all.

use std::collections::VecDeque;
use std::time::Duration;

use futures::Stream;
use futures::stream;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::World;
use crate::faults::{Delivery, Gate};
use crate::object::Key;
use crate::request::Request;
use crate::selector::{fields_match, labels_match};
use crate::store::{Change, What};

struct Watch {
    world: World,
    gate: Gate,
    request: Request,
    after: u64,
    delay: Duration,
    ends: Instant,
    queue: VecDeque<Value>,
    /// Whether something was left out: what follows must be listed anew.
    skipped: bool,
    over: bool,
}

/// The events of a watch.
pub(crate) fn follow(world: World, gate: Gate, request: Request) -> impl Stream<Item = Value> + Send {
    let after = request.parameter("resourceVersion").parse().unwrap_or(0);
    let seconds = request.parameter("timeoutSeconds").parse().unwrap_or(300);
    let delay = gate.watch_delay();
    let ends = Instant::now() + Duration::from_secs(seconds);
    let watch = Watch {
        world,
        gate,
        request,
        after,
        delay,
        ends,
        queue: VecDeque::new(),
        skipped: false,
        over: false,
    };
    stream::unfold(watch, async |mut watch| {
        let event = watch.next().await?;
        Some((event, watch))
    })
}

impl Watch {
    async fn next(&mut self) -> Option<Value> {
        let mut changed = self.world.changed.subscribe();
        loop {
            if self.gate.is_dead() {
                self.gate.die().await;
            }
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            changed.borrow_and_update();
            match self.look() {
                Next::Look => {}
                Next::Wait(until) => tokio::time::sleep_until(until.min(self.ends)).await,
                Next::Changes => {
                    tokio::select! {
                        biased;
                        // The world, which holds the sender, is ours.
                        _ = changed.changed() => {}
                        () = tokio::time::sleep_until(self.ends) => {}
                    }
                }
            }
            if Instant::now() >= self.ends && self.queue.is_empty() {
                self.end();
            }
        }
    }

    /// Takes what has happened.
    fn look(&mut self) -> Next {
        let world = self.world.clone();
        let state = world.lock();
        if self.after < state.store.compacted {
            self.expired();
            return Next::Look;
        }
        let history = &state.store.history;
        let from = history.partition_point(|change| change.version <= self.after);
        let now_ms = world.now().as_millisecond();
        for change in &history[from..] {
            let due = change.at + self.delay.as_millis() as u64;
            let late_by = due as i64 - (now_ms - EPOCH_MS);
            if late_by > 0 && self.queue.is_empty() {
                return Next::Wait(Instant::now() + Duration::from_millis(late_by as u64));
            } else if late_by > 0 {
                return Next::Look;
            }
            self.after = change.version;
            let Some(event) = seen(&self.request, change) else { continue };
            match self.gate.delivery() {
                Delivery::Once => self.queue.push_back(event),
                Delivery::Twice => self.queue.extend([event.clone(), event]),
                // A watch that skips something does not live long.
                Delivery::Never => {
                    self.skipped = true;
                    self.ends = self.ends.min(Instant::now() + self.gate.gap());
                }
            }
        }
        if self.queue.is_empty() { Next::Changes } else { Next::Look }
    }

    fn expired(&mut self) {
        let text = "too old resource version";
        self.queue.push_back(json!({"type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "status": "Failure",
            "code": 410, "reason": "Expired", "message": text,
        }}));
        self.over = true;
    }

    fn end(&mut self) {
        if self.skipped {
            self.expired();
        }
        self.over = true;
    }
}

enum Next {
    Look,
    Wait(Instant),
    Changes,
}

/// 2026-01-01T00:00:00Z, when simulated time begins.
const EPOCH_MS: i64 = 1_767_225_600_000;

fn seen(request: &Request, change: &Change) -> Option<Value> {
    let Key { group, plural, namespace, .. } = &change.key;
    let in_scope = *group == request.kind.group
        && *plural == request.kind.plural
        && (request.namespace.is_empty() || request.namespace == *namespace);
    if !in_scope {
        return None;
    }
    let fits = |object: &Value| {
        labels_match(object, request.parameter("labelSelector"))
            && fields_match(object, request.parameter("fieldSelector"))
    };
    let now = change.what != What::Deleted && fits(&change.object);
    let before = change.before.as_ref().is_some_and(|object| fits(object));
    let event = match (before, now) {
        (false, true) => "ADDED",
        (true, true) => "MODIFIED",
        (true, false) => "DELETED",
        (false, false) => return None,
    };
    Some(json!({"type": event, "object": *change.object}))
}
