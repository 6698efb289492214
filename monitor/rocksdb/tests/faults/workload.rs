//! The writes that are recorded, and what must be there after any number of them.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;

use mon_rocksdb::{TableFormat, create, is_made, open};
use mon_store::{Digest, KvStore, MemoryStore, Writer};
use mon_types::kv::{KvRead, Op, StoreError, Transaction};

/// Says what is durable, on standard output.
const SAYS: &str = "durable ";

/// Write number `n`: counters, small and large values, removals of one key and of ranges, hints to compact.
pub(crate) fn write(n: u64) -> Transaction {
    let mut write = Transaction::new();
    write.put_u64("p", "first", n);
    write.put("p", format!("k{:02}", n % 40), text(n, (n * 37 % 700) as usize));
    if n.is_multiple_of(5) {
        write.put("q", format!("{n:05}"), text(n, 300));
    }
    if n.is_multiple_of(7) {
        write.erase("p", format!("k{:02}", n % 31));
    }
    if n.is_multiple_of(45) {
        // More than a block of RocksDB's log.
        write.put("p", "large", text(n, 40_000));
    }
    if n.is_multiple_of(50) {
        write.erase_range("q", format!("{:05}", n.saturating_sub(90)), format!("{:05}", n - 40));
    }
    if n % 80 == 79 {
        write.push(Op::Compact { prefix: "p".into(), range: None });
        write.push(Op::Compact { prefix: "q".into(), range: None });
    }
    write.put_u64("p", "last", n);
    write
}

fn is_synced(n: u64) -> bool {
    n.is_multiple_of(3)
}

fn text(n: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (n * 131 + at * 17 + at / 251) as u8).collect()
}

/// Does writes `from..to` as the daemon does, and ends well or all of a sudden.
pub(crate) fn run(data: &Path, from: u64, to: u64, ends_well: bool) {
    let store = if is_made(data) { open(data, TableFormat::Reef) } else { create(data, TableFormat::Reef) };
    let store = Arc::new(store.unwrap());
    let (reports, reported) = channel();
    let writer = Writer::start(store, move |round| reports.send(round.unwrap()).unwrap()).unwrap();
    let mut n = from;
    let mut applied = from - 1;
    while n < to {
        // Rounds of one to four writes.
        for _ in 0..=(n / 3 % 4) {
            if n < to {
                writer.submit(n, write(n), is_synced(n));
                n += 1;
            }
        }
        while applied < n - 1 {
            let round = reported.recv().unwrap();
            applied = round.last;
            if round.synced {
                println!("{SAYS}{applied}");
            }
        }
    }
    if ends_well {
        writer.stop();
    } else {
        // As a kill does it: nothing is closed.
        std::process::exit(0);
    }
}

/// The number of the write that this acknowledges, and with it all before it.
pub(crate) fn acknowledged(said: &str) -> Option<u64> {
    said.lines().filter_map(|line| line.strip_prefix(SAYS)?.trim().parse().ok()).next_back()
}

/// What a store holds, short enough to keep one for each number of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content([Digest; 2]);

pub(crate) fn content(store: &dyn KvStore) -> Result<Content, StoreError> {
    Ok(Content([store.digest("p")?, store.digest("q")?]))
}

/// What must be there after each number of writes, none included.
pub(crate) fn contents(count: u64) -> Vec<Content> {
    let store = MemoryStore::new();
    let mut contents = vec![content(&store).unwrap()];
    for n in 1..=count {
        store.apply(&[write(n)], true).unwrap();
        contents.push(content(&store).unwrap());
    }
    contents
}

/// How many writes a store shows, by itself; none when a write is there in part.
pub(crate) fn writes_in(store: &impl KvRead) -> Result<Option<u64>, StoreError> {
    let (first, last) = (store.read_u64("p", "first")?, store.read_u64("p", "last")?);
    Ok((first == last).then(|| first.unwrap_or(0)))
}
