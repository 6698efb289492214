//! Everybody pings everybody that it is connected to: for liveness, and for stock peers' connection scores.

use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::connection_tracker::ConnectionTracker;
use mon_types::encode::{Decode, Encode};
use mon_types::id::Rank;
use mon_types::message::{MMonPing, MTimeCheck2, MonPingOp};

use crate::consensus::{Consensus, Role};
use crate::cx::Cx;

impl Consensus {
    pub(super) fn tick_ping(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        if now < self.next_ping {
            return;
        }
        self.next_ping = now + self.config.ping_interval;
        let tracker = self.elector.scores.tracker().to_bytes();
        let ping = MMonPing { op: MonPingOp::Ping, stamp: cx.now.wall, tracker };
        let mut lives = Vec::new();
        for (rank, info) in self.members.others() {
            if self.may_ping() && self.liveness.is_connected(&info.addrs) {
                cx.out.send(&info.addrs, ping.clone(), None);
            }
            lives.push((
                rank,
                !self.liveness.is_dead(&info.addrs, now) && self.liveness.is_connected(&info.addrs),
            ));
        }
        for (rank, alive) in lives {
            self.elector.scores.note(rank, alive, self.config.ping_interval);
        }
        self.elector.store_scores(cx);
    }

    /// Not once we are removed: our sessions still show the rank that we had, and a stock monitor of 18 looks it up in
    /// the new map unchecked, and ends (seen: `MonMap::get_addrs`, by `Elector::begin_peer_ping`).
    fn may_ping(&self) -> bool {
        self.leaving.is_none()
    }

    pub(super) fn handle_ping(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &MMonPing) {
        if let Ok(view) = ConnectionTracker::from_bytes(&m.tracker) {
            self.elector.scores.merge(&view);
        }
        match m.op {
            MonPingOp::Ping if !self.may_ping() => {}
            MonPingOp::Ping => {
                let tracker = self.elector.scores.tracker().to_bytes();
                let reply = MMonPing { op: MonPingOp::PingReply, stamp: m.stamp, tracker };
                cx.out.send(from, reply, None);
            }
            MonPingOp::PingReply => {}
        }
    }

    pub(super) fn tick_timecheck(&mut self, cx: &mut Cx<'_>) {
        let Some(view) = self.view.as_ref().filter(|view| view.we_lead) else { return };
        let (epoch, me) = (view.epoch, view.leader);
        let peers = self.quorum_peers();
        self.timecheck.tick(cx, &self.config, epoch, me, &peers);
    }

    /// The rest of the quorum.
    fn quorum_peers(&self) -> Vec<(Rank, AddrVec)> {
        let members = self.view.iter().flat_map(|view| view.members.iter().copied());
        let others = members.filter(|rank| Some(*rank) != self.members.me());
        others.filter_map(|rank| self.members.addrs_of(rank).map(|addrs| (rank, addrs.clone()))).collect()
    }

    pub(super) fn timecheck_deadline(&self) -> Option<Duration> {
        (self.role == Role::Leader).then(|| self.timecheck.next_deadline())
    }

    pub(super) fn handle_timecheck(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: MTimeCheck2) {
        let (Some(rank), Some(view)) = (self.members.rank_of(from), &self.view) else { return };
        if m.epoch == u64::from(view.epoch.0) {
            let leader = view.leader;
            let peers = self.quorum_peers();
            self.timecheck.handle(cx, &self.config, (rank, from), leader, &peers, m);
        }
    }
}
