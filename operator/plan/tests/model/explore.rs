//! Through everything that can happen, each state once.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use moncluster_api::{Moment, MonClusterStatus, OperationResult};
use moncluster_plan::{Decision, plan};

use crate::observe::{cluster, observe};
use crate::rules;
use crate::world::{Fault, World};

pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    pub(crate) rests: usize,
    pub(crate) full: usize,
}

/// Sees every state that can be reached with so many faults.
pub(crate) fn explore(start: World, faults: &[Fault], faults_max: usize, states_max: usize) -> Explored {
    let mut seen = BTreeSet::from([key(&start, 0)]);
    let mut queue = vec![(start, 0)];
    let mut explored = Explored { states: 0, transitions: 0, rests: 0, full: 0 };
    while let Some((world, struck)) = queue.pop() {
        explored.states += 1;
        assert!(explored.states <= states_max, "more than {states_max} states: last {world:#?}");
        let mut next = Vec::new();
        let decision = plan(&cluster(&world), &observe(&world));
        for after in operator(&world, &decision) {
            next.push((after, struck));
        }
        let mut settled = world.clone();
        if settled.settle() {
            next.push((settled, struck));
        }
        if next.is_empty() {
            match later(&world) {
                Some(after) => next.push((after, struck)),
                None => {
                    explored.rests += 1;
                    explored.full += usize::from(at_rest(&world));
                }
            }
        }
        if struck < faults_max {
            let struck_worlds = faults.iter().flat_map(|fault| world.strike(*fault));
            next.extend(struck_worlds.map(|after| (after, struck + 1)));
        }
        for (after, struck) in next {
            explored.transitions += 1;
            if seen.insert(key(&after, struck)) {
                queue.push((after, struck));
            }
        }
    }
    explored
}

/// Without faults, to the fixed point.
pub(crate) fn settle_down(mut world: World) -> World {
    for _ in 0..2000 {
        while world.settle() {}
        let decision = plan(&cluster(&world), &observe(&world));
        match operator(&world, &decision).pop() {
            Some(after) => world = after,
            None => match later(&world) {
                Some(after) => world = after,
                None => return world,
            },
        }
    }
    panic!("no rest: {world:#?}");
}

/// What can come of a decision: the operator dies after the status is written, or does everything.
fn operator(world: &World, decision: &Decision) -> Vec<World> {
    let mut worlds = Vec::new();
    let mut written = world.clone();
    written.status = decision.status.clone();
    written.counter += 1;
    if what_matters(&written.status) != what_matters(&world.status) {
        worlds.push(written.clone());
    }
    if let Some(action) = &decision.action {
        let mut after = written;
        after.execute(action);
        rules::check(world, decision, &after);
        worlds.push(after);
    }
    worlds
}

/// The earliest later moment at which there is something to do.
fn later(world: &World) -> Option<World> {
    [1, 11, 16, 31, 61, 121, 301, 601, 901, 1201, 3601, 86_401].iter().find_map(|seconds| {
        let mut after = world.clone();
        after.now = world.now.after(Duration::from_secs(*seconds));
        let decision = plan(&cluster(&after), &observe(&after));
        let busy = decision.action.is_some()
            || what_matters(&decision.status) != what_matters(&after.status)
            || decision.status.quorum.state != after.status.quorum.state;
        busy.then(|| {
            // What only time has changed is written, so that it does not come up again.
            after.status = decision.status;
            after
        })
    })
}

/// Whether everything is as it was asked for; where the world does not allow that, the plan must at least rest.
fn at_rest(world: &World) -> bool {
    let enough_nodes = world.nodes.values().filter(|node| node.alive).count() as u32 >= world.replicas;
    if world.can_recover() && enough_nodes {
        assert!(world.is_full(), "at rest, and not full: {world:#?}");
        assert!(world.status.operation.is_none(), "at rest in an operation: {world:#?}");
        let learners = world.map.as_ref().map_or(0, |map| map.learners.len());
        assert_eq!(learners, 0, "at rest with a learner: {world:#?}");
        assert_eq!(world.claims.len() as u32, world.replicas, "claims are left: {world:#?}");
    }
    world.is_full()
}

/// A status without what is only for people.
fn what_matters(status: &MonClusterStatus) -> MonClusterStatus {
    let mut status = status.clone();
    status.quorum = Default::default();
    status.quorum.leaderless_since = None;
    status.conditions.clear();
    for finished in &mut status.history {
        finished.duration_seconds = 0;
    }
    status.recovery = None;
    status.ready_replicas = 0;
    status.updated_replicas = 0;
    status.replicas = 0;
    status.version = Default::default();
    for member in &mut status.members {
        member.last_seen_time = None;
        member.state = Default::default();
        member.paxos = None;
        member.pod_uid = None;
        member.pod_name = None;
        member.version = None;
        member.store_bytes = None;
        member.disk_free_percent = None;
    }
    if let Some(operation) = &mut status.operation {
        operation.message = String::new();
        operation.summary = String::new();
    }
    status
}

/// Two worlds with the same key have the same future: absolute time, UIDs and the past do not matter.
fn key(world: &World, struck: usize) -> u128 {
    let mut world = world.clone();
    let now = world.now;
    let leaderless = world.status.quorum.leaderless_since.map(|since| age(now, since, 20));
    world.status = what_matters(&world.status);
    // Whether a failed restart was the last thing that ended.
    let stalled = world.status.history.first().is_some_and(|last| last.result == OperationResult::Aborted);
    world.status.history.clear();
    world.counter = 0;
    world.used.clear();
    // How many pods there were says nothing about what comes.
    world.pods_made.clear();
    world.now = Moment::from_unix_seconds(0);
    let relative = |at: Moment, most: u64| Moment::from_unix_seconds(age(now, at, most) as i64);
    for claim in world.claims.values_mut() {
        claim.retired_until = claim.retired_until.map(|until| relative(now, 0).after(until.since(now)));
    }
    for member in &mut world.status.members {
        member.out_since = member.out_since.map(|at| relative(at, 1300));
        member.in_quorum_since = member.in_quorum_since.map(|at| relative(at, 12));
    }
    if let Some(operation) = &mut world.status.operation {
        operation.id.clear();
        operation.started_time = relative(now, 0);
        operation.step_time = relative(operation.step_time, 70);
        operation.deadline_time = relative(now, 0).after(operation.deadline_time.since(now));
    }
    for replaced in &mut world.status.healing.replacements {
        replaced.time = relative(replaced.time, 3700);
    }
    let backoff = world.status.healing.backoff_until.map(|until| until.since(now));
    world.status.healing.backoff_until = None;
    world.request = world.request.filter(|_| world.status.request.is_none());
    world.status.request = None;
    let mut digest = Digest(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    write!(digest, "{struck} {stalled} {leaderless:?} {backoff:?} {world:?}").unwrap();
    digest.0
}

/// FNV-1a with 128 bits: a key takes 16 bytes, and two that collide are not to be feared.
struct Digest(u128);

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        Ok(())
    }
}

fn age(now: Moment, at: Moment, most: u64) -> u64 {
    now.since(at).as_secs().min(most)
}
