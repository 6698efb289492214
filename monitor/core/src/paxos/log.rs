//! The log of values and the promises, as Ceph's Paxos lays them out in the store.
//!
//! ```text
//! paxos/first_committed, last_committed   le64
//! paxos/<n>                               value n: an encoded store transaction
//! paxos/last_pn                           le64, highest number that we proposed under
//! paxos/accepted_pn                       le64, highest number that we promised to
//! paxos/pending_v, pending_pn             le64, what was accepted last, and under which number
//! ```
//!
//! A value `n` with `n == last_committed + 1` is accepted but not known to be committed. Committing it writes
//! `last_committed` and the value's own changes in one transaction. That record need not be synced: when a
//! power cut undoes it, the accepted value is still there and phase 1 finds it again.

use std::collections::BTreeMap;

use bytes::Bytes;
use mon_types::encode::{Decode, DecodeError};
use mon_types::id::{Pn, Rank, Version};
use mon_types::kv::{KvRead, Op, StoreError, Transaction};

use crate::bug::{self, Bug};

/// The store prefix of Paxos.
pub(crate) const PREFIX: &str = "paxos";
const FIRST_COMMITTED: &str = "first_committed";
const LAST_COMMITTED: &str = "last_committed";
const LAST_PN: &str = "last_pn";
const ACCEPTED_PN: &str = "accepted_pn";
const PENDING_V: &str = "pending_v";
const PENDING_PN: &str = "pending_pn";

/// The log and the promises. Holds what has been decided to write; the store follows.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    first: Version,
    last: Version,
    /// The newest version whose changes the store view shows.
    applied: Version,
    last_pn: Pn,
    accepted_pn: Pn,
    uncommitted: Option<Uncommitted>,
    /// Committed values that the store view may not show yet.
    unapplied: BTreeMap<Version, Bytes>,
}

/// A value that was accepted and may or may not have been chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uncommitted {
    pub(crate) version: Version,
    pub(crate) pn: Pn,
    pub(crate) value: Bytes,
}

impl Log {
    /// Reads what the store holds and checks that it makes sense.
    pub(crate) fn load(store: &dyn KvRead) -> Result<Self, StoreError> {
        let first = store.read_version(PREFIX, FIRST_COMMITTED)?;
        let last = store.read_version(PREFIX, LAST_COMMITTED)?;
        let last_pn = Pn(store.read_u64(PREFIX, LAST_PN)?.unwrap_or(0));
        let accepted_pn = Pn(store.read_u64(PREFIX, ACCEPTED_PN)?.unwrap_or(0));
        let damaged = |why: String| StoreError::Damaged { what: PREFIX.into(), why };
        if first > last {
            return Err(damaged(format!("first version {first} is after the last, {last}")));
        }
        if last.0 > 0 && store.read(PREFIX, &last.to_string())?.is_none() {
            return Err(damaged(format!("version {last} is the last but has no value")));
        }
        let uncommitted = Self::load_uncommitted(store, last.next(), accepted_pn)?;
        Ok(Self { first, last, applied: last, last_pn, accepted_pn, uncommitted, unapplied: BTreeMap::new() })
    }

    /// What was promised, of a store whose values cannot be trusted.
    pub(crate) fn load_promises(store: &dyn KvRead) -> Result<Self, StoreError> {
        Ok(Self {
            first: Version(0),
            last: Version(0),
            applied: Version(0),
            last_pn: Pn(store.read_u64(PREFIX, LAST_PN)?.unwrap_or(0)),
            accepted_pn: Pn(store.read_u64(PREFIX, ACCEPTED_PN)?.unwrap_or(0)),
            uncommitted: None,
            unapplied: BTreeMap::new(),
        })
    }

    /// Forgets all values. Returns the promises, to be written again after the prefix was erased: they hold
    /// whatever happens to the values.
    pub(crate) fn wipe(&mut self) -> Transaction {
        *self = Self {
            first: Version(0),
            last: Version(0),
            applied: Version(0),
            last_pn: self.last_pn,
            accepted_pn: self.accepted_pn,
            uncommitted: None,
            unapplied: BTreeMap::new(),
        };
        let mut promises = Transaction::new();
        if !bug::is_on(Bug::SyncForgetsPromises) {
            promises.put_u64(PREFIX, LAST_PN, self.last_pn.0);
            promises.put_u64(PREFIX, ACCEPTED_PN, self.accepted_pn.0);
        }
        promises
    }

    fn load_uncommitted(
        store: &dyn KvRead,
        version: Version,
        accepted_pn: Pn,
    ) -> Result<Option<Uncommitted>, StoreError> {
        let Some(value) = store.read(PREFIX, &version.to_string())? else { return Ok(None) };
        // Stores of old releases lack the pending keys; the promise is the best that is known then.
        let pn = match store.read_version(PREFIX, PENDING_V)? {
            pending if pending == version => Pn(store.read_u64(PREFIX, PENDING_PN)?.unwrap_or(accepted_pn.0)),
            _ => accepted_pn,
        };
        Ok(Some(Uncommitted { version, pn, value }))
    }

    pub(crate) fn first(&self) -> Version {
        self.first
    }

    pub(crate) fn last(&self) -> Version {
        self.last
    }

    pub(crate) fn applied(&self) -> Version {
        self.applied
    }

    pub(crate) fn accepted_pn(&self) -> Pn {
        self.accepted_pn
    }

    /// What we accepted after the last committed value.
    pub(crate) fn uncommitted(&self) -> Option<&Uncommitted> {
        self.uncommitted.as_ref().filter(|u| u.version == self.last.next())
    }

    /// Chooses a number to propose under, above everything that we have seen and `above`, and promises to
    /// it ourselves. It must not be used before the write is on disk.
    pub(crate) fn new_pn(&mut self, me: Rank, above: Pn) -> (Pn, Transaction) {
        let floor = self.last_pn.max(self.accepted_pn).max(above);
        let pn = Pn((floor.0 / 100 + 1) * 100 + u64::from(me.0));
        self.last_pn = pn;
        self.accepted_pn = pn;
        let mut write = Transaction::new();
        if !bug::is_on(Bug::NumberReused) {
            write.put_u64(PREFIX, LAST_PN, pn.0);
            write.put_u64(PREFIX, ACCEPTED_PN, pn.0);
        }
        (pn, write)
    }

    /// Promises to take nothing under a lower number.
    pub(crate) fn promise(&mut self, pn: Pn) -> Transaction {
        self.accepted_pn = pn;
        let mut write = Transaction::new();
        write.put_u64(PREFIX, ACCEPTED_PN, pn.0);
        write
    }

    /// Accepts a value for the next version.
    pub(crate) fn accept(&mut self, pn: Pn, value: Bytes) -> Transaction {
        let version = self.last.next();
        let mut write = Transaction::new();
        if pn > self.accepted_pn {
            write.append(self.promise(pn));
        }
        write.put_version(PREFIX, version, value.clone());
        write.put_u64(PREFIX, PENDING_V, version.0);
        write.put_u64(PREFIX, PENDING_PN, pn.0);
        self.uncommitted = Some(Uncommitted { version, pn, value });
        write
    }

    /// Commits the values that follow the last one; others are ignored. Returns the write, none when no
    /// value follows.
    pub(crate) fn commit(
        &mut self,
        values: &BTreeMap<Version, Bytes>,
    ) -> Result<Option<Transaction>, BadValue> {
        let mut write = Transaction::new();
        let mut changes = Transaction::new();
        let mut last = self.last;
        let mut first = self.first;
        while let Some(value) = values.get(&last.next()) {
            let version = last.next();
            let ops = Transaction::from_bytes(value).map_err(|error| BadValue { version, error })?;
            let stored =
                bug::is_on(Bug::ValueNotStored) && self.uncommitted().is_some_and(|u| u.version == version);
            if !stored && self.uncommitted().is_none_or(|u| u.version != version || u.value != *value) {
                write.put_version(PREFIX, version, value.clone());
            }
            first = first_committed_in(&ops).unwrap_or(first);
            changes.append(ops);
            last = version;
        }
        if last == self.last {
            return Ok(None);
        }
        self.unapplied
            .extend(values.range(self.last.next()..=last).map(|(version, value)| (*version, value.clone())));
        self.uncommitted = None;
        self.last = last;
        self.first = first.max(self.first);
        write.put_u64(PREFIX, LAST_COMMITTED, last.0);
        if !bug::is_on(Bug::ChangesNotApplied) || !changes.ops().len().is_multiple_of(3) {
            write.append(changes);
        }
        Ok(Some(write))
    }

    /// The store view shows everything up to `version`.
    pub(crate) fn note_applied(&mut self, version: Version) {
        self.applied = self.applied.max(version);
        self.unapplied = self.unapplied.split_off(&self.applied.next());
    }

    /// Committed values from `from` on, as many as fit into `bytes_max` but at least one.
    pub(crate) fn values(
        &self,
        store: &dyn KvRead,
        from: Version,
        bytes_max: usize,
    ) -> Result<BTreeMap<Version, Bytes>, StoreError> {
        let mut found = BTreeMap::new();
        let mut bytes = 0;
        for n in from.0.max(self.first.0).max(1)..=self.last.0 {
            let version = Version(n);
            let value = match self.unapplied.get(&version) {
                Some(value) => value.clone(),
                None => store.read(PREFIX, &version.to_string())?.ok_or_else(|| StoreError::Damaged {
                    what: format!("{PREFIX}/{version}"),
                    why: "a committed value is missing".into(),
                })?,
            };
            bytes += value.len();
            found.insert(version, value);
            if bytes >= bytes_max {
                break;
            }
        }
        Ok(found)
    }

    /// The changes that remove values that are no longer needed, as part of the next value.
    pub(crate) fn trim(&self, min: u64, trim_min: u64, trim_max: u64) -> Option<Transaction> {
        if self.last.0 - self.first.0 <= min + trim_min {
            return None;
        }
        let end = (self.last.0 - min).min(self.first.0 + trim_max);
        let mut trim = Transaction::new();
        for version in self.first.0..end + u64::from(bug::is_on(Bug::TrimTooFar)) {
            trim.erase(PREFIX, version.to_string());
        }
        trim.put_u64(PREFIX, FIRST_COMMITTED, end);
        let range = Some((self.first.previous().to_string(), end.to_string()));
        trim.push(Op::Compact { prefix: PREFIX.into(), range });
        Some(trim)
    }
}

/// The changes that the very first value starts with.
pub(crate) fn founding_changes() -> Transaction {
    let mut founding = Transaction::new();
    founding.put_u64(PREFIX, FIRST_COMMITTED, 1);
    founding
}

/// The record that a store was filled up to `last` by other means than Paxos (a sync).
pub(crate) fn put_last_committed(write: &mut Transaction, last: Version) {
    write.put_u64(PREFIX, LAST_COMMITTED, last.0);
}

/// The record of one more value that is known to be committed.
pub(crate) fn put_committed(
    write: &mut Transaction,
    version: Version,
    value: Bytes,
) -> Result<(), StoreError> {
    let changes = Transaction::from_bytes(&value)
        .map_err(|error| StoreError::undecodable(PREFIX, &version.to_string(), &error))?;
    write.put_version(PREFIX, version, value);
    put_last_committed(write, version);
    write.append(changes);
    Ok(())
}

/// The record of a value that was accepted.
pub(crate) fn put_accepted(write: &mut Transaction, accepted: &Uncommitted) {
    write.put_version(PREFIX, accepted.version, accepted.value.clone());
    write.put_u64(PREFIX, PENDING_V, accepted.version.0);
    write.put_u64(PREFIX, PENDING_PN, accepted.pn.0);
}

/// Whether a key of the prefix is this member's own business, which a copy of another's store must not touch.
pub(crate) fn is_private(key: &str) -> bool {
    let copied = bug::is_on(Bug::SyncCopiesPromises) && matches!(key, LAST_PN | ACCEPTED_PN);
    !copied && matches!(key, LAST_PN | ACCEPTED_PN | PENDING_V | PENDING_PN | LAST_COMMITTED)
}

/// A committed value that is not a transaction: nobody can go on from there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("committed value {version} does not decode: {error}")]
pub(crate) struct BadValue {
    version: Version,
    error: DecodeError,
}

impl From<BadValue> for StoreError {
    fn from(bad: BadValue) -> Self {
        Self::undecodable(PREFIX, &bad.version.to_string(), &bad.error)
    }
}

fn first_committed_in(ops: &Transaction) -> Option<Version> {
    ops.ops().iter().rev().find_map(|op| match op {
        Op::Put { prefix, key, value } if prefix == PREFIX && key == FIRST_COMMITTED => {
            Some(Version(u64::from_le_bytes(value.as_ref().try_into().ok()?)))
        }
        Op::Put { .. } | Op::Erase { .. } | Op::Compact { .. } | Op::EraseRange { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use mon_store::{KvStore, MemoryStore};
    use mon_types::encode::Encode;

    use super::*;

    fn value(text: &str) -> Bytes {
        let mut ops = Transaction::new();
        ops.put("kv", "k", text.to_owned());
        ops.to_bytes()
    }

    fn founding() -> Bytes {
        founding_changes().to_bytes()
    }

    fn committed(store: &MemoryStore, count: u64) -> Log {
        let mut log = Log::load(store).unwrap();
        for n in 1..=count {
            let v = if n == 1 { founding() } else { value(&n.to_string()) };
            store.apply(&[log.accept(Pn(100), v.clone())], true).unwrap();
            let write = log.commit(&[(Version(n), v)].into()).unwrap().unwrap();
            store.apply(&[write], false).unwrap();
            log.note_applied(Version(n));
        }
        log
    }

    #[test]
    fn numbers_are_unique_per_rank_and_rise() {
        let mut log = Log::load(&MemoryStore::new()).unwrap();
        assert_eq!(log.new_pn(Rank(0), Pn(0)).0, Pn(100));
        assert_eq!(log.new_pn(Rank(2), Pn(0)).0, Pn(202));
        assert_eq!(log.new_pn(Rank(1), Pn(700)).0, Pn(801));
        log.promise(Pn(1002));
        assert_eq!(log.new_pn(Rank(1), Pn(0)).0, Pn(1101), "a promise to another counts too");
    }

    #[test]
    fn a_number_survives_a_restart() {
        let store = MemoryStore::new();
        let mut log = Log::load(&store).unwrap();
        let (pn, write) = log.new_pn(Rank(1), Pn(0));
        store.apply(&[write], true).unwrap();
        let again = Log::load(&store).unwrap();
        assert_eq!((again.accepted_pn(), again.last_pn), (pn, pn));
    }

    #[test]
    fn a_lost_commit_record_leaves_the_accepted_value() {
        let store = MemoryStore::new();
        let log = committed(&store, 3);
        assert_eq!((log.first(), log.last()), (Version(1), Version(3)));
        store.crash();
        let log = Log::load(&store).unwrap();
        assert_eq!(log.last(), Version(2));
        let kept = log.uncommitted().unwrap();
        assert_eq!((kept.version, kept.pn, kept.value.clone()), (Version(3), Pn(100), value("3")));
    }

    #[test]
    fn values_come_from_memory_until_the_store_shows_them() {
        let store = MemoryStore::new();
        let mut log = committed(&store, 3);
        let write =
            log.commit(&[(Version(4), value("4")), (Version(6), value("6"))].into()).unwrap().unwrap();
        assert_eq!(log.last(), Version(4), "6 does not follow");
        let shown = log.values(&store, Version(3), usize::MAX).unwrap();
        assert_eq!(shown.into_keys().collect::<Vec<_>>(), [Version(3), Version(4)]);
        store.apply(&[write], false).unwrap();
        log.note_applied(Version(4));
        assert_eq!(log.values(&store, Version(1), 1).unwrap().len(), 1);
        assert_eq!(Log::load(&store).unwrap().last(), Version(4));
    }

    #[test]
    fn trimming_keeps_the_minimum() {
        let store = MemoryStore::new();
        let mut log = committed(&store, 20);
        assert!(log.trim(10, 9, 100).is_none());
        let trim = log.trim(10, 5, 4).unwrap().to_bytes();
        store.apply(&[log.accept(Pn(100), trim.clone())], true).unwrap();
        let write = log.commit(&[(Version(21), trim)].into()).unwrap().unwrap();
        store.apply(&[write], true).unwrap();
        assert_eq!((log.first(), log.last()), (Version(5), Version(21)));
        let again = Log::load(&store).unwrap();
        assert_eq!((again.first(), again.last()), (Version(5), Version(21)));
        assert_eq!(store.read(PREFIX, "4").unwrap(), None);
        assert!(store.read(PREFIX, "5").unwrap().is_some());
    }

    #[test]
    fn nonsense_in_the_store_is_refused() {
        let store = MemoryStore::new();
        let mut bad = Transaction::new();
        bad.put_u64(PREFIX, FIRST_COMMITTED, 7);
        store.apply(&[bad], true).unwrap();
        assert!(matches!(Log::load(&store), Err(StoreError::Damaged { .. })));
        let mut bad = Transaction::new();
        bad.put_u64(PREFIX, LAST_COMMITTED, 9);
        store.apply(&[bad], true).unwrap();
        assert!(matches!(Log::load(&store), Err(StoreError::Damaged { .. })));
        let mut log = Log::load(&MemoryStore::new()).unwrap();
        assert!(log.commit(&[(Version(1), Bytes::from_static(b"junk"))].into()).is_err());
    }
}
