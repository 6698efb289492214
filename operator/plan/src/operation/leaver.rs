//! A member that is out of the committed monmap: its objects go, its volume last and later.

use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use moncluster_api::{MemberName, Step};

use crate::action::Action;
use crate::decision::Reason;
use crate::planner::{Choice, Planner, target};

/// StatefulSet, Service, mark on the claim. Does not wait for a pod on a dead node: nobody counts on it any more.
pub(super) fn retire(p: &mut Planner<'_>, name: &MemberName, keep: Duration) -> ControlFlow<Choice> {
    let seen = p.view.seen;
    // I7: the map first, the pod after. The map was read through the quorum in this very observation.
    let gone = p.view.map.is_some_and(|map| !map.voters.iter().any(|voter| voter.name == *name));
    if !gone {
        return Break(p.wait(Step::Retire, "waiting for the committed monmap"));
    }
    if let Some(set) = seen.stateful_sets.get(name).filter(|set| !set.deleting) {
        let action = Action::DeleteStatefulSet {
            member: name.clone(),
            target: target(&set.uid, &set.resource_version),
        };
        return Break(p.step(Step::Retire, format!("stopping mon.{name}"), action));
    }
    if let Some(service) = seen.services.get(name).filter(|service| !service.deleting) {
        let action = Action::DeleteService {
            member: name.clone(),
            target: target(&service.uid, &service.resource_version),
        };
        return Break(p.step(Step::Retire, format!("removing the Service of mon.{name}"), action));
    }
    if let Some(claim) = seen.claims.get(name).filter(|claim| claim.retired_until.is_none()) {
        let until = p.now().after(keep);
        if !keep.is_zero() {
            p.tell(
                Reason::VolumeRetained,
                Some(name),
                format!("the volume of mon.{name} is kept until {until}"),
            );
        }
        let action = Action::RetireClaim {
            member: name.clone(),
            target: target(&claim.uid, &claim.resource_version),
            until,
        };
        return Break(p.step(Step::Retire, format!("marking the claim of mon.{name}"), action));
    }
    p.forget(name);
    Continue(())
}
