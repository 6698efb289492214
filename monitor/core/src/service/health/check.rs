//! What is checked, by whom, and how it is worded.

use std::collections::BTreeMap;
use std::time::Duration;

use mon_types::crypto_key::CryptoKind;
use mon_types::entity::EntityType;
use mon_types::health::{HealthCheckMap, QuorumChecks, Severity};
use mon_types::id::Rank;
use mon_types::key_server::KeyServerData;
use mon_types::log::Priority;
use mon_types::monmap::MonMap;
use mon_types::release::Release;

use crate::event::DiskUse;
use crate::quorum::QuorumView;
use crate::service::Around;
use crate::service::auth::policy;
use crate::settings::Settings;

/// How far the members' clocks are off, as the leader measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ClockSkews {
    /// Seconds by rank.
    pub(crate) skews: BTreeMap<Rank, f64>,
    /// Round-trip seconds by rank.
    pub(crate) latencies: BTreeMap<Rank, f64>,
    /// From how many seconds on it matters.
    pub(crate) allowed: f64,
    /// The round: even once it is finished.
    pub(crate) round: u64,
}

/// What a member checks about itself.
pub(crate) fn own_checks(name: &str, settings: &Settings, disk: DiskUse) -> HealthCheckMap {
    let mut checks = HealthCheckMap::default();
    if let Some(percent) = disk.bytes_available.saturating_mul(100).checked_div(disk.bytes_total) {
        let (code, severity, words) = if percent <= settings.disk_error_percent {
            ("MON_DISK_CRIT", Severity::Error, "very low on available space")
        } else {
            ("MON_DISK_LOW", Severity::Warning, "low on available space")
        };
        if percent <= settings.disk_warn_percent {
            let check = checks.add(code, severity, format!("mon%plurals% %names% %isorare% {words}"));
            check.detail.push(format!("mon.{name} has {percent}% avail"));
        }
    }
    if settings.allow_insecure_reclaim {
        let summary = "mon%plurals% %isorare% allowing insecure global_id reclaim";
        let check = checks.add("AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED", Severity::Warning, summary);
        check.detail.push(format!("mon.{name} has auth_allow_insecure_global_id_reclaim set to true"));
    }
    if !settings.emergency_allowed_ciphers.is_empty() {
        let summary = "mon%plurals% %names% %hasorhave% auth_emergency_allowed_ciphers set";
        let check = checks.add("AUTH_EMERGENCY_CIPHERS_SET", Severity::Warning, summary);
        let ciphers: Vec<String> =
            settings.emergency_allowed_ciphers.iter().map(ToString::to_string).collect();
        check.detail.push(format!("mon.{name} lets in keys of type {}", ciphers.join(", ")));
    }
    checks
}

/// The members' own checks as one, with the placeholders of their summaries filled in.
pub(super) fn merge_members(members: &QuorumChecks, map: &MonMap) -> HealthCheckMap {
    let mut all = HealthCheckMap::default();
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (rank, checks) in &members.0 {
        let name = u32::try_from(*rank).ok().and_then(|rank| map.name_of(Rank(rank))).unwrap_or("?");
        checks.0.keys().for_each(|code| names.entry(code.as_str()).or_default().push(name));
        all.merge(checks);
    }
    for (code, check) in &mut all.0 {
        let names = names.get(code.as_str()).map(Vec::as_slice).unwrap_or_default();
        let many = names.len() > 1;
        let word = |one: &'static str, more: &'static str| if many { more } else { one };
        check.summary = check
            .summary
            .replace("%plurals%", word("", "s"))
            .replace("%isorare%", word("is", "are"))
            .replace("%hasorhave%", word("has", "have"))
            .replace("%names%", &names.join(","));
        check.count = names.len() as i64;
    }
    all
}

/// After a cluster was made, its monitors get this long to start (`mon_down_mkfs_grace`).
const MKFS_GRACE: Duration = Duration::from_secs(60);

/// What only the leader can tell.
pub(super) fn leader_checks(around: &Around<'_>, quorum: &QuorumView, skews: &ClockSkews) -> HealthCheckMap {
    let mut checks = HealthCheckMap::default();
    let map = around.monmap;
    let down: Vec<_> = map.by_rank().filter(|(rank, _)| !quorum.members.contains(rank)).collect();
    let age = around.now.wall.to_duration().saturating_sub(map.created.to_duration());
    if !down.is_empty() && age > MKFS_GRACE {
        let names: Vec<_> = quorum.members.iter().filter_map(|rank| map.name_of(*rank)).collect();
        let summary = format!("{}/{} mons down, quorum {}", down.len(), map.size(), names.join(","));
        let check = checks.add("MON_DOWN", Severity::Warning, summary);
        check.count = down.len() as i64;
        for (rank, info) in down {
            check
                .detail
                .push(format!("mon.{} (rank {rank}) addr {} is down (out of quorum)", info.name, info.addrs));
        }
    }
    let off: Vec<_> = skews
        .skews
        .iter()
        .filter(|(rank, skew)| skew.abs() > skews.allowed && quorum.members.contains(rank))
        .filter_map(|(rank, skew)| Some((map.name_of(*rank)?, *skew, skews.latencies.get(rank).copied())))
        .collect();
    if !off.is_empty() {
        let names: Vec<_> = off.iter().map(|(name, ..)| format!("mon.{name}")).collect();
        let summary = format!("clock skew detected on {}", names.join(", "));
        let check = checks.add("MON_CLOCK_SKEW", Severity::Warning, summary);
        check.count = off.len() as i64;
        for (name, skew, latency) in off {
            let (allowed, latency) = (skews.allowed, latency.unwrap_or(0.0));
            check
                .detail
                .push(format!("mon.{name} clock skew {skew:.6}s > max {allowed}s (latency {latency:.6}s)"));
        }
    }
    checks
}

/// What of the key types in use is below the standard of 20.2.4, as that release finds it. Older ones know
/// no such checks.
pub(super) fn auth_checks(around: &Around<'_>, keys: &KeyServerData) -> HealthCheckMap {
    let mut checks = HealthCheckMap::default();
    if around.identity.release < Release::Tentacle {
        return checks;
    }
    let mut warn = |code: &str, severity, summary: String, count: usize, detail: Vec<String>| {
        if count > 0 {
            let check = checks.add(code, severity, summary);
            check.count = i64::try_from(count).unwrap_or(i64::MAX);
            check.detail = detail;
        }
    };
    let insecure = |kind: CryptoKind| kind == CryptoKind::Aes;
    let mut by_kind: [Vec<String>; 2] = Default::default();
    for (name, _) in keys.secrets.iter().filter(|(_, auth)| insecure(auth.key.kind())) {
        by_kind[usize::from(name.kind != EntityType::Client)]
            .push(format!("entity {name} using insecure key type: aes"));
    }
    for (detail, (code, severity, what)) in by_kind.into_iter().zip([
        ("AUTH_INSECURE_CLIENT_KEY_TYPE", Severity::Warning, "client"),
        ("AUTH_INSECURE_SERVICE_KEY_TYPE", Severity::Error, "service"),
    ]) {
        let summary = format!("{} auth {what} entities with insecure key types", detail.len());
        warn(code, severity, summary, detail.len(), detail);
    }
    let rotating: Vec<_> = keys
        .rotating
        .iter()
        .filter(|(_, secrets)| secrets.secrets.values().any(|secret| insecure(secret.key.kind())))
        .map(|(service, _)| {
            format!("rotating service keys for {} using insecure key type: aes", service.as_str())
        })
        .collect();
    let summary = format!("{} rotating auth service keys using insecure key types", rotating.len());
    let code = "AUTH_INSECURE_ROTATING_SERVICE_KEY_TYPE";
    warn(code, Severity::Warning, summary, rotating.len(), rotating);

    let policy = policy(around);
    let mut configured = |set: bool, code: &str, severity, to: &str, detail: Vec<String>| {
        warn(code, severity, format!("Monitors are configured to {to}"), usize::from(set), detail);
    };
    let allowed = policy.allows(CryptoKind::Aes);
    configured(
        allowed,
        "AUTH_INSECURE_KEYS_ALLOWED",
        Severity::Warning,
        "allow auth using insecure key types",
        vec!["insecure cipher aes allowed for auth".into()],
    );
    // Whatever new keys are by default: measured with 20.2.4.
    configured(
        allowed || around.settings.allow_insecure_key,
        "AUTH_INSECURE_KEYS_CREATABLE",
        Severity::Warning,
        "allow creation of insecure key types",
        Vec::new(),
    );
    configured(
        insecure(policy.service.0),
        "AUTH_INSECURE_SERVICE_TICKETS",
        Severity::Error,
        "issue insecure service tickets",
        Vec::new(),
    );
    checks
}

/// The lines of the log that lead from one state to the next.
pub(super) fn changes(before: &HealthCheckMap, after: &HealthCheckMap) -> Vec<(Priority, String)> {
    let priority = |severity| match severity {
        Severity::Error => Priority::ERROR,
        Severity::Warning => Priority::WARN,
        Severity::Ok => Priority::INFO,
    };
    let mut lines = Vec::new();
    for (code, check) in &after.0 {
        let line = match before.0.get(code) {
            None => format!("Health check failed: {} ({code})", check.summary),
            Some(old) if old.summary != check.summary || old.severity != check.severity => {
                format!("Health check update: {} ({code})", check.summary)
            }
            Some(_) => continue,
        };
        lines.push((priority(check.severity), line));
    }
    for (code, old) in before.0.iter().filter(|(code, _)| !after.0.contains_key(*code)) {
        lines.push((Priority::INFO, format!("Health check cleared: {code} (was: {})", old.summary)));
    }
    lines
}
