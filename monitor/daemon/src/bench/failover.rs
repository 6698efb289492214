//! For how long no write comes through when a monitor is taken away.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use indicatif::ProgressBar;
use mon_client::{Client, Target};
use rustix::process::{Signal, kill_process};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::load::{connect, set_command};
use super::{BenchError, SignalArg, Victim, listener};

/// What to measure.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) victim: Victim,
    pub(super) signal: SignalArg,
    pub(super) clients: usize,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(super) struct Gap {
    /// The monitor that was taken away.
    pub(super) monitor: String,
    /// The longest time between two acknowledged writes, of whichever clients, around and after the signal.
    pub(super) longest: Duration,
    /// The same for the time before it.
    pub(super) steady: Duration,
    /// The longest that one write took after the signal.
    pub(super) slowest_write: Duration,
    /// Acknowledged writes in all.
    pub(super) writes: usize,
}

/// How many ticks of progress a measurement has, if it takes as long as it may.
pub(super) const TICKS: u64 = 100;

/// Writes before the signal.
const BEFORE: Duration = Duration::from_secs(2);
/// Least time after it: an outage may begin late, when a lease or a session runs out.
const AFTER_MIN: Duration = Duration::from_secs(10);
/// Most.
const AFTER_MAX: Duration = Duration::from_secs(90);
/// Writes must have come through for so long without a gap above a tenth of it before the end.
const SETTLED: Duration = Duration::from_secs(3);

/// Silence after which clients leave a monitor: shorter than usual, because a stopped one says nothing.
const KEEPALIVE: (Duration, Duration) = (Duration::from_millis(300), Duration::from_millis(1000));

/// An acknowledged write: since when it was asked for, and when the answer came.
type Ack = (Instant, Instant);

/// Measures one failover.
///
/// # Errors
/// When the monitor's process cannot be found or signalled.
pub(super) async fn measure(target: &Target, plan: &Plan, progress: &ProgressBar) -> Result<Gap, BenchError> {
    let target = Target { keepalive: KEEPALIVE, connect_timeout: KEEPALIVE.1, ..target.clone() };
    let observer = Client::open(target.clone()).await?;
    let (monitor, addr) = choose(&observer, plan.victim).await?;
    let pid = listener::process(addr).ok_or(BenchError::NoProcess(addr))?;
    let signal = |signal| {
        kill_process(pid, signal)
            .map_err(|error| BenchError::Signal { pid: pid.as_raw_nonzero().get(), error: error.into() })
    };

    let (acks_in, mut acks) = mpsc::unbounded_channel();
    let mut writers = tokio::task::JoinSet::new();
    for (index, client) in connect(&target, plan.clients).await?.into_iter().enumerate() {
        writers.spawn(write_on(client, index, acks_in.clone()));
    }
    progress.set_message(format!("writing, then {:?} for mon.{monitor}", plan.signal));
    let mut log = Vec::new();
    collect(&mut acks, &mut log, Instant::now() + BEFORE, progress).await;

    signal(match plan.signal {
        SignalArg::Kill => Signal::KILL,
        SignalArg::Stop => Signal::STOP,
    })?;
    let signalled = Instant::now();
    loop {
        let now = Instant::now();
        collect(&mut acks, &mut log, now + Duration::from_millis(500), progress).await;
        let after = signalled.elapsed();
        if after >= AFTER_MAX || (after >= AFTER_MIN && is_settled(&log)) {
            break;
        }
    }
    if plan.signal == SignalArg::Stop {
        signal(Signal::CONT)?;
    }
    writers.abort_all();
    Ok(judge(monitor, &log, signalled))
}

/// Writes without pause, for ever.
async fn write_on(client: Client, index: usize, acks: mpsc::UnboundedSender<Ack>) {
    const VALUE_SIZE: usize = 64;
    let command = set_command(index, VALUE_SIZE);
    loop {
        let asked = Instant::now();
        let Ok(reply) = client.command(command.clone(), Bytes::new()).await else { return };
        if reply.code == 0 && acks.send((asked, Instant::now())).is_err() {
            return;
        }
    }
}

async fn collect(
    acks: &mut mpsc::UnboundedReceiver<Ack>,
    log: &mut Vec<Ack>,
    until: Instant,
    progress: &ProgressBar,
) {
    while let Ok(Some(ack)) = tokio::time::timeout_at(until, acks.recv()).await {
        log.push(ack);
        if ack.1 >= until {
            break;
        }
    }
    progress.inc(1);
}

fn is_settled(log: &[Ack]) -> bool {
    let now = Instant::now();
    let from = now - SETTLED;
    gap(log, from, now) < SETTLED / 10
}

/// The longest time without an acknowledgement between two times.
fn gap(log: &[Ack], from: Instant, until: Instant) -> Duration {
    let mut ends: Vec<Instant> =
        log.iter().map(|ack| ack.1).filter(|end| (from..until).contains(end)).collect();
    ends.sort_unstable();
    let (mut longest, mut last) = (Duration::ZERO, from);
    for end in ends.into_iter().chain([until]) {
        longest = longest.max(end - last);
        last = end;
    }
    longest
}

fn judge(monitor: String, log: &[Ack], signalled: Instant) -> Gap {
    let ends = || log.iter().map(|ack| ack.1);
    let first = ends().min().unwrap_or(signalled);
    // The gap begins with the last acknowledgement before the signal.
    let before = ends().filter(|end| *end <= signalled).max().unwrap_or(signalled);
    let last = ends().max().unwrap_or(signalled).max(signalled);
    let after = log.iter().filter(|ack| ack.1 > signalled);
    Gap {
        monitor,
        longest: gap(log, before, last),
        steady: gap(log, first, before),
        slowest_write: after.map(|(asked, answered)| *answered - *asked).max().unwrap_or_default(),
        writes: log.len(),
    }
}

async fn choose(client: &Client, victim: Victim) -> Result<(String, SocketAddr), BenchError> {
    let quorum = Quorum::ask(client).await?;
    let map = client.monmap().await?;
    let addrs: BTreeMap<String, SocketAddr> = map
        .by_rank()
        .filter_map(|(_, info)| info.addrs.msgr2_socket().map(|addr| (info.name.clone(), addr)))
        .collect();
    let count = quorum.quorum_names.len();
    let fits = |name: &String| match victim {
        Victim::Leader => *name == quorum.quorum_leader_name,
        Victim::Peon => *name != quorum.quorum_leader_name,
    };
    let name = quorum.quorum_names.into_iter().find(fits).ok_or(BenchError::NoVictim(count))?;
    let addr = addrs.get(&name).copied().ok_or(BenchError::NoVictim(count))?;
    Ok((name, addr))
}

/// What `quorum_status` tells.
#[derive(Debug, Deserialize)]
pub(super) struct Quorum {
    quorum_names: Vec<String>,
    quorum_leader_name: String,
    monmap: Members,
}

#[derive(Debug, Deserialize)]
struct Members {
    mons: Vec<serde::de::IgnoredAny>,
}

impl Quorum {
    /// Asks a monitor.
    ///
    /// # Errors
    /// When it does not say.
    pub(super) async fn ask(client: &Client) -> Result<Self, BenchError> {
        const COMMAND: &str = "quorum_status";
        let reply = client.command(r#"{"prefix": "quorum_status", "format": "json"}"#, Bytes::new()).await?;
        let refused = |message| BenchError::Refused { command: COMMAND, code: reply.code, message };
        if reply.code != 0 {
            return Err(refused(reply.message));
        }
        serde_json::from_slice(&reply.output).map_err(|error| refused(error.to_string()))
    }

    /// Whether all members of the monmap are in it.
    pub(super) fn is_complete(&self) -> bool {
        self.quorum_names.len() == self.monmap.mons.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_spans_the_signal() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let log: Vec<Ack> = [(0, 10), (5, 40), (20, 60), (40, 700), (60, 705), (700, 720)]
            .map(|(a, b)| (at(a), at(b)))
            .into();
        let gap = judge("a".into(), &log, at(100));
        assert_eq!(gap.longest, Duration::from_millis(640));
        assert_eq!(gap.steady, Duration::from_millis(30));
        assert_eq!(gap.slowest_write, Duration::from_millis(660));
        assert_eq!(gap.writes, 6);
    }

    #[test]
    fn quorum_status_of_a_stock_monitor() {
        let json = r#"{"election_epoch": 6, "quorum": [0, 1], "quorum_names": ["a", "b"],
            "quorum_leader_name": "a", "quorum_age": 4,
            "monmap": {"epoch": 1, "mons": [{"rank": 0, "name": "a"}, {"rank": 1, "name": "b"}, {}]}}"#;
        let quorum: Quorum = serde_json::from_str(json).unwrap();
        assert!(!quorum.is_complete());
    }
}
