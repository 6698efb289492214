//! What an operator must never do, judged before and after each of its calls.

use std::collections::BTreeMap;

use crate::kind::{CLUSTERS, PODS, PVCS, STATEFUL_SETS};
use crate::object::{is_deleted, label, text, uid};
use crate::world::State;

/// How the quorum stands, were nothing else to happen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    voters: Vec<String>,
    epoch: u64,
    /// Voters whose monitor is in quorum or could be at once, and goes on running.
    live: Vec<String>,
    /// Claims by uid that are not being deleted, with the monitor whose store they hold.
    claims: BTreeMap<String, String>,
    /// StatefulSets of voters.
    sets: Vec<String>,
    /// Whether the cluster is being deleted, or is gone.
    ends: bool,
}

impl Standing {
    pub(crate) fn of(state: &State) -> Self {
        let quorum = &state.quorum;
        let pod_stays = |pod_uid: &str| {
            let pod = state.store.list(PODS).map(|(_, pod)| pod).find(|pod| uid(pod) == pod_uid);
            pod.is_some_and(|pod| {
                let owner = text(pod, "/metadata/ownerReferences/0/uid");
                !is_deleted(pod) && state.store.list(STATEFUL_SETS).any(|(_, set)| uid(set) == owner)
            })
        };
        let live = quorum
            .processes
            .iter()
            .filter(|(pod, process)| {
                quorum.is_voter(&process.name)
                    && (quorum.is_in_quorum(&process.name, pod) || quorum.has_caught_up(process))
                    && state.node_is_up(&process.node)
                    && !state.cut_off.contains(&process.node)
                    && pod_stays(pod)
            })
            .map(|(_, process)| process.name.clone())
            .collect();
        let claims = state
            .store
            .list(PVCS)
            .filter(|(_, claim)| !is_deleted(claim))
            .filter_map(|(_, claim)| {
                let disk = quorum.disks.get(uid(claim))?;
                Some((uid(claim).to_owned(), disk.name.clone()))
            })
            .collect();
        let sets = state
            .store
            .list(STATEFUL_SETS)
            .map(|(_, set)| label(set, "moncluster.io/member").to_owned())
            .filter(|name| quorum.is_voter(name))
            .collect();
        Self {
            voters: quorum.voters.iter().map(|(name, _)| name.clone()).collect(),
            epoch: quorum.epoch,
            live,
            claims,
            sets,
            ends: state.store.list(CLUSTERS).all(|(_, cluster)| is_deleted(cluster)),
        }
    }

    fn majority(&self) -> usize {
        self.voters.len() / 2 + 1
    }
}

/// What one call of the operator broke.
pub(crate) fn judge(before: &Standing, after: &Standing, call: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let had = before.live.len() >= before.majority() && !before.voters.is_empty();
    // A single monitor cannot be restarted without an interruption.
    let was_alone = before.voters.len() == 1;
    if had && after.live.len() < after.majority() && !was_alone && !before.ends {
        broken.push(format!(
            "{call}: the quorum is lost by it: {:?} of {:?} live before, {:?} of {:?} after",
            before.live, before.voters, after.live, after.voters
        ));
    }
    if after.epoch > before.epoch + 1 {
        broken.push(format!("{call}: two epochs in one step"));
    }
    if !before.ends {
        for (claim, name) in &before.claims {
            if !after.claims.contains_key(claim) && after.voters.contains(name) {
                broken.push(format!("{call}: the claim of voter mon.{name} was deleted"));
            }
        }
        for name in &before.sets {
            if !after.sets.contains(name) && after.voters.contains(name) {
                broken.push(format!("{call}: the StatefulSet of voter mon.{name} was deleted"));
            }
        }
    }
    broken
}
