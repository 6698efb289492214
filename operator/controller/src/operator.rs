//! The operator as a whole: wins the lease, watches, and lets a worker look after each cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use kube::Client;
use tokio::time::{Duration, sleep};

use crate::clock::Clock;
use crate::lease::Election;
use crate::metrics::Metrics;
use crate::monitors::Monitors;
use crate::shelf::Key;
use crate::watches::Watches;
use crate::worker::{Tools, Worker};

/// What an operator is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The namespaces whose clusters it looks after; none: all.
    pub namespaces: Vec<String>,
    /// Namespace of the Lease.
    pub lease_namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Who it is: the name of its pod. Two processes of one name never run at a time.
    pub identity: String,
    /// The image of monitors where a spec names none.
    pub image: String,
}

/// How an operator ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As it was asked to.
    Asked,
    /// Another holds the lease, or it could not be renewed.
    LeaseLost,
}

/// New clusters are looked for this often, should a wake-up be missed.
const LOOK: Duration = Duration::from_secs(10);

/// Works until it is asked to stop or loses the lease.
pub async fn run(
    client: Client,
    monitors: Arc<dyn Monitors>,
    clock: Clock,
    config: Config,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()>,
) -> Ended {
    let mut election =
        Election::new(client.clone(), &config.lease_namespace, &config.lease, &config.identity, clock);
    tokio::pin!(stop);
    tracing::info!(identity = config.identity, "waiting for the lease");
    tokio::select! {
        () = election.win() => {}
        () = &mut stop => return Ended::Asked,
    }
    tracing::info!(identity = config.identity, "holding the lease");
    metrics.leads(true);
    let tools = Tools {
        client,
        monitors,
        watches: Watches::default(),
        clock,
        metrics: metrics.clone(),
        image: config.image.as_str().into(),
        identity: config.identity.as_str().into(),
    };
    let ended = tokio::select! {
        () = work(tools, &config.namespaces) => Ended::Asked,
        () = election.keep() => Ended::LeaseLost,
        () = &mut stop => Ended::Asked,
    };
    metrics.leads(false);
    if ended == Ended::Asked {
        election.release().await;
    }
    ended
}

/// Watches, and looks after every cluster there is. Does not end.
async fn work(tools: Tools, namespaces: &[String]) {
    let follow = tools.watches.follow(&tools.client, namespaces);
    let metrics = tools.metrics.clone();
    let watches = tools.watches.clone();
    let report = async {
        loop {
            sleep(LOOK).await;
            for complaint in watches.complaints() {
                tracing::warn!("{complaint}; check the operator's role, and that the CRD is installed");
            }
            metrics.synced(watches.behind().is_some_and(|behind| behind.is_zero()));
        }
    };
    tokio::join!(follow, look_after(&tools), report);
}

async fn look_after(tools: &Tools) {
    let mut workers: FuturesUnordered<BoxFuture<'static, Key>> = FuturesUnordered::new();
    let mut busy: BTreeSet<Key> = BTreeSet::new();
    let another = tools.watches.wakers().clusters();
    loop {
        // Before everything is listed a decision would be one on half a picture.
        if tools.watches.behind().is_some() {
            tools.metrics.synced(true);
            for cluster in tools.watches.clusters.filter(|_| true) {
                let meta = &cluster.metadata;
                let key = (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
                if busy.insert(key.clone()) {
                    let worker = Worker::new(tools.clone(), key.clone());
                    workers.push(Box::pin(async move {
                        worker.run().await;
                        key
                    }));
                }
            }
        }
        let pause = if tools.watches.behind().is_some() { LOOK } else { Duration::from_millis(100) };
        tokio::select! {
            biased;
            Some(gone) = workers.next(), if !workers.is_empty() => {
                busy.remove(&gone);
            }
            () = another.notified() => {}
            () = sleep(pause) => {}
        }
    }
}
