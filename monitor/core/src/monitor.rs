//! The whole monitor: consensus and services put together. The only file that knows both halves.
//!
//! ```text
//!            Event                                          Effect
//!              |                                              ^
//!   handle ----+--> route --> Consensus --> Outcome --+       |
//!              |              propose <-- value --+   |       |
//!              +--> route --> Services <----------+---+ ------+
//! ```
//!
//! After every event the two halves are brought to rest: outcomes of the consensus reach the services, wishes of
//! the services (a read to confirm, a value to propose) reach the consensus, until neither has more.

use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::id::Version;
use mon_types::kv::KvRead;
use mon_types::message::Envelope;

use crate::config::Config;
use crate::consensus::{Consensus, Outcome};
use crate::cx::Cx;
use crate::effect::{Effect, Effects, Halt, Level};
use crate::event::Event;
use crate::identity::Identity;
use crate::now::Now;
use crate::services::Services;

/// A monitor's whole state. Same events, clocks and seed give the same effects.
#[derive(Debug)]
pub struct Monitor {
    consensus: Consensus,
    services: Services,
    effects: Effects,
    /// Whether the value in flight is one that the services gave and wait for.
    proposed: bool,
    halted: bool,
}

impl Monitor {
    /// A monitor over what its store holds. `seed` is its only source of randomness, of keys too: it must come
    /// from the operating system in a daemon.
    ///
    /// # Errors
    /// When the store contradicts itself or belongs to something that we cannot serve.
    pub fn new(identity: Identity, config: Config, seed: [u8; 32], store: &dyn KvRead) -> Result<Self, Halt> {
        Ok(Self {
            services: Services::new(&identity, &config, seed, store)?,
            consensus: Consensus::new(identity, config, seed, store)?,
            effects: Effects::default(),
            proposed: false,
            halted: false,
        })
    }

    /// Takes in one event. `store` is the view as of now; effects wait in [`Monitor::effects`].
    pub fn handle(&mut self, now: Now, store: &dyn KvRead, event: Event) {
        if self.halted {
            return;
        }
        let Self { consensus, services, effects, proposed, .. } = self;
        let cx = &mut Cx { now, store, out: effects };
        let result =
            route(cx, consensus, services, event).and_then(|()| settle(cx, consensus, services, proposed));
        if let Err(halt) = result {
            self.halted = true;
            self.effects.push(Effect::Halt(halt));
        }
    }

    /// When [`Event::Deadline`] is due at the latest, on the monotonic clock.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        match (self.consensus.next_deadline(), self.services.next_deadline()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The effects since they were last drained, in order.
    pub fn effects(&mut self) -> std::vec::Drain<'_, Effect> {
        self.effects.drain()
    }

    /// The agreeing half, for status and tests.
    #[must_use]
    pub fn consensus(&self) -> &Consensus {
        &self.consensus
    }

    /// The half that gives values their meaning, for status and tests.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }
}

fn route(
    cx: &mut Cx<'_>,
    consensus: &mut Consensus,
    services: &mut Services,
    event: Event,
) -> Result<(), Halt> {
    match event {
        Event::Started => {
            services.refresh(cx)?;
            consensus.set_monmap(cx, services.monmap(), services.learners())?;
            consensus.start(cx)
        }
        Event::Deadline => {
            consensus.deadline(cx)?;
            services.tick(cx)
        }
        Event::Persisted(id) => consensus.persisted(cx, id),
        Event::PeerConnected { peer, features } => {
            consensus.peer_connected(cx, &peer, features)?;
            services.peer_connected(cx, &peer);
            Ok(())
        }
        Event::PeerDown { peer } => consensus.peer_down(cx, &peer),
        Event::PeerMessage { peer, message } => route_peer(cx, consensus, services, &peer, message),
        Event::ClientOpened { session, client } => services.client_opened(cx, session, client),
        Event::ClientMessage { session, message } => services.client_message(cx, session, message),
        Event::ClientAlive { session } => {
            services.client_alive(cx, session);
            Ok(())
        }
        Event::ClientClosed { session } => {
            services.client_closed(cx, session);
            Ok(())
        }
        Event::GlobalIdWanted { request } => services.global_id_wanted(cx, request),
        Event::Admin { request, command } => services.admin(cx, request, command),
        Event::Disk(disk) => {
            services.disk(cx, disk);
            Ok(())
        }
        Event::Terminate => consensus.terminate(cx),
    }
}

fn route_peer(
    cx: &mut Cx<'_>,
    consensus: &mut Consensus,
    services: &mut Services,
    peer: &AddrVec,
    message: Envelope,
) -> Result<(), Halt> {
    let Some(message) = consensus.handle_peer(cx, peer, message)? else { return Ok(()) };
    if let Some(message) = services.peer_message(cx, peer, message)? {
        cx.out
            .log(Level::Debug, format!("message {} from {peer} has no meaning here", message.message.kind()));
    }
    Ok(())
}

/// Lets the halves exchange what they have for each other until both are at rest.
fn settle(
    cx: &mut Cx<'_>,
    consensus: &mut Consensus,
    services: &mut Services,
    proposed: &mut bool,
) -> Result<(), Halt> {
    loop {
        let outcomes = consensus.take_outcomes();
        let mut busy = !outcomes.is_empty();
        for outcome in outcomes {
            apply(cx, consensus, services, proposed, outcome)?;
        }
        if services.wants_read() {
            let id = consensus.request_read(cx)?;
            services.read_requested(id);
            busy = true;
        }
        for order in services.take_orders() {
            consensus.obey(cx, order)?;
            busy = true;
        }
        if consensus.can_propose() {
            let last = consensus.last_committed().0;
            let lacks = |(name, has): (&str, Version)| (name.to_owned(), last.saturating_sub(has.0));
            services.note_followers(consensus.following_learners().map(lacks).collect());
        }
        if consensus.can_propose()
            && let Some(value) = services.take_proposal(cx)?
        {
            *proposed = true;
            consensus.propose(cx, value)?;
            busy = true;
        }
        // Preparing may have found answers that need no value but a confirmed read, or orders.
        busy |= services.wants_read() || services.has_orders();
        if !busy {
            return services.publish(cx, consensus);
        }
    }
}

fn apply(
    cx: &mut Cx<'_>,
    consensus: &mut Consensus,
    services: &mut Services,
    proposed: &mut bool,
    outcome: Outcome,
) -> Result<(), Halt> {
    match outcome {
        Outcome::QuorumFormed(view) => {
            *proposed = false;
            services.learn_members(consensus.monmap());
            services.quorum_formed(cx, &view)
        }
        Outcome::QuorumChanged(view) => services.quorum_changed(cx, &view),
        Outcome::QuorumLost => {
            *proposed = false;
            services.quorum_lost(cx)
        }
        Outcome::Committed { .. } => {
            services.refresh(cx)?;
            if std::mem::take(proposed) {
                services.committed(cx)?;
            }
            consensus.set_monmap(cx, services.monmap(), services.learners())
        }
        Outcome::StoreReplaced => {
            services.refresh(cx)?;
            consensus.set_monmap(cx, services.monmap(), services.learners())
        }
        Outcome::ReadReady(id) => services.read_ready(cx, id),
    }
}
