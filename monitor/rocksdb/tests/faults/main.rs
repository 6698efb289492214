//! What a power cut or a damaged file does to a real store: nothing, or something that is noticed.
//!
//! ```text
//!  a process with the real store and writer, under strace      recording.rs, workload.rs
//!        | every call that changes files, and every acknowledgement
//!        v
//!  a disk that is cut off after each call                      disk.rs
//!        | un-synced data and names lost, torn, scattered
//!        v
//!  the store is opened again and compared                      crash.rs
//! ```
//! `damage.rs` does the same with single damages of files at rest. docs/crash-points.md says why this is what a power
//! cut does, and how to run more of it.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod crash;
mod damage;
mod disk;
#[path = "../folder/mod.rs"]
mod folder;
mod recording;
mod workload;

use std::path::{Path, PathBuf};

use mon_rocksdb::{OpenError, RocksStore, TableFormat, open};

fn open_again(data: &Path) -> Result<RocksStore, OpenError> {
    open(data, TableFormat::Reef)
}

/// Names the folder that a failing test leaves for a look.
fn keep(data: &Path, name: &str) -> PathBuf {
    let kept = std::env::temp_dir().join(format!("mon-faults-{}-{name}", std::process::id()));
    folder::put(&folder::take(data).unwrap(), &kept);
    kept
}
