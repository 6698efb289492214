//! What happened lately, numbered, for watchers that may come back after a pause.
//!
//! A feed keeps the newest entries up to a bound in entries and bytes. A reader says the last number that
//! it has; it gets what came after, or learns that it has missed something and must list anew. Slow readers
//! cost nothing: they hold a number, not a queue.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mon_core::effect::KvChange;
use mon_types::log::LogEntry;
use tokio::sync::watch;

/// Recent entries of one kind.
pub(crate) struct Feed<T> {
    kept: Mutex<Kept<T>>,
    newest: watch::Sender<u64>,
    entries_max: usize,
    bytes_max: usize,
}

/// Entries with their number; those of one commit share it.
pub(crate) type Numbered<T> = (u64, Arc<T>);

/// The feed no longer has everything after the number that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what came after {after} is no longer kept; list anew and watch from {newest}")]
pub(crate) struct Gone {
    /// The number that was asked for.
    pub(crate) after: u64,
    /// The newest number.
    pub(crate) newest: u64,
}

struct Kept<T> {
    entries: VecDeque<(Numbered<T>, usize)>,
    bytes: usize,
    /// Everything after this number is there; none until the first entry came.
    complete_after: Option<u64>,
}

impl<T> Feed<T> {
    /// One that keeps up to so many entries and bytes.
    pub(crate) fn new(entries_max: usize, bytes_max: usize) -> Self {
        let kept = Kept { entries: VecDeque::new(), bytes: 0, complete_after: None };
        Self { kept: Mutex::new(kept), newest: watch::Sender::new(0), entries_max, bytes_max }
    }

    /// Adds entries as (number, bytes, entry), numbers never going down. All entries of one number come in
    /// one call. A number that is missing in between was missed by us as well (a store sync): what came
    /// before it is forgotten, so that readers learn of the gap.
    pub(crate) fn push(&self, entries: impl IntoIterator<Item = (u64, usize, T)>) {
        let mut kept = self.kept();
        let mut newest = *self.newest.borrow();
        for (number, bytes, entry) in entries {
            let is_gap = number > newest.saturating_add(1) && kept.complete_after.is_some();
            if is_gap {
                kept.entries.clear();
                kept.bytes = 0;
            }
            if is_gap || kept.complete_after.is_none() {
                kept.complete_after = Some(number.saturating_sub(1));
            }
            kept.bytes += bytes;
            kept.entries.push_back(((number, Arc::new(entry)), bytes));
            newest = number;
        }
        while kept.entries.len() > self.entries_max || kept.bytes > self.bytes_max {
            let Some(((number, _), bytes)) = kept.entries.pop_front() else { break };
            kept.bytes -= bytes;
            kept.complete_after = Some(number);
        }
        drop(kept);
        self.newest.send_replace(newest);
    }

    /// The newest number.
    pub(crate) fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// What came after a number, up to `limit` entries and then to the end of that number.
    pub(crate) fn after(&self, after: u64, limit: usize) -> Result<Vec<Numbered<T>>, Gone> {
        let kept = self.kept();
        // A number that is still to come is fine: another monitor may be ahead of this one.
        if kept.complete_after.is_some_and(|from| from > after) {
            return Err(Gone { after, newest: self.newest() });
        }
        let start = kept.entries.partition_point(|((number, _), _)| *number <= after);
        let mut taken: Vec<Numbered<T>> = Vec::new();
        for ((number, entry), _) in kept.entries.range(start..) {
            if taken.len() >= limit && taken.last().is_some_and(|(last, _)| last != number) {
                break;
            }
            taken.push((*number, entry.clone()));
        }
        Ok(taken)
    }

    /// Wakes whenever something was added.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Consistent between any two statements that change it.
    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed<KvChange> {
    /// Adds the changes of one or more commits.
    pub(crate) fn push_changes(&self, changes: Vec<KvChange>) {
        let bytes = |change: &KvChange| change.key.len() + change.value.as_ref().map_or(0, Bytes::len) + 64;
        self.push(changes.into_iter().map(|change| (change.version.0, bytes(&change), change)));
    }
}

impl Feed<LogEntry> {
    /// Adds log lines under the next numbers.
    pub(crate) fn push_lines(&self, entries: Vec<LogEntry>) {
        let numbered = (self.newest() + 1..).zip(entries);
        self.push(numbered.map(|(number, entry)| (number, entry.message.len() + 256, entry)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(
        feed: &Feed<&'static str>,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, &'static str)>, Gone> {
        Ok(feed.after(after, limit)?.into_iter().map(|(number, entry)| (number, *entry)).collect())
    }

    #[test]
    fn a_reader_gets_what_came_after_its_number() {
        let feed = Feed::<&'static str>::new(10, 1000);
        assert_eq!(numbers(&feed, 0, 9), Ok(vec![]));
        feed.push([(7, 1, "a"), (7, 1, "b"), (8, 1, "c")]);
        assert_eq!(feed.newest(), 8);
        assert_eq!(numbers(&feed, 6, 9), Ok(vec![(7, "a"), (7, "b"), (8, "c")]));
        assert_eq!(numbers(&feed, 7, 9), Ok(vec![(8, "c")]));
        assert_eq!(numbers(&feed, 8, 9), Ok(vec![]));
        assert_eq!(numbers(&feed, 6, 1), Ok(vec![(7, "a"), (7, "b")]), "one number is never split");
    }

    #[test]
    fn a_reader_that_missed_something_learns_it() {
        let feed = Feed::new(2, 1000);
        feed.push([(3, 1, "a"), (4, 1, "b"), (5, 1, "c")]);
        assert_eq!(numbers(&feed, 2, 9), Err(Gone { after: 2, newest: 5 }));
        assert_eq!(numbers(&feed, 3, 9), Ok(vec![(4, "b"), (5, "c")]));
        assert_eq!(numbers(&feed, 6, 9), Ok(vec![]), "we may be behind");
        feed.push([(6, 5000, "huge")]);
        assert_eq!(numbers(&feed, 5, 9), Err(Gone { after: 5, newest: 6 }));
        feed.push([(9, 1, "after a gap")]);
        assert_eq!(numbers(&feed, 6, 9), Err(Gone { after: 6, newest: 9 }));
        assert_eq!(numbers(&feed, 8, 9), Ok(vec![(9, "after a gap")]));
    }
}
