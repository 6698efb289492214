//! One run from its plan to its verdict.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::fault::Class;
use crate::invariant::Violation;
use crate::plan::Plan;
use crate::process::Process;
use crate::whole::register;
use crate::world::World;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How many events the first phase was to have.
    pub events_planned: u64,
    /// How many events processes had.
    pub events: u64,
    /// How much time passed in the world.
    pub simulated: Duration,
    /// How many operations clients asked for.
    pub operations: usize,
    /// Registers of whose history the search could not tell whether it is linearizable.
    pub undecided: usize,
    /// What went wrong on purpose.
    pub faults: BTreeMap<Class, u64>,
    /// How many faults were drawn.
    pub faults_drawn: u64,
    /// The trace's hash.
    pub hash: u64,
    /// What does not hold, if something does not.
    pub violation: Option<Violation>,
    /// The trace, if it was wanted.
    pub lines: Vec<String>,
}

/// Runs a plan: first with faults, then to rest.
pub fn run<P: Process>(plan: Plan, readable: bool) -> Report {
    let (seed, events_planned) = (plan.seed, plan.events);
    let mut world: World<P> = World::new(plan, readable);
    let undecided = catch_unwind(AssertUnwindSafe(|| live(&mut world))).unwrap_or_else(|_| {
        world.violate("panic", PANIC.take());
        0
    });
    Report {
        seed,
        events_planned,
        events: world.events,
        simulated: world.now,
        operations: world.clients.history.len(),
        undecided,
        faults: world.faults,
        faults_drawn: world.faults_drawn,
        hash: world.trace.hash(),
        violation: world.violation,
        lines: world.trace.lines().to_vec(),
    }
}

/// Returns of how many registers the checker of histories could not tell.
fn live<P: Process>(world: &mut World<P>) -> usize {
    while world.events < world.plan.events && world.violation.is_none() && world.now < LONGEST {
        if !world.step() {
            break;
        }
    }
    if world.violation.is_none() {
        world.settle_down();
    }
    if world.violation.is_some() {
        return 0;
    }
    world.clients.give_up_all();
    let book = world.invariants.book();
    match world.clients.history.check(|key| book.twice.contains(&register(key))) {
        Ok(undecided) => undecided.len(),
        Err((key, found)) => {
            let what = format!("register {} after {} operations: {:?}", key.0, found.explained, found.stuck);
            world.violate("linearizability", what);
            0
        }
    }
}

thread_local! {
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Has panics kept for the report, with their place, instead of printed.
pub fn keep_panics() {
    std::panic::set_hook(Box::new(|info| PANIC.set(info.to_string())));
}

/// A cluster in which nothing happens for so long, in simulated time, has nothing more to show.
const LONGEST: Duration = Duration::from_secs(3600);
