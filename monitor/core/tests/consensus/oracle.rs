//! What must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mon_types::kv::KvRead;

/// Watches all nodes of a cluster.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// The one value of each version, whoever committed it.
    chosen: BTreeMap<u64, Bytes>,
    /// Who led in each epoch.
    leaders: BTreeMap<u32, usize>,
    /// Serials that were acknowledged to a client.
    acked: BTreeSet<u64>,
    pub(crate) reads_answered: u64,
    pub(crate) elections: u64,
}

impl Oracle {
    /// A node's store shows `first..=last`: its values must be everybody's.
    pub(crate) fn committed(&mut self, node: usize, store: &dyn KvRead, last: u64) {
        let first = store.read_u64("paxos", "first_committed").unwrap().unwrap_or(1).max(1);
        // Older ones were looked at when they came.
        for version in first.max(last.saturating_sub(30))..=last {
            let value = store.read("paxos", &version.to_string()).unwrap();
            let value = value.unwrap_or_else(|| panic!("node {node} committed {version} but has no value"));
            match self.chosen.get(&version) {
                Some(chosen) => assert_eq!(*chosen, value, "node {node} disagrees about version {version}"),
                None => {
                    self.chosen.insert(version, value);
                }
            }
        }
    }

    pub(crate) fn led(&mut self, node: usize, epoch: u32) {
        assert!(epoch.is_multiple_of(2), "node {node} leads in odd epoch {epoch}");
        let other = *self.leaders.entry(epoch).or_insert(node);
        assert_eq!(other, node, "two leaders in epoch {epoch}");
        self.elections += 1;
    }

    pub(crate) fn acked(&mut self, serial: u64) {
        self.acked.insert(serial);
    }

    pub(crate) fn acked_count(&self) -> usize {
        self.acked.len()
    }

    /// Everything acknowledged so far: a read that starts now must see it.
    pub(crate) fn must_see(&self) -> BTreeSet<u64> {
        self.acked.clone()
    }

    pub(crate) fn read(&mut self, node: usize, store: &dyn KvRead, must_see: &BTreeSet<u64>) {
        for serial in must_see {
            assert!(has(store, *serial), "a read at node {node} misses acknowledged write {serial}");
        }
        self.reads_answered += 1;
    }

    /// At the end: nothing acknowledged is missing anywhere.
    pub(crate) fn nothing_lost(&self, node: usize, store: &dyn KvRead) {
        for serial in &self.acked {
            assert!(has(store, *serial), "acknowledged write {serial} is lost at node {node}");
        }
    }
}

fn has(store: &dyn KvRead, serial: u64) -> bool {
    store.read("kv", &format!("w{serial}")).unwrap().is_some()
}
