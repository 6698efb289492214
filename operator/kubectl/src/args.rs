//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};

#[derive(Debug, Parser)]
#[command(
    name = "kubectl-moncluster",
    bin_name = "kubectl moncluster",
    version,
    about = "Look at clusters of Ceph monitors, and ask their operator for the few things that people decide",
    after_help = "Examples:\n  \
        kubectl moncluster status                 the only cluster of this namespace\n  \
        kubectl moncluster status -w -c sample    live\n  \
        kubectl moncluster -n ceph doctor         what is wrong and what to do; exit code 0, 2 or 3"
)]
pub(crate) struct Arguments {
    /// Namespace; the one of the kubeconfig's context if not given.
    #[arg(long, short, global = true)]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig.
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,
    /// The MonCluster; not needed where the namespace has only one.
    #[arg(long, short, global = true)]
    pub(crate) cluster: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One screen: quorum, operation, disruption budget, alerts, members.
    #[command(after_help = "Examples:\n  \
        kubectl moncluster status -w\n  \
        kubectl moncluster status -o json | jq .status.quorum.state")]
    Status {
        /// Keep it up to date until interrupted.
        #[arg(long, short)]
        watch: bool,
        /// Form of the output.
        #[arg(long, short, value_enum, default_value = "text")]
        output: Output,
    },
    /// The members, with their addresses, nodes, pods, volumes and stores.
    #[command(after_help = "Example:\n  kubectl moncluster members -o json | jq '.[].nodeName'")]
    Members {
        /// Form of the output.
        #[arg(long, short, value_enum, default_value = "text")]
        output: Output,
    },
    /// Give the place of a member to a new one, in one change of the monmap.
    ///
    /// The operator makes a newcomer, lets it copy the store, swaps the two, and removes the old one. It
    /// refuses while another member is out of quorum or no spare node is there.
    #[command(after_help = "Examples:\n  \
        kubectl moncluster replace b --dry-run    says whether it would be accepted\n  \
        kubectl moncluster replace b --wait       returns when it is done; exit code 1 if it was refused")]
    Replace {
        /// The member's name, without `mon.`.
        member: String,
        #[command(flatten)]
        ask: Ask,
    },
    /// Let the leader hand over to another member.
    #[command(after_help = "Example:\n  kubectl moncluster step-down --wait")]
    StepDown {
        #[command(flatten)]
        ask: Ask,
    },
    /// Stop the operator from changing anything; it goes on to observe.
    #[command(after_help = "Sets spec.paused. Where a manifest is applied by GitOps, set it there instead.")]
    Pause {
        /// Ask the API server whether it would be accepted, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Let the operator change things again.
    Resume {
        /// Ask the API server whether it would be accepted, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Say what is wrong and what to do.
    ///
    /// Exit codes: 0 nothing; 2 something to look at; 3 the quorum is lost, at risk, or nobody looks after it;
    /// 1 it could not be found out.
    Doctor,
}

/// How something is asked of the operator.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Ask {
    /// Say what would be asked and whether it would be accepted, and ask nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Return when it is done.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) wait: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
        let parsed = Arguments::parse_from(["x", "replace", "b", "--wait", "-n", "ceph"]);
        assert_eq!(parsed.namespace.as_deref(), Some("ceph"));
        assert!(matches!(parsed.command, Command::Replace { member, ask } if member == "b" && ask.wait));
    }
}
