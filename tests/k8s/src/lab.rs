//! A Kubernetes cluster of several nodes on this machine: real programs, each node in a network namespace of its own.
//!
//! ```text
//!   mcl-ctl                          mcl-n1                    mcl-n2 ...
//!   etcd, kube-apiserver,            containerd, kubelet,
//!   controller-manager, scheduler,   kube-proxy, pods
//!   kube-proxy (for our clients)     10.77.0.11
//!   10.77.0.1 --- bridge ---- c1 --- eth0   pods 10.88.1.0/24
//! ```
//! Nothing leads out of the namespaces, so nothing in them is reachable from elsewhere. Names in the cluster are
//! not resolved: nothing of ours asks for any. Pod disks are folders, given out as local volumes.

mod cgroup;
mod control_plane;
mod disk;
mod leftovers;
mod network;
mod node;
mod pki;
mod process;

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use moncluster_wait as wait;

use rustix::process::Pid;
use rustix::thread::LinkNameSpaceType;

pub(crate) use disk::empty;

/// Where a lab keeps its files, and which programs it runs.
#[derive(Debug, Clone)]
pub(crate) struct Lab {
    folder: PathBuf,
    programs: PathBuf,
}

/// One lab per machine: its namespaces have names.
const FOLDER: &str = "/var/tmp/moncluster-k8s";
/// The namespace of the control plane and of our clients.
const CONTROL: &str = "mcl-ctl";

impl Lab {
    /// The machine's lab; it may be down.
    pub(crate) fn new(programs: &Path) -> Self {
        Self { folder: PathBuf::from(FOLDER), programs: programs.to_owned() }
    }

    /// Why no lab can run here; none when it can.
    pub(crate) fn obstacle(&self) -> Option<String> {
        if !rustix::process::geteuid().is_root() {
            return Some("network namespaces and containers need root".to_owned());
        }
        let programs = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
        let programs = programs.iter().chain(&["kubelet", "kube-proxy", "kubectl", "helm", "pause.tar"]);
        if let Some(name) = programs.into_iter().find(|name| !self.programs.join(name).exists()) {
            return Some(format!("{name} is not built (cargo xtask k8s programs)"));
        }
        let tools = ["containerd", "ctr", "runc", "ip", "iptables", "conntrack", "nsenter"];
        if let Some(name) = tools.into_iter().find(|name| !on_path(name)) {
            return Some(format!("{name} is not installed (cargo xtask k8s programs)"));
        }
        if !Path::new("/usr/lib/cni/bridge").exists() {
            return Some("the CNI plugins are not installed (cargo xtask k8s programs)".to_owned());
        }
        network::obstacle().or_else(cgroup::obstacle)
    }

    /// Keeps others from changing the lab while the answer lives.
    pub(crate) fn lock(&self) -> Result<File> {
        let file = File::create(self.folder.with_extension("lock"))?;
        ensure!(file.try_lock().is_ok(), "another command uses the lab: wait for it to end");
        Ok(file)
    }

    /// Starts everything, from nothing. What is left of another lab is removed first.
    pub(crate) fn up(&self, nodes: usize, images: &[PathBuf]) -> Result<()> {
        ensure!((1..=9).contains(&nodes), "a lab has 1 to 9 nodes");
        self.down()?;
        fs::create_dir_all(self.path("log"))?;
        fs::write(self.path("nodes"), nodes.to_string())?;
        network::make(nodes)?;
        pki::make(&self.path("pki"), nodes)?;
        control_plane::start(self)?;
        for number in 1..=nodes {
            node::prepare(self, number)?;
            node::start_runtime(self, number)?;
        }
        std::thread::scope(|scope| {
            let imports: Vec<_> =
                (1..=nodes).map(|number| scope.spawn(move || node::join(self, number, images))).collect();
            imports
                .into_iter()
                .try_for_each(|import| import.join().unwrap_or_else(|_| bail!("a node's thread panicked")))
        })?;
        disk::make(self, nodes)?;
        control_plane::route_services(self)?;
        self.wait_for_nodes(nodes)
    }

    /// Ends everything that `up` started and removes what it made. Does nothing where there is nothing.
    pub(crate) fn down(&self) -> Result<()> {
        leftovers::remove(&self.folder)
    }

    /// How many nodes it has; none when it is down.
    pub(crate) fn nodes(&self) -> Option<usize> {
        let alive = process::is_running(&self.folder, "apiserver");
        alive.then(|| fs::read_to_string(self.path("nodes")).ok()?.trim().parse().ok()).flatten()
    }

    /// A node dies whole: its cable is cut and every process of it killed. The Node object stays.
    pub(crate) fn kill_node(&self, number: usize) -> Result<()> {
        network::cut(number)?;
        node::kill(self, number)
    }

    /// A dead node is switched on again, with the disks it had.
    pub(crate) fn return_node(&self, number: usize) -> Result<()> {
        node::kill(self, number)?;
        node::clear_memory(self, number)?;
        network::mend(number)?;
        node::start_runtime(self, number)?;
        node::join(self, number, &[])
    }

    /// Whether a node's programs run.
    pub(crate) fn node_runs(&self, number: usize) -> bool {
        process::is_running(&self.folder, &format!("n{number}.kubelet"))
    }

    /// Cuts a node's cable; everything on it goes on.
    pub(crate) fn cut(&self, number: usize) -> Result<()> {
        network::cut(number)
    }

    /// Plugs it in again.
    pub(crate) fn mend(&self, number: usize) -> Result<()> {
        network::mend(number)
    }

    /// Gives one more name to an image that all nodes have.
    pub(crate) fn tag_image(&self, image: &str, name: &str) -> Result<()> {
        let nodes = self.nodes().context("the lab is down")?;
        (1..=nodes).try_for_each(|number| {
            let _ = node::ctr(self, number).args(["images", "rm", name]).output();
            run(node::ctr(self, number).args(["images", "tag", image, name]))
        })
    }

    /// The process of a container; none when it does not run.
    pub(crate) fn container_process(&self, node: usize, id: &str) -> Result<Option<Pid>> {
        let tasks = output(node::ctr(self, node).args(["tasks", "ls"]))?;
        let line = tasks.lines().find(|line| line.starts_with(id) && line.contains("RUNNING"));
        let pid = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        Ok(pid.and_then(Pid::from_raw))
    }

    /// Moves the calling thread, and all that it starts from now on, into the namespace of the control plane.
    pub(crate) fn enter(&self) -> Result<()> {
        let namespace = File::open(format!("/run/netns/{CONTROL}"))?;
        let kind = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(namespace.as_fd(), kind)
            .context("cannot enter the lab's network")
    }

    /// The folder behind a local volume, by the volume's name.
    pub(crate) fn disk(&self, volume: &str) -> Result<PathBuf> {
        disk::folder(self, volume)
    }

    /// Makes volumes that were given back available again, empty.
    pub(crate) fn recycle_disks(&self) -> Result<()> {
        disk::recycle(self)
    }

    /// The administrator's configuration for clients.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path("pki/admin.kubeconfig")
    }

    /// kubectl as the administrator. Works from wherever the caller is.
    pub(crate) fn kubectl(&self) -> Command {
        let mut command = self.inside(&self.program("kubectl"));
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// A program that runs in the namespace of the control plane.
    pub(crate) fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{CONTROL}")).arg(program);
        command
    }

    /// One of the lab's programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn wait_for_nodes(&self, nodes: usize) -> Result<()> {
        wait::until("all nodes to be ready", Duration::from_secs(90), || {
            let said = self.kubectl().args(["get", "nodes", "--no-headers"]).output()?;
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            Ok((text.lines().filter(|line| line.contains(" Ready ")).count() == nodes).then_some(()))
        })
    }
}

/// A node's name.
pub(crate) fn node_name(number: usize) -> String {
    format!("n{number}")
}

/// A node's number, by its name.
pub(crate) fn node_number(name: &str) -> Result<usize> {
    let number = name.strip_prefix('n').and_then(|number| number.parse().ok());
    number.with_context(|| format!("no node {name}: they are n1, n2, ..."))
}

/// Runs a command that must succeed.
fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a command that must succeed, for what it prints.
fn output(command: &mut Command) -> Result<String> {
    let said = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !said.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&said.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}
