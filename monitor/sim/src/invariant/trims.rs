//! Of the committed values as many are kept as the configuration says: peers that lack fewer need no full sync.

use super::{Disk, Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug)]
pub struct Trims {
    kept_min: u64,
}

impl Trims {
    /// At least so many are kept.
    #[must_use]
    pub fn new(kept_min: u64) -> Self {
        Self { kept_min }
    }
}

impl Invariant for Trims {
    fn name(&self) -> &'static str {
        "trims"
    }

    fn wrote(&mut self, at: &Subject<'_>, before: &Disk) -> Finding {
        let (before, now) = (before.seen, at.disk().seen);
        // A copy of another's store has whatever that one kept.
        let trimmed = now.first > before.first && before.first.0 > 0 && !before.in_sync && !now.in_sync;
        match trimmed && now.last.0 - now.first.0 < self.kept_min {
            true => Err(format!(
                "trims up to {} when {} is the newest; {} are to be kept",
                now.first, now.last, self.kept_min
            )),
            false => Ok(()),
        }
    }
}
