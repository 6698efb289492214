//! Handing out global ids to handshakes, from blocks that the leader reserves.

use mon_types::message::MMonGlobalID;

use super::Services;
use crate::cx::Cx;
use crate::effect::{Effect, Halt};
use crate::event::RequestId;

/// Handshakes that may wait for a global id.
const GLOBAL_IDS_WANTED_MAX: usize = 4096;

impl Services {
    pub(super) fn update_global_ids(&mut self, cx: &mut Cx<'_>) {
        let rank = self.monmap().rank_of(&self.identity.name);
        self.global_ids.update(self.auth.max_global_id(), rank, self.monmap().size());
        while let Some(request) = self.global_ids_wanted.pop_front() {
            match self.global_ids.take() {
                Some(id) => cx.out.push(Effect::GlobalId { request, id: Some(id) }),
                None => {
                    self.global_ids_wanted.push_front(request);
                    break;
                }
            }
        }
    }

    /// A handshake asks for a new global id.
    ///
    /// # Errors
    /// None at present.
    pub fn global_id_wanted(&mut self, cx: &mut Cx<'_>, request: RequestId) -> Result<(), Halt> {
        let within = self.quorum.is_some()
            || cx.now.mono.saturating_sub(self.quorum_changed) < self.settings.quorum_wait;
        let id = if within { self.global_ids.take() } else { None };
        // Between quorums it may wait for the next as long as commands do: refused, clients take it for a denial.
        if id.is_some() || !within || self.global_ids_wanted.len() >= GLOBAL_IDS_WANTED_MAX {
            cx.out.push(Effect::GlobalId { request, id });
        } else {
            self.global_ids_wanted.push_back(request);
        }
        self.want_global_ids(cx);
        Ok(())
    }

    /// Sees to it that a new block is reserved before this one is used up.
    pub(super) fn want_global_ids(&mut self, cx: &mut Cx<'_>) {
        if !self.global_ids.runs_short(self.settings.global_id_block) {
            return;
        }
        let known = self.auth.max_global_id();
        match &self.quorum {
            Some(quorum) if quorum.we_lead => {
                self.global_ids_short = Some(known);
                self.upkeep_due = true;
            }
            Some(quorum) if !quorum.learner => {
                let ask = MMonGlobalID { old_max_id: mon_types::id::GlobalId(known), ..Default::default() };
                cx.out.send(&quorum.leader_addrs, ask, None);
            }
            Some(_) | None => {}
        }
    }
}
