//! The monitor against stock Ceph. `cargo xtask interop` builds what is needed and runs this.

mod case;
mod cluster;
mod port;
mod runner;
mod said;
mod shape;
mod stock;
mod wait;

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
        /// Only those whose name contains this.
        #[arg(default_value = "")]
        filter: String,
    },
}

fn main() -> ExitCode {
    let ok = match Arguments::parse().command {
        Command::Test { places, filter } => runner::run(&case::ALL, &places.mon, &places.stock, &filter),
    };
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
