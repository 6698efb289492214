//! Data directories go back and forth between stock and ours.

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::case::plan;
use crate::cluster::{Cluster, Kind};
use crate::runner::World;
use crate::said::Said;

const ONE_OURS: &[(&str, Kind)] = &[("a", Kind::Ours)];
const ONE_STOCK: &[(&str, Kind)] = &[("a", Kind::Stock)];

/// Writes one of each kind of thing.
fn fill(cluster: &Cluster) -> Result<String> {
    for number in 0..20 {
        cluster.ceph(&["config-key", "set", &format!("kept/{number}"), &format!("value {number}")])?.ok()?;
    }
    cluster.ceph(&["auth", "get-or-create", "client.kept", "mon", "allow r"])?.ok()?;
    cluster.ceph(&["log", "a", "line", "to", "keep"])?.ok()?;
    cluster.ceph(&["auth", "get-key", "client.kept"])?.ok()
}

/// Checks that it is all there.
fn check(cluster: &Cluster, key: &str) -> Result<()> {
    for number in [0, 7, 19] {
        cluster
            .ceph(&["config-key", "get", &format!("kept/{number}")])?
            .says(&format!("value {number}"))?
            .ok()?;
    }
    cluster.ceph(&["auth", "get-key", "client.kept"])?.says(key)?.ok()?;
    cluster.ceph(&["fsid"])?.says(&cluster.fsid)?;
    cluster.ceph(&["log", "last", "100", "debug", "*"])?.says("a line to keep")?;
    Ok(())
}

/// `ceph-kvstore-tool` and `ceph-monstore-tool` read what ours wrote.
pub(crate) fn tools_read_ours(world: &World) -> Result<()> {
    let mut cluster = Cluster::up(&world.binary, &world.stock, world.keep, plan(ONE_OURS, &world.stock))?;
    fill(&cluster)?;
    cluster.stop("a", Signal::TERM)?;
    let data = cluster.inside("mon.a");
    let mut list = cluster.stock.tool("ceph-kvstore-tool");
    list.arg("rocksdb").arg(data.join("store.db")).args(["list", "mon_config_key"]);
    Said::run(&mut list, "")?.says("kept/7")?.ok()?;
    let mut show = cluster.stock.tool("ceph-monstore-tool");
    show.arg(&data).arg("get").arg("monmap").arg("--").arg("--out").arg(cluster.inside("got"));
    Said::run(&mut show, "")?.ok()?;
    let mut print = cluster.stock.tool("monmaptool");
    print.arg("--print").arg(cluster.inside("got"));
    Said::run(&mut print, "")?.says(&cluster.fsid)?.says("mon.a")?.ok()?;
    let mut keys = cluster.stock.tool("ceph-monstore-tool");
    keys.arg(&data).arg("dump-keys");
    Said::run(&mut keys, "")?.says("auth / last_committed")?.ok()?;
    let mut paxos = cluster.stock.tool("ceph-monstore-tool");
    paxos.arg(&data).arg("dump-paxos");
    let said = Said::run(&mut paxos, "")?;
    ensure!(said.code == 0 && said.out.contains("mon_config_key"), "{said}");
    Ok(())
}

/// A directory made by stock `ceph-mon --mkfs`, and one that ran under stock, start under ours.
pub(crate) fn stock_mkfs_runs_under_ours(world: &World) -> Result<()> {
    let mut fresh = Cluster::make(&world.binary, &world.stock, world.keep, plan(ONE_STOCK, &world.stock))?;
    fresh.change("a", Kind::Ours)?;
    fresh.start("a")?;
    fresh.wait_for_quorum(&["a"])?;
    let key = fill(&fresh)?;
    check(&fresh, &key)?;
    drop(fresh);
    let mut used = Cluster::up(&world.binary, &world.stock, world.keep, plan(ONE_STOCK, &world.stock))?;
    let key = fill(&used)?;
    used.stop("a", Signal::TERM)?;
    used.change("a", Kind::Ours)?;
    used.start("a")?;
    used.wait_for_quorum(&["a"])?;
    check(&used, &key)
}

/// A directory that ran under ours is taken up by stock, and again by ours.
pub(crate) fn stock_takes_over_ours(world: &World) -> Result<()> {
    let mut cluster = Cluster::up(&world.binary, &world.stock, world.keep, plan(ONE_OURS, &world.stock))?;
    let key = fill(&cluster)?;
    for kind in [Kind::Stock, Kind::Ours] {
        cluster.stop("a", Signal::TERM)?;
        cluster.change("a", kind)?;
        cluster.start("a")?;
        cluster.wait_for_quorum(&["a"])?;
        check(&cluster, &key)?;
        cluster.ceph(&["config-key", "set", "kept/7", "value 7"])?.ok()?;
        cluster.ceph(&["auth", "get-or-create", "client.later", "mon", "allow r"])?.ok()?;
    }
    Ok(())
}
