//! Store sync between stock and ours, in both directions and both kinds.
//!
//! With few values kept, a monitor that misses more than those must copy the whole store; one that misses more
//! than `paxos_max_join_drift` copies the values that it lacks.

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::case::mixed::{QUICK, check_logs, form, through, write_many};
use crate::case::peon::PAIR_AND_OURS;
use crate::cluster::{Cluster, Kind};
use crate::runner::World;
use crate::said::Said;

/// At level 10 stock tells which kind of sync it begins.
const FEW_VALUES: &str = "paxos min = 20\npaxos trim min = 5\npaxos trim max = 100\n\
                          paxos max join drift = 3\ndebug mon = 10\n";
/// More than are ever kept.
const MANY: usize = 30;
/// More than the drift, fewer than are kept (stock commits two values for each: one is a line of its log).
const SOME: usize = 5;

/// One of ours copies from a stock pair.
pub(crate) fn ours_from_stock(world: &World) -> Result<()> {
    let cluster = form(world, PAIR_AND_OURS, &["a", "b"], &[FEW_VALUES, QUICK].concat())?;
    both_kinds(cluster, [["Full sync", "from"], ["Recent sync", "from"]])
}

/// A stock monitor copies from a pair of ours.
pub(crate) fn stock_from_ours(world: &World) -> Result<()> {
    let mons = &[("a", Kind::Ours), ("b", Kind::Ours), ("c", Kind::Stock)];
    let cluster = form(world, mons, &["a", "b"], &[FEW_VALUES, QUICK].concat())?;
    both_kinds(cluster, [["sync_start", "full"], ["sync_start", "recent"]])
}

/// The last monitor loses its store and comes back; then it only misses a little. `marks` are the words that it
/// logs when it begins a sync of each kind.
fn both_kinds(mut cluster: Cluster, marks: [[&str; 2]; 2]) -> Result<()> {
    let begun = |cluster: &Cluster, mark: [&str; 2]| {
        cluster.log("c").lines().filter(|line| mark.iter().all(|word| line.contains(word))).count()
    };
    for (mark, count, key, wipe) in [(marks[0], MANY, "many", true), (marks[1], SOME, "some", false)] {
        cluster.stop("c", Signal::KILL)?;
        write_many(&cluster, key, count)?;
        if wipe {
            cluster.wipe("c")?;
        }
        let before = begun(&cluster, mark);
        cluster.start("c")?;
        cluster.wait_until_in_quorum("c")?;
        cluster.wait_for_quorum(&["a", "b", "c"])?;
        ensure!(begun(&cluster, mark) > before, "mon.c never logged {mark:?}:\n{}", cluster.tails());
        for number in [0, count - 1] {
            through(&cluster, "c", &["config-key", "get", &format!("{key}/{number}")])?.says("x")?.ok()?;
        }
    }
    check_logs(&cluster)?;
    check_stores(&mut cluster)
}

/// All stores hold the same keys, values and maps.
fn check_stores(cluster: &mut Cluster) -> Result<()> {
    // A last write that all have seen: what was committed before it is in every store.
    cluster.ceph(&["config-key", "set", "last", "of all"])?.ok()?;
    for name in ["a", "b", "c"] {
        through(cluster, name, &["config-key", "get", "last"])?.says("of all")?.ok()?;
    }
    // All at once: nobody is left to elect and log.
    ["a", "b", "c"].iter().try_for_each(|name| cluster.signal(name, Signal::KILL))?;
    for name in ["a", "b", "c"] {
        cluster.reap(name, std::time::Duration::from_secs(20))?;
    }
    for prefix in ["mon_config_key", "auth", "monmap"] {
        let sums = ["a", "b", "c"].map(|name| {
            let mut tool = cluster.stock.tool("ceph-kvstore-tool");
            tool.arg("rocksdb").arg(cluster.inside(&format!("mon.{name}")).join("store.db"));
            Said::run(tool.args(["list-crc", prefix]), "")?.ok()
        });
        let [a, b, c] = sums;
        let (a, b, c) = (a?, b?, c?);
        ensure!(a.lines().count() > 1, "nothing under {prefix}: {a}");
        for (name, other) in [("b", &b), ("c", &c)] {
            ensure!(*other == a, "{prefix} differs\n--- mon.a\n{a}\n--- mon.{name}\n{other}");
        }
    }
    Ok(())
}
