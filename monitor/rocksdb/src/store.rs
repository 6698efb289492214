//! Reading and writing an open RocksDB.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use mon_store::{DiskSpace, KvStore};
use mon_types::kv::{KvRead, Op, StoreError, Transaction};
use rocksdb::{DB, ErrorKind, ReadOptions, WriteBatch, WriteOptions};

use crate::compaction::{Compactor, KeyRange};
use crate::in_use::InUse;
use crate::mark::{Mark, SYNCED_FILE};

/// An open store; dropping it closes it and releases its lock.
pub struct RocksStore {
    // Before `db`, because its thread holds on to the database until it is dropped.
    compactor: Compactor,
    db: Arc<DB>,
    /// Held while writing, so that it never names a write that is not synced.
    mark: Mutex<Mark>,
    path: PathBuf,
    // Last: until the database is closed.
    _in_use: InUse,
}

/// What RocksDB may want to write at any moment: half of a memtable as a table file, and the log.
const RESERVE_BYTES: u64 = 4 << 20;

impl RocksStore {
    pub(crate) fn new(db: DB, path: PathBuf, in_use: InUse) -> std::io::Result<Self> {
        // What was replayed from the log is in a synced table file by now.
        let mark = Mutex::new(Mark::open(&path, db.latest_sequence_number())?);
        let db = Arc::new(db);
        Ok(Self { compactor: Compactor::start(Arc::clone(&db))?, db, mark, path, _in_use: in_use })
    }

    /// The folder of the database (`store.db`).
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Debian's RocksDB aborts the process when an append finds the disk full: we end before that, with our own
    /// message and exit code.
    fn check_room(&self) -> Result<(), StoreError> {
        let measured = DiskSpace::measure(&self.path);
        let free = measured.map_err(|error| StoreError::Backend(format!("measuring the disk: {error}")))?;
        if free.bytes_available >= RESERVE_BYTES {
            return Ok(());
        }
        Err(StoreError::Backend(format!(
            "the disk is full: {} has {} kB of space left and needs {}; free some, then start again",
            self.path.display(),
            free.bytes_available >> 10,
            RESERVE_BYTES >> 10
        )))
    }
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl KvRead for RocksStore {
    fn read(&self, prefix: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        read(&self.db, prefix, key)
    }

    fn scan(&self, prefix: &str, start: &str, limit: usize) -> Result<Vec<(String, Bytes)>, StoreError> {
        scan(&self.db, prefix, start, limit)
    }
}

impl KvStore for RocksStore {
    fn apply(&self, batch: &[Transaction], sync: bool) -> Result<(), StoreError> {
        let mut writes = WriteBatch::default();
        let mut compactions = Vec::new();
        for op in batch.iter().flat_map(Transaction::ops) {
            match op {
                Op::Put { prefix, key, value } => writes.put(raw_key(prefix, key), value),
                Op::Erase { prefix, key } => writes.delete(raw_key(prefix, key)),
                // RocksDB refuses a reversed range; nothing is in it.
                Op::EraseRange { start, end, .. } if start >= end => {}
                Op::EraseRange { prefix, start, end } => {
                    writes.delete_range(raw_key(prefix, start), raw_key(prefix, end));
                }
                Op::Compact { prefix, range } => compactions.push(key_range(prefix, range.as_ref())),
            }
        }
        self.check_room()?;
        // An empty batch is written too: with `sync` it makes earlier writes durable.
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        self.db.write_opt(writes, &options).map_err(|error| failed("writing", &error))?;
        if sync {
            let synced = mark.advance(self.db.latest_sequence_number());
            synced.map_err(|error| StoreError::Backend(format!("writing {SYNCED_FILE}: {error}")))?;
        }
        drop(mark);
        compactions.into_iter().for_each(|range| self.compactor.hint(range));
        Ok(())
    }

    fn compact(&self, done: Box<dyn FnOnce() + Send>) {
        self.compactor.compact_all(done);
    }

    fn size_bytes(&self) -> u64 {
        // Files come and go while we look; one that is gone counts as nothing.
        let Ok(files) = std::fs::read_dir(&self.path) else { return 0 };
        files.flatten().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
    }
}

pub(crate) fn read(db: &DB, prefix: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
    match db.get_pinned(raw_key(prefix, key)) {
        Ok(value) => Ok(value.map(|bytes| Bytes::copy_from_slice(&bytes))),
        Err(error) => Err(failed(&format!("{prefix}/{key}"), &error)),
    }
}

pub(crate) fn scan(
    db: &DB,
    prefix: &str,
    start: &str,
    limit: usize,
) -> Result<Vec<(String, Bytes)>, StoreError> {
    let first = raw_key(prefix, start);
    let mut options = ReadOptions::default();
    options.set_iterate_upper_bound(after_prefix(prefix));
    let mut cursor = db.raw_iterator_opt(options);
    let mut found = Vec::new();
    cursor.seek(&first);
    while found.len() < limit {
        let Some((raw, value)) = cursor.item() else { break };
        let key = std::str::from_utf8(&raw[prefix.len() + 1..]).map_err(|_| StoreError::Damaged {
            what: format!("{prefix}/{}", raw[prefix.len() + 1..].escape_ascii()),
            why: "the key is not UTF-8".into(),
        })?;
        found.push((key.into(), Bytes::copy_from_slice(value)));
        cursor.next();
    }
    cursor.status().map_err(|error| failed(&format!("{prefix}/"), &error))?;
    Ok(found)
}

fn raw_key(prefix: &str, key: &str) -> Vec<u8> {
    let mut raw = Vec::with_capacity(prefix.len() + 1 + key.len());
    raw.extend_from_slice(prefix.as_bytes());
    raw.push(0);
    raw.extend_from_slice(key.as_bytes());
    raw
}

/// The smallest raw key behind all keys of a prefix.
fn after_prefix(prefix: &str) -> Vec<u8> {
    let mut raw = prefix.as_bytes().to_vec();
    raw.push(1);
    raw
}

fn key_range(prefix: &str, range: Option<&(String, String)>) -> KeyRange {
    match range {
        Some((start, end)) => (raw_key(prefix, start), raw_key(prefix, end)),
        None => (raw_key(prefix, ""), after_prefix(prefix)),
    }
}

/// Tells content that cannot be trusted from a backend that does not work.
fn failed(what: &str, error: &rocksdb::Error) -> StoreError {
    match error.kind() {
        ErrorKind::Corruption => StoreError::Damaged { what: what.into(), why: error.to_string() },
        _ => StoreError::Backend(format!("{what}: {error}")),
    }
}
