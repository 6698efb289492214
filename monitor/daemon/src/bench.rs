//! `mon bench`: the same client measures our monitors and stock ones.
//!
//! Everything goes over msgr2 as the `ceph` command would send it. With `--peer ceph` a trio of stock
//! monitors is started in a temporary folder, measured the same way after ours, and compared.

mod failover;
mod latency;
mod listener;
mod load;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use mon_client::stock::{StockError, StockTrio};
use mon_client::{Client, ClientError, Mode, Target, TargetError};
use mon_types::entity::EntityName;

/// What `mon bench` was asked to do.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write config-keys, each client one after the other
    #[command(after_help = "Examples:\n  \
        mon bench put --conf /tmp/cluster/ceph.conf\n  \
        mon bench put --conf /tmp/cluster/ceph.conf --peer ceph --clients 1,64    beside stock Ceph")]
    Put(LoadArgs),
    /// Read config-keys, each client one after the other
    Get(LoadArgs),
    /// Write without pause, take a monitor away, and show for how long no write came through
    #[command(after_help = "Example:\n  \
        mon bench failover --conf /tmp/cluster/ceph.conf --kill peon --signal STOP -o json")]
    Failover(FailoverArgs),
}

/// Where, and how to say what came of it.
#[derive(Debug, Args)]
struct ClusterArgs {
    /// ceph.conf of the cluster to measure; its keyring must hold the name's key
    #[arg(long, short = 'c', env = "CEPH_CONF", value_name = "FILE", required_unless_present = "peer")]
    conf: Option<PathBuf>,
    /// Entity to be
    #[arg(long, short = 'n', value_name = "TYPE.ID", default_value = "client.admin")]
    name: EntityName,
    /// Keyring with its key, instead of the one that ceph.conf names
    #[arg(long, short = 'k', value_name = "FILE")]
    keyring: Option<PathBuf>,
    /// Also start three stock monitors in a temporary folder, and compare
    #[arg(long, value_enum)]
    peer: Option<Peer>,
    /// Release of these
    #[arg(long, value_name = "RELEASE", default_value_t = 20, value_parser = clap::value_parser!(u8).range(16..=20))]
    peer_release: u8,
    /// How frames travel
    #[arg(long, value_enum, default_value_t = ModeArg::Secure)]
    mode: ModeArg,
    /// How to show the result
    #[arg(long, short = 'o', value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Args)]
struct LoadArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Numbers of clients, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256", value_parser = clap::value_parser!(u32).range(1..=4096))]
    clients: Vec<u32>,
    /// Seconds that each measurement takes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Bytes of each value
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    value_size: u32,
}

#[derive(Debug, Args)]
struct FailoverArgs {
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Which monitor to take away
    #[arg(long, value_enum, default_value_t = Victim::Leader)]
    kill: Victim,
    /// How; a stopped monitor goes on at the end, a killed one stays dead
    #[arg(long, value_enum, ignore_case = true, default_value_t = SignalArg::Kill)]
    signal: SignalArg,
    /// Number of clients that write, spread over the monitors
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    clients: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// Stock Ceph
    Ceph,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeArg {
    /// Encrypted
    Secure,
    /// In clear, with checksums
    Crc,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Victim {
    /// The leader
    Leader,
    /// A member of the quorum that does not lead
    Peon,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SignalArg {
    /// SIGKILL: the process is gone
    #[value(name = "KILL")]
    Kill,
    /// SIGSTOP: the process is silent
    #[value(name = "STOP")]
    Stop,
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The cluster's files.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The cluster.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Stock Ceph.
    #[error(transparent)]
    Stock(#[from] StockError),
    /// A command that must work does not.
    #[error("{command}: error {code}: {message}")]
    Refused {
        /// Its prefix.
        command: &'static str,
        /// A negative errno.
        code: i32,
        /// The monitor's words.
        message: String,
    },
    /// No quorum of all members formed.
    #[error("not all monitors are in the quorum after {0:?}; start those that are missing")]
    NoQuorum(Duration),
    /// The quorum has nobody to take away.
    #[error("the quorum of {0} has no such monitor to take away")]
    NoVictim(usize),
    /// The process to signal is not on this machine.
    #[error("no process here listens on {0}; failover must run on the monitors' machine, as their user")]
    NoProcess(std::net::SocketAddr),
    /// The signal was not sent.
    #[error("cannot signal process {pid}: {error}")]
    Signal {
        /// Which.
        pid: i32,
        /// Why.
        error: std::io::Error,
    },
}

/// A cluster under measurement.
struct Subject {
    /// How results call it.
    name: String,
    target: Target,
    /// Stock monitors live as long as this.
    _trio: Option<StockTrio>,
}

/// Measures and prints.
///
/// # Errors
/// Whatever kept it from measuring.
pub(crate) async fn run(args: BenchArgs) -> Result<(), BenchError> {
    match args.what {
        What::Put(args) => load(&args, load::Operation::Put).await,
        What::Get(args) => load(&args, load::Operation::Get).await,
        What::Failover(args) => failover(&args).await,
    }
}

async fn load(args: &LoadArgs, operation: load::Operation) -> Result<(), BenchError> {
    let plan = load::Plan {
        operation,
        clients: args.clients.iter().map(|&count| count as usize).collect(),
        duration: Duration::from_secs(args.seconds),
        value_size: args.value_size as usize,
    };
    let progress = report::progress(args.cluster.output, plan.ticks() * args.cluster.subjects());
    let mut results = Vec::new();
    for which in args.cluster.which() {
        let subject = args.cluster.subject(which)?;
        progress.set_prefix(subject.name.clone());
        wait_for_quorum(&subject.target).await?;
        results.push((subject.name, load::measure(&subject.target, &plan, &progress).await?));
    }
    progress.finish_and_clear();
    report::load(args.cluster.output, &plan, args.cluster.mode, &results);
    Ok(())
}

async fn failover(args: &FailoverArgs) -> Result<(), BenchError> {
    let plan = failover::Plan { victim: args.kill, signal: args.signal, clients: args.clients as usize };
    let progress = report::progress(args.cluster.output, failover::TICKS * args.cluster.subjects());
    let mut results = Vec::new();
    for which in args.cluster.which() {
        let subject = args.cluster.subject(which)?;
        progress.set_prefix(subject.name.clone());
        wait_for_quorum(&subject.target).await?;
        results.push((subject.name, failover::measure(&subject.target, &plan, &progress).await?));
    }
    progress.finish_and_clear();
    report::failover(args.cluster.output, &plan, &results);
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Which {
    Conf,
    Peer,
}

impl ClusterArgs {
    fn which(&self) -> impl Iterator<Item = Which> + use<> {
        [self.conf.is_some().then_some(Which::Conf), self.peer.map(|Peer::Ceph| Which::Peer)]
            .into_iter()
            .flatten()
    }

    fn subjects(&self) -> u64 {
        self.which().count() as u64
    }

    fn subject(&self, which: Which) -> Result<Subject, BenchError> {
        let (name, conf, keyring, trio) = match (which, &self.conf) {
            (Which::Conf, Some(conf)) => ("measured".to_owned(), conf.clone(), self.keyring.clone(), None),
            (Which::Conf, None) | (Which::Peer, _) => {
                let trio = StockTrio::start(self.peer_release)?;
                (format!("ceph {}", self.peer_release), trio.conf(), Some(trio.keyring()), Some(trio))
            }
        };
        let mut target = Target::from_conf(&conf, self.name.clone(), keyring.as_deref())?;
        target.modes = match self.mode {
            ModeArg::Secure => vec![Mode::Secure],
            ModeArg::Crc => vec![Mode::Crc],
        };
        Ok(Subject { name, target, _trio: trio })
    }
}

/// How long all monitors may take to be in the quorum. Stock ones that are just started need up to 20 s.
const QUORUM_WAIT: Duration = Duration::from_secs(60);

/// Measurements begin with all monitors in the quorum: elections are only wanted where they are measured.
async fn wait_for_quorum(target: &Target) -> Result<(), BenchError> {
    let client = Client::open(Target { open_timeout: QUORUM_WAIT, ..target.clone() }).await?;
    let started = tokio::time::Instant::now();
    let mut tries = tokio::time::interval(Duration::from_millis(50));
    while started.elapsed() < QUORUM_WAIT {
        tries.tick().await;
        if failover::Quorum::ask(&client).await?.is_complete() {
            return Ok(());
        }
    }
    Err(BenchError::NoQuorum(QUORUM_WAIT))
}
