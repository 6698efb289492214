//! Bytes and connections that mean no good.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::case::trio;
use crate::cluster::Cluster;
use crate::runner::{World, note};

const BANNER: &[u8] = b"ceph v2\n\x10\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/// Kilobytes that a monitor's process has in memory.
fn memory_kb(cluster: &Cluster, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", cluster.mon(name)?.pid()?))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).unwrap_or_default().parse()?)
}

/// The quorum is as it was, and serves.
fn check_undisturbed(cluster: &mut Cluster, epoch: u64, memory: u64) -> Result<()> {
    for name in ["a", "b", "c"] {
        ensure!(cluster.runs(name)?, "mon.{name} died:\n{}", cluster.tails());
    }
    ensure!(election_epoch(cluster)? == epoch, "the quorum was disturbed");
    cluster.ceph(&["config-key", "set", "still", "serving"])?.ok()?;
    let now = memory_kb(cluster, "a")?;
    note(format!("memory {memory} kB before, {now} kB after"));
    ensure!(now < memory + 50_000, "memory grew from {memory} to {now} kB");
    let log = cluster.log("a");
    ensure!(!log.contains("panicked"), "a panic:\n{}", cluster.tails());
    Ok(())
}

fn election_epoch(cluster: &Cluster) -> Result<u64> {
    let status = cluster.ceph(&["quorum_status", "-f", "json"])?.json()?;
    status["election_epoch"].as_u64().context("no election epoch")
}

/// A small generator: the bytes of a run can be made again.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self, length: usize) -> Vec<u8> {
        (0..length)
            .map(|_| {
                self.0 ^= self.0 << 13;
                self.0 ^= self.0 >> 7;
                self.0 ^= self.0 << 17;
                self.0 as u8
            })
            .collect()
    }
}

/// Thousands of connections that send noise: before the banner, after it, and as frames with huge lengths.
pub(crate) fn random_bytes(world: &World) -> Result<()> {
    let mut cluster = trio(world)?;
    let port = cluster.mon("a")?.port;
    let (epoch, memory) = (election_epoch(&cluster)?, memory_kb(&cluster, "a")?);
    let mut bytes = Bytes(0x9e37_79b9_7f4a_7c15);
    for number in 0..3000_u32 {
        let mut peer = TcpStream::connect(("127.0.0.1", port)).context("the monitor no longer listens")?;
        peer.set_read_timeout(Some(Duration::from_secs(10)))?;
        // It may hang up at any byte: errors are what it should answer with.
        let _ = match number % 4 {
            0 => peer.write_all(&bytes.next(200)),
            1 => peer.write_all(&[BANNER, &bytes.next(300)].concat()),
            // A preamble that promises four segments of 4 GB.
            2 => peer.write_all(&[BANNER, &[1, 4], &[0xff; 24], &[0; 2], &bytes.next(4)].concat()),
            _ => peer.write_all(&BANNER[..(number % 26) as usize]),
        };
        if number % 500 == 1 {
            // It hangs up by itself on noise after a banner.
            let mut rest = Vec::new();
            let ended = peer.read_to_end(&mut rest);
            ensure!(
                !matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
                "noise did not end the connection"
            );
        }
    }
    check_undisturbed(&mut cluster, epoch, memory)
}

/// Ten thousand connections that never say anything, as many at a time as we may open.
pub(crate) fn half_open(world: &World) -> Result<()> {
    let mut cluster = trio(world)?;
    let port = cluster.mon("a")?.port;
    let (epoch, memory) = (election_epoch(&cluster)?, memory_kb(&cluster, "a")?);
    for _ in 0..20 {
        let mut held = Vec::new();
        for _ in 0..500 {
            held.push(TcpStream::connect(("127.0.0.1", port)).context("the monitor no longer listens")?);
        }
        // A real client gets through between them.
        cluster.ceph(&["config-key", "set", "between", "them"])?.ok()?;
    }
    check_undisturbed(&mut cluster, epoch, memory)
}
