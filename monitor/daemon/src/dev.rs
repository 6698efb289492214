//! `mon dev`: a cluster of monitors in one folder of this host, for trying things and for tests.
//!
//! ```text
//! D/dev.json      what the cluster is: fsid, names, ports
//! D/ceph.conf     for the monitors, and for `ceph -c D/ceph.conf`
//! D/keyring       key of client.admin
//! D/mon.keyring   all keys, for mkfs
//! D/mon.a/        data directory
//! D/log/          logs, and what a monitor said on standard error
//! D/run/          process ids and admin sockets
//! ```

mod admin_socket;
mod cluster;
mod files;
mod membership;
mod process;
mod progress;
mod status;
mod up;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use mon_types::release::Release;

use crate::dev::cluster::Cluster;
use crate::dev::process::Signal;
use crate::exit::{Exit, Failed};

/// `mon dev ...`
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    #[command(subcommand)]
    command: DevCommand,
}

#[derive(Debug, Subcommand)]
enum DevCommand {
    /// Make a cluster, or start what is stopped of one
    #[command(after_help = "Examples:\n  \
        mon dev up --dir /tmp/cluster\n  \
        mon dev up --dir /tmp/five --mons 5 --base-port 42000 --release reef")]
    Up(UpArgs),
    /// Show the monitors and the quorum
    Status {
        #[command(flatten)]
        at: At,
        /// Output as JSON
        #[arg(long, short = 'o', value_name = "FORMAT")]
        output: Option<Output>,
    },
    /// Start one more monitor and wait until it is in the quorum
    Add(At),
    /// Take a monitor out of the cluster
    Remove(OneMon),
    /// Put a new monitor in the place of another, in one step
    Replace(OneMon),
    /// Send a signal to a monitor
    #[command(after_help = "Examples:\n  \
        mon dev kill --dir /tmp/cluster --mon a\n  \
        mon dev kill --dir /tmp/cluster --mon b --signal STOP    and CONT, to let it go on")]
    Kill {
        #[command(flatten)]
        one: OneMon,
        /// KILL, STOP, CONT or TERM
        #[arg(long, default_value = "KILL")]
        signal: Signal,
    },
    /// Stop all monitors
    Down {
        #[command(flatten)]
        at: At,
        /// Also delete the folder
        #[arg(long)]
        delete: bool,
    },
}

/// What kind of cluster.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    at: At,
    /// How many monitors
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=31))]
    mons: u16,
    /// Port of the first; the others follow, and the HTTP ports 100 higher [default: 40300, or that of the cluster
    /// that is there]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=65000))]
    base_port: Option<u16>,
    /// The release to present
    #[arg(long, default_value = "tentacle")]
    release: Release,
    /// Key types: every client can log in, or aes256k only
    #[arg(long, value_enum, default_value_t = Ciphers::Compatible)]
    ciphers: Ciphers,
}

/// Key types of a new cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ciphers {
    Compatible,
    Strict,
}

/// Where the cluster is.
#[derive(Debug, Args)]
struct At {
    /// Folder of the cluster
    #[arg(long, short = 'd', value_name = "FOLDER")]
    dir: PathBuf,
}

#[derive(Debug, Args)]
struct OneMon {
    #[command(flatten)]
    at: At,
    /// Name of the monitor, such as `a`
    #[arg(long)]
    mon: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Does what the command says.
pub(crate) fn run(arguments: DevArgs) -> Result<Exit, Failed> {
    match arguments.command {
        DevCommand::Up(up) => up::up(&up)?,
        DevCommand::Status { at, output } => {
            let cluster = Cluster::open(&at.dir)?;
            return Ok(status::print(&cluster, output == Some(Output::Json)));
        }
        DevCommand::Add(at) => membership::add(&mut Cluster::open(&at.dir)?)?,
        DevCommand::Remove(one) => membership::remove(&mut Cluster::open(&one.at.dir)?, &one.mon)?,
        DevCommand::Replace(one) => membership::replace(&mut Cluster::open(&one.at.dir)?, &one.mon)?,
        DevCommand::Kill { one, signal } => {
            let cluster = Cluster::open(&one.at.dir)?;
            let member = cluster.member(&one.mon)?;
            process::signal(&cluster, member, signal)?;
            eprintln!("mon.{} got {signal}", member.name);
        }
        DevCommand::Down { at, delete } => up::down(&Cluster::open(&at.dir)?, delete)?,
    }
    Ok(Exit::Success)
}
