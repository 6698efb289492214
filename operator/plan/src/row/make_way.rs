//! Part of row 11: a member's pod cannot be scheduled because a newcomer has taken the only node that its volume is on.
//! That happens when the member's pod was away for a moment. The newcomer has no vote, so it goes.

use moncluster_api::MemberName;

use crate::action::Action;
use crate::decision::Row;
use crate::placement;
use crate::planner::{Choice, Planner, target};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    if !p.status.bootstrapped || !p.view.cluster.spread_required() {
        return None;
    }
    let (member, newcomer) = p.view.voters.iter().find_map(|name| Some((name.clone(), blocks(p, name)?)))?;
    let set = p.view.seen.stateful_sets.get(&newcomer).filter(|set| !set.deleting)?;
    let action = Action::DeleteStatefulSet {
        member: newcomer.clone(),
        target: target(&set.uid, &set.resource_version),
    };
    if let Some(operation) = &mut p.status.operation
        && (operation.target == newcomer || operation.replacement.as_ref() == Some(&newcomer))
    {
        operation.abort = Some(format!("mon.{newcomer} had taken the node of mon.{member}"));
    }
    Some(p.act(Row::Recreate, action))
}

/// The newcomer whose pod is in the failure domain that this member's volume is tied to.
fn blocks(p: &Planner<'_>, name: &MemberName) -> Option<MemberName> {
    let seen = p.view.seen;
    seen.pods.get(name).filter(|pod| pod.unschedulable)?;
    let tied = p.view.store(name)?.nodes.as_ref()?;
    let homes: Vec<_> = tied.iter().filter_map(|node| placement::domain_of_node(&p.view, node)).collect();
    let mut others = seen.pods.iter().filter(|(other, _)| *other != name && !p.view.is_voter(other));
    let (newcomer, _) = others.find(|(_, pod)| {
        let node = pod.node.as_ref().and_then(|node| placement::domain_of_node(&p.view, node));
        node.is_some_and(|domain| homes.contains(&domain))
    })?;
    Some(newcomer.clone())
}
