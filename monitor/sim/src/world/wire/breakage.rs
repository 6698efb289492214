//! What happens to lines: they break, stall, and end with their processes.

use rand::RngExt;

use super::World;
use crate::process::Process;
use crate::wire::{Chunk, End};

impl<P: Process> World<P> {
    /// A connection breaks: of what is under way in it some may arrive, then both ends hear of it.
    pub(in crate::world) fn wire_break(&mut self, a: usize, b: usize) {
        let numbers = self.wire.as_ref().map(|wire| wire.between(a, b)).unwrap_or_default();
        for number in numbers {
            let left: [usize; 2] = [self.rng.random_range(0..4), self.rng.random_range(0..4)];
            if let Some(line) = self.wire.as_mut().and_then(|wire| wire.lines.get_mut(&number)) {
                line.broken = true;
                line.flow.iter_mut().zip(left).for_each(|(flow, left)| flow.truncate(left));
            }
            self.put_whole(number, a, Chunk::End);
            self.put_whole(number, b, Chunk::End);
        }
    }

    /// Lets what a cut held go on its way.
    pub(in crate::world) fn wire_release(&mut self, from: usize, to: usize) {
        let Some(wire) = &mut self.wire else { return };
        for number in wire.between(from, to) {
            let Some(line) = self.wire.as_mut().and_then(|wire| wire.lines.get_mut(&number)) else {
                continue;
            };
            let end = usize::from(line.nodes[0] == from);
            for _ in 0..std::mem::take(&mut line.held[end]) {
                self.plan_arrival(number, end);
            }
        }
    }

    /// A process has ended. Its machine closes its connections, unless the power is gone.
    pub(in crate::world) fn wire_gone(&mut self, node: usize, power_cut: bool) {
        let Some(wire) = &mut self.wire else { return };
        wire.forget(node);
        let mine: Vec<u64> =
            wire.lines.iter().filter(|(_, l)| l.nodes.contains(&node)).map(|(number, _)| *number).collect();
        for number in mine {
            if !power_cut {
                self.close_end(number, node);
            } else if let Some(wire) = &mut self.wire
                && let Some(line) = wire.lines.get_mut(&number)
            {
                let end = usize::from(line.nodes[1] == node);
                line.ends[end] = End::Gone;
                line.flow[end].clear();
                if matches!(line.ends[1 - end], End::Gone) {
                    wire.lines.remove(&number);
                }
            }
        }
    }

    /// A process runs on: what came meanwhile and what is due, in any order.
    pub(in crate::world) fn wire_resume(&mut self, node: usize) {
        let Some(wire) = &mut self.wire else { return };
        let peers: Vec<usize> =
            wire.peers.keys().filter(|(whose, _)| *whose == node).map(|(_, peer)| *peer).collect();
        let (mut waiting, mut handshakes) = (Vec::new(), Vec::new());
        for (number, line) in &mut wire.lines {
            for end in (0..2).filter(|end| line.nodes[*end] == node) {
                if matches!(line.ends[end], End::Handshake(_)) {
                    handshakes.push(*number);
                }
                let arrived = std::mem::take(&mut line.waiting[end]);
                waiting.extend((0..arrived).map(|_| (*number, end)));
            }
        }
        let life = self.nodes[node].life;
        let timers_first = self.rng.random();
        if timers_first {
            peers.iter().for_each(|peer| self.wire_timer(node, *peer, life));
        }
        for number in handshakes {
            self.drive(number, node);
        }
        for (number, end) in waiting {
            self.wire_arrival(number, end);
        }
        if !timers_first {
            peers.iter().for_each(|peer| self.wire_timer(node, *peer, life));
        }
    }
}
