//! Commands to one monitor: over the admin socket and with `ceph tell`.

use std::collections::{BTreeMap, BTreeSet};

use mon_types::message::{MCommand, Message};
use serde_json::{Value, json};

use super::harness::{World, fsid};
use crate::command::socket;
use crate::effect::{Asker, CommandReply, Effect};
use crate::event::{AdminCommand, RequestId, SessionId};
use crate::quorum::Order;

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
