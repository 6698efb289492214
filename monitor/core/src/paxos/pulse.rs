//! Signs of life among our own: the leader's heartbeats, and what silence means.

use std::collections::BTreeMap;
use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::id::{Rank, Version};
use mon_types::message::{Heartbeat, HeartbeatAck};

use super::{Paxos, PaxosEvent, Phase};
use crate::bug::{self, Bug};
use crate::cx::Cx;
use crate::effect::Halt;

/// Who was heard when.
#[derive(Debug, Clone, Default)]
pub(super) struct Pulse {
    /// The leader's last heartbeat; never goes back while the process lives.
    round: u64,
    next_beat: Duration,
    /// Leader: by peon, when it was heard and the last round that it acknowledged.
    peons: BTreeMap<Rank, Peon>,
    /// Peon: when the leader was heard.
    leader_heard: Duration,
    /// When we last looked: a long gap means that we were not running.
    last_tick: Duration,
}

#[derive(Debug, Clone, Default)]
struct Peon {
    heard: Duration,
    acknowledged: u64,
    lag: Lag,
}

/// Tells a member that is behind from one whose report is merely older than what we sent it.
#[derive(Debug, Clone, Default)]
pub(super) struct Lag(Option<(Version, Duration)>);

impl Lag {
    /// Whether the member has been stuck at `have` for `patience`; then the wait starts anew.
    pub(super) fn is_stuck(
        &mut self,
        have: Version,
        last: Version,
        now: Duration,
        patience: Duration,
    ) -> bool {
        if have >= last {
            self.0 = None;
            return false;
        }
        match self.0 {
            Some((version, since)) if version == have && now < since + patience => false,
            Some((version, _)) if version == have => {
                self.0 = Some((have, now));
                true
            }
            _ => {
                self.0 = Some((have, now));
                false
            }
        }
    }
}

impl Pulse {
    pub(super) fn start(&mut self, now: Duration, peons: impl Iterator<Item = Rank>) {
        self.peons = peons.map(|rank| (rank, Peon { heard: now, ..Peon::default() })).collect();
        self.leader_heard = now;
        self.next_beat = now;
        self.last_tick = now;
    }

    pub(super) fn leader_heard(&mut self, now: Duration) {
        self.leader_heard = self.leader_heard.max(now);
    }

    pub(super) fn heard_leader_at(&self) -> Duration {
        self.leader_heard
    }

    /// How many peons have acknowledged this round.
    pub(super) fn acknowledged(&self, round: u64) -> usize {
        self.peons.values().filter(|peon| peon.acknowledged >= round).count()
    }

    pub(super) fn forget(&mut self, rank: Rank) {
        self.peons.remove(&rank);
    }

    /// How long we were not running beyond what is normal.
    fn pause(&mut self, now: Duration, interval: Duration) -> Option<Duration> {
        let gap = now.saturating_sub(std::mem::replace(&mut self.last_tick, now));
        (gap > interval * 3).then_some(gap)
    }
}

impl Paxos {
    /// Leader: a sign of life to peons and learners. Returns its round.
    pub(super) fn beat(&mut self, cx: &mut Cx<'_>) -> u64 {
        self.pulse.round += 1;
        self.pulse.next_beat = cx.now.mono + self.config.heartbeat_interval;
        let Some(term) = &self.term else { return self.pulse.round };
        let beat = Heartbeat {
            epoch: term.epoch,
            round: self.pulse.round,
            leader: term.leader,
            pn: self.log.accepted_pn(),
            quorum: term.quorum.clone(),
            first_committed: self.log.first(),
            last_committed: self.log.last(),
        };
        // After the promise: a heartbeat must not overtake the victory and the collect of its term.
        for addrs in term.others().map(|(_, addrs)| addrs).chain(self.followers.addrs()) {
            cx.out.send(addrs, beat.clone(), self.promise_gate);
        }
        self.pulse.round
    }

    /// Peon or learner: the leader lives.
    pub(crate) fn handle_heartbeat(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &Heartbeat) {
        let Some(term) = &self.term else { return };
        if term.leader_addrs() != Some(from) || term.is_leader() {
            return;
        }
        self.pulse.leader_heard(cx.now.mono);
        if term.me.is_some_and(|me| !m.quorum.contains(&me)) {
            self.events.push(PaxosEvent::CountedOut);
            return;
        }
        if m.first_committed > self.log.last().next() {
            self.bootstrap("the leader no longer keeps what we lack");
            return;
        }
        // Round 0 says no more than that we live. A learner's promise means nothing and is not counted.
        let promised = m.pn == self.log.accepted_pn() || bug::is_on(Bug::AcknowledgeWithoutPromise);
        let ack = HeartbeatAck {
            epoch: m.epoch,
            round: if promised { m.round } else { 0 },
            last_committed: self.log.last(),
        };
        // After it is on disk: the promise that this speaks of must outlive us.
        cx.out.send(from, ack, self.promise_gate);
        if term.quorum != m.quorum {
            self.events.push(PaxosEvent::QuorumIs(m.quorum.clone()));
        }
    }

    /// Leader: a peon or learner lives.
    pub(crate) fn handle_heartbeat_ack(
        &mut self,
        cx: &mut Cx<'_>,
        from: &AddrVec,
        m: &HeartbeatAck,
    ) -> Result<(), Halt> {
        let (now, last, patience) = (cx.now.mono, self.log.last(), self.config.heartbeat_interval);
        let Some(term) = &self.term else { return Ok(()) };
        let rank = term.rank_of(from);
        let Some(peon) = rank.and_then(|rank| self.pulse.peons.get_mut(&rank)) else {
            if self.followers.heard(from, m.last_committed, last, now, patience) {
                self.share_with(cx, from, m.last_committed)?;
            }
            return Ok(());
        };
        peon.heard = now;
        peon.acknowledged = peon.acknowledged.max(m.round);
        if peon.lag.is_stuck(m.last_committed, last, now, patience) {
            self.share_with(cx, from, m.last_committed)?;
        }
        if m.round == 0 {
            self.ask_promise(cx, from);
        }
        self.check_read_round(cx);
        Ok(())
    }

    /// Leader: goes on without a peon that died. The caller has made sure that enough are left.
    pub(crate) fn remove_peon(&mut self, cx: &mut Cx<'_>, rank: Rank) {
        if let Some(term) = &mut self.term {
            term.quorum.remove(&rank);
        }
        self.pulse.forget(rank);
        self.beat(cx);
    }

    /// Peon: the quorum shrank.
    pub(crate) fn set_quorum(&mut self, quorum: std::collections::BTreeSet<Rank>) {
        if let Some(term) = &mut self.term {
            term.quorum = quorum;
        }
    }

    /// Whether the leader was heard within `time`.
    pub(crate) fn has_live_leader(&self, now: Duration, time: Duration) -> bool {
        self.term.as_ref().is_some_and(|term| !term.is_leader()) && now < self.pulse.heard_leader_at() + time
    }

    pub(super) fn tick_leading(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let now = cx.now.mono;
        let alone =
            self.pulse.peons.is_empty() && self.term.as_ref().is_some_and(|term| term.majority() == 1);
        if let Some(gap) = self.pulse.pause(now, self.config.heartbeat_interval)
            && gap >= self.config.leader_silence_max
            && !alone
        {
            // The others have given up on us by now. Reads were never in danger; this saves the clients time.
            self.bootstrap(format!("this leader was paused for {} ms", gap.as_millis()));
            return Ok(());
        }
        if now >= self.pulse.next_beat {
            self.beat(cx);
        }
        for (rank, peon) in &self.pulse.peons {
            if now >= peon.heard + self.config.peon_silence_max {
                self.events.push(PaxosEvent::PeonSilent(*rank));
            }
        }
        self.followers.expire(now, self.config.ping_silence_max * 2);
        let again = self.config.resend_interval;
        match &self.phase {
            Phase::Recovering(collect) if now >= collect.sent + again => self.resend_collect(cx, None),
            Phase::Proposing(proposal) if now >= proposal.sent + again => self.resend_begin(cx, None),
            Phase::Recovering(_) | Phase::Proposing(_) | Phase::Settling | Phase::Active => {}
            Phase::Idle | Phase::Following => {}
        }
        Ok(())
    }

    pub(super) fn tick_following(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let now = cx.now.mono;
        if self.pulse.pause(now, self.config.heartbeat_interval).is_some() {
            // What the leader sent meanwhile is still to be read: judge it from here on.
            self.pulse.leader_heard(now.saturating_sub(self.config.leader_silence_max / 2));
        }
        if now >= self.pulse.leader_heard + self.config.leader_silence_max {
            self.events.push(PaxosEvent::LeaderSilent);
        } else if self.reads.is_asking().is_some_and(|sent| now >= sent + self.config.resend_interval) {
            self.resend_ask(cx);
        }
        Ok(())
    }

    pub(super) fn pulse_deadline(&self) -> Option<Duration> {
        let term = self.term.as_ref()?;
        if term.is_leader() && self.pulse.peons.is_empty() && self.followers.is_empty() {
            return None;
        }
        let tick = self.pulse.last_tick + self.config.heartbeat_interval;
        Some(if term.is_leader() { tick.min(self.pulse.next_beat) } else { tick })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_member_that_stays_behind_is_stuck() {
        let (mut lag, ms) = (Lag::default(), Duration::from_millis);
        assert!(!lag.is_stuck(Version(5), Version(5), ms(0), ms(100)));
        assert!(!lag.is_stuck(Version(5), Version(6), ms(10), ms(100)), "commit 6 may be on its way");
        assert!(!lag.is_stuck(Version(5), Version(7), ms(50), ms(100)));
        assert!(lag.is_stuck(Version(5), Version(7), ms(110), ms(100)));
        assert!(!lag.is_stuck(Version(5), Version(7), ms(120), ms(100)), "give the answer time");
        assert!(!lag.is_stuck(Version(6), Version(7), ms(900), ms(100)), "it moves");
    }
}
