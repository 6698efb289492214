//! `MForward` and `MRoute`: a client's request by way of a peon to the leader, and the answer back.

use super::embedded::EmbeddedMessage;
use super::entity_inst::EntityInst;
use crate::addr::{AddrVec, EntityAddr};
use crate::encode::{Decode, DecodeError, Encode, Reader, envelope};
use crate::entity::EntityName;

/// A client's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MForward {
    /// The peon's number for it.
    pub tid: u64,
    /// The client's entity type (`EntityType` as a number).
    pub client_type: u8,
    /// The addresses that the client shows.
    pub client_addrs: AddrVec,
    /// Where its connection comes from.
    pub client_socket_addr: EntityAddr,
    /// What it may do, as the text of its monitor caps.
    pub client_caps: String,
    /// The request.
    pub message: EmbeddedMessage,
    /// The features of its connection.
    pub con_features: u64,
    /// Its name.
    pub entity_name: EntityName,
}

/// The leader's answer to a [`MForward`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MRoute {
    /// The peon's number; 0 when the message is for nobody's request.
    pub session_mon_tid: u64,
    /// Unused.
    pub dest: EntityInst,
    /// What to send to the client; none when there is nothing to send and the request is done with.
    pub message: Option<EmbeddedMessage>,
    /// First OSD map epoch that the client must be sent, 0 for none.
    pub send_osdmap_first: u32,
}

/// `MonCap` has kept this version since its text replaced the parsed form.
const MON_CAP_VERSION: u8 = 4;

impl Encode for MForward {
    fn encode(&self, out: &mut Vec<u8>) {
        self.tid.encode(out);
        self.client_type.encode(out);
        self.client_addrs.encode(out);
        self.client_socket_addr.encode(out);
        envelope(out, MON_CAP_VERSION, MON_CAP_VERSION, |out| self.client_caps.encode(out));
        self.message.encode(out);
        self.con_features.encode(out);
        self.entity_name.encode(out);
    }
}

impl Decode for MForward {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            tid: Decode::decode(input)?,
            client_type: Decode::decode(input)?,
            client_addrs: Decode::decode(input)?,
            client_socket_addr: Decode::decode(input)?,
            client_caps: input.envelope("MonCap", MON_CAP_VERSION, |_, input| String::decode(input))?,
            message: Decode::decode(input)?,
            con_features: Decode::decode(input)?,
            entity_name: Decode::decode(input)?,
        })
    }
}
