//! The endpoint over a scripted core, and over real sockets where it is about them.

mod kv;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use mon_core::role::Role;
use mon_core::status::{Health, Member, Status};
use mon_types::id::Rank;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::access::Access;
use super::metrics::Metrics;
use super::{AppState, HttpConfig, HttpError, TlsFiles, router, serve};
use crate::handle::CoreHandle;
use crate::testing::Core;

pub(crate) fn state(core: CoreHandle) -> AppState {
    AppState { core, metrics: Arc::new(Metrics::default()) }
}

/// An endpoint on any port of loopback, without TLS.
pub(crate) fn plain() -> HttpConfig {
    HttpConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        token_file: None,
        connections_max: 256,
        patience: Duration::from_secs(10),
    }
}

fn leader() -> Status {
    let member = |name: &str, rank, in_quorum| Member {
        name: name.into(),
        rank: Some(Rank(rank)),
        addrs: "v2:10.0.0.1:3300/0".into(),
        in_quorum,
        behind: None,
    };
    Status {
        name: "a".into(),
        state: Role::Leader,
        ready: true,
        leader: Some("a".into()),
        quorum: vec!["a".into(), "b".into()],
        members: vec![member("a", 0, true), member("b", 1, true), member("c", 2, false)],
        counters: [("election_win", 3)].into(),
        ..Status::default()
    }
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not json: {}", self.text()))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

async fn send(core: &CoreHandle, request: Request<Body>) -> Reply {
    let router = router(state(core.clone()), Arc::new(Access::Loopback));
    let response = router.oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    Reply { status: head.status, headers: head.headers, body }
}

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn get(core: &CoreHandle, path: &str) -> Reply {
    send(core, request(Method::GET, path, &[], "")).await
}

#[tokio::test]
async fn probes_tell_life_from_readiness() {
    let lost = Status { state: Role::Electing, ready: false, ..leader() };
    let core = Core::new().on("mon_status", 0, "", "{}").with_status(lost).handle();
    assert_eq!(get(&core, "/livez").await.text(), "ok");
    assert_eq!(get(&core, "/startupz").await.text(), "ok");
    let ready = get(&core, "/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.text(), "[-]quorum failed: electing, not in quorum\n[+]sync ok\nreadyz check failed\n");

    let core = Core::new().with_status(leader()).handle();
    assert_eq!(get(&core, "/readyz").await.text(), "ok");
    assert_eq!(get(&core, "/readyz?verbose").await.text(), "[+]quorum ok\n[+]sync ok\nreadyz check passed\n");
    let core = Core::new().handle();
    assert_eq!(get(&core, "/startupz").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_silent_core_is_not_alive() {
    let (core, _events) = crate::testing::handle();
    let reply = get(&core, "/livez").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.text().contains("[-]core failed: no answer"), "{}", reply.text());
}

#[tokio::test]
async fn metrics_carry_our_names_and_the_mixins() {
    let health = Health {
        status: "HEALTH_WARN".into(),
        checks: [("MON_DOWN".into(), "1/3 mons down, quorum a,b".into())].into(),
        severities: [("MON_DOWN".into(), "HEALTH_WARN")].into(),
    };
    let core = Core::new().with_status(Status { health, ..leader() }).handle();
    let metrics = Metrics::default();
    metrics.observe_fsync(Duration::from_micros(230));
    metrics.observe_commit(Duration::from_micros(350));
    let text = metrics.render(&core.status());
    for line in [
        "moncluster_ready 1",
        "moncluster_quorum_size 2",
        "moncluster_state{state=\"leader\"} 1",
        "moncluster_election_win_total 3",
        "moncluster_store_sync_seconds_bucket{le=\"0.0004\"} 1",
        "ceph_mon_quorum_status{ceph_daemon=\"mon.a\"} 1",
        "ceph_mon_quorum_status{ceph_daemon=\"mon.c\"} 0",
        "moncluster_commit_seconds_bucket{le=\"0.0002\"} 0",
        "moncluster_commit_seconds_bucket{le=\"0.0004\"} 1",
        "# TYPE ceph_mon_election_win unknown",
        "ceph_mon_election_win{ceph_daemon=\"mon.a\"} 3",
        "ceph_mon_num_elections{ceph_daemon=\"mon.a\"} 0",
        "ceph_paxos_commit{ceph_daemon=\"mon.a\"} 0",
        "ceph_health_status 1",
        "ceph_health_detail{name=\"MON_DOWN\",severity=\"HEALTH_WARN\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    // What is about the cluster comes once, whoever is scraped: alerts count it.
    let text = metrics.render(&Status { state: Role::Peon, ..core.status().as_ref().clone() });
    for name in ["ceph_mon_quorum_status", "ceph_mon_metadata", "ceph_health_status", "ceph_health_detail"] {
        assert!(!text.contains(name), "{name} is in\n{text}");
    }
    assert!(text.contains("ceph_mon_num_elections{ceph_daemon=\"mon.a\"} 0"), "{text}");
    assert_eq!(get(&core, "/metrics").await.status, StatusCode::OK);
}

#[tokio::test]
async fn status_and_quorum_come_from_the_snapshot() {
    let core = Core::new().with_status(leader()).handle();
    let status = get(&core, "/v1/status").await.json();
    assert_eq!((&status["state"], &status["ready"]), (&json!("leader"), &json!(true)));
    let quorum = get(&core, "/v1/quorum").await.json();
    assert_eq!(quorum["names"], json!(["a", "b"]));
    assert_eq!(
        quorum["members"][2],
        json!({"name": "c", "rank": 2, "addrs": "v2:10.0.0.1:3300/0", "in_quorum": false})
    );
}

#[tokio::test]
async fn what_the_monitor_refuses_becomes_a_problem() {
    let core = Core::new().on("mon dump", -13, "access denied", "").handle();
    let reply = get(&core, "/v1/monmap").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_eq!(reply.headers["content-type"], "application/problem+json");
    assert_eq!(
        reply.json(),
        json!({"status": 403, "title": "forbidden", "detail": "access denied", "code": -13})
    );
    assert_eq!(get(&core, "/v2/nothing").await.json()["title"], "not found");
}

#[tokio::test]
async fn what_the_framework_refuses_becomes_a_problem() {
    let core = Core::new().handle();
    let json_body = ("content-type", "application/json");
    let too_long = "x".repeat(3 << 20);
    for (method, path, headers, body, status) in [
        (Method::POST, "/v1/members", &[json_body][..], "{", 400),
        (Method::POST, "/v1/members", &[json_body], "{}", 422),
        (Method::POST, "/v1/members", &[], "{}", 415),
        (Method::PUT, "/v1/kv/k", &[], &too_long, 413),
        (Method::GET, "/v1/kv?limit=many", &[], "", 400),
        (Method::GET, "/v1/kv/%ff", &[], "", 400),
        (Method::PATCH, "/v1/members", &[], "", 405),
        (Method::POST, "/livez", &[], "", 405),
        (Method::GET, "/v1/nothing", &[], "", 404),
    ] {
        let what = format!("{method} {path}");
        let reply = send(&core, request(method, path, headers, body)).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.text());
        assert_eq!(reply.headers["content-type"], "application/problem+json", "{what}");
        let problem = reply.json();
        assert_eq!(problem["status"], status, "{what}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}: {problem}");
        assert_eq!(reply.headers.contains_key("allow"), status == 405, "{what}");
        // The length is that of the problem, not of what stood there before.
        let length = reply.headers.get("content-length").map(|text| text.to_str().unwrap().parse());
        assert!(length.is_none_or(|length| length == Ok(reply.body.len())), "{what}");
    }
    // A probe's answer stays text.
    let reply = get(&core, "/readyz").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.text().starts_with("[-]quorum failed"), "{}", reply.text());
}

#[tokio::test]
async fn membership_changes_carry_their_guards() {
    let (core, asked) = Core::new()
        .on("mon add", 0, "adding mon.d", "")
        .on("mon rm", -125, "the monmap is at epoch 5, not 4", "")
        .on("mon replace", 0, "done", "")
        .on("mon learner add", 0, "done", "")
        .on("mon step-down", 0, "done", "")
        .start();
    let json_body = [("content-type", "application/json")];
    let body = r#"{"name": "d", "addr": "10.0.0.4", "expected_epoch": 4, "operation_id": "x"}"#;
    let reply = send(&core, request(Method::POST, "/v1/members", &json_body, body)).await;
    assert_eq!(reply.json(), json!({"message": "adding mon.d"}));
    let reply = send(&core, request(Method::DELETE, "/v1/members/c?expected_epoch=4", &[], "")).await;
    assert_eq!(reply.status, StatusCode::PRECONDITION_FAILED);
    let body = r#"{"learner": "d"}"#;
    send(&core, request(Method::POST, "/v1/members/c/replace", &json_body, body)).await;
    let body = r#"{"name": "d", "addr": "10.0.0.4"}"#;
    send(&core, request(Method::POST, "/v1/learners", &json_body, body)).await;
    send(&core, request(Method::POST, "/v1/leader/step-down", &[], "")).await;
    let asked: Vec<_> = asked.borrow().iter().map(|text| text.trim().to_owned()).collect();
    assert_eq!(
        asked,
        [
            r#"{"prefix":"mon add","name":"d","addr":"10.0.0.4","expected_epoch":4,"operation_id":"x"}"#,
            r#"{"prefix":"mon rm","name":"c","expected_epoch":4}"#,
            r#"{"prefix":"mon replace","voter":"c","learner":"d"}"#,
            r#"{"prefix":"mon learner add","name":"d","addr":"10.0.0.4"}"#,
            r#"{"prefix":"mon step-down"}"#,
        ]
    );
}

#[tokio::test]
async fn a_misspelt_guard_is_refused_and_nothing_is_asked() {
    let (core, asked) = Core::new().start();
    let json_body = [("content-type", "application/json")];
    for (path, body) in [
        ("/v1/members", r#"{"name": "d", "addr": "10.0.0.4", "expectedEpoch": 4}"#),
        ("/v1/learners", r#"{"name": "d", "addr": "10.0.0.4", "operationId": "x"}"#),
        ("/v1/members/c/replace", r#"{"learner": "d", "expectedEpoch": 4}"#),
    ] {
        let reply = send(&core, request(Method::POST, path, &json_body, body)).await;
        assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {}", reply.text());
        assert!(reply.text().contains("expected_epoch"), "{path}: {}", reply.text());
    }
    for (method, path) in [
        (Method::DELETE, "/v1/members/c?expectedEpoch=4"),
        (Method::DELETE, "/v1/learners/l?operationId=x"),
        (Method::GET, "/v1/log?line=3"),
        (Method::GET, "/v1/kv?prefx=a"),
        (Method::GET, "/v1/watch?version=3"),
    ] {
        let reply = send(&core, request(method, path, &[], "")).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{path}: {}", reply.text());
        assert!(reply.text().contains("unknown field"), "{path}: {}", reply.text());
    }
    assert!(asked.borrow().is_empty(), "{:?}", *asked.borrow());
}

#[tokio::test]
async fn outside_loopback_both_tls_and_a_token_are_needed() {
    let (core, _events) = crate::testing::handle();
    let listen: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let config = HttpConfig { listen, ..plain() };
    assert!(matches!(serve(&config, state(core)).await, Err(HttpError::Unprotected(at)) if at == listen));
}

/// Writes a certificate that signs itself, and its key, into `cert.pem` and `key.pem`.
pub(crate) fn certificate(dir: &std::path::Path, name: &str) -> String {
    let pair = rcgen::generate_simple_self_signed(vec![name.to_owned(), "localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    pair.cert.pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_token_opens_v1() {
    let dir = tempfile::tempdir().unwrap();
    let pem = certificate(dir.path(), "mon-a");
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, "0123456789abcdef\n").unwrap();
    let core = Core::new().with_status(leader()).handle();
    let tls = TlsFiles { certificate: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    let config = HttpConfig { tls: Some(tls), token_file: Some(token_file), ..plain() };
    let listening = serve(&config, state(core)).await.unwrap();
    let url = format!("https://localhost:{}/v1/status", listening.address.port());

    let ask = move |token: Option<&'static str>| {
        let (url, pem) = (url.clone(), pem.clone());
        tokio::task::spawn_blocking(move || {
            let agent = crate::ctl::http_agent(Some(pem.as_bytes())).unwrap();
            let mut request = agent.get(&url);
            if let Some(token) = token {
                request = request.header("authorization", format!("Bearer {token}"));
            }
            request.call().unwrap().status().as_u16()
        })
    };
    assert_eq!(ask(Some("0123456789abcdef")).await.unwrap(), 200);
    assert_eq!(ask(Some("0123456789abcdeF")).await.unwrap(), 401);
    assert_eq!(ask(None).await.unwrap(), 401);
    listening.stop();
}
