//! Pods and containers that die on nodes that live.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;
use serde_json::Value;

use crate::cluster::{Cluster, Member};
use crate::world::{PATIENCE, World};

/// A peon's pod is deleted; the same member comes back.
pub(super) fn peon_deleted(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let peon = cluster.peon()?;
    let (mark, start) = (load.now(), Instant::now());
    delete_and_wait(&cluster, &peon)?;
    world.timings.time("peon pod deleted -> Full", start.elapsed(), Duration::from_secs(10));
    world.timings.time("peon pod deleted: longest write gap", load.longest_gap(mark), Duration::from_secs(1));
    same_members(&cluster, &peon)?;
    world.finish(load)
}

/// The leader's pod is deleted: it hands over, and comes back.
pub(super) fn leader_deleted(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let leader = cluster.leading_member()?;
    let (mark, start) = (load.now(), Instant::now());
    delete_and_wait(&cluster, &leader)?;
    world.timings.time("leader pod deleted -> Full", start.elapsed(), Duration::from_secs(15));
    world.timings.time(
        "leader pod deleted: longest write gap",
        load.longest_gap(mark),
        Duration::from_secs(1),
    );
    same_members(&cluster, &leader)?;
    world.finish(load)
}

/// The leader's container gets SIGKILL; another leads within a second, and the kubelet starts it again.
pub(super) fn container_killed(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let leader = cluster.leading_member()?;
    let pod = cluster.pod(&leader.pod)?.context("the leader has no pod")?;
    let epoch = |status: &Value| status["quorum"]["electionEpoch"].as_u64();
    let before = epoch(&cluster.status()?);
    let restarts = |pod: &Value| pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
    let mark = load.now();
    world.kill_container(&pod)?;
    // Who is elected meanwhile may lead for a moment only, so that no status tells: what tells is the election.
    wait::until("the container to run again", PATIENCE, || {
        let now = cluster.pod(&leader.pod)?.unwrap_or_default();
        Ok((restarts(&now) > restarts(&pod)).then_some(()))
    })
    .with_context(|| cluster.story())?;
    cluster.wait_status("another election", PATIENCE, |status| (epoch(status) > before).then_some(()))?;
    cluster.wait_full(3, PATIENCE)?;
    world.timings.time(
        "leader container killed -> writes again",
        load.longest_gap(mark),
        Duration::from_secs(1),
    );
    same_members(&cluster, &leader)?;
    world.finish(load)
}

/// Deletes a member's pod and waits until another of the same name is in quorum.
pub(crate) fn delete_and_wait(cluster: &Cluster, member: &Member) -> Result<()> {
    let uid = |pod: Option<Value>| pod.map(|pod| pod["metadata"]["uid"].clone());
    let before = uid(cluster.pod(&member.pod)?);
    cluster.delete_pod(&member.pod)?;
    wait::until("the new pod to be ready", PATIENCE, || {
        let Some(pod) = cluster.pod(&member.pod)? else { return Ok(None) };
        let conditions = pod["status"]["conditions"].as_array();
        let ready = conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True");
        Ok((ready && uid(Some(pod)) != before).then_some(()))
    })
    .with_context(|| cluster.story())?;
    cluster.wait_full(3, PATIENCE).map(drop)
}

/// Nobody was replaced.
fn same_members(cluster: &Cluster, member: &Member) -> Result<()> {
    let after = cluster.member(&member.name)?;
    ensure!(after.claim == member.claim, "mon.{} has another volume now", member.name);
    let status = cluster.status()?;
    let first = &status["history"][0]["type"];
    ensure!(first != "Replace", "a pod's death led to a replacement: {}", status["history"]);
    Ok(())
}
