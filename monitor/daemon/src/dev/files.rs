//! The files of a development cluster.

use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use mon_types::auth::EntityAuth;
use mon_types::crypto_key::CryptoKey;
use mon_types::entity::{EntityName, EntityType};
use mon_types::keyring::Keyring;
use mon_types::time::UTime;

use crate::dev::cluster::Cluster;
use crate::exit::{Exit, Failed};
use crate::keyring_file;

/// Makes the folders, and the keys if there are none yet.
pub(crate) fn make(cluster: &Cluster) -> Result<(), Failed> {
    for folder in [cluster.logs(), cluster.run_folder()] {
        std::fs::create_dir_all(&folder).map_err(|error| cannot("make", &folder, &error))?;
    }
    if cluster.mon_keyring().exists() {
        return Ok(());
    }
    let admin = EntityName::new(EntityType::Client, "admin");
    let admin_auth = entity(cluster, &["mon", "osd", "mds", "mgr"]);
    let mut all = Keyring::of(EntityName::mon(), entity(cluster, &["mon"]));
    all.entities.insert(admin.clone(), admin_auth.clone());
    let write = |path: &Path, keyring: &Keyring| {
        keyring_file::write(path, keyring).map_err(|error| cannot("write", path, &error))
    };
    write(&cluster.admin_keyring(), &Keyring::of(admin, admin_auth))?;
    write(&cluster.mon_keyring(), &all)
}

/// Writes `dev.json` and `ceph.conf` as the cluster is now.
pub(crate) fn save(cluster: &Cluster) -> Result<(), Failed> {
    let description = serde_json::to_string_pretty(cluster)
        .map_err(|error| Failed::new(Exit::Failure, format!("cannot describe the cluster: {error}")))?;
    for (path, text) in
        [(cluster.folder.join("dev.json"), description + "\n"), (cluster.conf(), conf(cluster))]
    {
        replace_file(&path, &text).map_err(|error| cannot("write", &path, &error))?;
    }
    Ok(())
}

/// The complaint about a file.
pub(crate) fn cannot(what: &str, path: &Path, error: &io::Error) -> Failed {
    let exit = match error.kind() {
        io::ErrorKind::StorageFull => Exit::NoSpace,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Exit::ReadOnly,
        _ => Exit::Failure,
    };
    Failed::new(exit, format!("cannot {what} {}: {error}", path.display()))
}

fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

/// A new key with all rights towards these services. Clients of 16 and 18 can only read keys of the old type.
fn entity(cluster: &Cluster, services: &[&str]) -> EntityAuth {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let created = UTime::from_duration(now);
    let key = if cluster.strict_ciphers {
        CryptoKey::aes256k(created, rand::random())
    } else {
        CryptoKey::aes(created, rand::random())
    };
    let mut auth = EntityAuth { key, ..EntityAuth::default() };
    for service in services {
        auth.set_caps(service, "allow *");
    }
    auth
}

/// Without `[global]` keyring the clients would look in `/etc/ceph`; with it the monitors need their own.
fn conf(cluster: &Cluster) -> String {
    let hosts: Vec<String> =
        cluster.members.iter().filter(|m| !m.learner).map(|m| format!("[v2:{}]", m.socket())).collect();
    let folder = cluster.folder.display();
    let run = cluster.run_folder();
    let run = run.display();
    let ciphers = if cluster.strict_ciphers { "strict" } else { "compatible" };
    let mut text = format!(
        "# Made by `mon dev`, which writes it anew when the members change.\n\
         [global]\n\
         fsid = {fsid}\n\
         mon host = {hosts}\n\
         keyring = {folder}/keyring\n\
         \n\
         [mon]\n\
         mon data = {folder}/mon.$id\n\
         keyring = $mon_data/keyring\n\
         log file = {folder}/log/$name.log\n\
         mon cluster log file = {folder}/log/cluster.$id.log\n\
         run dir = {run}\n\
         admin socket = {run}/$name.asok\n\
         mon release = {release}\n\
         mon ciphers = {ciphers}\n\
         mon data avail warn = 5\n\
         mon data avail crit = 1\n",
        fsid = cluster.fsid,
        hosts = hosts.join(","),
        release = cluster.release,
    );
    for member in &cluster.members {
        text.push_str(&format!("\n[mon.{}]\nmon http listen = {}\n", member.name, member.http()));
        text.push_str(&format!("public addrv = [v2:{}]\n", member.socket()));
        if member.learner {
            text.push_str("mon learner = true\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use mon_types::release::Release;

    use super::*;
    use crate::config::Settings;
    use crate::config::ceph_conf::CephConf;
    use crate::config::options::{Options, Who};

    #[test]
    fn our_own_reader_understands_the_conf() {
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Cluster::new(folder.path().into(), Release::Reef, true, 5000);
        for _ in 0..3 {
            let member = cluster.next_member();
            cluster.members.push(member);
        }
        cluster.members[2].learner = true;
        save(&cluster).unwrap();
        make(&cluster).unwrap();
        let mut options = Options::new(Who { id: "c".into(), cluster: "ceph".into() });
        options.set_from_ceph_conf(&CephConf::read(&cluster.conf()).unwrap(), &cluster.conf());
        let settings = Settings::from_options(&options, true).unwrap();
        assert_eq!(settings.warnings, Vec::<String>::new());
        assert_eq!(settings.mon_host.len(), 2);
        assert_eq!(settings.data, folder.path().join("mon.c"));
        assert_eq!(settings.process.admin_socket, Some(cluster.admin_socket(&cluster.members[2])));
        assert_eq!(settings.http.listen, Some(cluster.members[2].http()));
        assert!(settings.core.learner);
        let keyring = keyring_file::read(&cluster.mon_keyring()).unwrap();
        assert!(keyring.entities.len() == 2 && keyring.has_aes256k());
        let again = Cluster::open(folder.path()).unwrap();
        assert_eq!((again.fsid, again.members), (cluster.fsid, cluster.members));
    }
}
