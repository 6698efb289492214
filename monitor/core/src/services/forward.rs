//! Writes at a peon: to the leader and back, at most once.
//!
//! ```text
//!   client --> peon --- Forward(tid) ---> leader: prepared, result put into the same value
//!                 <---- Route(tid) ------         under moncluster/done/<peon>/<tid>
//! ```
//! After an election the peon sends everything again that is not answered, under the same numbers, to whoever
//! leads; so it does when the session with the leader is made anew. A leader that finds the number's result in the
//! store answers with it and does nothing. The upper half of a number is chosen by chance when the peon's process
//! starts, the lower half counts.

use std::sync::Arc;

use mon_types::addr::{AddrType, AddrVec, EntityAddr};
use mon_types::encode::Encode;
use mon_types::entity::{EntityInstanceName, EntityType};
use mon_types::id::GlobalId;
use mon_types::kv::Transaction;
use mon_types::message::{EmbeddedMessage, Envelope, MForward, MRoute, Message};

use rand_chacha::rand_core::Rng;

use super::Services;
use crate::bug::{self, Bug};
use crate::cx::Cx;
use crate::effect::{CommandReply, Halt, Level};
use crate::operation::{Answer, Operation, Origin, Requester};
use crate::quorum::QuorumView;
use crate::service::kv::OWN_PREFIX;
use crate::service::stored_optional;

/// Results of a peon's forwarded operations that are kept, by number. Far more than can be unanswered.
const DONE_KEPT: u64 = 8192;
/// How often (in numbers) old results are removed.
const DONE_TRIM_INTERVAL: u64 = 512;

impl Services {
    /// Sends an operation to the leader.
    pub(super) fn forward(&mut self, cx: &mut Cx<'_>, mut operation: Operation) {
        if operation.forwarded == 0 {
            if self.forward_counter == 0 {
                // Chance in the upper half, no clock: a process that starts within the second, or after its
                // clock was set back, must not be taken for an earlier one, whose results are kept.
                self.forward_counter = u64::from(self.rng.next_u32()) << 32;
            }
            self.forward_counter += 1;
            operation.forwarded = self.forward_counter;
        }
        self.send_forward(cx, &operation);
        self.forwarded.insert(operation.forwarded, operation);
    }

    fn send_forward(&self, cx: &mut Cx<'_>, operation: &Operation) {
        let Some(quorum) = &self.quorum else { return };
        let requester = &operation.requester;
        let envelope = Envelope { tid: operation.tid, message: operation.message.clone() };
        let kind = if requester.socket.is_some() { AddrType::Any } else { AddrType::None };
        let forward = MForward {
            tid: operation.forwarded,
            client_type: requester.entity.kind as u8,
            client_addrs: requester.addrs.clone(),
            client_socket_addr: EntityAddr { kind, nonce: 0, socket: requester.socket },
            client_caps: requester.caps.clone(),
            message: EmbeddedMessage::new(requester.instance(), &envelope),
            con_features: requester.features,
            entity_name: requester.entity.clone(),
        };
        cx.out.send(&quorum.leader_addrs, forward, None);
    }

    /// After an election: what the old leader has not answered goes to the new one.
    pub(super) fn resume_forwarded(&mut self, cx: &mut Cx<'_>) {
        for (_, operation) in std::mem::take(&mut self.forwarded) {
            self.resubmit(cx, operation);
        }
    }

    /// A session with another monitor was made anew: what we forwarded in the one before may be lost, or its answer.
    /// The leader knows by the numbers what it has done already; a stock leader does not.
    pub fn peer_connected(&self, cx: &mut Cx<'_>, peer: &AddrVec) {
        let leads = |quorum: &QuorumView| quorum.all_ours && !quorum.we_lead && quorum.leader_addrs == *peer;
        if self.quorum.as_ref().is_some_and(leads) {
            self.forwarded.values().for_each(|operation| self.send_forward(cx, operation));
        }
    }

    /// A message from another monitor that the consensus has no use for; given back when we have none either.
    ///
    /// # Errors
    /// When the store is damaged.
    pub fn peer_message(
        &mut self,
        cx: &mut Cx<'_>,
        from: &AddrVec,
        envelope: Envelope,
    ) -> Result<Option<Envelope>, Halt> {
        let Envelope { tid, message } = envelope;
        match message {
            Message::Forward(forward) => self.take_forward(cx, from, forward),
            Message::Route(route) => self.take_route(cx, route),
            Message::MonGlobalId(ask) => {
                if self.we_lead() {
                    self.global_ids_short = Some(ask.old_max_id.0.max(self.global_ids_short.unwrap_or(0)));
                    self.upkeep_due = true;
                }
            }
            Message::UsedPendingKeys(told) => {
                if self.we_lead() {
                    self.take_pending_keys(told);
                }
            }
            Message::HealthChecks(told) => {
                if let (true, Some(rank)) = (self.we_lead(), self.monmap().rank_of_addrs(from)) {
                    self.health.tell(rank, told.health_checks);
                    self.upkeep_due = true;
                }
            }
            Message::Join(_) => self.take_from_peer(cx, from, tid, message),
            Message::Log(log) => self.take_from_peer(cx, from, tid, Message::Log(log)),
            Message::MonCommand(_) | Message::MonGetVersion(_) => self.take_from_peer(cx, from, tid, message),
            // A stock peer's answers to what we do not ask for.
            Message::LogAck(_) | Message::Subscribe(_) | Message::MonGetMap(_) => {}
            other => return Ok(Some(other.with_tid(tid))),
        }
        Ok(None)
    }

    /// A request of a monitor itself, which is as trusted as we are.
    fn take_from_peer(&mut self, cx: &mut Cx<'_>, from: &AddrVec, tid: u64, message: Message) {
        let Some(quorum) = &self.quorum else { return };
        if !quorum.we_lead {
            let leader = quorum.leader_addrs.clone();
            if leader != *from {
                cx.out.send(&leader, message.with_tid(tid), None);
            }
            return;
        }
        let name = self.peer_name(from);
        // Number 0: the answer, if there is one, is for nobody's client.
        let origin = Origin::Peer { addrs: from.clone(), name, tid: 0 };
        let requester = Arc::new(Requester { addrs: from.clone(), ..Requester::own() });
        let arrived = cx.now.mono;
        let operation =
            Operation { origin, requester, tid, message, command: None, arrived, forwarded: 0, hold: None };
        self.submit(cx, operation);
    }

    fn peer_name(&self, addrs: &AddrVec) -> String {
        let map = self.monmap();
        let voter = map.rank_of_addrs(addrs).and_then(|rank| map.name_of(rank));
        // Learners are not in the map, but come into it, and may send again what they sent as learners.
        let learner = || self.learners().iter().find(|(_, of)| *of == addrs).map(|(name, _)| name.as_str());
        voter.or_else(learner).map_or_else(|| addrs.to_string(), String::from)
    }

    fn take_forward(&mut self, cx: &mut Cx<'_>, from: &AddrVec, forward: MForward) {
        if !self.we_lead() {
            // The peon sends it again once it knows who leads.
            return;
        }
        let name = self.peer_name(from);
        let is_it = |origin: &Origin| match origin {
            Origin::Peer { name: by, tid, .. } => *tid == forward.tid && *by == name,
            Origin::Client(_) | Origin::Admin(_) => false,
        };
        if self.queue.iter().any(|operation| is_it(&operation.origin)) {
            // Sent again in a new session, while the first is still to be done.
            return;
        }
        let envelope = match forward.message.envelope() {
            Ok(envelope) => envelope,
            Err(error) => {
                cx.out.log(Level::Warn, format!("forwarded message from {from} does not decode: {error}"));
                return;
            }
        };
        let requester = Requester {
            entity: forward.entity_name,
            global_id: GlobalId(u64::try_from(forward.message.source.number).unwrap_or(0)),
            caps: forward.client_caps,
            addrs: forward.client_addrs,
            socket: forward.client_socket_addr.socket,
            features: forward.con_features,
            release: 0,
        };
        let mut operation = Operation {
            origin: Origin::Peer { addrs: from.clone(), name, tid: forward.tid },
            requester: Arc::new(requester),
            tid: envelope.tid,
            message: envelope.message,
            command: None,
            arrived: cx.now.mono,
            forwarded: 0,
            hold: None,
        };
        match self.understand(cx, &operation) {
            Ok(command) => {
                operation.command = command;
                self.submit(cx, operation);
            }
            Err(answer) => self.deliver(cx, &operation, *answer),
        }
    }

    fn take_route(&mut self, cx: &mut Cx<'_>, route: MRoute) {
        let number = match self.forwarded.first_key_value() {
            Some((oldest, _)) if bug::is_on(Bug::RoutedToAnother) => *oldest,
            _ => route.session_mon_tid,
        };
        let Some(operation) = self.forwarded.remove(&number) else { return };
        let envelope = match route.message.map(|message| message.envelope()) {
            None => return self.deliver(cx, &operation, Answer::Nothing),
            Some(Ok(envelope)) => envelope,
            Some(Err(error)) => {
                cx.out.log(Level::Warn, format!("routed message does not decode: {error}"));
                return self.deliver(cx, &operation, Answer::Nothing);
            }
        };
        match (&operation.origin, envelope.message) {
            (Origin::Admin(_), Message::MonCommandAck(ack)) => {
                let reply = CommandReply { code: ack.code, message: ack.message, output: ack.output };
                self.deliver(cx, &operation, Answer::Command(reply));
            }
            (_, message) => self.deliver(cx, &operation, Answer::Message(Box::new(message))),
        }
    }

    /// Puts a forwarded operation's result into the value that applies it.
    pub(super) fn record_answer(&self, operation: &Operation, answer: &Answer, value: &mut Transaction) {
        let Some((name, tid)) = self.number_of(operation) else { return };
        if let Answer::Command(CommandReply { code, message, output }) = answer {
            let mut record = Vec::new();
            code.encode(&mut record);
            message.encode(&mut record);
            output.encode(&mut record);
            value.put(OWN_PREFIX, done_key(name, tid), record);
            if tid % DONE_TRIM_INTERVAL == 0 {
                // Nobody asks again for what an earlier process of the monitor forwarded.
                let next_instance = (tid | u64::from(u32::MAX)).saturating_add(1);
                for (start, end) in [(0, tid.saturating_sub(DONE_KEPT)), (next_instance, u64::MAX)] {
                    value.erase_range(OWN_PREFIX, done_key(name, start), done_key(name, end));
                }
            }
        }
    }

    /// The result of a forwarded operation that was applied before.
    pub(super) fn earlier_answer(&self, cx: &Cx<'_>, operation: &Operation) -> Result<Option<Answer>, Halt> {
        let Some((name, tid)) = self.number_of(operation).filter(|_| !bug::is_on(Bug::ForwardedTwice)) else {
            return Ok(None);
        };
        let record: Option<((i32, String), bytes::Bytes)> =
            stored_optional(cx.store, OWN_PREFIX, &done_key(name, tid))?;
        Ok(record.map(|((code, message), output)| Answer::Command(CommandReply { code, message, output })))
    }

    /// By which monitor an operation was forwarded, now or before, under which number.
    fn number_of<'a>(&'a self, operation: &'a Operation) -> Option<(&'a str, u64)> {
        let ours = self.quorum.as_ref().is_some_and(|quorum| quorum.all_ours);
        match &operation.origin {
            _ if !ours => None,
            Origin::Peer { name, tid, .. } if *tid > 0 => Some((name, *tid)),
            Origin::Client(_) | Origin::Admin(_) if operation.forwarded > 0 => {
                Some((&self.identity.name, operation.forwarded))
            }
            Origin::Peer { .. } | Origin::Client(_) | Origin::Admin(_) => None,
        }
    }

    /// Our own numbered name.
    pub(super) fn instance(&self) -> EntityInstanceName {
        let rank = self.monmap().rank_of(&self.identity.name);
        EntityInstanceName { kind: EntityType::Mon as u8, number: rank.map_or(-1, |rank| rank.0.into()) }
    }
}

fn done_key(name: &str, tid: u64) -> String {
    format!("done/{name}/{tid:016x}")
}
