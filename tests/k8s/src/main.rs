//! The operator on a real Kubernetes: a cluster in network namespaces, and scenarios. `cargo xtask k8s` builds what is
//! needed and runs this.
//!
//! With `KUBECONFIG` set, the cluster that it names is used instead of one of our own.

mod cluster;
mod demo;
mod kube;
mod lab;
mod load;
mod runner;
mod scenario;
mod timings;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::kube::Kube;
use crate::lab::Lab;
use crate::timings::Timings;
use crate::world::World;

#[derive(Parser)]
#[command(name = "cargo xtask k8s")]
struct Arguments {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    command: Command,
}

/// Where things are that `cargo xtask` has made.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct Places {
    /// The folder with the programs of Kubernetes.
    #[arg(long, hide = true)]
    programs: PathBuf,
    /// The root with stock Ceph.
    #[arg(long, hide = true)]
    stock: PathBuf,
    /// The folder with kubectl-moncluster.
    #[arg(long, hide = true)]
    plugins: PathBuf,
    /// The container image.
    #[arg(long, hide = true)]
    image: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Start a cluster on this machine, from nothing.
    Up {
        /// How many nodes.
        #[arg(long, default_value_t = NODES)]
        nodes: usize,
    },
    /// End it, and remove what it left.
    Down,
    /// Show its nodes and pods.
    Status,
    /// A node dies whole: its cable is cut, every process of it is killed.
    NodeKill {
        /// n1, n2, ...
        node: String,
    },
    /// It is switched on again.
    NodeReturn {
        /// n1, n2, ...
        node: String,
    },
    /// A node's cable is cut; everything on it goes on.
    Partition {
        /// n1, n2, ...
        node: String,
    },
    /// It is plugged in again.
    Heal {
        /// n1, n2, ...
        node: String,
    },
    /// Run the scenarios, on a cluster that is made for it and ended afterwards (`KEEP=1`: left as it is).
    Test {
        /// Only those whose name contains this.
        #[arg(default_value = "")]
        filter: String,
    },
    /// Show what the operator does, on a cluster that is made for it (`KEEP=1`: left up), or on that of KUBECONFIG.
    Demo,
    /// kubectl as the administrator, with our plugin.
    Kubectl {
        /// What kubectl is asked for.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// helm as the administrator.
    Helm {
        /// What helm is asked for.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Five for the largest cluster of the scenarios.
const NODES: usize = 5;

fn main() -> ExitCode {
    let Arguments { places, command } = Arguments::parse();
    match run(&places, command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(places: &Places, command: Command) -> Result<ExitCode> {
    let kube = Kube::of(places)?;
    match command {
        Command::Up { nodes } => {
            let lab = own(&kube)?;
            if let Some(obstacle) = lab.obstacle() {
                bail!("no Kubernetes can run here: {obstacle}");
            }
            let _lock = lab.lock()?;
            lab.up(nodes, &kube.images()?)?;
            status(&kube)?;
            println!(
                "cargo xtask k8s kubectl ...   or   nsenter --net=/run/netns/mcl-ctl with KUBECONFIG={}",
                lab.kubeconfig().display()
            );
        }
        Command::Down => {
            let lab = own(&kube)?;
            let _lock = lab.lock()?;
            lab.down()?;
        }
        Command::Status => status(&kube)?,
        Command::NodeKill { node } => own(&kube)?.kill_node(lab::node_number(&node)?)?,
        Command::NodeReturn { node } => own(&kube)?.return_node(lab::node_number(&node)?)?,
        Command::Partition { node } => own(&kube)?.cut(lab::node_number(&node)?)?,
        Command::Heal { node } => own(&kube)?.mend(lab::node_number(&node)?)?,
        Command::Test { filter } => return test(&kube, places, &filter),
        Command::Demo => show(&kube)?,
        Command::Kubectl { arguments } => return passed_on(kube.kubectl().args(arguments)),
        Command::Helm { arguments } => return passed_on(kube.helm().args(arguments)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs scenarios. Without `KEEP`, in a lab of their own from nothing; with it, in the one that is up.
fn test(kube: &Kube, places: &Places, filter: &str) -> Result<ExitCode> {
    let keep = std::env::var_os("KEEP").is_some();
    let world = World { kube: kube.clone(), timings: Timings::default(), stock: places.stock.clone() };
    let Some(lab) = kube.lab() else {
        return Ok(if runner::run(&world, filter) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    };
    if let Some(obstacle) = lab.obstacle() {
        runner::skip_all(&obstacle, filter);
        return Ok(ExitCode::SUCCESS);
    }
    let _lock = lab.lock()?;
    if !keep || lab.nodes().is_none() {
        let start = std::time::Instant::now();
        lab.up(NODES, &kube.images()?)?;
        println!("a Kubernetes of {NODES} nodes: {:.0} s", start.elapsed().as_secs_f64());
    }
    // From here on we are where services have their addresses.
    lab.enter()?;
    let ok = runner::run(&world, filter);
    if !keep {
        lab.down()?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(kube: &Kube) -> Result<()> {
    let Some(lab) = kube.lab() else { return demo::demo(kube) };
    if let Some(obstacle) = lab.obstacle() {
        bail!("no Kubernetes can run here: {obstacle}; set KUBECONFIG to use one that exists");
    }
    let _lock = lab.lock()?;
    lab.up(NODES, &kube.images()?)?;
    let shown = demo::demo(kube);
    if std::env::var_os("KEEP").is_none() {
        lab.down()?;
    }
    shown
}

fn own(kube: &Kube) -> Result<&Lab> {
    kube.lab().context("KUBECONFIG names a cluster that is not ours to change: unset it")
}

fn status(kube: &Kube) -> Result<()> {
    for what in ["nodes", "pods"] {
        kube.kubectl().args(["get", what, "-A", "-o", "wide"]).status()?;
    }
    Ok(())
}

fn passed_on(command: &mut std::process::Command) -> Result<ExitCode> {
    let status = command.status()?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}
