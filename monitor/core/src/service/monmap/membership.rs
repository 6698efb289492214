//! Commands that change the monmap.
//!
//! Those that change who is a member may carry `expected_epoch` (refused when the map has moved on) and
//! `operation_id` (a retry gets the first result instead of being done twice; see [`super::results`]).

use std::collections::BTreeMap;

use mon_types::addr::{AddrType, AddrVec, EntityAddr};
use mon_types::features::MonFeatures;
use mon_types::id::Rank;
use mon_types::monmap::{ElectionStrategy, MonInfo};

use super::{MonmapService, cipher};
use crate::bug::{self, Bug};
use crate::effect::{CommandReply, Halt};
use crate::operation::{Answer, Command, Errno, Prepared};
use crate::service::Preparing;

pub(super) fn prepare(
    service: &mut MonmapService,
    cx: &mut Preparing<'_>,
    command: &Command,
) -> Result<Prepared, Halt> {
    let Some(id) = command.arguments.text("operation_id") else {
        return guarded(service, cx, command);
    };
    let known = service.results.answer(cx.around.store, id, command)?;
    if let Some(reply) = known.filter(|_| !bug::is_on(Bug::SameOperationTwice)) {
        return Ok(Prepared::unchanged(reply));
    }
    let mut prepared = guarded(service, cx, command)?;
    // After a refusal the same id may be tried again. That nothing had to be done is remembered, too: a retry that comes
    // late, when there would be something, must not do it.
    if let Answer::Command(reply) = &prepared.answer
        && reply.code == 0
    {
        service.results.remember(id, command, reply);
        prepared.changed = true;
    }
    Ok(prepared)
}

fn guarded(service: &mut MonmapService, cx: &mut Preparing<'_>, command: &Command) -> Result<Prepared, Halt> {
    if let Some(expected) = command.arguments.int("expected_epoch") {
        let actual = service.current().epoch;
        if i64::from(actual.0) != expected && !bug::is_on(Bug::StaleEpochAccepted) {
            let text =
                format!("the monmap is at epoch {actual}, not {expected}: look again before changing it");
            return Ok(Prepared::unchanged(CommandReply::refused(Errno::ECANCELED, text)));
        }
    }
    if command.prefix == "mon set" {
        return cipher::prepare(service, cx, command);
    }
    Ok(match change(service, cx, command) {
        Ok(Change::Done(message)) => Prepared::changed(CommandReply::done(message)),
        Ok(Change::None(message)) => Prepared::unchanged(CommandReply::done(message)),
        Err((errno, message)) => Prepared::unchanged(CommandReply::refused(errno, message)),
    })
}

enum Change {
    Done(String),
    None(String),
}

type Refusal = (Errno, String);

fn change(service: &mut MonmapService, cx: &Preparing<'_>, command: &Command) -> Result<Change, Refusal> {
    let arguments = &command.arguments;
    let name = arguments.text("name").unwrap_or_default();
    match command.prefix.as_str() {
        "mon add" => add(service, cx, name, command),
        "mon rm" | "mon remove" => remove(service, cx, name),
        "mon set-rank" => {
            let size = service.current().size();
            let rank = arguments.int("rank").and_then(|rank| u32::try_from(rank).ok());
            known(service, name)?;
            let Some(rank) = rank.filter(|rank| (*rank as usize) < size) else {
                // Stock says nothing and changes nothing.
                return Ok(Change::None(format!("there are only {size} ranks, from 0: nothing was changed")));
            };
            if service.current().rank_of(name) == Some(Rank(rank)) {
                return Ok(Change::None(String::new()));
            }
            service.edit(&cx.around).set_rank(name, Rank(rank));
            Ok(Change::Done(String::new()))
        }
        "mon set-addrs" => {
            let addrs = parse_addrs(arguments.text("addrs").unwrap_or_default(), "addrs")?;
            known(service, name)?;
            if let Some(owner) = owner_of(service, &addrs).filter(|owner| owner != name) {
                return Err((Errno::EEXIST, format!("mon.{owner} already has one of {addrs}")));
            }
            edit_mon(service, cx, name, |info| info.addrs = addrs)
        }
        "mon set-weight" => {
            // The signature bounds it to 16 bits.
            let weight = arguments.int("weight").and_then(|weight| u16::try_from(weight).ok()).unwrap_or(0);
            edit_mon(service, cx, name, |info| info.weight = weight)
        }
        "mon set_location" => {
            let location = parse_location(&arguments.texts("args"))?;
            edit_mon(service, cx, name, |info| info.crush_location = location)
        }
        "mon enable-msgr2" => Ok(enable_msgr2(service, cx)),
        "mon feature set" => feature_set(service, cx, command),
        "mon set election_strategy" => strategy(service, cx, arguments.text("strategy").unwrap_or_default()),
        "mon add disallowed_leader" | "mon rm disallowed_leader" => {
            if service.current().strategy == ElectionStrategy::Classic {
                let text = "the election strategy is classic, which lets everybody lead: change it first";
                return Err((Errno::EINVAL, text.into()));
            }
            known(service, name)?;
            let add = command.prefix == "mon add disallowed_leader";
            if service.current().disallowed_leaders.contains(name) == add {
                let state = if add { "already disallowed" } else { "not disallowed" };
                return Ok(Change::None(format!("mon.{name} is {state}")));
            }
            if add && service.current().disallowed_leaders.len() + 1 >= service.current().size() {
                return Err((Errno::EINVAL, "nobody would be left to lead".into()));
            }
            let leaders = &mut service.edit(&cx.around).disallowed_leaders;
            if add {
                leaders.insert(name.into())
            } else {
                leaders.remove(name)
            };
            Ok(Change::Done(String::new()))
        }
        "mon learner add" => learner_add(service, name, command),
        "mon learner rm" => {
            if !service.current_learners().contains_key(name) {
                return Ok(Change::None(format!("there is no learner mon.{name}")));
            }
            service.edit_learners().remove(name);
            Ok(Change::Done(format!("learner mon.{name} removed")))
        }
        _ => replace(service, cx, command),
    }
}

fn known(service: &MonmapService, name: &str) -> Result<(), Refusal> {
    match service.current().mons.contains_key(name) {
        true => Ok(()),
        false => Err((Errno::ENOENT, format!("mon.{name} does not exist"))),
    }
}

fn owner_of(service: &MonmapService, addrs: &AddrVec) -> Option<String> {
    let map = service.current();
    map.rank_of_addrs(addrs).and_then(|rank| map.name_of(rank)).map(String::from)
}

fn parse_addrs(text: &str, what: &str) -> Result<AddrVec, Refusal> {
    text.parse().map_err(|error| (Errno::EINVAL, format!("{what}: {error}")))
}

fn parse_location(pairs: &[&str]) -> Result<BTreeMap<String, String>, Refusal> {
    let pair = |text: &&str| text.split_once('=').map(|(kind, name)| (kind.to_owned(), name.to_owned()));
    let bad = || (Errno::EINVAL, "a location is made of TYPE=NAME".to_owned());
    pairs.iter().map(pair).collect::<Option<_>>().ok_or_else(bad)
}

fn edit_mon(
    service: &mut MonmapService,
    cx: &Preparing<'_>,
    name: &str,
    edit: impl FnOnce(&mut MonInfo),
) -> Result<Change, Refusal> {
    known(service, name)?;
    let mut info = service.current().mons.get(name).cloned().unwrap_or_default();
    let before = info.clone();
    edit(&mut info);
    if info == before {
        return Ok(Change::None(String::new()));
    }
    service.edit(&cx.around).mons.insert(name.into(), info);
    Ok(Change::Done(String::new()))
}

fn add(
    service: &mut MonmapService,
    cx: &Preparing<'_>,
    name: &str,
    command: &Command,
) -> Result<Change, Refusal> {
    let addrs = parse_addrs(command.arguments.text("addr").unwrap_or_default(), "addr")?;
    let location = parse_location(&command.arguments.texts("location"))?;
    if name.is_empty() {
        return Err((Errno::EINVAL, "a monitor needs a name".into()));
    }
    if let Some(info) = service.current().mons.get(name) {
        let text = format!("mon.{name} already exists at address {}", info.addrs);
        return if info.addrs == addrs { Ok(Change::None(text)) } else { Err((Errno::EEXIST, text)) };
    }
    if let Some(owner) = owner_of(service, &addrs) {
        return Err((Errno::EEXIST, format!("mon.{owner} already exists at address {addrs}")));
    }
    let wall = cx.around.now.wall;
    let map = service.edit(&cx.around);
    let time_added = map.ciphers.is_some().then_some(wall);
    let text = format!("adding mon.{name} at {addrs}");
    let info = MonInfo { crush_location: location, time_added, ..MonInfo::new(name, addrs) };
    map.add(info).map_err(|error| (Errno::EEXIST, error.to_string()))?;
    if service.current_learners().contains_key(name) {
        service.edit_learners().remove(name);
    }
    Ok(Change::Done(text))
}

fn remove(service: &mut MonmapService, cx: &Preparing<'_>, name: &str) -> Result<Change, Refusal> {
    let Some(info) = service.current().mons.get(name) else {
        return Ok(Change::None(format!("mon.{name} does not exist or has already been removed")));
    };
    if service.current().size() == 1 {
        return Err((Errno::EINVAL, format!("error: refusing removal of last monitor mon.{name}")));
    }
    let text = format!(
        "removing mon.{name} at {}, there will be {} monitors",
        info.addrs,
        service.current().size() - 1
    );
    service.edit(&cx.around).remove(name);
    Ok(Change::Done(text))
}

/// Gives every monitor that listens on the default legacy port the default msgr2 port as well.
fn enable_msgr2(service: &mut MonmapService, cx: &Preparing<'_>) -> Change {
    let lacks = |info: &MonInfo| {
        let legacy = info.addrs.0.iter().any(|addr| {
            addr.kind == AddrType::Legacy
                && addr.socket.is_some_and(|s| s.port() == mon_types::addr::PORT_LEGACY)
        });
        legacy && info.addrs.msgr2_socket().is_none()
    };
    let names: Vec<_> =
        service.current().mons.values().filter(|info| lacks(info)).map(|info| info.name.clone()).collect();
    if names.is_empty() {
        return Change::None("all monitors have already enabled msgr2".into());
    }
    let map = service.edit(&cx.around);
    for info in map.mons.values_mut().filter(|info| names.contains(&info.name)) {
        let addrs = &mut info.addrs.0;
        if let Some(socket) = addrs.first().and_then(|addr| addr.socket) {
            addrs.insert(0, EntityAddr::msgr2((socket.ip(), mon_types::addr::PORT_MSGR2).into()));
        }
    }
    Change::Done(format!("enabled msgr2 for {}", names.join(",")))
}

fn feature_set(
    service: &mut MonmapService,
    cx: &Preparing<'_>,
    command: &Command,
) -> Result<Change, Refusal> {
    let name = command.arguments.text("feature_name").unwrap_or_default();
    let ours = cx.around.identity.mon_features;
    let feature = (0..u64::BITS)
        .map(|bit| MonFeatures(1 << bit))
        .find(|feature| ours.contains(*feature) && feature.names().next() == Some(name));
    let Some(feature) = feature else {
        return Err((Errno::ENOENT, format!("unknown feature '{name}'")));
    };
    if !command.arguments.switch("yes_i_really_mean_it") {
        let text = "a feature cannot be unset again: add --yes-i-really-mean-it";
        return Err((Errno::EPERM, text.into()));
    }
    if service.current().persistent_features.contains(feature) {
        return Ok(Change::None(format!("feature '{feature}' already set on monmap")));
    }
    if !cx.around.quorum.is_some_and(|quorum| quorum.mon_features.contains(feature)) {
        return Err((Errno::EINVAL, format!("not every member of the quorum has feature '{name}'")));
    }
    let map = service.edit(&cx.around);
    map.persistent_features = map.persistent_features | feature;
    Ok(Change::Done(format!("setting feature '{feature}'")))
}

fn strategy(service: &mut MonmapService, cx: &Preparing<'_>, word: &str) -> Result<Change, Refusal> {
    let strategy = match word {
        "classic" => ElectionStrategy::Classic,
        "disallow" => ElectionStrategy::Disallow,
        "connectivity" => ElectionStrategy::Connectivity,
        _ => {
            return Err((
                Errno::EINVAL,
                format!("'{word}' is no strategy: use classic, disallow or connectivity"),
            ));
        }
    };
    let map = service.current();
    if map.strategy == strategy {
        return Ok(Change::None(format!("You are already in {word} election strategy")));
    }
    if map.stretch_mode && strategy != ElectionStrategy::Connectivity {
        return Err((Errno::EINVAL, "stretch mode needs the connectivity strategy".into()));
    }
    let map = service.edit(&cx.around);
    map.strategy = strategy;
    if strategy == ElectionStrategy::Classic {
        map.disallowed_leaders.clear();
    }
    Ok(Change::Done(String::new()))
}

fn learner_add(service: &mut MonmapService, name: &str, command: &Command) -> Result<Change, Refusal> {
    let addrs = parse_addrs(command.arguments.text("addr").unwrap_or_default(), "addr")?;
    if service.current().mons.contains_key(name) {
        return Err((Errno::EEXIST, format!("mon.{name} is a voter already")));
    }
    if let Some(owner) = owner_of(service, &addrs) {
        return Err((Errno::EEXIST, format!("mon.{owner} already exists at address {addrs}")));
    }
    let learners = service.current_learners();
    if learners.get(name) == Some(&addrs) {
        return Ok(Change::None(format!("mon.{name} is a learner already")));
    }
    if let Some((other, _)) = learners.iter().find(|(other, at)| *other != name && **at == addrs) {
        return Err((Errno::EEXIST, format!("learner mon.{other} is at {addrs} already")));
    }
    let text = format!("adding learner mon.{name} at {addrs}");
    service.edit_learners().insert(name.into(), addrs);
    Ok(Change::Done(text))
}

/// A learner that lacks more values than this must catch up before it gets a vote; as many as a joining voter may
/// lack (`paxos_max_join_drift`).
const LEARNER_LACKS_MAX: u64 = 10;

/// One voter out, one learner in, at the same rank and in one epoch: there is no moment with a voter more or
/// less.
fn replace(service: &mut MonmapService, cx: &Preparing<'_>, command: &Command) -> Result<Change, Refusal> {
    let voter = command.arguments.text("voter").unwrap_or_default();
    let name = command.arguments.text("learner").unwrap_or_default();
    let current = service.current();
    if !current.mons.contains_key(voter) && current.mons.contains_key(name) {
        return Ok(Change::None(format!("mon.{name} has replaced mon.{voter} already")));
    }
    known(service, voter)?;
    let Some(addrs) = service.current_learners().get(name).cloned() else {
        return Err((Errno::ENOENT, format!("there is no learner mon.{name}: add it and let it sync first")));
    };
    match cx.around.followers.get(name) {
        None => {
            return Err((
                Errno::EBUSY,
                format!("mon.{name} does not follow the quorum yet: start it, then try again"),
            ));
        }
        Some(lacks) if *lacks > LEARNER_LACKS_MAX => {
            let text = format!("mon.{name} lacks {lacks} committed values: let it catch up, then try again");
            return Err((Errno::EBUSY, text));
        }
        Some(_) => {}
    }
    let wall = cx.around.now.wall;
    let map = service.edit(&cx.around);
    let time_added = map.ciphers.is_some().then_some(wall);
    // The learner's name is free among the voters: `learner add` and `add` see to that.
    map.rename(voter, name);
    map.disallowed_leaders.remove(voter);
    map.mons.insert(name.into(), MonInfo { time_added, ..MonInfo::new(name, addrs) });
    service.edit_learners().remove(name);
    Ok(Change::Done(format!("mon.{name} replaces mon.{voter}")))
}
