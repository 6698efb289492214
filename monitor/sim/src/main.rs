//! The simulator's command line; `cargo xtask sim` is how it is meant to be called.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
#[cfg(feature = "planted-bugs")]
use mon_core::bug::Bug;
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
    /// What runs: the consensus alone (the default), the whole monitor with sessions of clients (`monitor`), or one of
    /// both over real frames (`wire`). `bugs` looks for all bugs when none is given, or for those of a mode.
    #[arg(long, global = true)]
    mode: Option<Mode>,
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

impl Arguments {
    fn mode(&self) -> Mode {
        self.mode.unwrap_or(Mode::Consensus)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Violations that are panics are part of the report.
    keep_panics();
    #[cfg(feature = "planted-bugs")]
    if !plant_named(&arguments) {
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

/// Switches on what `--bug` names; says whether that makes sense.
#[cfg(feature = "planted-bugs")]
fn plant_named(arguments: &Arguments) -> bool {
    let Some(name) = &arguments.bug else { return true };
    let Some(bug) = Bug::ALL.iter().find(|bug| format!("{bug:?}") == *name) else {
        eprintln!("there is no planted bug of that name; `mon-sim bugs` lists them");
        return false;
    };
    match (&arguments.command, arguments.seed) {
        (Some(Command::Bugs), None) => true,
        (None, Some(_)) => {
            plant(Some(*bug));
            true
        }
        _ => {
            eprintln!("--bug goes with --seed, to see one run with it, or with `bugs`, to look for it alone");
            false
        }
    }
}

/// Switches one bug on in this thread and all others off.
#[cfg(feature = "planted-bugs")]
fn plant(bug: Option<Bug>) {
    mon_core::bug::plant(bug);
    mon_wire::bug::plant_replays(bug == Some(Bug::FramesReplayedTwice));
}

fn hashes(arguments: &Arguments) -> ExitCode {
    let mode = arguments.mode();
    for seed in arguments.from..arguments.from + arguments.seeds {
        let report = mode.run(mode.plan(seed, arguments.events), false);
        println!("{seed} {:016x}", report.hash);
    }
    ExitCode::SUCCESS
}

fn replay(arguments: &Arguments, seed: u64) -> ExitCode {
    let mode = arguments.mode();
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
            if report.undecided > 0 {
                println!("no verdict: {}", undecided(report.undecided));
                return ExitCode::from(2);
            }
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("seed {} after {} events: {violation}", report.seed, report.events);
            let mode = mode.word();
            let (seed, events) = (report.seed, report.events_planned);
            println!("replay: cargo xtask sim --mode {mode} --seed {seed} --events {events} --minimize");
            ExitCode::FAILURE
        }
    }
}

/// One run in so many may leave a history that the checker cannot decide; the other invariants hold for it all the same.
const UNDECIDED_ONE_IN: u64 = 50;

fn undecided(registers: usize) -> String {
    format!(
        "too many unknown outcomes to tell whether the histories of {registers} registers are linearizable"
    )
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
    /// Registers, with the seed of their run, whose history the checker could not decide.
    undecided: BTreeMap<u64, usize>,
}

/// What can be switched on.
#[cfg(feature = "planted-bugs")]
type Planted = Bug;
#[cfg(not(feature = "planted-bugs"))]
type Planted = std::convert::Infallible;

/// Runs seeds on several threads; each run by itself is in one. Stops early at `failures` failures.
fn run_many(
    arguments: &Arguments,
    mode: Mode,
    seeds: std::ops::Range<u64>,
    failures: usize,
    bug: Option<Planted>,
) -> Sum {
    let next = AtomicU64::new(seeds.start);
    let sum = Mutex::new(Sum::default());
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                #[cfg(feature = "planted-bugs")]
                plant(bug);
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
                    if bug.is_some() && report.violation.is_some() {
                        // Only what holds without the bug speaks of the bug.
                        plant(None);
                        if mode.run(plan, false).violation.is_some() {
                            report.violation = None;
                        }
                        plant(bug);
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
                    if report.undecided > 0 {
                        sum.undecided.insert(seed, report.undecided);
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
    let sum = run_many(arguments, arguments.mode(), seeds, 20, None);
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
        tell(report, arguments.mode());
    }
    if !sum.failed.is_empty() {
        return ExitCode::FAILURE;
    }
    if !sum.undecided.is_empty() {
        let seeds: Vec<&u64> = sum.undecided.keys().collect();
        println!("{} (seeds {seeds:?})", undecided(sum.undecided.values().sum()));
        if sum.undecided.len() as u64 * UNDECIDED_ONE_IN > sum.runs {
            println!("no verdict: these are too many");
            return ExitCode::from(2);
        }
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
    println!("{:<28} {:<9} {:>6}  found by", "bug", "mode", "seeds");
    for bug in Bug::ALL {
        let mode = match () {
            () if bug.needs_frames() => Mode::Wire,
            () if bug.needs_services() => Mode::Monitor,
            () => Mode::Consensus,
        };
        let name = format!("{bug:?}");
        let named = arguments.bug.as_ref().is_none_or(|wanted| *wanted == name);
        if !named || arguments.mode.is_some_and(|wanted| wanted != mode) {
            continue;
        }
        // What is broken in the services shows soon, or with another seed.
        let arguments =
            &Arguments { events: arguments.events.min(mode.events_per_bug()), ..arguments.clone() };
        let sum = run_many(arguments, mode, 0..arguments.seeds.max(2000), 1, Some(*bug));
        let found = sum.failed.first().and_then(|report| report.violation.as_ref());
        missed += u32::from(found.is_none());
        let by = found.map_or("NOT FOUND", |violation| violation.invariant);
        println!("{name:<28} {:<9} {:>6}  {by}", mode.word(), sum.runs);
    }
    if missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
