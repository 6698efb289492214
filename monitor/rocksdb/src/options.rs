//! How RocksDB is set up, and which table files it writes.
//!
//! The binding has no setter for the checksum of table files, but RocksDB reads options from a file in its
//! own text form; so the options are given in that form.

use std::path::Path;

use rocksdb::{Cache, ColumnFamilyDescriptor, Env, Options};

use crate::open_error::OpenError;

/// The form of new table files. All forms are read, whatever is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// What RocksDB 6.8 (Ceph 16) reads: format 2, CRC-32C.
    Pacific,
    /// What RocksDB 7.9 (Ceph 18 and 20) writes: format 5, XXH3.
    Reef,
}

impl TableFormat {
    /// The form for a cluster in which daemons of this Ceph release (16 to 20) may take part.
    #[must_use]
    pub fn for_release(release: u8) -> Self {
        if release <= 16 { Self::Pacific } else { Self::Reef }
    }

    fn options_text(self) -> &'static str {
        match self {
            Self::Pacific => "checksum=kCRC32c\n  format_version=2\n",
            Self::Reef => "checksum=kXXH3\n  format_version=5\n",
        }
    }
}

/// * `PointInTime`: when a power cut took un-synced writes, all up to some point are there and none after.
/// * `max_open_files`: all files are opened with the store, so that a missing one is noticed then.
/// * `write_buffer_size`: two of them can be in memory; Ceph's 32 MiB would be most of what we may take.
/// * The rest: an idle monitor writes nothing, and keeps little of RocksDB's own log.
const OPTIONS: &str = r#"[Version]
  rocksdb_version=6.8.1
  options_file_version=1.1
[DBOptions]
  wal_recovery_mode=kPointInTimeRecovery
  paranoid_checks=true
  max_open_files=-1
  max_background_jobs=2
  stats_dump_period_sec=0
  stats_persist_period_sec=0
  info_log_level=WARN_LEVEL
  keep_log_file_num=2
  max_log_file_size=1048576
[CFOptions "default"]
  compression=kNoCompression
  write_buffer_size=8388608
  level_compaction_dynamic_level_bytes=true
  table_factory=BlockBasedTable
[TableOptions/BlockBasedTable "default"]
  "#;

const BLOCK_CACHE_BYTES: usize = 8 << 20;

/// What `DB::open_cf_descriptors` wants.
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) families: Vec<ColumnFamilyDescriptor>,
}

/// Prepares to open `store`; needs a folder that it can make for a moment.
pub(crate) fn setup(format: TableFormat, store: &Path, scratch: &Path) -> Result<Setup, OpenError> {
    let loaded = write_and_load(format, store, scratch);
    let removed = std::fs::remove_dir_all(scratch);
    let setup = loaded?;
    removed.map_err(|error| OpenError::from_io(store, &error))?;
    Ok(setup)
}

fn write_and_load(format: TableFormat, store: &Path, scratch: &Path) -> Result<Setup, OpenError> {
    let io = |error| OpenError::from_io(store, &error);
    let rocksdb = |error| OpenError::from_rocksdb(store, &error);
    std::fs::create_dir_all(scratch).map_err(io)?;
    let text = format!("{OPTIONS}{}", format.options_text());
    std::fs::write(scratch.join("OPTIONS-000001"), text).map_err(io)?;
    let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES).map_err(rocksdb)?;
    let env = Env::new().map_err(rocksdb)?;
    let (options, families) = Options::load_latest(scratch, env, false, cache).map_err(rocksdb)?;
    Ok(Setup { options, families })
}
