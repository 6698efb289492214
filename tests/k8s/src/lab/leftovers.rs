//! What a lab leaves on the machine, and its removal, also when the lab's starter died half way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moncluster_wait as wait;

use super::{cgroup, network, process};

/// Ends every process of the lab, then removes namespaces, mounts, control groups and files.
pub(super) fn remove(folder: &Path) -> Result<()> {
    let records: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "pid"))
        .collect();
    // Kubelets first, so that they do not start again what is ended.
    records
        .iter()
        .filter(|record| record.to_string_lossy().contains("kubelet"))
        .for_each(|r| process::kill_recorded(r));
    records.iter().for_each(|record| process::kill_recorded(record));
    process::kill_by_argument("containerd-shim", &folder.display().to_string())?;
    wait::until("the lab's containers to end", Duration::from_secs(20), || {
        (0..=9).for_each(cgroup::kill);
        Ok((0..=9).all(|number| cgroup::remove(number).is_ok()).then_some(()))
    })?;
    unmount(folder)?;
    network::remove()?;
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// Unmounts everything under a folder.
pub(super) fn unmount(folder: &Path) -> Result<()> {
    let mounted = || -> Result<Vec<PathBuf>> {
        let mounts = fs::read_to_string("/proc/mounts")?;
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
        Ok(points.filter(|point| point.starts_with(folder)).collect())
    };
    for point in mounted()?.iter().rev() {
        Command::new("umount").arg("-l").arg(point).output()?;
    }
    let left = mounted()?;
    ensure!(left.is_empty(), "{} is still mounted: unmount it", left[0].display());
    Ok(())
}
