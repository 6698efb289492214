//! What the build needs from the system, and how it gets there.

use std::path::Path;
use std::process::Command;

use crate::report::Report;

/// A Debian package, a way to see whether it is there, and what it is for.
struct Package {
    name: &'static str,
    present: fn() -> bool,
    purpose: &'static str,
}

const BUILD: [Package; 3] = [
    Package {
        name: "librocksdb-dev",
        present: || Path::new("/usr/include/rocksdb/c.h").exists(),
        purpose: "the store's RocksDB",
    },
    Package { name: "libclang-dev", present: libclang, purpose: "reads RocksDB's headers during the build" },
    Package {
        name: "g++",
        present: || on_path("g++"),
        purpose: "the C++ headers that libclang reads, and linking",
    },
];

/// What stock Ceph roots are made with.
const STOCK: [Package; 1] = [Package {
    name: "debootstrap",
    present: || on_path("debootstrap"),
    purpose: "makes the roots that stock Ceph runs in for the interop tests",
}];

/// What the nemesis does its work with.
const NEMESIS: [Package; 3] = [
    Package { name: "iproute2", present: || on_path("ip"), purpose: "makes network namespaces" },
    Package {
        name: "e2fsprogs",
        present: || on_path("mkfs.ext4"),
        purpose: "makes disks that can be full or slow",
    },
    Package { name: "faketime", present: || on_path("faketime"), purpose: "makes wall clocks jump" },
];

/// Installs what the nemesis needs; it does without what cannot be had, and says so.
pub(crate) fn nemesis(report: &mut Report) {
    install_missing(&NEMESIS.iter().collect::<Vec<_>>(), report);
}

/// What a Kubernetes on this machine consists of, besides what is built from source.
const KUBERNETES: [Package; 8] = [
    Package { name: "containerd", present: || on_path("containerd"), purpose: "runs the pods" },
    Package { name: "runc", present: || on_path("runc"), purpose: "runs their containers" },
    Package {
        name: "containernetworking-plugins",
        present: || Path::new("/usr/lib/cni/bridge").exists(),
        purpose: "gives pods their addresses",
    },
    Package { name: "iproute2", present: || on_path("ip"), purpose: "makes the nodes' network namespaces" },
    Package { name: "iptables", present: || on_path("iptables"), purpose: "the addresses of services" },
    Package { name: "conntrack", present: || on_path("conntrack"), purpose: "the same" },
    Package { name: "socat", present: || on_path("socat"), purpose: "kubectl port-forward" },
    Package { name: "prometheus", present: || on_path("promtool"), purpose: "promtool, for the alert rules" },
];

/// Installs what a Kubernetes on this machine needs.
pub(crate) fn kubernetes(report: &mut Report) {
    install_missing(&KUBERNETES.iter().collect::<Vec<_>>(), report);
}

/// What tests look with.
const TESTS: [Package; 1] = [Package {
    name: "strace",
    present: || on_path("strace"),
    purpose: "records what the store does to its files, for the crash points",
}];

/// Installs what is missing. Returns whether the crates that link RocksDB can be built.
pub(crate) fn setup(report: &mut Report) -> bool {
    install_missing(&BUILD.iter().chain(&STOCK).chain(&TESTS).collect::<Vec<_>>(), report);
    BUILD.iter().all(|package| (package.present)())
}

fn install_missing(packages: &[&Package], report: &mut Report) {
    let missing: Vec<_> = packages.iter().filter(|package| !(package.present)()).collect();
    if missing.is_empty() {
        let names: Vec<_> = packages.iter().map(|package| package.name).collect();
        println!("system packages: all there ({})", names.join(" "));
        return;
    }
    report.say("installing system packages with apt-get");
    missing.iter().for_each(|package| println!("    {}: {}", package.name, package.purpose));
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    if !rustix::process::geteuid().is_root() {
        report.skip(format!(
            "packages not installed, not root: run 'sudo apt-get install {}' and try again",
            names.join(" ")
        ));
    } else if !on_path("apt-get") {
        report.skip(format!("packages not installed, no apt-get here: needed are {}", names.join(" ")));
    } else {
        install(&names, report);
    }
}

fn install(names: &[&str], report: &mut Report) {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.status().is_ok_and(|status| status.success())
    };
    // Lists may be old or absent on a fresh machine; an unreachable mirror shows at the install.
    apt(&["update", "-q"]);
    for name in names {
        if apt(&["install", "-q", "-y", "--no-install-recommends", name]) {
            report.pass();
        } else {
            report.skip(format!("package {name} could not be installed with apt-get, see above"));
        }
    }
}

/// Whether a program is on the PATH.
pub(crate) fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn libclang() -> bool {
    let versions = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    versions.filter(|entry| entry.file_name().to_string_lossy().starts_with("llvm-")).any(|entry| {
        let libraries = std::fs::read_dir(entry.path().join("lib")).into_iter().flatten().flatten();
        libraries.into_iter().any(|library| {
            let name = library.file_name();
            let name = name.to_string_lossy();
            name.starts_with("libclang") && name.contains(".so")
        })
    })
}
