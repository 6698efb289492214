//! Why a store cannot be opened, in words that say what to do next.

use std::io;
use std::path::{Path, PathBuf};

use rocksdb::ErrorKind;

/// Each case has its own exit code in the daemon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no store.
    #[error("no monitor store in {}: run mkfs first, or check the data path", .0.display())]
    Missing(PathBuf),
    /// Another process has it.
    #[error(
        "the store {} is in use by another process: a monitor (or a store tool) is already running on it",
        .0.display()
    )]
    Locked(PathBuf),
    /// Files are missing or do not hold what they should.
    #[error(
        "the store {} is damaged: {why}; move the data directory away, make a new one with mkfs, and let the \
         monitor sync from its peers, one monitor at a time",
        .path.display()
    )]
    Damaged {
        /// The store.
        path: PathBuf,
        /// What RocksDB says.
        why: String,
    },
    /// It cannot be written.
    #[error("cannot write to {}: {why}; check the owner, the mode and whether the mount is read-only", .path.display())]
    ReadOnly {
        /// What cannot be written.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The disk is full.
    #[error("no space left for the store {}: free some, the store itself cannot be trimmed while it is closed", .0.display())]
    NoSpace(PathBuf),
    /// `kv_backend` names another kind of store.
    #[error(
        "the store {} is of kind '{found}', only rocksdb is supported: convert it with a stock ceph-mon first",
        .path.display()
    )]
    OtherBackend {
        /// The data directory.
        path: PathBuf,
        /// What the file says.
        found: String,
    },
    /// Anything else that RocksDB or the system reports.
    #[error("cannot open the store {}: {why}", .path.display())]
    Failed {
        /// The store.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
}

impl OpenError {
    pub(crate) fn from_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_path_buf();
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing(path),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace(path),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, why: error.to_string() }
            }
            _ => Self::Failed { path, why: error.to_string() },
        }
    }

    pub(crate) fn from_rocksdb(path: &Path, error: &rocksdb::Error) -> Self {
        Self::classify(path, error.kind(), error.as_ref())
    }

    /// RocksDB passes the system's reason on as text only.
    fn classify(path: &Path, kind: ErrorKind, text: &str) -> Self {
        let path = path.to_path_buf();
        let why = text.to_owned();
        let says = |part: &str| text.contains(part);
        match kind {
            ErrorKind::IOError if says("No space left on device") || says("Disk quota exceeded") => {
                Self::NoSpace(path)
            }
            ErrorKind::IOError if says("While lock file") || says("lock hold by current process") => {
                if says("Permission denied") || says("Read-only file system") {
                    Self::ReadOnly { path, why }
                } else {
                    Self::Locked(path)
                }
            }
            ErrorKind::IOError if says("Permission denied") || says("Read-only file system") => {
                Self::ReadOnly { path, why }
            }
            ErrorKind::Corruption => Self::Damaged { path, why },
            // A file that others refer to is gone, or a name in CURRENT leads nowhere.
            ErrorKind::IOError | ErrorKind::NotFound | ErrorKind::InvalidArgument
                if says("No such file or directory") || says("does not exist") =>
            {
                Self::Damaged { path, why }
            }
            _ => Self::Failed { path, why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rocksdb_texts_are_told_apart() {
        let classify = |kind, text: &str| OpenError::classify(Path::new("/d"), kind, text);
        let io = |text: &str| classify(ErrorKind::IOError, text);
        assert_eq!(
            io("IO error: No space left on device: While appending to file: /d/1.log"),
            OpenError::NoSpace("/d".into())
        );
        assert_eq!(
            io("IO error: While lock file: /d/LOCK: Resource temporarily unavailable"),
            OpenError::Locked("/d".into())
        );
        assert_eq!(
            io(
                "IO error: lock hold by current process, acquire time 1 acquiring thread 2: /d/LOCK: No locks available"
            ),
            OpenError::Locked("/d".into())
        );
        assert!(matches!(
            io("IO error: While lock file: /d/LOCK: Read-only file system"),
            OpenError::ReadOnly { .. }
        ));
        assert!(matches!(
            io("IO error: While open a file for appending: /d/2.log: Permission denied"),
            OpenError::ReadOnly { .. }
        ));
        assert!(matches!(
            io("IO error: No such file or directory: While opening /d/MANIFEST-000004"),
            OpenError::Damaged { .. }
        ));
        assert!(matches!(io("IO error: Input/output error"), OpenError::Failed { .. }));
        assert!(matches!(
            classify(ErrorKind::Corruption, "Corruption: CURRENT file"),
            OpenError::Damaged { .. }
        ));
    }
}
