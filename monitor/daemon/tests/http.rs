//! The HTTP interface of real monitors: what it changes is changed everywhere, once, and only as planned.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::Dev;
use support::http::{Answer, Endpoint};
use ureq::http::Method;

fn endpoints(dev: &Dev) -> [Endpoint; 3] {
    [100, 101, 102].map(|offset| Endpoint::at(dev.port + offset))
}

fn epoch(of: &Endpoint) -> u64 {
    of.get("/v1/members")["epoch"].as_u64().unwrap()
}

fn names(members: &Value) -> Vec<&str> {
    members.as_array().unwrap().iter().map(|member| member["name"].as_str().unwrap()).collect()
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not in time");
    }
}

#[test]
fn members_change_once_and_only_as_planned() {
    let dev = Dev::up("3", &[]);
    let [a, b, _] = endpoints(&dev);
    // The first value, with the first map, is committed by then.
    dev.put(0..1);
    let before = epoch(&a);
    let addr = format!("v2:127.0.0.1:{}/0", dev.port + 7);
    let add = |id: &str, epoch: u64| json!({"name": "d", "addr": addr, "expected_epoch": epoch, "operation_id": id});
    let refused = |answer: Answer| {
        let problem = answer.json();
        assert_eq!((answer.status, &problem["code"]), (412, &json!(-125)), "{}", answer.text);
    };
    refused(a.post("/v1/members", &add("too late", before - 1)));
    let first = a.post("/v1/members", &add("add d", before));
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(names(&b.get("/v1/members")["members"]), ["a", "b", "c", "d"]);
    // The answer was lost, say: the retry goes to another monitor, and the map stays as it is.
    let again = b.post("/v1/members", &add("add d", before));
    assert_eq!((again.status, &again.text), (200, &first.text));
    assert_eq!(epoch(&b), before + 1);
    refused(b.post("/v1/members", &json!({"name": "e", "addr": addr, "expected_epoch": before})));

    let remove = |from: &Endpoint, id: &str, epoch: u64| {
        let path = format!("/v1/members/d?expected_epoch={epoch}&operation_id={id}");
        from.ask(Method::DELETE, &path, &[], "")
    };
    refused(remove(&a, "planned-before", before));
    for from in [&a, &b, &b] {
        assert_eq!(remove(from, "remove-d", before + 1).status, 200);
    }
    assert_eq!(epoch(&a), before + 2);
    let members = a.get("/v1/members");
    assert_eq!(names(&members["members"]), ["a", "b", "c"]);
}

/// A learner beside the cluster, ended with the test.
struct Learner(Child);

impl Learner {
    fn start(dev: &Dev, name: &str, port: u16) -> Self {
        let command = |more: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mon"));
            command.args(["ceph-mon", "-i", name, "-c"]).arg(dev.path("ceph.conf"));
            command.arg("--mon-data").arg(dev.path(&format!("mon.{name}"))).args(more);
            command.arg("--mon-learner=true").arg(format!("--public-addrv=[v2:127.0.0.1:{port}/0]"));
            command
        };
        let keyring = dev.path("mon.keyring");
        let made = command(&["--mkfs", "--keyring", keyring.to_str().unwrap()]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(command(&["-f"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Learner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_learner_takes_a_voters_place_in_one_epoch() {
    let dev = Dev::up("3", &[]);
    let [a, b, _] = endpoints(&dev);
    dev.put(0..10);
    let port = dev.port + 6;
    let start = epoch(&a);
    let learner = json!({"name": "l", "addr": format!("v2:127.0.0.1:{port}/0"), "operation_id": "learn l"});
    for from in [&a, &b] {
        assert_eq!(from.post("/v1/learners", &learner).status, 200);
    }
    assert_eq!(names(&a.get("/v1/learners")), ["l"]);
    let swap = |id: &str, epoch: u64| json!({"learner": "l", "operation_id": id, "expected_epoch": epoch});
    let planned = epoch(&a);
    let early = a.post("/v1/members/c/replace", &swap("early", planned));
    // It was never seen.
    let problem = early.json();
    assert_eq!((early.status, &problem["code"]), (409, &json!(-16)), "{}", early.text);
    assert_eq!(names(&a.get("/v1/members")["members"]), ["a", "b", "c"]);

    let _running = Learner::start(&dev, "l", port);
    let mut first = None;
    wait_until("the learner follows and is taken", || {
        let answer = a.post("/v1/members/c/replace", &swap("swap", planned));
        let done = answer.status == 200;
        // Not yet: it must sync first.
        assert!(done || matches!(answer.status, 409 | 503), "{} {}", answer.status, answer.text);
        first = Some(answer.text);
        done
    });
    let map = b.get("/v1/members");
    assert_eq!((map["epoch"].as_u64(), names(&map["members"])), (Some(planned + 1), vec!["a", "b", "l"]));
    let again = b.post("/v1/members/c/replace", &swap("swap", planned));
    assert_eq!((again.status, Some(again.text)), (200, first));
    assert_eq!(epoch(&a), planned + 1);
    assert!(planned >= start);
    assert_eq!(a.get("/v1/learners"), json!([]));
    wait_until("the new member is in the quorum", || {
        a.get("/v1/quorum")["names"].as_array().unwrap().contains(&json!("l"))
    });
    dev.expect(0..10);
}

#[test]
fn the_leader_hands_over() {
    let dev = Dev::up("3", &[]);
    let [a, b, c] = endpoints(&dev);
    let leader = |of: &Endpoint| of.get("/v1/quorum")["leader"].as_str().map(str::to_owned);
    let before = leader(&a).unwrap();
    // Whoever leads has measured how long its values take.
    dev.put(0..1);
    let measured = |of: &Endpoint| {
        let text = of.ask(Method::GET, "/metrics", &[], "").text;
        let count = text.lines().find_map(|line| line.strip_prefix("moncluster_commit_seconds_count "));
        count.unwrap().parse::<u64>().unwrap()
    };
    assert!([&a, &b, &c].map(measured).into_iter().sum::<u64>() > 0);
    // Whoever is asked: the leader steps down.
    let answer = c.post("/v1/leader/step-down", &json!({}));
    assert_eq!(answer.status, 200, "{}", answer.text);
    wait_until("another leads", || leader(&b).is_some_and(|now| now != before));
    dev.put(0..3);
    dev.expect(0..3);
    wait_until("all are in the quorum", || b.get("/v1/quorum")["names"].as_array().unwrap().len() == 3);
}

#[test]
fn keys_are_swapped_only_as_they_were_seen() {
    let dev = Dev::up("3", &[]);
    let [a, b, c] = endpoints(&dev);
    let put = |at: &Endpoint, condition: (&str, &str), value: &str| {
        at.ask(Method::PUT, "/v1/kv/app/leader", &[condition], value)
    };
    let read = |at: &Endpoint| at.ask(Method::GET, "/v1/kv/app/leader", &[], "");
    assert_eq!(read(&a).status, 404);
    let made = put(&a, ("if-none-match", "*"), "one");
    assert_eq!(made.status, 200, "{}", made.text);
    assert_eq!(put(&b, ("if-none-match", "*"), "other").status, 412);
    let seen = read(&b);
    assert_eq!((seen.status, seen.text.as_str()), (200, "one"));
    let revision = seen.revision.expect("a revision");
    let tag = format!("\"{revision}\"");
    assert_eq!(put(&c, ("if-match", &tag), "two").status, 200);
    // Who saw the first value is too late.
    assert_eq!(put(&a, ("if-match", &tag), "three").status, 412);
    let now = read(&a);
    assert_eq!(now.text, "two");
    assert!(now.revision > Some(revision));
    let delete = |tag: &str| a.ask(Method::DELETE, "/v1/kv/app/leader", &[("if-match", tag)], "").status;
    assert_eq!(delete(&tag), 412);
    assert_eq!(delete(&format!("\"{}\"", now.revision.unwrap())), 200);
    assert_eq!(read(&c).status, 404);
}

#[test]
fn a_watch_goes_on_where_it_was_at_another_monitor() {
    let dev = Dev::up("3", &[]);
    let [a, b, c] = endpoints(&dev);
    let put = |key: &str, value: &str| {
        let answer = a.ask(Method::PUT, &format!("/v1/kv/{key}"), &[], value);
        assert!((200..300).contains(&answer.status), "{answer:?}");
    };
    // A feed begins with the first change that its monitor sees.
    put("w/0", "before");
    let version = b.get("/v1/kv?prefix=w/")["version"].as_u64().unwrap();
    let path = format!("/v1/watch?prefix=w/&after={version}");
    let mut at_b = b.watch(&path, "");
    put("w/1", "x");
    put("elsewhere", "not watched");
    put("w/2", "y");
    let deleted = a.ask(Method::DELETE, "/v1/kv/w/1", &[], "");
    assert!((200..300).contains(&deleted.status), "{deleted:?}");
    let seen: Vec<_> = (0..3).map(|_| at_b.next()).collect();
    let gist: Vec<_> = seen.iter().map(|(kind, _, data)| (kind.as_str(), data["key"].clone())).collect();
    assert_eq!(gist, [("put", json!("w/1")), ("put", json!("w/2")), ("delete", json!("w/1"))]);
    assert!(seen.is_sorted_by_key(|(_, id, _)| *id) && seen[0].1 > version);
    drop(at_b);
    let mut at_c = c.watch(&path, &format!("Last-Event-ID: {}\r\n", seen[0].1));
    assert_eq!([at_c.next(), at_c.next()], seen[1..]);
}

/// `mon status` and its like, without being told where the endpoint is.
#[test]
fn the_command_line_finds_a_monitor_of_this_machine() {
    let dev = Dev::up("1", &[]);
    let mon = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mon"))
            .args(arguments)
            .arg("--run-dir")
            .arg(dev.path("run"))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, err) = mon(&["status"]);
    assert!(code == 0 && out.contains("mon.a"), "{out}{err}");
    assert_eq!(mon(&["kv", "put", "k", "v", "--mon", "a"]).0, 0);
    assert_eq!(mon(&["kv", "get", "k"]).1.trim(), "v");
    let (code, _, err) = mon(&["status", "--mon", "b"]);
    assert!(code == 1 && err.contains("--url"), "{code} {err}");
}
