//! The monmap of a stopped monitor: which of those in the store is the newest, taking it out and putting
//! another in.
//!
//! ```text
//! monmap/last_committed, monmap/<version>   what the quorum agreed on
//! mon_sync/in_sync, latest_monmap           a store sync was cut off: the map that it began with
//! mkfs/monmap                               never was in a quorum
//! monmap/latest                             u64 version | bl map: a copy that stock tools read
//! ```

use bytes::Bytes;
use mon_types::encode::{Decode, Encode};
use mon_types::id::MapEpoch;
use mon_types::kv::{KvRead, StoreError, Transaction};
use mon_types::monmap::MonMap;

/// The newest monmap, if the store has any.
pub(crate) fn newest(store: &dyn KvRead) -> Result<Option<MonMap>, StoreError> {
    let Some((prefix, key, bytes)) = newest_bytes(store)? else { return Ok(None) };
    MonMap::from_bytes(&bytes).map(Some).map_err(|error| StoreError::undecodable(prefix, &key, &error))
}

fn newest_bytes(store: &dyn KvRead) -> Result<Option<(&'static str, String, Bytes)>, StoreError> {
    let committed = store.read_version("monmap", "last_committed")?;
    let committed = (committed.0 > 0).then(|| ("monmap", committed.to_string()));
    let in_sync = store.read("mon_sync", "in_sync")?.is_some();
    let stashed = in_sync.then(|| ("mon_sync", "latest_monmap".to_owned()));
    let initial = Some(("mkfs", "monmap".to_owned()));
    for (prefix, key) in [committed, stashed, initial].into_iter().flatten() {
        if let Some(bytes) = store.read(prefix, &key)? {
            return Ok(Some((prefix, key, bytes)));
        }
    }
    Ok(None)
}

/// The writes that make a map the newest; its epoch becomes the next version.
pub(crate) fn injection(store: &dyn KvRead, mut monmap: MonMap) -> Result<(MonMap, Transaction), StoreError> {
    let version = store.read_version("monmap", "last_committed")?.next();
    // Monmap versions are epochs; a u32 of them will not be used up.
    monmap.epoch = MapEpoch(version.0 as u32);
    let bytes = monmap.to_bytes();
    let mut latest = version.0.to_bytes().to_vec();
    bytes.encode(&mut latest);
    let mut transaction = Transaction::new();
    if version.0 == 1 {
        transaction.put_u64("monmap", "first_committed", 1);
    }
    transaction.put_version("monmap", version, bytes);
    transaction.put("monmap", "latest", latest);
    transaction.put_u64("monmap", "last_committed", version.0);
    Ok((monmap, transaction))
}

#[cfg(test)]
mod tests {
    use mon_store::{KvStore, MemoryStore};

    use super::*;

    fn map(created: u32) -> MonMap {
        let mut map = MonMap::default();
        map.created.sec = created;
        map
    }

    #[test]
    fn committed_goes_before_stashed_before_initial() {
        let store = MemoryStore::new();
        let put = |prefix: &str, key: &str, value: Bytes| {
            let mut transaction = Transaction::new();
            transaction.put(prefix, key, value);
            store.apply(&[transaction], true).unwrap();
            newest(&store).unwrap().map(|map| map.created.sec)
        };
        assert_eq!(newest(&store), Ok(None));
        assert_eq!(put("mon_sync", "latest_monmap", map(2).to_bytes()), None);
        assert_eq!(put("mkfs", "monmap", map(1).to_bytes()), Some(1));
        assert_eq!(put("mon_sync", "in_sync", Bytes::from_static(b"x")), Some(2));
        let (injected, transaction) = injection(&store, map(3)).unwrap();
        store.apply(&[transaction], true).unwrap();
        assert_eq!(injected.epoch, MapEpoch(1));
        assert_eq!(newest(&store), Ok(Some(injected)));
        let (again, transaction) = injection(&store, map(4)).unwrap();
        store.apply(&[transaction], true).unwrap();
        assert_eq!(again.epoch, MapEpoch(2));
        assert_eq!(newest(&store), Ok(Some(again)));
    }
}
