//! One voter for another. The newcomer copies the store as a learner while the old one stays what it is; then both
//! change places in one monmap epoch. Before that epoch everything can be taken back, after it nothing is.
//!
//! ```text
//!   Plan -> Provision -> (Vacate) -> Sync -> (StepDown) -> Commit -> Confirm -> Retire -> done
//!                  \________________________/
//!                              Abort: only the newcomer's objects go
//! ```

use std::ops::ControlFlow::Break;

use moncluster_api::{MemberName, Operation, OperationResult, Step};

use super::{leaver, newcomer};
use crate::action::{Action, Role, Verb};
use crate::cause::{cause, is_local};
use crate::decision::Reason;
use crate::planner::{Choice, Planner, REQUESTED, target};
use crate::row::backoff;
use crate::view::slack;

pub(super) fn next(p: &mut Planner<'_>, operation: &Operation) -> Choice {
    let old = &operation.target;
    let Some(new) = operation.replacement.clone() else {
        let text = "there is no name for the newcomer".to_owned();
        return p.finish(OperationResult::Aborted, Reason::ReplaceAborted, text);
    };
    if p.view.is_voter(&new) {
        return settle(p, operation, &new);
    }
    if let Some(why) = operation.abort.clone().or_else(|| reason_to_abort(p, operation, &new)) {
        return abort(p, operation, &new, why);
    }
    if let Some(choice) = vacate(p, operation, &new) {
        return choice;
    }
    if let Break(choice) = newcomer::bring_up(p, operation, &new) {
        return choice;
    }
    commit(p, operation, old, &new)
}

fn reason_to_abort(p: &Planner<'_>, operation: &Operation, new: &MemberName) -> Option<String> {
    let old = &operation.target;
    let view = &p.view;
    view.speaker?;
    if !view.is_voter(old) {
        return Some(format!("mon.{old} is not in the monmap any more"));
    }
    if newcomer::is_late(p, operation, new) {
        return Some(format!("mon.{new} did not catch up in time"));
    }
    let voluntary = [REQUESTED, SPREAD, DRAIN].contains(&operation.reason.as_str());
    (!voluntary && view.in_quorum.contains(old)).then(|| format!("mon.{old} is back in quorum"))
}

fn abort(p: &mut Planner<'_>, operation: &Operation, new: &MemberName, why: String) -> Choice {
    let late = newcomer::is_late(p, operation, new);
    if let Some(operation) = &mut p.status.operation {
        operation.abort = Some(why.clone());
    }
    if let Break(choice) = newcomer::take_back(p, operation, new) {
        return choice;
    }
    if late {
        backoff::failed(p);
    }
    let text = format!("mon.{} was not replaced: {why}", operation.target);
    p.finish(OperationResult::Aborted, Reason::ReplaceAborted, text)
}

/// The only case in which a pod goes before the map has changed: its store is lost, so it cannot vote, and its
/// node is the only one left.
fn vacate(p: &mut Planner<'_>, operation: &Operation, new: &MemberName) -> Option<Choice> {
    let seen = p.view.seen;
    let old = &operation.target;
    let stuck = seen.pods.get(new).is_some_and(|pod| pod.unschedulable);
    let lost = p.status.member(old).is_some_and(|member| is_local(cause(&p.view, member)));
    let holds = p.view.map.is_some() && !p.view.in_quorum.contains(old);
    let set = seen.stateful_sets.get(old).filter(|set| !set.deleting && stuck && lost && holds)?;
    let action =
        Action::DeleteStatefulSet { member: old.clone(), target: target(&set.uid, &set.resource_version) };
    Some(p.step(Step::Vacate, format!("mon.{old} has no store: it makes room for mon.{new}"), action))
}

fn commit(p: &mut Planner<'_>, operation: &Operation, old: &MemberName, new: &MemberName) -> Choice {
    let view = &p.view;
    let stays = view.in_quorum.iter().filter(|voter| *voter != old).count();
    let size = view.voters.len();
    // The newcomer follows and answers, so it counts (I4).
    if slack(stays + 1, size) < view.slack().min(1) {
        return p.wait(Step::Commit, "waiting until the swap costs nothing");
    }
    if view.in_quorum.contains(old) && !view.others_in_quorum(old) {
        return p.wait(Step::Commit, "waiting for the other members to be in quorum");
    }
    if view.leader() == Some(old) && view.in_quorum.len() > 1 {
        return match p.call(operation, Verb::StepDown) {
            Some(action) => p.step(Step::StepDown, format!("mon.{old} leads: it hands over"), action),
            None => p.wait(Step::StepDown, "waiting for the committed monmap"),
        };
    }
    match p.call(operation, Verb::Replace { voter: old.clone(), learner: new.clone() }) {
        Some(action) => p.step(Step::Commit, format!("mon.{new} takes the place of mon.{old}"), action),
        None => p.wait(Step::Commit, "waiting for the committed monmap"),
    }
}

fn settle(p: &mut Planner<'_>, operation: &Operation, new: &MemberName) -> Choice {
    let old = &operation.target;
    let since = p.status.member(new).and_then(|member| member.in_quorum_since);
    let steady = since.is_some_and(|since| p.now().since(since) >= p.view.cluster.update().min_in_quorum.0);
    if !steady && operation.step <= Step::Confirm && !super::confirm_is_late(p, operation) {
        return p.wait(Step::Confirm, format!("waiting for mon.{new} to stay in quorum"));
    }
    // It votes now: its next pod must never make a store.
    if p.view.seen.stateful_sets.get(new).is_some_and(|set| set.role != Role::Voter && !set.deleting)
        && let Some(action) = p.stateful_set(new, Role::Voter)
    {
        return p.step(Step::Retire, format!("mon.{new} is a voter from now on"), action);
    }
    let keep = p.view.cluster.retention().failed_member.0;
    if let Break(choice) = leaver::retire(p, old, keep) {
        return choice;
    }
    backoff::succeeded(p);
    let seconds = p.now().since(operation.started_time).as_secs();
    let text = format!("mon.{new} has replaced mon.{old} in {seconds} s");
    p.finish(OperationResult::Succeeded, Reason::ReplaceSucceeded, text)
}

/// The reason of replacements that put failure domains right.
pub(crate) const SPREAD: &str = "Spread";

/// The reason of replacements ahead of a drain.
pub(crate) const DRAIN: &str = "Drain";
