//! What clients do, and what they find in the end.

use std::collections::BTreeSet;
use std::time::Duration;

use mon_core::quorum::Order;
use mon_types::id::MapEpoch;
use mon_types::kv::{KvRead, Transaction};
use mon_types::monmap::MonMap;

use super::{Cluster, Weather, ms, put_map};

impl Cluster {
    /// An administrator's order to one node.
    pub(crate) fn order(&mut self, node: usize, order: Order) {
        let time = self.time;
        let effects =
            self.nodes[node].call(time, &mut self.oracle, |consensus, cx| consensus.obey(cx, order));
        self.carry_out(node, effects);
    }

    /// Offers a write to whoever may take it; its serial.
    pub(crate) fn try_write(&mut self) -> Option<u64> {
        let leader = self.leader()?;
        self.propose_at(leader)
    }

    pub(crate) fn propose_at(&mut self, node: usize) -> Option<u64> {
        self.serial += 1;
        let serial = self.serial;
        let mut write = Transaction::new();
        write.put("kv", format!("w{serial}"), vec![b'x'; 20]);
        if self.nodes[node].runs() && self.nodes[node].consensus().last_committed().0 == 0 {
            put_map(&mut write, &self.first_map(node));
        }
        let effects = self.nodes[node].propose(self.time, serial, write, &mut self.oracle)?;
        self.carry_out(node, effects);
        Some(serial)
    }

    fn first_map(&self, node: usize) -> MonMap {
        let mut map = self.nodes[node].consensus().monmap().clone();
        map.epoch = MapEpoch(1);
        map
    }

    /// Proposes changes at the leader and waits until they are committed.
    pub(crate) fn commit(&mut self, mut write: Transaction) {
        self.run_until("a leader", ms(10_000), |c| c.leader().is_some());
        let leader = self.leader().unwrap();
        self.serial += 1;
        let serial = self.serial;
        write.put("kv", format!("w{serial}"), "x");
        if self.nodes[leader].consensus().last_committed().0 == 0 {
            put_map(&mut write, &self.first_map(leader));
        }
        let effects = self.nodes[leader].propose(self.time, serial, write, &mut self.oracle).unwrap();
        self.carry_out(leader, effects);
        let key = format!("w{serial}");
        self.run_until("the commit", ms(5000), |c| {
            c.nodes.iter().any(|n| n.runs() && n.store.read("kv", &key).unwrap().is_some())
        });
    }

    /// One write, waited for.
    pub(crate) fn write(&mut self) {
        self.commit(Transaction::new());
    }

    /// A write that is retried until acknowledged; how long that took.
    pub(crate) fn write_through(&mut self, within: Duration) -> Duration {
        let start = self.time;
        let before = self.oracle.acked_count();
        while self.oracle.acked_count() == before {
            assert!(self.time < start + within, "no write within {within:?}: {}", self.describe());
            self.try_write();
            self.run(Duration::from_micros(200));
        }
        self.time - start
    }

    pub(crate) fn read_at(&mut self, node: usize) {
        let effects = self.nodes[node].read(self.time, &mut self.oracle);
        self.carry_out(node, effects);
    }

    /// Everything heals, everybody runs: a quorum of all members, the same log, nothing lost.
    pub(crate) fn settle_down(&mut self) {
        self.weather = Weather::default();
        self.heal();
        for node in 0..self.nodes.len() {
            if self.nodes[node].paused {
                self.resume(node);
            }
            if !self.nodes[node].runs() && self.nodes[node].halted.is_none() {
                self.start(node);
            }
        }
        let members = |c: &Self| c.leader().map_or(usize::MAX, |l| c.nodes[l].consensus().monmap().size());
        self.run_until("a whole quorum", ms(60_000), |c| c.quorum_size() == members(c));
        for _ in 0..3 {
            self.write_through(ms(20_000));
        }
        self.run_until("the same log everywhere", ms(20_000), |c| {
            let lasts: BTreeSet<u64> = c.nodes.iter().filter(|n| n.runs()).map(|n| n.committed).collect();
            lasts.len() == 1
        });
        for node in self.nodes.iter().filter(|node| node.runs()) {
            self.oracle.nothing_lost(node.index, &node.store);
        }
    }
}
