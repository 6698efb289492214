//! Handing out global ids without asking anybody.
//!
//! The service reserves blocks of ids through Paxos. Of a block, the monitor of rank r among n hands out those
//! that leave r when divided by n. Rank and n change with the monmap, so ids that were reserved before such a
//! change (or before we started) are left alone: somebody may have handed them out under the old rule.

use mon_types::id::{GlobalId, Rank};

#[derive(Debug, Default)]
pub(crate) struct GlobalIds {
    /// Ids up to this one are not ours to give.
    used: u64,
    /// Ids up to this one are reserved.
    reserved: u64,
    /// Our rank and the number of monitors.
    share: Option<(u64, u64)>,
}

impl GlobalIds {
    /// Takes over what a commit changed.
    pub(crate) fn update(&mut self, max_global_id: u64, rank: Option<Rank>, mons: usize) {
        let share = rank.map(|rank| (u64::from(rank.0), mons as u64));
        if share != self.share || self.reserved == 0 {
            self.share = share;
            self.used = self.used.max(max_global_id);
        }
        self.reserved = max_global_id;
    }

    /// The next id.
    pub(crate) fn take(&mut self) -> Option<GlobalId> {
        let id = self.next()?;
        self.used = id;
        Some(GlobalId(id))
    }

    /// Whether a new block should be asked for.
    pub(crate) fn runs_short(&self, block: u64) -> bool {
        self.share.is_some() && self.reserved.saturating_sub(self.used) <= block / 2
    }

    fn next(&self) -> Option<u64> {
        let (rank, mons) = self.share?;
        let first = self.used + 1;
        let id = first + (rank + mons - first % mons) % mons;
        (id <= self.reserved).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ids: &mut GlobalIds) -> Vec<u64> {
        std::iter::from_fn(|| ids.take()).map(|id| id.0).collect()
    }

    #[test]
    fn ranks_share_a_block_without_overlap() {
        let mut given: Vec<u64> = (0..3)
            .flat_map(|rank| {
                let mut ids = GlobalIds::default();
                ids.update(4096, Some(Rank(rank)), 3);
                assert_eq!(ids.take(), None);
                ids.update(4126, Some(Rank(rank)), 3);
                all(&mut ids)
            })
            .collect();
        given.sort_unstable();
        assert_eq!(given, (4097..=4126).collect::<Vec<_>>());
    }

    #[test]
    fn a_new_share_starts_above_what_was_reserved() {
        let mut ids = GlobalIds::default();
        ids.update(100, Some(Rank(0)), 2);
        ids.update(110, Some(Rank(0)), 2);
        assert_eq!(ids.take(), Some(GlobalId(102)));
        ids.update(110, Some(Rank(0)), 3);
        assert_eq!(ids.take(), None);
        ids.update(113, Some(Rank(0)), 3);
        assert_eq!(all(&mut ids), [111]);
        ids.update(113, None, 3);
        assert_eq!(ids.take(), None);
    }
}
