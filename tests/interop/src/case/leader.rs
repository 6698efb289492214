//! One of ours beside two stock monitors, as their leader.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::case::mixed::{QUICK, check_logs, check_quiet, form, paxos_counter, through};
use crate::cluster::{Cluster, Kind};
use crate::runner::World;

/// Ours has the lowest rank: it leads whenever it is there.
const OURS_AND_PAIR: &[(&str, Kind)] = &[("a", Kind::Ours), ("b", Kind::Stock), ("c", Kind::Stock)];

fn ours_and_pair(world: &World, settings: &str) -> Result<Cluster> {
    let cluster = form(world, OURS_AND_PAIR, &["b", "c"], settings)?;
    check_leads(&cluster)?;
    Ok(cluster)
}

fn check_leads(cluster: &Cluster) -> Result<()> {
    let leader = cluster.wait_for_quorum(&["a", "b", "c"])?;
    ensure!(leader == "a", "mon.{leader} leads, not ours of rank 0");
    Ok(())
}

/// What stock peons forward is answered; they serve reads by our leases; nobody calls an election.
pub(crate) fn serves_stock_peons(world: &World) -> Result<()> {
    let cluster = ours_and_pair(world, "")?;
    for peon in ["b", "c"] {
        let key = format!("via/{peon}");
        let client = format!("client.via-{peon}");
        through(&cluster, peon, &["config-key", "set", &key, "forwarded"])?.ok()?;
        through(&cluster, peon, &["config-key", "get", &key])?.says("forwarded")?.ok()?;
        through(&cluster, "a", &["config-key", "get", &key])?.says("forwarded")?.ok()?;
        through(&cluster, peon, &["auth", "get-or-create", &client, "mon", "allow r"])?.ok()?;
        through(&cluster, peon, &["auth", "get", &client])?.says("allow r")?.ok()?;
        through(&cluster, peon, &["log", "through", peon])?.ok()?;
        through(&cluster, peon, &["config-key", "get", "not/there"])?.refused(2)?;
        through(&cluster, peon, &["-s"])?.says("quorum a,b,c")?.ok()?;
    }
    cluster.ceph(&["log", "last", "20"])?.says("through b")?.says("through c")?;
    let counters = |name| paxos_counter(&cluster, name, "lease_timeout");
    let before = [counters("b")?, counters("c")?];
    check_quiet(&cluster)?;
    ensure!(before == [counters("b")?, counters("c")?], "a lease that we gave was not extended in time");
    // Long after the last commit: only an extended lease lets a stock peon answer by itself, and soon.
    for peon in ["b", "c"] {
        let start = Instant::now();
        through(&cluster, peon, &["config-key", "get", "via/b"])?.says("forwarded")?.ok()?;
        ensure!(start.elapsed() < Duration::from_secs(8), "mon.{peon} read for {:?}", start.elapsed());
    }
    check_logs(&cluster)
}

/// It dies by kill -9, the pair goes on, it comes back and leads with what it missed; then a peon dies and returns.
pub(crate) fn dies_and_returns(world: &World) -> Result<()> {
    let mut cluster = ours_and_pair(world, "")?;
    cluster.ceph(&["config-key", "set", "before", "death"])?.ok()?;
    cluster.stop("a", Signal::KILL)?;
    let leader = cluster.wait_for_quorum(&["b", "c"])?;
    ensure!(leader == "b", "mon.{leader} leads the pair");
    cluster.ceph(&["config-key", "get", "before"])?.says("death")?.ok()?;
    cluster.ceph(&["config-key", "set", "after", "death"])?.ok()?;
    cluster.start("a")?;
    cluster.wait_until_in_quorum("a")?;
    check_leads(&cluster)?;
    through(&cluster, "a", &["config-key", "get", "after"])?.says("death")?.ok()?;
    cluster.stop("c", Signal::KILL)?;
    cluster.wait_for_quorum(&["a", "b"])?;
    cluster.ceph(&["config-key", "set", "without", "c"])?.ok()?;
    cluster.start("c")?;
    cluster.wait_until_in_quorum("c")?;
    check_leads(&cluster)?;
    through(&cluster, "c", &["config-key", "get", "without"])?.says("c")?.ok()?;
    check_logs(&cluster)
}

/// Members come and go while ours leads: by `mon add`, and by asking to join themselves.
pub(crate) fn changes_membership(world: &World) -> Result<()> {
    let mut cluster = ours_and_pair(world, QUICK)?;
    for (name, kind) in [("d", Kind::Stock), ("e", Kind::Ours)] {
        let port = cluster.add(name, kind);
        // One that was not added asks to join.
        if kind == Kind::Ours {
            cluster.ceph(&["mon", "add", name, &format!("127.0.0.1:{port}")])?.ok()?;
        }
        cluster.ceph(&["mon", "getmap", "-o", &cluster.inside("monmap").display().to_string()])?.ok()?;
        cluster.mkfs(cluster.mon(name)?)?;
        let own = format!("--public-addrv=[v2:127.0.0.1:{port}]");
        cluster.start_with(name, &[&own])?;
        cluster.wait_for_quorum(&["a", "b", "c", name])?;
        through(&cluster, name, &["config-key", "set", "through", name])?.ok()?;
        cluster.ceph(&["config-key", "get", "through"])?.says(name)?.ok()?;
        cluster.ceph(&["mon", "rm", name])?.ok()?;
        check_leads(&cluster)?;
        let code = cluster.reap(name, Duration::from_secs(20))?;
        ensure!(code.is_some(), "removed mon.{name} must exit by itself, not by a signal");
    }
    cluster.ceph(&["mon", "add", "f", "127.0.0.1:5"])?.ok()?;
    cluster.ceph(&["mon", "set-addrs", "f", "v2:127.0.0.1:6"])?.ok()?;
    through(&cluster, "c", &["mon", "dump"])?.says("127.0.0.1:6/0")?;
    cluster.ceph(&["mon", "rm", "f"])?.ok()?;
    check_leads(&cluster)?;
    check_logs(&cluster)
}
