//! Clients without sessions: they ask through the admin socket of any process, and are answered or not.

use mon_core::event::RequestId;

use super::{Happening, World};
use crate::node::name;
use crate::process::{Process, Request};

impl<P: Process> World<P> {
    pub(super) fn asked(&mut self, node: usize, life: u64, id: u64, request: Request) {
        let now = self.nodes[node].clock.at(self.now);
        let machine = &mut self.nodes[node];
        if machine.life != life || machine.paused {
            return;
        }
        if machine.process.is_none() {
            return;
        }
        self.trace.line(self.now, || format!("{} is asked ({id}): {request:?}", name(node)));
        if let Err(violation) = self.invariants.asked(&self.nodes, node, id, &request) {
            self.violate(violation.invariant, violation.what);
        }
        let machine = &mut self.nodes[node];
        let Some(process) = &mut machine.process else { return };
        process.core.ask(now, &machine.store, RequestId(id), request);
        self.after_event(node);
    }

    pub(super) fn answered(&mut self, id: u64, reply: &mon_core::effect::CommandReply) {
        let Some(operation) = self.clients.open(id).copied() else { return };
        let outcome = P::outcome(operation.action, reply);
        self.trace.line(self.now, || format!("answer ({id}): {outcome:?}"));
        self.trace.mix(id);
        if let Some(client) = self.clients.answer(id, self.now, outcome) {
            let rest = self.plan.rest.as_micros() as u64;
            let at = self.now + self.micros((0, rest));
            self.plan_for(at, Happening::Client { client, after: 0 });
        }
    }

    pub(super) fn client(&mut self, client: usize, after: u64) {
        if after > 0 && self.clients.open(after).is_none() {
            return;
        }
        if self.calm {
            return;
        }
        self.next_request += 1;
        let id = self.next_request;
        let (leader, count) = (self.leader(), self.nodes.len());
        let (node, key, action) = self.clients.begin(client, id, self.now, count, leader, &mut self.rng);
        let (life, at) = (self.nodes[node].life, self.now + self.micros(self.plan.weather.delay));
        let request = Box::new(Request::Client(key, action));
        self.plan_for(at, Happening::Asked { node, life, id, request });
        // Patience; then it asks for something else, and what it asked for stays open.
        let at = self.now + self.micros((200_000, 3_000_000));
        self.plan_for(at, Happening::Client { client, after: id });
    }
}
