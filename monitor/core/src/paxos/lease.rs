//! Beside stock monitors: reads under leases with a wall-clock end, as Ceph has them.
//!
//! Leases are renewed by the leader while it is active, end at a peon with the next begin, and are why every
//! member of such a quorum must accept before a value is chosen. A leader of ours reads by a lease that all
//! its peons have acknowledged (a stock leader trusts its own), and a new leader of ours commits nothing
//! while somebody whom the election left out may still read: see [`Paxos::hold`].

use std::collections::BTreeSet;
use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::id::{Rank, Version};
use mon_types::message::{MMonPaxos, PaxosOp};
use mon_types::time::UTime;

use super::{Paxos, Phase, Rule};
use crate::bug::{self, Bug};
use crate::config::Config;
use crate::cx::Cx;
use crate::effect::Halt;

/// The lease, on whichever side we are.
#[derive(Debug, Clone, Default)]
pub(super) struct Lease {
    /// Until when we may read: on the leader's wall clock (as a peon), and never longer than this on our
    /// own monotonic clock, so that a wall clock that is set back does not stretch it.
    wall_end: Option<UTime>,
    end: Duration,
    /// Leader: until when this term must not commit, since others may still read the state before it.
    hold: Duration,
    /// Leader: when leases were last given out, when to renew them, who has acknowledged, and by when all must.
    given_at: Duration,
    overlaps: bool,
    renew_at: Duration,
    acked: BTreeSet<Rank>,
    ack_deadline: Option<Duration>,
    /// Peon: when it gives the leader up.
    leader_deadline: Duration,
}

impl Lease {
    pub(super) fn follow(&mut self, now: Duration, config: &Config) {
        self.leader_deadline = now + config.lease_ack_timeout;
    }

    pub(super) fn revoke(&mut self) {
        if bug::is_on(Bug::LeaseNotRevoked) {
            return;
        }
        self.wall_end = None;
        self.end = Duration::ZERO;
    }

    pub(super) fn is_held(&self, now: Duration) -> bool {
        now < self.hold
    }
}

impl Paxos {
    /// Whether the stock rule lets us answer reads now.
    pub(super) fn is_leased(&self, cx: &Cx<'_>) -> bool {
        let Some(term) = &self.term else { return false };
        // What is committed must also be in the store view that the answer is made from.
        if self.log.last() == Version(0) || self.log.applied() < self.log.last() {
            return false;
        }
        if bug::is_on(Bug::LeaseNeverEnds) {
            return !term.is_leader() || self.settled;
        }
        if term.is_leader() {
            return self.settled && (cx.now.mono < self.lease.end || term.quorum.len() == 1);
        }
        self.lease.wall_end.is_some_and(|end| cx.now.wall < end) && cx.now.mono < self.lease.end
    }

    /// Leader: lets the peons read on.
    pub(super) fn extend_lease(&mut self, cx: &mut Cx<'_>) {
        let Some(mut m) = self.message(cx, PaxosOp::Lease) else { return };
        let now = cx.now.mono;
        m.lease_timestamp = UTime::from_duration(cx.now.wall.to_duration() + self.config.lease);
        self.lease.overlaps = self.lease.ack_deadline.is_some();
        self.lease.given_at = now;
        self.lease.renew_at = now + self.config.lease_renew_interval;
        if self.lease.ack_deadline.is_none() {
            self.lease.ack_deadline = Some(now + self.config.lease_ack_timeout);
        }
        self.lease.acked = self.term.iter().filter_map(|term| term.me).collect();
        self.broadcast(cx, &m, None);
        self.release_leased_reads(cx);
    }

    /// Leader: a peon has the lease. Once all have, we may read for as long as they may.
    pub(super) fn handle_lease_ack(&mut self, cx: &mut Cx<'_>, from: Rank, m: &MMonPaxos) {
        if m.last_committed != self.log.last() || !matches!(self.phase, Phase::Active) {
            return;
        }
        self.lease.acked.insert(from);
        if self.term.as_ref().is_some_and(|term| self.lease.acked.is_superset(&term.quorum)) {
            self.lease.ack_deadline = None;
            // An acknowledgement does not say of which lease: after a renewal before all had answered, it may
            // be of the one before.
            let doubt = if self.lease.overlaps { self.config.lease_renew_interval } else { Duration::ZERO };
            self.lease.end =
                self.lease.end.max((self.lease.given_at + self.config.lease).saturating_sub(doubt));
            self.release_leased_reads(cx);
        }
    }

    /// Leader: for how long nothing may be committed, because somebody outside of this quorum may still read
    /// under a lease of the term before.
    pub(crate) fn hold(&mut self, until: Duration) {
        self.lease.hold = until;
    }

    /// Peon: may read until the stamp, if nothing has been committed that we lack.
    pub(super) fn handle_lease(
        &mut self,
        cx: &mut Cx<'_>,
        from: &AddrVec,
        m: &MMonPaxos,
    ) -> Result<(), Halt> {
        self.lease.leader_deadline = cx.now.mono + self.config.lease_ack_timeout;
        if m.last_committed != self.log.last() || self.term.as_ref().is_none_or(|t| t.rule == Rule::Majority)
        {
            return Ok(());
        }
        self.lease.wall_end = Some(m.lease_timestamp);
        self.lease.end = cx.now.mono + self.config.lease;
        if let Some(ack) = self.message(cx, PaxosOp::LeaseAck) {
            cx.out.send(from, ack, None);
        }
        self.release_leased_reads(cx);
        Ok(())
    }

    pub(super) fn tick_lease_leading(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let now = cx.now.mono;
        if self.lease.hold > Duration::ZERO && now >= self.lease.hold {
            self.lease.hold = Duration::ZERO;
            self.maybe_recovered(cx)?;
        }
        match &self.phase {
            Phase::Recovering(_) if self.lease.is_held(now) => {}
            Phase::Recovering(c) if now >= c.since + self.config.accept_timeout => {
                self.bootstrap("a peon does not answer collect");
            }
            Phase::Proposing(p) if now >= p.since + self.config.accept_timeout => {
                self.bootstrap("a peon does not accept");
            }
            Phase::Active => self.check_lease(cx),
            Phase::Recovering(_) | Phase::Proposing(_) | Phase::Settling => {
                // Leases rest while a value is in flight, and start anew after it.
                self.lease.ack_deadline = None;
            }
            Phase::Idle | Phase::Following => {}
        }
        Ok(())
    }

    fn check_lease(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        if self.lease.ack_deadline.is_some_and(|deadline| now >= deadline) {
            self.bootstrap("a peon does not acknowledge the lease");
            return;
        }
        if now >= self.lease.renew_at {
            self.extend_lease(cx);
        }
    }

    pub(super) fn tick_lease_following(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let heard = self.pulse.heard_leader_at() + self.config.lease_ack_timeout;
        if cx.now.mono >= self.lease.leader_deadline.max(heard) {
            self.bootstrap("the leader's lease timed out");
        }
        self.release_leased_reads(cx);
        Ok(())
    }

    pub(super) fn lease_deadline(&self) -> Option<Duration> {
        let term = self.term.as_ref()?;
        if !term.is_leader() {
            return Some(
                self.lease.leader_deadline.max(self.pulse.heard_leader_at() + self.config.lease_ack_timeout),
            );
        }
        match &self.phase {
            Phase::Recovering(_) if self.lease.hold > Duration::ZERO => Some(self.lease.hold),
            Phase::Recovering(c) => Some(c.since + self.config.accept_timeout),
            Phase::Proposing(p) => Some(p.since + self.config.accept_timeout),
            Phase::Active => Some(self.lease.ack_deadline.unwrap_or(Duration::MAX).min(self.lease.renew_at)),
            Phase::Settling | Phase::Idle | Phase::Following => None,
        }
    }
}
