//! The CustomResourceDefinition as a file, made from the types of operator/api.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::gate::cargo;
use crate::report::Report;

const FILE: &str = "crds/moncluster.yaml";

/// Writes the file, or only says whether it is what the types make.
pub(crate) fn crds(check: bool, report: &mut Report) -> Result<()> {
    report.say("crds");
    let made =
        cargo().args(["run", "--quiet", "--package", "moncluster-api", "--example", "crd"]).output()?;
    ensure!(
        made.status.success(),
        "the definition cannot be made: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    let made = String::from_utf8(made.stdout).context("the definition is not UTF-8")?;
    let fresh = fs::read_to_string(FILE).is_ok_and(|file| file == made);
    if fresh {
        report.pass();
    } else if check {
        report.fail(format!("{FILE} is not what operator/api makes: run cargo xtask crds"));
    } else {
        fs::write(FILE, made).with_context(|| format!("cannot write {FILE}"))?;
    }
    Ok(())
}
