//! A status is not written for a clock that ticks: every write wakes everybody who watches.

use std::time::Duration;

use moncluster_api::MonClusterStatus;

/// The observed status if the new one says nothing else and the observed one is young.
pub(crate) fn calm(old: &MonClusterStatus, new: MonClusterStatus) -> MonClusterStatus {
    let young = match (old.quorum.observed_time, new.quorum.observed_time) {
        (Some(old), Some(new)) => new.since(old) < REFRESH_AFTER && old <= new,
        _ => false,
    };
    if young && still(old.clone()) == still(new.clone()) { old.clone() } else { new }
}

/// Without what changes all the time.
fn still(mut status: MonClusterStatus) -> MonClusterStatus {
    status.quorum.observed_time = None;
    status.quorum.last_quorum_time = None;
    status.quorum.last_committed = 0;
    for member in &mut status.members {
        member.paxos = None;
        member.store_bytes = None;
        member.disk_free_percent = None;
        member.last_seen_time = None;
        member.sync_bytes = None;
        member.sync_progress_time = None;
    }
    status
}

const REFRESH_AFTER: Duration = Duration::from_secs(30);
