//! The plan against a small model of Kubernetes and monitors, exhaustively: every order of operator steps, of the
//! world settling, of faults and of the operator dying between writing its status and acting.
//!
//! In every state that is reached: nothing that the operator does takes a quorum below its majority, no claim of a
//! voter is touched, no name is used twice, no voter starts with an empty store. From every state on the plan
//! comes to rest, and wherever the world allows it with as many monitors as were asked for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::or_fun_call,
    reason = "helpers of tests are tests"
)]

#[path = "model/explore.rs"]
mod explore;
#[path = "model/observe.rs"]
mod observe;
#[path = "model/rules.rs"]
mod rules;
#[path = "model/world.rs"]
mod world;

use explore::{Explored, explore, settle_down};
use world::{Fault, World};

/// Runs one scenario; prints how much was seen, and fails on nothing having been seen.
fn check(name: &str, start: World, faults: &[Fault], faults_max: usize, states_max: usize) {
    let Explored { states, transitions, rests, full } = explore(start, faults, faults_max, states_max);
    println!("{name}: {states} states, {transitions} transitions, {rests} fixed points, {full} of them full");
    assert!(rests > 0 && full > 0, "{name}: nothing came to rest");
}

const KILL: [Fault; 1] = [Fault::KillNode];
const HARD: [Fault; 3] = [Fault::KillNode, Fault::DeleteNode, Fault::LoseVolume];
const SOFT: [Fault; 4] =
    [Fault::DeletePod, Fault::DeleteStatefulSet, Fault::DeleteService, Fault::ReviveNode];
const ALL: [Fault; 7] = [
    Fault::KillNode,
    Fault::DeleteNode,
    Fault::LoseVolume,
    Fault::DeletePod,
    Fault::DeleteStatefulSet,
    Fault::DeleteService,
    Fault::ReviveNode,
];

fn steady(replicas: u32, nodes: usize) -> World {
    settle_down(World::new(replicas, nodes))
}

#[test]
fn from_nothing_to_three() {
    check("from nothing to 3, 1 fault", World::new(3, 5), &ALL, 1, 200_000);
}

#[test]
fn three_with_hard_faults() {
    check("3 monitors, 2 faults that need a replacement", steady(3, 5), &HARD, 2, 200_000);
}

#[test]
fn three_with_soft_faults() {
    check("3 monitors, 2 faults that Kubernetes mends", steady(3, 4), &SOFT, 2, 200_000);
}

#[test]
fn three_with_three_dead_nodes() {
    check("3 monitors, 3 dead nodes", steady(3, 6), &KILL, 3, 200_000);
}

#[test]
fn five_with_three_dead_nodes() {
    check("5 monitors, 3 dead nodes", steady(5, 8), &KILL, 3, 400_000);
}

#[test]
fn three_to_five_and_back() {
    let mut grow = steady(3, 7);
    grow.replicas = 5;
    check("3 to 5, 1 fault", grow.clone(), &HARD, 1, 200_000);
    let mut shrink = settle_down(grow);
    shrink.replicas = 3;
    check("5 to 3, 1 fault", shrink, &HARD, 1, 200_000);
}

#[test]
fn three_to_one() {
    let mut shrink = steady(3, 4);
    shrink.replicas = 1;
    check("3 to 1", shrink, &SOFT, 1, 200_000);
}

#[test]
fn a_new_revision_of_three() {
    let mut roll = steady(3, 4);
    roll.revision += 1;
    check("rolling change of 3, 1 fault", roll, &HARD, 1, 200_000);
}

#[test]
fn a_request_to_replace() {
    let mut ask = steady(3, 5);
    ask.ask("replace:b");
    check("replace b as requested, 1 fault", ask, &HARD, 1, 200_000);
}

#[test]
fn no_spare_node() {
    check("3 monitors on 3 nodes, 1 lost volume", steady(3, 3), &[Fault::LoseVolume], 1, 200_000);
}
