//! An epoch has at most one leader; a quorum stands in an even epoch, holds whoever speaks of it, and is a majority
//! of the map.

use std::collections::BTreeMap;

use mon_core::consensus::Role;
use mon_types::id::Epoch;

use super::{Finding, Invariant, Subject};

/// See the module documentation.
#[derive(Debug, Default)]
pub struct Leaders {
    by_epoch: BTreeMap<Epoch, usize>,
}

impl Invariant for Leaders {
    fn name(&self) -> &'static str {
        "leaders"
    }

    fn after_event(&mut self, at: &Subject<'_>) -> Finding {
        let Some(consensus) = at.consensus else { return Ok(()) };
        let role = consensus.role();
        if !matches!(role, Role::Leader | Role::Peon) {
            return Ok(());
        }
        let epoch = consensus.epoch();
        if epoch.is_electing() {
            return Err(format!("is {} in the odd epoch {epoch}", role.as_str()));
        }
        let Some(view) = consensus.view() else {
            return Err(format!("is {} of no quorum", role.as_str()));
        };
        let size = consensus.monmap().size();
        if view.epoch == epoch && view.members.len() < size / 2 + 1 {
            return Err(format!(
                "a quorum of {} in epoch {epoch} is no majority of {size}",
                view.members.len()
            ));
        }
        if consensus.rank().is_some_and(|rank| !view.members.contains(&rank)) {
            return Err(format!("is {} of a quorum that does not hold it", role.as_str()));
        }
        // Ceph's elections, in which a vote may be given twice, leave this to timing.
        if role == Role::Leader && view.all_ours {
            let first = *self.by_epoch.entry(epoch).or_insert(at.node);
            if first != at.node {
                return Err(format!("leads epoch {epoch}, which {} led", crate::node::name(first)));
            }
        }
        Ok(())
    }
}
