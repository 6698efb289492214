//! What RocksDB's manifest says of its logs.
//!
//! A manifest is a log of edits, each a sequence of tagged fields (RocksDB's `db/version_edit.h`). Two matter here:
//! the first log that is still needed, and how far the changes went that were in tables or on their way when the edit
//! was written. The others are only stepped over.

use crate::log_file::Foreign;

/// See the module documentation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Logs with lower numbers are not needed any more.
    pub(crate) log_number: u64,
    /// All changes below the first needed log have numbers up to this one.
    pub(crate) last_sequence: u64,
}

/// A tag with this bit is followed by its length, so that who does not know it may skip it.
const SKIPPABLE: u64 = 1 << 13;

impl Manifest {
    /// Puts edits together; what we do not write (column families, blobs) cannot be judged.
    pub(crate) fn of(edits: &[Vec<u8>]) -> Result<Self, Foreign> {
        let mut manifest = Self::default();
        for edit in edits {
            let mut fields = Fields(edit);
            while !fields.0.is_empty() {
                manifest.take(&mut fields).ok_or(Foreign)?;
            }
        }
        Ok(manifest)
    }

    fn take(&mut self, fields: &mut Fields<'_>) -> Option<()> {
        match fields.number()? {
            // Comparator.
            1 => fields.skip_slices(1),
            2 => {
                self.log_number = self.log_number.max(fields.number()?);
                Some(())
            }
            4 => {
                self.last_sequence = self.last_sequence.max(fields.number()?);
                Some(())
            }
            // Next file number, previous log, first log to keep.
            3 | 9 | 10 => fields.skip_numbers(1),
            // Where the next compaction of a level begins.
            5 => fields.skip(1, 1, 0),
            // A table that went: level, number.
            6 => fields.skip_numbers(2),
            // Tables that came: level, number, size, first and last key, and more with each format.
            7 => fields.skip(3, 2, 0),
            100 => fields.skip(3, 2, 2),
            102 => fields.skip(4, 2, 2),
            103 => {
                fields.skip(3, 2, 2)?;
                while fields.number()? != 1 {
                    fields.skip_slices(1)?;
                }
                Some(())
            }
            // Edits of the default column family, or of a group.
            200 => (fields.number()? == 0).then_some(()),
            203 | 300 => fields.skip_numbers(1),
            tag if tag & SKIPPABLE != 0 => fields.skip_slices(1),
            _ => None,
        }
    }
}

/// What is left of an edit.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    /// A varint.
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Numbers, then slices, then numbers again.
    fn skip(&mut self, numbers: usize, slices: usize, more: usize) -> Option<()> {
        self.skip_numbers(numbers)?;
        self.skip_slices(slices)?;
        self.skip_numbers(more)
    }

    fn skip_numbers(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.number().map(drop))
    }

    fn skip_slices(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            let length = usize::try_from(self.number()?).ok()?;
            self.0 = self.0.get(length..)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_and_sequences_are_found_among_other_fields() {
        let founding = [1, 3, b'c', b'm', b'p', 2, 0, 9, 0, 3, 2, 4, 0].to_vec();
        let mut table = vec![200, 1, 0, 103, 0, 8, 0x80, 8, 1, b'a', 1, b'z', 1, 9];
        // Two custom fields and their end, a table that went, an unknown field that may be skipped.
        table.extend([5, 2, b'x', b'y', 6, 0, 1, 6, 0, 7, 0x85, 0x40, 1, b'i']);
        table.extend([2, 0x8c, 1, 4, 0x90, 1]);
        let manifest = Manifest::of(&[founding, table.clone()]).unwrap();
        assert_eq!(manifest, Manifest { log_number: 140, last_sequence: 144 });
        for length in 1..table.len() {
            // Never a panic; a tag may happen to be left whole.
            let _ = Manifest::of(&[table[..length].to_vec()]);
        }
    }

    #[test]
    fn other_column_families_are_not_judged() {
        assert_eq!(Manifest::of(&[vec![200, 1, 3]]), Err(Foreign));
        assert_eq!(Manifest::of(&[vec![0x91, 3, 1, b'f']]), Err(Foreign), "a blob file");
    }
}
