//! A member's Service has another address than the monmap has for the member: the Service gets the right one back.
//! The address is the member's identity, so it is the Service that is wrong.

use moncluster_api::{Operation, OperationResult, Step};

use crate::action::Action;
use crate::decision::Reason;
use crate::planner::{Choice, Planner, target};
use crate::view::ip_of;

pub(super) fn next(p: &mut Planner<'_>, operation: &Operation) -> Choice {
    let name = &operation.target;
    let Some(wanted) = p.address(name).as_deref().and_then(ip_of) else {
        let text = format!("the address of mon.{name} is not known");
        return p.finish(OperationResult::Aborted, Reason::AddressChanged, text);
    };
    let has = p.view.seen.services.get(name);
    match has {
        Some(service) if service.cluster_ip.as_ref() == Some(&wanted) => {
            let text = format!("the Service of mon.{name} has address {wanted} again");
            p.finish(OperationResult::Succeeded, Reason::AddressChanged, text)
        }
        _ if p.view.seen.addresses_refused.contains(name) || p.now() > operation.deadline_time => {
            let text =
                format!("the Service of mon.{name} cannot have {wanted} again: mon.{name} is replaced");
            p.finish(OperationResult::Aborted, Reason::AddressChanged, text)
        }
        Some(service) if service.deleting => p.wait(Step::Restore, "waiting for the Service to go"),
        Some(service) => {
            let action = Action::DeleteService {
                member: name.clone(),
                target: target(&service.uid, &service.resource_version),
            };
            p.step(Step::Restore, "removing the Service with the wrong address", action)
        }
        None => {
            let action =
                Action::ApplyService { member: name.clone(), cluster_ip: Some(wanted), fenced: false };
            p.step(Step::Restore, "making the Service with the right address", action)
        }
    }
}
