//! Objects that the API server must take, and objects that it must refuse with a reason that helps.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::kube;
use crate::world::{MONS, OPERATORS, World};

/// Where they are; its README says what a file holds.
const CORPUS: &str = "operator/api/testdata";
const DEFINITION: &str = "crds/moncluster.yaml";

/// Applies all, without keeping any. No operator may run meanwhile: it would begin to make clusters of what is only there to
/// be changed.
pub(super) fn good_and_bad_objects(world: &World) -> Result<()> {
    let definition = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/monclusters.moncluster.io";
    let installed = world.kube.find(definition)?.is_some();
    if installed {
        operators(world, 0)?;
    } else {
        kube::ok(world.kube.kubectl().args(["apply", "--server-side", "-f", DEFINITION]))?;
        kube::ok(world.kube.kubectl().args(["wait", "--for=condition=Established", "-f", DEFINITION]))?;
    }
    world.namespaces()?;
    let outcome = corpus(world);
    if installed {
        operators(world, 2)?;
    } else {
        // The chart brings its own.
        kube::ok(world.kube.kubectl().args(["delete", "-f", DEFINITION]))?;
    }
    outcome
}

fn corpus(world: &World) -> Result<()> {
    let good = files("good")?;
    for file in &good {
        let refused =
            refusal(world, &fs::read_to_string(file)?).with_context(|| file.display().to_string())?;
        ensure!(refused.is_none(), "{} was refused: {}", file.display(), refused.unwrap_or_default());
    }
    let bad = files("bad")?;
    for file in &bad {
        let text = fs::read_to_string(file)?;
        let wanted = text.lines().next().and_then(|line| line.strip_prefix("# expect: "));
        let wanted =
            wanted.with_context(|| format!("{}: no '# expect: ' in its first line", file.display()))?;
        let refused = refusal(world, &text).with_context(|| file.display().to_string())?;
        let said = refused.with_context(|| format!("{} was taken", file.display()))?;
        ensure!(said.contains(wanted), "{}: refused, but without '{wanted}':\n{said}", file.display());
    }
    println!("    {} good objects taken, {} bad ones refused", good.len(), bad.len());
    ensure!(good.len() >= 3 && bad.len() >= 10, "the corpus is gone");
    Ok(())
}

/// What the API server says to the last document when those before it are there; none when it takes it.
fn refusal(world: &World, text: &str) -> Result<Option<String>> {
    let documents: Vec<&str> = text.split("\n---\n").collect();
    let (last, before) = documents.split_last().context("no document")?;
    for document in before {
        apply(world, document, false)?;
    }
    let outcome = apply(world, last, true);
    for document in before {
        let mut delete = world.kube.kubectl();
        kube::feed(delete.args(["delete", "-n", MONS, "--wait=true", "-f", "-"]), document.as_bytes())?;
    }
    Ok(outcome.err().map(|error| format!("{error:#}")))
}

fn operators(world: &World, count: usize) -> Result<()> {
    let count = format!("--replicas={count}");
    let deployment = ["-n", OPERATORS, "scale", "deployment", "moncluster-operator", "--timeout=60s", &count];
    kube::ok(world.kube.kubectl().args(deployment)).map(drop)
}

fn apply(world: &World, text: &str, dry: bool) -> Result<()> {
    let mut command = world.kube.kubectl();
    command.args(["apply", "-n", MONS, "-f", "-"]);
    if dry {
        command.arg("--dry-run=server");
    }
    kube::feed(&mut command, text.as_bytes()).map(drop)
}

fn files(kind: &str) -> Result<Vec<PathBuf>> {
    let folder = Path::new(CORPUS).join(kind);
    let listed = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
    let mut files: Vec<_> = listed.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    Ok(files)
}
