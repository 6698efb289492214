//! When a value is chosen.
//!
//! A majority of the monmap must have accepted it. Where the value itself changes the monmap, the next leader is
//! chosen by a majority of the *new* map, which must not be able to miss the value: so among the members that
//! stay, so many must have accepted that no majority of the new map can do without one of them. Adding or
//! removing one member satisfies this by itself; replacing one does not (docs/paxos.md has the argument).

use std::collections::BTreeSet;

use mon_types::id::Rank;

use super::term::{Rule, Term};
use crate::bug::{self, Bug};

/// Who must have accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    majority: usize,
    /// Everybody, beside stock monitors.
    all: BTreeSet<Rank>,
    /// Of these, at least so many.
    of_staying: Option<(BTreeSet<Rank>, usize)>,
}

impl Requirement {
    pub(crate) fn new(term: &Term, change: Option<MapChange>) -> Self {
        Self {
            majority: match () {
                () if bug::is_on(Bug::MajorityOfQuorum) => term.quorum.len() / 2 + 1,
                () => term.majority() - usize::from(bug::is_on(Bug::CommitWithMinority)),
            },
            all: match term.rule {
                Rule::Majority => BTreeSet::new(),
                Rule::Stock => term.quorum.clone(),
            },
            of_staying: change.filter(|_| !bug::is_on(Bug::ReplaceByOldMajority)).map(|change| {
                let majority = change.size / 2 + 1;
                // A change that keeps too few cannot be made safe; services refuse to propose one.
                let wanted = (change.size + 1 - majority).min(change.staying.len());
                (change.staying, wanted)
            }),
        }
    }

    pub(crate) fn is_met_by(&self, accepted: &BTreeSet<Rank>) -> bool {
        accepted.len() >= self.majority
            && accepted.is_superset(&self.all)
            && self
                .of_staying
                .as_ref()
                .is_none_or(|(staying, wanted)| accepted.intersection(staying).count() >= *wanted)
    }
}

/// What a value makes of the monmap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MapChange {
    /// How many members the new map has.
    pub(crate) size: usize,
    /// Which of the old map's ranks are still in it.
    pub(crate) staying: BTreeSet<Rank>,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mon_types::addr::AddrVec;
    use mon_types::id::Epoch;

    use super::*;

    fn ranks(list: &[u32]) -> BTreeSet<Rank> {
        list.iter().copied().map(Rank).collect()
    }

    fn term(voters: u32, quorum: &[u32], rule: Rule) -> Term {
        let addrs: BTreeMap<_, _> = (0..voters).map(|r| (Rank(r), AddrVec::default())).collect();
        let (leader, me, names) = (Rank(0), Some(Rank(0)), BTreeMap::new());
        Term { epoch: Epoch(2), leader, me, quorum: ranks(quorum), rule, addrs, names }
    }

    #[test]
    fn our_own_need_a_majority_of_the_monmap_and_stock_all_of_the_quorum() {
        let own = Requirement::new(&term(5, &[0, 1, 2, 3], Rule::Majority), None);
        assert!(!own.is_met_by(&ranks(&[0, 1])));
        assert!(own.is_met_by(&ranks(&[1, 2, 3])));
        let stock = Requirement::new(&term(5, &[0, 1, 2, 3], Rule::Stock), None);
        assert!(!stock.is_met_by(&ranks(&[0, 1, 2])));
        assert!(stock.is_met_by(&ranks(&[0, 1, 2, 3])));
    }

    #[test]
    fn a_replacement_cannot_be_missed_by_a_majority_of_the_new_map() {
        let change = MapChange { size: 3, staying: ranks(&[0, 1]) };
        let needed = Requirement::new(&term(3, &[0, 1, 2], Rule::Majority), Some(change));
        assert!(!needed.is_met_by(&ranks(&[0, 2])), "rank 1 and the newcomer could elect without it");
        assert!(needed.is_met_by(&ranks(&[0, 1])));
    }

    #[test]
    fn one_member_more_or_less_needs_nothing_special() {
        for size in [2u32, 3, 4, 5, 6, 7] {
            let term = term(size, &(0..size).collect::<Vec<_>>(), Rule::Majority);
            let all: Vec<u32> = (0..size).collect();
            let majority = ranks(&all[..term.majority()]);
            let more = MapChange { size: size as usize + 1, staying: ranks(&all) };
            assert!(Requirement::new(&term, Some(more)).is_met_by(&majority), "{size} + 1");
            // The worst case: the one that goes is among those that accepted.
            let less = MapChange { size: size as usize - 1, staying: ranks(&all[1..]) };
            assert!(Requirement::new(&term, Some(less)).is_met_by(&majority), "{size} - 1");
        }
    }
}
