//! Rules of the architecture and the style that no compiler checks.

mod arrows;
mod size;
mod text;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::report::Report;

/// Checks all rules; each complaint says what to do.
pub(crate) fn tidy(bless: bool, report: &mut Report) -> Result<()> {
    let files = tracked()?;
    if bless {
        return size::bless(&files);
    }
    let complaints = [arrows::check()?, size::check(&files)?, text::check(&files)?].concat();
    if complaints.is_empty() {
        report.pass();
    } else {
        complaints.iter().for_each(|complaint| println!("    {complaint}"));
        report.fail(format!("tidy: {} complaints", complaints.len()));
    }
    Ok(())
}

/// The files of the repository, new ones included.
fn tracked() -> Result<Vec<PathBuf>> {
    let said = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("git ls-files")?;
    ensure!(said.status.success(), "git ls-files: {}", String::from_utf8_lossy(&said.stderr));
    let names = String::from_utf8(said.stdout)?;
    Ok(names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .collect())
}
