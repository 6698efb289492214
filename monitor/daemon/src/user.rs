//! Becoming another user, as `--setuser` and `--setgroup` ask.
//!
//! Must happen while the process has one thread: Linux changes the user of a thread, and threads that are
//! started later inherit it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::config::ProcessSettings;
use crate::exit::{Exit, Failed};

/// A user and a group by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Account {
    uid: u32,
    gid: u32,
}

/// Becomes who the settings say. Without root rights, being that user already is enough.
///
/// Folders that are missing are made for that user before, as far as we may: a run directory is on a file system that
/// is empty after a boot, under a folder of root's.
pub(crate) fn become_user(process: &ProcessSettings, folders: &[&Path]) -> Result<(), Failed> {
    let failed = |why: String| Failed::new(Exit::Configuration, why);
    let current =
        Account { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() };
    let mut wanted = current;
    if let Some(user) = &process.user {
        wanted =
            account_of(user, Path::new("/etc/passwd")).map_err(|why| failed(format!("setuser: {why}")))?;
    }
    if let Some(group) = &process.group {
        wanted.gid =
            number_of(group, Path::new("/etc/group")).map_err(|why| failed(format!("setgroup: {why}")))?;
    }
    if let Some(path) = &process.user_match_path {
        let owner = std::fs::metadata(path).map(|metadata| metadata.uid());
        let owner =
            owner.map_err(|error| failed(format!("setuser_match_path {}: {error}", path.display())))?;
        if owner != wanted.uid {
            return Ok(());
        }
    }
    for folder in folders.iter().filter(|folder| !folder.exists()) {
        // What cannot be made is told by who needs it.
        if std::fs::create_dir_all(folder).is_ok() && wanted != current {
            let _ = std::os::unix::fs::chown(folder, Some(wanted.uid), Some(wanted.gid));
        }
    }
    if wanted == current {
        return Ok(());
    }
    switch(wanted).map_err(|error| {
        let Account { uid, gid } = wanted;
        failed(format!("cannot become user {uid}, group {gid}: {error}; start as root, or as that user"))
    })
}

fn switch(to: Account) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(to.uid), Gid::from_raw(to.gid));
    set_thread_groups(&[gid])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(())
}

/// A user by name or number; by number the group is the same number unless the file knows better.
fn account_of(user: &str, passwd: &Path) -> Result<Account, String> {
    let text = std::fs::read_to_string(passwd).unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, uid, gid) = (fields.next()?, fields.nth(1)?, fields.next()?);
        let account = Account { uid: uid.parse().ok()?, gid: gid.parse().ok()? };
        (name == user || uid == user).then_some(account)
    });
    match (found, user.parse()) {
        (Some(account), _) => Ok(account),
        (None, Ok(number)) => Ok(Account { uid: number, gid: number }),
        (None, Err(_)) => Err(format!("there is no user '{user}' on this host")),
    }
}

fn number_of(group: &str, file: &Path) -> Result<u32, String> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, gid) = (fields.next()?, fields.nth(1)?);
        (name == group).then(|| gid.parse().ok())?
    });
    found.ok_or_else(|| format!("there is no group '{group}' on this host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_run_directories_are_made_where_that_is_possible() {
        let folder = tempfile::tempdir().unwrap();
        let (run, file) = (folder.path().join("run/ceph"), folder.path().join("file"));
        std::fs::write(&file, "").unwrap();
        let process = ProcessSettings {
            foreground: true,
            user: None,
            group: None,
            user_match_path: None,
            pid_file: None,
            admin_socket: None,
        };
        become_user(&process, &[&run, &file.join("below")]).unwrap();
        assert!(run.is_dir());
    }

    #[test]
    fn names_and_numbers() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "root:x:0:0::/root:/bin/sh\nceph:x:167:168:Ceph:/:/bin/false\nbroken\n")
            .unwrap();
        assert_eq!(account_of("ceph", file.path()), Ok(Account { uid: 167, gid: 168 }));
        assert_eq!(account_of("167", file.path()), Ok(Account { uid: 167, gid: 168 }));
        assert_eq!(account_of("64045", file.path()), Ok(Account { uid: 64045, gid: 64045 }));
        assert!(account_of("nobody-here", file.path()).is_err());
        std::fs::write(file.path(), "ceph:x:167:\n").unwrap();
        assert_eq!(number_of("ceph", file.path()), Ok(167));
        assert_eq!(number_of("5", file.path()), Ok(5));
        assert!(number_of("none", file.path()).is_err());
    }
}
