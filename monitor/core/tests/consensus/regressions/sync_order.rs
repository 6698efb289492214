//! Orders to sync, and stores that a sync left half filled.

use mon_core::config::Config;
use mon_core::consensus::Role;
use mon_core::quorum::Order;
use mon_store::KvStore;
use mon_types::kv::{KvRead, Transaction};

use super::{SLOW, propose_map};
use crate::cluster::{Cluster, ms, seeds};

#[test]
fn all_that_are_told_to_sync_at_once_go_on() {
    for seed in seeds(4) {
        for count in [1, 2, 3, 5] {
            let mut c = Cluster::up(seed, count);
            for _ in 0..20 {
                c.write();
            }
            (0..count).for_each(|node| c.order(node, Order::SyncForce));
            c.run(ms(50));
            (0..count).for_each(|node| c.kill(node));
            (0..count).for_each(|node| c.start(node));
            c.run_until("a whole quorum", ms(15_000), |c| c.quorum_size() == count);
            c.settle_down();
            for node in 0..count {
                let order = c.nodes[node].store.read("mon_sync", "force_sync").unwrap();
                assert_eq!(order, None, "seed {seed}: the order is obeyed or dropped");
            }
        }
    }
}

/// Two members held the newest values: one was emptied for a sync, the other was removed, told to sync itself and
/// started again. It provided nothing any more, and stopped as soon as the emptied one had the map.
#[test]
fn a_removed_member_that_was_told_to_sync_still_gives_away_what_it_has() {
    for seed in seeds(4) {
        let mut c = Cluster::up(seed, 3);
        c.kill(2);
        for _ in 0..20 {
            c.write_through(ms(1000));
        }
        propose_map(&mut c, 2, &[1, 2]);
        c.run_until("the map at b", ms(1000), |c| {
            c.nodes[1].store.read_u64("monmap", "last_committed").unwrap() == Some(2)
        });
        c.order(0, Order::SyncForce);
        c.order(1, Order::SyncForce);
        c.run(ms(50));
        c.kill(1);
        c.start(1);
        let emptied = |c: &Cluster| c.nodes[1].store.read("mon_sync", "in_sync").unwrap().is_some();
        c.run_until("b half synced", ms(5000), emptied);
        c.kill(0);
        c.kill(1);
        c.start(0);
        c.start(1);
        c.start(2);
        c.run_until("b and c", ms(10_000), |c| c.quorum_size() == 2);
        c.oracle.nothing_lost(1, &c.nodes[1].store);
    }
}

#[test]
fn a_forced_sync_takes_nothing_from_a_peer_that_has_less() {
    for seed in seeds(4) {
        let mut c = Cluster::up(seed, 3);
        c.kill(1);
        for _ in 0..20 {
            c.write_through(ms(1000));
        }
        c.run(ms(50));
        c.order(2, Order::SyncForce);
        c.run(ms(50));
        c.kill(0);
        c.kill(2);
        c.start(1);
        c.start(2);
        // c drops the order, for without it there is no quorum, and b has less.
        c.run_until("b and c", ms(10_000), |c| c.quorum_size() == 2);
        c.settle_down();
    }
}

#[test]
fn of_two_one_that_is_half_synced_takes_a_peer_that_lost_its_last_record() {
    for seed in seeds(8) {
        let mut c = Cluster::up(seed, 2);
        for _ in 0..10 {
            c.write();
        }
        c.run(ms(20));
        c.order(1, Order::SyncForce);
        c.run(ms(20));
        c.kill(1);
        c.start(1);
        c.run_until("the wipe", ms(3000), |c| {
            c.nodes[1].store.read("mon_sync", "in_sync").unwrap().is_some()
        });
        c.nodes[0].crash(0);
        c.nodes[1].crash(0);
        c.start(0);
        c.start(1);
        c.run_until("a quorum of two", ms(10_000), |c| c.quorum_size() == 2);
        c.settle_down();
    }
}

/// A member that is alone in its map, and another monitor that only follows; these were told to sync, and all are down.
fn one_and_a_follower(seed: u64, under_orders: &[usize]) -> Cluster {
    let mut c = Cluster::new(seed, 2, 1, &Config::default());
    c.start(0);
    c.run_until("a quorum of one", ms(3000), |c| c.quorum_size() == 1);
    for _ in 0..15 {
        c.write();
    }
    c.start(1);
    let has_all =
        |c: &Cluster| c.nodes[1].consensus().last_committed() == c.nodes[0].consensus().last_committed();
    c.run_until("b to have all", ms(5000), has_all);
    for node in under_orders {
        c.order(*node, Order::SyncForce);
    }
    c.run(ms(50));
    c.kill(0);
    c.kill(1);
    c
}

/// The only member took the order back, and began to sync from one that only follows before that was on its disk.
#[test]
fn the_only_member_drops_the_order_to_sync_and_does_not_sync() {
    for seed in seeds(4) {
        let mut c = one_and_a_follower(seed, &[0]);
        c.nodes[0].sync_us = SLOW;
        c.start(1);
        c.run(ms(20));
        c.start(0);
        c.run_until("a quorum of one", ms(10_000), |c| {
            assert_ne!(c.nodes[0].consensus().role(), Role::Synchronizing, "seed {seed}");
            c.quorum_size() == 1
        });
    }
}

/// The only member was half synced, and the one that followed had all of it, but was told to sync from that member.
#[test]
fn a_follower_that_was_told_to_sync_gives_what_nobody_else_has() {
    for seed in seeds(4) {
        let mut c = one_and_a_follower(seed, &[0, 1]);
        let mut write = Transaction::new();
        write.put_u64("mon_sync", "in_sync", 1);
        c.nodes[0].store.apply(&[write], true).unwrap();
        c.start(0);
        c.start(1);
        c.run_until("a quorum of one", ms(10_000), |c| c.quorum_size() == 1);
        c.settle_down();
    }
}
