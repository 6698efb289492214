//! `MLog` and `MLogAck`: cluster log entries from daemons and clients.

use bytes::Bytes;

use super::PaxosServiceMessage;
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::id::{Fsid, Version};

/// Entries for the cluster log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MLog {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// The cluster.
    pub fsid: Fsid,
    /// The entries, a counted list as encoded.
    pub entries: Bytes,
}

/// Tells the sender that its entries are committed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MLogAck {
    /// The cluster.
    pub fsid: Fsid,
    /// The highest sequence number of the sender's that is in the log.
    pub last: Version,
    /// The channel that the entries went to.
    pub channel: String,
}

impl Encode for MLog {
    fn encode(&self, out: &mut Vec<u8>) {
        self.paxos.encode(out);
        self.fsid.encode(out);
        out.extend_from_slice(&self.entries);
    }
}

impl Decode for MLog {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            paxos: Decode::decode(input)?,
            fsid: Decode::decode(input)?,
            entries: Bytes::copy_from_slice(input.take_rest()),
        })
    }
}
