//! Row 3: two monitors lead, with quorums that share nobody and different maps. Nothing is touched: whatever was
//! done could be what makes it worse.

use crate::decision::{Reason, Row};
use crate::observation::MonState;
use crate::planner::{Choice, Planner};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    let leaders: Vec<_> =
        p.view.answers().filter(|(_, answer)| answer.state == MonState::Leader && answer.ready).collect();
    for (index, (one, a)) in leaders.iter().enumerate() {
        for (other, b) in leaders.iter().skip(index + 1) {
            let disjoint = !a.quorum.iter().any(|name| b.quorum.contains(name));
            let names = |answer: &crate::observation::Answer| {
                answer.members.iter().filter(|m| m.rank.is_some()).map(|m| m.name.clone()).collect::<Vec<_>>()
            };
            if disjoint && (a.monmap_epoch != b.monmap_epoch || names(a) != names(b)) {
                let text = format!(
                    "mon.{one} and mon.{other} both lead, with different monmaps: nothing is changed; \
                     see docs/operator.md, \"Two leaders\""
                );
                p.block(Reason::SplitBrainSuspected, None, text);
                return Some(p.rest(Row::SplitBrain));
            }
        }
    }
    None
}
