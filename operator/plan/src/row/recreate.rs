//! Row 11, and what rows 8 and 9 may do: a member's Service or StatefulSet is missing and its store is there. It gets them
//! back under the same identity. That changes no membership, so it needs no quorum.

use moncluster_api::MemberName;

use crate::action::{Action, Role};
use crate::decision::Row;
use crate::planner::{Choice, Planner};
use crate::view::ip_of;

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    missing(p).map(|action| p.act(Row::Recreate, action))
}

/// The next missing object of a voter.
pub(super) fn missing(p: &Planner<'_>) -> Option<Action> {
    let members = p.status.members.iter().map(|member| &member.name);
    members.filter(|name| p.view.is_voter(name)).find_map(|name| of_member(p, name))
}

fn of_member(p: &Planner<'_>, name: &MemberName) -> Option<Action> {
    let seen = p.view.seen;
    let member = p.status.member(name)?;
    // Without its own store it would start with an empty one, under an identity that has voted.
    p.view.store(name)?;
    if !seen.services.contains_key(name) && !seen.addresses_refused.contains(name) {
        let cluster_ip = Some(member.address.as_deref().and_then(ip_of)?);
        return Some(Action::ApplyService { member: name.clone(), cluster_ip, fenced: member.fenced });
    }
    match seen.stateful_sets.get(name) {
        None => p.stateful_set(name, Role::Voter),
        // It was made as a newcomer, and votes by now.
        Some(set) if set.role != Role::Voter && !set.deleting => p.stateful_set(name, Role::Voter),
        Some(_) => None,
    }
}
