//! Runs the tests against stock Ceph (tests/interop).

use anyhow::Result;

use crate::gate::cargo;
use crate::report::Report;
use crate::{place, stock};

/// Provides the stock roots, builds the daemon and the runner, runs the tests.
pub(crate) fn run(filter: Option<&str>, report: &mut Report) -> Result<()> {
    stock::provide(&stock::RELEASES, report)?;
    if !build(report) {
        return Ok(());
    }
    let mut runner = std::process::Command::new(place::target().join("mon-interop"));
    runner.arg("test").arg("--mon").arg(place::target().join("mon")).arg("--stock").arg(stock::folder());
    // Another workspace, so that its many dependencies do not become ours.
    let client = place::target().join("rados-client");
    let mut build = cargo();
    build
        .args(["build", "--locked", "--manifest-path", "tests/rados-client/Cargo.toml", "--target-dir"])
        .arg(&client);
    if report.step("build the independent Rust client", &mut build) {
        runner.arg("--rados-client").arg(client.join("debug/rados-client-check"));
    }
    report.tests("interop", runner.args(filter));
    Ok(())
}

/// Builds the daemon and the runner.
pub(crate) fn build(report: &mut Report) -> bool {
    report.step("build the daemon", cargo().args(["build", "-p", "mon-daemon", "-p", "mon-interop"]))
}
