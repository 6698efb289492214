//! What the controller is told to do. An action says everything: the controller adds no choice of its own.
//!
//! What objects look like is rendering, not decision: `controller/build` makes them from the validated spec and
//! the few words in the action. Names come from [`moncluster_api::ObjectNames`].

use moncluster_api::{MemberName, Moment};
use serde::{Deserialize, Serialize};

/// One mutation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "do", deny_unknown_fields)]
pub enum Action {
    /// Put our finalizer on the MonCluster.
    AddFinalizer,
    /// Take it off: the MonCluster may go, and with it what it owns.
    RemoveFinalizer,
    /// Apply an object that belongs to the cluster as a whole. Secrets with keys (`MonKeyring`, `Token`) are
    /// created, never applied over.
    ApplySupport {
        /// Which.
        kind: SupportKind,
    },
    /// Delete such an object: with the MonCluster, or because the spec wants none any more.
    DeleteSupport {
        /// Which.
        kind: SupportKind,
    },
    /// Apply a member's Service.
    ApplyService {
        /// Whose.
        member: MemberName,
        /// The cluster IP that it must get; absent for a new member, which takes what it gets.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cluster_ip: Option<String>,
        /// Whether it leads nowhere.
        #[serde(default)]
        fenced: bool,
    },
    /// Delete a member's Service.
    DeleteService {
        /// Whose.
        member: MemberName,
        /// Which object exactly.
        target: Target,
    },
    /// Create a member's claim, with fsid and address as annotations. If one of its name exists, that is an error.
    CreateClaim {
        /// Whose.
        member: MemberName,
        /// The cluster's id.
        fsid: String,
        /// The member's address, `IP:PORT`.
        address: String,
    },
    /// Ask for more room.
    ResizeClaim {
        /// Whose.
        member: MemberName,
        /// Which object exactly.
        target: Target,
        /// How much, in bytes.
        bytes: u64,
    },
    /// Mark a claim as the volume of a member that is gone for good.
    RetireClaim {
        /// Whose.
        member: MemberName,
        /// Which object exactly.
        target: Target,
        /// When it may be deleted.
        until: Moment,
    },
    /// Delete a claim.
    DeleteClaim {
        /// Whose.
        member: MemberName,
        /// Which object exactly.
        target: Target,
    },
    /// Apply a member's StatefulSet with one replica, its update strategy OnDelete.
    ApplyStatefulSet {
        /// Whose.
        member: MemberName,
        /// What its pods are.
        role: Role,
        /// The cluster's id.
        fsid: String,
        /// The member's address, `IP:PORT`.
        address: String,
    },
    /// Delete a member's StatefulSet, and with it its pod.
    DeleteStatefulSet {
        /// Whose.
        member: MemberName,
        /// Which object exactly.
        target: Target,
    },
    /// Evict a pod: the disruption budget may refuse, and then this is tried again.
    EvictPod {
        /// Whose.
        member: MemberName,
        /// Which object exactly.
        target: Target,
    },
    /// Delete the pod of a member that is not in quorum.
    DeletePod {
        /// Whose.
        member: MemberName,
        /// Which object exactly.
        target: Target,
    },
    /// Ask the leader for a change.
    Monitor(MonitorCall),
}

/// Which object exactly: before it is touched it is read again, live, and must still be this one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    /// UID.
    pub uid: String,
    /// resourceVersion.
    #[serde(default)]
    pub resource_version: String,
}

/// A change that goes through Paxos. Refused (412) when the monmap has moved on; done once under one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MonitorCall {
    /// The leader.
    pub via: MemberName,
    /// What.
    pub verb: Verb,
    /// The monmap epoch that this was planned under: `expected_epoch`.
    pub expected_epoch: u32,
    /// `operation_id`.
    pub operation_id: String,
}

/// A change of the monitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Verb {
    /// `POST /v1/learners`, with `addr` as `[v2:IP:PORT]`.
    AddLearner {
        /// Who.
        name: MemberName,
        /// Where, `IP:PORT`.
        address: String,
    },
    /// `DELETE /v1/learners/{name}`.
    RemoveLearner {
        /// Who.
        name: MemberName,
    },
    /// `POST /v1/members`.
    Add {
        /// Who.
        name: MemberName,
        /// Where, `IP:PORT`.
        address: String,
    },
    /// `DELETE /v1/members/{name}`.
    Remove {
        /// Who.
        name: MemberName,
    },
    /// `POST /v1/members/{voter}/replace`.
    Replace {
        /// Who goes.
        voter: MemberName,
        /// Who comes.
        learner: MemberName,
    },
    /// `POST /v1/leader/step-down`.
    StepDown,
}

impl Verb {
    /// Whether this makes a new monmap epoch.
    pub const fn changes_monmap(&self) -> bool {
        match self {
            Self::Add { .. } | Self::Remove { .. } | Self::Replace { .. } => true,
            Self::AddLearner { .. } | Self::RemoveLearner { .. } | Self::StepDown => false,
        }
    }
}

/// What a member's pods do when they start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Make the store of a new cluster with itself as the only monitor, if there is none yet; then run.
    Bootstrap,
    /// Make an empty store, if there is none yet; then follow, and never vote unless the monmap says so.
    Learner,
    /// Run. Without a store: fail. A voter never starts with an empty store.
    Voter,
}

impl Role {
    /// As the label [`moncluster_api::label::ROLE`] has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Learner => "learner",
            Self::Voter => "voter",
        }
    }
}

/// Objects that belong to the cluster as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SupportKind {
    /// Secret: the key of `mon.`. Its loss is the loss of the cluster's identity: it is made once.
    MonKeyring,
    /// Secret: the token of the monitors' HTTP endpoint.
    Token,
    /// Secret: authority and certificate of the monitors' HTTP endpoint.
    Tls,
    /// ConfigMap: options of the monitors.
    MonConfig,
    /// NetworkPolicy.
    NetworkPolicy,
    /// PodDisruptionBudget; see [`moncluster_api::disruption_budget`].
    DisruptionBudget,
    /// Service for clients.
    ClientService,
    /// ConfigMap for clients.
    ClientConfig,
    /// Secret for clients: the keyring of client.admin.
    ClientKeyring,
}

impl SupportKind {
    /// Whether a cluster dies with it, so that it is never made a second time and stays when the MonCluster goes.
    pub const fn is_identity(self) -> bool {
        match self {
            Self::MonKeyring => true,
            Self::Token
            | Self::Tls
            | Self::MonConfig
            | Self::NetworkPolicy
            | Self::DisruptionBudget
            | Self::ClientService
            | Self::ClientConfig
            | Self::ClientKeyring => false,
        }
    }
}
