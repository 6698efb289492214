//! How monitors are asked: each directly, over its HTTP endpoint.

mod https;
mod status;

pub use https::Https;
pub use status::{members, members_of_map, parse_status};

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use moncluster_api::MemberName;
use moncluster_plan::{MonitorCall, Verb};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// Asks monitors. Tests have another network than production.
pub trait Monitors: Send + Sync {
    /// Sends a request, and waits for the answer no longer than it says.
    fn ask<'a>(&'a self, at: &'a Endpoint, request: &'a Request) -> Asked<'a>;
}

/// An answer to come.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<Answer, AskError>> + Send + 'a>>;

/// Where a monitor is, and how it is known.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The pod's address.
    pub ip: IpAddr,
    /// The HTTP port.
    pub port: u16,
    /// What is needed to believe it and to be believed.
    pub access: Access,
}

/// What a cluster's monitors are known by, and what they ask for.
#[derive(Clone)]
pub struct Access {
    /// The name that their certificate is for.
    pub server_name: String,
    /// Certificates of the authority, in PEM.
    pub authorities: Arc<str>,
    /// The token.
    pub token: Arc<Zeroizing<String>>,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// GET, POST or DELETE.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// JSON, for a POST.
    pub body: Option<Value>,
    /// How long the answer may take.
    pub within: Duration,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON; null where there is none.
    pub body: Value,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nobody answered in time.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// The connection was refused, broke or could not be trusted.
    #[error("{0}")]
    Failed(String),
}

/// A status should come at once.
const STATUS_WITHIN: Duration = Duration::from_millis(1500);
/// What goes through the quorum may have to wait for an election.
const CHANGE_WITHIN: Duration = Duration::from_secs(15);

impl Request {
    /// `GET path`, answered by the monitor itself or through a quorum that stands.
    pub fn get(path: &str) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, within: STATUS_WITHIN }
    }

    /// The request that a decided change is.
    pub fn change(call: &MonitorCall) -> Self {
        let MonitorCall { via: _, verb, expected_epoch, operation_id } = call;
        let guards = json!({"expected_epoch": expected_epoch, "operation_id": operation_id});
        let post = |path: String, more: Value| {
            let mut body = more;
            if let (Some(body), Some(guards)) = (body.as_object_mut(), guards.as_object()) {
                body.extend(guards.clone());
            }
            Self { method: Method::POST, path, body: Some(body), within: CHANGE_WITHIN }
        };
        let delete = |kind: &str, name: &MemberName| Self {
            method: Method::DELETE,
            path: format!("/v1/{kind}/{name}?expected_epoch={expected_epoch}&operation_id={operation_id}"),
            body: None,
            within: CHANGE_WITHIN,
        };
        match verb {
            Verb::AddLearner { name, address } => {
                post("/v1/learners".into(), json!({"name": name, "addr": format!("[v2:{address}]")}))
            }
            Verb::RemoveLearner { name } => delete("learners", name),
            Verb::Add { name, address } => {
                post("/v1/members".into(), json!({"name": name, "addr": format!("[v2:{address}]")}))
            }
            Verb::Remove { name } => delete("members", name),
            Verb::Replace { voter, learner } => {
                post(format!("/v1/members/{voter}/replace"), json!({"learner": learner}))
            }
            Verb::StepDown => Self {
                method: Method::POST,
                path: "/v1/leader/step-down".into(),
                body: None,
                within: CHANGE_WITHIN,
            },
        }
    }
}

impl Answer {
    /// What a problem says of itself.
    pub fn problem(&self) -> String {
        let detail = self.body.get("detail").and_then(Value::as_str).unwrap_or("no reason given");
        format!("{} {detail}", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(verb: Verb) -> (String, String, Option<Value>) {
        let call = MonitorCall {
            via: MemberName::of_index(0),
            verb,
            expected_epoch: 7,
            operation_id: "op-1".into(),
        };
        let Request { method, path, body, .. } = Request::change(&call);
        (method.to_string(), path, body)
    }

    #[test]
    fn every_change_carries_its_guards() {
        let (a, b) = (MemberName::of_index(0), MemberName::of_index(1));
        let guards = json!({"learner": "b", "expected_epoch": 7, "operation_id": "op-1"});
        let replaced = request(Verb::Replace { voter: a, learner: b.clone() });
        assert_eq!(replaced, ("POST".into(), "/v1/members/a/replace".into(), Some(guards)));
        let removed = request(Verb::Remove { name: b.clone() });
        assert_eq!(
            removed,
            ("DELETE".into(), "/v1/members/b?expected_epoch=7&operation_id=op-1".into(), None)
        );
        let added = request(Verb::AddLearner { name: b, address: "10.0.0.1:3300".into() });
        assert_eq!(added.2.unwrap()["addr"], "[v2:10.0.0.1:3300]");
    }
}
