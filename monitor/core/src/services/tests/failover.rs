//! What happens to operations when the quorum breaks: each is applied at most once, and answered.

use mon_types::id::Rank;
use mon_types::kv::KvRead;
use mon_types::message::{MForward, MMonCommandAck, MRoute, Message};
use mon_types::release::Release;
use serde_json::{Value, json};

use super::harness::{World, addrs, command_message};
use crate::effect::Effect;

fn set(value: &str) -> Value {
    json!({"prefix": "config-key set", "key": "k", "val": value})
}

fn version(world: &World) -> u64 {
    world.store.read_u64("kv", "last_committed").unwrap().unwrap_or(0)
}

/// Found by the simulator: after a kill in the midst of a sync the services refused what they found half copied.
#[test]
fn a_half_synced_store_can_be_started_over() {
    let world = World::new();
    let mut half = mon_types::kv::Transaction::new();
    half.put_u64("mon_sync", "in_sync", 1);
    for service in ["auth", "health", "kv", "logm", "monmap"] {
        half.put_u64(service, "last_committed", 77);
        half.put_u64(service, "first_committed", 70);
    }
    mon_store::KvStore::apply(&world.store, &[half], true).unwrap();
    let services = world.restarted().unwrap();
    assert_eq!(services.versions()["kv"].0, 0);
    assert_eq!(services.monmap().size(), 3);
}

#[test]
fn a_value_that_was_lost_is_prepared_again() {
    let mut world = World::new();
    let before = version(&world);
    world.commits = false;
    let request = world.send(&set("1"), b"");
    world.settle();
    world.in_flight = None;
    world.lose_quorum();
    world.commits = true;
    world.form_quorum();
    assert_eq!(world.reply_to(request).unwrap().code, 0);
    assert_eq!(version(&world), before + 1);
}

#[test]
fn a_value_that_was_chosen_after_all_is_not_applied_again() {
    let mut world = World::new();
    let before = version(&world);
    world.commits = false;
    let request = world.send(&set("1"), b"");
    world.settle();
    let value = world.in_flight.take().unwrap();
    world.lose_quorum();
    mon_store::KvStore::apply(&world.store, &[value], true).unwrap();
    world.with(|services, cx| services.refresh(cx).unwrap());
    assert_eq!(world.reply_to(request), None);
    world.commits = true;
    world.form_quorum();
    assert_eq!(world.reply_to(request).unwrap().code, 0);
    assert_eq!(version(&world), before + 1);
}

/// Makes us a peon of mon.b.
fn become_peon(world: &mut World) {
    world.lose_quorum();
    world.view.we_lead = false;
    world.view.leader = Rank(1);
    world.view.leader_addrs = addrs(3301);
    world.form_quorum();
    world.effects.clear();
}

fn become_leader(world: &mut World) {
    world.lose_quorum();
    world.view.we_lead = true;
    world.view.leader = Rank(0);
    world.view.leader_addrs = addrs(3300);
    world.form_quorum();
}

fn forwards(world: &mut World) -> Vec<MForward> {
    let sent = world.sent_to(&addrs(3301));
    sent.into_iter()
        .filter_map(|message| match message {
            Message::Forward(forward) => Some(forward),
            _ => None,
        })
        .collect()
}

#[test]
fn a_peon_forwards_writes_and_answers_reads() {
    let mut world = World::new();
    world.run(&set("0"));
    become_peon(&mut world);
    let session = world.open_session(1, "client.admin", "allow *");
    assert_eq!(world.ask(session, &json!({"prefix": "config-key get", "key": "k"})).output, "0");
    world.say(session, 9, command_message(&set("1")));
    assert_eq!(world.heard(session), []);
    let [forward] = forwards(&mut world).try_into().unwrap();
    let envelope = forward.message.envelope().unwrap();
    assert_eq!(envelope.tid, 9);
    let ack = MMonCommandAck { message: "set k".into(), ..Default::default() };
    let answer = Message::from(ack).with_tid(9);
    let route = MRoute {
        session_mon_tid: forward.tid,
        dest: Default::default(),
        message: Some(mon_types::message::EmbeddedMessage::new(forward.message.source, &answer)),
        send_osdmap_first: 0,
    };
    world.peer_says(&addrs(3301), route);
    assert_eq!(world.heard(session), [answer]);
}

#[test]
fn a_new_leader_hears_again_what_the_old_one_did_not_answer() {
    let mut world = World::new();
    become_peon(&mut world);
    let request = world.send(&set("1"), b"");
    let [first] = forwards(&mut world).try_into().unwrap();
    world.lose_quorum();
    world.form_quorum();
    let [second] = forwards(&mut world).try_into().unwrap();
    assert_eq!(first.tid, second.tid);
    become_leader(&mut world);
    assert_eq!(world.reply_to(request).unwrap().code, 0);
    assert_eq!(world.text(&json!({"prefix": "config-key get", "key": "k"})), "1");
}

fn routes(world: &mut World, to: u16) -> Vec<MMonCommandAck> {
    let sent = world.sent_to(&addrs(to));
    sent.into_iter()
        .filter_map(|message| match message {
            Message::Route(route) => match route.message?.envelope().unwrap().message {
                Message::MonCommandAck(ack) => Some(ack),
                other => panic!("unexpected {other:?}"),
            },
            _ => None,
        })
        .collect()
}

#[test]
fn a_forwarded_operation_is_applied_once_however_often_it_comes() {
    let mut peon = World::new();
    become_peon(&mut peon);
    let cas = json!({"prefix": "config-key cas", "key": "once", "expected_version": 0, "val": "x"});
    peon.send(&cas, b"");
    let [forward] = forwards(&mut peon).try_into().unwrap();

    let mut leader = World::new();
    leader.peer_says(&addrs(3301), forward.clone());
    let [first] = routes(&mut leader, 3301).try_into().unwrap();
    assert_eq!(first.code, 0, "{}", first.message);
    // The answer was lost; the quorum is another, the store the same.
    leader.lose_quorum();
    leader.form_quorum();
    let version_before = version(&leader);
    leader.peer_says(&addrs(3301), forward);
    let [second] = routes(&mut leader, 3301).try_into().unwrap();
    assert_eq!((second.code, &second.output), (first.code, &first.output));
    assert_eq!(version(&leader), version_before);
}

/// Found by the simulator: a learner's results were kept under its address, and looked for under its name once it voted.
#[test]
fn what_a_learner_forwarded_is_applied_once_though_it_has_become_a_voter() {
    let mut peon = World::new();
    become_peon(&mut peon);
    peon.send(&set("x"), b"");
    let [forward] = forwards(&mut peon).try_into().unwrap();

    let mut leader = World::new();
    assert_eq!(
        leader.run(&json!({"prefix": "mon learner add", "name": "d", "addr": "v2:127.0.0.1:3303"})).code,
        0
    );
    leader.peer_says(&addrs(3303), forward.clone());
    assert_eq!(routes(&mut leader, 3303).len(), 1);
    assert_eq!(leader.run(&json!({"prefix": "mon add", "name": "d", "addr": "v2:127.0.0.1:3303"})).code, 0);
    leader.lose_quorum();
    leader.form_quorum();
    let before = version(&leader);
    leader.peer_says(&addrs(3303), forward);
    assert_eq!(routes(&mut leader, 3303).len(), 1);
    assert_eq!(version(&leader), before);
}

/// Found by the simulator: what a peon forwarded was lost with its session, and its client waited until the next election.
#[test]
fn what_was_forwarded_is_sent_again_in_a_new_session_and_done_once() {
    let mut peon = World::new();
    become_peon(&mut peon);
    peon.send(&json!({"prefix": "config-key cas", "key": "once", "expected_version": 0, "val": "x"}), b"");
    let [first] = forwards(&mut peon).try_into().unwrap();
    peon.with(|services, cx| services.peer_connected(cx, &addrs(3302)));
    assert_eq!(forwards(&mut peon), []);
    peon.with(|services, cx| services.peer_connected(cx, &addrs(3301)));
    let [second] = forwards(&mut peon).try_into().unwrap();
    assert_eq!(first, second);

    // Both reach a leader that is busy with another value.
    let mut leader = World::new();
    leader.commits = false;
    leader.send(&set("0"), b"");
    leader.peer_says(&addrs(3301), first);
    leader.peer_says(&addrs(3301), second);
    leader.commits = true;
    leader.run(&set("1"));
    // Done twice, the second would find the key there.
    let codes: Vec<i32> = routes(&mut leader, 3301).iter().map(|answer| answer.code).collect();
    assert!(!codes.is_empty() && codes.iter().all(|code| *code == 0), "{codes:?}");
}

/// A monitor that was restarted within the second, or whose clock was set back, forwarded under the numbers of its
/// earlier process: the leader gave it the results of then, and applied nothing.
#[test]
fn a_restarted_monitor_never_forwards_under_an_earlier_number() {
    let mut leader = World::new();
    for (seed, value) in [(1, "first"), (2, "second")] {
        let mut peon = World::seeded(Release::Tentacle, [seed; 32]);
        become_peon(&mut peon);
        peon.send(&set(value), b"");
        let [forward] = forwards(&mut peon).try_into().unwrap();
        leader.peer_says(&addrs(3301), forward);
        let [answer] = routes(&mut leader, 3301).try_into().unwrap();
        assert_eq!(answer.code, 0, "{}", answer.message);
        assert_eq!(leader.text(&json!({"prefix": "config-key get", "key": "k"})), value);
    }
}

#[test]
fn out_of_quorum_clients_are_sent_elsewhere_in_time() {
    let mut world = World::new();
    let session = world.open_session(1, "client.admin", "allow *");
    world.lose_quorum();
    world.say(session, 1, command_message(&set("1")));
    world.pass(4);
    assert!(!world.effects.iter().any(|effect| matches!(effect, Effect::CloseSession { .. })));
    world.pass(2);
    let closed =
        world.effects.iter().any(|e| matches!(e, Effect::CloseSession { session: s } if *s == session));
    assert!(closed);
    world.form_quorum();
    assert_eq!(version(&world), 1, "nobody waits for it any more");
}

#[test]
fn silent_sessions_are_closed() {
    let mut world = World::new();
    let session = world.open_session(1, "client.admin", "allow *");
    let lively = world.open_session(2, "client.admin", "allow *");
    world.pass(200);
    world.with(|services, cx| services.client_alive(cx, lively));
    world.pass(150);
    let closed: Vec<_> = world
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::CloseSession { session } => Some(*session),
            _ => None,
        })
        .collect();
    assert_eq!(closed, [session]);
}

#[test]
fn operations_that_wait_are_bounded_in_bytes_over_all_sessions() {
    let mut world = World::new();
    world.services.settings.operations_bytes_max = 100_000;
    world.lose_quorum();
    let big = "x".repeat(30_000);
    let sessions: Vec<_> = (1..=6).map(|id| world.open_session(id, "client.admin", "allow *")).collect();
    for session in &sessions {
        world.say(*session, 1, command_message(&set(&big)));
    }
    let closed = |world: &World| -> usize {
        world.effects.iter().filter(|effect| matches!(effect, Effect::CloseSession { .. })).count()
    };
    assert_eq!(closed(&world), 2, "four of 30 kB exceed it");
    assert!(world.services.held.bytes() > 100_000);
    world.form_quorum();
    assert_eq!(world.services.held.bytes(), 0, "what is answered holds nothing");
    let late = world.open_session(9, "client.admin", "allow *");
    assert_eq!(world.ask(late, &set("small")).code, 0);
}
