//! The writer thread: everything that goes into the store goes through it, in order.
//!
//! ```text
//!   submit(1) submit(2) submit(3)        submit(4) submit(5, sync)
//!        \________|________/                   \______/
//!          round: one batch                one batch, one fsync
//!        (the first one found waiting)     (what came in meanwhile)
//! ```
//!
//! What arrives while a batch is on its way to the disk rides in the next one. A failed write ends it all:
//! after a failed fsync nobody knows what is on the disk, and trying again may report success for pages
//! that were dropped. So nothing is written after a failure, and the process must end.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mon_types::kv::{StoreError, Transaction};

use crate::store::KvStore;

/// The thread's handle; dropping it finishes what was submitted.
#[derive(Debug)]
pub struct Writer {
    /// None once it is being dropped.
    queue: Option<Sender<Pending>>,
    thread: Option<JoinHandle<()>>,
}

/// A round that is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// The last write of it; all with lower numbers are in the store too.
    pub last: u64,
    /// How many writes it took together.
    pub writes: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// Whether it, and all before it, are on the disk.
    pub synced: bool,
    /// What the write, with its fsync, took.
    pub took: Duration,
}

/// The store could not be written; see the module documentation for why that is final.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "write {first} could not be written ({cause}): stopping, since what reached the disk is unknown; nothing \
     that depends on it was acknowledged. Check the disk under the data directory, then start again"
)]
pub struct WriteFailed {
    /// The first write of the round that failed.
    pub first: u64,
    /// What the store said.
    pub cause: StoreError,
}

struct Pending {
    id: u64,
    transaction: Transaction,
    sync: bool,
}

/// A round takes what waits up to this size, so that a bulk load (store sync) does not become one huge
/// batch in memory. The write that crosses it is the last one taken.
const ROUND_BYTES_MAX: u64 = 8 << 20;

impl Writer {
    /// Starts the thread. `report` is called on it after each round, and once after a failure.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        store: Arc<dyn KvStore>,
        report: impl FnMut(Result<Round, WriteFailed>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = channel();
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(&*store, &waiting, report))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a write; ids must rise. After a failure it is dropped, as the report of the failure said.
    pub fn submit(&self, id: u64, transaction: Transaction, sync: bool) {
        if let Some(queue) = &self.queue {
            let _ = queue.send(Pending { id, transaction, sync });
        }
    }

    /// Finishes what was submitted and ends the thread; all reports have been made when it returns.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

fn run(store: &dyn KvStore, waiting: &Receiver<Pending>, mut report: impl FnMut(Result<Round, WriteFailed>)) {
    let mut batch = Vec::new();
    while let Ok(first) = waiting.recv() {
        let mut round = Round { last: first.id, writes: 0, bytes: 0, synced: false, took: Duration::ZERO };
        let first_id = first.id;
        let mut next = Some(first);
        while let Some(Pending { id, transaction, sync }) = next {
            round.last = id;
            round.writes += 1;
            round.bytes += transaction.size_bytes();
            round.synced |= sync;
            batch.push(transaction);
            next = if round.bytes < ROUND_BYTES_MAX { waiting.try_recv().ok() } else { None };
        }
        let start = Instant::now();
        let applied = store.apply(&batch, round.synced);
        round.took = start.elapsed();
        batch.clear();
        match applied {
            Ok(()) => report(Ok(round)),
            Err(cause) => {
                report(Err(WriteFailed { first: first_id, cause }));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;

    use bytes::Bytes;
    use mon_types::kv::KvRead;

    use super::*;
    use crate::memory::MemoryStore;

    fn put(value: u64) -> Transaction {
        let mut transaction = Transaction::new();
        transaction.put_u64("p", "counter", value);
        transaction.put_u64("p", value.to_string(), value);
        transaction
    }

    /// A store whose writes wait until the test lets them go on.
    struct Gated {
        inner: MemoryStore,
        entered: std::sync::mpsc::SyncSender<usize>,
        go: Mutex<Receiver<()>>,
    }

    impl KvRead for Gated {
        fn read(&self, prefix: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
            self.inner.read(prefix, key)
        }
        fn scan(&self, prefix: &str, start: &str, limit: usize) -> Result<Vec<(String, Bytes)>, StoreError> {
            self.inner.scan(prefix, start, limit)
        }
    }

    impl KvStore for Gated {
        fn apply(&self, batch: &[Transaction], sync: bool) -> Result<(), StoreError> {
            self.entered.send(batch.len()).unwrap();
            self.go.lock().unwrap().recv().unwrap();
            self.inner.apply(batch, sync)
        }
        fn compact(&self, done: Box<dyn FnOnce() + Send>) {
            self.inner.compact(done);
        }
        fn size_bytes(&self) -> u64 {
            self.inner.size_bytes()
        }
    }

    #[test]
    fn what_arrives_during_a_round_rides_in_the_next() {
        let (entered, entries) = sync_channel(8);
        let (go, gate) = channel();
        let store = Arc::new(Gated { inner: MemoryStore::new(), entered, go: Mutex::new(gate) });
        let (reports, reported) = channel();
        let writer =
            Writer::start(store.clone(), move |round| reports.send(round.unwrap()).unwrap()).unwrap();

        writer.submit(1, put(1), false);
        assert_eq!(entries.recv(), Ok(1));
        for id in 2..=5 {
            writer.submit(id, put(id), id == 4);
        }
        go.send(()).unwrap();
        let first = reported.recv().unwrap();
        assert_eq!((first.last, first.writes, first.synced), (1, 1, false));
        assert_eq!(entries.recv(), Ok(4));
        go.send(()).unwrap();
        let second = reported.recv().unwrap();
        assert_eq!((second.last, second.writes, second.synced), (5, 4, true));
        assert_eq!(store.inner.unsynced_batches(), 0);
        assert_eq!(store.read_u64("p", "counter"), Ok(Some(5)));
    }

    #[test]
    fn stopping_finishes_what_was_submitted() {
        let store = Arc::new(MemoryStore::new());
        let (reports, reported) = channel();
        let writer =
            Writer::start(store.clone(), move |round| reports.send(round.unwrap().last).unwrap()).unwrap();
        (1..=1000).for_each(|id| writer.submit(id, put(id), id % 7 == 0));
        writer.stop();
        let lasts: Vec<u64> = reported.iter().collect();
        assert!(lasts.is_sorted());
        assert_eq!(lasts.last(), Some(&1000));
        assert_eq!(store.scan("p", "", usize::MAX).unwrap().len(), 1001);
    }

    #[test]
    fn a_failed_write_is_reported_once_and_nothing_follows() {
        let store = Arc::new(MemoryStore::new());
        store.fail_writes("no space left on device");
        let (reports, reported) = channel();
        let writer = Writer::start(store.clone(), move |round| reports.send(round).unwrap()).unwrap();
        (7..=20).for_each(|id| writer.submit(id, put(id), true));
        writer.stop();
        let all: Vec<_> = reported.iter().collect();
        let cause = StoreError::Backend("no space left on device".into());
        assert_eq!(all, [Err(WriteFailed { first: 7, cause })]);
        assert!(store.dump().is_empty());
    }
}
