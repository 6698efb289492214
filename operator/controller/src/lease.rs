//! Which of several operators works: the holder of a Lease. The others wait.
//!
//! Whether another's lease has ended is judged by how long it has not changed before our own eyes, so clocks of
//! different nodes do not matter.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use crate::clock::Clock;

/// An operator's claim to the work.
pub(crate) struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
    clock: Clock,
    /// What was seen last, and since when.
    seen: Option<(String, Instant)>,
}

/// How long a lease lasts that is not renewed.
const LASTS: Duration = Duration::from_secs(15);
/// Whoever could not renew for so long stops working, well before another may begin.
const GIVES_UP: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);
const RENEW: Duration = Duration::from_secs(5);

impl Election {
    /// The election by the Lease of this name.
    pub(crate) fn new(client: Client, namespace: &str, name: &str, identity: &str, clock: Clock) -> Self {
        let api = Api::namespaced(client, namespace);
        Self { api, name: name.into(), identity: identity.into(), clock, seen: None }
    }

    /// Waits until we hold the lease.
    pub(crate) async fn win(&mut self) {
        loop {
            match self.attempt().await {
                Ok(Held::Ours) => return,
                Ok(Held::Others | Held::Unclear) => {}
                Err(error) => tracing::warn!(%error, "cannot look at the lease; trying again"),
            }
            sleep(RETRY).await;
        }
    }

    /// Keeps the lease; returns when it is lost.
    pub(crate) async fn keep(&mut self) {
        let mut renewed = Instant::now();
        let mut pause = RENEW;
        loop {
            sleep(pause).await;
            // An API server that says nothing must not let us work on without the lease.
            let attempt = match timeout(RETRY, self.attempt()).await {
                Ok(attempt) => attempt,
                Err(_) => Ok(Held::Unclear),
            };
            match attempt {
                Ok(Held::Ours) => {
                    renewed = Instant::now();
                    pause = RENEW;
                    continue;
                }
                Ok(Held::Others) => return,
                Ok(Held::Unclear) if renewed.elapsed() < GIVES_UP => {}
                Ok(Held::Unclear) => return,
                Err(error) if renewed.elapsed() >= GIVES_UP => {
                    tracing::error!(%error, "the lease could not be renewed");
                    return;
                }
                Err(error) => tracing::warn!(%error, "the lease could not be renewed; trying again"),
            }
            pause = RETRY;
        }
    }

    /// Lets another begin at once.
    pub(crate) async fn release(&mut self) {
        if let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await
            && self.is_ours(&lease)
        {
            if let Some(spec) = &mut lease.spec {
                spec.holder_identity = None;
            }
            // Should it fail, the others wait until it ends.
            let _ = self.api.replace(&self.name, &PostParams::default(), &lease).await;
        }
    }

    async fn attempt(&mut self) -> Result<Held, kube::Error> {
        let present = self.api.get_opt(&self.name).await?;
        let Some(present) = present else {
            let lease = Lease {
                metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
                spec: Some(self.spec(None)),
            };
            return taken(self.api.create(&PostParams::default(), &lease).await);
        };
        if !self.is_ours(&present) && !self.has_ended(&present) {
            return Ok(Held::Others);
        }
        let spec = self.spec(present.spec.as_ref());
        let lease = Lease { spec: Some(spec), ..present };
        taken(self.api.replace(&self.name, &PostParams::default(), &lease).await)
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        holder(lease) == Some(&self.identity)
    }

    fn has_ended(&mut self, lease: &Lease) -> bool {
        if holder(lease).is_none_or(|holder| holder.is_empty()) {
            return true;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        match &self.seen {
            Some((known, since)) if *known == version => since.elapsed() >= LASTS,
            _ => {
                self.seen = Some((version, Instant::now()));
                false
            }
        }
    }

    fn spec(&self, present: Option<&LeaseSpec>) -> LeaseSpec {
        let now: Timestamp = self.clock.now();
        let is_ours = present.is_some_and(|spec| spec.holder_identity.as_ref() == Some(&self.identity));
        let transitions = present.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        let acquired = present.and_then(|spec| spec.acquire_time.clone()).filter(|_| is_ours);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
            acquire_time: Some(acquired.unwrap_or(MicroTime(now))),
            renew_time: Some(MicroTime(now)),
            lease_transitions: Some(if is_ours { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        }
    }
}

fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref()
}

/// Who holds the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Ours,
    Others,
    /// It changed while we looked.
    Unclear,
}

fn taken(result: Result<Lease, kube::Error>) -> Result<Held, kube::Error> {
    match result {
        Ok(_) => Ok(Held::Ours),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Held::Unclear),
        Err(error) => Err(error),
    }
}
