//! What goes wrong: processes die, stop and run on; links are cut and mended.

use mon_core::event::Event;
use rand::RngExt;

use super::{Cluster, Item, ms, pair};
use crate::node::addrs;

impl Cluster {
    /// The process dies; peers learn of the closed connection, unless they are cut off.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
        self.after_death(node);
    }

    /// The machine dies, with some of what was not synced.
    pub(crate) fn crash(&mut self, node: usize) {
        let kept = self.rng.random_range(0..4);
        self.nodes[node].crash(kept);
        self.after_death(node);
    }

    pub(super) fn after_death(&mut self, node: usize) {
        for other in 0..self.nodes.len() {
            if other == node {
                continue;
            }
            *self.links.entry(pair(node, other)).or_default() += 1;
            self.held.remove(&(other, node));
            self.held.remove(&(node, other));
            if self.nodes[other].runs() && !self.is_cut(node, other) {
                let event = Event::PeerDown { peer: addrs(node) };
                let life = self.nodes[other].life;
                let at = self.time + self.between((100, 1000));
                self.push(at, Item::Session { node: other, life, event });
            }
        }
    }

    pub(crate) fn pause(&mut self, node: usize) {
        self.nodes[node].paused = true;
    }

    pub(crate) fn resume(&mut self, node: usize) {
        self.nodes[node].paused = false;
        let life = self.nodes[node].life;
        // The deadline is long past: a process that wakes sees its timer and its sockets in any order.
        if self.rng.random_bool(0.5) {
            self.feed(node, Event::Deadline);
        }
        for event in std::mem::take(&mut self.nodes[node].inbox) {
            self.feed(node, event);
        }
        if !self.nodes[node].disk.is_empty() {
            self.push(self.time, Item::Disk { node, life });
        }
        self.push(self.time, Item::Wake { node, life });
    }

    pub(crate) fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&pair(a, b))
    }

    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        self.cut.insert(pair(a, b));
    }

    pub(crate) fn isolate(&mut self, node: usize) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.cut(node, other);
        }
    }

    pub(crate) fn heal(&mut self) {
        for (a, b) in std::mem::take(&mut self.cut) {
            if self.nodes[a].runs() && self.nodes[b].runs() {
                if self.rng.random_bool(0.5) {
                    self.connect(a, b);
                    continue;
                }
                for (from, to) in [(a, b), (b, a)] {
                    for message in self.held.remove(&(from, to)).unwrap_or_default() {
                        self.transmit(from, to, message);
                    }
                }
            } else {
                for (node, dead) in [(a, b), (b, a)] {
                    if self.nodes[node].runs() && !self.nodes[dead].runs() {
                        let event = Event::PeerDown { peer: addrs(dead) };
                        let life = self.nodes[node].life;
                        self.push(self.time + ms(1), Item::Session { node, life, event });
                    }
                }
            }
        }
    }
}
