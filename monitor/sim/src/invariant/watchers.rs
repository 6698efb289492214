//! What a process tells its own watchers of config keys (HTTP streams) is what was chosen: each version whole, in
//! order, and once.

use std::collections::BTreeMap;

use mon_core::effect::KvChange;

use super::book::{Book, Delta};
use super::{Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Watchers {
    /// The newest version that each process has told of.
    told: BTreeMap<usize, u64>,
}

impl Invariant for Watchers {
    fn name(&self) -> &'static str {
        "watchers"
    }

    fn started(&mut self, at: &Subject<'_>) -> Finding {
        self.told.remove(&at.node);
        Ok(())
    }

    fn told_watchers(&mut self, at: &Subject<'_>, book: &Book, changes: &[KvChange]) -> Finding {
        let mut versions: BTreeMap<u64, Delta> = BTreeMap::new();
        for change in changes {
            versions.entry(change.version.0).or_default().insert(change.key.clone(), change.value.clone());
        }
        for (version, delta) in versions {
            let before = self.told.insert(at.node, version);
            if before.is_some_and(|before| before >= version) {
                return Err(format!("tells its watchers of version {version} of the keys again"));
            }
            if book.kv.get(&version) != Some(&delta) {
                return Err(format!(
                    "tells its watchers {delta:?}, which version {version} of the keys is not"
                ));
            }
        }
        Ok(())
    }
}
