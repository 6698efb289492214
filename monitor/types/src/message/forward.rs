//! `MForward` and `MRoute`: a client's request by way of a peon to the leader, and the answer back.

use super::Payload;
use super::embedded::EmbeddedMessage;
use super::entity_inst::EntityInst;
use crate::addr::{AddrVec, EntityAddr};
use crate::caps::MonCap;
use crate::encode::{Decode, DecodeError, Encode, Reader};
use crate::entity::EntityName;

/// A client's request.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct MForward {
    /// The peon's number for it.
    pub tid: u64,
    /// The client's entity type (`EntityType` as a number).
    pub client_type: u8,
    /// The addresses that the client shows.
    pub client_addrs: AddrVec,
    /// Where its connection comes from.
    pub client_socket_addr: EntityAddr,
    /// What it may do.
    pub client_caps: MonCap,
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

impl Payload for MForward {
    const KIND: u16 = 46;
    const VERSION: u16 = 4;
    const COMPAT: u16 = 4;

    /// A request travels with the priority that its client gave it.
    fn priority(&self) -> Option<u16> {
        Some(self.message.raw.priority)
    }
}

impl Decode for MForward {
    /// What a stock monitor forwards for itself (its own log entries) carries an entity name of type 0; it is
    /// the monitor's.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            tid: Decode::decode(input)?,
            client_type: Decode::decode(input)?,
            client_addrs: Decode::decode(input)?,
            client_socket_addr: Decode::decode(input)?,
            client_caps: Decode::decode(input)?,
            message: Decode::decode(input)?,
            con_features: Decode::decode(input)?,
            entity_name: match u32::decode(&mut input.clone())? {
                0 => {
                    u32::decode(input)?;
                    String::decode(input)?;
                    EntityName::mon()
                }
                _ => Decode::decode(input)?,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entity::EntityInstanceName;
    use crate::message::RawMessage;

    #[test]
    fn a_monitor_forwards_for_itself_without_a_name() {
        let source = EntityInstanceName { kind: 1, number: 1 };
        let mut forward = MForward {
            tid: 7,
            client_type: 1,
            client_addrs: AddrVec::default(),
            client_socket_addr: EntityAddr::default(),
            client_caps: MonCap::allow_all(),
            message: EmbeddedMessage { seq: 0, source, raw: RawMessage::default() },
            con_features: 0,
            entity_name: EntityName::mon(),
        };
        let bytes = forward.to_bytes();
        let mut nameless = bytes.to_vec();
        let kind = nameless.len() - 8;
        assert_eq!(nameless[kind..], [1, 0, 0, 0, 0, 0, 0, 0]);
        nameless[kind] = 0;
        forward.entity_name = EntityName::mon();
        assert_eq!(MForward::from_bytes(&nameless), Ok(forward));
    }
}
