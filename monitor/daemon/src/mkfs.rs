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
use crate::host;
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
    host::note_creation(data, settings.release).map_err(io)?;
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
/// owner has told its own, ourselves under ours, and as many blank addresses as initial members are unknown.
///
/// A monitor that is not among the initial members, or that is only told of others, is not in it: it will
/// ask them to let it join.
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
    for (name, addrs) in initial_members(settings) {
        let mut info = MonInfo::new(name, addrs);
        info.time_added = shows_ciphers.then_some(now);
        monmap.add(info).map_err(|error| Failed::new(Exit::Configuration, format!("mon_host: {error}")))?;
    }
    if monmap.size() == 0 {
        let message = "who are the monitors? give mon_host or a monmap, or at least public_addr";
        return Err(Failed::new(Exit::Configuration, message));
    }
    monmap.rank_by_address();
    Ok(monmap)
}

fn initial_members(settings: &Settings) -> Vec<(String, AddrVec)> {
    let Settings { name: own_name, mon_host, mon_initial_members: names, .. } = settings;
    let own = settings.public_addrs.as_ref();
    let is_own = |addrs: &AddrVec| own.is_some_and(|own| own.0.iter().any(|addr| addrs.0.contains(addr)));
    let mut members: Vec<(String, AddrVec)> = mon_host
        .iter()
        .enumerate()
        .map(|(index, addrs)| {
            let name = if is_own(addrs) { own_name.clone() } else { format!("noname-{}", letters(index)) };
            (name, addrs.clone())
        })
        .collect();
    let alone = mon_host.is_empty() && names.is_empty();
    if let Some(own) = own
        && (alone || names.contains(own_name))
        && !mon_host.iter().any(is_own)
    {
        members.push((own_name.clone(), own.clone()));
    }
    for (index, name) in names.iter().enumerate() {
        if members.len() < names.len() && members.iter().all(|(member, _)| member != name) {
            members.push((name.clone(), blank(index)));
        }
    }
    members
}

/// Members without a known address get one that nothing can be, all different.
fn blank(index: usize) -> AddrVec {
    let socket = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    AddrVec(vec![EntityAddr { kind: AddrType::Msgr2, nonce: index as u32 + 1, socket: Some(socket) }])
}

/// `a` to `z`, then `aa`.
pub(crate) fn letters(index: usize) -> String {
    let last = char::from(b'a' + (index % 26) as u8);
    if index < 26 { last.into() } else { letters(index / 26 - 1) + &last.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::{Options, Source, Who};

    fn members(name: &str, given: &[(&str, &str)]) -> Vec<String> {
        let mut options = Options::new(Who { id: name.into(), cluster: "ceph".into() });
        for (option, value) in given {
            options.set(option, *value, Source::CommandLine);
        }
        let settings = Settings::from_options(&options, true).unwrap();
        initial_members(&settings).into_iter().map(|(name, addrs)| format!("{name} {addrs}")).collect()
    }

    #[test]
    fn who_is_in_the_first_monmap() {
        let hosts = ("mon_host", "10.0.0.1,10.0.0.2");
        let (a, b) = ("v2:10.0.0.1:3300/0", "v2:10.0.0.2:3300/0");
        let given = [hosts, ("mon_initial_members", "a,b"), ("public_addr", "10.0.0.1")];
        assert_eq!(members("a", &given), [format!("a {a}"), format!("noname-b {b}")]);
        let given = [("mon_host", "10.0.0.2"), given[1], given[2]];
        assert_eq!(members("a", &given), [format!("noname-a {b}"), format!("a {a}")]);
        let given = [("mon_initial_members", "a,b"), ("public_addr", "10.0.0.1")];
        assert_eq!(members("a", &given), [format!("a {a}"), "b v2:0.0.0.0:0/2".to_owned()]);
        assert_eq!(members("a", &[("public_addr", "10.0.0.1")]), [format!("a {a}")]);
        // Joining an existing cluster.
        let others = [format!("noname-a {a}"), format!("noname-b {b}")];
        assert_eq!(members("c", &[hosts, ("public_addr", "10.0.0.3")]), others);
        let given = [hosts, ("mon_initial_members", "a,b"), ("public_addr", "10.0.0.3")];
        assert_eq!(members("c", &given), others);
        assert_eq!(members("c", &[]), Vec::<String>::new());
    }

    #[test]
    fn placeholder_names() {
        assert_eq!([0, 25, 26, 27, 702].map(letters), ["a", "z", "aa", "ab", "aaa"]);
    }
}
