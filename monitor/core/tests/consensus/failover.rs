//! How long failures are felt, in virtual time, and what they must never do.

use mon_core::consensus::Role;
use mon_core::quorum::Order;

use crate::cluster::{Cluster, ms, seeds};

#[test]
fn one_monitor_serves_alone_and_recovers_its_uncommitted_value() {
    for seed in seeds(6) {
        let mut c = Cluster::up(seed, 1);
        for _ in 0..20 {
            c.write();
            c.read_at(0);
        }
        // In the middle of a write.
        c.try_write();
        c.crash(0);
        c.start(0);
        c.settle_down();
    }
}

#[test]
fn three_form_a_quorum_within_a_second() {
    for seed in seeds(8) {
        let mut c = Cluster::new(seed, 3, 3, &Default::default());
        for node in 0..3 {
            c.start(node);
            c.run(ms(20));
        }
        c.run_until("a quorum of three", ms(1000), |c| c.quorum_size() == 3);
        assert_eq!(c.leader(), Some(0));
        c.write();
        assert!(c.oracle.elections <= 6, "seed {seed}: {} elections", c.oracle.elections);
    }
}

#[test]
fn a_killed_leader_is_replaced_in_milliseconds() {
    for seed in seeds(8) {
        let mut c = Cluster::up(seed, 3);
        c.kill(0);
        let gap = c.write_through(ms(3000));
        assert!(gap < ms(100), "seed {seed}: {gap:?}");
        c.start(0);
        c.run_until("the old leader back", ms(3000), |c| c.quorum_size() == 3 && c.leader() == Some(0));
        c.settle_down();
    }
}

#[test]
fn a_paused_leader_is_replaced_within_the_silence_and_serves_nothing_stale() {
    for seed in seeds(8) {
        let mut c = Cluster::up(seed, 3);
        c.pause(0);
        let gap = c.write_through(ms(5000));
        assert!(gap < ms(2000), "seed {seed}: {gap:?}");
        for _ in 0..5 {
            c.write_through(ms(1000));
        }
        c.resume(0);
        // The oracle checks every read that is answered against what was acknowledged before.
        for _ in 0..50 {
            c.read_at(0);
            c.try_write();
            c.run(ms(1));
        }
        c.run_until("the paused leader in again", ms(5000), |c| c.quorum_size() == 3);
        c.settle_down();
    }
}

#[test]
fn a_dead_or_paused_peon_does_not_stall_writes() {
    for seed in seeds(8) {
        for pause in [false, true] {
            let mut c = Cluster::up(seed, 3);
            let losses = c.nodes[0].losses;
            if pause {
                c.pause(2)
            } else {
                c.kill(2)
            }
            for _ in 0..40 {
                let gap = c.write_through(ms(1000));
                assert!(gap < ms(50), "seed {seed} pause {pause}: {gap:?}");
                c.run(ms(100));
            }
            assert_eq!(c.nodes[0].losses, losses, "the quorum never ended");
            assert_eq!(c.quorum_size(), 2, "the quorum shrank");
            if pause {
                c.resume(2)
            } else {
                c.start(2)
            }
            c.run_until("the peon back", ms(5000), |c| c.quorum_size() == 3);
            c.settle_down();
        }
    }
}

#[test]
fn a_leader_without_a_majority_stops_leading() {
    let mut c = Cluster::up(7, 3);
    c.isolate(0);
    c.run(ms(5000));
    assert_eq!(c.nodes[0].consensus().role(), Role::Probing);
    assert_eq!(c.leader(), Some(1));
    c.write_through(ms(1000));
    c.heal();
    c.run_until("all together", ms(5000), |c| c.quorum_size() == 3);
    c.settle_down();
}

#[test]
fn a_leader_cut_off_from_one_peon_is_not_disturbed() {
    for seed in seeds(5) {
        let mut c = Cluster::up(seed, 3);
        c.cut(0, 2);
        let losses = c.nodes[0].losses;
        for _ in 0..100 {
            c.write_through(ms(2500));
            c.run(ms(100));
        }
        let elections = c.nodes[0].losses - losses;
        assert!(elections <= 6, "seed {seed}: {elections} elections in 10 s");
        c.settle_down();
    }
}

#[test]
fn no_storm_while_members_flap() {
    for seed in seeds(4) {
        let mut c = Cluster::up(seed, 3);
        let before = c.oracle.elections;
        for _ in 0..100 {
            c.connect(1, 2);
            c.connect(0, 1);
            c.run(ms(100));
        }
        let elections = c.oracle.elections - before;
        assert!(elections <= 20, "seed {seed}: {elections} elections in 10 s");
        c.settle_down();
    }
}

#[test]
fn stepping_down_leaves_no_gap() {
    for seed in seeds(8) {
        let mut c = Cluster::up(seed, 3);
        for _ in 0..10 {
            c.write();
        }
        c.try_write();
        let effects = {
            let (time, node) = (c.time, &mut c.nodes[0]);
            node.call(time, &mut c.oracle, |consensus, cx| consensus.obey(cx, Order::StepDown))
        };
        c.carry_out(0, effects);
        c.run_until("another leader", ms(100), |c| c.leader() == Some(1));
        let gap = c.write_through(ms(1000));
        assert!(gap < ms(50), "seed {seed}: {gap:?}");
        assert_eq!(c.nodes[0].consensus().role(), Role::Peon);
        c.settle_down();
    }
}

#[test]
fn termination_hands_over_first() {
    use mon_core::effect::Halt;
    use mon_core::event::Event;
    for seed in seeds(5) {
        let mut c = Cluster::up(seed, 3);
        c.feed(0, Event::Terminate);
        let gap = c.write_through(ms(1000));
        assert!(gap < ms(100), "seed {seed}: {gap:?}");
        c.run(ms(2000));
        assert_eq!(c.nodes[0].halted, Some(Halt::Terminated));
        assert_eq!(c.quorum_size(), 2);
    }
}

#[test]
fn an_idle_cluster_commits_nothing_and_says_little() {
    let mut c = Cluster::up(3, 3);
    c.run(ms(5000));
    let (last, messages) = (c.nodes[0].committed, c.messages);
    c.run(ms(60_000));
    assert_eq!(c.nodes[0].committed, last);
    let per_second = (c.messages - messages) / 60;
    // Heartbeats with answers to two peons, pings with answers between three.
    assert!(per_second <= 40, "{per_second} messages a second");
}

#[test]
fn reads_are_answered_everywhere() {
    let mut c = Cluster::up(11, 3);
    for _ in 0..50 {
        c.try_write();
        for node in 0..3 {
            c.read_at(node);
        }
        c.run(ms(2));
    }
    c.run(ms(100));
    assert_eq!(c.oracle.reads_answered, 150);
}
