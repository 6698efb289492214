//! The commands against a real endpoint over a scripted core.

use std::sync::Arc;

use bytes::Bytes;
use clap::Parser;
use mon_core::effect::KvChange;
use mon_core::role::Role;
use mon_core::status::{Member, Status};
use mon_types::id::{Rank, Version};

use super::{Ctl, CtlError, run};
use crate::http::http_test::{certificate, plain};
use crate::http::metrics::Metrics;
use crate::http::{AppState, HttpConfig, Listening, TlsFiles, serve};
use crate::testing::Core;

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    ctl: Ctl,
}

async fn endpoint(core: Core) -> (Listening, tokio::sync::watch::Receiver<Vec<String>>) {
    let (core, asked) = core.start();
    let config = plain();
    let state = AppState { core, metrics: Arc::new(Metrics::default()) };
    (serve(&config, state).await.unwrap(), asked)
}

/// Runs a command line against the endpoint; gives what it printed.
async fn mon(at: &Listening, line: &str) -> Result<String, CtlError> {
    let line = format!("mon {line} --url http://{}", at.address);
    tokio::task::spawn_blocking(move || {
        let Line { ctl } = Line::try_parse_from(line.split(' ')).unwrap();
        let mut out = Vec::new();
        run(ctl, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    })
    .await
    .unwrap()
}

fn status() -> Status {
    let member = |name: &str, rank, in_quorum| Member {
        name: name.into(),
        rank,
        addrs: "v2:10.0.0.1:3300/0".into(),
        in_quorum,
        behind: None,
    };
    Status {
        name: "a".into(),
        state: Role::Peon,
        ready: true,
        rank: Some(Rank(0)),
        leader: Some("b".into()),
        quorum: vec!["a".into(), "b".into()],
        members: vec![
            member("a", Some(Rank(0)), true),
            member("b", Some(Rank(1)), true),
            member("d", None, false),
        ],
        ..Status::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn status_and_quorum_for_people_and_programs() {
    let (at, _) = endpoint(Core::new().with_status(status())).await;
    let text = mon(&at, "status").await.unwrap();
    assert!(text.starts_with("monitor   mon.a (rank 0), peon, serving\n"), "{text}");
    let roles: Vec<_> = text
        .lines()
        .filter(|line| line.contains("v2:10.0.0.1"))
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            (words[0].to_owned(), words[2].to_owned())
        })
        .collect();
    let expected = [("a", "peon"), ("b", "leader"), ("d", "learner")];
    assert_eq!(roles, expected.map(|(name, role)| (name.to_owned(), role.to_owned())));

    let json: serde_json::Value = serde_json::from_str(&mon(&at, "quorum -o json").await.unwrap()).unwrap();
    assert_eq!((&json["leader"], &json["names"]), (&"b".into(), &serde_json::json!(["a", "b"])));
    let members = mon(&at, "member list -o json").await.unwrap();
    assert!(members.starts_with("[{\"name\":\"a\",\"rank\":0,"), "{members}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_written_read_and_listed() {
    let stat = r#"{"key":"a/b c","revision":7,"exists":true,"size":2,"text":"hi","version":9}"#;
    let core = Core::new()
        .on("config-key stat", 0, "", stat)
        .on("config-key ls", 0, "", r#"["x","a"]"#)
        .on("config-key set", 0, "set x", "")
        .on("config-key cas", 0, "", r#"{"key":"x","revision":12,"swapped":true}"#)
        .on("config-key rm", -13, "access denied", "");
    let (at, asked) = endpoint(core).await;
    assert_eq!(mon(&at, "kv get x").await.unwrap(), "hi");
    assert_eq!(
        mon(&at, "kv get x -o json").await.unwrap(),
        "{\"key\":\"x\",\"revision\":7,\"size\":2,\"value\":\"hi\"}\n"
    );
    assert_eq!(mon(&at, "kv put x v").await.unwrap(), "set\n");
    assert_eq!(mon(&at, "kv put x/ü v --if-revision 0").await.unwrap(), "set, revision 12\n");
    assert_eq!(mon(&at, "kv list -o json").await.unwrap(), "{\"version\":9,\"keys\":[\"a\",\"x\"]}\n");
    let refused = mon(&at, "kv delete x").await.unwrap_err();
    assert_eq!(refused.to_string(), "access denied");
    let asked = asked.borrow().join("\n");
    assert!(asked.contains(r#"{"prefix":"config-key cas","key":"x/ü","expected_version":0,"#), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_prints_changes_until_it_is_told_to_list_anew() {
    let (core, _) = Core::new().start();
    let feed = core.published().kv.clone();
    let config = plain();
    let at = serve(&config, AppState { core, metrics: Arc::new(Metrics::default()) }).await.unwrap();
    let change = |version, value: Option<&'static [u8]>| KvChange {
        version: Version(version),
        key: "k".into(),
        value: value.map(Bytes::from_static),
    };
    feed.push_changes(vec![change(5, Some(b"v")), change(6, Some(&[0xff])), change(7, None)]);
    let gone = mon(&at, "kv watch --after 1").await.unwrap_err();
    assert!(matches!(gone, CtlError::Refused(problem) if problem.status == 410));

    let line = format!("mon kv watch k --after 4 --url http://{}", at.address);
    let (sender, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let watching = tokio::task::spawn_blocking(move || {
        let Line { ctl } = Line::try_parse_from(line.split(' ')).unwrap();
        run(ctl, &mut Lines { sender, line: Vec::new() })
    });
    for expected in ["5 k = v", "6 k = 1 bytes", "7 k removed"] {
        assert_eq!(lines.recv().await.unwrap(), expected);
    }
    drop(lines);
    feed.push_changes(vec![change(8, None)]);
    assert!(matches!(watching.await.unwrap(), Err(CtlError::Output(_))));
}

/// Passes lines on; fails once nobody takes them.
struct Lines {
    sender: tokio::sync::mpsc::UnboundedSender<String>,
    line: Vec<u8>,
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            match byte {
                b'\n' => {
                    let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
                    self.sender
                        .send(line)
                        .map_err(|_| std::io::Error::from(std::io::ErrorKind::BrokenPipe))?;
                }
                byte => self.line.push(*byte),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_change_under_guards() {
    let core = Core::new()
        .on("mon add", 0, "adding mon.d at [v2:10.0.0.4:3300/0]", "")
        .on("mon rm", -125, "the monmap is at epoch 5, not 4: look again before changing it", "")
        .on("mon replace", 0, "replaced", "")
        .on("mon learner rm", 0, "removed", "")
        .on("mon step-down", 0, "mon.b leads", "");
    let (at, asked) = endpoint(core).await;
    let added = mon(&at, "member add d 10.0.0.4 --expected-epoch 4 --operation-id x").await.unwrap();
    assert_eq!(added, "adding mon.d at [v2:10.0.0.4:3300/0]\n");
    let refused = mon(&at, "member remove c --expected-epoch 4").await.unwrap_err();
    assert!(refused.to_string().starts_with("the monmap is at epoch 5"), "{refused}");
    mon(&at, "member replace c d").await.unwrap();
    mon(&at, "member remove-learner d --operation-id y").await.unwrap();
    assert_eq!(mon(&at, "quorum step-down").await.unwrap(), "mon.b leads\n");
    let asked: Vec<_> = asked.borrow().iter().map(|text| text.trim().to_owned()).collect();
    assert_eq!(
        asked[0],
        r#"{"prefix":"mon add","name":"d","addr":"10.0.0.4","expected_epoch":4,"operation_id":"x"}"#
    );
    assert_eq!(asked[2], r#"{"prefix":"mon replace","voter":"c","learner":"d"}"#);
    assert_eq!(asked[3], r#"{"prefix":"mon learner rm","name":"d","operation_id":"y"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_said_with_what_to_check() {
    let (at, _) = endpoint(Core::new()).await;
    let line = "mon status --url http://127.0.0.1:1";
    let Line { ctl } = Line::try_parse_from(line.split(' ')).unwrap();
    let error = tokio::task::spawn_blocking(move || run(ctl, &mut Vec::new())).await.unwrap().unwrap_err();
    assert!(error.to_string().ends_with("is the monitor running, and is --url right?"), "{error}");
    at.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_is_told_from_a_monitor_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path(), "mon-a");
    let tls = TlsFiles { certificate: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    let (core, _asked) = Core::new().with_status(status()).start();
    let config = HttpConfig { tls: Some(tls), ..plain() };
    let at = serve(&config, AppState { core, metrics: Arc::new(Metrics::default()) }).await.unwrap();
    let mon = |line: String| {
        tokio::task::spawn_blocking(move || {
            let Line { ctl } = Line::try_parse_from(line.split(' ')).unwrap();
            run(ctl, &mut Vec::new())
        })
    };
    let (port, file) = (at.address.port(), dir.path().join("cert.pem"));
    let trusting = format!("--ca-file {}", file.display());
    mon(format!("mon status --url https://localhost:{port} {trusting}")).await.unwrap().unwrap();
    // The authority is not known.
    let error = mon(format!("mon status --url https://localhost:{port}")).await.unwrap().unwrap_err();
    assert!(matches!(error, CtlError::Untrusted { .. }), "{error}");
    assert!(error.to_string().contains("--ca-file"), "{error}");
    // It is known, but vouches for others.
    let error =
        mon(format!("mon status --url https://127.0.0.1:{port} {trusting}")).await.unwrap().unwrap_err();
    assert!(matches!(error, CtlError::Untrusted { .. }), "{error}");
    at.stop();
}
