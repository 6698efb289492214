//! The simulator, built for speed and run with what it was asked for. The daemon cannot ask for its feature.

use anyhow::{Result, bail};

use crate::gate;

/// Runs the simulator; its arguments are documented by `cargo xtask sim -- --help`.
pub(crate) fn sim(arguments: &[String]) -> Result<()> {
    let mut command = gate::cargo();
    command.args([
        "run",
        "--quiet",
        "--profile",
        "sim",
        "--package",
        "mon-sim",
        "--features",
        "planted-bugs",
        "--",
    ]);
    let status = command.args(arguments).status()?;
    if !status.success() {
        bail!("the simulator found something, or could not tell: {status}");
    }
    Ok(())
}
