//! A value is chosen: everybody writes it into the store, and those who lack values get them.

use std::collections::BTreeMap;

use bytes::Bytes;
use mon_types::addr::AddrVec;
use mon_types::id::{Rank, Version};
use mon_types::kv::StoreError;
use mon_types::message::{MMonPaxos, PaxosOp};

use super::{Paxos, PaxosEvent, Phase, Rule, Write};
use crate::bug::{self, Bug};
use crate::cx::Cx;
use crate::effect::{Halt, Level};

impl Paxos {
    /// Tells peons and learners of newly chosen values, before our own store has them: they are chosen
    /// because a majority's disks have them.
    pub(super) fn announce_commit(&mut self, cx: &mut Cx<'_>, values: &BTreeMap<Version, Bytes>) {
        let (Some(mut m), Some((last, _))) = (self.message(cx, PaxosOp::Commit), values.last_key_value())
        else {
            return;
        };
        m.last_committed = *last;
        m.values = values.clone();
        self.broadcast(cx, &m, None);
        for addrs in self.followers.addrs() {
            cx.out.send(addrs, m.clone(), None);
        }
    }

    /// Sends a peon what it lacks, if anything and if we still keep it.
    pub(super) fn share(&mut self, cx: &mut Cx<'_>, to: Rank, have: Version) -> Result<(), Halt> {
        let Some(addrs) = self.term.as_ref().and_then(|term| term.addrs.get(&to)).cloned() else {
            return Ok(());
        };
        self.share_with(cx, &addrs, have)
    }

    pub(super) fn share_with(&mut self, cx: &mut Cx<'_>, to: &AddrVec, have: Version) -> Result<(), Halt> {
        if have >= self.log.last() || (have.next() < self.log.first() && self.log.first().0 > 1) {
            return Ok(());
        }
        // A stock peon expects everything at once; one of ours asks for more by what it reports.
        let stock = self.term.as_ref().is_some_and(|term| term.rule == Rule::Stock);
        let bytes_max = if stock { usize::MAX } else { self.config.share_bytes_max };
        let Some(mut m) = self.message(cx, PaxosOp::Commit) else { return Ok(()) };
        m.values = self.log.values(cx.store, have.next(), bytes_max)?;
        if let Some((last, _)) = m.values.last_key_value() {
            m.last_committed = *last;
        }
        cx.out.send(to, m, None);
        Ok(())
    }

    pub(super) fn handle_commit(&mut self, cx: &mut Cx<'_>, m: &MMonPaxos) -> Result<(), Halt> {
        self.store_values(cx, &m.values)
    }

    /// Writes committed values that follow ours. The record is not synced: until the next synced write a
    /// power cut may undo it, and phase 1 finds the accepted value again.
    pub(super) fn store_values(
        &mut self,
        cx: &mut Cx<'_>,
        values: &BTreeMap<Version, Bytes>,
    ) -> Result<(), Halt> {
        match self.log.commit(values) {
            Ok(None) => Ok(()),
            Ok(Some(write)) => {
                let last = self.log.last();
                self.persist(cx, write, Write::Commit(last));
                if bug::is_on(Bug::CommittedBeforeApplied) {
                    self.note_applied(cx, last)?;
                }
                Ok(())
            }
            Err(bad) => {
                cx.out.log(Level::Error, bad.to_string());
                Err(Halt::StoreDamaged(StoreError::from(bad)))
            }
        }
    }

    pub(super) fn note_applied(&mut self, cx: &mut Cx<'_>, version: Version) -> Result<(), Halt> {
        self.log.note_applied(version);
        self.events.push(PaxosEvent::Committed(version));
        self.release_reads(cx);
        self.maybe_active(cx)
    }

    /// A leader with nothing in flight and nothing on its way into the store is active.
    pub(super) fn maybe_active(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        if !matches!(self.phase, Phase::Settling) || self.log.applied() < self.log.last() {
            return Ok(());
        }
        self.phase = Phase::Active;
        self.settled = true;
        match self.term.as_ref().map(|term| term.rule) {
            Some(Rule::Stock) => self.extend_lease(cx),
            Some(Rule::Majority) => self.start_read_round(cx),
            None => {}
        }
        Ok(())
    }
}
