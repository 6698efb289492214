//! What monitors say.

use std::collections::BTreeMap;

use moncluster_api::{MemberName, Moment};
use serde::{Deserialize, Serialize};

/// The last attempt to ask a monitor for its status (`GET /v1/status`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// When the attempt ended.
    pub at: Moment,
    /// What it said; absent when it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// A monitor's own view; `StatusView` of monitor/daemon/openapi.json.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// The cluster's id.
    pub fsid: String,
    /// What it is doing.
    pub state: MonState,
    /// Whether it is in a quorum and serves.
    #[serde(default)]
    pub ready: bool,
    /// The leader that it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<MemberName>,
    /// Who is in quorum, as it knows.
    #[serde(default)]
    pub quorum: Vec<MemberName>,
    /// Its election epoch.
    #[serde(default)]
    pub election_epoch: u32,
    /// Its monmap's epoch.
    #[serde(default)]
    pub monmap_epoch: u32,
    /// Its monmap, then learners.
    #[serde(default)]
    pub members: Vec<MapMember>,
    /// The oldest Paxos version that it keeps.
    #[serde(default)]
    pub first_committed: u64,
    /// The newest that it has.
    #[serde(default)]
    pub last_committed: u64,
    /// Bytes that a running sync has copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_bytes: Option<u64>,
    /// Health checks that are raised, by name.
    #[serde(default)]
    pub health_checks: BTreeMap<String, String>,
    /// Version of the program.
    #[serde(default)]
    pub version: String,
    /// What the store takes, in bytes.
    #[serde(default)]
    pub store_bytes: u64,
    /// Size of its file system, in bytes.
    #[serde(default)]
    pub disk_bytes_total: u64,
    /// What is free of it, in bytes.
    #[serde(default)]
    pub disk_bytes_available: u64,
}

/// `state` of a monitor's status. The monitor has an enum of its own for it: the two share no crate and meet at the
/// interface, so that either can run beside another version of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MonState {
    /// It looks for the others.
    Probing,
    /// It copies a store.
    Synchronizing,
    /// It is in an election.
    Electing,
    /// It leads.
    Leader,
    /// It votes and follows.
    Peon,
    /// It follows without a vote.
    Learner,
    /// It is going down.
    Shutdown,
}

/// A member of a monitor's monmap, or a learner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MapMember {
    /// Its name.
    pub name: MemberName,
    /// Its rank; absent for a learner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<u32>,
    /// Whether it is in quorum.
    #[serde(default)]
    pub in_quorum: bool,
    /// How many committed values it lacks, where the leader says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<u64>,
}

/// A monmap that was read through the quorum: a leader served it, so a quorum existed then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Committed {
    /// When it was read.
    pub at: Moment,
    /// Through which monitor.
    pub via: MemberName,
    /// Its epoch.
    pub epoch: u32,
    /// The cluster's id.
    pub fsid: String,
    /// Who votes, by rank.
    pub voters: Vec<Voter>,
    /// Who follows.
    #[serde(default)]
    pub learners: Vec<Voter>,
}

/// A monitor and where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Voter {
    /// Its name.
    pub name: MemberName,
    /// Its msgr2 address, `IP:PORT`.
    pub address: String,
}
