//! What the monitors answer over HTTP: as docs/http.md says, as far as the operator asks.

use serde_json::{Value, json};

use crate::World;
use crate::faults::{Fate, Gate};
use crate::object::text;
use crate::quorum::{Quorum, socket};
use crate::world::State;

/// A status and a body.
pub type MonitorAnswer = (u16, Value);

/// Nobody answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreachable;

impl World {
    /// Asks the monitor at a pod's address.
    ///
    /// # Errors
    /// When nobody is there, or the network fails.
    pub async fn ask_monitor(
        &self,
        gate: &Gate,
        pod_ip: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<MonitorAnswer, Unreachable> {
        if gate.is_dead() {
            gate.die().await;
        }
        let fate = gate.monitor_call();
        match fate {
            Fate::DiesBefore => gate.die().await,
            Fate::NotSent | Fate::Refused(_) => return Err(Unreachable),
            Fate::Done | Fate::AnswerLost | Fate::DiesAfter => {}
        }
        let shown = format!("{method} monitor {path}");
        let carry_out = |state: &mut State| {
            if method != "GET" {
                state.calls.push(format!("{shown} {body}"));
            }
            answer(state, pod_ip, method, path, body)
        };
        let answer = match method {
            "GET" => self.change(carry_out),
            _ => self.change_as_operator(&shown, carry_out),
        };
        match fate {
            Fate::DiesAfter => gate.die().await,
            Fate::AnswerLost => Err(Unreachable),
            Fate::Done | Fate::NotSent | Fate::Refused(_) | Fate::DiesBefore => answer,
        }
    }
}

fn answer(
    state: &mut State,
    pod_ip: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<MonitorAnswer, Unreachable> {
    let quorum = &state.quorum;
    let found = quorum.processes.iter().find(|(_, process)| process.address == pod_ip);
    let (pod, process) = found.ok_or(Unreachable)?;
    if state.cut_off.contains(&process.node) || !state.node_is_up(&process.node) {
        return Err(Unreachable);
    }
    let (pod, name) = (pod.clone(), process.name.clone());
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if method == "GET" && parts == ["v1", "status"] {
        return Ok((200, status(quorum, &pod, &name)));
    }
    if state.quorum.view.is_none() || state.quorum.muted.contains_key(&name) {
        return Ok(problem(504, "no answer in time; the monitor may have no quorum"));
    }
    if method == "GET" {
        return Ok(match parts.as_slice() {
            ["v1", "monmap"] => (200, monmap(&state.quorum)),
            ["v1", "members"] => {
                (200, json!({"epoch": state.quorum.epoch, "members": monmap(&state.quorum)["mons"]}))
            }
            ["v1", "learners"] => {
                let shown = state.quorum.learners.iter().map(|(name, address)| {
                    json!({"name": name, "public_addrs": {"addrvec": [{"type": "v2", "addr": address, "nonce": 0}]}})
                });
                (200, shown.collect())
            }
            _ => problem(404, "nothing is there"),
        });
    }
    let mut arguments = body.clone();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.parse::<u64>().map_or_else(|_| json!(value), |number| json!(number));
        crate::object::set(&mut arguments, &[key], value);
    }
    Ok(change(&mut state.quorum, method, &parts, &arguments))
}

/// A change, guarded and remembered as the monitor does it.
fn change(quorum: &mut Quorum, method: &str, parts: &[&str], arguments: &Value) -> MonitorAnswer {
    let id = text(arguments, "/operation_id").to_owned();
    let mut request = arguments.clone();
    if let Some(request) = request.as_object_mut() {
        request.retain(|name, _| !matches!(name.as_str(), "operation_id" | "expected_epoch"));
    }
    let request = format!("{method} {} {request}", parts.join("/"));
    if let Some((first, message)) = quorum.done.get(&id).filter(|_| !id.is_empty()) {
        return match *first == request {
            true => (200, json!({"message": message})),
            false => problem(400, "the operation id was used for another request: choose a new id"),
        };
    }
    if let Some(expected) = arguments.get("expected_epoch").and_then(Value::as_u64)
        && expected != quorum.epoch
    {
        return problem(412, "the monmap has moved on: look again before changing it");
    }
    let answer = match (method, parts) {
        ("POST", ["v1", "members"]) => add(quorum, arguments),
        ("DELETE", ["v1", "members", name]) => remove(quorum, name),
        ("POST", ["v1", "members", voter, "replace"]) => replace(quorum, voter, text(arguments, "/learner")),
        ("POST", ["v1", "learners"]) => add_learner(quorum, arguments),
        ("DELETE", ["v1", "learners", name]) => match quorum.learners.remove(*name) {
            Some(_) => done("removed"),
            None => done("no such learner"),
        },
        ("POST", ["v1", "leader", "step-down"]) => match quorum.step_down() {
            true => done("another leads"),
            false => problem(400, "nobody would be left to lead"),
        },
        _ => problem(404, "nothing is there"),
    };
    let steps_down = parts.last() == Some(&"step-down");
    if answer.0 == 200 && !id.is_empty() && !steps_down {
        quorum.done.insert(id, (request, text(&answer.1, "/message").into()));
    }
    answer
}

fn add(quorum: &mut Quorum, arguments: &Value) -> MonitorAnswer {
    let (name, address) = (text(arguments, "/name"), socket(text(arguments, "/addr")));
    if let Some((_, known)) = quorum.voters.iter().find(|(voter, _)| voter == name) {
        return if *known == address { done("exists already") } else { problem(409, "exists elsewhere") };
    }
    if quorum.voters.iter().any(|(_, known)| *known == address) {
        return problem(409, "that address is another's");
    }
    quorum.learners.remove(name);
    quorum.voters.push((name.into(), address));
    quorum.ever_voted.insert(name.into());
    quorum.epoch += 1;
    done("added")
}

fn remove(quorum: &mut Quorum, name: &str) -> MonitorAnswer {
    if !quorum.is_voter(name) {
        return done("does not exist or has already been removed");
    }
    if quorum.voters.len() == 1 {
        return problem(400, "refusing removal of last monitor");
    }
    quorum.voters.retain(|(voter, _)| voter != name);
    quorum.epoch += 1;
    leave(quorum, name);
    done("removed")
}

fn replace(quorum: &mut Quorum, voter: &str, learner: &str) -> MonitorAnswer {
    if !quorum.is_voter(voter) {
        return if quorum.is_voter(learner) {
            done("replaced already")
        } else {
            problem(404, "no such voter")
        };
    }
    let Some(address) = quorum.learners.get(learner).cloned() else {
        return problem(404, "there is no such learner: add it and let it sync first");
    };
    match quorum.lacks(learner) {
        None => return problem(409, "it does not follow the quorum yet"),
        Some(lacks) if lacks > 10 => return problem(409, "it lacks committed values"),
        Some(_) => {}
    }
    quorum.learners.remove(learner);
    for place in quorum.voters.iter_mut().filter(|(name, _)| name == voter) {
        *place = (learner.into(), address.clone());
    }
    quorum.ever_voted.insert(learner.into());
    quorum.epoch += 1;
    leave(quorum, voter);
    done("replaced")
}

/// A leader that leaves hands over.
fn leave(quorum: &mut Quorum, name: &str) {
    if quorum.view.as_ref().is_some_and(|view| view.leader == name) {
        quorum.step_down();
    }
    if let Some(view) = &mut quorum.view {
        view.members.remove(name);
    }
}

fn add_learner(quorum: &mut Quorum, arguments: &Value) -> MonitorAnswer {
    let (name, address) = (text(arguments, "/name"), socket(text(arguments, "/addr")));
    if quorum.is_voter(name) {
        return problem(409, "a voter already");
    }
    if quorum.voters.iter().any(|(_, known)| *known == address) {
        return problem(409, "that address is another's");
    }
    quorum.learners.insert(name.into(), address);
    done("added")
}

fn done(message: &str) -> MonitorAnswer {
    (200, json!({"message": message}))
}

fn problem(status: u16, detail: &str) -> MonitorAnswer {
    (status, json!({"status": status, "title": "problem", "detail": detail}))
}

fn monmap(quorum: &Quorum) -> Value {
    let mons: Vec<_> = quorum
        .voters
        .iter()
        .enumerate()
        .map(|(rank, (name, address))| {
            let (ip, port) = address.rsplit_once(':').unwrap_or((address, "3300"));
            json!({
                "rank": rank, "name": name, "addr": format!("{ip}:{port}/0"),
                "public_addr": format!("{ip}:{port}/0"),
                "public_addrs": {"addrvec": [{"type": "v2", "addr": address, "nonce": 0}]},
            })
        })
        .collect();
    json!({"epoch": quorum.epoch, "fsid": quorum.fsid, "mons": mons})
}

fn status(quorum: &Quorum, pod: &str, name: &str) -> Value {
    let process = &quorum.processes[pod];
    let disk = quorum.disks.get(&process.claim).cloned().unwrap_or_default();
    let is_in = quorum.is_in_quorum(name, pod);
    // One that hears nobody knows no leader.
    let view = quorum.view.as_ref().filter(|_| !quorum.muted.contains_key(name));
    let leads = is_in && view.is_some_and(|view| view.leader == name);
    let follows = view.is_some()
        && quorum.learners.contains_key(name)
        && quorum.lacks(name).is_some_and(|lacks| lacks <= 1);
    let state = match view {
        _ if leads => "leader",
        Some(_) if is_in => "peon",
        Some(_) if follows => "learner",
        Some(_) => "synchronizing",
        None if quorum.is_voter(name) => "electing",
        None => "probing",
    };
    let names: Vec<&String> = view.iter().flat_map(|view| view.members.keys()).collect();
    let members: Vec<Value> = quorum
        .voters
        .iter()
        .enumerate()
        .map(|(rank, (voter, address))| {
            json!({
                "name": voter, "rank": rank, "addrs": format!("v2:{address}/0"),
                "in_quorum": names.contains(&voter),
            })
        })
        .chain(quorum.learners.iter().map(|(learner, address)| {
            let mut view = json!({"name": learner, "addrs": format!("v2:{address}/0"), "in_quorum": false});
            if let Some(lacks) = quorum.lacks(learner).filter(|_| leads) {
                crate::object::set(&mut view, &["behind"], lacks);
            }
            view
        }))
        .collect();
    let rank = quorum.voters.iter().position(|(voter, _)| voter == name);
    let mut shown = json!({
        "name": name, "fsid": disk.fsid, "release": 20, "version": "0.1.0", "state": state, "ready": is_in,
        "quorum": {
            "names": names, "election_epoch": quorum.election, "monmap_epoch": quorum.epoch, "members": members,
        },
        "paxos": {"first_committed": 1, "last_committed": disk.version},
        "health": {"status": "HEALTH_OK", "checks": {}},
        "sessions": 0,
        "disk": {"bytes_total": 10_000_000_000_u64, "bytes_available": 9_000_000_000_u64, "bytes_store": 1_000_000},
    });
    if let Some(rank) = rank {
        crate::object::set(&mut shown, &["rank"], rank);
    }
    if let Some(view) = view {
        crate::object::set(&mut shown, &["quorum", "leader"], view.leader.as_str());
    }
    if state == "synchronizing" {
        let bytes = disk.version * 100;
        crate::object::set(
            &mut shown,
            &["sync"],
            json!({"full": true, "keys": 1, "bytes": bytes, "provider": "a"}),
        );
    }
    shown
}
