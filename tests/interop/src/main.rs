//! The monitor against stock Ceph. `cargo xtask interop` builds what is needed and runs this.

mod case;
mod cluster;
mod demo;
mod port;
mod runner;
mod said;
mod shape;
mod stock;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Places {
    /// The monitor's program.
    #[arg(long)]
    mon: PathBuf,
    /// The folder with the roots of stock Ceph.
    #[arg(long)]
    stock: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Run the tests.
    Test {
        #[command(flatten)]
        places: Places,
        /// The program of tests/rados-client.
        #[arg(long)]
        rados_client: Option<PathBuf>,
        /// Only those whose name contains this.
        #[arg(default_value = "")]
        filter: String,
    },
    /// Show what the monitor does.
    Demo {
        #[command(flatten)]
        places: Places,
        /// The release whose command line is used: that of Debian 12.
        #[arg(long, default_value_t = 16)]
        release: u8,
    },
}

fn main() -> ExitCode {
    let ok = match Arguments::parse().command {
        Command::Test { places, rados_client, filter } => {
            let run = runner::Run {
                binary: &places.mon,
                stock: &places.stock,
                rados_client: rados_client.as_deref(),
                filter: &filter,
            };
            runner::run(&case::ALL, &run)
        }
        Command::Demo { places, release } => match demo::demo(&places.mon, &places.stock, release) {
            Ok(()) => true,
            Err(error) => {
                eprintln!("demo: {error:#}");
                false
            }
        },
    };
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
