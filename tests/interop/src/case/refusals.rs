//! What cannot work is refused with its own exit code and a message, before anything is harmed.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;
use rustix::process::Signal;

use crate::case::plan;
use crate::cluster::{Cluster, Kind};
use crate::port;
use crate::runner::World;
use crate::said::Said;

const ONE: &[(&str, Kind)] = &[("a", Kind::Ours)];

/// Exit codes of docs/exit-codes.md.
const CONFIGURATION: i32 = 10;
const STORE_LOCKED: i32 = 21;
const STORE_DAMAGED: i32 = 22;
const WRONG_FSID: i32 = 23;
const NO_SPACE: i32 = 25;
const READ_ONLY: i32 = 26;
const ADDRESS_IN_USE: i32 = 30;

/// A monitor that ran, has content, and is stopped.
fn stopped(world: &World) -> Result<Cluster> {
    let mut cluster = Cluster::up(&world.binary, &world.stock, world.keep, plan(ONE, &world.stock))?;
    cluster.ceph(&["config-key", "set", "kept", "here"])?.ok()?;
    cluster.stop("a", Signal::TERM)?;
    Ok(cluster)
}

/// Starts it the usual way with another configuration and waits for its end.
fn start(cluster: &Cluster, conf: &Path) -> Result<Said> {
    let mut command = Command::new("timeout");
    command.args(["-k", "5", "20"]).arg(cluster.binary()).args(["ceph-mon", "-i", "a", "-f", "-c"]).arg(conf);
    Said::run(&mut command, "")
}

/// Checks the code, and that there is a message that names what is wrong.
fn expect(said: Said, code: i32, word: &str) -> Result<()> {
    ensure!(said.code == code, "must end with {code}: {said}");
    let text = format!("{}{}", said.out, said.err).to_lowercase();
    ensure!(text.contains(&word.to_lowercase()), "must speak of '{word}': {said}");
    ensure!(!text.contains("panicked"), "{said}");
    Ok(())
}

/// Configuration files that cannot be read, another cluster's fsid, a port that is taken, a directory in use.
pub(crate) fn configuration(world: &World) -> Result<()> {
    let mut cluster = stopped(world)?;
    let good = fs::read_to_string(cluster.path("ours.conf"))?;
    let conf = cluster.path("bad.conf");
    fs::write(&conf, "[global\nfsid = ")?;
    expect(start(&cluster, &conf)?, CONFIGURATION, "bad.conf")?;
    fs::write(&conf, good.replace(&cluster.fsid, "00000000-0000-4000-8000-000000000001"))?;
    expect(start(&cluster, &conf)?, WRONG_FSID, "fsid")?;
    let yaml = cluster.path("bad.yaml");
    fs::write(&yaml, "mon_data: [unclosed")?;
    let mut run = Command::new("timeout");
    run.args(["-k", "5", "20"]).arg(cluster.binary()).args(["run", "-n", "a", "-c"]).arg(&yaml);
    expect(Said::run(&mut run, "")?, CONFIGURATION, "bad.yaml")?;
    let port = cluster.mon("a")?.port;
    {
        let _taken = TcpListener::bind(("127.0.0.1", port))?;
        expect(start(&cluster, &cluster.path("ours.conf"))?, ADDRESS_IN_USE, "127.0.0.1")?;
    }
    // A child that another worker was just forking may hold it for a moment more.
    wait::until("the port", Duration::from_secs(5), || Ok(port::is_free(port).then_some(())))?;
    cluster.start("a")?;
    cluster.wait_for_quorum(&["a"])?;
    expect(start(&cluster, &cluster.path("ours.conf"))?, STORE_LOCKED, "mon.a")?;
    // The one that runs was not disturbed by any of it.
    cluster.ceph(&["config-key", "get", "kept"])?.says("here")?.ok().map(drop)
}

/// A monitor that was set up with the keys and the addresses of this cluster and the fsid of another, say from a copied
/// configuration: nobody talks to it, and the log says why, once.
pub(crate) fn monitor_of_another_cluster(world: &World) -> Result<()> {
    let cluster = Cluster::up(&world.binary, &world.stock, world.keep, plan(ONE, &world.stock))?;
    let address = format!("[v2:127.0.0.1:{}]", cluster.mon("a")?.port);
    for kind in [Kind::Ours, Kind::Stock] {
        let mons = [("x", kind)];
        let mut other = Cluster::make(&world.binary, &world.stock, world.keep, plan(&mons, &world.stock))?;
        fs::copy(cluster.path("mon.keyring"), other.path("mon.keyring"))?;
        let mut tool = other.stock.tool("monmaptool");
        Said::run(tool.args(["--addv", "a", &address]).arg(other.inside("monmap")), "")?.ok()?;
        // Otherwise it would take itself for the whole of the first quorum.
        for conf in ["ceph.conf", "ours.conf"].map(|name| other.path(name)) {
            let text = fs::read_to_string(&conf)?;
            fs::write(&conf, text.replace("mon initial members = x", "mon initial members = x,a"))?;
        }
        fs::remove_dir_all(other.data("x"))?;
        other.mkfs(other.mon("x")?)?;
        other.start("x")?;
        let told = format!("of cluster {}", other.fsid);
        wait::until("a word about the stranger", Duration::from_secs(60), || {
            Ok(cluster.log("a").contains(&told).then_some(()))
        })?;
        for number in 0..5 {
            cluster.ceph(&["config-key", "set", "still", &number.to_string()])?.ok()?;
        }
        let count = cluster.log("a").matches(&told).count();
        ensure!(count == 1, "told {count} times of {kind:?}:\n{}", cluster.tails());
        let socket = other.inside("x.asok").display().to_string();
        let status = other.ceph(&["daemon", &socket, "mon_status"])?.json()?;
        ensure!(status["state"] == "probing", "{kind:?}: {status}");
        let map = cluster.ceph(&["mon", "dump", "-f", "json"])?.json()?;
        ensure!(map["mons"].as_array().is_some_and(|mons| mons.len() == 1), "{map}");
    }
    Ok(())
}

/// Bytes changed in the middle of the store's files.
pub(crate) fn damaged_store(world: &World) -> Result<()> {
    for kind in ["MANIFEST", ".sst"] {
        let mut cluster = stopped(world)?;
        // A second start writes what the log of the first held into tables.
        cluster.start("a")?;
        cluster.wait_for_quorum(&["a"])?;
        cluster.stop("a", Signal::TERM)?;
        let files = files(&cluster.data("a").join("store.db"), kind)?;
        ensure!(!files.is_empty(), "no {kind} in the store");
        for file in files {
            let mut file = fs::File::options().write(true).open(file)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length / 3))?;
            file.write_all(&[0x5a; 64])?;
        }
        expect(start(&cluster, &cluster.path("ours.conf"))?, STORE_DAMAGED, "store")?;
    }
    Ok(())
}

fn files(folder: &Path, part: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.display().to_string().contains(part)).collect())
}

/// A directory that is mounted read-only, and one on a full disk. The mounts are seen by the monitor alone.
pub(crate) fn disk(world: &World) -> Result<()> {
    let cluster = stopped(world)?;
    let data = cluster.data("a").display().to_string();
    let conf = cluster.path("ours.conf").display().to_string();
    let script = |prepare: &str| {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", "20", "unshare", "-m", "sh", "-ec"]);
        command.arg(format!("{prepare}\nexec \"$0\" ceph-mon -i a -f -c '{conf}'")).arg(cluster.binary());
        command
    };
    let read_only = format!("mount --bind '{data}' '{data}'\nmount -o remount,bind,ro '{data}'");
    expect(Said::run(&mut script(&read_only), "")?, READ_ONLY, "mon.a")?;
    let full = format!(
        "mkdir -p '{data}.full'\n\
         mount -t tmpfs -o size=24m tmpfs '{data}.full'\n\
         cp -a '{data}/.' '{data}.full'\n\
         mount --bind '{data}.full' '{data}'\n\
         dd if=/dev/zero of='{data}/filler' bs=64k >/dev/null 2>&1 || true"
    );
    expect(Said::run(&mut script(&full), "")?, NO_SPACE, "space").map(drop)
}
