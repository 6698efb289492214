//! Runs the nemesis (tests/nemesis) in network and mount namespaces of its own.

use std::process::Command;

use anyhow::Result;

use crate::gate::cargo;
use crate::report::Report;
use crate::{native, place};

/// What makes such namespaces: as root, and where the system allows it to everybody.
const WAYS: [&[&str]; 2] = [
    &["--net", "--mount", "--propagation", "private"],
    &["--user", "--map-root-user", "--net", "--mount", "--propagation", "private"],
];

/// Builds the daemon and the runner, and runs it with these arguments.
pub(crate) fn nemesis(arguments: &[String], report: &mut Report) -> Result<()> {
    native::nemesis(report);
    let Some(way) = WAYS.iter().find(|way| works(way)) else {
        report.skip("nemesis: network namespaces cannot be made here (be root, or allow user namespaces)");
        return Ok(());
    };
    if !report.step("build the nemesis", cargo().args(["build", "-p", "mon-daemon", "-p", "mon-nemesis"])) {
        return Ok(());
    }
    let mut runner = Command::new("unshare");
    runner.args(*way).arg(place::target().join("mon-nemesis"));
    runner.arg("--mon").arg(place::target().join("mon"));
    runner.arg("--out").arg(place::target().join("nemesis")).args(arguments);
    report.tests("nemesis", &mut runner);
    Ok(())
}

/// Whether such a namespace, with a link in it, can be had.
fn works(way: &[&str]) -> bool {
    let mut probe = Command::new("unshare");
    probe.args(way).args(["sh", "-c", "mount -t tmpfs tmpfs /run && mkdir /run/netns && ip netns add probe"]);
    probe.output().is_ok_and(|said| said.status.success())
}
