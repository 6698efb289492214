//! The monmap with our place in it.

use mon_types::addr::AddrVec;
use mon_types::id::Rank;
use mon_types::monmap::{MonInfo, MonMap};

use crate::identity::Identity;

/// Who the members are, as far as we know.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Members {
    monmap: MonMap,
    me: Option<Rank>,
}

impl Members {
    pub(crate) fn new(monmap: MonMap, identity: &Identity) -> Self {
        let me = monmap.rank_of_addrs(&identity.addrs).or_else(|| monmap.rank_of(&identity.name));
        Self { monmap, me }
    }

    pub(crate) fn monmap(&self) -> &MonMap {
        &self.monmap
    }

    /// Our rank; none when the map does not hold us.
    pub(crate) fn me(&self) -> Option<Rank> {
        self.me
    }

    pub(crate) fn size(&self) -> usize {
        self.monmap.size()
    }

    pub(crate) fn majority(&self) -> usize {
        self.monmap.majority()
    }

    pub(crate) fn rank_of(&self, addrs: &AddrVec) -> Option<Rank> {
        self.monmap.rank_of_addrs(addrs)
    }

    pub(crate) fn addrs_of(&self, rank: Rank) -> Option<&AddrVec> {
        self.monmap.addrs_of(rank)
    }

    /// Everybody but us.
    pub(crate) fn others(&self) -> impl Iterator<Item = (Rank, &MonInfo)> {
        self.monmap.by_rank().filter(|(rank, _)| Some(*rank) != self.me)
    }
}
