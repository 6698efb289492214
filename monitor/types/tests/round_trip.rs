//! For every stored value: decode(encode(x)) = x, every cut of it is an error, and arbitrary bytes give a
//! value or an error.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;

use bytes::Bytes;
use mon_types::addr::{AddrType, AddrVec, EntityAddr};
use mon_types::auth::{EntityAuth, ExpiringKey, RotatingSecrets};
use mon_types::caps::MonCap;
use mon_types::command_desc::{CommandDesc, CommandTable};
use mon_types::compat_set::CompatSet;
use mon_types::connection_tracker::{ConnectionReport, ConnectionTracker};
use mon_types::crypto_key::{CryptoKey, CryptoKind};
use mon_types::encode::{Decode, Encode};
use mon_types::entity::{EntityInstanceName, EntityName, EntityType};
use mon_types::feature_map::FeatureMap;
use mon_types::features::MonFeatures;
use mon_types::health::{HealthCheck, HealthCheckMap, HealthMute, HealthMutes, QuorumChecks, Severity};
use mon_types::id::{Fsid, MapEpoch, Rank};
use mon_types::key_server::{
    AuthChange, AuthFull, AuthIncremental, KeyServerChange, KeyServerData, Rotating,
};
use mon_types::keyring::Keyring;
use mon_types::kv::{Op, Transaction};
use mon_types::kv_delta::KvDelta;
use mon_types::log::{LogCounters, LogEntry, LogIncremental, LogSummary, Priority};
use mon_types::metadata::LastMetadata;
use mon_types::monmap::{Cipher, CipherPolicy, ElectionStrategy, MonInfo, MonMap};
use mon_types::release::ReleaseNumber;
use mon_types::tail::Tail;
use mon_types::time::UTime;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 /._-]{0,12}"
}

fn blob() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn utime() -> impl Strategy<Value = UTime> {
    any::<(u32, u32)>().prop_map(|(sec, nsec)| UTime { sec, nsec })
}

fn entity_type() -> impl Strategy<Value = EntityType> {
    prop::sample::select(vec![
        EntityType::Mon,
        EntityType::Mds,
        EntityType::Osd,
        EntityType::Client,
        EntityType::Mgr,
        EntityType::Auth,
    ])
}

fn entity_name() -> impl Strategy<Value = EntityName> {
    (entity_type(), text()).prop_map(|(kind, id)| EntityName { kind, id })
}

fn addr() -> impl Strategy<Value = EntityAddr> {
    let kind = prop::sample::select(vec![AddrType::None, AddrType::Legacy, AddrType::Msgr2, AddrType::Any]);
    (kind, any::<u32>(), any::<Option<SocketAddr>>()).prop_map(|(kind, nonce, socket)| EntityAddr {
        kind,
        nonce,
        socket,
    })
}

fn addrs() -> impl Strategy<Value = AddrVec> {
    vec(addr(), 0..3).prop_map(AddrVec)
}

fn key() -> impl Strategy<Value = CryptoKey> {
    prop_oneof![
        Just(CryptoKey::default()),
        (utime(), any::<[u8; 16]>()).prop_map(|(created, secret)| CryptoKey::aes(created, secret)),
        (utime(), any::<[u8; 32]>()).prop_map(|(created, secret)| CryptoKey::aes256k(created, secret)),
    ]
}

fn entity_auth() -> impl Strategy<Value = EntityAuth> {
    (key(), btree_map(text(), blob(), 0..3), prop::option::of(key()))
        .prop_map(|(key, caps, pending_key)| EntityAuth { key, caps, pending_key })
}

fn rotating_secrets() -> impl Strategy<Value = RotatingSecrets> {
    let secret = (key(), utime()).prop_map(|(key, expires)| ExpiringKey { key, expires });
    (btree_map(any::<u64>(), secret, 0..4), any::<u64>())
        .prop_map(|(secrets, id_max)| RotatingSecrets { secrets, id_max })
}

fn auth_full() -> impl Strategy<Value = AuthFull> {
    (
        any::<[u64; 3]>(),
        btree_map(entity_name(), entity_auth(), 0..3),
        btree_map(entity_type(), rotating_secrets(), 0..3),
    )
        .prop_map(|([max_global_id, version, rotating_version], secrets, rotating)| AuthFull {
            max_global_id,
            keys: KeyServerData { version, rotating_version, secrets, rotating },
        })
}

fn auth_incremental() -> impl Strategy<Value = AuthIncremental> {
    let entity = || (entity_name(), entity_auth());
    let change = prop_oneof![
        any::<u64>().prop_map(AuthChange::MaxGlobalId),
        entity().prop_map(|(name, auth)| AuthChange::Keys(KeyServerChange::Nothing { name, auth })),
        entity().prop_map(|(name, auth)| AuthChange::Keys(KeyServerChange::Add { name, auth })),
        entity().prop_map(|(name, auth)| AuthChange::Keys(KeyServerChange::Remove { name, auth })),
        (any::<u64>(), btree_map(entity_type(), rotating_secrets(), 0..3)).prop_map(|(version, secrets)| {
            AuthChange::Keys(KeyServerChange::SetRotating(Rotating { version, secrets }))
        }),
    ];
    vec(change, 0..4).prop_map(AuthIncremental)
}

fn log_entry() -> impl Strategy<Value = LogEntry> {
    (entity_name(), any::<(u8, i64)>(), addrs(), utime(), any::<(u64, u16)>(), text(), text()).prop_map(
        |(name, (kind, number), addrs, stamp, (seq, priority), message, channel)| LogEntry {
            name,
            rank: EntityInstanceName { kind, number },
            addrs,
            stamp,
            seq,
            priority: Priority(priority),
            message,
            channel,
            tail: Tail::default(),
        },
    )
}

fn log_incremental() -> impl Strategy<Value = LogIncremental> {
    let entries = || vec(log_entry(), 0..3);
    prop_oneof![
        entries().prop_map(LogIncremental::Embedded),
        (entries(), btree_map(text(), any::<u64>(), 0..3))
            .prop_map(|(entries, pruned_to)| LogIncremental::Keyed { entries, pruned_to }),
    ]
}

fn log_summary() -> impl Strategy<Value = LogSummary> {
    let counters = (btree_map(text(), any::<(u64, u64)>(), 0..3), vec(log_entry(), 0..3)).prop_map(
        |(channels, recent)| LogCounters { channels, recent: recent.iter().map(LogEntry::key).collect() },
    );
    let tails = btree_map(text(), vec((any::<u64>(), log_entry()), 0..3), 0..3);
    (any::<u64>(), any::<u64>(), tails, prop::option::of(counters)).prop_map(
        |(version, seq, tails, counters)| LogSummary { version, seq, tails, counters, tail: Tail::default() },
    )
}

fn checks() -> impl Strategy<Value = HealthCheckMap> {
    let severity = prop::sample::select(vec![Severity::Error, Severity::Warning, Severity::Ok]);
    let check = (severity, text(), vec(text(), 0..3), any::<i64>())
        .prop_map(|(severity, summary, detail, count)| HealthCheck { severity, summary, detail, count });
    btree_map(text(), check, 0..3).prop_map(HealthCheckMap)
}

fn mutes() -> impl Strategy<Value = HealthMutes> {
    let mute = (text(), utime(), any::<bool>(), text(), any::<i64>())
        .prop_map(|(code, ttl, sticky, summary, count)| HealthMute { code, ttl, sticky, summary, count });
    btree_map(text(), mute, 0..3).prop_map(HealthMutes)
}

fn tracker() -> impl Strategy<Value = ConnectionTracker> {
    let report = (
        any::<i32>(),
        btree_map(any::<i32>(), any::<bool>(), 0..3),
        btree_map(any::<i32>(), 0.0..1.0, 0..3),
        any::<(u32, u64)>(),
    )
        .prop_map(|(rank, current, history, (epoch, epoch_version))| ConnectionReport {
            rank,
            current,
            history,
            epoch,
            epoch_version,
        });
    (any::<i32>(), any::<u32>(), any::<u64>(), 0.0..1e9, btree_map(any::<i32>(), report, 0..3)).prop_map(
        |(rank, epoch, version, half_life_s, reports)| ConnectionTracker {
            rank,
            epoch,
            version,
            half_life_s,
            reports,
        },
    )
}

fn ciphers() -> impl Strategy<Value = CipherPolicy> {
    let cipher = || {
        prop::sample::select(vec![CryptoKind::None, CryptoKind::Aes, CryptoKind::Aes256k]).prop_map(Cipher)
    };
    (any::<u32>(), cipher(), vec(cipher(), 0..3), cipher()).prop_map(
        |(auth_epoch, service, allowed, preferred)| CipherPolicy { auth_epoch, service, allowed, preferred },
    )
}

fn mon_info() -> impl Strategy<Value = MonInfo> {
    let location = btree_map(text(), text(), 0..2);
    (addrs(), any::<u16>(), any::<u16>(), location, prop::option::of(utime())).prop_map(
        |(addrs, priority, weight, crush_location, time_added)| MonInfo {
            name: String::new(),
            addrs,
            priority,
            weight,
            crush_location,
            time_added,
            tail: Tail::default(),
        },
    )
}

fn monmap() -> impl Strategy<Value = MonMap> {
    let strategy = prop::sample::select(vec![
        ElectionStrategy::Classic,
        ElectionStrategy::Disallow,
        ElectionStrategy::Connectivity,
    ]);
    let mons = btree_map(text(), mon_info(), 0..4);
    let head = (any::<u128>(), any::<u32>(), utime(), utime(), any::<(u64, u64)>());
    let stretch = (any::<bool>(), text(), btree_set(text(), 0..2));
    let tail = (any::<u8>(), btree_set(any::<u32>(), 0..3), strategy, btree_set(text(), 0..2), stretch);
    (head, mons, tail, prop::option::of(ciphers())).prop_map(|(head, mut mons, tail, ciphers)| {
        for (name, info) in &mut mons {
            info.name.clone_from(name);
        }
        let (fsid, epoch, changed, created, (persistent, optional)) = head;
        let (min_mon_release, removed, strategy, disallowed_leaders, stretch) = tail;
        MonMap {
            fsid: Fsid(uuid::Uuid::from_u128(fsid)),
            epoch: MapEpoch(epoch),
            changed,
            created,
            persistent_features: MonFeatures(persistent),
            optional_features: MonFeatures(optional),
            ranks: mons.keys().rev().cloned().collect(),
            mons,
            min_mon_release: ReleaseNumber(min_mon_release),
            removed_ranks: removed.into_iter().map(Rank).collect(),
            strategy,
            disallowed_leaders,
            stretch_mode: stretch.0,
            tiebreaker: stretch.1,
            stretch_marked_down: stretch.2,
            ciphers,
            tail: Tail::default(),
        }
    })
}

fn transaction() -> impl Strategy<Value = Transaction> {
    let op = prop_oneof![
        (text(), text(), blob()).prop_map(|(prefix, key, value)| Op::Put { prefix, key, value }),
        (text(), text()).prop_map(|(prefix, key)| Op::Erase { prefix, key }),
        (text(), prop::option::of(("[a-z]{1,5}", text())))
            .prop_map(|(prefix, range)| Op::Compact { prefix, range }),
        (text(), text(), text()).prop_map(|(prefix, start, end)| Op::EraseRange { prefix, start, end }),
    ];
    vec(op, 0..5).prop_map(|ops| {
        ops.into_iter().fold(Transaction::new(), |mut transaction, op| {
            transaction.push(op);
            transaction
        })
    })
}

fn commands() -> impl Strategy<Value = CommandTable> {
    let command = ([text(), text(), text(), text(), text()], any::<u64>());
    vec(command, 0..4).prop_map(|commands| {
        let describe = |([signature, help, module, permissions, availability], flags): ([String; 5], u64)| {
            CommandDesc { signature, help, module, permissions, availability, flags }
        };
        CommandTable(commands.into_iter().map(describe).collect())
    })
}

/// Whether a cut between two elements is a value of its own: these have no count.
#[derive(PartialEq)]
enum Ends {
    Fixed,
    Open,
}

fn round_trip<T: Encode + Decode + PartialEq + Debug>(value: &T, ends: Ends) -> Result<(), TestCaseError> {
    let bytes = value.to_bytes();
    let read = T::from_bytes(&bytes);
    prop_assert_eq!(read.as_ref(), Ok(value));
    for cut in 0..bytes.len() {
        if let Ok(shorter) = T::from_bytes(&bytes[..cut]) {
            prop_assert!(ends == Ends::Open, "cut at {}", cut);
            prop_assert_eq!(shorter.to_bytes(), bytes.slice(..cut));
        }
    }
    Ok(())
}

macro_rules! round_trips {
    ($($name:ident: $strategy:expr, $ends:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(64))]
            $(#[test]
            fn $name(value in $strategy) {
                round_trip(&value, $ends)?;
            })*
        }
    };
}

round_trips! {
    utimes: utime(), Ends::Fixed;
    entity_names: entity_name(), Ends::Fixed;
    addresses: addrs(), Ends::Fixed;
    keys: key(), Ends::Fixed;
    entities: entity_auth(), Ends::Fixed;
    rotating: rotating_secrets(), Ends::Fixed;
    auth_fulls: auth_full(), Ends::Fixed;
    auth_incrementals: auth_incremental(), Ends::Open;
    log_entries: log_entry(), Ends::Fixed;
    log_incrementals: log_incremental(), Ends::Open;
    log_summaries: log_summary(), Ends::Fixed;
    health_checks: checks(), Ends::Fixed;
    quorum_checks: btree_map(any::<i32>(), checks(), 0..3).prop_map(QuorumChecks), Ends::Fixed;
    health_mutes: mutes(), Ends::Fixed;
    connection_trackers: tracker(), Ends::Fixed;
    monmaps: monmap(), Ends::Fixed;
    transactions: transaction(), Ends::Fixed;
    command_tables: commands(), Ends::Fixed;
    feature_sets: any::<u64>().prop_map(|bits| CompatSet::with_features(MonFeatures(bits))), Ends::Fixed;
    feature_maps: btree_map(any::<u32>(), btree_map(any::<u64>(), any::<u64>(), 0..3), 0..3).prop_map(FeatureMap), Ends::Fixed;
    kv_deltas: btree_map(text(), prop::option::of(blob()), 0..4).prop_map(KvDelta), Ends::Fixed;
    last_metadata: btree_map(any::<i32>(), btree_map(text(), text(), 0..3), 0..3).prop_map(LastMetadata), Ends::Fixed;
}

/// Decodes whatever the bytes are, and what a value among them encodes to.
fn survive<T: Encode + Decode>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        let bytes = value.to_bytes();
        assert!(T::from_bytes(&bytes).is_ok());
    }
}

fn survive_all(bytes: &[u8]) {
    survive::<EntityName>(bytes);
    survive::<AddrVec>(bytes);
    survive::<CryptoKey>(bytes);
    survive::<MonCap>(bytes);
    survive::<EntityAuth>(bytes);
    survive::<RotatingSecrets>(bytes);
    survive::<AuthFull>(bytes);
    survive::<AuthIncremental>(bytes);
    survive::<LogEntry>(bytes);
    survive::<LogIncremental>(bytes);
    survive::<LogSummary>(bytes);
    survive::<HealthCheckMap>(bytes);
    survive::<QuorumChecks>(bytes);
    survive::<HealthMutes>(bytes);
    survive::<ConnectionTracker>(bytes);
    survive::<MonMap>(bytes);
    survive::<Transaction>(bytes);
    survive::<CommandTable>(bytes);
    survive::<CompatSet>(bytes);
    survive::<FeatureMap>(bytes);
    survive::<KvDelta>(bytes);
    survive::<LastMetadata>(bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        survive_all(&bytes);
    }

    /// Small numbers reach deeper into a structure than evenly spread ones.
    #[test]
    fn bytes_like_counts_and_versions_never_panic(bytes in vec(prop_oneof![4 => Just(0u8), 3 => 1u8..12, 1 => any::<u8>()], 0..300)) {
        survive_all(&bytes);
    }

    #[test]
    fn envelopes_around_anything_never_panic(version in 0u8..12, compat in 0u8..8, body in vec(prop_oneof![3 => Just(0u8), 2 => 1u8..9, 1 => any::<u8>()], 0..200)) {
        let mut bytes = vec![version, compat];
        body.encode(&mut bytes);
        survive_all(&bytes);
    }

    #[test]
    fn keyrings_survive_their_text(names in btree_map(entity_name(), (key(), btree_map("[a-z]{1,5}", "[ -~]{0,20}", 0..3)), 0..3)) {
        let mut keyring = Keyring::default();
        for (name, (key, caps)) in names {
            let mut auth = EntityAuth { key, ..EntityAuth::default() };
            for (service, cap) in &caps {
                auth.set_caps(service, cap);
            }
            keyring.entities.insert(EntityName::new(name.kind, name.id.trim()), auth);
        }
        prop_assert_eq!(keyring.to_text().parse::<Keyring>(), Ok(keyring));
    }
}

#[test]
fn nesting_and_counts_are_bounded() {
    // A map that claims four billion entries in twenty bytes must fail before it allocates.
    let mut bytes = BTreeMap::from([("a".to_owned(), Some(Bytes::new()))]).to_bytes().to_vec();
    bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(KvDelta::from_bytes(&bytes).is_err());
}
