//! What clients are told as it changes.

use std::collections::BTreeMap;

use mon_types::id::Version;
use mon_types::message::{MKVData, MMonSubscribe, Message, SubscribeItem};
use serde_json::json;

use super::harness::{World, addrs};
use crate::event::SessionId;

fn subscribe(names: &[(&str, u64, u8)]) -> MMonSubscribe {
    let item = |start, flags| SubscribeItem { start: Version(start), flags };
    let what = names.iter().map(|(name, start, flags)| ((*name).to_owned(), item(*start, *flags)));
    MMonSubscribe { what: what.collect(), hostname: "h".into() }
}

fn names(world: &mut World, session: SessionId) -> Vec<&'static str> {
    world.heard(session).iter().map(|envelope| envelope.message.name()).collect()
}

#[test]
fn a_client_gets_what_the_cli_needs_to_start() {
    let mut world = World::new();
    let session = world.open_session(1, "client.admin", "allow *");
    world.say(session, 0, mon_types::message::MMonGetMap::default());
    world.say(
        session,
        0,
        subscribe(&[("config", 0, 0), ("monmap", 0, 0), ("mgrmap", 0, 0), ("osdmap", 0, 0)]),
    );
    assert_eq!(names(&mut world, session), ["MonMap", "Config", "MonMap"]);
    world.run(&json!({"prefix": "mon add", "name": "d", "addr": "127.0.0.1:3303"}));
    assert_eq!(names(&mut world, session), ["MonMap"]);
    let once = world.open_session(2, "client.admin", "allow *");
    world.say(once, 0, subscribe(&[("monmap", 0, SubscribeItem::ONETIME)]));
    assert_eq!(names(&mut world, once), ["MonMap"]);
    world.run(&json!({"prefix": "mon rm", "name": "d"}));
    assert_eq!(names(&mut world, once), [""; 0]);
}

fn data(world: &mut World, session: SessionId) -> Vec<MKVData> {
    let heard = world.heard(session);
    heard
        .into_iter()
        .map(|envelope| match envelope.message {
            Message::KvData(data) => data,
            other => panic!("unexpected {other:?}"),
        })
        .collect()
}

#[test]
fn key_subscribers_get_everything_first_and_changes_then() {
    let mut world = World::new();
    world.run(&json!({"prefix": "config-key set", "key": "a/1", "val": "x"}));
    world.run(&json!({"prefix": "config-key set", "key": "b/1", "val": "x"}));
    let session = world.open_session(1, "mgr.x", "allow *");
    world.say(session, 0, subscribe(&[("kv:a/", 0, 0)]));
    let [full] = data(&mut world, session).try_into().unwrap();
    assert!(!full.incremental);
    assert_eq!(full.data, BTreeMap::from([("a/1".to_owned(), Some("x".into()))]));
    world.run(&json!({"prefix": "config-key set", "key": "b/2", "val": "y"}));
    assert_eq!(data(&mut world, session), []);
    world.run(&json!({"prefix": "config-key rm", "key": "a/1"}));
    let [change] = data(&mut world, session).try_into().unwrap();
    assert!(change.incremental);
    assert_eq!(change.data, BTreeMap::from([("a/1".to_owned(), None)]));
}

#[test]
fn keys_are_shown_to_those_with_caps_for_them_alone() {
    let mut world = World::new();
    world.run(&json!({"prefix": "config-key set", "key": "mgr/secret", "val": "x"}));
    let reader = world.open_session(1, "client.reader", "allow r");
    world.say(reader, 0, subscribe(&[("kv:mgr/", 0, 0), ("log-info", 0, 0)]));
    assert!(!names(&mut world, reader).contains(&"KvData"));
    let writer = world.open_session(2, "client.kv", "allow service config-key r");
    world.say(writer, 0, subscribe(&[("kv:mgr/", 0, 0)]));
    assert_eq!(data(&mut world, writer).len(), 1);
}

/// Found by the simulator: caps for one key let its holder follow every key that begins like it.
#[test]
fn caps_for_one_key_do_not_show_others_that_begin_like_it() {
    let mut world = World::new();
    world.run(&json!({"prefix": "config-key set", "key": "r", "val": "x"}));
    world.run(&json!({"prefix": "config-key set", "key": "r/secret", "val": "x"}));
    let session = world.open_session(1, "client.one", "allow command \"config-key get\" with key=r");
    world.say(session, 0, subscribe(&[("kv:r", 0, 0)]));
    world.run(&json!({"prefix": "config-key set", "key": "r/secret", "val": "y"}));
    let shown = data(&mut world, session);
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0].data, BTreeMap::from([("r".to_owned(), Some("x".into()))]));
}

/// Found by the simulator: what a store holds in the midst of a sync was told to subscribers.
#[test]
fn without_a_quorum_subscribers_are_told_nothing_of_the_store() {
    let mut world = World::new();
    world.run(&json!({"prefix": "config-key set", "key": "a", "val": "x"}));
    world.lose_quorum();
    let session = world.open_session(1, "client.admin", "allow *");
    world.say(session, 0, subscribe(&[("kv:", 0, 0), ("log-info", 0, 0), ("monmap", 0, 0)]));
    assert_eq!(names(&mut world, session), ["MonMap"]);
    world.form_quorum();
    assert!(names(&mut world, session).contains(&"KvData"));
}

#[test]
fn the_log_is_followed() {
    let mut world = World::new();
    let session = world.open_session(1, "client.admin", "allow *");
    world.say(session, 0, subscribe(&[("log-info", 0, 0)]));
    world.heard(session);
    world.run(&json!({"prefix": "log", "logtext": ["hello"]}));
    let log = match world.heard(session).pop().map(|envelope| envelope.message) {
        Some(Message::Log(log)) => log,
        other => panic!("unexpected {other:?}"),
    };
    assert!(log.entries.iter().any(|entry| entry.message == "hello"));
}

#[test]
fn peers_that_only_pass_through_are_not_sessions() {
    let mut world = World::new();
    world.with(|services, cx| services.client_closed(cx, SessionId(99)));
    assert_eq!(world.sent_to(&addrs(3301)), []);
}
