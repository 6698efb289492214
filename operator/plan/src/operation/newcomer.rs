//! A member to be: made, synced, and, should it come to that, taken back.

use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use moncluster_api::{MemberName, Moment, Operation, Step};

use crate::action::{Action, Role, Verb};
use crate::observation::MonState;
use crate::planner::{Choice, Planner, target};

/// Service, claim, entry as a learner, StatefulSet; then waits until it has caught up.
pub(super) fn bring_up(p: &mut Planner<'_>, operation: &Operation, name: &MemberName) -> ControlFlow<Choice> {
    let seen = p.view.seen;
    let Some(service) = seen.services.get(name) else {
        let action = Action::ApplyService { member: name.clone(), cluster_ip: None, fenced: false };
        return Break(p.step(Step::Provision, format!("making the Service of mon.{name}"), action));
    };
    let (Some(_), Some(fsid), Some(address)) = (&service.cluster_ip, p.status.fsid.clone(), p.address(name))
    else {
        return Break(p.wait(Step::Provision, format!("waiting for the address of mon.{name}")));
    };
    if !seen.claims.contains_key(name) {
        let action = Action::CreateClaim { member: name.clone(), fsid, address };
        return Break(p.step(Step::Provision, format!("making the claim of mon.{name}"), action));
    }
    let Some(map) = p.view.map else {
        return Break(p.wait(Step::Provision, "waiting for the committed monmap"));
    };
    if !map.learners.iter().any(|learner| learner.name == *name) {
        let verb = Verb::AddLearner { name: name.clone(), address };
        return Break(match p.call(operation, verb) {
            Some(action) => p.step(Step::Provision, format!("announcing mon.{name} as a learner"), action),
            None => p.wait(Step::Provision, "waiting for the committed monmap"),
        });
    }
    if !seen.stateful_sets.contains_key(name) {
        let action = Action::ApplyStatefulSet { member: name.clone(), role: Role::Learner, fsid, address };
        return Break(p.step(Step::Provision, format!("starting mon.{name}"), action));
    }
    match lacks(p, name) {
        Some(behind) if behind <= BEHIND_MAX => Continue(()),
        Some(behind) => Break(p.wait(Step::Sync, format!("mon.{name} lacks {behind} values"))),
        None => Break(p.wait(Step::Sync, format!("waiting for mon.{name} to follow the quorum"))),
    }
}

/// How much a learner lacks, where the leader says that it follows and it says so itself.
fn lacks(p: &Planner<'_>, name: &MemberName) -> Option<u64> {
    let itself = p.view.answer(name)?;
    let (_, speaker) = p.view.speaker?;
    let known = speaker.members.iter().find(|member| member.name == *name && member.rank.is_none())?;
    (itself.state == MonState::Learner).then_some(known.behind).flatten()
}

/// Whether the operation's time is up. While the newcomer's sync gets further it is not.
pub(super) fn is_late(p: &Planner<'_>, operation: &Operation, name: &MemberName) -> bool {
    let progress = p.status.member(name).and_then(|member| member.sync_progress_time);
    let extended = progress.map_or(operation.deadline_time, |at: Moment| at.after(SYNC_STALLED_AFTER));
    p.now() > operation.deadline_time.max(extended)
}

/// Takes back what was made for it, the announcement first. Its claim is marked, and swept later.
pub(super) fn take_back(
    p: &mut Planner<'_>,
    operation: &Operation,
    name: &MemberName,
) -> ControlFlow<Choice> {
    let seen = p.view.seen;
    let Some(map) = p.view.map else {
        return Break(p.wait(Step::Abort, "waiting for the committed monmap"));
    };
    if map.learners.iter().any(|learner| learner.name == *name) {
        let verb = Verb::RemoveLearner { name: name.clone() };
        return Break(match p.call(operation, verb) {
            Some(action) => p.step(Step::Abort, format!("taking mon.{name} back"), action),
            None => p.wait(Step::Abort, "waiting for the committed monmap"),
        });
    }
    if let Some(set) = seen.stateful_sets.get(name).filter(|set| !set.deleting) {
        let action = Action::DeleteStatefulSet {
            member: name.clone(),
            target: target(&set.uid, &set.resource_version),
        };
        return Break(p.step(Step::Abort, format!("stopping mon.{name}"), action));
    }
    if let Some(service) = seen.services.get(name).filter(|service| !service.deleting) {
        let action = Action::DeleteService {
            member: name.clone(),
            target: target(&service.uid, &service.resource_version),
        };
        return Break(p.step(Step::Abort, format!("removing the Service of mon.{name}"), action));
    }
    if let Some(claim) = seen.claims.get(name).filter(|claim| claim.retired_until.is_none()) {
        let action = Action::RetireClaim {
            member: name.clone(),
            target: target(&claim.uid, &claim.resource_version),
            until: p.now(),
        };
        return Break(p.step(Step::Abort, format!("marking the claim of mon.{name}"), action));
    }
    p.forget(name);
    Continue(())
}

/// As many values as a joining monitor may lack (`paxos_max_join_drift`); the monitor has the same limit.
const BEHIND_MAX: u64 = 10;

const SYNC_STALLED_AFTER: Duration = Duration::from_secs(300);
