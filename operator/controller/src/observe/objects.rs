//! Members' objects as facts.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, ObjectMeta};
use moncluster_api::{MemberName, Moment, MonClusterStatus, Portability, ValidatedCluster, label};
use moncluster_plan::{
    ClaimFact, ClaimPhase, ContainerState, PodFact, PodPhase, Role, ServiceFact, StatefulSetFact,
};
use tokio::time::Instant;

use super::node;
use crate::error::{Error, api_error};
use crate::worker::Worker;

/// For so long it counts whether claims of a class can grow.
const CLASS_KEPT: Duration = Duration::from_secs(300);

impl Worker {
    pub(super) fn stateful_sets(&self) -> BTreeMap<MemberName, StatefulSetFact> {
        let found = self.tools.watches.stateful_sets.filter(|set| self.is_ours(&set.metadata));
        let facts = found.iter().filter_map(|set| {
            let member = member_of(&set.metadata)?;
            (set.metadata.name.as_deref() == Some(&self.names().member(&member))).then_some(())?;
            let role = match label_of(&set.metadata, label::ROLE)? {
                "bootstrap" => Role::Bootstrap,
                "learner" => Role::Learner,
                _ => Role::Voter,
            };
            let fact = StatefulSetFact {
                uid: uid(&set.metadata),
                resource_version: version(&set.metadata),
                role,
                revision: annotation(&set.metadata, label::REVISION).unwrap_or_default().to_owned(),
                revision_wanted: String::new(),
                deleting: set.metadata.deletion_timestamp.is_some(),
            };
            Some((member, fact))
        });
        facts.collect()
    }

    pub(super) fn services(&self) -> BTreeMap<MemberName, ServiceFact> {
        let found = self.tools.watches.services.filter(|service| self.is_ours(&service.metadata));
        let facts = found.iter().filter_map(|service| {
            let member = member_of(&service.metadata)?;
            (service.metadata.name.as_deref() == Some(&self.names().member(&member))).then_some(())?;
            let spec = service.spec.as_ref();
            let fact = ServiceFact {
                uid: uid(&service.metadata),
                resource_version: version(&service.metadata),
                cluster_ip: spec
                    .and_then(|spec| spec.cluster_ip.clone())
                    .filter(|ip| !ip.is_empty() && ip != "None"),
                fenced: spec
                    .and_then(|spec| spec.selector.as_ref())
                    .is_some_and(|selector| selector.contains_key("moncluster.io/fenced")),
                deleting: service.metadata.deletion_timestamp.is_some(),
            };
            Some((member, fact))
        });
        facts.collect()
    }

    pub(super) fn pods(&self) -> BTreeMap<MemberName, PodFact> {
        let found = self.tools.watches.pods.filter(|pod| self.is_ours(&pod.metadata));
        let facts = found.iter().filter_map(|pod| {
            let member = member_of(&pod.metadata)?;
            (pod.metadata.name.as_deref() == Some(&self.names().pod(&member))).then_some(())?;
            Some((member, pod_fact(pod)))
        });
        facts.collect()
    }

    /// The claims. One that a member should have and the watch does not show is asked for: that it is missing is
    /// reason enough to replace the member.
    pub(super) async fn claims(
        &mut self,
        cluster: &ValidatedCluster,
        status: &MonClusterStatus,
        pods: &BTreeMap<MemberName, PodFact>,
    ) -> Result<BTreeMap<MemberName, ClaimFact>, Error> {
        for member in status.members.iter().filter(|member| member.pvc_uid.is_some()) {
            let name = self.names().claim(&member.name);
            if self.tools.watches.claims.get(self.namespace(), &name).is_none()
                && let Some(claim) = self
                    .api::<PersistentVolumeClaim>()
                    .get_opt(&name)
                    .await
                    .map_err(api_error(format!("cannot read claim {name}")))?
            {
                self.tools.watches.claims.wrote(claim);
            }
        }
        let found = self.tools.watches.claims.filter(|claim| self.is_ours(&claim.metadata));
        let mut facts = BTreeMap::new();
        for claim in &found {
            let Some(member) = member_of(&claim.metadata) else { continue };
            if claim.metadata.name.as_deref() == Some(&self.names().claim(&member)) {
                let fact = self.claim_fact(cluster, claim, pods.get(&member)).await?;
                facts.insert(member, fact);
            }
        }
        Ok(facts)
    }

    async fn claim_fact(
        &mut self,
        cluster: &ValidatedCluster,
        claim: &PersistentVolumeClaim,
        pod: Option<&PodFact>,
    ) -> Result<ClaimFact, Error> {
        let spec = claim.spec.as_ref();
        let phase = match claim.status.as_ref().and_then(|status| status.phase.as_deref()) {
            Some("Bound") => ClaimPhase::Bound,
            Some("Lost") => ClaimPhase::Lost,
            _ => ClaimPhase::Pending,
        };
        let volume_name = spec.and_then(|spec| spec.volume_name.clone()).filter(|name| !name.is_empty());
        let volume = match &volume_name {
            Some(name) => self.volume(name).await?,
            None => None,
        };
        let failed = volume.as_ref().is_some_and(|volume| {
            volume.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Failed")
        });
        let nodes = match cluster.spec().storage.portability {
            Portability::Auto => {
                let nodes = self.tools.watches.nodes.filter(|_| true);
                volume.as_ref().and_then(|volume| node::nodes_of_volume(volume, &nodes))
            }
            Portability::Portable => None,
            Portability::NodeLocal => pod.and_then(|pod| pod.node.clone()).map(|node| vec![node]),
        };
        let requested = spec
            .and_then(|spec| spec.resources.as_ref())
            .and_then(|resources| resources.requests.as_ref())
            .and_then(|requests| requests.get("storage"))
            .and_then(|quantity| bytes(&quantity.0))
            .unwrap_or(0);
        let class = spec.and_then(|spec| spec.storage_class_name.clone());
        let expandable = match class {
            Some(class) if requested < cluster.storage_bytes() => self.is_expandable(&class).await?,
            Some(_) | None => false,
        };
        Ok(ClaimFact {
            uid: uid(&claim.metadata),
            resource_version: version(&claim.metadata),
            phase,
            deleting: claim.metadata.deletion_timestamp.is_some(),
            fsid: annotation(&claim.metadata, label::FSID).map(str::to_owned),
            address: annotation(&claim.metadata, label::ADDRESS).map(str::to_owned),
            retired_until: annotation(&claim.metadata, label::RETIRED_UNTIL)
                .and_then(|text| text.parse::<Moment>().ok()),
            bytes: requested,
            expandable,
            volume_missing: volume_name.is_some()
                && phase != ClaimPhase::Pending
                && (volume.is_none() || failed),
            nodes,
        })
    }

    /// A volume; asked for where the watch does not show it, as its absence is reason enough to replace a member.
    async fn volume(&self, name: &str) -> Result<Option<PersistentVolume>, Error> {
        if let Some(volume) = self.tools.watches.volumes.get("", name) {
            return Ok(Some((*volume).clone()));
        }
        let api: Api<PersistentVolume> = Api::all(self.tools.client.clone());
        let volume = api.get_opt(name).await.map_err(api_error(format!("cannot read volume {name}")))?;
        if let Some(volume) = &volume {
            self.tools.watches.volumes.wrote(volume.clone());
        }
        Ok(volume)
    }

    async fn is_expandable(&mut self, class: &str) -> Result<bool, Error> {
        if let Some((at, known)) = self.memory.expandable.get(class)
            && at.elapsed() < CLASS_KEPT
        {
            return Ok(*known);
        }
        let api: Api<StorageClass> = Api::all(self.tools.client.clone());
        let found =
            api.get_opt(class).await.map_err(api_error(format!("cannot read storage class {class}")))?;
        let expandable = found.and_then(|class| class.allow_volume_expansion).unwrap_or(false);
        self.memory.expandable.insert(class.to_owned(), (Instant::now(), expandable));
        Ok(expandable)
    }

    fn is_ours(&self, meta: &ObjectMeta) -> bool {
        meta.namespace.as_deref() == Some(self.namespace())
            && crate::build::owned_by_cluster(meta, self.name())
    }
}

fn pod_fact(pod: &Pod) -> PodFact {
    let status = pod.status.as_ref();
    let phase = match status.and_then(|status| status.phase.as_deref()) {
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some("Unknown") => PodPhase::Unknown,
        _ => PodPhase::Pending,
    };
    let condition = |kind: &str| {
        status.and_then(|status| status.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind))
    };
    let container =
        status.and_then(|status| status.container_statuses.as_ref()?.iter().find(|it| it.name == "mon"));
    let state = container.and_then(|container| container.state.as_ref());
    let ended = state
        .and_then(|state| state.terminated.as_ref())
        .or_else(|| container.and_then(|container| container.last_state.as_ref()?.terminated.as_ref()));
    PodFact {
        uid: uid(&pod.metadata),
        resource_version: version(&pod.metadata),
        phase,
        ready: condition("Ready").is_some_and(|condition| condition.status == "True"),
        deleting: pod.metadata.deletion_timestamp.is_some(),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).filter(|node| !node.is_empty()),
        unschedulable: condition("PodScheduled").is_some_and(|condition| {
            condition.status == "False" && condition.reason.as_deref() == Some("Unschedulable")
        }),
        container: match state {
            Some(state) if state.running.is_some() => ContainerState::Running,
            Some(state) if state.terminated.is_some() => ContainerState::Terminated,
            Some(_) | None => ContainerState::Waiting,
        },
        exit_code: ended.map(|ended| ended.exit_code),
        revision: label_of(&pod.metadata, label::REVISION).unwrap_or_default().to_owned(),
    }
}

pub(super) fn uid(meta: &ObjectMeta) -> String {
    meta.uid.clone().unwrap_or_default()
}

fn version(meta: &ObjectMeta) -> String {
    meta.resource_version.clone().unwrap_or_default()
}

fn label_of<'a>(meta: &'a ObjectMeta, label: &str) -> Option<&'a str> {
    meta.labels.as_ref()?.get(label).map(String::as_str)
}

fn annotation<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(name).map(String::as_str)
}

fn member_of(meta: &ObjectMeta) -> Option<MemberName> {
    label_of(meta, label::MEMBER)?.parse().ok()
}

/// A quantity of storage; fractions are rounded down.
fn bytes(quantity: &str) -> Option<u64> {
    let end = quantity.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(quantity.len());
    let (number, unit) = quantity.split_at(end);
    let scale: f64 = match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "m" => 1e-3,
        _ => return None,
    };
    // Sizes of volumes are far below what a float holds exactly.
    number.parse::<f64>().ok().map(|number| (number * scale) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_in_bytes() {
        for (text, wanted) in
            [("10Gi", 10 << 30), ("1500Mi", 1500 << 20), ("2G", 2_000_000_000), ("1.5Ki", 1536)]
        {
            assert_eq!(bytes(text), Some(wanted), "{text}");
        }
        assert_eq!(bytes("much"), None);
    }
}
