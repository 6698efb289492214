//! What a sync leaves in the store so that it survives being cut short at any point.
//!
//! ```text
//! mon_sync/in_sync                the store is being filled: worthless until the sync is done
//! mon_sync/force_sync             asked for by the administrator
//! mon_sync/last_committed_floor   what we once had: peers that have less than the value before it are no source
//! mon_sync/floor_value            its value: a peer that accepted it may have lost the record of its commit
//! mon_sync/latest_monmap          the map to find the others by while ours is wiped
//! mon_sync/accepted_v, accepted_pn, accepted_value
//!                                 what we had accepted: others may count on it, so it outlives the wipe
//! ```

use bytes::Bytes;
use mon_types::id::{Pn, Version};
use mon_types::kv::{KvRead, StoreError, Transaction};

use crate::bug::{self, Bug};
use crate::paxos::log::{self, Uncommitted};

const PREFIX: &str = "mon_sync";
const IN_SYNC: &str = "in_sync";
const FORCE: &str = "force_sync";
const FLOOR: &str = "last_committed_floor";
const FLOOR_VALUE: &str = "floor_value";
const MONMAP: &str = "latest_monmap";
const ACCEPTED_V: &str = "accepted_v";
const ACCEPTED_PN: &str = "accepted_pn";
const ACCEPTED: &str = "accepted_value";

/// The marks as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SyncMarks {
    pub(crate) in_sync: bool,
    pub(crate) forced: bool,
    pub(crate) floor: Version,
    pub(crate) floor_value: Option<Bytes>,
    pub(crate) latest_monmap: Option<Bytes>,
    pub(crate) accepted: Option<Uncommitted>,
}

impl SyncMarks {
    pub(crate) fn load(store: &dyn KvRead) -> Result<Self, StoreError> {
        Ok(Self {
            in_sync: store.read(PREFIX, IN_SYNC)?.is_some(),
            forced: store.read(PREFIX, FORCE)?.is_some(),
            floor: store.read_version(PREFIX, FLOOR)?,
            floor_value: store.read(PREFIX, FLOOR_VALUE)?,
            latest_monmap: store.read(PREFIX, MONMAP)?,
            accepted: match store.read(PREFIX, ACCEPTED)? {
                Some(value) => Some(Uncommitted {
                    version: store.read_version(PREFIX, ACCEPTED_V)?,
                    pn: Pn(store.read_u64(PREFIX, ACCEPTED_PN)?.unwrap_or(0)),
                    value,
                }),
                None => None,
            },
        })
    }

    /// Whether the store is half filled.
    pub(crate) fn is_half_synced(store: &dyn KvRead) -> Result<bool, StoreError> {
        Ok(store.read(PREFIX, IN_SYNC)?.is_some())
    }

    /// Whether the store must be filled anew before anything else.
    pub(crate) fn must_sync(&self) -> bool {
        (self.in_sync || self.forced) && !bug::is_on(Bug::UnsyncedVotes)
    }

    /// Whether the store was being filled when we started, or is.
    pub(crate) fn is_half_filled(&self) -> bool {
        self.in_sync
    }

    pub(crate) fn put_force(write: &mut Transaction) {
        write.put_u64(PREFIX, FORCE, 1);
    }

    /// Takes the order to sync back.
    pub(super) fn erase_force(write: &mut Transaction) {
        write.erase(PREFIX, FORCE);
    }

    /// The least that a source must have: what we know to be committed beyond it is `floor_value`.
    pub(crate) fn floor_of_source(&self) -> Version {
        if self.floor_value.is_some() { self.floor.previous() } else { self.floor }
    }

    /// A full sync begins.
    pub(super) fn begin(&mut self, write: &mut Transaction, monmap: Bytes, kept: Kept) {
        let Kept { last, value, accepted } = kept;
        self.in_sync = true;
        self.latest_monmap = Some(monmap.clone());
        // A second sync begins where the first was cut short: what was kept then still counts.
        if last > self.floor {
            self.floor = last;
            self.floor_value = value;
            match &self.floor_value {
                Some(value) => write.put(PREFIX, FLOOR_VALUE, value.clone()),
                None => write.erase(PREFIX, FLOOR_VALUE),
            }
        }
        if let Some(accepted) = accepted {
            write.put_u64(PREFIX, ACCEPTED_V, accepted.version.0);
            write.put_u64(PREFIX, ACCEPTED_PN, accepted.pn.0);
            write.put(PREFIX, ACCEPTED, accepted.value.clone());
            self.accepted = Some(accepted);
        }
        write.put(PREFIX, MONMAP, monmap);
        write.put_u64(PREFIX, FLOOR, self.floor.0);
        if !bug::is_on(Bug::HalfSyncedUnmarked) {
            write.put_u64(PREFIX, IN_SYNC, 1);
        }
    }

    /// It is done, up to `last`, or one further where we know the value. An accepted value that is not decided yet
    /// is put back.
    pub(super) fn end(&mut self, write: &mut Transaction, mut last: Version) -> Result<(), StoreError> {
        if let Some(value) = self
            .floor_value
            .take()
            .filter(|_| self.floor == last.next() && !bug::is_on(Bug::FloorValueDropped))
        {
            last = self.floor;
            log::put_committed(write, last, value)?;
        }
        if let Some(accepted) = self.accepted.take().filter(|accepted| accepted.version == last.next()) {
            log::put_accepted(write, &accepted);
        }
        *self = Self::default();
        for key in [IN_SYNC, FORCE, FLOOR, FLOOR_VALUE, MONMAP, ACCEPTED_V, ACCEPTED_PN, ACCEPTED] {
            write.erase(PREFIX, key);
        }
        Ok(())
    }
}

/// What a full sync must not lose of the store that it takes the place of.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// The newest committed value.
    pub(super) last: Version,
    pub(super) value: Option<Bytes>,
    /// What was accepted after it.
    pub(super) accepted: Option<Uncommitted>,
}

#[cfg(test)]
mod tests {
    use mon_store::{KvStore, MemoryStore};
    use mon_types::encode::Encode;

    use super::*;

    fn accepted(version: u64) -> Uncommitted {
        Uncommitted { version: Version(version), pn: Pn(301), value: Bytes::from_static(b"value") }
    }

    /// What we accepted may be chosen by our acceptance alone: a sync must not lose it, however often it begins.
    #[test]
    fn an_accepted_value_outlives_a_sync_until_it_is_decided() {
        for (reached, kept) in [(6, false), (7, true), (8, false), (9, false)] {
            let store = MemoryStore::new();
            let mut write = Transaction::new();
            let old = Kept { last: Version(7), value: None, accepted: Some(accepted(8)) };
            SyncMarks::default().begin(&mut write, Bytes::new(), old);
            store.apply(&[write], true).unwrap();
            let mut again = SyncMarks::load(&store).unwrap();
            let mut write = Transaction::new();
            again.begin(&mut write, Bytes::new(), Kept::default());
            store.apply(&[write], true).unwrap();
            let mut marks = SyncMarks::load(&store).unwrap();
            assert_eq!((marks.floor, marks.accepted.as_ref()), (Version(7), Some(&accepted(8))));
            let mut write = Transaction::new();
            marks.end(&mut write, Version(reached)).unwrap();
            store.apply(&[write], true).unwrap();
            assert_eq!(store.read("paxos", "8").unwrap().is_some(), kept, "reached {reached}");
            assert_eq!(store.read_u64("paxos", "pending_pn").unwrap(), kept.then_some(301));
            assert_eq!(SyncMarks::load(&store).unwrap(), SyncMarks::default());
        }
    }

    /// The only peer may have lost the record of a commit that we had, while it waits for our vote to find it again.
    #[test]
    fn a_source_may_lack_the_record_of_our_last_commit() {
        let store = MemoryStore::new();
        let mut value = Transaction::new();
        value.put("kv", "k", "seven");
        let kept = Kept { last: Version(7), value: Some(value.to_bytes()), accepted: Some(accepted(8)) };
        let mut write = Transaction::new();
        SyncMarks::default().begin(&mut write, Bytes::new(), kept);
        store.apply(&[write], true).unwrap();
        let mut marks = SyncMarks::load(&store).unwrap();
        assert_eq!(marks.floor_of_source(), Version(6));
        let mut write = Transaction::new();
        marks.end(&mut write, Version(6)).unwrap();
        store.apply(&[write], true).unwrap();
        assert_eq!(store.read_u64("paxos", "last_committed").unwrap(), Some(7));
        assert_eq!(store.read("kv", "k").unwrap().as_deref(), Some(&b"seven"[..]));
        assert!(store.read("paxos", "7").unwrap().is_some() && store.read("paxos", "8").unwrap().is_some());
    }
}
