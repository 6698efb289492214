//! The operator is killed, or is not there: nothing gets worse, and what was begun is finished.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use moncluster_wait as wait;

use super::{change, node};
use crate::cluster::Cluster;
use crate::kube;
use crate::lab;
use crate::world::{OPERATORS, PATIENCE, World};

/// Time between two attempts to kill the operator: enough to begin something.
const PERIOD: Duration = Duration::from_secs(6);

/// Memory and time that the operator at work takes when nothing happens, and the programs that it starts.
pub(super) fn footprint(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let pods = world.operators()?;
    let process = world.container_process(pods.first().context("no operator runs")?)?.as_raw_nonzero();
    let ticks = || -> Result<u64> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let fields: Vec<u64> = stat
            .rsplit_once(") ")
            .map_or("", |(_, rest)| rest)
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|f| f.parse().ok())
            .collect();
        Ok(fields.iter().sum())
    };
    let (before, start) = (ticks()?, Instant::now());
    wait::until(
        "half a minute of nothing",
        PATIENCE,
        || Ok((start.elapsed().as_secs() >= 30).then_some(())),
    )?;
    // A tick is a hundredth of a second on every Linux that we know.
    let share = (ticks()? - before) as f64 / start.elapsed().as_secs_f64();
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    let resident: f64 = resident.context("no VmRSS")?.trim().parse()?;
    world.timings.number("operator: resident memory", resident / 1024.0, 40.0, "MB");
    world.timings.number("operator: share of a core when idle", share, 1.0, "%");
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    ensure!(children.trim().is_empty(), "the operator runs other programs: {children}");
    cluster.wait_full(3, PATIENCE).map(drop)
}

/// No operator runs while a pod dies: it comes back all the same.
pub(super) fn down_for_a_healing(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let peon = cluster.peon()?;
    let before = cluster.pod(&peon.pod)?.context("the peon has no pod")?["metadata"]["uid"].clone();
    let replicas = |count: usize| {
        let count = format!("--replicas={count}");
        kube::ok(world.kube.kubectl().args([
            "-n",
            OPERATORS,
            "scale",
            "deployment",
            "moncluster-operator",
            &count,
        ]))
    };
    replicas(0)?;
    let healed =
        wait::until("no operator to run", PATIENCE, || Ok(world.operators()?.is_empty().then_some(())))
            .and_then(|()| {
                let (mark, start) = (load.now(), Instant::now());
                cluster.delete_pod(&peon.pod)?;
                wait::until("the pod to be in quorum again", PATIENCE, || {
                    let Some(pod) = cluster.pod(&peon.pod)? else { return Ok(None) };
                    let conditions = pod["status"]["conditions"].as_array();
                    let ready = conditions
                        .into_iter()
                        .flatten()
                        .any(|c| c["type"] == "Ready" && c["status"] == "True");
                    Ok((ready && pod["metadata"]["uid"] != before).then_some(()))
                })?;
                world.timings.time(
                    "peon pod deleted, no operator -> in quorum",
                    start.elapsed(),
                    Duration::from_secs(10),
                );
                ensure!(load.longest_gap(mark) < Duration::from_secs(5), "writes stopped");
                Ok(())
            });
    replicas(2)?;
    healed?;
    cluster.wait_full(3, PATIENCE)?;
    world.finish(load)
}

/// 3 -> 5 -> 3 while the operator dies again and again.
pub(super) fn killed_during_scaling(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    while_killed(world, || {
        for size in [5, 3] {
            cluster.scale(size)?;
            cluster.wait_full(size, PATIENCE * 2)?;
        }
        Ok(())
    })?;
    world.finish(load)
}

/// A replacement while the operator dies again and again.
pub(super) fn killed_during_a_replacement(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let victim = victim(world, &cluster)?;
    while_killed(world, || {
        world.lab()?.kill_node(lab::node_number(&victim.node)?)?;
        kube::ok(world.kube.kubectl().args(["delete", "node", &victim.node]))?;
        node::wait_replaced(&cluster, &victim, PATIENCE * 2)
    })?;
    world.finish(load)?;
    world.mend_nodes()
}

/// A rolling change while the operator dies again and again.
pub(super) fn killed_during_a_change(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    while_killed(world, || {
        let image = change::change_image(world, &cluster)?;
        change::wait_rolled(&cluster, &image).map(drop)
    })?;
    world.finish(load)
}

/// A member whose node does not run the operator, so that killing it leaves somebody to kill.
fn victim(world: &World, cluster: &Cluster) -> Result<crate::cluster::Member> {
    let operator = lab::node_name(world.operator_node()?);
    let other = cluster.members()?.into_iter().find(|member| member.node != operator);
    other.context("every member is beside the operator")
}

/// Does something while the operator at work is killed hard every few seconds, as long as it takes.
fn while_killed(world: &World, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut deaths = 0;
            while !ended.load(Ordering::Relaxed) {
                // Between two containers, and until a lease has run out, there is nobody to kill.
                deaths += usize::from(world.kill_operator().unwrap_or(false));
                let next = Instant::now() + PERIOD;
                while Instant::now() < next && !ended.load(Ordering::Relaxed) {
                    std::thread::park_timeout(Duration::from_millis(100));
                }
            }
            deaths
        });
        let done = work();
        ended.store(true, Ordering::Relaxed);
        match killer.join() {
            Ok(0) => bail!("the operator was never killed"),
            Ok(deaths) => println!("    the operator died {deaths} times"),
            Err(_) => bail!("the killer panicked"),
        }
        done
    })
}
