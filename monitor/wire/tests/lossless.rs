//! Sessions between monitors: every message once and in order, whatever happens to connections.
#![allow(clippy::unwrap_used, reason = "tests")]

mod pair;

use std::time::Duration;

use mon_wire::auth::Mode;
use pair::{Pair, message};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Action {
    Send(usize),
    Deliver(prop::sample::Index, usize, usize),
    Cut(prop::sample::Index, [prop::sample::Index; 2]),
    Wait,
    Persist(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => (0usize..2).prop_map(Action::Send),
        10 => (any::<prop::sample::Index>(), 0usize..2, prop_oneof![1usize..40, Just(1000)])
            .prop_map(|(link, node, count)| Action::Deliver(link, node, count)),
        1 => (any::<prop::sample::Index>(), any::<[prop::sample::Index; 2]>())
            .prop_map(|(link, arrive)| Action::Cut(link, arrive)),
        2 => Just(Action::Wait),
        1 => (0usize..2).prop_map(Action::Persist),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, max_shrink_iters: 20_000, ..ProptestConfig::default() })]
    #[test]
    fn each_message_arrives_once_and_in_order(
        secure: bool,
        actions in proptest::collection::vec(action(), 0..400),
    ) {
        let mut pair = Pair::new(if secure { Mode::Secure } else { Mode::Crc });
        let mut sent = [Vec::new(), Vec::new()];
        for action in actions {
            let links = pair.links_open();
            match action {
                Action::Send(node) => {
                    let number = sent[node].len() as u64 + 1;
                    pair.nodes[node].session.send(pair.now, message(number)).unwrap();
                    sent[node].push(number);
                }
                Action::Deliver(link, node, count) if !links.is_empty() => {
                    pair.deliver(*link.get(&links), node, count);
                }
                Action::Cut(link, arrive) if !links.is_empty() => {
                    let link = *link.get(&links);
                    let arrive = [0, 1].map(|node| arrive[node].index(pair.inbound_len(link, node) + 1));
                    pair.cut(link, arrive);
                }
                Action::Wait => pair.wait(),
                Action::Persist(node) => {
                    let now = pair.now;
                    pair.nodes[node].session.set_persistent(now, true);
                }
                Action::Deliver(..) | Action::Cut(..) => {}
            }
            pair.settle();
        }
        pair.finish();
        // When both sides give up calls whose idents arrive all the same, late, both have accepted a session
        // that the other does not know, and what was sent in it is void, as with stock. Both are told.
        let reset = pair.nodes.iter().any(|node| node.opened.iter().filter(|resumed| !**resumed).count() > 1);
        for (sent, receiver) in sent.iter().zip([1, 0]) {
            let received = &pair.nodes[receiver].received;
            prop_assert!(received.is_sorted_by(|a, b| a < b), "twice or out of order: {received:?}");
            prop_assert!(reset || received == sent, "lost: {received:?} of {sent:?}");
        }
    }
}

#[test]
fn both_calling_at_once_end_with_one_session() {
    for mode in [Mode::Crc, Mode::Secure] {
        let mut pair = Pair::new(mode);
        for node in &mut pair.nodes {
            node.session.send(pair.now, message(1)).unwrap();
        }
        pair.finish();
        for node in &pair.nodes {
            assert!(node.session.is_open());
            assert_eq!((node.received.as_slice(), node.opened.as_slice()), (&[1][..], &[false][..]));
        }
    }
}

#[test]
fn a_cut_between_messages_resumes_the_session() {
    let mut pair = Pair::new(Mode::Secure);
    pair.nodes[0].session.send(pair.now, message(1)).unwrap();
    pair.finish();
    let link = pair.links_open()[0];
    pair.cut(link, [0, 0]);
    pair.nodes[0].session.send(pair.now, message(2)).unwrap();
    pair.nodes[1].session.send(pair.now, message(1)).unwrap();
    pair.finish();
    assert_eq!(pair.nodes[1].received, [1, 2]);
    assert_eq!(pair.nodes[0].received, [1]);
    assert_eq!(pair.nodes[0].opened, [false, true]);
}

#[test]
fn a_restarted_peer_gets_a_new_session_with_what_was_not_yet_sent() {
    for caller in 0..2 {
        let mut pair = Pair::new(Mode::Crc);
        pair.nodes[0].session.send(pair.now, message(1)).unwrap();
        pair.nodes[1].session.send(pair.now, message(1)).unwrap();
        pair.finish();
        pair.restart(1);
        // The survivor notices: what it sends before it does is lost with the old process.
        pair.finish();
        pair.nodes[caller].session.send(pair.now, message(2)).unwrap();
        pair.finish();
        assert_eq!(pair.nodes[1 - caller].received, [1, 2]);
        assert_eq!(
            pair.nodes[0].opened.last(),
            Some(&false),
            "the survivor must learn that it is a new session"
        );
    }
}

#[test]
fn a_silent_peer_is_asked_and_then_given_up() {
    let mut pair = Pair::new(Mode::Crc);
    pair.nodes[0].session.send(pair.now, message(1)).unwrap();
    pair.finish();
    pair.wait();
    let link = pair.links_open()[0];
    assert!(pair.inbound_len(link, 1) > 0, "a keepalive is on its way");
    while pair.nodes[0].closed.is_empty() {
        pair.wait();
    }
    assert_eq!(pair.nodes[0].closed, ["peer silent for 6s"]);
}

#[test]
fn a_session_that_stays_broken_is_given_up_on_both_sides() {
    for (absence, resumed) in [(5, true), (40, false)] {
        let mut pair = Pair::new(Mode::Crc);
        pair.nodes[0].session.set_persistent(pair.now, true);
        pair.nodes[1].session.send(pair.now, message(1)).unwrap();
        pair.finish();
        let link = pair.links_open()[0];
        pair.cut(link, [0, 0]);
        pair.deliver(link, 0, 0);
        pair.deliver(link, 1, 0);
        pair.cannot_call(0, Duration::from_secs(absence));
        pair.nodes[0].session.send(pair.now, message(2)).unwrap();
        pair.finish();
        assert_eq!(pair.nodes[1].received, [2]);
        for node in &pair.nodes {
            assert_eq!(node.opened, [false, resumed], "after {absence} s");
        }
    }
}

#[test]
fn for_a_monitor_that_was_never_there_only_the_newest_messages_wait() {
    let mut pair = Pair::new(Mode::Crc);
    for number in 1..=300 {
        pair.nodes[0].session.send(pair.now, message(number)).unwrap();
    }
    pair.finish();
    assert_eq!(pair.nodes[1].received, (45..=300).collect::<Vec<_>>());
}
