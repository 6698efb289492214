//! Running an operator in a simulated cluster, letting it die, and starting the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use moncluster_controller::clock::Clock;
use moncluster_controller::metrics::Metrics;
use moncluster_controller::monitors::{Answer, AskError, Asked, Endpoint, Monitors, Request};
use moncluster_controller::operator::{self, Config};
use moncluster_memapi::{Crash, Faults, Gate, Random, Snapshot, World};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::scenario::{Scenario, is_settled};

pub(crate) const NAMESPACE: &str = "ceph";
pub(crate) const CLUSTER: &str = "test";

/// How a scenario begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    Nothing,
    One,
    Three,
    Five,
    Kept,
}

/// A run to come.
pub(crate) struct Run<'a> {
    scenario: &'a Scenario,
    seed: u64,
    faults: Faults,
    /// Where the first operators die, one after the other.
    crashes: Vec<Crash>,
}

/// What came of it.
pub(crate) struct Outcome {
    scenario: &'static str,
    pub(crate) calls: u64,
    failure: Option<String>,
    violations: Vec<String>,
    pub(crate) log: Vec<String>,
}

/// After this nothing goes wrong any more.
const TROUBLE: Duration = Duration::from_secs(90);
/// Within this, all must be well.
const PATIENCE: Duration = Duration::from_secs(2400);
/// For so long it must stay so.
const STABLE: Duration = Duration::from_secs(8);

impl<'a> Run<'a> {
    pub(crate) fn undisturbed(scenario: &'a Scenario) -> Self {
        Self { scenario, seed: 0, faults: Faults::default(), crashes: Vec::new() }
    }

    pub(crate) fn dying(scenario: &'a Scenario, crash: Crash) -> Self {
        Self { seed: crash.call, crashes: vec![crash], ..Self::undisturbed(scenario) }
    }

    pub(crate) fn disturbed(scenario: &'a Scenario, seed: u64, calls: u64) -> Self {
        let mut random = Random::new(seed.wrapping_mul(0x1234_5678_9abc_def1));
        let faults = Faults {
            errors: random.below(12),
            lost_answers: random.below(8),
            watch_delay_max: Duration::from_millis(1 + random.below(6000)),
            duplicates: random.below(20),
            gaps: random.below(10),
            monitor_errors: random.below(20),
        };
        let side = |number: u64| {
            if number == 0 { moncluster_memapi::Side::Before } else { moncluster_memapi::Side::After }
        };
        let crashes = (0..random.below(4))
            .map(|_| Crash { call: random.below(calls.max(1)), side: side(random.below(2)) })
            .collect();
        Self { scenario, seed, faults, crashes }
    }

    pub(crate) fn go(&self, start: &Snapshot) -> Outcome {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(self.run(start))
    }

    async fn run(&self, start: &Snapshot) -> Outcome {
        let world = World::restore(start);
        let life = tokio::spawn(world.clone().run());
        let mut random = Random::new(self.seed ^ 0x5eed);
        let began = Instant::now();
        let mut calls = 0;
        let mut crashes = self.crashes.iter();
        let mut failure = None;
        let scenario = self.scenario;
        let user = async {
            sleep(Duration::from_secs(1)).await;
            (scenario.act)(world.clone()).await;
            let mut well_since = None;
            loop {
                sleep(Duration::from_secs(2)).await;
                match (scenario.done)(&world) {
                    Ok(()) => {
                        let since = *well_since.get_or_insert_with(Instant::now);
                        if since.elapsed() >= STABLE {
                            return None;
                        }
                    }
                    Err(why) => {
                        well_since = None;
                        if began.elapsed() > PATIENCE {
                            let object = world.get("monclusters", NAMESPACE, CLUSTER).unwrap_or_default();
                            let (annotations, status) =
                                (&object["metadata"]["annotations"], &object["status"]);
                            return Some(format!("{why}\nannotations {annotations}\nstatus {status}"));
                        }
                    }
                }
            }
        };
        tokio::pin!(user);
        loop {
            let crash = crashes.next().copied();
            let faults = if began.elapsed() < TROUBLE { self.faults } else { Faults::default() };
            let gate = world.gate(random.draw(), faults, crash);
            let heal = async {
                sleep(TROUBLE.saturating_sub(began.elapsed())).await;
                gate.heal();
                std::future::pending::<()>().await;
            };
            tokio::select! {
                biased;
                result = &mut user => {
                    calls += gate.calls();
                    failure = failure.or(result);
                    break;
                }
                () = gate.died() => {}
                () = operate(&world, &gate) => {}
                () = heal => {}
            }
            calls += gate.calls();
            let pause = sleep(Duration::from_millis(random.below(8000)));
            tokio::select! {
                biased;
                result = &mut user => {
                    failure = failure.or(result);
                    break;
                }
                () = pause => {}
            }
        }
        life.abort();
        Outcome {
            scenario: scenario.name,
            calls,
            failure,
            violations: world.violations(),
            log: world.calls(),
        }
    }
}

impl Outcome {
    #[track_caller]
    pub(crate) fn check(&self, which: &str) {
        let Self { scenario, failure, violations, log, .. } = self;
        if failure.is_none() && violations.is_empty() {
            return;
        }
        let last = log.iter().rev().take(40).rev().cloned().collect::<Vec<_>>().join("\n  ");
        panic!(
            "{scenario} {which}: not converged: {failure:?}; broken: {violations:#?}\nlast calls:\n  {last}\n\
             again: CRASH_RUN='{which}' cargo test -p moncluster-operator --test crash_points {scenario} -- --exact --nocapture"
        );
    }
}

/// One operator, until it dies or loses its lease.
async fn operate(world: &World, gate: &Gate) {
    let clock = Clock::simulated(world.now());
    let monitors = Arc::new(Simulated { world: world.clone(), gate: gate.clone() });
    let config = Config {
        namespaces: Vec::new(),
        lease_namespace: "operator".into(),
        lease: "moncluster-operator".into(),
        identity: "operator-0".into(),
        image: "moncluster:test".into(),
    };
    let metrics = Arc::new(Metrics::new(clock));
    operator::run(world.faulty_client(gate), monitors, clock, config, metrics, std::future::pending()).await;
}

struct Simulated {
    world: World,
    gate: Gate,
}

impl Monitors for Simulated {
    fn ask<'a>(&'a self, at: &'a Endpoint, request: &'a Request) -> Asked<'a> {
        Box::pin(async move {
            let body = request.body.clone().unwrap_or(Value::Null);
            let ip = at.ip.to_string();
            let answer =
                self.world.ask_monitor(&self.gate, &ip, request.method.as_str(), &request.path, &body).await;
            match answer {
                Ok((status, body)) => Ok(Answer { status, body }),
                Err(_) => Err(AskError::Failed("connection refused".into())),
            }
        })
    }
}

/// The cluster that a scenario begins with; made once.
pub(crate) fn start(from: Origin) -> Arc<Snapshot> {
    static MADE: OnceLock<Mutex<BTreeMap<Origin, Arc<Snapshot>>>> = OnceLock::new();
    let mut made = MADE.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    made.entry(from).or_insert_with(|| Arc::new(make(from))).clone()
}

fn make(from: Origin) -> Snapshot {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let world = World::new();
        for number in 1..=6 {
            world.add_node(&format!("node-{number}"));
        }
        let replicas = match from {
            Origin::Nothing => return world.snapshot(),
            Origin::One => 1,
            Origin::Three | Origin::Kept => 3,
            Origin::Five => 5,
        };
        world.put("monclusters", NAMESPACE, CLUSTER, cluster(replicas));
        let life = tokio::spawn(world.clone().run());
        let gate = world.gate(0, Faults::default(), None);
        let settled = async {
            let began = Instant::now();
            loop {
                sleep(Duration::from_secs(1)).await;
                match is_settled(&world, replicas) {
                    Ok(()) => break,
                    Err(why) => assert!(
                        began.elapsed() < PATIENCE,
                        "no start with {replicas}: {why}\n{:#?}\n{:#}",
                        world.calls(),
                        world.get("monclusters", NAMESPACE, CLUSTER).unwrap_or_default()["status"]
                    ),
                }
            }
            sleep(STABLE).await;
            if from == Origin::Kept {
                world.delete("monclusters", NAMESPACE, CLUSTER);
                while world.get("monclusters", NAMESPACE, CLUSTER).is_some()
                    || !world.list("pods", NAMESPACE).is_empty()
                {
                    sleep(Duration::from_secs(1)).await;
                    assert!(began.elapsed() < PATIENCE, "not deleted");
                }
            }
        };
        tokio::select! {
            biased;
            () = settled => {}
            () = operate(&world, &gate) => panic!("the operator ended"),
        }
        life.abort();
        assert_eq!(world.violations(), Vec::<String>::new());
        world.snapshot()
    })
}

/// A spec whose deadlines a test can wait for.
pub(crate) fn cluster(replicas: u32) -> Value {
    json!({"metadata": {}, "spec": {
        "replicas": replicas,
        "healing": {"replaceAfter": {"nodeUnreachable": "1m", "podFailing": "2m", "drained": "5m"}},
        "update": {"minInQuorum": "5s"},
    }})
}
