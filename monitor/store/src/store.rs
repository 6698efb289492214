//! What a backend must do.

use mon_types::kv::{KvRead, StoreError, Transaction};

/// A store that can be written. It is shared: one thread writes while others read.
///
/// Writes become durable in the order in which they were applied: when a power cut undoes an un-synced
/// write, it undoes every later one too. A synced write makes all writes before it durable.
pub trait KvStore: KvRead + Send + Sync {
    /// Applies transactions in order and as one: after a crash either all of them are there or none.
    /// With `sync` they are durable when the call returns.
    ///
    /// # Errors
    /// [`StoreError`] when the backend failed. What reached the disk is then unknown, so the caller must
    /// not try again but stop the process: a page that failed to be written may read back as written.
    fn apply(&self, batch: &[Transaction], sync: bool) -> Result<(), StoreError>;

    /// About how many bytes the store takes where it is kept.
    fn size_bytes(&self) -> u64;

    /// Has everything compacted in the background: no write waits for it. `done` is called when that is finished,
    /// or given up because the store is being closed.
    fn compact(&self, done: Box<dyn FnOnce() + Send>);

    /// A checksum of all keys and values of a prefix; equal for equal content in every backend.
    ///
    /// # Errors
    /// As [`KvRead::scan`].
    fn digest(&self, prefix: &str) -> Result<Digest, StoreError> {
        let mut digest = Digest::default();
        let mut start = String::new();
        loop {
            let page = self.scan(prefix, &start, DIGEST_PAGE_KEYS)?;
            for (key, value) in &page {
                digest.add(key, value);
            }
            match page.last() {
                Some((last, _)) if page.len() == DIGEST_PAGE_KEYS => {
                    // The smallest key after `last`.
                    start = format!("{last}\0");
                }
                Some(_) | None => return Ok(digest),
            }
        }
    }
}

/// Bounds what is held in memory at once.
const DIGEST_PAGE_KEYS: usize = 256;

/// What [`KvStore::digest`] says of a prefix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    /// How many keys it has.
    pub keys: u64,
    /// Bytes of all keys and values.
    pub bytes: u64,
    /// CRC-32C over keys and values in key order, each with its length.
    pub crc32c: u32,
}

impl Digest {
    fn add(&mut self, key: &str, value: &[u8]) {
        self.keys += 1;
        for part in [key.as_bytes(), value] {
            self.bytes += part.len() as u64;
            self.crc32c = crc32c::crc32c_append(self.crc32c, &(part.len() as u64).to_le_bytes());
            self.crc32c = crc32c::crc32c_append(self.crc32c, part);
        }
    }
}
