//! `MGetPoolStats` and `MPoolOp`: pool statistics and the pool operations of librados.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::PaxosServiceMessage;
use super::opaque::Versioned;
use crate::encode::{Decode, Encode};
use crate::id::Fsid;

/// Asks for statistics of pools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MGetPoolStats {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The cluster.
    pub fsid: Fsid,
    /// The pools by name.
    pub pools: Vec<String>,
}

/// The answer to a [`MGetPoolStats`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MGetPoolStatsReply {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The cluster.
    pub fsid: Fsid,
    /// `pool_stat_t` by pool name.
    pub pool_stats: BTreeMap<String, Versioned>,
    /// Whether every OSD reports per pool.
    pub per_pool: bool,
}

/// Creates, deletes or changes a pool, or its snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MPoolOp {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The cluster.
    pub fsid: Fsid,
    /// The pool's id.
    pub pool: u32,
    /// Which operation (`POOL_OP_*`).
    pub op: u32,
    /// Unused, 0.
    pub auid: u64,
    /// The snapshot, for operations on one.
    pub snapid: u64,
    /// The name, for operations that need one.
    pub name: String,
    /// Unused, 0.
    pub pad: u8,
    /// The CRUSH rule of a new pool, -1 for the default.
    pub crush_rule: i16,
}

/// The answer to a [`MPoolOp`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MPoolOpReply {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The cluster.
    pub fsid: Fsid,
    /// 0, or a negative errno.
    pub code: i32,
    /// The OSD map epoch that shows the result.
    pub epoch: u32,
    /// What the operation returns (a snapshot id).
    pub response: Option<Bytes>,
}
