//! Row 7: this MonCluster has made nothing, and there are volumes of a cluster of its name: the MonCluster was lost, and
//! they are its members. Nothing is made anew; rows 8 and 9 start them.

use std::collections::BTreeSet;

use moncluster_api::{Finished, MemberName, MemberStatus, OperationKind, OperationResult};

use crate::decision::{Reason, Requeue, Row};
use crate::observation::ClaimFact;
use crate::planner::{Choice, Planner};

pub(super) fn decide(p: &mut Planner<'_>) -> Option<Choice> {
    let seen = p.view.seen;
    if p.status.bootstrapped || p.status.operation.is_some() {
        return None;
    }
    let claims: Vec<(&MemberName, &ClaimFact)> =
        seen.claims.iter().filter(|(_, claim)| claim.retired_until.is_none() && !claim.deleting).collect();
    let (first, _) = claims.first()?;
    let fsids: BTreeSet<Option<&String>> = claims.iter().map(|(_, claim)| claim.fsid.as_ref()).collect();
    let known = p.status.fsid.clone();
    let fsid = match fsids.into_iter().collect::<Vec<_>>()[..] {
        [Some(fsid)] if known.as_ref().is_none_or(|known| known == fsid) => fsid.clone(),
        _ => {
            let text = "there are volumes of more than one cluster, or without an fsid: keep those that belong \
                        together and remove the label moncluster.io/cluster from the others";
            p.block(Reason::HealingSuspended, None, text.into());
            return Some(p.rest(Row::Adopt));
        }
    };
    if !p.can_begin() {
        return Some(p.rest(Row::Adopt));
    }
    let target = (*first).clone();
    let names: Vec<_> = claims.iter().map(|(name, _)| name.to_string()).collect();
    p.status.members = claims.iter().take(31).map(|(name, claim)| entry(p, name, claim)).collect();
    // Of whatever is left of other members, the names are not used again.
    let used = seen.claims.keys().chain(seen.services.keys()).chain(seen.stateful_sets.keys());
    let next = used.filter_map(MemberName::index).map(|index| index.saturating_add(1)).max();
    p.status.next_member_index = p.status.next_member_index.max(next.unwrap_or(0));
    p.status.fsid = Some(fsid.clone());
    p.status.bootstrapped = true;
    let message = format!("took over mon.{} of cluster {fsid}", names.join(", mon."));
    p.tell(Reason::Adopted, None, message.clone());
    p.status.history.insert(
        0,
        Finished {
            id: seen.fresh.operation.clone(),
            kind: OperationKind::Adopt,
            target,
            replacement: None,
            reason: "VolumesFound".into(),
            result: OperationResult::Succeeded,
            started_time: seen.now,
            duration_seconds: 0,
            message,
        },
    );
    p.status.history.truncate(10);
    Some(Choice { row: Row::Adopt, action: None, requeue: Requeue::Now })
}

/// Everybody is taken for a voter until a monitor says otherwise.
fn entry(p: &Planner<'_>, name: &MemberName, claim: &ClaimFact) -> MemberStatus {
    let mut member = MemberStatus::new(name.clone());
    let service = p.view.seen.services.get(name).and_then(|service| service.cluster_ip.as_ref());
    let given = service.map(|ip| crate::view::endpoint(ip, p.view.cluster.network().msgr2_port));
    member.address = claim.address.clone().or(given);
    member.rank = Some(name.index().unwrap_or(0));
    member.pvc_name = Some(p.view.cluster.names().claim(name));
    member.pvc_uid = Some(claim.uid.clone());
    member
}
