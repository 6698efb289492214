//! Operations that ended lately, for `dump_historic_ops` and its like, as Ceph's `OpTracker` keeps and shows them: the
//! longest of the last ten minutes, and beside them those that were slow.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use mon_types::message::Message;
use mon_types::release::Release;
use mon_types::time::UTime;
use serde_json::{Value, json};

use crate::now::Now;
use crate::operation::{Operation, Origin};
use crate::settings::HistoryLimits;
use crate::stamp;

/// What ended.
#[derive(Debug, Default)]
pub(super) struct History {
    last: u64,
    /// By duration, then number.
    longest: BTreeMap<(Duration, u64), Ended>,
    slow: VecDeque<Ended>,
}

/// One that ended, without what it carried.
#[derive(Debug, Clone)]
struct Ended {
    /// Monotonic.
    arrived: Duration,
    number: u64,
    shown: Shown,
}

/// An operation as it is shown.
#[derive(Debug, Clone)]
struct Shown {
    description: String,
    source: String,
    from_monitor: bool,
    forwarded: bool,
    initiated: UTime,
    duration: Duration,
}

impl History {
    /// An operation has its answer.
    pub(super) fn note(&mut self, now: Now, operation: &Operation, limits: &HistoryLimits) {
        self.last += 1;
        let number = self.last;
        let duration = now.mono.saturating_sub(operation.arrived);
        if self.longest.len() >= limits.size {
            self.forget_old(now, limits);
        }
        let is_full = self.longest.len() >= limits.size;
        let is_slow = duration >= limits.slow_threshold;
        let shortest = self.longest.first_key_value().map(|(key, _)| *key);
        // Most come to nothing here, and must not cost the making of a description.
        let enters =
            limits.size > 0 && (!is_full || shortest.is_some_and(|shortest| (duration, number) > shortest));
        if !enters && !is_slow {
            return;
        }
        let ended = Ended { arrived: operation.arrived, number, shown: Shown::of(now, operation) };
        if is_slow {
            self.slow.push_back(ended.clone());
            while self.slow.len() > limits.slow_size {
                self.slow.pop_front();
            }
        }
        if enters {
            self.longest.insert((duration, number), ended);
            while self.longest.len() > limits.size {
                self.longest.pop_first();
            }
        }
    }

    fn forget_old(&mut self, now: Now, limits: &HistoryLimits) {
        let is_recent = |ended: &Ended| now.mono < ended.arrived + limits.duration;
        self.longest.retain(|_, ended| is_recent(ended));
        self.slow.retain(is_recent);
    }

    /// `dump_historic_ops`, in the order in which they came, or the longest first.
    pub(super) fn dump(
        &mut self,
        now: Now,
        limits: &HistoryLimits,
        form: Form,
        longest_first: bool,
    ) -> Value {
        self.forget_old(now, limits);
        let mut kept: Vec<&Ended> = self.longest.values().rev().collect();
        if !longest_first {
            kept.sort_by_key(|ended| (ended.arrived, ended.number));
        }
        json!({
            "size": limits.size,
            "duration": limits.duration.as_secs(),
            "ops": kept.into_iter().map(|ended| ended.json(now, form)).collect::<Vec<_>>(),
        })
    }

    /// `dump_historic_slow_ops`.
    pub(super) fn dump_slow(&mut self, now: Now, limits: &HistoryLimits, form: Form) -> Value {
        self.forget_old(now, limits);
        json!({
            "num to keep": limits.slow_size,
            "threshold to keep": limits.slow_threshold.as_secs(),
            "Ops": self.slow.iter().map(|ended| ended.json(now, form)).collect::<Vec<_>>(),
        })
    }
}

/// The form of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether every operation says whether it goes on for ever, as from Ceph 20 on. None of ours does.
    continuous: bool,
}

impl From<Release> for Form {
    fn from(release: Release) -> Self {
        Self { continuous: release >= Release::Tentacle }
    }
}

/// `ops`: those that wait.
pub(super) fn in_flight<'a>(now: Now, form: Form, waiting: impl Iterator<Item = &'a Operation>) -> Value {
    let mut waiting: Vec<&Operation> = waiting.collect();
    waiting.sort_by_key(|operation| operation.arrived);
    let list: Vec<Value> = waiting
        .into_iter()
        .enumerate()
        .map(|(number, operation)| {
            let shown = Shown::of(now, operation);
            shown.json(now.mono.saturating_sub(operation.arrived), number as u64, form, false)
        })
        .collect();
    json!({ "num_ops": list.len(), "ops": list })
}

impl Ended {
    fn json(&self, now: Now, form: Form) -> Value {
        self.shown.json(now.mono.saturating_sub(self.arrived), self.number, form, true)
    }
}

impl Shown {
    fn of(now: Now, operation: &Operation) -> Self {
        let duration = now.mono.saturating_sub(operation.arrived);
        let requester = &operation.requester;
        Self {
            description: describe(operation),
            source: format!("{} {}", requester.instance(), requester.addrs),
            from_monitor: matches!(operation.origin, Origin::Peer { .. }),
            forwarded: operation.forwarded > 0,
            initiated: UTime::from_duration(now.wall.to_duration().saturating_sub(duration)),
            duration,
        }
    }

    fn json(&self, age: Duration, number: u64, form: Form, done: bool) -> Value {
        let event = |name: &str, time: UTime, took: Duration| json!({ "event": name, "time": stamp::text(time), "duration": took.as_secs_f64() });
        let mut events = vec![event("initiated", self.initiated, Duration::ZERO)];
        if done {
            let end = UTime::from_duration(self.initiated.to_duration() + self.duration);
            events.push(event("done", end, self.duration));
        }
        let mut shown = json!({
            "description": self.description,
            "initiated_at": stamp::text(self.initiated),
            "age": age.as_secs_f64(),
            "duration": self.duration.as_secs_f64(),
            "type_data": {
                "events": events,
                "info": {
                    "seq": number,
                    "src_is_mon": self.from_monitor,
                    "source": self.source,
                    "forwarded_to_leader": self.forwarded,
                },
            },
        });
        if form.continuous {
            shown["continuous"] = false.into();
        }
        shown
    }
}

/// What it is, without what may be secret.
fn describe(operation: &Operation) -> String {
    match (&operation.command, &operation.message) {
        (Some(command), _) => format!("mon_command({} v 0)", command.shown()),
        (None, Message::Log(log)) => format!("log({} entries)", log.entries.len()),
        (None, message) => message.name().to_owned(),
    }
}
