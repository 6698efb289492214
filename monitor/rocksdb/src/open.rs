//! Making, examining and opening the store of a data directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mon_types::kv::{KvRead, StoreError};
use rocksdb::{DB, Options};
use rustix::fs::{FlockOperation, fcntl_lock};

use crate::history::{History, Tail};
use crate::in_use::InUse;
use crate::mark::{Mark, Synced};
use crate::open_error::OpenError;
use crate::options::{Setup, TableFormat, setup};
use crate::store::{self, RocksStore};

const BACKEND_FILE: &str = "kv_backend";
const BACKEND: &str = "rocksdb";
const STORE_FOLDER: &str = "store.db";

/// Whether a data directory has a store, finished or not.
#[must_use]
pub fn is_made(data: &Path) -> bool {
    data.join(STORE_FOLDER).exists()
}

/// Makes the store of a data directory, which exists. A store that is there is opened as it is.
///
/// # Errors
/// As [`open`].
pub fn create(data: &Path, format: TableFormat) -> Result<RocksStore, OpenError> {
    let folder = data.join(STORE_FOLDER);
    let io = |error| OpenError::from_io(data, &error);
    if !data.join(BACKEND_FILE).exists() {
        write_backend(data).map_err(io)?;
    }
    check_backend(data)?;
    if !folder.exists() {
        DirBuilder::new().mode(0o755).create(&folder).map_err(io)?;
    }
    // A folder that a power cut may take away would take along whatever is synced inside of it.
    File::open(data).and_then(|names| names.sync_all()).map_err(io)?;
    open_database(data, &folder, format, true)
}

/// Opens the store of a data directory for reading and writing, and locks it against other processes.
///
/// # Errors
/// [`OpenError`] says why not and what to do.
pub fn open(data: &Path, format: TableFormat) -> Result<RocksStore, OpenError> {
    let folder = existing_folder(data)?;
    open_database(data, &folder, format, false)
}

/// A store opened for looking only: nothing is written, not even RocksDB's own housekeeping.
pub struct ReadOnlyStore {
    db: DB,
    /// RocksDB's text log of this opening goes here, not into the store.
    _log_folder: tempfile::TempDir,
    /// Keeps others out while we look.
    _lock: File,
    _in_use: InUse,
}

/// Opens the store of a data directory for looking only, while nobody has it open.
///
/// # Errors
/// [`OpenError`] says why not and what to do.
pub fn peek(data: &Path) -> Result<ReadOnlyStore, OpenError> {
    let folder = existing_folder(data)?;
    let in_use = InUse::mark(&folder)?;
    let lock = lock(&folder, false)?;
    check_history(&folder)?;
    let (db, log_folder) = open_read_only(&folder)?;
    Ok(ReadOnlyStore { db, _log_folder: log_folder, _lock: lock, _in_use: in_use })
}

/// Opens without writing anything, and only what has all that ever was synced.
fn open_read_only(folder: &Path) -> Result<(DB, tempfile::TempDir), OpenError> {
    let log_folder =
        tempfile::tempdir().map_err(|error| OpenError::from_io(&std::env::temp_dir(), &error))?;
    let mut options = Options::default();
    options.set_db_log_dir(log_folder.path());
    options.set_max_open_files(-1);
    let db = DB::open_for_read_only(&options, folder, false)
        .map_err(|error| OpenError::from_rocksdb(folder, &error))?;
    let synced = Mark::read(folder).map_err(|error| OpenError::from_io(folder, &error))?;
    let last = db.latest_sequence_number();
    match synced.filter(|synced| synced.sequence > last) {
        Some(Synced { sequence, .. }) => {
            let why = format!("it ends with change {last}, but change {sequence} was on disk already");
            Err(OpenError::Damaged { path: folder.into(), why })
        }
        None => Ok((db, log_folder)),
    }
}

/// Looks at the files themselves, which must not be in use. What is torn, if something is.
fn check_history(folder: &Path) -> Result<Option<Vec<Tail>>, OpenError> {
    let io = |error| OpenError::from_io(folder, &error);
    let synced = Mark::read(folder).map_err(io)?;
    match History::read(folder, synced).map_err(io)? {
        History::Whole { torn } => Ok(Some(torn)),
        History::Broken(why) => Err(OpenError::Damaged { path: folder.into(), why }),
        History::Foreign => Ok(None),
    }
}

impl KvRead for ReadOnlyStore {
    fn read(&self, prefix: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        store::read(&self.db, prefix, key)
    }

    fn scan(&self, prefix: &str, start: &str, limit: usize) -> Result<Vec<(String, Bytes)>, StoreError> {
        store::scan(&self.db, prefix, start, limit)
    }
}

impl std::fmt::Debug for ReadOnlyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadOnlyStore").finish_non_exhaustive()
    }
}

/// Under another name first: a power cut leaves it whole or not there, or the directory would count as one of
/// another backend.
fn write_backend(data: &Path) -> io::Result<()> {
    let unfinished = data.join(format!("{BACKEND_FILE}.new"));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    writeln!(file, "{BACKEND}")?;
    file.sync_all()?;
    std::fs::rename(unfinished, data.join(BACKEND_FILE))
}

/// Very old data directories have no such file; what they hold shows when it is opened.
fn check_backend(data: &Path) -> Result<(), OpenError> {
    let content = match std::fs::read(data.join(BACKEND_FILE)) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::from_io(&data.join(BACKEND_FILE), &error)),
    };
    match String::from_utf8_lossy(&content).trim() {
        BACKEND => Ok(()),
        found => Err(OpenError::OtherBackend { path: data.into(), found: found.into() }),
    }
}

/// The store's folder, if there is one with something in it.
fn existing_folder(data: &Path) -> Result<PathBuf, OpenError> {
    let folder = data.join(STORE_FOLDER);
    let mut entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) => return Err(OpenError::from_io(&folder, &error)),
    };
    check_backend(data)?;
    let has_content = entries.any(|entry| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            name != "LOCK" && !name.to_string_lossy().starts_with("LOG")
        })
    });
    if !has_content {
        return Err(OpenError::Missing(folder));
    }
    if !folder.join("CURRENT").exists() {
        let why = "the file CURRENT is missing although there are other files".into();
        return Err(OpenError::Damaged { path: folder, why });
    }
    Ok(folder)
}

/// Takes the lock that RocksDB itself uses, so that stock daemons and tools respect it.
fn lock(folder: &Path, create: bool) -> Result<File, OpenError> {
    let path = folder.join("LOCK");
    let file = OpenOptions::new().read(true).write(true).create(create).truncate(false).open(&path);
    let file = file.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            OpenError::Damaged { path: folder.into(), why: "the file LOCK is missing".into() }
        }
        _ => OpenError::from_io(&path, &error),
    })?;
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Err(OpenError::Locked(folder.into())),
        Err(error) => Err(OpenError::from_io(&path, &error.into())),
    }
}

fn open_database(
    data: &Path,
    folder: &Path,
    format: TableFormat,
    create: bool,
) -> Result<RocksStore, OpenError> {
    let in_use = InUse::mark(folder)?;
    if folder.join("CURRENT").exists() {
        // RocksDB would drop what follows a damage. It takes its own lock later, when it opens the store.
        let _lock = lock(folder, true)?;
        match check_history(folder)? {
            Some(torn) => History::mend(&torn).map_err(|error| OpenError::from_io(folder, &error))?,
            None => drop(open_read_only(folder)?),
        }
    }
    let Setup { mut options, families } = setup(format, folder, &data.join("store.db.options"))?;
    options.create_if_missing(create);
    let db = DB::open_cf_descriptors(&options, folder, families)
        .map_err(|error| OpenError::from_rocksdb(folder, &error))?;
    RocksStore::new(db, folder.into(), in_use).map_err(|error| OpenError::from_io(folder, &error))
}
