//! What a sync leaves in the store so that it survives being cut short at any point.
//!
//! ```text
//! mon_sync/in_sync                the store is being filled: worthless until the sync is done
//! mon_sync/force_sync             asked for by the administrator
//! mon_sync/last_committed_floor   what we once had: peers that have less are no source
//! mon_sync/latest_monmap          the map to find the others by while ours is wiped
//! ```

use bytes::Bytes;
use mon_types::id::Version;
use mon_types::kv::{KvRead, StoreError, Transaction};

const PREFIX: &str = "mon_sync";
const IN_SYNC: &str = "in_sync";
const FORCE: &str = "force_sync";
const FLOOR: &str = "last_committed_floor";
const MONMAP: &str = "latest_monmap";

/// The marks as they stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SyncMarks {
    pub(crate) in_sync: bool,
    pub(crate) forced: bool,
    pub(crate) floor: Version,
    pub(crate) latest_monmap: Option<Bytes>,
}

impl SyncMarks {
    pub(crate) fn load(store: &dyn KvRead) -> Result<Self, StoreError> {
        Ok(Self {
            in_sync: store.read(PREFIX, IN_SYNC)?.is_some(),
            forced: store.read(PREFIX, FORCE)?.is_some(),
            floor: store.read_version(PREFIX, FLOOR)?,
            latest_monmap: store.read(PREFIX, MONMAP)?,
        })
    }

    /// Whether the store must be filled anew before anything else.
    pub(crate) fn must_sync(&self) -> bool {
        self.in_sync || self.forced
    }

    pub(crate) fn put_force(write: &mut Transaction) {
        write.put_u64(PREFIX, FORCE, 1);
    }

    /// A full sync begins.
    pub(super) fn begin(&mut self, write: &mut Transaction, monmap: Bytes, last: Version) {
        self.in_sync = true;
        self.floor = self.floor.max(last);
        self.latest_monmap = Some(monmap.clone());
        write.put(PREFIX, MONMAP, monmap);
        write.put_u64(PREFIX, FLOOR, self.floor.0);
        write.put_u64(PREFIX, IN_SYNC, 1);
    }

    /// It is done.
    pub(super) fn end(&mut self, write: &mut Transaction) {
        *self = Self::default();
        for key in [IN_SYNC, FORCE, FLOOR, MONMAP] {
            write.erase(PREFIX, key);
        }
    }
}
