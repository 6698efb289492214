//! The whole monitor as a process of the world: consensus and services as the daemon runs them.
//!
//! What the world asks for becomes a command, as the admin socket would bring it. Sessions of clients are
//! [`crate::guests`]'s affair and come in as events.

use std::time::Duration;

use bytes::Bytes;
use mon_core::config::Config;
use mon_core::consensus::Consensus;
use mon_core::effect::{CommandReply, Effect, Halt};
use mon_core::event::{AdminCommand, Event, RequestId};
use mon_core::identity::Identity;
use mon_core::monitor::Monitor;
use mon_core::now::Now;
use mon_core::quorum::Order;
use mon_core::services::Services;
use mon_types::kv::{KvRead, Transaction};
use mon_types::monmap::MonMap;
use serde_json::{Value as Json, json};

use crate::history::{Action, Key, Outcome, Value};
use crate::process::{Change, Process, Request};

impl Process for Monitor {
    const SERVICES: bool = true;

    fn mkfs(monmap: &MonMap) -> Transaction {
        mon_core::mkfs::mkfs(monmap, &Default::default())
    }

    fn boot(identity: Identity, config: Config, seed: [u8; 32], store: &dyn KvRead) -> Result<Self, Halt> {
        Self::new(identity, config, seed, store)
    }

    fn handle(&mut self, now: Now, store: &dyn KvRead, event: Event) {
        self.handle(now, store, event);
    }

    fn ask(&mut self, now: Now, store: &dyn KvRead, id: RequestId, request: Request) {
        for command in commands(&request) {
            self.handle(now, store, Event::Admin { request: id, command });
        }
    }

    fn outcome(action: Action, reply: &CommandReply) -> Option<Outcome> {
        match (action, reply.code) {
            (Action::Read, 0) => held(&reply.output).map(|(held, _)| Outcome::Held(held)),
            // A question that was not answered asks nothing of the history.
            (Action::Read, _) => None,
            (Action::Write(_) | Action::Remove, 0) => Some(Outcome::Written),
            // What was given up on may have been on its way.
            (Action::Write(_) | Action::Remove | Action::Swap(..), _) => Some(Outcome::Unknown),
        }
    }

    fn effects(&mut self) -> Vec<Effect> {
        self.effects().collect()
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.next_deadline()
    }

    fn consensus(&self) -> &Consensus {
        self.consensus()
    }

    fn services(&self) -> Option<&Services> {
        Some(self.services())
    }
}

/// The commands that a request comes to.
fn commands(request: &Request) -> Vec<AdminCommand> {
    let monitor = |command: Json| AdminCommand::Monitor { command: command.to_string(), input: Bytes::new() };
    match request {
        Request::Client(key, action) => vec![monitor(kv_command(*key, *action, 0))],
        Request::Members(change) => match change {
            Change::Add(name, addrs) => {
                vec![monitor(json!({"prefix": "mon add", "name": name, "addr": addrs.to_string()}))]
            }
            Change::Remove(name) => vec![monitor(json!({"prefix": "mon rm", "name": name}))],
            // A voter gives way only to a learner that follows: the world asks again until it does.
            Change::Replace(old, (new, addrs)) => vec![
                monitor(json!({"prefix": "mon learner add", "name": new, "addr": addrs.to_string()})),
                monitor(json!({"prefix": "mon replace", "voter": old, "learner": new})),
            ],
            Change::Follow(name, addrs) => {
                vec![monitor(json!({"prefix": "mon learner add", "name": name, "addr": addrs.to_string()}))]
            }
            Change::Unfollow(name) => vec![monitor(json!({"prefix": "mon learner rm", "name": name}))],
        },
        Request::Order(order) => {
            let socket = |prefix: &str| AdminCommand::Socket {
                prefix: prefix.into(),
                arguments: [("yes_i_really_mean_it".to_owned(), Json::Bool(true))].into(),
            };
            vec![match order {
                Order::StepDown => monitor(json!({"prefix": "mon step-down"})),
                Order::QuorumExit => socket("quorum exit"),
                Order::QuorumEnter => socket("quorum enter"),
                Order::SyncForce => socket("sync_force"),
                Order::ResetConnectionScores => socket("connection scores reset"),
                Order::AddPeerHint(addrs) => AdminCommand::Socket {
                    prefix: "add_bootstrap_peer_hintv".into(),
                    arguments: [("addrv".to_owned(), Json::String(addrs.to_string()))].into(),
                },
            }]
        }
    }
}

/// The key under which a register is kept. One is a prefix of all others, so that what matches a key and what
/// matches a prefix are different things.
#[must_use]
pub fn register(key: Key) -> String {
    match key.0 {
        0 => "r".into(),
        number => format!("r/{number}"),
    }
}

/// The command for an operation on a register; a swap expects the register at a revision.
#[must_use]
pub fn kv_command(key: Key, action: Action, revision: u64) -> Json {
    let key = register(key);
    match action {
        Action::Read => json!({"prefix": "config-key stat", "key": key, "format": "json"}),
        Action::Write(value) => json!({"prefix": "config-key set", "key": key, "val": text(value)}),
        Action::Remove => json!({"prefix": "config-key rm", "key": key}),
        Action::Swap(_, value) => json!({
            "prefix": "config-key cas", "key": key, "val": text(value), "expected_version": revision,
            "format": "json",
        }),
    }
}

/// A register's value as it is stored.
#[must_use]
pub fn text(value: Value) -> String {
    value.0.to_string()
}

/// What `config-key stat` says: the value, and its revision.
#[must_use]
pub fn held(output: &[u8]) -> Option<(Option<Value>, u64)> {
    let stat: Json = serde_json::from_slice(output).ok()?;
    let value = match stat["exists"].as_bool()? {
        true => Some(Value(stat["text"].as_str()?.parse().ok()?)),
        false => None,
    };
    Some((value, stat["revision"].as_u64()?))
}
