//! One voter more: it follows as a learner until it has everything, and votes from one epoch on.

use std::ops::ControlFlow::Break;

use moncluster_api::{Operation, OperationResult, Step};

use super::newcomer;
use crate::action::Verb;
use crate::decision::Reason;
use crate::planner::{Choice, Planner};
use crate::row::backoff;
use crate::view::slack;

pub(super) fn next(p: &mut Planner<'_>, operation: &Operation) -> Choice {
    let name = operation.target.clone();
    if p.view.is_voter(&name) {
        return settle(p, operation);
    }
    if operation.abort.is_none() && newcomer::is_late(p, operation, &name) {
        give_up(p, format!("mon.{name} did not catch up in time"));
    } else if operation.abort.is_none() && p.view.cluster.replicas() <= p.view.voters.len() as u32 {
        give_up(p, "it is no longer wanted".into());
    }
    if let Some(why) = p.status.operation.as_ref().and_then(|operation| operation.abort.clone()) {
        if let Break(choice) = newcomer::take_back(p, operation, &name) {
            return choice;
        }
        backoff::failed(p);
        let text = format!("mon.{name} was not added: {why}");
        return p.finish(OperationResult::Aborted, Reason::ScaleAborted, text);
    }
    if let Break(choice) = newcomer::bring_up(p, operation, &name) {
        return choice;
    }
    // Everybody in, and after the step no less room for failures than before (I4).
    let (live, size) = (p.view.in_quorum.len(), p.view.voters.len());
    if live < size {
        return p.wait(Step::Commit, "waiting for all members to be in quorum");
    }
    if slack(live + 1, size + 1) < slack(live, size).min(1) {
        return p.wait(Step::Commit, "waiting until one more voter costs nothing");
    }
    let Some(address) = p.address(&name) else {
        return p.wait(Step::Commit, "waiting for the Service's address");
    };
    match p.call(operation, Verb::Add { name: name.clone(), address }) {
        Some(action) => p.step(Step::Commit, format!("giving mon.{name} a vote"), action),
        None => p.wait(Step::Commit, "waiting for the committed monmap"),
    }
}

fn settle(p: &mut Planner<'_>, operation: &Operation) -> Choice {
    let name = &operation.target;
    if !p.view.in_quorum.contains(name) && !super::confirm_is_late(p, operation) {
        return p.wait(Step::Confirm, format!("waiting for mon.{name} to join the quorum"));
    }
    backoff::succeeded(p);
    let text = format!("mon.{name} votes: {} members", p.view.voters.len());
    p.finish(OperationResult::Succeeded, Reason::ScaleUp, text)
}

fn give_up(p: &mut Planner<'_>, why: String) {
    if let Some(operation) = &mut p.status.operation {
        operation.abort = Some(why);
    }
}
