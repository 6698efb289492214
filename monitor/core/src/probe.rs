//! Probing: who is there, which of us is behind, and whether a quorum stands already.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::encode::{Decode, Encode};
use mon_types::id::{MapEpoch, Rank, Version};
use mon_types::message::{MMonElection, MMonJoin, MMonProbe, ProbeOp};
use mon_types::monmap::MonMap;

use crate::bug::{self, Bug};
use crate::consensus::{Consensus, Role};
use crate::cx::Cx;
use crate::effect::{Halt, Level};
use crate::election::Mark;
use crate::members::Members;
use crate::sync::Kind;

/// What probing has found since the last bootstrap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probe {
    /// Members without a quorum that answered, with what they have.
    found: BTreeMap<Rank, (Version, Version)>,
    /// Whom we asked back since we last asked everybody: two that probe must not keep each other busy.
    asked: BTreeSet<AddrVec>,
    /// Everybody who answered and from whom we need not sync first.
    level: BTreeSet<Rank>,
    next: Duration,
    joined_at: Option<Duration>,
    /// What was committed when a quorum first answered us.
    first_seen: Option<Version>,
    pub(crate) followed_at: Option<Duration>,
}

/// Strangers that probe us are probed back, up to this many.
const EXTRA_PEERS_MAX: usize = 32;
/// How often we ask to be put into the monmap.
const JOIN_INTERVAL: Duration = Duration::from_secs(2);

impl Probe {
    pub(crate) fn reset(&mut self) {
        self.found.clear();
        self.level.clear();
    }

    pub(crate) fn found_names(&self, members: &Members) -> BTreeSet<String> {
        let ranks = self.found.keys().copied().chain(members.me());
        ranks.filter_map(|rank| members.monmap().name_of(rank).map(str::to_owned)).collect()
    }
}

impl Consensus {
    /// Asks everybody that we know of.
    pub(crate) fn send_probes(&mut self, cx: &mut Cx<'_>) {
        self.probe.next = cx.now.mono + self.config.probe_interval;
        self.probe.asked.clear();
        let mut peers: Vec<AddrVec> = self.members.others().map(|(_, info)| info.addrs.clone()).collect();
        peers.extend(self.extra_peers.iter().cloned());
        for peer in peers {
            if peer != self.identity.addrs && !peer.is_blank() && self.liveness.may_knock(&peer) {
                self.send_probe(cx, &peer);
            }
        }
    }

    pub(crate) fn send_probe(&mut self, cx: &mut Cx<'_>, to: &AddrVec) {
        let m = self.probe_message(ProbeOp::Probe);
        cx.out.send(to, m, None);
    }

    fn probe_message(&self, op: ProbeOp) -> MMonProbe {
        let mut m = MMonProbe::new(self.identity.fsid, op, self.identity.name.clone());
        m.has_ever_joined = self.joined;
        m.mon_release = self.identity.release as u8;
        m.required_features = self.required_features().0;
        m.paxos_first_version = self.paxos.first_committed();
        m.paxos_last_version = self.paxos.last_committed();
        m
    }

    pub(crate) fn send_probe_reply(&self, cx: &mut Cx<'_>, to: &AddrVec) {
        let mut m = self.probe_message(ProbeOp::Reply);
        m.monmap = self.members.monmap().to_bytes();
        if let Some(view) = self.view.as_ref().filter(|view| !view.learner) {
            m.quorum = view.members.clone();
            m.leader = Some(view.leader);
        }
        cx.out.send(to, m, None);
    }

    fn required_features(&self) -> mon_types::features::Features {
        mon_types::features::Features::required_in_quorum(self.members.monmap().persistent_features)
    }

    pub(crate) fn tick_probe(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        if self.election_wanted && cx.now.mono >= self.elector.not_before() {
            self.election_wanted = false;
            match self.role {
                Role::Probing => self.maybe_elect(cx),
                Role::Leader | Role::Peon | Role::Electing => self.want_election(cx),
                Role::Synchronizing | Role::Learner => {}
            }
        }
        if self.probe_deadline().is_some_and(|due| cx.now.mono >= due) {
            self.send_probes(cx);
        }
        Ok(())
    }

    pub(crate) fn probe_deadline(&self) -> Option<Duration> {
        let peers = self.members.others().next().is_some() || !self.extra_peers.is_empty();
        (self.role == Role::Probing && peers).then_some(self.probe.next)
    }

    pub(crate) fn handle_probe(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: MMonProbe) -> Result<(), Halt> {
        if m.fsid != self.identity.fsid {
            self.note_foreigner(cx, from, &format!("mon.{}", m.name), m.fsid);
            return Ok(());
        }
        match m.op {
            ProbeOp::Probe => self.handle_probe_question(cx, from, &m),
            ProbeOp::Reply => self.handle_probe_reply(cx, from, &m),
            ProbeOp::MissingFeatures => {
                let features = mon_types::features::Features(m.required_features);
                cx.out.log(
                    Level::Error,
                    format!(
                        "mon.{} refuses us: its cluster requires release {} and features {}",
                        m.name,
                        m.mon_release,
                        features.without(self.identity.features)
                    ),
                );
                Ok(())
            }
        }
    }

    fn handle_probe_question(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &MMonProbe) -> Result<(), Halt> {
        let release_min = self.members.monmap().min_mon_release.0;
        if m.mon_release != 0 && m.mon_release < release_min {
            let mut refusal = self.probe_message(ProbeOp::MissingFeatures);
            refusal.mon_release = release_min;
            cx.out.send(from, refusal, None);
            return Ok(());
        }
        if self.members.rank_of(from).is_none()
            && *from != self.identity.addrs
            && self.extra_peers.len() < EXTRA_PEERS_MAX
            && self.extra_peers.insert(from.clone())
        {
            self.publish_peers(cx, false);
        }
        self.send_probe_reply(cx, from);
        let behind = m.paxos_first_version > self.paxos.last_committed().next();
        match self.role {
            Role::Leader | Role::Peon | Role::Electing if behind => {
                self.bootstrap(cx, &format!("mon.{} no longer keeps what we lack", m.name))
            }
            // It may have been away while we asked.
            Role::Probing
                if !self.probe.found.contains_key(&self.rank_or_none(from))
                    && self.probe.asked.insert(from.clone()) =>
            {
                self.send_probe(cx, from);
                Ok(())
            }
            Role::Electing => {
                if let Some(rank) = self.members.rank_of(from) {
                    let last = m.paxos_last_version;
                    self.with_elector(cx, |elector, cx, scene| elector.note_log_of(cx, scene, rank, last));
                }
                Ok(())
            }
            Role::Probing | Role::Synchronizing | Role::Leader | Role::Peon | Role::Learner => Ok(()),
        }
    }

    fn rank_or_none(&self, addrs: &AddrVec) -> Rank {
        self.members.rank_of(addrs).unwrap_or(Rank(u32::MAX))
    }

    fn handle_probe_reply(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &MMonProbe) -> Result<(), Halt> {
        if self.role != Role::Probing && self.role != Role::Electing {
            return Ok(());
        }
        let Ok(map) = MonMap::from_bytes(&m.monmap) else { return Ok(()) };
        if map.fsid == self.identity.fsid && self.should_adopt(&map, m) {
            self.adopt(cx, map)?;
            return self.bootstrap(cx, "a peer's monmap is newer");
        }
        if self.members.monmap().epoch == MapEpoch(0) && self.learn_name(from, &m.name) {
            self.publish_peers(cx, true);
            return self.bootstrap(cx, "learned a peer's name");
        }
        if self.role == Role::Electing {
            // It may have refused our proposal for the older map that came with it.
            self.with_elector(cx, |elector, cx, scene| elector.propose_again(cx, scene, from));
            return Ok(());
        }
        if self.leaving.is_some() {
            // The map alone does not help one that lacks the values before it: we may be the only one to give them.
            let has = map.epoch >= self.members.monmap().epoch
                && m.paxos_last_version >= self.paxos.last_committed();
            return self.note_told(self.members.rank_of(from).filter(|_| has));
        }
        if self.exited {
            return Ok(());
        }
        if !m.quorum.is_empty() {
            self.probe.first_seen.get_or_insert(m.paxos_last_version);
        }
        if let Some(kind) = self.sync_needed(m) {
            let asked = self.order.is_fresh(from, cx.now.mono, self.config.probe_interval);
            return if asked { Ok(()) } else { self.start_sync(cx, from, kind) };
        }
        if self.marks.must_sync() {
            self.order.refused(from, cx.now.mono);
            return Ok(());
        }
        self.probe.level.extend(self.members.rank_of(from));
        if m.quorum.is_empty() {
            if let Some(rank) = self.members.rank_of(from) {
                self.probe.found.insert(rank, (m.paxos_first_version, m.paxos_last_version));
                self.maybe_elect(cx);
            }
            return Ok(());
        }
        self.approach_quorum(cx, from, m);
        Ok(())
    }

    /// Whether a peer's map counts more than ours.
    fn should_adopt(&self, map: &MonMap, m: &MMonProbe) -> bool {
        let ours = self.members.monmap();
        m.has_ever_joined
            && map.epoch > MapEpoch(0)
            && (map.epoch > ours.epoch || (!self.joined && !self.map_is_ours_to_keep && map != ours))
    }

    /// Before the first quorum: members may be known by address alone, or by name alone.
    fn learn_name(&mut self, from: &AddrVec, name: &str) -> bool {
        let mut map = self.members.monmap().clone();
        let stand_in =
            from.0.iter().find_map(|addr| map.name_of_addr(addr)).filter(|n| n.starts_with("noname-"));
        let changed = match stand_in.map(str::to_owned) {
            Some(stand_in) => map.rename(&stand_in, name),
            None => match map.mons.get_mut(name).filter(|info| info.addrs.is_blank()) {
                Some(info) => {
                    info.addrs = from.clone();
                    true
                }
                None => false,
            },
        };
        if changed {
            map.rank_by_address();
            self.members = Members::new(map, &self.identity);
        }
        changed
    }

    /// Whether we must copy from this peer before we can take part, and how.
    fn sync_needed(&self, m: &MMonProbe) -> Option<Kind> {
        let ours = self.paxos.last_committed();
        let (first, last) = (m.paxos_first_version, m.paxos_last_version);
        // While our own store is whole it must not be exchanged for less.
        let floor = self.marks.floor_of_source().max(self.paxos.last_committed());
        if self.marks.must_sync() && last < floor && !bug::is_on(Bug::FloorIgnored) {
            // It has less than we have, or had before a sync that was cut short.
            return None;
        }
        if self.marks.must_sync() {
            return (last.0 > 0 && !self.order.is_being_dropped()).then_some(Kind::Full);
        }
        if first > ours.next() && first.0 > 1 {
            return Some(Kind::Full);
        }
        let drift = if self.knows_its_part() { self.config.paxos_max_join_drift } else { 0 };
        // A follower catches up by itself.
        (ours.0 + drift < last.0 && self.following.is_none()).then_some(Kind::Recent)
    }

    /// Whether our store says what we are to the quorum. If not, we must not lack anything that may say it: somebody
    /// who is to join must know what it joins. But no more than that, or where clients write without pause every sync
    /// ends a few values behind, and nobody ever joins.
    fn knows_its_part(&self) -> bool {
        if self.members.me().is_some() || self.learners.contains_key(&self.identity.name) {
            return true;
        }
        let knows_past = self.probe.first_seen.is_some_and(|seen| self.paxos.last_committed() >= seen);
        knows_past && !self.config.learner
    }

    /// A quorum stands without us: take part, follow, or ask to be let in.
    fn approach_quorum(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &MMonProbe) {
        let leader = m.leader.and_then(|rank| self.members.addrs_of(rank)).cloned();
        if self.members.me().is_some() {
            // Among our own, whoever cannot reach the leader would only disturb it.
            let reaches = leader.as_ref().is_none_or(|leader| !self.liveness.is_dead(leader, cx.now.mono));
            if reaches || !self.liveness.is_ours(from) {
                self.want_election(cx);
            }
            return;
        }
        let Some(leader) = leader else { return };
        if self.is_learner() {
            // Until the quorum knows us as one (it says so in its store), we keep up by syncing; a stock
            // leader would not even understand the wish.
            if self.learners.contains_key(&self.identity.name) && self.following.as_ref() != Some(&leader) {
                self.follow(cx, &leader);
            }
            return;
        }
        if self.probe.joined_at.is_none_or(|at| cx.now.mono >= at + JOIN_INTERVAL) {
            self.probe.joined_at = Some(cx.now.mono);
            cx.out.log(Level::Info, "asking to be put into the monmap");
            let (fsid, name, addrs) =
                (self.identity.fsid, self.identity.name.clone(), self.identity.addrs.clone());
            cx.out.send(&leader, MMonJoin { fsid, name, addrs, ..MMonJoin::default() }, None);
        }
    }

    /// Stands for election when a majority was found.
    fn maybe_elect(&mut self, cx: &mut Cx<'_>) {
        let behind =
            |(first, _): &(Version, Version)| first.0 > 1 && *first > self.paxos.last_committed().next();
        let counted = self.probe.found.values().filter(|has| !behind(has)).count();
        if self.members.me().is_some() && counted + 1 >= self.members.majority() {
            self.want_election(cx);
        }
    }

    /// Whether a proposal may be looked at while we are still probing: from one of ours it tells how far its
    /// log is; of a stock monitor we must have heard that first.
    pub(crate) fn may_elect_with(&self, from: &AddrVec, m: &MMonElection) -> bool {
        let marked = Mark::take(&mut m.metadata.clone()).is_some();
        marked || self.members.rank_of(from).is_some_and(|rank| self.probe.level.contains(&rank))
    }
}
