//! Rows 8 and 9: there is no quorum that we see. Members that exist get their objects back. Where it is certain that
//! there is none, those that do not run as the spec says are restarted, as a bad image or bad limits may be the very
//! reason. Nobody is added, removed or replaced, no claim is touched, no map is made: status.recovery says who has
//! what, and people decide.

use moncluster_api::QuorumState;

use super::recreate;
use crate::action::{Action, Role};
use crate::decision::Row;
use crate::planner::{Choice, Planner, target};
use crate::view::is_running;

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    let row = match p.view.state {
        QuorumState::Full | QuorumState::Degraded | QuorumState::AtRisk => return None,
        QuorumState::Unknown => Row::QuorumUnknown,
        QuorumState::Lost => Row::QuorumLost,
    };
    let action = recreate::missing(p).or_else(|| (row == Row::QuorumLost).then(|| mend(p)).flatten());
    Some(match action {
        Some(action) => p.act(row, action),
        None => p.rest(row),
    })
}

/// The template first, then the pod that was made from the old one.
fn mend(p: &Planner<'_>) -> Option<Action> {
    let seen = p.view.seen;
    for name in p.status.members.iter().map(|member| &member.name).filter(|name| p.view.is_voter(name)) {
        let Some((set, _)) = seen.stateful_sets.get(name).zip(p.view.store(name)) else {
            continue;
        };
        if set.revision != set.revision_wanted && !set.deleting {
            return p.stateful_set(name, Role::Voter);
        }
        let stale = seen.pods.get(name).filter(|pod| {
            pod.revision != set.revision_wanted && !pod.deleting && !is_running(pod) && pod.node.is_some()
                || pod.revision != set.revision_wanted && !pod.deleting && pod.unschedulable
        });
        if let Some(pod) = stale {
            let target = target(&pod.uid, &pod.resource_version);
            return Some(Action::DeletePod { member: name.clone(), target });
        }
    }
    None
}
