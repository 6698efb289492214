//! Is there a node for one more monitor? Only the scheduler knows for sure; this tells when it is hopeless.

use std::collections::BTreeSet;

use moncluster_api::MemberName;

use crate::observation::NodeFact;
use crate::view::View;

/// Whether some node could take a newcomer.
///
/// Where monitors must not share a failure domain, the domains of all members are taken: also that of the one
/// that leaves, whose pod may still be there.
pub(crate) fn has_spare(view: &View<'_>) -> bool {
    let taken: BTreeSet<&str> = match view.cluster.spread_required() {
        true => view.seen.status.members.iter().filter_map(|member| domain_of(view, &member.name)).collect(),
        false => BTreeSet::new(),
    };
    view.seen.nodes.iter().any(|(name, node)| is_usable(node) && !taken.contains(domain(name, node)))
}

/// The failure domain that a member is in, or was in last.
pub(crate) fn domain_of<'a>(view: &View<'a>, name: &MemberName) -> Option<&'a str> {
    let member = view.seen.status.member(name)?;
    let pod = view.seen.pods.get(name).and_then(|pod| pod.node.as_ref());
    let node = pod.or(member.node_name.as_ref())?;
    match view.seen.nodes.get(node) {
        Some(fact) => Some(domain(node, fact)),
        None => Some(node),
    }
}

/// A node's failure domain; none for a node that is gone.
pub(crate) fn domain_of_node<'a>(view: &View<'a>, node: &'a str) -> Option<&'a str> {
    Some(domain(node, view.seen.nodes.get(node)?))
}

/// The node that a member is on or was on last, if it is fit to run one.
pub(crate) fn home_is_usable(view: &View<'_>, name: &MemberName) -> bool {
    let pod = view.seen.pods.get(name).and_then(|pod| pod.node.as_ref());
    let node = pod.or_else(|| view.seen.status.member(name)?.node_name.as_ref());
    node.and_then(|node| view.seen.nodes.get(node)).is_some_and(is_usable)
}

/// Two voters in one failure domain, if there are: the one that should go.
pub(crate) fn crowded(view: &View<'_>) -> Option<MemberName> {
    let mut members: Vec<_> = view.voters.iter().collect();
    // The leader stays, then the older.
    members.sort_by_key(|name| (Some(*name) != view.leader(), name.index(), (*name).clone()));
    let mut taken = BTreeSet::new();
    let crowding =
        members.into_iter().filter(|name| domain_of(view, name).is_some_and(|at| !taken.insert(at)));
    crowding.last().cloned()
}

fn domain<'a>(name: &'a str, node: &'a NodeFact) -> &'a str {
    node.topology.as_deref().unwrap_or(name)
}

fn is_usable(node: &NodeFact) -> bool {
    node.fits && node.ready && !node.cordoned && !node.out_of_service && !node.deleting
}
