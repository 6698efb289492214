//! The chart and the sample, as the README tells people to use them.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::cluster::Cluster;
use crate::kube;
use crate::world::{CHART, MONS, OPERATORS, PATIENCE, World};

/// `helm install`, `kubectl apply`, `kubectl wait`, `helm test`; three members on three nodes; the stock command line
/// from inside a pod's network.
pub(super) fn chart_sample_and_ceph_s(world: &World) -> Result<()> {
    world.mend_nodes()?;
    world.install()?;
    println!("{}", indented(&kube::ok(world.kube.helm().args(["test", "moncluster", "-n", OPERATORS]))?, 4));

    let cluster = Cluster::new(&world.kube, MONS, "ceph");
    let start = Instant::now();
    let sample = format!("{CHART}/samples/moncluster.yaml");
    kube::ok(cluster.kubectl().args(["apply", "-f", &sample]))?;
    cluster.wait_full(3, PATIENCE)?;
    println!("    applied -> Ready: {:.1} s", start.elapsed().as_secs_f64());
    kube::ok(cluster.kubectl().args(["wait", "--for=condition=Ready", "moncluster/ceph", "--timeout=60s"]))?;
    let mut nodes: Vec<_> = cluster.members()?.into_iter().map(|member| member.node).collect();
    nodes.sort();
    nodes.dedup();
    ensure!(nodes.len() == 3, "three members run on {nodes:?}");

    let status = stock_ceph(world, &cluster, &["-s"])?;
    println!("{}", indented(&status, 4));
    ensure!(status.contains("mon: 3 daemons, quorum"), "ceph -s says:\n{status}");
    let health = stock_ceph(world, &cluster, &["health"])?;
    ensure!(!health.contains("HEALTH_ERR"), "ceph health says: {health}");
    stock_ceph(world, &cluster, &["config-key", "set", "greeting", "hello"])?;
    ensure!(stock_ceph(world, &cluster, &["config-key", "get", "greeting"])?.trim() == "hello");

    let load = world.load(&cluster)?;
    moncluster_wait::until("some writes", Duration::from_secs(30), || {
        Ok((load.now().as_secs() >= 2).then_some(()))
    })?;
    world.finish(load)
}

/// An upgrade of the chart takes the cluster over as it is; uninstalling stops no monitor and removes no object of theirs.
pub(super) fn upgrade_and_uninstall(world: &World) -> Result<()> {
    let cluster = world.baseline()?;
    let load = world.load(&cluster)?;
    let pods = |cluster: &Cluster| -> Result<Vec<_>> {
        let members = cluster.members()?;
        members
            .iter()
            .map(|member| Ok(cluster.pod(&member.pod)?.map(|pod| pod["metadata"]["uid"].clone())))
            .collect()
    };
    let before = pods(&cluster)?;
    let mut upgrade = world.kube.helm();
    upgrade.args(["upgrade", "moncluster", CHART, "-n", OPERATORS, "--wait", "--timeout", "3m"]);
    kube::ok(upgrade.args(["--set", "log.format=json", "--set", "podAnnotations.example=changed"]))?;
    cluster.wait_full(3, PATIENCE)?;
    ensure!(pods(&cluster)? == before, "the upgrade of the operator restarted monitors: {}", cluster.story());

    kube::ok(world.kube.helm().args([
        "uninstall",
        "moncluster",
        "-n",
        OPERATORS,
        "--wait",
        "--timeout",
        "3m",
    ]))?;
    let mark = load.now();
    ensure!(cluster.object()?.is_some(), "the MonCluster went with the chart");
    ensure!(pods(&cluster)? == before, "monitors went with the chart");
    moncluster_wait::until("writes without an operator", Duration::from_secs(30), || {
        Ok((load.now() > mark + Duration::from_secs(3)).then_some(()))
    })?;
    ensure!(load.longest_gap(mark) < Duration::from_secs(2), "no writes after the chart was uninstalled");

    world.install()?;
    cluster.wait_full(3, PATIENCE)?;
    ensure!(pods(&cluster)? == before, "the operator that came back restarted monitors: {}", cluster.story());
    world.finish(load)
}

/// The stock command from inside the network of a member's pod.
pub(super) fn stock_ceph(world: &World, cluster: &Cluster, words: &[&str]) -> Result<String> {
    let member = cluster.peon()?;
    let pod = cluster.pod(&member.pod)?.unwrap_or_default();
    let process = world.container_process(&pod)?.as_raw_nonzero();
    let folder = tempfile::Builder::new().prefix("mk-").tempdir_in(world.stock.join("tmp"))?;
    let inside = std::path::Path::new("/tmp").join(folder.path().file_name().unwrap_or_default());
    cluster.write_configuration(folder.path(), &inside)?;
    let mut ceph = Command::new("nsenter");
    ceph.args([&format!("--net=/proc/{process}/ns/net"), "timeout", "60", "chroot"]).arg(&world.stock);
    ceph.arg("ceph").arg("-c").arg(inside.join("ceph.conf")).args(words);
    kube::ok(&mut ceph)
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}", "")).collect::<Vec<_>>().join("\n")
}
