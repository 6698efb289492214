//! One look at the world: what Kubernetes says, what each monitor says, and what the quorum says.

mod node;
mod objects;
mod probe;
mod support;

use std::collections::BTreeMap;

use moncluster_api::{MemberName, Moment, MonCluster, ValidatedCluster, label};
use moncluster_plan::{Caches, ClusterFacts, Fresh, Observation};

use crate::build::{self, Scene};
use crate::error::Error;
use crate::worker::Worker;

impl Worker {
    /// Looks.
    ///
    /// # Errors
    /// When the API server does not answer what the look needs.
    pub(crate) async fn observe(
        &mut self,
        object: &MonCluster,
        cluster: &ValidatedCluster,
    ) -> Result<Observation, Error> {
        let status = object.status.clone().unwrap_or_default();
        let stateful_sets = self.stateful_sets();
        let pods = self.pods();
        let services = self.services();
        let claims = self.claims(cluster, &status, &pods).await?;
        let nodes = self.nodes(cluster, &pods).await?;
        let asked = status.members.iter().map(|member| member.name.clone()).chain(services.keys().cloned());
        self.probe(cluster, asked.collect()).await?;
        let voters = self.voters(&status);
        let image = self.tools.image.clone();
        let scene =
            Scene { cluster, object, default_image: &image, fsid: status.fsid.as_deref(), voters: &voters };
        let support = self.support(&scene).await?;
        let image = scene.image();
        let fsid = status.fsid.clone().unwrap_or_default();
        let address_of = |name: &MemberName| {
            let known = status.member(name).and_then(|member| member.address.clone());
            known.or_else(|| {
                claims.get(name).and_then(|claim: &moncluster_plan::ClaimFact| claim.address.clone())
            })
        };
        let mut sets = BTreeMap::new();
        for (name, mut fact) in stateful_sets {
            if let Some(address) = address_of(&name) {
                let of = (cluster.generation(), image.clone(), fsid.clone(), address);
                let known = self.memory.revisions.get(&name).filter(|(known, _)| *known == of);
                fact.revision_wanted = match known {
                    Some((_, revision)) => revision.clone(),
                    None => build::revision(&scene, &name, &of.2, &of.3),
                };
                self.memory.revisions.insert(name.clone(), (of, fact.revision_wanted.clone()));
            }
            sets.insert(name, fact);
        }
        self.memory.revisions.retain(|name, _| sets.contains_key(name));
        let now = self.now();
        let behind = self.tools.watches.behind();
        Ok(Observation {
            now,
            fresh: Fresh {
                fsid: uuid::Uuid::new_v4().to_string(),
                operation: uuid::Uuid::new_v4().simple().to_string(),
            },
            // Nobody looks without it.
            lease_held: true,
            caches: Caches {
                synced_at: behind.map(|behind| {
                    let seconds = i64::try_from(behind.as_secs()).unwrap_or(i64::MAX);
                    Moment::from_unix_seconds(now.unix_seconds().saturating_sub(seconds))
                }),
                errors: Vec::new(),
            },
            cluster: ClusterFacts {
                resource_version: object.metadata.resource_version.clone().unwrap_or_default(),
                deleting: object.metadata.deletion_timestamp.is_some(),
                finalizer: object.metadata.finalizers.iter().flatten().any(|it| it == label::FINALIZER),
                request: object
                    .metadata
                    .annotations
                    .as_ref()
                    .and_then(|all| all.get(label::REQUEST).cloned()),
                selector: build::selector(cluster.name()),
                image,
            },
            status,
            support,
            probes: self
                .memory
                .probes
                .iter()
                .map(|(name, (probe, _))| (name.clone(), probe.clone()))
                .collect(),
            committed: self.memory.committed.clone(),
            services,
            claims,
            stateful_sets: sets,
            pods,
            nodes,
            addresses_refused: self.memory.refused.iter().cloned().collect(),
        })
    }

    pub(crate) fn now(&self) -> Moment {
        self.tools.clock.now().into()
    }
}
