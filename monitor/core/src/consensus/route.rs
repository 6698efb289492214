//! Where messages of other monitors go, and what connections tell.

use mon_types::addr::AddrVec;
use mon_types::encode::Decode;
use mon_types::features::Features;
use mon_types::id::{Epoch, Fsid};
use mon_types::message::{Envelope, MMonElection, Message};
use mon_types::monmap::MonMap;

use crate::bug::{self, Bug};
use crate::consensus::{Consensus, Role};
use crate::cx::Cx;
use crate::effect::{Halt, Level};

/// How many monitors of other clusters are told of.
const FOREIGNERS_MAX: usize = 32;

impl Consensus {
    /// A message of another monitor; returns what is not for the consensus.
    ///
    /// # Errors
    /// When we must stop.
    pub fn handle_peer(
        &mut self,
        cx: &mut Cx<'_>,
        from: &AddrVec,
        envelope: Envelope,
    ) -> Result<Option<Envelope>, Halt> {
        let from = &self.canonical(from);
        self.liveness.heard(from, cx.now.mono);
        match envelope.message {
            Message::Probe(m) => self.handle_probe(cx, from, m)?,
            Message::Election(m) => self.handle_election(cx, from, m)?,
            Message::Paxos(m) => {
                if self.is_current(cx, m.epoch)? {
                    self.paxos.handle(cx, from, m)?;
                }
            }
            Message::Sync(m) => self.handle_sync(cx, from, m)?,
            Message::MonPing(m) => self.handle_ping(cx, from, &m),
            Message::TimeCheck(m) => self.handle_timecheck(cx, from, m),
            Message::Heartbeat(m) => {
                self.learn_term(cx, from, &m);
                if self.is_current(cx, m.epoch)? {
                    self.paxos.handle_heartbeat(cx, from, &m);
                }
            }
            Message::HeartbeatAck(m) => {
                if self.is_current(cx, m.epoch)? {
                    self.paxos.handle_heartbeat_ack(cx, from, &m)?;
                }
            }
            Message::ReadIndex(m) => {
                if self.is_current(cx, m.epoch)? {
                    self.paxos.handle_read_index(cx, from, &m);
                }
            }
            Message::StepDown(m) => self.handle_step_down(cx, from, &m),
            Message::Follow(m) => {
                if m.fsid == self.identity.fsid {
                    self.paxos.handle_follow(cx, from, &m)?;
                }
            }
            message => return Ok(Some(Envelope { tid: envelope.tid, message })),
        }
        self.settle(cx)?;
        Ok(None)
    }

    /// A session with another monitor stands; what was sent before may be lost.
    ///
    /// # Errors
    /// When we must stop.
    pub fn peer_connected(&mut self, cx: &mut Cx<'_>, peer: &AddrVec, features: u64) -> Result<(), Halt> {
        let peer = &self.canonical(peer);
        self.liveness.connected(peer, cx.now.mono, Features(features));
        match self.role {
            Role::Probing => self.send_probe(cx, peer),
            Role::Electing => {
                self.with_elector(cx, |elector, cx, scene| elector.propose_again(cx, scene, peer));
            }
            Role::Leader | Role::Peon | Role::Learner => self.paxos.peer_connected(cx, peer),
            Role::Synchronizing => self.sync_peer_connected(cx, peer)?,
        }
        self.settle(cx)
    }

    /// A monitor's process is gone or cannot be reached.
    ///
    /// # Errors
    /// When we must stop.
    pub fn peer_down(&mut self, cx: &mut Cx<'_>, peer: &AddrVec) -> Result<(), Halt> {
        let peer = &self.canonical(peer);
        self.lost_peer(cx, peer)?;
        if self.view.is_some() && self.extra_peers.contains(peer) {
            // Removed, say, or replaced. If it comes back, it will say so by itself.
            if !self.identity.extra_probe_peers.contains(peer) {
                self.extra_peers.remove(peer);
            }
            self.publish_peers(cx, false);
        }
        self.settle(cx)
    }

    /// The addresses under which the map knows a peer, which may show more or fewer of them.
    fn canonical(&self, addrs: &AddrVec) -> AddrVec {
        let known = self.members.rank_of(addrs).and_then(|rank| self.members.addrs_of(rank));
        known.unwrap_or(addrs).clone()
    }

    /// Whether a message belongs to the term that we are in. A newer one means that we missed an election.
    fn is_current(&mut self, cx: &mut Cx<'_>, epoch: Epoch) -> Result<bool, Halt> {
        let Some(view) = &self.view else {
            if self.role == Role::Electing && epoch > self.elector.epoch().next() {
                self.bootstrap(cx, "an election went on without us")?;
            }
            return Ok(false);
        };
        if epoch > view.epoch && !view.learner {
            self.bootstrap(cx, "an election went on without us")?;
            return Ok(false);
        }
        Ok(epoch == view.epoch)
    }

    fn handle_election(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: MMonElection) -> Result<(), Halt> {
        if m.fsid != self.identity.fsid {
            self.note_foreigner(cx, from, "a monitor", m.fsid);
            return Ok(());
        }
        let stays_out = self.exited && !bug::is_on(Bug::ExitedVotes);
        if self.role == Role::Synchronizing || self.marks.must_sync() || stays_out {
            return Ok(());
        }
        if self.compare_maps(cx, from, &m)? {
            return Ok(());
        }
        let (Some(rank), Some(_)) = (self.members.rank_of(from), self.members.me()) else { return Ok(()) };
        if m.strategy != self.members.monmap().strategy as u8 {
            return Ok(());
        }
        if self.role == Role::Probing && !self.may_elect_with(from, &m) {
            return Ok(());
        }
        self.with_elector(cx, |elector, cx, scene| elector.handle(cx, scene, rank, from, m));
        Ok(())
    }

    /// A monitor of another cluster talks to us, most likely by a copied configuration: it gets no answer, and is told
    /// of once, though it may go on for ever.
    pub(crate) fn note_foreigner(&mut self, cx: &mut Cx<'_>, from: &AddrVec, who: &str, fsid: Fsid) {
        if self.foreigners.len() >= FOREIGNERS_MAX || !self.foreigners.insert((from.clone(), fsid)) {
            return;
        }
        let ours = self.identity.fsid;
        cx.out.log(
            Level::Warn,
            format!("{who} at {from} is of cluster {fsid}, not {ours}: refused; check its fsid and mon_host"),
        );
    }

    /// Looks at the map that came along. `true` when the message itself must not be looked at.
    fn compare_maps(&mut self, cx: &mut Cx<'_>, from: &AddrVec, m: &MMonElection) -> Result<bool, Halt> {
        let Ok(map) = MonMap::from_bytes(&m.monmap) else { return Ok(true) };
        let ours = self.members.monmap().epoch;
        if map.fsid != self.identity.fsid {
            return Ok(true);
        }
        if map.epoch < ours {
            // It will take over ours, and come again.
            self.send_probe_reply(cx, from);
            return Ok(true);
        }
        if map.epoch == ours {
            return Ok(false);
        }
        if self.role == Role::Leader && self.paxos.is_busy() {
            // Most likely the very change that we have just committed: our peons were quicker to apply it. Our
            // own election follows in a moment, and the client still hears that its change is made.
            return Ok(true);
        }
        let at_ease = self.role != Role::Probing;
        self.leave(cx);
        self.elector.withdraw();
        self.role = Role::Probing;
        self.adopt(cx, map)?;
        self.bootstrap(cx, "the monmap changed")?;
        // Who was in the quorum a moment ago is not behind, and can take part at once.
        Ok(!at_ease)
    }
}
