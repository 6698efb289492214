//! The operator's binary.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use kube::CustomResourceExt;
use moncluster_api::MonCluster;
use moncluster_controller::args::{Cli, Command, LogFormat, RunArgs};
use moncluster_controller::clock::Clock;
use moncluster_controller::metrics::Metrics;
use moncluster_controller::monitors::Https;
use moncluster_controller::operator::{self, Config, Ended};
use moncluster_controller::{NotReady, check, http, preflight};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Duration, sleep};

fn main() -> ExitCode {
    let Cli { command, run } = Cli::parse();
    let done = match command.unwrap_or(Command::Run) {
        Command::Run => start(run),
        Command::Check { url } => in_runtime(check::check(&url)),
        Command::Crd => {
            serde_yaml::to_string(&MonCluster::crd()).map(|text| print!("{text}")).map_err(Into::into)
        }
        Command::Version => {
            println!("moncluster-operator {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("moncluster-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: RunArgs) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log).context("cannot understand --log")?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    // The process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    in_runtime(run(args))
}

fn in_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    // One thread is enough for what one operator does, and costs the least memory.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(work)
}

async fn run(args: RunArgs) -> anyhow::Result<()> {
    let client = kube::Client::try_default()
        .await
        .context("cannot find a Kubernetes: set KUBECONFIG, or run in a pod")?;
    let metrics = Arc::new(Metrics::new(Clock::System));
    let config = Config {
        namespaces: args.watch_namespaces.into_iter().filter(|name| !name.is_empty()).collect(),
        lease_namespace: args.lease_namespace,
        lease: args.lease,
        identity: args.identity,
        image: args.monitor_image,
    };
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch signals")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let work = async {
        in_place(&client, &config.namespaces).await;
        let monitors = Arc::new(Https::default());
        operator::run(client.clone(), monitors, Clock::System, config, metrics.clone(), stop).await
    };
    tokio::select! {
        ended = work => match ended {
            Ended::Asked => Ok(()),
            Ended::LeaseLost => anyhow::bail!("the lease was lost: another operator works now"),
        },
        served = http::serve(args.listen, metrics.clone()) => {
            served.with_context(|| format!("cannot serve on {}", args.listen))
        }
    }
}

/// Waits until MonClusters can be listed, and says what is missing meanwhile.
async fn in_place(client: &kube::Client, namespaces: &[String]) {
    const AGAIN: Duration = Duration::from_secs(5);
    let mut said = String::new();
    while let Err(missing) = preflight(client, namespaces).await {
        let text = missing.to_string();
        match missing {
            NotReady::NoCrd | NotReady::NoRights(_) | NotReady::NoServer(_) if text != said => {
                tracing::error!("{text}");
                said = text;
            }
            NotReady::NoCrd | NotReady::NoRights(_) | NotReady::NoServer(_) => {}
        }
        sleep(AGAIN).await;
    }
}
