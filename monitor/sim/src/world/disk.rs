//! Disks: writes take time and are applied in order; what was not synced may be lost with the power.

use mon_core::effect::WriteId;
use mon_core::event::Event;
use mon_store::KvStore;
use mon_types::kv::Transaction;
use rand::RngExt;

use super::{Happening, World};
use crate::node::{Write, name};
use crate::process::Process;

impl<P: Process> World<P> {
    pub(super) fn write(&mut self, node: usize, id: WriteId, transaction: Transaction, sync: bool) {
        let weather = self.plan.weather;
        let mut took = self.micros(if sync { weather.sync } else { weather.write });
        if self.now < self.nodes[node].slow_until {
            took *= 50;
        }
        let machine = &mut self.nodes[node];
        let Some(process) = &mut machine.process else { return };
        let at = process.writes.back().map_or(self.now, |last| last.at.max(self.now)) + took;
        process.writes.push_back(Write { at, id, transaction, sync });
        let life = machine.life;
        self.plan_for(at, Happening::Disk { node, life });
    }

    /// A disk is slow no longer: what it has to do is done as fast as by any other.
    pub(super) fn hurry_disk(&mut self, node: usize) {
        let (sync, write) = (self.plan.weather.sync, self.plan.weather.write);
        let Some(process) = &self.nodes[node].process else { return };
        let mut at = self.now;
        let synced: Vec<bool> = process.writes.iter().map(|write| write.sync).collect();
        for (index, synced) in synced.into_iter().enumerate() {
            at += self.micros(if synced { sync } else { write });
            let machine = &mut self.nodes[node];
            let life = machine.life;
            if let Some(write) = machine.process.as_mut().and_then(|process| process.writes.get_mut(index)) {
                write.at = write.at.min(at);
                at = write.at;
            }
            self.plan_for(at, Happening::Disk { node, life });
        }
    }

    /// The disk is done with what is due.
    pub(super) fn disk_done(&mut self, node: usize, life: u64) {
        loop {
            let machine = &mut self.nodes[node];
            if machine.life != life || machine.paused {
                return;
            }
            let now = self.now;
            let Some(process) = &mut machine.process else { return };
            let Some(write) = process.writes.pop_front_if(|write| write.at <= now) else { return };
            if std::mem::take(&mut machine.write_fails) {
                // What reached the disk is unknown, so the process must stop at once.
                self.trace.line(self.now, || format!("{} cannot write", name(node)));
                process.writes.push_front(write);
                self.end(node, false);
                return;
            }
            self.apply(node, &write);
            self.feed(node, Event::Persisted(write.id));
        }
    }

    fn apply(&mut self, node: usize, write: &Write) {
        let applied = self.nodes[node].store.apply(std::slice::from_ref(&write.transaction), write.sync);
        debug_assert_eq!(applied, Ok(()), "simulated disks fail only where the world lets them");
        self.check(|invariants, nodes| invariants.wrote(nodes, node, &write.transaction, write.sync));
    }

    /// Ends a process without asking it. Of the writes on their way a few may still get through; with the power
    /// gone, of those that were not synced only the first few stay.
    pub(super) fn end(&mut self, node: usize, power_cut: bool) {
        let machine = &mut self.nodes[node];
        machine.life += 1;
        machine.paused = false;
        let Some(mut process) = machine.process.take() else { return };
        let through = self.rng.random_range(0..=process.writes.len());
        for write in process.writes.drain(..through) {
            self.apply(node, &write);
        }
        if power_cut {
            let kept = self.rng.random_range(0..=self.nodes[node].store.unsynced_batches());
            self.nodes[node].store.crash_keeping(kept);
        }
        self.check(|invariants, nodes| invariants.ended(nodes, node, power_cut));
        self.process_gone(node, power_cut);
    }
}
