//! Debian roots with stock Ceph, the other side of the interop tests.
//!
//! Three Debian suites carry the three releases; a root takes about a minute and 1.5 GB. They lie outside the
//! clone and are shared by all clones of a machine: built beside their place under a lock, then renamed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::native::on_path;
use crate::place;
use crate::report::Report;

/// The releases that are tested against: pacific, reef, tentacle.
pub(crate) const RELEASES: [u8; 3] = [16, 18, 20];

/// Debian's names for what carries them (sid rolls on: what it holds is checked after the build).
fn suite(release: u8) -> Option<&'static str> {
    match release {
        16 => Some("bookworm"),
        18 => Some("trixie"),
        20 => Some("sid"),
        _ => None,
    }
}

/// Where a release's root is, once built.
pub(crate) fn root(release: u8) -> PathBuf {
    folder().join(release.to_string())
}

/// The folder of all roots.
pub(crate) fn folder() -> PathBuf {
    place::cache().join("stock")
}

/// Sees that the roots are there, building what is missing. What cannot be had is recorded as skipped.
pub(crate) fn provide(releases: &[u8], report: &mut Report) -> Result<()> {
    for release in releases {
        let Some(suite) = suite(*release) else { bail!("no stock release {release}: choose 16, 18 or 20") };
        match provide_one(*release, suite, report) {
            Ok(version) => {
                println!("stock {release}: {version}");
                report.pass();
            }
            Err(error) => report.skip(format!("stock Ceph {release}: {error:#}")),
        }
    }
    Ok(())
}

fn provide_one(release: u8, suite: &str, report: &Report) -> Result<String> {
    let root = root(release);
    fs::create_dir_all(folder())?;
    let lock = File::create(folder().join(format!("{release}.lock")))?;
    lock.lock().context("cannot lock the folder of stock roots")?;
    if !root.join("usr/bin/ceph-mon").exists() {
        ensure!(rustix::process::geteuid().is_root(), "needs root for debootstrap and chroot");
        ensure!(on_path("debootstrap"), "needs debootstrap (apt-get install debootstrap)");
        report.say(&format!("building a Debian {suite} root with stock Ceph {release} (about a minute)"));
        let building = folder().join(format!("{release}.tmp"));
        clear(&building)?;
        build(suite, &building)?;
        clear(&root)?;
        fs::rename(&building, &root)?;
    }
    ensure!(rustix::process::geteuid().is_root(), "needs root for chroot");
    let said = Command::new("chroot").arg(&root).args(["ceph-mon", "--version"]).output()?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    ensure!(
        version.starts_with(&format!("ceph version {release}.")),
        "Debian {suite} holds another release now: '{version}'"
    );
    Ok(version)
}

fn build(suite: &str, root: &Path) -> Result<()> {
    let mirror = mirror().unwrap_or_else(|| "http://deb.debian.org/debian".to_owned());
    let log = root.with_extension("log");
    let run = |program: &str, arguments: &[&OsStr]| -> Result<()> {
        let output = File::options().create(true).append(true).open(&log)?;
        let status = Command::new(program)
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()?;
        ensure!(status.success(), "{program} failed, see {}", log.display());
        Ok(())
    };
    let path = root.as_os_str();
    let text = OsStr::new::<str>;
    File::create(&log)?;
    run(
        "debootstrap",
        &[text("--variant=minbase"), text("--include=ca-certificates"), text(suite), path, text(&mirror)],
    )?;
    if suite == "sid" {
        // A mirror's snapshot of a rolling suite may be older than its Valid-Until.
        fs::write(root.join("etc/apt/apt.conf.d/99snapshot"), "Acquire::Check-Valid-Until \"false\";\n")?;
    }
    run("chroot", &[path, text("apt-get"), text("update")])?;
    let packages = ["ceph-mon", "ceph-mgr", "ceph-osd", "ceph-common", "python3-rados"].map(text);
    let install = ["apt-get", "install", "-y", "--no-install-recommends"].map(text);
    run("chroot", &[&[path], install.as_slice(), packages.as_slice()].concat())?;
    run("chroot", &[path, text("apt-get"), text("clean")])
}

/// The mirror that this machine uses itself.
fn mirror() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    files.extend(
        fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path()),
    );
    let lines: Vec<String> = files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
    let words = lines.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#'));
    let mut words = words.flat_map(str::split_whitespace);
    words
        .find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian"))
        .map(str::to_owned)
}

/// Removes a root that is half built. Something mounted in it would be emptied too, so that is undone first.
fn clear(root: &Path) -> Result<()> {
    if !root.exists() {
        return Ok(());
    }
    let mounted = |path: &str| Path::new(path).starts_with(root);
    let mounts = || fs::read_to_string("/proc/mounts").unwrap_or_default();
    for point in mounts().lines().rev().filter_map(|line| line.split(' ').nth(1)).filter(|path| mounted(path))
    {
        Command::new("umount").arg(point).status()?;
    }
    let left = mounts().lines().filter_map(|line| line.split(' ').nth(1)).any(mounted);
    ensure!(!left, "something is still mounted under {}: unmount it", root.display());
    fs::remove_dir_all(root).with_context(|| format!("cannot remove {}", root.display()))
}
