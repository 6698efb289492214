//! Phase 2: a value is offered to the quorum and accepted.

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::encode::{Decode, Encode};
use mon_types::id::{Pn, Rank, Version};
use mon_types::kv::{Op, Transaction};
use mon_types::message::{MMonPaxos, PaxosOp};
use mon_types::monmap::MonMap;

use super::requirement::MapChange;
use super::{Paxos, Phase, Proposal, Requirement, Rule, Term, Write, log};
use crate::bug::{self, Bug};
use crate::cx::Cx;
use crate::effect::{Halt, Level};

impl Paxos {
    /// Offers the services' changes as the next value. Only while [`Paxos::can_propose`].
    pub(crate) fn propose(&mut self, cx: &mut Cx<'_>, changes: Transaction) -> Result<(), Halt> {
        if !self.can_propose() {
            return Err(Halt::Invariant("a value was proposed while none may be".into()));
        }
        let mut value = Transaction::new();
        if self.log.last() == Version(0) {
            value.append(log::founding_changes());
        }
        value.append(changes);
        if let Some(preface) = self.preface.take() {
            value.append(preface);
        }
        let config = &self.config;
        if let Some(trim) = self.log.trim(config.paxos_min, config.paxos_trim_min, config.paxos_trim_max) {
            value.append(trim);
        }
        self.begin(cx, self.log.accepted_pn(), value.to_bytes())
    }

    /// What goes into the first value of this term, if it has not gone yet.
    pub(crate) fn has_preface(&self) -> bool {
        self.preface.is_some()
    }

    pub(super) fn begin(&mut self, cx: &mut Cx<'_>, pn: Pn, value: Bytes) -> Result<(), Halt> {
        let Some(term) = &self.term else { return Ok(()) };
        let version = self.log.last().next();
        let requirement = Requirement::new(term, map_change(term, &value));
        let early = term.me.filter(|_| bug::is_on(Bug::OwnAcceptEarly));
        let write = self.log.accept(pn, value.clone());
        self.persist(cx, write, Write::Accept(version, pn));
        self.phase = Phase::Proposing(Proposal {
            version,
            pn,
            value,
            accepted: early.into_iter().collect(),
            requirement,
            since: cx.now.mono,
            sent: cx.now.mono,
        });
        self.resend_begin(cx, None);
        Ok(())
    }

    /// Sends begin to those that have not accepted, or to one of them.
    pub(super) fn resend_begin(&mut self, cx: &mut Cx<'_>, only: Option<Rank>) {
        let Some(mut m) = self.message(cx, PaxosOp::Begin) else { return };
        let (Phase::Proposing(proposal), Some(term)) = (&mut self.phase, &self.term) else { return };
        proposal.sent = cx.now.mono;
        m.pn = proposal.pn;
        m.values.insert(proposal.version, proposal.value.clone());
        for (rank, addrs) in term.others() {
            if !proposal.accepted.contains(&rank) && only.is_none_or(|only| only == rank) {
                cx.out.send(addrs, m.clone(), None);
            }
        }
    }

    /// A peon's side: put the value on disk, then say so.
    pub(super) fn handle_begin(
        &mut self,
        cx: &mut Cx<'_>,
        from: &AddrVec,
        m: &MMonPaxos,
    ) -> Result<(), Halt> {
        let (Some(term), Some((version, value))) = (&self.term, m.values.iter().next()) else {
            return Ok(());
        };
        // A learner has no vote: its acceptance would count for nothing.
        if term.me.is_none() || m.pn < self.log.accepted_pn() && !bug::is_on(Bug::AcceptLowerNumber) {
            return Ok(());
        }
        let gap = m.last_committed > self.log.last() && bug::is_on(Bug::AcceptWithGap);
        if !gap && (m.last_committed != self.log.last() || *version != self.log.last().next()) {
            // Behind: the leader sees it in our answer to its heartbeat. Ahead: the message is old.
            if term.rule == Rule::Stock && m.last_committed > self.log.last() {
                self.bootstrap("the leader is ahead of us");
            }
            return Ok(());
        }
        if let Err(error) = Transaction::from_bytes(value) {
            cx.out.log(Level::Error, format!("the leader proposes what is no transaction: {error}"));
            return Ok(());
        }
        let known = self.log.uncommitted().is_some_and(|u| u.pn == m.pn && u.value == *value);
        if !known {
            let promises = m.pn > self.log.accepted_pn();
            let write = self.log.accept(m.pn, value.clone());
            let id = self.persist(cx, write, Write::Accept(*version, m.pn));
            if promises {
                self.promise_gate = Some(id);
            }
        }
        // From here on the value may be chosen without our knowing: under leases, no more reads.
        self.lease.revoke();
        if let Some(accept) = self.message(cx, PaxosOp::Accept) {
            let after = self.gate.filter(|_| !bug::is_on(Bug::AcceptBeforeSync));
            cx.out.send(from, accept, after);
        }
        Ok(())
    }

    pub(super) fn handle_accept(&mut self, cx: &mut Cx<'_>, from: Rank, m: &MMonPaxos) -> Result<(), Halt> {
        match &mut self.phase {
            Phase::Proposing(p)
                if m.pn == p.pn
                    && (m.last_committed.next() == p.version || bug::is_on(Bug::AcceptOfOtherVersion)) =>
            {
                p.accepted.insert(from);
                self.maybe_chosen(cx)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn self_accepted(&mut self, cx: &mut Cx<'_>, version: Version, pn: Pn) -> Result<(), Halt> {
        let me = self.term.as_ref().and_then(|term| term.me);
        match (&mut self.phase, me) {
            (Phase::Proposing(p), Some(me)) if p.version == version && p.pn == pn => {
                p.accepted.insert(me);
                self.maybe_chosen(cx)
            }
            _ => Ok(()),
        }
    }

    /// A late promise can bring the news that what we propose again was committed long ago: then nobody accepts it
    /// any more, and nobody needs to.
    pub(super) fn note_overtaken(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let Phase::Proposing(proposal) = &self.phase else { return Ok(()) };
        if self.log.last() < proposal.version {
            return Ok(());
        }
        let value = [(proposal.version, proposal.value.clone())].into();
        self.phase = Phase::Settling;
        self.announce_commit(cx, &value);
        self.maybe_active(cx)
    }

    fn maybe_chosen(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let Phase::Proposing(proposal) = &self.phase else { return Ok(()) };
        let mut accepted = proposal.accepted.clone();
        if bug::is_on(Bug::LearnerCounts) {
            let ranks = self.term.iter().flat_map(|term| term.addrs.keys().copied());
            accepted.extend(ranks.take(self.followers.addrs().count()));
        }
        if !proposal.requirement.is_met_by(&accepted) {
            return Ok(());
        }
        let value = [(proposal.version, proposal.value.clone())].into();
        self.phase = Phase::Settling;
        self.announce_commit(cx, &value);
        self.store_values(cx, &value)?;
        self.maybe_active(cx)
    }
}

/// What the value makes of the monmap, if anything.
fn map_change(term: &Term, value: &[u8]) -> Option<MapChange> {
    let map = map_in(value)?;
    let stays = |name: &str| map.rank_of(name).is_some();
    let staying = term.names.iter().filter(|(_, name)| stays(name)).map(|(rank, _)| *rank).collect();
    Some(MapChange { size: map.size(), staying })
}

/// The monmap in a value.
pub(super) fn map_in(value: &[u8]) -> Option<MonMap> {
    let changes = Transaction::from_bytes(value).ok()?;
    changes.ops().iter().rev().find_map(|op| match op {
        Op::Put { prefix, key, value } if prefix == "monmap" && key.parse::<u64>().is_ok() => {
            MonMap::from_bytes(value).ok()
        }
        Op::Put { .. } | Op::Erase { .. } | Op::Compact { .. } | Op::EraseRange { .. } => None,
    })
}
