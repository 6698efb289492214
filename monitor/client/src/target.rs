//! Which cluster to talk to, as whom, and how patiently.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mon_types::crypto_key::CryptoKey;
use mon_types::entity::EntityName;
use mon_types::id::Fsid;
use mon_types::keyring::{BadKeyring, Keyring};
use mon_wire::auth::Mode;
use zeroize::Zeroizing;

use crate::ceph_conf::{BadConf, CephConf};
use crate::conf::{Conf, monitor_addresses};

/// A cluster, a name and a key.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where monitors are; more are learned from the monmap.
    pub monitors: Vec<SocketAddr>,
    /// The cluster; none: whichever answers.
    pub fsid: Option<Fsid>,
    /// Who we are.
    pub entity: EntityName,
    /// The key that proves it.
    pub key: CryptoKey,
    /// Modes to offer, best first.
    pub modes: Vec<Mode>,
    /// The monitor to try first, as an index into `monitors`; none: a random one.
    pub first: Option<usize>,
    /// How long one monitor may take to connect and authenticate before the next is tried.
    pub connect_timeout: Duration,
    /// After how much silence to ask whether the monitor lives, and after how much to leave it.
    pub keepalive: (Duration, Duration),
    /// Whether what was not answered is sent again to the next monitor. Stock clients do; a write may then be
    /// applied twice. If not, the caller hears [`crate::ClientError::Lost`] and decides.
    pub resend: bool,
    /// How long [`crate::Client::open`] hunts for a first monitor.
    pub open_timeout: Duration,
}

/// Why files do not give a target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A file cannot be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The configuration is no such thing, or cannot be read.
    #[error(transparent)]
    Conf(#[from] BadConf),
    /// The keyring is no such thing.
    #[error("{path}: {error}")]
    Keyring {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        error: BadKeyring,
    },
    /// The configuration names no monitors.
    #[error("{0}: no msgr2 address in mon_host; add mon_host = ADDRESS,...")]
    NoMonitors(PathBuf),
    /// No keyring holds the name.
    #[error("no key for {entity} in {paths}; name a keyring that has one")]
    NoKey {
        /// Whose key.
        entity: EntityName,
        /// Where it was looked for.
        paths: String,
    },
}

impl Target {
    /// A target with the usual patience, offering secure mode first as stock clients do.
    #[must_use]
    pub fn new(monitors: Vec<SocketAddr>, entity: EntityName, key: CryptoKey) -> Self {
        Self {
            monitors,
            fsid: None,
            entity,
            key,
            modes: vec![Mode::Secure, Mode::Crc],
            first: None,
            connect_timeout: Duration::from_secs(2),
            keepalive: (Duration::from_secs(1), Duration::from_secs(3)),
            resend: true,
            open_timeout: Duration::from_secs(30),
        }
    }

    /// Reads a `ceph.conf` and the keyring that it, or the caller, names.
    ///
    /// # Errors
    /// What is missing or unreadable.
    pub fn from_conf(path: &Path, entity: EntityName, keyring: Option<&Path>) -> Result<Self, TargetError> {
        let conf = Conf::of(&CephConf::read(path)?, &entity);
        let monitors = monitor_addresses(&conf.value("mon_host", &entity).unwrap_or_default());
        if monitors.is_empty() {
            return Err(TargetError::NoMonitors(path.to_owned()));
        }
        let key = find_key(&conf, path, &entity, keyring)?;
        let fsid = conf.value("fsid", &entity).and_then(|fsid| fsid.parse().ok());
        Ok(Self { fsid, ..Self::new(monitors, entity, key) })
    }
}

/// Looks into the named keyring, or else into those of the configuration (beside it, if relative).
fn find_key(
    conf: &Conf,
    conf_path: &Path,
    entity: &EntityName,
    keyring: Option<&Path>,
) -> Result<CryptoKey, TargetError> {
    let paths: Vec<PathBuf> = match (keyring, conf.value("keyring", entity)) {
        (Some(path), _) => vec![path.to_owned()],
        (None, Some(listed)) => {
            let folder = conf_path.parent().unwrap_or_else(|| Path::new(""));
            listed.split([',', ' ']).filter(|path| !path.is_empty()).map(|path| folder.join(path)).collect()
        }
        (None, None) => [format!("ceph.{entity}.keyring"), "ceph.keyring".into(), "keyring".into()]
            .iter()
            .map(|name| Path::new("/etc/ceph").join(name))
            .collect(),
    };
    for path in paths.iter().filter(|path| keyring.is_some() || path.exists()) {
        let text = Zeroizing::new(read(path)?);
        let ring: Keyring =
            text.parse().map_err(|error| TargetError::Keyring { path: path.clone(), error })?;
        if let Some(key) = ring.key_of(entity) {
            return Ok(key.clone());
        }
    }
    let paths = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(TargetError::NoKey { entity: entity.clone(), paths })
}

fn read(path: &Path) -> Result<String, TargetError> {
    std::fs::read_to_string(path).map_err(|error| TargetError::Read { path: path.to_owned(), error })
}
