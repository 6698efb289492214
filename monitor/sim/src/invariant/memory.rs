//! What a process that takes part goes by is not older than its own disk.

use mon_core::consensus::Role;

use super::{Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Memory;

impl Invariant for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn after_event(&mut self, at: &Subject<'_>) -> Finding {
        let Some(consensus) = at.consensus else { return Ok(()) };
        let (disk, last) = (at.disk().seen, consensus.last_committed());
        let counts = match consensus.role() {
            Role::Leader | Role::Peon | Role::Learner | Role::Electing => true,
            // A wipe may be on its way to the disk.
            Role::Probing | Role::Synchronizing => false,
        };
        match !counts || disk.in_sync || last >= disk.last {
            true => Ok(()),
            false => Err(format!("goes by version {last}, but its disk has {}", disk.last)),
        }
    }
}
