//! The half of the core that agrees: it finds the other monitors, elects a leader with them, and agrees on a
//! sequence of store transactions. What the transactions mean it does not know, but for the monmap.
//!
//! ```text
//!              +-----------> synchronizing --.
//!  start --> probing <----------------------'
//!              |  ^
//!     majority |  | election failed, leader or majority lost, monmap changed
//!              v  |
//!           electing ---> leader | peon            (learner: probing ---> learner)
//! ```

mod bootstrap;
mod learner;
mod leaving;
mod membership;
mod ping;
mod quorum;
mod route;
mod step_down;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::connection_tracker::ConnectionTracker;
use mon_types::id::{Epoch, Fsid, Rank, Version};
use mon_types::kv::{KvRead, Transaction};
use mon_types::monmap::MonMap;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use crate::config::Config;
use crate::cx::Cx;
use crate::effect::{Halt, WriteId};
use crate::election::Elector;
use crate::identity::Identity;
use crate::members::Members;
use crate::paxos::{Paxos, PaxosEvent};
use crate::peer_liveness::Liveness;
use crate::probe::Probe;
use crate::quorum::{Order, QuorumView, ReadId};
use crate::sync::{Provider, Requester, SyncMarks, SyncOrder};
use crate::timecheck::{ClockReport, Timecheck};

pub use crate::role::Role;
pub(crate) use leaving::Leaving;
pub(crate) use step_down::{Stepping, Then};

/// What the consensus tells the services.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A quorum stands and we are in it, or follow it. Reads and proposals may follow.
    QuorumFormed(QuorumView),
    /// The same quorum goes on without a member that died; nothing in flight is lost.
    QuorumChanged(QuorumView),
    /// It has ended. What was proposed may or may not be chosen later; reads that were asked for are dropped.
    QuorumLost,
    /// The store view shows all values up to this one.
    Committed {
        /// The newest.
        version: Version,
    },
    /// A sync has replaced the store's content.
    StoreReplaced,
    /// The store view is at least as new as everything that was acknowledged before the read was asked for.
    ReadReady(ReadId),
}

/// The agreeing half of a monitor.
#[derive(Debug, Clone)]
pub struct Consensus {
    pub(crate) config: Config,
    pub(crate) identity: Identity,
    pub(crate) members: Members,
    /// Whether the map came from the cluster rather than from mkfs.
    pub(crate) map_is_ours_to_keep: bool,
    pub(crate) learners: BTreeMap<String, AddrVec>,
    /// Whether we have ever been in a quorum.
    pub(crate) joined: bool,
    /// Whether we had been before this quorum: whether leases of another can be about.
    pub(crate) joined_before: bool,
    /// Who led the last quorum that we were in, since we started.
    pub(crate) last_leader: Option<AddrVec>,
    pub(crate) role: Role,
    pub(crate) paxos: Paxos,
    pub(crate) elector: Elector,
    pub(crate) liveness: Liveness,
    pub(crate) probe: Probe,
    pub(crate) sync: Option<Requester>,
    pub(crate) provider: Provider,
    pub(crate) marks: SyncMarks,
    pub(crate) order: SyncOrder,
    pub(crate) timecheck: Timecheck,
    pub(crate) view: Option<QuorumView>,
    /// Learner: whom we follow.
    pub(crate) following: Option<AddrVec>,
    /// Peers outside of the map: hints, joiners.
    pub(crate) extra_peers: BTreeSet<AddrVec>,
    /// Monitors of other clusters that were told of.
    pub(crate) foreigners: BTreeSet<(AddrVec, Fsid)>,
    /// An election that we want to start as soon as the pause after the last one allows.
    pub(crate) election_wanted: bool,
    pub(crate) stepping: Option<Stepping>,
    /// The map holds us no more.
    pub(crate) leaving: Option<Leaving>,
    /// Since when we are in no quorum, none while we are in one.
    pub(crate) outside_since: Option<Duration>,
    /// Told to stay out.
    pub(crate) exited: bool,
    pub(crate) next_ping: Duration,
    pub(crate) active_since: Option<Duration>,
    pub(crate) command_table: Bytes,
    pub(crate) reads: u64,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Consensus {
    /// A monitor's consensus over what its store holds.
    ///
    /// # Errors
    /// When the store contradicts itself, or the map demands a newer release.
    pub fn new(identity: Identity, config: Config, seed: [u8; 32], store: &dyn KvRead) -> Result<Self, Halt> {
        let marks = SyncMarks::load(store)?;
        let (monmap, known) = membership::load_monmap(&identity, &marks, store)?;
        // A store that a sync left half filled has nothing to say.
        let paxos = if marks.in_sync {
            Paxos::blank(config.clone(), store)?
        } else {
            Paxos::load(config.clone(), store)?
        };
        let mut elector = Elector::load(config.clone(), ChaCha12Rng::from_seed(seed), store)?;
        let members = Members::new(monmap, &identity);
        elector.scores.set_ranks(members.me(), members.size(), false);
        let consensus = Self {
            extra_peers: identity.extra_probe_peers.iter().cloned().collect(),
            foreigners: BTreeSet::new(),
            liveness: Liveness::new(config.ping_silence_max),
            probe: Probe::default(),
            sync: None,
            provider: Provider::default(),
            order: SyncOrder::default(),
            timecheck: Timecheck::default(),
            map_is_ours_to_keep: known,
            learners: BTreeMap::new(),
            joined: store.read("monitor", "joined")?.is_some(),
            joined_before: false,
            last_leader: None,
            role: Role::Probing,
            view: None,
            following: None,
            election_wanted: false,
            stepping: None,
            leaving: None,
            outside_since: None,
            exited: false,
            next_ping: Duration::ZERO,
            active_since: None,
            command_table: identity.command_table.clone(),
            reads: 0,
            outcomes: Vec::new(),
            config,
            identity,
            members,
            marks,
            paxos,
            elector,
        };
        membership::check_release(&consensus.identity, consensus.members.monmap())?;
        Ok(consensus)
    }

    /// Begins; the daemon is listening.
    ///
    /// # Errors
    /// When we must stop.
    pub fn start(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        self.outside_since = Some(cx.now.mono);
        let is_learner = self.learners.contains_key(&self.identity.name);
        if self.joined && self.map_is_ours_to_keep && self.members.me().is_none() && !is_learner {
            self.begin_to_leave(cx, "the newest monmap in our store");
        }
        self.publish_peers(cx, true);
        self.bootstrap(cx, "started")
    }

    /// What has happened since it was last asked, in order.
    pub fn take_outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// Whether the services may propose a value now: we lead and nothing is in flight.
    #[must_use]
    pub fn can_propose(&self) -> bool {
        self.role == Role::Leader && self.stepping.is_none() && self.paxos.can_propose()
    }

    /// Proposes changes as the next value; [`Outcome::Committed`] follows, or [`Outcome::QuorumLost`].
    ///
    /// # Errors
    /// When called while [`Consensus::can_propose`] is false.
    pub fn propose(&mut self, cx: &mut Cx<'_>, changes: Transaction) -> Result<(), Halt> {
        self.paxos.propose(cx, changes)?;
        self.settle(cx)
    }

    /// Asks for a current view of the store. [`Outcome::ReadReady`] follows, perhaps at once; the read is
    /// dropped with [`Outcome::QuorumLost`], and never answered while there is no quorum.
    ///
    /// # Errors
    /// When we must stop.
    pub fn request_read(&mut self, cx: &mut Cx<'_>) -> Result<ReadId, Halt> {
        self.reads += 1;
        let id = ReadId(self.reads);
        self.paxos.request_read(cx, id);
        self.settle(cx)?;
        Ok(id)
    }

    /// Writes up to `id` are in the store.
    ///
    /// # Errors
    /// When we must stop.
    pub fn persisted(&mut self, cx: &mut Cx<'_>, id: WriteId) -> Result<(), Halt> {
        self.paxos.persisted(cx, id)?;
        self.sync_persisted(cx, id)?;
        self.settle(cx)
    }

    /// Time has passed.
    ///
    /// # Errors
    /// When we must stop.
    pub fn deadline(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        self.tick_ping(cx);
        self.tick_step_down(cx)?;
        self.tick_learner(cx);
        self.paxos.tick(cx)?;
        self.with_elector(cx, |elector, cx, scene| elector.tick(cx, scene));
        self.tick_timecheck(cx);
        self.tick_sync(cx)?;
        self.settle(cx)?;
        self.tick_sync_order(cx);
        self.tick_leaving(cx)?;
        self.tick_survivor(cx)?;
        self.tick_probe(cx)?;
        self.tick_preface(cx)?;
        self.settle(cx)
    }

    /// When [`Consensus::deadline`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        [
            self.paxos.next_deadline(),
            self.elector.next_deadline(),
            self.election_wanted.then(|| self.elector.not_before()),
            self.probe_deadline(),
            self.sync_deadline(),
            self.step_down_deadline(),
            self.leaving_deadline(),
            self.survivor_deadline(),
            self.timecheck_deadline(),
            self.preface_deadline(),
            (self.members.others().next().is_some()
                || self.role == Role::Learner
                || !self.extra_peers.is_empty())
            .then_some(self.next_ping),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Carries out what a command asked for.
    ///
    /// # Errors
    /// When we must stop.
    pub fn obey(&mut self, cx: &mut Cx<'_>, order: Order) -> Result<(), Halt> {
        match order {
            Order::StepDown => self.step_down(cx, Then::TakePart)?,
            Order::QuorumExit => self.step_down(cx, Then::StayOut)?,
            Order::QuorumEnter => {
                self.forget_exit();
                // Whoever is not out would only lose the quorum that it is in.
                if std::mem::take(&mut self.exited) {
                    self.bootstrap(cx, "told to enter the quorum")?;
                }
            }
            Order::SyncForce => {
                let mut write = Transaction::new();
                SyncMarks::put_force(&mut write);
                cx.out.persist(write, true);
            }
            Order::AddPeerHint(addrs) => {
                if addrs != self.identity.addrs && self.extra_peers.insert(addrs) {
                    self.publish_peers(cx, false);
                }
            }
            Order::ResetConnectionScores => self.elector.scores.reset(),
        }
        self.settle(cx)
    }

    /// Hands leadership over if we have it, then stops.
    ///
    /// # Errors
    /// [`Halt::Terminated`], now or from a later call.
    pub fn terminate(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        self.step_down(cx, Then::Terminate)?;
        self.settle(cx)
    }

    /// What we are to the quorum.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The quorum as it stands; none when we are in none.
    #[must_use]
    pub fn view(&self) -> Option<&QuorumView> {
        self.view.as_ref()
    }

    /// The leader of our quorum.
    #[must_use]
    pub fn leader(&self) -> Option<Rank> {
        self.view.as_ref().map(|view| view.leader)
    }

    /// The election epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        match &self.view {
            Some(view) if view.learner => view.epoch,
            _ => self.elector.epoch(),
        }
    }

    /// Our rank; none when the monmap does not hold us.
    #[must_use]
    pub fn rank(&self) -> Option<Rank> {
        self.members.me()
    }

    /// The monmap that we go by; may be newer than the store's while we are catching up.
    #[must_use]
    pub fn monmap(&self) -> &MonMap {
        self.members.monmap()
    }

    /// The oldest value that we keep.
    #[must_use]
    pub fn first_committed(&self) -> Version {
        self.paxos.first_committed()
    }

    /// The newest value that we know to be chosen; the store view may lag a moment behind.
    #[must_use]
    pub fn last_committed(&self) -> Version {
        self.paxos.last_committed()
    }

    /// Ceph's word for what Paxos is doing.
    #[must_use]
    pub fn paxos_state(&self) -> &'static str {
        self.paxos.state_name()
    }

    /// While probing: the members of the monmap that were found, us included.
    #[must_use]
    pub fn outside_quorum(&self) -> BTreeSet<String> {
        self.probe.found_names(&self.members)
    }

    /// How well the members reach each other, by which elections may go.
    pub(crate) fn connection_scores(&self) -> &ConnectionTracker {
        self.elector.scores.tracker()
    }

    /// While synchronizing: where from, and how far it is (versions reached and known).
    #[must_use]
    pub fn sync_progress(&self) -> Option<(&AddrVec, Version)> {
        self.sync.as_ref().map(|sync| (sync.provider(), sync.reached()))
    }

    /// The clocks of the quorum, as the leader last compared them.
    #[must_use]
    pub fn clock_report(&self) -> &ClockReport {
        self.timecheck.report()
    }

    /// Who follows without a vote, by the store.
    #[must_use]
    pub fn learners(&self) -> &BTreeMap<String, AddrVec> {
        &self.learners
    }

    /// Learners that follow us (when we lead), with what they have.
    pub fn following_learners(&self) -> impl Iterator<Item = (&str, Version)> {
        self.paxos.learners()
    }

    /// The command table of the leader, encoded; ours while there is none.
    #[must_use]
    pub fn leader_command_table(&self) -> &Bytes {
        &self.command_table
    }

    /// Whether we were told to stay out of the quorum, and left it.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        self.exited
    }

    /// Whether we have ever been in a quorum.
    #[must_use]
    pub fn has_ever_joined(&self) -> bool {
        self.joined
    }

    /// Carries events between the parts until none has more.
    fn settle(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        loop {
            let paxos = self.paxos.take_events();
            let election = self.elector.take_events();
            if paxos.is_empty() && election.is_empty() {
                return Ok(());
            }
            for event in paxos {
                self.apply_paxos(cx, event)?;
            }
            for event in election {
                self.apply_election(cx, event)?;
            }
        }
    }

    fn apply_paxos(&mut self, cx: &mut Cx<'_>, event: PaxosEvent) -> Result<(), Halt> {
        match event {
            PaxosEvent::Committed(version) => {
                self.outcomes.push(Outcome::Committed { version });
                self.continue_step_down(cx)
            }
            PaxosEvent::ReadReady(id) => {
                self.outcomes.push(Outcome::ReadReady(id));
                Ok(())
            }
            // What ended a term may be followed by more of the same term's events.
            PaxosEvent::Bootstrap(_) | PaxosEvent::LeaderSilent | PaxosEvent::CountedOut
                if self.view.is_none() =>
            {
                Ok(())
            }
            PaxosEvent::Bootstrap(why) => self.bootstrap(cx, &why),
            PaxosEvent::CountedOut => self.bootstrap(cx, "the leader goes on without us"),
            PaxosEvent::LeaderSilent => self.leader_lost(cx, "the leader is silent"),
            PaxosEvent::PeonSilent(rank) => self.peon_lost(cx, rank),
            PaxosEvent::QuorumIs(quorum) => {
                self.paxos.set_quorum(quorum.clone());
                self.change_view(quorum);
                Ok(())
            }
        }
    }
}
