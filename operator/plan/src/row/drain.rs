//! Row 18: the node of a member in quorum is cordoned and its volume cannot leave the node. With
//! `disruption.drain: MakeBeforeBreak` another takes its place before the node is drained.

use moncluster_api::{DrainPolicy, MemberName, OperationKind, QuorumState};

use super::backoff;
use super::replace::REPLACE_MAX;
use crate::decision::{Reason, Row};
use crate::operation::DRAIN;
use crate::placement;
use crate::planner::{Choice, Planner, Start};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    p.view.map?;
    if p.view.state != QuorumState::Full || p.view.cluster.disruption().drain != DrainPolicy::MakeBeforeBreak
    {
        return None;
    }
    let name = p.view.voters.iter().find(|name| is_tied_to_a_cordoned_node(p, name))?.clone();
    if backoff::why_not(p).is_some() || !placement::has_spare(&p.view) || !p.can_begin() {
        return None;
    }
    p.count_replacement(&name, DRAIN);
    let newcomer = p.newcomer();
    let text = format!("mon.{newcomer} is to replace mon.{name}, whose node is cordoned");
    p.tell(Reason::ReplaceStarted, Some(&name), text);
    let start = Start {
        kind: OperationKind::Replace,
        target: name,
        replacement: Some(newcomer),
        reason: DRAIN,
        within: REPLACE_MAX,
        pod_uid: None,
    };
    Some(p.begin(Row::Drain, start))
}

fn is_tied_to_a_cordoned_node(p: &Planner<'_>, name: &MemberName) -> bool {
    let seen = p.view.seen;
    let tied = seen.claims.get(name).is_some_and(|claim| claim.nodes.is_some());
    let node = seen.pods.get(name).and_then(|pod| seen.nodes.get(pod.node.as_ref()?));
    tied && p.status.member(name).is_some() && node.is_some_and(|node| node.cordoned)
}
