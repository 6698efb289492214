//! Closed-loop load: each client waits for its answer before it asks again.

use std::time::Duration;

use bytes::Bytes;
use indicatif::ProgressBar;
use mon_client::{Client, Target};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::BenchError;
use super::latency::Latencies;

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// `config-key set`.
    Put,
    /// `config-key get`.
    Get,
}

/// What to measure.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) operation: Operation,
    /// Numbers of clients, one step each.
    pub(super) clients: Vec<usize>,
    /// How long each step takes.
    pub(super) duration: Duration,
    /// Bytes of each value.
    pub(super) value_size: usize,
}

/// What one step came to.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) clients: usize,
    pub(super) duration: Duration,
    pub(super) latencies: Latencies,
    /// Operations that were answered with an error.
    pub(super) errors: usize,
}

impl Step {
    /// Operations per second.
    pub(super) fn throughput(&self) -> f64 {
        self.latencies.count() as f64 / self.duration.as_secs_f64()
    }
}

/// Progress is shown so often.
const TICK: Duration = Duration::from_millis(100);
/// What is answered in this time at the start of a step does not count.
const WARM_UP: Duration = Duration::from_millis(500);

impl Plan {
    /// How many ticks of progress a measurement has.
    pub(super) fn ticks(&self) -> u64 {
        let step = (self.duration + WARM_UP).as_millis() / TICK.as_millis();
        self.clients.len() as u64 * step as u64
    }
}

/// Runs all steps.
///
/// # Errors
/// When the clients cannot connect, or cannot write at all.
pub(super) async fn measure(
    target: &Target,
    plan: &Plan,
    progress: &ProgressBar,
) -> Result<Vec<Step>, BenchError> {
    let count = plan.clients.iter().copied().max().unwrap_or(0);
    let clients = connect(target, count).await?;
    for (index, client) in
        clients.iter().enumerate().take(if plan.operation == Operation::Get { count } else { 1 })
    {
        set(client, index, plan.value_size).await?;
    }
    let mut steps = Vec::new();
    for &count in &plan.clients {
        progress.set_message(format!("{count} clients"));
        steps.push(step(&clients[..count], plan, progress).await?);
    }
    for (index, client) in clients.iter().enumerate() {
        let command = json!({ "prefix": "config-key rm", "key": key(index) }).to_string();
        client.command(command, Bytes::new()).await?;
    }
    Ok(steps)
}

/// Opens clients spread evenly over the monitors, the first at the first.
///
/// # Errors
/// When one cannot connect.
pub(super) async fn connect(target: &Target, count: usize) -> Result<Vec<Client>, BenchError> {
    let mut opening = JoinSet::new();
    let mut clients = Vec::new();
    for index in 0..count {
        // A burst of handshakes is no part of what is measured.
        if opening.len() >= 16 {
            clients.extend(opening.join_next().await.and_then(Result::ok).transpose()?);
        }
        let target = Target { first: Some(index % target.monitors.len()), ..target.clone() };
        opening.spawn(async move { Client::open(target).await.map(|client| (index, client)) });
    }
    while let Some(joined) = opening.join_next().await {
        clients.extend(joined.ok().transpose()?);
    }
    clients.sort_by_key(|(index, _)| *index);
    Ok(clients.into_iter().map(|(_, client)| client).collect())
}

/// Each client writes one key over and over: the store must not grow with the measurement.
fn key(client: usize) -> String {
    format!("mon-bench/{client}")
}

/// The command that writes a client's key.
pub(super) fn set_command(client: usize, value_size: usize) -> String {
    json!({ "prefix": "config-key set", "key": key(client), "val": "x".repeat(value_size) }).to_string()
}

/// Writes a client's key.
///
/// # Errors
/// When the monitors refuse it.
pub(super) async fn set(client: &Client, index: usize, value_size: usize) -> Result<(), BenchError> {
    let reply = client.command(set_command(index, value_size), Bytes::new()).await?;
    if reply.code == 0 {
        return Ok(());
    }
    Err(BenchError::Refused { command: "config-key set", code: reply.code, message: reply.message })
}

async fn step(clients: &[Client], plan: &Plan, progress: &ProgressBar) -> Result<Step, BenchError> {
    let from = Instant::now() + WARM_UP;
    let until = from + plan.duration;
    let mut loops = JoinSet::new();
    for (index, client) in clients.iter().enumerate() {
        let command = match plan.operation {
            Operation::Put => set_command(index, plan.value_size),
            Operation::Get => json!({ "prefix": "config-key get", "key": key(index) }).to_string(),
        };
        loops.spawn(closed_loop(client.clone(), command, from, until));
    }
    let mut ticks = tokio::time::interval(TICK);
    let (mut latencies, mut errors) = (Vec::new(), 0);
    loop {
        tokio::select! {
            _ = ticks.tick(), if Instant::now() < until => progress.inc(1),
            joined = loops.join_next() => match joined {
                Some(Ok(result)) => {
                    let (of_one, errors_of_one) = result?;
                    latencies.extend(of_one);
                    errors += errors_of_one;
                }
                Some(Err(_)) => {}
                None => break,
            },
        }
    }
    let latencies = Latencies::new(latencies);
    Ok(Step { clients: clients.len(), duration: plan.duration, latencies, errors })
}

/// The latencies of the answers between two times, and how many of the answers were errors.
async fn closed_loop(
    client: Client,
    command: String,
    from: Instant,
    until: Instant,
) -> Result<(Vec<Duration>, usize), BenchError> {
    let (mut latencies, mut errors) = (Vec::new(), 0);
    let mut asked = Instant::now();
    while asked < until {
        let Ok(reply) = tokio::time::timeout_at(until, client.command(command.clone(), Bytes::new())).await
        else {
            break;
        };
        let answered = Instant::now();
        match reply?.code {
            0 if answered >= from => latencies.push(answered - asked),
            0 => {}
            _ => errors += 1,
        }
        asked = answered;
    }
    Ok((latencies, errors))
}
