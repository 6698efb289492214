//! One machine of the play: a monitor's process over a real store, the same content in memory, and which states of the
//! disk a cut may leave until the next write is synced.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use mon_core::config::Config;
use mon_core::effect::WriteId;
use mon_core::event::Event;
use mon_core::gate::Gate;
use mon_core::identity::Identity;
use mon_core::monitor::Monitor;
use mon_rocksdb::RocksStore;
use mon_sim::node::{addrs, fsid, name};
use mon_store::{Digest, KvStore, MemoryStore};
use mon_types::features::{Features, MonFeatures};
use mon_types::kv::{Op, Transaction};
use mon_types::release::Release;

use crate::cut::Cut;
use crate::folder::Files;
use crate::said::Said;

/// See the module documentation.
pub(crate) struct Machine {
    pub(crate) identity: Identity,
    pub(crate) data: PathBuf,
    /// The same content in memory: what the store must be after each write.
    pub(crate) model: MemoryStore,
    prefixes: BTreeSet<String>,
    pub(crate) process: Option<Running>,
    pub(crate) writes: usize,
    pub(crate) said: Said,
    /// As of the last synced write.
    pub(crate) durable: Arc<Files>,
    /// States that a cut may leave until the next synced write.
    pub(crate) exposed: Vec<State>,
}

/// What dies with the process.
pub(crate) struct Running {
    pub(crate) core: Monitor,
    pub(crate) store: RocksStore,
    pub(crate) gate: Gate,
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) disk: VecDeque<(WriteId, Transaction, bool)>,
}

/// A disk after some number of writes.
#[derive(Clone)]
pub(crate) struct State {
    number: usize,
    pub(crate) files: Arc<Files>,
    pub(crate) content: Arc<Vec<(String, Digest)>>,
}

impl Machine {
    pub(crate) fn new(node: usize, folder: &Path) -> Self {
        Self {
            identity: Identity {
                name: name(node),
                addrs: addrs(node),
                fsid: fsid(),
                release: Release::Tentacle,
                features: Features::all(Release::Tentacle),
                mon_features: MonFeatures::all(Release::Tentacle),
                metadata: [("hostname".to_owned(), name(node))].into(),
                command_table: bytes::Bytes::from_static(b"table"),
                extra_probe_peers: Vec::new(),
            },
            data: folder.join(name(node)),
            model: MemoryStore::new(),
            prefixes: BTreeSet::new(),
            process: None,
            writes: 0,
            said: Said::default(),
            durable: Arc::default(),
            exposed: Vec::new(),
        }
    }

    /// A write has been done: the model follows.
    pub(crate) fn note(&mut self, transaction: &Transaction, sync: bool) {
        self.writes += 1;
        self.model.apply(std::slice::from_ref(transaction), sync).unwrap();
        self.prefixes.extend(transaction.ops().iter().map(|op| match op {
            Op::Put { prefix, .. } | Op::Erase { prefix, .. } => prefix.clone(),
            Op::Compact { prefix, .. } | Op::EraseRange { prefix, .. } => prefix.clone(),
        }));
    }

    pub(crate) fn expose(&mut self) {
        self.expose_files(Arc::clone(&self.durable));
    }

    pub(crate) fn expose_files(&mut self, files: Arc<Files>) {
        let digest = |prefix: &String| (prefix.clone(), self.model.digest(prefix).unwrap());
        let content = Arc::new(self.prefixes.iter().map(digest).collect());
        self.exposed.push(State { number: self.writes, files, content });
    }

    /// Offers every state that a cut at this moment may leave, for what has been said by now.
    pub(crate) fn cut(&mut self, config: &Config, cuts: Option<&SyncSender<Cut>>) {
        let states = std::mem::take(&mut self.exposed);
        let last = states.last().cloned();
        for State { number, files, content } in states {
            let what = format!("{} after write {number}", self.identity.name);
            if let Some(cuts) = cuts {
                cuts.send(self.state_cut(what, files, &content, config)).unwrap();
            }
        }
        // The next write can be torn.
        self.exposed.extend(last);
    }

    pub(crate) fn state_cut(
        &self,
        what: String,
        left: Arc<Files>,
        content: &Arc<Vec<(String, Digest)>>,
        config: &Config,
    ) -> Cut {
        let (said, identity) = (self.said.clone(), self.identity.clone());
        Cut { what, left, torn: None, content: Arc::clone(content), said, identity, config: config.clone() }
    }
}

/// Compaction has crash points of its own (`faults`); its thread would change files while they are taken.
pub(crate) fn without_hints(transaction: &Transaction) -> Transaction {
    let mut plain = Transaction::new();
    for op in transaction.ops() {
        if !matches!(op, Op::Compact { .. }) {
            plain.push(op.clone());
        }
    }
    plain
}
