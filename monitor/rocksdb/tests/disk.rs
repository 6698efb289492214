//! A full disk and a read-only one: clear errors, and nothing that was acknowledged is lost.
//!
//! Needs to mount a small file system, so it runs as root only and says so otherwise.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::Command;

use mon_rocksdb::{OpenError, TableFormat, create, open};
use mon_store::KvStore;
use mon_types::kv::{KvRead, StoreError, Transaction};

/// A mounted tmpfs of 40 MB, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mounted() -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        let mounted = mount(&["-t", "tmpfs", "-o", "size=40m", "tmpfs"], disk.path());
        if !mounted {
            eprintln!("SKIPPED: mounting a small file system for the test is not allowed here");
        }
        mounted.then_some(disk)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}

fn mount(arguments: &[&str], on: &Path) -> bool {
    let output = Command::new("mount").args(arguments).arg(on).output();
    output.is_ok_and(|output| output.status.success())
}

fn put(key: u64) -> [Transaction; 1] {
    let mut transaction = Transaction::new();
    transaction.put("p", key.to_string(), vec![key as u8; 100_000]);
    [transaction]
}

#[test]
fn full_then_read_only() {
    let Some(disk) = SmallDisk::mounted() else { return };
    let store = create(disk.path(), TableFormat::Reef).unwrap();
    let mut acknowledged = 0;
    let error = loop {
        match store.apply(&put(acknowledged + 1), true) {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    // Before the last byte is taken: there RocksDB may abort the process (found by the nemesis).
    assert!(matches!(&error, StoreError::Backend(why) if why.contains("the disk is full")), "{error:?}");
    assert!(store.apply(&put(acknowledged + 2), true).is_err(), "a store that failed takes no more writes");
    drop(store);

    // What RocksDB set aside is free again now; take that, too.
    assert!(std::fs::write(disk.path().join("filler"), vec![0; 40 << 20]).is_err());
    let error = open(disk.path(), TableFormat::Reef).unwrap_err();
    assert_eq!(error, OpenError::NoSpace(disk.path().join("store.db")));
    assert!(mount(&["-o", "remount,size=80m"], disk.path()));
    let store = open(disk.path(), TableFormat::Reef).unwrap();
    let values = store.scan("p", "", usize::MAX).unwrap();
    assert!(values.len() as u64 >= acknowledged, "{acknowledged} acknowledged, {} there", values.len());
    drop((store, values));

    assert!(mount(&["-o", "remount,ro"], disk.path()));
    let error = open(disk.path(), TableFormat::Reef).unwrap_err();
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
}
