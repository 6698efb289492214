//! Data directories go back and forth between stock and ours.

use anyhow::{Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::case::plan;
use crate::cluster::{Cluster, Kind};
use crate::runner::World;
use crate::said::Said;

const ONE_OURS: &[(&str, Kind)] = &[("a", Kind::Ours)];
const ONE_STOCK: &[(&str, Kind)] = &[("a", Kind::Stock)];

/// Writes some of each kind of thing; returns a key that was made.
fn fill(cluster: &Cluster) -> Result<String> {
    let mut commands: Vec<Value> = (0..40)
        .map(|number| json!({"prefix": "config-key set", "key": format!("kept/{number}"), "val": format!("value {number}")}))
        .collect();
    commands.extend([
        json!({"prefix": "auth get-or-create", "entity": "client.kept", "caps": ["mon", "allow r"]}),
        json!({"prefix": "log", "logtext": ["a line to keep"]}),
        json!({"prefix": "auth get-key", "entity": "client.kept"}),
    ]);
    let replies = cluster.rados(&commands)?;
    let failed = commands.iter().zip(&replies).find(|(_, reply)| reply.0 != 0);
    ensure!(failed.is_none(), "{failed:?}");
    Ok(replies.last().map(|reply| reply.2.clone()).unwrap_or_default())
}

/// Checks that it is all there.
fn check(cluster: &Cluster, key: &str) -> Result<()> {
    let mut expected: Vec<(Value, String)> = (0..40)
        .map(|number| {
            let key = format!("kept/{number}");
            (json!({"prefix": "config-key get", "key": key}), format!("value {number}"))
        })
        .collect();
    expected.extend([
        (json!({"prefix": "auth get-key", "entity": "client.kept"}), key.to_owned()),
        (json!({"prefix": "fsid"}), cluster.fsid.clone()),
        (
            json!({"prefix": "log last", "num": 1000, "level": "debug", "channel": "*"}),
            "a line to keep".to_owned(),
        ),
    ]);
    let commands: Vec<_> = expected.iter().map(|(command, _)| command.clone()).collect();
    for ((command, text), (code, message, output)) in expected.iter().zip(cluster.rados(&commands)?) {
        ensure!(code == 0 && output.contains(text), "{command}: {code} {message} {output}, without {text}");
    }
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
    paxos.args(["--", "--start", "1", "--end", "40"]);
    Said::run(&mut paxos, "")?.says("mon_config_key")?.ok()?;
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
