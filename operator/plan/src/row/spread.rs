//! Row 17: two members share a failure domain though they must not, and another is free. At most once an hour.

use moncluster_api::{OperationKind, QuorumState};

use super::backoff;
use super::replace::REPLACE_MAX;
use crate::decision::{Reason, Row};
use crate::operation::SPREAD;
use crate::placement;
use crate::planner::{Choice, HOUR, Planner, Start};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    p.view.map?;
    if p.view.state != QuorumState::Full || !p.view.cluster.spread_required() {
        return None;
    }
    let name = placement::crowded(&p.view).filter(|name| p.status.member(name).is_some())?;
    let now = p.now();
    let mut replacements = p.status.healing.replacements.iter();
    let lately = replacements.any(|done| done.reason == SPREAD && now.since(done.time) < HOUR);
    if lately || backoff::why_not(p).is_some() || !placement::has_spare(&p.view) || !p.can_begin() {
        return None;
    }
    p.count_replacement(&name, SPREAD);
    let newcomer = p.newcomer();
    let text = format!("mon.{newcomer} is to replace mon.{name}, which shares a failure domain");
    p.tell(Reason::ReplaceStarted, Some(&name), text);
    let start = Start {
        kind: OperationKind::Replace,
        target: name,
        replacement: Some(newcomer),
        reason: SPREAD,
        within: REPLACE_MAX,
        pod_uid: None,
    };
    Some(p.begin(Row::Spread, start))
}
