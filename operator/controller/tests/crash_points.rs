//! The operator dies before and after every call that it makes, in every transition and healing; watches are late,
//! tell things twice or not at all; calls fail or their answers are lost. Every run must converge, without the
//! quorum ever being lost by the operator's own act, and without a claim of a voter being touched.
//!
//! A run takes milliseconds: the Kubernetes cluster and the monitors are [`moncluster_memapi::World`], the clock is
//! tokio's, paused. Each scenario first runs undisturbed, which counts its calls; then dies once before and after every
//! call; then from seeds, with everything at once and up to three deaths, on either side. What fails prints how to
//! repeat it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

#[path = "crash/lab.rs"]
mod lab;
#[path = "crash/scenario.rs"]
mod scenario;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use lab::{Run, start};
use moncluster_memapi::{Crash, Side};
use scenario::{SCENARIOS, Scenario};

/// Runs from seeds for each scenario, beside those for every call.
const SEEDS: u64 = 50;

/// The whole test takes little more than this.
const TIME: Duration = Duration::from_secs(165);

fn scenario(name: &str) {
    let scenario = SCENARIOS.iter().find(|it| it.name == name).unwrap();
    // `CRASH_RUN='calls:17:After'` or `CRASH_RUN='seed:3'` repeats one run.
    if let Ok(one) = std::env::var("CRASH_RUN") {
        return repeat(scenario, &one);
    }
    let start = start(scenario.from);
    let plain = Run::undisturbed(scenario).go(&start);
    plain.check("undisturbed");
    let mut runs = 1;
    // Nothing happens to the cluster between the end of a call and the beginning of the next, so dying after one is
    // dying before the next; the run after the last call closes the row.
    for call in 0..=plain.calls {
        // A machine that is too busy for all of them does every tenth, and says so.
        if is_late() && call % 10 != 0 {
            continue;
        }
        let side = Side::Before;
        Run::dying(scenario, Crash { call, side }).go(&start).check(&format!("calls:{call}:{side:?}"));
        runs += 1;
    }
    for seed in 0..SEEDS {
        if is_late() && seed % 10 != 0 {
            continue;
        }
        Run::disturbed(scenario, seed, plain.calls).go(&start).check(&format!("seed:{seed}"));
        runs += 1;
    }
    let cut = if is_late() { "; cut short, as the time for all scenarios was over" } else { "" };
    println!("{name}: {runs} runs, {} calls each{cut}", plain.calls);
}

/// Whether the time for all scenarios together is over.
fn is_late() -> bool {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed() > TIME
}

fn repeat(scenario: &Scenario, one: &str) {
    let start = start(scenario.from);
    let plain = Run::undisturbed(scenario).go(&start);
    let parts: Vec<&str> = one.split(':').collect();
    let outcome = match parts.as_slice() {
        ["undisturbed"] => plain,
        ["calls", call, side] => {
            let side = if *side == "After" { Side::After } else { Side::Before };
            Run::dying(scenario, Crash { call: call.parse().unwrap(), side }).go(&start)
        }
        ["seed", seed] => Run::disturbed(scenario, seed.parse().unwrap(), plain.calls).go(&start),
        _ => panic!("CRASH_RUN is undisturbed, calls:N:Before, calls:N:After or seed:N"),
    };
    for line in &outcome.log {
        println!("{line}");
    }
    println!("{}: {} calls", scenario.name, outcome.calls);
    outcome.check(one);
}

/// A test for each, so that they run beside each other and fail by name.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                scenario(stringify!($name));
            }
        )*

        #[test]
        fn every_scenario_is_run() {
            let run = [$(stringify!($name)),*];
            let all: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            assert_eq!(all, run);
            assert!(all.len() >= 12);
        }
    };
}

tests!(
    a_new_cluster,
    one_becomes_three,
    three_become_five,
    five_become_three,
    three_become_one,
    an_even_number_is_refused,
    another_image,
    another_option,
    the_disruption_budget_is_not_wanted,
    a_pod_is_deleted,
    the_leaders_pod_is_deleted,
    a_stateful_set_is_deleted,
    a_service_is_deleted,
    a_node_is_deleted,
    a_node_dies,
    a_node_is_cut_off,
    a_volume_is_lost,
    a_disk_is_wiped,
    nodes_are_drained_in_turn,
    the_leader_is_replaced_on_request,
    two_members_are_lost_and_one_comes_back,
    a_cluster_is_deleted_and_kept,
    a_cluster_is_deleted_for_good,
    a_kept_cluster_is_adopted,
);
