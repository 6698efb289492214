//! Nodes and disks that die.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;
use serde_json::Value;

use crate::cluster::{Cluster, Member};
use crate::kube;
use crate::lab;
use crate::world::{PATIENCE, World};

/// The lab itself: Kubernetes notices the death of a node, and its return.
pub(super) fn dies_and_returns(world: &World) -> Result<()> {
    world.mend_nodes()?;
    let lab = world.lab()?;
    let start = Instant::now();
    lab.kill_node(1)?;
    ensure!(!lab.node_runs(1), "n1 lives on");
    wait::until("n1 to be seen dead", Duration::from_secs(90), || {
        let node = world.kube.get("/api/v1/nodes/n1")?;
        let conditions = node["status"]["conditions"].as_array();
        Ok(conditions
            .into_iter()
            .flatten()
            .any(|c| c["type"] == "Ready" && c["status"] == "Unknown")
            .then_some(()))
    })?;
    println!("    dead -> NotReady: {:.1} s", start.elapsed().as_secs_f64());
    lab.return_node(1)?;
    world.mend_nodes()
}

/// A member's node dies and its Node object is deleted: another member takes the place at once, on a spare node.
pub(super) fn deleted(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let victim = cluster.peon()?;
    let (mark, start) = (load.now(), Instant::now());
    world.lab()?.kill_node(lab::node_number(&victim.node)?)?;
    kube::ok(world.kube.kubectl().args(["delete", "node", &victim.node]))?;
    wait_replaced(&cluster, &victim, PATIENCE)?;
    world.timings.time("node object gone -> replaced", start.elapsed(), Duration::from_secs(45));
    world.timings.time("node object gone: longest write gap", load.longest_gap(mark), Duration::from_secs(2));
    world.finish(load)?;
    world.mend_nodes()
}

/// The leader's node dies and nobody tells Kubernetes: after `nodeUnreachable` another member takes the place.
pub(super) fn dead(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let victim = cluster.leading_member()?;
    let (mark, start) = (load.now(), Instant::now());
    world.lab()?.kill_node(lab::node_number(&victim.node)?)?;
    wait_replaced(&cluster, &victim, PATIENCE + Duration::from_secs(60))?;
    world.timings.time(
        "node dead -> replaced (nodeUnreachable 60s)",
        start.elapsed(),
        Duration::from_secs(100),
    );
    world.timings.time(
        "leader's node dead: longest write gap",
        load.longest_gap(mark),
        Duration::from_secs(3),
    );
    // What was replaced must not come back with its node.
    world.mend_nodes()?;
    wait::until("the old member's pod to be gone", PATIENCE, || {
        Ok(cluster.pod(&victim.pod)?.is_none().then_some(()))
    })?;
    cluster.wait_full(3, PATIENCE)?;
    ensure!(cluster.member(&victim.name).is_err(), "mon.{} came back with its node", victim.name);
    world.finish(load)
}

/// A member's disk is wiped under it and its container dies: it must not start with an empty store under an identity that
/// has voted. Another member takes its place.
pub(super) fn disk_wiped(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let victim = cluster.peon()?;
    let pod = cluster.pod(&victim.pod)?.context("the peon has no pod")?;
    let claim = world
        .kube
        .get(&format!("/api/v1/namespaces/{}/persistentvolumeclaims/{}", cluster.namespace, victim.claim))?;
    let volume = claim["spec"]["volumeName"].as_str().context("the claim has no volume")?;
    let start = Instant::now();
    lab::empty(&world.lab()?.disk(volume)?)?;
    // A write that fails ends the monitor by itself: there may be nobody to kill any more.
    let _ = world.kill_container(&pod);
    wait_replaced(&cluster, &victim, PATIENCE)?;
    world.timings.time("disk wiped -> replaced", start.elapsed(), Duration::from_secs(60));
    world.finish(load)
}

/// Waits until the cluster is full without the victim, and checks that this was done by a replacement in one step.
pub(super) fn wait_replaced(cluster: &Cluster, victim: &Member, patience: Duration) -> Result<()> {
    wait::until(&format!("mon.{} to be replaced", victim.name), patience, || {
        let gone = cluster.members()?.iter().all(|member| member.name != victim.name);
        Ok((gone && cluster.is_full(3)?).then_some(()))
    })
    .with_context(|| cluster.story())?;
    // The operation goes on for a moment after that: what belonged to the old member is put away.
    cluster.wait_status("the replacement in the history", patience, |status| {
        let replaced = |finished: &Value| finished["type"] == "Replace" && finished["result"] == "Succeeded";
        status["history"].as_array()?.iter().any(replaced).then_some(())
    })
}
