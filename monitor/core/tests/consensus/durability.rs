//! What is acknowledged is on enough disks, and nobody waits for more than that.

use crate::cluster::{Cluster, ms};

const SLOW: Option<(u64, u64)> = Some((200_000, 200_000));

/// Proposes and tells whether it is acknowledged within 50 ms, with disks that sync at once or in 200 ms.
fn quick(slow: &[usize], dead: &[usize]) -> bool {
    let mut c = Cluster::up(1, 3);
    for node in dead {
        c.kill(*node);
    }
    c.run(ms(100));
    for node in slow {
        c.nodes[*node].sync_us = SLOW;
    }
    let before = c.oracle.acked_count();
    c.propose_at(0).unwrap();
    c.run(ms(50));
    let quick = c.oracle.acked_count() > before;
    c.run(ms(1000));
    assert!(c.oracle.acked_count() > before);
    for node in slow {
        c.nodes[*node].sync_us = None;
    }
    c.settle_down();
    quick
}

#[test]
fn a_majority_of_disks_decides() {
    assert!(quick(&[], &[]));
    assert!(quick(&[2], &[]), "one slow peon delays nothing");
    assert!(!quick(&[1, 2], &[]), "an acceptance counts only once it is on disk");
    assert!(!quick(&[0], &[2]), "the leader's own too");
    assert!(!quick(&[1], &[2]));
}

#[test]
fn the_commit_record_is_not_waited_for() {
    let mut c = Cluster::up(2, 1);
    c.write();
    assert!(c.nodes[0].store.unsynced_batches() > 0, "the record is there, and not synced");
    c.nodes[0].crash(0);
    c.start(0);
    c.settle_down();
}
