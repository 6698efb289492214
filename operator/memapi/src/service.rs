//! The API server as a service for `kube::Client`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};

use crate::World;
use crate::faults::{Fate, Gate};
use crate::request;
use crate::server;
use crate::store::Refused;
use crate::watch;
use crate::world::State;

/// The server as one client sees it.
#[derive(Clone)]
pub(crate) struct ApiServer {
    world: World,
    gate: Gate,
}

/// A call that did not arrive, or whose answer was lost.
#[derive(Debug)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection reset by peer")
    }
}

impl std::error::Error for Broken {}

type Answer = Response<UnsyncBoxBody<Bytes, Broken>>;

impl ApiServer {
    pub(crate) fn new(world: World, gate: Gate) -> Self {
        Self { world, gate }
    }

    async fn answer(self, request: Request<Body>) -> Result<Answer, Broken> {
        if self.gate.is_dead() {
            self.gate.die().await;
        }
        let (head, body) = request.into_parts();
        let content_type = head.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let read = request::Request::read(
            head.method.as_str(),
            head.uri.path(),
            head.uri.query().unwrap_or_default(),
            content_type.unwrap_or_default(),
            &body,
        );
        let Some(request) = read else {
            let text = "the server could not find the requested resource";
            return Ok(refused(&Refused::new(404, "NotFound", text)));
        };
        if request.is_watch() {
            return Ok(self.watch(request));
        }
        let fate = self.gate.api_call();
        match fate {
            Fate::DiesBefore => self.gate.die().await,
            Fate::NotSent => return Err(Broken),
            Fate::Refused(code) => return Ok(refused(&refusal(code))),
            Fate::Done | Fate::AnswerLost | Fate::DiesAfter => {}
        }
        let shown = request.shown();
        let carry_out = |state: &mut State| {
            if request.is_write() {
                state.calls.push(shown.clone());
            }
            server::answer(state, &request)
        };
        let result = match request.is_write() && request.can_harm() {
            true => self.world.change_as_operator(&shown, carry_out),
            false => self.world.change(carry_out),
        };
        match fate {
            Fate::DiesAfter => self.gate.die().await,
            Fate::AnswerLost => return Err(Broken),
            Fate::Done | Fate::Refused(_) | Fate::NotSent | Fate::DiesBefore => {}
        }
        Ok(match result {
            Ok((code, object)) => json_answer(code, &object),
            Err(error) => refused(&error),
        })
    }

    fn watch(self, request: request::Request) -> Answer {
        let events = watch::follow(self.world, self.gate, request);
        let frames = events.map(|event| {
            let mut line = event.to_string();
            line.push('\n');
            Ok::<_, Broken>(http_body::Frame::data(Bytes::from(line)))
        });
        Response::new(StreamBody::new(frames.boxed()).boxed_unsync())
    }
}

impl tower::Service<Request<Body>> for ApiServer {
    type Response = Answer;
    type Error = Broken;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Broken>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

fn refusal(code: u16) -> Refused {
    match code {
        409 => Refused::new(409, "Conflict", "the object has been modified; please try again"),
        429 => Refused::new(429, "TooManyRequests", "the server has asked for the client to slow down"),
        code => Refused::new(code, "InternalError", "an error on the server"),
    }
}

fn refused(error: &Refused) -> Answer {
    let Refused { code, reason, message } = error;
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code, "reason": reason, "message": message,
    });
    json_answer(*code, &status)
}

fn json_answer(code: u16, object: &Value) -> Answer {
    let body = Full::new(Bytes::from(object.to_string())).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = http::StatusCode::from_u16(code).unwrap();
    answer
}
