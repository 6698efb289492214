//! The monmap service, Ceph's `MonmapMonitor`: who the monitors are.
//!
//! ```text
//! monmap/N                  the whole map of epoch N
//! moncluster/learners       map<string name, addrvec>: who follows without a vote
//! moncluster/op*            results of membership operations, for retries: see `results`
//! ```
//!
//! Every change makes one new epoch, however many operations of a round took part in it.

mod cipher;
mod membership;
pub(crate) mod query;
pub(crate) mod render;
mod results;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mon_types::addr::AddrVec;
use mon_types::encode::Encode;
use mon_types::id::{MapEpoch, Version};
use mon_types::kv::{KvRead, Transaction};
use mon_types::message::{MMonJoin, Message};
use mon_types::monmap::{CipherPolicy, MonInfo, MonMap};
use mon_types::release::{Release, ReleaseNumber};

use super::kv::OWN_PREFIX;
use super::{Around, Kind, Preparing, Service, Versions, stored, stored_optional};
use crate::bug::{self, Bug};
use crate::effect::{CommandReply, Effects, Halt};
use crate::operation::{Answer, Command, Prepared};

#[derive(Debug, Default)]
pub(crate) struct MonmapService {
    versions: Versions,
    map: Arc<MonMap>,
    learners: BTreeMap<String, AddrVec>,
    pending: Option<MonMap>,
    pending_learners: Option<BTreeMap<String, AddrVec>>,
    results: results::Results,
}

const KEY_LEARNERS: &str = "learners";

impl MonmapService {
    /// How it treats a command; none when it has no such command.
    pub(crate) fn kind(prefix: &str) -> Option<Kind> {
        Some(match prefix {
            "mon dump"
            | "mon stat"
            | "mon getmap"
            | "mon metadata"
            | "mon versions"
            | "mon count-metadata"
            | "mon feature ls"
            | "mon ok-to-stop"
            | "mon ok-to-rm"
            | "mon ok-to-add-offline"
            | "mon learner ls" => Kind::Read,
            "mon add"
            | "mon rm"
            | "mon remove"
            | "mon set-rank"
            | "mon set-addrs"
            | "mon set-weight"
            | "mon set_location"
            | "mon enable-msgr2"
            | "mon feature set"
            | "mon set"
            | "mon set election_strategy"
            | "mon add disallowed_leader"
            | "mon rm disallowed_leader"
            | "mon learner add"
            | "mon learner rm"
            | "mon replace" => Kind::Write,
            _ => return None,
        })
    }

    pub(crate) fn map(&self) -> &Arc<MonMap> {
        &self.map
    }

    pub(crate) fn learners(&self) -> &BTreeMap<String, AddrVec> {
        &self.learners
    }

    pub(crate) fn version(&self) -> Version {
        self.versions.last
    }

    pub(crate) fn first_version(&self) -> Version {
        self.versions.first
    }

    pub(crate) fn query(&self, around: &Around<'_>, command: &Command) -> Result<CommandReply, Halt> {
        query::answer(self, around, command)
    }

    pub(crate) fn prepare(&mut self, cx: &mut Preparing<'_>, command: &Command) -> Result<Prepared, Halt> {
        membership::prepare(self, cx, command)
    }

    /// A monitor asks to be listed, or listed elsewhere.
    pub(crate) fn prepare_join(&mut self, around: &Around<'_>, join: &MMonJoin) -> Prepared {
        let nothing = Prepared { changed: false, answer: Answer::Nothing };
        let current = self.current();
        if join.fsid != around.identity.fsid || join.name.is_empty() || join.addrs.is_blank() {
            return nothing;
        }
        if self.learners.contains_key(&join.name) {
            return nothing;
        }
        let known = current.mons.get(&join.name);
        if known.is_some_and(|info| info.addrs == join.addrs) {
            return nothing;
        }
        // Another monitor at these addresses: it was renamed, or gave way to the one that joins.
        let taken =
            current.rank_of_addrs(&join.addrs).and_then(|rank| current.name_of(rank)).map(String::from);
        let wall = around.now.wall;
        let map = self.edit(around);
        if let Some(stand_in) = taken.as_deref().filter(|name| is_stand_in(name))
            && map.rename(stand_in, &join.name)
        {
            // It was known by its address alone; its rank stays.
            return Prepared { changed: true, answer: Answer::Nothing };
        }
        if let Some(name) = taken.filter(|name| *name != join.name) {
            map.remove(&name);
        }
        match map.mons.get_mut(&join.name) {
            Some(info) => info.addrs = join.addrs.clone(),
            None => {
                let time_added = map.ciphers.is_some().then_some(wall);
                let info = MonInfo { time_added, ..MonInfo::new(&join.name, join.addrs.clone()) };
                // Name and addresses were just made free.
                let _ = map.add(info);
            }
        }
        Prepared { changed: true, answer: Answer::Nothing }
    }

    /// Takes over what probing has found out about the members, as long as there is no committed map.
    pub(crate) fn learn(&mut self, map: &MonMap) {
        if self.versions.last.0 == 0 && *self.map != *map {
            self.map = Arc::new(map.clone());
        }
    }

    /// What a member that the map knows only by its address asks for.
    pub(crate) fn own_name_claim(&self, around: &Around<'_>) -> Option<MMonJoin> {
        let own = around.identity;
        let listed = self.map.rank_of_addrs(&own.addrs).and_then(|rank| self.map.name_of(rank))?;
        (self.versions.last.0 > 0 && is_stand_in(listed)).then(|| MMonJoin {
            fsid: own.fsid,
            name: own.name.clone(),
            addrs: own.addrs.clone(),
            ..MMonJoin::default()
        })
    }

    /// Raises what the map fixes once a complete quorum supports it, as stock does.
    pub(crate) fn raise_features(&mut self, around: &Around<'_>) {
        let Some(quorum) = around.quorum else { return };
        let map = self.current();
        if !quorum.we_lead || quorum.members.len() != map.size() {
            return;
        }
        let shown = around.identity.release as u8;
        let persistent = map.persistent_features | (quorum.mon_features & around.identity.mon_features);
        let release = ReleaseNumber(quorum.release_min.min(shown)).max(map.min_mon_release);
        if persistent != map.persistent_features || release != map.min_mon_release {
            let map = self.edit(around);
            map.persistent_features = persistent;
            map.min_mon_release = release;
        }
    }

    /// Notes that the service keys were wiped at this version of the auth service.
    pub(crate) fn set_auth_epoch(&mut self, around: &Around<'_>, version: Version) {
        let epoch = u32::try_from(version.0).unwrap_or(u32::MAX);
        if let Some(policy) = &mut self.edit(around).ciphers {
            policy.auth_epoch = epoch;
        }
    }

    /// Takes over what mkfs was given or peers have told, because there is no committed map: the cluster is new, or the
    /// store half filled.
    pub(crate) fn refresh_uncommitted(&mut self, store: &dyn KvRead) -> Result<bool, Halt> {
        self.versions = Versions::default();
        let mkfs: Option<MonMap> = stored_optional(store, "mkfs", "monmap")?;
        let told: Option<MonMap> = stored_optional(store, "mon_sync", "latest_monmap")?;
        let mut map = [mkfs, told].into_iter().flatten().max_by_key(|map| map.epoch).unwrap_or_default();
        if map.epoch == MapEpoch(0) {
            map.rank_by_address();
        }
        let changed = *self.map != map;
        self.map = Arc::new(map);
        Ok(changed)
    }

    /// Whether the next epoch has other members already: one change at a time, since what is safe for each may not
    /// be for two together.
    pub(crate) fn has_member_change(&self) -> bool {
        let members =
            |map: &MonMap| map.mons.values().map(|info| info.addrs.clone()).collect::<BTreeSet<_>>();
        let names = |map: &MonMap| map.mons.keys().cloned().collect::<BTreeSet<_>>();
        // A member that only gets its real name is none.
        self.pending
            .as_ref()
            .is_some_and(|map| names(map) != names(&self.map) && members(map) != members(&self.map))
    }

    /// Whether a command may change who the members are.
    pub(crate) fn changes_members(prefix: &str) -> bool {
        matches!(prefix, "mon add" | "mon rm" | "mon remove" | "mon replace")
    }

    /// The map as operations of this round see it.
    fn current(&self) -> &MonMap {
        self.pending.as_ref().unwrap_or(&self.map)
    }

    fn current_learners(&self) -> &BTreeMap<String, AddrVec> {
        self.pending_learners.as_ref().unwrap_or(&self.learners)
    }

    /// The next epoch's map, to be changed.
    fn edit(&mut self, around: &Around<'_>) -> &mut MonMap {
        let (committed, settings) = (&self.map, around.settings);
        self.pending.get_or_insert_with(|| {
            let mut map = MonMap::clone(committed);
            let first = map.epoch == MapEpoch(0);
            map.epoch = map.epoch.next();
            map.changed = around.now.wall;
            map.removed_ranks.clear();
            // 20 writes the shape with ciphers whoever the peers are; older readers skip it.
            if around.identity.release >= Release::Tentacle && map.ciphers.is_none() {
                map.ciphers = Some(if first { settings.ciphers.clone() } else { CipherPolicy::upgraded() });
            }
            map
        })
    }

    fn edit_learners(&mut self) -> &mut BTreeMap<String, AddrVec> {
        let committed = &self.learners;
        self.pending_learners.get_or_insert_with(|| committed.clone())
    }

    /// What a `monmap` subscriber who has everything before `next` must be sent.
    pub(crate) fn update(&self, next: Version) -> Option<Message> {
        let epoch = u64::from(self.map.epoch.0);
        (next.0 <= epoch && epoch > 0)
            .then(|| mon_types::message::MMonMap { monmap: self.map.to_bytes() }.into())
    }
}

/// Whether a name stands in for one that is not known yet (`noname-a`, as `MonMap::build_initial` gives).
fn is_stand_in(name: &str) -> bool {
    name.starts_with("noname-")
}

impl Service for MonmapService {
    const PREFIX: &'static str = "monmap";

    fn refresh(&mut self, store: &dyn KvRead, _out: &mut Effects) -> Result<bool, Halt> {
        let versions = Versions::read(store, Self::PREFIX)?;
        if bug::is_on(Bug::LearnersNotRefreshed) && versions == self.versions && versions.last.0 > 0 {
            return Ok(false);
        }
        let learners: BTreeMap<String, AddrVec> =
            stored_optional(store, OWN_PREFIX, KEY_LEARNERS)?.unwrap_or_default();
        let learners_changed = learners != self.learners;
        self.learners = learners;
        if versions.last.0 == 0 {
            // Not agreed on yet: what mkfs was given, or what a peer has told us since.
            let changed = self.refresh_uncommitted(store)?;
            return Ok(changed || learners_changed);
        }
        if versions == self.versions {
            return Ok(learners_changed);
        }
        self.map = Arc::new(stored(store, Self::PREFIX, &versions.last.to_string())?);
        self.versions = versions;
        Ok(true)
    }

    fn has_pending(&self) -> bool {
        self.pending.is_some()
            || self.pending_learners.is_some()
            || !self.results.is_empty()
            || self.versions.last.0 == 0
    }

    fn encode_pending(&mut self, around: &Around<'_>, value: &mut Transaction) -> Result<(), Halt> {
        if self.versions.last.0 == 0 {
            // The first value of a cluster carries the map that it was made with.
            self.edit(around);
        }
        if let Some(map) = self.pending.take() {
            let version = Version(map.epoch.0.into());
            value.put_version(Self::PREFIX, version, map.to_bytes());
            value.put_u64(Self::PREFIX, super::LAST_COMMITTED, version.0);
            if self.versions.last.0 == 0 {
                value.put_u64(Self::PREFIX, super::FIRST_COMMITTED, version.0);
            }
        }
        if let Some(learners) = self.pending_learners.take() {
            value.put(OWN_PREFIX, KEY_LEARNERS, learners.to_bytes());
        }
        Ok(self.results.encode(around.store, value)?)
    }

    fn drop_pending(&mut self) {
        self.pending = None;
        self.pending_learners = None;
        self.results.clear();
    }
}
