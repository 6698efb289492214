//! The model from the command line: how many states, and that none is broken.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
#[cfg(feature = "planted-bugs")]
use mon_core::bug::{self, Bug};
use mon_sim::model::{Budget, Scenario, Search, State, Verdict};

#[derive(Parser)]
#[command(name = "cargo xtask model", about = "The core driven exhaustively: three members, small budgets")]
struct Arguments {
    /// Steps from the start, at most.
    #[arg(long, default_value_t = 400)]
    depth: usize,
    /// States per scenario, at most.
    #[arg(long, default_value_t = 50_000)]
    states: usize,
    /// Only this scenario.
    #[arg(long)]
    scenario: Option<String>,
    /// A planted bug, which must then be found.
    #[cfg(feature = "planted-bugs")]
    #[arg(long)]
    bug: Option<String>,
}

const NONE: Budget = Budget { writes: 0, changes: 0, cuts: 0, resets: 0, timers: 0 };

const SCENARIOS: [(&str, Scenario, Budget); 7] = [
    ("start", Scenario::Start, NONE),
    ("round", Scenario::Rounds, Budget { writes: 2, ..NONE }),
    ("timer", Scenario::Rounds, Budget { writes: 1, timers: 1, ..NONE }),
    ("reset", Scenario::Rounds, Budget { writes: 1, resets: 1, ..NONE }),
    ("power", Scenario::Rounds, Budget { writes: 1, cuts: 1, ..NONE }),
    ("replace", Scenario::Replace, Budget { changes: 2, ..NONE }),
    ("replace-power", Scenario::Replace, Budget { changes: 2, cuts: 1, ..NONE }),
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    #[cfg(feature = "planted-bugs")]
    let bug = match &arguments.bug {
        None => None,
        Some(wanted) => match Bug::ALL.iter().find(|bug| format!("{bug:?}") == *wanted) {
            Some(bug) => Some(*bug),
            None => {
                eprintln!("no planted bug is called {wanted}: see monitor/core/src/bug.rs");
                return ExitCode::FAILURE;
            }
        },
    };
    #[cfg(feature = "planted-bugs")]
    let wanted_broken = bug.is_some();
    #[cfg(not(feature = "planted-bugs"))]
    let wanted_broken = false;
    let mut broken = false;
    let wanted = |name: &str| arguments.scenario.as_deref().is_none_or(|wanted| wanted == name);
    for (name, scenario, budget) in SCENARIOS.into_iter().filter(|(name, ..)| wanted(name)) {
        let start = Instant::now();
        #[cfg(feature = "planted-bugs")]
        bug::plant(None);
        let state = State::new(scenario, budget);
        #[cfg(feature = "planted-bugs")]
        bug::plant(bug);
        let search = Search { depth_max: arguments.depth, states_max: arguments.states };
        let found = search.run(state);
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{name:<13} {:>8} states, {:>9} steps, depth {:>3}, {seconds:>6.1} s: {}",
            found.states,
            found.steps,
            found.depth,
            match &found.verdict {
                Verdict::Complete => "all of them, nothing broken".to_owned(),
                Verdict::Bounded => "nothing broken so far; there are more".to_owned(),
                Verdict::Broken { why, .. } => format!("BROKEN: {why}"),
            }
        );
        if let Verdict::Broken { way, .. } = found.verdict {
            broken = true;
            way.iter().for_each(|step| println!("    {step}"));
        }
    }
    if broken == wanted_broken { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
