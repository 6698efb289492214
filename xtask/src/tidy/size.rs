//! Files stay small: a file over the limit needs an entry in the allow list, which may only go down.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Lines in a Rust file from which it is worth looking again.
const LINES_MAX: usize = 500;

const ALLOW: &str = "xtask/large-files.txt";

/// Large files that are not allowed or have grown, and entries that are no longer needed.
pub(super) fn check(files: &[PathBuf]) -> Result<Vec<String>> {
    let allowed = fs::read_to_string(ALLOW).with_context(|| format!("cannot read {ALLOW}"))?;
    Ok(compare(&large(files)?, &parse(&allowed)))
}

/// Rewrites the allow list from today's sizes.
pub(super) fn bless(files: &[PathBuf]) -> Result<()> {
    let mut text = format!(
        "# Rust files over {LINES_MAX} lines and the most they may have. Split one, then lower or remove its line.\n"
    );
    for (path, lines) in large(files)? {
        writeln!(text, "{path} {lines}")?;
    }
    fs::write(ALLOW, text).with_context(|| format!("cannot write {ALLOW}"))
}

fn large(files: &[PathBuf]) -> Result<BTreeMap<String, usize>> {
    let mut large = BTreeMap::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs")) {
        let lines = count(path)?;
        if lines > LINES_MAX {
            large.insert(path.display().to_string(), lines);
        }
    }
    Ok(large)
}

fn count(path: &Path) -> Result<usize> {
    Ok(fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?.lines().count())
}

fn parse(text: &str) -> BTreeMap<String, usize> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(path, n)| Some((path.to_owned(), n.parse().ok()?)))
        .collect()
}

fn compare(large: &BTreeMap<String, usize>, allowed: &BTreeMap<String, usize>) -> Vec<String> {
    let grown = large.iter().filter_map(|(path, lines)| match allowed.get(path) {
        None => Some(format!("{path}: {lines} lines, over {LINES_MAX}: split it by its nouns")),
        Some(most) if lines > most => {
            Some(format!("{path}: {lines} lines, {most} allowed: split it, do not grow it"))
        }
        Some(_) => None,
    });
    let needless = allowed.keys().filter(|path| !large.contains_key(*path));
    grown.chain(needless.map(|path| format!("{path}: no longer large, remove it from {ALLOW}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratchet_only_goes_down() {
        let allowed = parse("# comment\na.rs 600\nb.rs 700\nc.rs 800\n");
        let large =
            BTreeMap::from([("a.rs".to_owned(), 601), ("b.rs".to_owned(), 650), ("d.rs".to_owned(), 501)]);
        let found = compare(&large, &allowed);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("a.rs: 601") && found[1].starts_with("d.rs: 501"));
        assert!(found[2].starts_with("c.rs: no longer"));
    }
}
