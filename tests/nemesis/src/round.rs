//! One round: clients at work, a fault, its end, and everything that must hold after it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mon_sim::history::{Action, History, Key, Operation, Outcome, Value};
use moncluster_wait as wait;
use rand::RngExt;
use rand_chacha::ChaCha12Rng;
use serde_json::json;

use crate::cluster::Cluster;
use crate::fault::{self, Class};
use crate::load::{self, KEYS, Load};

/// What a round was like.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    /// The fault's class.
    pub(crate) class: Class,
    /// What happened; none when the fault did not really happen, so that the round counts for nothing.
    pub(crate) fault: Option<String>,
    /// Operations with an answer.
    pub(crate) answered: usize,
    /// Writes whose outcome is unknown.
    pub(crate) unknown: usize,
    /// The longest time without an acknowledged write.
    pub(crate) gap: Duration,
    /// How long it took after the end of the fault until all was whole.
    pub(crate) healed: Duration,
}

/// A round that found something.
#[derive(Debug)]
pub(crate) struct Broken {
    /// What is wrong.
    pub(crate) why: anyhow::Error,
    /// What clients saw, as far as it was collected.
    pub(crate) history: Vec<Operation>,
}

/// What registers of earlier rounds hold for good.
pub(crate) type Finals = BTreeMap<Key, Option<Value>>;

/// Answers that must come before a fault begins, and after it has ended.
const SOME: u64 = 20;
/// How long they may take.
const SERVES: Duration = Duration::from_secs(40);
/// Clients per round.
const CLIENTS: usize = 5;

/// Runs a round on a cluster that is whole.
pub(crate) fn run(
    cluster: &mut Cluster,
    class: Class,
    number: u64,
    finals: &mut Finals,
    rng: &mut ChaCha12Rng,
) -> Result<Outline, Broken> {
    let runtime = cluster.tools.runtime.clone();
    let first_key = number * KEYS;
    let targets = (0..CLIENTS).map(|client| cluster.target(client)).collect();
    let load = Load::start(&runtime, targets, first_key, rng.random());
    let result = disturb(cluster, class, &load, rng);
    let (mut history, begun) = load.finish(&runtime).map_err(|why| Broken { why, history: Vec::new() })?;
    let checked = result.and_then(|(fault, ended)| {
        cluster.wait_until_settled()?;
        let healed = ended.elapsed();
        for member in 0..cluster.members.len() {
            let target = cluster.target(member);
            history.extend(runtime.block_on(load::read_all(target, first_key, CLIENTS + member, begun))?);
        }
        check(&history)?;
        for operation in &history {
            if let Outcome::Held(held) = operation.outcome
                && operation.client >= CLIENTS
            {
                finals.insert(operation.key, held);
            }
        }
        check_finals(cluster, finals)?;
        Ok(Outline {
            class,
            fault,
            answered: history.iter().filter(|operation| operation.outcome != Outcome::Unknown).count(),
            unknown: history.iter().filter(|operation| operation.outcome == Outcome::Unknown).count(),
            gap: longest_gap(&history),
            healed,
        })
    });
    checked.map_err(|why| Broken { why, history })
}

/// The fault from its beginning to its end, with clients served before and after. Returns what happened, and when
/// it had ended.
fn disturb(
    cluster: &mut Cluster,
    class: Class,
    load: &Load,
    rng: &mut ChaCha12Rng,
) -> Result<(Option<String>, Instant)> {
    let served = |what: &str| {
        let before = load.acknowledged();
        wait::until(what, SERVES, || Ok((load.acknowledged() >= before + SOME).then_some(())))
    };
    served("answers before the fault")?;
    let fault = fault::begin(class, cluster, rng).with_context(|| format!("fault {class}"))?;
    let mut what = None;
    if let Some(fault) = fault {
        wait::hold(fault.lasts);
        if fault.served {
            served("answers from the others").with_context(|| format!("while {}", fault.what))?;
        }
        if fault.goes_on(cluster)? {
            what = Some(fault.what.clone());
        }
        fault.heal(cluster).with_context(|| format!("after fault {class}"))?;
    }
    let ended = Instant::now();
    served("answers after the fault")?;
    Ok((what, ended))
}

/// What clients saw must be explained by one copy of each register.
fn check(history: &[Operation]) -> Result<()> {
    let mut all = History::default();
    history.iter().for_each(|operation| all.push(*operation));
    let undecided = all.check(|_| false).map_err(|(key, found)| {
        anyhow::anyhow!(
            "{} is not linearizable: {} operations can be ordered, then nothing explains {:?}",
            load::name(key),
            found.explained,
            found.stuck
        )
    })?;
    ensure!(
        undecided.is_empty(),
        "too many unknown outcomes to tell whether {:?} are linearizable",
        undecided.into_iter().map(load::name).collect::<Vec<_>>()
    );
    Ok(())
}

/// Nobody writes to registers of earlier rounds: what they held last, they hold.
fn check_finals(cluster: &Cluster, finals: &Finals) -> Result<()> {
    let dump = cluster.must(&json!({"prefix": "config-key dump", "key": "nemesis/", "format": "json"}))?;
    let dump: serde_json::Value = serde_json::from_slice(&dump)?;
    for (key, held) in finals {
        let found = dump[load::name(*key)].as_str().and_then(|text| text.parse().ok()).map(Value);
        ensure!(found == *held, "{} held {held:?} and holds {found:?} now", load::name(*key));
    }
    Ok(())
}

fn longest_gap(history: &[Operation]) -> Duration {
    let mut writes: Vec<Duration> = history
        .iter()
        .filter(|operation| operation.action != Action::Read && operation.outcome != Outcome::Unknown)
        .map(|operation| operation.returned)
        .collect();
    writes.sort_unstable();
    writes.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
