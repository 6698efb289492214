//! `make demo`: everything from nothing, told step by step by tests/interop/src/demo.rs.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::report::Report;
use crate::{interop, native, place, stock};

/// The release whose CLI the demo uses: the one of Debian 12.
const RELEASE: u8 = 16;

/// Installs, builds, shows.
pub(crate) fn demo(report: &mut Report) -> Result<()> {
    ensure!(native::setup(report), "the monitor cannot be built without the packages above");
    stock::provide(&[RELEASE], report)?;
    if !interop::build(report) {
        return Ok(());
    }
    let mut demo = Command::new(place::target().join("mon-interop"));
    demo.arg("demo").arg("--mon").arg(place::target().join("mon")).arg("--stock").arg(stock::folder());
    report.step("demo", &mut demo);
    Ok(())
}
