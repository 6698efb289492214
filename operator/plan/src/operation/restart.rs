//! A member's pod is made anew, after the leader has handed over if it is the leader's.

use moncluster_api::{Operation, OperationResult, Step};

use crate::action::{Action, Role, Verb};
use crate::decision::Reason;
use crate::planner::{Choice, Planner, target};

pub(super) fn next(p: &mut Planner<'_>, operation: &Operation) -> Choice {
    let name = &operation.target;
    let seen = p.view.seen;
    if !p.view.is_voter(name) {
        let text = format!("mon.{name} is not in the monmap any more");
        return p.finish(OperationResult::Aborted, Reason::RestartAborted, text);
    }
    if p.now() > operation.deadline_time {
        let text =
            format!("mon.{name} is not back in time; no other pod is touched: see its pod and its log");
        return p.finish(OperationResult::Aborted, Reason::RestartAborted, text);
    }
    let Some(set) = seen.stateful_sets.get(name) else {
        return match p.stateful_set(name, Role::Voter) {
            Some(action) => p.step(Step::Restore, format!("making the StatefulSet of mon.{name}"), action),
            None => p.wait(Step::Restore, "waiting for the address"),
        };
    };
    if set.revision != set.revision_wanted
        && let Some(action) = p.stateful_set(name, Role::Voter)
    {
        return p.step(Step::Restore, format!("the next pod of mon.{name} is as the spec says"), action);
    }
    match seen.pods.get(name) {
        Some(pod) if operation.pod_uid.as_ref() == Some(&pod.uid) && !pod.deleting => {
            let target = target(&pod.uid, &pod.resource_version);
            evict(p, operation, target)
        }
        Some(pod) if operation.pod_uid.as_ref() != Some(&pod.uid) => confirm(p, operation),
        Some(_) | None => p.wait(Step::Evict, format!("waiting for the pod of mon.{name}")),
    }
}

fn evict(p: &mut Planner<'_>, operation: &Operation, target: crate::action::Target) -> Choice {
    let name = &operation.target;
    let view = &p.view;
    if !view.in_quorum.contains(name) {
        let action = Action::DeletePod { member: name.clone(), target };
        return p.step(Step::Evict, format!("mon.{name} is out of quorum: its pod is deleted"), action);
    }
    if view.map.is_none() || !view.others_in_quorum(name) {
        return p.wait(Step::Evict, "waiting for the other members to be in quorum");
    }
    if view.leader() == Some(name) && view.in_quorum.len() > 1 {
        return match p.call(operation, Verb::StepDown) {
            Some(action) => p.step(Step::StepDown, format!("mon.{name} leads: it hands over"), action),
            None => p.wait(Step::StepDown, "waiting for the committed monmap"),
        };
    }
    // With one or two members the budget is zero, and the change was asked for all the same.
    let action = match view.slack() {
        slack if slack >= 1 => Action::EvictPod { member: name.clone(), target },
        _ => Action::DeletePod { member: name.clone(), target },
    };
    p.step(Step::Evict, format!("the pod of mon.{name} goes"), action)
}

fn confirm(p: &mut Planner<'_>, operation: &Operation) -> Choice {
    let name = &operation.target;
    let since = p.status.member(name).and_then(|member| member.in_quorum_since);
    let steady = since.is_some_and(|since| p.now().since(since) >= p.view.cluster.update().min_in_quorum.0);
    if !steady {
        return p.wait(Step::Confirm, format!("waiting for mon.{name} to stay in quorum"));
    }
    let text = format!("mon.{name} runs as the spec says");
    p.finish(OperationResult::Succeeded, Reason::RestartSucceeded, text)
}
