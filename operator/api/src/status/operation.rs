//! What the operator is doing, and what it did.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{MemberName, Moment};

/// What the operator is doing. Whoever reads this can go on with it: it says what is to happen, the cluster says
/// how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Its id; monitors get it with every change, so that a retry does nothing twice.
    #[schemars(length(max = 64))]
    pub id: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: OperationKind,
    /// Whom it is about.
    pub target: MemberName,
    /// Who comes, for a replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<MemberName>,
    /// Why it was started, in a word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// How far it was when this was written.
    pub step: Step,
    /// When it was started.
    pub started_time: Moment,
    /// When the present step was reached.
    pub step_time: Moment,
    /// When it is given up, as far as it can be.
    pub deadline_time: Moment,
    /// The pod that is to go, for a restart.
    #[serde(default, rename = "podUID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub pod_uid: Option<String>,
    /// Why it is being taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub abort: Option<String>,
    /// What it waits for, in words.
    #[serde(default)]
    #[schemars(length(max = 512))]
    pub message: String,
    /// Type, members and step in a few words, for a column.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub summary: String,
}

/// What an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum OperationKind {
    /// The first monitor of a new cluster.
    Bootstrap,
    /// The monitors of a cluster whose MonCluster was lost.
    Adopt,
    /// One voter more.
    Add,
    /// One voter fewer.
    Remove,
    /// One voter for another, in one monmap epoch.
    Replace,
    /// A member's Service gets its address back.
    Readdress,
    /// A member's pod is made anew.
    Restart,
    /// The leader hands over.
    StepDown,
}

/// How far an operation is. Each kind takes some of these, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Step {
    /// Written down, nothing done.
    Plan,
    /// Objects of the newcomer are being made.
    Provision,
    /// The member that goes makes room on its node, where no other is left and its store is lost.
    Vacate,
    /// The newcomer copies the store.
    Sync,
    /// The leader hands over.
    StepDown,
    /// The monmap changes.
    Commit,
    /// An object is put right.
    Restore,
    /// The pod goes.
    Evict,
    /// The quorum settles.
    Confirm,
    /// Objects of the member that went are being removed.
    Retire,
    /// What was made is being taken back.
    Abort,
}

/// An operation that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finished {
    /// Its id.
    #[schemars(length(max = 64))]
    pub id: String,
    /// What it was.
    #[serde(rename = "type")]
    pub kind: OperationKind,
    /// Whom it was about.
    pub target: MemberName,
    /// Who came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<MemberName>,
    /// Why it was started.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// How it ended.
    pub result: OperationResult,
    /// When it was started.
    pub started_time: Moment,
    /// How long it took.
    pub duration_seconds: u64,
    /// In words.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OperationResult {
    /// As planned.
    Succeeded,
    /// It was taken back.
    Aborted,
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bootstrap => "Bootstrap",
            Self::Adopt => "Adopt",
            Self::Add => "Add",
            Self::Remove => "Remove",
            Self::Replace => "Replace",
            Self::Readdress => "Readdress",
            Self::Restart => "Restart",
            Self::StepDown => "StepDown",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plan => "Plan",
            Self::Provision => "Provision",
            Self::Vacate => "Vacate",
            Self::Sync => "Sync",
            Self::StepDown => "StepDown",
            Self::Commit => "Commit",
            Self::Restore => "Restore",
            Self::Evict => "Evict",
            Self::Confirm => "Confirm",
            Self::Retire => "Retire",
            Self::Abort => "Abort",
        })
    }
}

impl fmt::Display for OperationResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Succeeded => "Succeeded",
            Self::Aborted => "Aborted",
        })
    }
}
