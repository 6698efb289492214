//! What must hold of every step; the numbers are those of docs/operator.md, "Invariants".

use moncluster_api::OperationKind;
use moncluster_plan::{Action, Decision, Verb};

use crate::world::World;

/// Checks one decision that is about to be executed, and what it did.
pub(crate) fn check(before: &World, decision: &Decision, after: &World) {
    let Some(action) = &decision.action else { return };
    let said = || format!("row {:?}: {action:?}\nbefore: {before:#?}", decision.row);
    let voters = |world: &World| world.map.as_ref().map_or(0, |map| map.voters.len());
    let votes = |name: &_| before.map.as_ref().is_some_and(|map| map.voters.contains_key(name));
    let operation = decision.status.operation.as_ref();

    // I4, and the promise: never below majority by our own act. One or two monitors have no slack to spend: a change
    // of their pods that was asked for is an outage.
    let asked = operation.is_some_and(|o| o.kind == OperationKind::Restart) && voters(before) <= 2;
    if before.has_quorum() && !asked {
        assert!(after.has_quorum(), "the quorum is lost by our own act: {}", said());
    }
    if let Action::Monitor(call) = action {
        // I1, I3.
        assert!(before.has_quorum(), "{}", said());
        assert_eq!(Some(call.expected_epoch), before.map.as_ref().map(|map| map.epoch), "{}", said());
        assert!(!call.operation_id.is_empty(), "{}", said());
        // I2: one epoch at most.
        let epochs = |world: &World| world.map.as_ref().map_or(0, |map| map.epoch);
        assert!(epochs(after) - epochs(before) <= 1, "{}", said());
        // I4: room for a failure is given up only where people asked for fewer than three.
        let slack = |world: &World| world.live().len() as i64 - (voters(world) as i64 / 2 + 1);
        let shrinks = matches!(call.verb, Verb::Remove { .. }) && after.replicas < 3;
        let grows_from_few = matches!(call.verb, Verb::Add { .. }) && voters(before) < 3;
        if call.verb.changes_monmap() && !shrinks && !grows_from_few {
            assert!(slack(after) >= slack(before).min(1), "slack is given up: {}", said());
        }
        // I5: who gets a vote has a store that follows.
        if let Verb::Add { name, .. } | Verb::Replace { learner: name, .. } = &call.verb {
            assert!(before.runs(name), "{}", said());
        }
    }
    match action {
        // I8.
        Action::DeleteClaim { member, .. } => {
            let due = before.claims[member].retired_until.is_some_and(|until| until <= before.now);
            assert!(!votes(member) && due && before.all_in_quorum(), "{}", said());
        }
        Action::RetireClaim { member, .. } => assert!(!votes(member), "{}", said()),
        // I7, but for a member whose store is lost and whose node is the last.
        Action::DeleteStatefulSet { member, .. } => {
            assert!(!votes(member) || !before.runs(member), "{}", said());
        }
        Action::DeletePod { member, .. } | Action::EvictPod { member, .. } => {
            assert!(operation.is_some() || !before.runs(member), "{}", said());
        }
        // I6: the world itself refuses a second claim of one name. I9: a store is made where there is no cluster.
        Action::CreateClaim { member, .. } => assert!(!votes(member), "{}", said()),
        Action::ApplyService { .. }
        | Action::DeleteService { .. }
        | Action::ApplyStatefulSet { .. }
        | Action::AddFinalizer
        | Action::RemoveFinalizer
        | Action::ApplySupport { .. }
        | Action::DeleteSupport { .. }
        | Action::ResizeClaim { .. }
        | Action::Monitor(_) => {}
    }
}
