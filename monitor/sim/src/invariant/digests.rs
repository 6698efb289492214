//! Stores are equal at equal versions, in everything that is agreed on.

use std::collections::BTreeMap;

use mon_store::KvStore;
use mon_types::id::Version;

use super::{Disk, Finding, Invariant, Subject};

/// What is agreed on, as far as it is small enough to be looked at each time.
const PREFIXES: &[&str] = &[
    "auth",
    "config",
    "health",
    "kv",
    "logm",
    "mon_config_key",
    "moncluster",
    "monitor_store",
    "monmap",
    "mgr",
    "osdmap",
];

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Digests {
    known: BTreeMap<Version, Vec<u32>>,
}

impl Invariant for Digests {
    fn name(&self) -> &'static str {
        "digests"
    }

    fn wrote(&mut self, at: &Subject<'_>, before: &Disk) -> Finding {
        let now = at.disk().seen;
        if now.in_sync || now.last.0 == 0 || now.last == before.seen.last && !before.seen.in_sync {
            return Ok(());
        }
        let mut digests = Vec::new();
        for prefix in PREFIXES {
            digests.push(at.store.digest(prefix).map_err(|error| error.to_string())?.crc32c);
        }
        let known = self.known.entry(now.last).or_insert_with(|| digests.clone());
        if *known == digests {
            return Ok(());
        }
        let other: Vec<&str> = PREFIXES
            .iter()
            .zip(known.iter().zip(&digests))
            .filter(|(_, (a, b))| a != b)
            .map(|(prefix, _)| *prefix)
            .collect();
        Err(format!("its store at version {} differs from others' in {other:?}", now.last))
    }
}
