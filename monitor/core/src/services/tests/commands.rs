//! Commands of the key/value service and those that only look.

use mon_types::kv::KvRead;
use mon_types::release::Release;
use serde_json::json;

use super::harness::{World, command_message, fsid};

#[test]
fn config_keys_are_set_read_listed_and_removed() {
    let mut world = World::new();
    let reply = world.run(&json!({"prefix": "config-key set", "key": "a/b", "val": "v1"}));
    assert_eq!((reply.code, reply.message.as_str()), (0, "set a/b"));
    world.run_with_input(&json!({"prefix": "config-key put", "key": "bin"}), b"\x00\xff");
    assert_eq!(world.text(&json!({"prefix": "config-key get", "key": "a/b"})), "v1");
    assert_eq!(world.json(json!({"prefix": "config-key ls"})), json!(["a/b", "bin"]));
    let dump = world.json(json!({"prefix": "config-key dump"}));
    assert_eq!(dump, json!({"a/b": "v1", "bin": "<<< binary blob of length 2 >>>"}));
    assert_eq!(world.json(json!({"prefix": "config-key dump", "key": "a/"})), json!({"a/b": "v1"}));
    let reply = world.run(&json!({"prefix": "config-key exists", "key": "a/b"}));
    assert_eq!(reply.message, "key 'a/b' exists");
    assert_eq!(world.run(&json!({"prefix": "config-key rm", "key": "a/b"})).message, "key deleted");
    assert_eq!(world.run(&json!({"prefix": "config-key get", "key": "a/b"})).code, -2);
    assert_eq!(world.run(&json!({"prefix": "config-key exists", "key": "a/b"})).code, -2);
    let big = world.run_with_input(&json!({"prefix": "config-key set", "key": "big"}), &[b'x'; 65_537]);
    assert_eq!(big.code, -27);
}

#[test]
fn what_changes_nothing_makes_no_value() {
    let mut world = World::new();
    world.pass(10);
    let before = world.values;
    world.run(&json!({"prefix": "config-key rm", "key": "nope"}));
    world.run(&json!({"prefix": "auth rm", "entity": "client.nope"}));
    world.text(&json!({"prefix": "status"}));
    for _ in 0..20 {
        world.pass(5);
    }
    assert_eq!(world.values, before, "an idle cluster commits nothing");
}

#[test]
fn what_arrives_while_a_value_is_in_flight_shares_the_next_one() {
    let mut world = World::new();
    world.commits = false;
    let set = |key: u32| json!({"prefix": "config-key set", "key": key.to_string(), "val": "x"});
    let first = world.send(&set(0), b"");
    world.settle();
    let rest: Vec<_> = (1..50).map(|key| world.send(&set(key), b"")).collect();
    world.settle();
    assert_eq!(world.reply_to(first), None, "no answer before the commit");
    let before = world.values;
    world.commit();
    assert!(world.reply_to(first).is_some());
    world.settle();
    world.commit();
    assert!(rest.into_iter().all(|request| world.reply_to(request).is_some()));
    assert_eq!(world.values, before + 2);
}

#[test]
fn operations_of_a_round_see_those_before_them() {
    let mut world = World::new();
    world.commits = false;
    let blocker = world.send(&json!({"prefix": "config-key set", "key": "x", "val": "0"}), b"");
    world.settle();
    let cas =
        |expected| json!({"prefix": "config-key cas", "key": "k", "expected_version": expected, "val": "v"});
    let won = world.send(&cas(0), b"");
    let lost = world.send(&cas(0), b"");
    world.commits = true;
    world.commit();
    world.settle();
    assert_eq!(world.reply_to(blocker).unwrap().code, 0);
    assert_eq!(world.reply_to(won).unwrap().code, 0);
    assert_eq!(world.reply_to(lost).unwrap().code, -125);
}

/// Found by the simulator: a later write of the same round had the revision that a swap was told, so that the next
/// swap overwrote it unseen.
#[test]
fn a_revision_that_a_swap_was_told_is_that_of_its_value() {
    let mut world = World::new();
    world.commits = false;
    world.send(&json!({"prefix": "config-key set", "key": "x", "val": "0"}), b"");
    world.settle();
    let swap = json!({"prefix": "config-key cas", "key": "k", "expected_version": 0, "val": "1"});
    let swap = world.send(&swap, b"");
    world.send(&json!({"prefix": "config-key set", "key": "k", "val": "2"}), b"");
    world.commits = true;
    world.commit();
    world.settle();
    let told: serde_json::Value = serde_json::from_slice(&world.reply_to(swap).unwrap().output).unwrap();
    let stat = world.json(json!({"prefix": "config-key stat", "key": "k"}));
    assert_eq!(stat["text"], "2");
    assert_ne!(stat["revision"], told["revision"]);
}

#[test]
fn compare_and_swap_goes_by_revision_and_notices_foreign_writes() {
    let mut world = World::new();
    let set = world.json(json!({"prefix": "config-key cas", "key": "k", "expected_version": 0, "val": "1"}));
    let revision = set["revision"].clone();
    let stat = world.json(json!({"prefix": "config-key stat", "key": "k"}));
    assert_eq!((&stat["revision"], &stat["text"]), (&revision, &json!("1")));
    // A stock leader sets the key without a revision.
    let mut foreign = mon_types::kv::Transaction::new();
    foreign.put("mon_config_key", "k", &b"2"[..]);
    mon_store::KvStore::apply(&world.store, &[foreign], true).unwrap();
    let swap = json!({"prefix": "config-key cas", "key": "k", "expected_version": revision, "val": "3"});
    assert_eq!(world.run(&swap).code, -125);
    let stat = world.json(json!({"prefix": "config-key stat", "key": "k"}));
    assert_ne!(stat["revision"], revision);
    let swap =
        json!({"prefix": "config-key cas", "key": "k", "expected_version": stat["revision"], "val": "3"});
    assert_eq!(world.run(&swap).code, 0);
    let removed = world.json(json!({"prefix": "config-key cas", "key": "k", "expected_version":
            world.services.versions()["kv"].0}));
    assert_eq!(removed["revision"], 0);
    assert_eq!(world.store.read("moncluster", "rev/k").unwrap(), None);
}

#[test]
fn status_has_the_shape_of_stock() {
    let mut world = World::new();
    let keys =
        |value: &serde_json::Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let status = world.json(json!({"prefix": "status"}));
    let stock = [
        "fsid",
        "health",
        "election_epoch",
        "quorum",
        "quorum_names",
        "quorum_age",
        "monmap",
        "osdmap",
        "pgmap",
        "fsmap",
        "mgrmap",
        "servicemap",
        "progress_events",
    ];
    assert_eq!(keys(&status), stock);
    assert_eq!(status["quorum_names"], json!(["a", "b", "c"]));
    let text = world.text(&json!({"prefix": "status"}));
    assert!(text.contains("    mon: 3 daemons, quorum a,b,c (age 0s) [leader: a]\n"), "{text}");
    let quorum = world.json(json!({"prefix": "quorum_status"}));
    assert_eq!(quorum["quorum_leader_name"], "a");
    let dump = world.json(json!({"prefix": "mon dump"}));
    assert!(dump.get("auth_epoch").is_some() && dump["mons"][0].get("time_added").is_some());
    let versions = world.json(json!({"prefix": "versions"}));
    assert_eq!(keys(&versions), ["mon", "overall"]);
    assert_eq!(world.text(&json!({"prefix": "fsid"})), format!("{}\n", fsid()));
    let nodes = world.json(json!({"prefix": "node ls"}));
    assert_eq!(nodes["mon"]["host1"], json!(["a", "b", "c"]));
    let features = world.json(json!({"prefix": "features"}));
    assert_eq!(features["mon"][0]["num"], 3);
}

#[test]
fn the_shape_follows_the_release_that_is_shown() {
    let mut world = World::of_release(Release::Pacific);
    let dump = world.json(json!({"prefix": "mon dump"}));
    assert!(dump.get("disallowed_leaders: ").is_some() && dump.get("auth_epoch").is_none());
    assert_eq!(dump["mons"][0]["crush_location"], "{}");
    let text = world.text(&json!({"prefix": "status"}));
    assert!(!text.contains("leader:"), "{text}");
    let reply = world.run(&json!({"prefix": "mon set", "name": "auth_service_cipher", "value": "aes"}));
    assert_eq!(reply.code, -22);
}

#[test]
fn caps_are_checked_for_every_command() {
    let mut world = World::new();
    let reader = world.open_session(1, "client.reader", "allow r");
    let nobody = world.open_session(2, "client.nobody", "allow command fsid");
    let get = json!({"prefix": "config-key get", "key": "x"});
    assert_eq!(world.ask(reader, &get).code, -13);
    assert_eq!(world.ask(reader, &json!({"prefix": "mon dump"})).code, 0);
    assert_eq!(world.ask(reader, &json!({"prefix": "mon rm", "name": "c"})).code, -13);
    assert_eq!(world.ask(nobody, &json!({"prefix": "status"})).code, -13);
    assert_eq!(world.ask(nobody, &json!({"prefix": "fsid"})).code, 0);
}

#[test]
fn what_makes_no_sense_is_refused_at_once() {
    let mut world = World::new();
    let session = world.open_session(1, "client.admin", "allow *");
    assert_eq!(world.ask(session, &json!({"prefix": "bogus"})).code, -22);
    assert_eq!(world.ask(session, &json!({"prefix": "osd pool create", "pool": "x"})).code, -95);
    let said = |world: &mut World, prefix: &str| {
        let reply = world.ask(session, &json!({"prefix": prefix}));
        assert_eq!(reply.code, -95, "{prefix}");
        reply.message
    };
    assert_eq!(said(&mut world, "pg stat"), "'pg stat' is served by ceph-mgr, and none is active");
    let text = said(&mut world, "osd dump");
    assert_eq!(text, "'osd dump' is not supported: this monitor has no osdmap service yet");
    // The service is here; the command is what it lacks.
    assert_eq!(said(&mut world, "report"), "'report' is not supported by this monitor yet");
    assert_eq!(world.ask(session, &json!({"prefix": "config-key get"})).code, -2, "as stock");
    assert_eq!(world.ask(session, &json!({"prefix": "config-key set"})).code, -22);
    let mut foreign = command_message(&json!({"prefix": "fsid"}));
    foreign.fsid = "99999999-2222-3333-4444-555555555555".parse().unwrap();
    world.say(session, 5, foreign);
    let heard = format!("{:?}", world.heard(session));
    assert!(heard.contains("wrong fsid"), "{heard}");
    let descriptions = world.ask(session, &json!({"prefix": "get_command_descriptions"}));
    let all: serde_json::Value = serde_json::from_slice(&descriptions.output).unwrap();
    assert!(all.as_object().unwrap().len() > 200);
}
