//! Who refused to be a source, and the administrator's order to sync: when nobody is there to obey it with.
//!
//! Every member may be told to copy everything from the others at its next start. When all are told at once, or when
//! the one that is told has more than those who are left, each waits for another and nothing serves. A store under
//! the order is whole, so the order can be dropped, and is: by one after the other, so that the rest still obey.

use std::collections::BTreeMap;
use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::kv::Transaction;

use crate::consensus::{Consensus, Role};
use crate::cx::Cx;
use crate::effect::{Level, WriteId};
use crate::sync::SyncMarks;

/// What came of looking for a source.
#[derive(Debug, Clone, Default)]
pub(crate) struct SyncOrder {
    /// Who was of no use, and when last.
    useless: BTreeMap<AddrVec, Duration>,
    /// Since when so many are of no use that we are missing for a quorum.
    needed_since: Option<Duration>,
    /// The write that takes the order back.
    dropping: Option<WriteId>,
}

/// How long we look for a source before the order is dropped; and how much longer with each rank.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_BY_RANK: Duration = Duration::from_millis(700);

impl SyncOrder {
    /// A peer cannot be a source: it says so, or has less than we.
    pub(crate) fn refused(&mut self, peer: &AddrVec, now: Duration) {
        self.useless.insert(peer.clone(), now);
    }

    /// A peer begins to serve us.
    pub(super) fn consented(&mut self, peer: &AddrVec) {
        self.useless.remove(peer);
        self.needed_since = None;
    }

    /// Whether a peer refused so lately that asking again would only keep both busy.
    pub(crate) fn is_fresh(&self, peer: &AddrVec, now: Duration, interval: Duration) -> bool {
        self.useless.get(peer).is_some_and(|at| now < *at + interval)
    }

    /// Whether the order is being taken back: there will be no sync.
    pub(crate) fn is_being_dropped(&self) -> bool {
        self.dropping.is_some()
    }

    pub(super) fn is_dropped(&mut self, id: WriteId) -> bool {
        self.dropping.take_if(|write| id >= *write).is_some()
    }
}

impl Consensus {
    /// Drops the order to sync once enough members are there for a quorum with us, and none of them is a source.
    pub(crate) fn tick_sync_order(&mut self, cx: &mut Cx<'_>) {
        if !self.marks.forced || self.marks.in_sync || self.role != Role::Probing {
            return;
        }
        let (now, me) = (cx.now.mono, self.members.me());
        let there = |addrs: &AddrVec| self.order.useless.contains_key(addrs);
        let count = self.members.others().filter(|(_, info)| there(&info.addrs)).count();
        // One that is no member may be the only one that has what they need.
        if count + usize::from(me.is_some()) < self.members.majority() {
            self.order.needed_since = None;
            return;
        }
        let since = *self.order.needed_since.get_or_insert(now);
        let rank = me.map_or(0, |rank| rank.0);
        if now >= since + PATIENCE + PATIENCE_BY_RANK * rank {
            self.drop_sync_order(cx, "nobody is there to sync from");
        }
    }

    /// Takes the order back; what follows waits for the disk.
    pub(crate) fn drop_sync_order(&mut self, cx: &mut Cx<'_>, why: &str) {
        if self.order.dropping.is_some() {
            return;
        }
        cx.out.log(Level::Warn, format!("the order to sync the whole store is dropped: {why}"));
        let mut write = Transaction::new();
        SyncMarks::erase_force(&mut write);
        self.order.dropping = Some(cx.out.persist(write, true));
    }
}
