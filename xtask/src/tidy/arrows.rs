//! Which crate may use which. The table is that of ARCHITECTURE.md.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::gate::cargo;

/// A crate, the crates of ours that it may use, and the outside crates that it must not use.
struct Rule {
    name: &'static str,
    may_use: &'static [&'static str],
    must_not_use: &'static [&'static str],
}

/// Sockets, threads, files, clocks: not for the crates that are pure.
const OUTSIDE: &[&str] = &["tokio", "rustix", "socket2", "rocksdb", "axum", "tempfile"];

/// For what only decides: not even a client of Kubernetes.
const PURE: &[&str] = &["tokio", "rustix", "socket2", "rocksdb", "axum", "tempfile", "kube", "rand"];

const RULES: [Rule; 21] = [
    Rule { name: "mon-derive", may_use: &[], must_not_use: OUTSIDE },
    Rule { name: "mon-types", may_use: &["mon-derive"], must_not_use: OUTSIDE },
    Rule { name: "mon-cephx", may_use: &["mon-types"], must_not_use: OUTSIDE },
    Rule { name: "mon-wire", may_use: &["mon-types"], must_not_use: OUTSIDE },
    Rule { name: "mon-store", may_use: &["mon-types"], must_not_use: &["tokio", "rocksdb"] },
    Rule { name: "mon-rocksdb", may_use: &["mon-types", "mon-store"], must_not_use: &["tokio"] },
    Rule { name: "mon-core", may_use: &["mon-types", "mon-cephx"], must_not_use: OUTSIDE },
    Rule { name: "mon-client", may_use: &["mon-types", "mon-cephx", "mon-wire"], must_not_use: &["rocksdb"] },
    Rule {
        name: "mon-daemon",
        may_use: &[
            "mon-types",
            "mon-cephx",
            "mon-wire",
            "mon-store",
            "mon-rocksdb",
            "mon-core",
            "mon-client",
        ],
        must_not_use: &[],
    },
    Rule {
        name: "mon-sim",
        may_use: &["mon-types", "mon-cephx", "mon-wire", "mon-store", "mon-core"],
        must_not_use: &["tokio", "rocksdb"],
    },
    Rule { name: "moncluster-api", may_use: &[], must_not_use: OUTSIDE },
    Rule { name: "moncluster-plan", may_use: &["moncluster-api"], must_not_use: PURE },
    Rule { name: "moncluster-memapi", may_use: &["moncluster-api"], must_not_use: &["rocksdb"] },
    Rule {
        name: "moncluster-operator",
        may_use: &["moncluster-api", "moncluster-plan"],
        must_not_use: &["rocksdb"],
    },
    Rule { name: "kubectl-moncluster", may_use: &["moncluster-api"], must_not_use: &["rocksdb"] },
    Rule {
        name: "moncluster-k8s",
        may_use: &["mon-client", "mon-sim", "mon-types", "moncluster-wait"],
        must_not_use: &["rocksdb"],
    },
    Rule {
        name: "mon-nemesis",
        may_use: &["mon-types", "mon-client", "mon-rocksdb", "mon-sim", "moncluster-wait"],
        must_not_use: &[],
    },
    Rule {
        name: "mon-fuzz",
        may_use: &["mon-types", "mon-cephx", "mon-wire", "mon-core"],
        must_not_use: &["tokio", "rocksdb"],
    },
    Rule { name: "mon-interop", may_use: &["moncluster-wait"], must_not_use: &[] },
    Rule { name: "moncluster-wait", may_use: &[], must_not_use: &[] },
    Rule { name: "xtask", may_use: &[], must_not_use: &[] },
];

/// Compares the workspace with the rules; test dependencies are free.
pub(super) fn check() -> Result<Vec<String>> {
    let said = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    ensure!(said.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&said.stderr));
    let metadata: Value = serde_json::from_slice(&said.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    Ok(packages.iter().flat_map(complaints).collect())
}

fn complaints(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
        return vec![format!(
            "{name}: no arrows known; add it to ARCHITECTURE.md and xtask/src/tidy/arrows.rs"
        )];
    };
    let all = package["dependencies"].as_array().into_iter().flatten();
    let used =
        all.filter(|used| used["kind"].as_str() != Some("dev")).filter_map(|used| used["name"].as_str());
    used.filter_map(|used| {
        let ours = RULES.iter().any(|rule| rule.name == used);
        if ours && !rule.may_use.contains(&used) {
            Some(format!("{name} must not use {used}: see the arrows in ARCHITECTURE.md"))
        } else if rule.must_not_use.contains(&used) {
            Some(format!("{name} must not use {used}: that belongs to the daemon or the store"))
        } else {
            None
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_arrow_and_an_outside_crate_are_seen() {
        let package = serde_json::json!({
            "name": "mon-core",
            "dependencies": [
                {"name": "mon-types", "kind": null},
                {"name": "mon-wire", "kind": null},
                {"name": "tokio", "kind": null},
                {"name": "mon-store", "kind": "dev"},
            ],
        });
        let found = complaints(&package);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("mon-wire") && found[1].contains("tokio"));
        assert_eq!(complaints(&serde_json::json!({"name": "mon-new", "dependencies": []})).len(), 1);
    }
}
