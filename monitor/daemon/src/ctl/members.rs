//! Showing and changing who the monitors are.

use std::io::Write;

use serde_json::{Value, json};
use ureq::http::Method;

use super::client::{Client, CtlError, escaped};
use super::show::{json as print_json, members};
use super::{Guards, MemberAction, Output};
use crate::http::view::QuorumView;

pub(super) fn run(client: &Client, action: MemberAction, out: &mut impl Write) -> Result<(), CtlError> {
    let done = match action {
        MemberAction::List => return list(client, out),
        MemberAction::Add { name, addr, guards } => client.send(
            Method::POST,
            "/v1/members",
            Some(body(json!({"name": name, "addr": addr}), guards)),
        )?,
        MemberAction::AddLearner { name, addr, guards } => client.send(
            Method::POST,
            "/v1/learners",
            Some(body(json!({"name": name, "addr": addr}), guards)),
        )?,
        MemberAction::Replace { voter, learner, guards } => {
            let path = format!("/v1/members/{}/replace", escaped(&voter));
            client.send(Method::POST, &path, Some(body(json!({"learner": learner}), guards)))?
        }
        MemberAction::Remove { name, guards } => remove(client, "members", &name, guards)?,
        MemberAction::RemoveLearner { name, guards } => remove(client, "learners", &name, guards)?,
    };
    print_done(client, &done, out)
}

pub(super) fn step_down(client: &Client, out: &mut impl Write) -> Result<(), CtlError> {
    let done = client.send(Method::POST, "/v1/leader/step-down", None)?;
    print_done(client, &done, out)
}

fn list(client: &Client, out: &mut impl Write) -> Result<(), CtlError> {
    let quorum: QuorumView = client.get("/v1/quorum")?;
    match client.output {
        Output::Json => print_json(out, &quorum.members),
        Output::Table => members(out, &quorum),
    }
}

fn remove(client: &Client, kind: &str, name: &str, guards: Guards) -> Result<Value, CtlError> {
    let Guards { expected_epoch, operation_id } = guards;
    let mut query = Vec::new();
    query.extend(expected_epoch.map(|epoch| format!("expected_epoch={epoch}")));
    query.extend(operation_id.map(|id| format!("operation_id={}", escaped(&id))));
    let path = format!("/v1/{kind}/{}?{}", escaped(name), query.join("&"));
    client.send(Method::DELETE, &path, None)
}

fn body(mut body: Value, Guards { expected_epoch, operation_id }: Guards) -> Value {
    if let Some(epoch) = expected_epoch {
        body["expected_epoch"] = epoch.into();
    }
    if let Some(id) = operation_id {
        body["operation_id"] = id.into();
    }
    body
}

fn print_done(client: &Client, done: &Value, out: &mut impl Write) -> Result<(), CtlError> {
    match client.output {
        Output::Json => print_json(out, done),
        Output::Table => Ok(writeln!(out, "{}", done["message"].as_str().unwrap_or("done"))?),
    }
}
