//! A state of the model, what can happen in it, and what must hold in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mon_core::config::Config;
use mon_core::consensus::Role;
use mon_core::event::{Event, RequestId};
use mon_types::id::MapEpoch;
use mon_types::kv::KvRead;
use mon_types::message::Envelope;
use mon_types::monmap::{MonInfo, MonMap};

use super::member::{Done, Member};
use crate::history::{Action, Key, Value};
use crate::node::{addrs, fsid, name};
use crate::process::{Change, Request};

/// What may still go wrong or be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Values that are proposed.
    pub writes: u8,
    /// Changes of the monmap.
    pub changes: u8,
    /// Power cuts, each followed by a restart.
    pub cuts: u8,
    /// Sessions that are made anew, with what was on its way lost.
    pub resets: u8,
    /// Timers that fire.
    pub timers: u8,
}

/// Where an exploration starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Three members that were just started: elections.
    Start,
    /// Three members and a leader: rounds, power cuts in them, and phase 1 of who follows.
    Rounds,
    /// Three members, a leader and a learner that takes the place of one: two changes of the monmap.
    Replace,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The oldest message on a link arrives.
    Arrive(usize, usize),
    /// A disk finishes its oldest write.
    Write(usize),
    /// A timer fires.
    Timer(usize),
    /// The power of a member goes and comes back.
    Cut(usize),
    /// A session is made anew.
    Reset(usize, usize),
    /// A leader proposes.
    Propose(usize),
    /// A leader is asked for the next change of the monmap.
    Change(usize),
}

/// What is on its way on a link, with a hash of each.
type Queue = VecDeque<(u64, Arc<Item>)>;

#[derive(Debug, Clone)]
enum Item {
    Message(Box<Envelope>),
    Down,
    Up,
}

/// See the module documentation of [`super`].
#[derive(Debug, Clone)]
pub struct State {
    members: Vec<Arc<Member>>,
    fingerprints: Vec<u64>,
    links: BTreeMap<(usize, usize), Queue>,
    budget: Budget,
    changes: Arc<Vec<Change>>,
    requests: u64,
    /// Who led in which epoch, and what was committed as which version, by whomever.
    leaders: BTreeMap<u32, usize>,
    chosen: BTreeMap<u64, Bytes>,
    /// What does not hold.
    broken: Option<String>,
}

/// A clock that fires seldom, so that timers are about what is explored.
fn config(learner: bool) -> Config {
    let never = Duration::from_secs(1_000_000);
    Config {
        ping_interval: never,
        ping_silence_max: never * 4,
        timecheck_interval: never,
        learner,
        ..Config::default()
    }
}

impl State {
    /// Where a scenario starts.
    ///
    /// # Panics
    /// When the core does not get there by itself.
    #[must_use]
    pub fn new(scenario: Scenario, budget: Budget) -> Self {
        let mut map = MonMap { fsid: fsid(), ..MonMap::default() };
        for index in 0..3 {
            // Names and addresses differ, so that adding cannot fail.
            let _rank = map.add(MonInfo::new(name(index), addrs(index)));
        }
        map.epoch = MapEpoch(0);
        let count = if scenario == Scenario::Replace { 4 } else { 3 };
        let members = (0..count).map(|index| Arc::new(Member::new(index, &map, config(index > 2)))).collect();
        let mut state = Self {
            members,
            fingerprints: vec![0; count],
            links: BTreeMap::new(),
            budget,
            changes: Arc::default(),
            requests: 0,
            leaders: BTreeMap::new(),
            chosen: BTreeMap::new(),
            broken: None,
        };
        for index in 0..count {
            state.with(index, Member::boot);
        }
        for one in 0..count {
            for other in one + 1..count {
                state.meet(one, other);
            }
        }
        if scenario != Scenario::Start {
            state.come_to_rest();
        }
        if scenario == Scenario::Replace {
            state.changes = Arc::new(vec![Change::Follow(name(3), addrs(3))]);
            state.budget.changes = 1;
            let leader = state.leader();
            state.change(leader);
            state.come_to_rest();
            state.changes =
                Arc::new(vec![Change::Replace(name(2), (name(3), addrs(3))), Change::Remove(name(1))]);
        }
        state.budget = budget;
        state
    }

    /// Everything that can happen now.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self.links.keys().map(|(from, to)| Step::Arrive(*from, *to)).collect();
        for (index, member) in self.members.iter().enumerate() {
            let runs = member.consensus().is_some();
            if member.is_writing() {
                steps.push(Step::Write(index));
            }
            if runs && self.budget.timers > 0 {
                steps.push(Step::Timer(index));
            }
            if runs && self.budget.cuts > 0 {
                steps.push(Step::Cut(index));
            }
            let proposes = member.consensus().is_some_and(|consensus| consensus.can_propose());
            if proposes && self.budget.writes > 0 {
                steps.push(Step::Propose(index));
            }
            if proposes && self.next_change().is_some() {
                steps.push(Step::Change(index));
            }
            let others = (index + 1..self.members.len()).filter(|_| self.budget.resets > 0);
            steps.extend(others.map(|other| Step::Reset(index, other)));
        }
        steps
    }

    /// What comes of one of them.
    #[must_use]
    pub fn after(&self, step: Step) -> Self {
        let mut next = self.clone();
        match step {
            Step::Arrive(from, to) => next.arrive(from, to),
            Step::Write(index) => next.with(index, Member::write),
            Step::Timer(index) => {
                next.budget.timers -= 1;
                next.with(index, Member::wake);
            }
            Step::Cut(index) => {
                next.budget.cuts -= 1;
                next.cut(index);
            }
            Step::Reset(one, other) => {
                next.budget.resets -= 1;
                next.part(one, other);
                next.meet(one, other);
            }
            Step::Propose(index) => {
                next.budget.writes -= 1;
                next.requests += 1;
                let id = RequestId(next.requests);
                let write = Request::Client(Key(0), Action::Write(Value(next.requests)));
                next.with(index, |member| member.ask(id, write.clone()));
            }
            Step::Change(index) => next.change(index),
        }
        next
    }

    /// What does not hold, if something does not.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Equal for states from which the same can happen.
    #[must_use]
    pub fn fingerprint(&self) -> u128 {
        let part = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            salt.hash(&mut hasher);
            self.fingerprints.hash(&mut hasher);
            for (link, items) in &self.links {
                link.hash(&mut hasher);
                items.iter().for_each(|(item, _)| item.hash(&mut hasher));
                u64::MAX.hash(&mut hasher);
            }
            (self.budget, self.requests, &self.leaders, &self.chosen).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        part(1) << 64 | part(2)
    }

    fn next_change(&self) -> Option<&Change> {
        let done = self.changes.len().saturating_sub(usize::from(self.budget.changes));
        self.changes.get(done)
    }

    fn change(&mut self, index: usize) {
        let Some(change) = self.next_change().cloned() else { return };
        self.budget.changes -= 1;
        self.requests += 1;
        let id = RequestId(self.requests);
        self.with(index, |member| member.ask(id, Request::Members(change.clone())));
    }

    fn arrive(&mut self, from: usize, to: usize) {
        let Some(items) = self.links.get_mut(&(from, to)) else { return };
        let item = items.pop_front();
        if items.is_empty() {
            self.links.remove(&(from, to));
        }
        let Some((_, item)) = item else { return };
        let peer = addrs(from);
        let event = match item.as_ref() {
            Item::Message(message) => Event::PeerMessage { peer, message: Envelope::clone(message) },
            Item::Down => Event::PeerDown { peer },
            Item::Up => Event::PeerConnected { peer, features: u64::MAX },
        };
        self.with(to, |member| member.handle(event.clone()));
    }

    fn cut(&mut self, index: usize) {
        let others: Vec<usize> = (0..self.members.len()).filter(|other| *other != index).collect();
        others.iter().for_each(|other| self.part(index, *other));
        self.with(index, |member| {
            member.cut();
            member.boot()
        });
        // What it said while nobody was connected goes with the session.
        for other in others {
            let said = self.links.remove(&(index, other)).unwrap_or_default();
            self.meet(index, other);
            self.links.entry((index, other)).or_default().extend(said);
        }
    }

    /// The session ends: what is on its way is lost, and both are told.
    fn part(&mut self, one: usize, other: usize) {
        for link in [(one, other), (other, one)] {
            self.links.remove(&link);
            self.push(link, Item::Down);
        }
    }

    fn meet(&mut self, one: usize, other: usize) {
        self.push((one, other), Item::Up);
        self.push((other, one), Item::Up);
    }

    fn push(&mut self, link: (usize, usize), item: Item) {
        let mut hasher = DefaultHasher::new();
        format!("{item:?}").hash(&mut hasher);
        self.links.entry(link).or_default().push_back((hasher.finish(), Arc::new(item)));
    }

    fn with(&mut self, index: usize, step: impl FnOnce(&mut Member) -> Done) {
        let done = step(Arc::make_mut(&mut self.members[index]));
        for (to, message) in done.sends {
            let to = (0..self.members.len()).find(|other| addrs(*other) == to);
            if let Some(to) = to.filter(|to| *to != index) {
                self.push((index, to), Item::Message(Box::new(message)));
            }
        }
        self.fingerprints[index] = self.members[index].fingerprint();
        if let Some(broken) = done.broken {
            self.broken = Some(broken);
        }
        if let Err(broken) = self.look(index) {
            self.broken = Some(broken);
        }
    }

    /// What must hold after a step of a member.
    fn look(&mut self, index: usize) -> Result<(), String> {
        let member = self.members[index].clone();
        let Some(consensus) = member.consensus() else { return Ok(()) };
        if consensus.role() == Role::Leader {
            let epoch = consensus.epoch().0;
            let leader = *self.leaders.entry(epoch).or_insert(index);
            if leader != index {
                return Err(format!("members {leader} and {index} lead in epoch {epoch}"));
            }
        }
        let read = |key: &str| member.store.read_u64("paxos", key).ok().flatten().unwrap_or(0);
        let last = read("last_committed");
        for version in read("first_committed").max(1)..=last {
            let value = member.store.read("paxos", &version.to_string()).ok().flatten();
            let Some(value) = value else { return Err(format!("member {index} lacks version {version}")) };
            let chosen = self.chosen.entry(version).or_insert_with(|| value.clone());
            if *chosen != value {
                return Err(format!("member {index} holds another version {version}"));
            }
        }
        self.look_at_disks()
    }

    /// What was committed anywhere is on more than half of the disks of one of the two newest maps, power or not.
    fn look_at_disks(&self) -> Result<(), String> {
        let Some((version, value)) = self.chosen.last_key_value() else { return Ok(()) };
        let holds = |member: &Arc<Member>| {
            let disk = member.durable();
            let last = disk.read_u64("paxos", "last_committed").ok().flatten().unwrap_or(0);
            let first = disk.read_u64("paxos", "first_committed").ok().flatten().unwrap_or(0);
            disk.read("paxos", &version.to_string()).ok().flatten().as_ref() == Some(value)
                || (last >= *version && first > *version)
        };
        let holders: BTreeSet<String> =
            (0..self.members.len()).filter(|index| holds(&self.members[*index])).map(name).collect();
        let maps = self.members.iter().filter_map(|member| Some(member.consensus()?.monmap()));
        let enough = maps.clone().any(|map| {
            let count = map.ranks.iter().filter(|name| holders.contains(*name)).count();
            count > map.size() / 2
        });
        if enough || maps.clone().next().is_none() {
            return Ok(());
        }
        Err(format!("version {version} was committed, and only {holders:?} have it on disk"))
    }

    /// The kindest order: messages and disks at once, timers when nothing else is left.
    fn come_to_rest(&mut self) {
        for _ in 0..20_000 {
            if let Some((from, to)) = self.links.keys().next().copied() {
                self.arrive(from, to);
            } else if let Some(index) =
                (0..self.members.len()).find(|index| self.members[*index].is_writing())
            {
                self.with(index, Member::write);
            } else if self.is_at_rest() {
                return;
            } else {
                let soonest = (0..self.members.len())
                    .filter_map(|index| Some((self.members[index].consensus()?.next_deadline()?, index)))
                    .min();
                let Some((_, index)) = soonest else { break };
                self.with(index, Member::wake);
            }
        }
        panic!("three members do not come to rest: {:?}", self.broken);
    }

    fn is_at_rest(&self) -> bool {
        let leads = |member: &Arc<Member>| {
            member.consensus().is_some_and(|consensus| {
                consensus.can_propose() && consensus.view().is_some_and(|view| view.members.len() == 3)
            })
        };
        let follows = |member: &Arc<Member>| {
            let in_quorum = |consensus: &mon_core::consensus::Consensus| {
                matches!(consensus.role(), Role::Leader | Role::Peon) && consensus.last_committed().0 >= 1
            };
            member.consensus().is_some_and(in_quorum)
        };
        self.members.iter().any(leads) && self.members.iter().take(3).all(follows)
    }

    fn leader(&self) -> usize {
        let leads =
            |member: &Arc<Member>| member.consensus().is_some_and(|consensus| consensus.can_propose());
        self.members.iter().position(leads).unwrap_or(0)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrive(from, to) => write!(f, "{} -> {}", name(*from), name(*to)),
            Self::Write(index) => write!(f, "{} writes", name(*index)),
            Self::Timer(index) => write!(f, "{} wakes", name(*index)),
            Self::Cut(index) => write!(f, "{} loses power", name(*index)),
            Self::Reset(one, other) => write!(f, "{} and {} meet anew", name(*one), name(*other)),
            Self::Propose(index) => write!(f, "{} proposes", name(*index)),
            Self::Change(index) => write!(f, "{} changes the map", name(*index)),
        }
    }
}
