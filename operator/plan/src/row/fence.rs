//! Row 2: what answers under a member's name belongs to another cluster. Its Service is turned away from it; nothing
//! of it is deleted, and once it is itself again it gets its Service back.

use moncluster_api::MemberName;

use crate::action::Action;
use crate::decision::{Reason, Row};
use crate::planner::{Choice, Planner};
use crate::view::ip_of;

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    let names: Vec<MemberName> = p.status.members.iter().map(|member| member.name.clone()).collect();
    for name in &names {
        let foreign = p.view.answers_foreign(name);
        // No answer is no news.
        if !foreign && p.view.answer(name).is_none() {
            continue;
        }
        let was = p.status.member(name).is_some_and(|member| member.fenced);
        for member in p.status.members.iter_mut().filter(|member| member.name == *name) {
            member.fenced = foreign;
        }
        if foreign && !was {
            let text = format!("mon.{name} says that it belongs to another cluster: look at its volume");
            p.tell(Reason::StaleMemberFenced, Some(name), text);
        }
    }
    for name in &names {
        let member = p.status.member(name)?;
        let service = p.view.seen.services.get(name);
        if service.is_some_and(|service| service.fenced != member.fenced && !service.deleting) {
            let action = Action::ApplyService {
                member: name.clone(),
                cluster_ip: member.address.as_deref().and_then(ip_of),
                fenced: member.fenced,
            };
            return Some(p.act(Row::Fence, action));
        }
    }
    None
}
