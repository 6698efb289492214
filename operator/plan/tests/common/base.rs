//! A healthy cluster as an observation, for tests to damage.

use std::collections::BTreeMap;

use moncluster_api::{
    MemberName, MemberStatus, MonCluster, MonClusterSpec, MonClusterStatus, ValidatedCluster,
};
use moncluster_plan::{
    Answer, Caches, ClaimFact, ClaimPhase, ClusterFacts, Committed, ContainerState, Fresh, MapMember,
    MonState, NodeFact, Observation, PodFact, PodPhase, Probe, Role, ServiceFact, StatefulSetFact,
    SupportFact, SupportKind, SupportState, Voter, plan,
};

pub(crate) const FSID: &str = "11111111-2222-3333-4444-555555555555";

pub(crate) fn cluster(spec: MonClusterSpec) -> ValidatedCluster {
    let mut cluster = MonCluster::new("sample", spec);
    cluster.metadata.namespace = Some("ceph".into());
    cluster.metadata.generation = Some(1);
    ValidatedCluster::try_from(&cluster).unwrap()
}

/// Nothing but nodes, and the objects around the members.
pub(crate) fn empty() -> Observation {
    Observation {
        now: "2026-01-01T12:00:00Z".parse().unwrap(),
        fresh: Fresh { fsid: FSID.into(), operation: "op".into() },
        lease_held: true,
        caches: Caches { synced_at: "2026-01-01T12:00:00Z".parse().ok(), errors: Vec::new() },
        cluster: ClusterFacts {
            resource_version: "1".into(),
            finalizer: true,
            image: "mon:1".into(),
            ..ClusterFacts::default()
        },
        status: MonClusterStatus::default(),
        support: [SupportKind::MonKeyring, SupportKind::Token, SupportKind::DisruptionBudget]
            .map(|kind| SupportFact { kind, state: SupportState::Current })
            .to_vec(),
        probes: BTreeMap::new(),
        committed: None,
        services: BTreeMap::new(),
        claims: BTreeMap::new(),
        stateful_sets: BTreeMap::new(),
        pods: BTreeMap::new(),
        nodes: (1..=7).map(|n| (format!("n{n}"), node())).collect(),
        addresses_refused: Vec::new(),
    }
}

pub(crate) fn node() -> NodeFact {
    NodeFact { ready: true, fits: true, ..NodeFact::default() }
}

pub(crate) fn name(index: usize) -> MemberName {
    MemberName::of_index(u32::try_from(index).unwrap())
}

/// So many members in quorum for an hour, mon.a leading, mon.a on n1 and so on.
pub(crate) fn steady(size: usize) -> Observation {
    let mut seen = empty();
    let names: Vec<MemberName> = (0..size).map(name).collect();
    let ip = |index: usize| format!("10.0.0.{}", index + 1);
    let address = |index: usize| format!("{}:3300", ip(index));
    for (index, name) in names.iter().enumerate() {
        let node = format!("n{}", index + 1);
        let service = ServiceFact {
            uid: format!("service-{name}"),
            resource_version: "1".into(),
            cluster_ip: Some(ip(index)),
            ..ServiceFact::default()
        };
        seen.services.insert(name.clone(), service);
        let claim = ClaimFact {
            uid: format!("claim-{name}"),
            resource_version: "1".into(),
            phase: ClaimPhase::Bound,
            fsid: Some(FSID.into()),
            address: Some(address(index)),
            bytes: 10 << 30,
            expandable: true,
            nodes: Some(vec![node.clone()]),
            ..ClaimFact::default()
        };
        seen.claims.insert(name.clone(), claim);
        let set = StatefulSetFact {
            uid: format!("set-{name}"),
            resource_version: "1".into(),
            role: Role::Voter,
            revision: "r1".into(),
            revision_wanted: "r1".into(),
            deleting: false,
        };
        seen.stateful_sets.insert(name.clone(), set);
        let pod = PodFact {
            uid: format!("pod-{name}"),
            resource_version: "1".into(),
            phase: PodPhase::Running,
            ready: true,
            node: Some(node.clone()),
            container: ContainerState::Running,
            revision: "r1".into(),
            ..PodFact::default()
        };
        seen.pods.insert(name.clone(), pod);
        let answer = Answer {
            fsid: FSID.into(),
            state: if index == 0 { MonState::Leader } else { MonState::Peon },
            ready: true,
            leader: Some(names[0].clone()),
            quorum: names.clone(),
            election_epoch: 4,
            monmap_epoch: 3,
            members: map(&names),
            first_committed: 1,
            last_committed: 100,
            sync_bytes: None,
            health_checks: BTreeMap::new(),
            version: "1".into(),
            store_bytes: 1 << 20,
            disk_bytes_total: 100,
            disk_bytes_available: 60,
        };
        seen.probes.insert(name.clone(), Probe { at: seen.now, answer: Some(answer) });
        let mut member = MemberStatus::new(name.clone());
        member.in_quorum_since = "2026-01-01T11:00:00Z".parse().ok();
        member.pvc_uid = Some(format!("claim-{name}"));
        member.address = Some(address(index));
        member.node_name = Some(node);
        seen.status.members.push(member);
    }
    let voters = names.iter().enumerate().map(|(i, name)| Voter { name: name.clone(), address: address(i) });
    seen.committed = Some(Committed {
        at: seen.now,
        via: names[0].clone(),
        epoch: 3,
        fsid: FSID.into(),
        voters: voters.collect(),
        learners: Vec::new(),
    });
    seen.status.fsid = Some(FSID.into());
    seen.status.bootstrapped = true;
    seen.status.next_member_index = u32::try_from(size).unwrap();
    let spec = MonClusterSpec {
        replicas: u32::try_from(size).unwrap(),
        allow_even_replicas: true,
        ..MonClusterSpec::default()
    };
    let decision = plan(&cluster(spec), &seen);
    assert!(decision.action.is_none(), "not steady: {decision:?}");
    seen.status = decision.status;
    seen
}

fn map(names: &[MemberName]) -> Vec<MapMember> {
    let member = |(rank, name): (usize, &MemberName)| MapMember {
        name: name.clone(),
        rank: u32::try_from(rank).ok(),
        in_quorum: true,
        behind: None,
    };
    names.iter().enumerate().map(member).collect()
}

/// These members stop answering, and the others go on without them, if they are enough.
pub(crate) fn take_out(seen: &mut Observation, out: &[MemberName]) {
    let all: Vec<MemberName> = seen.probes.keys().cloned().collect();
    let left: Vec<MemberName> = all.iter().filter(|name| !out.contains(name)).cloned().collect();
    let holds = left.len() > all.len() / 2;
    for (name, probe) in &mut seen.probes {
        let Some(answer) = probe.answer.as_mut().filter(|_| !out.contains(name)) else {
            probe.answer = None;
            continue;
        };
        answer.quorum = if holds { left.clone() } else { Vec::new() };
        answer.ready = holds;
        answer.leader = left.first().filter(|_| holds).cloned();
        answer.state = match (&answer.leader, holds) {
            (Some(leader), true) if leader == name => MonState::Leader,
            (_, true) => MonState::Peon,
            (_, false) => MonState::Electing,
        };
        for member in &mut answer.members {
            member.in_quorum = answer.quorum.contains(&member.name);
        }
    }
    if !holds {
        seen.committed = None;
    }
}
