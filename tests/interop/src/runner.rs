//! Runs cases one after the other and prints a line for each, in the form of the standard test harness.

use std::path::PathBuf;
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

/// Runs what matches; true when nothing failed.
pub(crate) fn run(
    cases: &[Case],
    binary: &std::path::Path,
    stock: &std::path::Path,
    rados_client: Option<&std::path::Path>,
    filter: &str,
) -> bool {
    let keep = std::env::var_os("KEEP").is_some();
    let mut failures = Vec::new();
    for (case, release) in
        cases.iter().flat_map(|case| case.releases.iter().map(move |release| (case, *release)))
    {
        let name = format!("{}::{release}", case.name);
        if !name.contains(filter) {
            continue;
        }
        let world = match Stock::find(stock, release) {
            Ok(stock) => {
                World { binary: binary.to_owned(), stock, rados_client: rados_client.map(Into::into), keep }
            }
            Err(reason) => {
                println!("test {name} ... skipped: {reason}");
                continue;
            }
        };
        let start = Instant::now();
        let result = (case.run)(&world);
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => println!("test {name} ... ok ({seconds:.1} s)"),
            Err(error) if error.is::<Skip>() => println!("test {name} ... skipped: {error}"),
            Err(error) => {
                println!("test {name} ... FAILED ({seconds:.1} s)\n    {error:#}");
                failures.push(format!("---- {name}\n{error:#}\n"));
            }
        }
    }
    failures.iter().for_each(|failure| println!("{failure}"));
    failures.is_empty()
}
