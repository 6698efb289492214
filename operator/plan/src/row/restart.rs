//! Row 19: a pod is not as the spec says. One at a time: the one that is out of quorum, then peons, the leader last.

use moncluster_api::{MemberName, OperationKind, QuorumState, UpdateStrategy};

use crate::decision::{Reason, Row};
use crate::planner::{Choice, Planner, Start};
use crate::report::is_updated;

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    p.view.map?;
    let update = *p.view.cluster.update();
    if update.strategy == UpdateStrategy::OnDelete {
        return None;
    }
    let name = pick(p)?;
    let steady = |member: &MemberName| {
        let since = p.status.member(member).and_then(|member| member.in_quorum_since);
        since.is_some_and(|since| p.now().since(since) >= update.min_in_quorum.0)
    };
    let others_steady = p.view.voters.iter().all(|voter| *voter == name || steady(voter));
    if !others_steady || !p.can_begin() {
        return None;
    }
    let pod_uid = p.view.seen.pods.get(&name).map(|pod| pod.uid.clone());
    p.tell(Reason::RestartStarted, Some(&name), format!("mon.{name} is made anew, as the spec says"));
    let start = Start {
        kind: OperationKind::Restart,
        target: name,
        replacement: None,
        reason: "Outdated",
        within: update.stall_timeout.0,
        pod_uid,
    };
    Some(p.begin(Row::Restart, start))
}

fn pick(p: &Planner<'_>) -> Option<MemberName> {
    let view = &p.view;
    let outdated: Vec<_> = view
        .voters
        .iter()
        .filter(|name| p.status.member(name).is_some() && view.store(name).is_some())
        .filter(|name| view.seen.stateful_sets.get(*name).is_some_and(|set| !set.deleting))
        .filter(|name| !is_updated(view, name))
        .collect();
    let broken = outdated.iter().find(|name| !view.in_quorum.contains(**name) && view.others_in_quorum(name));
    if let Some(broken) = broken {
        return Some((*broken).clone());
    }
    if view.state != QuorumState::Full {
        return None;
    }
    let order = |name: &&&MemberName| (view.leader() == Some(**name), name.index(), (**name).clone());
    outdated.iter().min_by_key(order).map(|name| (*name).clone())
}
