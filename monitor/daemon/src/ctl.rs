//! `mon status|quorum|kv|member ...`: commands against a monitor's HTTP endpoint. Tables for people,
//! `-o json` for programs, whose fields are those of the HTTP interface.

mod client;
mod kv;
mod local;
mod members;
mod show;

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};

#[cfg(test)]
pub(crate) use client::http_agent;
pub(crate) use client::{Client, CtlError};

/// Where the endpoint is and how to show what it says.
#[derive(Debug, Clone, Args)]
pub(crate) struct Endpoint {
    /// URL of a monitor's HTTP endpoint; without it a monitor of this machine is found
    #[arg(long, env = "MON_URL", value_name = "URL", global = true)]
    pub(crate) url: Option<String>,
    /// Where the monitors of this machine say what their endpoints are (their option run_dir)
    #[arg(long, env = "MON_RUN_DIR", value_name = "DIR", default_value = "/var/run/ceph", global = true)]
    pub(crate) run_dir: std::path::PathBuf,
    /// Which of them to ask, by name; otherwise any that runs
    #[arg(long, value_name = "NAME", global = true, conflicts_with = "url")]
    pub(crate) mon: Option<String>,
    /// File with the endpoint's bearer token
    #[arg(long, env = "MON_TOKEN_FILE", value_name = "FILE", global = true)]
    pub(crate) token_file: Option<std::path::PathBuf>,
    /// PEM file with the certificate authority of the endpoint; without it those of the system
    #[arg(long, env = "MON_CA_FILE", value_name = "FILE", global = true)]
    pub(crate) ca_file: Option<std::path::PathBuf>,
    /// Form of the output
    #[arg(long, short, value_enum, default_value_t = Output::Table, global = true)]
    pub(crate) output: Output,
}

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables and lines for people
    Table,
    /// JSON for programs
    Json,
}

/// What to ask.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Ctl {
    /// Show what a running monitor is doing
    #[command(after_help = "Examples:\n  \
        mon status\n  \
        mon status --url https://10.0.0.1:3380 --token-file token --ca-file ca.pem -o json")]
    Status {
        #[command(flatten)]
        endpoint: Endpoint,
    },
    /// Show the quorum, or let its leader hand over
    #[command(after_help = "Examples:\n  mon quorum -o json\n  mon quorum step-down")]
    Quorum {
        #[command(flatten)]
        endpoint: Endpoint,
        #[command(subcommand)]
        action: Option<QuorumAction>,
    },
    /// Read, write and watch keys
    #[command(after_help = "Examples:\n  \
        mon kv put greeting hello\n  \
        mon kv put lock mine --if-revision 0    only if nobody has it\n  \
        mon kv list rgw/ -o json\n  \
        mon kv watch rgw/")]
    Kv {
        #[command(flatten)]
        endpoint: Endpoint,
        #[command(subcommand)]
        action: KvAction,
    },
    /// Show and change who the monitors are
    #[command(after_help = "Examples:\n  \
        mon member list\n  \
        mon member add-learner d 10.0.0.4:3300    follows, without a vote\n  \
        mon member replace b d                    b out and d in, in one epoch of the monmap")]
    Member {
        #[command(flatten)]
        endpoint: Endpoint,
        #[command(subcommand)]
        action: MemberAction,
    },
}

/// What to do with the quorum.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum QuorumAction {
    /// Let the leader hand over to another monitor
    StepDown,
}

/// What to do with keys.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum KvAction {
    /// Print a value
    Get {
        /// The key
        key: String,
    },
    /// Set a value
    Put {
        /// The key
        key: String,
        /// The value; `-` reads it from standard input
        value: String,
        /// Only if the key has this revision; 0: only if it does not exist
        #[arg(long, value_name = "REVISION")]
        if_revision: Option<u64>,
    },
    /// Remove a key
    Delete {
        /// The key
        key: String,
        /// Only if the key has this revision
        #[arg(long, value_name = "REVISION")]
        if_revision: Option<u64>,
    },
    /// List keys
    List {
        /// Only keys that start with this
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Print changes as they are committed, until interrupted
    Watch {
        /// Only keys that start with this
        #[arg(default_value = "")]
        prefix: String,
        /// Changes after this version, instead of from now on
        #[arg(long, value_name = "VERSION")]
        after: Option<u64>,
    },
}

/// What to do with members.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum MemberAction {
    /// List voters and learners
    List,
    /// Add a voter
    Add {
        /// Its name, without `mon.`
        name: String,
        /// Its address: IP, IP:PORT or `[v2:IP:PORT,v1:IP:PORT]`
        addr: String,
        #[command(flatten)]
        guards: Guards,
    },
    /// Remove a voter
    Remove {
        /// Its name, without `mon.`
        name: String,
        #[command(flatten)]
        guards: Guards,
    },
    /// Replace a voter by a learner, in one step
    Replace {
        /// The voter that goes
        voter: String,
        /// The learner that takes its place
        learner: String,
        #[command(flatten)]
        guards: Guards,
    },
    /// Add a learner: synced, following, never voting
    AddLearner {
        /// Its name, without `mon.`
        name: String,
        /// Its address
        addr: String,
        #[command(flatten)]
        guards: Guards,
    },
    /// Remove a learner
    RemoveLearner {
        /// Its name, without `mon.`
        name: String,
        #[command(flatten)]
        guards: Guards,
    },
}

/// What makes a change safe to repeat.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Guards {
    /// Refuse if the monmap is not at this epoch
    #[arg(long, value_name = "EPOCH")]
    expected_epoch: Option<u64>,
    /// Name of the operation: a retry under the same name is not done twice
    #[arg(long, value_name = "ID")]
    operation_id: Option<String>,
}

/// Asks, and prints to `out`.
///
/// # Errors
/// What the endpoint refused, or why it could not be asked.
pub(crate) fn run(ctl: Ctl, out: &mut impl Write) -> Result<(), CtlError> {
    match ctl {
        Ctl::Status { endpoint } => show::status(&Client::new(&endpoint)?, out),
        Ctl::Quorum { endpoint, action: None } => show::quorum(&Client::new(&endpoint)?, out),
        Ctl::Quorum { endpoint, action: Some(QuorumAction::StepDown) } => {
            members::step_down(&Client::new(&endpoint)?, out)
        }
        Ctl::Kv { endpoint, action } => kv::run(&Client::new(&endpoint)?, action, out),
        Ctl::Member { endpoint, action } => members::run(&Client::new(&endpoint)?, action, out),
    }
}

#[cfg(test)]
mod ctl_test;
