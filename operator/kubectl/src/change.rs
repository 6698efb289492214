//! What is asked of the operator: once, by an annotation with the time in it, and done by the operator's own rules.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use moncluster_api::{Moment, MonCluster, QuorumState, Request, RequestResult, Verb, label};
use serde_json::json;

use crate::args::Ask;
use crate::cluster::Access;

const POLL: Duration = Duration::from_millis(500);
/// The operator takes a request up in its next round.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(60);

/// What somebody wants.
pub(crate) enum Wish {
    Replace(String),
    StepDown,
}

/// Asks, and follows it to its end if that was wanted.
pub(crate) async fn ask(access: &Access, wish: Wish, how: Ask) -> Result<ExitCode> {
    let cluster = access.cluster().await?;
    let request = request(&cluster, &wish, Moment::from(Timestamp::now()))?;
    let doubts = doubts(&cluster, &request);
    let patch = json!({"metadata": {
        "resourceVersion": cluster.metadata.resource_version,
        "annotations": {label::REQUEST: request.to_string()},
    }});
    let params = PatchParams { dry_run: how.dry_run, ..PatchParams::default() };
    let patched = access.clusters().patch(&access.name, &params, &Patch::Merge(&patch)).await;
    patched.context("the request cannot be written: try again, or see whether you may patch MonClusters")?;
    if how.dry_run {
        println!("would ask: {request}");
        for doubt in &doubts {
            println!("would be refused: {doubt}");
        }
        return Ok(if doubts.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    println!("asked: {request}");
    match how.wait {
        true => follow(access, &request).await,
        false => {
            println!("kubectl moncluster status -w -n {} -c {} shows it", access.namespace, access.name);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The request, at a time that is after the last one's.
fn request(cluster: &MonCluster, wish: &Wish, now: Moment) -> Result<Request> {
    let status = cluster.status.clone().unwrap_or_default();
    let verb = match wish {
        Wish::StepDown => Verb::StepDown,
        Wish::Replace(name) => {
            let name = name.strip_prefix("mon.").unwrap_or(name);
            let known = status.members.iter().find(|member| member.name.as_str() == name);
            let Some(known) = known else {
                let all: Vec<_> = status.members.iter().map(|member| member.name.to_string()).collect();
                bail!("there is no member {name}: members are {}", all.join(", "));
            };
            Verb::Replace(known.name.clone())
        }
    };
    let last = status.request.map(|last| last.asked.after(Duration::from_secs(1)));
    Ok(Request { verb, asked: last.map_or(now, |last| last.max(now)) })
}

/// Why the operator would refuse now, as far as the status tells.
fn doubts(cluster: &MonCluster, request: &Request) -> Vec<String> {
    let status = cluster.status.clone().unwrap_or_default();
    let mut doubts = Vec::new();
    if cluster.spec.paused {
        doubts.push("it is paused: kubectl moncluster resume".into());
    }
    if let Some(operation) = &status.operation {
        doubts.push(format!("{} is under way: it is looked at afterwards", operation.summary));
    }
    if !status.quorum.state.holds() {
        doubts.push("there is no quorum".into());
    }
    match &request.verb {
        Verb::StepDown if status.quorum.in_quorum.len() < 2 => {
            doubts.push("there is nobody to hand over to".into());
        }
        Verb::Replace(name) if status.quorum.state != QuorumState::Full => {
            let other =
                status.members.iter().find(|member| member.name != *name && member.out_since.is_some());
            if let Some(other) = other {
                doubts.push(format!("mon.{} is out of quorum and is healed first", other.name));
            }
        }
        Verb::StepDown | Verb::Replace(_) => {}
    }
    doubts
}

async fn follow(access: &Access, request: &Request) -> Result<ExitCode> {
    let asked = tokio::time::Instant::now();
    let mut last = String::new();
    loop {
        let status = access.cluster().await?.status.unwrap_or_default();
        let ours = status.request.as_ref().filter(|taken| taken.asked >= request.asked);
        match ours.map(|taken| (taken.result, taken.message.clone())) {
            Some((RequestResult::Done, message)) => {
                println!("done: {message}");
                return Ok(ExitCode::SUCCESS);
            }
            Some((RequestResult::Refused, message)) => {
                eprintln!("refused: {message}");
                return Ok(ExitCode::FAILURE);
            }
            Some((RequestResult::Accepted, _)) => {
                let now = status
                    .operation
                    .map_or_else(String::new, |one| format!("{}: {}", one.summary, one.message));
                if now != last {
                    println!("{now}");
                    last = now;
                }
            }
            None if asked.elapsed() > TAKEN_UP_WITHIN => {
                bail!("the operator has not taken it up: see whether it runs, and kubectl moncluster doctor")
            }
            None => {}
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Sets or clears `spec.paused`.
pub(crate) async fn pause(access: &Access, paused: bool, dry_run: bool) -> Result<ExitCode> {
    let patch = json!({"spec": {"paused": paused}});
    let params = PatchParams { dry_run, ..PatchParams::default() };
    access.clusters().patch(&access.name, &params, &Patch::Merge(&patch)).await?;
    let would = if dry_run { "would be " } else { "" };
    let what = if paused { "paused: nothing is healed or changed" } else { "resumed" };
    println!("{}/{} {would}{what}", access.namespace, access.name);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use moncluster_api::{MemberStatus, MonClusterSpec, MonClusterStatus, RequestStatus};

    use super::*;

    fn cluster() -> MonCluster {
        let mut cluster = MonCluster::new("sample", MonClusterSpec::default());
        let members = ["a", "b", "c"].map(|name| MemberStatus::new(name.parse().unwrap()));
        let mut status = MonClusterStatus { members: members.to_vec(), ..MonClusterStatus::default() };
        status.quorum.state = QuorumState::Full;
        status.quorum.in_quorum = ["a", "b", "c"].map(|name| name.parse().unwrap()).to_vec();
        cluster.status = Some(status);
        cluster
    }

    #[test]
    fn only_members_can_be_replaced_and_times_only_grow() {
        let mut cluster = cluster();
        let now = Moment::from_unix_seconds(1_800_000_000);
        let made = request(&cluster, &Wish::Replace("mon.b".into()), now).unwrap();
        assert_eq!(made.to_string(), format!("replace:b:{now}"));
        assert!(
            request(&cluster, &Wish::Replace("x".into()), now).unwrap_err().to_string().contains("a, b, c")
        );
        let last = RequestStatus {
            asked: now,
            request: made.to_string(),
            result: RequestResult::Done,
            message: String::new(),
        };
        cluster.status.as_mut().unwrap().request = Some(last);
        assert!(request(&cluster, &Wish::StepDown, now).unwrap().asked > now);
    }

    #[test]
    fn doubts_are_what_the_operator_would_say() {
        let mut cluster = cluster();
        let now = Moment::from_unix_seconds(1_800_000_000);
        let wish = request(&cluster, &Wish::Replace("b".into()), now).unwrap();
        assert!(doubts(&cluster, &wish).is_empty());
        cluster.spec.paused = true;
        let status = cluster.status.as_mut().unwrap();
        status.quorum.state = QuorumState::AtRisk;
        status.members[2].out_since = Some(now);
        assert_eq!(doubts(&cluster, &wish).len(), 2);
    }
}
