//! More members, and fewer.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::cluster::Cluster;
use crate::kube;
use crate::world::{MONS, PATIENCE, World};

/// 3 -> 5 -> 3, with a majority and one more in quorum all the time.
pub(super) fn three_five_three(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let mark = load.now();
    cluster.scale(5)?;
    world.timings.time("scale 3 -> 5", never_at_risk(&cluster, 5)?, Duration::from_secs(60));
    cluster.scale(3)?;
    world.timings.time("scale 5 -> 3", never_at_risk(&cluster, 3)?, Duration::from_secs(30));
    world.timings.time(
        "scale 3 -> 5 -> 3: longest write gap",
        load.longest_gap(mark),
        Duration::from_secs(1),
    );
    world.finish(load)
}

/// 1 -> 3 -> 5 -> 3, from a cluster of one.
pub(super) fn from_one(world: &World) -> Result<()> {
    world.mend_nodes()?;
    world.install()?;
    let cluster = Cluster::new(&world.kube, MONS, "grown");
    world.forget(&cluster)?;
    cluster.apply(json!({"replicas": 1, "deletionPolicy": "Delete"}))?;
    cluster.wait_full(1, PATIENCE)?;
    let load = world.load(&cluster)?;
    for size in [3, 5, 3] {
        cluster.scale(size)?;
        cluster.wait_full(size, PATIENCE)?;
    }
    let refused = cluster.scale(1).err().context("scaling down to one was taken without allowSingle")?;
    ensure!(format!("{refused:#}").contains("allowSingle"), "{refused:#}");
    world.finish(load)?;
    kube::ok(cluster.kubectl().args(["delete", "moncluster", "grown", "--timeout=90s"]))?;
    world.forget(&cluster)
}

/// Waits for the new size; a quorum that could lose nobody on the way is an error.
fn never_at_risk(cluster: &Cluster, size: usize) -> Result<Duration> {
    let start = std::time::Instant::now();
    moncluster_wait::until(&format!("{size} members"), PATIENCE, || {
        let status = cluster.status()?;
        let state = status["quorum"]["state"].as_str().unwrap_or_default();
        ensure!(
            !["AtRisk", "Lost"].contains(&state),
            "the quorum was {state} on the way: {}",
            status["quorum"]
        );
        Ok(cluster.is_full(size)?.then_some(()))
    })
    .with_context(|| cluster.story())?;
    Ok(start.elapsed())
}
