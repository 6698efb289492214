//! Everything that the plan knows, with its age. Whatever is not here cannot influence a decision.

mod monitors;
mod objects;

use std::collections::BTreeMap;

use moncluster_api::{MemberName, Moment, MonClusterStatus};
use serde::{Deserialize, Serialize};

pub use self::monitors::{Answer, Committed, MapMember, MonState, Probe, Voter};
pub use self::objects::{
    ClaimFact, ClaimPhase, ContainerState, NodeFact, PodFact, PodPhase, ServiceFact, StatefulSetFact,
    SupportFact, SupportState,
};

/// One look at the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Observation {
    /// When the look was finished.
    pub now: Moment,
    /// Random values, new in every observation.
    #[serde(default)]
    pub fresh: Fresh,
    /// Whether we hold the Lease.
    #[serde(default)]
    pub lease_held: bool,
    /// How new the Kubernetes objects below are.
    pub caches: Caches,
    /// The MonCluster, apart from spec and status.
    #[serde(default)]
    pub cluster: ClusterFacts,
    /// Its status, as of `cluster.resource_version`.
    #[serde(default)]
    pub status: MonClusterStatus,
    /// Objects that belong to the cluster as a whole: for each kind that should exist, how it is.
    #[serde(default)]
    pub support: Vec<SupportFact>,
    /// What each monitor said last when it was asked for its status, directly and without the quorum. Everybody is
    /// asked who has a Service or an entry in the status.
    #[serde(default)]
    pub probes: BTreeMap<MemberName, Probe>,
    /// The newest monmap that was read through the quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<Committed>,
    /// Members' Services.
    #[serde(default)]
    pub services: BTreeMap<MemberName, ServiceFact>,
    /// Members' claims with the volumes behind them.
    #[serde(default)]
    pub claims: BTreeMap<MemberName, ClaimFact>,
    /// Members' StatefulSets.
    #[serde(default)]
    pub stateful_sets: BTreeMap<MemberName, StatefulSetFact>,
    /// Members' pods.
    #[serde(default)]
    pub pods: BTreeMap<MemberName, PodFact>,
    /// Every node.
    #[serde(default)]
    pub nodes: BTreeMap<String, NodeFact>,
    /// Members whose recorded address the API server refused to give to their Service, because it is taken.
    #[serde(default)]
    pub addresses_refused: Vec<MemberName>,
}

/// Random values; the plan uses one only where something new needs a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fresh {
    /// A UUID, should the cluster need an fsid.
    pub fsid: String,
    /// A short unique text, should an operation start: at most 40 letters, digits and dashes.
    pub operation: String,
}

/// How new the Kubernetes objects are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Caches {
    /// When all watches were last known to be in order; absent before the first complete list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synced_at: Option<Moment>,
    /// What the API server refused or did not answer since.
    #[serde(default)]
    pub errors: Vec<String>,
}

/// The MonCluster, apart from spec and status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterFacts {
    /// Its resourceVersion: what a status is written under.
    #[serde(default)]
    pub resource_version: String,
    /// Whether it is being deleted.
    #[serde(default)]
    pub deleting: bool,
    /// Whether it has our finalizer.
    #[serde(default)]
    pub finalizer: bool,
    /// Its annotation [`moncluster_api::label::REQUEST`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The selector of the members' pods, for the status.
    #[serde(default)]
    pub selector: String,
    /// The image that all members should run, for the status.
    #[serde(default)]
    pub image: String,
}
