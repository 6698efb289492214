//! What scenarios run in: a cluster of nodes with the operator, and one MonCluster that is healthy when a scenario begins.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use moncluster_wait as wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::kube::{self, Kube};
use crate::lab::{self, Lab};
use crate::load::Load;
use crate::timings::Timings;

/// Where the operator is installed.
pub(crate) const OPERATORS: &str = "moncluster";
/// Where the monitors of scenarios are.
pub(crate) const MONS: &str = "mons";
/// The chart.
pub(crate) const CHART: &str = "charts/moncluster";
/// How long a healthy cluster may take to form on a machine with other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    /// The cluster of nodes.
    pub(crate) kube: Kube,
    /// What was measured.
    pub(crate) timings: Timings,
    /// The root with stock Ceph.
    pub(crate) stock: PathBuf,
}

impl World {
    /// The nodes.
    pub(crate) fn lab(&self) -> Result<&Lab> {
        self.kube.lab().context("this needs a cluster of our own")
    }

    /// The cluster that most scenarios use: three members on three nodes of five, healthy.
    pub(crate) fn baseline(&self) -> Result<Cluster> {
        self.mend_nodes()?;
        self.install()?;
        let cluster = Cluster::new(&self.kube, MONS, "ceph");
        let spec = json!({"replicas": 3, "healing": {
            "replaceAfter": {"nodeUnreachable": "60s"},
            "maxReplacementsPerHour": 10,
        }});
        cluster.apply(spec)?;
        if cluster.wait_full(3, PATIENCE).is_err() {
            // A scenario that failed may have left it in any state.
            self.forget(&cluster)?;
            cluster.apply(json!({"replicas": 3, "healing": {
                "replaceAfter": {"nodeUnreachable": "60s"},
                "maxReplacementsPerHour": 10,
            }}))?;
            cluster.wait_full(3, PATIENCE)?;
        }
        Ok(cluster)
    }

    /// Makes the namespaces; both take only pods without any privilege.
    pub(crate) fn namespaces(&self) -> Result<()> {
        for name in [OPERATORS, MONS] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {
                "pod-security.kubernetes.io/enforce": "restricted",
            }}});
            kube::feed(self.kube.kubectl().args(["apply", "-f", "-"]), namespace.to_string().as_bytes())?;
        }
        Ok(())
    }

    /// Installs the operator, or brings it to the values of the tests.
    pub(crate) fn install(&self) -> Result<()> {
        self.namespaces()?;
        let mut helm = self.kube.helm();
        helm.args([
            "upgrade",
            "--install",
            "moncluster",
            CHART,
            "-n",
            OPERATORS,
            "--wait",
            "--timeout",
            "3m",
        ]);
        helm.args(["--set", "log.format=text", "--set", "log.level=info\\,moncluster_controller=debug"]);
        kube::ok(&mut helm).map(drop)
    }

    /// All nodes run, are connected, take pods, and are known to the API server.
    pub(crate) fn mend_nodes(&self) -> Result<()> {
        let lab = self.lab()?;
        let nodes = lab.nodes().context("the lab is down")?;
        for number in 1..=nodes {
            lab.mend(number)?;
            let name = lab::node_name(number);
            let known = self.kube.find(&format!("/api/v1/nodes/{name}"))?.is_some();
            if !known || !lab.node_runs(number) {
                lab.return_node(number)?;
            }
        }
        wait::until("all nodes to be ready", Duration::from_secs(90), || {
            let all = self.kube.get("/api/v1/nodes")?;
            let ready = |node: &&Value| {
                let conditions = node["status"]["conditions"].as_array();
                conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
            };
            Ok((all["items"].as_array().into_iter().flatten().filter(ready).count() == nodes).then_some(()))
        })?;
        for number in 1..=nodes {
            kube::ok(self.kube.kubectl().args(["uncordon", &lab::node_name(number)]))?;
        }
        lab.recycle_disks()
    }

    /// Removes a MonCluster and everything of it.
    pub(crate) fn forget(&self, cluster: &Cluster) -> Result<()> {
        let _ = cluster.patch(json!({"deletionPolicy": "Delete"}));
        kube::ok(cluster.kubectl().args([
            "delete",
            "moncluster",
            &cluster.name,
            "--ignore-not-found",
            "--timeout=60s",
        ]))?;
        let label = format!("moncluster.io/cluster={}", cluster.name);
        let kinds = "statefulset,pod,service,pvc,configmap,secret,pdb,networkpolicy";
        kube::ok(cluster.kubectl().args(["delete", kinds, "-l", &label, "--timeout=90s"]))?;
        self.lab()?.recycle_disks()
    }

    /// Starts clients of a cluster.
    pub(crate) fn load(&self, cluster: &Cluster) -> Result<Load> {
        Load::start(cluster.target()?)
    }

    /// Ends clients; the history is checked.
    pub(crate) fn finish(&self, load: Load) -> Result<()> {
        let summary = load.finish()?;
        ensure!(summary.writes > 10, "only {} writes were acknowledged", summary.writes);
        println!(
            "    {} operations, {} acknowledged writes: linearizable",
            summary.operations, summary.writes
        );
        Ok(())
    }

    /// The same for clients that had little to do.
    pub(crate) fn finish_short(&self, load: Load) -> Result<()> {
        load.finish().map(drop)
    }

    /// The operator's pods, the one at work first.
    pub(crate) fn operators(&self) -> Result<Vec<Value>> {
        let path = format!(
            "/api/v1/namespaces/{OPERATORS}/pods?labelSelector=app.kubernetes.io%2Fcomponent%3Doperator"
        );
        let mut pods = self.kube.get(&path)?["items"].as_array().cloned().unwrap_or_default();
        let holder = self.lease_holder()?;
        pods.sort_by_key(|pod| pod["metadata"]["name"].as_str().is_none_or(|name| name != holder));
        Ok(pods)
    }

    /// The node on which the operator that is at work runs.
    pub(crate) fn operator_node(&self) -> Result<usize> {
        let pods = self.operators()?;
        let pod = pods.first().context("no operator runs")?;
        lab::node_number(pod["spec"]["nodeName"].as_str().unwrap_or_default())
    }

    /// Kills the operator that is at work, hard; false when none is. A pod whose container has died before is deleted as
    /// well: the kubelet would let it wait longer and longer, and the next one begins at once.
    pub(crate) fn kill_operator(&self) -> Result<bool> {
        let holder = self.lease_holder()?;
        let pods = self.operators()?;
        let Some(pod) = pods.iter().find(|pod| pod["metadata"]["name"] == *holder) else {
            return Ok(false);
        };
        let before = pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or_default();
        self.kill_container(pod)?;
        if before > 0 {
            let delete = ["-n", OPERATORS, "delete", "pod", &holder, "--wait=false"];
            kube::ok(self.kube.kubectl().args(delete))?;
        }
        Ok(true)
    }

    /// Who holds the operators' lease; empty when nobody does.
    fn lease_holder(&self) -> Result<String> {
        let lease = format!("/apis/coordination.k8s.io/v1/namespaces/{OPERATORS}/leases/moncluster-operator");
        let lease = self.kube.find(&lease)?.unwrap_or_default();
        Ok(lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
    }

    /// Kills the first process of a pod's only container with SIGKILL, as the kernel does when memory runs out.
    pub(crate) fn kill_container(&self, pod: &Value) -> Result<()> {
        let pid = self.container_process(pod)?;
        kill_process(pid, Signal::KILL).context("cannot kill the container")
    }

    /// The process of a pod's only container, as the machine numbers it.
    pub(crate) fn container_process(&self, pod: &Value) -> Result<Pid> {
        let node = lab::node_number(pod["spec"]["nodeName"].as_str().context("the pod has no node")?)?;
        let id = pod["status"]["containerStatuses"][0]["containerID"]
            .as_str()
            .context("the pod has no container")?;
        let id = id.trim_start_matches("containerd://");
        match self.lab()?.container_process(node, id)? {
            Some(pid) => Ok(pid),
            None => bail!("container {id} does not run on n{node}"),
        }
    }
}
