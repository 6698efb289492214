//! Messages and sessions between processes.

use std::time::Duration;

use mon_core::event::Event;
use mon_types::message::Envelope;
use rand::RngExt;

use super::{Happening, World};
use crate::net::pair;
use crate::node::name;
use crate::process::Process;

/// How often a refused connection is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// How long a connection lives on which nothing passes.
const GIVES_UP: Duration = Duration::from_secs(15);

impl<P: Process> World<P> {
    pub(super) fn send(&mut self, from: usize, to: usize, message: Envelope) {
        if self.wire.is_some() {
            return self.wire_send(from, to, &message);
        }
        let message = match self.plan.as_bytes {
            true => match Envelope::decode(&message.to_raw()) {
                Ok(decoded) => decoded,
                Err(error) => {
                    let kind = message.message.kind();
                    return self.violate("encoding", format!("message {kind} does not decode: {error}"));
                }
            },
            false => message,
        };
        if !self.net.is_up(from, to) {
            self.net.held.entry((from, to)).or_default().push_back(message);
            self.try_connect(from, to);
            return;
        }
        self.transmit(from, to, message);
    }

    fn transmit(&mut self, from: usize, to: usize, message: Envelope) {
        let link = (from, to);
        if !self.net.passes(link) || self.net.held.contains_key(&link) {
            return self.hold(link, message);
        }
        let mut delay = self.micros(self.plan.weather.delay);
        delay += self.net.clogged.get(&link).copied().unwrap_or_default();
        let last = self.net.arrival.entry(link).or_default();
        let at = (self.now + delay).max(*last);
        *last = at;
        let number = self.net.number(link);
        self.plan_for(at, Happening::Arrives { from, to, number, message: Box::new(message) });
    }

    pub(super) fn arrives(&mut self, from: usize, to: usize, number: u64, message: Envelope) {
        let link = (from, to);
        if self.net.number(link) != number {
            return;
        }
        if !self.net.passes(link) {
            return self.hold(link, message);
        }
        let peer = self.nodes[from].identity.addrs.clone();
        self.feed(to, Event::PeerMessage { peer, message });
    }

    /// A cut keeps a message. A connection on which nothing moves for long is given up by both ends, with what is in it.
    fn hold(&mut self, link: (usize, usize), message: Envelope) {
        let (from, to) = link;
        self.net.held.entry(link).or_default().push_back(message);
        let since = *self.net.stuck.entry(link).or_insert(self.now);
        if self.now > since + GIVES_UP {
            self.net.close(from, to);
            self.tell_down(from, to);
            self.tell_down(to, from);
        }
    }

    /// Lets what a cut held go on its way.
    pub(super) fn release(&mut self, from: usize, to: usize) {
        if self.wire.is_some() {
            return self.wire_release(from, to);
        }
        if !self.net.is_up(from, to) {
            self.try_connect(from, to);
            return;
        }
        self.net.stuck.remove(&(from, to));
        for message in self.net.held.remove(&(from, to)).unwrap_or_default() {
            self.transmit(from, to, message);
        }
    }

    /// A process wants a session with another, whether it has something to say or not.
    pub(super) fn keep_session(&mut self, node: usize, peer: usize) {
        match self.wire {
            Some(_) => self.wire_keep(node, peer),
            None => self.try_connect(node, peer),
        }
    }

    /// Whether two have a session that works.
    pub(super) fn session_stands(&self, a: usize, b: usize) -> bool {
        self.wire.as_ref().map_or_else(|| self.net.is_up(a, b), |wire| wire.is_up(a, b))
    }

    /// Begins to make a session, unless somebody does already.
    pub(super) fn try_connect(&mut self, from: usize, to: usize) {
        // Real sessions see to themselves.
        if self.wire.is_some() || self.net.is_up(from, to) || !self.net.connecting.insert(pair(from, to)) {
            return;
        }
        let at = self.now + self.micros(self.plan.weather.delay) * 3;
        self.plan_for(at, Happening::Connect { from, to });
    }

    pub(super) fn connect(&mut self, from: usize, to: usize) {
        if !self.net.connecting.remove(&pair(from, to)) || self.net.is_up(from, to) {
            return;
        }
        let alive = |node: usize| self.nodes[node].process.is_some();
        if !self.net.is_whole(from, to) || !alive(from) && !alive(to) {
            return; // It is tried again when the link is mended, or somebody starts.
        }
        if alive(from) && alive(to) {
            self.establish(from, to);
            return;
        }
        let (one, dead) = if alive(from) { (from, to) } else { (to, from) };
        self.tell_down(one, dead);
        if self.net.held.contains_key(&(one, dead)) {
            self.net.connecting.insert(pair(from, to));
            self.plan_for(self.now + RETRY, Happening::Connect { from: one, to: dead });
        }
    }

    /// A session stands. What waited for it is sent, or was lost with the one before.
    fn establish(&mut self, a: usize, b: usize) {
        let kept: Vec<_> = [(a, b), (b, a)].map(|link| (link, self.net.held.remove(&link))).into();
        self.net.open(a, b);
        self.trace.line(self.now, || format!("session {} - {}", name(a), name(b)));
        for (node, peer) in [(a, b), (b, a)] {
            let features = self.nodes[peer].identity.features.0;
            let peer = self.nodes[peer].identity.addrs.clone();
            self.feed(node, Event::PeerConnected { peer, features });
        }
        for ((from, to), messages) in kept {
            if self.rng.random_bool(0.5) {
                for message in messages.unwrap_or_default() {
                    self.send(from, to, message);
                }
            }
        }
    }

    /// One side ends a session; the other sees it closed.
    pub(super) fn drop_session(&mut self, node: usize, peer: usize) {
        if self.wire.is_some() {
            return self.wire_drop(node, peer);
        }
        let was_up = self.net.close(node, peer);
        if was_up && self.net.passes((node, peer)) {
            self.tell_down(peer, node);
        }
    }

    /// A session is made anew between two that live.
    pub(super) fn reset_session(&mut self, a: usize, b: usize) {
        if self.wire.is_some() {
            return self.wire_break(a, b);
        }
        if self.net.close(a, b) {
            self.try_connect(a, b);
        }
    }

    /// A process is told that another is gone.
    pub(super) fn tell_down(&mut self, node: usize, peer: usize) {
        let (life, at) = (self.nodes[node].life, self.now + self.micros(self.plan.weather.delay));
        let peer = self.nodes[peer].identity.addrs.clone();
        self.plan_for(at, Happening::Session { node, life, event: Box::new(Event::PeerDown { peer }) });
    }

    /// A process has ended: its connections close, what it had sent still arrives.
    pub(super) fn process_gone(&mut self, node: usize, power_cut: bool) {
        self.guests_lose(node);
        if self.wire.is_some() {
            return self.wire_gone(node, power_cut);
        }
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            if !self.net.is_up(node, other) {
                continue;
            }
            if self.rng.random_bool(0.5) {
                self.net.sever((node, other));
            }
            let number = self.net.number((node, other));
            self.net.close(node, other);
            if self.net.passes((node, other)) {
                self.tell_down(other, node);
            }
            // What is on the wire arrives before the end of the stream.
            self.keep_arriving(node, other, number);
        }
    }

    fn keep_arriving(&mut self, from: usize, to: usize, number: u64) {
        let current = self.net.number((from, to));
        for happening in self.agenda.values_mut() {
            if let Happening::Arrives { from: f, to: t, number: n, .. } = happening
                && (*f, *t, *n) == (from, to, number)
            {
                *n = current;
            }
        }
    }
}
