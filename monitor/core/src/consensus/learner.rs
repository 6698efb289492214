//! Learners: synced and followed, without a vote.

use std::collections::BTreeMap;
use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::message::{Follow, Heartbeat};

use crate::consensus::{Consensus, Outcome, Role};
use crate::cx::Cx;
use crate::paxos::Rule;
use crate::quorum::QuorumView;

impl Consensus {
    /// Whether we are to follow where the map does not hold us.
    pub(crate) fn is_learner(&self) -> bool {
        self.members.me().is_none()
            && (self.config.learner || self.learners.contains_key(&self.identity.name))
    }

    /// Asks a leader to send us what it commits.
    pub(crate) fn follow(&mut self, cx: &mut Cx<'_>, leader: &AddrVec) {
        self.following = Some(leader.clone());
        self.send_follow(cx);
    }

    fn send_follow(&self, cx: &mut Cx<'_>) {
        if let Some(leader) = &self.following {
            let (fsid, name) = (self.identity.fsid, self.identity.name.clone());
            cx.out.send(leader, Follow { fsid, name, last_committed: self.paxos.last_committed() }, None);
        }
    }

    pub(super) fn tick_learner(&mut self, cx: &mut Cx<'_>) {
        if cx.now.mono >= self.next_follow() {
            self.probe.followed_at = Some(cx.now.mono);
            self.send_follow(cx);
        }
    }

    fn next_follow(&self) -> Duration {
        match (&self.following, self.probe.followed_at) {
            (None, _) => Duration::MAX,
            (Some(_), None) => Duration::ZERO,
            (Some(_), Some(at)) => at + self.config.ping_interval,
        }
    }

    /// The leader that we follow tells its term.
    pub(super) fn learn_term(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &Heartbeat) {
        if self.following.as_ref() != Some(from)
            || self.view.as_ref().is_some_and(|view| view.epoch == m.epoch)
        {
            return;
        }
        let view = QuorumView {
            epoch: m.epoch,
            leader: m.leader,
            leader_addrs: from.clone(),
            we_lead: false,
            learner: true,
            members: m.quorum.clone(),
            features: self.identity.features,
            mon_features: self.identity.mon_features,
            release_min: self.identity.release as u8,
            metadata: BTreeMap::new(),
            all_ours: true,
        };
        let following = self.following.clone();
        self.leave(cx);
        self.following = following;
        self.role = Role::Learner;
        let term = self.term(&view, Rule::Majority, m.quorum.clone());
        self.paxos.follow(cx, term);
        self.view = Some(view.clone());
        self.outside_since = None;
        self.outcomes.push(Outcome::QuorumFormed(view));
    }
}
