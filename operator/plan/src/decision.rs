//! What was decided.

use std::time::Duration;

use moncluster_api::{MemberName, MonClusterStatus};
use serde::{Deserialize, Serialize};

use crate::action::Action;

/// What was decided: at most one mutation, and what to tell people.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Which row of the decision table it was.
    pub row: Row,
    /// What to do, after the status is written.
    pub action: Option<Action>,
    /// The whole status. Where it equals the observed one nothing needs to be written.
    pub status: MonClusterStatus,
    /// What to tell people.
    pub events: Vec<Event>,
    /// When to look again.
    pub requeue: Requeue,
}

/// When to look again, if no watch fires earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Requeue {
    /// At once.
    Now,
    /// After so long.
    After(Duration),
}

/// A Kubernetes event about the MonCluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// Why.
    pub reason: Reason,
    /// The member that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberName>,
    /// In a sentence.
    pub message: String,
}

/// An event's type, in Kubernetes' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

/// An event's reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// An address had to be restored.
    AddressChanged,
    /// A lost cluster was taken over.
    Adopted,
    /// The first monitor is being made.
    BootstrapStarted,
    /// It leads.
    BootstrapSucceeded,
    /// Too many replacements within the hour.
    CircuitOpen,
    /// Clocks differ.
    ClockSkew,
    /// Healing is due and not allowed.
    HealingSuspended,
    /// Another monitor leads.
    LeaderChanged,
    /// A member came back.
    MemberBackInQuorum,
    /// A member is out.
    MemberOutOfQuorum,
    /// A replacement is due and there is no node for it.
    NoSpareNode,
    /// What would be done if it were allowed.
    PlannedAction,
    /// One more failure ends the quorum.
    QuorumAtRisk,
    /// There is no quorum and can be none.
    QuorumLost,
    /// There is one again.
    QuorumRestored,
    /// A replacement was given up.
    ReplaceAborted,
    /// A replacement was started.
    ReplaceStarted,
    /// A replacement is done.
    ReplaceSucceeded,
    /// A request of people was not followed.
    RequestRefused,
    /// A pod is being made anew.
    RestartStarted,
    /// It is in quorum again.
    RestartSucceeded,
    /// It is not.
    RestartAborted,
    /// One voter fewer.
    ScaleDown,
    /// One voter more.
    ScaleUp,
    /// A change of size was given up.
    ScaleAborted,
    /// Two monitors lead, with different maps.
    SplitBrainSuspected,
    /// A monitor of another cluster was found.
    StaleMemberFenced,
    /// The leader was asked to hand over.
    StepDown,
    /// Somebody votes whom we did not make.
    UnknownMember,
    /// The volume of a member that is gone was kept.
    VolumeRetained,
    /// The volume of a member that is gone was deleted.
    VolumeDeleted,
}

impl Reason {
    /// Its type.
    pub const fn kind(self) -> EventKind {
        match self {
            Self::AddressChanged
            | Self::CircuitOpen
            | Self::ClockSkew
            | Self::HealingSuspended
            | Self::MemberOutOfQuorum
            | Self::NoSpareNode
            | Self::QuorumAtRisk
            | Self::QuorumLost
            | Self::ReplaceAborted
            | Self::RequestRefused
            | Self::RestartAborted
            | Self::ScaleAborted
            | Self::SplitBrainSuspected
            | Self::StaleMemberFenced
            | Self::UnknownMember => EventKind::Warning,
            Self::Adopted
            | Self::BootstrapStarted
            | Self::BootstrapSucceeded
            | Self::LeaderChanged
            | Self::MemberBackInQuorum
            | Self::PlannedAction
            | Self::QuorumRestored
            | Self::ReplaceStarted
            | Self::ReplaceSucceeded
            | Self::RestartStarted
            | Self::RestartSucceeded
            | Self::ScaleDown
            | Self::ScaleUp
            | Self::StepDown
            | Self::VolumeRetained
            | Self::VolumeDeleted => EventKind::Normal,
        }
    }
}

/// Rows of the decision table in docs/operator.md, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Row {
    /// 0: the MonCluster is being deleted.
    Deletion,
    /// 1: we are not in charge, or do not see enough.
    NotInCharge,
    /// 2: a monitor of another cluster.
    Fence,
    /// 3: two leaders.
    SplitBrain,
    /// 4: people asked us to keep our hands off.
    Paused,
    /// Before 6: finalizer and objects of the cluster as a whole.
    Prepare,
    /// 6: a new cluster.
    Bootstrap,
    /// 7: a cluster whose MonCluster was lost.
    Adopt,
    /// 8: the quorum is unknown.
    QuorumUnknown,
    /// 9: the quorum is lost.
    QuorumLost,
    /// 10: an operation is under way.
    Operation,
    /// 11: a member's objects are missing.
    Recreate,
    /// 12: somebody votes whom we did not make.
    UnknownMember,
    /// Before 13: what people asked for.
    Request,
    /// 13, 13c: a member is out for too long.
    Replace,
    /// 13b: the same, without a node for another.
    NoSpareNode,
    /// 14: too few voters.
    Grow,
    /// 15: too many voters.
    Shrink,
    /// 16: a Service has another address than its member.
    Readdress,
    /// 17: two members share a failure domain.
    Spread,
    /// 18: the node of a member is cordoned.
    Drain,
    /// 19: a pod is not as the spec says.
    Restart,
    /// 20: a volume is smaller than the spec says.
    Resize,
    /// 21: objects that belong to nobody.
    Sweep,
    /// 22: nothing to do.
    Idle,
}
