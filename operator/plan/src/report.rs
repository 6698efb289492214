//! The status as far as it is observation: members, quorum, endpoints. What is done about it is added by the rows.

pub(crate) mod calm;
pub(crate) mod conditions;
mod member;

use moncluster_api::{
    Candidate, Endpoints, MemberName, MemberStatus, MonClusterStatus, ObjectNames, QuorumState, Recovery,
    RolledVersion, majority,
};

use crate::decision::{Event, Reason};
use crate::view::View;

/// The observed status brought up to date, and what is worth telling about the difference.
pub(crate) fn observed(view: &View<'_>) -> (MonClusterStatus, Vec<Event>) {
    let mut status = view.seen.status.clone();
    status.observed_generation = view.cluster.generation();
    status.selector.clone_from(&view.seen.cluster.selector);
    recover_members(view, &mut status);
    for member in &mut status.members {
        member::update(view, member);
    }
    quorum(view, &mut status);
    let voters = view.voters.iter();
    status.replicas = view.voters.len() as u32;
    status.ready_replicas = view.in_quorum.len() as u32;
    status.updated_replicas = voters.filter(|name| is_updated(view, name)).count() as u32;
    status.version = RolledVersion {
        current: view.answers().map(|(_, answer)| answer.version.clone()).filter(|v| !v.is_empty()).min(),
        target: Some(view.seen.cluster.image.clone()).filter(|image| !image.is_empty()),
    };
    status.endpoints = endpoints(view, &status);
    status.recovery =
        (status.bootstrapped && view.state == QuorumState::Lost).then(|| recovery(view, &status));
    let events = told(view, &status);
    (status, events)
}

/// Whether a voter's pod is as the spec says.
pub(crate) fn is_updated(view: &View<'_>, name: &MemberName) -> bool {
    let wanted = view.seen.stateful_sets.get(name).map(|set| &set.revision_wanted);
    let has = view.seen.pods.get(name).map(|pod| &pod.revision);
    wanted.is_some() && wanted == has
}

/// Whether we made this monitor: something of it is ours.
pub(crate) fn is_ours(view: &View<'_>, name: &MemberName) -> bool {
    let seen = view.seen;
    seen.status.member(name).is_some()
        || seen.stateful_sets.contains_key(name)
        || seen.services.contains_key(name)
        || seen.claims.get(name).is_some_and(|claim| claim.retired_until.is_none())
}

/// A voter of ours that the status has lost gets its entry back, and its name is never given again.
fn recover_members(view: &View<'_>, status: &mut MonClusterStatus) {
    if view.map.is_none() {
        return;
    }
    for name in view.voters.iter().filter(|name| is_ours(view, name)) {
        if status.member(name).is_none() && status.members.len() < 32 {
            status.members.push(MemberStatus::new(name.clone()));
        }
    }
    let used = view.voters.iter().filter_map(MemberName::index).map(|index| index.saturating_add(1)).max();
    status.next_member_index = status.next_member_index.max(used.unwrap_or(0));
}

fn quorum(view: &View<'_>, status: &mut MonClusterStatus) {
    let now = view.seen.now;
    let quorum = &mut status.quorum;
    quorum.state = view.state;
    quorum.in_quorum = view.voters.iter().filter(|name| view.in_quorum.contains(name)).cloned().collect();
    quorum.size = view.voters.len() as u32;
    quorum.required = majority(quorum.size);
    quorum.summary = format!("{}/{}", quorum.in_quorum.len(), quorum.size);
    quorum.fault_tolerance = match view.speaker {
        Some(_) => u32::try_from(view.slack()).unwrap_or(0),
        None => 0,
    };
    quorum.leader = view.leader().cloned();
    quorum.observed_time = Some(now);
    let newest = view.answers().map(|(_, answer)| answer.last_committed).max();
    quorum.last_committed = quorum.last_committed.max(newest.unwrap_or(0));
    match view.speaker {
        Some((_, speaker)) => {
            quorum.election_epoch = speaker.election_epoch;
            quorum.monmap_epoch = speaker.monmap_epoch;
            quorum.leaderless_since = None;
            quorum.last_quorum_time = Some(now);
        }
        None if status.bootstrapped => quorum.leaderless_since = quorum.leaderless_since.or(Some(now)),
        None => {}
    }
}

fn endpoints(view: &View<'_>, status: &MonClusterStatus) -> Endpoints {
    let names: ObjectNames<'_> = view.cluster.names();
    let address = |name: &MemberName| Some(format!("[v2:{}]", status.member(name)?.address.as_ref()?));
    Endpoints {
        mon_host: view.voters.iter().filter_map(address).collect::<Vec<_>>().join(","),
        service_name: names.client_service(),
        config_map_name: names.client_config(),
        keyring_secret_name: names.client_keyring(),
    }
}

fn recovery(view: &View<'_>, status: &MonClusterStatus) -> Recovery {
    let mut candidates: Vec<_> = status
        .members
        .iter()
        .filter(|member| view.is_voter(&member.name) && view.store(&member.name).is_some())
        .map(|member| Candidate {
            name: member.name.clone(),
            reachable: view.answer(&member.name).is_some(),
            last_committed: member.paxos.map_or(0, |paxos| paxos.last_committed),
        })
        .collect();
    candidates.sort_by_key(|candidate| (std::cmp::Reverse(candidate.last_committed), candidate.name.clone()));
    let missing = majority(view.voters.len() as u32)
        .saturating_sub(candidates.iter().filter(|candidate| candidate.reachable).count() as u32);
    let advice = format!(
        "{missing} more monitor(s) must come back for a quorum: bring back the nodes or volumes of those that are \
         out, and the operator does the rest. Only if they are gone for good: docs/operator.md, \"Quorum lost\", \
         starting from the first candidate."
    );
    Recovery { candidates, advice }
}

/// Events about what changed by itself.
fn told(view: &View<'_>, status: &MonClusterStatus) -> Vec<Event> {
    let before = &view.seen.status;
    let mut events = Vec::new();
    let mut tell = |reason, member: Option<&MemberName>, message: String| {
        events.push(Event { reason, member: member.cloned(), message });
    };
    for member in &status.members {
        let was = before.member(&member.name).and_then(|was| was.out_since);
        let name = &member.name;
        match (was, member.out_since, member.out_cause) {
            (None, Some(_), Some(cause)) => {
                tell(Reason::MemberOutOfQuorum, Some(name), format!("mon.{name} is out of quorum: {cause}"));
            }
            (Some(since), None, _) if member.in_quorum => {
                let seconds = view.seen.now.since(since).as_secs();
                let text = format!("mon.{name} is back in quorum after {seconds} s");
                tell(Reason::MemberBackInQuorum, Some(name), text);
            }
            _ => {}
        }
    }
    if let (Some(old), Some(new)) = (&before.quorum.leader, &status.quorum.leader)
        && old != new
    {
        tell(Reason::LeaderChanged, Some(new), format!("mon.{new} leads, after mon.{old}"));
    }
    let (old, new) = (before.quorum.state, status.quorum.state);
    if status.bootstrapped && old != new {
        match new {
            QuorumState::Lost => {
                let text =
                    status.recovery.as_ref().map_or_else(String::new, |recovery| recovery.advice.clone());
                tell(Reason::QuorumLost, None, format!("no quorum: {text}"));
            }
            QuorumState::AtRisk => {
                let text = format!("{} in quorum: one more failure ends it", status.quorum.summary);
                tell(Reason::QuorumAtRisk, None, text);
            }
            QuorumState::Full | QuorumState::Degraded | QuorumState::Unknown => {}
        }
        if old == QuorumState::Lost && new.holds() {
            tell(Reason::QuorumRestored, None, format!("{} in quorum", status.quorum.summary));
        }
    }
    events
}
