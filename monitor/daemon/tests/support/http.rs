//! Asking the HTTP endpoints of a cluster.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{Method, Request};

/// One monitor's endpoint.
pub struct Endpoint {
    agent: ureq::Agent,
    port: u16,
}

/// What it answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// The revision in the `ETag`.
    pub revision: Option<u64>,
    pub text: String,
}

impl Endpoint {
    pub fn at(port: u16) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self { agent: config.into(), port }
    }

    pub fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let mut request = Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.as_bytes()).unwrap();
        let mut response = self.agent.run(request).unwrap_or_else(|error| panic!("{url}: {error}"));
        let tag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        Answer {
            status: response.status().as_u16(),
            revision: tag.and_then(|tag| tag.trim_matches('"').parse().ok()),
            text: response.body_mut().read_to_string().unwrap(),
        }
    }

    pub fn get(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, &[], "");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, &[("content-type", "application/json")], &body.to_string())
    }

    /// Follows server-sent events from now on.
    pub fn watch(&self, path: &str, headers: &str) -> Events {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").unwrap();
        Events { lines: BufReader::new(stream) }
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// Events as they come.
pub struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    /// The next event's kind, id and data.
    pub fn next(&mut self) -> (String, u64, Value) {
        let (mut kind, mut id, mut data) = (String::new(), 0, Value::Null);
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the stream ended");
            // Lines of the chunked encoding lie in between.
            match line.trim_end().split_once(':') {
                Some(("event", word)) => word.trim().clone_into(&mut kind),
                Some(("id", number)) => id = number.trim().parse().unwrap(),
                Some(("data", text)) => data = serde_json::from_str(text).unwrap(),
                _ => {}
            }
            if !kind.is_empty() && id > 0 && !data.is_null() {
                return (kind, id, data);
            }
        }
    }
}
