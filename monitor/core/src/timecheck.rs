//! Comparing wall clocks: the leader asks its peons for the time, estimates how far each is off, and tells them.
//!
//! Nothing of ours depends on wall clocks; stock peers' leases and tickets do.

use std::collections::BTreeMap;
use std::time::Duration;

use mon_types::addr::AddrVec;
use mon_types::id::{Epoch, Rank};
use mon_types::message::{MTimeCheck2, TimeCheckOp};
use mon_types::time::UTime;

use crate::config::Config;
use crate::cx::Cx;

/// What is known of the members' clocks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClockReport {
    /// The round: odd while it runs, even once it is finished, 0 before the first.
    pub round: u64,
    /// Seconds by which each clock is surely off (that is, beyond what the round trip explains).
    pub skews: BTreeMap<Rank, f64>,
    /// Round-trip seconds to each member.
    pub latencies: BTreeMap<Rank, f64>,
}

/// The rounds of one term.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timecheck {
    report: ClockReport,
    next: Option<Duration>,
    /// Asked when, by rank.
    asked: BTreeMap<Rank, Duration>,
    skewed_rounds: u32,
}

impl Timecheck {
    pub(crate) fn report(&self) -> &ClockReport {
        &self.report
    }

    pub(crate) fn start(&mut self, now: Duration, lead: bool) {
        *self = Self { next: lead.then_some(now), ..Self::default() };
    }

    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn next_deadline(&self) -> Duration {
        self.next.unwrap_or(Duration::MAX)
    }

    /// Leader: begins a round when it is time. One that was not answered by everybody ends with it.
    pub(crate) fn tick(
        &mut self,
        cx: &mut Cx<'_>,
        config: &Config,
        epoch: Epoch,
        me: Rank,
        peers: &[(Rank, AddrVec)],
    ) {
        let now = cx.now.mono;
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        self.next = Some(now + config.timecheck_interval);
        if peers.is_empty() {
            return;
        }
        if self.report.round % 2 == 1 {
            self.finish(cx, config, epoch, peers.iter().map(|(_, addrs)| addrs));
        }
        self.report.round += 1;
        self.report.skews = [(me, 0.0)].into();
        self.report.latencies = [(me, 0.0)].into();
        self.asked = peers.iter().map(|(rank, _)| (*rank, now)).collect();
        for (_, addrs) in peers {
            cx.out.send(addrs, message(TimeCheckOp::Ping, epoch, self.report.round, cx.now.wall), None);
        }
    }

    fn finish<'a>(
        &mut self,
        cx: &mut Cx<'_>,
        config: &Config,
        epoch: Epoch,
        peers: impl Iterator<Item = &'a AddrVec>,
    ) {
        self.report.round += 1;
        self.asked.clear();
        let drift = config.clock_drift_allowed.as_secs_f64();
        if self.report.skews.values().any(|skew| skew.abs() > drift) {
            // Look more often while something is wrong, but less and less.
            self.skewed_rounds += 1;
            let soon = config.timecheck_skew_interval * self.skewed_rounds;
            self.next = Some(cx.now.mono + soon.min(config.timecheck_interval));
        } else {
            self.skewed_rounds = 0;
        }
        for addrs in peers {
            let mut m = message(TimeCheckOp::Report, epoch, self.report.round, UTime::default());
            m.skews = self.report.skews.clone();
            m.latencies = self.report.latencies.clone();
            cx.out.send(addrs, m, None);
        }
    }

    /// A message of this epoch. `peers` are the rest of the quorum, where we lead.
    pub(crate) fn handle(
        &mut self,
        cx: &mut Cx<'_>,
        config: &Config,
        from: (Rank, &AddrVec),
        leader: Rank,
        peers: &[(Rank, AddrVec)],
        m: MTimeCheck2,
    ) {
        let (from, addrs) = from;
        match m.op {
            TimeCheckOp::Ping if from == leader => {
                let epoch = Epoch(u32::try_from(m.epoch).unwrap_or(u32::MAX));
                cx.out.send(addrs, message(TimeCheckOp::Pong, epoch, m.round, cx.now.wall), None);
            }
            TimeCheckOp::Report if from == leader => {
                self.report = ClockReport { round: m.round, skews: m.skews, latencies: m.latencies };
            }
            TimeCheckOp::Pong if m.round == self.report.round => {
                let Some(asked) = self.asked.remove(&from) else { return };
                let rtt = cx.now.mono.saturating_sub(asked).as_secs_f64();
                self.report.latencies.insert(from, rtt);
                self.report.skews.insert(from, skew(m.timestamp, cx.now.wall, rtt));
                if self.asked.is_empty() {
                    let epoch = Epoch(u32::try_from(m.epoch).unwrap_or(u32::MAX));
                    self.finish(cx, config, epoch, peers.iter().map(|(_, addrs)| addrs));
                }
            }
            TimeCheckOp::Ping | TimeCheckOp::Pong | TimeCheckOp::Report => {}
        }
    }
}

/// By how much a clock that showed `theirs` at some moment within the last `rtt` seconds is surely off.
fn skew(theirs: UTime, ours: UTime, rtt: f64) -> f64 {
    let delta = theirs.to_duration().as_secs_f64() - ours.to_duration().as_secs_f64();
    let sure = (delta.abs() - rtt).max(0.0);
    if delta < 0.0 { -sure } else { sure }
}

fn message(op: TimeCheckOp, epoch: Epoch, round: u64, timestamp: UTime) -> MTimeCheck2 {
    let epoch = u64::from(epoch.0);
    MTimeCheck2 { op, epoch, round, timestamp, skews: BTreeMap::new(), latencies: BTreeMap::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_trip_explains_small_differences() {
        let at = |ms| UTime::from_duration(Duration::from_millis(ms));
        assert!(skew(at(10_000), at(10_003), 0.005).abs() < 1e-9);
        assert!((skew(at(11_000), at(10_000), 0.1) - 0.9).abs() < 1e-6);
        assert!((skew(at(9_000), at(10_000), 0.1) + 0.9).abs() < 1e-6);
    }
}
