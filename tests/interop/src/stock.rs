//! A root with stock Ceph of one release, made by `cargo xtask stock`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Seconds after which a program of the root is stopped.
const PATIENCE_S: &str = "60";

/// A root.
#[derive(Debug, Clone)]
pub(crate) struct Stock {
    /// 16, 18 or 20.
    pub(crate) release: u8,
    root: PathBuf,
}

impl Stock {
    /// The root of a release under `folder`, or why there is none to use.
    pub(crate) fn find(folder: &Path, release: u8) -> Result<Self, String> {
        let root = folder.join(release.to_string());
        if !root.join("usr/bin/ceph-mon").exists() {
            return Err(format!("no stock Ceph {release} here (cargo xtask stock {release})"));
        }
        if !rustix::process::geteuid().is_root() {
            return Err("stock Ceph needs root for chroot".to_owned());
        }
        Ok(Self { release, root })
    }

    /// A folder that both sides see, removed at the end unless `keep`.
    pub(crate) fn scratch(&self, keep: bool) -> Result<TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("mi-").disable_cleanup(keep);
        builder.tempdir_in(self.root.join("tmp")).context("no scratch folder in the stock root")
    }

    /// A path of ours as the programs in the root see it.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).map_or_else(|_| path.to_owned(), |rest| Path::new("/").join(rest))
    }

    /// A program of the root that ends by itself.
    pub(crate) fn tool(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("timeout");
        command.args(["-k", "5", PATIENCE_S, "chroot"]).arg(&self.root).arg(program);
        command
    }

    /// A program of the root that runs until it is stopped, or until we are gone.
    pub(crate) fn daemon(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "chroot"]).arg(&self.root).arg(program);
        command
    }
}
