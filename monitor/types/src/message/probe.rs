//! `MMonProbe`: finding out who is there and how far along.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::op::wire_enum;
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::id::{Fsid, Rank, Version};

wire_enum! {
    /// What a probe says.
    ProbeOp: i32, "probe op" {
        /// A question.
        Probe = 1,
        /// The answer.
        Reply = 2,
        /// The asker lacks features or is too old.
        MissingFeatures = 6,
    }
}

/// A probe or the answer to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MMonProbe {
    /// The cluster.
    pub fsid: Fsid,
    /// What it says.
    pub op: ProbeOp,
    /// The sender's name, without `mon.`.
    pub name: String,
    /// The quorum that the sender is in; empty when it is in none.
    pub quorum: BTreeSet<Rank>,
    /// The sender's monmap, encoded; empty in a question.
    pub monmap: Bytes,
    /// Whether the sender has ever been in a quorum.
    pub has_ever_joined: bool,
    /// The oldest Paxos version that the sender keeps.
    pub paxos_first_version: Version,
    /// The newest.
    pub paxos_last_version: Version,
    /// Features that the sender requires of its peers.
    pub required_features: u64,
    /// The sender's release (16 for pacific); 0 when unknown.
    pub mon_release: u8,
    /// The leader of the sender's quorum.
    pub leader: Option<Rank>,
}

impl MMonProbe {
    /// A probe of this kind with nothing known about quorum and versions yet.
    #[must_use]
    pub fn new(fsid: Fsid, op: ProbeOp, name: impl Into<String>) -> Self {
        Self {
            fsid,
            op,
            name: name.into(),
            quorum: BTreeSet::new(),
            monmap: Bytes::new(),
            has_ever_joined: false,
            paxos_first_version: Version(0),
            paxos_last_version: Version(0),
            required_features: 0,
            mon_release: 0,
            leader: None,
        }
    }
}

impl Encode for MMonProbe {
    fn encode(&self, out: &mut Vec<u8>) {
        self.fsid.encode(out);
        self.op.encode(out);
        self.name.encode(out);
        self.quorum.encode(out);
        self.monmap.encode(out);
        self.has_ever_joined.encode(out);
        self.paxos_first_version.encode(out);
        self.paxos_last_version.encode(out);
        self.required_features.encode(out);
        self.mon_release.encode(out);
        self.leader.map_or(NO_LEADER, |rank| rank.0).encode(out);
    }
}

impl Decode for MMonProbe {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            fsid: Decode::decode(input)?,
            op: Decode::decode(input)?,
            name: Decode::decode(input)?,
            quorum: Decode::decode(input)?,
            monmap: Decode::decode(input)?,
            has_ever_joined: Decode::decode(input)?,
            paxos_first_version: Decode::decode(input)?,
            paxos_last_version: Decode::decode(input)?,
            required_features: Decode::decode(input)?,
            mon_release: Decode::decode(input)?,
            leader: Some(Rank(Decode::decode(input)?)).filter(|rank| rank.0 != NO_LEADER),
        })
    }
}

/// -1 as the i32 that the field is.
const NO_LEADER: u32 = u32::MAX;
