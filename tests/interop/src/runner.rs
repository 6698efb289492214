//! Runs cases and prints a line for each, in the form of the standard test harness.
//!
//! Stock monitors mostly wait for their own timeouts: several cases run side by side, and those that measure
//! something run alone after them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;

use crate::stock::Stock;

/// What a case runs with.
#[derive(Debug)]
pub(crate) struct World {
    /// The program under test.
    pub(crate) binary: PathBuf,
    /// The stock release of this run of the case.
    pub(crate) stock: Stock,
    /// The program over the independent Rust client, if it was built.
    pub(crate) rados_client: Option<PathBuf>,
    /// Whether folders are left for a look.
    pub(crate) keep: bool,
}

/// A test that runs once per stock release.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    /// Its name; the release is appended.
    pub(crate) name: &'static str,
    /// Whether nothing else may run beside it.
    pub(crate) alone: bool,
    /// The releases that it runs beside.
    pub(crate) releases: &'static [u8],
    /// What it does.
    pub(crate) run: fn(&World) -> Result<()>,
}

/// Why a case could not run; an error of this type is no failure.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// How many cases run side by side.
const WORKERS: usize = 4;

thread_local! {
    static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A line to show with the case's result.
pub(crate) fn note(text: String) {
    NOTES.with_borrow_mut(|notes| notes.push(text));
}

/// What is run, with what.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// The program under test.
    pub(crate) binary: &'a Path,
    /// The folder of the stock roots.
    pub(crate) stock: &'a Path,
    /// The program over the independent Rust client, if it was built.
    pub(crate) rados_client: Option<&'a Path>,
    /// Only cases whose name contains this.
    pub(crate) filter: &'a str,
}

/// Runs what matches; true when nothing failed.
pub(crate) fn run(cases: &[Case], run: &Run<'_>) -> bool {
    let chosen: Vec<(&Case, u8)> = cases
        .iter()
        .flat_map(|case| case.releases.iter().map(move |release| (case, *release)))
        .filter(|(case, release)| name(case, *release).contains(run.filter))
        .collect();
    let failures = Mutex::new(Vec::new());
    for (workers, alone) in [(WORKERS, false), (1, true)] {
        let queue = Mutex::new(chosen.iter().filter(|(case, _)| case.alone == alone));
        std::thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        // The lock is held for the taking alone; a panic is that of a case, and fails the run.
                        let next = queue.lock().ok().and_then(|mut queue| queue.next());
                        let Some((case, release)) = next else { break };
                        if let Some(failure) = one(case, *release, run)
                            && let Ok(mut failures) = failures.lock()
                        {
                            failures.push(failure);
                        }
                    }
                });
            }
        });
    }
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.iter().for_each(|failure| println!("{failure}"));
    failures.is_empty()
}

fn name(case: &Case, release: u8) -> String {
    format!("{}::{release}", case.name)
}

/// Runs one case beside one release; what there is to say of a failure.
fn one(case: &Case, release: u8, run: &Run<'_>) -> Option<String> {
    let name = name(case, release);
    let world = match Stock::find(run.stock, release) {
        Ok(stock) => World {
            binary: run.binary.to_owned(),
            stock,
            rados_client: run.rados_client.map(Into::into),
            keep: std::env::var_os("KEEP").is_some(),
        },
        Err(reason) => {
            println!("test {name} ... skipped: {reason}");
            return None;
        }
    };
    let start = Instant::now();
    let result = (case.run)(&world);
    let seconds = start.elapsed().as_secs_f64();
    let notes: String =
        NOTES.with_borrow_mut(std::mem::take).iter().map(|note| format!("\n    {note}")).collect();
    match result {
        Ok(()) => println!("test {name} ... ok ({seconds:.1} s){notes}"),
        Err(error) if error.is::<Skip>() => println!("test {name} ... skipped: {error}"),
        Err(error) => {
            println!("test {name} ... FAILED ({seconds:.1} s){notes}\n    {error:#}");
            return Some(format!("---- {name}\n{error:#}\n"));
        }
    }
    None
}
