//! What the operator counts, and how its clusters are: OpenMetrics.

mod clusters;

use std::sync::Arc;
use std::time::Duration;

use moncluster_api::{Finished, MonClusterStatus};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use self::clusters::Clusters;
use crate::clock::Clock;
use crate::shelf::Key;

/// All of it.
pub struct Metrics {
    registry: Registry,
    leader: Gauge,
    synced: Gauge,
    rounds: Histogram,
    errors: Family<Labels, Counter>,
    operations: Family<Labels, Counter>,
    durations: Family<Labels, Histogram>,
    clusters: Arc<Clusters>,
}

type Labels = Vec<(&'static str, String)>;

impl Metrics {
    /// Nothing counted yet.
    pub fn new(clock: Clock) -> Self {
        let mut registry = Registry::default();
        let clusters = Arc::new(Clusters::new(clock));
        registry.register_collector(Box::new(Shown(clusters.clone())));
        let metrics = Self {
            leader: Gauge::default(),
            synced: Gauge::default(),
            rounds: Histogram::new(exponential_buckets(0.001, 4.0, 8)),
            errors: Family::default(),
            operations: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(1.0, 3.0, 8))),
            clusters,
            registry: Registry::default(),
        };
        registry.register(
            "moncluster_operator_leader",
            "1 while this operator holds the lease",
            metrics.leader.clone(),
        );
        registry.register("moncluster_operator_synced", "1 while all watches work", metrics.synced.clone());
        registry.register(
            "moncluster_operator_reconcile_seconds",
            "how long rounds took",
            metrics.rounds.clone(),
        );
        registry.register(
            "moncluster_operator_reconcile_errors",
            "rounds that were not finished, by what went wrong",
            metrics.errors.clone(),
        );
        registry.register(
            "moncluster_cluster_operations",
            "operations that ended, by type and result",
            metrics.operations.clone(),
        );
        registry.register(
            "moncluster_cluster_operation_duration_seconds",
            "how long operations took that ended",
            metrics.durations.clone(),
        );
        Self { registry, ..metrics }
    }

    /// As Prometheus reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }

    /// Whether we hold the lease.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    pub(crate) fn synced(&self, synced: bool) {
        self.synced.set(i64::from(synced));
    }

    pub(crate) fn round(&self, took: Duration) {
        self.rounds.observe(took.as_secs_f64());
    }

    pub(crate) fn failed(&self, key: &Key, what: &str) {
        let mut labels = of_cluster(key);
        labels.push(("error", what.to_owned()));
        self.errors.get_or_create(&labels).inc();
    }

    pub(crate) fn ended(&self, key: &Key, finished: &Finished) {
        let mut labels = of_cluster(key);
        labels.push(("type", finished.kind.to_string()));
        // A few days fit exactly.
        self.durations.get_or_create(&labels).observe(finished.duration_seconds as f64);
        labels.push(("result", finished.result.to_string()));
        self.operations.get_or_create(&labels).inc();
    }

    pub(crate) fn show(&self, key: &Key, status: &MonClusterStatus, replicas: u32) {
        self.clusters.show(key, status, replicas);
    }

    pub(crate) fn forget(&self, key: &Key) {
        self.clusters.forget(key);
    }
}

/// The collector that the registry owns.
#[derive(Debug)]
struct Shown(Arc<Clusters>);

impl Collector for Shown {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

fn of_cluster((namespace, name): &Key) -> Labels {
    vec![("namespace", namespace.clone()), ("cluster", name.clone())]
}

#[cfg(test)]
mod tests {
    use moncluster_api::{MemberName, MemberStatus};

    use super::*;

    #[test]
    fn clusters_come_and_go() {
        let metrics = Metrics::new(Clock::System);
        let key = ("ceph".to_owned(), "main".to_owned());
        let mut status = MonClusterStatus::default();
        status.quorum.required = 2;
        status.members.push(MemberStatus {
            in_quorum: true,
            rank: Some(0),
            ..MemberStatus::new(MemberName::of_index(0))
        });
        metrics.show(&key, &status, 3);
        metrics.failed(&key, "api");
        let text = metrics.text();
        for line in [
            "moncluster_cluster_quorum_required{namespace=\"ceph\",cluster=\"main\"} 2",
            "moncluster_cluster_member_in_quorum{namespace=\"ceph\",cluster=\"main\",member=\"a\"} 1",
            "moncluster_operator_reconcile_errors_total{namespace=\"ceph\",cluster=\"main\",error=\"api\"} 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
        metrics.forget(&key);
        assert!(!metrics.text().contains("moncluster_cluster_quorum_required{"));
    }
}
