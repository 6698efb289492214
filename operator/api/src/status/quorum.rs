//! The quorum as the operator sees it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{MemberName, Moment};

/// The quorum as the operator sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct QuorumStatus {
    /// How it stands.
    pub state: QuorumState,
    /// Members in quorum and members in all, as `2/3`.
    #[schemars(length(max = 16))]
    pub summary: String,
    /// Names of the members in quorum.
    #[schemars(length(max = 32))]
    pub in_quorum: Vec<MemberName>,
    /// Voters in the monmap.
    pub size: u32,
    /// How many of them are a majority.
    pub required: u32,
    /// How many more may fail now.
    pub fault_tolerance: u32,
    /// The leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<MemberName>,
    /// Election epoch.
    pub election_epoch: u32,
    /// Epoch of the committed monmap.
    pub monmap_epoch: u32,
    /// The newest Paxos version that was seen committed.
    pub last_committed: u64,
    /// Since when no leader has been seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaderless_since: Option<Moment>,
    /// When a quorum was last seen; no more precise than 30 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_quorum_time: Option<Moment>,
    /// When this was observed; no more precise than 30 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_time: Option<Moment>,
}

/// How a quorum stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum QuorumState {
    /// All voters are in.
    Full,
    /// Some are out, and one more may fail.
    Degraded,
    /// Some are out, and none may fail.
    AtRisk,
    /// There is none, and can be none.
    Lost,
    /// What is seen is not enough to tell.
    #[default]
    Unknown,
}

impl QuorumState {
    /// Whether there is a quorum.
    pub const fn holds(self) -> bool {
        match self {
            Self::Full | Self::Degraded | Self::AtRisk => true,
            Self::Lost | Self::Unknown => false,
        }
    }
}

impl fmt::Display for QuorumState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "Full",
            Self::Degraded => "Degraded",
            Self::AtRisk => "AtRisk",
            Self::Lost => "Lost",
            Self::Unknown => "Unknown",
        })
    }
}
