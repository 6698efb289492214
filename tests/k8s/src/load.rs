//! Clients that write and read all the time, through the stock protocol, and remember every answer.
//!
//! Each writer has a register of its own and a monitor that it likes best, so that at most one of them is connected to
//! whatever is taken away; a reader looks at all registers. In the end the history must be linearizable, which includes
//! that no acknowledged write is lost.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use mon_client::{Client, Target};
use mon_sim::history::{Action, History, Key, Operation, Outcome, Value};
use serde_json::json;
use tokio::sync::watch;

/// Writers, one for each monitor of the usual cluster.
const WRITERS: u64 = 3;
/// Pause between two operations of a client: enough to see gaps of a tenth of a second, little enough that a small
/// machine has time for everything else.
const PAUSE: Duration = Duration::from_millis(20);
/// Silence after which clients leave a monitor: shorter than usual, because a dead node says nothing.
const KEEPALIVE: (Duration, Duration) = (Duration::from_millis(300), Duration::from_millis(1000));
/// How long the last operations may take when all is well again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// What clients share.
#[derive(Debug)]
struct Shared {
    /// What the names of the registers begin with: no load sees what another wrote.
    registers: String,
    start: Instant,
    /// The same moment by the wall's clock.
    started: SystemTime,
    seen: Mutex<Seen>,
}

impl Shared {
    fn name(&self, key: u64) -> String {
        format!("{}/{key}", self.registers)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What they have seen.
#[derive(Debug, Default)]
struct Seen {
    history: History,
    /// When acknowledgements of writes arrived, whose ever.
    acks: Vec<Duration>,
    /// Errors that monitors answered, by text.
    errors: BTreeMap<String, usize>,
}

/// What came of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Summary {
    /// Acknowledged writes.
    pub(crate) writes: usize,
    /// Operations in the history that was checked.
    pub(crate) operations: usize,
}

impl Load {
    /// Starts the clients; returns when the first write is acknowledged.
    pub(crate) fn start(target: Target) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let registers = format!("load/{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let shared = Arc::new(Shared {
            registers,
            start: Instant::now(),
            started: SystemTime::now(),
            seen: Mutex::default(),
        });
        let theirs = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(clients(target, theirs, stopped))
        });
        let mut load = Self { stop, shared, thread: Some(thread) };
        moncluster_wait::until("the first write", PATIENCE, || {
            if load.thread.as_ref().is_some_and(JoinHandle::is_finished) {
                load.join()?;
                bail!("the clients ended before they wrote anything");
            }
            Ok((!load.shared.seen().acks.is_empty()).then_some(()))
        })?;
        Ok(load)
    }

    /// This moment, for [`Load::longest_gap`] and [`Load::writes_after`].
    pub(crate) fn now(&self) -> Duration {
        self.shared.start.elapsed()
    }

    /// The longest time between two acknowledged writes since a moment; what lasts counts, too.
    pub(crate) fn longest_gap(&self, since: Duration) -> Duration {
        let seen = self.shared.seen();
        let after = seen.acks.iter().copied().filter(|ack| *ack >= since);
        let moments: Vec<Duration> =
            std::iter::once(since).chain(after).chain([self.shared.start.elapsed()]).collect();
        moments.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or_default()
    }

    /// The sum of the times without a write since a moment that were longer than `least`.
    pub(crate) fn gaps_over(&self, since: Duration, least: Duration) -> Duration {
        let seen = self.shared.seen();
        let after: Vec<Duration> = seen.acks.iter().copied().filter(|ack| *ack >= since).collect();
        after.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).filter(|gap| *gap > least).sum()
    }

    /// The times without a write since a moment that were longer than `least`: how long, and when they began, as the logs
    /// of the pods tell time.
    pub(crate) fn gaps(&self, since: Duration, least: Duration) -> Vec<String> {
        let seen = self.shared.seen();
        let after: Vec<Duration> = seen.acks.iter().copied().filter(|ack| *ack >= since).collect();
        let began = |moment: Duration| {
            let wall = self.shared.started + moment;
            let day = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() % 86_400_000;
            let (hours, minutes, millis) = (day / 3_600_000, day / 60_000 % 60, day % 60_000);
            format!("{hours:02}:{minutes:02}:{:02}.{:03}", millis / 1000, millis % 1000)
        };
        let gaps = after.windows(2).map(|pair| (pair[0], pair[1].saturating_sub(pair[0])));
        let long = gaps.filter(|(_, gap)| *gap > least);
        long.map(|(moment, gap)| format!("{:.2} s from {}", gap.as_secs_f64(), began(moment))).collect()
    }

    /// How long after a moment a write was acknowledged that was asked for after it; none if there is none yet.
    pub(crate) fn writes_after(&self, moment: Duration) -> Option<Duration> {
        let seen = self.shared.seen();
        seen.acks.iter().find(|ack| **ack > moment).map(|ack| *ack - moment)
    }

    fn join(&mut self) -> Result<()> {
        let thread = self.thread.take().context("the load was ended before")?;
        thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))?
    }

    /// Ends the clients after a last look at everything, and checks what they saw.
    pub(crate) fn finish(mut self) -> Result<Summary> {
        self.stop.send_replace(true);
        self.join()?;
        let seen = self.shared.seen();
        match seen.history.check(|_| false) {
            Ok(undecided) => ensure!(
                undecided.is_empty(),
                "too many unknown outcomes to tell whether the histories of {undecided:?} are linearizable"
            ),
            Err((key, found)) => bail!("the history of register {key:?} is not linearizable: {found:?}"),
        }
        ensure!(seen.errors.is_empty(), "monitors answered with errors: {:?}", seen.errors);
        Ok(Summary { writes: seen.acks.len(), operations: seen.history.len() })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// All clients, until they are told to stop and have read everything once more.
async fn clients(target: Target, shared: Arc<Shared>, stopped: watch::Receiver<bool>) -> Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for key in 0..WRITERS {
        let first = usize::try_from(key)? % target.monitors.len();
        let client = open(&target, Some(first)).await?;
        tasks.spawn(write(client, key, shared.clone(), stopped.clone()));
    }
    let reader = open(&target, None).await?;
    tasks.spawn(read(reader.clone(), shared.clone(), stopped));
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    for key in 0..WRITERS {
        let looked = tokio::time::timeout(PATIENCE, look(&reader, key, &shared)).await;
        looked.context("the last read is not answered")??;
    }
    Ok(())
}

async fn open(target: &Target, first: Option<usize>) -> Result<Client> {
    let target = Target { keepalive: KEEPALIVE, connect_timeout: KEEPALIVE.1, first, ..target.clone() };
    Ok(Client::open(target).await?)
}

async fn write(client: Client, key: u64, shared: Arc<Shared>, stopped: watch::Receiver<bool>) -> Result<()> {
    let mut pace = pace();
    // Every write of every writer of every load has a value of its own.
    for count in 0_u64.. {
        if *stopped.borrow() {
            break;
        }
        pace.tick().await;
        let value = key * 1_000_000_000 + count;
        let command = json!({"prefix": "config-key set", "key": shared.name(key), "val": value.to_string()});
        let invoked = shared.start.elapsed();
        let reply =
            tokio::time::timeout(PATIENCE * 4, client.command(command.to_string(), Bytes::new())).await;
        let returned = shared.start.elapsed();
        let mut seen = shared.seen();
        let outcome = match reply.context("a write was not answered for minutes")?? {
            reply if reply.code == 0 => {
                seen.acks.push(returned);
                Outcome::Written
            }
            reply => {
                *seen.errors.entry(format!("{} {}", reply.code, reply.message)).or_default() += 1;
                Outcome::Unknown
            }
        };
        let action = Action::Write(Value(value));
        seen.history.push(Operation {
            client: usize::try_from(key)?,
            key: Key(key),
            action,
            invoked,
            returned,
            outcome,
        });
    }
    Ok(())
}

async fn read(client: Client, shared: Arc<Shared>, stopped: watch::Receiver<bool>) -> Result<()> {
    let mut pace = pace();
    for key in (0..WRITERS).cycle() {
        if *stopped.borrow() {
            break;
        }
        pace.tick().await;
        look(&client, key, &shared).await?;
    }
    Ok(())
}

async fn look(client: &Client, key: u64, shared: &Shared) -> Result<()> {
    const MISSING: i32 = -2;
    let command = json!({"prefix": "config-key get", "key": shared.name(key)});
    let invoked = shared.start.elapsed();
    let reply = client.command(command.to_string(), Bytes::new()).await?;
    let returned = shared.start.elapsed();
    let held = match reply.code {
        0 => Some(Value(std::str::from_utf8(&reply.output)?.trim().parse()?)),
        MISSING => None,
        code => {
            *shared.seen().errors.entry(format!("{code} {}", reply.message)).or_default() += 1;
            return Ok(());
        }
    };
    shared.seen().history.push(Operation {
        client: usize::try_from(WRITERS)?,
        key: Key(key),
        action: Action::Read,
        invoked,
        returned,
        outcome: Outcome::Held(held),
    });
    Ok(())
}

fn pace() -> tokio::time::Interval {
    let mut pace = tokio::time::interval(PAUSE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    pace
}
