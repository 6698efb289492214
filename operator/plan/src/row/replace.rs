//! Rows 13, 13b and 13c: a member has been out for longer than its cause allows. The one with the strongest proof of
//! death is replaced first, one at a time.

use std::time::Duration;

use moncluster_api::{CauseOfOutage, MemberName, OperationKind};

use super::backoff;
use crate::cause::{is_local, patience};
use crate::decision::{Reason, Row};
use crate::placement;
use crate::planner::{Choice, Planner, Start};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    p.view.map?;
    let (name, cause) = most_dead(p)?;
    if let Some(why) = backoff::why_not(p) {
        let text = format!("mon.{name} is due for replacement ({cause}), and {why}");
        p.block(Reason::CircuitOpen, Some(&name), text);
        return None;
    }
    let at_home = is_local(cause) && placement::home_is_usable(&p.view, &name);
    if !placement::has_spare(&p.view) && !at_home {
        let text = format!(
            "mon.{name} is due for replacement ({cause}): add or uncordon a node that has no monitor"
        );
        p.block(Reason::NoSpareNode, Some(&name), text);
        return Some(p.rest(Row::NoSpareNode));
    }
    if !p.can_begin() {
        return Some(p.rest(Row::Replace));
    }
    let reason = cause.to_string();
    p.count_replacement(&name, &reason);
    let newcomer = p.newcomer();
    let text = format!("mon.{newcomer} is to replace mon.{name}: {cause}");
    p.tell(Reason::ReplaceStarted, Some(&name), text);
    let start = Start {
        kind: OperationKind::Replace,
        target: name,
        replacement: Some(newcomer),
        reason: &reason,
        within: REPLACE_MAX,
        pod_uid: None,
    };
    Some(p.begin(Row::Replace, start))
}

/// Whose time is up; of several, the one whose death is surest, then the one that is out for longest.
fn most_dead(p: &Planner<'_>) -> Option<(MemberName, CauseOfOutage)> {
    let due = p.status.members.iter().filter_map(|member| {
        let (since, cause) = (member.out_since?, member.out_cause?);
        let patience = patience(&p.view, &member.name, cause)?;
        (p.now().since(since) >= patience).then_some((cause, since, member.name.clone()))
    });
    due.min().map(|(cause, _, name)| (name, cause))
}

/// How long a newcomer may take, apart from a sync that gets further.
pub(super) const REPLACE_MAX: Duration = Duration::from_secs(900);
