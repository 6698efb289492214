//! Everything at once, from seeds: first anything may fail, then all heals and must come to rest.

use rand::RngExt;

use crate::cluster::{Cluster, Weather, ms, seeds};

fn torture(seed: u64, count: usize, rounds: usize) -> Cluster {
    let mut c = Cluster::up(seed, count);
    if c.rng.random_bool(0.5) {
        c.weather = Weather { delay_us: (50, 30_000), sync_us: (200, 20_000) };
    }
    for _ in 0..rounds {
        let node = c.rng.random_range(0..count);
        let other = (node + c.rng.random_range(1..count.max(2))) % count;
        match c.rng.random_range(0..40u32) {
            0 if c.nodes[node].runs() => c.crash(node),
            1 if c.nodes[node].runs() => c.kill(node),
            0..=5 if !c.nodes[node].runs() => c.start(node),
            6 if c.nodes[node].runs() => c.pause(node),
            7..=10 if c.nodes[node].paused => c.resume(node),
            18 | 19 => power_cut(&mut c, count),
            11 if node != other => c.cut(node, other),
            12 => c.isolate(node),
            13..=16 => c.heal(),
            17 if node != other
                && c.nodes[node].runs()
                && c.nodes[other].runs()
                && !c.is_cut(node, other) =>
            {
                c.connect(node, other);
            }
            _ => {
                // Anybody who believes to lead may take writes, anybody in a quorum reads.
                c.propose_at(node);
                c.read_at(other);
            }
        }
        // Mostly in quick succession; now and then long enough for every timeout.
        let slices = if c.rng.random_bool(0.1) { c.rng.random_range(10..60u32) } else { 1 };
        for _ in 0..slices {
            let pause = c.rng.random_range(0..60);
            c.run(ms(pause));
            for node in 0..count {
                if c.rng.random_bool(0.5) {
                    c.propose_at(node);
                    c.read_at(node);
                }
            }
        }
    }
    c.settle_down();
    c
}

/// Several machines lose power in the middle of a write; a majority comes back, not always the same.
fn power_cut(c: &mut Cluster, count: usize) {
    for _ in 0..5 {
        for node in 0..count {
            c.propose_at(node);
        }
        let moment = c.rng.random_range(0..3000);
        c.run(std::time::Duration::from_micros(moment));
    }
    for node in 0..count {
        if c.nodes[node].runs() && c.rng.random_bool(0.7) {
            c.crash(node);
        }
    }
    let first = c.rng.random_range(0..count);
    for node in (0..count / 2 + 1).map(|i| (first + i) % count) {
        if !c.nodes[node].runs() {
            c.start(node);
        }
    }
    for _ in 0..20 {
        c.run(ms(20));
        (0..count).for_each(|node| {
            c.propose_at(node);
            c.read_at(node);
        });
    }
}

#[test]
fn three_members() {
    let mut acked = 0;
    for seed in seeds(12) {
        acked += torture(1000 + seed, 3, 120).oracle.acked_count();
    }
    assert!(acked > 100, "{acked} writes in all: the test tests nothing");
}

#[test]
fn five_members() {
    for seed in seeds(5) {
        torture(2000 + seed, 5, 100);
    }
}

#[test]
fn one_and_two_members() {
    for seed in seeds(8) {
        torture(3000 + seed, 1, 100);
        torture(4000 + seed, 2, 100);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let trace = |seed| {
        let c = torture(seed, 3, 100);
        (c.time, c.messages, c.oracle.elections, c.oracle.acked_count(), c.oracle.reads_answered)
    };
    for seed in seeds(2) {
        assert_eq!(trace(seed), trace(seed));
    }
}
