//! Sudden deaths.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::case::trio;
use crate::runner::{World, note};

/// All are killed while writes are under way; every acknowledged one is there after the restart.
pub(crate) fn cut_of_all(world: &World) -> Result<()> {
    let mut cluster = trio(world)?;
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        for number in 0..5 {
            let key = format!("cut/{round}/{number}");
            cluster.ceph(&["config-key", "set", &key, &key])?.ok()?;
            acknowledged.push(key);
        }
        // One write is in flight when the power goes.
        let mut writer = cluster.ceph_running();
        let mut writer = writer.args(["config-key", "set", &format!("cut/{round}/flying"), "x"]).spawn()?;
        for name in ["a", "b", "c"] {
            cluster.stop(name, Signal::KILL)?;
        }
        writer.kill()?;
        writer.wait()?;
        for name in ["a", "b", "c"] {
            cluster.start(name)?;
        }
        cluster.wait_for_quorum(&["a", "b", "c"])?;
        let dump = cluster.ceph(&["config-key", "dump", "cut/", "-f", "json"])?.json()?;
        for key in &acknowledged {
            ensure!(dump[key.as_str()] == key.as_str(), "{key} was acknowledged and is lost: {dump}");
        }
    }
    Ok(())
}

/// The leader is killed; the next write is served soon. (How soon exactly is measured by `mon bench failover`;
/// here the stock client's own reconnecting is included.)
pub(crate) fn leader_killed(world: &World) -> Result<()> {
    let mut cluster = trio(world)?;
    let leader = cluster.wait_for_quorum(&["a", "b", "c"])?;
    cluster.stop(&leader, Signal::KILL)?;
    let start = Instant::now();
    cluster.ceph(&["config-key", "set", "after", "death"])?.ok()?;
    let gap = start.elapsed();
    note(format!("first write {:.2} s after the death of the leader", gap.as_secs_f64()));
    ensure!(gap < Duration::from_secs(8), "{gap:?} without writes");
    let left: Vec<_> = ["a", "b", "c"].into_iter().filter(|name| *name != leader).collect();
    cluster.wait_for_quorum(&left)?;
    cluster.start(&leader)?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    Ok(())
}
