//! The monmap in text and JSON, as the release that we show prints it.

use std::fmt::Write as _;

use mon_types::addr::{AddrType, AddrVec, EntityAddr};
use mon_types::features::MonFeatures;
use mon_types::monmap::{Cipher, MonInfo, MonMap};
use mon_types::release::Release;
use serde_json::{Map, Value, json};

use crate::stamp;

/// From which release on the newer shape is printed.
const NEW_SHAPE: Release = Release::Tentacle;

/// An address vector as Ceph dumps it.
pub(crate) fn addrvec(addrs: &AddrVec) -> Value {
    json!({ "addrvec": addrs.0.iter().map(addr).collect::<Vec<_>>() })
}

/// One address with its type apart.
pub(crate) fn addr(addr: &EntityAddr) -> Value {
    let kind = match addr.kind {
        AddrType::None => "none",
        AddrType::Legacy => "v1",
        AddrType::Msgr2 => "v2",
        AddrType::Any => "any",
        AddrType::Cidr => "cidr",
    };
    let socket = addr.socket.map_or_else(|| "(unrecognized address family 0)".into(), |s| s.to_string());
    json!({ "type": kind, "addr": socket, "nonce": addr.nonce })
}

/// The legacy address, or the first without its type: what old tools look for.
pub(crate) fn legacy(addrs: &AddrVec) -> String {
    let legacy = addrs.0.iter().find(|addr| addr.kind == AddrType::Legacy).or_else(|| addrs.0.first());
    match legacy.and_then(|addr| Some((addr.socket?, addr.nonce))) {
        Some((socket, nonce)) => format!("{socket}/{nonce}"),
        None => "-".into(),
    }
}

/// Feature names.
pub(crate) fn features(features: MonFeatures) -> Vec<&'static str> {
    features.names().collect()
}

fn cipher(cipher: Cipher) -> Value {
    json!({ "name": cipher.0.as_str(), "value": cipher.0 as u16 })
}

/// Without the quorum, which `mon dump` adds.
pub(crate) fn json(map: &MonMap, release: Release) -> Map<String, Value> {
    let new = release >= NEW_SHAPE;
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.into(), value);
    put("epoch", map.epoch.0.into());
    if new && let Some(policy) = &map.ciphers {
        put("auth_epoch", policy.auth_epoch.into());
        put("auth_service_cipher", cipher(policy.service));
        put("auth_allowed_ciphers", policy.allowed.iter().copied().map(cipher).collect());
        put("auth_preferred_cipher", cipher(policy.preferred));
    }
    put("fsid", map.fsid.to_string().into());
    put("modified", stamp::zulu(map.changed).into());
    put("created", stamp::zulu(map.created).into());
    put("min_mon_release", map.min_mon_release.0.into());
    put("min_mon_release_name", map.min_mon_release.name().into());
    put("election_strategy", (map.strategy as u8).into());
    let disallowed = map.disallowed_leaders.iter().cloned().collect::<Vec<_>>().join(",");
    put(if new { "disallowed_leaders" } else { "disallowed_leaders: " }, disallowed.into());
    put("stretch_mode", map.stretch_mode.into());
    put("tiebreaker_mon", map.tiebreaker.clone().into());
    put(if new { "removed_ranks" } else { "removed_ranks: " }, removed_ranks(map).into());
    put(
        "features",
        json!({
            "persistent": features(map.persistent_features),
            "optional": features(map.optional_features),
        }),
    );
    let mons: Vec<_> = map.by_rank().map(|(rank, info)| mon(rank.0, info, new)).collect();
    put("mons", mons.into());
    out
}

fn removed_ranks(map: &MonMap) -> String {
    map.removed_ranks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn mon(rank: u32, info: &MonInfo, new: bool) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.into(), value);
    put("rank", rank.into());
    put("name", info.name.clone().into());
    put("public_addrs", addrvec(&info.addrs));
    put("addr", legacy(&info.addrs).into());
    put("public_addr", legacy(&info.addrs).into());
    put("priority", info.priority.into());
    put("weight", info.weight.into());
    if new {
        put("time_added", stamp::coloned(info.time_added.unwrap_or_default()).into());
        let location = info.crush_location.iter().map(|(kind, name)| json!({"key": kind, "val": name}));
        put("crush_location", location.collect());
    } else {
        put("crush_location", location(info).into());
    }
    out.into()
}

fn location(info: &MonInfo) -> String {
    let pairs: Vec<_> = info.crush_location.iter().map(|(kind, name)| format!("{kind}={name}")).collect();
    format!("{{{}}}", pairs.join(","))
}

/// For people.
pub(crate) fn text(map: &MonMap, release: Release) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "epoch {}", map.epoch);
    let _ = writeln!(out, "fsid {}", map.fsid);
    let _ = writeln!(out, "last_changed {}", stamp::text(map.changed));
    let _ = writeln!(out, "created {}", stamp::text(map.created));
    let _ = writeln!(out, "min_mon_release {} ({})", map.min_mon_release.0, map.min_mon_release.name());
    let _ = writeln!(out, "election_strategy: {}", map.strategy as u8);
    if map.stretch_mode {
        let _ = writeln!(out, "stretch_mode_enabled 1\ntiebreaker_mon {}", map.tiebreaker);
    }
    if !map.disallowed_leaders.is_empty() {
        let names: Vec<_> = map.disallowed_leaders.iter().map(String::as_str).collect();
        let _ = writeln!(out, "disallowed_leaders {}", names.join(","));
    }
    for (rank, info) in map.by_rank() {
        let _ = write!(out, "{rank}: {} mon.{}", info.addrs, info.name);
        if !info.crush_location.is_empty() {
            let _ = write!(out, "; crush_location {}", location(info));
        }
        out.push('\n');
    }
    if release >= NEW_SHAPE
        && let Some(policy) = &map.ciphers
    {
        let allowed: Vec<_> = policy.allowed.iter().map(|cipher| cipher.0.as_str()).collect();
        let _ = writeln!(out, "auth_epoch {}", policy.auth_epoch);
        let _ = writeln!(out, "auth_service_cipher {}", policy.service.0);
        let _ = writeln!(out, "auth_allowed_ciphers {}", allowed.join(", "));
        let _ = writeln!(out, "auth_preferred_cipher {}", policy.preferred.0);
    }
    out
}

/// `e1: 3 mons at {a=...}` with what follows up to the election epoch.
pub(crate) fn summary(map: &MonMap, release: Release) -> String {
    let mons: Vec<_> = map.mons.values().map(|info| format!("{}={}", info.name, info.addrs)).collect();
    let removed = removed_ranks(map);
    let mut out =
        format!("e{}: {} mons at {{{}}} removed_ranks: {{{removed}}}", map.epoch, map.size(), mons.join(","));
    if release >= Release::Reef {
        let names: Vec<_> = map.disallowed_leaders.iter().map(String::as_str).collect();
        let _ = write!(out, " disallowed_leaders: {{{}}}", names.join(","));
    }
    out
}
