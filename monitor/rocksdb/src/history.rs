//! Whether a closed store still has all changes that ever reached the disk, told from its files before RocksDB
//! touches them.
//!
//! ```text
//! changes   1 ................. 700 | 701 ... 912 | 913 ... 1004 | (torn)
//!           tables, says MANIFEST     7.log         9.log
//!                                              SYNCED says: at least up to 950
//! ```
//! RocksDB looks at each file by itself: it takes a log for ended where a record does not check out, a manifest where one
//! is cut short, and does not miss a log that is not there. That is right after a power cut, where such things are
//! writes that nobody was told of, and wrong for damage. Two things tell the one from the other: changes are numbered
//! without gaps, and [`Mark`](crate::mark) says up to where they were synced.
//!
//! A tail that is torn beyond doubt is cut off here, because RocksDB does not always: it refuses a manifest with a
//! torn record of full length, and in a log it steps over a hole of zeros and goes on behind it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::log_file::{Foreign, LogFile};
use crate::manifest::Manifest;
use crate::mark::Synced;

/// What the files tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum History {
    /// Everything is there, and these tails are torn writes that nobody relied upon.
    Whole { torn: Vec<Tail> },
    /// Something is not.
    Broken(String),
    /// A form that we do not write: RocksDB alone must judge.
    Foreign,
}

/// A file to be cut off at a length.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    path: PathBuf,
    length: u64,
}

impl History {
    /// Reads the files of a store that nobody has open.
    pub(crate) fn read(folder: &Path, synced: Option<Synced>) -> io::Result<Self> {
        let Some((number, path)) = current_manifest(folder)? else { return Ok(Self::Foreign) };
        let content = match std::fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Foreign),
            Err(error) => return Err(error),
        };
        let mut logs = Vec::new();
        for (number, path) in log_files(folder)? {
            logs.push((number, path.clone(), std::fs::read(path)?));
        }
        Ok(judge((number, path, &content), &logs, synced).unwrap_or(Self::Foreign))
    }

    /// Cuts off what is torn.
    pub(crate) fn mend(torn: &[Tail]) -> io::Result<()> {
        for Tail { path, length } in torn {
            let file = OpenOptions::new().write(true).open(path)?;
            file.set_len(*length)?;
            file.sync_all()?;
        }
        Ok(())
    }
}

/// The manifest that CURRENT names; none when it names none.
pub(crate) fn current_manifest(folder: &Path) -> io::Result<Option<(u64, PathBuf)>> {
    let current = match std::fs::read(folder.join("CURRENT")) {
        Ok(current) => current,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let number = std::str::from_utf8(&current).ok().and_then(|name| {
        let digits = name.strip_suffix('\n')?.strip_prefix("MANIFEST-")?;
        digits.parse().ok()
    });
    Ok(number.map(|number: u64| (number, folder.join(format!("MANIFEST-{number:06}")))))
}

/// The length of a file that is on disk now.
pub(crate) fn synced_length(file: &File) -> io::Result<u64> {
    // First the length: what is added while the sync runs may not be on disk after it.
    let length = file.metadata()?.len();
    file.sync_data()?;
    Ok(length)
}

fn log_files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".log"));
        if let Some(number) = name.and_then(|digits| digits.parse().ok()) {
            logs.push((number, path));
        }
    }
    logs.sort();
    Ok(logs)
}

fn judge(
    (number, path, content): (u64, PathBuf, &[u8]),
    logs: &[(u64, PathBuf, Vec<u8>)],
    synced: Option<Synced>,
) -> Result<History, Foreign> {
    let broken = |why: String| Ok(History::Broken(why));
    let edits = LogFile::scan(content)?;
    if let Some(synced) = synced {
        if number < synced.manifest {
            return broken(format!("CURRENT names manifest {number}, but {} is newer", synced.manifest));
        }
        if number == synced.manifest && (edits.end as u64) < synced.manifest_bytes {
            let Synced { manifest_bytes, .. } = synced;
            return broken(format!(
                "MANIFEST-{number:06} makes sense up to byte {}, but {manifest_bytes} were on disk already",
                edits.end
            ));
        }
    }
    let mut torn = Vec::new();
    if edits.is_torn() {
        torn.push(Tail { path, length: edits.end as u64 });
    }
    let manifest = Manifest::of(&edits.records)?;
    let mut last = manifest.last_sequence;
    let mut expected = None;
    let mut ended = false;
    let mut gap = None;
    for (number, path, content) in logs.iter().filter(|(number, ..)| *number >= manifest.log_number) {
        let log = LogFile::scan(content)?;
        let mut end = if ended { 0 } else { log.end };
        for (place, record) in log.records.iter().enumerate() {
            if ended {
                break;
            }
            let Some((first, count)) = batch(record) else {
                return broken(format!("{number:06}.log holds what is no batch of changes"));
            };
            let fits = match expected {
                None => first <= manifest.last_sequence + 1,
                Some(expected) => first == expected,
            };
            // Logs are synced together: after a power cut the end of one may be lost, and the next, begun meanwhile, not.
            // Nobody was told of either; if somebody was, the mark tells, below.
            if !fits {
                let before = expected.unwrap_or(manifest.last_sequence + 1);
                let why = format!("changes {before} to {} are missing before {number:06}.log", first - 1);
                if place > 0 || synced.is_none() {
                    return broken(why);
                }
                gap = Some(why);
                (ended, end) = (true, 0);
                break;
            }
            expected = Some(first + count);
            last = last.max((first + count).saturating_sub(1));
        }
        // A torn write is the end: whatever is behind it was written later, and nobody was told of that either.
        ended |= log.is_torn();
        if log.records.is_empty() {
            end = 0;
        }
        if end < log.length {
            torn.push(Tail { path: path.clone(), length: end as u64 });
        }
    }
    match synced {
        Some(synced) if last < synced.sequence => {
            let end =
                || format!("it ends with change {last}, but change {} was on disk already", synced.sequence);
            broken(gap.unwrap_or_else(end))
        }
        // Nothing says what had been synced: RocksDB's own judgement is the stricter one about manifests.
        None => Ok(History::Whole { torn: Vec::new() }),
        Some(_) => Ok(History::Whole { torn }),
    }
}

/// The number of a batch's first change and how many it has (RocksDB's `db/write_batch.cc`: le64, le32).
fn batch(record: &[u8]) -> Option<(u64, u64)> {
    let (first, rest) = record.split_first_chunk::<8>()?;
    let count = rest.first_chunk::<4>()?;
    Some((u64::from_le_bytes(*first), u64::from(u32::from_le_bytes(*count))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_file::tests::written;

    const MANIFEST: u64 = 5;

    /// A manifest that says: logs from 7 on, changes up to 700 in tables.
    fn manifest() -> Vec<u8> {
        written(&[&[2, 7, 4, 0xbc, 5]])
    }

    fn log(batches: &[(u64, u32)]) -> Vec<u8> {
        let records: Vec<Vec<u8>> = batches
            .iter()
            .map(|(first, count)| [&first.to_le_bytes()[..], &count.to_le_bytes()].concat())
            .collect();
        written(&records.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn synced(sequence: u64) -> Option<Synced> {
        Some(Synced { sequence, manifest: MANIFEST, manifest_bytes: manifest().len() as u64 })
    }

    fn judged(manifest: &[u8], logs: &[(u64, Vec<u8>)], synced: Option<Synced>) -> History {
        let logs: Vec<_> = logs
            .iter()
            .map(|(number, content)| (*number, number.to_string().into(), content.clone()))
            .collect();
        judge((MANIFEST, "m".into(), manifest), &logs, synced).unwrap()
    }

    fn is_broken(history: &History, by: &str) -> bool {
        matches!(history, History::Broken(why) if why.contains(by))
    }

    #[test]
    fn numbers_without_gaps_up_to_the_mark_are_whole() {
        let logs = [(6, log(&[(1, 1)])), (7, log(&[(701, 3), (704, 0), (704, 1)])), (9, log(&[(705, 2)]))];
        let whole = History::Whole { torn: Vec::new() };
        assert_eq!(judged(&manifest(), &logs, synced(706)), whole);
        assert_eq!(judged(&manifest(), &[], synced(700)), whole);
        // Changes that are in tables as well as in a log, after a power cut in mid-flush.
        assert_eq!(judged(&manifest(), &[(7, log(&[(690, 11)]))], synced(700)), whole);
        assert!(is_broken(&judged(&manifest(), &logs, synced(707)), "ends with change 706"));
    }

    #[test]
    fn a_missing_log_is_noticed() {
        let logs = [(7, log(&[(701, 3)])), (9, log(&[(704, 2)])), (11, log(&[(706, 2)]))];
        assert!(is_broken(&judged(&manifest(), &logs[1..], synced(705)), "changes 701 to 703 are missing"));
        let without = [logs[0].clone(), logs[2].clone()];
        assert!(is_broken(&judged(&manifest(), &without, None), "changes 704 to 705 are missing"));
        assert!(is_broken(&judged(&manifest(), &logs[..2], synced(707)), "ends with change 705"));
    }

    #[test]
    fn a_torn_log_is_cut_with_all_that_was_written_later() {
        let (whole, mut torn) = (log(&[(701, 3)]), log(&[(701, 3), (704, 2)]));
        torn[whole.len() + 9] ^= 1;
        let logs = [(7, torn), (9, log(&[(706, 2)]))];
        let tails =
            vec![Tail { path: "7".into(), length: whole.len() as u64 }, Tail { path: "9".into(), length: 0 }];
        assert_eq!(judged(&manifest(), &logs, synced(703)), History::Whole { torn: tails });
        assert!(is_broken(&judged(&manifest(), &logs, synced(704)), "ends with change 703"));
    }

    #[test]
    fn a_torn_manifest_is_cut_and_a_damaged_one_is_not() {
        let mut longer = manifest();
        longer.extend([0; 30]);
        let tails = vec![Tail { path: "m".into(), length: manifest().len() as u64 }];
        assert_eq!(judged(&longer, &[], synced(700)), History::Whole { torn: tails });
        assert_eq!(judged(&longer, &[], None), History::Whole { torn: Vec::new() });
        let mut damaged = manifest();
        damaged[9] ^= 1;
        assert!(is_broken(&judged(&damaged, &[], synced(0)), "makes sense up to byte 0"));
        let newer = Synced { manifest: MANIFEST + 1, ..synced(0).unwrap() };
        assert!(is_broken(&judged(&manifest(), &[], Some(newer)), "6 is newer"));
    }

    /// Found by a cut: the end of a log was lost, the log begun after it was not, and the whole store was refused.
    #[test]
    fn a_log_that_goes_on_behind_a_lost_end_is_cut_off() {
        let logs = [(7, log(&[(701, 10)])), (9, log(&[(721, 5)]))];
        let paths = logs.map(|(number, content)| (number, PathBuf::from(format!("{number}.log")), content));
        let judged = |synced| judge((MANIFEST, PathBuf::new(), &manifest()), &paths, synced).unwrap();
        let torn = vec![Tail { path: "9.log".into(), length: 0 }];
        assert_eq!(judged(synced(710)), History::Whole { torn });
        assert!(
            matches!(judged(synced(711)), History::Broken(why) if why.contains("711 to 720 are missing"))
        );
        assert!(matches!(judged(None), History::Broken(why) if why.contains("711 to 720 are missing")));
    }
}
