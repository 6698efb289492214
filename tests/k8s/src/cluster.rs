//! A MonCluster, as its owner sees it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mon_client::{Target, monitor_addresses};
use mon_types::keyring::Keyring;
use moncluster_wait as wait;
use serde_json::{Value, json};

use crate::kube::{self, Kube};

/// A MonCluster by name.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    kube: Kube,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

/// A member, of what status and pods say.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// Its pod.
    pub(crate) pod: String,
    /// Its claim.
    pub(crate) claim: String,
    /// The node that it runs on.
    pub(crate) node: String,
}

impl Cluster {
    /// A cluster that may not exist yet.
    pub(crate) fn new(kube: &Kube, namespace: &str, name: &str) -> Self {
        Self { kube: kube.clone(), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Asks for it.
    pub(crate) fn apply(&self, spec: Value) -> Result<()> {
        let object = json!({
            "apiVersion": "moncluster.io/v1alpha1", "kind": "MonCluster",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": spec,
        });
        kube::feed(self.kubectl().args(["apply", "-f", "-"]), object.to_string().as_bytes()).map(drop)
    }

    /// Changes its spec.
    pub(crate) fn patch(&self, spec: Value) -> Result<()> {
        let patch = json!({"spec": spec}).to_string();
        kube::ok(self.kubectl().args(["patch", "moncluster", &self.name, "--type=merge", "-p", &patch]))
            .map(drop)
    }

    /// Scales it the way people do.
    pub(crate) fn scale(&self, replicas: usize) -> Result<()> {
        let replicas = format!("--replicas={replicas}");
        kube::ok(self.kubectl().args(["scale", "moncluster", &self.name, &replicas])).map(drop)
    }

    /// The object, if there is one.
    pub(crate) fn object(&self) -> Result<Option<Value>> {
        self.kube.find(&format!(
            "/apis/moncluster.io/v1alpha1/namespaces/{}/monclusters/{}",
            self.namespace, self.name
        ))
    }

    /// What it says about itself; nothing yet is an empty object.
    pub(crate) fn status(&self) -> Result<Value> {
        let object = self.object()?.with_context(|| format!("no MonCluster {}", self.name))?;
        Ok(object["status"].clone())
    }

    /// Whether the status is about the present spec, a condition holds, and all of `size` members are in quorum.
    pub(crate) fn is_full(&self, size: usize) -> Result<bool> {
        let object = self.object()?.unwrap_or_default();
        let status = &object["status"];
        let ready = condition(status, "Ready");
        Ok(status["quorum"]["state"] == "Full"
            && status["quorum"]["size"] == size
            && status["readyReplicas"] == size
            && ready["status"] == "True"
            && ready["observedGeneration"] == object["metadata"]["generation"])
    }

    /// Waits until it is Ready with so many members; how long that took.
    pub(crate) fn wait_full(&self, size: usize, patience: Duration) -> Result<Duration> {
        let start = Instant::now();
        let full = wait::until(&format!("{size} members in quorum"), patience, || {
            Ok(self.is_full(size)?.then_some(()))
        });
        full.with_context(|| self.story())?;
        Ok(start.elapsed())
    }

    /// Waits for a condition of the status.
    pub(crate) fn wait_status<T>(
        &self,
        what: &str,
        patience: Duration,
        mut ask: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T> {
        wait::until(what, patience, || Ok(ask(&self.status()?))).with_context(|| self.story())
    }

    /// Members that vote.
    pub(crate) fn members(&self) -> Result<Vec<Member>> {
        let status = self.status()?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed = status["members"].as_array().into_iter().flatten();
        Ok(listed
            .filter(|member| member["rank"].is_number())
            .map(|member| Member {
                name: text(&member["name"]),
                pod: text(&member["podName"]),
                claim: text(&member["pvcName"]),
                node: text(&member["nodeName"]),
            })
            .collect())
    }

    /// The leader's name.
    pub(crate) fn leader(&self) -> Result<String> {
        self.wait_status("a leader", Duration::from_secs(30), |status| {
            status["quorum"]["leader"].as_str().map(str::to_owned)
        })
    }

    /// The member that leads.
    pub(crate) fn leading_member(&self) -> Result<Member> {
        let leader = self.leader()?;
        self.member(&leader)
    }

    /// A member that does not lead.
    pub(crate) fn peon(&self) -> Result<Member> {
        let leader = self.leader()?;
        self.members()?.into_iter().find(|member| member.name != leader).context("no peon")
    }

    /// A member by name.
    pub(crate) fn member(&self, name: &str) -> Result<Member> {
        self.members()?
            .into_iter()
            .find(|member| member.name == name)
            .with_context(|| format!("no mon.{name}"))
    }

    /// A pod of the cluster; none when it is gone.
    pub(crate) fn pod(&self, name: &str) -> Result<Option<Value>> {
        self.kube.find(&format!("/api/v1/namespaces/{}/pods/{name}", self.namespace))
    }

    /// Deletes a pod without waiting until it is gone.
    pub(crate) fn delete_pod(&self, name: &str) -> Result<()> {
        kube::ok(self.kubectl().args(["delete", "pod", name, "--wait=false"])).map(drop)
    }

    /// Where clients find it, as whom.
    pub(crate) fn target(&self) -> Result<Target> {
        let status = self.status()?;
        let monitors = monitor_addresses(status["endpoints"]["monHost"].as_str().unwrap_or_default());
        if monitors.is_empty() {
            bail!("status.endpoints.monHost names no monitor");
        }
        let ring: Keyring = self.keyring()?.parse()?;
        let admin = "client.admin".parse()?;
        let key = ring.key_of(&admin).context("the keyring does not hold client.admin")?;
        Ok(Target::new(monitors, admin, key.clone()))
    }

    /// The keyring that clients are given.
    pub(crate) fn keyring(&self) -> Result<String> {
        let status = self.status()?;
        let secret = status["endpoints"]["keyringSecretName"].as_str().context("status names no keyring")?;
        let path = "jsonpath={.data.keyring}";
        let encoded = kube::ok(self.kubectl().args(["get", "secret", secret, "-o", path]))?;
        let decoded = kube::feed(Command::new("base64").arg("-d"), encoded.as_bytes())?;
        Ok(decoded)
    }

    /// Writes a ceph.conf and a keyring for the stock tools.
    pub(crate) fn write_configuration(&self, folder: &Path, seen_at: &Path) -> Result<()> {
        let status = self.status()?;
        let host = status["endpoints"]["monHost"].as_str().context("status names no mon_host")?;
        let fsid = status["fsid"].as_str().context("status names no fsid")?;
        let keyring = seen_at.join("keyring");
        let conf = format!(
            "[global]\nfsid = {fsid}\nmon_host = {host}\nkeyring = {}\nlog_file = \n",
            keyring.display()
        );
        std::fs::write(folder.join("ceph.conf"), conf)?;
        std::fs::write(folder.join("keyring"), self.keyring()?)?;
        Ok(())
    }

    /// What there is to know when something did not happen.
    pub(crate) fn story(&self) -> String {
        let mut text = String::from("the cluster:\n");
        let show = |words: &[&str]| {
            let said = self.kubectl().args(words).output();
            said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default()
        };
        text.push_str(&show(&["get", "moncluster,pods,pvc", "-o", "wide"]));
        let status = self.status().unwrap_or_default();
        for part in ["quorum", "operation", "history", "conditions", "members"] {
            text.push_str(&format!("{part}: {}\n", status[part]));
        }
        text.push_str(
            &show(&["events", "--types=Warning,Normal"])
                .lines()
                .rev()
                .take(15)
                .collect::<Vec<_>>()
                .join("\n"),
        );
        text
    }

    /// kubectl in the cluster's namespace.
    pub(crate) fn kubectl(&self) -> Command {
        let mut command = self.kube.kubectl();
        command.args(["-n", &self.namespace]);
        command
    }
}

/// A condition of a status; null when it is not there.
pub(crate) fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let all = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}
