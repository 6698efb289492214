//! A few whole monitors over real stores: a network without faults, disks that keep what is synced, time that moves when
//! there is nothing else to do. What happens next is drawn from a seed.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use mon_core::config::Config;
use mon_core::consensus::Role;
use mon_core::effect::{Effect, Halt};
use mon_core::event::{Event, RequestId};
use mon_core::gate::Gate;
use mon_core::monitor::Monitor;
use mon_core::now::Now;
use mon_rocksdb::{TableFormat, create, open};
use mon_sim::history::{Action, Key, Outcome, Value};
use mon_sim::node::{addrs, fsid, name};
use mon_sim::process::{Process, Request};
use mon_store::KvStore;
use mon_types::features::Features;
use mon_types::id::MapEpoch;
use mon_types::monmap::{MonInfo, MonMap};
use mon_types::release::Release;
use mon_types::time::UTime;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cut::{Cut, tears};
use crate::files;
use crate::folder::{self, Files};
use crate::machine::{Machine, Running, without_hints};

/// How many registers are written.
const KEYS: u64 = 6;
/// Requests from this number on are reads.
const READS: u64 = 1 << 32;
/// More steps than anything here takes.
const STEPS_MAX: usize = 200_000;

/// See the module documentation.
pub(crate) struct Cluster {
    folder: PathBuf,
    machines: Vec<Machine>,
    config: Config,
    time: Duration,
    rng: ChaCha8Rng,
    requests: u64,
    /// The write that waits for its answer, and all that were answered.
    open: Option<(RequestId, Key, Value)>,
    /// The newest value of each register, and how many there were.
    newest: BTreeMap<Key, Value>,
    acknowledged: usize,
    answers: BTreeMap<RequestId, Option<Outcome>>,
    full_syncs: usize,
    cuts: Option<SyncSender<Cut>>,
}

impl Cluster {
    /// Machines with fresh stores, all of them off.
    pub(crate) fn new(folder: &Path, size: usize, cuts: Option<SyncSender<Cut>>) -> Self {
        let mut map = MonMap { fsid: fsid(), epoch: MapEpoch(0), ..MonMap::default() };
        for node in 0..size {
            map.add(MonInfo::new(name(node), addrs(node))).unwrap();
        }
        let mut cluster = Self::with(folder, size, cuts);
        for machine in &mut cluster.machines {
            std::fs::create_dir_all(&machine.data).unwrap();
            let store = create(&machine.data, TableFormat::Reef).unwrap();
            let mkfs = Monitor::mkfs(&map);
            store.apply(std::slice::from_ref(&mkfs), true).unwrap();
            machine.note(&mkfs, true);
            drop(store);
            machine.durable = Arc::new(files::take(&machine.data));
        }
        cluster
    }

    fn with(folder: &Path, size: usize, cuts: Option<SyncSender<Cut>>) -> Self {
        // Small limits: values are trimmed soon, so that whoever was away must copy everything, in many chunks.
        let config = Config {
            paxos_min: 4,
            paxos_trim_min: 2,
            paxos_trim_max: 8,
            paxos_max_join_drift: 3,
            sync_payload_keys_max: 6,
            ..Config::default()
        };
        Self {
            folder: folder.into(),
            machines: (0..size).map(|node| Machine::new(node, folder)).collect(),
            config,
            time: Duration::from_secs(100),
            rng: ChaCha8Rng::seed_from_u64(9),
            requests: 0,
            open: None,
            newest: BTreeMap::new(),
            acknowledged: 0,
            answers: BTreeMap::new(),
            full_syncs: 0,
            cuts,
        }
    }

    pub(crate) fn writes(&self) -> usize {
        self.machines.iter().map(|machine| machine.writes).sum()
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    pub(crate) fn full_syncs(&self) -> usize {
        self.full_syncs
    }

    /// The machine that leads.
    pub(crate) fn leader(&self) -> Option<usize> {
        let running = |node: &usize| self.machines[*node].process.as_ref().map(|it| it.core.consensus());
        (0..self.machines.len())
            .filter(|node| running(node).is_some_and(|it| it.role() == Role::Leader))
            .max_by_key(|node| running(node).map(|it| it.epoch()))
    }

    /// Starts a machine that is off, on what its folder holds.
    pub(crate) fn start(&mut self, node: usize) {
        if self.machines[node].process.is_some() {
            return;
        }
        let machine = &mut self.machines[node];
        let store = open(&machine.data, TableFormat::Reef).unwrap();
        let seed = self.rng.random();
        let core = Monitor::boot(machine.identity.clone(), self.config.clone(), seed, &store).unwrap();
        let inbox = VecDeque::from([Event::Started]);
        machine.process = Some(Running { core, store, gate: Gate::default(), inbox, disk: VecDeque::new() });
        // What opening did to the files is synced.
        machine.durable = Arc::new(files::take(&machine.data));
        machine.expose();
        for other in (0..self.machines.len()).filter(|other| *other != node) {
            self.connect(node, other);
        }
    }

    fn connect(&mut self, a: usize, b: usize) {
        if [a, b].iter().any(|node| self.machines[*node].process.is_none()) {
            return;
        }
        let features = Features::all(Release::Tentacle).0;
        for (node, peer) in [(a, b), (b, a)] {
            self.tell(node, Event::PeerConnected { peer: addrs(peer), features });
        }
    }

    fn tell(&mut self, node: usize, event: Event) {
        if let Some(process) = &mut self.machines[node].process {
            process.inbox.push_back(event);
        }
    }

    /// Ends a process in the midst of things; with the power gone, only what was synced is left.
    pub(crate) fn end(&mut self, node: usize, power_cut: bool) {
        let machine = &mut self.machines[node];
        let Some(process) = machine.process.take() else { return };
        drop(process);
        if power_cut {
            folder::put(&machine.durable, &machine.data);
            let lost = machine.model.unsynced_batches();
            machine.model.crash();
            machine.writes -= lost;
        } else {
            machine.model.apply(&[], true).unwrap();
        }
        machine.cut(&self.config, self.cuts.as_ref());
        machine.exposed.clear();
        for other in (0..self.machines.len()).filter(|other| *other != node) {
            self.tell(other, Event::PeerDown { peer: addrs(node) });
        }
    }

    /// Lets something happen.
    fn step(&mut self) {
        let mut ready = Vec::new();
        for (node, machine) in self.machines.iter().enumerate() {
            let Some(process) = &machine.process else { continue };
            ready.extend((!process.inbox.is_empty()).then_some((node, false)));
            ready.extend((!process.disk.is_empty()).then_some((node, true)));
        }
        if ready.is_empty() {
            return self.wait();
        }
        match ready[self.rng.random_range(0..ready.len())] {
            (node, true) => self.disk_writes(node),
            (node, false) => {
                let process = self.machines[node].process.as_mut();
                if let Some(event) = process.and_then(|process| process.inbox.pop_front()) {
                    self.feed(node, event);
                }
            }
        }
    }

    /// Nothing is under way: time goes on to the next timer.
    fn wait(&mut self) {
        let due = |machine: &Machine| Process::next_deadline(&machine.process.as_ref()?.core);
        let next = self.machines.iter().filter_map(due).min().unwrap();
        self.time = self.time.max(next);
        for machine in &mut self.machines {
            if due(machine).is_some_and(|due| due <= self.time)
                && let Some(process) = &mut machine.process
            {
                process.inbox.push_back(Event::Deadline);
            }
        }
    }

    pub(crate) fn steps(&mut self, count: usize) {
        (0..count).for_each(|_| self.step());
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..STEPS_MAX {
            if done(self) {
                return;
            }
            self.step();
        }
        panic!("still waiting for {what}");
    }

    /// Lets things happen until all that run are in one quorum that can write, and returns who leads it.
    pub(crate) fn settle(&mut self) -> Option<usize> {
        self.until("a quorum", |cluster| {
            let running = || cluster.machines.iter().filter_map(|machine| machine.process.as_ref());
            let Some(leader) = cluster.leader() else { return false };
            let Some(leader) = &cluster.machines[leader].process else { return false };
            let leader = leader.core.consensus();
            leader.can_propose()
                && leader.view().is_some_and(|view| view.members.len() == running().count())
                && running().all(|it| it.core.consensus().last_committed() == leader.last_committed())
        });
        self.leader()
    }

    /// A client asks for a write, by the leader if there is one, and waits until it is done.
    pub(crate) fn write(&mut self) {
        let key = Key(self.rng.random_range(0..KEYS));
        self.ask_to_write(key);
        self.until_answered();
    }

    /// A client asks for a write that it will not hear of; to a register of its own, as it may be done at any time.
    pub(crate) fn write_blindly(&mut self) {
        self.ask_to_write(Key(KEYS));
    }

    fn ask_to_write(&mut self, key: Key) {
        self.requests += 1;
        let (id, value) = (RequestId(self.requests), Value(self.requests));
        let running = (0..self.machines.len()).find(|node| self.machines[*node].process.is_some());
        let Some(node) = self.leader().or(running) else { return };
        self.open = Some((id, key, value));
        self.ask(node, id, Request::Client(key, Action::Write(value)));
    }

    fn ask(&mut self, node: usize, id: RequestId, request: Request) {
        let now = self.now();
        let Some(process) = &mut self.machines[node].process else { return };
        Process::ask(&mut process.core, now, &process.store, id, request);
        self.carry_out_all(node);
    }

    fn until_answered(&mut self) {
        let Some((id, key, value)) = self.open.take() else { return };
        self.until("an answer", |cluster| cluster.answers.contains_key(&id));
        assert_eq!(self.answers[&id], Some(Outcome::Written), "{key:?} {value:?}");
        self.newest.insert(key, value);
        self.acknowledged += 1;
    }

    /// Copies of all machines lose power here and now. What they are started on must, together, know every write
    /// that was acknowledged.
    pub(crate) fn lose_all_power_elsewhere(&self, number: usize) {
        let folder = self.folder.join(format!("blackout-{number}"));
        let mut copy = Self::with(&folder, self.machines.len(), None);
        for (machine, from) in copy.machines.iter_mut().zip(&self.machines) {
            folder::put(&from.durable, &machine.data);
        }
        (0..copy.machines.len()).for_each(|node| copy.start(node));
        let leader = copy.settle().unwrap();
        for (register, (key, value)) in self.newest.iter().enumerate() {
            let id = RequestId(READS + register as u64);
            copy.ask(leader, id, Request::Client(*key, Action::Read));
            copy.until("a read", |copy| copy.answers.contains_key(&id));
            let held = &copy.answers[&id];
            assert_eq!(*held, Some(Outcome::Held(Some(*value))), "{key:?} after blackout {number}");
        }
        drop(copy);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    fn now(&self) -> Now {
        let wall = UTime::from_duration(Duration::from_secs(1_800_000_000) + self.time);
        Now { mono: self.time, wall }
    }

    fn feed(&mut self, node: usize, event: Event) {
        let now = self.now();
        let machine = &mut self.machines[node];
        let Some(process) = &mut machine.process else { return };
        let released = match &event {
            Event::Persisted(id) => process.gate.persisted(*id),
            _ => Vec::new(),
        };
        if let Event::PeerMessage { message, .. } = &event {
            machine.said.heard(message);
        }
        for effect in released {
            self.carry_out(node, effect);
        }
        let Some(process) = &mut self.machines[node].process else { return };
        Process::handle(&mut process.core, now, &process.store, event);
        self.carry_out_all(node);
    }

    fn carry_out_all(&mut self, node: usize) {
        let Some(process) = &mut self.machines[node].process else { return };
        for effect in Process::effects(&mut process.core) {
            let Some(process) = &mut self.machines[node].process else { return };
            if let Some(effect) = process.gate.admit(effect) {
                self.carry_out(node, effect);
            }
        }
    }

    fn carry_out(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Persist { id, transaction, sync } => {
                if let Some(process) = &mut self.machines[node].process {
                    process.disk.push_back((id, transaction, sync));
                }
            }
            Effect::Send { to, message, .. } => {
                self.machines[node].said.says(&message);
                if let Some(to) = (0..self.machines.len()).find(|other| addrs(*other) == to) {
                    self.tell(to, Event::PeerMessage { peer: addrs(node), message });
                }
            }
            Effect::Peers { reset: true, .. } => {
                for other in (0..self.machines.len()).filter(|other| *other != node) {
                    self.connect(node, other);
                }
            }
            Effect::AdminReply { request, reply } => {
                let outcome = match request.0 < READS {
                    true => Monitor::outcome(Action::Write(Value(request.0)), &reply),
                    false => Monitor::outcome(Action::Read, &reply),
                };
                self.answers.insert(request, outcome);
            }
            Effect::Halt(halt @ (Halt::StoreDamaged(_) | Halt::Invariant(_) | Halt::FeaturesMissing(_))) => {
                panic!("{} stops: {halt}", name(node));
            }
            Effect::Log(_, text) => self.full_syncs += usize::from(text.starts_with("synced up to")),
            _ => {}
        }
    }

    fn disk_writes(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        let Some(process) = &mut machine.process else { return };
        let Some((id, transaction, sync)) = process.disk.pop_front() else { return };
        let transaction = without_hints(&transaction);
        if sync {
            // From here on less than this cannot be left.
            machine.cut(&self.config, self.cuts.as_ref());
        }
        let Some(process) = &mut machine.process else { return };
        process.store.apply(std::slice::from_ref(&transaction), sync).unwrap();
        machine.note(&transaction, sync);
        let files = Arc::new(files::take(&machine.data));
        if let Some(cuts) = &self.cuts
            && let Some(before) = machine.exposed.last().cloned()
        {
            for torn in tears(&before.files, &files) {
                let mut left = Files::clone(&files);
                // The mark is written after the sync.
                left.extend(before.files.iter().filter(|(path, _)| path.ends_with("SYNCED")).map(clone_pair));
                let what = format!("{} in write {}", name(node), machine.writes);
                let cut = machine.state_cut(what, Arc::new(left), &before.content, &self.config);
                cuts.send(Cut { torn: Some(torn), ..cut }).unwrap();
            }
        }
        if sync {
            machine.exposed.clear();
            machine.durable = Arc::clone(&files);
        }
        machine.expose_files(files);
        self.tell(node, Event::Persisted(id));
    }

    /// All that is still open is cut.
    pub(crate) fn finish(mut self) {
        (0..self.machines.len()).for_each(|node| self.end(node, true));
    }
}

fn clone_pair<A: Clone, B: Clone>((a, b): (&A, &B)) -> (A, B) {
    (a.clone(), b.clone())
}
