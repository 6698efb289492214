//! One simulated monitor: a consensus, a store, a disk queue, and the little that services would do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mon_core::config::Config;
use mon_core::consensus::{Consensus, Outcome};
use mon_core::cx::Cx;
use mon_core::effect::{Effect, Effects, Halt, WriteId};
use mon_core::event::Event;
use mon_core::gate::Gate;
use mon_core::identity::Identity;
use mon_core::now::Now;
use mon_core::quorum::ReadId;
use mon_store::{KvStore, MemoryStore};
use mon_types::addr::AddrVec;
use mon_types::encode::{Decode, Encode};
use mon_types::features::{Features, MonFeatures};
use mon_types::id::Fsid;
use mon_types::kv::Transaction;
use mon_types::monmap::MonMap;
use mon_types::release::Release;
use mon_types::time::UTime;

use crate::oracle::Oracle;

pub(crate) fn addrs(node: usize) -> AddrVec {
    AddrVec::msgr2(format!("10.0.0.{}:3300", node + 1).parse().unwrap())
}

pub(crate) fn name(node: usize) -> String {
    char::from(b'a' + node as u8).to_string()
}

pub(crate) fn fsid() -> Fsid {
    "11111111-2222-3333-4444-555555555555".parse().unwrap()
}

/// A process with its disk. The store outlives the process.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) index: usize,
    pub(crate) config: Config,
    pub(crate) store: MemoryStore,
    pub(crate) consensus: Option<Consensus>,
    effects: Effects,
    gate: Gate,
    /// Writes that are on their way to the disk, with when they arrive.
    pub(crate) disk: VecDeque<(Duration, WriteId, Transaction, bool)>,
    pub(crate) paused: bool,
    /// What came while paused.
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) halted: Option<Halt>,
    /// Counts starts: events for an earlier life are dropped.
    pub(crate) life: u64,
    pub(crate) clock_offset: Duration,
    /// Serials in the value in flight, if it is ours.
    in_flight: Option<u64>,
    reads: BTreeMap<ReadId, BTreeSet<u64>>,
    pub(crate) committed: u64,
    pub(crate) losses: u64,
    /// With whom the daemon was told last to keep sessions.
    pub(crate) peers: Vec<AddrVec>,
    /// Pings and answers to pings that were sent, in all lives.
    pub(crate) pings: u64,
    /// Warnings of all lives.
    pub(crate) warnings: Vec<String>,
    /// How long this disk takes to sync, if not what all take.
    pub(crate) sync_us: Option<(u64, u64)>,
}

impl Node {
    pub(crate) fn new(index: usize, config: Config, map: &MonMap) -> Self {
        let store = MemoryStore::new();
        let mut mkfs = Transaction::new();
        mkfs.put("mkfs", "monmap", map.to_bytes());
        store.apply(&[mkfs], true).unwrap();
        Self {
            index,
            config,
            store,
            consensus: None,
            effects: Effects::default(),
            gate: Gate::default(),
            disk: VecDeque::new(),
            paused: false,
            inbox: VecDeque::new(),
            halted: None,
            life: 0,
            clock_offset: Duration::from_secs(index as u64 * 1000),
            in_flight: None,
            reads: BTreeMap::new(),
            committed: 0,
            losses: 0,
            peers: Vec::new(),
            pings: 0,
            warnings: Vec::new(),
            sync_us: None,
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.consensus.is_some() && self.halted.is_none()
    }

    pub(crate) fn consensus(&self) -> &Consensus {
        self.consensus.as_ref().unwrap()
    }

    /// Starts the process over what the disk holds.
    pub(crate) fn boot(&mut self, seed: [u8; 32]) {
        let identity = Identity {
            name: name(self.index),
            addrs: addrs(self.index),
            fsid: fsid(),
            release: Release::Tentacle,
            features: Features::all(Release::Tentacle),
            mon_features: MonFeatures::all(Release::Tentacle),
            metadata: [("hostname".to_owned(), name(self.index))].into(),
            command_table: bytes::Bytes::from_static(b"table"),
            extra_probe_peers: Vec::new(),
        };
        self.life += 1;
        self.effects = Effects::default();
        self.gate = Gate::default();
        self.in_flight = None;
        self.reads.clear();
        self.halted = None;
        self.paused = false;
        self.inbox.clear();
        self.consensus = Some(Consensus::new(identity, self.config.clone(), seed, &self.store).unwrap());
    }

    /// kill -9 and a power cut at once: the disk keeps the first `kept` of the writes that were not synced.
    pub(crate) fn crash(&mut self, kept: usize) {
        self.consensus = None;
        self.disk.clear();
        self.inbox.clear();
        self.paused = false;
        self.life += 1;
        self.store.crash_keeping(kept);
    }

    /// kill -9 alone: what was handed to the disk arrives.
    pub(crate) fn kill(&mut self) {
        self.consensus = None;
        for (_, _, write, sync) in std::mem::take(&mut self.disk) {
            self.store.apply(&[write], sync).unwrap();
        }
        self.inbox.clear();
        self.paused = false;
        self.life += 1;
    }

    /// Takes in one event and returns what leaves at once.
    pub(crate) fn handle(&mut self, time: Duration, event: Event, oracle: &mut Oracle) -> Vec<Effect> {
        if !self.runs() {
            return Vec::new();
        }
        let mut ready = Vec::new();
        let persisted = if let Event::Persisted(id) = &event { Some(*id) } else { None };
        if let Some(id) = persisted {
            ready.extend(self.gate.persisted(id));
        }
        if let Err(halt) = self.run(time, event, oracle) {
            self.halted = Some(halt);
            self.consensus = None;
        }
        let effects: Vec<Effect> = self.effects.drain().collect();
        ready.extend(effects.into_iter().filter_map(|effect| self.gate.admit(effect)));
        ready
    }

    fn now(&self, time: Duration) -> Now {
        let wall = UTime::from_duration(Duration::from_secs(1_700_000_000) + time);
        Now { mono: time + self.clock_offset, wall }
    }

    /// The node's clock as the world's.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let due = self.consensus.as_ref()?.next_deadline()?;
        Some(due.saturating_sub(self.clock_offset))
    }

    fn run(&mut self, time: Duration, event: Event, oracle: &mut Oracle) -> Result<(), Halt> {
        let now = self.now(time);
        let mut effects = std::mem::take(&mut self.effects);
        // Lent out for the time of the event; nothing below looks at it but through `cx`.
        let store = std::mem::take(&mut self.store);
        let result = {
            let cx = &mut Cx { now, store: &store, out: &mut effects };
            let mut consensus = self.consensus.take().unwrap();
            let result =
                route(&mut consensus, cx, event).and_then(|()| self.settle(&mut consensus, cx, oracle));
            self.consensus = Some(consensus);
            result
        };
        self.store = store;
        self.effects = effects;
        result
    }

    fn settle(
        &mut self,
        consensus: &mut Consensus,
        cx: &mut Cx<'_>,
        oracle: &mut Oracle,
    ) -> Result<(), Halt> {
        loop {
            let outcomes = consensus.take_outcomes();
            if outcomes.is_empty() {
                return Ok(());
            }
            for outcome in outcomes {
                self.outcome(consensus, cx, oracle, outcome)?;
            }
        }
    }

    fn outcome(
        &mut self,
        consensus: &mut Consensus,
        cx: &mut Cx<'_>,
        oracle: &mut Oracle,
        outcome: Outcome,
    ) -> Result<(), Halt> {
        match outcome {
            Outcome::QuorumFormed(view) => {
                self.in_flight = None;
                if view.we_lead {
                    oracle.led(self.index, view.epoch.0);
                }
            }
            Outcome::QuorumChanged(_) => {}
            Outcome::QuorumLost => {
                self.losses += 1;
                self.in_flight = None;
                self.reads.clear();
            }
            Outcome::Committed { version } => {
                oracle.committed(self.index, cx.store, version.0);
                self.committed = version.0;
                if let Some(serial) = self.in_flight.take() {
                    assert!(
                        cx.store.read("kv", &format!("w{serial}")).unwrap().is_some(),
                        "ack of a lost write"
                    );
                    oracle.acked(serial);
                }
                self.refresh(consensus, cx)?;
            }
            Outcome::StoreReplaced => {
                let last = cx.store.read_u64("paxos", "last_committed").unwrap().unwrap_or(0);
                oracle.committed(self.index, cx.store, last);
                self.committed = last;
                self.refresh(consensus, cx)?;
            }
            Outcome::ReadReady(id) => {
                if let Some(must_see) = self.reads.remove(&id) {
                    oracle.read(self.index, cx.store, &must_see);
                }
            }
        }
        Ok(())
    }

    fn refresh(&mut self, consensus: &mut Consensus, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let Some(last) = cx.store.read_u64("monmap", "last_committed").unwrap() else { return Ok(()) };
        let bytes = cx.store.read("monmap", &last.to_string()).unwrap().unwrap();
        let map = MonMap::from_bytes(&bytes).unwrap();
        let mut learners = BTreeMap::new();
        for (name, bytes) in cx.store.scan("kv", "learner/", 100).unwrap() {
            if let Some(name) = name.strip_prefix("learner/") {
                learners.insert(name.to_owned(), AddrVec::from_bytes(&bytes).unwrap());
            }
        }
        consensus.set_monmap(cx, &map, &learners)
    }

    /// A client's write at this node, if it may propose.
    pub(crate) fn propose(
        &mut self,
        time: Duration,
        serial: u64,
        write: Transaction,
        oracle: &mut Oracle,
    ) -> Option<Vec<Effect>> {
        if !self.runs() || self.paused || !self.consensus().can_propose() {
            return None;
        }
        self.in_flight = Some(serial);
        let effects = self.call(time, oracle, |consensus, cx| consensus.propose(cx, write));
        Some(effects)
    }

    /// A client's read at this node.
    pub(crate) fn read(&mut self, time: Duration, oracle: &mut Oracle) -> Vec<Effect> {
        if !self.runs() || self.paused || self.consensus().view().is_none() {
            return Vec::new();
        }
        let must_see = oracle.must_see();
        let mut id = None;
        let mut early = Vec::new();
        let effects = self.call(time, oracle, |consensus, cx| {
            id = Some(consensus.request_read(cx)?);
            early = consensus.take_outcomes();
            Ok(())
        });
        for outcome in early {
            if let Outcome::ReadReady(ready) = outcome {
                assert_eq!(Some(ready), id);
                oracle.read(self.index, &self.store, &must_see);
                return effects;
            }
        }
        self.reads.extend(id.map(|id| (id, must_see)));
        effects
    }

    /// Any call of the consensus, with what follows from it.
    pub(crate) fn call(
        &mut self,
        time: Duration,
        oracle: &mut Oracle,
        call: impl FnOnce(&mut Consensus, &mut Cx<'_>) -> Result<(), Halt>,
    ) -> Vec<Effect> {
        let now = self.now(time);
        let mut effects = std::mem::take(&mut self.effects);
        let store = std::mem::take(&mut self.store);
        let cx = &mut Cx { now, store: &store, out: &mut effects };
        let mut consensus = self.consensus.take().unwrap();
        let result = call(&mut consensus, cx).and_then(|()| self.settle(&mut consensus, cx, oracle));
        self.store = store;
        match result {
            Ok(()) => self.consensus = Some(consensus),
            Err(halt) => self.halted = Some(halt),
        }
        let out: Vec<Effect> = effects.drain().collect();
        self.effects = effects;
        out.into_iter().filter_map(|effect| self.gate.admit(effect)).collect()
    }
}

fn route(consensus: &mut Consensus, cx: &mut Cx<'_>, event: Event) -> Result<(), Halt> {
    match event {
        Event::Started => consensus.start(cx),
        Event::Deadline => consensus.deadline(cx),
        Event::Persisted(id) => consensus.persisted(cx, id),
        Event::PeerConnected { peer, features } => consensus.peer_connected(cx, &peer, features),
        Event::PeerDown { peer } => consensus.peer_down(cx, &peer),
        Event::PeerMessage { peer, message } => consensus.handle_peer(cx, &peer, message).map(|_| ()),
        Event::Terminate => consensus.terminate(cx),
        other => panic!("not an event of the consensus: {other:?}"),
    }
}
