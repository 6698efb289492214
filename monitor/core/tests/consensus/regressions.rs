//! What the simulator (docs/simulator.md) found, each as the shortest story that shows it.

mod sync_order;

use mon_core::config::Config;
use mon_core::consensus::Role;
use mon_core::effect::Halt;
use mon_core::event::Event;
use mon_core::quorum::Order;
use mon_store::KvStore;
use mon_types::encode::Encode;
use mon_types::id::Epoch;
use mon_types::kv::{KvRead, Transaction};
use mon_types::message::{ElectionOp, MMonElection};
use mon_types::monmap::MonMap;

use crate::cluster::{Cluster, monmap, ms, put_map, seeds};
use crate::node::{addrs, fsid};

const SLOW: Option<(u64, u64)> = Some((50_000, 50_000));

fn propose_map(c: &mut Cluster, epoch: u32, members: &[usize]) {
    let leader = c.leader().unwrap();
    let mut write = Transaction::new();
    put_map(&mut write, &monmap(epoch, members));
    c.serial += 1;
    let serial = c.serial;
    write.put("kv", format!("w{serial}"), "x");
    let time = c.time;
    let effects = c.nodes[leader].propose(time, serial, write, &mut c.oracle).unwrap();
    c.carry_out(leader, effects);
}

/// a and b, of which b has accepted that `members` follow them, and a alone knows that this is committed.
fn known_to_a_alone(seed: u64, members: &[usize]) -> Cluster {
    let mut c = Cluster::new(seed, 3, 2, &Config::default());
    c.start(0);
    c.start(1);
    c.run_until("a quorum of two", ms(3000), |c| c.quorum_size() == 2);
    c.write();
    c.run(ms(100));
    assert_eq!(c.leader(), Some(0));
    // b accepts at once, a some time after it.
    c.nodes[0].sync_us = SLOW;
    propose_map(&mut c, 2, members);
    c.run(ms(20));
    c.isolate(0);
    c.run(ms(100));
    assert_eq!(c.nodes[0].store.read_u64("monmap", "last_committed").unwrap(), Some(2), "a has committed it");
    assert_eq!(c.nodes[1].store.read_u64("monmap", "last_committed").unwrap(), Some(1), "b does not know");
    c
}

#[test]
fn of_two_the_one_that_stays_goes_on_when_the_other_is_gone_for_good() {
    for seed in seeds(4) {
        let mut c = known_to_a_alone(seed, &[1]);
        c.crash(0);
        c.heal();
        c.run_until("b alone", ms(6000), |c| c.leader() == Some(1) && c.quorum_size() == 1);
        c.write_through(ms(1000));
        c.oracle.nothing_lost(1, &c.nodes[1].store);
    }
}

#[test]
fn of_two_the_one_that_stays_goes_on_after_a_restart_too() {
    let mut c = known_to_a_alone(7, &[1]);
    c.crash(0);
    c.crash(1);
    c.heal();
    c.start(1);
    // It cannot know that a was no stock monitor, which could still read under its lease.
    c.run_until("b alone", ms(17_000), |c| c.leader() == Some(1));
    c.write_through(ms(1000));
}

#[test]
fn of_two_one_can_be_replaced_and_gone_for_good() {
    for seed in seeds(4) {
        let mut c = known_to_a_alone(seed, &[1, 2]);
        c.crash(0);
        c.heal();
        c.start(2);
        c.run_until("b with c", ms(10_000), |c| c.leader() == Some(1) && c.quorum_size() == 2);
        c.write_through(ms(1000));
        c.oracle.nothing_lost(1, &c.nodes[1].store);
    }
}

#[test]
fn a_removed_leader_stays_until_the_others_have_the_map() {
    for seed in seeds(4) {
        let mut c = known_to_a_alone(seed, &[1]);
        assert!(c.nodes[0].runs(), "it has told nobody yet");
        c.heal();
        c.run_until("b alone", ms(1500), |c| c.leader() == Some(1));
        c.run_until("the end of a", ms(1000), |c| c.nodes[0].halted == Some(Halt::Removed));
    }
}

/// A stock monitor of 18 ended when it was pinged under a rank that the new map did not have.
#[test]
fn a_removed_monitor_pings_nobody() {
    let mut c = known_to_a_alone(3, &[1]);
    let (a, b) = (c.nodes[0].pings, c.nodes[1].pings);
    c.run(ms(3000));
    assert!(c.nodes[0].runs(), "it still looks for somebody to tell");
    assert!(c.nodes[1].pings > b, "b pings on");
    assert_eq!(c.nodes[0].pings, a);
}

#[test]
fn a_removed_monitor_that_is_started_again_shows_the_map_and_stops() {
    for seed in seeds(4) {
        let mut c = known_to_a_alone(seed, &[1]);
        c.kill(0);
        c.kill(1);
        c.heal();
        c.start(0);
        c.start(1);
        c.run_until("b alone", ms(1500), |c| c.leader() == Some(1));
        c.run_until("the end of a", ms(1000), |c| c.nodes[0].halted == Some(Halt::Removed));
        // With nobody there it does not wait for ever.
        c.kill(1);
        c.start(0);
        c.run(ms(6000));
        assert_eq!(c.nodes[0].halted, Some(Halt::Removed));
    }
}

#[test]
fn a_committed_map_outlives_a_power_cut() {
    let mut c = Cluster::up(3, 2);
    c.run(ms(50));
    propose_map(&mut c, 2, &[1]);
    c.run_until("the end of a", ms(2000), |c| c.nodes[0].halted == Some(Halt::Removed));
    c.nodes[1].crash(0);
    c.start(1);
    assert_eq!(c.nodes[1].store.read_u64("monmap", "last_committed").unwrap(), Some(2));
    c.run_until("b alone", ms(1000), |c| c.leader() == Some(1));
}

/// Trims early, so that a member that was away needs a full sync.
fn trimming() -> Config {
    Config { paxos_min: 10, paxos_trim_min: 5, paxos_trim_max: 20, ..Config::default() }
}

fn three_of_which_c_is_far_behind(seed: u64, config: &Config) -> Cluster {
    three_of_which_c_is_behind(seed, config, 40)
}

fn three_of_which_c_is_behind(seed: u64, config: &Config, values: u32) -> Cluster {
    let mut c = Cluster::new(seed, 3, 3, config);
    (0..3).for_each(|node| c.start(node));
    c.run_until("a quorum", ms(3000), |c| c.quorum_size() == 3);
    c.write();
    c.run(ms(50));
    c.kill(2);
    for _ in 0..values {
        c.write_through(ms(1000));
    }
    c.run(ms(50));
    c
}

#[test]
fn a_store_is_wiped_only_for_a_provider_that_delivers() {
    let mut c = three_of_which_c_is_far_behind(2, &trimming());
    c.start(2);
    c.run_until("the sync", ms(2000), |c| c.nodes[2].consensus().role() == Role::Synchronizing);
    c.isolate(2);
    c.run(ms(1000));
    assert_eq!(c.nodes[2].store.read("mon_sync", "in_sync").unwrap(), None);
    assert!(c.nodes[2].store.read_u64("paxos", "last_committed").unwrap() > Some(0));
    c.heal();
    c.settle_down();
}

#[test]
fn a_provider_that_dies_during_the_last_write_of_a_sync_takes_nothing_with_it() {
    let mut ended = 0;
    for step in 0..40 {
        let mut c = three_of_which_c_is_far_behind(step, &trimming());
        c.nodes[2].sync_us = SLOW;
        c.start(2);
        c.run_until("the wipe", ms(2000), |c| {
            c.nodes[2].store.read("mon_sync", "in_sync").unwrap().is_some()
        });
        c.run(ms(step * 3));
        ended += u64::from(c.nodes[2].store.read("mon_sync", "in_sync").unwrap().is_none());
        // Whichever provides.
        c.kill(0);
        c.kill(1);
        // A peer to begin anew with, were it only for what memory says of the store as it was.
        c.start((step % 2) as usize);
        let mut became_whole = false;
        for slice in 0..130 {
            c.run(ms(10));
            let is_whole = c.nodes[2].store.read("mon_sync", "in_sync").unwrap().is_none();
            assert!(is_whole || !became_whole, "step {step}: a copy that was whole was thrown away");
            became_whole |= is_whole;
            if slice == 30 {
                c.nodes[2].sync_us = None;
            }
        }
        c.settle_down();
        let last = c.nodes[2].store.read_u64("paxos", "last_committed").unwrap();
        assert!(last > Some(40), "step {step}: {last:?}");
    }
    assert!(0 < ended && ended < 40, "the end mark was written in {ended} of 40 before the provider died");
}

#[test]
fn a_late_promise_can_bring_the_commit_of_what_is_proposed_again() {
    for seed in seeds(6) {
        // c catches up one value at a time; it lacks few enough to join without a sync.
        let config = Config { share_bytes_max: 16, ..Config::default() };
        let mut c = three_of_which_c_is_behind(seed, &config, 8);
        // a loses the record of its last commit, which b has; and b's promise comes after that of c.
        c.nodes[0].crash(0);
        c.run(ms(1));
        c.nodes[1].sync_us = Some((150_000, 150_000));
        c.nodes[2].sync_us = Some((30_000, 30_000));
        c.start(0);
        c.start(2);
        let (a, b) = (c.nodes[0].store.read_u64("paxos", "last_committed").unwrap(), c.nodes[1].committed);
        assert_eq!(a.map(|last| last + 1), Some(b), "b has the record of one more");
        let state = |c: &Cluster, node: usize| c.nodes[node].consensus().paxos_state().to_owned();
        c.run_until("a proposes it again", ms(10_000), |c| {
            c.nodes[0].consensus().role() == Role::Leader && state(c, 0) == "updating-previous"
        });
        let epoch = c.nodes[0].consensus().epoch();
        c.run_until("a may propose", ms(4000), |c| c.leader() == Some(0));
        assert_eq!(c.nodes[0].consensus().epoch(), epoch, "seed {seed}: it took another election");
        c.nodes[1].sync_us = None;
        c.nodes[2].sync_us = None;
        c.settle_down();
    }
}

/// The epoch of the next election that a node has not seen anything of.
fn next_election(c: &Cluster, node: usize) -> Epoch {
    let epoch = c.nodes[node].consensus().epoch();
    if epoch.is_electing() { epoch.next().next() } else { epoch.next() }
}

/// A proposal of one of ours, with what its mark says of its log.
fn feed_proposal(c: &mut Cluster, node: usize, from: usize, epoch: Epoch, map: &MonMap, mark: &str) {
    let mut m = MMonElection::new(fsid(), ElectionOp::Propose, epoch);
    m.monmap = map.to_bytes();
    m.strategy = map.strategy as u8;
    m.metadata.insert("moncluster".into(), mark.into());
    c.feed(node, Event::PeerMessage { peer: addrs(from), message: m.into() });
}

#[test]
fn a_vote_binds_to_a_monitor_and_not_to_its_rank() {
    let mut c = Cluster::up(1, 4);
    c.run(ms(500));
    c.isolate(3);
    c.run_until("d probes", ms(9000), |c| c.nodes[3].consensus().role() == Role::Probing);
    let epoch = next_election(&c, 3);
    // b stands under the map that has it in rank 1; then c does, under a map without b that has c in rank 1.
    feed_proposal(&mut c, 3, 1, epoch, &monmap(1, &[0, 1, 2, 3]), "1 1 99 0");
    assert_eq!((c.nodes[3].consensus().role(), c.nodes[3].consensus().epoch()), (Role::Electing, epoch));
    feed_proposal(&mut c, 3, 2, epoch, &monmap(2, &[0, 2, 3]), "1 1 99 0");
    assert!(c.nodes[3].consensus().epoch() > epoch, "two candidates have the vote of d in {epoch}");
}

#[test]
fn an_old_proposal_of_one_that_was_far_behind_ends_again() {
    let mut c = three_of_which_c_is_far_behind(1, &trimming());
    c.start(2);
    c.run_until("a quorum of three", ms(9000), |c| c.quorum_size() == 3);
    c.order(0, Order::QuorumExit);
    c.order(0, Order::QuorumEnter);
    c.isolate(0);
    c.run_until("a probes", ms(9000), |c| c.nodes[0].consensus().role() == Role::Probing);
    // b stood in the next epoch when it had next to nothing, and was stuck in a cut since.
    let (map, epoch) = (c.nodes[0].consensus().monmap().clone(), next_election(&c, 0));
    feed_proposal(&mut c, 0, 1, epoch, &map, "1 1 4 0");
    c.run(ms(5000));
    assert_eq!(c.nodes[0].consensus().role(), Role::Probing, "it looks for others again");
    c.settle_down();
}

#[test]
fn a_fresh_monitor_has_the_epoch_on_disk_before_it_acknowledges_a_candidate() {
    let mut c = Cluster::new(1, 2, 2, &Config::default());
    c.nodes[1].sync_us = Some((200_000, 200_000));
    c.start(0);
    c.start(1);
    c.run_until("a leader", ms(3000), |c| c.nodes[0].consensus().role() == Role::Leader);
    let stored = c.nodes[1].store.read_u64("monitor", "election_epoch").unwrap();
    assert_eq!(stored, Some(1), "b's word of epoch 1 outlives b");
}

#[test]
fn two_that_probe_do_not_keep_each_other_busy() {
    let mut c = Cluster::up(1, 2);
    c.order(0, Order::QuorumExit);
    c.order(1, Order::QuorumExit);
    c.run(ms(1000));
    let before = c.messages;
    c.run(ms(10_000));
    let per_second = (c.messages - before) / 10;
    // Each asks the other twice a second and is asked back, and each pings once.
    assert!(per_second <= 24, "{per_second} messages a second");
}

#[test]
fn quorum_enter_disturbs_nobody_who_is_in() {
    let mut c = Cluster::up(1, 3);
    let losses: Vec<u64> = c.nodes.iter().map(|node| node.losses).collect();
    (0..3).for_each(|node| c.order(node, Order::QuorumEnter));
    c.run(ms(1000));
    assert_eq!(c.nodes.iter().map(|node| node.losses).collect::<Vec<_>>(), losses);
}

#[test]
fn quorum_exit_of_a_leader_hands_over_first() {
    for seed in seeds(6) {
        let mut c = Cluster::up(seed, 3);
        c.order(0, Order::QuorumExit);
        let gap = c.write_through(ms(1000));
        assert!(gap < ms(100), "seed {seed}: {gap:?}");
        c.run(ms(3000));
        assert_eq!((c.nodes[0].consensus().role(), c.leader()), (Role::Probing, Some(1)));
        c.order(0, Order::QuorumEnter);
        c.settle_down();
    }
}

/// b promised a high number to a leader whose term never came about. a and c make a majority of phase 1 without it;
/// then c goes, and b must be of use.
#[test]
fn a_late_refusal_of_the_number_is_heard_after_phase_one() {
    for seed in seeds(16) {
        let mut c = Cluster::new(seed, 3, 3, &Config::default());
        let mut promise = Transaction::new();
        promise.put_u64("paxos", "accepted_pn", 90_001);
        c.nodes[1].store.apply(&[promise], true).unwrap();
        // Were it there from the first election on, a could not do without its promise.
        c.start(0);
        c.start(2);
        c.run_until("a quorum of two", ms(5000), |c| c.quorum_size() == 2);
        // With quick disks its refusal and c's promise arrive in either order.
        c.nodes[0].sync_us = Some((1, 2));
        c.nodes[2].sync_us = Some((1, 2));
        c.start(1);
        c.run_until("a quorum of three", ms(5000), |c| c.quorum_size() == 3);
        c.write_through(ms(2000));
        c.run(ms(500));
        let leader = c.leader().unwrap();
        let gone = if leader == 2 { 0 } else { 2 };
        c.isolate(gone);
        c.run(ms(4000));
        c.write_through(ms(1000));
    }
}

/// Found by hand: a member that came back after the log was trimmed past it ended the quorum that stood, which then
/// waited for it in vain while it synced.
#[test]
fn a_member_that_must_sync_first_disturbs_nobody() {
    for (seed, late) in seeds(5).flat_map(|seed| [(seed, 2), (seed, 1), (seed, 0)]) {
        let mut c = Cluster::new(seed, 3, 3, &trimming());
        (0..3).for_each(|node| c.start(node));
        c.run_until("a quorum", ms(3000), |c| c.quorum_size() == 3);
        c.write();
        c.kill(late);
        for _ in 0..40 {
            c.write_through(ms(10_000));
        }
        c.run(ms(5000));
        let others: Vec<usize> = (0..3).filter(|node| *node != late).collect();
        let state = |c: &Cluster| {
            let of = |node: &usize| (c.nodes[*node].consensus().epoch(), c.nodes[*node].losses);
            others.iter().map(of).collect::<Vec<_>>()
        };
        let before = state(&c);
        c.nodes[late].sync_us = SLOW;
        c.start(late);
        // Sent when the others elected a leader without it, and delivered only now.
        let (map, epoch) = (c.nodes[others[0]].consensus().monmap().clone(), before[0].0);
        feed_proposal(&mut c, late, others[0], Epoch(epoch.0 - 1), &map, "1 1 5 0");
        c.run_until("it to sync", ms(10_000), |c| c.nodes[late].consensus().role() == Role::Synchronizing);
        c.run_until("it to have synced", ms(10_000), |c| {
            c.nodes[late].consensus().role() != Role::Synchronizing || state(c) != before
        });
        assert_eq!(state(&c), before, "seed {seed}, node {late}");
        c.run_until("all three", ms(10_000), |c| c.quorum_size() == 3);
    }
}
