//! Bytes of live stock clusters (16.2.15, 18.2.7, 20.2.4): every value decodes, encodes to the same bytes,
//! and is refused without a panic wherever it is cut short or has a byte flipped.
//!
//! `testdata/<release>/<prefix>_<key>` holds the value of a store key (`~` stands for `/` in keys) of a
//! cluster of three monitors, `testdata/<release>-single` those of one monitor after commands that leave
//! rarer things behind: mutes, removed keys and entities, pending keys, locations, a second monitor;
//! `mkfs_*` come from a fresh `ceph-mon --mkfs`, `mon_commands` from an election's VICTORY message.
//! Host names, paths and CPU names in metadata were replaced by text of the same length.

#![expect(clippy::unwrap_used, reason = "a test's helper may fail the test")]

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mon_types::auth::RotatingSecrets;
use mon_types::command_desc::CommandTable;
use mon_types::compat_set::CompatSet;
use mon_types::connection_tracker::ConnectionTracker;
use mon_types::crypto_key::CryptoKind;
use mon_types::encode::{Decode, Encode};
use mon_types::entity::EntityType;
use mon_types::features::MonFeatures;
use mon_types::health::{HealthCheckMap, HealthMutes, QuorumChecks, Severity};
use mon_types::id::MapEpoch;
use mon_types::key_server::{AuthChange, AuthFull, AuthIncremental, KeyServerChange, KeyServerData};
use mon_types::kv::{Op, Transaction};
use mon_types::kv_delta::KvDelta;
use mon_types::log::{LogEntry, LogIncremental, LogSummary};
use mon_types::metadata::{LastMetadata, Metadata};
use mon_types::monmap::{CipherPolicy, ElectionStrategy, MonMap};
use mon_types::release::Release;

const RELEASES: [Release; 3] = [Release::Pacific, Release::Reef, Release::Tentacle];

fn folder(release: Release, suffix: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("testdata/{}{suffix}", release.number().0))
}

fn read(path: &Path) -> Bytes {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into()
}

fn vector(release: Release, name: &str) -> Bytes {
    read(&folder(release, "").join(name))
}

fn decoded<T: Decode>(release: Release, name: &str) -> T {
    T::from_bytes(&vector(release, name)).unwrap_or_else(|e| panic!("{release} {name}: {e}"))
}

/// Every stored value of a release: name, and what is in it.
fn stored(release: Release) -> Vec<(String, Bytes)> {
    let folders = [folder(release, ""), folder(release, "-single")];
    let mut values: Vec<_> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), read(&entry.path())))
        .collect();
    values.sort();
    values
}

/// Decode, encode, compare; then cut and flip. Gives `false` for a value that is not of this part.
fn check(what: &str, prefix: &str, key: &str, bytes: &[u8]) -> bool {
    match (prefix, key) {
        (_, "first_committed" | "last_committed" | "full_latest") => return false,
        ("mkfs" | "monmap", "monmap" | "v9_3mons" | "v10_3mons" | "latest") => {
            identity::<MonMap>(what, bytes)
        }
        ("monmap", number) if is_number(number) => identity::<MonMap>(what, bytes),
        ("mon", "commands") => identity::<CommandTable>(what, bytes),
        ("auth", number) if is_number(number) => identity::<AuthIncremental>(what, bytes),
        ("auth", full) if full.starts_with("full_") => identity::<AuthFull>(what, bytes),
        ("logm", number) if is_number(number) => identity::<LogIncremental>(what, bytes),
        ("logm", full) if full.starts_with("full_") => identity::<LogSummary>(what, bytes),
        ("logm", entry) if entry.contains(['/', '~']) => identity::<LogEntry>(what, bytes),
        ("health", "quorum") => identity::<QuorumChecks>(what, bytes),
        ("health", "mutes") => identity::<HealthMutes>(what, bytes),
        ("health", number) if is_number(number) => return false,
        ("health", _) => identity::<HealthCheckMap>(what, bytes),
        ("kv", number) if is_number(number) => identity::<KvDelta>(what, bytes),
        ("monitor", "connectivity_scores") => identity::<ConnectionTracker>(what, bytes),
        ("mkfs" | "monitor", "feature_set") => identity::<CompatSet>(what, bytes),
        ("monitor_store" | "monitor", "last_metadata" | "store_last_metadata") => {
            identity::<LastMetadata>(what, bytes);
        }
        ("osd_metadata" | "mgr_metadata", _) | ("osd" | "mgr", "metadata_0" | "metadata_x") => {
            identity::<Metadata>(what, bytes);
        }
        ("paxos", number) if is_number(number) => identity::<Transaction>(what, bytes),
        _ => return false,
    }
    true
}

fn is_number(key: &str) -> bool {
    key.parse::<u64>().is_ok()
}

fn identity<T: Decode + Encode + PartialEq + Debug>(what: &str, bytes: &[u8]) {
    let value = T::from_bytes(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(value.to_bytes() == bytes, "{what}: encodes to other bytes: {value:?}");
    for at in positions(bytes.len()) {
        // Values without a count are valid when they are cut between two elements; nothing else is.
        if let Ok(shorter) = T::from_bytes(&bytes[..at]) {
            assert!(shorter.to_bytes() == bytes[..at], "{what}: cut at {at} reads as {shorter:?}");
            assert!(what.contains("auth/") || what.contains("logm/"), "{what}: cut at {at} is accepted");
        }
        for bit in [0x01, 0xff] {
            let mut flipped = bytes.to_vec();
            flipped[at] ^= bit;
            if let Ok(other) = T::from_bytes(&flipped) {
                let again = T::from_bytes(&other.to_bytes());
                assert!(
                    again.is_ok_and(|again| again == other || format!("{again:?}") == format!("{other:?}"))
                );
            }
        }
    }
}

/// Every byte of small values; of large ones the ends and every so many between them.
fn positions(length: usize) -> impl Iterator<Item = usize> {
    let step = (length / 150).max(1);
    (0..length).filter(move |at| at % step == 0 || *at < 80 || *at + 80 >= length)
}

#[test]
fn stored_values_are_byte_identical() {
    for release in RELEASES {
        for (name, bytes) in stored(release) {
            let (prefix, key) = name.split_once('_').unwrap();
            assert!(check(&format!("{release} {prefix}/{key}"), prefix, key, &bytes), "{release} {name}");
        }
    }
}

#[test]
fn values_inside_paxos_values_are_byte_identical() {
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for release in RELEASES {
        for (name, bytes) in stored(release).into_iter().filter(|(name, _)| name.starts_with("paxos_")) {
            let transaction = Transaction::from_bytes(&bytes).unwrap();
            assert!(!transaction.is_empty());
            for op in transaction.ops() {
                if let Op::Put { prefix, key, value } = op
                    && check(&format!("{release} {name} {prefix}/{key}"), prefix, key, value)
                {
                    *seen.entry(prefix.clone()).or_default() += 1;
                }
            }
        }
    }
    let kinds: Vec<_> = seen.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["auth", "health", "kv", "logm", "monitor_store", "monmap"], "{seen:?}");
}

#[test]
fn monmaps_of_all_releases() {
    for (release, name) in [
        (Release::Pacific, "monmap_v9_3mons"),
        (Release::Reef, "monmap_v9_3mons"),
        (Release::Tentacle, "monmap_v10_3mons"),
    ] {
        let map: MonMap = decoded(release, name);
        assert_eq!((map.ranks.join(""), map.size(), map.majority()), ("abc".into(), 3, 2));
        assert_eq!(map.min_mon_release, release.number());
        assert_eq!(map.persistent_features, MonFeatures::all(release));
        let strict = (release == Release::Tentacle).then(CipherPolicy::strict);
        assert_eq!(map.ciphers, strict);

        let fresh: MonMap = decoded(release, "mkfs_monmap");
        assert_eq!((fresh.epoch, fresh.ranks.join("")), (MapEpoch(0), "a".into()));
        assert_eq!(fresh.ciphers, strict);
        let mut ranked = fresh.clone();
        ranked.rank_by_address();
        assert_eq!(ranked, fresh);
    }
}

#[test]
fn feature_sets_grow_as_stock_ones_do() {
    for release in RELEASES {
        assert_eq!(decoded::<CompatSet>(release, "mkfs_feature_set"), CompatSet::initial());
        let grown: CompatSet = decoded(release, "monitor_feature_set");
        assert_eq!(grown, CompatSet::with_features(MonFeatures::all(release)), "{release}");
    }
}

#[test]
fn auth_full_is_the_sum_of_the_changes_before_it() {
    for release in [Release::Reef, Release::Tentacle] {
        let AuthIncremental(changes) = decoded(release, "auth_1");
        let full: AuthFull = decoded(release, "auth_full_1");
        let (mut keys, mut max_global_id) = (KeyServerData::default(), 0);
        for change in &changes {
            match change {
                AuthChange::MaxGlobalId(id) => max_global_id = *id,
                AuthChange::Keys(change) => keys.apply(change),
            }
        }
        keys.version = full.keys.version;
        assert_eq!(max_global_id, full.max_global_id);
        assert_eq!(keys.secrets, full.keys.secrets, "{release}");
        assert_eq!(keys.rotating.keys().count(), full.keys.rotating.keys().count());
        let admin = &full.keys.secrets[&"client.admin".parse().unwrap()];
        assert_eq!(admin.caps_for(EntityType::Mon).as_deref(), Some("allow *"));
        let kind = if release == Release::Tentacle { CryptoKind::Aes256k } else { CryptoKind::Aes };
        assert_eq!((admin.key.kind(), admin.pending()), (kind, None));
        for (name, entity) in &full.keys.secrets {
            for (service, text) in entity.caps_text().filter(|(service, _)| *service == "mon") {
                assert!(text.parse::<mon_types::caps::MonCap>().is_ok(), "{name} {service} {text}");
            }
        }
    }
    let three = |secrets: &RotatingSecrets| secrets.secrets.len() == 3;
    let rotates = RELEASES.iter().flat_map(|release| stored(*release)).any(|(name, bytes)| {
        name.starts_with("auth_")
            && AuthIncremental::from_bytes(&bytes).is_ok_and(|AuthIncremental(changes)| {
                changes.iter().any(|change| match change {
                    AuthChange::Keys(KeyServerChange::SetRotating(rotating)) => {
                        rotating.secrets.values().all(three)
                    }
                    AuthChange::Keys(_) | AuthChange::MaxGlobalId(_) => false,
                })
            })
    });
    assert!(rotates, "a change of all rotating keys is among the vectors");
}

#[test]
fn rarer_values_mean_what_was_commanded() {
    let single = |release, name: &str| read(&folder(release, "-single").join(name));
    for release in RELEASES {
        let map = MonMap::from_bytes(&single(release, "monmap_4")).unwrap();
        assert_eq!((map.ranks.join(" "), map.strategy), ("a z".into(), ElectionStrategy::Connectivity));
        assert_eq!(map.mons["a"].crush_location["rack"], "r1");
        assert_eq!(map.mons["z"].time_added.is_some(), release == Release::Tentacle);

        let HealthMutes(mutes) = Decode::from_bytes(&single(release, "health_mutes")).unwrap();
        assert!(mutes["OSD_DOWN"].sticky && mutes["OSD_DOWN"].ttl.is_zero());
        assert!(!mutes["MON_DISK_LOW"].ttl.is_zero());

        let deltas: Vec<KvDelta> =
            (1..=4).map(|n| Decode::from_bytes(&single(release, &format!("kv_{n}"))).unwrap()).collect();
        assert!(deltas.iter().any(|KvDelta(keys)| keys.get("foo") == Some(&None)), "foo was removed");

        let changes = stored(release).into_iter().filter(|(name, _)| name.starts_with("auth_"));
        let changes: Vec<_> = changes
            .filter_map(|(_, bytes)| AuthIncremental::from_bytes(&bytes).ok())
            .flat_map(|AuthIncremental(changes)| changes)
            .collect();
        let removed = |change: &AuthChange| matches!(change, AuthChange::Keys(KeyServerChange::Remove { name, .. }) if name.id == "y");
        assert!(changes.iter().any(removed), "client.y was removed");
        let pending = |change: &AuthChange| matches!(change, AuthChange::Keys(KeyServerChange::Add { auth, .. }) if auth.pending().is_some());
        assert_eq!(changes.iter().any(pending), release != Release::Pacific);
    }
}

#[test]
fn logs_of_both_shapes() {
    let old: LogSummary = decoded(Release::Pacific, "logm_full_100");
    assert!(old.counters.is_none() && old.tails["cluster"].len() > 1);
    assert_eq!(old.version, 100);
    for (release, version) in [(Release::Reef, 102), (Release::Tentacle, 255)] {
        let new: LogSummary = decoded(release, &format!("logm_full_{version}"));
        let counters = new.counters.unwrap();
        assert_eq!((new.version, new.tails.len(), counters.recent.len()), (version, 0, 50));
        let entry: LogEntry = decoded(release, "logm_audit~00000003");
        assert_eq!((entry.channel.as_str(), entry.name.kind), ("audit", EntityType::Mon));
        assert!(matches!(decoded(release, "logm_11"), LogIncremental::Keyed { .. }));
    }
    assert!(matches!(decoded(Release::Pacific, "logm_100"), LogIncremental::Embedded(_)));
}

#[test]
fn health_and_commands_mean_what_they_should() {
    let QuorumChecks(by_rank) = decoded(Release::Pacific, "health_quorum");
    assert_eq!(by_rank.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    assert!(by_rank.values().all(|checks| checks.status() == Severity::Warning));
    for (release, count) in RELEASES.into_iter().zip([298, 297, 321]) {
        let CommandTable(commands) = decoded(release, "mon_commands");
        assert_eq!(commands.len(), count, "{release}");
        let get = commands.iter().find(|c| c.prefix() == "config-key get").unwrap();
        assert_eq!((get.module.as_str(), get.permissions.as_str(), get.flags), ("config-key", "r", 0));
    }
}
