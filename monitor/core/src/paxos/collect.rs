//! Phase 1: a new leader learns what its peons have and makes them promise to hear no older one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::id::{Pn, Rank, Version};
use mon_types::kv::Transaction;
use mon_types::message::{MMonPaxos, PaxosOp};

use super::log::Uncommitted;
use super::{Paxos, Phase, Rule, Write};
use crate::bug::{self, Bug};
use crate::cx::Cx;
use crate::effect::{Halt, WriteId};

/// Phase 1 under way.
#[derive(Debug, Clone)]
pub(super) struct Collect {
    pub(super) pn: Pn,
    /// Who promised, with what they have committed; us once the disk has it.
    promised: BTreeMap<Rank, (Version, Version)>,
    /// The value after the last committed one that was accepted under the highest number.
    best: Option<Uncommitted>,
    write: WriteId,
    pub(super) since: Duration,
    pub(super) sent: Duration,
}

impl Paxos {
    /// Starts over under a number above `above`.
    pub(super) fn collect(&mut self, cx: &mut Cx<'_>, above: Pn) -> Result<(), Halt> {
        let Some(me) = self.term.as_ref().and_then(|term| term.me) else { return Ok(()) };
        let (pn, write) = self.log.new_pn(me, above);
        let write = self.persist(cx, write, Write::Promise(pn));
        self.phase = Phase::Recovering(Collect {
            pn,
            promised: BTreeMap::new(),
            best: self.log.uncommitted().filter(|_| !bug::is_on(Bug::UncommittedOfLeaderDropped)).cloned(),
            write,
            since: cx.now.mono,
            sent: cx.now.mono,
        });
        let Some(m) = self.message(cx, PaxosOp::Collect) else { return Ok(()) };
        self.broadcast(cx, &m, Some(write).filter(|_| !bug::is_on(Bug::CollectBeforeSync)));
        Ok(())
    }

    /// Asks again those of our kind that have not answered (their session may have lost the question).
    pub(super) fn resend_collect(&mut self, cx: &mut Cx<'_>, only: Option<Rank>) {
        let Some(m) = self.message(cx, PaxosOp::Collect) else { return };
        let (Phase::Recovering(collect), Some(term)) = (&mut self.phase, &self.term) else { return };
        collect.sent = cx.now.mono;
        for (rank, addrs) in term.others() {
            if !collect.promised.contains_key(&rank) && only.is_none_or(|only| only == rank) {
                cx.out.send(addrs, m.clone(), Some(collect.write));
            }
        }
    }

    /// Asks one more time a peon that says, after phase 1, that it has not promised.
    pub(super) fn ask_promise(&self, cx: &mut Cx<'_>, addrs: &AddrVec) {
        match &self.phase {
            Phase::Proposing(_) | Phase::Settling | Phase::Active => {
                if let Some(m) = self.message(cx, PaxosOp::Collect) {
                    cx.out.send(addrs, m, None);
                }
            }
            // Phase 1 asks again by itself.
            Phase::Recovering(_) | Phase::Idle | Phase::Following => {}
        }
    }

    pub(super) fn self_promised(&mut self, cx: &mut Cx<'_>, pn: Pn) -> Result<(), Halt> {
        let have = (self.log.first(), self.log.last());
        let me = self.term.as_ref().and_then(|term| term.me);
        match (&mut self.phase, me) {
            (Phase::Recovering(collect), Some(me)) if collect.pn == pn => {
                collect.promised.insert(me, have);
                self.maybe_recovered(cx)
            }
            _ => Ok(()),
        }
    }

    /// A peon's side: promise, and tell what we have.
    pub(super) fn handle_collect(
        &mut self,
        cx: &mut Cx<'_>,
        from: &AddrVec,
        m: &MMonPaxos,
    ) -> Result<(), Halt> {
        let Some(epoch) = self.term.as_ref().map(|term| term.epoch) else { return Ok(()) };
        if m.first_committed > self.log.last().next() {
            self.bootstrap("the leader no longer keeps what we lack");
            return Ok(());
        }
        let mut answered_pn = self.log.accepted_pn();
        if m.pn > answered_pn {
            let write = self.log.promise(m.pn);
            let write = if bug::is_on(Bug::PromiseNotStored) { Transaction::new() } else { write };
            self.persist(cx, write, Write::Promise(m.pn));
            self.promised_in = Some((epoch, m.pn));
            answered_pn = m.pn;
        } else if m.pn == answered_pn && self.promised_in != Some((epoch, m.pn)) {
            // The number was promised to another (a rank can change hands with the monmap): the leader must
            // take a higher one, and a stock leader only does when it hears of one.
            answered_pn = Pn(m.pn.0 + 100);
        }
        self.lease.revoke();
        let Some(mut last) = self.message(cx, PaxosOp::Last) else { return Ok(()) };
        last.pn = answered_pn;
        if m.last_committed < self.log.last() {
            last.values = self.log.values(cx.store, m.last_committed.next(), usize::MAX)?;
        }
        if let Some(uncommitted) = self.log.uncommitted() {
            last.values.insert(uncommitted.version, uncommitted.value.clone());
            let forgotten = bug::is_on(Bug::UncommittedNumberForgotten);
            last.uncommitted_pn = if forgotten { answered_pn } else { uncommitted.pn };
        }
        cx.out.send(from, last, self.gate.filter(|_| !bug::is_on(Bug::PromiseBeforeSync)));
        Ok(())
    }

    /// The leader's side: learn what a peon has, count its promise.
    pub(super) fn handle_last(&mut self, cx: &mut Cx<'_>, from: Rank, mut m: MMonPaxos) -> Result<(), Halt> {
        if m.first_committed > self.log.last().next() {
            self.bootstrap(format!("peon {from} no longer keeps what we lack"));
            return Ok(());
        }
        let after = m.values.split_off(&m.last_committed.next());
        self.store_values(cx, &m.values)?;
        self.note_overtaken(cx)?;
        let (have, last) = ((m.first_committed, m.last_committed), self.log.last());
        match &mut self.phase {
            Phase::Recovering(collect) if m.pn > collect.pn => self.collect(cx, m.pn),
            // A majority had promised, this one cannot: it promised a higher number to a leader whose term never
            // came about. Without it we would lead a majority that has no member to spare.
            Phase::Proposing(_) | Phase::Settling | Phase::Active if m.pn > self.log.accepted_pn() => {
                self.collect(cx, m.pn)
            }
            Phase::Recovering(collect) if m.pn == collect.pn => {
                collect.promised.insert(from, have);
                if let Some((version, value)) = after.into_iter().next()
                    && version == last.next()
                    && version == m.last_committed.next()
                    && !bug::is_on(Bug::UncommittedOfPeonDropped)
                    && collect.best.as_ref().is_none_or(|b| {
                        let higher = if bug::is_on(Bug::LowerUncommittedPreferred) {
                            b.pn >= m.uncommitted_pn
                        } else {
                            b.pn <= m.uncommitted_pn
                        };
                        b.version < version || higher
                    })
                {
                    collect.best = Some(Uncommitted { version, pn: m.uncommitted_pn, value });
                }
                self.maybe_recovered(cx)
            }
            Phase::Proposing(_) | Phase::Settling | Phase::Active if m.pn == self.log.accepted_pn() => {
                // Phase 1 went on without this one; let it catch up.
                self.share(cx, from, m.last_committed)?;
                self.resend_begin(cx, Some(from));
                Ok(())
            }
            Phase::Recovering(_) | Phase::Proposing(_) | Phase::Settling | Phase::Active => Ok(()),
            Phase::Idle | Phase::Following => Ok(()),
        }
    }

    /// Ends phase 1 when enough have promised.
    pub(super) fn maybe_recovered(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let (Phase::Recovering(collect), Some(term)) = (&mut self.phase, &self.term) else { return Ok(()) };
        let promised: BTreeSet<Rank> = collect.promised.keys().copied().collect();
        let enough = match term.rule {
            Rule::Majority => {
                promised.len() + usize::from(bug::is_on(Bug::CollectFromMinority)) >= term.majority()
            }
            Rule::Stock => promised == term.quorum,
        };
        // Our own promise must be on disk like any other: the number must not be used twice.
        if !enough || self.lease.is_held(cx.now.mono) || term.me.is_none_or(|me| !promised.contains(&me)) {
            return Ok(());
        }
        let first = self.log.first();
        let too_far = |(_, last): &(Version, Version)| last.next() < first && first.0 > 1;
        if term.rule == Rule::Stock && collect.promised.values().any(too_far) {
            self.bootstrap("a peon lacks values that nobody keeps");
            return Ok(());
        }
        let pn = collect.pn;
        let best = collect.best.take();
        // We have caught up meanwhile with whoever was ahead of us.
        let others = collect.promised.iter().filter(|(rank, _)| term.me != Some(**rank));
        let behind: Vec<(Rank, Version)> = others.map(|(rank, (_, last))| (*rank, *last)).collect();
        for (rank, last) in behind {
            self.share(cx, rank, last)?;
        }
        match best.filter(|best| best.version == self.log.last().next()) {
            Some(best) => self.begin(cx, pn, best.value),
            None => {
                self.phase = Phase::Settling;
                self.maybe_active(cx)
            }
        }
    }
}
