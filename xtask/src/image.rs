//! The container image: the programs and exactly the shared libraries that they need, as one archive that
//! `docker load`, `ctr images import`, `podman load` and `kind load image-archive` take. No container tool is needed.
//!
//! The same programs give the same bytes: files are sorted, their times are zero, and nothing is compressed.

mod archive;
mod libraries;
mod tar;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::gate::cargo;
use crate::place;
use crate::report::Report;
use archive::Image;
use tar::Tar;

/// What the image is called where no registry is meant.
pub(crate) const NAME: &str = "localhost/moncluster";
/// The user in it: Ceph's number in the images that Rook runs, so that data directories can change hands.
const USER: u32 = 167;
/// Bytes that the image may have.
const SIZE_MAX: u64 = 80_000_000;

/// The programs, and the packages that they come from.
const PROGRAMS: [(&str, &str); 3] = [
    ("mon", "mon-daemon"),
    ("moncluster-operator", "moncluster-operator"),
    ("kubectl-moncluster", "kubectl-moncluster"),
];

/// Builds the programs in a profile and packs them. Returns where the archive is.
pub(crate) fn image(profile: &str, out: Option<PathBuf>, report: &mut Report) -> Result<Option<PathBuf>> {
    let mut build = cargo();
    build.args(["build", "--locked", "--profile", profile]);
    build.args(PROGRAMS.iter().flat_map(|(_, package)| ["-p", package]));
    if !report.step(&format!("build the programs of the image ({profile})"), &mut build) {
        return Ok(None);
    }
    let folder = place::target_of(profile);
    let out = out.unwrap_or_else(|| folder.join("moncluster-image.tar"));
    let size = pack(&folder, &out)?;
    println!("    {}: {:.1} MB as {NAME}:{}", out.display(), size as f64 / 1e6, tag());
    ensure!(
        profile == "dev" || size <= SIZE_MAX,
        "the image has {size} bytes, more than {SIZE_MAX}: see what has grown"
    );
    report.pass();
    Ok(Some(out))
}

/// The image's tag: the version of the workspace.
pub(crate) fn tag() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn pack(folder: &Path, out: &Path) -> Result<u64> {
    let scratch = folder.join("image");
    fs::create_dir_all(&scratch)?;
    let mut layer = Tar::default();
    for name in ["etc", "tmp", "usr", "usr/bin", "usr/lib", "var", "var/lib", "var/lib/ceph", "run"] {
        layer.folder(name);
    }
    // Where Debian has links, the loader and its paths expect them.
    for name in ["lib", "lib64", "bin"] {
        layer.link(name, &format!("usr/{name}"));
    }
    layer.file(
        "etc/passwd",
        format!("root:x:0:0::/:\nceph:x:{USER}:{USER}::/var/lib/ceph:\n").as_bytes(),
        0o644,
    );
    layer.file("etc/group", format!("root:x:0:\nceph:x:{USER}:\n").as_bytes(), 0o644);
    let mut programs = Vec::new();
    for (name, _) in PROGRAMS {
        let stripped = scratch.join(name);
        let said = Command::new("strip").arg("-o").arg(&stripped).arg(folder.join(name)).output();
        let said = said.context("cannot start strip: install binutils")?;
        ensure!(said.status.success(), "strip {name}: {}", String::from_utf8_lossy(&said.stderr));
        layer.file(&format!("usr/bin/{name}"), &fs::read(&stripped)?, 0o755);
        programs.push(stripped);
    }
    for library in libraries::needed(&programs)? {
        let place =
            Path::new("usr").join(library.strip_prefix("/usr").or_else(|_| library.strip_prefix("/"))?);
        let content = fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
        layer.file(&place.display().to_string(), &content, 0o755);
    }
    let image = Image {
        name: format!("{NAME}:{}", tag()),
        layer: layer.finish(),
        entrypoint: vec!["/usr/bin/mon".to_owned()],
        user: format!("{USER}:{USER}"),
        labels: labels(),
        created: created()?,
    };
    image.write(out)
}

/// An image of a program that needs no libraries.
pub(crate) fn of_one_program(name: &str, program: &str, content: &[u8], out: &Path) -> Result<()> {
    let mut layer = Tar::default();
    layer.file(program, content, 0o755);
    let image = Image {
        name: name.to_owned(),
        layer: layer.finish(),
        entrypoint: vec![format!("/{program}")],
        user: "65535:65535".to_owned(),
        labels: Vec::new(),
        created: "1970-01-01T00:00:00Z".to_owned(),
    };
    image.write(out).map(drop)
}

fn labels() -> Vec<(&'static str, String)> {
    let revision = git(&["rev-parse", "HEAD"]).unwrap_or_else(|_| "unknown".to_owned());
    vec![
        (
            "org.opencontainers.image.description",
            "A Ceph monitor in Rust and its Kubernetes operator".to_owned(),
        ),
        ("org.opencontainers.image.licenses", "Apache-2.0".to_owned()),
        ("org.opencontainers.image.revision", revision),
        ("org.opencontainers.image.title", "moncluster".to_owned()),
        ("org.opencontainers.image.version", tag().to_owned()),
    ]
}

/// The time of the commit: the same for everybody who builds it.
fn created() -> Result<String> {
    let seconds = git(&["log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"])?;
    if seconds.is_empty() {
        bail!("this folder has no commits")
    }
    Ok(seconds)
}

fn git(arguments: &[&str]) -> Result<String> {
    let said = Command::new("git").args(arguments).env("TZ", "UTC").output()?;
    ensure!(said.status.success(), "git: {}", String::from_utf8_lossy(&said.stderr));
    Ok(String::from_utf8(said.stdout)?.trim().to_owned())
}
