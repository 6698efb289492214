//! The stock command line against ours, step by step beside a stock trio: same exit codes.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;
use rustix::process::Signal;
use serde_json::Value;

use crate::case::{ask_both, both_trios, trio};
use crate::cluster::{Cluster, Kind};
use crate::runner::World;
use crate::said::{KILLED, Said};

/// What people type; `~` is a space inside a word, `-i` is followed by what the input holds.
const STEPS: &[&str] = &[
    "status",
    "health",
    "health detail",
    "fsid",
    "versions",
    "quorum_status",
    "mon dump",
    "mon dump 1",
    "mon dump 999",
    "mon stat",
    "mon getmap",
    "mon getmap 999",
    "mon metadata",
    "mon metadata a",
    "mon metadata nobody",
    "mon versions",
    "mon count-metadata ceph_version",
    "mon feature ls",
    "mon feature set nonsense",
    "mon ok-to-stop a",
    "mon ok-to-stop a b",
    "mon ok-to-stop nobody",
    "mon ok-to-rm a",
    "mon ok-to-rm nobody",
    "mon ok-to-add-offline",
    "mon add a 127.0.0.1:1",
    "mon rm nobody",
    "mon set-addrs nobody v2:127.0.0.1:1",
    "mon set-rank nobody 1",
    "mon set-weight a 5",
    "mon set-weight nobody 5",
    "mon set election_strategy nonsense",
    "mon add disallowed_leader a",
    "mon set election_strategy disallow",
    "mon add disallowed_leader c",
    "mon rm disallowed_leader c",
    "mon set election_strategy classic",
    "config-key set tried/a 1",
    "config-key set tried/b -i from~input",
    "config-key put tried/c 3",
    "config-key get tried/a",
    "config-key get tried/none",
    "config-key exists tried/a",
    "config-key exists tried/none",
    "config-key ls",
    "config-key list",
    "config-key dump",
    "config-key dump tried",
    "config-key rm tried/a",
    "config-key rm tried/none",
    "config-key del tried/c",
    "config-key get",
    "auth ls",
    "auth add client.tried mon allow~r",
    "auth add client.tried mon allow~rw",
    "auth get client.tried",
    "auth get client.none",
    "auth get-key client.tried",
    "auth get-key client.none",
    "auth print-key client.tried",
    "auth caps client.tried mon allow~rw osd allow~*",
    "auth caps client.none mon allow~r",
    "auth caps client.tried mon nonsense",
    "auth caps client.tried",
    "auth get-or-create client.made mon allow~r",
    "auth get-or-create client.made mon allow~r",
    "auth get-or-create client.made mon allow~rw",
    "auth get-or-create client.bad mon nonsense",
    "auth get-or-create nonsense mon allow~r",
    "auth get-or-create-key client.keyed",
    "auth export client.made",
    "auth export client.none",
    "auth export",
    "auth rm client.made",
    "auth rm client.none",
    "auth import -i [client.made]\n\tkey~=~AQDj6wNrw4UMBhAAkFQDZL8kDQ0pYJDm8FvPFw==\n\tcaps~mon~=~\"allow~r\"\n",
    "auth import -i nonsense",
    "auth import",
    "log something happened",
    "log last",
    "log last 2",
    "log last 2 info cluster",
    "log last 0",
    "nonsense",
    "mon nonsense",
];

/// Runs the steps against both trios: through the stock command's parser and library, then a few by the
/// command itself.
pub(crate) fn exit_codes(world: &World) -> Result<()> {
    let mut found = Vec::new();
    {
        let (ours, stock) = both_trios(world)?;
        let lines: Vec<Value> = STEPS
            .iter()
            .map(|step| step.split(' ').map(|word| word.replace('~', " ")).collect::<Vec<_>>().into())
            .collect();
        let (ours, stock) = ask_both(&ours, &stock, &lines)?;
        for (step, (ours, stock)) in STEPS.iter().zip(ours.iter().zip(&stock)) {
            let (said, stock_said) = (&ours.1, &stock.1);
            if ours.0 != stock.0 {
                found.push(format!("{step}: ours {} ({said}), stock {} ({stock_said})", ours.0, stock.0));
            } else if std::env::var_os("INTEROP_SHOW").is_some() {
                println!(
                    "{step}: {}\n  ours: {said}\n{}\n  stock: {stock_said}\n{}",
                    ours.0, ours.2, stock.2
                );
            }
        }
    }
    ensure!(found.is_empty(), "{} steps differ from stock:\n{}", found.len(), found.join("\n"));
    Ok(())
}

/// The command itself, with what people look at.
pub(crate) fn the_command(world: &World) -> Result<()> {
    let cluster = trio(world)?;
    let folder = cluster.inside("").display().to_string();
    fs::write(cluster.path("input"), "from a file")?;
    cluster.ceph(&["-s"])?.says("mon: 3 daemons, quorum a,b,c")?.says(&cluster.fsid)?.ok()?;
    cluster.ceph(&["status", "-f", "json-pretty"])?.json()?;
    cluster.ceph(&["health", "detail"])?.says("HEALTH_")?.ok()?;
    cluster.ceph(&["fsid"])?.says(&cluster.fsid)?.ok()?;
    cluster.ceph(&["version"])?.says("ceph version")?.ok()?;
    cluster.ceph(&["config-key", "set", "typed", "-i", &format!("{folder}/input")])?.ok()?;
    cluster.ceph(&["config-key", "get", "typed"])?.says("from a file")?.ok()?;
    cluster.ceph(&["config-key", "get", "nothing"])?.says("ENOENT")?.refused(2)?;
    cluster.ceph(&["mon", "getmap", "-o", &format!("{folder}/got")])?.ok()?;
    let mut print = cluster.stock.tool("monmaptool");
    print.arg("--print").arg(cluster.inside("got"));
    Said::run(&mut print, "")?.says(&cluster.fsid)?.says("mon.c")?.ok()?;
    cluster.ceph(&["auth", "get", "client.admin", "-o", &format!("{folder}/admin2.keyring")])?.ok()?;
    let keyring = format!("{folder}/admin2.keyring");
    cluster.ceph_with(&["-k", &keyring], &["mon", "stat"])?.says("quorum 0,1,2 a,b,c")?.ok()?;
    cluster.ceph(&["--help"])?.says("config-key")?.ok()?;
    Ok(())
}

/// A fourth monitor joins by `mon add` and its start, changes its address, and leaves.
pub(crate) fn membership(world: &World) -> Result<()> {
    let mut cluster = trio(world)?;
    let port = cluster.add("d", Kind::Ours);
    cluster.ceph(&["mon", "add", "d", &format!("127.0.0.1:{port}")])?.ok()?;
    cluster.ceph(&["mon", "getmap", "-o", &cluster.inside("monmap").display().to_string()])?.ok()?;
    cluster.mkfs(cluster.mon("d")?)?;
    cluster.start("d")?;
    cluster.wait_for_quorum(&["a", "b", "c", "d"])?;
    cluster.ceph(&["mon", "add", "d", &format!("127.0.0.1:{port}")])?;
    cluster.ceph(&["mon", "rm", "d"])?.ok()?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    let code = cluster.reap("d", Duration::from_secs(20))?;
    ensure!(code.is_some(), "a removed monitor must exit by itself, not by a signal");
    // An absent member's address can be set anew.
    cluster.ceph(&["mon", "add", "e", "127.0.0.1:5"])?.ok()?;
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
        let pong = ping(&cluster, &target)?;
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
        cluster.ceph(&["tell", &target, "compact"])?.says("compacted rocksdb in ")?.ok()?;
        cluster.ceph(&["daemon", &socket, "compact"])?.says("compacted rocksdb in ")?.ok()?;
    }
    let leader = cluster.wait_for_quorum(&["a", "b", "c"])?;
    cluster.ceph(&["config-key", "set", "remembered", "no matter what"])?.ok()?;
    let history = cluster.ceph(&["tell", &format!("mon.{leader}"), "dump_historic_ops"])?.json()?;
    ensure!(history["size"] == 20 && history["duration"] == 600, "{history}");
    let ops = history["ops"].as_array().context("no list of operations")?;
    // As stock monitors of these releases show them.
    let mut expected = vec!["age", "description", "duration", "initiated_at", "type_data"];
    if cluster.stock.release >= 20 {
        expected.insert(1, "continuous");
    }
    for op in ops {
        let mut keys: Vec<_> = op.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        ensure!(keys == expected, "{op}");
    }
    let found =
        ops.iter().any(|op| op["description"].as_str().is_some_and(|text| text.contains("remembered")));
    ensure!(found && !history.to_string().contains("no matter what"), "{history}");
    Ok(())
}

/// The library of 16 now and then dies of a signal while it pings, whoever answers: then once more.
fn ping(cluster: &Cluster, target: &str) -> Result<Value> {
    wait::until("ceph ping to end by itself", Duration::from_secs(20), || {
        let said = cluster.ceph(&["ping", target])?;
        if said.code == KILLED && cluster.stock.release == 16 { Ok(None) } else { said.json().map(Some) }
    })
}
