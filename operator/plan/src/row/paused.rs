//! Row 4: people asked us to keep our hands off. What would be done is said, and not done.

use moncluster_api::HealingMode;

use crate::decision::{Reason, Row};
use crate::planner::{Blocked, Choice, Planner};

/// Turns a decision into the announcement of it. The status keeps what was observed and takes no plan.
pub(crate) fn hands_off<'a>(p: Planner<'a>, would: &Planner<'a>, choice: &Choice) -> (Planner<'a>, Choice) {
    let mut p = p;
    let cluster = p.view.cluster;
    let silent = !cluster.spec().paused && cluster.healing().mode == HealingMode::Disabled;
    let message = match (&choice.action, &would.status.operation) {
        _ if silent => None,
        (_, Some(operation)) if p.status.operation.is_none() => {
            Some(format!("would start {} of mon.{}: {}", operation.kind, operation.target, operation.reason))
        }
        (Some(action), _) => Some(format!("would do in row {:?}: {action:?}", choice.row)),
        (None, _) => would.blocked.as_ref().map(|blocked| blocked.message.clone()),
    };
    if let Some(message) = message {
        let known = p.view.seen.status.condition("Healing");
        if known.is_none_or(|known| known.message != message) {
            p.tell(Reason::PlannedAction, None, message.clone());
        }
        p.blocked = Some(Blocked { reason: Reason::PlannedAction, message });
    }
    let rest = p.rest(Row::Paused);
    (p, rest)
}
