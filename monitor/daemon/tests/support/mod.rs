//! Real clusters on loopback for tests.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part of it, and none hands it on"
)]

pub mod http;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use mon_client::{Client, Target};
use serde_json::Value;

/// A cluster that is taken down with the test.
pub struct Dev {
    pub folder: tempfile::TempDir,
    /// Where the first monitor listens; the others follow, and the HTTP ports 100 higher.
    pub port: u16,
}

impl Dev {
    /// One that was not started yet.
    pub fn of(port: u16) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), port }
    }

    /// A file or folder of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn up(mons: &str, more: &[&str]) -> Self {
        let dev = Self::of(free_ports());
        let port = dev.port.to_string();
        let mut arguments = vec!["up", "--mons", mons, "--base-port", &port];
        arguments.extend(more);
        dev.run(&arguments);
        dev
    }

    pub fn try_run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mon"));
        command.arg("dev").arg(arguments[0]).arg("--dir").arg(self.folder.path()).args(&arguments[1..]);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.try_run(arguments);
        if code != 0 {
            let logs = self.logs();
            panic!("mon dev {arguments:?}: exit {code}\n{out}\n{err}\n{logs}");
        }
        out
    }

    /// The ends of all logs, for a failure's message.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.folder.path().join("log")).into_iter().flatten().flatten() {
            let content = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let tail: Vec<&str> = content.lines().rev().take(15).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            text.push_str(&format!("== {}\n{}\n", entry.path().display(), tail.join("\n")));
        }
        text
    }

    pub fn status(&self) -> Value {
        let (_, out, err) = self.try_run(&["status", "-o", "json"]);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
    }

    /// What the first monitor says of itself.
    pub fn status_over_http(&self) -> Value {
        http::Endpoint::at(self.port + 100).get("/v1/status")
    }

    pub fn quorum(&self) -> Vec<String> {
        serde_json::from_value(self.status()["quorum"].clone()).unwrap()
    }

    #[track_caller]
    pub fn wait_for_quorum(&self, names: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.quorum() != names {
            assert!(Instant::now() < deadline, "{:?}, wanted {names:?}\n{}", self.quorum(), self.logs());
        }
    }

    /// Runs commands of the CLI as client.admin, in one session; the outputs.
    #[track_caller]
    pub fn commands(&self, commands: &[String]) -> Vec<String> {
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

    pub fn put(&self, keys: std::ops::Range<u32>) {
        let put = |i| format!(r#"{{"prefix":"config-key set","key":"key/{i}","val":"value {i}"}}"#);
        self.commands(&keys.map(put).collect::<Vec<_>>());
    }

    #[track_caller]
    pub fn expect(&self, keys: std::ops::Range<u32>) {
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
pub fn free_ports() -> u16 {
    static NEXT: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    let slot = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let own = (std::process::id() % 60) as u16;
    // Asked by connecting: a listener made to find out lives on in a child that another test is just forking.
    let is_free = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).is_err();
    let candidates = (0..20).map(|i| 20_000 + own * 200 + slot * 10 + i * 600);
    candidates
        .into_iter()
        .find(|base| (0..8).all(|i| is_free(&(base + i)) && is_free(&(base + 100 + i))))
        .unwrap()
}
