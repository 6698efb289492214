//! The operator on a real Kubernetes (tests/k8s): what it needs, and its commands.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::gate::cargo;
use crate::native::{self, on_path};
use crate::report::Report;
use crate::{chart, image, place, stock};

/// Where the versions of what is built are pinned.
const PINS: &str = "tests/k8s/programs";
/// Programs, the folder of their pin, and their package.
const PROGRAMS: [(&str, &str, &str); 8] = [
    ("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    ("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    ("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
    ("kube-proxy", "kubernetes", "k8s.io/kubernetes/cmd/kube-proxy"),
    ("kubelet", "kubernetes", "k8s.io/kubernetes/cmd/kubelet"),
    ("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl"),
    ("etcd", "tools", "go.etcd.io/etcd/server/v3"),
    ("helm", "tools", "helm.sh/helm/v3/cmd/helm"),
];
/// The release of stock Ceph whose command line is used.
const RELEASE: u8 = 18;

/// The scenarios of the gate: about ten minutes of them.
const GATE: &str = "lab::,api::,pod::,scale::three,node::dead,drain::,change::,deleted_and_adopted";

/// The gate's part: the chart, and some scenarios on a cluster of our own, whatever `KUBECONFIG` says.
pub(crate) fn gate(report: &mut Report) -> Result<()> {
    provide(report)?;
    chart::chart(false, report)?;
    report.skip(
        "kubernetes: the sample with ceph -s, growth from one member, deleted Node objects, wiped disks, partitions, a lost \
         quorum, the operator's own deaths, deletion for good, upgrade and uninstall: run `cargo xtask k8s test`",
    );
    run(&["test".to_owned(), GATE.to_owned()], false, report)
}

/// Runs a command of the harness: `up`, `down`, `status`, `test`, ... ; `programs` only builds.
pub(crate) fn k8s(arguments: &[String], report: &mut Report) -> Result<()> {
    let existing = std::env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty());
    run(arguments, existing, report)
}

fn run(arguments: &[String], existing: bool, report: &mut Report) -> Result<()> {
    let verb = arguments.first().map_or("--help", String::as_str);
    if verb == "programs" {
        return provide(report);
    }
    let heavy = matches!(verb, "up" | "test" | "demo");
    let mut image = None;
    if heavy {
        if !existing {
            provide(report)?;
        }
        if verb == "test" {
            stock::provide(&[RELEASE], report)?;
        }
        ensure!(native::setup(report), "the monitor cannot be built without the packages above");
        image = image::image(&profile(), None, report)?;
        if image.is_none() {
            return Ok(());
        }
    }
    if !report.step("build the harness", cargo().args(["build", "-p", "moncluster-k8s"])) {
        return Ok(());
    }
    let mut harness = Command::new(place::target().join("moncluster-k8s"));
    harness.arg("--programs").arg(folder()?).arg("--stock").arg(stock::root(RELEASE));
    harness.arg("--plugins").arg(place::target_of(&profile()));
    harness.args(image.map(|path| [OsString::from("--image"), path.into()]).into_iter().flatten());
    harness.args(arguments);
    if !existing {
        harness.env_remove("KUBECONFIG");
    }
    if verb == "test" {
        report.tests("kubernetes", &mut harness);
    } else {
        let status = harness.status().context("cannot start the harness")?;
        ensure!(status.success(), "{verb}: {status}");
    }
    Ok(())
}

/// The profile of the programs in the image: that of the other tests unless `IMAGE_PROFILE` says otherwise.
fn profile() -> String {
    std::env::var("IMAGE_PROFILE").unwrap_or_else(|_| "dev".to_owned())
}

/// Where one of the programs is, once built.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    folder().ok().map(|folder| folder.join(name))
}

/// Where built programs are kept, by their versions.
fn folder() -> Result<PathBuf> {
    let version = |pin: &str, module: &str| -> Result<String> {
        let text = fs::read_to_string(Path::new(PINS).join(pin).join("go.mod"))?;
        let line =
            text.lines().find_map(|line| line.trim().trim_start_matches("require ").strip_prefix(module));
        let version = line.and_then(|rest| rest.trim().split(' ').next());
        Ok(version.with_context(|| format!("{PINS}/{pin}/go.mod does not name {module}"))?.to_owned())
    };
    Ok(place::cache().join("k8s").join(format!(
        "kubernetes-{}-etcd-{}-helm-{}",
        version("kubernetes", "k8s.io/kubernetes ")?,
        version("tools", "go.etcd.io/etcd/server/v3 ")?,
        version("tools", "helm.sh/helm/v3 ")?,
    )))
}

/// Sees that the programs of a cluster are there, building what is missing: ten minutes, once. What cannot be had is
/// recorded as skipped; the harness then says what it lacks.
pub(crate) fn provide(report: &mut Report) -> Result<()> {
    native::kubernetes(report);
    let folder = folder()?;
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.with_extension("lock"))?;
    lock.lock().context("cannot lock the folder of Kubernetes' programs")?;
    for (name, pin, package) in PROGRAMS {
        if !folder.join(name).exists()
            && let Err(error) = build(&folder, name, pin, package, report)
        {
            report.skip(format!("{name} for the tests on Kubernetes: {error:#}"));
            return Ok(());
        }
    }
    let pause = folder.join("pause.tar");
    if !pause.exists()
        && let Err(error) = make_pause(&pause)
    {
        report.skip(format!("the image of pod sandboxes: {error:#}"));
        return Ok(());
    }
    println!("Kubernetes: {}", folder.display());
    report.pass();
    Ok(())
}

fn build(folder: &Path, name: &str, pin: &str, package: &str, report: &Report) -> Result<()> {
    let go = go().context("Go is not installed: see https://go.dev/doc/install (1.24 or later)")?;
    report.say(&format!("building {name} from its Go module (once; kube-apiserver takes minutes)"));
    // kubectl and the API server tell their version, which must be that of a release.
    let version = "-X k8s.io/component-base/version.gitVersion=v1.34.4 -X k8s.io/component-base/version.gitMajor=1 \
         -X k8s.io/component-base/version.gitMinor=34 -X k8s.io/component-base/version.gitTreeState=clean \
         -X k8s.io/client-go/pkg/version.gitVersion=v1.34.4 -X k8s.io/client-go/pkg/version.gitMajor=1 \
         -X k8s.io/client-go/pkg/version.gitMinor=34 -X k8s.io/client-go/pkg/version.gitTreeState=clean";
    let flags = if pin == "kubernetes" { format!("-s -w {version}") } else { "-s -w".to_owned() };
    let building = folder.join(format!("{name}.tmp"));
    let status = Command::new(go)
        .current_dir(Path::new(PINS).join(pin))
        .env("CGO_ENABLED", "0")
        .args(["build", "-mod=mod", "-trimpath", "-ldflags", &flags, "-o"])
        .arg(&building)
        .arg(package)
        .status()?;
    ensure!(status.success(), "go build {package}: {status}");
    fs::rename(&building, folder.join(name))?;
    Ok(())
}

fn go() -> Option<PathBuf> {
    let usual = PathBuf::from("/usr/local/go/bin/go");
    if on_path("go") { Some("go".into()) } else { usual.exists().then_some(usual) }
}

/// What holds a pod's namespaces: a program that waits.
fn make_pause(out: &Path) -> Result<()> {
    const SOURCE: &str = "#include <signal.h>\n#include <unistd.h>\n\
        static void end(int signal) { _exit(0); }\n\
        int main(void) { signal(SIGTERM, end); signal(SIGINT, end); for (;;) pause(); }\n";
    let program = out.with_extension("tmp");
    let mut compiler = Command::new("cc");
    compiler.args(["-xc", "-Os", "-static", "-s", "-o"]).arg(&program).arg("-").stdin(Stdio::piped());
    let mut child = compiler.spawn().context("cannot start cc")?;
    child.stdin.take().context("no pipe to cc")?.write_all(SOURCE.as_bytes())?;
    let status = child.wait()?;
    if !status.success() {
        bail!("cc: {status}");
    }
    image::of_one_program("localhost/pause:lab", "pause", &fs::read(&program)?, out)?;
    fs::remove_file(program)?;
    Ok(())
}
