//! Row 14: too few voters, and all there are in quorum: one more.

use moncluster_api::{OperationKind, QuorumState};

use super::backoff;
use super::replace::REPLACE_MAX;
use crate::decision::{Reason, Row};
use crate::placement;
use crate::planner::{Choice, Planner, Start};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    p.view.map?;
    let wanted = p.view.cluster.replicas();
    if p.view.state != QuorumState::Full || p.view.voters.len() as u32 >= wanted {
        return None;
    }
    if let Some(why) = backoff::waits(p) {
        p.block(Reason::HealingSuspended, None, format!("one more monitor is wanted, and {why}"));
        return None;
    }
    if !placement::has_spare(&p.view) {
        let text = "one more monitor is wanted: add or uncordon a node that has no monitor";
        p.block(Reason::NoSpareNode, None, text.into());
        return None;
    }
    if !p.can_begin() {
        return Some(p.rest(Row::Grow));
    }
    let name = p.newcomer();
    let start = Start {
        kind: OperationKind::Add,
        target: name,
        replacement: None,
        reason: "Scale",
        within: REPLACE_MAX,
        pod_uid: None,
    };
    Some(p.begin(Row::Grow, start))
}
