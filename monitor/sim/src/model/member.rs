//! One member of the model: a process, its disk, its clock.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use mon_core::config::Config;
use mon_core::consensus::Consensus;
use mon_core::effect::{Effect, Halt, WriteId};
use mon_core::event::{Event, RequestId};
use mon_core::gate::Gate;
use mon_core::now::Now;
use mon_store::{KvStore, MemoryStore};
use mon_types::kv::Transaction;
use mon_types::monmap::MonMap;
use mon_types::time::UTime;

use crate::node::{Clock, Node};
use crate::process::{Process, Request};
use crate::register::Registers;

/// See the module documentation.
#[derive(Debug, Clone)]
pub(super) struct Member {
    index: usize,
    config: Config,
    pub(super) store: MemoryStore,
    /// None once it has stopped by itself.
    process: Option<Registers>,
    gate: Gate,
    writes: VecDeque<(WriteId, Transaction, bool)>,
    clock: Duration,
    lives: u64,
}

/// What a step made a member do to others.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Messages that leave, in order.
    pub(super) sends: Vec<(mon_types::addr::AddrVec, mon_types::message::Envelope)>,
    /// Requests that were granted.
    pub(super) granted: Vec<RequestId>,
    /// It stopped because something does not hold.
    pub(super) broken: Option<String>,
}

impl Member {
    pub(super) fn new(index: usize, map: &MonMap, config: Config) -> Self {
        let store = MemoryStore::new();
        // A memory store fails only where it was told to.
        let _made = store.apply(&[Registers::mkfs(map)], true);
        Self {
            index,
            config,
            store,
            process: None,
            gate: Gate::default(),
            writes: VecDeque::new(),
            clock: Duration::from_secs(1),
            lives: 0,
        }
    }

    /// Starts the process over what the disk holds.
    pub(super) fn boot(&mut self) -> Done {
        self.lives += 1;
        self.gate = Gate::default();
        self.writes.clear();
        let identity = Node::<Registers>::new(self.index, Clock::default()).identity;
        let seed = [self.index as u8; 32];
        match Registers::boot(identity, self.config.clone(), seed, &self.store) {
            Ok(process) => {
                self.process = Some(process);
                self.handle(Event::Started)
            }
            Err(halt) => self.stopped(&halt),
        }
    }

    /// The power goes: what was not synced is lost.
    pub(super) fn cut(&mut self) {
        self.process = None;
        self.writes.clear();
        self.store.crash();
    }

    pub(super) fn handle(&mut self, event: Event) -> Done {
        let now = self.now();
        if let Some(process) = &mut self.process {
            process.handle(now, &self.store, event);
        }
        self.carry_out()
    }

    pub(super) fn ask(&mut self, id: RequestId, request: Request) -> Done {
        let now = self.now();
        if let Some(process) = &mut self.process {
            process.ask(now, &self.store, id, request);
        }
        self.carry_out()
    }

    /// The disk is done with the oldest write.
    pub(super) fn write(&mut self) -> Done {
        let Some((id, transaction, sync)) = self.writes.pop_front() else { return Done::default() };
        let _applied = self.store.apply(&[transaction], sync);
        let ready = self.gate.persisted(id);
        let mut done = Done::default();
        ready.into_iter().for_each(|effect| take(effect, &mut done));
        let after = self.handle(Event::Persisted(id));
        done.sends.extend(after.sends);
        done.granted.extend(after.granted);
        done.broken = done.broken.or(after.broken);
        done
    }

    /// Time passes until the next timer is due.
    pub(super) fn wake(&mut self) -> Done {
        if let Some(due) = self.process.as_ref().and_then(Process::next_deadline) {
            self.clock = self.clock.max(due);
        }
        self.handle(Event::Deadline)
    }

    pub(super) fn consensus(&self) -> Option<&Consensus> {
        self.process.as_ref().map(Process::consensus)
    }

    pub(super) fn is_writing(&self) -> bool {
        !self.writes.is_empty()
    }

    /// What the disk would hold after a power cut now.
    pub(super) fn durable(&self) -> MemoryStore {
        let store = self.store.clone();
        store.crash();
        store
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        // The generator of random pauses is not shown; the pauses that it gave are.
        format!("{:?} {:?} {:?}", self.process, self.gate, self.writes).hash(&mut hasher);
        (self.clock, self.lives, self.store.dump(), self.durable().dump()).hash(&mut hasher);
        hasher.finish()
    }

    fn now(&self) -> Now {
        Now { mono: self.clock, wall: UTime { sec: 1_790_000_000, nsec: 0 } }
    }

    fn carry_out(&mut self) -> Done {
        let mut done = Done::default();
        for effect in self.process.as_mut().map(Process::effects).unwrap_or_default() {
            match effect {
                Effect::Persist { id, transaction, sync } => self.writes.push_back((id, transaction, sync)),
                Effect::Halt(halt) => {
                    let stopped = self.stopped(&halt);
                    done.broken = done.broken.or(stopped.broken);
                }
                effect => {
                    if let Some(effect) = self.gate.admit(effect) {
                        take(effect, &mut done);
                    }
                }
            }
        }
        done
    }

    fn stopped(&mut self, halt: &Halt) -> Done {
        self.process = None;
        let fine = matches!(halt, Halt::Terminated | Halt::Removed);
        Done { broken: (!fine).then(|| format!("member {} stopped: {halt}", self.index)), ..Done::default() }
    }
}

fn take(effect: Effect, done: &mut Done) {
    match effect {
        Effect::Send { to, message, .. } => done.sends.push((to, message)),
        Effect::AdminReply { request, reply } if reply.code == 0 => done.granted.push(request),
        _ => {}
    }
}
