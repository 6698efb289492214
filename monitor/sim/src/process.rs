//! The seam between the world and the core that runs in it. Two things fit: the whole monitor, and its consensus
//! half with a register service in place of the real services.

use std::time::Duration;

use mon_core::config::Config;
use mon_core::consensus::Consensus;
use mon_core::effect::{CommandReply, Effect, Halt};
use mon_core::event::{Event, RequestId};
use mon_core::identity::Identity;
use mon_core::now::Now;
use mon_core::quorum::Order;
use mon_core::services::Services;
use mon_types::addr::AddrVec;
use mon_types::kv::{KvRead, Transaction};
use mon_types::monmap::MonMap;

use crate::history::{Action, Key, Outcome};

/// What is asked of a process from inside the simulation.
#[derive(Debug, Clone)]
pub enum Request {
    /// A client's operation.
    Client(Key, Action),
    /// A change of the monmap.
    Members(Change),
    /// An order of the administrator.
    Order(Order),
}

/// A change of who takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// One more voter.
    Add(String, AddrVec),
    /// One voter less.
    Remove(String),
    /// One voter for another.
    Replace(String, (String, AddrVec)),
    /// One more learner.
    Follow(String, AddrVec),
    /// One learner less.
    Unfollow(String),
}

/// A monitor's process.
pub trait Process: Sized {
    /// Whether services give values their meaning: then clients have sessions, values are looked into, a replaced
    /// member gives way to a learner only, and swaps go by revisions instead of values.
    const SERVICES: bool = false;

    /// What `mkfs` puts into an empty store.
    fn mkfs(monmap: &MonMap) -> Transaction;

    /// Starts over what a store holds.
    ///
    /// # Errors
    /// When it cannot be used.
    fn boot(identity: Identity, config: Config, seed: [u8; 32], store: &dyn KvRead) -> Result<Self, Halt>;

    /// Takes in an event.
    fn handle(&mut self, now: Now, store: &dyn KvRead, event: Event);

    /// Takes in a request, which an [`Effect::AdminReply`] answers.
    fn ask(&mut self, now: Now, store: &dyn KvRead, id: RequestId, request: Request);

    /// What a reply means to the client that asked; none when the operation surely never happens.
    fn outcome(action: Action, reply: &CommandReply) -> Option<Outcome>;

    /// What it wants done, in order.
    fn effects(&mut self) -> Vec<Effect>;

    /// When it wants to be woken.
    fn next_deadline(&self) -> Option<Duration>;

    /// Its agreeing half.
    fn consensus(&self) -> &Consensus;

    /// Its other half, where there is one.
    fn services(&self) -> Option<&Services> {
        None
    }
}
