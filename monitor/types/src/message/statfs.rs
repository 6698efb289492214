//! `MStatfs`: how full the cluster, or a pool, is.

use super::PaxosServiceMessage;
use crate::encode::{Decode, Encode};
use crate::id::{Fsid, Version};

/// Asks for usage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MStatfs {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The cluster.
    pub fsid: Fsid,
    /// One pool only.
    pub data_pool: Option<i64>,
}

/// The answer to a [`MStatfs`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MStatfsReply {
    /// The cluster.
    pub fsid: Fsid,
    /// The version of the statistics.
    pub version: Version,
    /// Size in KiB.
    pub kb: u64,
    /// Used KiB.
    pub kb_used: u64,
    /// Free KiB.
    pub kb_avail: u64,
    /// Number of objects.
    pub num_objects: u64,
}
