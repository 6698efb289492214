//! Which process of this machine listens on an address.

use std::fs;
use std::net::{IpAddr, SocketAddr};

use rustix::process::Pid;

/// The process, by way of `/proc/net/tcp` (address to inode) and `/proc/PID/fd` (inode to process).
pub(super) fn process(addr: SocketAddr) -> Option<Pid> {
    let (table, address) = match addr.ip() {
        IpAddr::V4(ip) => ("/proc/net/tcp", hex(&ip.octets())),
        IpAddr::V6(ip) => ("/proc/net/tcp6", hex(&ip.octets())),
    };
    let wanted = format!("{address}:{:04X}", addr.port());
    let inode = inode(&fs::read_to_string(table).ok()?, &wanted)?;
    let link = format!("socket:[{inode}]");
    fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let mut files = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
            files
                .any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link.as_str()))
                .then_some(pid)
        })
        .and_then(Pid::from_raw)
}

/// Addresses are shown as words of four bytes in the machine's order.
fn hex(octets: &[u8]) -> String {
    octets
        .chunks_exact(4)
        .map(|word| format!("{:08X}", u32::from_ne_bytes([word[0], word[1], word[2], word[3]])))
        .collect()
}

/// `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode`.
fn inode(table: &str, wanted: &str) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let local = fields.next()?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        (local == wanted && state == LISTEN).then(|| inode.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn finds_this_process() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            // A machine may be without IPv6.
            let Ok(listener) = TcpListener::bind(any) else { continue };
            let found = process(listener.local_addr().unwrap());
            assert_eq!(found, Some(rustix::process::getpid()));
        }
    }

    #[test]
    fn finds_nobody_on_a_closed_port() {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(process(addr), None);
    }
}
