//! A pending key becomes the present one when its entity first logs in with it, as in Ceph from release 17 on
//! (`AuthMonitor`: the members tell the leader at each tick; ours do at once, and again until it is done).

use mon_types::crypto_key::CryptoKey;
use mon_types::entity::EntityName;
use mon_types::message::MMonUsedPendingKeys;

use super::Services;
use crate::cx::Cx;

/// Keys that may wait to be taken over. More are noticed at a later login.
const WAITING_MAX: usize = 1024;

impl Services {
    /// An entity has proven this key, and not its present one.
    pub(super) fn note_pending_key(&mut self, cx: &mut Cx<'_>, entity: EntityName, key: CryptoKey) {
        if self.take_pending_key(entity, key) {
            self.want_pending_keys(cx);
        }
    }

    /// A member saw pending keys in use.
    pub(super) fn take_pending_keys(&mut self, told: MMonUsedPendingKeys) {
        for (entity, key) in told.keys {
            self.upkeep_due |= self.take_pending_key(entity, key);
        }
    }

    /// Sees to it that the leader takes over what is noted.
    pub(super) fn want_pending_keys(&mut self, cx: &mut Cx<'_>) {
        if self.used_pending_keys.is_empty() {
            return;
        }
        match &self.quorum {
            Some(quorum) if quorum.we_lead => self.upkeep_due = true,
            Some(quorum) if !quorum.learner => {
                let told = MMonUsedPendingKeys { keys: self.used_pending_keys.clone(), ..Default::default() };
                cx.out.send(&quorum.leader_addrs, told, None);
            }
            Some(_) | None => {}
        }
    }

    /// Drops what is done, or is no pending key any more.
    pub(super) fn forget_settled_pending_keys(&mut self) {
        let keys = self.auth.keys();
        self.used_pending_keys.retain(|entity, key| is_pending(keys, entity, key));
    }

    fn take_pending_key(&mut self, entity: EntityName, key: CryptoKey) -> bool {
        let wanted =
            self.used_pending_keys.len() < WAITING_MAX && is_pending(self.auth.keys(), &entity, &key);
        if wanted {
            self.used_pending_keys.insert(entity, key);
        }
        wanted
    }
}

fn is_pending(keys: &mon_types::key_server::KeyServerData, entity: &EntityName, key: &CryptoKey) -> bool {
    keys.secrets.get(entity).and_then(|auth| auth.pending()) == Some(key)
}
