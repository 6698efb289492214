//! The smallest service: registers, the monmap and learners, over the consensus half of the core. It is what the
//! simulator runs to hunt in the consensus alone, at full speed.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use mon_core::config::Config;
use mon_core::consensus::{Consensus, Outcome as Agreed};
use mon_core::cx::Cx;
use mon_core::effect::{CommandReply, Effect, Effects, Halt, Level};
use mon_core::event::{Event, RequestId};
use mon_core::identity::Identity;
use mon_core::now::Now;
use mon_core::quorum::ReadId;
use mon_types::addr::AddrVec;
use mon_types::encode::{Decode, Encode};
use mon_types::id::{MapEpoch, Version};
use mon_types::kv::{KvRead, StoreError, Transaction};
use mon_types::monmap::{MonInfo, MonMap};

use crate::history::{Action, Key, Outcome, Value};
use crate::process::{Change, Process, Request};

/// Where registers and learners are kept.
const PREFIX: &str = "kv";
const LEARNER: &str = "learner/";

/// `CommandReply::code` of what was surely not done.
const REFUSED: i32 = -11;

/// A consensus with registers.
#[derive(Debug, Clone)]
pub struct Registers {
    consensus: Consensus,
    effects: Effects,
    /// Writes that wait for the value in flight, and those in it with their answers.
    waiting: VecDeque<(RequestId, Request)>,
    in_flight: Vec<(RequestId, CommandReply)>,
    proposed: bool,
    reads: BTreeMap<ReadId, Vec<(RequestId, Key)>>,
    halted: bool,
}

impl Process for Registers {
    fn mkfs(monmap: &MonMap) -> Transaction {
        mon_core::mkfs::mkfs(monmap, &Default::default())
    }

    fn boot(identity: Identity, config: Config, seed: [u8; 32], store: &dyn KvRead) -> Result<Self, Halt> {
        Ok(Self {
            consensus: Consensus::new(identity, config, seed, store)?,
            effects: Effects::default(),
            waiting: VecDeque::new(),
            in_flight: Vec::new(),
            proposed: false,
            reads: BTreeMap::new(),
            halted: false,
        })
    }

    fn handle(&mut self, now: Now, store: &dyn KvRead, event: Event) {
        self.with_cx(now, store, |this, cx| {
            match event {
                Event::Started => {
                    this.refresh(cx)?;
                    this.consensus.start(cx)?;
                }
                Event::Deadline => this.consensus.deadline(cx)?,
                Event::Persisted(id) => this.consensus.persisted(cx, id)?,
                Event::PeerConnected { peer, features } => {
                    this.consensus.peer_connected(cx, &peer, features)?
                }
                Event::PeerDown { peer } => this.consensus.peer_down(cx, &peer)?,
                Event::PeerMessage { peer, message } => {
                    this.consensus.handle_peer(cx, &peer, message)?;
                }
                Event::Terminate => this.consensus.terminate(cx)?,
                Event::ClientOpened { .. }
                | Event::ClientMessage { .. }
                | Event::ClientAlive { .. }
                | Event::ClientClosed { .. }
                | Event::GlobalIdWanted { .. }
                | Event::Admin { .. }
                | Event::Disk(_) => {}
            }
            this.settle(cx)
        });
    }

    fn ask(&mut self, now: Now, store: &dyn KvRead, id: RequestId, request: Request) {
        self.with_cx(now, store, |this, cx| {
            let in_quorum = this.consensus.view().is_some();
            let leads = this.consensus.view().is_some_and(|view| view.we_lead);
            match request {
                Request::Client(key, Action::Read) if in_quorum => {
                    let read = this.consensus.request_read(cx)?;
                    this.reads.entry(read).or_default().push((id, key));
                }
                Request::Client(_, Action::Write(_) | Action::Remove | Action::Swap(..))
                | Request::Members(_)
                    if leads =>
                {
                    this.waiting.push_back((id, request));
                }
                Request::Order(order) => {
                    this.consensus.obey(cx, order)?;
                    reply(cx, id, CommandReply::default());
                }
                Request::Client(..) | Request::Members(_) => refuse(cx, id),
            }
            this.settle(cx)
        });
    }

    fn outcome(action: Action, reply: &CommandReply) -> Option<Outcome> {
        if reply.code != 0 {
            return None;
        }
        Some(match action {
            Action::Write(_) | Action::Remove => Outcome::Written,
            Action::Read | Action::Swap(..) => Outcome::Held(decode(&reply.output)),
        })
    }

    fn effects(&mut self) -> Vec<Effect> {
        self.effects.drain().collect()
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.consensus.next_deadline()
    }

    fn consensus(&self) -> &Consensus {
        &self.consensus
    }
}

impl Registers {
    fn with_cx(
        &mut self,
        now: Now,
        store: &dyn KvRead,
        run: impl FnOnce(&mut Self, &mut Cx<'_>) -> Result<(), Halt>,
    ) {
        if self.halted {
            return;
        }
        let mut effects = std::mem::take(&mut self.effects);
        let result = run(self, &mut Cx { now, store, out: &mut effects });
        self.effects = effects;
        if let Err(halt) = result {
            self.halted = true;
            self.effects.push(Effect::Halt(halt));
        }
    }

    fn settle(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        loop {
            let outcomes = self.consensus.take_outcomes();
            let mut busy = !outcomes.is_empty();
            for outcome in outcomes {
                self.agreed(cx, outcome)?;
            }
            if self.consensus.can_propose()
                && (!self.waiting.is_empty() || self.consensus.last_committed() == Version(0))
            {
                let value = self.prepare(cx.store)?;
                self.proposed = true;
                self.consensus.propose(cx, value)?;
                busy = true;
            }
            if !busy {
                return Ok(());
            }
        }
    }

    fn agreed(&mut self, cx: &mut Cx<'_>, outcome: Agreed) -> Result<(), Halt> {
        match outcome {
            Agreed::QuorumFormed(_) | Agreed::QuorumLost => {
                // What was in flight may be chosen later or never: no answer. What waited was not done.
                self.proposed = false;
                self.in_flight.clear();
                for (id, _) in self.waiting.drain(..) {
                    refuse(cx, id);
                }
                for (id, _) in std::mem::take(&mut self.reads).into_values().flatten() {
                    refuse(cx, id);
                }
            }
            Agreed::QuorumChanged(_) => {}
            Agreed::Committed { .. } => {
                if std::mem::take(&mut self.proposed) {
                    for (id, answer) in std::mem::take(&mut self.in_flight) {
                        reply(cx, id, answer);
                    }
                }
                self.refresh(cx)?;
            }
            Agreed::StoreReplaced => self.refresh(cx)?,
            Agreed::ReadReady(read) => {
                for (id, key) in self.reads.remove(&read).unwrap_or_default() {
                    let output = cx.store.read(PREFIX, &name(key))?.unwrap_or_default();
                    reply(cx, id, CommandReply { output, ..CommandReply::default() });
                }
            }
        }
        Ok(())
    }

    /// All that waits, as one value. A swap sees what was written before it in the same value.
    fn prepare(&mut self, store: &dyn KvRead) -> Result<Transaction, Halt> {
        let mut value = Transaction::new();
        let mut written: BTreeMap<Key, Bytes> = BTreeMap::new();
        let mut map_changed = false;
        if stored_map(store)?.is_none() {
            // The first value of a cluster puts the map of mkfs into force.
            put_map(&mut value, &MonMap { epoch: MapEpoch(1), ..self.consensus.monmap().clone() });
        }
        for (id, request) in std::mem::take(&mut self.waiting) {
            let mut answer = CommandReply::default();
            match request {
                Request::Client(key, Action::Write(new)) => {
                    written.insert(key, encode(new));
                }
                Request::Client(key, Action::Remove) => {
                    written.insert(key, Bytes::new());
                }
                Request::Client(key, Action::Swap(expected, new)) => {
                    let held = match written.get(&key) {
                        Some(held) => held.clone(),
                        None => store.read(PREFIX, &name(key))?.unwrap_or_default(),
                    };
                    if decode(&held) == expected {
                        written.insert(key, encode(new));
                    }
                    answer.output = held;
                }
                Request::Members(change) if !map_changed => {
                    map_changed = change_members(&mut value, store, change)?;
                }
                Request::Client(_, Action::Read) | Request::Members(_) | Request::Order(_) => {}
            }
            self.in_flight.push((id, answer));
        }
        for (key, bytes) in written {
            value.put(PREFIX, name(key), bytes);
        }
        Ok(value)
    }

    fn refresh(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let Some(map) = stored_map(cx.store)? else { return Ok(()) };
        let mut learners = BTreeMap::new();
        for (key, bytes) in cx.store.scan(PREFIX, LEARNER, 64)? {
            let (Some(name), Ok(addrs)) = (key.strip_prefix(LEARNER), AddrVec::from_bytes(&bytes)) else {
                continue;
            };
            learners.insert(name.to_owned(), addrs);
        }
        self.consensus.set_monmap(cx, &map, &learners)
    }
}

/// Whether the change makes sense, and if so puts it into the value.
fn change_members(value: &mut Transaction, store: &dyn KvRead, change: Change) -> Result<bool, StoreError> {
    let Some(mut map) = stored_map(store)? else { return Ok(false) };
    let changed = match change {
        Change::Add(name, addrs) => map.size() < 7 && map.add(MonInfo::new(name, addrs)).is_ok(),
        Change::Remove(name) => map.size() > 1 && map.remove(&name).is_some(),
        Change::Replace(old, (name, addrs)) => {
            map.size() > 1 && map.remove(&old).is_some() && map.add(MonInfo::new(name, addrs)).is_ok()
        }
        Change::Follow(name, addrs) => {
            if map.rank_of(&name).is_none() {
                value.put(PREFIX, format!("{LEARNER}{name}"), addrs.to_bytes());
            }
            return Ok(false);
        }
        Change::Unfollow(name) => {
            value.erase(PREFIX, format!("{LEARNER}{name}"));
            return Ok(false);
        }
    };
    if changed {
        map.epoch = map.epoch.next();
        put_map(value, &map);
        for name in map.ranks {
            value.erase(PREFIX, format!("{LEARNER}{name}"));
        }
    }
    Ok(changed)
}

/// Puts a map into a value.
pub(crate) fn put_map(value: &mut Transaction, map: &MonMap) {
    value.put("monmap", map.epoch.to_string(), map.to_bytes());
    value.put_u64("monmap", "last_committed", u64::from(map.epoch.0));
    value.put_u64("monmap", "first_committed", 1);
}

/// The committed map.
///
/// # Errors
/// When the store is damaged.
pub(crate) fn stored_map(store: &dyn KvRead) -> Result<Option<MonMap>, StoreError> {
    let Some(last) = store.read_u64("monmap", "last_committed")?.filter(|last| *last > 0) else {
        return Ok(None);
    };
    let key = last.to_string();
    let bytes = store.read("monmap", &key)?.unwrap_or_default();
    MonMap::from_bytes(&bytes).map(Some).map_err(|error| StoreError::undecodable("monmap", &key, &error))
}

fn name(key: Key) -> String {
    format!("r{}", key.0)
}

fn encode(value: Value) -> Bytes {
    Bytes::copy_from_slice(&value.0.to_le_bytes())
}

fn decode(bytes: &[u8]) -> Option<Value> {
    Some(Value(u64::from_le_bytes(bytes.try_into().ok()?)))
}

fn reply(cx: &mut Cx<'_>, request: RequestId, reply: CommandReply) {
    cx.out.push(Effect::AdminReply { request, reply });
}

fn refuse(cx: &mut Cx<'_>, request: RequestId) {
    cx.out.log(Level::Debug, "refused a request: no quorum, or not its leader");
    reply(cx, request, CommandReply { code: REFUSED, ..CommandReply::default() });
}
