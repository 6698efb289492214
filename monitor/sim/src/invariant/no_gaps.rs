//! What is committed is there from the first version to the last, and never becomes less but by a sync, which must
//! end where it began or later.

use mon_types::kv::KvRead;

use super::{Disk, Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct NoGaps {
    /// What each node had before the sync that it is in.
    floors: std::collections::BTreeMap<usize, u64>,
}

impl Invariant for NoGaps {
    fn name(&self) -> &'static str {
        "no gaps"
    }

    fn started(&mut self, at: &Subject<'_>) -> Finding {
        let now = at.disk().seen;
        if now.in_sync { Ok(()) } else { whole(at, now.first.0.max(1), now.last.0) }
    }

    fn replaced(&mut self, node: usize) {
        self.floors.remove(&node);
    }

    fn wrote(&mut self, at: &Subject<'_>, before: &Disk) -> Finding {
        let (now, old) = (at.disk().seen, before.seen);
        if now.in_sync {
            if !old.in_sync {
                let floor = self.floors.entry(at.node).or_default();
                *floor = (*floor).max(old.last.0);
            }
            return Ok(());
        }
        if old.in_sync {
            let floor = self.floors.remove(&at.node).unwrap_or(0);
            if now.last.0 < floor {
                return Err(format!("a sync ends at {}, before what was there: {floor}", now.last));
            }
            return whole(at, now.first.0.max(1), now.last.0);
        }
        if now.last < old.last || now.first < old.first {
            return Err(format!("{}..{} became {}..{}", old.first, old.last, now.first, now.last));
        }
        if now.first > now.last {
            return Err(format!("the first version {} is after the last {}", now.first, now.last));
        }
        whole(at, now.first.0.max(old.last.0 + 1), now.last.0)?;
        // Trimming takes whole versions away, from the old end.
        if now.first > old.first { whole(at, now.first.0, now.first.0) } else { Ok(()) }
    }
}

fn whole(at: &Subject<'_>, from: u64, to: u64) -> Finding {
    for version in from..=to {
        if !at.store.read("paxos", &version.to_string()).is_ok_and(|value| value.is_some()) {
            return Err(format!("committed version {version} of {from}..{to} is missing"));
        }
    }
    Ok(())
}
