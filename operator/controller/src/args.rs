//! The command line.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Operator of Ceph monitor clusters.
#[derive(Debug, Parser)]
#[command(name = "moncluster-operator", version, about, max_term_width = 110)]
pub struct Cli {
    /// What to do; `run` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look after MonClusters (the default)
    Run,
    /// Wait until an operator's probe answers; for `helm test`
    Check {
        /// http://HOST:PORT/PATH
        #[arg(long)]
        url: String,
    },
    /// Print the CustomResourceDefinition
    Crd,
    /// Print the version
    Version,
}

/// Options of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Namespaces to look after, separated by commas; none: all of them
    #[arg(long, env = "MONCLUSTER_WATCH_NAMESPACES", value_delimiter = ',', global = true)]
    pub watch_namespaces: Vec<String>,
    /// Address of /metrics, /healthz and /readyz
    #[arg(long, env = "MONCLUSTER_LISTEN", default_value = "[::]:8080", global = true)]
    pub listen: SocketAddr,
    /// Image of monitors whose spec names none
    #[arg(long, env = "MONCLUSTER_MONITOR_IMAGE", default_value = DEFAULT_IMAGE, global = true)]
    pub monitor_image: String,
    /// Name of the Lease that decides which operator works
    #[arg(long, env = "MONCLUSTER_LEASE", default_value = "moncluster-operator", global = true)]
    pub lease: String,
    /// Namespace of that Lease
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", global = true)]
    pub lease_namespace: String,
    /// Who this operator is: the name of its pod
    #[arg(long, env = "POD_NAME", default_value = "moncluster-operator", global = true)]
    pub identity: String,
    /// What to log: error, warn, info, debug, trace, or a filter of tracing-subscriber
    #[arg(long, env = "MONCLUSTER_LOG", default_value = "info", global = true)]
    pub log: String,
    /// Form of the log
    #[arg(long, env = "MONCLUSTER_LOG_FORMAT", default_value = "text", global = true)]
    pub log_format: LogFormat,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

const DEFAULT_IMAGE: &str = concat!("moncluster:", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound_and_run_is_the_default() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["moncluster-operator", "--watch-namespaces", "a,b"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.run.watch_namespaces, ["a", "b"]);
        let cli = Cli::try_parse_from(["moncluster-operator", "run", "--log-format=json"]).unwrap();
        assert_eq!(cli.run.log_format, LogFormat::Json);
    }
}
