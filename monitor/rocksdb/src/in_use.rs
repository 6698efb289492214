//! Which stores this process has open.
//!
//! The lock on a store's file LOCK keeps other processes out, but not our own: a process is given it again, and loses it
//! for good when any of its handles of that file is closed, as POSIX has it. So we keep a list.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::open_error::OpenError;

static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A store's place in the list, until it is dropped.
pub(crate) struct InUse(PathBuf);

impl InUse {
    pub(crate) fn mark(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.canonicalize().map_err(|error| OpenError::from_io(folder, &error))?;
        match list().insert(path.clone()) {
            true => Ok(Self(path)),
            false => Err(OpenError::Locked(folder.into())),
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        list().remove(&self.0);
    }
}

// Nothing can panic while it is held.
fn list() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}
