//! The first monitor: Service, claim, StatefulSet; it makes its own store with itself as the only voter. Everybody
//! else joins it later as a learner, so that there is never a second mkfs.

use moncluster_api::{Operation, OperationResult, Step};

use crate::action::{Action, Role};
use crate::decision::Reason;
use crate::observation::MonState;
use crate::planner::{Choice, Planner};

pub(super) fn next(p: &mut Planner<'_>, operation: &Operation) -> Choice {
    let seen = p.view.seen;
    let name = operation.target.clone();
    let Some(service) = seen.services.get(&name) else {
        let action = Action::ApplyService { member: name, cluster_ip: None, fenced: false };
        return p.step(Step::Provision, "making the Service", action);
    };
    let (Some(_), Some(fsid), Some(address)) = (&service.cluster_ip, p.status.fsid.clone(), p.address(&name))
    else {
        return p.wait(Step::Provision, "waiting for the Service's address");
    };
    if !seen.claims.contains_key(&name) {
        return p.step(
            Step::Provision,
            "making the claim",
            Action::CreateClaim { member: name, fsid, address },
        );
    }
    if !seen.stateful_sets.contains_key(&name) {
        // Who is seen to vote has made its store, and must never make another.
        let role = if p.view.is_voter(&name) { Role::Voter } else { Role::Bootstrap };
        let action = Action::ApplyStatefulSet { member: name, role, fsid, address };
        return p.step(Step::Provision, "starting the monitor", action);
    }
    match p.view.answer(&name) {
        Some(answer) if answer.state == MonState::Leader && answer.ready => {
            p.status.bootstrapped = true;
            let text = format!("mon.{name} leads a new cluster with fsid {fsid}");
            p.finish(OperationResult::Succeeded, Reason::BootstrapSucceeded, text)
        }
        Some(_) => p.wait(Step::Confirm, format!("waiting for mon.{name} to lead")),
        None => p.wait(Step::Confirm, format!("waiting for mon.{name} to answer")),
    }
}
