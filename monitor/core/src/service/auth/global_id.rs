//! Handing out global ids without asking anybody.
//!
//! The service reserves blocks of ids through Paxos. Of a block, the monitor of rank r among n hands out those
//! that leave r when divided by n. Rank and n change with the monmap, so ids that were reserved before such a
//! change are left alone: somebody may have handed them out under the old rule. So are those that were reserved
//! before we started, and after a power cut our store may lack the newest of these: which they are is known when a
//! read has been confirmed.

use mon_types::id::{GlobalId, Rank};

use crate::bug::{self, Bug};

#[derive(Debug, Default)]
pub(crate) struct GlobalIds {
    /// Ids up to this one are not ours to give.
    used: u64,
    /// Ids up to this one are reserved.
    reserved: u64,
    /// Our rank and the number of monitors.
    share: Option<(u64, u64)>,
    /// Whether everything that was reserved before we started is known.
    sure: bool,
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

    /// The store is as new as everything that was acknowledged before we started.
    pub(crate) fn confirm(&mut self, max_global_id: u64) {
        if !self.sure {
            self.sure = true;
            if !bug::is_on(Bug::GlobalIdsGivenAgain) {
                self.used = self.used.max(max_global_id);
            }
        }
    }

    /// Whether that has been confirmed.
    pub(crate) fn is_sure(&self) -> bool {
        self.sure
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
        let sure = self.sure || bug::is_on(Bug::GlobalIdsGivenAgain);
        let (rank, mons) = self.share.filter(|_| sure)?;
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
                ids.confirm(4096);
                assert_eq!(ids.take(), None);
                ids.update(4126, Some(Rank(rank)), 3);
                all(&mut ids)
            })
            .collect();
        given.sort_unstable();
        assert_eq!(given, (4097..=4126).collect::<Vec<_>>());
    }

    /// Found by the simulator: the block's commit was lost with the power, came again, and its ids were given twice.
    #[test]
    fn ids_of_before_a_power_cut_are_left_alone() {
        let mut ids = GlobalIds::default();
        ids.update(100, Some(Rank(0)), 1);
        ids.update(110, Some(Rank(0)), 1);
        assert_eq!(ids.take(), None);
        ids.confirm(110);
        assert_eq!(ids.take(), None);
        ids.update(120, Some(Rank(0)), 1);
        assert_eq!(ids.take(), Some(GlobalId(111)));
    }

    #[test]
    fn a_new_share_starts_above_what_was_reserved() {
        let mut ids = GlobalIds::default();
        ids.update(100, Some(Rank(0)), 2);
        ids.confirm(100);
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
