//! What the operator observed, did and is doing. It is also the operator's memory: it keeps nothing elsewhere.

mod condition;
mod member;
mod operation;
mod quorum;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::condition::{Condition, ConditionStatus};
pub use self::member::{CauseOfOutage, MemberState, MemberStatus, PaxosStatus};
pub use self::operation::{Finished, Operation, OperationKind, OperationResult, Step};
pub use self::quorum::{QuorumState, QuorumStatus};

use crate::{MemberName, Moment};

/// What the operator observed, did and is doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MonClusterStatus {
    /// The generation of the spec that this is about.
    pub observed_generation: i64,
    /// Members that vote.
    pub replicas: u32,
    /// Members in quorum.
    pub ready_replicas: u32,
    /// Members whose pods are as the spec says.
    pub updated_replicas: u32,
    /// Selector of the members' pods, for the scale subresource.
    pub selector: String,
    /// The cluster's id. It is made once, before the first monitor is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36))]
    pub fsid: Option<String>,
    /// Whether the first monitor has formed a quorum.
    pub bootstrapped: bool,
    /// The index of the next new member; it only grows.
    pub next_member_index: u32,
    /// Versions of the monitors.
    pub version: RolledVersion,
    /// The quorum.
    pub quorum: QuorumStatus,
    /// Every member, and every member to be.
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub members: Vec<MemberStatus>,
    /// What is being done. It is written here before its first side effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The last ten operations that ended, newest first.
    #[schemars(length(max = 10))]
    pub history: Vec<Finished>,
    /// Limits on replacements.
    pub healing: HealingStatus,
    /// The last request that was taken up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestStatus>,
    /// What people can do about a quorum that is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
    /// What clients need.
    pub endpoints: Endpoints,
    /// Conditions.
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
}

impl MonClusterStatus {
    /// What is known of a member.
    pub fn member(&self, name: &MemberName) -> Option<&MemberStatus> {
        self.members.iter().find(|member| member.name == *name)
    }

    /// A condition.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}

/// Versions of the monitors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolledVersion {
    /// The oldest that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub current: Option<String>,
    /// The image that all should have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub target: Option<String>,
}

/// Limits on replacements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HealingStatus {
    /// Replacements that were started within the last hour, oldest first.
    #[schemars(length(max = 16))]
    pub replacements: Vec<Replaced>,
    /// Replacements that failed in a row.
    pub failures: u32,
    /// No replacement starts before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_until: Option<Moment>,
}

/// A replacement that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replaced {
    /// When.
    pub time: Moment,
    /// Who was to go.
    pub member: MemberName,
    /// Why.
    #[schemars(length(max = 64))]
    pub reason: String,
}

/// The last request that was taken up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestStatus {
    /// The request's time, which is its id.
    pub asked: Moment,
    /// The request.
    #[schemars(length(max = 128))]
    pub request: String,
    /// What became of it.
    pub result: RequestResult,
    /// In words.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RequestResult {
    /// It is being done: see the operation.
    Accepted,
    /// It is done.
    Done,
    /// It was not done, or given up.
    Refused,
}

/// What people can do about a quorum that is lost. The operator itself never makes a smaller map.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Recovery {
    /// Whose store has the newest data, best first.
    #[schemars(length(max = 32))]
    pub candidates: Vec<Candidate>,
    /// What to do, in a few sentences.
    #[schemars(length(max = 1024))]
    pub advice: String,
}

/// A member whose store is a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its name.
    pub name: MemberName,
    /// Whether it answers now.
    pub reachable: bool,
    /// The newest Paxos version that it has, as far as was ever seen.
    pub last_committed: u64,
}

/// What clients need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoints {
    /// `mon_host` of a ceph.conf.
    #[schemars(length(max = 2048))]
    pub mon_host: String,
    /// The Service that leads to members in quorum.
    #[schemars(length(max = 63))]
    pub service_name: String,
    /// The ConfigMap with `mon_host`, `fsid` and a ceph.conf.
    #[schemars(length(max = 253))]
    pub config_map_name: String,
    /// The Secret with the keyring of client.admin.
    #[schemars(length(max = 253))]
    pub keyring_secret_name: String,
}
