//! The world: nodes, links between them, disks, and one queue of events in virtual time.
//!
//! Links keep order and lose nothing while both ends live, as the messenger's lossless sessions do. They can be
//! cut (messages wait, nobody is told) and reset (messages are lost, both ends are told).

mod clients;
mod faults;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mon_core::config::Config;
use mon_core::consensus::Role;
use mon_core::effect::{Effect, Level, WriteId};
use mon_core::event::Event;
use mon_store::KvStore;
use mon_types::addr::AddrVec;
use mon_types::encode::{Decode, Encode};
use mon_types::id::MapEpoch;
use mon_types::kv::{KvRead, Transaction};
use mon_types::message::{Envelope, Message};
use mon_types::monmap::{MonInfo, MonMap};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::node::{Node, addrs, fsid, name};
use crate::oracle::Oracle;

/// How many seeds a test runs; `SIM_SCALE` multiplies them.
pub(crate) fn seeds(count: u64) -> std::ops::Range<u64> {
    let scale = std::env::var("SIM_SCALE").ok().and_then(|text| text.parse().ok()).unwrap_or(1u64);
    0..count * scale
}

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[derive(Debug)]
enum Item {
    Deliver { from: usize, to: usize, link: u64, message: Envelope },
    Session { node: usize, life: u64, event: Event },
    Disk { node: usize, life: u64 },
    Wake { node: usize, life: u64 },
}

/// How slow things are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) delay_us: (u64, u64),
    pub(crate) sync_us: (u64, u64),
}

impl Default for Weather {
    fn default() -> Self {
        Self { delay_us: (50, 400), sync_us: (200, 2000) }
    }
}

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) time: Duration,
    pub(crate) nodes: Vec<Node>,
    pub(crate) oracle: Oracle,
    pub(crate) rng: ChaCha12Rng,
    pub(crate) weather: Weather,
    queue: BTreeMap<(Duration, u64), Item>,
    order: u64,
    cut: BTreeSet<(usize, usize)>,
    held: BTreeMap<(usize, usize), VecDeque<Envelope>>,
    last_delivery: BTreeMap<(usize, usize), Duration>,
    /// Session numbers by unordered pair: a reset makes a new one.
    links: BTreeMap<(usize, usize), u64>,
    pub(crate) serial: u64,
    pub(crate) messages: u64,
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

impl Cluster {
    /// `count` nodes whose mkfs map holds the first `members` of them.
    pub(crate) fn new(seed: u64, count: usize, members: usize, config: &Config) -> Self {
        let map = monmap(0, &(0..members).collect::<Vec<_>>());
        let nodes = (0..count).map(|index| Node::new(index, config.clone(), &map)).collect();
        Self {
            time: Duration::ZERO,
            nodes,
            oracle: Oracle::default(),
            rng: ChaCha12Rng::seed_from_u64(seed),
            weather: Weather::default(),
            queue: BTreeMap::new(),
            order: 0,
            cut: BTreeSet::new(),
            held: BTreeMap::new(),
            last_delivery: BTreeMap::new(),
            links: BTreeMap::new(),
            serial: 0,
            messages: 0,
        }
    }

    /// All up, with a quorum of all members.
    pub(crate) fn up(seed: u64, count: usize) -> Self {
        let mut cluster = Self::new(seed, count, count, &Config::default());
        for node in 0..count {
            cluster.start(node);
        }
        cluster.run_until("a first quorum", ms(3000), |c| c.quorum_size() == count && c.leader().is_some());
        cluster.write();
        cluster
    }

    fn push(&mut self, at: Duration, item: Item) {
        self.order += 1;
        self.queue.insert((at, self.order), item);
    }

    fn between(&mut self, (low, high): (u64, u64)) -> Duration {
        Duration::from_micros(self.rng.random_range(low..=high))
    }

    pub(crate) fn start(&mut self, node: usize) {
        let mut seed = [0; 32];
        for byte in &mut seed {
            *byte = self.rng.random_range(0..=255u8);
        }
        self.nodes[node].boot(seed);
        let life = self.nodes[node].life;
        self.feed(node, Event::Started);
        for other in 0..self.nodes.len() {
            if other != node && self.nodes[other].runs() && !self.is_cut(node, other) {
                self.connect(node, other);
            } else if other != node && !self.nodes[other].runs() && !self.is_cut(node, other) {
                let event = Event::PeerDown { peer: addrs(other) };
                self.push(self.time + ms(1), Item::Session { node, life, event });
            }
        }
    }

    /// A session between two is made anew; what was under way in it is lost.
    pub(crate) fn connect(&mut self, a: usize, b: usize) {
        *self.links.entry(pair(a, b)).or_default() += 1;
        self.held.remove(&(a, b));
        self.held.remove(&(b, a));
        let at = self.time + self.between((200, 3000));
        for (node, other) in [(a, b), (b, a)] {
            let event = Event::PeerConnected { peer: addrs(other), features: u64::MAX };
            let life = self.nodes[node].life;
            // What is sent from now on arrives after the news of the session.
            let last = self.last_delivery.entry((other, node)).or_default();
            *last = (*last).max(at);
            self.push(at, Item::Session { node, life, event });
        }
    }

    fn transmit(&mut self, from: usize, to: usize, message: Envelope) {
        self.nodes[from].pings += u64::from(matches!(message.message, Message::MonPing(_)));
        if self.is_cut(from, to) {
            self.held.entry((from, to)).or_default().push_back(message);
            return;
        }
        if !self.nodes[to].runs() {
            return;
        }
        self.messages += 1;
        let delay = self.between(self.weather.delay_us);
        let last = self.last_delivery.entry((from, to)).or_default();
        let at = (self.time + delay).max(*last);
        *last = at;
        let link = self.links.get(&pair(from, to)).copied().unwrap_or(0);
        self.push(at, Item::Deliver { from, to, link, message });
    }

    pub(crate) fn feed(&mut self, node: usize, event: Event) {
        if self.nodes[node].paused {
            if !matches!(event, Event::Deadline) {
                self.nodes[node].inbox.push_back(event);
            }
            return;
        }
        let effects = self.nodes[node].handle(self.time, event, &mut self.oracle);
        self.carry_out(node, effects);
    }

    pub(crate) fn carry_out(&mut self, node: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Persist { id, transaction, sync } => self.persist(node, id, transaction, sync),
                Effect::Send { to, message, .. } => {
                    if let Some(to) = (0..self.nodes.len()).find(|other| addrs(*other) == to) {
                        assert_ne!(to, node, "{} talks to itself: {message:?}", name(node));
                        // Every message crosses the wire as bytes.
                        let message = Envelope::decode(&message.to_raw()).unwrap();
                        self.transmit(node, to, message);
                    }
                }
                Effect::Log(level, text) => {
                    if level == Level::Warn {
                        self.nodes[node].warnings.push(text.clone());
                    }
                    if std::env::var_os("SIM_LOG").is_some() {
                        println!("{:>10.3} {} {level:?} {text}", self.time.as_secs_f64() * 1e3, name(node));
                    }
                }
                Effect::Peers { peers, .. } => self.nodes[node].peers = peers,
                Effect::DropPeer { .. } => {}
                other => panic!("the consensus has no business with {other:?}"),
            }
        }
        if self.nodes[node].halted.is_some() && self.nodes[node].consensus.is_none() {
            self.after_death(node);
        }
        let life = self.nodes[node].life;
        if let Some(due) = self.nodes[node].deadline() {
            self.push(due.max(self.time), Item::Wake { node, life });
        }
    }

    fn persist(&mut self, node: usize, id: WriteId, transaction: Transaction, sync: bool) {
        let slow = self.nodes[node].sync_us;
        let takes =
            if sync { self.between(slow.unwrap_or(self.weather.sync_us)) } else { self.between((10, 100)) };
        let life = self.nodes[node].life;
        let queue = &mut self.nodes[node].disk;
        let at = queue.back().map_or(self.time, |(at, ..)| (*at).max(self.time)) + takes;
        queue.push_back((at, id, transaction, sync));
        self.push(at, Item::Disk { node, life });
    }

    /// Runs the next event; its time, or none when nothing is left.
    fn step(&mut self) -> bool {
        let Some(((at, _), item)) = self.queue.pop_first() else { return false };
        self.time = self.time.max(at);
        match item {
            Item::Deliver { from, to, link, message } => {
                let current = self.links.get(&pair(from, to)).copied().unwrap_or(0);
                if link == current {
                    self.feed(to, Event::PeerMessage { peer: addrs(from), message });
                }
            }
            Item::Session { node, life, event } => {
                if self.nodes[node].life == life {
                    self.feed(node, event);
                }
            }
            Item::Disk { node, life } => self.disk(node, life),
            Item::Wake { node, life } => {
                let due = self.nodes[node].deadline().is_some_and(|due| due <= self.time);
                if self.nodes[node].life == life && due && !self.nodes[node].paused {
                    self.feed(node, Event::Deadline);
                }
            }
        }
        true
    }

    fn disk(&mut self, node: usize, life: u64) {
        if self.nodes[node].life != life || self.nodes[node].paused {
            return;
        }
        while self.nodes[node].disk.front().is_some_and(|(at, ..)| *at <= self.time) {
            let Some((_, id, transaction, sync)) = self.nodes[node].disk.pop_front() else { return };
            self.nodes[node].store.apply(&[transaction], sync).unwrap();
            self.feed(node, Event::Persisted(id));
            if self.nodes[node].life != life {
                return;
            }
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.time + time;
        while self.queue.first_key_value().is_some_and(|((at, _), _)| *at <= end) {
            self.step();
        }
        self.time = end;
    }

    /// Runs until the condition holds and returns how long it took.
    pub(crate) fn run_until(
        &mut self,
        what: &str,
        within: Duration,
        holds: impl Fn(&Self) -> bool,
    ) -> Duration {
        let start = self.time;
        while !holds(self) {
            assert!(self.time < start + within, "{what} did not come within {within:?}: {}", self.describe());
            assert!(self.step(), "nothing happens any more, and {what} did not come");
        }
        self.time - start
    }

    pub(crate) fn describe(&self) -> String {
        let one = |node: &Node| match &node.consensus {
            Some(c) => format!(
                "{}: {:?} epoch {} lc {} {} quorum {:?}",
                name(node.index),
                c.role(),
                c.epoch(),
                c.last_committed(),
                c.paxos_state(),
                c.view().map(|view| view.members.iter().map(|r| r.0).collect::<Vec<_>>())
            ),
            None => format!("{}: down {:?}", name(node.index), node.halted),
        };
        self.nodes.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// The node that leads and may propose, or has something in flight.
    pub(crate) fn leader(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|node| {
            let n = &self.nodes[*node];
            n.runs() && !n.paused && n.consensus().role() == Role::Leader && n.consensus().can_propose()
        })
    }

    pub(crate) fn quorum_size(&self) -> usize {
        let leader = self.leader().map(|leader| self.nodes[leader].consensus());
        leader.and_then(|c| c.view().map(|view| view.members.len())).unwrap_or(0)
    }
}

pub(crate) fn monmap(epoch: u32, members: &[usize]) -> MonMap {
    let mut map = MonMap { fsid: fsid(), epoch: MapEpoch(epoch), ..MonMap::default() };
    for member in members {
        map.add(MonInfo::new(name(*member), addrs(*member))).unwrap();
    }
    map
}

pub(crate) fn put_map(write: &mut Transaction, map: &MonMap) {
    write.put("monmap", map.epoch.to_string(), map.to_bytes());
    write.put_u64("monmap", "last_committed", u64::from(map.epoch.0));
    write.put_u64("monmap", "first_committed", 1);
}

pub(crate) fn put_learner(write: &mut Transaction, node: usize) {
    let who: AddrVec = addrs(node);
    debug_assert_eq!(AddrVec::from_bytes(&who.to_bytes()).as_ref(), Ok(&who));
    write.put("kv", format!("learner/{}", name(node)), who.to_bytes());
}

pub(crate) fn count_keys(store: &dyn KvRead, prefix: &str) -> usize {
    store.scan(prefix, "", usize::MAX).unwrap().len()
}
