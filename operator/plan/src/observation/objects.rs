//! What Kubernetes says.

use moncluster_api::Moment;
use serde::{Deserialize, Serialize};

use crate::action::{Role, SupportKind};

/// An object that belongs to the cluster as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SupportFact {
    /// Which.
    pub kind: SupportKind,
    /// How it is.
    pub state: SupportState,
}

/// How an object is, compared with what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SupportState {
    /// As it should be.
    Current,
    /// It is not there.
    Missing,
    /// It is there and different, or its certificate runs out.
    Differs,
    /// It cannot be made yet: what goes into it is not known.
    Waiting,
    /// It is there, ours, and the spec wants none any more.
    Unwanted,
    /// People keep it, and it is not there or cannot be used; in words, with what to do.
    Unusable(String),
}

/// A member's Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceFact {
    /// UID.
    pub uid: String,
    /// resourceVersion.
    #[serde(default)]
    pub resource_version: String,
    /// Its cluster IP, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_ip: Option<String>,
    /// Whether it leads nowhere, because the member is fenced.
    #[serde(default)]
    pub fenced: bool,
    /// Whether it is being deleted.
    #[serde(default)]
    pub deleting: bool,
}

/// A member's claim with the volume behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimFact {
    /// UID.
    pub uid: String,
    /// resourceVersion.
    #[serde(default)]
    pub resource_version: String,
    /// Phase.
    #[serde(default)]
    pub phase: ClaimPhase,
    /// Whether it is being deleted.
    #[serde(default)]
    pub deleting: bool,
    /// Its annotation [`moncluster_api::label::FSID`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsid: Option<String>,
    /// Its annotation [`moncluster_api::label::ADDRESS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Its annotation [`moncluster_api::label::RETIRED_UNTIL`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_until: Option<Moment>,
    /// What it asks for, in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Whether its storage class lets it grow.
    #[serde(default)]
    pub expandable: bool,
    /// Whether it is bound to a volume that does not exist any more or has failed.
    #[serde(default)]
    pub volume_missing: bool,
    /// The nodes that its volume is tied to, existing or not; absent when it can be anywhere. With
    /// `storage.portability` other than `Auto`, what that says: `Portable` absent, `NodeLocal` the pod's node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<String>>,
}

/// Phase of a claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClaimPhase {
    /// It has no volume yet.
    #[default]
    Pending,
    /// It has one.
    Bound,
    /// It had one.
    Lost,
}

/// A member's StatefulSet. Its update strategy is OnDelete: what it says is for the next pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatefulSetFact {
    /// UID.
    pub uid: String,
    /// resourceVersion.
    #[serde(default)]
    pub resource_version: String,
    /// What its pods are.
    pub role: Role,
    /// Hash of its template, without the role: annotation [`moncluster_api::label::REVISION`].
    #[serde(default)]
    pub revision: String,
    /// What that hash would be if it were applied now.
    #[serde(default)]
    pub revision_wanted: String,
    /// Whether it is being deleted.
    #[serde(default)]
    pub deleting: bool,
}

/// A member's pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodFact {
    /// UID.
    pub uid: String,
    /// resourceVersion.
    #[serde(default)]
    pub resource_version: String,
    /// Phase.
    #[serde(default)]
    pub phase: PodPhase,
    /// Whether it is Ready.
    #[serde(default)]
    pub ready: bool,
    /// Whether it is being deleted.
    #[serde(default)]
    pub deleting: bool,
    /// The node that it is on; absent while it is not scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Whether the scheduler found no node for it.
    #[serde(default)]
    pub unschedulable: bool,
    /// The monitor's container.
    #[serde(default)]
    pub container: ContainerState,
    /// How it ended last, whether or not it runs again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Hash of the template that it was made from.
    #[serde(default)]
    pub revision: String,
}

/// Phase of a pod.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodPhase {
    /// Not started.
    #[default]
    Pending,
    /// Started.
    Running,
    /// Ended.
    Succeeded,
    /// Ended.
    Failed,
    /// The node does not say.
    Unknown,
}

/// State of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContainerState {
    /// Not started, or between two starts.
    #[default]
    Waiting,
    /// It runs.
    Running,
    /// It ended.
    Terminated,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeFact {
    /// Whether its condition Ready is True.
    #[serde(default)]
    pub ready: bool,
    /// Whether it is cordoned.
    #[serde(default)]
    pub cordoned: bool,
    /// Whether it has the taint `node.kubernetes.io/out-of-service`.
    #[serde(default)]
    pub out_of_service: bool,
    /// Whether it is being deleted.
    #[serde(default)]
    pub deleting: bool,
    /// Whether a monitor may run there as far as node selector, affinity and taints say (those that come with being
    /// cordoned, not ready or unreachable apart).
    #[serde(default)]
    pub fits: bool,
    /// Its value of `placement.topologyKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<String>,
}
