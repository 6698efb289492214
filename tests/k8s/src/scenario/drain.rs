//! Maintenance of nodes, one after the other.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::kube;
use crate::world::{PATIENCE, World};

/// Every node is drained in turn, the way people do it, while clients write. Nobody is replaced, nothing is done by hand,
/// and writes go on.
pub(super) fn every_node(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let before: Vec<_> = cluster.members()?.into_iter().map(|member| member.name).collect();
    let (mark, start) = (load.now(), Instant::now());
    let nodes = world.lab()?.nodes().unwrap_or_default();
    for number in 1..=nodes {
        let node = crate::lab::node_name(number);
        let mut drain = world.kube.kubectl();
        kube::ok(drain.args([
            "drain",
            &node,
            "--ignore-daemonsets",
            "--delete-emptydir-data",
            "--timeout=120s",
        ]))?;
        kube::ok(world.kube.kubectl().args(["uncordon", &node]))?;
    }
    let drained = start.elapsed();
    cluster.wait_full(3, PATIENCE)?;
    println!("    {nodes} nodes drained in {:.0} s", drained.as_secs_f64());
    for gap in load.gaps(mark, Duration::from_millis(500)) {
        println!("    no write for {gap}");
    }
    world.timings.time(
        "drain of all nodes: longest write gap",
        load.longest_gap(mark),
        Duration::from_secs(1),
    );
    let after: Vec<_> = cluster.members()?.into_iter().map(|member| member.name).collect();
    ensure!(before == after, "a drain led to a replacement: {before:?} -> {after:?}");
    world.finish(load)
}
