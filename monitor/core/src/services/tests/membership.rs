//! Commands that change the monmap.

use mon_store::KvStore;
use mon_types::encode::Encode;
use mon_types::kv::{KvRead, Transaction};
use mon_types::message::MMonJoin;
use serde_json::{Value, json};

use super::harness::{World, addrs, fsid};

#[track_caller]
fn ok(world: &mut World, command: &Value) {
    assert_eq!(world.run(command).code, 0, "{command}");
}

fn epoch(world: &World) -> u32 {
    world.services.monmap().epoch.0
}

/// Found by the simulator: of three members two were removed in one epoch, so that the one that was left could
/// decide what the two had not heard of.
#[test]
fn members_change_one_at_a_time() {
    let mut world = World::new();
    let before = world.services.monmap().epoch;
    world.commits = false;
    world.send(&json!({"prefix": "config-key set", "key": "k", "val": "v"}), b"");
    world.settle();
    let requests = ["b", "c"].map(|name| world.send(&json!({"prefix": "mon rm", "name": name}), b""));
    world.commit();
    world.settle();
    world.commit();
    assert_eq!(world.services.monmap().size(), 2);
    world.commits = true;
    world.settle();
    assert_eq!((world.services.monmap().size(), world.services.monmap().epoch.0), (1, before.0 + 2));
    assert!(requests.iter().all(|request| world.reply_to(*request).is_some_and(|reply| reply.code == 0)));
}

#[test]
fn the_first_value_carries_the_monmap() {
    let world = World::new();
    assert_eq!(epoch(&world), 1);
    assert_eq!(world.values, 1, "one value holds everything that a cluster starts with");
}

/// Stock clients saw epoch 0 of a monitor that had just been made.
#[test]
fn before_the_first_value_nothing_is_told() {
    let mut world = World::before_the_first_value();
    let asked = ["mon dump", "mon stat", "health"]
        .map(|prefix| world.send(&json!({"prefix": prefix, "format": "json"}), b""));
    world.settle();
    assert!(asked.iter().all(|request| world.reply_to(*request).is_none()));
    // What is about this very monitor needs no state.
    let fsid = world.send(&json!({"prefix": "fsid"}), b"");
    assert!(world.reply_to(fsid).is_some());
    world.commits = true;
    world.settle();
    let [dump, stat, health] = asked.map(|request| world.reply_to(request).expect("an answer"));
    let dump: Value = serde_json::from_slice(&dump.output).unwrap();
    let stat: Value = serde_json::from_slice(&stat.output).unwrap();
    assert_eq!((&dump["epoch"], &stat["epoch"], health.code), (&json!(1), &json!(1), 0));
}

#[test]
fn monitors_are_added_and_removed_one_epoch_at_a_time() {
    let mut world = World::new();
    let add = json!({"prefix": "mon add", "name": "d", "addr": "127.0.0.1:3303"});
    assert_eq!(world.run(&add).code, 0);
    assert_eq!((epoch(&world), world.services.monmap().size()), (2, 4));
    assert_eq!(world.run(&add).code, 0, "the same again changes nothing");
    assert_eq!(epoch(&world), 2);
    let taken = json!({"prefix": "mon add", "name": "e", "addr": "127.0.0.1:3303"});
    assert_eq!(world.run(&taken).code, -17);
    assert_eq!(world.run(&json!({"prefix": "mon add", "name": "e", "addr": "junk"})).code, -22);
    assert_eq!(world.run(&json!({"prefix": "mon rm", "name": "b"})).code, 0);
    assert_eq!(world.services.monmap().ranks, ["a", "c", "d"]);
    assert_eq!(world.run(&json!({"prefix": "mon rm", "name": "zz"})).code, 0);
    assert_eq!(epoch(&world), 3);
}

#[test]
fn stale_epochs_are_refused_and_retries_do_no_harm() {
    let mut world = World::new();
    let rm = |name: &str, epoch: u32, id: &str| json!({"prefix": "mon rm", "name": name, "expected_epoch": epoch, "operation_id": id});
    let first = world.run(&rm("c", 1, "op-1"));
    assert_eq!(first.code, 0);
    assert_eq!(world.run(&rm("b", 1, "op-2")).code, -125);
    let again = world.run(&rm("c", 1, "op-1"));
    assert_eq!((again.code, again.message), (0, first.message));
    assert_eq!(epoch(&world), 2);
}

/// The second request under an id got the first one's success, and was not done.
#[test]
fn an_operation_id_is_for_one_request() {
    let mut world = World::new();
    let add = |name: &str, port: u16, epoch: u32| {
        let addr = format!("v2:127.0.0.1:{port}");
        json!({"prefix": "mon learner add", "name": name, "addr": addr, "expected_epoch": epoch, "operation_id": "same"})
    };
    let first = world.run(&add("l1", 3311, 1));
    assert_eq!(first.code, 0);
    let other = world.run(&add("l2", 3312, 1));
    assert_eq!(other.code, -22, "{}", other.message);
    assert!(
        other.message.contains("l1") && other.message.ends_with(": choose a new id"),
        "{}",
        other.message
    );
    assert_eq!(world.services.learners().keys().collect::<Vec<_>>(), ["l1"]);
    // A retry that was planned anew is one.
    assert_eq!(world.run(&add("l1", 3311, 9)), first);
    let rm = |prefix: &str| json!({"prefix": prefix, "name": "b", "operation_id": "rm"});
    let removed = world.run(&rm("mon rm"));
    assert_eq!(world.run(&rm("mon remove")), removed);
}

#[test]
fn two_requests_of_a_round_do_not_share_an_id() {
    let mut world = World::new();
    world.commits = false;
    world.send(&json!({"prefix": "config-key set", "key": "k", "val": "v"}), b"");
    world.settle();
    let rm = |name: &str| json!({"prefix": "mon learner rm", "name": name, "operation_id": "same"});
    let asked = ["l1", "l2", "l1"].map(|name| world.send(&rm(name), b""));
    world.commits = true;
    world.commit();
    world.settle();
    assert_eq!(asked.map(|request| world.reply_to(request).expect("an answer").code), [0, -22, 0]);
}

#[test]
fn that_nothing_had_to_be_done_is_remembered() {
    let mut world = World::new();
    let rm = json!({"prefix": "mon learner rm", "name": "l", "operation_id": "rm-l"});
    let first = world.run(&rm);
    assert_eq!((first.code, first.message.as_str()), (0, "there is no learner mon.l"));
    world.run(&json!({"prefix": "mon learner add", "name": "l", "addr": "v2:127.0.0.1:3311"}));
    assert_eq!(world.run(&rm), first, "a late retry");
    assert!(world.services.learners().contains_key("l"));
}

#[test]
fn results_from_before_requests_were_kept_answer_retries() {
    let mut world = World::new();
    let mut old = Transaction::new();
    old.put("moncluster", "op/x", (0, "removing mon.c".to_owned()).to_bytes());
    world.store.apply(&[old], true).unwrap();
    let again = world.run(&json!({"prefix": "mon rm", "name": "c", "operation_id": "x"}));
    assert_eq!((again.code, again.message.as_str(), epoch(&world)), (0, "removing mon.c", 1));
}

#[test]
fn the_newest_thousand_results_are_kept() {
    let mut world = World::new();
    let rm = |number: u32| json!({"prefix": "mon learner rm", "name": "l", "operation_id": format!("id {number}")});
    // Some one by one, the rest in a round of more than there is room for.
    for number in 0..3 {
        world.run(&rm(number));
    }
    world.commits = false;
    world.send(&json!({"prefix": "config-key set", "key": "k", "val": "v"}), b"");
    world.settle();
    for number in 3..1010 {
        world.send(&rm(number), b"");
    }
    world.commits = true;
    world.commit();
    world.settle();
    for number in 1010..1020 {
        world.run(&rm(number));
    }
    for kept in ["op/", "op_request/", "op_order/"] {
        let found = world.store.scan("moncluster", kept, 5000).unwrap();
        assert_eq!(found.iter().filter(|(key, _)| key.starts_with(kept)).count(), 1000, "{kept}");
    }
    let known =
        |world: &World, number: u32| world.store.read("moncluster", &format!("op/id {number}")).unwrap();
    assert_eq!(
        (known(&world, 19), known(&world, 20).is_some(), known(&world, 1019).is_some()),
        (None, true, true)
    );
}

#[test]
fn a_learner_replaces_a_voter_in_one_epoch() {
    let mut world = World::new();
    let learner = json!({"prefix": "mon learner add", "name": "d", "addr": "v2:127.0.0.1:3303"});
    assert_eq!(world.run(&learner).code, 0);
    assert_eq!(epoch(&world), 1, "learners are not in the monmap");
    assert_eq!(world.services.learners().get("d"), Some(&addrs(3303)));
    let replace = json!({"prefix": "mon replace", "voter": "b", "learner": "d", "expected_epoch": 1, "operation_id": "x"});
    assert_eq!(world.run(&replace).code, -16, "nobody has seen the learner");
    world.services.note_followers([("d".to_owned(), 11)].into());
    assert_eq!(world.run(&replace).code, -16, "it lacks too much");
    assert_eq!(epoch(&world), 1);
    world.services.note_followers([("d".to_owned(), 3)].into());
    let listed = |world: &mut World| world.json(json!({"prefix": "mon learner ls"}))[0]["lacks"].clone();
    assert_eq!(listed(&mut world), 3);
    assert_eq!(world.run(&replace).code, 0);
    assert_eq!(epoch(&world), 2);
    assert_eq!(world.services.monmap().ranks, ["a", "d", "c"]);
    assert!(world.services.learners().is_empty());
    assert_eq!(world.run(&replace).code, 0);
    assert_eq!(epoch(&world), 2);
    let unknown = json!({"prefix": "mon replace", "voter": "a", "learner": "zz"});
    assert_eq!(world.run(&unknown).code, -2);
}

#[test]
fn joining_monitors_are_listed() {
    let mut world = World::new();
    let join = |name: &str, port| MMonJoin {
        fsid: fsid(),
        name: name.into(),
        addrs: addrs(port),
        ..Default::default()
    };
    world.peer_says(&addrs(3303), join("d", 3303));
    assert_eq!(world.services.monmap().ranks, ["a", "b", "c", "d"]);
    world.peer_says(&addrs(3304), join("d", 3304));
    assert_eq!(world.services.monmap().mons["d"].addrs, addrs(3304));
    let before = epoch(&world);
    world.peer_says(&addrs(3304), join("d", 3304));
    assert_eq!(epoch(&world), before);
}

/// A cluster that starts from addresses alone knows a member that came late as `noname-X` in its first map.
#[test]
fn a_member_known_by_its_address_gets_its_name_and_keeps_its_rank() {
    let mut world = World::new();
    let join = |name: &str, port| MMonJoin {
        fsid: fsid(),
        name: name.into(),
        addrs: addrs(port),
        ..Default::default()
    };
    world.peer_says(&addrs(3303), join("noname-d", 3303));
    world.peer_says(&addrs(3304), join("e", 3304));
    assert_eq!(world.services.monmap().ranks, ["a", "b", "c", "noname-d", "e"]);
    world.peer_says(&addrs(3303), join("d", 3303));
    assert_eq!(world.services.monmap().ranks, ["a", "b", "c", "d", "e"]);
}

#[test]
fn settings_that_lock_everybody_out_are_refused() {
    let mut world = World::new();
    let set = |name: &str, value: &str| json!({"prefix": "mon set", "name": name, "value": value});
    assert_eq!(world.run(&set("auth_service_cipher", "none")).code, -22);
    let locked = world.run(&set("auth_allowed_ciphers", "aes256k"));
    assert_eq!(locked.code, -1, "client.admin has a key of type aes: {}", locked.message);
    assert_eq!(world.run(&set("auth_allowed_ciphers", "aes,aes256k")).message, "already set");
    assert_eq!(world.run(&set("auth_preferred_cipher", "aes256k")).code, 0);
    let dump = world.json(json!({"prefix": "mon dump"}));
    assert_eq!(dump["auth_preferred_cipher"]["name"], "aes256k");
}

#[test]
fn ranks_weights_addresses_and_strategies_are_set() {
    let mut world = World::new();
    ok(&mut world, &json!({"prefix": "mon set-rank", "name": "c", "rank": 0}));
    assert_eq!(world.services.monmap().ranks, ["c", "a", "b"]);
    ok(&mut world, &json!({"prefix": "mon set-weight", "name": "a", "weight": 10}));
    ok(&mut world, &json!({"prefix": "mon set-addrs", "name": "a", "addrs": "[v2:127.0.0.1:3310/0]"}));
    assert_eq!(world.services.monmap().mons["a"].addrs, addrs(3310));
    assert_eq!(world.run(&json!({"prefix": "mon add disallowed_leader", "name": "c"})).code, -22);
    ok(&mut world, &json!({"prefix": "mon set election_strategy", "strategy": "disallow"}));
    ok(&mut world, &json!({"prefix": "mon add disallowed_leader", "name": "c"}));
    ok(&mut world, &json!({"prefix": "mon set_location", "name": "a", "args": ["datacenter=x"]}));
    let text = world.text(&json!({"prefix": "mon dump"}));
    assert!(text.contains("crush_location {datacenter=x}"), "{text}");
    ok(&mut world, &json!({"prefix": "mon ok-to-stop", "ids": ["a"]}));
    assert_eq!(world.run(&json!({"prefix": "mon ok-to-stop", "ids": ["a", "b"]})).code, -16);
    assert_eq!(world.run(&json!({"prefix": "mon set-weight", "name": "zz", "weight": 1})).code, -2);
}

#[test]
fn names_of_nobody_and_ranks_beyond_the_last_are_no_errors_as_with_stock() {
    let mut world = World::new();
    ok(&mut world, &json!({"prefix": "mon ok-to-stop", "ids": ["zz"]}));
    ok(&mut world, &json!({"prefix": "mon ok-to-rm", "id": "zz"}));
    let reply = world.run(&json!({"prefix": "mon set-rank", "name": "a", "rank": 5}));
    assert_eq!(
        (reply.code, reply.message.as_str()),
        (0, "there are only 3 ranks, from 0: nothing was changed")
    );
    assert_eq!(world.run(&json!({"prefix": "mon set-rank", "name": "zz", "rank": 5})).code, -2);
    assert_eq!(epoch(&world), 1);
}
