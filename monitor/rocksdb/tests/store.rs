//! The RocksDB store against the conformance tests, and what can be wrong with a directory.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use mon_rocksdb::{OpenError, RocksStore, TableFormat, create, open, peek};
use mon_store::KvStore;
use mon_types::kv::{KvRead, StoreError, Transaction};

fn put(store: &RocksStore, key: &str, value: &str, sync: bool) {
    let mut transaction = Transaction::new();
    transaction.put("p", key, value.to_owned());
    store.apply(&[transaction], sync).unwrap();
}

/// A closed store with a table file and a log.
fn filled(data: &Path) {
    let store = create(data, TableFormat::Reef).unwrap();
    for i in 0..1000 {
        put(&store, &format!("{i:04}"), &"x".repeat(1000), false);
    }
    drop(store);
    // Opening again turns the log into a table file.
    let store = open(data, TableFormat::Reef).unwrap();
    put(&store, "late", "in the log", true);
}

fn files(data: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(data.join("store.db")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains(ending)).collect()
}

#[test]
fn conforms_in_both_formats() {
    for format in [TableFormat::Reef, TableFormat::Pacific] {
        let data = tempfile::tempdir().unwrap();
        let mut count = 0;
        mon_store::conformance::conformance(|| {
            count += 1;
            let folder = data.path().join(count.to_string());
            std::fs::create_dir(&folder).unwrap();
            create(&folder, format).unwrap()
        });
    }
}

#[test]
fn what_was_written_is_there_after_reopening() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(
        open(data.path(), TableFormat::Reef).unwrap_err(),
        OpenError::Missing(data.path().join("store.db"))
    );
    filled(data.path());
    assert_eq!(std::fs::read(data.path().join("kv_backend")).unwrap(), b"rocksdb\n");
    assert!(!data.path().join("store.db.options").exists());
    assert!(!files(data.path(), ".sst").is_empty());

    let before = listing(data.path());
    let seen = peek(data.path()).unwrap();
    assert_eq!(seen.read("p", "late").unwrap().unwrap(), "in the log");
    assert_eq!(seen.scan("p", "", usize::MAX).unwrap().len(), 1001);
    drop(seen);
    assert_eq!(listing(data.path()), before, "looking writes nothing");

    let store = open(data.path(), TableFormat::Pacific).unwrap();
    assert_eq!(store.digest("p").unwrap().keys, 1001);
    assert!(store.size_bytes() > 1_000_000);
}

fn listing(data: &Path) -> Vec<(std::path::PathBuf, u64, std::time::SystemTime)> {
    let mut all: Vec<_> = files(data, "")
        .into_iter()
        .map(|path| {
            let metadata = std::fs::metadata(&path).unwrap();
            (path, metadata.len(), metadata.modified().unwrap())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_second_opening_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let _store = create(data.path(), TableFormat::Reef).unwrap();
    let locked = OpenError::Locked(data.path().join("store.db"));
    assert_eq!(open(data.path(), TableFormat::Reef).unwrap_err(), locked);
    assert_eq!(create(data.path(), TableFormat::Reef).unwrap_err(), locked);
}

#[test]
fn another_backend_is_refused() {
    let data = tempfile::tempdir().unwrap();
    filled(data.path());
    std::fs::write(data.path().join("kv_backend"), "leveldb\n").unwrap();
    let error = open(data.path(), TableFormat::Reef).unwrap_err();
    assert_eq!(error, OpenError::OtherBackend { path: data.path().into(), found: "leveldb".into() });
}

fn overwrite(path: &Path, at: usize, bytes: &[u8]) {
    let mut content = std::fs::read(path).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    std::fs::write(path, content).unwrap();
}

/// Opens a store that `damage` was done to, by looking and for writing.
fn errors_after(damage: impl Fn(&Path)) -> [OpenError; 2] {
    let data = tempfile::tempdir().unwrap();
    filled(data.path());
    damage(data.path());
    [peek(data.path()).unwrap_err(), open(data.path(), TableFormat::Reef).unwrap_err()]
}

#[test]
fn damage_is_named() {
    let check = |name: &str, damage: &dyn Fn(&Path)| {
        for error in errors_after(damage) {
            assert!(matches!(error, OpenError::Damaged { .. }), "{name}: {error:?}");
            assert!(error.to_string().contains("sync from its peers"), "{name}: {error}");
        }
    };
    check("no CURRENT", &|data| std::fs::remove_file(data.join("store.db/CURRENT")).unwrap());
    check("empty CURRENT", &|data| std::fs::write(data.join("store.db/CURRENT"), "").unwrap());
    check("CURRENT leads nowhere", &|data| {
        std::fs::write(data.join("store.db/CURRENT"), "MANIFEST-999999\n").unwrap();
    });
    check("garbage in MANIFEST", &|data| overwrite(&files(data, "MANIFEST")[0], 20, &[0xa5; 30]));
    check("empty MANIFEST", &|data| std::fs::write(&files(data, "MANIFEST")[0], "").unwrap());
    check("no MANIFEST", &|data| std::fs::remove_file(&files(data, "MANIFEST")[0]).unwrap());
    check("no table file", &|data| std::fs::remove_file(&files(data, ".sst")[0]).unwrap());
    check("short table file", &|data| {
        let path = &files(data, ".sst")[0];
        let content = std::fs::read(path).unwrap();
        std::fs::write(path, &content[..content.len() / 2]).unwrap();
    });
}

#[test]
fn a_damaged_block_is_found_when_it_is_read() {
    let data = tempfile::tempdir().unwrap();
    filled(data.path());
    overwrite(&files(data.path(), ".sst")[0], 100, &[0xa5; 30]);
    let store = open(data.path(), TableFormat::Reef).unwrap();
    let error = store.read("p", "0000").unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { what, .. } if what == "p/0000"), "{error:?}");
    assert!(
        error.to_string().contains("; move the data directory away, make a new one with mkfs"),
        "{error}"
    );
    let error = store.scan("p", "", 10).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

#[test]
fn everything_is_compacted_when_asked_and_the_end_is_told() {
    let data = tempfile::tempdir().unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = || -> String {
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("{state:016x}")
        };
        (0..250).map(next).collect()
    };
    let store = create(data.path(), TableFormat::Reef).unwrap();
    for i in 0..500 {
        put(&store, &format!("{i:04}"), &noise(), false);
    }
    drop(store);
    // Opening again turns the log into a table file.
    let store = open(data.path(), TableFormat::Reef).unwrap();
    let mut erase = Transaction::new();
    erase.erase_range("p", "0000", "0490");
    store.apply(&[erase], true).unwrap();
    let before = store.size_bytes();
    assert!(before > 900_000, "{before} bytes");
    let (ends, ended) = std::sync::mpsc::channel();
    for _ in 0..2 {
        let ends = ends.clone();
        store.compact(Box::new(move || ends.send(()).unwrap()));
    }
    for _ in 0..2 {
        ended.recv_timeout(std::time::Duration::from_secs(60)).expect("an end");
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    // RocksDB deletes old files after it has reported the compaction.
    while store.size_bytes() > before / 4 {
        assert!(std::time::Instant::now() < deadline, "{} of {before} bytes are left", store.size_bytes());
    }
    assert!(store.read("p", "0495").unwrap().is_some() && store.read("p", "0000").unwrap().is_none());
}
