//! Control groups of the nodes: the kubelet wants a root for each, and everything in them dies with the node.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

const MOUNT: &str = "/sys/fs/cgroup";
/// What a kubelet uses.
const CONTROLLERS: [&str; 9] =
    ["cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio", "systemd"];

/// A node's group, as the kubelet names it.
pub(super) fn name(number: usize) -> String {
    format!("/mcl-n{number}")
}

/// Why there can be no groups here.
pub(super) fn obstacle() -> Option<String> {
    let made = make(0).and_then(|()| remove(0));
    made.err().map(|error| format!("control groups cannot be made: {error:#}"))
}

/// Makes a node's group in every hierarchy.
pub(super) fn make(number: usize) -> Result<()> {
    if is_unified() {
        let root = Path::new(MOUNT);
        let controllers = fs::read_to_string(root.join("cgroup.controllers"))?;
        let wanted: Vec<_> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
        fs::write(root.join("cgroup.subtree_control"), wanted.join(" "))?;
        let group = &folders(number)[0];
        fs::create_dir_all(group)?;
        fs::write(group.join("cgroup.subtree_control"), wanted.join(" "))?;
        return Ok(());
    }
    for group in folders(number) {
        fs::create_dir_all(&group).with_context(|| format!("cannot make {}", group.display()))?;
        // A new cpuset is empty, and nothing can run in it.
        for file in
            ["cpuset.cpus", "cpuset.mems"].iter().filter(|_| group.to_string_lossy().contains("/cpuset/"))
        {
            fs::write(group.join(file), fs::read(Path::new(MOUNT).join("cpuset").join(file))?)?;
        }
    }
    Ok(())
}

/// Kills everything in a node's group.
pub(super) fn kill(number: usize) {
    for group in folders(number) {
        for folder in descendants(&group) {
            let members = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            for pid in members.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
                // It may be gone already.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Removes a node's group; what lived in it must be dead.
pub(super) fn remove(number: usize) -> Result<()> {
    for group in folders(number).iter().filter(|group| group.exists()) {
        for folder in descendants(group) {
            fs::remove_dir(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    Ok(())
}

fn is_unified() -> bool {
    Path::new(MOUNT).join("cgroup.controllers").exists()
}

fn folders(number: usize) -> Vec<PathBuf> {
    let name = name(number);
    let name = name.trim_start_matches('/');
    if is_unified() {
        return vec![Path::new(MOUNT).join(name)];
    }
    let hierarchies =
        CONTROLLERS.iter().chain(&["hugetlb"]).map(|hierarchy| Path::new(MOUNT).join(hierarchy));
    hierarchies.filter(|hierarchy| hierarchy.exists()).map(|hierarchy| hierarchy.join(name)).collect()
}

/// A folder and all below it, the deepest first.
fn descendants(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(descendants(&entry.path()));
        }
    }
    found.push(folder.to_owned());
    found
}
