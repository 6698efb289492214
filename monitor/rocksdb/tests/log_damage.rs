//! Damage in RocksDB's log: acknowledged writes are all there, or the store is refused.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::{Path, PathBuf};

use mon_rocksdb::{OpenError, SYNCED_FILE, TableFormat, create, open, peek};
use mon_store::KvStore;
use mon_types::kv::{KvRead, Transaction};

const ACKNOWLEDGED: u64 = 6;

fn put(store: &impl KvStore, key: u64, sync: bool) {
    let mut transaction = Transaction::new();
    transaction.put_u64("p", key.to_string(), key * 1000);
    store.apply(&[transaction], sync).unwrap();
}

/// A store as a killed process leaves it: synced writes, and one behind them that was not.
fn killed(data: &Path) {
    let live = tempfile::tempdir().unwrap();
    let store = create(live.path(), TableFormat::Reef).unwrap();
    for key in 1..=ACKNOWLEDGED {
        put(&store, key, true);
    }
    put(&store, ACKNOWLEDGED + 1, false);
    // Copied while it is open: closing changes nothing in the log, but a killed process does not close.
    copy(live.path(), data);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn log(data: &Path) -> PathBuf {
    let entries = std::fs::read_dir(data.join("store.db")).unwrap().map(|entry| entry.unwrap().path());
    let mut logs = entries.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
    let log = logs.next().unwrap();
    assert!(logs.next().is_none());
    log
}

/// Opens it in both ways. `true` when it was refused, in the same way by both and with nothing changed;
/// otherwise every acknowledged write was there.
fn refused(data: &Path, what: &str) -> bool {
    let check = |store: &dyn KvRead| {
        for key in 1..=ACKNOWLEDGED {
            assert_eq!(store.read_u64("p", &key.to_string()).unwrap(), Some(key * 1000), "{what}: key {key}");
        }
        let late = store.read_u64("p", &(ACKNOWLEDGED + 1).to_string()).unwrap();
        assert!(late.is_none_or(|value| value == (ACKNOWLEDGED + 1) * 1000), "{what}: {late:?}");
    };
    let peeked = match peek(data) {
        Ok(store) => {
            check(&store);
            None
        }
        Err(error) => Some(error),
    };
    match open(data, TableFormat::Reef) {
        Ok(store) => {
            assert_eq!(peeked, None, "{what}");
            check(&store);
            false
        }
        Err(error) => {
            assert!(matches!(error, OpenError::Damaged { .. }), "{what}: {error}");
            assert_eq!(peeked, Some(error), "{what}");
            true
        }
    }
}

#[test]
fn acknowledged_writes_never_vanish_without_a_word() {
    let original = tempfile::tempdir().unwrap();
    killed(original.path());
    let content = std::fs::read(log(original.path())).unwrap();
    let mut refusals = 0;
    for at in (0..content.len()).step_by(3) {
        let data = tempfile::tempdir().unwrap();
        copy(original.path(), data.path());
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(log(data.path()), &flipped).unwrap();
        if refused(data.path(), &format!("bit of byte {at} flipped")) {
            refusals += 1;
            assert_eq!(std::fs::read(log(data.path())).unwrap(), flipped, "a refused store stays as it is");
        }
    }
    let records = usize::try_from(ACKNOWLEDGED + 1).unwrap();
    assert!(refusals >= content.len() / records * (records - 1) / 3, "{refusals} of {}", content.len());

    for length in (0..content.len()).step_by(5) {
        let data = tempfile::tempdir().unwrap();
        copy(original.path(), data.path());
        std::fs::write(log(data.path()), &content[..length]).unwrap();
        let cut = refused(data.path(), &format!("cut to {length} bytes"));
        assert_eq!(cut, length < content.len() / records * (records - 1), "cut to {length} bytes");
    }

    let data = tempfile::tempdir().unwrap();
    copy(original.path(), data.path());
    std::fs::remove_file(log(data.path())).unwrap();
    assert!(refused(data.path(), "no log"));
}

#[test]
fn a_store_without_a_mark_is_taken_up_and_gets_one() {
    let data = tempfile::tempdir().unwrap();
    killed(data.path());
    // Made by stock Ceph, say.
    std::fs::remove_file(data.path().join("store.db").join(SYNCED_FILE)).unwrap();
    assert!(!refused(data.path(), "no mark"));
    assert!(data.path().join("store.db").join(SYNCED_FILE).exists());
    assert!(!refused(data.path(), "its own mark"));
}

#[test]
fn a_write_that_was_not_synced_may_be_torn() {
    let data = tempfile::tempdir().unwrap();
    killed(data.path());
    let path = log(data.path());
    let mut content = std::fs::read(&path).unwrap();
    let last = content.len() - 1;
    content[last] ^= 0x40;
    std::fs::write(&path, content).unwrap();
    assert!(!refused(data.path(), "its end is torn"));
    // What comes after is complete again.
    let store = open(data.path(), TableFormat::Reef).unwrap();
    put(&store, ACKNOWLEDGED + 2, true);
    drop(store);
    let store = open(data.path(), TableFormat::Reef).unwrap();
    assert_eq!(store.read_u64("p", &(ACKNOWLEDGED + 1).to_string()).unwrap(), None);
    assert!(store.read_u64("p", &(ACKNOWLEDGED + 2).to_string()).unwrap().is_some());
}
