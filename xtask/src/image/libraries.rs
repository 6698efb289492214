//! The shared libraries that programs need, with those that these need in turn.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Where they are on this machine, the loader included.
pub(super) fn needed(programs: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for program in programs {
        let said = Command::new("ldd")
            .arg(program)
            .output()
            .context("cannot start ldd: it comes with the C library")?;
        ensure!(
            said.status.success(),
            "ldd {}: {}",
            program.display(),
            String::from_utf8_lossy(&said.stderr)
        );
        for line in String::from_utf8_lossy(&said.stdout).lines() {
            found.extend(library(line)?);
        }
    }
    Ok(found)
}

/// `NAME => PATH (ADDRESS)`, or `PATH (ADDRESS)` for the loader, or the kernel's own, which is no file.
fn library(line: &str) -> Result<Option<PathBuf>> {
    let line = line.trim();
    let place = line.split_once(" => ").map_or(line, |(_, place)| place);
    if place.starts_with("not found") {
        bail!("{line}: install the library, then build again");
    }
    let path = place.split(" (").next().unwrap_or_default();
    Ok(path.starts_with('/').then(|| PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line() {
        let path = |line| library(line).unwrap().map(|path| path.display().to_string());
        assert_eq!(path("\tlinux-vdso.so.1 (0x00007ffd)"), None);
        assert_eq!(
            path("\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f)").unwrap(),
            "/lib/x86_64-linux-gnu/libz.so.1"
        );
        assert_eq!(path("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)").unwrap(), "/lib64/ld-linux-x86-64.so.2");
        assert_eq!(path("\tstatically linked"), None);
        assert!(library("\tlibrocksdb.so.7.8 => not found").is_err());
    }
}
