//! One of ours beside two stock monitors, as a peon.

use anyhow::Result;
use rustix::process::Signal;

use crate::case::mixed::{QUICK, check_logs, check_quiet, form, through, write_many};
use crate::cluster::{Cluster, Kind};
use crate::runner::World;

/// The order of names is that of ports and so of ranks: ours comes last and follows.
pub(super) const PAIR_AND_OURS: &[(&str, Kind)] =
    &[("a", Kind::Stock), ("b", Kind::Stock), ("c", Kind::Ours)];

fn pair_and_ours(world: &World, settings: &str) -> Result<Cluster> {
    form(world, PAIR_AND_OURS, &["a", "b"], settings)
}

/// It votes, commits what the leader proposes, and forwards what clients ask of it.
pub(crate) fn votes_and_forwards(world: &World) -> Result<()> {
    let cluster = pair_and_ours(world, QUICK)?;
    let through_ours = |words: &[&str]| through(&cluster, "c", words);
    through_ours(&["config-key", "set", "via/ours", "forwarded"])?.ok()?;
    cluster.ceph(&["config-key", "get", "via/ours"])?.says("forwarded")?.ok()?;
    through_ours(&["config-key", "get", "via/ours"])?.says("forwarded")?.ok()?;
    through_ours(&["-s"])?.says("quorum a,b,c")?;
    through_ours(&["auth", "get-or-create", "client.via", "mon", "allow r"])?.ok()?;
    cluster.ceph(&["auth", "get", "client.via"])?.ok()?;
    through_ours(&["log", "through", "ours"])?.ok()?;
    cluster.ceph(&["log", "last", "10"])?.says("through ours")?;
    check_logs(&cluster)
}

/// It catches up from a little behind, and from an empty store while all values are still kept.
pub(crate) fn catches_up(world: &World) -> Result<()> {
    let mut cluster = pair_and_ours(world, QUICK)?;
    cluster.stop("c", Signal::KILL)?;
    write_many(&cluster, "missed", 30)?;
    cluster.start("c")?;
    cluster.wait_until_in_quorum("c")?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    through(&cluster, "c", &["config-key", "get", "missed/29"])?.says("x")?.ok()?;
    cluster.stop("c", Signal::KILL)?;
    cluster.wipe("c")?;
    cluster.start("c")?;
    cluster.wait_until_in_quorum("c")?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    through(&cluster, "c", &["config-key", "get", "missed/0"])?.says("x")?.ok()?;
    check_logs(&cluster)
}

/// The stock leader dies; the other stock monitor and ours go on; the leader comes back; ours dies and returns.
pub(crate) fn survives_the_leader(world: &World) -> Result<()> {
    let mut cluster = pair_and_ours(world, "")?;
    cluster.stop("a", Signal::KILL)?;
    cluster.wait_for_quorum(&["b", "c"])?;
    cluster.ceph(&["config-key", "set", "after", "death"])?.ok()?;
    cluster.start("a")?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    cluster.stop("c", Signal::KILL)?;
    cluster.wait_for_quorum(&["a", "b"])?;
    cluster.start("c")?;
    cluster.wait_for_quorum(&["a", "b", "c"])?;
    through(&cluster, "c", &["config-key", "get", "after"])?.says("death")?.ok()?;
    // Quiet from here on: no election without a reason.
    check_quiet(&cluster)?;
    check_logs(&cluster)
}
