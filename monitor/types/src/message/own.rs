//! Messages that Ceph does not have, for quorums made of our monitors alone.
//!
//! Their numbers lie in a range that Ceph does not use, and they are only sent to peers that named the
//! capability in their election metadata: a stock monitor never sees one.

use std::collections::BTreeSet;

use super::op::wire_enum;
use crate::encode::{Decode, Encode};
use crate::id::{Epoch, Fsid, Pn, Rank, Version};

wire_enum! {
    /// What a read-index message says.
    ReadIndexOp: u8, "read index op" {
        /// A peon asks the leader up to where it must have applied before it may answer a read.
        Request = 1,
        /// The leader's answer to the request.
        Index = 2,
    }
}

/// Reads without leases: the leader answers with its last committed version once a majority has
/// confirmed, after the request, that it still leads.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct ReadIndex {
    /// The election epoch; messages of another are dropped.
    pub epoch: Epoch,
    /// What it says.
    pub op: ReadIndexOp,
    /// The asker's number for the question, repeated in the answer.
    pub round: u64,
    /// In an `Index`: the version to reach before reading.
    pub index: Version,
}

/// The leader gives up its place; the receivers elect at once instead of waiting for silence.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct StepDown {
    /// The election epoch that ends.
    pub epoch: Epoch,
    /// Who is to propose itself at once; the others wait for it.
    pub successor: Rank,
}

/// A learner asks to be sent what is committed after `last_committed`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct Follow {
    /// The cluster.
    pub fsid: Fsid,
    /// The learner's name, without `mon.`.
    pub name: String,
    /// What it has.
    pub last_committed: Version,
}

/// The leader's sign of life, which also tells how far the quorum is, and asks whether it still leads.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct Heartbeat {
    /// The election epoch.
    pub epoch: Epoch,
    /// Counts up; repeated in the answer.
    pub round: u64,
    /// The leader's rank.
    pub leader: Rank,
    /// The proposal number that the leader's peons promised it.
    pub pn: Pn,
    /// Who is in the quorum now; a leader goes on without peons that died.
    pub quorum: BTreeSet<Rank>,
    /// The oldest version that the leader keeps.
    pub first_committed: Version,
    /// The newest that is committed.
    pub last_committed: Version,
}

/// The answer to a [`Heartbeat`] whose proposal number is the highest that the sender has promised: as of
/// this answer no later leader has the sender's promise.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[denc(version = 1, compat = 1)]
pub struct HeartbeatAck {
    /// The election epoch.
    pub epoch: Epoch,
    /// As in the heartbeat.
    pub round: u64,
    /// What the sender has.
    pub last_committed: Version,
}
