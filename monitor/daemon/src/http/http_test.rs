//! The endpoint over a scripted core, and over real sockets where it is about them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use mon_core::effect::KvChange;
use mon_core::role::Role;
use mon_core::status::{Health, Member, Status};
use mon_types::id::{Rank, Version};
use serde_json::{Value, json};
use tokio_stream::StreamExt;
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
async fn keys_are_read_with_their_revision() {
    let stat = r#"{"key":"a/b","revision":7,"exists":true,"size":2,"text":"hi","version":9}"#;
    let core = Core::new()
        .on("config-key stat", 0, "", stat)
        .on("config-key ls", 0, "", r#"["a/c","b","a/b"]"#)
        .handle();
    let reply = get(&core, "/v1/kv/a/b").await;
    assert_eq!((reply.text(), &reply.headers["etag"]), ("hi", &"\"7\"".parse().unwrap()));
    assert_eq!(get(&core, "/v1/kv?prefix=a/").await.json(), json!({"version": 9, "keys": ["a/b", "a/c"]}));
    let page = get(&core, "/v1/kv?limit=2&after=a/b").await.json();
    assert_eq!(page, json!({"version": 9, "keys": ["a/c", "b"]}));
    let page = get(&core, "/v1/kv?limit=2").await.json();
    assert_eq!(page, json!({"version": 9, "keys": ["a/b", "a/c"], "next": "a/c"}));

    let absent = r#"{"key":"x","revision":0,"exists":false,"size":0,"text":null,"version":9}"#;
    let core = Core::new().on("config-key stat", 0, "", absent).handle();
    assert_eq!(get(&core, "/v1/kv/x").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn binary_values_are_read_between_two_equal_revisions() {
    let stat = r#"{"key":"k","revision":7,"exists":true,"size":1,"text":null,"version":9}"#;
    let core = Core::new().on("config-key stat", 0, "", stat).on("config-key get", 0, "", "\u{1}").handle();
    assert_eq!(get(&core, "/v1/kv/k").await.body.as_ref(), [1]);
}

#[tokio::test]
async fn conditions_become_compare_and_swap() {
    let (core, asked) = Core::new()
        .on("config-key set", 0, "set k", "")
        .on("config-key rm", 0, "key deleted", "")
        .on("config-key cas", 0, "", r#"{"key":"k","revision":12,"swapped":true}"#)
        .start();
    let put =
        |headers: &[(&str, &str)], body: &str| send(&core, request(Method::PUT, "/v1/kv/k", headers, body));
    assert_eq!(put(&[], "v").await.status, StatusCode::NO_CONTENT);
    let reply = put(&[("if-match", "\"7\"")], "v").await;
    assert_eq!(
        (reply.json(), &reply.headers["etag"]),
        (json!({"key": "k", "revision": 12}), &"\"12\"".parse().unwrap())
    );
    put(&[("if-none-match", "*")], "").await;
    assert_eq!(put(&[("if-match", "now")], "v").await.status, StatusCode::BAD_REQUEST);
    send(&core, request(Method::DELETE, "/v1/kv/k", &[], "")).await;
    send(&core, request(Method::DELETE, "/v1/kv/k", &[("if-match", "7")], "")).await;
    let asked: Vec<_> = asked.borrow().iter().map(|text| text.trim().to_owned()).collect();
    assert_eq!(
        asked,
        [
            r#"{"prefix":"config-key set","key":"k"} v"#,
            r#"{"prefix":"config-key cas","key":"k","expected_version":7,"format":"json"} v"#,
            r#"{"prefix":"config-key cas","key":"k","expected_version":0,"format":"json","val":""}"#,
            r#"{"prefix":"config-key rm","key":"k"}"#,
            r#"{"prefix":"config-key cas","key":"k","expected_version":7,"format":"json"}"#,
        ]
    );
}

#[tokio::test]
async fn any_revision_will_do_while_there_is_one() {
    let stat = r#"{"key":"k","revision":7,"exists":true,"size":2,"text":"hi","version":9}"#;
    let (core, asked) = Core::new()
        .on("config-key stat", 0, "", stat)
        .on("config-key cas", 0, "", r#"{"key":"k","revision":12,"swapped":true}"#)
        .start();
    let any = [("if-match", "*")];
    assert_eq!(send(&core, request(Method::PUT, "/v1/kv/k", &any, "v")).await.json()["revision"], 12);
    assert_eq!(send(&core, request(Method::DELETE, "/v1/kv/k", &any, "")).await.status, StatusCode::OK);
    let asked: Vec<_> = asked.borrow().iter().map(|text| text.trim().to_owned()).collect();
    let stat = r#"{"prefix":"config-key stat","key":"k","format":"json"}"#;
    let swap = r#"{"prefix":"config-key cas","key":"k","expected_version":7,"format":"json"}"#;
    assert_eq!(asked, [stat, &format!("{swap} v"), stat, swap]);

    // Whoever changes it all the time is not waited for without an end.
    let stat = r#"{"key":"k","revision":7,"exists":true,"size":2,"text":"hi","version":9}"#;
    let core = Core::new()
        .on("config-key stat", 0, "", stat)
        .on("config-key cas", -125, "key 'k' is at revision 8, not 7", "")
        .handle();
    let busy = send(&core, request(Method::PUT, "/v1/kv/k", &any, "v")).await;
    assert_eq!(busy.status, StatusCode::CONFLICT, "{}", busy.text());

    let (core, asked) = Core::new().on("config-key stat", 0, "", AT_9).start();
    let absent = send(&core, request(Method::PUT, "/v1/kv/k", &any, "v")).await;
    assert_eq!(absent.status, StatusCode::PRECONDITION_FAILED, "{}", absent.text());
    assert_eq!(asked.borrow().len(), 1);
}

#[tokio::test]
async fn keys_that_no_line_can_hold_and_pages_without_keys_are_refused() {
    let (core, asked) = Core::new().start();
    for key in ["a%00b", "a%0Ab", "%7f", "a%C2%85"] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let reply = send(&core, request(method, &format!("/v1/kv/{key}"), &[], "")).await;
            assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{key}: {}", reply.text());
        }
    }
    assert_eq!(get(&core, "/v1/kv?limit=0").await.status, StatusCode::BAD_REQUEST);
    assert!(asked.borrow().is_empty(), "{:?}", *asked.borrow());
    // A slash may be written either way.
    get(&core, "/v1/kv/a%2Fb/c").await;
    assert!(asked.borrow()[0].contains(r#""key":"a/b/c""#), "{:?}", *asked.borrow());
}

fn changed(version: u64, key: &str, value: Option<&'static str>) -> KvChange {
    KvChange {
        version: Version(version),
        key: key.into(),
        value: value.map(|text| Bytes::from_static(text.as_bytes())),
    }
}

/// The text of a watch up to the event with an id.
async fn watch_until(core: &CoreHandle, path: &str, headers: &[(&str, &str)], id: &str) -> String {
    let router = router(state(core.clone()), Arc::new(Access::Loopback));
    let response = router.oneshot(request(Method::GET, path, headers, "")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body().into_data_stream();
    let mut text = String::new();
    while !text.contains(id) {
        text += std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap();
    }
    text
}

#[tokio::test]
async fn a_watch_resumes_where_it_ended() {
    let core = Core::new().handle();
    let feed = core.published().kv.clone();
    feed.push_changes(vec![changed(5, "a", Some("1")), changed(5, "b", None), changed(6, "z", Some("2"))]);
    let text = watch_until(&core, "/v1/watch?after=4", &[], "id: 6").await;
    assert_eq!(
        text,
        "event: put\ndata: {\"key\":\"a\",\"version\":5,\"value\":\"1\",\"size\":1}\n\n\
         event: delete\ndata: {\"key\":\"b\",\"version\":5}\nid: 5\n\n\
         event: put\ndata: {\"key\":\"z\",\"version\":6,\"value\":\"2\",\"size\":1}\nid: 6\n\n"
    );
    let text = watch_until(&core, "/v1/watch?after=4", &[("last-event-id", "5")], "id: 6").await;
    assert!(!text.contains("\"version\":5") && text.contains("\"z\""), "{text}");
    let text = watch_until(&core, "/v1/watch?prefix=a&after=4", &[], "id: 6").await;
    assert!(text.contains("\"a\"") && !text.contains("\"z\""), "{text}");
    assert_eq!(get(&core, "/v1/watch?after=3").await.status, StatusCode::GONE);
}

/// What `config-key stat` says of the whole service.
const AT_9: &str = r#"{"key":"-","revision":0,"exists":false,"size":0,"text":null,"version":9}"#;

#[tokio::test]
async fn a_watch_from_the_future_or_from_nowhere_is_refused() {
    let core = Core::new().on("config-key stat", 0, "", AT_9).handle();
    let feed = core.published().kv.clone();
    feed.push_changes(vec![changed(8, "a", Some("1"))]);
    // The store was restored from an older state.
    let reply = get(&core, "/v1/watch?after=10").await;
    assert_eq!(reply.status, StatusCode::GONE);
    assert!(reply.text().contains("list anew"), "{}", reply.text());
    let resumed = |id| send(&core, request(Method::GET, "/v1/watch?after=8", &[("last-event-id", id)], ""));
    assert_eq!(resumed("10").await.status, StatusCode::GONE);
    for nothing in ["now", "-1", ""] {
        let reply = resumed(nothing).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{nothing}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_monitor_that_is_behind_or_new_lets_watches_wait() {
    for (path, next) in [("/v1/watch?after=9", 10), ("/v1/watch", 10), ("/v1/watch?after=8", 9)] {
        let core = Core::new().on("config-key stat", 0, "", AT_9).handle();
        let feed = core.published().kv.clone();
        let router = router(state(core.clone()), Arc::new(Access::Loopback));
        let response = router.oneshot(request(Method::GET, path, &[], "")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        feed.push_changes(vec![changed(next, "a", Some("1"))]);
        let first = response.into_body().into_data_stream().next().await.unwrap().unwrap();
        assert!(first.starts_with(b"event: put"), "{path}: {first:?}");
    }
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
