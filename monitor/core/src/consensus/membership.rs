//! Which monmap we go by, and what a change of it means for us.

use std::collections::BTreeMap;

use mon_types::addr::AddrVec;
use mon_types::encode::Decode;
use mon_types::id::MapEpoch;
use mon_types::kv::{KvRead, StoreError};
use mon_types::monmap::MonMap;

use crate::consensus::{Consensus, Role};
use crate::cx::Cx;
use crate::effect::{Effect, Halt, Level};
use crate::identity::Identity;
use crate::members::Members;
use crate::sync::SyncMarks;

/// The newest map that we have, and whether the cluster made it: the committed one, what a sync left, that of
/// mkfs; an empty one for a monitor that knows no more than addresses to probe.
pub(super) fn load_monmap(
    identity: &Identity,
    marks: &SyncMarks,
    store: &dyn KvRead,
) -> Result<(MonMap, bool), Halt> {
    let mut found: Option<(MonMap, bool)> = None;
    if let Some(last) = store.read_u64("monmap", "last_committed")?.filter(|_| !marks.in_sync) {
        let key = last.to_string();
        if let Some(bytes) = store.read("monmap", &key)? {
            found = Some((decode("monmap", &key, &bytes)?, true));
        }
    }
    if let Some(bytes) = &marks.latest_monmap {
        let map = decode("mon_sync", "latest_monmap", bytes)?;
        if found.as_ref().is_none_or(|(have, _)| have.epoch < map.epoch) {
            found = Some((map, true));
        }
    }
    if found.is_none()
        && let Some(bytes) = store.read("mkfs", "monmap")?
    {
        let mut map = decode("mkfs", "monmap", &bytes)?;
        map.rank_by_address();
        found = Some((map, false));
    }
    let (map, known) = found.unwrap_or_else(|| (MonMap { fsid: identity.fsid, ..MonMap::default() }, false));
    if map.fsid != identity.fsid {
        return Err(Halt::StoreDamaged(StoreError::Damaged {
            what: "monmap".into(),
            why: format!("it belongs to cluster {}, not {}", map.fsid, identity.fsid),
        }));
    }
    Ok((map, known))
}

fn decode(prefix: &str, key: &str, bytes: &[u8]) -> Result<MonMap, StoreError> {
    MonMap::from_bytes(bytes).map_err(|error| StoreError::undecodable(prefix, key, &error))
}

/// The map may demand more than we are.
pub(super) fn check_release(identity: &Identity, map: &MonMap) -> Result<(), Halt> {
    if map.min_mon_release > identity.release.number() {
        return Err(Halt::FeaturesMissing(format!("release {} or newer", map.min_mon_release)));
    }
    let lacking = map.required_features().without(identity.mon_features);
    if !lacking.is_empty() {
        return Err(Halt::FeaturesMissing(format!("monitor features {lacking}")));
    }
    Ok(())
}

impl Consensus {
    /// The services have read the store: this is the committed map, and these follow without a vote.
    ///
    /// # Errors
    /// When the map no longer holds us, or demands what we lack.
    pub fn set_monmap(
        &mut self,
        cx: &mut Cx<'_>,
        map: &MonMap,
        learners: &BTreeMap<String, AddrVec>,
    ) -> Result<(), Halt> {
        let learners_changed = self.learners != *learners;
        if learners_changed {
            self.learners = learners.clone();
        }
        if map.epoch > self.members.monmap().epoch || (map.epoch > MapEpoch(0) && !self.map_is_ours_to_keep) {
            let before = self.members.clone();
            self.install(cx, map.clone(), true)?;
            self.react_to_map(cx, &before)?;
        } else if learners_changed {
            self.publish_peers(cx, false);
        }
        self.settle(cx)
    }

    /// A map that a peer showed: newer, or the first that we see of a cluster that we are to join.
    pub(crate) fn adopt(&mut self, cx: &mut Cx<'_>, map: MonMap) -> Result<(), Halt> {
        cx.out.log(Level::Info, format!("taking over monmap epoch {} from a peer", map.epoch));
        self.install(cx, map, false)
    }

    fn install(&mut self, cx: &mut Cx<'_>, map: MonMap, from_store: bool) -> Result<(), Halt> {
        check_release(&self.identity, &map)?;
        let before = std::mem::replace(&mut self.members, Members::new(map, &self.identity));
        self.map_is_ours_to_keep = true;
        // Started as a learner or not: who has voted is a learner only if the cluster says so.
        if self.members.me().is_some() || self.learners.contains_key(&self.identity.name) {
            self.leaving = None;
        } else if before.me().is_some() && self.joined {
            // A peer's word is enough: it has the map from a majority.
            let source = if from_store { "the committed monmap" } else { "a peer's newer monmap" };
            self.begin_to_leave(cx, source);
        }
        let moved = before.monmap().ranks != self.members.monmap().ranks;
        self.elector.scores.set_ranks(self.members.me(), self.members.size(), moved);
        // On the way out the sessions stay: what was sent in them should still arrive.
        self.publish_peers(cx, before.me() != self.members.me() && self.leaving.is_none());
        Ok(())
    }

    /// Who votes, and how, decides elections: a change of that ends the term. Anything else in the map does not,
    /// unless a stock monitor is with us, which starts over at any change.
    fn react_to_map(&mut self, cx: &mut Cx<'_>, before: &Members) -> Result<(), Halt> {
        let (old, new) = (before.monmap(), self.members.monmap());
        let same = old.ranks == new.ranks
            && old.strategy == new.strategy
            && old.disallowed_leaders == new.disallowed_leaders
            && old.by_rank().zip(new.by_rank()).all(|((_, a), (_, b))| a.addrs == b.addrs);
        let stock = self.view.as_ref().is_some_and(|view| !view.all_ours);
        if same && !stock {
            return Ok(());
        }
        match self.role {
            Role::Leader if !stock && self.members.me().is_some() && self.members.size() > 1 => {
                // At once; the peons probe meanwhile, and join when they hear from us.
                self.with_elector(cx, |elector, cx, scene| elector.start(cx, scene));
                Ok(())
            }
            Role::Synchronizing => Ok(()),
            Role::Leader | Role::Peon | Role::Learner | Role::Probing | Role::Electing => {
                self.bootstrap(cx, "the monmap changed")
            }
        }
    }

    /// We have got into a quorum or out of it, or somebody outside of the map is gone: the sessions to keep may be
    /// others.
    pub(crate) fn review_extra_peers(&mut self, cx: &mut Cx<'_>) {
        if !self.extra_peers.is_empty() {
            self.publish_peers(cx, false);
        }
    }

    /// Tells the daemon with whom to keep sessions.
    pub(crate) fn publish_peers(&mut self, cx: &mut Cx<'_>, reset: bool) {
        let ours = self.identity.addrs.clone();
        let mut peers: Vec<AddrVec> = self.members.others().map(|(_, info)| info.addrs.clone()).collect();
        // In a quorum we look for nobody: of those outside of the map, only who is connected already counts.
        let settled = self.view.is_some();
        let extra = self.extra_peers.iter().filter(|peer| !settled || self.liveness.is_connected(peer));
        for addrs in extra.chain(self.learners.values()) {
            if *addrs != ours && self.members.rank_of(addrs).is_none() && !peers.contains(addrs) {
                peers.push(addrs.clone());
            }
        }
        cx.out.push(Effect::Peers { rank: self.members.me(), peers, reset });
    }
}
