//! The project's own tooling. Read `gate.rs` for what `make test` does.

mod chart;
mod crds;
mod demo;
mod fix;
mod gate;
mod image;
mod interop;
mod k8s;
mod native;
mod nemesis;
mod place;
mod report;
mod sim;
mod stock;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::report::Report;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Setup, stock Ceph for tests, the gate, the demo, tidy")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install the packages that the build needs (RocksDB, libclang, g++) and debootstrap.
    Setup,
    /// Build roots with stock Ceph of each release, outside the clone.
    Stock {
        /// Releases; all when none is given.
        #[arg(value_parser = clap::value_parser!(u8).range(16..=20))]
        releases: Vec<u8>,
    },
    /// The gate: format, lints, tests, docs, tidy, dependency policy, interop with stock Ceph.
    Test {
        /// Leave out the tests that need stock Ceph.
        #[arg(long)]
        no_interop: bool,
    },
    /// The part of the gate that needs no tests to run: format, lints, docs, tidy.
    Check,
    /// Format the code and apply what lints can mend by themselves.
    Fix,
    /// Only the tests against stock Ceph.
    Interop {
        /// Run only tests whose name contains this.
        filter: Option<String>,
    },
    /// The Helm chart: its generated parts, lint, golden files, alert rules.
    Chart {
        /// Write what is generated.
        #[arg(long)]
        bless: bool,
    },
    /// The CustomResourceDefinition, from the types of operator/api.
    Crds {
        /// Only say whether the file is what it should be.
        #[arg(long)]
        check: bool,
    },
    /// The container image of monitor, operator and kubectl plugin.
    Image {
        /// How they are built: release, image (quicker) or dev.
        #[arg(long, default_value = "release")]
        profile: String,
        /// Where to put the archive; beside the programs by default.
        #[arg(long, short)]
        out: Option<std::path::PathBuf>,
    },
    /// A real Kubernetes on this machine: `k8s up`, `k8s test`, `k8s node-kill n2`, ...; see `k8s --help`.
    #[command(disable_help_flag = true)]
    K8s {
        /// What the harness is asked for.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Show three monitors, the stock CLI, a leader's death and a changing membership.
    Demo,
    /// Whole clusters in one thread: `sim --seeds N`, `sim --seed N --minimize`, `sim bugs`, `sim hashes`.
    Sim {
        /// What the simulator is asked for.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Faults on real monitors in network namespaces: `nemesis [--rounds N] [--seed S] [--keep] [--class C]`.
    #[command(disable_help_flag = true)]
    Nemesis {
        /// What the nemesis is asked for.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The core driven exhaustively at small size: `model --states N`, `model --bug NAME`.
    Model {
        /// What the model is asked for.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Architecture and style rules that no compiler checks.
    Tidy {
        /// Write the sizes of today's large files to the allow list.
        #[arg(long)]
        bless: bool,
    },
}

fn main() -> ExitCode {
    let mut report = Report::default();
    match run(Arguments::parse().command, &mut report) {
        Ok(()) => report.close(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, report: &mut Report) -> Result<()> {
    std::env::set_current_dir(place::workspace())?;
    match command {
        Command::Setup => {
            native::setup(report);
        }
        Command::Stock { releases } => {
            let releases = if releases.is_empty() { stock::RELEASES.to_vec() } else { releases };
            stock::provide(&releases, report)?;
        }
        Command::Test { no_interop } => gate::test(!no_interop, report)?,
        Command::Check => gate::check(report)?,
        Command::Fix => fix::fix(report),
        Command::Interop { filter } => interop::run(filter.as_deref(), report)?,
        Command::Chart { bless } => chart::chart(bless, report)?,
        Command::Crds { check } => crds::crds(check, report)?,
        Command::Image { profile, out } => {
            image::image(&profile, out, report)?;
        }
        Command::K8s { arguments } => k8s::k8s(&arguments, report)?,
        Command::Demo => demo::demo(report)?,
        Command::Sim { arguments } => sim::sim(&arguments)?,
        Command::Model { arguments } => sim::model(&arguments)?,
        Command::Nemesis { arguments } => nemesis::nemesis(&arguments, report)?,
        Command::Tidy { bless } => tidy::tidy(bless, report)?,
    }
    Ok(())
}
