//! One voter fewer. The leader hands over first; the map changes; then the objects go.

use std::ops::ControlFlow::Break;
use std::time::Duration;

use moncluster_api::{Operation, OperationResult, Step, VolumeFate};

use super::leaver;
use crate::action::Verb;
use crate::decision::Reason;
use crate::planner::{Choice, Planner};
use crate::row::unknown_member::UNKNOWN;
use crate::view::slack;

pub(super) fn next(p: &mut Planner<'_>, operation: &Operation) -> Choice {
    let name = &operation.target;
    if !p.view.is_voter(name) {
        return settle(p, operation);
    }
    if p.view.map.is_none() {
        return p.wait(Step::Commit, "waiting for the committed monmap");
    }
    let late = p.now() > operation.deadline_time;
    if late || !is_still_right(p, operation) {
        // Nothing has been done that would have to be taken back.
        let text = format!("mon.{name} stays: removing it is not due or not safe any more");
        return p.finish(OperationResult::Aborted, Reason::ScaleAborted, text);
    }
    if p.view.leader() == Some(name) && p.view.in_quorum.len() > 1 {
        return match p.call(operation, Verb::StepDown) {
            Some(action) => p.step(Step::StepDown, format!("mon.{name} leads: it hands over"), action),
            None => p.wait(Step::StepDown, "waiting for the committed monmap"),
        };
    }
    match p.call(operation, Verb::Remove { name: name.clone() }) {
        Some(action) => p.step(Step::Commit, format!("taking mon.{name} out of the monmap"), action),
        None => p.wait(Step::Commit, "waiting for the committed monmap"),
    }
}

/// Still too many, everybody who stays is in quorum, and they are a majority of what stays.
fn is_still_right(p: &Planner<'_>, operation: &Operation) -> bool {
    let view = &p.view;
    let name = &operation.target;
    let size = view.voters.len();
    let live = view.in_quorum.iter().filter(|voter| *voter != name).count();
    if size <= 1 || slack(live, size - 1) < 0 {
        return false;
    }
    match operation.reason == UNKNOWN {
        true => slack(live, size - 1) >= 1,
        false => size as u32 > view.cluster.replicas() && view.others_in_quorum(name),
    }
}

fn settle(p: &mut Planner<'_>, operation: &Operation) -> Choice {
    let name = &operation.target;
    let full = p.view.in_quorum.len() == p.view.voters.len();
    if !full && operation.step <= Step::Confirm && !super::confirm_is_late(p, operation) {
        return p.wait(Step::Confirm, "waiting for the quorum to settle");
    }
    let retention = p.view.cluster.retention();
    let keep = match retention.when_scaled_down {
        VolumeFate::Delete => Duration::ZERO,
        VolumeFate::Retain => retention.failed_member.0,
    };
    if let Break(choice) = leaver::retire(p, name, keep) {
        return choice;
    }
    let text = format!("mon.{name} is out: {} members", p.view.voters.len());
    p.finish(OperationResult::Succeeded, Reason::ScaleDown, text)
}
