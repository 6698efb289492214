//! The invariants of docs/operator.md on random observations: healthy clusters with any number of damages, most of
//! them such as never happen together.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::or_fun_call,
    reason = "helpers of tests are tests"
)]

#[path = "common/base.rs"]
mod base;

use std::collections::BTreeSet;
use std::time::Duration;

use moncluster_api::{
    CauseOfOutage, DrainPolicy, HealingMode, MemberName, Moment, MonClusterSpec, Operation, OperationKind,
    Replaced, Span, Step,
};
use moncluster_plan::{
    Action, ClaimPhase, ContainerState, MonState, Observation, Role, Row, Verb, Voter, plan,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// One damage: which, to whom, and a number to make something of.
type Damage = (u8, usize, u64);

const KINDS: u8 = 42;

fn damaged(size: usize, damages: &[Damage]) -> (MonClusterSpec, Observation) {
    let mut seen = base::steady(size);
    let mut spec = MonClusterSpec {
        replicas: u32::try_from(size).unwrap(),
        allow_even_replicas: true,
        ..MonClusterSpec::default()
    };
    for damage in damages {
        apply(&mut spec, &mut seen, size, *damage);
    }
    (spec, seen)
}

#[allow(clippy::too_many_lines, reason = "a table of damages")]
fn apply(spec: &mut MonClusterSpec, seen: &mut Observation, size: usize, (kind, whom, number): Damage) {
    let name = base::name(whom % (size + 2));
    let node = format!("n{}", whom % 7 + 1);
    let past = |seconds: u64| Moment::from_unix_seconds(seen.now.unix_seconds() - (seconds % 5000) as i64);
    let then = past(number);
    match kind {
        0 => base::take_out(seen, std::slice::from_ref(&name)),
        1 => drop(seen.pods.remove(&name)),
        2 => drop(seen.claims.remove(&name)),
        3 => drop(seen.services.remove(&name)),
        4 => drop(seen.stateful_sets.remove(&name)),
        5 => drop(seen.nodes.remove(&node)),
        6 => seen.committed = None,
        7 => drop(seen.probes.remove(&name)),
        8 => seen.nodes.values_mut().for_each(|node| node.fits = number % 2 == 0),
        9 => seen.nodes.entry(node).or_default().ready = false,
        10 => seen.nodes.entry(node).or_default().cordoned = true,
        11 => seen.nodes.entry(node).or_default().out_of_service = true,
        12 => spec.replicas = (number % 9 + 1) as u32,
        13 => spec.paused = true,
        14 => spec.healing.mode = HealingMode::ObserveOnly,
        15 => seen.lease_held = false,
        16 => seen.caches.synced_at = Some(then),
        17 => seen.stateful_sets.values_mut().for_each(|set| set.revision_wanted = "r2".into()),
        18 => seen.status.members.retain(|member| member.name != name),
        19 => seen.status.bootstrapped = false,
        20 => seen.status.fsid = None,
        21 => seen.addresses_refused.push(name),
        22 => seen.cluster.request = Some(format!("replace:{name}:{}", past(number % 100))),
        23 => seen.cluster.deleting = true,
        24 => spec.disruption.drain = DrainPolicy::MakeBeforeBreak,
        25 => {
            if let Some(claim) = seen.claims.get_mut(&name) {
                match number % 4 {
                    0 => claim.retired_until = Some(then),
                    1 => claim.phase = ClaimPhase::Lost,
                    2 => claim.uid = "other".into(),
                    _ => claim.deleting = true,
                }
            }
        }
        26 => {
            if let Some(pod) = seen.pods.get_mut(&name) {
                pod.container = ContainerState::Waiting;
                pod.exit_code = Some([1, 20, 22, 40][number as usize % 4]);
                pod.unschedulable = number % 3 == 0;
            }
        }
        27 => {
            if let Some(member) = seen.status.members.iter_mut().find(|member| member.name == name) {
                member.out_since = Some(then);
                member.out_cause = Some(CauseOfOutage::PodFailing);
            }
        }
        28 => {
            if let Some(answer) = seen.probes.get_mut(&name).and_then(|probe| probe.answer.as_mut()) {
                match number % 5 {
                    0 => answer.fsid = "other".into(),
                    1 => answer.state = MonState::Leader,
                    2 => answer.monmap_epoch = (number % 7) as u32,
                    3 => answer.quorum = vec![name],
                    _ => answer.state = MonState::Synchronizing,
                }
            }
        }
        29 => {
            let by = Replaced { time: then, member: name, reason: "NodeDeleted".into() };
            seen.status.healing.replacements.push(by);
        }
        30 => seen.status.healing.backoff_until = Some(then.after(Duration::from_secs(2500))),
        31 => {
            if let Some(map) = &mut seen.committed {
                map.epoch = map.epoch.wrapping_add((number % 3) as u32);
            }
        }
        32 => {
            if let Some(map) = &mut seen.committed {
                map.learners.push(Voter { name, address: "10.0.0.77:3300".into() });
            }
        }
        33 => {
            let extra = base::steady(7);
            let more = base::name(size + 1);
            match number % 3 {
                0 => drop(seen.claims.insert(more, extra.claims[&base::name(5)].clone())),
                1 => drop(seen.services.insert(more, extra.services[&base::name(5)].clone())),
                _ => {
                    let mut set = extra.stateful_sets[&base::name(5)].clone();
                    set.role = Role::Learner;
                    seen.stateful_sets.insert(more, set);
                }
            }
        }
        34 => spec.healing.replace_after.node_unreachable = Span::seconds(60),
        35 | 36 => seen.status.operation = Some(operation(seen, &name, number, then)),
        37 => {
            if let Some(service) = seen.services.get_mut(&name) {
                service.cluster_ip = Some("10.0.0.99".into());
            }
        }
        38 => {
            if let Some(pod) = seen.pods.get_mut(&name) {
                pod.node = Some(node);
            }
        }
        39 => seen.claims.values_mut().for_each(|claim| claim.bytes = 1 << 30),
        40 => seen.cluster.finalizer = false,
        _ => seen.caches.errors.push("503".into()),
    }
}

fn operation(seen: &Observation, name: &MemberName, number: u64, then: Moment) -> Operation {
    let kinds = [
        OperationKind::Add,
        OperationKind::Remove,
        OperationKind::Replace,
        OperationKind::Restart,
        OperationKind::Readdress,
        OperationKind::StepDown,
        OperationKind::Bootstrap,
        OperationKind::Adopt,
    ];
    let kind = kinds[number as usize % kinds.len()];
    Operation {
        id: "before".into(),
        kind,
        target: name.clone(),
        replacement: (kind == OperationKind::Replace).then(|| base::name(number as usize % 9)),
        reason: ["Scale", "Requested", "NodeDeleted"][number as usize % 3].into(),
        step: [Step::Plan, Step::Commit, Step::Confirm, Step::Retire][number as usize % 4],
        started_time: then,
        step_time: then,
        deadline_time: then.after(Duration::from_secs(900)),
        pod_uid: Some(format!("pod-{name}")),
        abort: number.is_multiple_of(7).then(|| "late".into()),
        message: String::new(),
        summary: format!("{}", seen.status.next_member_index),
    }
}

fn check(spec: &MonClusterSpec, seen: &Observation) -> Result<Row, TestCaseError> {
    let cluster = base::cluster(spec.clone());
    let decision = plan(&cluster, seen);
    // I14: deterministic; total, or we would not be here.
    prop_assert_eq!(&decision, &plan(&cluster, seen));
    let (before, after) = (&seen.status, &decision.status);
    let action = decision.action.as_ref();
    if decision.row == Row::NotInCharge {
        prop_assert!(action.is_none() && before == after);
        return Ok(decision.row);
    }
    // I2: an operation is written down in a decision of its own, and never replaces another.
    let ids = |operation: &Option<Operation>| operation.as_ref().map(|operation| operation.id.clone());
    if after.operation.is_some() && ids(&before.operation) != ids(&after.operation) {
        prop_assert!(before.operation.is_none() && action.is_none(), "{:?}", decision);
    }
    // I6, I9: names and the fsid.
    prop_assert!(after.next_member_index >= before.next_member_index);
    prop_assert!(before.fsid.is_none() || before.fsid == after.fsid);
    if before.fsid != after.fsid {
        prop_assert!(matches!(decision.row, Row::Bootstrap | Row::Adopt));
        prop_assert!(
            decision.row != Row::Bootstrap || seen.claims.values().all(|c| c.retired_until.is_some())
        );
    }
    // What the schema allows.
    prop_assert!(after.history.len() <= 10 && after.members.len() <= 32 && after.conditions.len() <= 16);
    let names: BTreeSet<_> = after.members.iter().map(|member| &member.name).collect();
    prop_assert_eq!(names.len(), after.members.len());
    if let Some(action) = action {
        mutation(seen, &decision.row, action, after.operation.as_ref().or(before.operation.as_ref()))?;
    }
    // I13.
    if matches!(decision.row, Row::Replace | Row::Spread | Row::Drain)
        && before.operation.is_none()
        && after.operation.is_some()
    {
        let hour = Duration::from_secs(3600);
        let recent =
            before.healing.replacements.iter().filter(|done| seen.now.since(done.time) < hour).count();
        prop_assert!(recent < spec.healing.max_replacements_per_hour as usize);
        prop_assert!(before.healing.backoff_until.is_none_or(|until| until <= seen.now));
    }
    Ok(decision.row)
}

fn mutation(
    seen: &Observation,
    row: &Row,
    action: &Action,
    operation: Option<&Operation>,
) -> Result<(), TestCaseError> {
    let map = seen.committed.as_ref();
    let votes = |name: &MemberName| map.is_some_and(|map| map.voters.iter().any(|voter| voter.name == *name));
    let deleting = seen.cluster.deleting;
    match action {
        Action::Monitor(call) => {
            // I1, I3, I12: only with a map that a leader served, under its epoch, with an id.
            let map = map.ok_or_else(|| TestCaseError::fail("a change without a committed map"))?;
            prop_assert_eq!(call.expected_epoch, map.epoch);
            prop_assert!(!call.operation_id.is_empty());
            let via = seen.probes.get(&call.via).and_then(|probe| probe.answer.as_ref());
            let via = via.ok_or_else(|| TestCaseError::fail("by way of somebody silent"))?;
            prop_assert!(via.ready && via.monmap_epoch == map.epoch);
            // I4.
            let size = map.voters.len() as i64;
            let live = via.quorum.iter().filter(|name| votes(name)).count() as i64;
            let stays =
                |gone: &MemberName| via.quorum.iter().filter(|n| *n != gone && votes(n)).count() as i64;
            let slack = |live: i64, size: i64| live - (size / 2 + 1);
            match &call.verb {
                Verb::Add { .. } => prop_assert!(slack(live + 1, size + 1) >= slack(live, size).min(1)),
                Verb::Replace { voter, .. } => {
                    prop_assert!(slack(stays(voter) + 1, size) >= slack(live, size).min(1));
                }
                Verb::Remove { name } => prop_assert!(slack(stays(name), size - 1) >= 0),
                Verb::AddLearner { .. } | Verb::RemoveLearner { .. } | Verb::StepDown => {}
            }
        }
        Action::DeleteClaim { member, target } => {
            // I8.
            let claim = &seen.claims[member];
            prop_assert_eq!(&target.uid, &claim.uid);
            let due = claim.retired_until.is_some_and(|until| until <= seen.now);
            prop_assert!(deleting || due && map.is_some() && !votes(member), "{:?}", claim);
        }
        Action::RetireClaim { member, target, .. } => {
            prop_assert_eq!(&target.uid, &seen.claims[member].uid);
            prop_assert!(map.is_some() && !votes(member));
        }
        Action::CreateClaim { member, .. } => prop_assert!(!seen.claims.contains_key(member)),
        Action::DeleteStatefulSet { member, target } => {
            // I7; the exception has a step of its own, or is a newcomer without a vote.
            prop_assert_eq!(&target.uid, &seen.stateful_sets[member].uid);
            let vacates = operation.is_some_and(|operation| operation.step == Step::Vacate);
            let makes_way = *row == Row::Recreate || matches!(row, Row::QuorumLost | Row::QuorumUnknown);
            prop_assert!(deleting || vacates || makes_way || map.is_some() && !votes(member));
        }
        Action::EvictPod { member, target } | Action::DeletePod { member, target } => {
            let pod = &seen.pods[member];
            prop_assert_eq!((&target.uid, &target.resource_version), (&pod.uid, &pod.resource_version));
            let restarts = operation.is_some_and(|operation| operation.kind == OperationKind::Restart);
            prop_assert!(restarts || *row == Row::QuorumLost);
        }
        Action::ApplyStatefulSet { member, role, .. } => {
            // A role that may make a store is never given to somebody who votes.
            prop_assert!(*role == Role::Voter || !votes(member));
        }
        Action::DeleteService { member, target } => prop_assert_eq!(&target.uid, &seen.services[member].uid),
        Action::ResizeClaim { member, target, .. } => prop_assert_eq!(&target.uid, &seen.claims[member].uid),
        Action::DeleteSupport { .. } | Action::RemoveFinalizer => prop_assert!(deleting),
        Action::AddFinalizer | Action::ApplySupport { .. } | Action::ApplyService { .. } => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_seen_the_invariants_hold(
        size in 1usize..=5,
        damages in prop::collection::vec((0..KINDS, 0usize..7, 0u64..100_000), 0..9),
    ) {
        let (spec, seen) = damaged(size, &damages);
        check(&spec, &seen)?;
    }
}

/// A first monitor that votes already, and whose StatefulSet somebody deleted before its operation had ended.
#[test]
fn bootstrap_gives_a_voter_no_role_that_makes_a_store() {
    let (spec, seen) = damaged(2, &[(4, 5, 0), (35, 1, 28_534)]);
    check(&spec, &seen).unwrap();
}

#[test]
fn random_observations_reach_most_rows() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (3usize..=5, prop::collection::vec((0..KINDS, 0usize..7, 0u64..100_000), 0..5));
    let mut rows = BTreeSet::new();
    for _ in 0..8000 {
        let (size, damages) = strategy.new_tree(&mut runner).unwrap().current();
        let (spec, seen) = damaged(size, &damages);
        rows.insert(check(&spec, &seen).unwrap());
    }
    println!("{} rows: {rows:?}", rows.len());
    assert!(rows.len() >= 18, "the damages reach too little: {rows:?}");
}
