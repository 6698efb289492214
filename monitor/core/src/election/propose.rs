//! Standing for election, and what to make of others who do.

use std::collections::BTreeSet;

use mon_types::addr::AddrVec;
use mon_types::connection_tracker::ConnectionTracker;
use mon_types::encode::{Decode, Encode};
use mon_types::id::{Epoch, Rank};
use mon_types::message::{ElectionOp, MMonElection};
use mon_types::monmap::ElectionStrategy;

use super::connectivity::claim;
use super::{Candidacy, Deferred, ElectionEvent, Elector, Mark, Reaction, Scene, classic, may_lead, send};
use crate::bug::{self, Bug};
use crate::cx::Cx;

impl Elector {
    /// Stands for election. The caller has looked at [`Elector::not_before`] where it may wait.
    pub(crate) fn start(&mut self, cx: &mut Cx<'_>, scene: &mut Scene<'_>) {
        self.back_off(cx.now.mono);
        self.stand(cx, scene);
    }

    fn stand(&mut self, cx: &mut Cx<'_>, scene: &mut Scene<'_>) {
        let Some(me) = scene.me() else { return };
        let now = cx.now.mono;
        self.deferred = None;
        self.successor = None;
        // A vote in this epoch binds us: what we stand for is the next one.
        let bound = self.voted.as_ref().is_some_and(|(epoch, _)| *epoch == self.epoch);
        if !self.epoch.is_electing() {
            self.enter(cx, self.epoch.next());
        } else if bound {
            self.enter(cx, self.epoch.next().next());
        } else {
            // The epoch of a first start is not on disk yet; of later ones it costs little to be sure.
            self.enter(cx, self.epoch);
        }
        let timeout = self.config.election_timeout.mul_f64(1.0 + 0.25 * f64::from(me.0 % 4));
        self.candidacy = Some(Candidacy {
            voters: [(me, self.own_vote(scene))].into(),
            behind: BTreeSet::new(),
            until: now + timeout,
        });
        let m = self.proposal(scene);
        for (_, info) in scene.members.others() {
            if scene.liveness.may_knock(&info.addrs) {
                send(cx, &info.addrs, m.clone(), self.gate);
            }
        }
        self.maybe_won(cx, scene);
    }

    /// Repeats our proposal, if we stand, to a member that has not acknowledged it.
    pub(crate) fn propose_again(&mut self, cx: &mut Cx<'_>, scene: &Scene<'_>, to: &AddrVec) {
        let (Some(candidacy), Some(rank)) = (&self.candidacy, scene.members.rank_of(to)) else { return };
        if !candidacy.voters.contains_key(&rank) {
            send(cx, to, self.proposal(scene), self.gate);
        }
    }

    fn proposal(&self, scene: &Scene<'_>) -> MMonElection {
        let mut m = self.message(scene, ElectionOp::Propose);
        match scene.strategy() {
            ElectionStrategy::Classic | ElectionStrategy::Disallow => {}
            ElectionStrategy::Connectivity => m.sharing = self.scores.stable().to_bytes(),
        }
        m
    }

    /// Moves to an odd epoch, whatever was going on.
    pub(super) fn enter(&mut self, cx: &mut Cx<'_>, epoch: Epoch) {
        self.withdraw();
        self.set_epoch(cx, epoch);
        self.scores.freeze();
        self.events.push(ElectionEvent::Electing);
    }

    /// Somebody stands.
    pub(super) fn handle_propose(
        &mut self,
        cx: &mut Cx<'_>,
        scene: &mut Scene<'_>,
        from: Rank,
        addrs: &AddrVec,
        m: &mut MMonElection,
    ) {
        let mark = Mark::take(&mut m.metadata);
        scene.liveness.note_ours(addrs, mark.is_some());
        if let Some(view) = decode_view(&m.scoring) {
            self.scores.merge(&view);
        }
        if !m.epoch.is_electing() || self.should_ignore(scene, from, m, mark) {
            return;
        }
        if m.epoch < self.epoch {
            let in_quorum = scene.quorum.is_some_and(|quorum| quorum.contains(&from));
            // It has just started. Its proposal is old but its wish is not: take it in by a new election.
            // Among our own the leader alone does this.
            let ours_to_do = mark.is_none() || scene.leader == scene.me() || scene.leader.is_none();
            if !self.epoch.is_electing() && !in_quorum && ours_to_do {
                self.events.push(ElectionEvent::StartWanted);
            }
            return;
        }
        // What we acknowledge in an epoch binds us after a restart too, so the epoch must be on disk.
        let entered = m.epoch > self.epoch || self.unwritten;
        if entered {
            self.enter(cx, m.epoch);
        }
        if mark.is_some_and(|mark| mark.first > scene.last.next() && mark.first.0 > 1) {
            // We are the one that must sync first.
            self.fail(format!("rank {from} no longer keeps what we lack"));
            return;
        }
        if mark.is_none_or(|mark| scene.first <= mark.last.next() || scene.first.0 <= 1) {
            self.react(cx, scene, from, addrs, m, mark.is_some());
        }
        // Nobody else ends an election in which we neither stand nor wait for a victory.
        let engaged = self.candidacy.is_some() || self.deferred.is_some();
        let failed = matches!(self.events.last(), Some(ElectionEvent::Failed(_)));
        if entered && !engaged && !failed {
            self.fail(format!("rank {from} stands, who cannot lead us"));
        }
    }

    /// Whether a proposal must not disturb the quorum that stands.
    fn should_ignore(&self, scene: &Scene<'_>, from: Rank, m: &MMonElection, mark: Option<Mark>) -> bool {
        let Some(quorum) = scene.quorum else { return false };
        let we_lead = scene.leader == scene.me();
        // It must sync first. It will find that out by probing, and what stands must not wait for it.
        if mark.is_some_and(|mark| scene.has_trimmed_past(mark.last)) && (we_lead || scene.leader_lives) {
            return true;
        }
        // A peon that lost the leader alone: the leader and its other peons go on.
        if mark.is_some() && quorum.contains(&from) && !we_lead && scene.leader != Some(from) {
            return scene.leader_lives && self.successor != Some(from);
        }
        // An outsider under connectivity: not worth an election unless it would lead clearly better.
        if m.strategy == ElectionStrategy::Connectivity as u8 && !we_lead && !quorum.contains(&from) {
            let may = |rank| may_lead(scene, rank);
            let tracker = self.scores.tracker();
            let best = quorum.iter().map(|rank| claim(tracker, *rank, &may)).fold(f64::MIN, f64::max);
            let leads = scene.leader.map_or(f64::MIN, |leader| claim(tracker, leader, &may));
            return scene.leader_lives
                && best - leads < self.config.elector_ignore_propose_margin
                && mark.is_none();
        }
        false
    }

    fn react(
        &mut self,
        cx: &mut Cx<'_>,
        scene: &mut Scene<'_>,
        from: Rank,
        addrs: &AddrVec,
        m: &MMonElection,
        ours: bool,
    ) {
        let Some(me) = scene.me() else { return };
        let (now, candidate) = (cx.now.mono, self.candidacy.is_some());
        let acked = self.deferred.map(|deferred| deferred.to);
        let view = decode_view(&m.sharing);
        let reaction = match scene.strategy() {
            ElectionStrategy::Classic | ElectionStrategy::Disallow => {
                let claim = |rank| self.claim(scene, rank, now);
                classic::react(claim(me), claim(from), acked.map(claim), candidate)
            }
            ElectionStrategy::Connectivity => {
                let may = |rank| !self.claim(scene, rank, now).withheld;
                self.scores.react(me, from, view.as_ref(), acked, candidate, &may)
            }
        };
        match reaction {
            // It may have missed our proposal: it was not listening yet, or its session was reset.
            Reaction::Ignore => self.propose_again(cx, scene, addrs),
            Reaction::Counter => self.stand(cx, scene),
            Reaction::NewRound => {
                if let Some(view) = &view {
                    self.scores.merge(view);
                }
                self.back_off(now);
                self.enter(cx, self.epoch.next().next());
                self.fail(format!("rank {from} and we score the connections differently"));
            }
            Reaction::Defer => {
                self.scores.keep_leader_view(view);
                self.defer(cx, scene, from, addrs, ours);
            }
        }
    }

    fn defer(&mut self, cx: &mut Cx<'_>, scene: &mut Scene<'_>, to: Rank, addrs: &AddrVec, ours: bool) {
        let bound = self.voted.as_ref().is_some_and(|(epoch, voted)| *epoch == self.epoch && voted != addrs);
        let timeout = if ours {
            self.config.election_timeout * 2
        } else {
            // It waits for the whole of its timer when a member is missing.
            self.config.election_timeout_stock + self.config.election_timeout * 2
        };
        let until = cx.now.mono + timeout;
        if bound && ours && !bug::is_on(Bug::VoteTwice) {
            // Our word in this epoch is given. Call the better one into the next; the others follow it.
            self.enter(cx, self.epoch.next().next());
            self.deferred = Some(Deferred { to, until });
            send(cx, addrs, self.proposal(scene), self.gate);
            return;
        }
        self.candidacy = None;
        self.deferred = Some(Deferred { to, until });
        self.voted = Some((self.epoch, addrs.clone()));
        let after = self.gate.filter(|_| !bug::is_on(Bug::VoteBeforeSync));
        send(cx, addrs, self.message(scene, ElectionOp::Ack), after);
    }
}

fn decode_view(bytes: &[u8]) -> Option<ConnectionTracker> {
    (!bytes.is_empty()).then(|| ConnectionTracker::from_bytes(bytes).ok()).flatten()
}
