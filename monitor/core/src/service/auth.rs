//! The auth service, Ceph's `AuthMonitor`: entities, their keys and caps, rotating secrets, global ids.
//!
//! ```text
//! auth/N                 what version N changed
//! auth/full_N            everything as of N; auth/full_latest names the newest
//! ```
//! What a version changes is applied on top of the newest full value. Full values are written every few
//! versions, in the form that the oldest member reads.

pub(crate) mod caps;
mod command;
pub(crate) mod global_id;
mod render;

use std::sync::Arc;
use std::time::Duration;

use mon_cephx::rotating::{SERVICES, is_due, rotate};
use mon_types::auth::EntityAuth;
use mon_types::crypto_key::{CryptoKey, CryptoKind};
use mon_types::encode::Encode;
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::Version;
use mon_types::key_server::{
    AuthChange, AuthFull, AuthIncremental, KeyServerChange, KeyServerData, Rotating,
};
use mon_types::keyring::Keyring;
use mon_types::kv::{KvRead, Transaction};
use mon_types::monmap::CipherPolicy;
use mon_types::release::Release;

use super::{Around, Kind, Preparing, Service, Versions, stored};
use crate::effect::{CommandReply, Effects, Halt};
use crate::operation::{Command, Prepared};

#[derive(Debug, Default)]
pub(crate) struct AuthService {
    versions: Versions,
    /// The version of the newest full value.
    full: Version,
    keys: Arc<KeyServerData>,
    max_global_id: u64,
    pending: Vec<AuthChange>,
    /// The keys as operations of this round see them.
    pending_keys: Option<KeyServerData>,
}

/// The first id that may be handed out is above this (`AuthMonitor`: 0x1000).
const GLOBAL_ID_START: u64 = 0x1000;
/// The encoding of the keys, `format_version` (3 since Nautilus: with bootstrap keys for rbd-mirror).
const FORMAT_VERSION: u64 = 3;
const KEY_FULL_LATEST: &str = "full_latest";

impl AuthService {
    /// How it treats a command; none when it has no such command.
    pub(crate) fn kind(prefix: &str) -> Option<Kind> {
        Some(match prefix {
            "auth get" | "auth get-key" | "auth print-key" | "auth print_key" | "auth export" | "auth ls"
            | "auth list" | "auth dump-keys" => Kind::Read,
            "auth add"
            | "auth get-or-create"
            | "auth get-or-create-key"
            | "auth caps"
            | "auth rm"
            | "auth del"
            | "auth import"
            | "auth get-or-create-pending"
            | "auth commit-pending"
            | "auth clear-pending"
            | "auth rotate"
            | "auth wipe-rotating-service-keys" => Kind::Write,
            _ => return None,
        })
    }

    pub(crate) fn keys(&self) -> &Arc<KeyServerData> {
        &self.keys
    }

    pub(crate) fn max_global_id(&self) -> u64 {
        self.max_global_id
    }

    pub(crate) fn version(&self) -> Version {
        self.versions.last
    }

    pub(crate) fn query(&self, around: &Around<'_>, command: &Command) -> CommandReply {
        render::answer(self, around, command)
    }

    pub(crate) fn prepare(&mut self, cx: &mut Preparing<'_>, command: &Command) -> Prepared {
        command::prepare(self, cx, command)
    }

    /// Reserves another block of global ids when those up to `known` are all that there are.
    pub(crate) fn prepare_global_ids(&mut self, around: &Around<'_>, known: u64) -> bool {
        let pending = self.pending.iter().any(|change| matches!(change, AuthChange::MaxGlobalId(_)));
        let due = !pending && self.versions.last.0 > 0 && known >= self.max_global_id;
        if due {
            let max = self.max_global_id + around.settings.global_id_block;
            self.pending.push(AuthChange::MaxGlobalId(max));
        }
        due
    }

    /// What a new cluster starts with: the keys that mkfs was given, those that deployment tools expect,
    /// rotating secrets, and a first block of global ids.
    pub(crate) fn create_initial(&mut self, cx: &mut Preparing<'_>) -> Result<(), Halt> {
        if self.versions.last.0 > 0 || !self.pending.is_empty() {
            return Ok(());
        }
        self.rotate_if_due(cx);
        let text = cx.around.store.read("mkfs", "keyring")?.unwrap_or_default();
        // mkfs wrote it from a keyring that it had read.
        let given: Keyring =
            std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        for (name, auth) in given.entities {
            self.set(&cx.around, name, auth);
        }
        for id in [
            "bootstrap-mds",
            "bootstrap-mgr",
            "bootstrap-osd",
            "bootstrap-rbd",
            "bootstrap-rbd-mirror",
            "bootstrap-rgw",
        ] {
            let name = EntityName::new(EntityType::Client, id);
            if !self.current().secrets.contains_key(&name) {
                let mut auth = new_entity(cx, policy(&cx.around).preferred.0);
                auth.set_caps("mon", &format!("allow profile {id}"));
                self.set(&cx.around, name, auth);
            }
        }
        self.pending.push(AuthChange::MaxGlobalId(GLOBAL_ID_START + cx.around.settings.global_id_block));
        Ok(())
    }

    /// Whether a secret is about to end.
    pub(crate) fn rotation_is_due(&self, around: &Around<'_>) -> bool {
        let due = |service| self.keys.rotating.get(&service).is_none_or(|s| is_due(s, around.now.wall));
        SERVICES.into_iter().any(due)
    }

    pub(crate) fn rotate_if_due(&mut self, cx: &mut Preparing<'_>) {
        let kind = policy(&cx.around).service.0;
        let mut rotating = self.current().rotating.clone();
        let ttl = cx.around.settings.ticket_ttl;
        let mut changed = false;
        for service in SERVICES {
            let secrets = rotating.entry(service).or_default();
            let ttl = if service == EntityType::Auth { ttl.auth } else { ttl.service };
            changed |= rotate(secrets, kind, ttl, cx.around.now.wall, cx.rng);
        }
        if changed {
            let version = self.current().rotating_version + 1;
            self.apply(KeyServerChange::SetRotating(Rotating { version, secrets: rotating }));
        }
    }

    /// New secrets for all services but AUTH, whose tickets would end with them.
    fn wipe_service_secrets(&mut self, cx: &mut Preparing<'_>) {
        let kind = policy(&cx.around).service.0;
        let ttl: Duration = cx.around.settings.ticket_ttl.service;
        let mut rotating = self.current().rotating.clone();
        for (service, secrets) in &mut rotating {
            if *service != EntityType::Auth {
                secrets.secrets.clear();
                rotate(secrets, kind, ttl, cx.around.now.wall, cx.rng);
            }
        }
        let version = self.current().rotating_version + 1;
        self.apply(KeyServerChange::SetRotating(Rotating { version, secrets: rotating }));
    }

    /// The pending key that an entity has logged in with becomes its key, unless it was changed meanwhile.
    pub(crate) fn commit_used_pending(&mut self, around: &Around<'_>, name: &EntityName, used: &CryptoKey) {
        let Some(auth) = self.current().secrets.get(name) else { return };
        if auth.pending() == Some(used) {
            let auth = EntityAuth { key: used.clone(), pending_key: None, ..auth.clone() };
            self.set(around, name.clone(), auth);
        }
    }

    /// The keys as operations of this round see them.
    pub(crate) fn current(&self) -> &KeyServerData {
        self.pending_keys.as_ref().unwrap_or(&self.keys)
    }

    fn set(&mut self, around: &Around<'_>, name: EntityName, mut auth: EntityAuth) {
        auth.shape_for(stored_release(around));
        self.apply(KeyServerChange::Add { name, auth });
    }

    fn remove(&mut self, around: &Around<'_>, name: EntityName) {
        let mut auth = EntityAuth::default();
        auth.shape_for(stored_release(around));
        self.apply(KeyServerChange::Remove { name, auth });
    }

    fn apply(&mut self, change: KeyServerChange) {
        let keys = &self.keys;
        self.pending_keys.get_or_insert_with(|| KeyServerData::clone(keys)).apply(&change);
        self.pending.push(AuthChange::Keys(change));
    }
}

impl Service for AuthService {
    const PREFIX: &'static str = "auth";

    fn refresh(&mut self, store: &dyn KvRead, _out: &mut Effects) -> Result<bool, Halt> {
        let versions = Versions::read(store, Self::PREFIX)?;
        if versions == self.versions {
            return Ok(false);
        }
        let behind = self.versions.last;
        let full = store.read_version(Self::PREFIX, KEY_FULL_LATEST)?;
        let mut from = behind;
        if behind.0 == 0 || behind > versions.last || behind.next() < versions.first {
            let state: AuthFull = match full.0 {
                0 => AuthFull::default(),
                _ => stored(store, Self::PREFIX, &format!("full_{full}"))?,
            };
            self.keys = Arc::new(state.keys);
            self.max_global_id = state.max_global_id;
            from = full;
        }
        let mut keys = KeyServerData::clone(&self.keys);
        for version in from.0 + 1..=versions.last.0 {
            let incremental: AuthIncremental = stored(store, Self::PREFIX, &version.to_string())?;
            for change in &incremental.0 {
                match change {
                    AuthChange::MaxGlobalId(id) => self.max_global_id = *id,
                    AuthChange::Keys(change) => keys.apply(change),
                }
            }
            keys.version = version;
        }
        self.keys = Arc::new(keys);
        self.full = full;
        self.versions = versions;
        Ok(true)
    }

    fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn encode_pending(&mut self, around: &Around<'_>, value: &mut Transaction) -> Result<(), Halt> {
        let pending = AuthIncremental(std::mem::take(&mut self.pending));
        self.pending_keys = None;
        let Versions { first, last } = self.versions;
        let next = last.next();
        if last.0 == 0 {
            value.put_u64(Self::PREFIX, "format_version", FORMAT_VERSION);
            value.put_u64(Self::PREFIX, super::FIRST_COMMITTED, next.0);
        } else if last.0 - self.full.0 >= FULL_INTERVAL {
            let mut keys = KeyServerData::clone(&self.keys);
            keys.secrets.values_mut().for_each(|auth| auth.shape_for(stored_release(around)));
            let full = AuthFull { max_global_id: self.max_global_id, keys };
            value.put(Self::PREFIX, format!("full_{last}"), full.to_bytes());
            value.put_u64(Self::PREFIX, KEY_FULL_LATEST, last.0);
        } else if self.full.0 > first.0 && last.0 - first.0 > VERSIONS_KEPT + FULL_INTERVAL {
            // Only what the newest full value already covers may go.
            let to = self.full.0.min(next.0 - VERSIONS_KEPT);
            for version in first.0..to {
                value.erase(Self::PREFIX, version.to_string());
                value.erase(Self::PREFIX, format!("full_{version}"));
            }
            value.put_u64(Self::PREFIX, super::FIRST_COMMITTED, to);
        }
        value.put_version(Self::PREFIX, next, pending.to_bytes());
        value.put_u64(Self::PREFIX, super::LAST_COMMITTED, next.0);
        Ok(())
    }

    fn drop_pending(&mut self) {
        self.pending.clear();
        self.pending_keys = None;
    }
}

/// How many versions go by between full values (`paxos_stash_full_interval`: 25).
const FULL_INTERVAL: u64 = 25;
/// How many versions are kept (`AuthMonitor`: twice `paxos_max_join_drift`).
const VERSIONS_KEPT: u64 = 20;

/// The policy that applies: the map's, the new cluster's while there is no map yet, or an old cluster's.
pub(crate) fn policy(around: &Around<'_>) -> CipherPolicy {
    match &around.monmap.ciphers {
        Some(policy) => policy.clone(),
        None if around.identity.release >= Release::Tentacle && around.monmap.epoch.0 == 0 => {
            around.settings.ciphers.clone()
        }
        None => CipherPolicy::upgraded(),
    }
}

/// The release whose form is written: the oldest that may be a member.
fn stored_release(around: &Around<'_>) -> Release {
    let map = around.monmap;
    match map.epoch.0 {
        0 => around.identity.release,
        _ => Release::from_number(map.min_mon_release).unwrap_or(Release::Pacific),
    }
}

/// A new key without caps.
fn new_entity(cx: &mut Preparing<'_>, kind: CryptoKind) -> EntityAuth {
    let key = mon_cephx::rotating::generate_key(kind, cx.around.now.wall, cx.rng);
    EntityAuth::new(key, stored_release(&cx.around))
}

/// The type of an entity's committed key, for checks by other services.
pub(crate) fn stored_key_kind(store: &dyn KvRead, name: &EntityName) -> Result<Option<CryptoKind>, Halt> {
    let mut auth = AuthService::default();
    auth.refresh(store, &mut Effects::default())?;
    Ok(auth.keys.secrets.get(name).map(|auth| auth.key.kind()))
}

/// Entities of a keyring file that came with a command.
fn read_keyring(input: &[u8]) -> Result<Keyring, String> {
    let text = std::str::from_utf8(input).map_err(|_| "the keyring is not text".to_owned())?;
    text.parse::<Keyring>().map_err(|error| error.to_string())
}
