//! Row 12: somebody votes of whom nothing is ours. It leaves if that costs nothing, as nobody would heal it.

use std::time::Duration;

use moncluster_api::OperationKind;

use crate::decision::{Reason, Row};
use crate::planner::{Choice, Planner, Start};
use crate::report::is_ours;
use crate::view::slack;

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    p.view.map?;
    let name = p.view.voters.iter().find(|name| !is_ours(&p.view, name))?.clone();
    let size = p.view.voters.len();
    let live = p.view.in_quorum.iter().filter(|voter| **voter != name).count();
    if size <= 1 || slack(live, size - 1) < 1 || !p.can_begin() {
        let text = format!(
            "mon.{name} votes and nothing of it is ours; it can be removed once all other members are in quorum"
        );
        p.block(Reason::UnknownMember, Some(&name), text);
        return None;
    }
    p.tell(
        Reason::UnknownMember,
        Some(&name),
        format!("mon.{name} votes and nothing of it is ours: removing it"),
    );
    let start = Start {
        kind: OperationKind::Remove,
        target: name,
        replacement: None,
        reason: UNKNOWN,
        within: REMOVE_MAX,
        pod_uid: None,
    };
    Some(p.begin(Row::UnknownMember, start))
}

/// The reason of such a removal.
pub(crate) const UNKNOWN: &str = "UnknownMember";

const REMOVE_MAX: Duration = Duration::from_secs(120);
