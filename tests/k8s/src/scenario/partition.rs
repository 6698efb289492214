//! Nodes that are cut off, and live.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;

use crate::lab;
use crate::world::{PATIENCE, World};

/// For how long, less than `nodeUnreachable`: nobody may be replaced.
const CUT: Duration = Duration::from_secs(40);

/// The leader's node is cut off for a while, then connected again.
pub(super) fn member(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let leader = cluster.leading_member()?;
    let number = lab::node_number(&leader.node)?;
    let mark = load.now();
    world.lab()?.cut(number)?;
    let seen = cluster.wait_status("the leader to be missed", PATIENCE, |status| {
        let state = status["quorum"]["state"].as_str().unwrap_or_default();
        let other = status["quorum"]["leader"].as_str().is_some_and(|now| now != leader.name);
        (other && state != "Full").then_some(())
    });
    wait::until("the end of the cut", CUT * 2, || Ok((load.now() >= mark + CUT).then_some(())))?;
    world.lab()?.mend(number)?;
    seen?;
    world.timings.time("leader cut off: longest write gap", load.longest_gap(mark), Duration::from_secs(3));
    cluster.wait_full(3, PATIENCE)?;
    ensure!(cluster.member(&leader.name).is_ok(), "mon.{} was replaced too early", leader.name);
    world.finish(load)
}

/// The node of the operator at work is cut off: the other replica takes over, and works.
pub(super) fn operator(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let number = world.operator_node()?;
    let old = world.operators()?[0]["metadata"]["name"].clone();
    world.lab()?.cut(number)?;
    let taken = wait::until("the other operator to take over", PATIENCE, || {
        Ok((world.operators()?.first().context("no operator runs")?["metadata"]["name"] != old).then_some(()))
    });
    // It acts: a pod elsewhere that is deleted is seen to come back.
    let acts = taken.and_then(|()| {
        let node = lab::node_name(number);
        let other =
            cluster.members()?.into_iter().find(|member| member.node != node).context("no other member")?;
        cluster.delete_pod(&other.pod)?;
        cluster.wait_status("the new operator to see it in quorum again", PATIENCE, |status| {
            let members = status["members"].as_array()?;
            let back = members.iter().find(|member| member["name"] == other.name.as_str())?;
            (back["inQuorum"] == true && back["podUID"].is_string()).then_some(())
        })
    });
    world.lab()?.mend(number)?;
    acts?;
    cluster.wait_full(3, PATIENCE)?;
    world.finish(load)
}
