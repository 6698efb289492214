//! The client against stock monitors of each release that has a root here.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use mon_client::stock::{StockError, StockTrio};
use mon_client::{Client, ClientError, CommandReply, Mode, Target};
use mon_types::crypto_key::CryptoKey;
use mon_types::id::Version;
use mon_types::message::Message;
use mon_types::time::UTime;
use rustix::process::Signal;
use serde_json::Value;

/// Longer than a stock quorum needs to form, or to form again without one (15 s).
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn pacific() {
    exercise(16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reef() {
    exercise(18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tentacle() {
    exercise(20).await;
}

async fn exercise(release: u8) {
    let mut trio = match StockTrio::start(release) {
        Ok(trio) => trio,
        Err(error @ (StockError::NoRoot { .. } | StockError::NotRoot)) => {
            eprintln!("SKIPPED: client against stock Ceph {release}: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let admin = "client.admin".parse().unwrap();
    let keyring = trio.keyring();
    let mut target = Target::from_conf(&trio.conf(), admin, Some(&keyring)).unwrap();
    target.open_timeout = PATIENCE;

    let client = open_in_quorum(&target).await;
    assert_eq!(client.monmap().await.unwrap().size(), 3);
    commands_with_input_and_output(&client).await;
    config_changes_reach_a_subscriber(&client).await;
    for mode in [Mode::Crc, Mode::Secure] {
        let one_mode = Client::open(Target { modes: vec![mode], ..target.clone() }).await.unwrap();
        assert_eq!(run(&one_mode, r#"{"prefix": "config-key exists", "key": "k"}"#).await.code, 0);
    }
    a_wrong_key_is_refused(&target).await;
    a_killed_monitor_costs_nothing_but_time(&client, &mut trio).await;
}

/// Opens a client once all three monitors are in the quorum.
async fn open_in_quorum(target: &Target) -> Client {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut tries = tokio::time::interval(Duration::from_millis(100));
    loop {
        tries.tick().await;
        let client = Client::open(target.clone()).await.unwrap();
        let reply = run(&client, r#"{"prefix": "quorum_status", "format": "json"}"#).await;
        let status: Value = serde_json::from_slice(&reply.output).unwrap();
        if status["quorum"].as_array().unwrap().len() == 3 {
            return client;
        }
        assert!(tokio::time::Instant::now() < deadline, "no quorum of three: {status}");
    }
}

async fn run(client: &Client, command: &str) -> CommandReply {
    let running = client.command(command, Bytes::new());
    tokio::time::timeout(PATIENCE, running).await.expect("an answer in time").unwrap()
}

async fn commands_with_input_and_output(client: &Client) {
    let value: Bytes = vec![0x5a; 3000].into();
    let set = client.command(r#"{"prefix": "config-key set", "key": "k"}"#, value.clone());
    assert_eq!(set.await.unwrap().code, 0);
    let got = run(client, r#"{"prefix": "config-key get", "key": "k"}"#).await;
    assert_eq!((got.code, got.output), (0, value));
    let unknown = run(client, r#"{"prefix": "no such thing"}"#).await;
    assert_eq!(unknown.code, -22, "{unknown:?}");
    let version = client.tell(r#"{"prefix": "version"}"#, Bytes::new()).await.unwrap();
    assert_eq!(version.code, 0, "{version:?}");
    assert!(String::from_utf8_lossy(&version.output).contains("version"));
}

async fn config_changes_reach_a_subscriber(client: &Client) {
    let mut messages = client.subscribe(&[("kv:sub/", Version(0))]);
    let mut seen = BTreeSet::new();
    assert_eq!(run(client, r#"{"prefix": "config-key set", "key": "sub/x", "val": "1"}"#).await.code, 0);
    while !seen.contains("sub/x") {
        let message = tokio::time::timeout(PATIENCE, messages.recv()).await.expect("news in time").unwrap();
        if let Message::KvData(data) = message {
            seen.extend(data.data.into_keys());
        }
    }
}

async fn a_wrong_key_is_refused(target: &Target) {
    let key =
        CryptoKey::new(target.key.kind(), UTime::default(), vec![7; target.key.kind().secret_len()]).unwrap();
    let refused = Client::open(Target { key, ..target.clone() }).await;
    assert!(matches!(refused, Err(ClientError::Refused(_))), "{refused:?}");
}

async fn a_killed_monitor_costs_nothing_but_time(client: &Client, trio: &mut StockTrio) {
    let before = client.monitor().expect("connected");
    trio.signal(before, Signal::KILL).unwrap();
    let set = run(client, r#"{"prefix": "config-key set", "key": "after", "val": "kill"}"#).await;
    assert_eq!(set.code, 0, "{set:?}");
    assert_ne!(client.monitor(), Some(before));
}
