//! Row 20: a volume is smaller than the spec says, and can grow. One at a time.

use moncluster_api::QuorumState;

use crate::action::Action;
use crate::decision::Row;
use crate::planner::{Choice, Planner, target};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    if p.view.state != QuorumState::Full {
        return None;
    }
    let bytes = p.view.cluster.storage_bytes();
    let (name, claim) = p.view.voters.iter().find_map(|name| {
        let claim = p.view.store(name)?;
        (claim.bytes < bytes && claim.expandable && !claim.deleting).then_some((name, claim))
    })?;
    let target = target(&claim.uid, &claim.resource_version);
    Some(p.act(Row::Resize, Action::ResizeClaim { member: name.clone(), target, bytes }))
}
