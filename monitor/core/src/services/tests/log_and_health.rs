//! The cluster log and health.

use std::collections::BTreeSet;

use mon_types::entity::EntityInstanceName;
use mon_types::id::Rank;
use mon_types::kv::KvRead;
use mon_types::log::{LogEntry, Priority};
use mon_types::message::MLog;
use mon_types::release::Release;
use mon_types::time::UTime;
use serde_json::json;

use super::harness::{World, addrs, fsid};
use crate::effect::Effect;
use crate::event::DiskUse;

#[test]
fn lines_come_back_in_order_whatever_the_form() {
    for release in [Release::Pacific, Release::Reef, Release::Tentacle] {
        let mut world = World::of_release(release);
        for i in 0..130 {
            let text = format!("line {i}");
            assert_eq!(world.run(&json!({"prefix": "log", "logtext": [text, "of text"]})).code, 0);
        }
        let last = world.text(&json!({"prefix": "log last", "num": 3}));
        let lines: Vec<_> = last.lines().collect();
        assert_eq!(lines.len(), 3, "{release}: {last}");
        assert!(lines[2].ends_with("client.admin (client.?) 0 : cluster [INF] line 129 of text"), "{last}");
        let json = world.json(json!({"prefix": "log last", "num": 2, "channel": "cluster"}));
        assert_eq!(json[1]["message"], "line 129 of text");
        // What a process that starts now reads is the same.
        let mut fresh = crate::service::log::LogService::default();
        let mut out = crate::effect::Effects::default();
        crate::service::Service::refresh(&mut fresh, &world.store, &mut out).unwrap();
        assert_eq!(fresh.version(), world.services.log.version());
        let audit = world.text(&json!({"prefix": "log last", "num": 5, "channel": "audit"}));
        assert!(audit.contains("cmd='[{\"prefix\":\"log\"}]': finished"), "{audit}");
    }
}

/// Found by the simulator: after a start the entries of before the newest full value were forgotten, and one of them
/// that came again was written again.
#[test]
fn an_entry_that_comes_again_after_a_restart_is_known_whenever_that_is() {
    for release in [Release::Pacific, Release::Tentacle] {
        let mut world = World::of_release(release);
        for number in 1..=120 {
            let entry = LogEntry {
                name: "client.x".parse().unwrap(),
                rank: EntityInstanceName { kind: 8, number: 5 },
                addrs: addrs(0),
                stamp: UTime { sec: 1_000_000 + number, nsec: 0 },
                seq: number.into(),
                priority: Priority::INFO,
                message: format!("entry {number}"),
                channel: "cluster".into(),
                tail: Default::default(),
            };
            let log = MLog { fsid: fsid(), entries: vec![entry], ..MLog::default() };
            let session = world.open_session(2 * u64::from(number), "client.x", "allow *");
            world.say(session, 1, log.clone());
            let version = world.store.read_u64("logm", "last_committed").unwrap();
            world.services = world.restarted().unwrap();
            world.form_quorum();
            let session = world.open_session(2 * u64::from(number) + 1, "client.x", "allow *");
            world.effects.clear();
            world.say(session, 1, log);
            assert_eq!(world.heard(session).len(), 1, "entry {number} is acknowledged");
            let text = world.text(&json!({"prefix": "log last", "num": 1000}));
            let line = format!("entry {number}");
            let times = text.lines().filter(|shown| shown.ends_with(&line)).count();
            assert_eq!(times, 1, "{release}: {line} at {version:?}");
        }
    }
}

#[test]
fn secrets_stay_out_of_the_audit_log() {
    let mut world = World::new();
    world.run(&json!({"prefix": "config-key set", "key": "k", "val": "hush"}));
    world.run(&json!({"prefix": "config-key set", "key": "k2", "val": "hush"}));
    let audit = world.text(&json!({"prefix": "log last", "channel": "audit"}));
    assert!(audit.contains("config-key set") && !audit.contains("hush"), "{audit}");
}

#[test]
fn the_log_is_offered_to_the_log_file() {
    let mut world = World::new();
    world.effects.clear();
    world.run(&json!({"prefix": "log", "logtext": ["hello"]}));
    let logged = world.effects.iter().any(|effect| match effect {
        Effect::ClusterLog(entries) => entries.iter().any(|entry| entry.message == "hello"),
        _ => false,
    });
    assert!(logged);
}

#[test]
fn members_that_are_down_are_noticed_and_forgotten_again() {
    let mut world = World::of_release(Release::Reef);
    assert_eq!(world.text(&json!({"prefix": "health"})), "HEALTH_OK\n");
    world.lose_quorum();
    world.view.members = BTreeSet::from([Rank(0), Rank(1)]);
    world.form_quorum();
    let text = world.text(&json!({"prefix": "health", "detail": "detail"}));
    assert!(text.starts_with("HEALTH_WARN 1/3 mons down, quorum a,b\n[WRN] MON_DOWN: "), "{text}");
    assert!(text.contains("    mon.c (rank 2) addr v2:127.0.0.1:3302/0 is down (out of quorum)\n"), "{text}");
    let muted = world.run(&json!({"prefix": "health mute", "code": "MON_DOWN", "ttl": "1h"}));
    assert_eq!(muted.code, 0);
    assert_eq!(world.text(&json!({"prefix": "health"})), "HEALTH_OK (muted: MON_DOWN(60m))\n");
    let json = world.json(json!({"prefix": "health"}));
    assert_eq!(
        (&json["checks"]["MON_DOWN"]["muted"], &json["mutes"][0]["sticky"]),
        (&json!(true), &json!(false))
    );
    world.pass(3700);
    assert!(world.text(&json!({"prefix": "health"})).starts_with("HEALTH_WARN"));
    world.lose_quorum();
    world.view.members.insert(Rank(2));
    world.form_quorum();
    assert_eq!(world.text(&json!({"prefix": "health"})), "HEALTH_OK\n");
    let log = world.text(&json!({"prefix": "log last"}));
    assert!(log.contains("[WRN] Health check failed: 1/3 mons down, quorum a,b (MON_DOWN)"), "{log}");
    assert!(log.contains("Cluster is now healthy"), "{log}");
    assert_eq!(world.run(&json!({"prefix": "health mute", "code": "NOPE"})).code, -2);
}

#[test]
fn a_full_disk_warns_and_then_stops_writes() {
    let mut world = World::of_release(Release::Reef);
    let mut disk = DiskUse { bytes_total: 1000, bytes_available: 200, bytes_store: 10 };
    world.with(|services, cx| services.disk(cx, disk));
    world.settle();
    let text = world.text(&json!({"prefix": "health", "detail": "detail"}));
    assert!(
        text.contains("MON_DISK_LOW: mon a is low on available space\n    mon.a has 20% avail"),
        "{text}"
    );
    disk.bytes_available = 40;
    world.with(|services, cx| services.disk(cx, disk));
    world.settle();
    assert!(world.text(&json!({"prefix": "health"})).starts_with("HEALTH_ERR"));
    assert_eq!(world.run(&json!({"prefix": "config-key set", "key": "k", "val": "x"})).code, -28);
}

#[test]
fn entries_have_keys_of_their_own_from_quincy_on() {
    let mut world = World::new();
    world.run(&json!({"prefix": "log", "logtext": ["hello"]}));
    let keys = world.store.scan("logm", "cluster/", 10).unwrap();
    assert!(keys.iter().any(|(key, _)| key == "cluster/00000000"), "{keys:?}");
}

/// As measured with a stock 20.2.4 whose policy and keys were changed one by one.
#[test]
fn key_types_below_the_standard_are_named_from_tentacle_on() {
    let mut world = World::of_release(Release::Reef);
    assert_eq!(world.text(&json!({"prefix": "health"})), "HEALTH_OK\n");

    let mut world = World::new();
    let codes = |world: &mut World| -> Vec<(String, String, i64)> {
        let health = world.json(json!({"prefix": "health", "detail": "detail"}));
        let checks = health["checks"].as_object().unwrap();
        let gist = |(code, check): (&String, &serde_json::Value)| {
            let severity = check["severity"].as_str().unwrap().to_owned();
            (code.clone(), severity, check["summary"]["count"].as_i64().unwrap())
        };
        checks.iter().map(gist).collect()
    };
    let expected = |all: &[(&str, &str, i64)]| -> Vec<(String, String, i64)> {
        all.iter().map(|(code, severity, count)| ((*code).into(), (*severity).into(), *count)).collect()
    };
    // The default policy allows both types and makes keys that every client reads: admin and six bootstrap keys.
    let compatible = [
        ("AUTH_INSECURE_CLIENT_KEY_TYPE", "HEALTH_WARN", 7),
        ("AUTH_INSECURE_KEYS_ALLOWED", "HEALTH_WARN", 1),
        ("AUTH_INSECURE_KEYS_CREATABLE", "HEALTH_WARN", 1),
    ];
    assert_eq!(codes(&mut world), expected(&compatible));
    world.run(&json!({"prefix": "auth add", "entity": "osd.0"}));
    assert_eq!(codes(&mut world)[3], ("AUTH_INSECURE_SERVICE_KEY_TYPE".into(), "HEALTH_ERR".into(), 1));
    let text = world.text(&json!({"prefix": "health", "detail": "detail"}));
    assert!(text.starts_with("HEALTH_ERR "), "{text}");
    assert!(text.contains("\n    entity osd.0 using insecure key type: aes\n"), "{text}");
    assert!(text.contains("\n    insecure cipher aes allowed for auth\n"), "{text}");

    world.run(&json!({"prefix": "auth rm", "entity": "osd.0"}));
    let set = json!({"prefix": "mon set", "name": "auth_service_cipher", "value": "aes"});
    assert_eq!(world.run(&set).code, 0);
    world.run(&json!({"prefix": "auth wipe-rotating-service-keys"}));
    let names: Vec<String> = codes(&mut world).into_iter().map(|(code, ..)| code).collect();
    let more = ["AUTH_INSECURE_ROTATING_SERVICE_KEY_TYPE", "AUTH_INSECURE_SERVICE_TICKETS"];
    assert!(more.iter().all(|code| names.iter().any(|name| name == code)), "{names:?}");
}
