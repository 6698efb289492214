//! A cluster through its command line: our own in network namespaces, or the one that `KUBECONFIG` names.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::Places;
use crate::lab::Lab;

/// The cluster.
#[derive(Debug, Clone)]
pub(crate) struct Kube {
    lab: Option<Lab>,
    places: Places,
}

impl Kube {
    /// The cluster that the environment chooses.
    pub(crate) fn of(places: &Places) -> Result<Self> {
        let existing = std::env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty());
        let lab = (!existing).then(|| Lab::new(&places.programs));
        Ok(Self { lab, places: places.clone() })
    }

    /// Our own lab, if that is what we use.
    pub(crate) fn lab(&self) -> Option<&Lab> {
        self.lab.as_ref()
    }

    /// Image archives that the nodes of a lab need.
    pub(crate) fn images(&self) -> Result<Vec<PathBuf>> {
        let image = self.places.image.clone().context("no image: start this through cargo xtask k8s")?;
        Ok(vec![self.places.programs.join("pause.tar"), image])
    }

    /// kubectl as the administrator; its plugins are found.
    pub(crate) fn kubectl(&self) -> Command {
        self.client("kubectl")
    }

    /// helm as the administrator.
    pub(crate) fn helm(&self) -> Command {
        let mut helm = self.client("helm");
        // Nothing is looked up in charts or caches of the user.
        helm.env("HELM_CACHE_HOME", std::env::temp_dir().join("moncluster-helm"));
        helm
    }

    /// A read of the API server: the path of a resource.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        let said = self.kubectl().args(["get", "--raw", path]).output()?;
        ensure!(said.status.success(), "GET {path}: {}", String::from_utf8_lossy(&said.stderr).trim());
        serde_json::from_slice(&said.stdout).with_context(|| format!("GET {path}: no JSON"))
    }

    /// The same, with nothing where there is no such object.
    pub(crate) fn find(&self, path: &str) -> Result<Option<Value>> {
        match self.get(path) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.to_string().contains("NotFound") => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn client(&self, name: &str) -> Command {
        let mut command = match &self.lab {
            Some(lab) => {
                let mut command = lab.inside(&lab.program(name));
                command.env("KUBECONFIG", lab.kubeconfig());
                command
            }
            None => {
                let ours = self.places.programs.join(name);
                Command::new(if ours.exists() { ours.into_os_string() } else { OsString::from(name) })
            }
        };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.places.plugins.clone()).chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(path) {
            command.env("PATH", path);
        }
        command
    }
}

/// Runs a command with an input; what it prints.
pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    child.stdin.take().context("no pipe")?.write_all(input)?;
    let said = child.wait_with_output()?;
    if !said.status.success() {
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
        bail!("{}: {}", words.join(" "), String::from_utf8_lossy(&said.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

/// Runs a command that must succeed; what it prints.
pub(crate) fn ok(command: &mut Command) -> Result<String> {
    feed(command, &[])
}
