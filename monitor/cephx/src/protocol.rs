//! The plain parts of cephx payloads, as they stand in CephxProtocol.h.

use mon_types::encode::{Decode, DecodeError, Encode, Reader};

use crate::ticket::TicketBlob;

/// `CEPHX_GET_AUTH_SESSION_KEY`: prove a key, get an AUTH ticket.
pub(crate) const GET_AUTH_SESSION_KEY: u16 = 0x0100;
/// `CEPHX_GET_PRINCIPAL_SESSION_KEY`: show an AUTH ticket, get tickets for services.
pub(crate) const GET_PRINCIPAL_SESSION_KEY: u16 = 0x0200;
/// `CEPHX_GET_ROTATING_KEY`: a daemon gets its service's secrets.
pub(crate) const GET_ROTATING_KEY: u16 = 0x0400;

/// First payload byte of a peer that shows an authorizer; it doubles as the authorizer's version.
pub(crate) const AUTH_MODE_AUTHORIZER: u8 = 1;
/// First payload byte of a client or daemon that logs in at a monitor.
pub(crate) const AUTH_MODE_MON: u8 = 10;

/// Bytes of the secret that a connection in secure mode is given; 40 are used.
pub const CONNECTION_SECRET_BYTES: usize = 64;

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct ResponseHeader {
    /// The request that is answered.
    pub(crate) request: u16,
    /// 0 or a negative errno.
    pub(crate) status: i32,
}

/// `CephXServerChallenge`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[denc(byte = 1)]
pub(crate) struct ServerChallenge {
    pub(crate) challenge: u64,
}

/// `CephXAuthenticate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authenticate {
    /// The client's challenge.
    pub(crate) challenge: u64,
    /// The proof over both challenges.
    pub(crate) proof: u64,
    /// The AUTH ticket that a known global id belongs to.
    pub(crate) old_ticket: TicketBlob,
    /// Services that it wants tickets for, as a set of entity types.
    pub(crate) other_keys: u32,
    /// Whether the client is so old that it cannot be asked for its old ticket: before version 3, with
    /// which the fix of CVE-2021-20288 came.
    pub(crate) is_legacy: bool,
}

impl Encode for Authenticate {
    fn encode(&self, out: &mut Vec<u8>) {
        let version: u8 = if self.is_legacy { 2 } else { 3 };
        version.encode(out);
        self.challenge.encode(out);
        self.proof.encode(out);
        self.old_ticket.encode(out);
        self.other_keys.encode(out);
    }
}

impl Decode for Authenticate {
    /// A version above ours may have a tail, which the payload's end bounds.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = u8::decode(input)?;
        Ok(Self {
            challenge: u64::decode(input)?,
            proof: u64::decode(input)?,
            old_ticket: TicketBlob::decode(input)?,
            other_keys: if version >= 2 { u32::decode(input)? } else { 0 },
            is_legacy: version < 3,
        })
    }
}

/// `CephXServiceTicketRequest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[denc(byte = 1)]
pub(crate) struct ServiceTicketRequest {
    /// Services, as a set of entity types.
    pub(crate) keys: u32,
}
