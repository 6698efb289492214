//! Row 16: a Service has another address than the monmap has for its member.

use std::time::Duration;

use moncluster_api::{MemberName, OperationKind};

use crate::decision::{Reason, Row};
use crate::planner::{Choice, Planner, Start};
use crate::view::ip_of;

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    p.view.map?;
    let name = drifted(p)?;
    if !p.view.others_in_quorum(&name) || p.view.seen.addresses_refused.contains(&name) || !p.can_begin() {
        return None;
    }
    p.tell(Reason::AddressChanged, Some(&name), format!("the Service of mon.{name} has another address"));
    let start = Start {
        kind: OperationKind::Readdress,
        target: name,
        replacement: None,
        reason: "AddressDrift",
        within: READDRESS_MAX,
        pod_uid: None,
    };
    Some(p.begin(Row::Readdress, start))
}

fn drifted(p: &Planner<'_>) -> Option<MemberName> {
    let differs = |name: &&MemberName| {
        let has = p.view.seen.services.get(*name).filter(|service| !service.deleting);
        let has = has.and_then(|service| service.cluster_ip.clone());
        let recorded = p.address(name).as_deref().and_then(ip_of);
        has.is_some() && recorded.is_some() && has != recorded
    };
    p.view.voters.iter().find(differs).cloned()
}

const READDRESS_MAX: Duration = Duration::from_secs(120);
