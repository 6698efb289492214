//! Row 15: too many voters: one fewer. Who is out of quorum goes first, then who crowds a failure domain, then the
//! youngest that does not lead.

use std::time::Duration;

use moncluster_api::{MemberName, OperationKind};

use crate::decision::Row;
use crate::placement;
use crate::planner::{Choice, Planner, Start};
use crate::report::is_ours;
use crate::view::slack;

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    p.view.map?;
    let size = p.view.voters.len();
    if size as u32 <= p.view.cluster.replicas() || size <= 1 || !p.can_begin() {
        return None;
    }
    // Whoever is not ours goes first, by row 12, as soon as that is safe.
    if p.view.voters.iter().any(|name| !is_ours(&p.view, name)) {
        return None;
    }
    let name = pick(p)?;
    let live = p.view.in_quorum.iter().filter(|voter| **voter != name).count();
    // With somebody else out, too, that one is healed first.
    if !p.view.others_in_quorum(&name) || slack(live, size - 1) < 0 {
        return None;
    }
    let start = Start {
        kind: OperationKind::Remove,
        target: name,
        replacement: None,
        reason: "Scale",
        within: REMOVE_MAX,
        pod_uid: None,
    };
    Some(p.begin(Row::Shrink, start))
}

fn pick(p: &Planner<'_>) -> Option<MemberName> {
    let view = &p.view;
    if let Some(out) = view.voters.iter().find(|name| !view.in_quorum.contains(name)) {
        return Some(out.clone());
    }
    if let Some(crowded) = placement::crowded(view) {
        return Some(crowded);
    }
    let leader = view.leader();
    let young = |name: &&MemberName| (leader != Some(*name), name.index(), (*name).clone());
    view.voters.iter().max_by_key(young).cloned()
}

const REMOVE_MAX: Duration = Duration::from_secs(120);
