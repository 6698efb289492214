//! Commands that look at the monmap and at what the monitors told of themselves.

use std::collections::{BTreeMap, BTreeSet};

use mon_types::encode::Encode;
use mon_types::features::{Features, MonFeatures};
use mon_types::metadata::{LastMetadata, Metadata};
use mon_types::monmap::MonMap;
use mon_types::release::{Release, ReleaseNumber};
use serde_json::{Map, Value, json};

use super::{MonmapService, render};
use crate::command::format;
use crate::effect::{CommandReply, Halt};
use crate::operation::{Command, Errno};
use crate::service::{Around, stored_optional};

pub(super) fn answer(
    service: &MonmapService,
    around: &Around<'_>,
    command: &Command,
) -> Result<CommandReply, Halt> {
    let form = command.arguments.format();
    let release = around.identity.release;
    Ok(match command.prefix.as_str() {
        "mon dump" => match map_of(service, around, command)? {
            None => no_map(command),
            Some(map) => {
                let quorum: Vec<u32> =
                    around.quorum.map(|q| q.members.iter().map(|rank| rank.0).collect()).unwrap_or_default();
                let dump = || {
                    let mut dump = render::json(&map, release);
                    dump.insert("quorum".into(), quorum.into());
                    dump.into()
                };
                CommandReply::output(format::text_or_json(form, || render::text(&map, release), dump))
                    .saying(format!("dumped monmap epoch {}", map.epoch))
            }
        },
        "mon getmap" => match map_of(service, around, command)? {
            None => no_map(command),
            Some(map) => {
                CommandReply::output(map.to_bytes()).saying(format!("got monmap epoch {}", map.epoch))
            }
        },
        "mon stat" => stat(service, around, command),
        "mon metadata" => metadata(service, around, command)?,
        "mon versions" => {
            CommandReply::output(format::json(form, &counts(around, service.map(), "ceph_version")?))
        }
        "mon count-metadata" => {
            let property = command.arguments.text("property").unwrap_or_default();
            CommandReply::output(format::json(form, &counts(around, service.map(), property)?))
        }
        "mon feature ls" => CommandReply::output(features(service, around, command)),
        "mon learner ls" => {
            // The followers are the leader's to know; what a peon knew as one is stale.
            let leads = around.quorum.is_some_and(|quorum| quorum.we_lead);
            let lacks = |name: &str| around.followers.get(name).filter(|_| leads);
            let learners = service.learners().iter().map(|(name, addrs)| {
                json!({"name": name, "public_addrs": render::addrvec(addrs), "lacks": lacks(name)})
            });
            CommandReply::output(format::json(form, &learners.collect()))
        }
        _ => ok_to(service, around, command),
    })
}

/// The map of the epoch that was asked for.
fn map_of(service: &MonmapService, around: &Around<'_>, command: &Command) -> Result<Option<MonMap>, Halt> {
    match command.arguments.int("epoch") {
        None | Some(0) => Ok(Some(MonMap::clone(service.map()))),
        Some(epoch) => stored_optional(around.store, "monmap", &epoch.to_string()),
    }
}

fn no_map(command: &Command) -> CommandReply {
    let epoch = command.arguments.int("epoch").unwrap_or(0);
    CommandReply::refused(Errno::ENOENT, format!("there is no map for epoch {epoch}"))
}

fn stat(service: &MonmapService, around: &Around<'_>, command: &Command) -> CommandReply {
    let map = service.map();
    let members: Vec<_> = around
        .quorum
        .iter()
        .flat_map(|quorum| &quorum.members)
        .map(|rank| (rank.0, map.name_of(*rank).unwrap_or_default()))
        .collect();
    let leader = around.quorum.and_then(|quorum| Some((quorum.leader, map.name_of(quorum.leader)?)));
    let text = || {
        let epoch = around.quorum.map_or(0, |quorum| quorum.epoch.0);
        let (rank, name) = leader.map_or((String::new(), ""), |(rank, name)| (rank.to_string(), name));
        let ranks: Vec<_> = members.iter().map(|(rank, _)| rank.to_string()).collect();
        let names: Vec<_> = members.iter().map(|(_, name)| *name).collect();
        let summary = render::summary(map, around.identity.release);
        let (ranks, names) = (ranks.join(","), names.join(","));
        format!("{summary}, election epoch {epoch}, leader {rank} {name}, quorum {ranks} {names}\n")
    };
    let value = || {
        json!({
            "epoch": map.epoch,
            "min_mon_release_name": map.min_mon_release.name(),
            "num_mons": map.size(),
            "leader": leader.map_or("", |(_, name)| name),
            "quorum": members.iter().map(|(rank, name)| json!({"rank": rank, "name": name})).collect::<Vec<_>>(),
        })
    };
    CommandReply::output(format::text_or_json(command.arguments.format(), text, value))
}

/// What the members told of themselves when the quorum was last formed, by name.
pub(crate) fn last_metadata(around: &Around<'_>, map: &MonMap) -> Result<BTreeMap<String, Metadata>, Halt> {
    let stored: LastMetadata =
        stored_optional(around.store, "monitor_store", "last_metadata")?.unwrap_or_default();
    let name_of = |rank| map.name_of(mon_types::id::Rank(u32::try_from(rank).ok()?)).map(String::from);
    Ok(stored.0.into_iter().filter_map(|(rank, metadata)| Some((name_of(rank)?, metadata))).collect())
}

fn metadata(service: &MonmapService, around: &Around<'_>, command: &Command) -> Result<CommandReply, Halt> {
    let form = command.arguments.format();
    let all = last_metadata(around, service.map())?;
    if let Some(name) = command.arguments.text("id") {
        return Ok(match all.get(name) {
            Some(metadata) => CommandReply::output(format::json(form, &properties(metadata).into())),
            None if service.map().mons.contains_key(name) => {
                CommandReply::refused(Errno::ENOENT, format!("mon.{name} has not told its metadata yet"))
            }
            None => CommandReply::refused(Errno::ENOENT, "requested mon not found"),
        });
    }
    let list = service.map().by_rank().map(|(_, info)| {
        let name = [("name".to_owned(), Value::from(info.name.as_str()))];
        let rest = all.get(&info.name).map(properties).unwrap_or_default();
        Value::Object(name.into_iter().chain(rest).collect())
    });
    Ok(CommandReply::output(format::json(form, &list.collect())))
}

fn properties(metadata: &Metadata) -> Map<String, Value> {
    metadata.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect()
}

/// How many monitors share each value of a property.
pub(crate) fn counts(around: &Around<'_>, map: &MonMap, property: &str) -> Result<Value, Halt> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for metadata in last_metadata(around, map)?.values() {
        let value = metadata.get(property).cloned().unwrap_or_else(|| "unknown".into());
        *counts.entry(value).or_default() += 1;
    }
    Ok(counts.into_iter().map(|(value, count)| (value, Value::from(count))).collect::<Map<_, _>>().into())
}

fn features(service: &MonmapService, around: &Around<'_>, command: &Command) -> bytes::Bytes {
    let with_value = command.arguments.switch("with_value");
    let ours = around.identity.mon_features;
    let map = service.map();
    let names = |features: MonFeatures| -> Vec<String> {
        (0..u64::BITS)
            .map(|bit| MonFeatures(features.0 & 1 << bit))
            .filter(|feature| !feature.is_empty())
            .map(|feature| {
                let name = feature.names().next().unwrap_or_default();
                if with_value { format!("{name}({})", feature.0) } else { name.into() }
            })
            .collect()
    };
    let text = || {
        let line = |what: &str, features| format!("\t{what}: [{}]\n", names(features).join(","));
        let mut out = String::from("all features\n");
        out += &line("supported", ours);
        out += &line("persistent", ours);
        out += &format!("on current monmap (epoch {})\n", map.epoch);
        out += &line("persistent", map.persistent_features);
        out += &line("required", map.required_features());
        out
    };
    let value = || {
        json!({
            "all": { "supported": names(ours), "persistent": names(ours) },
            "monmap": {
                "persistent": names(map.persistent_features),
                "optional": names(map.optional_features),
                "required": names(map.required_features()),
            },
        })
    };
    format::text_or_json(command.arguments.format(), text, value)
}

/// `mon ok-to-stop`, `ok-to-rm`, `ok-to-add-offline`: whether a majority would be left.
fn ok_to(service: &MonmapService, around: &Around<'_>, command: &Command) -> CommandReply {
    let map = service.map();
    let alive: BTreeSet<&str> =
        around.quorum.iter().flat_map(|q| &q.members).filter_map(|rank| map.name_of(*rank)).collect();
    let busy = |text: &str| CommandReply::refused(Errno::EBUSY, text);
    match command.prefix.as_str() {
        "mon ok-to-add-offline" => {
            if alive.len() > map.size().div_ceil(2) {
                CommandReply::done("adding another mon that is not yet online will not break quorum")
            } else {
                busy("too few monitors are in quorum: an offline one more would break it")
            }
        }
        "mon ok-to-rm" => {
            let name = command.arguments.text("id").unwrap_or_default();
            if !map.mons.contains_key(name) {
                // As stock: taking away nothing does no harm.
                return CommandReply::done(format!("mon.{name} does not exist"));
            }
            let left = alive.iter().filter(|one| **one != name).count();
            if map.size() > 1 && left > (map.size() - 1) / 2 {
                CommandReply::done(format!("safe to remove mon.{name}"))
            } else {
                busy(&format!("removing mon.{name} would leave no majority in quorum"))
            }
        }
        _ => {
            let ids = command.arguments.texts("ids");
            // As stock: names of no monitor take nothing away.
            let left: Vec<_> = alive.iter().filter(|one| !ids.contains(one)).copied().collect();
            if left.len() >= map.majority() {
                let (left, ids) = (left.join(","), ids.join(","));
                CommandReply::done(format!("quorum should be preserved ({left}) after stopping [{ids}]"))
            } else {
                busy(&format!("stopping {} would leave too few monitors in quorum", ids.join(",")))
            }
        }
    }
}

/// The release word that Ceph shows for a peer's wire features.
pub(crate) fn release_name(features: u64) -> &'static str {
    let features = Features(features);
    if features.contains(Features::SERVER_SQUID) {
        Release::Squid.name()
    } else if features.contains(Features::SERVER_QUINCY) {
        Release::Reef.name()
    } else if features.contains(Features::MON_STATEFUL_SUB) {
        ReleaseNumber(12).name()
    } else {
        ReleaseNumber(0).name()
    }
}
