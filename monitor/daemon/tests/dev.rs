//! `mon dev` from making a cluster to deleting it, with what a user would do in between.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::process::Command;
use std::time::{Duration, Instant};

use mon_client::{Client, Target};
use serde_json::Value;

/// A cluster that is taken down with the test.
struct Dev {
    folder: tempfile::TempDir,
}

impl Dev {
    fn up(mons: &str, more: &[&str]) -> Self {
        let dev = Self { folder: tempfile::tempdir().unwrap() };
        let port = free_ports().to_string();
        let mut arguments = vec!["up", "--mons", mons, "--base-port", &port];
        arguments.extend(more);
        dev.run(&arguments);
        dev
    }

    fn try_run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mon"));
        command.arg("dev").arg(arguments[0]).arg("--dir").arg(self.folder.path()).args(&arguments[1..]);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.try_run(arguments);
        if code != 0 {
            let logs = self.logs();
            panic!("mon dev {arguments:?}: exit {code}\n{out}\n{err}\n{logs}");
        }
        out
    }

    /// The ends of all logs, for a failure's message.
    fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.folder.path().join("log")).into_iter().flatten().flatten() {
            let content = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let tail: Vec<&str> = content.lines().rev().take(15).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            text.push_str(&format!("== {}\n{}\n", entry.path().display(), tail.join("\n")));
        }
        text
    }

    fn status(&self) -> Value {
        let (_, out, err) = self.try_run(&["status", "-o", "json"]);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
    }

    fn quorum(&self) -> Vec<String> {
        serde_json::from_value(self.status()["quorum"].clone()).unwrap()
    }

    #[track_caller]
    fn wait_for_quorum(&self, names: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.quorum() != names {
            assert!(Instant::now() < deadline, "{:?}, wanted {names:?}\n{}", self.quorum(), self.logs());
        }
    }

    /// Runs commands of the CLI as client.admin, in one session; the outputs.
    #[track_caller]
    fn commands(&self, commands: &[String]) -> Vec<String> {
        let conf = self.folder.path().join("ceph.conf");
        let target = Target::from_conf(&conf, "client.admin".parse().unwrap(), None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let all = async {
            let client = Client::open(target).await.unwrap();
            let mut outputs = Vec::new();
            for command in commands {
                let reply = client.command(command.clone(), bytes::Bytes::new()).await.unwrap();
                assert!(reply.code >= 0, "{command}: {} {}", reply.code, reply.message);
                outputs.push(String::from_utf8_lossy(&reply.output).into_owned());
            }
            outputs
        };
        let limited = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), all).await });
        limited.unwrap_or_else(|_| panic!("no answer\n{}", self.logs()))
    }

    fn put(&self, keys: std::ops::Range<u32>) {
        let put = |i| format!(r#"{{"prefix":"config-key set","key":"key/{i}","val":"value {i}"}}"#);
        self.commands(&keys.map(put).collect::<Vec<_>>());
    }

    #[track_caller]
    fn expect(&self, keys: std::ops::Range<u32>) {
        let get = |i| format!(r#"{{"prefix":"config-key get","key":"key/{i}"}}"#);
        let values = self.commands(&keys.clone().map(get).collect::<Vec<_>>());
        assert_eq!(values, keys.map(|i| format!("value {i}")).collect::<Vec<_>>());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.try_run(&["down", "--delete"]);
    }
}

/// The first of some ports that nobody has, far from those of other tests at the same time.
fn free_ports() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let slot = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let own = (std::process::id() % 60) as u16;
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let candidates = (0..20).map(|i| 20_000 + own * 200 + slot * 10 + i * 600);
    candidates
        .into_iter()
        .find(|base| (0..8).all(|i| is_free(&(base + i)) && is_free(&(base + 100 + i))))
        .unwrap()
}

#[test]
fn the_life_of_a_cluster() {
    let dev = Dev::up("3", &[]);
    assert_eq!(dev.quorum(), ["a", "b", "c"]);
    let again = dev.run(&["up", "--mons", "3"]);
    assert!(again.contains("The cluster is up"), "{again}");
    dev.put(0..20);

    dev.run(&["kill", "--mon", "a"]);
    dev.wait_for_quorum(&["b", "c"]);
    dev.put(20..40);
    dev.run(&["up"]);
    dev.wait_for_quorum(&["a", "b", "c"]);
    dev.expect(0..40);

    dev.run(&["add"]);
    dev.wait_for_quorum(&["a", "b", "c", "d"]);
    dev.run(&["remove", "--mon", "b"]);
    dev.wait_for_quorum(&["a", "c", "d"]);
    dev.run(&["replace", "--mon", "c"]);
    let quorum = dev.quorum();
    assert!(
        quorum.len() == 3 && quorum.contains(&"e".to_owned()) && !quorum.contains(&"c".to_owned()),
        "{quorum:?}"
    );
    dev.expect(0..40);
    let (code, _, err) = dev.try_run(&["kill", "--mon", "z"]);
    assert!(code == 2 && err.contains("there is no mon.z"), "{err}");
    dev.run(&["down"]);
    assert_eq!(dev.quorum(), Vec::<String>::new());
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let dev = Dev::up("3", &[]);
    for round in 0..3 {
        dev.put(round * 50..(round + 1) * 50);
        for mon in ["a", "b", "c"] {
            dev.run(&["kill", "--mon", mon, "--signal", "KILL"]);
        }
        dev.run(&["up"]);
        dev.expect(0..(round + 1) * 50);
    }
}

#[test]
fn other_releases_and_strict_keys() {
    for more in [["--release", "pacific"], ["--release", "reef"], ["--ciphers", "strict"]] {
        let dev = Dev::up("1", &more);
        dev.put(0..3);
        dev.expect(0..3);
    }
}

#[test]
fn a_taken_port_is_named() {
    let dev = Dev { folder: tempfile::tempdir().unwrap() };
    let base = free_ports();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", base)).unwrap();
    let (code, _, err) = dev.try_run(&["up", "--mons", "1", "--base-port", &base.to_string()]);
    assert!(code == 30 && err.contains(&format!("127.0.0.1:{base}")), "{code} {err}");
    let (code, _, err) = dev.try_run(&["status"]);
    assert!(code == 1, "a stopped cluster has no quorum: {err}");
}
