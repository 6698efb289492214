//! Objects that the API server must take, and objects that it must refuse with a reason that helps.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::kube;
use crate::world::{MONS, World};

/// Where they are. The first line of a bad one is a comment with what the refusal must say. One that is bad as a change
/// has two documents: what it was, and what it should become.
const CORPUS: &str = "operator/api/testdata";

/// Applies all, without keeping any.
pub(super) fn good_and_bad_objects(world: &World) -> Result<()> {
    world.install()?;
    let good = files("good")?;
    for file in &good {
        let text = fs::read_to_string(file)?;
        apply(world, &text, true).with_context(|| format!("{} was refused", file.display()))?;
    }
    let bad = files("bad")?;
    for file in &bad {
        let text = fs::read_to_string(file)?;
        let (wanted, rest) = text.split_once('\n').unwrap_or_default();
        let wanted = wanted.trim_start_matches('#').trim().trim_start_matches("expect:").trim();
        ensure!(!wanted.is_empty(), "{}: its first line does not say what is expected", file.display());
        let refused = refusal(world, rest).with_context(|| file.display().to_string())?;
        let said = refused.with_context(|| format!("{} was taken", file.display()))?;
        ensure!(said.contains(wanted), "{}: refused, but without '{wanted}':\n{said}", file.display());
    }
    println!("    {} good objects taken, {} bad ones refused", good.len(), bad.len());
    ensure!(good.len() >= 3 && bad.len() >= 10, "the corpus is gone");
    Ok(())
}

/// What the API server says to the last document when those before it are there; none when it takes it.
fn refusal(world: &World, text: &str) -> Result<Option<String>> {
    let documents: Vec<&str> = text.split("\n---\n").filter(|document| document.contains("kind:")).collect();
    let (last, before) = documents.split_last().context("no document")?;
    // While the operator sleeps, nothing comes of what is only there to be changed.
    for document in before {
        apply(world, document, false)?;
    }
    let outcome = apply(world, last, true);
    for document in before {
        kube::feed(
            world.kube.kubectl().args(["delete", "-n", MONS, "--ignore-not-found", "-f", "-"]),
            document.as_bytes(),
        )?;
    }
    Ok(outcome.err().map(|error| format!("{error:#}")))
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
