//! One quorum's reign: what an election settled and Paxos works under until the next one.

use std::collections::{BTreeMap, BTreeSet};

use mon_types::addr::AddrVec;
use mon_types::id::{Epoch, Rank};

/// When a value counts as chosen, and who may answer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Among our own: a majority of the monmap accepts; reads are confirmed by a majority each time.
    Majority,
    /// Beside a stock monitor: the whole quorum accepts; reads under wall-clock leases.
    Stock,
}

/// What holds from one election to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    /// The election epoch, even.
    pub(crate) epoch: Epoch,
    pub(crate) leader: Rank,
    /// None for a learner.
    pub(crate) me: Option<Rank>,
    /// Who is in, we included. Shrinks under [`Rule::Majority`] when a peon dies.
    pub(crate) quorum: BTreeSet<Rank>,
    pub(crate) rule: Rule,
    /// Everybody in the monmap, by rank.
    pub(crate) addrs: BTreeMap<Rank, AddrVec>,
    pub(crate) names: BTreeMap<Rank, String>,
}

impl Term {
    /// How many of the monmap are more than half.
    pub(crate) fn majority(&self) -> usize {
        self.addrs.len() / 2 + 1
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.me == Some(self.leader)
    }

    /// The quorum without us, with addresses.
    pub(crate) fn others(&self) -> impl Iterator<Item = (Rank, &AddrVec)> {
        self.quorum
            .iter()
            .filter(|rank| Some(**rank) != self.me)
            .filter_map(|rank| self.addrs.get(rank).map(|addrs| (*rank, addrs)))
    }

    pub(crate) fn rank_of(&self, addrs: &AddrVec) -> Option<Rank> {
        self.addrs.iter().find(|(_, a)| *a == addrs).map(|(rank, _)| *rank)
    }

    pub(crate) fn leader_addrs(&self) -> Option<&AddrVec> {
        self.addrs.get(&self.leader)
    }
}
