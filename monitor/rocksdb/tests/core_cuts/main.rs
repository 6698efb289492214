//! The core itself over a store that a power cut left: three whole monitors write through real stores, and at every
//! write index each of them is cut off, its store opened again and the core started on it.
//!
//! ```text
//!  three monitors, their leaders killed, power cut, synced in full    cluster.rs, machine.rs
//!        | after each write to a disk: its files, what was said that rests on them
//!        v
//!  the files as they are, and torn in the next write                  cut.rs
//!        | the store is opened again and the core started on it
//!        v
//!  nothing that was said is taken back                                said.rs
//! ```
//! And after every few acknowledged writes all three lose power at once, start on what was synced, form a quorum and
//! must know every one of them. That nothing else can be left of a RocksDB is what the test `faults` shows.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod cluster;
mod cut;
mod files;
#[path = "../folder/mod.rs"]
mod folder;
mod machine;
mod said;

use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use cluster::Cluster;
use cut::{Cut, Verdict};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How often a process ends in the midst of things, one way or another.
const ROUNDS: u64 = 12;
/// All power is cut after so many acknowledged writes, again and again.
const BLACKOUT_EVERY: usize = 4;
const WORKERS: usize = 2;

#[test]
fn the_core_takes_nothing_back_wherever_the_power_is_cut() {
    let scratch = folder::scratch("mon-core-cuts-");
    let verdict = Verdict::default();
    let (cuts, waiting) = sync_channel::<Cut>(32);
    let waiting = Mutex::new(waiting);
    let play = std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (waiting, verdict) = (&waiting, &verdict);
            let place = scratch.path().join(format!("cut-{worker}"));
            scope.spawn(move || cut::check_all(waiting, &place, verdict));
        }
        play(Cluster::new(&scratch.path().join("play"), 3, Some(cuts)))
    });
    let (cuts, failures) = verdict.into_parts();
    assert!(failures.is_empty(), "after a cut:\n{}", failures.join("\n"));
    println!("core crash points: {cuts} cuts of {} writes to disks; {play:?}", play.writes);
    assert!(play.writes > 500 && cuts > play.writes, "too few cuts for the name");
    assert!(
        play.full_syncs > 0 && play.led_by > 1 && play.acknowledged > 80 && play.blackouts > 10,
        "not the play that was meant"
    );
}

/// What the workload came to.
#[derive(Debug)]
struct Play {
    writes: usize,
    acknowledged: usize,
    blackouts: usize,
    full_syncs: usize,
    led_by: usize,
}

fn play(mut cluster: Cluster) -> Play {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut blackouts = 0;
    let mut leaders = std::collections::BTreeSet::new();
    (0..3).for_each(|node| cluster.start(node));
    for round in 0..ROUNDS {
        leaders.extend(cluster.settle());
        for _ in 0..rng.random_range(3..8) {
            cluster.write();
            if cluster.acknowledged().is_multiple_of(BLACKOUT_EVERY) {
                blackouts += 1;
                cluster.lose_all_power_elsewhere(blackouts);
            }
        }
        // In the midst of a value, at whatever step of it, the leader or another ends.
        cluster.write_blindly();
        cluster.steps(rng.random_range(0..30));
        let leader = cluster.leader().unwrap_or(0);
        match round % 4 {
            0 => cluster.end(leader, false),
            1 => cluster.end(leader, true),
            2 => cluster.end((leader + 1) % 3, true),
            _ => (0..3).for_each(|node| cluster.end(node, true)),
        }
        if round % 4 != 3 {
            leaders.extend(cluster.settle());
            // Enough for the one that is away to need a copy of everything now and then.
            for _ in 0..if round % 3 == 0 { 12 } else { 2 } {
                cluster.write();
            }
        }
        (0..3).for_each(|node| cluster.start(node));
    }
    cluster.settle();
    let play = Play {
        writes: cluster.writes(),
        acknowledged: cluster.acknowledged(),
        blackouts,
        full_syncs: cluster.full_syncs(),
        led_by: leaders.len(),
    };
    cluster.finish();
    play
}
