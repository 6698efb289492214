//! The status as HTTP shows it. Kept apart from the core's snapshot, so that the interface changes when
//! somebody wants it to, and not because a field moved.

use mon_core::role::Role;
use std::time::SystemTime;

use mon_core::status::{Member, Status};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A monitor as of one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct StatusView {
    /// The monitor's name, without `mon.`.
    pub(crate) name: String,
    /// The cluster's id.
    pub(crate) fsid: String,
    /// The Ceph release that it shows.
    pub(crate) release: u8,
    /// The version of the program.
    pub(crate) version: String,
    /// What it is doing: `probing`, `synchronizing`, `electing`, `leader`, `peon`, `learner` or `shutdown`.
    pub(crate) state: String,
    /// Whether it is in a quorum and serves reads and writes.
    pub(crate) ready: bool,
    /// Its rank; absent while the monmap does not hold it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rank: Option<u32>,
    /// The quorum as it sees it.
    pub(crate) quorum: QuorumView,
    /// Where Paxos stands.
    pub(crate) paxos: PaxosView,
    /// How far a running sync is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sync: Option<SyncView>,
    /// The cluster's health.
    pub(crate) health: HealthView,
    /// Open client sessions.
    pub(crate) sessions: u64,
    /// The disk under the store.
    pub(crate) disk: DiskView,
    /// Its wall clock, in seconds of Unix time.
    pub(crate) wall_clock: u64,
}

/// A quorum as one monitor sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct QuorumView {
    /// The leader's name, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) leader: Option<String>,
    /// Names of the monitors in quorum, by rank.
    pub(crate) names: Vec<String>,
    /// The election epoch: odd while electing.
    pub(crate) election_epoch: u32,
    /// The monmap's epoch.
    pub(crate) monmap_epoch: u32,
    /// Everybody in the monmap, by rank, then learners.
    pub(crate) members: Vec<MemberView>,
}

/// A monitor of the monmap, or a learner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct MemberView {
    /// Its name.
    pub(crate) name: String,
    /// Its rank; absent for a learner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rank: Option<u32>,
    /// Its addresses, as Ceph prints them.
    pub(crate) addrs: String,
    /// Whether it is in the quorum.
    pub(crate) in_quorum: bool,
    /// How many committed values it lacks, where that is known (the leader knows).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) behind: Option<u64>,
}

/// Where Paxos stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PaxosView {
    /// The oldest value that is kept.
    pub(crate) first_committed: u64,
    /// The newest.
    pub(crate) last_committed: u64,
}

/// How far a sync is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct SyncView {
    /// Whether the whole store is taken over, or only recent values.
    pub(crate) full: bool,
    /// Keys so far.
    pub(crate) keys: u64,
    /// Bytes so far.
    pub(crate) bytes: u64,
    /// From whom.
    pub(crate) provider: String,
}

/// The cluster's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct HealthView {
    /// `HEALTH_OK`, `HEALTH_WARN` or `HEALTH_ERR`; empty before the first quorum.
    pub(crate) status: String,
    /// What is wrong, by check.
    pub(crate) checks: std::collections::BTreeMap<String, String>,
}

/// The disk under the store, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DiskView {
    /// Size of the file system.
    pub(crate) bytes_total: u64,
    /// What is still free to the monitor.
    pub(crate) bytes_available: u64,
    /// What the store takes.
    pub(crate) bytes_store: u64,
}

impl From<&Status> for StatusView {
    fn from(status: &Status) -> Self {
        let Status { name, fsid, release, state, ready, rank, leader, quorum, .. } = status;
        let Status { election_epoch, monmap_epoch, members, paxos, sync, health, sessions, disk, .. } =
            status;
        Self {
            name: name.clone(),
            fsid: fsid.to_string(),
            release: *release,
            version: env!("CARGO_PKG_VERSION").into(),
            state: state.as_str().into(),
            ready: *ready,
            rank: rank.map(|rank| rank.0),
            quorum: QuorumView {
                leader: leader.clone(),
                names: quorum.clone(),
                election_epoch: election_epoch.0,
                monmap_epoch: monmap_epoch.0,
                members: members.iter().map(MemberView::from).collect(),
            },
            paxos: PaxosView {
                first_committed: paxos.first_committed.0,
                last_committed: paxos.last_committed.0,
            },
            sync: sync.as_ref().map(|sync| SyncView {
                full: sync.full,
                keys: sync.keys,
                bytes: sync.bytes,
                provider: sync.provider.clone(),
            }),
            health: HealthView { status: health.status.clone(), checks: health.checks.clone() },
            sessions: *sessions,
            disk: DiskView {
                bytes_total: disk.bytes_total,
                bytes_available: disk.bytes_available,
                bytes_store: disk.bytes_store,
            },
            wall_clock: SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs(),
        }
    }
}

impl From<&Member> for MemberView {
    fn from(member: &Member) -> Self {
        let Member { name, rank, addrs, in_quorum, behind } = member;
        Self {
            name: name.clone(),
            rank: rank.map(|rank| rank.0),
            addrs: addrs.clone(),
            in_quorum: *in_quorum,
            behind: *behind,
        }
    }
}

/// Why a monitor does not serve, in words; none when it does.
pub(crate) fn why_not_ready(status: &Status) -> Option<String> {
    match status.state {
        _ if status.ready => None,
        Role::Leader | Role::Peon => Some(format!("{}, not serving yet", status.state.as_str())),
        Role::Probing | Role::Synchronizing | Role::Electing | Role::Learner => {
            Some(format!("{}, not in quorum", status.state.as_str()))
        }
    }
}
