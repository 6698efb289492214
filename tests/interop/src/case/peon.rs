//! One of ours beside two stock monitors.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::json;

use crate::case::plan;
use crate::cluster::{Cluster, Kind};
use crate::runner::World;
use crate::wait;

/// The order of names is that of ports and so of ranks: ours comes last and follows.
const PAIR_AND_OURS: &[(&str, Kind)] = &[("a", Kind::Stock), ("b", Kind::Stock), ("c", Kind::Ours)];

fn pair_and_ours(world: &World) -> Result<Cluster> {
    // The stock pair forms the cluster (an unformed one may hold one release only), then ours joins it.
    let mut cluster =
        Cluster::make(&world.binary, &world.stock, world.keep, plan(PAIR_AND_OURS, &world.stock))?;
    cluster.start("a")?;
    cluster.start("b")?;
    cluster.wait_for_quorum(&["a", "b"])?;
    cluster.start("c")?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    Ok(cluster)
}

/// A command sent to ours alone.
fn through_ours(cluster: &Cluster, words: &[&str]) -> Result<crate::said::Said> {
    let ours = format!("v2:127.0.0.1:{}", cluster.mon("c")?.port);
    cluster.ceph_with(&["--connect-timeout", "20", "-m", &ours], words)
}

/// Nothing in the stock logs may say that our bytes were not understood, and elections must be few.
fn check_logs(cluster: &Cluster) -> Result<()> {
    for name in ["a", "b"] {
        let log = cluster.log(name).to_lowercase();
        for bad in ["decode error", "malformed", "end of buffer", "assert", "failed to decode"] {
            if let Some(line) = log.lines().find(|line| line.contains(bad)) {
                anyhow::bail!("mon.{name} logged: {line}");
            }
        }
    }
    let status = cluster.ceph(&["quorum_status", "-f", "json"])?.json()?;
    let epoch = status["election_epoch"].as_u64().unwrap_or_default();
    ensure!(epoch < 100, "election epoch {epoch}: an election storm");
    Ok(())
}

/// It votes, commits what the leader proposes, and forwards what clients ask of it.
pub(crate) fn votes_and_forwards(world: &World) -> Result<()> {
    let cluster = pair_and_ours(world)?;
    through_ours(&cluster, &["config-key", "set", "via/ours", "forwarded"])?.ok()?;
    cluster.ceph(&["config-key", "get", "via/ours"])?.says("forwarded")?.ok()?;
    through_ours(&cluster, &["config-key", "get", "via/ours"])?.says("forwarded")?.ok()?;
    through_ours(&cluster, &["-s"])?.says("quorum a,b,c")?;
    through_ours(&cluster, &["auth", "get-or-create", "client.via", "mon", "allow r"])?.ok()?;
    cluster.ceph(&["auth", "get", "client.via"])?.ok()?;
    through_ours(&cluster, &["log", "through", "ours"])?.ok()?;
    cluster.ceph(&["log", "last", "10"])?.says("through ours")?;
    check_logs(&cluster)
}

/// It catches up from a little behind, and from nothing.
pub(crate) fn syncs(world: &World) -> Result<()> {
    let mut cluster = pair_and_ours(world)?;
    cluster.stop("c", Signal::KILL)?;
    let missed =
        |number: i32| json!({"prefix": "config-key set", "key": format!("missed/{number}"), "val": "x"});
    let replies = cluster.rados(&(0..30).map(missed).collect::<Vec<_>>())?;
    ensure!(replies.iter().all(|reply| reply.0 == 0), "{replies:?}");
    cluster.start("c")?;
    cluster.wait_until_in_quorum("c")?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    through_ours(&cluster, &["config-key", "get", "missed/29"])?.says("x")?.ok()?;
    // And from an empty store.
    cluster.stop("c", Signal::KILL)?;
    std::fs::remove_dir_all(cluster.data("c"))?;
    cluster.ceph(&["mon", "getmap", "-o", &cluster.inside("monmap").display().to_string()])?.ok()?;
    cluster.mkfs(cluster.mon("c")?)?;
    cluster.start("c")?;
    cluster.wait_until_in_quorum("c")?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    through_ours(&cluster, &["config-key", "get", "missed/0"])?.says("x")?.ok()?;
    check_logs(&cluster)
}

/// The stock leader dies; the other stock monitor and ours go on; the leader comes back; ours dies and returns.
pub(crate) fn survives_the_leader(world: &World) -> Result<()> {
    let mut cluster = pair_and_ours(world)?;
    cluster.stop("a", Signal::KILL)?;
    cluster.wait_for_quorum(&["b", "c"])?;
    cluster.ceph(&["config-key", "set", "after", "death"])?.ok()?;
    cluster.start("a")?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    cluster.stop("c", Signal::KILL)?;
    cluster.wait_for_quorum(&["a", "b"])?;
    cluster.start("c")?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    through_ours(&cluster, &["config-key", "get", "after"])?.says("death")?.ok()?;
    // Quiet from here on: no election without a reason.
    let epoch = |cluster: &Cluster| -> Result<u64> {
        let status = cluster.ceph(&["quorum_status", "-f", "json"])?.json()?;
        Ok(status["election_epoch"].as_u64().unwrap_or_default())
    };
    let before = epoch(&cluster)?;
    let start = Instant::now();
    wait::until("fifteen quiet seconds", Duration::from_secs(30), || {
        Ok((start.elapsed() > Duration::from_secs(15)).then_some(()))
    })?;
    let after = epoch(&cluster)?;
    ensure!(before == after, "elections without a reason: epoch {before} -> {after}");
    check_logs(&cluster)
}
