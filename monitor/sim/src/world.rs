//! The world: machines, network, disks, clients and time, stepped one happening after the other.
//!
//! A run is a function of its plan: nothing of the host reaches it. After every event of a process the invariants
//! look at what it did; the first that does not hold ends the run.

mod ambush;
mod asking;
mod disk;
mod faults;
mod guests;
mod sessions;
mod settle;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use mon_core::consensus::Role;
use mon_core::effect::{Effect, Halt, Level};
use mon_core::event::{Event, SessionId};
use mon_store::KvStore;
use mon_types::id::MapEpoch;
use mon_types::kv::Transaction;
use mon_types::message::Envelope;
use mon_types::monmap::{MonInfo, MonMap};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::clients::Clients;
use crate::fault::{Class, Fault};
use crate::guests::Guests;
use crate::invariant::{Invariants, Violation};
use crate::net::Net;
use crate::node::{Clock, Node, Running, addrs, fsid, name};
use crate::plan::{Micros, Plan};
use crate::process::{Process, Request};
use crate::trace::Trace;
use crate::wire::Wire;
use faults::Repair;

/// See the module documentation.
#[derive(Debug)]
pub struct World<P> {
    /// What this run is about.
    pub plan: Plan,
    /// The moment.
    pub now: Duration,
    /// How many events processes have had.
    pub events: u64,
    /// The machines.
    pub nodes: Vec<Node<P>>,
    /// The clients.
    pub clients: Clients,
    /// The clients with sessions.
    pub guests: Guests,
    /// What happened.
    pub trace: Trace,
    /// What went wrong on purpose, by class.
    pub faults: BTreeMap<Class, u64>,
    /// How many faults were drawn.
    pub faults_drawn: u64,
    /// What must hold.
    pub invariants: Invariants,
    /// The first thing that did not.
    pub violation: Option<Violation>,
    net: Net,
    /// Sessions and frames, where messages pass through them.
    wire: Option<Wire>,
    rng: ChaCha8Rng,
    agenda: BTreeMap<(Duration, u64), Happening>,
    sequence: u64,
    next_request: u64,
    calm: bool,
    /// When a change of the monmap was last asked for.
    changed_at: Duration,
    second: u64,
    in_second: u64,
}

/// More than clients and heartbeats can cause.
const EVENTS_PER_SECOND_MAX: u64 = 40_000;

#[derive(Debug)]
enum Happening {
    /// A process may want to be woken.
    Wake { node: usize, life: u64 },
    /// The disk may be done with a write.
    Disk { node: usize, life: u64 },
    /// A message is there.
    Arrives { from: usize, to: usize, number: u64, message: Box<Envelope> },
    /// News of a session.
    Session { node: usize, life: u64, event: Box<Event> },
    /// Somebody tries to make a session.
    Connect { from: usize, to: usize },
    /// A request reaches a process.
    Asked { node: usize, life: u64, id: u64, request: Box<Request> },
    /// An answer reaches a client.
    Answered { id: u64, reply: Box<mon_core::effect::CommandReply> },
    /// A client does its next thing, unless it has moved on from this request.
    Client { client: usize, after: u64 },
    /// A guest does its next thing, unless it was planned anew.
    Guest { guest: usize, turn: u64 },
    /// A word reaches a guest.
    ToGuest { guest: usize, session: SessionId, word: Box<guests::Word> },
    /// A session's timer may be due.
    WireTimer { node: usize, peer: usize, life: u64 },
    /// A call between processes reaches the other side.
    WireCall { from: usize, to: usize, life: u64, attempt: u64 },
    /// A handshake may have taken too long.
    WireStall { line: u64 },
    /// Something reaches the end of a line.
    WireArrival { line: u64, end: usize },
    /// Something goes wrong.
    Fault(Box<Fault>),
    /// It ends.
    Repair(Repair),
}

impl<P: Process> World<P> {
    /// A world in which everybody of the plan has been started.
    #[must_use]
    pub fn new(plan: Plan, readable: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed ^ 0x0077_6f72_6c64);
        let mut map =
            MonMap { fsid: fsid(), epoch: MapEpoch(0), strategy: plan.strategy, ..MonMap::default() };
        for index in 0..plan.voters {
            // Names and addresses of machines differ, so that adding cannot fail.
            let _rank = map.add(MonInfo::new(name(index), addrs(index)));
        }
        let count = plan.voters + plan.spares;
        let nodes = (0..count).map(|index| new_node(index, &plan, &map, &mut rng)).collect();
        let mut world = Self {
            now: Duration::from_secs(1),
            events: 0,
            nodes,
            clients: Clients::new(plan.clients, plan.keys, !P::SERVICES),
            guests: Guests::default(),
            trace: Trace::new(readable),
            faults: BTreeMap::new(),
            faults_drawn: 0,
            invariants: Invariants::all(P::SERVICES, &plan.config),
            violation: None,
            net: Net::default(),
            wire: plan.frames.map(Wire::new),
            rng,
            agenda: BTreeMap::new(),
            sequence: 0,
            next_request: 0,
            calm: false,
            changed_at: Duration::ZERO,
            second: 0,
            in_second: 0,
            plan,
        };
        for node in 0..world.plan.voters {
            world.start(node);
        }
        for client in 0..world.plan.clients {
            let at = world.now + Duration::from_millis(500);
            world.plan_for(at, Happening::Client { client, after: 0 });
        }
        if world.plan.guests > 0 {
            world.invite_guests();
        }
        world.draw_fault(0);
        world
    }

    /// Lets the next thing happen; says whether there was one.
    pub fn step(&mut self) -> bool {
        let Some(((at, _), happening)) = self.agenda.pop_first() else { return false };
        self.now = self.now.max(at);
        match happening {
            Happening::Wake { node, life } => self.wake(node, life),
            Happening::Disk { node, life } => self.disk_done(node, life),
            Happening::Arrives { from, to, number, message } => self.arrives(from, to, number, *message),
            Happening::Session { node, life, event } => {
                if self.nodes[node].life == life {
                    self.feed(node, *event);
                }
            }
            Happening::Connect { from, to } => self.connect(from, to),
            Happening::Asked { node, life, id, request } => self.asked(node, life, id, *request),
            Happening::Answered { id, reply } => self.answered(id, &reply),
            Happening::Client { client, after } => self.client(client, after),
            Happening::Guest { guest, turn } => self.guest_turn(guest, turn),
            Happening::ToGuest { guest, session, word } => self.reaches_guest(guest, session, *word),
            Happening::WireTimer { node, peer, life } => self.wire_timer(node, peer, life),
            Happening::WireCall { from, to, life, attempt } => self.wire_call(from, to, life, attempt),
            Happening::WireStall { line } => self.wire_stall(line),
            Happening::WireArrival { line, end } => self.wire_arrival(line, end),
            Happening::Fault(fault) => self.inflict(*fault),
            Happening::Repair(repair) => self.repair(repair),
        }
        true
    }

    /// The machine whose process leads and could commit, if there is one.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        let leads = |node: &Node<P>| {
            node.is_live() && node.core().is_some_and(|core| core.consensus().role() == Role::Leader)
        };
        (0..self.nodes.len())
            .filter(|node| leads(&self.nodes[*node]))
            .max_by_key(|node| self.nodes[*node].core().map(|core| core.consensus().epoch()))
    }

    /// Asks a process for something.
    pub fn ask(&mut self, node: usize, request: Request) -> u64 {
        self.next_request += 1;
        let id = self.next_request;
        let mut at = self.now + self.micros(self.plan.weather.delay);
        let machine = &mut self.nodes[node];
        if matches!(request, Request::Order(_)) {
            at = at.max(machine.orders_until);
            machine.orders_until = at;
        }
        let life = machine.life;
        self.plan_for(at, Happening::Asked { node, life, id, request: Box::new(request) });
        id
    }

    /// Starts a machine's process.
    pub fn start(&mut self, node: usize) {
        let seed: [u8; 32] = self.rng.random();
        let mut config = self.plan.config.clone();
        config.learner = self.nodes[node].learner;
        let machine = &mut self.nodes[node];
        if machine.process.is_some() || machine.gone {
            return;
        }
        self.trace.line(self.now, || format!("{} starts", name(node)));
        machine.life += 1;
        machine.paused = false;
        match P::boot(machine.identity.clone(), config, seed, &machine.store) {
            Ok(core) => machine.process = Some(Running::new(core)),
            Err(halt) => return self.halted(node, halt),
        }
        self.check(|invariants, nodes| invariants.started(nodes, node));
        self.feed(node, Event::Started);
        for other in 0..self.nodes.len() {
            if other != node && self.nodes[other].process.is_some() {
                self.try_connect(node, other);
            }
        }
    }

    fn wake(&mut self, node: usize, life: u64) {
        let machine = &mut self.nodes[node];
        let Some(process) = machine.process.as_mut().filter(|_| machine.life == life) else { return };
        process.wake = None;
        if machine.paused {
            return;
        }
        let mono = machine.clock.at(self.now).mono;
        if process.core.next_deadline().is_some_and(|due| due <= mono) {
            self.feed(node, Event::Deadline);
        } else {
            self.plan_wake(node);
        }
    }

    fn plan_wake(&mut self, node: usize) {
        let machine = &mut self.nodes[node];
        let Some(process) = &mut machine.process else { return };
        let Some(due) = process.core.next_deadline() else { return };
        // A process needs some time to come around to its timer.
        let at = machine.clock.when(due).max(self.now + Duration::from_micros(1));
        if process.wake.is_none_or(|planned| at < planned) {
            process.wake = Some(at);
            let life = machine.life;
            self.plan_for(at, Happening::Wake { node, life });
        }
    }

    /// Gives a process an event and does what it wants done.
    fn feed(&mut self, node: usize, event: Event) {
        let machine = &mut self.nodes[node];
        let Some(process) = &mut machine.process else { return };
        if machine.paused {
            process.inbox.push_back(event);
            return;
        }
        self.note(node, &event);
        let machine = &mut self.nodes[node];
        let Some(process) = &mut machine.process else { return };
        let released = match &event {
            Event::Persisted(id) => process.gate.persisted(*id),
            _ => Vec::new(),
        };
        for effect in released {
            self.carry_out(node, effect);
        }
        let now = self.nodes[node].clock.at(self.now);
        let machine = &mut self.nodes[node];
        let Some(process) = &mut machine.process else { return };
        process.core.handle(now, &machine.store, event);
        self.after_event(node);
    }

    fn after_event(&mut self, node: usize) {
        self.events += 1;
        self.note_storm();
        let life = self.nodes[node].life;
        let effects = self.nodes[node].process.as_mut().map(|p| p.core.effects()).unwrap_or_default();
        for effect in effects {
            // It may have ended in the midst of this.
            let machine = &mut self.nodes[node];
            let Some(process) = machine.process.as_mut().filter(|_| machine.life == life) else { return };
            if let Some(effect) = process.gate.admit(effect) {
                self.carry_out(node, effect);
            }
        }
        self.check(|invariants, nodes| invariants.after_event(nodes, node));
        self.plan_wake(node);
    }

    fn carry_out(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Persist { id, transaction, sync } => self.write(node, id, transaction, sync),
            Effect::Send { to, message, .. } => {
                // What a process says to itself goes nowhere, as in the daemon.
                let other = |other: &usize| *other != node && self.nodes[*other].identity.addrs == to;
                if let Some(to) = (0..self.nodes.len()).find(other) {
                    self.check(|invariants, nodes| invariants.sent(nodes, (node, to), &message));
                    self.send(node, to, message);
                }
            }
            Effect::DropPeer { peer } => {
                if let Some(peer) = (0..self.nodes.len()).find(|n| self.nodes[*n].identity.addrs == peer) {
                    self.drop_session(node, peer);
                }
            }
            Effect::Peers { peers, reset, .. } => {
                for other in (0..self.nodes.len()).filter(|other| *other != node) {
                    if reset || !peers.contains(&self.nodes[other].identity.addrs) {
                        self.drop_session(node, other);
                    }
                    if peers.contains(&self.nodes[other].identity.addrs) {
                        self.keep_session(node, other);
                    }
                }
            }
            Effect::AdminReply { request, reply } => {
                self.check(|invariants, nodes| invariants.answered(nodes, node, request.0, reply.code));
                let at = self.now + self.micros(self.plan.weather.delay);
                self.plan_for(at, Happening::Answered { id: request.0, reply: Box::new(reply) });
            }
            Effect::Halt(halt) => self.halted(node, halt),
            Effect::Log(level, text) => {
                self.trace.mix_bytes(text.as_bytes());
                if level != Level::Debug || self.trace.is_readable() {
                    self.trace.line(self.now, || format!("{} {level:?}: {text}", name(node)));
                }
            }
            Effect::KvChanged(changes) => {
                self.check(|invariants, nodes| invariants.told_watchers(nodes, node, &changes));
            }
            Effect::Reply { .. } | Effect::CloseSession { .. } | Effect::GlobalId { .. } => {
                self.reply(node, effect);
            }
            Effect::ProcessCommand { .. }
            | Effect::PublishAuth(_)
            | Effect::PublishStatus(_)
            | Effect::ClusterLog(_) => {}
        }
    }

    /// A process stops by itself.
    fn halted(&mut self, node: usize, halt: Halt) {
        self.trace.line(self.now, || format!("{} stops: {halt}", name(node)));
        match halt {
            Halt::Terminated => {}
            // A real one would have to be wiped and get another name.
            Halt::Removed => self.nodes[node].gone = true,
            Halt::StoreDamaged(_) | Halt::FeaturesMissing(_) | Halt::Invariant(_) => {
                self.violate("halt", format!("{} gave up: {halt}", name(node)));
            }
        }
        self.end(node, false);
    }

    /// Processes that keep each other busy for nothing show in events per simulated second.
    fn note_storm(&mut self) {
        let second = self.now.as_secs();
        if self.second != second {
            (self.second, self.in_second) = (second, 0);
        }
        self.in_second += 1;
        if self.in_second > EVENTS_PER_SECOND_MAX {
            self.violate("storm", format!("{} events within a second", self.in_second));
        }
    }

    fn note(&mut self, node: usize, event: &Event) {
        self.trace.mix(self.now.as_nanos() as u64);
        self.trace.mix(node as u64);
        let word = match event {
            Event::Persisted(id) => id.0,
            Event::PeerMessage { message, .. } => message.message.kind().into(),
            _ => 0,
        };
        self.trace.mix(word);
        if self.trace.is_readable() {
            let text = format!("{event:?}");
            let short: String = text.chars().take(400).collect();
            self.trace.line(self.now, || format!("{} <- {short}", name(node)));
        }
    }

    fn check(&mut self, look: impl FnOnce(&mut Invariants, &[Node<P>]) -> Result<(), Violation>) {
        if let Err(violation) = look(&mut self.invariants, &self.nodes)
            && self.violation.is_none()
        {
            self.trace.line(self.now, || format!("VIOLATION {violation}"));
            self.violation = Some(violation);
        }
    }

    pub(crate) fn violate(&mut self, invariant: &'static str, what: String) {
        self.check(|_, _| Err(Violation { invariant, what }));
    }

    fn micros(&mut self, (low, high): Micros) -> Duration {
        Duration::from_micros(self.rng.random_range(low..=high.max(low)))
    }

    fn plan_for(&mut self, at: Duration, happening: Happening) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), happening);
    }
}

fn new_node<P: Process>(index: usize, plan: &Plan, map: &MonMap, rng: &mut ChaCha8Rng) -> Node<P> {
    let clock = Clock {
        offset_ns: rng.random_range(0..1_000_000_000_000),
        drift_ppm: rng.random_range(-plan.drift_ppm..=plan.drift_ppm),
        wall_ms: if rng.random_bool(0.8) { 0 } else { rng.random_range(-60_000..60_000) },
    };
    let node = Node::new(index, clock);
    let mkfs: Transaction = P::mkfs(map);
    // A new memory store takes any write.
    let _done = node.store.apply(&[mkfs], true);
    node
}

#[cfg(test)]
mod tests {
    use mon_core::quorum::Order;

    use super::*;
    use crate::Registers;

    /// An exit that arrived after the enter that takes it back left a monitor out for good (seed 434).
    #[test]
    fn orders_arrive_as_they_were_given() {
        let mut world = World::<Registers>::new(Plan::from_seed(434, 10), false);
        let given: Vec<u64> = (0..20)
            .flat_map(|_| [Order::QuorumExit, Order::QuorumEnter])
            .map(|order| world.ask(0, Request::Order(order)))
            .collect();
        let arriving: Vec<u64> = world
            .agenda
            .values()
            .filter_map(|happening| match happening {
                Happening::Asked { id, .. } => Some(*id),
                _ => None,
            })
            .collect();
        assert_eq!(arriving, given);
    }
}
