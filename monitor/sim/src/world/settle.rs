//! The end of a run: all faults stop, and within a bounded time everything must be as it should.

use std::time::Duration;

use mon_core::consensus::Role;
use mon_core::quorum::Order;

use super::World;
use crate::history::{Action, Key, Outcome};
use crate::node::{Node, name};
use crate::plan::Weather;
use crate::process::{Process, Request};
use crate::register::stored_map;

/// How long the cluster has, in simulated time.
const PATIENCE: Duration = Duration::from_secs(30);

impl<P: Process> World<P> {
    /// Ends all faults, then sees that a quorum of everybody forms, serves, and agrees.
    pub fn settle_down(&mut self) {
        self.calm = true;
        self.plan.weather = Weather::FAIR;
        self.end_all_faults();
        let what_lacks = |world: &Self| world.lacks_quorum();
        // Beside stock monitors elections take longer, and a new leader waits until leases have ended.
        let patience = if self.plan.config.stock_rule { PATIENCE * 4 } else { PATIENCE };
        if let Some(lack) = self.wait_for(patience, what_lacks) {
            if self.is_beyond_help() {
                return;
            }
            return self.violate("liveness: quorum", lack);
        }
        self.clients.give_up_all();
        for n in 0..10 {
            let fresh = self.clients.fresh();
            if !self.write_and_wait(Action::Write(fresh), patience) {
                return self.violate("liveness: writes", format!("fresh write {n} was not acknowledged"));
            }
        }
        let unequal = |world: &Self| world.lacks_equality();
        if let Some(lack) = self.wait_for(PATIENCE, unequal) {
            return self.violate("liveness: catching up", lack);
        }
        self.read_everything();
        if let Some(lack) = self.wait_for(PATIENCE, Self::guests_lack) {
            return self.violate("liveness: guests", lack);
        }
        if let Some(what) = self.trespass() {
            self.violate("caps", what);
        }
    }

    fn end_all_faults(&mut self) {
        for (from, to) in self.net.mend_all() {
            self.release(from, to);
        }
        for node in 0..self.nodes.len() {
            self.nodes[node].slow_until = Duration::ZERO;
            self.nodes[node].write_fails = false;
            self.hurry_disk(node);
            if self.plan.config.stock_rule {
                // Stock leases end by the wall clock: peons whose clock is ahead never read.
                self.nodes[node].clock.wall_ms = 0;
            }
            if self.nodes[node].paused {
                self.resume(node);
            }
            if self.nodes[node].process.is_none() && self.nodes[node].life > 0 {
                self.start(node);
            }
            if std::mem::take(&mut self.nodes[node].exited) && self.nodes[node].process.is_some() {
                self.ask(node, Request::Order(Order::QuorumEnter));
            }
        }
    }

    /// Runs until nothing is lacking, or for so long; says what is lacking then.
    fn wait_for(&mut self, patience: Duration, lack: impl Fn(&Self) -> Option<String>) -> Option<String> {
        let end = self.now + patience;
        loop {
            let missing = lack(self)?;
            if self.violation.is_some() {
                return None;
            }
            if self.agenda.first_key_value().is_none_or(|((at, _), _)| *at > end) {
                self.now = self.now.max(end);
                return Some(missing);
            }
            self.step();
        }
    }

    /// Whether too few members of the newest map are left: the administrator added a machine that had ended for good,
    /// as it was being removed.
    fn is_beyond_help(&self) -> bool {
        let maps = self.nodes.iter().filter_map(|node| stored_map(&node.store).ok().flatten());
        let Some(map) = maps.max_by_key(|map| map.epoch) else { return false };
        // Who ended though no map on its disk let it go is not excused.
        let let_go = |node: &Node<P>| {
            let own = stored_map(&node.store).ok().flatten();
            node.gone && own.is_some_and(|own| own.rank_of(&node.identity.name).is_none())
        };
        let voters = self.nodes.iter().filter(|node| map.rank_of(&node.identity.name).is_some());
        voters.filter(|node| !let_go(node)).count() < map.size() / 2 + 1
    }

    /// Why there is no quorum of everybody.
    fn lacks_quorum(&self) -> Option<String> {
        let Some(leader) = self.leader() else { return Some("there is no leader".into()) };
        let Some(consensus) = self.nodes[leader].core().map(|core| core.consensus()) else {
            return Some("there is no leader".into());
        };
        let map = consensus.monmap();
        for (index, node) in self.nodes.iter().enumerate() {
            let voter = map.rank_of(&node.identity.name);
            let Some(core) = node.core() else {
                // A member whose machine is gone for good cannot come.
                continue;
            };
            let (role, epoch) = (core.consensus().role(), core.consensus().epoch());
            let in_it = matches!(role, Role::Leader | Role::Peon) && epoch == consensus.epoch();
            if voter.is_some() && !in_it {
                return Some(format!("{} is {} in epoch {epoch}", name(index), role.as_str()));
            }
            let follows = consensus.learners().contains_key(&node.identity.name);
            if voter.is_none() && !follows && core.consensus().has_ever_joined() {
                return Some(format!("{} was removed and goes on as {}", name(index), role.as_str()));
            }
            if voter.is_some_and(|rank| !consensus.view().is_some_and(|view| view.members.contains(&rank))) {
                return Some(format!("{} is not counted in", name(index)));
            }
        }
        (!consensus.can_propose()).then(|| format!("{} is {}", name(leader), consensus.paxos_state()))
    }

    fn lacks_equality(&self) -> Option<String> {
        let leader = self.leader()?;
        let last = self.nodes[leader].core()?.consensus().last_committed();
        let map = self.nodes[leader].core()?.consensus().monmap();
        for (index, node) in self.nodes.iter().enumerate() {
            let Some(core) = node.core() else { continue };
            let takes_part =
                map.rank_of(&node.identity.name).is_some() || core.consensus().role() == Role::Learner;
            let has = core.consensus().last_committed();
            if takes_part && has != last {
                return Some(format!("{} has {has}, not {last}", name(index)));
            }
        }
        None
    }

    fn write_and_wait(&mut self, action: Action, patience: Duration) -> bool {
        let end = self.now + patience;
        while self.now < end && self.violation.is_none() {
            let Some(leader) = self.leader() else {
                self.now += Duration::from_millis(10);
                self.wait_for(Duration::from_millis(10), |_| Some(String::new()));
                continue;
            };
            let id = self.ask(leader, Request::Client(Key(0), action));
            self.clients.expect(0, id, self.now, Key(0), action);
            let open = |world: &Self| world.clients.open(id).map(|_| String::new());
            let answered = self.wait_for(Duration::from_secs(3), open).is_none();
            if answered
                && self
                    .clients
                    .history
                    .last()
                    .is_some_and(|last| last.action == action && last.outcome == Outcome::Written)
            {
                return true;
            }
            // Refused or lost: time goes on even where nothing else happens.
            self.clients.give_up_all();
            self.now += Duration::from_millis(10);
        }
        self.violation.is_some()
    }

    /// What every live member holds, as the last operations of the history.
    fn read_everything(&mut self) {
        if self.plan.config.stock_rule {
            // A peon whose wall clock is ahead of its leader's never has a lease.
            return;
        }
        for node in 0..self.nodes.len() {
            let serves = self.nodes[node].core().is_some_and(|core| core.consensus().view().is_some());
            if !serves {
                continue;
            }
            for key in 0..self.plan.keys {
                let id = self.ask(node, Request::Client(Key(key), Action::Read));
                self.clients.expect(0, id, self.now, Key(key), Action::Read);
                // One that finds out only now that it was removed stops, and owes no answer.
                let life = self.nodes[node].life;
                let open = |world: &Self| {
                    let runs = world.nodes[node].life == life && world.nodes[node].process.is_some();
                    world.clients.open(id).filter(|_| runs).map(|_| String::new())
                };
                if self.wait_for(PATIENCE, open).is_some() {
                    return self.violate("liveness: reads", format!("{} does not answer a read", name(node)));
                }
            }
        }
    }
}
