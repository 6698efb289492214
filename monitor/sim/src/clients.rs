//! Clients: each asks for one thing at a time, through any member, and remembers what it was told.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::history::{Action, History, Key, Operation, Outcome, Value};

/// All clients of a run.
#[derive(Debug)]
pub struct Clients {
    clients: Vec<Client>,
    /// Who waits for which request.
    waiting: BTreeMap<u64, usize>,
    next_value: u64,
    keys: u64,
    /// Whether they may swap by value.
    swaps: bool,
    /// What is finished.
    pub history: History,
}

#[derive(Debug, Default)]
struct Client {
    open: Option<(u64, Operation)>,
    /// The last value that it saw by register, to swap.
    seen: BTreeMap<Key, Option<Value>>,
    /// Whom it talks to.
    node: usize,
}

impl Clients {
    /// So many clients over so many registers.
    #[must_use]
    pub fn new(count: usize, keys: u64, swaps: bool) -> Self {
        let clients = (0..count).map(|_| Client::default()).collect();
        Self { clients, waiting: BTreeMap::new(), next_value: 0, keys, swaps, history: History::default() }
    }

    /// A value that was never written before.
    pub fn fresh(&mut self) -> Value {
        self.next_value += 1;
        Value(self.next_value)
    }

    /// A client's next operation and the node that it goes to. What it waited for before is given up.
    pub fn begin(
        &mut self,
        client: usize,
        request: u64,
        now: Duration,
        nodes: usize,
        leader: Option<usize>,
        rng: &mut ChaCha8Rng,
    ) -> (usize, Key, Action) {
        self.give_up(client);
        let key = Key(rng.random_range(0..self.keys));
        let value = self.fresh();
        let this = &mut self.clients[client];
        // Writes go to the leader mostly, reads anywhere.
        let action = match rng.random_range(0..10) {
            0..4 => Action::Write(value),
            4..6 if self.swaps => Action::Swap(this.seen.get(&key).copied().flatten(), value),
            _ => Action::Read,
        };
        let anywhere = rng.random_range(0..nodes);
        this.node = match (action, leader) {
            (Action::Read, Some(leader)) if rng.random_bool(0.3) => leader,
            (Action::Write(_) | Action::Swap(..), Some(leader)) if rng.random_bool(0.9) => leader,
            _ => anywhere,
        };
        let operation = Operation {
            client,
            key,
            action,
            invoked: now,
            returned: Duration::MAX,
            outcome: Outcome::Unknown,
        };
        this.open = Some((request, operation));
        self.waiting.insert(request, client);
        (this.node, key, action)
    }

    /// A client waits for a request that somebody else has sent.
    pub fn expect(&mut self, client: usize, request: u64, now: Duration, key: Key, action: Action) {
        self.give_up(client);
        let outcome = Outcome::Unknown;
        let operation = Operation { client, key, action, invoked: now, returned: Duration::MAX, outcome };
        self.clients[client].open = Some((request, operation));
        self.waiting.insert(request, client);
    }

    /// The request that a client waits for.
    #[must_use]
    pub fn open(&self, request: u64) -> Option<&Operation> {
        let client = *self.waiting.get(&request)?;
        self.clients[client].open.as_ref().map(|(_, operation)| operation)
    }

    /// An answer has come; none when the operation surely never happened. Returns who waited.
    pub fn answer(&mut self, request: u64, now: Duration, outcome: Option<Outcome>) -> Option<usize> {
        let client = self.waiting.remove(&request)?;
        let (_, mut operation) = self.clients[client].open.take()?;
        let Some(outcome) = outcome else { return Some(client) };
        operation.returned = now;
        operation.outcome = outcome;
        let seen = match (operation.action, outcome) {
            (Action::Write(value), Outcome::Written) => Some(Some(value)),
            (Action::Swap(expected, value), Outcome::Held(held)) if expected == held => Some(Some(value)),
            (_, Outcome::Held(held)) => Some(held),
            _ => None,
        };
        if let Some(seen) = seen {
            self.clients[client].seen.insert(operation.key, seen);
        }
        self.history.push(operation);
        Some(client)
    }

    /// A client waits no longer; what it asked for may have happened.
    pub fn give_up(&mut self, client: usize) {
        if let Some((request, operation)) = self.clients[client].open.take() {
            self.waiting.remove(&request);
            self.history.push(operation);
        }
    }

    /// Nobody waits any longer.
    pub fn give_up_all(&mut self) {
        (0..self.clients.len()).for_each(|client| self.give_up(client));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}
