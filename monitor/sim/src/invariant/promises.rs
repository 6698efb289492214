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
        let (old, new) = (&before.seen, &at.disk().seen);
        rises(old, new)?;
        // What a sync puts back was accepted before the promises that came since.
        let (version, pn, _) = new.pending;
        if (version, pn) != (old.pending.0, old.pending.1)
            && !old.in_sync
            && !new.in_sync
            && pn < old.accepted_pn
        {
            let promised = old.accepted_pn;
            return Err(format!("accepts {version} under {pn}, though it promised {promised}"));
        }
        Ok(())
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
