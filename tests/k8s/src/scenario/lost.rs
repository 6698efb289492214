//! Two of three nodes die: there is no quorum, and nobody but people may decide what to do.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;

use crate::cluster::condition;
use crate::kube;
use crate::lab;
use crate::world::{PATIENCE, World};

/// Nothing is made worse, the status says what is the matter and who could carry on, and the return of one node heals.
pub(super) fn two_of_three(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let members = cluster.members()?;
    let operator = lab::node_name(world.operator_node()?);
    // The operator at work stays, or nobody could tell.
    let victims: Vec<_> = members.iter().filter(|member| member.node != operator).take(2).cloned().collect();
    ensure!(victims.len() == 2, "fewer than two members are away from the operator");
    let epoch = cluster.status()?["quorum"]["monmapEpoch"].clone();
    let claims = cluster.kubectl().args(["get", "pvc", "-o", "name"]).output()?.stdout;
    for victim in &victims {
        world.lab()?.kill_node(lab::node_number(&victim.node)?)?;
    }
    // Two nodes that do not answer may have a quorum among themselves, for all that the operator can see. One whose Node
    // object is gone does not run.
    kube::ok(world.kube.kubectl().args(["delete", "node", &victims[1].node]))?;
    let status = cluster.wait_status("the loss to be told", PATIENCE + PATIENCE, |status| {
        let available = condition(status, "Available");
        (status["quorum"]["state"] == "Lost" && available["reason"] == "QuorumLost").then(|| status.clone())
    })?;
    let message = condition(&status, "Available")["message"].as_str().unwrap_or_default().to_owned();
    println!("    {message}");
    let left = members.iter().find(|member| victims.iter().all(|victim| victim.name != member.name));
    let left = left.context("nobody is left")?;
    let candidates = status["recovery"]["candidates"].as_array().cloned().unwrap_or_default();
    let survivor = candidates.iter().find(|candidate| candidate["name"] == left.name.as_str());
    let survivor =
        survivor.with_context(|| format!("mon.{} is no candidate: {}", left.name, status["recovery"]))?;
    ensure!(survivor["reachable"] == true, "the survivor is said not to answer: {survivor}");
    ensure!(
        survivor["lastCommitted"].as_u64() > Some(0),
        "nothing is said of the survivor's data: {survivor}"
    );
    // For a while, nothing is done about it.
    let start = std::time::Instant::now();
    wait::until("some time without a change", PATIENCE, || {
        let now = cluster.status()?;
        ensure!(now["operation"].is_null(), "an operation was begun without a quorum: {}", now["operation"]);
        Ok((start.elapsed() > Duration::from_secs(20)).then_some(()))
    })?;
    let now = cluster.kubectl().args(["get", "pvc", "-o", "name"]).output()?.stdout;
    ensure!(now == claims, "volumes were made or deleted without a quorum");
    ensure!(cluster.status()?["quorum"]["monmapEpoch"] == epoch, "the monmap changed without a quorum");

    world.lab()?.return_node(lab::node_number(&victims[0].node)?)?;
    let mark = load.now();
    wait::until("writes again", PATIENCE, || Ok(load.writes_after(mark).map(drop)))?;
    println!("    node back -> writes: {:.1} s", load.writes_after(mark).unwrap_or_default().as_secs_f64());
    world.mend_nodes()?;
    cluster.wait_full(3, PATIENCE + PATIENCE)?;
    world.finish(load)
}
