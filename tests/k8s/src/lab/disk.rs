//! Disks of the nodes: folders, given out as local volumes of the default storage class.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Lab, node_name, node_number};
use crate::kube;

/// How many monitors a node can keep the data of, those that were replaced included.
const PER_NODE: usize = 8;

/// Makes the storage class and all volumes.
pub(super) fn make(lab: &Lab, nodes: usize) -> Result<()> {
    let mut objects = vec![json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "local", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    })];
    for number in 1..=nodes {
        for index in 0..PER_NODE {
            objects.push(volume(lab, number, index)?);
        }
    }
    apply(lab, &objects)
}

/// The folder behind a volume.
pub(super) fn folder(lab: &Lab, volume: &str) -> Result<PathBuf> {
    let (node, disk) = volume.split_once('-').with_context(|| format!("no volume {volume}"))?;
    Ok(lab.path(node).join("disks").join(disk))
}

/// Volumes are kept when their claims are deleted; this empties those and gives them out again.
pub(super) fn recycle(lab: &Lab) -> Result<()> {
    let said = super::output(lab.kubectl().args(["get", "pv", "-o", "json"]))?;
    let volumes: Value = serde_json::from_str(&said)?;
    let mut again = Vec::new();
    for released in
        volumes["items"].as_array().into_iter().flatten().filter(|v| v["status"]["phase"] == "Released")
    {
        let name = released["metadata"]["name"].as_str().context("a volume without a name")?;
        let (node, disk) = name.split_once("-disk").with_context(|| format!("volume {name} is not ours"))?;
        empty(&folder(lab, name)?)?;
        super::run(lab.kubectl().args(["delete", "pv", name, "--wait=true"]))?;
        again.push(volume(lab, node_number(node)?, disk.parse()?)?);
    }
    if again.is_empty() { Ok(()) } else { apply(lab, &again) }
}

/// Removes everything in a folder, but not the folder: it may be mounted.
pub(crate) fn empty(folder: &Path) -> Result<()> {
    ensure!(folder.is_dir(), "no disk {}", folder.display());
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn volume(lab: &Lab, number: usize, index: usize) -> Result<Value> {
    let node = node_name(number);
    let name = format!("{node}-disk{index}");
    let path = folder(lab, &name)?;
    fs::create_dir_all(&path)?;
    Ok(json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "10Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "local",
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]},
            ]}]}},
        },
    }))
}

fn apply(lab: &Lab, objects: &[Value]) -> Result<()> {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    kube::feed(lab.kubectl().args(["apply", "-f", "-"]), list.to_string().as_bytes()).map(drop)
}
