//! Row 6: nothing was ever made, no volume is there: a new cluster. The fsid is written down first.

use std::time::Duration;

use moncluster_api::OperationKind;

use crate::decision::{Reason, Row};
use crate::planner::{Choice, Planner, Start};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    if p.status.bootstrapped || p.status.operation.is_some() {
        return None;
    }
    let fsid = p.view.seen.fresh.fsid.clone();
    if fsid.is_empty() || !p.can_begin() {
        return Some(p.rest(Row::Bootstrap));
    }
    p.status.fsid.get_or_insert(fsid);
    let name = p.newcomer();
    p.tell(Reason::BootstrapStarted, Some(&name), format!("making mon.{name}, the first monitor"));
    let start = Start {
        kind: OperationKind::Bootstrap,
        target: name,
        replacement: None,
        reason: "NewCluster",
        within: BOOTSTRAP_MAX,
        pod_uid: None,
    };
    Some(p.begin(Row::Bootstrap, start))
}

/// After this it is called late; it is never given up.
const BOOTSTRAP_MAX: Duration = Duration::from_secs(600);
