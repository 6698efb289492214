//! A member as the operator sees it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{MemberName, Moment};

/// A member, or a member to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Its name.
    pub name: MemberName,
    /// Its rank; absent for one that does not vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// What it is doing.
    #[serde(default)]
    pub state: MemberState,
    /// Whether it is in quorum.
    #[serde(default)]
    pub in_quorum: bool,
    /// Since when it has been in quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_quorum_since: Option<Moment>,
    /// Its address, `IP:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub address: Option<String>,
    /// Its pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub pod_name: Option<String>,
    /// Its pod's UID.
    #[serde(default, rename = "podUID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub pod_uid: Option<String>,
    /// Its claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub pvc_name: Option<String>,
    /// Its claim's UID. A claim of the same name with another UID is not this member's store.
    #[serde(default, rename = "pvcUID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub pvc_uid: Option<String>,
    /// The node that it runs on, or last ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node_name: Option<String>,
    /// That node's failure domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub topology: Option<String>,
    /// Version of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Where its Paxos stands; no more precise than 30 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paxos: Option<PaxosStatus>,
    /// What its store takes; no more precise than 30 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_bytes: Option<u64>,
    /// Percent of its disk that is free; no more precise than 30 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free_percent: Option<u8>,
    /// When it last answered; no more precise than 30 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_time: Option<Moment>,
    /// Since when it has been out of quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_since: Option<Moment>,
    /// Why it is out of quorum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_cause: Option<CauseOfOutage>,
    /// How far its sync was when it last got further, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_bytes: Option<u64>,
    /// When its sync last got further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_progress_time: Option<Moment>,
    /// Whether it belongs to another cluster and is kept away from clients.
    #[serde(default)]
    pub fenced: bool,
}

impl MemberStatus {
    /// A member of which only the name is known.
    pub const fn new(name: MemberName) -> Self {
        Self {
            name,
            rank: None,
            state: MemberState::Unreachable,
            in_quorum: false,
            in_quorum_since: None,
            address: None,
            pod_name: None,
            pod_uid: None,
            pvc_name: None,
            pvc_uid: None,
            node_name: None,
            topology: None,
            version: None,
            paxos: None,
            store_bytes: None,
            disk_free_percent: None,
            last_seen_time: None,
            out_since: None,
            out_cause: None,
            sync_bytes: None,
            sync_progress_time: None,
            fenced: false,
        }
    }
}

/// Where Paxos stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaxosStatus {
    /// The oldest version that is kept.
    pub first_committed: u64,
    /// The newest.
    pub last_committed: u64,
}

/// What a member is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MemberState {
    /// It leads.
    Leader,
    /// It votes and follows.
    Peon,
    /// It is in an election.
    Electing,
    /// It looks for the others.
    Probing,
    /// It copies a store.
    Synchronizing,
    /// It follows without a vote.
    Learner,
    /// It does not answer.
    #[default]
    Unreachable,
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Leader => "Leader",
            Self::Peon => "Peon",
            Self::Electing => "Electing",
            Self::Probing => "Probing",
            Self::Synchronizing => "Synchronizing",
            Self::Learner => "Learner",
            Self::Unreachable => "Unreachable",
        })
    }
}

/// Why a member is out of quorum, the strongest proof of death first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum CauseOfOutage {
    /// Its claim or its volume is gone.
    VolumeLost,
    /// The monitor says that its store cannot be trusted.
    StoreCorrupt,
    /// Its address is taken by somebody else.
    AddressLost,
    /// Its node is deleted.
    NodeDeleted,
    /// Its node has the taint out-of-service.
    OutOfService,
    /// Its node is not ready.
    NodeUnreachable,
    /// Its pod fails or does not start.
    PodFailing,
    /// Its node is cordoned.
    Drained,
    /// Its pod runs, its node is ready, nobody reaches it.
    Partitioned,
    /// It copies a store, and gets no further.
    SyncStalled,
    /// It copies a store.
    Synchronizing,
    /// It answers, and is not in quorum yet.
    Electing,
    /// It belongs to another cluster.
    Foreign,
}

impl fmt::Display for CauseOfOutage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::VolumeLost => "VolumeLost",
            Self::StoreCorrupt => "StoreCorrupt",
            Self::AddressLost => "AddressLost",
            Self::NodeDeleted => "NodeDeleted",
            Self::OutOfService => "OutOfService",
            Self::NodeUnreachable => "NodeUnreachable",
            Self::PodFailing => "PodFailing",
            Self::Drained => "Drained",
            Self::Partitioned => "Partitioned",
            Self::SyncStalled => "SyncStalled",
            Self::Synchronizing => "Synchronizing",
            Self::Electing => "Electing",
            Self::Foreign => "Foreign",
        })
    }
}
