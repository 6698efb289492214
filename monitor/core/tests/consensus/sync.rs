//! A member that is too far behind, and everything that can go wrong while it copies.

use mon_core::config::Config;
use mon_core::consensus::Role;
use mon_core::quorum::Order;
use mon_types::kv::KvRead;

use crate::cluster::{Cluster, count_keys, ms, seeds};

/// Trims early and copies in small chunks, so that syncs are long and needed.
fn config() -> Config {
    Config {
        paxos_min: 10,
        paxos_trim_min: 5,
        paxos_trim_max: 20,
        sync_payload_keys_max: 7,
        sync_payload_bytes_max: 300,
        ..Config::default()
    }
}

/// Three members of which c was down for long.
fn behind(seed: u64) -> Cluster {
    let mut c = Cluster::new(seed, 3, 3, &config());
    for node in 0..3 {
        c.start(node);
    }
    c.run_until("a quorum", ms(3000), |c| c.quorum_size() == 3);
    c.write();
    c.kill(2);
    for _ in 0..60 {
        c.write_through(ms(1000));
    }
    let first = c.nodes[0].consensus().first_committed().0;
    assert!(first > 10, "the log was trimmed: {first}");
    c
}

#[test]
fn a_full_sync_brings_everything() {
    for seed in seeds(4) {
        let mut c = behind(seed);
        c.start(2);
        c.run_until("the sync", ms(2000), |c| c.nodes[2].consensus().role() == Role::Synchronizing);
        // The provider goes on meanwhile.
        for _ in 0..20 {
            c.try_write();
            c.run(ms(1));
        }
        c.run_until("a quorum of three", ms(10_000), |c| c.quorum_size() == 3);
        c.settle_down();
        assert_eq!(count_keys(&c.nodes[2].store, "kv"), count_keys(&c.nodes[0].store, "kv"));
    }
}

#[test]
fn a_recent_sync_brings_what_is_missing() {
    let mut c = Cluster::up(4, 3);
    c.kill(2);
    for _ in 0..60 {
        c.write_through(ms(1000));
    }
    c.start(2);
    c.run_until("a quorum of three", ms(5000), |c| c.quorum_size() == 3);
    c.settle_down();
}

#[test]
fn a_requester_may_die_at_any_chunk() {
    for chunk in 0..20 {
        let mut c = behind(100 + chunk);
        c.start(2);
        c.run_until("the sync", ms(2000), |c| c.nodes[2].consensus().role() == Role::Synchronizing);
        c.run(ms(0) + std::time::Duration::from_micros(800 * chunk));
        c.crash(2);
        let marked = c.nodes[2].store.read("mon_sync", "in_sync").unwrap().is_some();
        c.start(2);
        if marked {
            assert_eq!(
                c.nodes[2].consensus().last_committed().0,
                0,
                "a half-filled store counts for nothing"
            );
        }
        c.run_until("a quorum of three", ms(20_000), |c| c.quorum_size() == 3);
        assert!(c.nodes[2].store.read("mon_sync", "in_sync").unwrap().is_none());
        c.settle_down();
    }
}

#[test]
fn a_provider_may_die_at_any_chunk() {
    for chunk in 0..8 {
        let mut c = behind(200 + chunk);
        c.start(2);
        c.run_until("the sync", ms(2000), |c| c.nodes[2].consensus().role() == Role::Synchronizing);
        c.run(std::time::Duration::from_micros(1500 * chunk));
        // Whichever provides: kill both in turn.
        let provider = chunk as usize % 2;
        c.kill(provider);
        c.run(ms(300));
        c.start(provider);
        c.run_until("a quorum of three", ms(30_000), |c| c.quorum_size() == 3);
        c.settle_down();
    }
}

#[test]
fn a_forced_sync_happens_at_the_next_start() {
    let mut c = Cluster::up(6, 3);
    for _ in 0..20 {
        c.write();
    }
    let effects = {
        let time = c.time;
        c.nodes[2].call(time, &mut c.oracle, |consensus, cx| consensus.obey(cx, Order::SyncForce))
    };
    c.carry_out(2, effects);
    c.run(ms(50));
    c.kill(2);
    c.start(2);
    c.run_until("the sync", ms(3000), |c| c.nodes[2].consensus().role() == Role::Synchronizing);
    c.run_until("a quorum of three", ms(10_000), |c| c.quorum_size() == 3);
    c.settle_down();
}
