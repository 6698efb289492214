//! A MonCluster is deleted, by mistake or for good.

use anyhow::{Result, ensure};
use serde_json::json;

use super::install::stock_ceph;
use crate::cluster::Cluster;
use crate::kube;
use crate::world::{MONS, PATIENCE, World};

/// Deleted with the default policy and applied again: the same cluster, with its data.
pub(super) fn deleted_and_adopted(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let fsid = cluster.status()?["fsid"].clone();
    let keyring = cluster.keyring()?;
    let names: Vec<_> = cluster.members()?.into_iter().map(|member| member.name).collect();
    if world.stock.join("usr/bin/ceph").exists() {
        stock_ceph(world, &cluster, &["config-key", "set", "kept", "yes"])?;
    }
    world.finish(load)?;
    kube::ok(cluster.kubectl().args(["delete", "moncluster", &cluster.name, "--timeout=120s"]))?;
    cluster.apply(json!({"replicas": 3, "healing": {
        "replaceAfter": {"nodeUnreachable": "60s"}, "maxReplacementsPerHour": 10,
    }}))?;
    cluster.wait_full(3, PATIENCE)?;
    ensure!(cluster.status()?["fsid"] == fsid, "another cluster was made in its place");
    ensure!(cluster.keyring()? == keyring, "clients have another key");
    let after: Vec<_> = cluster.members()?.into_iter().map(|member| member.name).collect();
    ensure!(names == after, "other members: {names:?} -> {after:?}");
    if world.stock.join("usr/bin/ceph").exists() {
        ensure!(stock_ceph(world, &cluster, &["config-key", "get", "kept"])?.trim() == "yes");
    }
    // What the clients before it wrote is there: new ones start from it.
    let load = world.load(&cluster)?;
    world.finish_short(load)
}

/// Deleted with the policy Delete: nothing is left.
pub(super) fn deleted_for_good(world: &World) -> Result<()> {
    world.mend_nodes()?;
    world.install()?;
    let cluster = Cluster::new(&world.kube, MONS, "brief");
    cluster.apply(json!({"replicas": 1, "deletionPolicy": "Delete"}))?;
    cluster.wait_full(1, PATIENCE)?;
    kube::ok(cluster.kubectl().args(["delete", "moncluster", "brief", "--timeout=120s"]))?;
    let kinds = "statefulset,pod,service,pvc,configmap,secret,pdb,networkpolicy";
    moncluster_wait::until("everything to be gone", PATIENCE, || {
        let left = kube::ok(cluster.kubectl().args([
            "get",
            kinds,
            "-l",
            "moncluster.io/cluster=brief",
            "-o",
            "name",
        ]))?;
        Ok(left.trim().is_empty().then_some(()))
    })?;
    world.lab()?.recycle_disks()
}
