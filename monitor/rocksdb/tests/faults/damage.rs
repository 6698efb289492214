//! One damage at a time to the files of a store at rest: it is refused, or noticed by who reads, or changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mon_rocksdb::{OpenError, TableFormat, create};
use mon_store::{KvStore, MemoryStore};
use mon_types::kv::{Op, StoreError, Transaction};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::disk::Left;
use crate::folder;
use crate::{keep, open_again, workload};

/// How thorough: bits and places per file are multiplied by it.
const EFFORT: &str = "MON_DAMAGE_EFFORT";
const WRITES: u64 = 330;
const WORKERS: usize = 2;
const FAILURES_MAX: usize = 10;
const BLOCK: usize = 4096;

/// What happened to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    Bit {
        byte: usize,
        bit: u8,
    },
    Zeros {
        at: usize,
    },
    /// A block holds what belongs elsewhere in the file.
    Misdirected {
        from: usize,
        to: usize,
    },
    Cut {
        length: usize,
    },
    Missing,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Refused,
    FoundWhenRead,
    Harmless,
}

type Counts = BTreeMap<(String, &'static str), BTreeMap<End, usize>>;
type Content = Vec<(String, String, Bytes)>;

/// Which files of a store come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Everything in one table, by compactions, and a log.
    Compacted,
    /// Tables that overlap, with removed ranges in them, and a log.
    Layered,
    /// A table that was written while the store was open, its edit the manifest's last, and a log behind it.
    Flushed,
}

#[test]
fn no_damage_goes_unnoticed() {
    let effort = std::env::var(EFFORT).map_or(1, |text| text.parse().unwrap());
    let counts = Mutex::new(Counts::new());
    let total: usize = [Shape::Compacted, Shape::Layered, Shape::Flushed]
        .into_iter()
        .map(|shape| damage_one_by_one(shape, effort, &counts))
        .sum();
    println!("damages: {total}, each refused, found when read, or harmless");
    for ((file, damage), ends) in counts.into_inner().unwrap() {
        println!("    {file:<12} {damage:<12} {ends:?}");
    }
    assert!(total >= 2000);
}

fn damage_one_by_one(shape: Shape, effort: usize, counts: &Mutex<Counts>) -> usize {
    let scratch = folder::scratch("mon-faults-");
    let data = scratch.path().join("data");
    let expected = fill(&data, shape);
    let sound = folder::take(&data).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let damages: Vec<(String, Damage)> = sound
        .iter()
        .filter_map(|(path, content)| Some((path, content.as_ref()?)))
        .flat_map(|(path, content)| {
            let damages = all_damages(content, effort, &mut rng);
            // Nobody reads these; the tables of the last shape are large and like those of the others.
            let keep = match kind_of(path).as_str() {
                "LOG" | "OPTIONS" => 30,
                "*.sst" | "*.log" if shape == Shape::Flushed => 1,
                _ => usize::MAX,
            };
            let each = damages.len().div_ceil(keep).max(1);
            damages.into_iter().step_by(each).map(|damage| (path.clone(), damage)).collect::<Vec<_>>()
        })
        .collect();
    let count = damages.len();
    let failures = Mutex::new(Vec::new());
    let (work, waiting) = sync_channel(64);
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let place = scratch.path().join(format!("damaged-{worker}"));
            let (waiting, sound, expected) = (&waiting, &sound, &expected);
            let failures = &failures;
            scope.spawn(move || try_all(waiting, &place, sound, expected, counts, failures));
        }
        damages.into_iter().for_each(|damage| work.send(damage).unwrap());
        drop(work);
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {count} damages:\n{}", failures.len(), failures.join("\n"));
    count
}

/// A closed store of a shape; its content.
fn fill(data: &Path, shape: Shape) -> Content {
    std::fs::create_dir(data).unwrap();
    let expected = MemoryStore::new();
    let mut store = create(data, TableFormat::Reef).unwrap();
    for n in 1..=WRITES {
        if n.is_multiple_of(110) && n < WRITES {
            // Opening turns the log into a table.
            drop(store);
            store = open_again(data).unwrap();
        }
        let mut write = workload::write(n);
        if shape != Shape::Compacted {
            let mut plain = Transaction::new();
            let ops = write.ops().iter().filter(|op| !matches!(op, Op::Compact { .. }));
            ops.for_each(|op| plain.push(op.clone()));
            write = plain;
        }
        if shape == Shape::Flushed && n > WRITES - 20 {
            // More than the memory that RocksDB gives to a table in the making.
            write.put("p", format!("filler{}", n % 3), vec![n as u8; 500_000]);
        }
        expected.apply(std::slice::from_ref(&write), true).unwrap();
        store.apply(&[write], n.is_multiple_of(3)).unwrap();
    }
    let names = || std::fs::read_dir(data.join("store.db")).unwrap().map(|entry| entry.unwrap().file_name());
    let tables = || names().filter(|name| name.to_string_lossy().ends_with(".sst")).count();
    let deadline = Instant::now() + Duration::from_secs(20);
    while shape == Shape::Flushed && tables() < 3 {
        assert!(Instant::now() < deadline, "no table was written");
        std::thread::yield_now();
    }
    drop(store);
    expected.dump()
}

fn all_damages(content: &[u8], effort: usize, rng: &mut ChaCha8Rng) -> Vec<Damage> {
    let length = content.len();
    let mut damages = vec![Damage::Missing];
    if length == 0 {
        return damages;
    }
    let small = length <= 600;
    let edges = (0..length).filter(|byte| small || *byte < 24 || *byte + 80 >= length);
    let bits = edges.collect::<Vec<_>>().into_iter();
    let within: Vec<usize> =
        (0..if small { 0 } else { 120 * effort }).map(|_| rng.random_range(0..length)).collect();
    damages.extend(bits.chain(within).map(|byte| Damage::Bit { byte, bit: rng.random_range(0..8) }));
    let blocks = length.div_ceil(BLOCK);
    damages.extend(evenly(blocks, 24 * effort).map(|block| Damage::Zeros { at: block * BLOCK }));
    if !small {
        damages.extend((0..16 * effort).map(|_| Damage::Zeros { at: rng.random_range(0..length) }));
    }
    if blocks > 2 {
        damages.extend((0..8 * effort).map(|_| {
            let from = rng.random_range(0..blocks - 1);
            let to = (from + rng.random_range(1..blocks - 1)) % (blocks - 1);
            Damage::Misdirected { from: from * BLOCK, to: to * BLOCK }
        }));
    }
    let last = [1, 2, 4, 8, 12, 50].into_iter().filter(|less| *less <= length).map(|less| length - less);
    damages.extend(last.chain([0]).map(|length| Damage::Cut { length }));
    damages.extend(evenly(length / 512, 24 * effort).map(|sector| Damage::Cut { length: sector * 512 }));
    if !small {
        damages.extend((0..12 * effort).map(|_| Damage::Cut { length: rng.random_range(0..length) }));
    }
    damages.retain(|damage| damage.apply(content).as_deref() != Some(content));
    damages
}

/// At most `most` of `0..count`, evenly chosen.
fn evenly(count: usize, most: usize) -> impl Iterator<Item = usize> {
    (0..count).step_by(count.div_ceil(most).max(1))
}

impl Damage {
    fn apply(self, content: &[u8]) -> Option<Vec<u8>> {
        let mut content = content.to_vec();
        match self {
            Self::Bit { byte, bit } => content[byte] ^= 1 << bit,
            Self::Zeros { at } => {
                let end = (at + BLOCK).min(content.len());
                content[at..end].fill(0);
            }
            Self::Misdirected { from, to } => content.copy_within(from..from + BLOCK, to),
            Self::Cut { length } => content.truncate(length),
            Self::Missing => return None,
        }
        Some(content)
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Bit { .. } => "bit",
            Self::Zeros { .. } => "zeros",
            Self::Misdirected { .. } => "misdirected",
            Self::Cut { .. } => "cut",
            Self::Missing => "missing",
        }
    }
}

fn try_all(
    waiting: &Mutex<Receiver<(String, Damage)>>,
    place: &Path,
    sound: &Left,
    expected: &Content,
    counts: &Mutex<Counts>,
    failures: &Mutex<Vec<String>>,
) {
    loop {
        let next = waiting.lock().unwrap().recv();
        let Ok((path, damage)) = next else { return };
        if failures.lock().unwrap().len() >= FAILURES_MAX {
            continue;
        }
        let mut damaged = sound.clone();
        let content = sound[&path].as_deref().unwrap();
        match damage.apply(content) {
            Some(content) => damaged.insert(path.clone(), Some(content)),
            None => damaged.remove(&path),
        };
        folder::put(&damaged, place);
        match look(place, expected) {
            Ok(end) => {
                let mut counts = counts.lock().unwrap();
                *counts.entry((kind_of(&path), damage.kind())).or_default().entry(end).or_default() += 1;
            }
            Err(why) => {
                folder::put(&damaged, place);
                let kept = keep(place, &format!("{}-{damage:?}", path.replace('/', "_")).replace(' ', ""));
                let what = format!("{path} ({} bytes), {damage:?}: {why}; {}", content.len(), kept.display());
                failures.lock().unwrap().push(what);
            }
        }
    }
}

/// Twice, since opening may itself change files.
fn look(place: &Path, expected: &Content) -> Result<End, String> {
    for _ in 0..2 {
        let store = match open_again(place) {
            Ok(store) => store,
            Err(OpenError::Damaged { .. } | OpenError::OtherBackend { .. }) => return Ok(End::Refused),
            Err(error) => return Err(format!("refused, but not as damaged: {error}")),
        };
        match read_all(&store, expected) {
            Ok(None) => {}
            Ok(Some(wrong)) => return Err(format!("serves what is wrong: {wrong}")),
            Err(StoreError::Damaged { .. }) => return Ok(End::FoundWhenRead),
            Err(error) => return Err(format!("reading fails, but not as damaged: {error}")),
        }
    }
    Ok(End::Harmless)
}

/// Everything in order, every key by itself, and keys that were removed; what differs.
fn read_all(store: &dyn KvStore, expected: &Content) -> Result<Option<String>, StoreError> {
    let mut found = Content::new();
    for prefix in ["p", "q"] {
        let page = store.scan(prefix, "", usize::MAX)?;
        found.extend(page.into_iter().map(|(key, value)| (prefix.to_owned(), key, value)));
    }
    if found != *expected {
        return Ok(Some(format!("{} keys in place of {}, or other values", found.len(), expected.len())));
    }
    let removed =
        (0..40).map(|n| ("p", format!("k{n:02}"))).chain((0..WRITES).map(|n| ("q", format!("{n:05}"))));
    for (prefix, key) in removed {
        let there = store.read(prefix, &key)?;
        let wanted = expected.iter().find(|(p, k, _)| (p.as_str(), k) == (prefix, &key));
        if there.as_ref() != wanted.map(|(_, _, value)| value) {
            return Ok(Some(format!("{prefix}/{key}")));
        }
    }
    Ok(None)
}

/// A file's name without its number.
fn kind_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rsplit_once('.') {
        Some((number, kind)) if number.bytes().all(|byte| byte.is_ascii_digit()) => format!("*.{kind}"),
        Some(_) | None => name.split(['-', '.']).next().unwrap_or(name).to_owned(),
    }
}
