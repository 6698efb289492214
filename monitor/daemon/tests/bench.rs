//! `mon bench` against our own monitors: what it says has the right shape and is true. Never how fast.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::Dev;

fn bench(dev: &Dev, arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_mon"))
        .arg("bench")
        .args(arguments)
        .arg("--conf")
        .arg(dev.path("ceph.conf"))
        .args(["-o", "json"])
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {out}\n{err}\n{}", dev.logs());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}

#[test]
fn puts_and_gets_are_counted_and_cleaned_up() {
    let dev = Dev::up("3", &[]);
    dev.put(0..2);
    let count = || -> u64 { dev.status_over_http()["paxos"]["last_committed"].as_u64().unwrap() };
    let before = count();
    let report = bench(&dev, &["put", "--clients", "1,3", "--seconds", "1", "--value-size", "100"]);
    assert_eq!((&report["operation"], &report["value_bytes"]), (&json!("put"), &json!(100)));
    let steps = report["clusters"][0]["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|step| step["clients"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3]);
    for step in steps {
        assert!(step["operations"].as_u64().unwrap() > 0 && step["errors"] == 0, "{step}");
        let latency = |name: &str| step["latency_ms"][name].as_f64().unwrap();
        let ordered = ["p50", "p90", "p99", "p999", "max"].map(latency);
        assert!(ordered.is_sorted() && ordered[0] > 0.0, "{step}");
    }
    // One client at a time shares its value with nobody: each of its writes is a commit.
    assert!(count() - before >= steps[0]["operations"].as_u64().unwrap(), "the writes are real");
    let report = bench(&dev, &["get", "--clients", "2", "--seconds", "1", "--mode", "crc"]);
    let step = &report["clusters"][0]["steps"][0];
    assert!(step["operations"].as_u64().unwrap() > 0 && step["errors"] == 0, "{step}");

    let left = dev.commands(&[r#"{"prefix":"config-key ls","format":"json"}"#.to_owned()]);
    let keys: Vec<String> = serde_json::from_str(&left[0]).unwrap();
    assert_eq!(keys, ["key/0", "key/1"]);
    dev.expect(0..2);
}

#[test]
fn failover_takes_away_whom_it_was_told_and_writes_go_on() {
    let dev = Dev::up("3", &[]);
    let leader =
        support::http::Endpoint::at(dev.port + 100).get("/v1/quorum")["leader"].as_str().unwrap().to_owned();
    let report = bench(&dev, &["failover", "--clients", "3", "--kill", "leader"]);
    let told = &report["clusters"][0];
    assert_eq!((&report["signal"], &told["monitor"]), (&json!("KILL"), &json!(leader)));
    assert!(told["writes"].as_u64().unwrap() > 0, "{report}");
    for number in ["longest_gap_ms", "steady_gap_ms", "slowest_write_ms"] {
        assert!(told[number].as_f64().unwrap() > 0.0, "{number}: {report}");
    }
    assert_eq!(report["longest_gap_ms"], told["longest_gap_ms"]);
    let quorum = dev.quorum();
    assert!(quorum.len() == 2 && !quorum.contains(&leader), "{quorum:?}");
    dev.put(0..3);
    dev.expect(0..3);
}
