//! A store in memory that forgets un-synced writes when it is told to crash.
//!
//! ```text
//!   durable writes | un-synced batch 1 | batch 2 | batch 3
//!                  ^ crash() goes back to here
//!                                      ^ crash_keeping(1) to here: a power cut may keep any prefix
//! ```
//!
//! The content is held once, with what it takes to undo each un-synced batch; a synced write forgets the
//! undo records. Everything is ordered, so that a simulation with the same inputs sees the same store.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use mon_types::kv::{KvRead, Op, StoreError, Transaction};

use crate::store::KvStore;

/// See the module documentation. A clone is an independent store with the same content, durable and not.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: RwLock<State>,
}

type Key = (String, String);

#[derive(Debug, Clone, Default)]
struct State {
    /// By prefix, then key: so a look needs no key of its own. An empty prefix stays.
    content: BTreeMap<String, BTreeMap<String, Bytes>>,
    unsynced: Vec<Undo>,
    /// Once set, every write fails with this.
    write_error: Option<String>,
}

/// What the keys that one batch changed held before, in the order of the changes.
type Undo = Vec<(Key, Option<Bytes>)>;

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many applied batches a crash could undo.
    #[must_use]
    pub fn unsynced_batches(&self) -> usize {
        self.read_state().unsynced.len()
    }

    /// A power cut that loses every write since the last synced one.
    pub fn crash(&self) {
        self.crash_keeping(0);
    }

    /// A power cut before which the disk got around to the first `batches` of the un-synced ones.
    /// What is kept is durable from then on.
    pub fn crash_keeping(&self, batches: usize) {
        let mut state = self.write_state();
        while state.unsynced.len() > batches {
            let undo = state.unsynced.pop().unwrap_or_default();
            for ((prefix, key), before) in undo.into_iter().rev() {
                let keys = state.content.entry(prefix).or_default();
                match before {
                    Some(value) => keys.insert(key, value),
                    None => keys.remove(&key),
                };
            }
        }
        state.unsynced.clear();
    }

    /// Makes every write from now on fail with this text, as a full or broken disk does.
    pub fn fail_writes(&self, why: impl Into<String>) {
        self.write_state().write_error = Some(why.into());
    }

    /// Everything in it, in order.
    #[must_use]
    pub fn dump(&self) -> Vec<(String, String, Bytes)> {
        let state = self.read_state();
        let all = state.entries().map(|(prefix, key, value)| (prefix.into(), key.into(), value.clone()));
        all.collect()
    }

    // A panic while the lock is held leaves at worst a half-applied batch in a process that is failing
    // anyway (a test or the simulator).
    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for MemoryStore {
    fn clone(&self) -> Self {
        Self { state: RwLock::new(self.read_state().clone()) }
    }
}

impl State {
    fn entries(&self) -> impl Iterator<Item = (&str, &str, &Bytes)> {
        self.content
            .iter()
            .flat_map(|(prefix, keys)| keys.iter().map(move |(key, value)| (&**prefix, &**key, value)))
    }

    fn apply(&mut self, op: &Op, undo: &mut Undo) {
        match op {
            Op::Put { prefix, key, value } => {
                let before = self.keys(prefix).insert(key.clone(), value.clone());
                undo.push(((prefix.clone(), key.clone()), before));
            }
            Op::Erase { prefix, key } => {
                if let Some(before) = self.keys(prefix).remove(key) {
                    undo.push(((prefix.clone(), key.clone()), Some(before)));
                }
            }
            Op::EraseRange { prefix, start, end } => {
                // Nothing is between the ends of a reversed range; BTreeMap would panic on it.
                if start >= end {
                    return;
                }
                let keys = self.keys(prefix);
                let range = (Bound::Included(start.as_str()), Bound::Excluded(end.as_str()));
                let doomed: Vec<String> = keys.range::<str, _>(range).map(|(key, _)| key.clone()).collect();
                for key in doomed {
                    let before = keys.remove(&key);
                    undo.push(((prefix.clone(), key), before));
                }
            }
            Op::Compact { .. } => {}
        }
    }

    fn keys(&mut self, prefix: &str) -> &mut BTreeMap<String, Bytes> {
        self.content.entry(prefix.into()).or_default()
    }
}

impl KvRead for MemoryStore {
    fn read(&self, prefix: &str, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.read_state().content.get(prefix).and_then(|keys| keys.get(key)).cloned())
    }

    fn scan(&self, prefix: &str, start: &str, limit: usize) -> Result<Vec<(String, Bytes)>, StoreError> {
        let state = self.read_state();
        let Some(keys) = state.content.get(prefix) else { return Ok(Vec::new()) };
        let from = keys.range::<str, _>((Bound::Included(start), Bound::Unbounded));
        Ok(from.take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl KvStore for MemoryStore {
    fn apply(&self, batch: &[Transaction], sync: bool) -> Result<(), StoreError> {
        let mut state = self.write_state();
        if let Some(why) = &state.write_error {
            return Err(StoreError::Backend(why.clone()));
        }
        let mut undo = Undo::new();
        for op in batch.iter().flat_map(Transaction::ops) {
            state.apply(op, &mut undo);
        }
        if sync {
            state.unsynced.clear();
        } else {
            state.unsynced.push(undo);
        }
        Ok(())
    }

    fn compact(&self, done: Box<dyn FnOnce() + Send>) {
        // Memory holds nothing that is in the way.
        done();
    }

    fn size_bytes(&self) -> u64 {
        let state = self.read_state();
        state.entries().map(|(prefix, key, value)| (prefix.len() + key.len() + value.len()) as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: &'static str) -> [Transaction; 1] {
        let mut transaction = Transaction::new();
        transaction.put("p", key, value);
        [transaction]
    }

    fn keys(store: &MemoryStore) -> Vec<String> {
        store
            .dump()
            .into_iter()
            .map(|(_, key, value)| format!("{key}={}", String::from_utf8_lossy(&value)))
            .collect()
    }

    #[test]
    fn conforms() {
        crate::conformance::conformance(MemoryStore::new);
    }

    #[test]
    fn a_crash_undoes_what_was_not_synced_and_nothing_else() {
        let store = MemoryStore::new();
        store.apply(&put("a", "1"), false).unwrap();
        store.apply(&put("b", "1"), true).unwrap();
        store.apply(&put("a", "2"), false).unwrap();
        let mut erase = Transaction::new();
        erase.erase_range("p", "a", "c");
        store.apply(&[erase], false).unwrap();
        assert_eq!(keys(&store), Vec::<String>::new());
        assert_eq!(store.unsynced_batches(), 2);

        let fork = store.clone();
        fork.crash_keeping(1);
        assert_eq!(keys(&fork), ["a=2", "b=1"]);
        store.crash();
        assert_eq!(keys(&store), ["a=1", "b=1"]);
        fork.crash();
        assert_eq!(keys(&fork), ["a=2", "b=1"], "what a crash kept is durable");
    }

    #[test]
    fn a_failed_write_changes_nothing() {
        let store = MemoryStore::new();
        store.apply(&put("a", "1"), true).unwrap();
        store.fail_writes("no space left on device");
        let error = store.apply(&put("a", "2"), true);
        assert_eq!(error, Err(StoreError::Backend("no space left on device".into())));
        assert_eq!(keys(&store), ["a=1"]);
    }
}
