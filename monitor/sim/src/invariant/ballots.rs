//! Under one number, at most one value is offered for a version: whoever accepted it accepted the same.

use std::collections::BTreeMap;

use mon_types::id::{Pn, Version};

use super::{Disk, Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Ballots {
    offered: BTreeMap<(Version, Pn), u64>,
}

impl Invariant for Ballots {
    fn name(&self) -> &'static str {
        "ballots"
    }

    fn wrote(&mut self, at: &Subject<'_>, before: &Disk) -> Finding {
        let (version, pn, value) = at.disk().seen.pending;
        // A value that is gone was trimmed or wiped since.
        if (version, pn, value) == before.seen.pending || version.0 == 0 || value == 0 {
            return Ok(());
        }
        if (version, pn) == (before.seen.pending.0, before.seen.pending.1) && before.seen.pending.2 == 0 {
            return Ok(());
        }
        match *self.offered.entry((version, pn)).or_insert(value) {
            offered if offered == value => Ok(()),
            _ if at.disk().seen.last >= version => Ok(()),
            _ => Err(format!("accepts a second value for version {version} under {pn}")),
        }
    }
}
