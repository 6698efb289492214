//! Why a member is out of quorum, and how long that is borne.

use std::time::Duration;

use moncluster_api::{CauseOfOutage, MemberName, MemberStatus};

use crate::observation::{ClaimFact, ContainerState, MonState, PodFact};
use crate::view::{View, is_running};

/// The best explanation that the observation has for a voter that is out of quorum.
pub(crate) fn cause(view: &View<'_>, member: &MemberStatus) -> CauseOfOutage {
    let name = &member.name;
    if view.answers_foreign(name) {
        return CauseOfOutage::Foreign;
    }
    let Some(claim) = view.store(name) else {
        return CauseOfOutage::VolumeLost;
    };
    if view.seen.addresses_refused.contains(name) {
        return CauseOfOutage::AddressLost;
    }
    let pod = view.seen.pods.get(name);
    if pod.is_some_and(says_store_is_bad) {
        return CauseOfOutage::StoreCorrupt;
    }
    if let Some(cause) = node_cause(view, pod, claim) {
        return cause;
    }
    match view.answer(name) {
        Some(answer) if answer.state == MonState::Synchronizing => {
            let last = member.sync_progress_time.unwrap_or(view.seen.now);
            match view.seen.now.since(last) >= SYNC_STALLED_AFTER {
                true => CauseOfOutage::SyncStalled,
                false => CauseOfOutage::Synchronizing,
            }
        }
        Some(_) => CauseOfOutage::Electing,
        None if pod.is_some_and(|pod| is_running(pod) && !pod.deleting) => CauseOfOutage::Partitioned,
        None => CauseOfOutage::PodFailing,
    }
}

/// What the node says: that of the pod, or, where the pod has none, those that the volume is tied to.
fn node_cause(view: &View<'_>, pod: Option<&PodFact>, claim: &ClaimFact) -> Option<CauseOfOutage> {
    let names: Vec<&String> = match pod.and_then(|pod| pod.node.as_ref()) {
        Some(node) => vec![node],
        None => claim.nodes.iter().flatten().collect(),
    };
    if names.is_empty() {
        return None;
    }
    let nodes: Vec<_> = names.iter().filter_map(|name| view.seen.nodes.get(*name)).collect();
    if nodes.is_empty() {
        return Some(CauseOfOutage::NodeDeleted);
    }
    if nodes.iter().all(|node| node.out_of_service) {
        return Some(CauseOfOutage::OutOfService);
    }
    // A node that is cordoned and down is being worked on: somebody means to bring it back.
    if nodes.iter().all(|node| node.cordoned) {
        return Some(CauseOfOutage::Drained);
    }
    nodes.iter().all(|node| !node.ready).then_some(CauseOfOutage::NodeUnreachable)
}

/// How long a member may be out for this cause; none: for ever.
pub(crate) fn patience(view: &View<'_>, name: &MemberName, cause: CauseOfOutage) -> Option<Duration> {
    let after = view.cluster.healing().replace_after;
    let or_never = |span: moncluster_api::Span| (!span.is_zero()).then_some(span.0);
    match cause {
        CauseOfOutage::VolumeLost | CauseOfOutage::StoreCorrupt | CauseOfOutage::AddressLost => {
            Some(after.volume_lost.0)
        }
        CauseOfOutage::NodeDeleted | CauseOfOutage::OutOfService => Some(after.node_deleted.0),
        CauseOfOutage::NodeUnreachable => or_never(after.node_unreachable),
        CauseOfOutage::PodFailing | CauseOfOutage::SyncStalled => or_never(after.pod_failing),
        CauseOfOutage::Drained => or_never(after.drained),
        // It may be us who are cut off: two of its peers must miss it as well.
        CauseOfOutage::Partitioned | CauseOfOutage::Electing => match view.peers_that_miss(name) >= 2 {
            true => or_never(after.node_unreachable),
            false => None,
        },
        CauseOfOutage::Synchronizing | CauseOfOutage::Foreign => None,
    }
}

/// Whether the cause is its volume, so that its node may be as good as any.
pub(crate) const fn is_local(cause: CauseOfOutage) -> bool {
    match cause {
        CauseOfOutage::VolumeLost | CauseOfOutage::StoreCorrupt => true,
        CauseOfOutage::AddressLost
        | CauseOfOutage::NodeDeleted
        | CauseOfOutage::OutOfService
        | CauseOfOutage::NodeUnreachable
        | CauseOfOutage::PodFailing
        | CauseOfOutage::Drained
        | CauseOfOutage::Partitioned
        | CauseOfOutage::SyncStalled
        | CauseOfOutage::Synchronizing
        | CauseOfOutage::Electing
        | CauseOfOutage::Foreign => false,
    }
}

/// docs/exit-codes.md: 20 is "no store", 22 is "the store cannot be trusted".
fn says_store_is_bad(pod: &PodFact) -> bool {
    pod.container != ContainerState::Running && matches!(pod.exit_code, Some(20 | 22))
}

/// A sync that copies nothing for so long is stuck.
const SYNC_STALLED_AFTER: Duration = Duration::from_secs(300);
