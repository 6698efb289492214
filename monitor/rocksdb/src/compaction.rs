//! Compactions, carried out by a thread of their own: one may take seconds, and no write may wait for it. Most are
//! hints, which may be dropped; one of everything is an order, whose end is reported.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rocksdb::{CompactOptions, DB};

/// First raw key and the one behind the last.
pub(crate) type KeyRange = (Vec<u8>, Vec<u8>);

/// Hints that wait; more are dropped, since RocksDB compacts by itself too, only later.
const WAITING_MAX: usize = 64;

/// Who waits for a compaction of everything.
type Waiters = Arc<Mutex<Vec<Box<dyn FnOnce() + Send>>>>;

pub(crate) struct Compactor {
    /// None once it is being dropped.
    hints: Option<SyncSender<KeyRange>>,
    thread: Option<JoinHandle<()>>,
    waiters: Waiters,
    db: Arc<DB>,
}

impl Compactor {
    pub(crate) fn start(db: Arc<DB>) -> std::io::Result<Self> {
        let (hints, waiting) = sync_channel(WAITING_MAX);
        let waiters = Waiters::default();
        let (worker, ordered) = (Arc::clone(&db), Arc::clone(&waiters));
        let thread = std::thread::Builder::new()
            .name("compaction".into())
            .spawn(move || run(&worker, &waiting, &ordered))?;
        Ok(Self { hints: Some(hints), thread: Some(thread), waiters, db })
    }

    /// Asks for a range to be compacted some time.
    pub(crate) fn hint(&self, range: KeyRange) {
        if let Some(hints) = &self.hints {
            // Full: dropped, see WAITING_MAX.
            let _ = hints.try_send(range);
        }
    }

    /// Compacts everything; those who ask at the same time share one compaction.
    pub(crate) fn compact_all(&self, done: Box<dyn FnOnce() + Send>) {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner).push(done);
        // Wakes the thread; if hints fill its queue, it has not taken them yet and will look here when it does.
        self.hint((Vec::new(), Vec::new()));
    }
}

impl Drop for Compactor {
    fn drop(&mut self) {
        self.hints = None;
        // Ends a compaction that is under way; what it did not finish is done another time.
        self.db.cancel_all_background_work(true);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook; closing goes on.
            let _ = thread.join();
        }
    }
}

fn run(db: &DB, waiting: &Receiver<KeyRange>, waiters: &Waiters) {
    let mut options = CompactOptions::default();
    // Otherwise flushes of the memtable would wait for it, and writes for them.
    options.set_exclusive_manual_compaction(false);
    while let Ok(first) = waiting.recv() {
        let mut ranges: Vec<KeyRange> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let served = std::mem::take(&mut *waiters.lock().unwrap_or_else(PoisonError::into_inner));
        if !served.is_empty() {
            db.compact_range_opt(None::<&[u8]>, None::<&[u8]>, &options);
            served.into_iter().for_each(|done| done());
            continue;
        }
        ranges.sort();
        ranges.dedup();
        // An empty range only woke us for somebody who was served before.
        ranges.retain(|(_, end)| !end.is_empty());
        for (start, end) in merged(ranges) {
            db.compact_range_opt(Some(start), Some(end), &options);
        }
    }
    let left = std::mem::take(&mut *waiters.lock().unwrap_or_else(PoisonError::into_inner));
    left.into_iter().for_each(|done| done());
}

/// Joins ranges that overlap or touch; `ranges` are sorted.
fn merged(ranges: Vec<KeyRange>) -> Vec<KeyRange> {
    let mut out: Vec<KeyRange> = Vec::new();
    for (start, end) in ranges {
        match out.last_mut() {
            Some(last) if start <= last.1 => last.1 = end.max(std::mem::take(&mut last.1)),
            Some(_) | None => out.push((start, end)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_ranges_are_compacted_once() {
        let range = |start: &str, end: &str| (start.as_bytes().to_vec(), end.as_bytes().to_vec());
        let ranges =
            vec![range("a", "c"), range("b", "d"), range("d", "e"), range("x", "z"), range("y", "y")];
        assert_eq!(merged(ranges), [range("a", "e"), range("x", "z")]);
    }
}
