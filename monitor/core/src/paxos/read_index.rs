//! Reads that are current without leases.
//!
//! ```text
//! peon    read --> Request ----.                                   .--> reach the index, then answer
//!                               v                                 /
//! leader  read --> index = last_committed, Heartbeat(round) ... majority acknowledged --> Index
//! ```
//!
//! A peon acknowledges a heartbeat only while its promise is to the number in it. So when a majority has
//! acknowledged a round that started after the read came in, no later leader had finished phase 1 when
//! the read came in, and no value that the read must see is above the index. Clocks play no part: a leader
//! that was paused gets no acknowledgements and answers nothing.

use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::id::{Rank, Version};
use mon_types::message::{ReadIndex, ReadIndexOp};

use super::{Paxos, PaxosEvent, Rule};
use crate::bug::{self, Bug};
use crate::cx::Cx;
use crate::quorum::ReadId;

/// Reads that are not answered yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads {
    /// Not part of a round yet.
    waiting: Vec<Reader>,
    /// The leader's round under way.
    running: Option<Round>,
    /// The peon's question under way.
    asked: Option<Asked>,
    questions: u64,
    /// Confirmed, once the store shows the version.
    confirmed: Vec<(Version, ReadId)>,
}

/// Who wants to read.
#[derive(Debug, Clone)]
enum Reader {
    Local(ReadId),
    Peer { addrs: AddrVec, round: u64 },
}

#[derive(Debug, Clone)]
struct Round {
    round: u64,
    index: Version,
    readers: Vec<Reader>,
}

#[derive(Debug, Clone)]
struct Asked {
    round: u64,
    reads: Vec<ReadId>,
    sent: Duration,
}

impl Reads {
    pub(super) fn clear(&mut self) {
        *self = Self { questions: self.questions, ..Self::default() };
    }

    pub(super) fn is_asking(&self) -> Option<Duration> {
        self.asked.as_ref().map(|asked| asked.sent)
    }
}

impl Paxos {
    /// Asks for a current view; answered by [`PaxosEvent::ReadReady`] or dropped with the term.
    pub(crate) fn request_read(&mut self, cx: &mut Cx<'_>, id: ReadId) {
        let Some(term) = &self.term else { return };
        let (rule, leader) = (term.rule, term.is_leader());
        self.reads.waiting.push(Reader::Local(id));
        match (rule, leader) {
            (Rule::Stock, _) => self.release_leased_reads(cx),
            (Rule::Majority, true) => self.start_read_round(cx),
            (Rule::Majority, false) => self.ask_index(cx),
        }
    }

    /// Leader: opens a round for what waits, unless one is under way (they go into the next).
    pub(super) fn start_read_round(&mut self, cx: &mut Cx<'_>) {
        if let Some(running) = self.reads.running.as_mut().filter(|_| bug::is_on(Bug::ReadJoinsRound)) {
            running.readers.append(&mut self.reads.waiting);
        }
        if !self.settled && !bug::is_on(Bug::ReadBeforeSettled)
            || self.reads.running.is_some()
            || self.reads.waiting.is_empty()
        {
            return;
        }
        let readers = std::mem::take(&mut self.reads.waiting);
        let index = self.log.last();
        let round = self.beat(cx);
        self.reads.running = Some(Round { round, index, readers });
        self.check_read_round(cx);
    }

    /// Leader: ends the round once a majority has acknowledged it, we included.
    pub(super) fn check_read_round(&mut self, cx: &mut Cx<'_>) {
        let (Some(term), Some(running)) = (&self.term, &self.reads.running) else { return };
        let acknowledged = self.pulse.acknowledged(running.round) + 1;
        if acknowledged < term.majority() && !bug::is_on(Bug::ReadWithoutRound) {
            return;
        }
        let epoch = term.epoch;
        let Some(Round { index, readers, .. }) = self.reads.running.take() else { return };
        for reader in readers {
            match reader {
                Reader::Local(id) => self.reads.confirmed.push((index, id)),
                Reader::Peer { addrs, round } => {
                    cx.out.send(&addrs, ReadIndex { epoch, op: ReadIndexOp::Index, round, index }, None);
                }
            }
        }
        self.release_reads(cx);
        self.start_read_round(cx);
    }

    /// Peon: asks the leader for what waits, unless a question is under way.
    fn ask_index(&mut self, cx: &mut Cx<'_>) {
        if self.reads.asked.is_some() || self.reads.waiting.is_empty() {
            return;
        }
        let local = |reader| match reader {
            Reader::Local(id) => Some(id),
            Reader::Peer { .. } => None,
        };
        let reads = std::mem::take(&mut self.reads.waiting).into_iter().filter_map(local).collect();
        self.reads.questions += 1;
        self.reads.asked = Some(Asked { round: self.reads.questions, reads, sent: cx.now.mono });
        self.resend_ask(cx);
    }

    /// Peon: sends the question under way (again).
    pub(super) fn resend_ask(&mut self, cx: &mut Cx<'_>) {
        let (Some(term), Some(asked)) = (&self.term, &mut self.reads.asked) else { return };
        let Some(leader) = term.leader_addrs() else { return };
        asked.sent = cx.now.mono;
        let (epoch, round) = (term.epoch, asked.round);
        cx.out.send(leader, ReadIndex { epoch, op: ReadIndexOp::Request, round, index: Version(0) }, None);
    }

    /// A read-index message of this term.
    pub(crate) fn handle_read_index(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &ReadIndex) {
        let Some(term) = &self.term else { return };
        match m.op {
            ReadIndexOp::Request if term.is_leader() => {
                self.reads.waiting.push(Reader::Peer { addrs: from.clone(), round: m.round });
                self.start_read_round(cx);
            }
            ReadIndexOp::Index if term.leader_addrs() == Some(from) => {
                match self.reads.asked.take_if(|asked| asked.round == m.round) {
                    Some(asked) => {
                        self.reads.confirmed.extend(asked.reads.into_iter().map(|id| (m.index, id)))
                    }
                    None => return,
                }
                self.release_reads(cx);
                self.ask_index(cx);
            }
            ReadIndexOp::Request | ReadIndexOp::Index => {}
        }
    }

    /// Answers confirmed reads whose version the store shows.
    pub(super) fn release_reads(&mut self, cx: &mut Cx<'_>) {
        let unawaited = bug::is_on(Bug::ReadNotAwaitingIndex);
        let applied = if unawaited { Version(u64::MAX) } else { self.log.applied() };
        for (_, id) in self.reads.confirmed.extract_if(.., |(version, _)| *version <= applied) {
            self.events.push(PaxosEvent::ReadReady(id));
        }
        if self.term.as_ref().is_some_and(|term| term.rule == Rule::Stock) {
            self.release_leased_reads(cx);
        }
    }

    /// Answers everything that waits while the lease allows.
    pub(super) fn release_leased_reads(&mut self, cx: &mut Cx<'_>) {
        if !self.is_leased(cx) {
            return;
        }
        for reader in std::mem::take(&mut self.reads.waiting) {
            match reader {
                Reader::Local(id) => self.events.push(PaxosEvent::ReadReady(id)),
                Reader::Peer { .. } => {}
            }
        }
    }

    /// A peon lost its session: questions may be lost with it.
    pub(crate) fn peer_connected(&mut self, cx: &mut Cx<'_>, peer: &AddrVec) {
        let Some(term) = &self.term else { return };
        if term.rule == Rule::Stock {
            return;
        }
        let rank: Option<Rank> = term.rank_of(peer);
        match (term.is_leader(), rank) {
            (true, Some(rank)) if term.quorum.contains(&rank) => {
                self.resend_collect(cx, Some(rank));
                self.resend_begin(cx, Some(rank));
                self.beat(cx);
            }
            (false, Some(rank)) if rank == term.leader => self.resend_ask(cx),
            _ => {}
        }
    }
}
