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

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// The file's name in the folder of the database. RocksDB leaves files alone whose names mean nothing to it.
pub const SYNCED_FILE: &str = "SYNCED";

/// The open file.
pub(crate) struct Mark {
    file: File,
    /// What it says.
    sequence: u64,
}

impl Mark {
    /// Opens or makes the file; all up to `sequence` is on disk.
    pub(crate) fn open(folder: &Path, sequence: u64) -> io::Result<Self> {
        let path = folder.join(SYNCED_FILE);
        // Not truncated: until the new number is written, the old one holds.
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(path)?;
        let mut mark = Self { file, sequence: 0 };
        mark.advance(sequence)?;
        Ok(mark)
    }

    /// All up to `sequence` is on disk now.
    pub(crate) fn advance(&mut self, sequence: u64) -> io::Result<()> {
        if sequence != self.sequence {
            self.file.write_all_at(text(sequence).as_bytes(), 0)?;
            self.sequence = sequence;
        }
        Ok(())
    }

    /// What the file in `folder` says. One that is missing, or was never finished, says nothing.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<u64>> {
        match std::fs::read(folder.join(SYNCED_FILE)) {
            Ok(content) => Ok(parse(&content)),
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

/// The number and its complement, both in full width: it fits one sector, and damage shows.
fn text(sequence: u64) -> String {
    format!("{sequence:020} {:020}\n", !sequence)
}

fn parse(content: &[u8]) -> Option<u64> {
    let content = std::str::from_utf8(content).ok()?;
    let sequence = content.get(..20)?.parse().ok()?;
    (text(sequence) == content).then_some(sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_written_last_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Mark::read(folder.path()).unwrap(), None);
        let mut mark = Mark::open(folder.path(), 7).unwrap();
        assert_eq!(Mark::read(folder.path()).unwrap(), Some(7));
        mark.advance(u64::MAX).unwrap();
        assert_eq!(Mark::read(folder.path()).unwrap(), Some(u64::MAX));
        mark.advance(8).unwrap();
        drop(mark);
        let content = std::fs::read(folder.path().join(SYNCED_FILE)).unwrap();
        assert_eq!(parse(&content), Some(8));
        for at in 0..content.len() {
            for bit in 0..8 {
                let mut flipped = content.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(parse(&flipped), None, "byte {at}, bit {bit}");
            }
            assert_eq!(parse(&content[..at]), None);
        }
    }
}
