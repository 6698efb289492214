//! One member's entry in the status.

use moncluster_api::{MemberState, MemberStatus, PaxosStatus};

use crate::cause::cause;
use crate::observation::{Answer, MonState};
use crate::view::{View, endpoint};

/// Brings an entry up to date. Address and claim are written once and kept: when the objects differ
/// later, that is drift, not news.
pub(super) fn update(view: &View<'_>, member: &mut MemberStatus) {
    let name = member.name.clone();
    let seen = view.seen;
    let names = view.cluster.names();
    let in_map = view.map.and_then(|map| map.voters.iter().chain(&map.learners).find(|v| v.name == name));
    let service = seen.services.get(&name).and_then(|service| service.cluster_ip.as_ref());
    let given = service.map(|ip| endpoint(ip, view.cluster.network().msgr2_port));
    member.address = match in_map {
        Some(voter) => Some(voter.address.clone()),
        None => member.address.take().or(given),
    };
    if let Some(claim) = seen.claims.get(&name).filter(|claim| claim.retired_until.is_none()) {
        member.pvc_name = Some(names.claim(&name));
        member.pvc_uid = member.pvc_uid.take().or_else(|| Some(claim.uid.clone()));
    }
    let pod = seen.pods.get(&name);
    member.pod_name = pod.map(|_| names.pod(&name));
    member.pod_uid = pod.map(|pod| pod.uid.clone());
    if let Some(node) = pod.and_then(|pod| pod.node.as_ref()) {
        member.node_name = Some(node.clone());
        if let Some(fact) = seen.nodes.get(node) {
            member.topology.clone_from(&fact.topology);
        }
    }
    member.rank =
        view.voters.iter().position(|voter| *voter == name).and_then(|rank| u32::try_from(rank).ok());
    match view.answer(&name) {
        Some(answer) => said(view, member, answer),
        None => {
            member.state = MemberState::Unreachable;
            member.sync_bytes = None;
            member.sync_progress_time = None;
        }
    }
    standing(view, member);
}

fn said(view: &View<'_>, member: &mut MemberStatus, answer: &Answer) {
    member.state = match answer.state {
        MonState::Leader => MemberState::Leader,
        MonState::Peon => MemberState::Peon,
        MonState::Electing => MemberState::Electing,
        MonState::Probing => MemberState::Probing,
        MonState::Synchronizing => MemberState::Synchronizing,
        MonState::Learner => MemberState::Learner,
        MonState::Shutdown => MemberState::Unreachable,
    };
    member.version = Some(answer.version.clone()).filter(|version| !version.is_empty());
    member.paxos =
        Some(PaxosStatus { first_committed: answer.first_committed, last_committed: answer.last_committed });
    member.store_bytes = Some(answer.store_bytes);
    member.disk_free_percent = match answer.disk_bytes_total {
        0 => None,
        total => {
            let percent = u128::from(answer.disk_bytes_available) * 100 / u128::from(total);
            Some(percent.min(100) as u8)
        }
    };
    member.last_seen_time = Some(view.seen.now);
    match answer.sync_bytes {
        Some(bytes) if member.sync_bytes != Some(bytes) => {
            member.sync_bytes = Some(bytes);
            member.sync_progress_time = Some(view.seen.now);
        }
        Some(_) => {}
        None => {
            member.sync_bytes = None;
            member.sync_progress_time = None;
        }
    }
}

/// In quorum or out, and since when. Without a quorum to ask, who was out stays out, and nobody new is.
fn standing(view: &View<'_>, member: &mut MemberStatus) {
    let now = view.seen.now;
    member.in_quorum = view.in_quorum.contains(&member.name);
    if member.in_quorum {
        member.in_quorum_since = member.in_quorum_since.or(Some(now));
        member.out_since = None;
        member.out_cause = None;
        return;
    }
    member.in_quorum_since = None;
    if !view.is_voter(&member.name) {
        member.out_since = None;
        member.out_cause = None;
    } else if view.speaker.is_some() || member.out_since.is_some() {
        member.out_since = member.out_since.or(Some(now));
        member.out_cause = Some(cause(view, member));
    }
}
