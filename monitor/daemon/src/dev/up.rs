//! Making, starting and stopping a development cluster.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use mon_rocksdb::TableFormat;
use mon_store::KvStore;
use mon_types::addr::AddrVec;
use mon_types::crypto_key::CryptoKind;
use mon_types::entity::EntityName;
use mon_types::keyring::Keyring;
use mon_types::monmap::{CipherPolicy, MonInfo, MonMap};
use mon_types::release::Release;
use mon_types::time::UTime;

use crate::dev::cluster::{Cluster, Member};
use crate::dev::files::{self, cannot};
use crate::dev::process::{self, Signal};
use crate::dev::status::{all_in_quorum, wait};
use crate::dev::{Ciphers, UpArgs};
use crate::exit::{Exit, Failed};
use crate::{host, keyring_file};

const QUORUM_PATIENCE: Duration = Duration::from_secs(60);
const BASE_PORT: u16 = 40300;
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// Makes what is missing and starts what is stopped; then waits for the quorum.
pub(crate) fn up(arguments: &UpArgs) -> Result<(), Failed> {
    let folder = &arguments.at.dir;
    std::fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
    let cluster = match Cluster::find(folder)? {
        Some(cluster) => {
            if let Some(other) = arguments.base_port.filter(|port| *port != cluster.base_port) {
                let (folder, made) = (folder.display(), cluster.base_port);
                let message = format!(
                    "the cluster in {folder} was made with --base-port {made}, not {other}: delete it first with \
                     `mon dev down --delete --dir {folder}`, or choose another --dir"
                );
                return Err(Failed::new(Exit::Usage, message));
            }
            if cluster.members.len() != usize::from(arguments.mons) {
                eprintln!(
                    "there is a cluster of {} here already, which is started as it is; `mon dev add` and `mon dev remove` \
                     change it",
                    cluster.members.len()
                );
            }
            cluster
        }
        None => plan(folder, arguments)?,
    };
    files::make(&cluster)?;
    files::save(&cluster)?;
    let monmap = first_monmap(&cluster)?;
    for member in &cluster.members {
        make_data(&cluster, member, &monmap)?;
    }
    start_stopped(&cluster)?;
    wait(&cluster, "waiting for the quorum", QUORUM_PATIENCE, all_in_quorum)?;
    print_next_steps(&cluster);
    Ok(())
}

/// Stops all members, by force where asking does not help.
pub(crate) fn down(cluster: &Cluster, delete: bool) -> Result<(), Failed> {
    for signal in [Signal::Term, Signal::Cont] {
        for member in &cluster.members {
            // One that has ended meanwhile is what we want.
            let _ = process::signal(cluster, member, signal);
        }
    }
    for member in process::wait_until_gone(cluster, &cluster.members, STOP_PATIENCE) {
        eprintln!("mon.{} does not end by itself: killing it", member.name);
        let _ = process::signal(cluster, member, Signal::Kill);
    }
    process::wait_until_gone(cluster, &cluster.members, STOP_PATIENCE);
    if delete {
        for folder in [cluster.run_folder(), cluster.folder.clone()] {
            if folder.exists() {
                std::fs::remove_dir_all(&folder).map_err(|error| cannot("delete", &folder, &error))?;
            }
        }
        println!("stopped and deleted");
    } else {
        let folder = cluster.folder.display();
        println!("stopped; `mon dev up --dir {folder}` starts it again, `mon dev down --delete` deletes it");
    }
    Ok(())
}

/// Starts the members that do not run.
pub(crate) fn start_stopped(cluster: &Cluster) -> Result<(), Failed> {
    for member in &cluster.members {
        if process::running(cluster, member).is_none() {
            start(cluster, member)?;
        }
    }
    Ok(())
}

/// Starts a member, if its ports are free.
pub(crate) fn start(cluster: &Cluster, member: &Member) -> Result<(), Failed> {
    for socket in [member.socket(), member.http()] {
        if let Err(error) = TcpListener::bind(socket) {
            let message = format!(
                "mon.{} cannot have {socket}: {error}; free the port, or delete the cluster with `mon dev down --delete \
                 --dir {}` and make it with another --base-port",
                member.name,
                cluster.folder.display()
            );
            return Err(Failed::new(Exit::AddressInUse, message));
        }
    }
    process::start(cluster, member)?;
    eprintln!("started mon.{} at v2:{}", member.name, member.socket());
    Ok(())
}

/// Makes a member's data directory if it has none.
pub(crate) fn make_data(cluster: &Cluster, member: &Member, monmap: &MonMap) -> Result<(), Failed> {
    let data = cluster.data(member);
    if data.join("made").exists() {
        return Ok(());
    }
    let keyring = keyring_file::read(&cluster.mon_keyring())?;
    let own = keyring.entities.get(&EntityName::mon()).cloned().unwrap_or_default();
    std::fs::create_dir_all(&data).map_err(|error| cannot("make", &data, &error))?;
    let own_keyring = data.join("keyring");
    keyring_file::write(&own_keyring, &Keyring::of(EntityName::mon(), own))
        .map_err(|error| cannot("write", &own_keyring, &error))?;
    host::note_creation(&data, cluster.release).map_err(|error| cannot("write in", &data, &error))?;
    let store = mon_rocksdb::create(&data, TableFormat::for_release(cluster.release.number().0))?;
    store.apply(&[mon_core::mkfs::mkfs(monmap, &keyring)], true)?;
    drop(store);
    let made = data.join("made");
    std::fs::write(&made, "").map_err(|error| cannot("write", &made, &error))?;
    eprintln!("made mon.{} in {}", member.name, data.display());
    Ok(())
}

/// The monmap with which the members find each other.
pub(crate) fn first_monmap(cluster: &Cluster) -> Result<MonMap, Failed> {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let now = UTime::from_duration(now.unwrap_or_default());
    let policy = if cluster.strict_ciphers { CipherPolicy::strict() } else { CipherPolicy::compatible() };
    let shows_ciphers = cluster.release == Release::Tentacle;
    let mut monmap = MonMap {
        fsid: cluster.fsid,
        created: now,
        changed: now,
        ciphers: shows_ciphers.then_some(policy),
        ..MonMap::default()
    };
    for member in cluster.members.iter().filter(|member| !member.learner) {
        let mut info = MonInfo::new(&member.name, AddrVec::msgr2(member.socket()));
        info.time_added = shows_ciphers.then_some(now);
        monmap.add(info).map_err(|error| Failed::new(Exit::Invariant, error))?;
    }
    monmap.rank_by_address();
    Ok(monmap)
}

fn plan(folder: &Path, arguments: &UpArgs) -> Result<Cluster, Failed> {
    let folder = folder.canonicalize().map_err(|error| cannot("find", folder, &error))?;
    let strict = arguments.ciphers == Ciphers::Strict;
    if strict && arguments.release != Release::Tentacle {
        let message = format!(
            "{} has no {} keys: strict needs --release tentacle",
            arguments.release,
            CryptoKind::Aes256k
        );
        return Err(Failed::new(Exit::Usage, message));
    }
    let mut cluster =
        Cluster::new(folder, arguments.release, strict, arguments.base_port.unwrap_or(BASE_PORT));
    for _ in 0..arguments.mons {
        let member = cluster.next_member();
        cluster.members.push(member);
    }
    Ok(cluster)
}

fn print_next_steps(cluster: &Cluster) {
    let folder = cluster.folder.display();
    let first = cluster.members.first();
    println!("\nThe cluster is up. Try:");
    println!("  ceph -c {folder}/ceph.conf -s");
    println!("  ceph -c {folder}/ceph.conf config-key set greeting hello");
    println!("  mon dev status --dir {folder}");
    if let Some(member) = first {
        println!("  mon dev kill --dir {folder} --mon {}", member.name);
        println!("  mon status --run-dir {folder}/run");
        println!("  curl {}", format_args!("http://{}/readyz?verbose", member.http()));
    }
    println!("  mon dev down --dir {folder}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_data_tells_when_and_by_what_it_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Cluster::new(folder.path().into(), Release::Reef, false, 5000);
        let member = cluster.next_member();
        cluster.members.push(member.clone());
        files::make(&cluster).unwrap();
        make_data(&cluster, &member, &first_monmap(&cluster).unwrap()).unwrap();
        let told: Vec<_> = host::creation(&cluster.data(&member)).collect();
        let [version, created] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(*version, ("ceph_version_when_created".to_owned(), host::version_text(Release::Reef)));
        assert_eq!(created.0, "created_at");
    }
}
