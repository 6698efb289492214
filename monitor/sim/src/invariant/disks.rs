//! The few numbers on every disk that properties speak of: as the process sees them, and as they would be after a
//! power cut. Kept apart from the core's own idea of them.

use std::hash::{DefaultHasher, Hash, Hasher};

use mon_store::MemoryStore;
use mon_types::id::{Epoch, Pn, Version};
use mon_types::kv::{KvRead, Op, Transaction};

/// What one disk says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// The election epoch.
    pub epoch: Epoch,
    /// The highest number that was promised to.
    pub accepted_pn: Pn,
    /// The highest number that was proposed under.
    pub last_pn: Pn,
    /// What was accepted last: version, number, and a hash of the value.
    pub pending: (Version, Pn, u64),
    /// The oldest value.
    pub first: Version,
    /// The newest committed value.
    pub last: Version,
    /// Whether a sync is filling it.
    pub in_sync: bool,
    /// Whether a sync was asked for.
    pub forced: bool,
    /// What a sync that is under way must bring back: up to which version, and what was accepted (as in `pending`).
    pub kept: (Version, Version, u64),
}

/// A disk as its process sees it, and as a power cut would leave it at the worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Disk {
    /// Seen by the process.
    pub seen: Facts,
    /// Surely there after a power cut.
    pub durable: Facts,
}

/// All disks.
#[derive(Debug, Default)]
pub struct Disks(Vec<Disk>);

impl Disks {
    /// One disk.
    #[must_use]
    pub fn of(&self, node: usize) -> Disk {
        self.0.get(node).copied().unwrap_or_default()
    }

    pub(super) fn reload(&mut self, node: usize, store: &MemoryStore) {
        let facts = Facts::read(store);
        let durable = match store.unsynced_batches() {
            0 => facts,
            _ => self.of(node).durable,
        };
        *self.slot(node) = Disk { seen: facts, durable };
    }

    pub(super) fn replace(&mut self, node: usize, store: &MemoryStore) {
        let facts = Facts::read(store);
        *self.slot(node) = Disk { seen: facts, durable: facts };
    }

    pub(super) fn wrote(&mut self, node: usize, store: &MemoryStore, transaction: &Transaction, sync: bool) {
        let disk = self.slot(node);
        if transaction.ops().iter().any(concerns) {
            disk.seen = Facts::read(store);
        }
        if sync {
            disk.durable = disk.seen;
        }
    }

    fn slot(&mut self, node: usize) -> &mut Disk {
        if self.0.len() <= node {
            self.0.resize(node + 1, Disk::default());
        }
        &mut self.0[node]
    }
}

fn concerns(op: &Op) -> bool {
    match op {
        Op::Put { prefix, .. } | Op::Erase { prefix, .. } | Op::EraseRange { prefix, .. } => {
            matches!(prefix.as_str(), "paxos" | "monitor" | "mon_sync")
        }
        Op::Compact { .. } => false,
    }
}

impl Facts {
    /// Whether this version, with a value of this hash, is committed or accepted here, or surely will be again before
    /// the member takes part in anything.
    #[must_use]
    pub fn holds(&self, version: Version, value: u64) -> bool {
        let (floor, accepted, kept) = self.kept;
        let in_sync = self.in_sync && (floor >= version || (accepted, kept) == (version, value));
        self.last >= version || self.pending.0 == version && self.pending.2 == value || in_sync
    }

    fn read(store: &MemoryStore) -> Self {
        // A memory store cannot fail, and what is no number is as good as absent here: the core's own checks
        // are what is tested with damaged stores.
        let number = |prefix, key| store.read_u64(prefix, key).ok().flatten().unwrap_or(0);
        let has = |prefix, key| store.read(prefix, key).is_ok_and(|value| value.is_some());
        let pending_v = Version(number("paxos", "pending_v"));
        let value = store.read("paxos", &pending_v.to_string()).ok().flatten();
        Self {
            epoch: Epoch(number("monitor", "election_epoch") as u32),
            accepted_pn: Pn(number("paxos", "accepted_pn")),
            last_pn: Pn(number("paxos", "last_pn")),
            pending: (pending_v, Pn(number("paxos", "pending_pn")), value.map_or(0, |value| hash(&value))),
            first: Version(number("paxos", "first_committed")),
            last: Version(number("paxos", "last_committed")),
            in_sync: has("mon_sync", "in_sync"),
            forced: has("mon_sync", "force_sync"),
            kept: (
                Version(number("mon_sync", "last_committed_floor")),
                Version(number("mon_sync", "accepted_v")),
                store.read("mon_sync", "accepted_value").ok().flatten().map_or(0, |value| hash(&value)),
            ),
        }
    }
}

/// A value by its hash; the same in every run.
#[must_use]
pub(super) fn hash(value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
