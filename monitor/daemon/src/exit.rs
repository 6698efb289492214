//! How the process ends. docs/exit-codes.md explains each code to those who watch it.

use std::process::ExitCode;

use mon_rocksdb::OpenError;
use mon_types::kv::StoreError;

/// An exit code with its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done, or terminated as asked.
    Success = 0,
    /// Something that has no code of its own.
    Failure = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// A configuration file or an option value cannot be used.
    Configuration = 10,
    /// The keyring is missing, unreadable, or lacks the key.
    Keyring = 11,
    /// There is no store, or no finished one.
    StoreMissing = 20,
    /// Another process has the store open.
    StoreLocked = 21,
    /// The store's content cannot be trusted.
    StoreDamaged = 22,
    /// The store belongs to another cluster.
    WrongFsid = 23,
    /// The store or the cluster needs a newer release than this one shows.
    FeaturesMissing = 24,
    /// The disk is full.
    NoSpace = 25,
    /// The data directory cannot be written.
    ReadOnly = 26,
    /// A write or fsync failed while running.
    WriteFailed = 27,
    /// An address is taken.
    AddressInUse = 30,
    /// An address is not ours, or we do not know our address.
    Address = 31,
    /// The monitor was removed from the monmap.
    Removed = 40,
    /// A broken invariant.
    Invariant = 41,
}

impl Exit {
    #[cfg(test)]
    /// All of them, with what docs/exit-codes.md says.
    pub(crate) const ALL: [(Self, &str, &str); 17] = [
        (Self::Success, "done, or terminated as asked", "nothing"),
        (Self::Failure, "something without a code of its own", "read the message"),
        (Self::Usage, "the command line cannot be understood", "see `mon --help`"),
        (
            Self::Configuration,
            "a configuration file or an option value cannot be used",
            "correct the line that the message names",
        ),
        (
            Self::Keyring,
            "the keyring is missing or unreadable, or lacks the key of `mon.`",
            "put the keyring in place; `ceph auth get mon.` on another monitor shows the key",
        ),
        (Self::StoreMissing, "there is no store in the data directory", "run mkfs, or correct the data path"),
        (Self::StoreLocked, "another process has the store open", "stop the other process"),
        (
            Self::StoreDamaged,
            "the store's content cannot be trusted",
            "move the data directory away, make a new one with mkfs, let the monitor sync from its peers; one monitor at a time",
        ),
        (Self::WrongFsid, "the store belongs to another cluster", "correct fsid or the data path"),
        (
            Self::FeaturesMissing,
            "the store or the cluster needs a newer release than the one shown",
            "raise `mon_release`, or run a newer version",
        ),
        (Self::NoSpace, "the disk is full", "free some space, then start again"),
        (Self::ReadOnly, "the data directory cannot be written", "check owner, mode and mount"),
        (
            Self::WriteFailed,
            "a write or fsync failed while running",
            "check the disk, then start again; what was acknowledged is safe",
        ),
        (
            Self::AddressInUse,
            "an address is taken by another process",
            "stop the other process, or choose another port",
        ),
        (
            Self::Address,
            "the own address is not known, or not of this host",
            "give `public_addr`, or correct the monmap",
        ),
        (
            Self::Removed,
            "the monitor was removed from the monmap",
            "nothing; wipe the data directory before using the name again",
        ),
        (Self::Invariant, "an assumption of the program does not hold", "report it, with the log"),
    ];

    /// The code for a store that cannot be opened.
    pub(crate) fn of_open(error: &OpenError) -> Self {
        match error {
            OpenError::Missing(_) => Self::StoreMissing,
            OpenError::Locked(_) => Self::StoreLocked,
            OpenError::Damaged { .. } => Self::StoreDamaged,
            OpenError::ReadOnly { .. } => Self::ReadOnly,
            OpenError::NoSpace(_) => Self::NoSpace,
            OpenError::OtherBackend { .. } | OpenError::Failed { .. } => Self::Failure,
        }
    }

    /// The code for an address that cannot be listened on.
    pub(crate) fn of_bind(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::AddrInUse => Self::AddressInUse,
            std::io::ErrorKind::AddrNotAvailable => Self::Address,
            _ => Self::Failure,
        }
    }

    /// The code for a store that cannot be read.
    pub(crate) fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::Damaged { .. } => Self::StoreDamaged,
            StoreError::Backend(_) => Self::Failure,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A message for people, and the code for those who watch the process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failed {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failed {
    pub(crate) fn new(exit: Exit, message: impl std::fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        Self::new(Exit::of_open(&error), error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::new(Exit::of_store(&error), error)
    }
}

impl From<crate::config::options::BadValue> for Failed {
    fn from(error: crate::config::options::BadValue) -> Self {
        Self::new(Exit::Configuration, error)
    }
}

impl From<crate::config::ceph_conf::BadConf> for Failed {
    fn from(error: crate::config::ceph_conf::BadConf) -> Self {
        Self::new(Exit::Configuration, error)
    }
}

impl From<crate::config::yaml::BadYaml> for Failed {
    fn from(error: crate::config::yaml::BadYaml) -> Self {
        Self::new(Exit::Configuration, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_every_code() {
        let mut table = String::from("| code | meaning | what to do |\n|---|---|---|\n");
        for (exit, meaning, action) in Exit::ALL {
            table.push_str(&format!("| {} | {meaning} | {action} |\n", exit as u8));
        }
        crate::docs::check("exit-codes.md", &table);
    }
}
