//! Faults that wait for a leader with a value in flight.

use std::time::Duration;

use mon_core::consensus::Role;
use rand::RngExt;

use super::faults::{Repair, both};
use super::{Happening, World};
use crate::node::Node;
use crate::process::Process;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ambush {
    /// How long it waits.
    pub(super) until: Duration,
    /// When the harm is mended.
    pub(super) end: Duration,
}

impl<P: Process> World<P> {
    pub(super) fn ambush(&mut self, ambush: Ambush) {
        let Ambush { until, end } = ambush;
        let Some(leader) = self.leader().filter(|leader| is_busy(&self.nodes[*leader])) else {
            if self.now < until {
                let again = self.now + Duration::from_micros(self.rng.random_range(100..1000));
                self.plan_for(again, Happening::Repair(Repair::Ambush(ambush)));
            }
            return;
        };
        let count = self.nodes.len();
        if self.rng.random_bool(0.5) {
            let power = self.rng.random();
            self.strike_down(leader, power, end);
        } else {
            let others: Vec<usize> = (0..count).filter(|n| *n != leader).collect();
            let cut = others.into_iter().filter(|_| self.rng.random_bool(0.7)).collect::<Vec<_>>();
            self.cut(cut.into_iter().flat_map(|other| both(leader, other)).collect(), end);
        }
    }
}

/// Whether a value is in flight for it.
fn is_busy<P: Process>(node: &Node<P>) -> bool {
    node.core().is_some_and(|core| {
        core.consensus().role() == Role::Leader && core.consensus().paxos_state().starts_with("updating")
    })
}
