//! `MMonPaxos`: agreeing on the next value.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::op::wire_enum;
use crate::encode::{Decode, Encode};
use crate::id::{Epoch, Pn, Version};
use crate::time::UTime;

wire_enum! {
    /// What a Paxos message says.
    PaxosOp: i32, "paxos op" {
        /// The leader asks what its peons have, under a new proposal number.
        Collect = 1,
        /// The answer to it.
        Last = 2,
        /// The leader proposes a value.
        Begin = 3,
        /// A peon has it.
        Accept = 4,
        /// The value is chosen.
        Commit = 5,
        /// Peons may read until the stamp.
        Lease = 6,
        /// The answer to it.
        LeaseAck = 7,
    }
}

/// A step of Paxos.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MMonPaxos {
    /// The election epoch; messages of another are dropped.
    pub epoch: Epoch,
    /// What it says.
    pub op: PaxosOp,
    /// The oldest version that the sender keeps.
    pub first_committed: Version,
    /// The newest that it knows to be committed.
    pub last_committed: Version,
    /// Unused, 0.
    pub pn_from: u64,
    /// The proposal number.
    pub pn: Pn,
    /// The number under which the sender's uncommitted value was accepted.
    pub uncommitted_pn: Pn,
    /// The wall-clock end of a lease.
    pub lease_timestamp: UTime,
    /// When the message was sent.
    pub sent_timestamp: UTime,
    /// Unused, 0.
    pub latest_version: Version,
    /// Unused, empty.
    pub latest_value: Bytes,
    /// Values by version.
    pub values: BTreeMap<Version, Bytes>,
    /// The features of the sender's clients, encoded; may be empty.
    pub feature_map: Bytes,
}

impl MMonPaxos {
    /// A message of this kind without values and stamps.
    #[must_use]
    pub fn new(epoch: Epoch, op: PaxosOp) -> Self {
        Self {
            epoch,
            op,
            first_committed: Version(0),
            last_committed: Version(0),
            pn_from: 0,
            pn: Pn(0),
            uncommitted_pn: Pn(0),
            lease_timestamp: UTime::default(),
            sent_timestamp: UTime::default(),
            latest_version: Version(0),
            latest_value: Bytes::new(),
            values: BTreeMap::new(),
            feature_map: Bytes::new(),
        }
    }
}
