//! How an election ends.

use std::collections::{BTreeMap, BTreeSet};

use mon_types::addr::AddrVec;
use mon_types::encode::Decode;
use mon_types::features::Features;
use mon_types::id::{Rank, Version};
use mon_types::message::{ElectionOp, MMonElection};

use super::{ElectionEvent, Elector, Mark, Scene, Settled, Voter, send};
use crate::bug::{self, Bug};
use crate::cx::Cx;
use crate::effect::Level;

impl Elector {
    /// An election message of a member. Map and strategy have been looked at by the caller.
    pub(crate) fn handle(
        &mut self,
        cx: &mut Cx<'_>,
        scene: &mut Scene<'_>,
        from: Rank,
        addrs: &AddrVec,
        mut m: MMonElection,
    ) {
        match m.op {
            ElectionOp::Propose => self.handle_propose(cx, scene, from, addrs, &mut m),
            ElectionOp::Ack => self.handle_ack(cx, scene, from, addrs, m),
            ElectionOp::Victory => self.handle_victory(cx, scene, from, addrs, m),
            ElectionOp::Nak => self.events.push(ElectionEvent::Refused),
        }
    }

    fn handle_ack(
        &mut self,
        cx: &mut Cx<'_>,
        scene: &mut Scene<'_>,
        from: Rank,
        addrs: &AddrVec,
        mut m: MMonElection,
    ) {
        let mark = Mark::take(&mut m.metadata);
        scene.liveness.note_ours(addrs, mark.is_some());
        if m.epoch > self.epoch {
            self.enter(cx, if m.epoch.is_electing() { m.epoch } else { m.epoch.next() });
            self.fail(format!("rank {from} is in epoch {} already", m.epoch));
            return;
        }
        let map = scene.members.monmap();
        let mon_features = m.mon_features;
        if m.mon_release < map.min_mon_release.0 || !mon_features.contains(map.required_features()) {
            cx.out.log(Level::Warn, format!("rank {from} lacks features that the monmap requires"));
            return;
        }
        let Some(candidacy) = self.candidacy.as_mut().filter(|_| m.epoch == self.epoch) else { return };
        // Stock monitors leave the field empty in an acknowledgement: what counts is the session.
        let features = match (Features(m.quorum_features), scene.liveness.features(addrs)) {
            (said, Some(session)) if said.is_empty() => session,
            (said, None) if said.is_empty() => scene.identity.features,
            (said, _) => said,
        };
        let voter = Voter {
            features,
            mon_features,
            release: m.mon_release,
            metadata: m.metadata,
            ours: mark.is_some(),
        };
        candidacy.voters.insert(from, voter);
        self.maybe_won(cx, scene);
    }

    /// A member says what it has. One that must sync first cannot vote for us: it is not waited for.
    pub(crate) fn note_log_of(&mut self, cx: &mut Cx<'_>, scene: &mut Scene<'_>, of: Rank, last: Version) {
        let Some(candidacy) = &mut self.candidacy else { return };
        if scene.has_trimmed_past(last) && candidacy.behind.insert(of) {
            self.maybe_won(cx, scene);
        }
    }

    /// Wins when nothing can change the outcome: a majority acknowledged, and nobody else can be waited for.
    pub(super) fn maybe_won(&mut self, cx: &mut Cx<'_>, scene: &mut Scene<'_>) {
        let Some(candidacy) = &self.candidacy else { return };
        let voters = candidacy.voters.len() + usize::from(bug::is_on(Bug::ElectedByMinority));
        if voters < scene.members.majority() {
            return;
        }
        let now = cx.now.mono;
        let awaited = scene.members.others().any(|(rank, info)| {
            !candidacy.voters.contains_key(&rank)
                && !candidacy.behind.contains(&rank)
                && !scene.liveness.is_dead(&info.addrs, now)
        });
        // A stock monitor may be slow to answer without being dead; leaving it out costs an election later.
        if !awaited || now >= candidacy.until {
            let next = self.epoch.next();
            self.set_epoch(cx, next);
            self.settle_won(cx, scene);
        }
    }

    pub(super) fn settle_won(&mut self, cx: &mut Cx<'_>, scene: &Scene<'_>) {
        let (Some(me), Some(candidacy)) = (scene.me(), self.candidacy.take()) else { return };
        let voters = candidacy.voters;
        let quorum: BTreeSet<Rank> = voters.keys().copied().collect();
        let all_ours = voters.values().all(|voter| voter.ours);
        let features = voters.values().fold(scene.identity.features, |all, voter| all & voter.features);
        let mon_features =
            voters.values().fold(scene.identity.mon_features, |all, voter| all & voter.mon_features);
        let release_min = voters.values().map(|voter| voter.release).min().unwrap_or(0);
        let mut m = self.message(scene, ElectionOp::Victory);
        m.quorum = quorum.clone();
        m.quorum_features = features.0;
        m.mon_features = mon_features;
        m.sharing = scene.identity.command_table.clone();
        m.metadata.clear();
        self.put_mark(scene, &mut m, all_ours);
        for rank in quorum.iter().filter(|rank| **rank != me) {
            if let Some(addrs) = scene.members.addrs_of(*rank) {
                send(cx, addrs, m.clone(), self.gate);
            }
        }
        self.settled_at = Some(cx.now.mono);
        self.events.push(ElectionEvent::Settled(Settled {
            epoch: self.epoch,
            leader: me,
            quorum,
            features,
            mon_features,
            release_min,
            metadata: voters.into_iter().map(|(rank, voter)| (rank, voter.metadata)).collect(),
            all_ours,
            command_table: scene.identity.command_table.clone(),
        }));
    }

    fn handle_victory(
        &mut self,
        cx: &mut Cx<'_>,
        scene: &mut Scene<'_>,
        from: Rank,
        addrs: &AddrVec,
        mut m: MMonElection,
    ) {
        let mark = Mark::take(&mut m.metadata);
        scene.liveness.note_ours(addrs, mark.is_some());
        if m.epoch <= self.epoch || m.epoch.is_electing() {
            return;
        }
        let included = scene.me().is_some_and(|me| m.quorum.contains(&me));
        let voted = mark.is_none()
            || self.voted.as_ref().is_some_and(|(epoch, to)| *epoch == self.epoch && to == addrs);
        if !included || !voted || !self.epoch.is_electing() || m.epoch != self.epoch.next() {
            // Not an election that we took part in.
            self.enter(cx, m.epoch.next());
            self.fail(format!("rank {from} claims epoch {} without us", m.epoch));
            return;
        }
        self.set_epoch(cx, m.epoch);
        self.withdraw();
        self.settled_at = Some(cx.now.mono);
        if let Ok(view) = Decode::from_bytes(&m.scoring) {
            self.scores.merge(&view);
        }
        self.events.push(ElectionEvent::Settled(Settled {
            epoch: m.epoch,
            leader: from,
            quorum: m.quorum,
            features: Features(m.quorum_features),
            mon_features: m.mon_features,
            release_min: m.mon_release,
            metadata: BTreeMap::new(),
            all_ours: mark.is_some_and(|mark| mark.all_ours),
            command_table: m.sharing,
        }));
    }
}
