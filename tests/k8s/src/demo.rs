//! What the operator does, step by step; `kubectl moncluster status -w` tells what happens meanwhile.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::kube::{self, Kube};
use crate::lab;
use crate::world::{CHART, OPERATORS};

/// For everything that may have to pull images first.
const PATIENCE: Duration = Duration::from_secs(300);

/// Shows everything, on a lab that is up or on the cluster that `KUBECONFIG` names.
pub(crate) fn demo(kube: &Kube) -> Result<()> {
    say("A Kubernetes");
    show(kube.kubectl().args(["get", "nodes"]))?;

    say("helm install: the operator, two replicas");
    let mut install = kube.helm();
    install.args(["upgrade", "--install", "moncluster", CHART, "-n", OPERATORS, "--create-namespace"]);
    install.args(["--wait", "--timeout", "5m"]);
    if let Some(repository) = std::env::var_os("IMAGE_REPOSITORY") {
        install.arg("--set").arg(format!("image.repository={}", repository.display()));
    }
    kube::ok(&mut install)?;
    show(kube.kubectl().args(["-n", OPERATORS, "get", "pods", "-o", "wide"]))?;

    say("kubectl apply of the sample: three monitors");
    let cluster = Cluster::new(kube, "default", "ceph");
    show(cluster.kubectl().args(["apply", "-f", &format!("{CHART}/samples/moncluster.yaml")]))?;
    let mut watcher = Watcher::start(kube, &cluster)?;
    timed("Ready", || cluster.wait_full(3, PATIENCE).map(drop))?;
    show(cluster.kubectl().args(["get", "moncluster,pods", "-o", "wide"]))?;

    let nodes = schedulable(kube)?;
    if nodes >= 5 {
        say("kubectl scale moncluster/ceph --replicas=5, and back");
        for size in [5, 3] {
            cluster.scale(size)?;
            timed(&format!("{size} members in quorum"), || cluster.wait_full(size, PATIENCE).map(drop))?;
        }
    }

    say("The leader's pod is deleted");
    let leader = cluster.leading_member()?;
    timed("in quorum again", || crate::scenario::delete_and_wait(&cluster, &leader))?;

    match kube.lab() {
        Some(own) if nodes >= 4 => {
            let victim = cluster.leading_member()?;
            say(&format!(
                "Node {} dies with the leader mon.{}, and its Node object is deleted",
                victim.node, victim.name
            ));
            let number = lab::node_number(&victim.node)?;
            own.kill_node(number)?;
            kube::ok(kube.kubectl().args(["delete", "node", &victim.node]))?;
            timed("replaced on a spare node", || {
                wait::until("the replacement", PATIENCE, || {
                    let gone = cluster.members()?.iter().all(|member| member.name != victim.name);
                    Ok((gone && cluster.is_full(3)?).then_some(()))
                })
            })?;
        }
        _ => println!("    (nodes of a cluster that is not ours are left alone)"),
    }
    show(cluster.kubectl().args(["get", "moncluster,pods", "-o", "wide"]))?;
    wait::until("the operation to end", PATIENCE, || {
        Ok(cluster.status()?["operation"].is_null().then_some(()))
    })?;
    watcher.end()?;
    history(&cluster)?;
    println!(
        "\nTo look around:  cargo xtask k8s kubectl moncluster status   (KEEP=1 make demo-k8s leaves it up)"
    );
    Ok(())
}

/// The plugin, telling what changes until it is dropped.
struct Watcher(Child);

impl Watcher {
    fn start(kube: &Kube, cluster: &Cluster) -> Result<Self> {
        // Flags of a plugin come after its name.
        let mut command = kube.kubectl();
        command.args(["moncluster", "status", "-c", &cluster.name, "-n", &cluster.namespace, "-w"]);
        // Not the terminal itself, where it would keep to the top and paint over our steps.
        let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start kubectl moncluster")?;
        let screens = child.stdout.take().context("kubectl moncluster has no output")?;
        std::thread::spawn(move || {
            for line in BufReader::new(screens).lines().map_while(Result::ok) {
                println!("  | {line}");
            }
        });
        Ok(Self(child))
    }

    /// Ends it; an error when it has ended before.
    fn end(&mut self) -> Result<()> {
        ensure!(self.0.try_wait()?.is_none(), "kubectl moncluster status -w ended by itself");
        self.0.kill().context("cannot end kubectl moncluster")
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn history(cluster: &Cluster) -> Result<()> {
    say("What the operator did, newest first");
    let status = cluster.status()?;
    for finished in status["history"].as_array().into_iter().flatten() {
        let text = |name: &str| finished[name].as_str().unwrap_or_default().to_owned();
        println!("    {} {} {}: {}", text("type"), text("target"), text("replacement"), text("result"));
    }
    Ok(())
}

fn schedulable(kube: &Kube) -> Result<usize> {
    let nodes = kube.get("/api/v1/nodes")?;
    let usable = |node: &&Value| node["spec"]["unschedulable"] != true && node["spec"]["taints"].is_null();
    Ok(nodes["items"].as_array().into_iter().flatten().filter(usable).count())
}

fn timed(what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    work()?;
    println!("    --> {what} after {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn say(text: &str) {
    println!("\n--> {text}");
}

fn show(command: &mut Command) -> Result<()> {
    for line in kube::ok(command)?.lines() {
        println!("    {line}");
    }
    Ok(())
}
