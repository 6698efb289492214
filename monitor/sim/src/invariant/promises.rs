//! Promises and election epochs on a disk never go back: not by a write, and not by a power cut behind what was
//! durable.

use super::{Disk, Facts, Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Promises;

impl Invariant for Promises {
    fn name(&self) -> &'static str {
        "promises"
    }

    fn wrote(&mut self, at: &Subject<'_>, before: &Disk) -> Finding {
        rises(&before.seen, &at.disk().seen)
    }

    fn ended(&mut self, at: &Subject<'_>, before: &Disk) -> Finding {
        rises(&before.durable, &at.disk().seen)
    }
}

fn rises(old: &Facts, new: &Facts) -> Finding {
    let numbers = [
        ("accepted_pn", old.accepted_pn.0, new.accepted_pn.0),
        ("last_pn", old.last_pn.0, new.last_pn.0),
        ("election_epoch", old.epoch.0.into(), new.epoch.0.into()),
    ];
    for (what, old, new) in numbers {
        if new < old {
            return Err(format!("{what} goes back from {old} to {new}"));
        }
    }
    Ok(())
}
