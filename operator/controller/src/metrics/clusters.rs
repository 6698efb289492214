//! How each cluster is, from its status as it was decided last.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use moncluster_api::{ConditionStatus, MonClusterStatus};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::{Labels, of_cluster};
use crate::clock::Clock;
use crate::shelf::Key;

#[derive(Debug)]
pub(super) struct Clusters {
    clock: Clock,
    shown: Mutex<BTreeMap<Key, (MonClusterStatus, u32)>>,
}

impl Clusters {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, shown: Mutex::default() }
    }

    pub(super) fn show(&self, key: &Key, status: &MonClusterStatus, replicas: u32) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.insert(key.clone(), (status.clone(), replicas));
    }

    pub(super) fn forget(&self, key: &Key) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn samples(&self) -> Samples {
        let mut samples = Samples::default();
        let now = self.clock.now().as_second();
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, (status, replicas)) in &*shown {
            let labels = of_cluster(key);
            let with = |more: &[(&'static str, String)]| {
                let mut labels = labels.clone();
                labels.extend_from_slice(more);
                labels
            };
            let quorum = &status.quorum;
            samples.put("replicas", with(&[]), (*replicas).into());
            // Nine at most.
            samples.put("quorum_members", with(&[]), quorum.in_quorum.len() as i64);
            samples.put("quorum_size", with(&[]), quorum.size.into());
            samples.put("quorum_required", with(&[]), quorum.required.into());
            samples.put("fault_tolerance", with(&[]), quorum.fault_tolerance.into());
            samples.put("quorum_state", with(&[("state", quorum.state.to_string())]), 1);
            for member in &status.members {
                let labels = with(&[("member", member.name.to_string())]);
                // A learner is not in quorum as it should be.
                if member.rank.is_some() {
                    samples.put("member_in_quorum", labels.clone(), member.in_quorum.into());
                }
                if let Some(since) = member.out_since {
                    samples.put("member_out_seconds", labels, (now - since.unix_seconds()).max(0));
                }
            }
            if let Some(operation) = &status.operation {
                let labels =
                    with(&[("type", operation.kind.to_string()), ("step", operation.step.to_string())]);
                samples.put("operation_active", labels.clone(), 1);
                samples.put(
                    "operation_seconds",
                    labels,
                    (now - operation.started_time.unix_seconds()).max(0),
                );
            }
            for condition in &status.conditions {
                let labels =
                    with(&[("condition", condition.kind.clone()), ("status", condition.status.to_string())]);
                samples.put("condition", labels, 1);
            }
            let healing = status.condition("Healing").filter(|it| it.status == ConditionStatus::False);
            if let Some(blocked) = healing {
                samples.put("healing_blocked", with(&[("reason", blocked.reason.clone())]), 1);
            }
        }
        samples
    }
}

#[derive(Default)]
struct Samples(BTreeMap<&'static str, Vec<(Labels, i64)>>);

impl Samples {
    fn put(&mut self, name: &'static str, labels: Labels, value: i64) {
        self.0.entry(name).or_default().push((labels, value));
    }
}

fn help(name: &str) -> &'static str {
    match name {
        "replicas" => "voters that the spec asks for",
        "quorum_members" => "members in quorum",
        "quorum_size" => "voters in the monmap",
        "quorum_required" => "how many of them are a majority",
        "fault_tolerance" => "how many more may fail",
        "quorum_state" => "1 for the state that the quorum is in",
        "member_in_quorum" => "whether a voter is in quorum",
        "member_out_seconds" => "for how long a member has been out of quorum",
        "operation_active" => "1 for the operation under way",
        "operation_seconds" => "for how long it has been under way",
        "condition" => "1 for the status that a condition has",
        _ => "1 while healing is not possible or not allowed",
    }
}

impl Collector for Clusters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, values) in self.samples().0 {
            let full = format!("moncluster_cluster_{name}");
            let mut family = encoder.encode_descriptor(&full, help(name), None, MetricType::Gauge)?;
            for (labels, value) in values {
                family.encode_family(&labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }
}
