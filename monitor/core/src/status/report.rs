//! `ceph -s` and its relatives, as the release that we show prints them.
//!
//! Services that are not here yet appear as in a stock cluster without OSDs, mgr and file systems.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use mon_types::addr::{AddrVec, EntityAddr};
use mon_types::connection_tracker::ConnectionTracker;
use mon_types::entity::EntityType;
use mon_types::features::{Features, MonFeatures};
use mon_types::id::Rank;
use mon_types::monmap::MonMap;
use mon_types::release::Release;
use mon_types::time::UTime;
use serde_json::{Map, Value, json};

use super::Status;
use crate::command::format;
use crate::effect::{CommandReply, Halt};
use crate::identity::Identity;
use crate::operation::Command;
use crate::quorum::QuorumView;
use crate::service::health::{ClockSkews, HealthService, render as health};
use crate::service::monmap::query::{counts, last_metadata, release_name};
use crate::service::monmap::render;
use crate::service::{Around, Kind};
use crate::session::Sessions;
use crate::stamp;

/// What a report looks at.
pub(crate) struct Sight<'a> {
    pub(crate) around: &'a Around<'a>,
    pub(crate) health: &'a HealthService,
    pub(crate) sessions: &'a Sessions,
    pub(crate) skews: &'a ClockSkews,
    pub(crate) quorum_age: Duration,
}

/// What `mon_status` looks at, which needs no quorum.
pub(crate) struct State<'a> {
    pub(crate) published: &'a Status,
    pub(crate) quorum: Option<&'a QuorumView>,
    pub(crate) quorum_age: Duration,
    pub(crate) uptime: Duration,
    pub(crate) sessions: &'a Sessions,
    pub(crate) outside_quorum: &'a BTreeSet<String>,
}

/// How a command is treated; none when there is no such command here.
pub(crate) fn kind(prefix: &str) -> Option<Kind> {
    match prefix {
        "status" | "quorum_status" | "versions" | "features" | "node ls" | "time-sync-status" | "fsid"
        | "version" => Some(Kind::Read),
        _ => None,
    }
}

pub(crate) fn answer(sight: &Sight<'_>, command: &Command) -> Result<CommandReply, Halt> {
    let around = sight.around;
    let form = command.arguments.format();
    Ok(match command.prefix.as_str() {
        "status" => {
            CommandReply::output(format::text_or_json(form, || status_text(sight), || status_json(sight)))
        }
        "quorum_status" => CommandReply::output(match form {
            // Stock prints this one on one line for people, too.
            crate::command::arguments::Format::Plain => format!("{}\n", quorum_status(sight)).into(),
            _ => format::json(form, &quorum_status(sight)),
        }),
        "versions" => {
            let mons = counts(around, around.monmap, "ceph_version")?;
            let mut all = Map::new();
            all.insert("mon".into(), mons.clone());
            if around.identity.release < Release::Reef {
                ["mgr", "osd", "mds"].into_iter().for_each(|kind| drop(all.insert(kind.into(), json!({}))));
            }
            all.insert("overall".into(), mons);
            CommandReply::output(format::json(form, &all.into()))
        }
        "features" => {
            let members = around.quorum.map_or(1, |quorum| quorum.members.len() as u64);
            let all = feature_map(around.identity, sight.sessions, members);
            CommandReply::output(format::json(form, &all))
        }
        "node ls" => CommandReply::output(format::json(form, &nodes(around, command)?)),
        "time-sync-status" => CommandReply::output(format::json(form, &time_sync(sight))),
        _ => fixed(around.identity, command),
    })
}

/// What never changes while the process lives.
pub(crate) fn fixed(identity: &Identity, command: &Command) -> CommandReply {
    let form = command.arguments.format();
    let (key, text) = match command.prefix.as_str() {
        "fsid" => ("fsid", identity.fsid.to_string()),
        _ => ("version", identity.metadata.get("ceph_version").cloned().unwrap_or_default()),
    };
    CommandReply::output(format::text_or_json(form, || format!("{text}\n"), || json!({ key: text })))
}

/// The version in the form of the admin socket.
pub(crate) fn tell_version(identity: &Identity) -> Value {
    let short = identity.metadata.get("ceph_version_short").cloned().unwrap_or_default();
    json!({
        "version": short,
        "release": identity.release.name(),
        "release_type": "stable",
    })
}

/// The commit in the version text: what is in parentheses.
pub(crate) fn git_version(identity: &Identity) -> String {
    let version = identity.metadata.get("ceph_version").map(String::as_str).unwrap_or_default();
    let inside = version.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
    inside.map(|(commit, _)| commit.to_owned()).unwrap_or_default()
}

fn members(map: &MonMap, quorum: Option<&QuorumView>) -> (Vec<u32>, Vec<String>) {
    let ranks: Vec<Rank> = quorum.map(|quorum| quorum.members.iter().copied().collect()).unwrap_or_default();
    let names = ranks.iter().filter_map(|rank| map.name_of(*rank)).map(String::from).collect();
    (ranks.into_iter().map(|rank| rank.0).collect(), names)
}

fn leader_name(map: &MonMap, quorum: Option<&QuorumView>) -> String {
    quorum.and_then(|quorum| map.name_of(quorum.leader)).unwrap_or_default().to_owned()
}

fn status_text(sight: &Sight<'_>) -> String {
    let around = sight.around;
    let map = around.monmap;
    let (_, names) = members(map, around.quorum);
    let checks = sight.health.merged(around);
    let mutes = sight.health.mutes();
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  cluster:\n    id:     {}", map.fsid);
    let _ = writeln!(out, "    health: {}", health::status(&checks, mutes));
    for (_, check) in health::unmuted(&checks, mutes) {
        let _ = writeln!(out, "            {}", check.summary);
    }
    let note = health::muted_note(&checks, mutes, around.now.wall);
    if !note.is_empty() {
        let _ = writeln!(out, "            {note}");
    }
    let age = health::age(sight.quorum_age.as_secs());
    let plural = if map.size() == 1 { "" } else { "s" };
    let _ = write!(
        out,
        " \n  services:\n    mon: {} daemon{plural}, quorum {} (age {age})",
        map.size(),
        names.join(",")
    );
    if around.identity.release >= Release::Tentacle {
        let _ = write!(out, " [leader: {}]", leader_name(map, around.quorum));
    }
    let missing: Vec<_> = map.ranks.iter().filter(|name| !names.contains(name)).map(String::as_str).collect();
    if !missing.is_empty() {
        let _ = write!(out, ", out of quorum: {}", missing.join(", "));
    }
    out.push_str("\n    mgr: no daemons active\n    osd: 0 osds: 0 up, 0 in\n \n");
    out.push_str("  data:\n    pools:   0 pools, 0 pgs\n    objects: 0 objects, 0 B\n");
    out.push_str("    usage:   0 B used, 0 B / 0 B avail\n    pgs:     \n \n");
    out
}

fn status_json(sight: &Sight<'_>) -> Value {
    let around = sight.around;
    let map = around.monmap;
    let (ranks, names) = members(map, around.quorum);
    let checks = sight.health.merged(around);
    let created = map.created;
    json!({
        "fsid": map.fsid.to_string(),
        "health": health::json(&checks, sight.health.mutes(), false),
        "election_epoch": around.quorum.map_or(0, |quorum| quorum.epoch.0),
        "quorum": ranks,
        "quorum_names": names,
        "quorum_age": sight.quorum_age.as_secs(),
        "monmap": {
            "epoch": map.epoch,
            "min_mon_release_name": map.min_mon_release.name(),
            "num_mons": map.size(),
        },
        "osdmap": {
            "epoch": 0,
            "num_osds": 0,
            "num_up_osds": 0,
            "osd_up_since": 0,
            "num_in_osds": 0,
            "osd_in_since": 0,
            "num_remapped_pgs": 0,
        },
        "pgmap": {
            "pgs_by_state": [],
            "num_pgs": 0,
            "num_pools": 0,
            "num_objects": 0,
            "data_bytes": 0,
            "bytes_used": 0,
            "bytes_avail": 0,
            "bytes_total": 0,
        },
        "fsmap": fsmap(around.identity.release, created),
        "mgrmap": { "available": false, "num_standbys": 0, "modules": modules(around.identity.release), "services": {} },
        "servicemap": { "epoch": 1, "modified": stamp::text(created), "services": {} },
        "progress_events": {},
    })
}

fn fsmap(release: Release, created: UTime) -> Value {
    if release >= Release::Tentacle {
        return json!({ "epoch": 1, "btime": stamp::coloned(created), "by_rank": [], "up:standby": 0 });
    }
    json!({ "epoch": 1, "by_rank": [], "up:standby": 0 })
}

/// The modules that a new cluster of the release would enable.
fn modules(release: Release) -> [&'static str; 3] {
    if release >= Release::Tentacle { ["iostat", "nfs", "nvmeof"] } else { ["iostat", "nfs", "restful"] }
}

pub(crate) fn quorum_status(sight: &Sight<'_>) -> Value {
    let around = sight.around;
    let map = around.monmap;
    let (ranks, names) = members(map, around.quorum);
    let features = around.quorum.map_or(Features(0), |quorum| quorum.features);
    let mon_features = around.quorum.map_or(MonFeatures(0), |quorum| quorum.mon_features);
    json!({
        "election_epoch": around.quorum.map_or(0, |quorum| quorum.epoch.0),
        "quorum": ranks,
        "quorum_names": names,
        "quorum_leader_name": leader_name(map, around.quorum),
        "quorum_age": sight.quorum_age.as_secs(),
        "features": {
            "quorum_con": features.0.to_string(),
            "quorum_mon": render::features(mon_features),
        },
        "monmap": render::json(map, around.identity.release),
    })
}

/// `ceph tell mon.X mon_status`.
pub(crate) fn mon_status(identity: &Identity, map: &MonMap, state: &State<'_>) -> Value {
    let (ranks, _) = members(map, state.quorum);
    let rank = map.rank_of(&identity.name).map_or(-1, |rank| i64::from(rank.0));
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.into(), value);
    put("name", identity.name.clone().into());
    put("rank", rank.into());
    put("state", state.published.state.as_str().into());
    put("election_epoch", state.published.election_epoch.0.into());
    if identity.release >= Release::Reef {
        put("uptime", state.uptime.as_secs().into());
    }
    put("quorum", ranks.into());
    if state.quorum.is_some() {
        put("quorum_age", state.quorum_age.as_secs().into());
    }
    let required = Features::required_in_quorum(map.persistent_features);
    let features = state.quorum.map_or(Features(0), |quorum| quorum.features);
    let mon_features = state.quorum.map_or(MonFeatures(0), |quorum| quorum.mon_features);
    put(
        "features",
        json!({
            "required_con": required.0.to_string(),
            "required_mon": render::features(map.required_features()),
            "quorum_con": features.0.to_string(),
            "quorum_mon": render::features(mon_features),
        }),
    );
    put("outside_quorum", json!(state.outside_quorum));
    let outside = |addrs: &&AddrVec| map.rank_of_addrs(addrs).is_none();
    let hints = identity.extra_probe_peers.iter().filter(outside).map(render::addrvec);
    put("extra_probe_peers", hints.collect());
    let sync = state.published.sync.as_ref();
    put("sync_provider", sync.map(|sync| json!({ "mon": sync.provider })).into_iter().collect());
    put("monmap", render::json(map, identity.release).into());
    put("feature_map", feature_map(identity, state.sessions, 1));
    put("stretch_mode", map.stretch_mode.into());
    out.into()
}

/// `ceph tell mon.X connection scores dump`.
pub(crate) fn connection_scores(tracker: &ConnectionTracker) -> Value {
    let reports = tracker.reports.values().map(|report| {
        let peer_scores = report.history.iter().map(|(peer, score)| {
            let alive = report.current.get(peer).copied().unwrap_or(false);
            json!({ "peer_rank": peer, "peer_score": score, "peer_alive": alive })
        });
        json!({
            "rank": report.rank,
            "epoch": report.epoch,
            "version": report.epoch_version,
            "peer_scores": peer_scores.collect::<Value>(),
        })
    });
    json!({
        "rank": tracker.rank,
        "epoch": tracker.epoch,
        "version": tracker.version,
        "half_life": tracker.half_life_s,
        "persist_interval": PERSIST_INTERVAL,
        "reports": reports.collect::<Value>(),
    })
}

/// After how many changes scores are stored (`mon_elector_ping...`: stock's default, and ours).
const PERSIST_INTERVAL: u64 = 10;

/// How many peers of which kind show which features.
fn feature_map(identity: &Identity, sessions: &Sessions, mons: u64) -> Value {
    let mut groups: BTreeMap<(EntityType, u64), u64> = BTreeMap::new();
    groups.insert((EntityType::Mon, identity.features.0), mons);
    for (_, session) in sessions.iter() {
        let requester = &session.requester;
        *groups.entry((requester.entity.kind, requester.features)).or_default() += 1;
    }
    let mut out: Map<String, Value> = Map::new();
    for ((kind, features), count) in groups {
        let group = json!({
            "features": format!("{features:#x}"),
            "release": release_name(features),
            "num": count,
        });
        let list = out.entry(kind.as_str()).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(group);
        }
    }
    out.into()
}

/// Hosts with the daemons that run on them.
fn nodes(around: &Around<'_>, command: &Command) -> Result<Value, Halt> {
    let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, metadata) in last_metadata(around, around.monmap)? {
        let host = metadata.get("hostname").cloned().unwrap_or_default();
        hosts.entry(host).or_default().push(name);
    }
    let mons = json!(hosts);
    Ok(match command.arguments.text("type").unwrap_or("all") {
        "mon" => mons,
        "all" => json!({ "mon": mons, "osd": {}, "mgr": {} }),
        _ => json!({}),
    })
}

fn time_sync(sight: &Sight<'_>) -> Value {
    let around = sight.around;
    let skews = sight.skews;
    let members = around.quorum.iter().flat_map(|quorum| &quorum.members);
    let each: Map<String, Value> = members
        .filter_map(|rank| {
            let name = around.monmap.name_of(*rank)?;
            let skew = skews.skews.get(rank).copied().unwrap_or(0.0);
            let latency = skews.latencies.get(rank).copied().unwrap_or(0.0);
            let health = if skew.abs() > skews.allowed { "HEALTH_WARN" } else { "HEALTH_OK" };
            Some((name.to_owned(), json!({ "skew": skew, "latency": latency, "health": health })))
        })
        .collect();
    json!({
        "time_skew_status": each,
        "timechecks": {
            "epoch": around.quorum.map_or(0, |quorum| quorum.epoch.0),
            "round": skews.round,
            "round_status": if skews.round.is_multiple_of(2) { "finished" } else { "on-going" },
        },
    })
}

/// The client sessions of this monitor.
pub(crate) fn sessions(sessions: &Sessions) -> Value {
    let list = sessions.iter().map(|(_, session)| {
        let requester = &session.requester;
        let features = requester.features;
        let shown = requester.addrs.0.first().copied().unwrap_or_default();
        let socket = EntityAddr { socket: requester.socket, ..shown };
        json!({
            "name": requester.instance().to_string(),
            "entity_name": requester.entity.to_string(),
            "addrs": render::addrvec(&requester.addrs),
            "socket_addr": render::addr(&socket),
            "con_type": requester.entity.kind.as_str(),
            "con_features": features,
            "con_features_hex": format!("{features:x}"),
            "con_features_release": release_name(features),
            "open": true,
            "caps": { "text": requester.caps.text() },
            "authenticated": true,
            "global_id": requester.global_id,
            "global_id_status": "reclaim_ok",
            "osd_epoch": 0,
            "remote_host": session.hostname,
        })
    });
    list.collect()
}
