//! Paxos: one sequence of values, one value in flight.
//!
//! ```text
//! leader  collect --------> begin v ----------------> commit v ---> begin v+1 ...
//!             \      ^         | \        ^             ^   \
//!              v    /          |  v      /              |    v
//! peon       promise, last     | sync, accept           |   commit v (not synced)
//!                              v                        |
//! leader's own disk            sync ---- counts as -----+
//!                                        one accept
//! ```
//!
//! The leader's BEGIN leaves before its own disk has the value; its own acceptance counts once the disk has it.
//! What makes a value chosen is in [`requirement`], what makes a read current in [`read_index`] (among our own)
//! and [`lease`] (beside stock monitors). docs/paxos.md argues why.

mod begin;
mod collect;
mod commit;
mod follower;
mod lease;
pub(crate) mod log;
mod pulse;
mod read_index;
mod requirement;
mod term;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::id::{Pn, Rank, Version};
use mon_types::kv::{KvRead, Op, StoreError, Transaction};
use mon_types::message::{MMonPaxos, PaxosOp};

use crate::config::Config;
use crate::cx::Cx;
use crate::effect::{Halt, Level, WriteId};
use crate::quorum::ReadId;
pub(crate) use term::{Rule, Term};

use collect::Collect;
use follower::Followers;
use lease::Lease;
use log::Log;
use pulse::Pulse;
use read_index::Reads;
use requirement::Requirement;

/// What Paxos tells the consensus around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PaxosEvent {
    /// The store view shows everything up to this version.
    Committed(Version),
    /// As asked by this number, the store view is current.
    ReadReady(ReadId),
    /// This term cannot go on: find the others again.
    Bootstrap(String),
    /// The leader has been silent for too long.
    LeaderSilent,
    /// A peon of ours has been silent for too long, or the leader counts us out.
    PeonSilent(Rank),
    /// The leader no longer counts us in.
    CountedOut,
    /// The leader says that the quorum is this now.
    QuorumIs(BTreeSet<Rank>),
}

/// The state of Paxos at one member.
#[derive(Debug, Clone)]
pub(crate) struct Paxos {
    config: Config,
    log: Log,
    term: Option<Term>,
    phase: Phase,
    writes: VecDeque<(WriteId, Write)>,
    /// What answers must wait for: the last promise or acceptance that went to disk.
    gate: Option<WriteId>,
    /// The write of the last promise alone.
    promise_gate: Option<WriteId>,
    /// The election epoch that we promised `accepted_pn` in, to tell a repeated collect from another's.
    promised_in: Option<(mon_types::id::Epoch, Pn)>,
    lease: Lease,
    reads: Reads,
    pulse: Pulse,
    followers: Followers,
    /// Goes into the first value of a term.
    preface: Option<Transaction>,
    /// Whether this leader's values of earlier terms are settled: from here on it may answer reads.
    settled: bool,
    events: Vec<PaxosEvent>,
}

/// Where we are in the protocol.
#[derive(Debug, Clone)]
enum Phase {
    /// In no quorum.
    Idle,
    /// Leader, phase 1.
    Recovering(Collect),
    /// Leader, phase 2.
    Proposing(Proposal),
    /// Leader, what is committed is on its way into the store.
    Settling,
    /// Leader, nothing in flight.
    Active,
    /// Peon or learner.
    Following,
}

/// A value on its way to being chosen.
#[derive(Debug, Clone)]
struct Proposal {
    version: Version,
    pn: Pn,
    value: Bytes,
    accepted: BTreeSet<Rank>,
    requirement: Requirement,
    /// When begin went out first, and last.
    since: Duration,
    sent: Duration,
}

/// What a write was for.
#[derive(Debug, Clone, Copy)]
enum Write {
    Promise(Pn),
    Accept(Version, Pn),
    Commit(Version),
}

impl Paxos {
    pub(crate) fn load(config: Config, store: &dyn KvRead) -> Result<Self, StoreError> {
        Ok(Self::new(config, Log::load(store)?))
    }

    /// Without values: a sync left the store half filled. The promises in it still hold.
    pub(crate) fn blank(config: Config, store: &dyn KvRead) -> Result<Self, StoreError> {
        Ok(Self::new(config, Log::load_promises(store)?))
    }

    fn new(config: Config, log: Log) -> Self {
        Self {
            log,
            config,
            term: None,
            phase: Phase::Idle,
            writes: VecDeque::new(),
            gate: None,
            promise_gate: None,
            promised_in: None,
            lease: Lease::default(),
            reads: Reads::default(),
            pulse: Pulse::default(),
            followers: Followers::default(),
            preface: None,
            settled: false,
            events: Vec::new(),
        }
    }

    /// Forgets what is in memory: the store was replaced by a sync.
    pub(crate) fn reload(&mut self, store: &dyn KvRead) -> Result<(), StoreError> {
        self.log = Log::load(store)?;
        self.writes.clear();
        Ok(())
    }

    /// What we accepted and do not know to be decided.
    pub(crate) fn uncommitted(&self) -> Option<log::Uncommitted> {
        self.log.uncommitted().cloned()
    }

    /// The monmap in what we accepted, if that changes the map.
    pub(crate) fn accepted_map(&self) -> Option<mon_types::monmap::MonMap> {
        self.log.uncommitted().and_then(|accepted| begin::map_in(&accepted.value))
    }

    /// Whether all promises and acceptances are on disk.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.writes.iter().all(|(_, what)| matches!(what, Write::Commit(_)))
    }

    /// The promises, to be put back after the store was wiped, and nothing else any more.
    pub(crate) fn wipe(&mut self) -> Transaction {
        self.writes.clear();
        self.log.wipe()
    }

    /// Committed values from `from` on, for a peer that lacks them.
    pub(crate) fn values(
        &self,
        store: &dyn KvRead,
        from: Version,
        bytes_max: usize,
    ) -> Result<BTreeMap<Version, Bytes>, StoreError> {
        self.log.values(store, from, bytes_max)
    }

    /// Takes over committed values that a peer has sent.
    pub(crate) fn learn(&mut self, cx: &mut Cx<'_>, values: &BTreeMap<Version, Bytes>) -> Result<(), Halt> {
        self.store_values(cx, values)
    }

    pub(crate) fn first_committed(&self) -> Version {
        self.log.first()
    }

    pub(crate) fn last_committed(&self) -> Version {
        self.log.last()
    }

    /// The newest version that the store view is known to show.
    pub(crate) fn applied(&self) -> Version {
        self.log.applied()
    }

    /// Ceph's word for the state, as `mon_status` and `sync status` show it.
    pub(crate) fn state_name(&self) -> &'static str {
        match &self.phase {
            Phase::Idle => "shutdown",
            Phase::Recovering(_) => "recovering",
            Phase::Proposing(_) if !self.settled => "updating-previous",
            Phase::Proposing(_) => "updating",
            Phase::Settling => "refresh",
            Phase::Active | Phase::Following => "active",
        }
    }

    pub(crate) fn take_events(&mut self) -> Vec<PaxosEvent> {
        std::mem::take(&mut self.events)
    }

    /// Whether a value may be proposed now.
    pub(crate) fn can_propose(&self) -> bool {
        matches!(self.phase, Phase::Active)
    }

    /// Whether a value is in flight.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Recovering(_) | Phase::Proposing(_) | Phase::Settling)
    }

    /// Takes the leader's place in a new term. `preface` goes in front of the first value, `after` is the
    /// write of the epoch, before which nothing of this term may be heard.
    pub(crate) fn lead(
        &mut self,
        cx: &mut Cx<'_>,
        term: Term,
        preface: Option<Transaction>,
    ) -> Result<(), Halt> {
        self.stop();
        self.pulse.start(cx.now.mono, term.others().map(|(rank, _)| rank));
        self.term = Some(term);
        self.preface = preface;
        self.collect(cx, Pn(0))
    }

    /// Takes a peon's place, or a learner's.
    pub(crate) fn follow(&mut self, cx: &mut Cx<'_>, term: Term) {
        self.stop();
        self.pulse.start(cx.now.mono, std::iter::empty());
        self.lease.follow(cx.now.mono, &self.config);
        self.term = Some(term);
        self.phase = Phase::Following;
    }

    /// Ends the term. Reads that wait are dropped; writes on their way still reach the store.
    pub(crate) fn stop(&mut self) {
        self.term = None;
        self.phase = Phase::Idle;
        self.settled = false;
        self.preface = None;
        self.lease = Lease::default();
        self.reads.clear();
        self.followers.clear();
    }

    /// A Paxos message of the current epoch.
    pub(crate) fn handle(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: MMonPaxos) -> Result<(), Halt> {
        let Some(term) = &self.term else { return Ok(()) };
        let rank = term.rank_of(from);
        let leading = term.is_leader();
        let from_leader = rank == Some(term.leader) && !leading;
        if from_leader {
            self.pulse.leader_heard(cx.now.mono);
        }
        match (m.op, rank) {
            (PaxosOp::Collect, _) if from_leader => self.handle_collect(cx, from, &m),
            (PaxosOp::Begin, _) if from_leader => self.handle_begin(cx, from, &m),
            (PaxosOp::Commit, _) if from_leader => self.handle_commit(cx, &m),
            (PaxosOp::Lease, _) if from_leader => self.handle_lease(cx, from, &m),
            (PaxosOp::Last, Some(rank)) if leading => self.handle_last(cx, rank, m),
            (PaxosOp::Accept, Some(rank)) if leading => self.handle_accept(cx, rank, &m),
            (PaxosOp::LeaseAck, Some(rank)) if leading => {
                self.handle_lease_ack(cx, rank, &m);
                Ok(())
            }
            _ => {
                cx.out.log(Level::Debug, format!("paxos {:?} from {from} does not fit this term", m.op));
                Ok(())
            }
        }
    }

    /// Writes up to `id` are in the store.
    pub(crate) fn persisted(&mut self, cx: &mut Cx<'_>, id: WriteId) -> Result<(), Halt> {
        while let Some((write, what)) = self.writes.front().copied() {
            if write > id {
                break;
            }
            self.writes.pop_front();
            match what {
                Write::Promise(pn) => self.self_promised(cx, pn)?,
                Write::Accept(version, pn) => self.self_accepted(cx, version, pn)?,
                Write::Commit(version) => self.note_applied(cx, version)?,
            }
        }
        Ok(())
    }

    /// Does what time demands.
    pub(crate) fn tick(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        match self.term.as_ref().map(|term| (term.rule, term.is_leader())) {
            None => Ok(()),
            Some((Rule::Majority, true)) => self.tick_leading(cx),
            Some((Rule::Majority, false)) => self.tick_following(cx),
            Some((Rule::Stock, true)) => self.tick_lease_leading(cx),
            Some((Rule::Stock, false)) => self.tick_lease_following(cx),
        }
    }

    /// When `tick` is due.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        match self.term.as_ref()?.rule {
            Rule::Majority => self.pulse_deadline(),
            Rule::Stock => self.lease_deadline(),
        }
    }

    /// A message of this term with the fields that all carry.
    fn message(&self, cx: &Cx<'_>, op: PaxosOp) -> Option<MMonPaxos> {
        let mut m = MMonPaxos::new(self.term.as_ref()?.epoch, op);
        m.first_committed = self.log.first();
        m.last_committed = self.log.last();
        m.pn = self.log.accepted_pn();
        m.sent_timestamp = cx.now.wall;
        Some(m)
    }

    /// Sends to the rest of the quorum.
    fn broadcast(&self, cx: &mut Cx<'_>, m: &MMonPaxos, after: Option<WriteId>) {
        for (_, addrs) in self.term.iter().flat_map(Term::others) {
            cx.out.send(addrs, m.clone(), after);
        }
    }

    fn persist(&mut self, cx: &mut Cx<'_>, write: Transaction, what: Write) -> WriteId {
        // Who is removed by a map stops soon, and cannot tell those who stay of it a second time.
        let sync = !matches!(what, Write::Commit(_)) || changes_monmap(&write);
        let id = cx.out.persist(write, sync);
        if sync {
            self.gate = Some(id);
        }
        if matches!(what, Write::Promise(_)) {
            self.promise_gate = Some(id);
        }
        self.writes.push_back((id, what));
        id
    }

    fn bootstrap(&mut self, why: impl Into<String>) {
        self.events.push(PaxosEvent::Bootstrap(why.into()));
    }
}

fn changes_monmap(write: &Transaction) -> bool {
    write.ops().iter().any(|op| matches!(op, Op::Put { prefix, .. } if prefix == "monmap"))
}
