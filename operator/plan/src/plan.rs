//! One observation in, one decision out.

use moncluster_api::ValidatedCluster;

use crate::decision::{Decision, Requeue, Row};
use crate::observation::Observation;

/// Decides what to do next. Total and deterministic.
pub fn plan(cluster: &ValidatedCluster, observation: &Observation) -> Decision {
    let interval = cluster.healing().probe_interval.0;
    let fresh = observation.caches.synced_at.is_some_and(|at| observation.now.since(at) <= interval * 2);
    let in_charge = observation.lease_held && fresh && observation.caches.errors.is_empty();
    Decision {
        row: if in_charge { Row::Idle } else { Row::NotInCharge },
        action: None,
        status: observation.status.clone(),
        events: Vec::new(),
        requeue: Requeue::After(interval),
    }
}
