//! The simulator's command line; `cargo xtask sim` is how it is meant to be called.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use mon_sim::fault::Class;
use mon_sim::mode::Mode;
use mon_sim::run::{Report, keep_panics};

#[derive(Clone, Parser)]
#[command(name = "mon-sim", about = "Whole clusters of the monitor's core in one thread, from one seed")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many seeds to run.
    #[arg(long, global = true, default_value_t = 500)]
    seeds: u64,
    /// The first of them.
    #[arg(long, global = true, default_value_t = 0)]
    from: u64,
    /// Run this seed alone, with a readable trace.
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// How many events each run has before it is brought to rest.
    #[arg(long, global = true, default_value_t = 20_000)]
    events: u64,
    /// What runs: the consensus alone, or the whole monitor with sessions of clients.
    #[arg(long, global = true, default_value = "consensus")]
    mode: Mode,
    /// Shrink the faults of a failing run.
    #[arg(long, global = true)]
    minimize: bool,
    /// How many lines of a trace to print, from its end.
    #[arg(long, global = true, default_value_t = 400)]
    lines: usize,
    /// How many runs at once; all cores when none is given.
    #[arg(long, global = true)]
    jobs: Option<usize>,
    /// Break the core on purpose, by a name that `bugs` shows.
    #[cfg(feature = "planted-bugs")]
    #[arg(long, global = true)]
    bug: Option<String>,
}

#[derive(Clone, Subcommand)]
enum Command {
    /// Switch each planted bug on by itself and see that it is found.
    #[cfg(feature = "planted-bugs")]
    Bugs,
    /// Print the trace's hash of each seed, for comparing two processes.
    Hashes,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Violations that are panics are part of the report.
    keep_panics();
    #[cfg(feature = "planted-bugs")]
    if !plant(arguments.bug.as_deref()) {
        return ExitCode::FAILURE;
    }
    match (&arguments.command, arguments.seed) {
        #[cfg(feature = "planted-bugs")]
        (Some(Command::Bugs), _) => bugs(&arguments),
        (Some(Command::Hashes), _) => hashes(&arguments),
        (None, Some(seed)) => replay(&arguments, seed),
        (None, None) => swarm(&arguments),
    }
}

#[cfg(feature = "planted-bugs")]
fn plant(name: Option<&str>) -> bool {
    let Some(name) = name else { return true };
    let known = mon_core::bug::Bug::ALL.iter().find(|bug| format!("{bug:?}") == name);
    match known {
        Some(bug) => mon_core::bug::plant(Some(*bug)),
        None => eprintln!("there is no planted bug of that name; `mon-sim bugs` lists them"),
    }
    known.is_some()
}

fn hashes(arguments: &Arguments) -> ExitCode {
    for seed in arguments.from..arguments.from + arguments.seeds {
        let report = arguments.mode.run(arguments.mode.plan(seed, arguments.events), false);
        println!("{seed} {:016x}", report.hash);
    }
    ExitCode::SUCCESS
}

fn replay(arguments: &Arguments, seed: u64) -> ExitCode {
    let mode = arguments.mode;
    let mut plan = mode.plan(seed, arguments.events);
    let mut report = mode.run(plan.clone(), true);
    if arguments.minimize && report.violation.is_some() {
        let (small, _) = mode.minimize(&plan, &report);
        plan = small;
        report = mode.run(plan.clone(), true);
        let left = (0..report.faults_drawn).filter(|fault| !plan.skipped.contains(fault)).count();
        println!("{left} of {} faults are needed", report.faults_drawn);
    }
    for line in report.lines.iter().rev().take(arguments.lines).collect::<Vec<_>>().into_iter().rev() {
        println!("{line}");
    }
    println!(
        "{} voters, {} spares, {:?}, {:?}, {:?}",
        plan.voters, plan.spares, plan.strategy, plan.weather, plan.menu
    );
    tell(&report, mode)
}

fn tell(report: &Report, mode: Mode) -> ExitCode {
    match &report.violation {
        None => {
            println!(
                "seed {}: {} events, {:.1} simulated seconds, {} operations, hash {:016x}: all holds",
                report.seed,
                report.events,
                report.simulated.as_secs_f64(),
                report.operations,
                report.hash
            );
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("seed {} after {} events: {violation}", report.seed, report.events);
            let mode = mode.word();
            println!("replay: cargo xtask sim --mode {mode} --seed {} --minimize", report.seed);
            ExitCode::FAILURE
        }
    }
}

/// What many runs came to.
#[derive(Default)]
struct Sum {
    runs: u64,
    events: u64,
    operations: usize,
    simulated: Duration,
    faults: BTreeMap<Class, u64>,
    failed: Vec<Report>,
}

/// Runs seeds on several threads; each run by itself is in one. Stops early at `failures` failures.
fn run_many(
    arguments: &Arguments,
    mode: Mode,
    seeds: std::ops::Range<u64>,
    failures: usize,
    bug: Option<u32>,
) -> Sum {
    let next = AtomicU64::new(seeds.start);
    let sum = Mutex::new(Sum::default());
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                #[cfg(feature = "planted-bugs")]
                if let Some(bug) = bug {
                    mon_core::bug::plant(Some(mon_core::bug::Bug::ALL[bug as usize]));
                }
                #[cfg(not(feature = "planted-bugs"))]
                let _none = bug;
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let plan = mode.plan(seed, arguments.events);
                    #[cfg_attr(not(feature = "planted-bugs"), allow(unused_mut))]
                    let mut report = mode.run(plan.clone(), false);
                    #[cfg(feature = "planted-bugs")]
                    if let Some(bug) = bug.filter(|_| report.violation.is_some()) {
                        // Only what holds without the bug speaks of the bug.
                        mon_core::bug::plant(None);
                        if mode.run(plan, false).violation.is_some() {
                            report.violation = None;
                        }
                        mon_core::bug::plant(Some(mon_core::bug::Bug::ALL[bug as usize]));
                    }
                    // A panic outside of a run leaves nothing half done in the sum.
                    let mut sum = sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    sum.runs += 1;
                    sum.events += report.events;
                    sum.operations += report.operations;
                    sum.simulated += report.simulated;
                    for (class, count) in &report.faults {
                        *sum.faults.entry(*class).or_default() += count;
                    }
                    if report.violation.is_some() {
                        sum.failed.push(report);
                        if sum.failed.len() >= failures {
                            next.store(seeds.end, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let mut sum = sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    sum.failed.sort_by_key(|report| report.seed);
    sum
}

fn swarm(arguments: &Arguments) -> ExitCode {
    let begun = Instant::now();
    let seeds = arguments.from..arguments.from + arguments.seeds;
    let sum = run_many(arguments, arguments.mode, seeds, 20, None);
    let took = begun.elapsed().as_secs_f64();
    println!(
        "{} runs, {} events, {} operations in {took:.1} s: {:.0} events/s, {:.0} simulated seconds per second",
        sum.runs,
        sum.events,
        sum.operations,
        sum.events as f64 / took,
        sum.simulated.as_secs_f64() / took
    );
    let mut missing = Vec::new();
    for class in Class::ALL {
        let count = sum.faults.get(&class).copied().unwrap_or(0);
        println!("  {class:<12?} {count}");
        if count == 0 {
            missing.push(class);
        }
    }
    for report in &sum.failed {
        tell(report, arguments.mode);
    }
    if !sum.failed.is_empty() {
        return ExitCode::FAILURE;
    }
    if !missing.is_empty() && arguments.seeds >= 200 {
        println!("no verdict: these faults never happened: {missing:?}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

#[cfg(feature = "planted-bugs")]
fn bugs(arguments: &Arguments) -> ExitCode {
    let mut missed = 0;
    println!("{:<28} {:>6}  found by", "bug", "seeds");
    for (index, bug) in mon_core::bug::Bug::ALL.iter().enumerate() {
        let named = arguments.bug.as_ref().map(|name| *name == format!("{bug:?}"));
        let rare = bug.is_rare() && arguments.mode != Mode::Monitor;
        if rare && named.is_none() {
            println!("{:<28} {:>6}  rare: `bugs --mode monitor` looks for it", format!("{bug:?}"), "-");
        }
        if !named.unwrap_or(!rare && (bug.needs_services() || arguments.mode == Mode::Consensus)) {
            continue;
        }
        let mode = if bug.needs_services() { Mode::Monitor } else { Mode::Consensus };
        // What is broken in the services shows soon, or with another seed.
        let arguments =
            &Arguments { events: arguments.events.min(mode.events_per_bug()), ..arguments.clone() };
        let sum = run_many(arguments, mode, 0..arguments.seeds.max(2000), 1, Some(index as u32));
        match sum.failed.first().and_then(|report| report.violation.as_ref()) {
            Some(found) => println!("{:<28} {:>6}  {}", format!("{bug:?}"), sum.runs, found.invariant),
            None => {
                missed += 1;
                println!("{:<28} {:>6}  NOT FOUND", format!("{bug:?}"), sum.runs);
            }
        }
    }
    if missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
