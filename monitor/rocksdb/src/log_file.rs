//! RocksDB's form of log, which its write-ahead logs (`*.log`) and its manifest share.
//!
//! ```text
//! 32 KiB blocks | record | record | ... | fewer than 7 bytes: zeros |
//! record         masked CRC-32C (le32) | length (le16) | type (u8) | payload
//! type           1 whole; 2 first, 3 middle, 4 last part of one that crosses blocks
//! ```
//! Source: RocksDB's wiki, "Write Ahead Log File Format". RocksDB itself ends a log at the first record that does not
//! check out, and skips what begins with zeros; whoever has to know what is there must look for himself.

const BLOCK: usize = 32 << 10;
const HEADER: usize = 7;

/// What a log holds up to where it stops making sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFile {
    /// Whole records.
    pub(crate) records: Vec<Vec<u8>>,
    /// The byte behind the last of them.
    pub(crate) end: usize,
    /// The file's length; more than `end` when there is something behind it that is no record.
    pub(crate) length: usize,
}

/// A kind of record that we do not write and cannot judge (recycled or compressed logs).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Foreign;

impl LogFile {
    pub(crate) fn scan(content: &[u8]) -> Result<Self, Foreign> {
        let mut log = Self { records: Vec::new(), end: 0, length: content.len() };
        let mut at = 0;
        let mut parts: Option<Vec<u8>> = None;
        loop {
            let left_in_block = BLOCK - at % BLOCK;
            if left_in_block < HEADER {
                at += left_in_block;
                continue;
            }
            let Some(part) = content.get(at..).and_then(Part::read) else { return Ok(log) };
            if part.payload.len() + HEADER > left_in_block {
                return Ok(log);
            }
            at += HEADER + part.payload.len();
            match (part.kind, &mut parts) {
                (1, None) => log.records.push(part.payload.to_vec()),
                (2, None) => parts = Some(part.payload.to_vec()),
                (3, Some(parts)) => parts.extend_from_slice(part.payload),
                (4, Some(_)) => {
                    let mut whole = parts.take().unwrap_or_default();
                    whole.extend_from_slice(part.payload);
                    log.records.push(whole);
                }
                (1..=4, _) => return Ok(log),
                // It checks out, so it was written this way.
                _ => return Err(Foreign),
            }
            if parts.is_none() {
                log.end = at;
            }
        }
    }

    /// Whether something is behind the last whole record: a write that a power cut tore, or damage.
    pub(crate) fn is_torn(&self) -> bool {
        // The filling at the end of a block is written with the record that follows.
        self.end < self.length
    }
}

/// One physical record.
struct Part<'a> {
    kind: u8,
    payload: &'a [u8],
}

impl<'a> Part<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let [c0, c1, c2, c3, l0, l1, kind] = *header;
        let length = usize::from(u16::from_le_bytes([l0, l1]));
        let payload = rest.get(..length)?;
        let sum = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
        (mask(sum) == u32::from_le_bytes([c0, c1, c2, c3])).then_some(Self { kind, payload })
    }
}

/// RocksDB's guard against checksums of checksums.
fn mask(sum: u32) -> u32 {
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A log as RocksDB writes it.
    pub(crate) fn written(records: &[&[u8]]) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::new();
        for record in records {
            let mut rest: &[u8] = record;
            let mut first = true;
            loop {
                let left = BLOCK - out.len() % BLOCK;
                if left < HEADER {
                    out.resize(out.len() + left, 0);
                    continue;
                }
                let (part, behind) = rest.split_at(rest.len().min(left - HEADER));
                rest = behind;
                let kind = match (first, rest.is_empty()) {
                    (true, true) => 1,
                    (true, false) => 2,
                    (false, false) => 3,
                    (false, true) => 4,
                };
                first = false;
                let sum = mask(crc32c::crc32c_append(crc32c::crc32c(&[kind]), part));
                out.extend_from_slice(&sum.to_le_bytes());
                out.extend_from_slice(&(part.len() as u16).to_le_bytes());
                out.push(kind);
                out.extend_from_slice(part);
                if rest.is_empty() {
                    break;
                }
            }
        }
        out
    }

    #[test]
    fn records_of_all_sizes_are_read() {
        let sizes = [0, 1, 100, BLOCK - 7, BLOCK - 6, 32_640, 70_000, 3 * BLOCK, 5];
        let records: Vec<Vec<u8>> = sizes.iter().map(|size| vec![*size as u8; *size]).collect();
        let parts: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
        let content = written(&parts);
        let log = LogFile::scan(&content).unwrap();
        assert_eq!(log, LogFile { records, end: content.len(), length: content.len() });
        assert!(!log.is_torn());
    }

    #[test]
    fn what_follows_the_first_damage_does_not_count() {
        let content = written(&[b"one", b"two", b"three"]);
        let second = 10;
        for at in second..second + 10 {
            let mut damaged = content.clone();
            damaged[at] ^= 4;
            let log = LogFile::scan(&damaged).unwrap();
            assert_eq!((log.records.len(), log.end, log.is_torn()), (1, second, true), "byte {at}");
        }
        for length in 0..content.len() {
            let log = LogFile::scan(&content[..length]).unwrap();
            assert!(log.end <= length && log.is_torn() == (log.end < length));
        }
    }

    #[test]
    fn records_of_other_kinds_are_not_judged() {
        let mut content = written(&[b"one"]);
        content[6] = 5;
        let sum = mask(crc32c::crc32c_append(crc32c::crc32c(&[5]), b"one"));
        content[..4].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(LogFile::scan(&content), Err(Foreign));
    }
}
