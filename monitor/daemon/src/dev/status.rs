//! The state of a development cluster, as its monitors tell it.

use std::time::{Duration, Instant};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;
use serde_json::Value;

use crate::dev::admin_socket;
use crate::dev::cluster::{Cluster, Member};
use crate::dev::process::{POLL_INTERVAL, running};
use crate::dev::progress::Step;
use crate::exit::{Exit, Failed};

/// What is known of a member.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MemberState {
    pub(crate) name: String,
    /// None: it does not run.
    pub(crate) pid: Option<i32>,
    /// `leader`, `peon`, `probing` ...; `unreachable` when it runs and does not answer.
    pub(crate) state: String,
    pub(crate) rank: Option<i64>,
    pub(crate) quorum: Vec<String>,
    pub(crate) address: String,
    pub(crate) http: String,
    pub(crate) data: String,
}

/// How long a monitor may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// Asks all members.
pub(crate) fn states(cluster: &Cluster) -> Vec<MemberState> {
    std::thread::scope(|scope| {
        // At the same time: stopped ones take all of the patience.
        let asked: Vec<_> =
            cluster.members.iter().map(|member| scope.spawn(move || state_of(cluster, member))).collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

/// Asks one member.
pub(crate) fn state_of(cluster: &Cluster, member: &Member) -> MemberState {
    let pid = running(cluster, member).map(|pid| pid.as_raw_nonzero().get());
    let answer =
        pid.and_then(|_| admin_socket::ask(&cluster.admin_socket(member), "mon_status", PATIENCE).ok());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let state = match (&answer, pid) {
        (Some(answer), _) => text(&answer["state"]),
        (None, Some(_)) => "unreachable".into(),
        (None, None) => "stopped".into(),
    };
    let answer = answer.unwrap_or_default();
    MemberState {
        name: member.name.clone(),
        pid,
        state,
        rank: answer["rank"].as_i64().filter(|rank| *rank >= 0),
        quorum: quorum_names(&answer),
        address: format!("v2:{}", member.socket()),
        http: format!("http://{}", member.http()),
        data: cluster.data(member).display().to_string(),
    }
}

/// `mon_status` gives the quorum as ranks, and the names in the monmap.
fn quorum_names(answer: &Value) -> Vec<String> {
    let ranks = answer["quorum"].as_array().into_iter().flatten().filter_map(Value::as_i64);
    let mons = answer["monmap"]["mons"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name_of = |rank: i64| mons.iter().find(|mon| mon["rank"].as_i64() == Some(rank))?["name"].as_str();
    ranks.map(|rank| name_of(rank).map_or_else(|| format!("rank {rank}"), str::to_owned)).collect()
}

/// The largest quorum that anybody in it tells of.
fn quorum(states: &[MemberState]) -> &[String] {
    let told = states.iter().filter(|state| state.quorum.contains(&state.name));
    told.map(|state| state.quorum.as_slice()).max_by_key(|quorum| quorum.len()).unwrap_or_default()
}

/// Prints the state; without a quorum the exit code tells.
pub(crate) fn print(cluster: &Cluster, json: bool) -> Exit {
    let states = states(cluster);
    let quorum = quorum(&states);
    let exit = if quorum.is_empty() { Exit::Failure } else { Exit::Success };
    if json {
        let conf = cluster.conf();
        println!(
            "{:#}",
            serde_json::json!({ "fsid": cluster.fsid, "conf": conf, "quorum": quorum, "mons": states })
        );
        return exit;
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["mon", "state", "rank", "pid", "address", "http"]);
    for state in &states {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".into());
        table.add_row([
            state.name.clone(),
            state.state.clone(),
            or_dash(state.rank.map(|rank| rank.to_string())),
            or_dash(state.pid.map(|pid| pid.to_string())),
            state.address.clone(),
            state.http.clone(),
        ]);
    }
    println!("{table}");
    match quorum {
        [] => println!("\nno quorum"),
        names => println!("\nquorum: {}", names.join(", ")),
    }
    exit
}

/// Waits until the condition holds for what the members tell; fails when a member ends or time is up.
pub(crate) fn wait(
    cluster: &Cluster,
    what: &str,
    patience: Duration,
    mut holds: impl FnMut(&[MemberState]) -> bool,
) -> Result<Vec<MemberState>, Failed> {
    let step = Step::start(what);
    let start = Instant::now();
    loop {
        let states = states(cluster);
        if holds(&states) {
            step.done(&format!("done in {:.1} s", start.elapsed().as_secs_f64()));
            return Ok(states);
        }
        let shown: Vec<String> =
            states.iter().map(|state| format!("{} {}", state.name, state.state)).collect();
        if let Some(ended) = states.iter().find(|state| state.pid.is_none()) {
            drop(step);
            return Err(why_ended(cluster, &ended.name));
        }
        if start.elapsed() >= patience {
            drop(step);
            let message = format!("{what}: not within {} s ({})", patience.as_secs(), shown.join(", "));
            return Err(Failed::new(Exit::Failure, format!("{message}; see {}", cluster.logs().display())));
        }
        step.update(&shown.join(", "));
        std::thread::sleep(POLL_INTERVAL); // allowed: polls another process, with a deadline
    }
}

/// Whether all members are in one quorum, by the word of each: after a change of the monmap some still tell of the
/// quorum before it.
pub(crate) fn all_in_quorum(states: &[MemberState]) -> bool {
    let is_in = |state: &MemberState| {
        let serves = state.state == "leader" || state.state == "peon";
        serves && state.quorum.contains(&state.name) && state.quorum.len() == states.len()
    };
    states.iter().all(is_in)
}

fn why_ended(cluster: &Cluster, name: &str) -> Failed {
    let said =
        cluster.member(name).ok().and_then(|member| std::fs::read_to_string(cluster.stderr(member)).ok());
    let said = said.unwrap_or_default();
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    let logs = cluster.logs();
    let message = match last.as_slice() {
        [] => format!("mon.{name} ended without a word; see {}", logs.display()),
        lines => format!("mon.{name} ended:\n  {}\nsee {}", lines.join("\n  "), logs.display()),
    };
    Failed::new(Exit::Failure, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, quorum: &[&str]) -> MemberState {
        MemberState {
            name: name.into(),
            pid: Some(1),
            state: "peon".into(),
            rank: None,
            quorum: quorum.iter().map(|name| (*name).to_owned()).collect(),
            address: String::new(),
            http: String::new(),
            data: String::new(),
        }
    }

    #[test]
    fn only_members_of_a_quorum_tell_of_it() {
        let answer = serde_json::json!({"quorum": [0, 2], "monmap": {"mons": [
            {"rank": 0, "name": "a"}, {"rank": 1, "name": "b"}, {"rank": 2, "name": "c"}]}});
        assert_eq!(quorum_names(&answer), ["a", "c"]);
        assert_eq!(quorum_names(&Value::Null), Vec::<String>::new());
        // b was paused and still believes in the old quorum without itself.
        let states = [member("a", &["a", "c"]), member("b", &["a", "c", "d"]), member("c", &["a", "c"])];
        assert_eq!(quorum(&states), ["a", "c"]);
        assert!(!all_in_quorum(&states));
        assert!(all_in_quorum(&[member("a", &["a", "b"]), member("b", &["a", "b"])]));
        // b has just taken a's place: c goes by the new map already, but the quorum is still to be formed.
        let late = MemberState { state: "electing".into(), ..member("b", &[]) };
        assert!(!all_in_quorum(&[late, member("c", &["b", "c"])]));
    }
}
