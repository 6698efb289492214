//! Row 0: the MonCluster is being deleted. With `Retain` it is let go: what it owns goes with it, claims, members'
//! Services and the key of `mon.` stay, and a MonCluster of the same name adopts them. With `Delete` they go first.

use crate::action::{Action, SupportKind};
use crate::decision::Row;
use crate::observation::SupportState;
use crate::planner::{Choice, Planner, target};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    let seen = p.view.seen;
    if !seen.cluster.deleting {
        return None;
    }
    if !seen.cluster.finalizer {
        return Some(p.rest(Row::Deletion));
    }
    if !p.view.cluster.deletes_data() {
        return Some(p.act(Row::Deletion, Action::RemoveFinalizer));
    }
    Some(match next_of_the_data(p) {
        Some(action) => p.act(Row::Deletion, action),
        None if everything_is_gone(p) => p.act(Row::Deletion, Action::RemoveFinalizer),
        None => p.rest(Row::Deletion),
    })
}

fn next_of_the_data(p: &Planner<'_>) -> Option<Action> {
    let seen = p.view.seen;
    if let Some((member, set)) = seen.stateful_sets.iter().find(|(_, set)| !set.deleting) {
        let target = target(&set.uid, &set.resource_version);
        return Some(Action::DeleteStatefulSet { member: member.clone(), target });
    }
    if let Some((member, service)) = seen.services.iter().find(|(_, service)| !service.deleting) {
        let target = target(&service.uid, &service.resource_version);
        return Some(Action::DeleteService { member: member.clone(), target });
    }
    if let Some((member, claim)) = seen.claims.iter().find(|(_, claim)| !claim.deleting) {
        let target = target(&claim.uid, &claim.resource_version);
        return Some(Action::DeleteClaim { member: member.clone(), target });
    }
    let keyring = seen.support.iter().find(|fact| fact.kind.is_identity())?;
    let ours = matches!(keyring.state, SupportState::Current | SupportState::Differs);
    let given = p.view.cluster.spec().auth.keyring_secret_ref.is_some();
    (ours && !given).then_some(Action::DeleteSupport { kind: SupportKind::MonKeyring })
}

fn everything_is_gone(p: &Planner<'_>) -> bool {
    let seen = p.view.seen;
    seen.stateful_sets.is_empty() && seen.services.is_empty() && seen.claims.is_empty()
}
