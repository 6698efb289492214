//! Row 21: what belongs to nobody. Only with everybody in quorum and the committed monmap in hand: learners whom no
//! operation is making, StatefulSets and Services without a member, and claims, which are marked first and
//! deleted when their time is over.

use moncluster_api::{MemberName, Moment, QuorumState};

use crate::action::{Action, MonitorCall, Verb};
use crate::decision::{Reason, Requeue, Row};
use crate::planner::{Choice, Planner, target};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    let map = p.view.map?;
    if p.view.state != QuorumState::Full || p.status.operation.is_some() {
        return None;
    }
    let gone: Vec<MemberName> =
        p.status.members.iter().map(|m| m.name.clone()).filter(|name| !p.view.is_voter(name)).collect();
    if !gone.is_empty() {
        gone.iter().for_each(|name| p.forget(name));
        return Some(Choice { row: Row::Sweep, action: None, requeue: Requeue::Now });
    }
    if let Some(learner) = map.learners.iter().find(|learner| learner.name.index().is_some()) {
        let (via, _) = p.view.speaker?;
        let action = Action::Monitor(MonitorCall {
            via: via.clone(),
            verb: Verb::RemoveLearner { name: learner.name.clone() },
            expected_epoch: map.epoch,
            operation_id: format!("sweep-{}-{}", learner.name, map.epoch),
        });
        return Some(p.act(Row::Sweep, action));
    }
    objects(p).or_else(|| claims(p))
}

fn objects(p: &Planner<'_>) -> Option<Choice> {
    let seen = p.view.seen;
    let sets = seen.stateful_sets.iter().filter(|(name, set)| !set.deleting && !p.view.is_voter(name));
    if let Some((member, set)) = sets.into_iter().next() {
        let target = target(&set.uid, &set.resource_version);
        return Some(p.act(Row::Sweep, Action::DeleteStatefulSet { member: member.clone(), target }));
    }
    let mut services =
        seen.services.iter().filter(|(name, service)| !service.deleting && !p.view.is_voter(name));
    services.next().map(|(member, service)| {
        let target = target(&service.uid, &service.resource_version);
        p.act(Row::Sweep, Action::DeleteService { member: member.clone(), target })
    })
}

fn claims(p: &mut Planner<'_>) -> Option<Choice> {
    let seen = p.view.seen;
    let keep = p.view.cluster.retention().failed_member.0;
    let mut orphans = seen.claims.iter().filter(|(name, claim)| !claim.deleting && !p.view.is_voter(name));
    let due = |until: Option<Moment>| until.is_none_or(|until| until <= p.now());
    let (member, claim) = orphans.find(|(_, claim)| due(claim.retired_until))?;
    let (member, target) = (member.clone(), target(&claim.uid, &claim.resource_version));
    let action = match claim.retired_until {
        None => Action::RetireClaim { member, target, until: p.now().after(keep) },
        Some(_) => {
            p.tell(
                Reason::VolumeDeleted,
                Some(&member),
                format!("deleting the volume of mon.{member}, which is gone"),
            );
            Action::DeleteClaim { member, target }
        }
    };
    Some(p.act(Row::Sweep, action))
}
