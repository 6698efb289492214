//! Joining, leaving, replacing, following.

use mon_core::consensus::Role;
use mon_core::effect::Halt;
use mon_core::event::Event;
use mon_types::encode::Encode;
use mon_types::id::{Epoch, Rank, Version};
use mon_types::kv::Transaction;
use mon_types::message::{ElectionOp, MMonElection, MMonProbe, Message, ProbeOp};

use crate::cluster::{Cluster, monmap, ms, put_learner, put_map, seeds};
use crate::node::{addrs, fsid, name};

fn change(c: &mut Cluster, epoch: u32, members: &[usize]) {
    let mut write = Transaction::new();
    put_map(&mut write, &monmap(epoch, members));
    c.commit(write);
}

/// Three members and a fourth process outside.
fn three_and_one(seed: u64, learner: bool) -> Cluster {
    let mut c = Cluster::new(seed, 4, 3, &Default::default());
    for node in 0..3 {
        c.start(node);
    }
    c.run_until("a quorum", ms(3000), |c| c.quorum_size() == 3);
    c.write();
    c.nodes[3].config.learner = learner;
    c.start(3);
    c
}

#[test]
fn a_member_joins_and_leaves() {
    for seed in seeds(5) {
        let mut c = three_and_one(seed, false);
        for _ in 0..30 {
            c.write();
        }
        c.run(ms(1500));
        assert_eq!(c.nodes[3].consensus().role(), Role::Probing);
        change(&mut c, 2, &[0, 1, 2, 3]);
        c.run_until("a quorum of four", ms(5000), |c| c.quorum_size() == 4);
        c.write();
        change(&mut c, 3, &[0, 2, 3]);
        c.run_until("a quorum of three", ms(5000), |c| c.quorum_size() == 3);
        c.run(ms(2000));
        assert_eq!(c.nodes[1].halted, Some(Halt::Removed));
        c.settle_down();
    }
}

/// Found by the nemesis: members in quorum dialled one that had been replaced once a second for as long as they ran.
#[test]
fn who_is_neither_in_the_map_nor_there_is_not_dialled() {
    let keeps = |c: &Cluster, gone: usize| {
        (0..c.nodes.len())
            .filter(|node| c.nodes[*node].runs())
            .any(|n| c.nodes[n].peers.contains(&addrs(gone)))
    };
    for seed in seeds(5) {
        // A stranger that probes, and goes again.
        let mut c = three_and_one(seed, false);
        c.run_until("the stranger is known", ms(3000), |c| keeps(c, 3));
        c.kill(3);
        c.run_until("nobody looks for it", ms(3000), |c| !keeps(c, 3));
        // A member that is removed, and shows itself on the way out.
        change(&mut c, 2, &[0, 1]);
        c.run_until("the end of c", ms(5000), |c| c.nodes[2].halted == Some(Halt::Removed));
        c.run_until("nobody looks for it", ms(5000), |c| c.quorum_size() == 2 && !keeps(c, 2));
        c.run(ms(3000));
        assert!(!keeps(&c, 2) && !keeps(&c, 3), "seed {seed}");
        // Without a quorum whoever is there may be of help; with one again, no longer.
        c.kill(1);
        c.run(ms(2000));
        c.start(1);
        c.run_until("a quorum of two", ms(5000), |c| c.quorum_size() == 2);
        assert!(!keeps(&c, 2) && !keeps(&c, 3), "seed {seed}");
    }
}

#[test]
fn a_monitor_of_another_cluster_is_refused_and_told_of_once() {
    let mut c = Cluster::up(1, 3);
    let foreign = "99999999-2222-3333-4444-555555555555".parse().unwrap();
    let (before, losses) = (c.messages, c.nodes[0].losses);
    for _ in 0..5 {
        let mut probe = MMonProbe::new(foreign, ProbeOp::Probe, "x");
        probe.mon_release = 20;
        c.feed(0, Event::PeerMessage { peer: addrs(7), message: probe.into() });
        let election = MMonElection::new(foreign, ElectionOp::Propose, Epoch(99));
        c.feed(0, Event::PeerMessage { peer: addrs(7), message: election.into() });
    }
    let warnings = &c.nodes[0].warnings;
    assert!(warnings.len() == 1 && warnings[0].contains("99999999"), "{warnings:?}");
    assert_eq!((c.messages, c.nodes[0].losses), (before, losses), "it gets no answer and changes nothing");
    assert!(!c.nodes[0].peers.contains(&addrs(7)));
}

#[test]
fn the_leader_can_be_removed() {
    for seed in seeds(5) {
        let mut c = Cluster::up(seed, 3);
        change(&mut c, 2, &[1, 2]);
        c.run_until("the other two", ms(5000), |c| c.quorum_size() == 2);
        c.run(ms(1000));
        assert_eq!(c.nodes[0].halted, Some(Halt::Removed));
        c.settle_down();
    }
}

#[test]
fn a_learner_follows_without_a_vote_and_then_replaces_a_voter() {
    for seed in seeds(5) {
        let mut c = three_and_one(seed, true);
        let mut write = Transaction::new();
        put_learner(&mut write, 3);
        c.commit(write);
        for _ in 0..30 {
            c.write();
            c.run(ms(2));
        }
        c.run_until("the learner to follow", ms(5000), |c| {
            c.nodes[3].consensus().role() == Role::Learner && c.nodes[3].committed == c.nodes[0].committed
        });
        assert_eq!(c.quorum_size(), 3);
        c.read_at(3);
        c.run(ms(50));
        assert!(c.oracle.reads_answered >= 1);
        // The learner survives a change of leader.
        c.kill(0);
        c.write_through(ms(2000));
        c.run_until("the learner to follow the next leader", ms(5000), |c| {
            c.nodes[3].consensus().role() == Role::Learner && c.nodes[3].committed == c.nodes[1].committed
        });
        c.start(0);
        c.run_until("all back", ms(5000), |c| c.quorum_size() == 3);
        change(&mut c, 2, &[0, 1, 3]);
        c.run_until("the new three", ms(5000), |c| c.quorum_size() == 3);
        c.run(ms(2000));
        assert_eq!(c.nodes[2].halted, Some(Halt::Removed));
        c.settle_down();
    }
}

/// Found by the nemesis: a monitor that had been started as a learner and was replaced in its turn, while it ran, went
/// on as a learner that nobody had asked for, and synced for ever.
#[test]
fn a_voter_that_was_started_as_a_learner_is_removed_like_any_other() {
    for (seed, restarted) in seeds(5).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut c = three_and_one(seed, true);
        let mut write = Transaction::new();
        put_learner(&mut write, 3);
        c.commit(write);
        c.run_until("the learner to follow", ms(5000), |c| c.nodes[3].consensus().role() == Role::Learner);
        let mut write = Transaction::new();
        put_map(&mut write, &monmap(2, &[0, 1, 3]));
        write.erase("kv", format!("learner/{}", name(3)));
        c.commit(write);
        c.run_until("the new three", ms(5000), |c| {
            c.quorum_size() == 3 && c.nodes[3].consensus().rank().is_some()
        });
        c.write();
        if restarted {
            c.kill(3);
        }
        change(&mut c, 3, &[0, 1]);
        if restarted {
            c.start(3);
        }
        c.run_until("its end", ms(10_000), |c| c.nodes[3].halted == Some(Halt::Removed));
        c.run_until("the other two", ms(5000), |c| c.quorum_size() == 2);
    }
}

/// Tells node 3 of a quorum of the others that is `ahead` values ahead of it.
fn probe_reply(c: &mut Cluster, ahead: u64) {
    let node = c.nodes[3].consensus();
    let mut reply = MMonProbe::new(fsid(), ProbeOp::Reply, name(1));
    reply.monmap = node.monmap().to_bytes();
    reply.has_ever_joined = true;
    reply.quorum = [0, 1, 2].map(Rank).into();
    reply.leader = Some(Rank(0));
    reply.paxos_first_version = Version(1);
    reply.paxos_last_version = Version(node.last_committed().0 + ahead);
    let message = Message::from(reply).with_tid(0);
    c.feed(3, Event::PeerMessage { peer: addrs(1), message });
}

/// Found by the nemesis: while clients wrote without pause, every sync ended a few values behind, so that another was
/// begun, and the learner never followed.
#[test]
fn a_learner_that_lacks_little_follows_and_does_not_sync_again() {
    let mut c = three_and_one(1, true);
    let mut write = Transaction::new();
    put_learner(&mut write, 3);
    c.commit(write);
    c.run_until("the learner to follow", ms(5000), |c| c.nodes[3].consensus().role() == Role::Learner);
    for (ahead, then) in [(3, Role::Probing), (30, Role::Synchronizing)] {
        (0..3).for_each(|node| c.kill(node));
        c.run_until("the learner to probe", ms(5000), |c| c.nodes[3].consensus().role() == Role::Probing);
        probe_reply(&mut c, ahead);
        assert_eq!(c.nodes[3].consensus().role(), then, "{ahead} values behind");
        (0..3).for_each(|node| c.start(node));
        c.run_until("the learner to follow", ms(10_000), |c| c.nodes[3].consensus().role() == Role::Learner);
    }
}

#[test]
fn a_replacement_is_never_committed_where_the_new_majority_could_miss_it() {
    // b is cut off; a and c alone must not swap c for d: b and d would be a majority that knows nothing.
    let mut c = three_and_one(5, true);
    c.run(ms(1500));
    c.isolate(1);
    let mut write = Transaction::new();
    put_map(&mut write, &monmap(2, &[0, 1, 3]));
    let leader = c.leader().unwrap();
    let before = c.oracle.acked_count();
    let (time, serial) = (c.time, 1_000_000);
    write.put("kv", format!("w{serial}"), "x");
    let effects = c.nodes[leader].propose(time, serial, write, &mut c.oracle).unwrap();
    c.carry_out(leader, effects);
    c.run(ms(10_000));
    assert_eq!(c.oracle.acked_count(), before);
    c.heal();
    c.run_until("the replacement", ms(10_000), |c| c.nodes[2].halted == Some(Halt::Removed));
    c.settle_down();
}

#[test]
fn a_cluster_grows_from_one() {
    let mut c = Cluster::new(9, 3, 1, &Default::default());
    c.start(0);
    c.run_until("one", ms(1000), |c| c.quorum_size() == 1);
    c.write();
    c.start(1);
    change(&mut c, 2, &[0, 1]);
    c.run_until("two", ms(5000), |c| c.quorum_size() == 2);
    c.start(2);
    change(&mut c, 3, &[0, 1, 2]);
    c.run_until("three", ms(5000), |c| c.quorum_size() == 3);
    c.settle_down();
}
