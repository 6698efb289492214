//! Changes that restart monitors.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::world::{PATIENCE, World};

/// Names for the image that differ, so that changing to one is a change.
const OTHER: &str = "localhost/moncluster-next";

/// A new image: peons first, the leader last and after it has handed over.
pub(super) fn rolled(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let leader = cluster.leader()?;
    let epoch = election_epoch(&cluster)?;
    let mark = load.now();
    let image = change_image(world, &cluster)?;
    let Rolled { order, leaders, led_in_the_end } = wait_rolled(&cluster, &image)?;
    ensure!(order.first() != Some(&leader), "the leader mon.{leader} was restarted first: {order:?}");
    // An election may have made one that had been restarted before the leader.
    let (last, others) = order.split_last().context("nobody was restarted")?;
    let led = led_in_the_end.context("nobody led")?;
    ensure!(*last == led || others.contains(&led), "mon.{led} led and was not restarted last: {order:?}");
    let ceilings = (Duration::from_millis(200), Duration::from_secs(1));
    world.timings.time(
        "rolling change: gaps over 0.2 s in sum",
        load.gaps_over(mark, ceilings.0),
        ceilings.1,
    );
    for gap in load.gaps(mark, ceilings.0) {
        println!("    no write for {gap}");
    }
    world.timings.time("rolling change: longest write gap", load.longest_gap(mark), ceilings.1);
    world.timings.number("rolling change: leader changes", leaders.len().saturating_sub(1) as f64, 1.0, "");
    println!("    restarted {order:?}, led by {leaders:?}");
    // Two for each peon that leaves and comes back, and for the leader.
    println!("    election epochs: {} -> {}", epoch, election_epoch(&cluster)?);
    world.finish(load)
}

/// Gives the cluster an image of another name; its reference.
pub(super) fn change_image(world: &World, cluster: &Cluster) -> Result<String> {
    let object = cluster.object()?.context("no MonCluster")?;
    let now = object["spec"]["image"]["tag"].as_str().unwrap_or_default();
    let tag = if now == "one" { "two" } else { "one" };
    let image = format!("{OTHER}:{tag}");
    let source = concat!("localhost/moncluster:", env!("CARGO_PKG_VERSION"));
    world.lab()?.tag_image(source, &image)?;
    cluster.patch(json!({"image": {"repository": OTHER, "tag": tag}}))?;
    Ok(image)
}

/// What a change did.
pub(super) struct Rolled {
    /// The members, in the order in which they were restarted.
    order: Vec<String>,
    /// Who led, one after the other.
    leaders: Vec<String>,
    /// Who led when one was left to be restarted.
    led_in_the_end: Option<String>,
}

/// Waits until every member runs an image.
pub(super) fn wait_rolled(cluster: &Cluster, image: &str) -> Result<Rolled> {
    let (mut order, mut leaders): (Vec<String>, Vec<String>) = Default::default();
    let mut led_in_the_end = None;
    wait::until("every member to be restarted", PATIENCE + PATIENCE, || {
        let members = cluster.members()?;
        let leader = cluster.status()?["quorum"]["leader"].as_str().map(str::to_owned);
        if order.len() + 1 == members.len() {
            led_in_the_end = led_in_the_end.take().or_else(|| leader.clone());
        }
        leaders.extend(leader.filter(|leader| leaders.last() != Some(leader)));
        for member in &members {
            let pod = cluster.pod(&member.pod)?.unwrap_or_default();
            let runs = |container: &Value| container["image"] == *image;
            let changed = pod["spec"]["containers"].as_array().into_iter().flatten().any(runs);
            if changed && !order.contains(&member.name) {
                order.push(member.name.clone());
            }
        }
        Ok((order.len() == members.len() && cluster.is_full(members.len())?).then_some(()))
    })
    .with_context(|| cluster.story())?;
    Ok(Rolled { order, leaders, led_in_the_end })
}

fn election_epoch(cluster: &Cluster) -> Result<u64> {
    Ok(cluster.status()?["quorum"]["electionEpoch"].as_u64().unwrap_or_default())
}
