//! The simulator, built for speed and run with what it was asked for. The daemon cannot ask for its feature.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::gate;
use crate::report::Report;

/// What the gate runs: so many seeds, with so many events before each comes to rest.
const SEEDS: &str = "500";
const EVENTS: &str = "20000";
/// The same for the whole monitor, and for both over real frames.
const MODES: [(&str, &str, &str); 2] = [("monitor", "60", "2500"), ("wire", "100", "3000")];
/// How many states of the model per scenario: about a minute in all.
const MODEL_STATES: &str = "20000";
/// Planted bugs that the model must find at once, and where.
const MODEL_BUGS: [(&str, &str); 3] =
    [("round", "CommitWithMinority"), ("round", "AcceptBeforeSync"), ("round", "OwnAcceptEarly")];
/// How many seeds must give the same trace in two processes.
const SAME: &str = "50";

/// Runs the simulator; its arguments are documented by `cargo xtask sim -- --help`.
pub(crate) fn sim(arguments: &[String]) -> Result<()> {
    let status = command("run").arg("--").args(arguments).status()?;
    if !status.success() {
        bail!("the simulator found something, or could not tell: {status}");
    }
    Ok(())
}

/// Drives the core exhaustively at small size (docs/model.md).
pub(crate) fn model(arguments: &[String]) -> Result<()> {
    let status = command("run").args(["--bin", "mon-model", "--"]).args(arguments).status()?;
    if !status.success() {
        bail!("the model found a broken state, or missed a planted bug: {status}");
    }
    Ok(())
}

/// The simulator's part of the gate: every invariant over many seeds, every planted bug, and that a seed is a run.
pub(crate) fn check(report: &mut Report) -> Result<()> {
    if !report.step("simulator: build", &mut command("build")) {
        return Ok(());
    }
    let run = |arguments: &[&str]| {
        let mut run = command("run");
        run.args(["--", "--events", EVENTS]).args(arguments);
        run
    };
    report.step(&format!("simulator: {SEEDS} seeds of {EVENTS} events"), &mut run(&["--seeds", SEEDS]));
    for (mode, seeds, events) in MODES {
        let arguments = ["--", "--mode", mode, "--seeds", seeds, "--events", events];
        let name = format!("simulator: {seeds} seeds of {events} events in mode {mode}");
        report.step(&name, command("run").args(arguments));
    }
    report.step("simulator: every planted bug is found", &mut run(&["bugs"]));
    let mut model = |name: &str, arguments: &[&str]| {
        report.step(name, command("run").args(["--bin", "mon-model", "--"]).args(arguments));
    };
    model("model: small clusters in every order", &["--states", MODEL_STATES]);
    for (scenario, bug) in MODEL_BUGS {
        model(&format!("model: finds {bug}"), &["--scenario", scenario, "--bug", bug]);
    }
    report.say(&format!("simulator: {SAME} seeds, the same in two processes"));
    let mut hashes = Vec::new();
    for _ in 0..2 {
        hashes.push(run(&["hashes", "--seeds", SAME]).stdout(Stdio::piped()).spawn()?);
    }
    let outputs: Vec<Vec<u8>> = hashes
        .into_iter()
        .map(|child| child.wait_with_output().map(|output| output.stdout).context("a run gave no hashes"))
        .collect::<Result<_>>()?;
    match outputs.as_slice() {
        [one, other] if one == other && !one.is_empty() => report.pass(),
        _ => report.fail("simulator: the same seed gave two different traces (`cargo xtask sim hashes`)"),
    }
    Ok(())
}

fn command(verb: &str) -> Command {
    let mut command = gate::cargo();
    command.args([verb, "--quiet", "--profile", "sim", "--package", "mon-sim", "--features", "planted-bugs"]);
    command
}
