//! Conditions. Where evidence is missing they are Unknown, not False.

use std::time::Duration;

use moncluster_api::{
    CauseOfOutage, Condition, ConditionStatus, HealingMode, MonClusterStatus, OperationKind, OperationResult,
    QuorumState, UpdateStrategy,
};

use crate::observation::{SupportFact, SupportState};
use crate::placement;
use crate::planner::Blocked;
use crate::view::View;

/// A condition without its times.
struct Now {
    kind: &'static str,
    status: ConditionStatus,
    reason: String,
    message: String,
}

/// All conditions, each with the time of its last transition.
pub(crate) fn conditions(
    view: &View<'_>,
    status: &MonClusterStatus,
    blocked: Option<&Blocked>,
) -> Vec<Condition> {
    let all = [
        available(view, status),
        ready(view, status, blocked),
        progressing(view, status),
        degraded(status),
        fault_tolerant(status),
        healing(view, blocked),
        up_to_date(view, status),
        topology(view),
        clocks(view),
        storage(view, status),
    ];
    let dated = |now: Now| {
        let before = view.seen.status.condition(now.kind).filter(|before| before.status == now.status);
        Condition {
            kind: now.kind.into(),
            status: now.status,
            observed_generation: view.cluster.generation(),
            last_transition_time: before.map_or(view.seen.now, |before| before.last_transition_time),
            reason: now.reason,
            message: now.message.chars().take(1024).collect(),
        }
    };
    all.into_iter().map(dated).collect()
}

fn condition(kind: &'static str, status: ConditionStatus, reason: &str, message: impl Into<String>) -> Now {
    Now { kind, status, reason: reason.into(), message: message.into() }
}

fn truth(holds: bool) -> ConditionStatus {
    if holds { ConditionStatus::True } else { ConditionStatus::False }
}

fn available(view: &View<'_>, status: &MonClusterStatus) -> Now {
    let kind = "Available";
    if !status.bootstrapped {
        return condition(kind, ConditionStatus::False, "Bootstrapping", "there is no monitor yet");
    }
    let summary = &status.quorum.summary;
    match status.quorum.state {
        QuorumState::Full | QuorumState::Degraded | QuorumState::AtRisk => {
            condition(kind, ConditionStatus::True, "QuorumServing", format!("{summary} in quorum"))
        }
        QuorumState::Lost => {
            let since = status.quorum.leaderless_since.unwrap_or(view.seen.now);
            let advice = status.recovery.as_ref().map_or("", |recovery| recovery.advice.as_str());
            match view.seen.now.since(since) >= LOST_FOR_SURE_AFTER {
                true => condition(kind, ConditionStatus::False, "QuorumLost", advice),
                false => condition(kind, ConditionStatus::Unknown, "QuorumLost", advice),
            }
        }
        QuorumState::Unknown => condition(
            kind,
            ConditionStatus::Unknown,
            "QuorumUnknown",
            "too few monitors answer to tell whether there is a quorum",
        ),
    }
}

fn ready(view: &View<'_>, status: &MonClusterStatus, blocked: Option<&Blocked>) -> Now {
    let kind = "Ready";
    if let Some(SupportState::Unusable(text)) = view
        .seen
        .support
        .iter()
        .map(|fact| &fact.state)
        .find(|state| matches!(state, SupportState::Unusable(_)))
    {
        return condition(kind, ConditionStatus::False, "ReferenceUnusable", text.clone());
    }
    let missing = |fact: &SupportFact| fact.kind.is_identity() && fact.state == SupportState::Missing;
    if status.bootstrapped && view.seen.support.iter().any(missing) {
        let text =
            "the Secret with the key of mon. is gone: restore it before pods restart, see docs/operator.md";
        return condition(kind, ConditionStatus::False, "KeyLost", text);
    }
    if !status.bootstrapped {
        let message = blocked.map_or_else(
            || status.operation.as_ref().map_or_else(String::new, |operation| operation.message.clone()),
            |blocked| blocked.message.clone(),
        );
        return condition(kind, ConditionStatus::False, "Bootstrapping", message);
    }
    let (quorum, wanted) = (&status.quorum, view.cluster.replicas());
    let waits = blocked.map_or_else(String::new, |blocked| format!("; {}", blocked.message));
    match quorum.state {
        QuorumState::Unknown => condition(
            kind,
            ConditionStatus::Unknown,
            "QuorumUnknown",
            "too few monitors answer to tell whether there is a quorum",
        ),
        QuorumState::Lost => condition(kind, ConditionStatus::False, "QuorumLost", "there is no quorum"),
        QuorumState::Degraded | QuorumState::AtRisk => {
            let out: Vec<_> = status
                .members
                .iter()
                .filter_map(|member| Some(format!("mon.{} ({})", member.name, member.out_cause?)))
                .collect();
            condition(
                kind,
                ConditionStatus::False,
                "MembersOut",
                format!("out of quorum: {}{waits}", out.join(", ")),
            )
        }
        QuorumState::Full if quorum.size != wanted => condition(
            kind,
            ConditionStatus::False,
            "Scaling",
            format!("{} of {wanted} monitors vote{waits}", quorum.size),
        ),
        QuorumState::Full if status.updated_replicas < quorum.size => condition(
            kind,
            ConditionStatus::False,
            "Updating",
            format!("{} of {} monitors are as the spec says", status.updated_replicas, quorum.size),
        ),
        QuorumState::Full => {
            condition(kind, ConditionStatus::True, "AllInQuorum", format!("{} in quorum", quorum.summary))
        }
    }
}

fn progressing(view: &View<'_>, status: &MonClusterStatus) -> Now {
    let kind = "Progressing";
    if let Some(operation) = &status.operation {
        let reason = operation.kind.to_string();
        let late = if view.seen.now > operation.deadline_time { ", past its deadline" } else { "" };
        let message = format!("{}{late}: {}", operation.summary, operation.message);
        return condition(kind, ConditionStatus::True, &reason, message);
    }
    match status.history.first() {
        Some(last)
            if last.kind == OperationKind::Restart
                && last.result == OperationResult::Aborted
                && status.quorum.state != QuorumState::Full =>
        {
            condition(kind, ConditionStatus::False, "UpdateStalled", last.message.clone())
        }
        _ => condition(kind, ConditionStatus::False, "Idle", ""),
    }
}

fn degraded(status: &MonClusterStatus) -> Now {
    let kind = "Degraded";
    match status.quorum.state {
        QuorumState::Unknown => condition(kind, ConditionStatus::Unknown, "QuorumUnknown", ""),
        QuorumState::Full => condition(kind, ConditionStatus::False, "Full", ""),
        state @ (QuorumState::Degraded | QuorumState::AtRisk | QuorumState::Lost) => {
            condition(kind, ConditionStatus::True, &state.to_string(), status.quorum.summary.clone())
        }
    }
}

fn fault_tolerant(status: &MonClusterStatus) -> Now {
    let kind = "FaultTolerant";
    match (status.quorum.state, status.quorum.fault_tolerance) {
        (QuorumState::Unknown, _) => condition(kind, ConditionStatus::Unknown, "QuorumUnknown", ""),
        (_, 0) => condition(kind, ConditionStatus::False, "NoSlack", "no member may fail now"),
        (_, more) => condition(kind, ConditionStatus::True, "Slack", format!("{more} more may fail")),
    }
}

fn healing(view: &View<'_>, blocked: Option<&Blocked>) -> Now {
    let kind = "Healing";
    if view.cluster.spec().paused {
        return condition(kind, ConditionStatus::False, "Paused", planned(blocked, "spec.paused is set"));
    }
    match view.cluster.healing().mode {
        HealingMode::Automatic => {}
        HealingMode::ObserveOnly => {
            return condition(
                kind,
                ConditionStatus::False,
                "ObserveOnly",
                planned(blocked, "nothing would be done"),
            );
        }
        HealingMode::Disabled => return condition(kind, ConditionStatus::False, "Disabled", ""),
    }
    match blocked {
        Some(blocked) => {
            condition(kind, ConditionStatus::False, &format!("{:?}", blocked.reason), blocked.message.clone())
        }
        None if view.seen.status.bootstrapped && !view.state.holds() => {
            condition(kind, ConditionStatus::False, "NoQuorum", "members are changed by a quorum only")
        }
        None => condition(kind, ConditionStatus::True, "Allowed", ""),
    }
}

fn planned(blocked: Option<&Blocked>, otherwise: &str) -> String {
    blocked.map_or_else(|| otherwise.into(), |blocked| blocked.message.clone())
}

fn up_to_date(view: &View<'_>, status: &MonClusterStatus) -> Now {
    let kind = "UpToDate";
    let (updated, size) = (status.updated_replicas, status.quorum.size);
    let message = format!("{updated} of {size} pods are as the spec says");
    let reason = match view.cluster.update().strategy {
        _ if size == 0 => return condition(kind, ConditionStatus::Unknown, "NoMembers", ""),
        _ if updated == size => "Updated",
        UpdateStrategy::QuorumAware => "Updating",
        UpdateStrategy::OnDelete => "WaitingForDeletion",
    };
    condition(kind, truth(updated == size), reason, message)
}

fn topology(view: &View<'_>) -> Now {
    let kind = "TopologySatisfied";
    match placement::crowded(view) {
        None => condition(kind, ConditionStatus::True, "Spread", ""),
        Some(name) => {
            let message = format!("mon.{name} shares a failure domain with another member");
            condition(kind, ConditionStatus::False, "Crowded", message)
        }
    }
}

fn clocks(view: &View<'_>) -> Now {
    let kind = "ClockSynchronized";
    if view.speaker.is_none() {
        return condition(kind, ConditionStatus::Unknown, "QuorumUnknown", "");
    }
    match view.answers().find_map(|(_, answer)| answer.health_checks.get("MON_CLOCK_SKEW")) {
        None => condition(kind, ConditionStatus::True, "Synchronized", ""),
        Some(text) => condition(kind, ConditionStatus::False, "ClockSkew", text.clone()),
    }
}

fn storage(view: &View<'_>, status: &MonClusterStatus) -> Now {
    let kind = "StorageHealthy";
    let lost = status.members.iter().find(|member| {
        matches!(member.out_cause, Some(CauseOfOutage::VolumeLost | CauseOfOutage::StoreCorrupt))
    });
    if let Some(member) = lost {
        let message = format!("the store of mon.{} is lost", member.name);
        return condition(kind, ConditionStatus::False, "StoreLost", message);
    }
    let checks = ["MON_DISK_CRIT", "MON_DISK_LOW", "MON_DISK_BIG"];
    let full = view
        .answers()
        .find_map(|(_, answer)| checks.iter().find_map(|check| answer.health_checks.get(*check)));
    if let Some(text) = full {
        return condition(kind, ConditionStatus::False, "DiskSpace", text.clone());
    }
    let wanted = view.cluster.storage_bytes();
    let small = status.members.iter().find(|member| {
        view.store(&member.name).is_some_and(|claim| claim.bytes < wanted && !claim.expandable)
    });
    match small {
        Some(member) => {
            let message = format!("the storage class of mon.{} does not let its volume grow", member.name);
            condition(kind, ConditionStatus::False, "NotExpandable", message)
        }
        None => condition(kind, ConditionStatus::True, "Healthy", ""),
    }
}

/// A quorum that was lost for less may be on its way back.
const LOST_FOR_SURE_AFTER: Duration = Duration::from_secs(120);
