//! Commands to one monitor: over the admin socket and with `ceph tell`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mon_types::message::{MCommand, Message};
use serde_json::{Value, json};

use super::harness::{World, fsid};
use crate::command::socket;
use crate::effect::{Asker, CommandReply, Effect};
use crate::event::{AdminCommand, RequestId, SessionId};
use crate::quorum::Order;
use crate::settings::HistoryLimits;

/// What `ceph tell` says to a monitor, and what comes back at once.
fn tell(world: &mut World, session: SessionId, command: &Value) -> Option<CommandReply> {
    let message = MCommand { fsid: fsid(), cmd: vec![command.to_string()], ..Default::default() };
    world.say(session, 9, message);
    world.heard(session).pop().map(|envelope| match envelope.message {
        Message::CommandReply(reply) => {
            CommandReply { code: reply.code, message: reply.message, output: reply.output }
        }
        other => panic!("{command}: {other:?}"),
    })
}

fn json_of(reply: Option<CommandReply>) -> Value {
    let reply = reply.expect("an answer");
    assert_eq!(reply.code, 0, "{}", reply.message);
    serde_json::from_slice(&reply.output).unwrap()
}

fn socket(world: &mut World, words: &str) -> CommandReply {
    let request = RequestId(99);
    let command = AdminCommand::Socket { prefix: words.into(), arguments: BTreeMap::new() };
    world.with(|services, cx| services.admin(cx, request, command).unwrap());
    world.reply_to(request).unwrap_or_else(|| panic!("no answer to {words}"))
}

#[test]
fn every_command_is_answered_by_the_monitor_or_passed_to_the_process() {
    let mut world = World::new();
    let admin = world.open_session(1, "client.admin", "allow *");
    let offered = json_of(tell(&mut world, admin, &json!({"prefix": "get_command_descriptions"})));
    let help = json_of(tell(&mut world, admin, &json!({"prefix": "help"})));
    assert_eq!(offered.as_object().unwrap().len(), help.as_object().unwrap().len());
    for words in help.as_object().unwrap().keys() {
        world.effects.clear();
        let answer = tell(&mut world, admin, &json!({"prefix": words, "yes_i_really_mean_it": true}));
        let passed = world.effects.iter().any(|effect| {
            let asker = Asker::Client { session: admin, tid: 9 };
            matches!(effect, Effect::ProcessCommand { asker: who, command, .. }
                if *who == asker && command == words)
        });
        let about_process = socket::about_process().any(|word| word == words);
        assert_eq!((answer.is_some(), passed), (!about_process, about_process), "{words}");
        let refused = answer.is_some_and(|reply| reply.code == -95 || reply.message.contains("unknown"));
        assert!(!refused, "{words}");
    }
}

#[test]
fn arguments_reach_the_process() {
    let mut world = World::new();
    let admin = world.open_session(1, "client.admin", "allow *");
    world.effects.clear();
    tell(&mut world, admin, &json!({"prefix": "config get", "var": "mon_lease"}));
    let Some(Effect::ProcessCommand { command, arguments, .. }) = world.effects.pop() else { panic!() };
    assert_eq!((command, &arguments["var"]), ("config get", &json!("mon_lease")));
}

#[test]
fn telling_asks_for_rights() {
    let mut world = World::new();
    let reader = world.open_session(1, "client.reader", "allow r");
    for words in ["config show", "quorum exit", "perf dump", "no such thing"] {
        let reply = tell(&mut world, reader, &json!({"prefix": words})).unwrap();
        assert_eq!(reply.code, -13, "{words}: {}", reply.message);
    }
    assert_eq!(tell(&mut world, reader, &json!({"prefix": "version"})).unwrap().code, 0);
    let admin = world.open_session(2, "client.admin", "allow *");
    for (words, code) in [("no such thing", -22), ("heap", -95), ("config-key ls", -22)] {
        let reply = tell(&mut world, admin, &json!({"prefix": words, "heapcmd": "stats"})).unwrap();
        assert_eq!(reply.code, code, "{words}: {}", reply.message);
    }
}

fn operations(world: &mut World, words: &str, list: &str) -> Vec<Value> {
    let reply = socket(world, words);
    let mut shown: Value = serde_json::from_slice(&reply.output).unwrap();
    serde_json::from_value(shown[list].take()).unwrap()
}

/// Its keys, sorted.
fn keys(value: &Value) -> Vec<String> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

#[test]
fn operations_are_shown_while_they_wait_and_after_they_ended() {
    let mut world = World::new();
    world.services.settings.history = HistoryLimits { size: 3, slow_size: 2, ..HistoryLimits::default() };
    let set = |key: &str| json!({"prefix": "config-key set", "key": key, "val": "secret"});
    world.commits = false;
    world.send(&set("slow"), b"");
    world.settle();
    world.now.mono += Duration::from_secs(12);
    world.now.wall.sec += 12;
    let waiting = operations(&mut world, "ops", "ops");
    assert_eq!((waiting.len(), &waiting[0]["age"], &waiting[0]["duration"]), (1, &json!(12.0), &json!(12.0)));
    world.commit();
    world.commits = true;
    world.settle();
    assert_eq!(operations(&mut world, "dump_ops_in_flight", "ops"), Vec::<Value>::new());
    world.now.mono += Duration::from_secs(3);
    for number in 0..5 {
        world.send(&set(&format!("k{number}")), b"");
        world.now.mono += Duration::from_millis(10 * (number + 1));
        world.settle();
    }
    let kept = operations(&mut world, "dump_historic_ops", "ops");
    let descriptions: Vec<_> = kept.iter().map(|one| one["description"].as_str().unwrap()).collect();
    let told = |key: &str| format!("mon_command({} v 0)", json!({"prefix": "config-key set", "key": key}));
    assert_eq!(descriptions, [told("slow"), told("k3"), told("k4")], "the longest, as they came");
    assert!(!kept.iter().any(|one| one.to_string().contains("secret")));
    let slow = &kept[0];
    assert_eq!((&slow["duration"], &slow["initiated_at"]), (&json!(12.0), &json!("2000000.000005")));
    // As a stock monitor of 20 shows them.
    assert_eq!(keys(slow), ["age", "continuous", "description", "duration", "initiated_at", "type_data"]);
    assert_eq!(keys(&slow["type_data"]), ["events", "info"]);
    assert_eq!(keys(&slow["type_data"]["events"][0]), ["duration", "event", "time"]);
    assert_eq!(keys(&slow["type_data"]["info"]), ["forwarded_to_leader", "seq", "source", "src_is_mon"]);
    let by_duration = operations(&mut world, "dump_historic_ops_by_duration", "ops");
    assert_eq!(
        by_duration.iter().map(|one| &one["description"]).collect::<Vec<_>>(),
        [&json!(told("slow")), &json!(told("k4")), &json!(told("k3"))]
    );
    assert_eq!(operations(&mut world, "dump_historic_slow_ops", "Ops").len(), 1);
    world.now.mono += Duration::from_secs(600);
    assert!(operations(&mut world, "dump_historic_ops", "ops").is_empty());
    assert!(operations(&mut world, "dump_historic_slow_ops", "Ops").is_empty());
}

#[test]
fn mon_status_names_who_is_outside_of_the_quorum() {
    let mut world = World::new();
    let outside = |world: &mut World| -> Value {
        let reply = socket(world, "mon_status");
        serde_json::from_slice::<Value>(&reply.output).unwrap()["outside_quorum"].clone()
    };
    assert_eq!(outside(&mut world), json!([]));
    world.lose_quorum();
    // As probing finds them.
    world.services.outside_quorum = BTreeSet::from(["a".to_owned(), "c".to_owned()]);
    assert_eq!(outside(&mut world), json!(["a", "c"]));
}

#[test]
fn connection_scores_have_cephs_shape() {
    let mut world = World::new();
    let tracker = &mut world.services.connection_scores;
    tracker.half_life_s = 43_200.0;
    let report = tracker.reports.entry(0).or_default();
    report.history.insert(1, 0.5);
    report.current.insert(1, true);
    let reply = socket(&mut world, "connection scores dump");
    let shown: Value = serde_json::from_slice(&reply.output).unwrap();
    assert_eq!((&shown["rank"], &shown["half_life"]), (&json!(0), &json!(43_200.0)));
    let peer = json!([{"peer_rank": 1, "peer_score": 0.5, "peer_alive": true}]);
    assert_eq!(shown["reports"][0]["peer_scores"], peer);
    assert_eq!(socket(&mut world, "connection scores reset").code, 0);
    assert_eq!(world.services.take_orders(), [Order::ResetConnectionScores]);
}
