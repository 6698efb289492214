//! Before row 6: the finalizer, and the objects that belong to the cluster as a whole. The first monitor waits for all
//! of them. Later they are put right where nothing else is to be done, so that an object that the API
//! server refuses never keeps a member from being healed.

use crate::action::{Action, SupportKind};
use crate::decision::{Reason, Row};
use crate::observation::SupportState;
use crate::planner::{Choice, Planner};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    if !p.view.seen.cluster.finalizer {
        return Some(p.act(Row::Prepare, Action::AddFinalizer));
    }
    if p.status.bootstrapped {
        return None;
    }
    if let Some(action) = support(p) {
        return Some(p.act(Row::Prepare, action));
    }
    let unusable = p.view.seen.support.iter().find_map(|fact| match &fact.state {
        SupportState::Unusable(text) => Some(text.clone()),
        SupportState::Missing if fact.kind.is_identity() => Some(KEY_LOST.into()),
        SupportState::Current
        | SupportState::Missing
        | SupportState::Differs
        | SupportState::Waiting
        | SupportState::Unwanted => None,
    });
    unusable.map(|text| {
        p.block(Reason::HealingSuspended, None, text);
        p.rest(Row::Prepare)
    })
}

/// The next such object that is not as it should be.
pub(crate) fn support(p: &Planner<'_>) -> Option<Action> {
    // Once there is data, a new key would lock everybody out of it.
    let has_data =
        p.status.fsid.is_some() || p.view.seen.claims.values().any(|claim| claim.retired_until.is_none());
    let due = |kind: SupportKind, state: &SupportState| match state {
        SupportState::Missing => !(kind.is_identity() && has_data),
        SupportState::Differs | SupportState::Unwanted => !kind.is_identity(),
        SupportState::Current | SupportState::Waiting | SupportState::Unusable(_) => false,
    };
    let fact = p.view.seen.support.iter().find(|fact| due(fact.kind, &fact.state))?;
    let unwanted = fact.state == SupportState::Unwanted;
    let kind = fact.kind;
    Some(if unwanted { Action::DeleteSupport { kind } } else { Action::ApplySupport { kind } })
}

const KEY_LOST: &str = "the Secret with the key of mon. is gone while the cluster's volumes are there: restore it, see \
                        docs/operator.md, \"Key lost\"";
