//! A version has one value, whoever commits it and whenever.

use std::collections::BTreeMap;

use mon_types::id::Version;
use mon_types::kv::KvRead;

use super::disks::hash;
use super::{Disk, Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Agreement {
    chosen: BTreeMap<Version, u64>,
}

impl Invariant for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn wrote(&mut self, at: &Subject<'_>, before: &Disk) -> Finding {
        let now = at.disk().seen;
        if now.in_sync || now.last == before.seen.last && !before.seen.in_sync {
            return Ok(());
        }
        let from = match before.seen.in_sync {
            true => now.first,
            false => now.first.max(before.seen.last.next()),
        };
        for version in from.0.max(1)..=now.last.0 {
            let version = Version(version);
            let Ok(Some(value)) = at.store.read("paxos", &version.to_string()) else { continue };
            let value = hash(&value);
            let chosen = *self.chosen.entry(version).or_insert(value);
            if chosen != value {
                return Err(format!("commits another value of version {version} than was chosen before"));
            }
        }
        Ok(())
    }
}
