//! Keys and watches over a scripted core.

use mon_core::effect::KvChange;
use mon_types::id::Version;
use tokio_stream::StreamExt;

use super::*;

/// What `config-key stat` says of a key that is not there.
const AT_9: &str = r#"{"key":"-","revision":0,"exists":false,"size":0,"text":null,"version":9}"#;
/// And of one at revision 7.
const AT_7: &str = r#"{"key":"k","revision":7,"exists":true,"size":2,"text":"hi","version":9}"#;

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
    let (core, asked) = Core::new()
        .on("config-key stat", 0, "", AT_7)
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
    let core = Core::new()
        .on("config-key stat", 0, "", AT_7)
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
