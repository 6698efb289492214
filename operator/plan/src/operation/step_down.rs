//! The leader hands over because people asked for it.

use moncluster_api::{Operation, OperationResult, Step};

use crate::action::Verb;
use crate::decision::Reason;
use crate::planner::{Choice, Planner};

pub(super) fn next(p: &mut Planner<'_>, operation: &Operation) -> Choice {
    match p.view.leader() {
        Some(leader) if *leader != operation.target => {
            let text = format!("mon.{leader} leads, after mon.{}", operation.target);
            p.finish(OperationResult::Succeeded, Reason::StepDown, text)
        }
        _ if p.now() > operation.deadline_time => {
            let text = format!("mon.{} still leads", operation.target);
            p.finish(OperationResult::Aborted, Reason::StepDown, text)
        }
        Some(_) if p.view.in_quorum.len() > 1 => match p.call(operation, Verb::StepDown) {
            Some(action) => p.step(Step::StepDown, "the leader hands over", action),
            None => p.wait(Step::StepDown, "waiting for the committed monmap"),
        },
        Some(_) | None => p.wait(Step::StepDown, "waiting for another member in quorum"),
    }
}
