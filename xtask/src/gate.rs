//! The gate: what must hold before a change lands. `make test` and CI run the same.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::report::{Report, Track};
use crate::{crds, interop, k8s, native, nemesis, sim, tidy};

/// The crates that link RocksDB; left out where it cannot be installed.
const NATIVE: [&str; 3] = ["mon-rocksdb", "mon-daemon", "mon-nemesis"];

/// Everything.
pub(crate) fn test(with_interop: bool, report: &mut Report) -> Result<()> {
    let native = native::setup(report);
    if !native {
        report.skip("the RocksDB store, the daemon and interop: the packages above are missing");
    }
    lints(native, report)?;
    // The interop tests have their own runner, below.
    report.tests("tests", scoped(native, "test").args(["--no-fail-fast"]));
    crds::crds(true, report)?;
    policy(report);
    // Beside each other: what mostly waits for daemons, and what mostly computes.
    let mut tracks: Vec<Track<'_>> = vec![("simulator", Box::new(sim::check))];
    if native && with_interop {
        tracks.push(("interop", Box::new(|report| interop::run(None, report))));
    } else if !with_interop {
        report.skip("interop with stock Ceph: left out as asked");
    }
    if native {
        tracks.push(("nemesis", Box::new(|report| nemesis::nemesis(&[], report))));
    }
    report.beside(tracks);
    // By itself: it measures times, and five nodes are enough for a small machine.
    if native {
        k8s::gate(report)?;
    }
    Ok(())
}

/// What can be seen without running anything.
pub(crate) fn check(report: &mut Report) -> Result<()> {
    let native = native::setup(report);
    lints(native, report)?;
    policy(report);
    Ok(())
}

fn lints(native: bool, report: &mut Report) -> Result<()> {
    report.step("format", cargo().args(["fmt", "--all", "--check"]));
    report.step("lints", scoped(native, "clippy").args(["--all-targets", "--", "-D", "warnings"]));
    report.step("docs", scoped(native, "doc").arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings"));
    report.say("tidy");
    tidy::tidy(false, report)
}

fn policy(report: &mut Report) {
    if cargo().args(["deny", "--version"]).output().is_ok_and(|said| said.status.success()) {
        report.step("dependency policy", cargo().args(["deny", "check", "bans", "licenses", "sources"]));
    } else {
        report.skip("dependency policy: cargo-deny is not installed (cargo install cargo-deny)");
    }
}

/// A cargo command over the workspace, or what of it can be built here.
fn scoped(native: bool, verb: &str) -> Command {
    let mut command = cargo();
    command.args([verb, "--workspace"]);
    if !native {
        command.args(NATIVE.iter().flat_map(|name| ["--exclude", name]));
    }
    command
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Where Debian puts the library on this architecture; .cargo/config.toml can name only one.
    let libraries = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    if Path::new(&libraries).join("librocksdb.so").exists() {
        cargo.env("ROCKSDB_LIB_DIR", libraries);
    }
    cargo
}
