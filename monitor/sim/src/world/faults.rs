//! Faults happen, and end.

use std::time::Duration;

use mon_core::bug::{self, Bug};
use mon_core::event::Event;
use mon_core::quorum::Order;
use mon_types::kv::KvRead;
use rand::RngExt;

use super::ambush::Ambush;
use super::{Happening, World, new_node};
use crate::fault::{Class, Fault};
use crate::focus::Focus;
use crate::net::Link;
use crate::node::{Node, addrs, name};
use crate::process::{Change, Process, Request};
use crate::register::stored_map;

/// How a fault ends.
#[derive(Debug, Clone)]
pub(super) enum Repair {
    Start(usize),
    Restart(usize),
    Resume(usize),
    Mend(Vec<Link>),
    Unclog(Link),
    /// Strikes a leader with a value in flight, if there is one.
    Ambush(Ambush),
    Enter(usize),
    /// A machine that is gone for good must leave the monmap, if anybody will hear of it.
    Replace {
        old: usize,
        new: usize,
        tries: u32,
    },
}

impl<P: Process> World<P> {
    /// Puts the next fault of the plan on the agenda.
    pub(super) fn draw_fault(&mut self, number: u64) {
        if number < self.plan.faults_max
            && let Some(fault) = self.plan.menu.draw(self.plan.seed, number)
        {
            self.plan_for(self.now + fault.gap, Happening::Fault(Box::new(fault)));
        }
    }

    pub(super) fn inflict(&mut self, fault: Fault) {
        if self.calm {
            return;
        }
        self.draw_fault(fault.number + 1);
        self.faults_drawn = fault.number + 1;
        if self.plan.skipped.contains(&fault.number) {
            return;
        }
        let (class, number, length) = (fault.class, fault.number, fault.length);
        if self.strike(fault) {
            *self.faults.entry(class).or_default() += 1;
            self.trace.mix(number);
            self.trace.line(self.now, || format!("FAULT {number} {class:?} for {length:?}"));
        }
    }

    /// Whether it really happened.
    fn strike(&mut self, fault: Fault) -> bool {
        let Fault { class, length, mut rng, .. } = fault;
        let count = self.nodes.len();
        let node = rng.random_range(0..count);
        let other = (node + rng.random_range(1..count.max(2))) % count;
        let leader = self.leader();
        let end = self.now + length;
        match class {
            Class::Kill => self.strike_down(node, false, end),
            Class::KillLeader => leader.is_some_and(|leader| self.strike_down(leader, rng.random(), end)),
            Class::Ambush => {
                let until = self.now + Duration::from_secs(2);
                let ambush = Ambush { until, end: until.max(end) };
                self.plan_for(self.now, Happening::Repair(Repair::Ambush(ambush)));
                leader.is_some()
            }
            Class::PowerCut => {
                let struck = self.strike_down(node, true, end);
                if struck && bug::is_on(Bug::WipedRejoins) {
                    self.wipe_in_place(node);
                }
                struck
            }
            Class::Blackout => {
                let mut any = false;
                for node in 0..count {
                    any |=
                        self.strike_down(node, true, end + Duration::from_millis(rng.random_range(0..500)));
                }
                any
            }
            Class::Pause => self.pause(node, end),
            Class::PauseLeader => leader.is_some_and(|leader| self.pause(leader, end)),
            Class::CutOneWay => node != other && self.cut(vec![(node, other)], end),
            Class::CutLink => node != other && self.cut(both(node, other), end),
            Class::Isolate => {
                let links = (0..count).filter(|other| *other != node).flat_map(|other| both(node, other));
                self.cut(links.collect(), end)
            }
            Class::Partition => {
                let side: Vec<bool> = (0..count).map(|_| rng.random()).collect();
                let crosses = |(a, b): &Link| side[*a] != side[*b];
                let all = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
                self.cut(all.filter(crosses).collect(), end)
            }
            Class::Clog => {
                let extra = Duration::from_millis(rng.random_range(50..2_000));
                self.net.clogged.insert((node, other), extra);
                self.plan_for(end, Happening::Repair(Repair::Unclog((node, other))));
                node != other
            }
            Class::Reset => {
                let up = node != other && self.session_stands(node, other);
                self.reset_session(node, other);
                up
            }
            Class::FalseDown => {
                let up = node != other && self.session_stands(node, other) && self.net.is_whole(node, other);
                if up && self.wire.is_some() {
                    self.wire_break(node, other);
                } else if up {
                    self.drop_session(node, other);
                    self.tell_down(node, other);
                }
                up
            }
            Class::SlowDisk => {
                self.nodes[node].slow_until = end;
                self.nodes[node].process.is_some()
            }
            Class::WriteError => {
                let runs = self.nodes[node].process.is_some();
                self.nodes[node].write_fails = runs;
                self.plan_for(end, Happening::Repair(Repair::Start(node)));
                runs
            }
            Class::DiskLost => self.lose_machine(node),
            Class::WallJump => {
                let jumps = [-3_600_000, -60_000, -1_000, -60, 60, 1_000, 60_000, 3_600_000];
                self.nodes[node].clock.wall_ms += jumps[rng.random_range(0..jumps.len())];
                true
            }
            Class::Membership => {
                // Several ordered at once must still happen one after the other.
                let more = if self.plan.focus == Focus::Members { 3 } else { 0 };
                let any = self.change_membership(node);
                (0..more).fold(any, |any, _| self.change_membership(rng.random_range(0..count)) | any)
            }
            Class::Replace => self.replace_somebody(node),
            Class::Learner => self.change_learner(node),
            Class::StepDown => leader.is_some_and(|leader| {
                self.ask(leader, Request::Order(Order::StepDown));
                true
            }),
            Class::Terminate => {
                let live = self.nodes[node].is_live();
                self.feed(node, Event::Terminate);
                self.plan_for(
                    end.max(self.now + Duration::from_secs(2)),
                    Happening::Repair(Repair::Start(node)),
                );
                live
            }
            Class::QuorumExit => {
                self.nodes[node].exited = true;
                self.ask(node, Request::Order(Order::QuorumExit));
                self.plan_for(end, Happening::Repair(Repair::Enter(node)));
                self.nodes[node].is_live()
            }
            Class::SyncForce => {
                // Now and then everybody, so that nobody is left to copy from.
                let everybody = rng.random_bool(0.25);
                let chosen = (0..count).filter(|n| everybody || *n == node || rng.random_bool(0.2));
                let chosen: Vec<usize> = chosen.filter(|n| self.nodes[*n].is_live()).collect();
                for node in &chosen {
                    self.ask(*node, Request::Order(Order::SyncForce));
                    let at = self.now + Duration::from_millis(rng.random_range(1..500));
                    self.plan_for(at, Happening::Repair(Repair::Restart(*node)));
                }
                !chosen.is_empty()
            }
        }
    }

    /// What some have accepted and others have not is what later leaders must deal with.
    pub(super) fn strike_down(&mut self, node: usize, power: bool, until: Duration) -> bool {
        if self.nodes[node].process.is_none() {
            return false;
        }
        self.trace.line(self.now, || {
            format!("{} is killed{}", name(node), if power { " with its power" } else { "" })
        });
        self.end(node, power);
        self.plan_for(until, Happening::Repair(Repair::Start(node)));
        true
    }

    /// What must not be done: an empty disk under the old name.
    fn wipe_in_place(&mut self, node: usize) {
        let Ok(Some(map)) = stored_map(&self.nodes[node].store) else { return };
        let fresh: Node<P> = new_node(node, &self.plan, &map, &mut self.rng);
        self.nodes[node].store = fresh.store;
        self.check(|invariants, nodes| invariants.replaced(nodes, node));
    }

    fn pause(&mut self, node: usize, until: Duration) -> bool {
        if !self.nodes[node].is_live() {
            return false;
        }
        self.trace.line(self.now, || format!("{} is stopped", name(node)));
        self.nodes[node].paused = true;
        self.plan_for(until, Happening::Repair(Repair::Resume(node)));
        true
    }

    pub(super) fn cut(&mut self, links: Vec<Link>, until: Duration) -> bool {
        self.trace.line(self.now, || format!("cut {links:?}"));
        links.iter().for_each(|link| self.net.cut(*link));
        let any = !links.is_empty();
        self.plan_for(until, Happening::Repair(Repair::Mend(links)));
        any
    }

    pub(super) fn repair(&mut self, repair: Repair) {
        match repair {
            Repair::Start(node) => self.start_if_wanted(node),
            // By now everybody was started, and is to be left in peace.
            Repair::Restart(_) if self.calm => {}
            Repair::Restart(node) => {
                self.end(node, false);
                self.start_if_wanted(node);
            }
            Repair::Resume(node) => self.resume(node),
            Repair::Mend(links) => {
                for (from, to) in links {
                    if self.net.mend((from, to)) {
                        self.mended(from, to);
                    }
                }
            }
            Repair::Unclog(link) => {
                self.net.clogged.remove(&link);
            }
            Repair::Ambush(ambush) if !self.calm => self.ambush(ambush),
            Repair::Ambush(_) => {}
            Repair::Enter(node) => {
                self.ask(node, Request::Order(Order::QuorumEnter));
            }
            Repair::Replace { old, new, tries } => self.try_replace(old, new, tries),
        }
    }

    fn start_if_wanted(&mut self, node: usize) {
        if self.nodes[node].process.is_none() && !self.nodes[node].gone {
            self.start(node);
        }
    }

    /// Either the sessions have survived, or they are made anew.
    fn mended(&mut self, from: usize, to: usize) {
        if self.rng.random_bool(0.3) {
            self.reset_session(from, to);
        }
        self.release(from, to);
    }

    pub(super) fn resume(&mut self, node: usize) {
        if !self.nodes[node].paused {
            return;
        }
        self.trace.line(self.now, || format!("{} runs on", name(node)));
        self.nodes[node].paused = false;
        let life = self.nodes[node].life;
        // A process that wakes sees its timer and its sockets in any order.
        if self.rng.random_bool(0.5) {
            self.wake(node, life);
        }
        let inbox =
            self.nodes[node].process.as_mut().map(|p| std::mem::take(&mut p.inbox)).unwrap_or_default();
        for event in inbox {
            if self.nodes[node].life == life {
                self.feed(node, event);
            }
        }
        if self.nodes[node].life == life {
            self.wire_resume(node);
        }
        self.disk_done(node, life);
        if self.nodes[node].life == life {
            self.plan_wake(node);
        }
    }

    /// A machine is lost, but only while the others can do without it: everybody is in quorum and up to date.
    fn lose_machine(&mut self, node: usize) -> bool {
        let Some(leader) = self.leader() else { return false };
        let Some(consensus) = self.nodes[leader].core().map(|core| core.consensus()) else { return false };
        let map = consensus.monmap();
        let whole = consensus.view().is_some_and(|view| view.members.len() == map.size());
        let voter = map.rank_of(&self.nodes[node].identity.name).is_some();
        let settled = consensus.can_propose() && self.now > self.changed_at + Duration::from_secs(5);
        if !whole || !voter || !settled || self.has_lost_member(leader) || map.size() < 3 {
            return false;
        }
        let map = map.clone();
        self.end(node, true);
        self.nodes[node].gone = true;
        let new = self.nodes.len();
        if new >= 20 {
            return true;
        }
        let machine = new_node(new, &self.plan, &map, &mut self.rng);
        self.nodes.push(machine);
        self.plan_for(
            self.now + Duration::from_secs(1),
            Happening::Repair(Repair::Replace { old: node, new, tries: 0 }),
        );
        true
    }

    fn try_replace(&mut self, old: usize, new: usize, tries: u32) {
        let Some(leader) = self.leader() else { return self.replace_later(old, new, tries) };
        let Some(consensus) = self.nodes[leader].core().map(|core| core.consensus()) else { return };
        if consensus.monmap().rank_of(&name(old)).is_some() {
            let change = Change::Replace(name(old), (name(new), addrs(new)));
            self.change(leader, change);
            self.replace_later(old, new, tries);
        }
        self.nodes[new].learner |= P::SERVICES;
        self.start(new);
    }

    fn replace_later(&mut self, old: usize, new: usize, tries: u32) {
        if tries < 60 && !self.calm {
            let repair = Repair::Replace { old, new, tries: tries + 1 };
            self.plan_for(self.now + Duration::from_secs(2), Happening::Repair(repair));
        }
    }

    fn change_membership(&mut self, node: usize) -> bool {
        let Some((leader, in_map)) = self.place_in_map(node) else { return false };
        if self.has_lost_member(leader) {
            return false;
        }
        let change = match in_map {
            true if self.voters(leader) > 1 => Change::Remove(name(node)),
            false if self.may_join(node) => {
                self.start(node);
                Change::Add(name(node), addrs(node))
            }
            true | false => return false,
        };
        self.change(leader, change);
        true
    }

    fn replace_somebody(&mut self, node: usize) -> bool {
        let Some((leader, true)) = self.place_in_map(node) else { return false };
        if self.has_lost_member(leader) {
            return false;
        }
        let count = self.nodes.len();
        let Some(consensus) = self.nodes[leader].core().map(|core| core.consensus()) else { return false };
        let map = consensus.monmap();
        if map.size() < 2 {
            return false;
        }
        let outside: Vec<usize> = (0..count).filter(|n| map.rank_of(&name(*n)).is_none()).collect();
        let Some(new) = outside.into_iter().find(|n| self.may_join(*n)) else { return false };
        self.change(leader, Change::Replace(name(node), (name(new), addrs(new))));
        self.nodes[new].learner |= P::SERVICES;
        self.start(new);
        if P::SERVICES {
            // It must follow first.
            self.replace_later(node, new, 56);
        }
        true
    }

    /// Whether a machine may be added to the monmap. One that was a member once must be wiped first, and not before
    /// everybody knows that it is none any longer: so says the manual.
    fn may_join(&mut self, node: usize) -> bool {
        if self.nodes[node].gone {
            return false;
        }
        if self.nodes[node].store.read("monitor", "joined").is_ok_and(|joined| joined.is_none()) {
            return true;
        }
        let counted = |n: &Node<P>| {
            !n.gone
                && stored_map(&n.store)
                    .is_ok_and(|map| map.is_some_and(|map| map.rank_of(&name(node)).is_some()))
        };
        if self.nodes.iter().enumerate().any(|(index, n)| index != node && counted(n)) {
            return false;
        }
        let Some(map) = self
            .leader()
            .and_then(|leader| self.nodes[leader].core())
            .map(|core| core.consensus().monmap().clone())
        else {
            return false;
        };
        self.trace.line(self.now, || format!("{} is wiped", name(node)));
        self.end(node, true);
        let fresh: Node<P> = new_node(node, &self.plan, &map, &mut self.rng);
        let machine = &mut self.nodes[node];
        machine.store = fresh.store;
        machine.learner = false;
        self.check(|invariants, nodes| invariants.replaced(nodes, node));
        true
    }

    fn change_learner(&mut self, node: usize) -> bool {
        let Some((leader, false)) = self.place_in_map(node) else { return false };
        if !self.may_join(node) {
            return false;
        }
        let follows = std::mem::replace(&mut self.nodes[node].learner, true);
        let change = match follows {
            true => Change::Unfollow(name(node)),
            false => Change::Follow(name(node), addrs(node)),
        };
        self.change(leader, change);
        self.start(node);
        true
    }

    /// Whether a member of the leader's map is gone for good. Then nobody else may leave before it is replaced.
    fn has_lost_member(&self, leader: usize) -> bool {
        let Some(map) = self.nodes[leader].core().map(|core| core.consensus().monmap()) else { return true };
        self.nodes.iter().any(|node| node.gone && map.rank_of(&node.identity.name).is_some())
    }

    fn change(&mut self, leader: usize, change: Change) {
        self.changed_at = self.now;
        self.ask(leader, Request::Members(change));
    }

    /// The leader, and whether its map holds this one.
    fn place_in_map(&self, node: usize) -> Option<(usize, bool)> {
        let leader = self.leader()?;
        let map = self.nodes[leader].core()?.consensus().monmap();
        Some((leader, map.rank_of(&name(node)).is_some()))
    }

    fn voters(&self, leader: usize) -> usize {
        self.nodes[leader].core().map_or(0, |core| core.consensus().monmap().size())
    }
}

pub(super) fn both(a: usize, b: usize) -> Vec<Link> {
    vec![(a, b), (b, a)]
}
