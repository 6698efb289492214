//! From elections to terms: what happens when a quorum forms, shrinks, or loses somebody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::encode::{Decode, Encode};
use mon_types::id::{Rank, Version};
use mon_types::kv::{StoreError, Transaction};
use mon_types::metadata::LastMetadata;

use crate::bug::{self, Bug};
use crate::consensus::{Consensus, Outcome, Role};
use crate::cx::Cx;
use crate::effect::{Halt, Level};
use crate::election::{ElectionEvent, Elector, Scene, Settled};
use crate::paxos::{Rule, Term};
use crate::quorum::QuorumView;

impl Consensus {
    /// Runs an operation of the elector with what it depends on.
    pub(crate) fn with_elector<T>(
        &mut self,
        cx: &mut Cx<'_>,
        run: impl FnOnce(&mut Elector, &mut Cx<'_>, &mut Scene<'_>) -> T,
    ) -> T {
        let lives = self.leader_lives(cx);
        let view = self.view.as_ref().filter(|view| !view.learner);
        let mut scene = Scene {
            identity: &self.identity,
            members: &self.members,
            liveness: &mut self.liveness,
            first: self.paxos.first_committed(),
            last: self.paxos.last_committed(),
            quorum: view.map(|view| &view.members),
            leader: view.map(|view| view.leader),
            leader_lives: lives,
        };
        run(&mut self.elector, cx, &mut scene)
    }

    fn leader_lives(&self, cx: &Cx<'_>) -> bool {
        let Some(view) = &self.view else { return false };
        !self.liveness.is_dead(&view.leader_addrs, cx.now.mono)
            && self.paxos.has_live_leader(cx.now.mono, self.config.leader_silence_max)
    }

    /// Stands for election as soon as the pause after our last start allows.
    pub(crate) fn want_election(&mut self, cx: &mut Cx<'_>) {
        if self.exited || self.marks.must_sync() || self.members.me().is_none() {
            return;
        }
        if cx.now.mono < self.elector.not_before() {
            self.election_wanted = true;
            return;
        }
        self.election_wanted = false;
        self.with_elector(cx, |elector, cx, scene| elector.start(cx, scene));
    }

    pub(crate) fn apply_election(&mut self, cx: &mut Cx<'_>, event: ElectionEvent) -> Result<(), Halt> {
        match event {
            ElectionEvent::Electing => {
                self.leave(cx);
                self.role = Role::Electing;
                Ok(())
            }
            ElectionEvent::StartWanted => {
                self.want_election(cx);
                Ok(())
            }
            ElectionEvent::Failed(why) => self.bootstrap(cx, &format!("the election failed: {why}")),
            ElectionEvent::Settled(settled) => self.settled(cx, settled),
            ElectionEvent::Refused => {
                Err(Halt::FeaturesMissing("a peer refuses us for features of the monmap that we lack".into()))
            }
        }
    }

    fn settled(&mut self, cx: &mut Cx<'_>, settled: Settled) -> Result<(), Halt> {
        let we_lead = Some(settled.leader) == self.members.me();
        cx.out.log(
            Level::Info,
            format!("epoch {}: rank {} leads {:?}", settled.epoch, settled.leader, ranks(&settled.quorum)),
        );
        self.leave(cx);
        self.role = if we_lead { Role::Leader } else { Role::Peon };
        self.election_wanted = false;
        self.joined_before = self.joined;
        self.note_joined(cx);
        self.command_table = settled.command_table.clone();
        let view = QuorumView {
            epoch: settled.epoch,
            leader: settled.leader,
            leader_addrs: self.members.addrs_of(settled.leader).cloned().unwrap_or_default(),
            we_lead,
            learner: false,
            members: settled.quorum.clone(),
            features: settled.features,
            mon_features: settled.mon_features,
            release_min: settled.release_min,
            metadata: settled.metadata,
            all_ours: settled.all_ours,
        };
        let rule = if settled.all_ours { Rule::Majority } else { Rule::Stock };
        let term = self.term(&view, rule, settled.quorum);
        if we_lead {
            let preface = self.preface(cx, &view.metadata)?;
            let hold = self.lease_hold(cx, &term);
            self.paxos.lead(cx, term, preface)?;
            if let Some(until) = hold {
                cx.out.log(Level::Info, "waiting until the leases of those who are missing have ended");
                self.paxos.hold(until);
            }
        } else {
            self.paxos.follow(cx, term);
        }
        self.timecheck.start(cx.now.mono, we_lead);
        self.last_leader = Some(view.leader_addrs.clone());
        self.view = Some(view.clone());
        self.outside_since = None;
        self.review_extra_peers(cx);
        self.outcomes.push(Outcome::QuorumFormed(view));
        self.finish_step_down(cx)
    }

    /// Under the stock rule: until when a member that this quorum lacks may still read what the last one gave it
    /// to read. A peon may for a lease; a stock leader renews its own until it misses acknowledgements. Those
    /// whose processes are gone read nothing.
    fn lease_hold(&self, cx: &Cx<'_>, term: &Term) -> Option<Duration> {
        if term.rule == Rule::Majority || !self.joined_before {
            return None;
        }
        let missing = term.addrs.iter().filter(|(rank, _)| !term.quorum.contains(rank));
        let mut alive =
            missing.map(|(_, addrs)| addrs).filter(|addrs| !self.liveness.is_gone(addrs)).peekable();
        alive.peek()?;
        let led = alive.any(|addrs| self.last_leader.as_ref().is_none_or(|leader| leader == addrs));
        let renewed = if led { self.config.lease_ack_timeout } else { Duration::ZERO };
        Some(cx.now.mono + renewed + self.config.lease)
    }

    pub(crate) fn term(&self, view: &QuorumView, rule: Rule, quorum: BTreeSet<Rank>) -> Term {
        let map = self.members.monmap();
        Term {
            epoch: view.epoch,
            leader: view.leader,
            me: self.members.me(),
            quorum,
            rule,
            addrs: map.by_rank().map(|(rank, info)| (rank, info.addrs.clone())).collect(),
            names: map.by_rank().map(|(rank, info)| (rank, info.name.clone())).collect(),
        }
    }

    /// Being in a quorum once is remembered: it decides whose monmap counts, and what absence from it means.
    fn note_joined(&mut self, cx: &mut Cx<'_>) {
        if !self.joined {
            self.joined = true;
            let mut write = Transaction::new();
            write.put_u64("monitor", "joined", 1);
            cx.out.persist(write, false);
        }
    }

    /// What members told of themselves belongs into the first value of the term, if it is news.
    fn preface(
        &self,
        cx: &Cx<'_>,
        told: &BTreeMap<Rank, BTreeMap<String, String>>,
    ) -> Result<Option<Transaction>, Halt> {
        const KEY: (&str, &str) = ("monitor_store", "last_metadata");
        let stored = match cx.store.read(KEY.0, KEY.1)? {
            Some(bytes) => {
                LastMetadata::from_bytes(&bytes).map_err(|e| StoreError::undecodable(KEY.0, KEY.1, &e))?
            }
            None => LastMetadata::default(),
        };
        let mut all = stored.clone();
        all.0.extend(told.iter().map(|(rank, metadata)| (rank.0 as i32, metadata.clone())));
        all.0.retain(|rank, _| usize::try_from(*rank).is_ok_and(|rank| rank < self.members.size()));
        Ok((all != stored).then(|| {
            let mut preface = Transaction::new();
            preface.put(KEY.0, KEY.1, all.to_bytes());
            preface
        }))
    }

    /// A leader with news of its members and nothing else to propose writes them by themselves.
    pub(crate) fn tick_preface(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        if !self.can_propose() || !self.paxos.has_preface() || self.paxos.last_committed() == Version(0) {
            return Ok(());
        }
        let since = *self.active_since.get_or_insert(cx.now.mono);
        if cx.now.mono >= since + self.config.leader_silence_max {
            self.paxos.propose(cx, Transaction::new())?;
        }
        Ok(())
    }

    pub(crate) fn preface_deadline(&self) -> Option<Duration> {
        let wait = self.can_propose() && self.paxos.has_preface() && self.paxos.last_committed() > Version(0);
        wait.then(|| self.active_since.map_or(Duration::ZERO, |since| since + self.config.leader_silence_max))
    }

    /// A peer's process is gone, or cannot be reached.
    pub(crate) fn lost_peer(&mut self, cx: &mut Cx<'_>, peer: &AddrVec) -> Result<(), Halt> {
        self.liveness.down(peer, cx.now.mono);
        if self.sync.is_some() {
            return self.sync_provider_lost(cx, peer);
        }
        if self.following.as_ref() == Some(peer) {
            return self.bootstrap(cx, "the leader that we follow is gone");
        }
        let rank = self.members.rank_of(peer);
        match (self.role, rank) {
            (Role::Peon, Some(rank)) if self.leader() == Some(rank) => {
                self.leader_lost(cx, "its connection closed")
            }
            (Role::Leader, Some(rank)) => self.peon_lost(cx, rank),
            (Role::Electing, _) => {
                // One less to wait for.
                self.with_elector(cx, |elector, cx, scene| elector.tick(cx, scene));
                Ok(())
            }
            (Role::Probing | Role::Synchronizing | Role::Peon | Role::Learner | Role::Leader, _) => Ok(()),
        }
    }

    /// We were in its quorum a moment ago, so we are not behind: elect at once.
    pub(crate) fn leader_lost(&mut self, cx: &mut Cx<'_>, why: &str) -> Result<(), Halt> {
        if self.role != Role::Peon {
            return self.bootstrap(cx, why);
        }
        if let Some(view) = &self.view {
            self.liveness.suspect(&view.leader_addrs);
        }
        cx.out.log(Level::Warn, format!("leader lost: {why}"));
        self.bootstrap_to_election(cx)
    }

    fn bootstrap_to_election(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        if self.exited || cx.now.mono < self.elector.not_before() {
            return self.bootstrap(cx, "the last election was a moment ago");
        }
        self.want_election(cx);
        Ok(())
    }

    /// A leader of ours goes on without a peon while enough are left; any other must elect anew.
    pub(crate) fn peon_lost(&mut self, cx: &mut Cx<'_>, rank: Rank) -> Result<(), Halt> {
        let Some(view) = self.view.as_ref().filter(|view| view.we_lead && view.members.contains(&rank))
        else {
            return Ok(());
        };
        if let Some(addrs) = self.members.addrs_of(rank) {
            self.liveness.suspect(addrs);
        }
        let mut left = view.members.clone();
        left.remove(&rank);
        if left.len() < self.members.majority() && !bug::is_on(Bug::QuorumShrinksTooFar) {
            return self.bootstrap(cx, &format!("rank {rank} is gone, and too few are left"));
        }
        cx.out.log(Level::Warn, format!("rank {rank} is gone"));
        if !view.all_ours {
            return self.bootstrap_to_election(cx);
        }
        self.paxos.remove_peon(cx, rank);
        self.change_view(left);
        Ok(())
    }

    pub(crate) fn change_view(&mut self, members: BTreeSet<Rank>) {
        if let Some(view) = &mut self.view
            && view.members != members
        {
            view.members = members;
            self.outcomes.push(Outcome::QuorumChanged(view.clone()));
        }
    }
}

fn ranks(quorum: &BTreeSet<Rank>) -> Vec<u32> {
    quorum.iter().map(|rank| rank.0).collect()
}
