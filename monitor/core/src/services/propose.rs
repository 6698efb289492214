//! Group commit on the leader: everything that waits becomes one value.

use std::collections::BTreeMap;

use mon_types::encode::Encode;
use mon_types::kv::Transaction;
use mon_types::log::{CHANNEL_AUDIT, Priority};
use mon_types::message::Message;
use mon_types::metadata::LastMetadata;
use rand_chacha::rand_core::Rng;

use super::{Services, around};
use crate::bug::{self, Bug};
use crate::cx::Cx;
use crate::effect::{CommandReply, Halt};
use crate::operation::{Answer, Operation, Origin};
use crate::quorum::Order;
use crate::service::kv::OWN_PREFIX;
use crate::service::monmap::MonmapService;
use crate::service::{Preparing, Service, stored_optional};

/// Operations whose changes are in a value on its way.
#[derive(Debug)]
pub(super) struct InFlight {
    /// Our count of proposals, stored by the value itself.
    proposal: u64,
    waiters: Vec<(Operation, Answer)>,
}

impl InFlight {
    pub(super) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.waiters.iter().map(|(operation, _)| operation)
    }
}

impl Services {
    /// The next value, when something waits for one. The caller proposes it and reports its end by
    /// [`Services::committed`] or [`Services::quorum_lost`].
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn take_proposal(&mut self, cx: &mut Cx<'_>) -> Result<Option<Transaction>, Halt> {
        if !self.we_lead() || self.in_flight.is_some() || (self.queue.is_empty() && !self.upkeep_due) {
            return Ok(None);
        }
        let mut value = Transaction::new();
        let mut waiters: Vec<(Operation, Answer)> = Vec::new();
        let mut bytes = 0;
        while waiters.len() < self.settings.value_operations_max && bytes < self.settings.value_bytes_max {
            let Some(operation) = self.queue.pop_front() else { break };
            if !self.is_wanted(&operation) {
                continue;
            }
            if self.must_wait(&operation) {
                self.queue.push_front(operation);
                break;
            }
            if let Some(answer) = self.earlier_answer(cx, &operation)? {
                self.deliver(cx, &operation, answer);
                continue;
            }
            if operation.command.as_ref().is_some_and(|command| command.prefix == "mon step-down") {
                // Answered at once: who would confirm a read afterwards leads no more.
                self.orders.push(Order::StepDown);
                let reply = CommandReply::done("leadership is handed over");
                self.deliver(cx, &operation, Answer::Command(reply));
                continue;
            }
            bytes += operation.size_bytes();
            let prepared = self.prepare(cx, &operation)?;
            if prepared.changed {
                self.record_answer(&operation, &prepared.answer, &mut value);
                self.audit(cx, &operation);
                waiters.push((operation, prepared.answer));
            } else if waiters.is_empty() {
                self.reads.answered(operation, prepared.answer);
            } else {
                // The answer may rest on a change of this round.
                waiters.push((operation, prepared.answer));
            }
        }
        if self.upkeep_due {
            self.upkeep_due = false;
            self.upkeep(cx, &mut value)?;
        }
        self.encode_pending(cx, &mut value)?;
        if value.is_empty() {
            return Ok(None);
        }
        let proposal = self.next_proposal(cx)?;
        value.put_u64(OWN_PREFIX, self.proposal_key(), proposal);
        if bug::is_on(Bug::AnsweredBeforeCommit) {
            for (operation, answer) in std::mem::take(&mut waiters) {
                self.deliver(cx, &operation, answer);
            }
        }
        self.in_flight = Some(InFlight { proposal, waiters });
        Ok(Some(value))
    }

    /// Whether an operation does not go well with what this round has prepared already.
    fn must_wait(&self, operation: &Operation) -> bool {
        let together = bug::is_on(Bug::MembersChangedTogether);
        changes_members(operation) && self.monmap.has_member_change() && !together
            || operation.command.as_ref().is_some_and(|command| self.kv.must_wait(command))
    }

    /// Our value is committed and was taken over by [`Services::refresh`]: its operations are answered.
    ///
    /// # Errors
    /// None at present.
    pub fn committed(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        if let Some(in_flight) = self.in_flight.take() {
            for (operation, answer) in in_flight.waiters {
                self.deliver(cx, &operation, answer);
            }
        }
        Ok(())
    }

    /// A confirmed read tells whether values that were in flight when a quorum broke are in the store.
    pub(super) fn settle_uncertain(&mut self, cx: &mut Cx<'_>) -> Result<(), Halt> {
        let stored = cx.store.read_u64(OWN_PREFIX, &self.proposal_key())?.unwrap_or(0);
        for in_flight in std::mem::take(&mut self.uncertain) {
            for (operation, answer) in in_flight.waiters {
                // Peons ask again for what they forwarded.
                if matches!(operation.origin, Origin::Peer { .. }) {
                    continue;
                }
                let done = in_flight.proposal <= stored && !bug::is_on(Bug::UncertainTakenForLost);
                if done {
                    self.deliver(cx, &operation, answer);
                } else {
                    self.resubmit(cx, operation);
                }
            }
        }
        Ok(())
    }

    fn proposal_key(&self) -> String {
        format!("proposal/{}", self.identity.name)
    }

    fn next_proposal(&self, cx: &Cx<'_>) -> Result<u64, Halt> {
        Ok(cx.store.read_u64(OWN_PREFIX, &self.proposal_key())?.unwrap_or(0) + 1)
    }

    /// Changes that the leader makes by itself.
    fn upkeep(&mut self, cx: &mut Cx<'_>, value: &mut Transaction) -> Result<(), Halt> {
        let map = self.monmap.map().clone();
        if std::mem::take(&mut self.metadata_due) {
            self.store_metadata(cx, value)?;
        }
        if self.monmap.version().0 == 0 {
            let mut fingerprint = [0; 16];
            self.rng.fill_bytes(&mut fingerprint);
            value.put("monitor", "cluster_fingerprint", fingerprint.to_vec());
        }
        self.monmap.raise_features(&around!(self, cx, map));
        if let Some(claim) = self.monmap.own_name_claim(&around!(self, cx, map)) {
            self.monmap.prepare_join(&around!(self, cx, map), &claim);
        }
        let mut preparing = Preparing { around: around!(self, cx, map), rng: &mut self.rng };
        self.auth.create_initial(&mut preparing)?;
        if self.auth.version().0 > 0 && self.auth.rotation_is_due(&preparing.around) {
            self.auth.rotate_if_due(&mut preparing);
        }
        if let Some(known) = self.global_ids_short.take() {
            self.auth.prepare_global_ids(&around!(self, cx, map), known);
        }
        // They stay noted until this is committed: the value may be lost.
        for (entity, key) in &self.used_pending_keys {
            self.auth.commit_used_pending(&around!(self, cx, map), entity, key);
        }
        self.health.review(&around!(self, cx, map), self.auth.current(), &self.skews, &mut self.log);
        Ok(())
    }

    /// What the members told of themselves in the election.
    fn store_metadata(&self, cx: &Cx<'_>, value: &mut Transaction) -> Result<(), Halt> {
        let Some(quorum) = &self.quorum else { return Ok(()) };
        let stored: LastMetadata =
            stored_optional(cx.store, "monitor_store", "last_metadata")?.unwrap_or_default();
        let size = self.monmap().size();
        let in_map = |rank: i32| usize::try_from(rank).is_ok_and(|rank| rank < size);
        let mut metadata: BTreeMap<i32, _> =
            stored.0.clone().into_iter().filter(|(rank, _)| in_map(*rank)).collect();
        let told = quorum.metadata.iter();
        metadata.extend(told.filter_map(|(rank, told)| Some((i32::try_from(rank.0).ok()?, told.clone()))));
        if metadata != stored.0 {
            value.put("monitor_store", "last_metadata", LastMetadata(metadata).to_bytes());
        }
        Ok(())
    }

    fn encode_pending(&mut self, cx: &Cx<'_>, value: &mut Transaction) -> Result<(), Halt> {
        let map = self.monmap.map().clone();
        let around = around!(self, cx, map);
        if self.monmap.has_pending() {
            self.monmap.encode_pending(&around, value)?;
        }
        if self.kv.has_pending() {
            self.kv.encode_pending(&around, value)?;
        }
        if self.auth.has_pending() {
            self.auth.encode_pending(&around, value)?;
        }
        if self.health.has_pending() {
            self.health.encode_pending(&around, value)?;
        }
        // What was only waiting for a ride does not make a value of its own.
        if self.log.has_pending() || (self.log.has_riders() && !value.is_empty()) {
            self.log.encode_pending(&around, value)?;
        }
        Ok(())
    }

    /// Notes a command that changed something in the audit log, without what may be secret.
    fn audit(&mut self, cx: &Cx<'_>, operation: &Operation) {
        let Some(command) = &operation.command else { return };
        let shown = command.shown();
        let requester = &operation.requester;
        let (entity, addrs) = (&requester.entity, &requester.addrs);
        let text =
            format!("from='{} {addrs}' entity='{entity}' cmd='[{shown}]': finished", requester.instance());
        let map = self.monmap.map().clone();
        self.log.write_lazily(&around!(self, cx, map), Priority::INFO, CHANNEL_AUDIT, text);
    }
}

fn changes_members(operation: &Operation) -> bool {
    match (&operation.command, &operation.message) {
        (Some(command), _) => MonmapService::changes_members(&command.prefix),
        (None, message) => matches!(message, Message::Join(_)),
    }
}
