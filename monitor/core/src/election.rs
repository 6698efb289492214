//! Elections: who leads, and who is in the quorum.
//!
//! ```text
//!            start                      PROPOSE of a better one
//!  stable ----------> candidate ----------------------------> deferred
//!  (even)             (odd)   \  acks settle it                 |  VICTORY
//!    ^                         `--> won: epoch + 1, VICTORY     |
//!    `------------------------------------'---------------------'
//! ```
//!
//! The epoch is odd while an election runs and even while a quorum stands; it is on disk before anything that
//! was said in it leaves. A member of ours acknowledges one candidate per epoch: when a better one comes, it
//! moves the election to the next epoch instead, so that no epoch has two leaders among our own.
//!
//! An election ends when nothing can change it: every member acknowledged or is known to be dead. Against
//! storms: each start by the same member waits for a random time that doubles until a quorum has stood for
//! a while; members that are too far behind do not stand; peons that hear their leader ignore other peons'
//! proposals.

pub(crate) mod classic;
pub(crate) mod connectivity;
mod mark;
mod propose;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::encode::{Decode, Encode};
use mon_types::features::{Features, MonFeatures};
use mon_types::id::{Epoch, Rank, Version};
use mon_types::kv::{KvRead, StoreError, Transaction};
use mon_types::message::{ElectionOp, MMonElection};
use mon_types::monmap::ElectionStrategy;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;

use crate::bug::{self, Bug};
use crate::config::Config;
use crate::cx::Cx;
use crate::effect::WriteId;
use crate::identity::Identity;
use crate::members::Members;
use crate::peer_liveness::Liveness;

use classic::Claim;
use connectivity::Scores;
pub(crate) use mark::Mark;

/// Where the epoch and the scores are stored.
const PREFIX: &str = "monitor";
const EPOCH_KEY: &str = "election_epoch";
const SCORES_KEY: &str = "connectivity_scores";

/// What a proposal makes us do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Nothing.
    Ignore,
    /// Acknowledge it.
    Defer,
    /// Stand ourselves, as the better one.
    Counter,
    /// Our views differ: try again in a new epoch.
    NewRound,
}

/// What the elector tells the consensus around it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ElectionEvent {
    /// An election runs: whatever quorum there was has ended.
    Electing,
    /// Somebody is back, or the scores demand it: a member of the quorum must start an election.
    StartWanted,
    /// It led to nothing: find out who is there.
    Failed(String),
    /// A quorum stands.
    Settled(Settled),
    /// The other side demands features that we lack.
    Refused,
}

/// The outcome of an election.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settled {
    pub(crate) epoch: Epoch,
    pub(crate) leader: Rank,
    pub(crate) quorum: BTreeSet<Rank>,
    pub(crate) features: Features,
    pub(crate) mon_features: MonFeatures,
    /// The oldest release in it, 0 when unknown.
    pub(crate) release_min: u8,
    /// What each member told of itself; only the leader knows.
    pub(crate) metadata: BTreeMap<Rank, BTreeMap<String, String>>,
    pub(crate) all_ours: bool,
    /// The leader's command table, when it is not us.
    pub(crate) command_table: Bytes,
}

/// What an election depends on but does not own.
pub(crate) struct Scene<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) members: &'a Members,
    pub(crate) liveness: &'a mut Liveness,
    /// Our log.
    pub(crate) first: Version,
    pub(crate) last: Version,
    /// The quorum that stands, if one does, its leader, and whether that was heard lately.
    pub(crate) quorum: Option<&'a BTreeSet<Rank>>,
    pub(crate) leader: Option<Rank>,
    pub(crate) leader_lives: bool,
}

impl Scene<'_> {
    fn me(&self) -> Option<Rank> {
        self.members.me()
    }

    fn strategy(&self) -> ElectionStrategy {
        self.members.monmap().strategy
    }

    /// Whether we no longer keep what comes after this.
    fn has_trimmed_past(&self, last: Version) -> bool {
        self.first.0 > 1 && self.first > last.next()
    }
}

/// The state of elections at one member.
#[derive(Debug, Clone)]
pub(crate) struct Elector {
    config: Config,
    rng: ChaCha12Rng,
    epoch: Epoch,
    /// Whether the epoch was never written: a fresh store has none, and an odd one that is left behind is not.
    unwritten: bool,
    /// The write of the current epoch: what is said in it waits for this.
    gate: Option<WriteId>,
    /// We stand, with who acknowledged so far.
    candidacy: Option<Candidacy>,
    /// We acknowledged this one and wait for its victory.
    deferred: Option<Deferred>,
    /// Our acknowledgement in this epoch; it binds us until the next. By address: a rank can change hands with the
    /// monmap in the midst of an election.
    voted: Option<(Epoch, AddrVec)>,
    /// Starts since a quorum last stood for a while, when the next may be, and since when one stands.
    starts: u32,
    not_before: Duration,
    settled_at: Option<Duration>,
    abstain_until: Duration,
    /// Whom a leader that steps down has named: the proposal that peons expect.
    successor: Option<Rank>,
    pub(crate) scores: Scores,
    events: Vec<ElectionEvent>,
}

#[derive(Debug, Clone)]
struct Candidacy {
    voters: BTreeMap<Rank, Voter>,
    /// Who must sync first, and does not vote.
    behind: BTreeSet<Rank>,
    until: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Deferred {
    to: Rank,
    until: Duration,
}

/// What an acknowledgement told.
#[derive(Debug, Clone)]
struct Voter {
    features: Features,
    mon_features: MonFeatures,
    release: u8,
    metadata: BTreeMap<String, String>,
    ours: bool,
}

impl Elector {
    /// Reads the epoch. One that is odd belongs to an election that we left by stopping: what we said in it
    /// must not be said differently, so it is over for us.
    pub(crate) fn load(config: Config, rng: ChaCha12Rng, store: &dyn KvRead) -> Result<Self, StoreError> {
        let epoch = match store.read_u64(PREFIX, EPOCH_KEY)? {
            None => Epoch(1),
            Some(stored) => {
                let epoch = Epoch(u32::try_from(stored).unwrap_or(u32::MAX - 1));
                if epoch.is_electing() { epoch.next() } else { epoch }
            }
        };
        let scores = store.read(PREFIX, SCORES_KEY)?;
        // Scores are a hint: unreadable ones are begun anew.
        let scores = scores.and_then(|bytes| Decode::from_bytes(&bytes).ok());
        let half_life_s = config.connection_score_halflife;
        Ok(Self {
            config,
            rng,
            epoch,
            unwritten: true,
            gate: None,
            candidacy: None,
            deferred: None,
            voted: None,
            starts: 0,
            not_before: Duration::ZERO,
            settled_at: None,
            abstain_until: Duration::ZERO,
            successor: None,
            scores: Scores::new(scores, half_life_s),
            events: Vec::new(),
        })
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn take_events(&mut self) -> Vec<ElectionEvent> {
        std::mem::take(&mut self.events)
    }

    /// When a start is allowed again.
    pub(crate) fn not_before(&self) -> Duration {
        self.not_before
    }

    /// Leaves the place to others for a while.
    pub(crate) fn abstain(&mut self, now: Duration) {
        self.abstain_until = now + self.config.step_down_abstain;
    }

    /// The leader has named who is to stand next.
    pub(crate) fn expect(&mut self, successor: Rank) {
        self.successor = Some(successor);
    }

    /// Gives up whatever we did in the running election; what was said stays binding.
    pub(crate) fn withdraw(&mut self) {
        self.candidacy = None;
        self.deferred = None;
    }

    /// Moves a monitor that is alone to an epoch of its own.
    pub(crate) fn win_alone(&mut self, cx: &mut Cx<'_>, scene: &Scene<'_>) {
        let next = if self.epoch.is_electing() { self.epoch.next() } else { self.epoch.next().next() };
        self.set_epoch(cx, next);
        let Some(me) = scene.me() else { return };
        self.candidacy = Some(Candidacy {
            voters: [(me, self.own_vote(scene))].into(),
            behind: BTreeSet::new(),
            until: cx.now.mono,
        });
        self.settle_won(cx, scene);
    }

    /// Does what time and the death of peers demand.
    pub(crate) fn tick(&mut self, cx: &mut Cx<'_>, scene: &mut Scene<'_>) {
        let now = cx.now.mono;
        if self.candidacy.is_some() {
            self.maybe_won(cx, scene);
        }
        if let Some(candidacy) = &self.candidacy
            && now >= candidacy.until
        {
            let count = candidacy.voters.len();
            self.fail(format!("{count} of {} monitors acknowledged us", scene.members.size()));
        }
        if let Some(deferred) = self.deferred {
            let dead =
                scene.members.addrs_of(deferred.to).is_none_or(|addrs| scene.liveness.is_dead(addrs, now));
            if dead || now >= deferred.until {
                self.fail(format!("no victory came from rank {}", deferred.to));
            }
        }
    }

    /// When `tick` is due.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let candidacy = self.candidacy.as_ref().map(|c| c.until);
        candidacy.into_iter().chain(self.deferred.map(|d| d.until)).min()
    }

    /// The scores have changed enough to be stored, or the process ends.
    pub(crate) fn store_scores(&mut self, cx: &mut Cx<'_>) {
        if self.scores.take_unstored(self.config.connection_score_persist_interval * 10) {
            let mut write = Transaction::new();
            write.put(PREFIX, SCORES_KEY, self.scores.tracker().to_bytes());
            cx.out.persist(write, false);
        }
    }

    fn fail(&mut self, why: String) {
        self.withdraw();
        self.events.push(ElectionEvent::Failed(why));
    }

    fn set_epoch(&mut self, cx: &mut Cx<'_>, epoch: Epoch) {
        self.epoch = epoch;
        self.unwritten = false;
        self.scores.set_epoch(epoch);
        let mut write = Transaction::new();
        if !bug::is_on(Bug::EpochNotStored) {
            write.put_u64(PREFIX, EPOCH_KEY, u64::from(epoch.0));
        }
        self.gate = Some(cx.out.persist(write, true));
    }

    /// A random pause before the next start of ours, longer with each.
    fn back_off(&mut self, now: Duration) {
        let (shortest, longest) = self.config.election_backoff;
        if self.settled_at.take().is_some_and(|since| now >= since + STANDS) {
            self.starts = 0;
        }
        let doubled = shortest.saturating_mul(1 << self.starts.min(16)).min(longest);
        let pause = doubled.mul_f64(self.rng.random_range(0.5..1.0));
        self.starts += 1;
        self.not_before = now + pause;
    }

    fn message(&self, scene: &Scene<'_>, op: ElectionOp) -> MMonElection {
        let mut m = MMonElection::new(scene.identity.fsid, op, self.epoch);
        m.monmap = scene.members.monmap().to_bytes();
        m.quorum_features = scene.identity.features.0;
        m.mon_features = scene.identity.mon_features;
        m.mon_release = scene.identity.release as u8;
        m.scoring = self.scores.tracker().to_bytes();
        m.strategy = scene.strategy() as u8;
        m.metadata = scene.identity.metadata.clone();
        self.put_mark(scene, &mut m, false);
        m
    }

    fn put_mark(&self, scene: &Scene<'_>, m: &mut MMonElection, all_ours: bool) {
        if !self.config.stock_rule {
            Mark { first: scene.first, last: scene.last, all_ours }.put(&mut m.metadata);
        }
    }

    fn claim(&self, scene: &Scene<'_>, rank: Rank, now: Duration) -> Claim {
        let abstains = Some(rank) == scene.me() && now < self.abstain_until;
        Claim { withheld: abstains || !may_lead(scene, rank), rank }
    }

    fn own_vote(&self, scene: &Scene<'_>) -> Voter {
        Voter {
            features: scene.identity.features,
            mon_features: scene.identity.mon_features,
            release: scene.identity.release as u8,
            metadata: scene.identity.metadata.clone(),
            ours: !self.config.stock_rule,
        }
    }
}

/// How long a quorum must have stood for the pauses to start over.
const STANDS: Duration = Duration::from_secs(5);

fn may_lead(scene: &Scene<'_>, rank: Rank) -> bool {
    let map = scene.members.monmap();
    match map.strategy {
        ElectionStrategy::Classic => true,
        ElectionStrategy::Disallow | ElectionStrategy::Connectivity => {
            map.name_of(rank).is_some_and(|name| !map.disallowed_leaders.contains(name))
        }
    }
}

fn send(cx: &mut Cx<'_>, to: &AddrVec, m: MMonElection, after: Option<WriteId>) {
    cx.out.send(to, m, after);
}
