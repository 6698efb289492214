//! Clients that read, write and swap a few registers, and record what they were told.
//!
//! A register is a config key; every write writes a value of its own. What was sent on a connection that broke, or
//! not answered in time, has an unknown outcome and stays so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use mon_client::{Client, ClientError, CommandReply, Target};
use mon_sim::history::{Action, Key, Operation, Outcome, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Registers of one round.
pub(crate) const KEYS: u64 = 3;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_millis(2500);
const ENOENT: i32 = -2;
const ECANCELED: i32 = -125;

/// The name of a register in the store.
pub(crate) fn name(key: Key) -> String {
    format!("nemesis/{}", key.0)
}

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<Vec<Operation>>>,
}

#[derive(Debug)]
struct Shared {
    begun: Instant,
    stop: AtomicBool,
    acknowledged: AtomicU64,
    /// The last value that was given to a write.
    value: AtomicU64,
    first_key: u64,
}

impl Load {
    /// Starts clients on the registers from `first_key` on, one per target.
    pub(crate) fn start(runtime: &Handle, targets: Vec<Target>, first_key: u64, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            begun: Instant::now(),
            stop: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            value: AtomicU64::new(0),
            first_key,
        });
        let clients = targets
            .into_iter()
            .enumerate()
            .map(|(number, target)| {
                let rng = ChaCha12Rng::seed_from_u64(seed.wrapping_add(number as u64));
                let worker = Worker { number, rng, shared: Arc::clone(&shared), operations: Vec::new() };
                runtime.spawn(worker.run(target))
            })
            .collect();
        Self { shared, clients }
    }

    /// How many operations were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Stops the clients. Returns what they recorded, and the moment from which its times count.
    pub(crate) fn finish(self, runtime: &Handle) -> Result<(Vec<Operation>, Instant)> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for client in self.clients {
            all.extend(runtime.block_on(client).context("a client panicked")?);
        }
        Ok((all, self.shared.begun))
    }
}

struct Worker {
    number: usize,
    rng: ChaCha12Rng,
    shared: Arc<Shared>,
    operations: Vec<Operation>,
}

/// What a client does with its connection after an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Stay,
    /// Its monitor does not answer: another.
    Leave,
}

impl Worker {
    async fn run(mut self, mut target: Target) -> Vec<Operation> {
        while !self.stopped() {
            let Ok(client) = Client::open(target.clone()).await else { continue };
            while !self.stopped() {
                if self.step(&client).await == Next::Leave {
                    break;
                }
                let pause = self.rng.random_range(2..12);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            target.first = Some(self.rng.random_range(0..target.monitors.len()));
        }
        self.operations
    }

    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    async fn step(&mut self, client: &Client) -> Next {
        let key = Key(self.shared.first_key + self.rng.random_range(0..KEYS));
        match self.rng.random_range(0..10) {
            0..4 => self.read(client, key).await,
            4..8 => {
                let value = self.new_value();
                let command =
                    json!({"prefix": "config-key set", "key": name(key), "val": value.0.to_string()});
                self.write(client, key, Action::Write(value), Outcome::Written, command).await
            }
            _ => self.swap(client, key).await,
        }
    }

    fn new_value(&self) -> Value {
        Value(self.shared.value.fetch_add(1, Ordering::Relaxed) + 1)
    }

    async fn read(&mut self, client: &Client, key: Key) -> Next {
        let invoked = self.shared.begun.elapsed();
        let command = json!({"prefix": "config-key get", "key": name(key)});
        match ask(client, command).await {
            Ok(reply) => {
                if let Some(held) = value_of(&reply) {
                    self.push(key, Action::Read, invoked, Outcome::Held(held));
                }
                Next::Stay
            }
            Err(next) => next,
        }
    }

    /// Reads with the revision, and writes on condition that it is still the one.
    async fn swap(&mut self, client: &Client, key: Key) -> Next {
        let invoked = self.shared.begun.elapsed();
        let stat = json!({"prefix": "config-key stat", "key": name(key), "format": "json"});
        let reply = match ask(client, stat).await {
            Ok(reply) => reply,
            Err(next) => return next,
        };
        let Ok(stat) = serde_json::from_slice::<serde_json::Value>(&reply.output) else { return Next::Stay };
        let held = stat["text"].as_str().and_then(|text| text.parse().ok()).map(Value);
        let Some(revision) = stat["revision"].as_u64() else { return Next::Stay };
        self.push(key, Action::Read, invoked, Outcome::Held(held));
        let value = self.new_value();
        let command = json!({
            "prefix": "config-key cas", "key": name(key), "expected_version": revision,
            "val": value.0.to_string(), "format": "json",
        });
        self.write(client, key, Action::Swap(held, value), Outcome::Held(held), command).await
    }

    async fn write(
        &mut self,
        client: &Client,
        key: Key,
        action: Action,
        done: Outcome,
        command: serde_json::Value,
    ) -> Next {
        let invoked = self.shared.begun.elapsed();
        let (outcome, next) = match ask(client, command).await {
            Ok(reply) if reply.code == 0 => (done, Next::Stay),
            // The register had moved on: nothing was done.
            Ok(reply) if reply.code == ECANCELED => return Next::Stay,
            Ok(_) => (Outcome::Unknown, Next::Stay),
            Err(next) => (Outcome::Unknown, next),
        };
        self.push(key, action, invoked, outcome);
        next
    }

    fn push(&mut self, key: Key, action: Action, invoked: Duration, outcome: Outcome) {
        let returned = self.shared.begun.elapsed();
        if outcome != Outcome::Unknown {
            self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.operations.push(Operation { client: self.number, key, action, invoked, returned, outcome });
    }
}

async fn ask(client: &Client, command: serde_json::Value) -> Result<CommandReply, Next> {
    match tokio::time::timeout(PATIENCE, client.command(command.to_string(), Bytes::new())).await {
        Ok(Ok(reply)) => Ok(reply),
        // It hunts for another monitor by itself.
        Ok(Err(ClientError::Lost)) => Err(Next::Stay),
        Ok(Err(ClientError::Refused(_) | ClientError::Unreachable { .. } | ClientError::Closed)) | Err(_) => {
            Err(Next::Leave)
        }
    }
}

/// What the answer to a read says that the register holds; none when it says nothing of it.
pub(crate) fn value_of(reply: &CommandReply) -> Option<Option<Value>> {
    match reply.code {
        0 => std::str::from_utf8(&reply.output).ok()?.trim().parse().ok().map(|value| Some(Value(value))),
        ENOENT => Some(None),
        _ => None,
    }
}

/// One read of each register through one monitor, recorded as by a client of its own.
pub(crate) async fn read_all(
    target: Target,
    first_key: u64,
    client_number: usize,
    begun: Instant,
) -> Result<Vec<Operation>> {
    let client = Client::open(target).await?;
    let mut operations = Vec::new();
    for key in (first_key..first_key + KEYS).map(Key) {
        let invoked = begun.elapsed();
        let command = json!({"prefix": "config-key get", "key": name(key)});
        let reply = tokio::time::timeout(PATIENCE, client.command(command.to_string(), Bytes::new()))
            .await
            .context("no answer to a read of a whole cluster")??;
        let held = value_of(&reply).with_context(|| format!("a read returned {reply:?}"))?;
        operations.push(Operation {
            client: client_number,
            key,
            action: Action::Read,
            invoked,
            returned: begun.elapsed(),
            outcome: Outcome::Held(held),
        });
    }
    Ok(operations)
}
