//! `MMonElection`: choosing a leader.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::op::wire_enum;
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::features::MonFeatures;
use crate::id::{Epoch, Fsid, Rank};

wire_enum! {
    /// What an election message says.
    ElectionOp: i32, "election op" {
        /// The sender wants to lead.
        Propose = 1,
        /// The sender defers to the receiver.
        Ack = 2,
        /// The receiver lacks features that the sender's map requires: it must stop.
        Nak = 3,
        /// The sender leads this quorum.
        Victory = 4,
    }
}

/// A step of an election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MMonElection {
    /// The cluster.
    pub fsid: Fsid,
    /// What it says.
    pub op: ElectionOp,
    /// The election epoch.
    pub epoch: Epoch,
    /// The sender's monmap, encoded.
    pub monmap: Bytes,
    /// In a victory: who is in.
    pub quorum: BTreeSet<Rank>,
    /// The wire features: of the sender, or in a victory of the whole quorum.
    pub quorum_features: u64,
    /// In a victory the leader's command table, never empty; a stable tracker in a connectivity proposal.
    pub sharing: Bytes,
    /// The monitor features: of the sender, or in a victory of the whole quorum.
    pub mon_features: MonFeatures,
    /// In an acknowledgement: what the sender says of itself.
    pub metadata: BTreeMap<String, String>,
    /// The sender's release.
    pub mon_release: u8,
    /// The sender's encoded `ConnectionTracker`.
    pub scoring: Bytes,
    /// The election strategy; messages of another are dropped.
    pub strategy: u8,
}

impl MMonElection {
    /// A message of this kind without the parts that only some kinds have.
    #[must_use]
    pub fn new(fsid: Fsid, op: ElectionOp, epoch: Epoch) -> Self {
        Self {
            fsid,
            op,
            epoch,
            monmap: Bytes::new(),
            quorum: BTreeSet::new(),
            quorum_features: 0,
            sharing: Bytes::new(),
            mon_features: MonFeatures::default(),
            metadata: BTreeMap::new(),
            mon_release: 0,
            scoring: Bytes::new(),
            strategy: 1,
        }
    }
}

impl Encode for MMonElection {
    fn encode(&self, out: &mut Vec<u8>) {
        self.fsid.encode(out);
        self.op.encode(out);
        self.epoch.encode(out);
        self.monmap.encode(out);
        self.quorum.encode(out);
        self.quorum_features.encode(out);
        // Two versions of a field that is gone.
        0u64.encode(out);
        0u64.encode(out);
        self.sharing.encode(out);
        self.mon_features.encode(out);
        self.metadata.encode(out);
        self.mon_release.encode(out);
        self.scoring.encode(out);
        self.strategy.encode(out);
    }
}

impl Decode for MMonElection {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let fsid = Decode::decode(input)?;
        let op = Decode::decode(input)?;
        let epoch = Decode::decode(input)?;
        let monmap = Decode::decode(input)?;
        let quorum = Decode::decode(input)?;
        let quorum_features = Decode::decode(input)?;
        input.take(16)?;
        Ok(Self {
            fsid,
            op,
            epoch,
            monmap,
            quorum,
            quorum_features,
            sharing: Decode::decode(input)?,
            mon_features: Decode::decode(input)?,
            metadata: Decode::decode(input)?,
            mon_release: Decode::decode(input)?,
            scoring: Decode::decode(input)?,
            strategy: Decode::decode(input)?,
        })
    }
}
