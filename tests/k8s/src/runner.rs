//! Runs scenarios one after the other and prints a line for each, in the form of the standard test harness.

use std::time::Instant;

use anyhow::Result;

use crate::scenario::{self, Scenario};
use crate::world::World;

/// Runs what matches; true when nothing failed.
pub(crate) fn run(world: &World, filter: &str) -> bool {
    let mut failures = Vec::new();
    for scenario in chosen(filter) {
        if let Some(reason) = obstacle(world, scenario) {
            println!("test {} ... skipped: {reason}", scenario.name);
            continue;
        }
        println!("--> {}", scenario.name);
        let start = Instant::now();
        let result = (scenario.run)(world);
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("test {} ... ok ({seconds:.0} s)", scenario.name),
            Err(error) => {
                println!("test {} ... FAILED ({seconds:.0} s)\n    {error:#}", scenario.name);
                failures.push((scenario.name, format!("{error:#}")));
            }
        }
    }
    world.timings.print();
    for (name, error) in &failures {
        println!("---- {name}\n{}\n", error.lines().next().unwrap_or_default());
    }
    failures.is_empty()
}

/// Those whose name contains one of the words, which are separated by commas.
fn chosen(filter: &str) -> impl Iterator<Item = &'static Scenario> {
    scenario::ALL.iter().filter(move |scenario| filter.split(',').any(|word| scenario.name.contains(word)))
}

/// Why a scenario cannot run here.
fn obstacle(world: &World, scenario: &Scenario) -> Option<String> {
    if world.kube.lab().is_none() && scenario.needs_nodes {
        return Some("it needs nodes of our own: unset KUBECONFIG".to_owned());
    }
    let ceph = world.stock.join("usr/bin/ceph");
    (scenario.needs_stock && !ceph.exists()).then(|| "no stock Ceph here (cargo xtask stock 18)".to_owned())
}

/// Why nothing can run here, in a line that the caller counts.
pub(crate) fn skip_all(reason: &str, filter: &str) {
    for scenario in chosen(filter) {
        println!("test {} ... skipped: {reason}", scenario.name);
    }
}

/// What a scenario does.
pub(crate) type Run = fn(&World) -> Result<()>;
