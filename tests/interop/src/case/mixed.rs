//! Quorums of stock monitors and ours together: how they are formed, and what must hold in every one of them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;
use serde_json::{Value, json};

use crate::case::plan;
use crate::cluster::{Cluster, Kind, Plan};
use crate::runner::World;
use crate::said::Said;

/// Stock that does not wait for its defaults; for cases that are not about its timing.
pub(super) const QUICK: &str =
    "mon election timeout = 1\nmon lease = 2\npaxos propose interval = 0.05\npaxos min wait = 0.01";

/// A quorum in which `first` begin and the others join: an unformed quorum may hold one release only, and ours
/// counts as another.
pub(super) fn form(world: &World, mons: &[(&str, Kind)], first: &[&str], settings: &str) -> Result<Cluster> {
    let plan = Plan { settings, ..plan(mons, &world.stock) };
    let mut cluster = Cluster::make(&world.binary, &world.stock, world.keep, plan)?;
    first.iter().try_for_each(|name| cluster.start(name))?;
    cluster.wait_for_quorum(first)?;
    let all: Vec<_> = mons.iter().map(|(name, _)| *name).collect();
    all.iter().filter(|name| !first.contains(name)).try_for_each(|name| cluster.start(name))?;
    cluster.wait_for_quorum(&all)?;
    Ok(cluster)
}

/// A command sent to one monitor alone.
pub(super) fn through(cluster: &Cluster, name: &str, words: &[&str]) -> Result<Said> {
    let address = format!("v2:127.0.0.1:{}", cluster.mon(name)?.port);
    cluster.ceph_with(&["--connect-timeout", "20", "-m", &address], words)
}

/// Sets `count` keys `PREFIX/0` and so on; all must be acknowledged.
pub(super) fn write_many(cluster: &Cluster, prefix: &str, count: usize) -> Result<()> {
    let write =
        |number: usize| json!({"prefix": "config-key set", "key": format!("{prefix}/{number}"), "val": "x"});
    let replies = cluster.rados(&(0..count).map(write).collect::<Vec<_>>())?;
    let failed = replies.iter().find(|reply| reply.0 != 0);
    ensure!(failed.is_none(), "{failed:?}");
    Ok(())
}

/// Nothing in the stock logs may say that our bytes were not understood, and elections must be few.
pub(super) fn check_logs(cluster: &Cluster) -> Result<()> {
    for mon in cluster.mons.iter().filter(|mon| mon.kind == Kind::Stock) {
        let log = cluster.log(&mon.name).to_lowercase();
        for bad in ["decode error", "malformed", "end of buffer", "assert", "failed to decode"] {
            if let Some(line) = log.lines().find(|line| line.contains(bad)) {
                anyhow::bail!("mon.{} logged: {line}", mon.name);
            }
        }
    }
    let epoch = election_epoch(cluster)?;
    ensure!(epoch < 100, "election epoch {epoch}: an election storm");
    Ok(())
}

/// The epoch stays as it is for longer than all timeouts of stock monitors: leases of 5 s, acknowledged within 10.
pub(super) fn check_quiet(cluster: &Cluster) -> Result<()> {
    const QUIET: Duration = Duration::from_secs(12);
    let before = election_epoch(cluster)?;
    let start = Instant::now();
    wait::until("quiet seconds", QUIET * 2, || Ok((start.elapsed() > QUIET).then_some(())))?;
    let after = election_epoch(cluster)?;
    ensure!(before == after, "elections without a reason: epoch {before} -> {after}");
    Ok(())
}

fn election_epoch(cluster: &Cluster) -> Result<u64> {
    let status = cluster.ceph(&["quorum_status", "-f", "json"])?.json()?;
    status["election_epoch"].as_u64().context("no election epoch")
}

/// A counter of a stock monitor's Paxos.
pub(super) fn paxos_counter(cluster: &Cluster, name: &str, counter: &str) -> Result<u64> {
    let socket = cluster.inside(&format!("{name}.asok")).display().to_string();
    let counters: Value = cluster.ceph(&["daemon", &socket, "perf", "dump", "paxos"])?.json()?;
    counters["paxos"][counter].as_u64().with_context(|| format!("no counter {counter} in {counters}"))
}
