//! Whoever looks after one cluster, and what it remembers from one look to the next: nothing that the next operator
//! could not find out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;
use kube::{Client, Resource};
use moncluster_api::{MemberName, MonCluster, MonClusterStatus, ObjectNames};
use moncluster_plan::{Committed, Probe};
use tokio::time::{Duration, Instant};

use crate::clock::Clock;
use crate::error::{Error, api_error};
use crate::metrics::Metrics;
use crate::monitors::Monitors;
use crate::shelf::Key;
use crate::watches::Watches;

/// What all workers share.
#[derive(Clone)]
pub struct Tools {
    /// The API server.
    pub client: Client,
    /// The monitors.
    pub monitors: Arc<dyn Monitors>,
    /// What is watched.
    pub watches: Watches,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The image of monitors where a spec names none.
    pub image: Arc<str>,
    /// Who we are, in events.
    pub identity: Arc<str>,
}

/// Looks after one cluster.
pub struct Worker {
    pub(crate) tools: Tools,
    pub(crate) key: Key,
    pub(crate) memory: Memory,
}

/// What was found out and is still of use.
#[derive(Default)]
pub(crate) struct Memory {
    /// Secrets by name, as of when. There is no watch on Secrets, because it would have to be on all of them.
    pub(crate) secrets: BTreeMap<String, (Instant, Option<Secret>)>,
    /// The last probes, and until when a silent monitor is left alone.
    pub(crate) probes: BTreeMap<MemberName, (Probe, Option<Instant>)>,
    pub(crate) committed: Option<Committed>,
    /// Members whose address the API server refused.
    pub(crate) refused: BTreeSet<MemberName>,
    /// Revisions of members' pods, with what they were made from.
    pub(crate) revisions: BTreeMap<MemberName, (RevisionOf, String)>,
    /// What people were told, and when.
    pub(crate) told: BTreeMap<String, Instant>,
    /// Storage classes that let claims grow, as of when.
    pub(crate) expandable: BTreeMap<String, (Instant, bool)>,
}

/// Generation of the spec, image, fsid, address: everything that a revision depends on.
pub(crate) type RevisionOf = (i64, String, String, String);

/// For so long a Secret that was read counts.
const SECRET_KEPT: Duration = Duration::from_secs(30);

impl Worker {
    /// A worker that knows nothing yet.
    pub fn new(tools: Tools, key: Key) -> Self {
        Self { tools, key, memory: Memory::default() }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.key.0
    }

    pub(crate) fn name(&self) -> &str {
        &self.key.1
    }

    pub(crate) fn names(&self) -> ObjectNames<'_> {
        ObjectNames { cluster: &self.key.1 }
    }

    /// The API of a kind in the cluster's namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.tools.client.clone(), self.namespace())
    }

    /// A Secret, no older than half a minute.
    pub(crate) async fn secret(&mut self, name: &str) -> Result<Option<Secret>, Error> {
        if let Some((at, secret)) = self.memory.secrets.get(name)
            && at.elapsed() < SECRET_KEPT
        {
            return Ok(secret.clone());
        }
        let secret = self
            .api::<Secret>()
            .get_opt(name)
            .await
            .map_err(api_error(format!("cannot read Secret {name}")))?;
        // One that is missing may be made at any moment.
        if secret.is_some() {
            self.memory.secrets.insert(name.to_owned(), (Instant::now(), secret.clone()));
        }
        Ok(secret)
    }

    /// Who votes and where, as far as is known.
    pub(crate) fn voters(&self, status: &MonClusterStatus) -> BTreeMap<MemberName, String> {
        match &self.memory.committed {
            Some(map) => map.voters.iter().map(|voter| (voter.name.clone(), voter.address.clone())).collect(),
            None => status
                .members
                .iter()
                .filter(|member| member.rank.is_some())
                .filter_map(|member| Some((member.name.clone(), member.address.clone()?)))
                .collect(),
        }
    }

    /// The MonCluster as it is now, or none.
    pub(crate) async fn read_cluster(&self) -> Result<Option<MonCluster>, Error> {
        let what = format!("cannot read MonCluster {}", self.name());
        self.api::<MonCluster>().get_opt(self.name()).await.map_err(api_error(what))
    }
}
