//! A file that says where the endpoint is, for programs on the same machine: the port may be any free one.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What such files' names end with.
pub(crate) const ENDING: &str = "http";

/// The file of a running monitor; it goes with the process, unless that is killed.
#[derive(Debug)]
pub(crate) struct AddressFile(PathBuf);

impl AddressFile {
    /// Writes the URL. Whoever reads the file sees all of it or the one before.
    pub(crate) fn write(path: &Path, address: SocketAddr, has_tls: bool) -> io::Result<Self> {
        let half_made = path.with_extension(format!("{ENDING}.{}", std::process::id()));
        let scheme = if has_tls { "https" } else { "http" };
        std::fs::write(&half_made, format!("{scheme}://{}\n", reachable(address)))?;
        std::fs::rename(&half_made, path).inspect_err(|_| {
            // The error to report is the rename's.
            let _ = std::fs::remove_file(&half_made);
        })?;
        Ok(Self(path.into()))
    }
}

impl Drop for AddressFile {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Where the own machine reaches what listens on every address.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_url_as_long_as_it_is_true() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ceph-mon.a.http");
        let file = AddressFile::write(&path, "0.0.0.0:9283".parse().unwrap(), true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "https://127.0.0.1:9283\n");
        let again = AddressFile::write(&path, "[::1]:5".parse().unwrap(), false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "http://[::1]:5\n");
        drop((file, again));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(
            AddressFile::write(&folder.path().join("none/x.http"), ([127, 0, 0, 1], 1).into(), false)
                .is_err()
        );
    }
}
