//! The rule beside stock monitors, played by our own that keep to it: leases, and every member accepts.

use mon_core::config::Config;
use rand::RngExt;

use crate::cluster::{Cluster, ms, seeds};

fn config() -> Config {
    Config { stock_rule: true, ..Config::default() }
}

fn up(seed: u64) -> Cluster {
    let mut c = Cluster::new(seed, 3, 3, &config());
    for node in 0..3 {
        c.start(node);
    }
    c.run_until("a quorum", ms(20_000), |c| c.quorum_size() == 3);
    c.write();
    c
}

#[test]
fn values_commit_and_leased_reads_are_current() {
    let mut c = up(1);
    for _ in 0..200 {
        c.try_write();
        for node in 0..3 {
            c.read_at(node);
        }
        c.run(ms(20));
    }
    c.run(ms(5000));
    assert!(c.oracle.reads_answered > 500, "{}", c.oracle.reads_answered);
}

#[test]
fn a_quorum_with_one_of_another_kind_keeps_to_its_rule() {
    for seed in seeds(4) {
        let mut c = Cluster::new(seed, 3, 3, &Config::default());
        c.nodes[seed as usize % 3].config.stock_rule = true;
        for node in 0..3 {
            c.start(node);
        }
        c.run_until("a quorum", ms(20_000), |c| c.quorum_size() == 3);
        assert!(!c.nodes[0].consensus().view().unwrap().all_ours);
        for _ in 0..50 {
            c.write_through(ms(1000));
            c.read_at(1);
        }
        c.kill(2);
        c.write_through(ms(20_000));
        c.start(2);
        c.run_until("a quorum of three", ms(20_000), |c| c.quorum_size() == 3);
        c.kill(0);
        c.write_through(ms(20_000));
        c.settle_down();
    }
}

#[test]
fn whatever_fails_nothing_acknowledged_is_lost() {
    for seed in seeds(8) {
        let mut c = up(5000 + seed);
        for _ in 0..80 {
            let node = c.rng.random_range(0..3);
            match c.rng.random_range(0..20u32) {
                0 if c.nodes[node].runs() => c.crash(node),
                1 if c.nodes[node].runs() => c.kill(node),
                0..=4 if !c.nodes[node].runs() => c.start(node),
                5 => c.isolate(node),
                6..=8 => c.heal(),
                _ => {
                    c.propose_at(node);
                    c.read_at(node);
                }
            }
            let pause = c.rng.random_range(0..400);
            c.run(ms(pause));
            c.try_write();
        }
        c.settle_down();
    }
}
