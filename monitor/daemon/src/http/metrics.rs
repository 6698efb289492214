//! `/metrics`, in the OpenMetrics text format.
//!
//! Two families: `moncluster_*`, complete and with units, and the names that the ceph-mixin dashboards and
//! alerts look for (`ceph_mon_*`, `ceph_health_*`), as far as a monitor knows them. ceph-mgr exports counters without
//! the `_total` that OpenMetrics wants of them; under its names their type is therefore unknown.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use mon_core::role::Role;
use mon_core::status::Status;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::AppState;

/// What is measured as it happens; everything else is read from the status when somebody looks.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// From a write's submission to the store to its being durable.
    fsync: Histogram,
    /// From the arrival of a client's command to its answer.
    command: Histogram,
    /// From a value's proposal to its commit, at the leader.
    commit: Histogram,
}

impl Default for Metrics {
    /// Buckets from 0.1 ms to 13 s, each twice the one before.
    fn default() -> Self {
        let histogram = || Histogram::new(exponential_buckets(0.0001, 2.0, 18));
        Self { fsync: histogram(), command: histogram(), commit: histogram() }
    }
}

impl Metrics {
    /// A synced write took so long.
    pub(crate) fn observe_fsync(&self, took: Duration) {
        self.fsync.observe(took.as_secs_f64());
    }

    /// A client's command took so long from arrival to answer.
    pub(crate) fn observe_command(&self, took: Duration) {
        self.command.observe(took.as_secs_f64());
    }

    /// A value took so long from its proposal to its commit.
    pub(crate) fn observe_commit(&self, took: Duration) {
        self.commit.observe(took.as_secs_f64());
    }

    /// The whole text.
    pub(crate) fn render(&self, status: &Status) -> String {
        let mut registry = Registry::default();
        let seconds = Unit::Seconds;
        registry.register_with_unit(
            "moncluster_store_sync",
            "Time until a synced write is durable",
            seconds.clone(),
            self.fsync.clone(),
        );
        registry.register_with_unit(
            "moncluster_command",
            "Time from a client's command to its answer",
            seconds.clone(),
            self.command.clone(),
        );
        registry.register_with_unit(
            "moncluster_commit",
            "Time from a value's proposal to its commit, at the leader",
            seconds,
            self.commit.clone(),
        );
        registry.register_collector(Box::new(Snapshot(status.clone())));
        let mut text = String::new();
        match encode(&mut text, &registry) {
            Ok(()) => text,
            // Writing to a string cannot fail; should a metric refuse to encode, the others are gone too.
            Err(error) => format!("# {error}\n# EOF\n"),
        }
    }
}

/// Answers a scrape.
pub(super) async fn show(State(state): State<AppState>) -> Response {
    let text = state.metrics.render(&state.core.status());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// A status as metrics.
#[derive(Debug)]
struct Snapshot(Status);

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    ceph_daemon: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Metadata {
    ceph_daemon: String,
    public_addr: String,
    rank: String,
    ceph_version: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Check {
    name: String,
    severity: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InState {
    state: &'static str,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = &self.0;
        let mut out = Out { encoder: &mut encoder };
        out.gauge(
            "moncluster_ready",
            "Whether the monitor is in quorum and serves",
            u64::from(status.ready),
        )?;
        out.gauge("moncluster_quorum_size", "Monitors in quorum", status.quorum.len() as u64)?;
        let voters = status.members.iter().filter(|member| member.rank.is_some()).count();
        out.gauge("moncluster_voters", "Monitors in the monmap", voters as u64)?;
        out.gauge("moncluster_learners", "Learners", (status.members.len() - voters) as u64)?;
        out.gauge("moncluster_election_epoch", "Election epoch", status.election_epoch.0.into())?;
        out.gauge("moncluster_monmap_epoch", "Monmap epoch", status.monmap_epoch.0.into())?;
        out.gauge("moncluster_paxos_first_committed", "Oldest value kept", status.paxos.first_committed.0)?;
        out.gauge("moncluster_paxos_last_committed", "Newest value", status.paxos.last_committed.0)?;
        out.gauge("moncluster_sessions", "Open client sessions", status.sessions)?;
        out.gauge("moncluster_store_size_bytes", "What the store takes", status.disk.bytes_store)?;
        out.gauge("moncluster_disk_size_bytes", "File system under the store", status.disk.bytes_total)?;
        out.gauge("moncluster_disk_available_bytes", "Free for the store", status.disk.bytes_available)?;
        let state = InState { state: status.state.as_str() };
        out.family("moncluster_state", "What the monitor is doing", MetricType::Gauge, &[(state, 1)])?;
        for (name, count) in &status.counters {
            out.counter(&format!("moncluster_{name}"), "Count since the process started", *count)?;
        }

        // What is said about the cluster, one monitor says, as ceph-mgr would: alerts count these series and join them.
        if status.state == Role::Leader {
            cluster(status, &mut out)?;
        }
        let own = || Of { ceph_daemon: format!("mon.{}", status.name) };
        out.family("ceph_mon_num_sessions", "Open sessions", MetricType::Gauge, &[(own(), status.sessions)])?;
        out.family(
            "ceph_mon_election_epoch",
            "Election epoch",
            MetricType::Gauge,
            &[(own(), status.election_epoch.0.into())],
        )?;
        let commits = [(own(), status.paxos.last_committed.0)];
        out.family("ceph_paxos_commit", "As ceph-mon counts it", MetricType::Unknown, &commits)?;
        for (theirs, ours) in [
            ("ceph_mon_num_elections", "election_call"),
            ("ceph_mon_election_win", "election_win"),
            ("ceph_mon_election_lose", "election_lose"),
        ] {
            let count = status.counters.get(ours).copied().unwrap_or(0);
            out.family(theirs, "As ceph-mon counts it", MetricType::Unknown, &[(own(), count)])?;
        }
        Ok(())
    }
}

/// What ceph-mgr exports about the cluster.
fn cluster(status: &Status, out: &mut Out<'_, '_>) -> std::fmt::Result {
    let in_quorum: Vec<_> = status
        .members
        .iter()
        .filter(|member| member.rank.is_some())
        .map(|member| (Of { ceph_daemon: format!("mon.{}", member.name) }, u64::from(member.in_quorum)))
        .collect();
    out.family("ceph_mon_quorum_status", "Monitors in quorum", MetricType::Gauge, &in_quorum)?;
    let metadata: Vec<_> = status
        .members
        .iter()
        .filter_map(|member| {
            let labels = Metadata {
                ceph_daemon: format!("mon.{}", member.name),
                public_addr: member.addrs.clone(),
                rank: member.rank?.to_string(),
                ceph_version: format!("moncluster {} release {}", env!("CARGO_PKG_VERSION"), status.release),
            };
            Some((labels, 1))
        })
        .collect();
    out.family("ceph_mon_metadata", "What the monitors are", MetricType::Gauge, &metadata)?;
    let health = match status.health.status.as_str() {
        "HEALTH_OK" => 0,
        "HEALTH_WARN" => 1,
        _ => 2,
    };
    out.gauge("ceph_health_status", "0 ok, 1 warning, 2 error", health)?;
    let checks: Vec<_> = (status.health.severities.iter())
        .map(|(name, severity)| (Check { name: name.clone(), severity }, 1))
        .collect();
    out.family("ceph_health_detail", "Health checks that fail", MetricType::Gauge, &checks)
}

struct Out<'a, 'e> {
    encoder: &'a mut DescriptorEncoder<'e>,
}

impl Out<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> std::fmt::Result {
        let value = ConstGauge::<u64>::new(value);
        value.encode(self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> std::fmt::Result {
        let value = ConstCounter::<u64>::new(value);
        value.encode(self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn family<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: &[(L, u64)],
    ) -> std::fmt::Result {
        let mut family = self.encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in values {
            let encoder = family.encode_family(labels)?;
            ConstGauge::<u64>::new(*value).encode(encoder)?;
        }
        Ok(())
    }
}
