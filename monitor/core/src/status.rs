//! The snapshot that health, status and metrics endpoints show.
//!
//! It is made anew when something in it changed, and readers never touch the core.

pub(crate) mod report;

use std::collections::BTreeMap;

use mon_types::id::{Epoch, Fsid, MapEpoch, Pn, Rank, Version};
use serde::Serialize;

use crate::event::DiskUse;
use crate::role::Role;

/// A monitor as of one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Status {
    /// Our name, without `mon.`.
    pub name: String,
    /// The cluster.
    pub fsid: Fsid,
    /// The release that we show, by number.
    pub release: u8,
    /// What we are doing.
    pub state: Role,
    /// Whether we are in a quorum and serve reads and writes. What `/readyz` answers.
    pub ready: bool,
    /// Our rank; none while the monmap does not hold us.
    pub rank: Option<Rank>,
    /// The leader's name, while there is one.
    pub leader: Option<String>,
    /// Names of the monitors in quorum, by rank.
    pub quorum: Vec<String>,
    /// The election epoch: odd while electing.
    pub election_epoch: Epoch,
    /// The monmap's epoch.
    pub monmap_epoch: MapEpoch,
    /// Everybody in the monmap, by rank, then learners.
    pub members: Vec<Member>,
    /// Where Paxos stands.
    pub paxos: PaxosStatus,
    /// How far a running sync is.
    pub sync: Option<SyncStatus>,
    /// The cluster's health as last agreed on.
    pub health: Health,
    /// Open client sessions.
    pub sessions: u64,
    /// The disk under the store, as last measured.
    pub disk: DiskUse,
    /// Counts since the process started, by metric name (`election_call`, `election_win`, `commit`, ...).
    pub counters: BTreeMap<&'static str, u64>,
}

/// A monitor of the monmap, or a learner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its rank; none for a learner.
    pub rank: Option<Rank>,
    /// Its addresses, as Ceph prints them.
    pub addrs: String,
    /// Whether it is in the quorum.
    pub in_quorum: bool,
    /// How many committed values it lacks, as far as we know (the leader does).
    pub behind: Option<u64>,
}

/// Where Paxos stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PaxosStatus {
    /// The oldest value that is kept.
    pub first_committed: Version,
    /// The newest.
    pub last_committed: Version,
    /// The highest proposal number that we promised to.
    pub accepted_pn: Pn,
}

/// How far a sync is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SyncStatus {
    /// Whether the whole store is taken over, or only recent values.
    pub full: bool,
    /// Keys so far.
    pub keys: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// Whom from.
    pub provider: String,
}

/// The cluster's health.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// `HEALTH_OK`, `HEALTH_WARN` or `HEALTH_ERR`; empty before the first quorum.
    pub status: String,
    /// Summaries by check code.
    pub checks: BTreeMap<String, String>,
    /// How grave each check is, in the words of `status`.
    pub severities: BTreeMap<String, &'static str>,
}
