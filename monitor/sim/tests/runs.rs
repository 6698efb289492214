//! A few runs with everything on, in a build like any other. The gate runs many more (`xtask/src/sim.rs`).

use mon_sim::run::run;
use mon_sim::{Plan, Registers};

/// So many events per run, before it comes to rest.
const EVENTS: u64 = 5_000;

#[test]
fn seeds_hold() {
    for seed in 0..12 {
        let report = run::<Registers>(Plan::from_seed(seed, EVENTS), false);
        assert_eq!(report.violation, None, "replay: cargo xtask sim --seed {seed} --events {EVENTS}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..8 {
        let hash = || run::<Registers>(Plan::from_seed(seed, EVENTS), false).hash;
        assert_eq!(hash(), hash(), "seed {seed}");
    }
}

#[test]
fn reading_a_run_does_not_change_it() {
    let hash = |readable| run::<Registers>(Plan::from_seed(3, EVENTS), readable).hash;
    assert_eq!(hash(true), hash(false));
}
