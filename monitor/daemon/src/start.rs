//! From settings to a store that may be run and the addresses to run at; everything that can be wrong with
//! them is found here, before anything is written or a port is opened.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mon_rocksdb::{RocksStore, TableFormat};
use mon_types::addr::AddrVec;
use mon_types::crypto_key::CryptoKey;
use mon_types::id::Fsid;
use mon_types::monmap::MonMap;

use crate::check;
use crate::config::Settings;
use crate::exit::{Exit, Failed};
use crate::{endpoints, keyring_file, mkfs, monmap_store, user};

/// What it takes to run.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) fsid: Fsid,
    pub(crate) store: Arc<RocksStore>,
    /// The own addresses, as the monmap has them if it has us.
    pub(crate) addrs: AddrVec,
    /// Where to listen.
    pub(crate) bind: SocketAddr,
    /// The key that all monitors share.
    pub(crate) mon_key: CryptoKey,
    /// Other monitors to probe besides those in the monmap.
    pub(crate) seeds: Vec<AddrVec>,
}

/// The file that says which process we are; removed with this.
#[derive(Debug)]
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it, when the store is ours.
    pub(crate) fn write(path: &Path) -> Result<Self, Failed> {
        std::fs::write(path, Self::content()).map_err(|error| {
            Failed::new(Exit::Configuration, format!("cannot write pid_file {}: {error}", path.display()))
        })?;
        Ok(Self(path.into()))
    }

    fn content() -> String {
        format!("{}\n", std::process::id())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Another process may have written its own by now.
        if std::fs::read_to_string(&self.0).is_ok_and(|text| text == Self::content())
            && let Err(error) = std::fs::remove_file(&self.0)
        {
            tracing::warn!("cannot remove pid_file {}: {error}", self.0.display());
        }
    }
}

/// Becomes the user that the settings name, makes the store if that is wanted, then checks and opens it.
pub(crate) fn prepare(settings: &Settings) -> Result<Prepared, Failed> {
    user::become_user(&settings.process, &endpoints::folders(settings))?;
    if settings.mkfs_if_empty {
        mkfs::mkfs(settings, None)?;
    }
    let peeked = mon_rocksdb::peek(&settings.data)?;
    let fsid = check::check(&peeked, settings.fsid, settings.release)?;
    let monmap = monmap_store::newest(&peeked)?.ok_or_else(|| {
        Failed::new(Exit::StoreDamaged, "the store holds no monmap; run mkfs on an empty directory")
    })?;
    // RocksDB locks the store again when it opens it.
    drop(peeked);
    let addrs = own_addrs(settings, &monmap)?;
    let bind = match settings.bind_addr {
        // A port of 0 or none at all: the one that others know us by.
        Some(bind) => bind,
        None => listening_socket(&addrs)?,
    };
    let mon_key = keyring_file::mon_key(&settings.keyring, &settings.data)?;
    let store = mon_rocksdb::open(&settings.data, TableFormat::for_release(settings.release.number().0))?;
    let seeds = settings.mon_host.iter().filter(|seed| !shares_addr(seed, &addrs)).cloned().collect();
    Ok(Prepared { fsid, store: Arc::new(store), addrs, bind, mon_key, seeds })
}

/// Our place in the monmap; otherwise what we are told; otherwise whichever address of `mon_host` is this host's.
fn own_addrs(settings: &Settings, monmap: &MonMap) -> Result<AddrVec, Failed> {
    if let Some(info) = monmap.mons.get(&settings.name).filter(|info| !info.addrs.is_blank()) {
        return Ok(info.addrs.clone());
    }
    if let Some(addrs) = &settings.public_addrs {
        return Ok(addrs.clone());
    }
    let is_ours = |addrs: &&AddrVec| addrs.msgr2_socket().is_some_and(is_local);
    settings.mon_host.iter().find(is_ours).cloned().ok_or_else(|| {
        let message =
            format!("mon.{} is not in the monmap and has no address: give public_addr", settings.name);
        Failed::new(Exit::Address, message)
    })
}

fn listening_socket(addrs: &AddrVec) -> Result<SocketAddr, Failed> {
    addrs.msgr2_socket().ok_or_else(|| {
        Failed::new(Exit::Address, format!("{addrs} has no msgr2 address, the only kind that is served here"))
    })
}

/// Whether an address is this host's: one can bind a port of it.
fn is_local(socket: SocketAddr) -> bool {
    std::net::UdpSocket::bind((socket.ip(), 0)).is_ok()
}

fn shares_addr(left: &AddrVec, right: &AddrVec) -> bool {
    left.0.iter().any(|addr| right.0.contains(addr))
}

#[cfg(test)]
mod tests {
    use mon_types::monmap::MonInfo;

    use super::*;
    use crate::config::options::{Options, Source, Who};

    fn addrs(given: &[(&str, &str)], monmap: &MonMap) -> Result<String, Exit> {
        let mut options = Options::new(Who { id: "a".into(), cluster: "ceph".into() });
        for (option, value) in given {
            options.set(option, *value, Source::CommandLine);
        }
        let settings = Settings::from_options(&options, true).unwrap();
        own_addrs(&settings, monmap).map(|addrs| addrs.to_string()).map_err(|failed| failed.exit)
    }

    #[test]
    fn the_monmap_goes_before_the_settings() {
        let mut monmap = MonMap::default();
        let public = ("public_addr", "10.0.0.9");
        assert_eq!(addrs(&[], &monmap), Err(Exit::Address));
        assert_eq!(addrs(&[public], &monmap), Ok("v2:10.0.0.9:3300/0".into()));
        assert_eq!(
            addrs(&[("mon_host", "192.0.2.1,127.0.0.1:3311")], &monmap),
            Ok("v2:127.0.0.1:3311/0".into())
        );
        monmap.add(MonInfo::new("a", AddrVec::msgr2("10.0.0.1:3300".parse().unwrap()))).unwrap();
        assert_eq!(addrs(&[public], &monmap), Ok("v2:10.0.0.1:3300/0".into()));
    }
}
