//! What rows and operations share: the status that is being written, and the few ways to end.

use std::time::Duration;

use moncluster_api::{
    Finished, MemberName, MemberStatus, Moment, MonClusterStatus, Operation, OperationKind, OperationResult,
    Replaced, RequestResult, Step,
};

use crate::action::{Action, MonitorCall, Role, Target, Verb};
use crate::decision::{Event, Reason, Requeue, Row};
use crate::view::View;

/// A decision in the making.
#[derive(Debug, Clone)]
pub(crate) struct Planner<'a> {
    pub(crate) view: View<'a>,
    pub(crate) status: MonClusterStatus,
    pub(crate) events: Vec<Event>,
    /// What should be done and cannot be, for the conditions.
    pub(crate) blocked: Option<Blocked>,
}

/// Why something that is due is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blocked {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// How a row ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Choice {
    pub(crate) row: Row,
    pub(crate) action: Option<Action>,
    pub(crate) requeue: Requeue,
}

/// What an operation starts with.
#[derive(Debug, Clone)]
pub(crate) struct Start<'t> {
    pub(crate) kind: OperationKind,
    pub(crate) target: MemberName,
    pub(crate) replacement: Option<MemberName>,
    pub(crate) reason: &'t str,
    /// How long it may take before it is given up.
    pub(crate) within: Duration,
    pub(crate) pod_uid: Option<String>,
}

impl Planner<'_> {
    pub(crate) fn now(&self) -> Moment {
        self.view.seen.now
    }

    pub(crate) fn tell(&mut self, reason: Reason, member: Option<&MemberName>, message: String) {
        self.events.push(Event { reason, member: member.cloned(), message });
    }

    /// Says why something is not done; as an event only when that is new.
    pub(crate) fn block(&mut self, reason: Reason, member: Option<&MemberName>, message: String) {
        let known = self.view.seen.status.condition("Healing");
        if known.is_none_or(|known| known.reason != format!("{reason:?}")) {
            self.tell(reason, member, message.clone());
        }
        self.blocked = Some(Blocked { reason, message });
    }

    /// Nothing more to do until something changes.
    pub(crate) fn rest(&self, row: Row) -> Choice {
        Choice { row, action: None, requeue: Requeue::After(self.view.cluster.healing().probe_interval.0) }
    }

    pub(crate) fn act(&self, row: Row, action: Action) -> Choice {
        Choice { row, action: Some(action), requeue: Requeue::After(SOON) }
    }

    /// A name that nobody has had, for a member that is entered at once.
    pub(crate) fn newcomer(&mut self) -> MemberName {
        let name = MemberName::of_index(self.status.next_member_index);
        self.status.next_member_index = self.status.next_member_index.saturating_add(1);
        self.status.members.push(MemberStatus::new(name.clone()));
        name
    }

    /// Whether a random id was given and there is room for one member more.
    pub(crate) fn can_begin(&self) -> bool {
        !self.view.seen.fresh.operation.is_empty() && self.status.members.len() < MEMBERS_MAX
    }

    /// Writes an operation down. Nothing else happens in this decision.
    pub(crate) fn begin(&mut self, row: Row, start: Start<'_>) -> Choice {
        let now = self.now();
        let Start { kind, target, replacement, reason, within, pod_uid } = start;
        self.status.operation = Some(Operation {
            id: self.view.seen.fresh.operation.clone(),
            kind,
            target,
            replacement,
            reason: reason.into(),
            step: Step::Plan,
            started_time: now,
            step_time: now,
            deadline_time: now.after(within),
            pod_uid,
            abort: None,
            message: String::new(),
            summary: String::new(),
        });
        self.at(Step::Plan, "written down".into());
        Choice { row, action: None, requeue: Requeue::Now }
    }

    /// Records a replacement for the breaker.
    pub(crate) fn count_replacement(&mut self, member: &MemberName, reason: &str) {
        let now = self.now();
        let replaced = &mut self.status.healing.replacements;
        replaced.retain(|replaced| now.since(replaced.time) < HOUR);
        replaced.push(Replaced { time: now, member: member.clone(), reason: reason.into() });
        let surplus = replaced.len().saturating_sub(REPLACEMENTS_MAX);
        replaced.drain(..surplus);
    }

    /// Notes where the operation is.
    pub(crate) fn at(&mut self, step: Step, message: String) {
        let now = self.now();
        if let Some(operation) = &mut self.status.operation {
            if operation.step != step {
                operation.step = step;
                operation.step_time = now;
            }
            let who = match &operation.replacement {
                Some(new) if *new != operation.target => format!("{} by {new}", operation.target),
                _ => operation.target.to_string(),
            };
            operation.summary = format!("{} {who}: {step}", operation.kind);
            operation.message = message.chars().take(512).collect();
        }
    }

    /// One step of the operation.
    pub(crate) fn step(&mut self, step: Step, message: impl Into<String>, action: Action) -> Choice {
        self.at(step, message.into());
        self.act(Row::Operation, action)
    }

    /// The operation waits.
    pub(crate) fn wait(&mut self, step: Step, message: impl Into<String>) -> Choice {
        self.at(step, message.into());
        Choice { row: Row::Operation, action: None, requeue: Requeue::After(SOON) }
    }

    /// The operation is over.
    pub(crate) fn finish(&mut self, result: OperationResult, reason: Reason, message: String) -> Choice {
        if let Some(operation) = self.status.operation.take() {
            if operation.reason == REQUESTED
                && let Some(request) = &mut self.status.request
            {
                request.result = match result {
                    OperationResult::Succeeded => RequestResult::Done,
                    OperationResult::Aborted => RequestResult::Refused,
                };
                request.message.clone_from(&message);
            }
            self.tell(reason, Some(&operation.target), message.clone());
            let duration = self.now().since(operation.started_time);
            self.status.history.insert(
                0,
                Finished {
                    id: operation.id,
                    kind: operation.kind,
                    target: operation.target,
                    replacement: operation.replacement,
                    reason: operation.reason,
                    result,
                    started_time: operation.started_time,
                    duration_seconds: duration.as_secs(),
                    message,
                },
            );
            self.status.history.truncate(10);
        }
        Choice { row: Row::Operation, action: None, requeue: Requeue::Now }
    }

    /// A change by the monitors, planned under the map that is certain now. None while no map is.
    pub(crate) fn call(&self, operation: &Operation, verb: Verb) -> Option<Action> {
        let map = self.view.map?;
        let (via, _) = self.view.speaker?;
        let what = match &verb {
            Verb::AddLearner { .. } => "learner-add",
            Verb::RemoveLearner { .. } => "learner-remove",
            Verb::Add { .. } => "add",
            Verb::Remove { .. } => "remove",
            Verb::Replace { .. } => "replace",
            Verb::StepDown => "step-down",
        };
        Some(Action::Monitor(MonitorCall {
            via: via.clone(),
            verb,
            expected_epoch: map.epoch,
            operation_id: format!("{}/{what}", operation.id),
        }))
    }

    /// A member's StatefulSet; none while its address is not known.
    pub(crate) fn stateful_set(&self, member: &MemberName, role: Role) -> Option<Action> {
        Some(Action::ApplyStatefulSet {
            member: member.clone(),
            role,
            fsid: self.status.fsid.clone()?,
            address: self.address(member)?,
        })
    }

    pub(crate) fn address(&self, member: &MemberName) -> Option<String> {
        self.status.member(member)?.address.clone()
    }

    pub(crate) fn forget(&mut self, member: &MemberName) {
        self.status.members.retain(|known| known.name != *member);
    }
}

pub(crate) fn target(uid: &str, resource_version: &str) -> Target {
    Target { uid: uid.into(), resource_version: resource_version.into() }
}

/// The reason of operations that people asked for.
pub(crate) const REQUESTED: &str = "Requested";

/// Watches wake us when something happens; this is for what has no watch.
pub(crate) const SOON: Duration = Duration::from_secs(1);

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The schema's limits.
const MEMBERS_MAX: usize = 31;
const REPLACEMENTS_MAX: usize = 16;
