//! Whether a store may be run: it must be a monitor's, of our cluster, and need nothing that we lack. The
//! checks look only; a store that fails them is left as it is.

use mon_core::mkfs::MAGIC;
use mon_types::compat_set::CompatSet;
use mon_types::encode::Decode;
use mon_types::id::Fsid;
use mon_types::kv::{KvRead, StoreError};
use mon_types::release::Release;

use crate::exit::{Exit, Failed};
use crate::monmap_store;

/// Why a store must not be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("the store has no monitor in it: mkfs did not finish; run it again")]
    Empty,
    #[error("the store says '{0}' where a monitor's says '{expected}'; is this a monitor's data directory?", expected = MAGIC.trim())]
    NotAMonitor(String),
    #[error(
        "the store belongs to cluster {found}, the configuration says {wanted}: correct fsid or the data path"
    )]
    WrongFsid { found: Fsid, wanted: Fsid },
    #[error("the store needs features that this version lacks ({}): run a newer one", .0.join(", "))]
    Features(Vec<String>),
    #[error(
        "the cluster requires {required} or newer, this monitor shows {shown}: set mon_release to {required}"
    )]
    Release { required: &'static str, shown: Release },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks a store; gives the cluster that it belongs to.
pub(crate) fn check(store: &dyn KvRead, wanted: Option<Fsid>, shown: Release) -> Result<Fsid, Unfit> {
    let magic = store.read("monitor", "magic")?.ok_or(Unfit::Empty)?;
    if magic.trim_ascii() != MAGIC.trim().as_bytes() {
        return Err(Unfit::NotAMonitor(magic.trim_ascii().escape_ascii().to_string()));
    }
    let found = fsid(store)?;
    if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
        return Err(Unfit::WrongFsid { found, wanted });
    }
    if let Some(bytes) = store.read("monitor", "feature_set")? {
        let needed = CompatSet::from_bytes(&bytes)
            .map_err(|error| StoreError::undecodable("monitor", "feature_set", &error))?;
        let supported = CompatSet::supported();
        let lacking: Vec<String> =
            supported.lacking(&needed).map(|(id, name)| format!("{id} {name}")).collect();
        if !lacking.is_empty() {
            return Err(Unfit::Features(lacking));
        }
    }
    if let Some(monmap) = monmap_store::newest(store)?
        && monmap.min_mon_release > shown.number()
    {
        return Err(Unfit::Release { required: monmap.min_mon_release.name(), shown });
    }
    Ok(found)
}

fn fsid(store: &dyn KvRead) -> Result<Fsid, Unfit> {
    let damaged = |why: String| StoreError::Damaged { what: "monitor/cluster_uuid".into(), why };
    let bytes = store.read("monitor", "cluster_uuid")?.ok_or_else(|| damaged("absent".into()))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim().parse().map_err(|_| damaged(format!("'{}' is no UUID", text.trim())))?)
}

impl From<Unfit> for Failed {
    fn from(unfit: Unfit) -> Self {
        let exit = match &unfit {
            Unfit::Empty => Exit::StoreMissing,
            Unfit::NotAMonitor(_) => Exit::StoreDamaged,
            Unfit::WrongFsid { .. } => Exit::WrongFsid,
            Unfit::Features(_) | Unfit::Release { .. } => Exit::FeaturesMissing,
            Unfit::Store(error) => Exit::of_store(error),
        };
        Self::new(exit, unfit)
    }
}

#[cfg(test)]
mod tests {
    use mon_store::{KvStore, MemoryStore};
    use mon_types::encode::Encode;
    use mon_types::keyring::Keyring;
    use mon_types::kv::Transaction;
    use mon_types::monmap::MonMap;

    use super::*;

    fn fsid_of(byte: u8) -> Fsid {
        Fsid(uuid::Uuid::from_bytes([byte; 16]))
    }

    fn made(min_mon_release: Release) -> MemoryStore {
        let store = MemoryStore::new();
        let min_mon_release = min_mon_release.number();
        let monmap = MonMap { fsid: fsid_of(1), min_mon_release, ..MonMap::default() };
        store.apply(&[mon_core::mkfs::mkfs(&monmap, &Keyring::default())], true).unwrap();
        store
    }

    fn with(store: &MemoryStore, key: &str, value: Vec<u8>) {
        let mut transaction = Transaction::new();
        transaction.put("monitor", key, value);
        store.apply(&[transaction], true).unwrap();
    }

    #[test]
    fn a_fresh_store_is_fit() {
        let store = made(Release::Pacific);
        assert_eq!(check(&store, None, Release::Pacific), Ok(fsid_of(1)));
        assert_eq!(check(&store, Some(fsid_of(1)), Release::Tentacle), Ok(fsid_of(1)));
    }

    #[test]
    fn what_makes_it_unfit() {
        let found = fsid_of(1);
        let wanted = fsid_of(2);
        let store = made(Release::Reef);
        assert_eq!(check(&store, Some(wanted), Release::Reef), Err(Unfit::WrongFsid { found, wanted }));
        let release = Unfit::Release { required: "reef", shown: Release::Pacific };
        assert_eq!(check(&store, None, Release::Pacific), Err(release));
        assert_eq!(check(&MemoryStore::new(), None, Release::Reef), Err(Unfit::Empty));

        // Two empty sets, then one (the incompat set) with a feature 40: mask, count, id, name.
        let mut newer = CompatSet::default().to_bytes()[..24].to_vec();
        for part in [(1u64 << 40).to_bytes(), 1u32.to_bytes(), 40u64.to_bytes(), "from the future".to_bytes()]
        {
            newer.extend_from_slice(&part);
        }
        with(&store, "feature_set", newer);
        let error = check(&store, None, Release::Tentacle).unwrap_err();
        assert!(
            matches!(&error, Unfit::Features(lacking) if lacking == &["40 from the future"]),
            "{error:?}"
        );

        with(&store, "feature_set", vec![1, 2, 3]);
        let error = check(&store, None, Release::Tentacle).unwrap_err();
        assert!(matches!(error, Unfit::Store(StoreError::Damaged { .. })), "{error:?}");
        with(&store, "cluster_uuid", b"x\n".to_vec());
        let error = check(&store, None, Release::Tentacle).unwrap_err();
        assert!(matches!(error, Unfit::Store(StoreError::Damaged { .. })), "{error:?}");
        with(&store, "magic", b"ceph osd volume v026\n".to_vec());
        assert!(matches!(check(&store, None, Release::Tentacle), Err(Unfit::NotAMonitor(_))));
    }
}
