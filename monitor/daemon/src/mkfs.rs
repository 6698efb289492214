//! Making a data directory: the monmap to find the others by, the keys, the store.
//!
//! It can be run again at any time: what is there already stays, and a directory that an earlier attempt left
//! unfinished is finished.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::SystemTime;

use mon_rocksdb::TableFormat;
use mon_store::KvStore;
use mon_types::addr::{AddrType, AddrVec, EntityAddr};
use mon_types::encode::Decode;
use mon_types::entity::EntityName;
use mon_types::id::Fsid;
use mon_types::keyring::Keyring;
use mon_types::kv::KvRead;
use mon_types::monmap::{MonInfo, MonMap};
use mon_types::release::Release;
use mon_types::time::UTime;

use crate::check;
use crate::config::Settings;
use crate::exit::{Exit, Failed};
use crate::keyring_file;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    New(Fsid),
    /// A monitor of the same cluster was there.
    Already(Fsid),
}

/// Makes the data directory that the settings name.
pub(crate) fn mkfs(settings: &Settings, monmap: Option<&Path>) -> Result<Made, Failed> {
    let data = &settings.data;
    if let Some(found) = existing(settings)? {
        return Ok(Made::Already(found));
    }
    let monmap = match monmap {
        Some(path) => with_own_fsid(read_monmap(path)?, settings)?,
        None => initial_monmap(settings)?,
    };
    let keyring = keyring_file::read(&settings.keyring)?;
    let Some(mon) = keyring.entities.get(&EntityName::mon()) else {
        let message =
            format!("keyring {}: no key of mon., which all monitors share", settings.keyring.display());
        return Err(Failed::new(Exit::Keyring, message));
    };

    let io = |error: std::io::Error| {
        let exit = match error.kind() {
            std::io::ErrorKind::StorageFull => Exit::NoSpace,
            _ => Exit::ReadOnly,
        };
        Failed::new(exit, format!("cannot make {}: {error}", data.display()))
    };
    DirBuilder::new().recursive(true).mode(0o755).create(data).map_err(io)?;
    keyring_file::write(&data.join("keyring"), &Keyring::of(EntityName::mon(), mon.clone())).map_err(io)?;
    let store = mon_rocksdb::create(data, TableFormat::for_release(settings.release.number().0))?;
    store.apply(&[mon_core::mkfs::mkfs(&monmap, &keyring)], true)?;
    Ok(Made::New(monmap.fsid))
}

/// The cluster of a monitor that is there already; an error if it is of another than the settings say.
fn existing(settings: &Settings) -> Result<Option<Fsid>, Failed> {
    if !mon_rocksdb::is_made(&settings.data) {
        return Ok(None);
    }
    let store = match mon_rocksdb::peek(&settings.data) {
        Err(mon_rocksdb::OpenError::Missing(_)) => return Ok(None),
        opened => opened?,
    };
    // An empty store is what an attempt that was cut off leaves.
    if store.read("monitor", "magic")?.is_none() {
        return Ok(None);
    }
    Ok(Some(check::check(&store, settings.fsid, settings.release)?))
}

fn read_monmap(path: &Path) -> Result<MonMap, Failed> {
    let failed = |why: String| Failed::new(Exit::Configuration, format!("monmap {}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    MonMap::from_bytes(&bytes).map_err(|error| failed(format!("{error}; is the file cut off?")))
}

fn with_own_fsid(mut monmap: MonMap, settings: &Settings) -> Result<MonMap, Failed> {
    match settings.fsid {
        Some(fsid) => monmap.fsid = fsid,
        None if monmap.fsid == Fsid::default() => return Err(no_fsid()),
        None => {}
    }
    Ok(monmap)
}

fn no_fsid() -> Failed {
    Failed::new(Exit::Configuration, "which cluster? give its fsid (a new one: `uuidgen`), or a monmap")
}

/// A monmap from what the settings know: each address of `mon_host` under a placeholder name until its
/// owner has told its own, ourselves by our address, and the initial members whose addresses are unknown
/// with a blank one.
fn initial_monmap(settings: &Settings) -> Result<MonMap, Failed> {
    let fsid = settings.fsid.ok_or_else(no_fsid)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = UTime::from_duration(now);
    let shows_ciphers = settings.release == Release::Tentacle;
    let mut monmap = MonMap {
        fsid,
        created: now,
        changed: now,
        ciphers: shows_ciphers.then(|| settings.ciphers.clone()),
        ..MonMap::default()
    };
    let mut add = |name: String, addrs: AddrVec| {
        let mut info = MonInfo::new(name, addrs);
        info.time_added = shows_ciphers.then_some(now);
        monmap.add(info).map_err(|error| Failed::new(Exit::Configuration, format!("mon_host: {error}")))
    };
    let own = settings.public_addrs.as_ref();
    let is_own = |addrs: &AddrVec| own.is_some_and(|own| own.0.iter().any(|addr| same_host(addr, addrs)));
    for (index, addrs) in settings.mon_host.iter().enumerate() {
        let name = if is_own(addrs) { settings.name.clone() } else { format!("noname-{}", letters(index)) };
        add(name, addrs.clone())?;
    }
    let members = settings.mon_initial_members.iter();
    let own_name = own.map(|_| &settings.name).filter(|name| !settings.mon_initial_members.contains(name));
    for (index, name) in members.chain(own_name).enumerate() {
        match own.filter(|_| *name == settings.name) {
            Some(own) if !settings.mon_host.iter().any(is_own) => drop(add(name.clone(), own.clone())?),
            // Under its name already, by its address.
            Some(_) => {}
            // As many unnamed addresses are known as others are named: the names come by themselves.
            None if settings.mon_host.len() >= settings.mon_initial_members.len() => {}
            None => drop(add(name.clone(), blank(index))?),
        }
    }
    if monmap.size() == 0 {
        let message = "who are the monitors? give mon_host or a monmap, or at least public_addr";
        return Err(Failed::new(Exit::Configuration, message));
    }
    monmap.rank_by_address();
    Ok(monmap)
}

/// Whether an address is the own one: with the same port, or on the same host where only one is given.
fn same_host(own: &EntityAddr, addrs: &AddrVec) -> bool {
    addrs.0.iter().any(|addr| addr.kind == own.kind && addr.socket == own.socket)
}

/// Members without a known address get one that nothing can be, all different.
fn blank(index: usize) -> AddrVec {
    let socket = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    AddrVec(vec![EntityAddr { kind: AddrType::Msgr2, nonce: index as u32 + 1, socket: Some(socket) }])
}

/// `a` to `z`, then `aa`.
fn letters(index: usize) -> String {
    let last = char::from(b'a' + (index % 26) as u8);
    if index < 26 { last.into() } else { letters(index / 26 - 1) + &last.to_string() }
}
