//! How long clients wait while there is no quorum.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::Services;
use crate::cx::Cx;
use crate::effect::{CommandReply, Effect};
use crate::operation::{Answer, Errno, Origin};

impl Services {
    /// Out of quorum for too long: clients should look for another monitor.
    pub(super) fn give_up_waiting(&mut self, cx: &mut Cx<'_>) {
        let gone = cx.now.mono.saturating_sub(self.quorum_changed);
        let late = |arrived: Duration| cx.now.mono.saturating_sub(arrived) > self.settings.quorum_wait;
        let mut doomed = BTreeSet::new();
        let mut failed = Vec::new();
        let (kept, expired): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|operation| !late(operation.arrived));
        self.waiting = kept;
        let tids: Vec<u64> = self
            .forwarded
            .iter()
            .filter(|(_, operation)| late(operation.arrived))
            .map(|(tid, _)| *tid)
            .collect();
        let forwarded = tids.into_iter().filter_map(|tid| self.forwarded.remove(&tid));
        for operation in expired.into_iter().chain(forwarded) {
            match operation.origin {
                Origin::Client(session) => {
                    doomed.insert(session);
                }
                Origin::Admin(_) => failed.push(operation),
                Origin::Peer { .. } => {}
            }
        }
        if gone > self.settings.quorum_wait * 2 {
            doomed.extend(self.sessions.ids());
        }
        for session in doomed {
            self.close_session(cx, session);
        }
        for operation in failed {
            let reply =
                CommandReply::refused(Errno::EBUSY, "there is no quorum: see 'mon_status' of each monitor");
            self.deliver(cx, &operation, Answer::Command(reply));
        }
        if gone > self.settings.quorum_wait {
            for request in self.global_ids_wanted.drain(..) {
                cx.out.push(Effect::GlobalId { request, id: None });
            }
        }
    }
}
