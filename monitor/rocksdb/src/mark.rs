//! How far the store is known to have reached the disk.
//!
//! RocksDB ends the replay of its log at the first record that does not check out, because after a power cut
//! that is how an unfinished write looks. A record that was damaged later looks just the same, and cutting
//! there would take acknowledged writes with it, without a word. So the sequence number that the last synced
//! write ended with stands in a file of its own beside RocksDB's: a store that ends before it has lost something.
//!
//! The file itself is not synced, and so costs next to nothing. After a power cut it may name an older
//! write, never one that the disk does not have, since it is written once the sync is done. What it cannot tell,
//! then, is damage done within the seconds before a power cut; a process that is killed leaves it exact.
//!
//! It also names the manifest and how much of that is on disk, for the same reason: see [`crate::history`].

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::history::{current_manifest, synced_length};

/// The file's name in the folder of the database. RocksDB leaves files alone whose names mean nothing to it.
pub const SYNCED_FILE: &str = "SYNCED";

/// What the file says: this much is on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Synced {
    /// All changes up to this one.
    pub(crate) sequence: u64,
    /// The manifest's number.
    pub(crate) manifest: u64,
    /// How many bytes of it.
    pub(crate) manifest_bytes: u64,
}

/// The open file.
pub(crate) struct Mark {
    file: File,
    /// What it says.
    synced: Synced,
    manifest: File,
}

impl Mark {
    /// Opens or makes the file of a store that was just opened; all up to `sequence` is on disk.
    pub(crate) fn open(folder: &Path, sequence: u64) -> io::Result<Self> {
        let (number, manifest) = current_manifest(folder)?.ok_or(io::ErrorKind::NotFound)?;
        let manifest = File::open(manifest)?;
        let path = folder.join(SYNCED_FILE);
        // Not truncated: until the new text is written, the old one holds.
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path)?;
        let mut mark = Self { file, synced: Synced { manifest: number, ..Synced::default() }, manifest };
        mark.advance(sequence)?;
        Ok(mark)
    }

    /// All up to `sequence` is on disk now.
    pub(crate) fn advance(&mut self, sequence: u64) -> io::Result<()> {
        let mut synced = Synced { sequence, ..self.synced };
        // It grows when a table is added, which is rarely, and by an edit that RocksDB is syncing as well.
        if self.manifest.metadata()?.len() != synced.manifest_bytes {
            synced.manifest_bytes = synced_length(&self.manifest)?;
        }
        if synced != self.synced {
            self.file.write_all_at(synced.text().as_bytes(), 0)?;
            self.synced = synced;
        }
        Ok(())
    }

    /// What the file in `folder` says. One that is missing, or was never finished, says nothing.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<Synced>> {
        match std::fs::read(folder.join(SYNCED_FILE)) {
            Ok(content) => Ok(Synced::parse(&content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // After a clean end it should survive a power cut, too. It may fail: an older mark is still true.
        let _ = self.file.sync_data();
    }
}

impl Synced {
    /// In full width, with a checksum: it fits one sector, and damage shows.
    fn text(&self) -> String {
        let Self { sequence, manifest, manifest_bytes } = self;
        let numbers = format!("{sequence:020} {manifest:020} {manifest_bytes:020}");
        format!("{numbers} {:08x}\n", crc32c::crc32c(numbers.as_bytes()))
    }

    fn parse(content: &[u8]) -> Option<Self> {
        let content = std::str::from_utf8(content).ok()?;
        let number = |at: usize| content.get(at..at + 20)?.parse().ok();
        let synced = Self { sequence: number(0)?, manifest: number(21)?, manifest_bytes: number(42)? };
        (synced.text() == content).then_some(synced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_written_last_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let sequence = || Mark::read(folder.path()).unwrap().map(|synced| synced.sequence);
        assert_eq!(sequence(), None);
        assert!(Mark::open(folder.path(), 7).is_err(), "there is no store");
        std::fs::write(folder.path().join("CURRENT"), "MANIFEST-000012\n").unwrap();
        std::fs::write(folder.path().join("MANIFEST-000012"), "abc").unwrap();
        let mut mark = Mark::open(folder.path(), 7).unwrap();
        let said = Mark::read(folder.path()).unwrap();
        assert_eq!(said, Some(Synced { sequence: 7, manifest: 12, manifest_bytes: 3 }));
        mark.advance(u64::MAX).unwrap();
        assert_eq!(sequence(), Some(u64::MAX));
        std::fs::write(folder.path().join("MANIFEST-000012"), "abcd").unwrap();
        mark.advance(8).unwrap();
        drop(mark);
        let content = std::fs::read(folder.path().join(SYNCED_FILE)).unwrap();
        let said = Synced { sequence: 8, manifest: 12, manifest_bytes: 4 };
        assert_eq!(Synced::parse(&content), Some(said));
        for at in 0..content.len() {
            for bit in 0..8 {
                let mut flipped = content.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(Synced::parse(&flipped), None, "byte {at}, bit {bit}");
            }
            assert_eq!(Synced::parse(&content[..at]), None);
        }
    }
}
