//! The wire mode: what processes say to each other passes through sessions and frames, and bytes are what is late,
//! held and lost. The rules for sessions are those of the daemon's `net/peer.rs`.

mod breakage;

use std::time::Duration;

use mon_core::event::Event;
use mon_types::message::Envelope;
use mon_wire::{Connection, Incoming, SessionEvent, SessionFrame};
use rand::RngExt;

use super::{Happening, World};
use crate::node::{addrs, index_of_addrs, name};
use crate::process::Process;
use crate::wire::{Chunk, End, Peer, Step, Wire, step};

/// Failed calls in a row after which a session with a stranger is forgotten.
const STRANGER_FAILURES_MAX: u32 = 10;
/// When a handshake that stalls is looked at.
const HANDSHAKE_MAX: Duration = Duration::from_millis(10_500);

impl<P: Process> World<P> {
    fn mono(&self, node: usize) -> Duration {
        self.nodes[node].clock.at(self.now).mono
    }

    fn wire_peer(&mut self, node: usize, peer: usize) -> Option<&mut Peer> {
        let wall = self.nodes[node].clock.at(self.now).wall.to_duration().as_millis() as u64;
        self.wire.as_mut().map(|wire| wire.peer(node, peer, wall))
    }

    /// A process says something to another.
    pub(super) fn wire_send(&mut self, from: usize, to: usize, message: &Envelope) {
        let now = self.mono(from);
        let Some(wire) = &mut self.wire else { return };
        let raw = wire.stamp((from, to), message.to_raw());
        let Some(peer) = self.wire_peer(from, to) else { return };
        if peer.session.send(now, raw).is_err() {
            // A lossless session must not have gaps: another is begun.
            let kept = peer.kept;
            self.wire_drop(from, to);
            self.tell_down(from, to);
            if kept {
                self.wire_keep(from, to);
            }
            return;
        }
        self.pump(from, to);
    }

    /// A process wants to stay connected.
    pub(super) fn wire_keep(&mut self, node: usize, peer: usize) {
        let now = self.mono(node);
        if let Some(peer) = self.wire_peer(node, peer) {
            peer.kept = true;
            peer.session.set_persistent(now, true);
        }
        self.pump(node, peer);
    }

    /// A process forgets a session; what it said before still goes out.
    pub(super) fn wire_drop(&mut self, node: usize, peer: usize) {
        self.pump(node, peer);
        let Some(wire) = &mut self.wire else { return };
        let Some(Peer { line, call, .. }) = wire.peers.remove(&(node, peer)) else { return };
        wire.opened((peer, node), false);
        for line in line.into_iter().chain(call) {
            self.close_end(line, node);
        }
    }

    /// Moves what a session has to say: events to its process, bytes to the network, calls to be made.
    fn pump(&mut self, node: usize, peer: usize) {
        if !self.nodes[node].is_live() {
            return;
        }
        let now = self.mono(node);
        loop {
            let Some(this) = self.wire.as_mut().and_then(|wire| wire.peers.get_mut(&(node, peer))) else {
                return;
            };
            if let Some(event) = this.session.poll_event(now) {
                self.session_event(node, peer, event);
                continue;
            }
            if !this.session.is_attached()
                && let Some(line) = this.line.take()
            {
                self.close_end(line, node);
                continue;
            }
            if this.session.poll_dial(now) {
                self.dial(node, peer);
                continue;
            }
            if let Some(bytes) = this.session.poll_transmit(now) {
                if let Some(line) = this.line {
                    self.put(line, node, Chunk::Bytes(bytes));
                }
                continue;
            }
            break;
        }
        self.plan_timer(node, peer);
    }

    fn plan_timer(&mut self, node: usize, peer: usize) {
        let (clock, life) = (self.nodes[node].clock, self.nodes[node].life);
        let Some(this) = self.wire.as_mut().and_then(|wire| wire.peers.get_mut(&(node, peer))) else {
            return;
        };
        let Some(due) = this.session.poll_timeout() else { return };
        let at = clock.when(due).max(self.now + Duration::from_micros(1));
        if this.timer.is_none_or(|planned| at < planned) {
            this.timer = Some(at);
            self.plan_for(at, Happening::WireTimer { node, peer, life });
        }
    }

    pub(super) fn wire_timer(&mut self, node: usize, peer: usize, life: u64) {
        if self.nodes[node].life != life {
            return;
        }
        let (now, live) = (self.mono(node), self.nodes[node].is_live());
        if let Some(this) = self.wire.as_mut().and_then(|wire| wire.peers.get_mut(&(node, peer))) {
            this.timer = None;
            if live {
                this.session.handle_timeout(now);
            }
        }
        self.pump(node, peer);
    }

    /// What a session has for its process. It comes by the process's queue, as in the daemon.
    fn session_event(&mut self, node: usize, peer: usize, event: SessionEvent) {
        let Some(wire) = &mut self.wire else { return };
        let event = match event {
            SessionEvent::Opened(opened) => {
                wire.opened((peer, node), opened.resumed);
                if let Some(this) = wire.peers.get_mut(&(node, peer)) {
                    this.failures = 0;
                }
                let how = if opened.resumed { "goes on" } else { "is new" };
                self.trace.line(self.now, || format!("session {} - {} {how}", name(node), name(peer)));
                Event::PeerConnected { peer: opened.addrs, features: opened.features }
            }
            SessionEvent::Message(raw) => {
                let taken = wire.take_stamp((peer, node), raw);
                let decoded = taken.and_then(|raw| Envelope::decode(&raw).map_err(|error| error.to_string()));
                match decoded {
                    Ok(message) => Event::PeerMessage { peer: addrs(peer), message },
                    Err(what) => {
                        return self
                            .violate("frames", format!("{} hears of {}: {what}", name(node), name(peer)));
                    }
                }
            }
            SessionEvent::Alive => return,
            SessionEvent::Down(_) | SessionEvent::Closed(_) => Event::PeerDown { peer: addrs(peer) },
        };
        let life = self.nodes[node].life;
        self.plan_for(self.now, Happening::Session { node, life, event: Box::new(event) });
    }

    fn dial(&mut self, from: usize, to: usize) {
        let (at, life) = (self.now + self.micros(self.plan.weather.delay) * 3, self.nodes[from].life);
        let Some(wire) = &mut self.wire else { return };
        let attempt = wire.number();
        if let Some(peer) = wire.peers.get_mut(&(from, to)) {
            peer.call = Some(attempt);
        }
        self.plan_for(at, Happening::WireCall { from, to, life, attempt });
    }

    /// A call reaches the other side, or does not.
    pub(super) fn wire_call(&mut self, from: usize, to: usize, life: u64, attempt: u64) {
        if self.nodes[from].life != life {
            return;
        }
        if self.nodes[from].paused {
            let later = self.now + Duration::from_millis(20);
            return self.plan_for(later, Happening::WireCall { from, to, life, attempt });
        }
        let called = self.nodes[to].process.is_some() && self.net.is_whole(from, to);
        let now = [self.mono(from), self.mono(to)];
        let Some(wire) = &mut self.wire else { return };
        let Some(peer) = wire.peers.get_mut(&(from, to)).filter(|peer| peer.call == Some(attempt)) else {
            return;
        };
        if called {
            wire.connect(attempt, from, to, now, self.now);
            self.plan_for(self.now + HANDSHAKE_MAX, Happening::WireStall { line: attempt });
            self.drive(attempt, from);
            self.drive(attempt, to);
        } else {
            peer.call = None;
            self.call_failed(from, to);
        }
    }

    fn call_failed(&mut self, from: usize, to: usize) {
        let now = self.mono(from);
        let Some(wire) = &mut self.wire else { return };
        let Some(peer) = wire.peers.get_mut(&(from, to)) else { return };
        peer.failures += 1;
        peer.session.handle_dial_failed(now);
        self.tell_down(from, to);
        let Some(wire) = &mut self.wire else { return };
        if wire.peers.get(&(from, to)).is_some_and(|p| !p.kept && p.failures >= STRANGER_FAILURES_MAX) {
            wire.peers.remove(&(from, to));
            wire.opened((to, from), false);
        }
        self.pump(from, to);
    }

    /// A handshake may have taken too long.
    pub(super) fn wire_stall(&mut self, line: u64) {
        let stalled = |wire: &Wire, end: usize| {
            let line = wire.lines.get(&line)?;
            matches!(line.ends[end], End::Handshake(_)).then_some(line.nodes[end])
        };
        for end in 0..2 {
            if let Some(node) = self.wire.as_ref().and_then(|wire| stalled(wire, end)) {
                self.handshake_failed(line, node);
            }
        }
    }

    /// Sends something on its way, from this node to the line's other end.
    fn put(&mut self, number: u64, from: usize, chunk: Chunk) {
        if let Chunk::Bytes(bytes) = &chunk
            && bytes.len() > 1
            && self.rng.random_bool(0.2)
        {
            // Streams have no frames of their own.
            let at = self.rng.random_range(1..bytes.len());
            self.put_whole(number, from, Chunk::Bytes(bytes.slice(..at)));
            return self.put_whole(number, from, Chunk::Bytes(bytes.slice(at..)));
        }
        self.put_whole(number, from, chunk);
    }

    fn put_whole(&mut self, number: u64, from: usize, chunk: Chunk) {
        let Some(line) = self.wire.as_mut().and_then(|wire| wire.lines.get_mut(&number)) else { return };
        let end = usize::from(line.nodes[0] == from);
        if line.broken && matches!(chunk, Chunk::Bytes(_)) {
            return;
        }
        line.flow[end].push_back(chunk);
        self.plan_arrival(number, end);
    }

    /// The next of what is under way to an end arrives after a while, unless a cut keeps it.
    fn plan_arrival(&mut self, number: u64, end: usize) {
        let delay = self.micros(self.plan.weather.delay);
        let Some(line) = self.wire.as_mut().and_then(|wire| wire.lines.get_mut(&number)) else { return };
        let link = (line.nodes[1 - end], line.nodes[end]);
        if !self.net.passes(link) {
            line.held[end] += 1;
            return;
        }
        let extra = self.net.clogged.get(&link).copied().unwrap_or_default();
        line.arrival[end] = line.arrival[end].max(self.now + delay + extra);
        let at = line.arrival[end];
        self.plan_for(at, Happening::WireArrival { line: number, end });
    }

    pub(super) fn wire_arrival(&mut self, number: u64, end: usize) {
        let Some(line) = self.wire.as_mut().and_then(|wire| wire.lines.get_mut(&number)) else { return };
        let (node, other) = (line.nodes[end], line.nodes[1 - end]);
        if !self.net.passes((other, node)) {
            line.held[end] += 1;
            return;
        }
        if self.nodes[node].paused {
            line.waiting[end] += 1;
            return;
        }
        let Some(chunk) = line.flow[end].pop_front() else { return };
        match (&mut line.ends[end], chunk) {
            (End::Gone, Chunk::Bytes(_)) => {
                // Nobody is there: a machine that runs says so, one without power does not.
                if self.nodes[node].process.is_some() {
                    self.put(number, node, Chunk::End);
                }
            }
            (End::Gone, Chunk::End) => {}
            (End::Attached, chunk) => {
                let now = self.mono(node);
                let session = self.wire.as_mut().and_then(|wire| wire.peers.get_mut(&(node, other)));
                if let Some(peer) = session.filter(|peer| peer.line == Some(number)) {
                    match chunk {
                        Chunk::Bytes(bytes) => peer.session.handle_bytes(now, &bytes),
                        Chunk::End => peer.session.handle_lost(now, "closed"),
                    }
                }
                self.pump(node, other);
            }
            (End::Handshake(_), Chunk::End) => self.handshake_failed(number, node),
            (End::Handshake(connection), Chunk::Bytes(bytes)) => {
                let now = self.nodes[node].clock.at(self.now).mono;
                match connection.handle_bytes(now, &bytes) {
                    Ok(()) => self.drive(number, node),
                    Err(_) => self.handshake_failed(number, node),
                }
            }
        }
    }

    /// Closes one end; the other hears of it when everything before has arrived.
    fn close_end(&mut self, number: u64, node: usize) {
        let Some(wire) = &mut self.wire else { return };
        let Some(line) = wire.lines.get_mut(&number) else { return };
        let end = usize::from(line.nodes[1] == node);
        line.ends[end] = End::Gone;
        line.flow[end].clear();
        if matches!(line.ends[1 - end], End::Gone) {
            wire.lines.remove(&number);
        } else {
            self.put(number, node, Chunk::End);
        }
    }

    fn handshake_failed(&mut self, number: u64, node: usize) {
        let other = self.other(number, node);
        self.close_end(number, node);
        let Some(other) = other else { return };
        let Some(peer) = self.wire.as_mut().and_then(|wire| wire.peers.get_mut(&(node, other))) else {
            return;
        };
        if peer.call == Some(number) {
            peer.call = None;
            self.call_failed(node, other);
        }
    }

    fn other(&self, number: u64, node: usize) -> Option<usize> {
        let line = self.wire.as_ref()?.lines.get(&number)?;
        Some(line.nodes[usize::from(line.nodes[0] == node)])
    }

    /// Lets a handshake at one end go on as far as it can.
    fn drive(&mut self, number: u64, node: usize) {
        // Who is stopped goes on when it wakes.
        let stopped = self.nodes[node].paused;
        let Some(wire) = self.wire.as_mut().filter(|_| !stopped) else { return };
        let mode = wire.mode;
        let Some(line) = wire.lines.get_mut(&number) else { return };
        let (end, caller) = (usize::from(line.nodes[1] == node), line.nodes[0] == node);
        let peer = line.nodes[1 - end];
        let End::Handshake(mut connection) = std::mem::replace(&mut line.ends[end], End::Gone) else {
            return;
        };
        if caller && wire.peers.get(&(node, peer)).is_none_or(|peer| peer.call != Some(number)) {
            // Given up, because the other's call was taken.
            return self.close_end(number, node);
        }
        loop {
            let step = step(&mut connection, mode);
            self.write_out(number, node, &mut connection);
            match step {
                Step::Idle => break,
                Step::Authenticated if caller => return self.attach_call(number, node, peer, *connection),
                Step::Authenticated => {}
                Step::Failed => return self.handshake_failed(number, node),
                Step::Ident(frame) => match self.judge(number, node, *connection, &frame) {
                    Some(back) => connection = back,
                    None => return,
                },
            }
        }
        if let Some(line) = self.wire.as_mut().and_then(|wire| wire.lines.get_mut(&number)) {
            line.ends[end] = End::Handshake(connection);
        }
    }

    fn write_out(&mut self, number: u64, node: usize, connection: &mut Connection) {
        while let Some(bytes) = connection.poll_transmit() {
            self.put(number, node, Chunk::Bytes(bytes));
        }
    }

    fn attach_call(&mut self, number: u64, node: usize, peer: usize, connection: Connection) {
        let cookie = self.rng.random();
        let this = self.wire.as_mut().and_then(|wire| wire.peers.get_mut(&(node, peer)));
        let attached = this.is_some_and(|this| {
            this.call = None;
            this.session.attach_outgoing(connection, cookie)
        });
        match attached {
            true => self.attach(number, node, peer),
            false => self.close_end(number, node),
        }
    }

    /// A call is judged by the session that it means; it comes back when the caller is told to say it differently.
    fn judge(
        &mut self,
        number: u64,
        node: usize,
        connection: Connection,
        ident: &SessionFrame,
    ) -> Option<Box<Connection>> {
        let from = match ident {
            SessionFrame::ClientIdent(ident) => index_of_addrs(&ident.addrs),
            SessionFrame::Reconnect(reconnect) => index_of_addrs(&reconnect.addrs),
            _ => None,
        };
        let cookie = self.rng.random();
        let Some(this) = from.and_then(|from| self.wire_peer(node, from)) else {
            self.close_end(number, node);
            return None;
        };
        match this.session.attach_incoming(connection, ident, cookie) {
            Ok(Incoming::Answered(mut back)) => {
                self.write_out(number, node, &mut back);
                return Some(back);
            }
            Ok(Incoming::Attached) => {
                this.failures = 0;
                let replaced = [this.line.take(), this.call.take()];
                for line in replaced.into_iter().flatten().filter(|line| *line != number) {
                    self.close_end(line, node);
                }
                if let Some(from) = from {
                    self.attach(number, node, from);
                }
            }
            Ok(Incoming::Refused(mut back, _)) => {
                self.write_out(number, node, &mut back);
                self.close_end(number, node);
            }
            Err(_) => self.close_end(number, node),
        }
        None
    }

    fn attach(&mut self, number: u64, node: usize, peer: usize) {
        let Some(wire) = &mut self.wire else { return };
        if let (Some(line), Some(this)) = (wire.lines.get_mut(&number), wire.peers.get_mut(&(node, peer))) {
            line.ends[usize::from(line.nodes[1] == node)] = End::Attached;
            this.line = Some(number);
        }
        self.pump(node, peer);
    }
}
