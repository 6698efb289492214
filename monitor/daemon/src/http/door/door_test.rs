//! The door over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http::http_test::{plain, state};
use crate::http::{HttpConfig, Listening, serve};
use crate::testing::Core;

/// For what must come, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn listening(connections_max: usize, patience: Duration) -> Listening {
    let core = Core::new().on("mon_status", 0, "", "{}").handle();
    serve(&HttpConfig { connections_max, patience, ..plain() }, state(core)).await.unwrap()
}

async fn connect(to: SocketAddr) -> TcpStream {
    tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await.expect("a connection").unwrap()
}

/// What comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // Cut connections end with an error or without.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("an end");
    String::from_utf8_lossy(&text).into_owned()
}

async fn ask(to: SocketAddr, path: &str) -> String {
    let mut stream = connect(to).await;
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    rest(&mut stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn among_thousands_of_half_open_connections_a_probe_is_answered() {
    const HELD: u64 = 2000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    assert!(limit.maximum.is_none_or(|most| most > HELD + 700), "this needs more open files: {limit:?}");
    // Nobody is cut for silence: there must be room because of the bound.
    let endpoint = listening(256, Duration::from_secs(3600)).await;
    let mut held = Vec::new();
    for number in 0..HELD {
        let mut stream = connect(endpoint.address).await;
        if number % 2 == 0 {
            // It may be cut already.
            let _ = stream.write_all(b"GET /livez HTTP/1.1\r\nHost: loc").await;
        }
        held.push(stream);
        if number % 500 == 499 {
            let answer = ask(endpoint.address, "/livez").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
    // The oldest are gone.
    assert_eq!(rest(&mut held[0]).await, "");
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_too_long_is_cut() {
    let endpoint = listening(256, Duration::from_millis(300)).await;
    let mut silent = connect(endpoint.address).await;
    assert_eq!(rest(&mut silent).await, "");
    let mut half = connect(endpoint.address).await;
    half.write_all(b"GET /livez HTTP/1.1\r\nHost:").await.unwrap();
    let answer = rest(&mut half).await;
    assert!(!answer.contains("200"), "{answer}");
    // A head, and a body that does not come.
    let mut bodiless = connect(endpoint.address).await;
    let head = "PUT /v1/kv/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc";
    bodiless.write_all(head.as_bytes()).await.unwrap();
    let answer = rest(&mut bodiless).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    // After an answer the connection is kept for so long, and no longer.
    let mut kept = connect(endpoint.address).await;
    kept.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let answer = rest(&mut kept).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    endpoint.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_leave_room_for_probes_and_outlive_the_patience() {
    let endpoint = listening(8, Duration::from_millis(300)).await;
    let mut streams = Vec::new();
    for _ in 0..6 {
        let mut stream = connect(endpoint.address).await;
        stream.write_all(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut start = [0; 12];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut start)).await.unwrap().unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        streams.push(stream);
    }
    let answer = ask(endpoint.address, "/v1/events").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    // Twelve times the patience for somebody else, one after the other: the streams stay.
    for _ in 0..12 {
        let mut silent = connect(endpoint.address).await;
        assert_eq!(rest(&mut silent).await, "");
    }
    let answer = ask(endpoint.address, "/livez").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for stream in &mut streams {
        let mut buffer = [0; 4096];
        // Whatever was sent is read; then there is nothing, which is not the end.
        loop {
            match stream.try_read(&mut buffer) {
                Ok(0) => panic!("a stream ended"),
                Ok(_) => {}
                Err(error) => break assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
        }
    }
    drop(streams.pop());
    // Its place is free again, as soon as its end was noticed.
    let freed = async { while !ask(endpoint.address, "/v1/status").await.starts_with("HTTP/1.1 200") {} };
    tokio::time::timeout(PATIENCE, freed).await.expect("room again");
    endpoint.stop();
}
