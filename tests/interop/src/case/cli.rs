//! The stock command line against ours, step by step beside a stock trio: same exit codes.

use std::fs;

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::case::{STOCK, plan, trio};
use crate::cluster::{Cluster, Kind};
use crate::runner::World;

/// What people type. `{dir}` is the scratch folder as the command sees it.
const STEPS: &[&str] = &[
    "-s",
    "status -f json-pretty",
    "health",
    "health detail",
    "fsid",
    "version",
    "versions",
    "quorum_status",
    "mon dump",
    "mon stat",
    "mon getmap -o {dir}/got.monmap",
    "mon metadata",
    "mon metadata a",
    "mon metadata nobody",
    "mon versions",
    "config-key set tried/a 1",
    "config-key set tried/b -i {dir}/input",
    "config-key get tried/a",
    "config-key get tried/none",
    "config-key exists tried/a",
    "config-key exists tried/none",
    "config-key ls",
    "config-key dump",
    "config-key dump tried",
    "config-key rm tried/a",
    "config-key rm tried/none",
    "auth ls",
    "auth add client.tried mon allow\\sr",
    "auth add client.tried mon allow\\srw",
    "auth get client.tried",
    "auth get client.none",
    "auth get-key client.tried",
    "auth get-key client.none",
    "auth caps client.tried mon allow\\srw osd allow\\s*",
    "auth caps client.none mon allow\\sr",
    "auth caps client.tried mon nonsense",
    "auth get-or-create client.made mon allow\\sr",
    "auth get-or-create client.made mon allow\\sr",
    "auth get-or-create client.made mon allow\\srw",
    "auth get-or-create-key client.keyed",
    "auth export client.made -o {dir}/made.keyring",
    "auth export",
    "auth rm client.made",
    "auth rm client.none",
    "auth import -i {dir}/made.keyring",
    "auth get client.made",
    "log something happened",
    "log last",
    "log last 2",
    "log last 2 info cluster",
    "mon ok-to-stop a",
    "mon ok-to-stop a b",
    "nonsense",
    "mon nonsense",
];

/// Runs the steps against both trios.
pub(crate) fn exit_codes(world: &World) -> Result<()> {
    let ours = trio(world)?;
    let stock = Cluster::up(&world.binary, &world.stock, world.keep, plan(STOCK, &world.stock))?;
    let mut found = Vec::new();
    for step in STEPS {
        let (ours, stock) = (run(&ours, step)?, run(&stock, step)?);
        if ours.code != stock.code {
            found.push(format!("{step}:\n  ours: {ours}\n  stock: {stock}"));
        } else if std::env::var_os("INTEROP_SHOW").is_some() {
            println!("{step}\n  ours: {ours}\n  stock: {stock}");
        }
    }
    ensure!(found.is_empty(), "{} steps differ from stock:\n{}", found.len(), found.join("\n"));
    ours.ceph(&["-s"])?.says("mon: 3 daemons, quorum a,b,c")?;
    ours.ceph(&["fsid"])?.says(&ours.fsid)?;
    ours.ceph(&["config-key", "get", "tried/b"])?.says("from a file")?;
    let map = Cluster::path(&ours, "got.monmap");
    ensure!(fs::metadata(map)?.len() > 100, "mon getmap wrote no map");
    Ok(())
}

fn run(cluster: &Cluster, step: &str) -> Result<crate::said::Said> {
    fs::write(cluster.path("input"), "from a file")?;
    let folder = cluster.inside("").display().to_string();
    let words: Vec<_> = step
        .split(' ')
        .map(|word| word.replace("{dir}", folder.trim_end_matches('/')).replace("\\s", " "))
        .collect();
    cluster.ceph(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A fourth monitor joins by `mon add` and its start, changes its address, and leaves.
pub(crate) fn membership(world: &World) -> Result<()> {
    let mut cluster = trio(world)?;
    let port = cluster.add("d", Kind::Ours);
    cluster.ceph(&["mon", "add", "d", &format!("v2:127.0.0.1:{port}")])?.ok()?;
    cluster.ceph(&["mon", "getmap", "-o", &cluster.inside("monmap").display().to_string()])?.ok()?;
    cluster.mkfs(cluster.mon("d")?)?;
    cluster.start("d")?;
    cluster.wait_for_quorum(&["a", "b", "c", "d"])?;
    cluster.ceph(&["mon", "add", "d", &format!("v2:127.0.0.1:{port}")])?;
    cluster.ceph(&["mon", "rm", "d"])?.ok()?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    let code = cluster.reap("d", std::time::Duration::from_secs(20))?;
    ensure!(code.is_some(), "a removed monitor must exit by itself, not by a signal");
    // An absent member's address can be set anew.
    cluster.ceph(&["mon", "add", "e", "v2:127.0.0.1:5"])?.ok()?;
    cluster.ceph(&["mon", "set-addrs", "e", "v2:127.0.0.1:6"])?.ok()?;
    cluster.ceph(&["mon", "dump"])?.says("127.0.0.1:6/0")?;
    cluster.ceph(&["mon", "rm", "e"])?.ok()?;
    cluster.stop("a", Signal::TERM)?;
    cluster.wait_for_quorum(&["b", "c"])?;
    Ok(())
}

/// What goes to one monitor instead of the quorum.
pub(crate) fn tell_ping_daemon(world: &World) -> Result<()> {
    let cluster = trio(world)?;
    for mon in ["a", "b", "c"] {
        let target = format!("mon.{mon}");
        cluster.ceph(&["tell", &target, "version"])?.says("\"version\"")?.ok()?;
        let status = cluster.ceph(&["tell", &target, "mon_status"])?.json()?;
        ensure!(status["name"] == mon, "{target} says that it is {}", status["name"]);
        let pong = cluster.ceph(&["ping", &target])?.json()?;
        ensure!(pong["mon_status"]["name"] == mon, "ping {target}: {pong}");
        let socket = cluster.inside(&format!("{mon}.asok")).display().to_string();
        for words in [
            &["mon_status"][..],
            &["version"],
            &["help"],
            &["perf", "dump"],
            &["config", "show"],
            &["sessions"],
            &["ops"],
        ] {
            cluster.ceph(&[&["daemon", &socket], words].concat())?.ok()?;
        }
    }
    Ok(())
}
