//! The Helm chart: what is generated in it, and its checks that need no cluster.

mod readme;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::k8s;
use crate::native::on_path;
use crate::report::Report;

const CHART: &str = "charts/moncluster";
/// The generated resource definition, which `cargo xtask crds` makes.
const CRD: &str = "crds/moncluster.yaml";
/// Files of values, and what the chart makes of them.
const GOLDEN: [&str; 2] = ["default", "full"];

/// Checks everything; with `bless`, writes what is generated.
pub(crate) fn chart(bless: bool, report: &mut Report) -> Result<()> {
    let chart = Path::new(CHART);
    let values = fs::read_to_string(chart.join("values.yaml"))?;
    generated(&chart.join("README.md"), &readme::readme(&values)?, bless, report)?;
    if Path::new(CRD).exists() {
        generated(&chart.join("templates/crds.yaml"), &crds(&fs::read_to_string(CRD)?)?, bless, report)?;
    }
    alerts(report);
    let Some(helm) = k8s::program("helm").filter(|path| path.exists()) else {
        report.skip("helm lint and helm template: helm is not built (cargo xtask k8s programs)");
        return Ok(());
    };
    report.step("helm lint", Command::new(&helm).args(["lint", "--strict", "--quiet", CHART]));
    for name in GOLDEN {
        let made = template(&helm, name)?;
        generated(&chart.join(format!("testdata/golden-{name}.yaml")), &made, bless, report)?;
    }
    refuses(&helm, "replicas=3", "additional properties 'replicas' not allowed", report)?;
    refuses(&helm, "image.pullPolicy=Sometimes", "image", report)
}

/// Compares a file with what it should be.
fn generated(path: &Path, wanted: &str, bless: bool, report: &mut Report) -> Result<()> {
    if bless {
        fs::write(path, wanted).with_context(|| format!("cannot write {}", path.display()))?;
    } else if fs::read_to_string(path).unwrap_or_default() == wanted {
        report.pass();
    } else {
        report
            .fail(format!("{} is not what it is generated from: cargo xtask chart --bless", path.display()));
    }
    Ok(())
}

/// The definition as a template: Helm never upgrades what lies in a chart's `crds` folder.
fn crds(definition: &str) -> Result<String> {
    let (head, rest) = definition.split_once("metadata:\n").context("the definition has no metadata")?;
    ensure!(!definition.contains("{{"), "the definition holds what Helm takes for a template");
    Ok(format!(
        "{{{{- if .Values.crds.install }}}}\n# Generated from {CRD}. Uninstalling the chart leaves it, and with it every \
         MonCluster.\n{head}metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n{rest}{{{{- end }}}}\n"
    ))
}

fn alerts(report: &mut Report) {
    if on_path("promtool") {
        let tests = format!("{CHART}/testdata/alerts_test.yaml");
        report.step("alert rules", Command::new("promtool").args(["test", "rules", &tests]));
    } else {
        report.skip("alert rules: promtool is not installed (apt-get install prometheus)");
    }
}

fn template(helm: &Path, name: &str) -> Result<String> {
    let mut command = Command::new(helm);
    command.args(["template", "release", CHART, "--namespace", "mons", "--kube-version", "1.34.0"]);
    let values = PathBuf::from(CHART).join(format!("testdata/values-{name}.yaml"));
    if values.exists() {
        command.arg("-f").arg(values);
    }
    let said = command.output()?;
    ensure!(said.status.success(), "helm template: {}", String::from_utf8_lossy(&said.stderr));
    // The definition is generated and compared by itself.
    let text = String::from_utf8(said.stdout)?;
    let documents =
        text.split("\n---\n").filter(|document| !document.contains("kind: CustomResourceDefinition"));
    Ok(documents.collect::<Vec<_>>().join("\n---\n"))
}

/// The schema of values is closed.
fn refuses(helm: &Path, value: &str, reason: &str, report: &mut Report) -> Result<()> {
    let mut command = Command::new(helm);
    command.args(["template", "release", CHART, "--kube-version", "1.34.0", "--set", value]);
    let said = command.output()?;
    let error = String::from_utf8_lossy(&said.stderr);
    if !said.status.success() && error.contains(reason) {
        report.pass();
    } else {
        report.fail(format!("the chart takes --set {value}, or refuses it without a reason: {error}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_kept_when_the_chart_goes() {
        let made = crds("kind: CustomResourceDefinition\nmetadata:\n  name: x\nspec: {}\n").unwrap();
        let keep = "metadata:\n  annotations:\n    helm.sh/resource-policy: keep\n  name: x\n";
        assert!(made.contains(keep), "{made}");
        assert!(
            made.starts_with("{{- if .Values.crds.install }}\n") && made.ends_with("spec: {}\n{{- end }}\n")
        );
    }
}
