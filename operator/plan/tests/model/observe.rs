//! What the operator would see of the world.

use std::collections::BTreeMap;

use moncluster_api::{MemberName, MonCluster, MonClusterSpec, ValidatedCluster};
use moncluster_plan::{
    Answer, Caches, ClaimFact, ClaimPhase, ClusterFacts, Committed, ContainerState, Fresh, MapMember,
    MonState, NodeFact, Observation, PodFact, PodPhase, Probe, ServiceFact, StatefulSetFact, Voter,
};

use crate::world::{Map, World};

pub(crate) fn cluster(world: &World) -> ValidatedCluster {
    let spec = MonClusterSpec {
        replicas: world.replicas,
        allow_even_replicas: true,
        allow_single: true,
        ..MonClusterSpec::default()
    };
    let mut cluster = MonCluster::new("c", spec);
    cluster.metadata.namespace = Some("ceph".into());
    cluster.metadata.generation = Some(i64::from(world.revision));
    ValidatedCluster::try_from(&cluster).unwrap()
}

pub(crate) fn observe(world: &World) -> Observation {
    Observation {
        now: world.now,
        fresh: Fresh {
            fsid: "11111111-2222-3333-4444-555555555555".into(),
            operation: format!("op-{}", world.counter),
        },
        lease_held: true,
        caches: Caches { synced_at: Some(world.now), errors: Vec::new() },
        cluster: ClusterFacts {
            resource_version: "1".into(),
            finalizer: world.finalizer,
            request: world.request.clone(),
            ..ClusterFacts::default()
        },
        status: world.status.clone(),
        support: Vec::new(),
        probes: world.services.keys().map(|name| (name.clone(), probe(world, name))).collect(),
        committed: world.map.as_ref().filter(|_| world.has_quorum()).map(|map| committed(world, map)),
        services: world
            .services
            .iter()
            .map(|(name, ip)| {
                let uid = format!("service-{name}");
                (name.clone(), ServiceFact { uid, cluster_ip: Some(ip.clone()), ..ServiceFact::default() })
            })
            .collect(),
        claims: world.claims.iter().map(|(name, claim)| (name.clone(), claim_fact(claim))).collect(),
        stateful_sets: world
            .sets
            .iter()
            .map(|(name, set)| {
                let fact = StatefulSetFact {
                    uid: set.uid.clone(),
                    resource_version: String::new(),
                    role: set.role,
                    revision: set.revision.to_string(),
                    revision_wanted: world.revision.to_string(),
                    deleting: false,
                };
                (name.clone(), fact)
            })
            .collect(),
        pods: world.pods.keys().map(|name| (name.clone(), pod_fact(world, name))).collect(),
        nodes: world
            .nodes
            .iter()
            .map(|(name, node)| {
                (name.clone(), NodeFact { ready: node.alive, fits: true, ..NodeFact::default() })
            })
            .collect(),
        addresses_refused: Vec::new(),
    }
}

fn claim_fact(claim: &crate::world::Claim) -> ClaimFact {
    ClaimFact {
        uid: claim.uid.clone(),
        phase: match (claim.lost, &claim.node) {
            (true, _) => ClaimPhase::Lost,
            (false, Some(_)) => ClaimPhase::Bound,
            (false, None) => ClaimPhase::Pending,
        },
        fsid: Some(claim.fsid.clone()),
        address: Some(claim.address.clone()),
        retired_until: claim.retired_until,
        bytes: 10 << 30,
        nodes: claim.node.clone().map(|node| vec![node]),
        ..ClaimFact::default()
    }
}

fn pod_fact(world: &World, name: &MemberName) -> PodFact {
    let pod = &world.pods[name];
    let runs = world.runs(name) || pod.started && !world.claims.get(name).is_some_and(|claim| claim.lost);
    PodFact {
        uid: pod.uid.clone(),
        phase: if pod.started { PodPhase::Running } else { PodPhase::Pending },
        ready: world.live().contains(name),
        deleting: pod.deleting,
        node: pod.node.clone(),
        unschedulable: world.is_unschedulable(name),
        container: if runs { ContainerState::Running } else { ContainerState::Waiting },
        exit_code: pod.failed.then_some(20),
        revision: pod.revision.to_string(),
        ..PodFact::default()
    }
}

fn committed(world: &World, map: &Map) -> Committed {
    let all = |members: &BTreeMap<MemberName, String>| {
        members.iter().map(|(name, at)| Voter { name: name.clone(), address: at.clone() }).collect()
    };
    Committed {
        at: world.now,
        via: world.leader().unwrap(),
        epoch: map.epoch,
        fsid: world.status.fsid.clone().unwrap_or_default(),
        voters: all(&map.voters),
        learners: all(&map.learners),
    }
}

fn probe(world: &World, name: &MemberName) -> Probe {
    Probe { at: world.now, answer: world.runs(name).then(|| answer(world, name)).flatten() }
}

fn answer(world: &World, name: &MemberName) -> Option<Answer> {
    let map = world.map.as_ref()?;
    let (quorum, leader) = match world.has_quorum() {
        true => (world.live(), world.leader()),
        false => Default::default(),
    };
    let votes = map.voters.contains_key(name);
    let state = match (&leader, votes) {
        (Some(leader), true) if leader == name => MonState::Leader,
        (Some(_), true) => MonState::Peon,
        (Some(_), false) if map.learners.contains_key(name) => MonState::Learner,
        (None, true) => MonState::Electing,
        (_, false) => MonState::Probing,
    };
    let voters = map.voters.keys().enumerate().map(|(rank, voter)| MapMember {
        name: voter.clone(),
        rank: Some(rank as u32),
        in_quorum: quorum.contains(voter),
        behind: None,
    });
    let learners = map.learners.keys().map(|learner| MapMember {
        name: learner.clone(),
        rank: None,
        in_quorum: false,
        behind: world.runs(learner).then_some(0),
    });
    Some(Answer {
        fsid: world.status.fsid.clone()?,
        state,
        ready: votes && leader.is_some(),
        leader,
        quorum: quorum.iter().cloned().collect(),
        election_epoch: map.epoch * 2,
        monmap_epoch: map.epoch,
        members: voters.chain(learners).collect(),
        first_committed: 1,
        last_committed: 100,
        sync_bytes: None,
        health_checks: BTreeMap::new(),
        version: "1".into(),
        store_bytes: 1,
        disk_bytes_total: 100,
        disk_bytes_available: 50,
    })
}
