//! What a development cluster is: its identity, its members, its places.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mon_types::id::Fsid;
use mon_types::release::Release;
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failed};

/// The content of `dev.json`, and where it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cluster {
    pub(crate) fsid: Fsid,
    pub(crate) release: Release,
    /// Whether only aes256k keys may log in.
    pub(crate) strict_ciphers: bool,
    pub(crate) base_port: u16,
    pub(crate) members: Vec<Member>,
    /// How many members there ever were; names and ports are not used twice.
    pub(crate) ever: u16,
    /// Absolute.
    #[serde(skip)]
    pub(crate) folder: PathBuf,
}

/// One monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) http_port: u16,
    /// Whether it follows without a vote.
    #[serde(default)]
    pub(crate) learner: bool,
}

const HTTP_OFFSET: u16 = 100;
/// What the system takes for the path of a socket, less what Ceph's programs need themselves.
const SOCKET_PATH_MAX: usize = 100;

impl Cluster {
    pub(crate) fn new(folder: PathBuf, release: Release, strict_ciphers: bool, base_port: u16) -> Self {
        let fsid = Fsid(uuid::Uuid::new_v4());
        Self { fsid, release, strict_ciphers, base_port, members: Vec::new(), ever: 0, folder }
    }

    /// The cluster of a folder, which must be there.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failed> {
        Self::find(folder)?.ok_or_else(|| {
            let folder = folder.display();
            Failed::new(
                Exit::Usage,
                format!("no cluster in {folder}: make one with `mon dev up --dir {folder}`"),
            )
        })
    }

    /// The cluster of a folder, if one is there.
    pub(crate) fn find(folder: &Path) -> Result<Option<Self>, Failed> {
        let path = folder.join("dev.json");
        let failed = |why: String| Failed::new(Exit::Configuration, format!("{}: {why}", path.display()));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.to_string())),
        };
        let mut cluster: Self = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
        cluster.folder = folder.canonicalize().map_err(|error| failed(error.to_string()))?;
        Ok(Some(cluster))
    }

    /// The member of this name.
    pub(crate) fn member(&self, name: &str) -> Result<&Member, Failed> {
        let name = name.strip_prefix("mon.").unwrap_or(name);
        self.members.iter().find(|member| member.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.members.iter().map(|member| member.name.as_str()).collect();
            Failed::new(Exit::Usage, format!("there is no mon.{name} here, only {}", names.join(", ")))
        })
    }

    /// A member with the next name and port; it is not in the list yet.
    pub(crate) fn next_member(&mut self) -> Member {
        let number = self.ever;
        self.ever += 1;
        let name = crate::mkfs::letters(number.into());
        Member {
            name,
            port: self.base_port + number,
            http_port: self.base_port + HTTP_OFFSET + number,
            learner: false,
        }
    }

    pub(crate) fn conf(&self) -> PathBuf {
        self.folder.join("ceph.conf")
    }

    pub(crate) fn admin_keyring(&self) -> PathBuf {
        self.folder.join("keyring")
    }

    pub(crate) fn mon_keyring(&self) -> PathBuf {
        self.folder.join("mon.keyring")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub(crate) fn data(&self, member: &Member) -> PathBuf {
        self.folder.join(format!("mon.{}", member.name))
    }

    pub(crate) fn stderr(&self, member: &Member) -> PathBuf {
        self.logs().join(format!("mon.{}.err", member.name))
    }

    pub(crate) fn pid_file(&self, member: &Member) -> PathBuf {
        self.run_folder().join(format!("mon.{}.pid", member.name))
    }

    pub(crate) fn admin_socket(&self, member: &Member) -> PathBuf {
        self.run_folder().join(format!("mon.{}.asok", member.name))
    }

    /// `D/run`, or a folder with a short path where that is too long for sockets.
    pub(crate) fn run_folder(&self) -> PathBuf {
        let run = self.folder.join("run");
        if run.as_os_str().len() + "/mon.aa.asok".len() <= SOCKET_PATH_MAX {
            run
        } else {
            std::env::temp_dir().join(format!("mon-dev-{}", self.fsid.0.simple()))
        }
    }
}

impl Member {
    pub(crate) fn socket(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.http_port).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ports_are_not_used_twice() {
        let mut cluster = Cluster::new("/d".into(), Release::Tentacle, false, 5000);
        let members = [cluster.next_member(), cluster.next_member(), cluster.next_member()];
        assert_eq!(members.clone().map(|member| member.name), ["a", "b", "c"]);
        assert_eq!(
            members.map(|member| (member.port, member.http_port)),
            [(5000, 5100), (5001, 5101), (5002, 5102)]
        );
    }

    #[test]
    fn sockets_of_deep_folders_have_short_paths() {
        let mut cluster = Cluster::new("/d".into(), Release::Tentacle, false, 5000);
        let member = cluster.next_member();
        assert_eq!(cluster.admin_socket(&member), Path::new("/d/run/mon.a.asok"));
        cluster.folder = format!("/{}", "deep/".repeat(30)).into();
        assert!(cluster.admin_socket(&member).as_os_str().len() <= SOCKET_PATH_MAX + 7);
    }
}
