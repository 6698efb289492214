//! `MAuth` and `MAuthReply`: further tickets and rotating keys inside a session.

use bytes::Bytes;

use super::PaxosServiceMessage;
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::id::GlobalId;

/// A request to the authentication service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MAuth {
    /// The service prefix.
    pub paxos: PaxosServiceMessage,
    /// `CEPH_AUTH_*`: 2 for cephx.
    pub protocol: u32,
    /// What the protocol says.
    pub auth_payload: Bytes,
    /// The monmap that the sender has; 0 for none.
    pub monmap_epoch: u32,
}

/// The answer to a [`MAuth`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct MAuthReply {
    /// `CEPH_AUTH_*`.
    pub protocol: u32,
    /// 0, or a negative errno.
    pub result: i32,
    /// The client's id.
    pub global_id: GlobalId,
    /// What the protocol says.
    pub result_bl: Bytes,
    /// A reason in words.
    pub result_msg: String,
}

impl Encode for MAuth {
    fn encode(&self, out: &mut Vec<u8>) {
        self.paxos.encode(out);
        self.protocol.encode(out);
        self.auth_payload.encode(out);
        self.monmap_epoch.encode(out);
    }
}

impl Decode for MAuth {
    /// Old clients leave the monmap epoch out.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            paxos: Decode::decode(input)?,
            protocol: Decode::decode(input)?,
            auth_payload: Decode::decode(input)?,
            monmap_epoch: if input.remaining() > 0 { Decode::decode(input)? } else { 0 },
        })
    }
}
