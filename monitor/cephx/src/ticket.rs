//! Tickets: what the monitor hands out, and what lets a client talk to a service.
//!
//! ```text
//! service_ticket_reply: u8 1 | u32 n | n * { u32 service | u8 1 | sealed ServiceTicket
//!                                          | u8 0, bl TicketBlob   or   u8 1, sealed bl TicketBlob }
//! ServiceTicket: u8 1 | CryptoKey session_key | utime validity
//! TicketBlob:    u8 1 | u64 secret_id | bl sealed TicketInfo        (opaque to the client)
//! TicketInfo:    u8 1 | AuthTicket | CryptoKey session_key
//! AuthTicket:    u8 2 | EntityName | u64 global_id | u64 auid | utime created | utime expires
//!                     | AuthCapsInfo | u32 flags
//! ```
//! The client opens the `ServiceTicket`, the service opens the `TicketInfo`, and both find the same
//! session key.

use std::time::Duration;

use bytes::Bytes;
use mon_types::crypto_key::CryptoKey;
use mon_types::encode::{Decode, DecodeError, Encode, Reader};
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::GlobalId;
use mon_types::time::UTime;
use rand_core::CryptoRng;

use crate::seal::{SealError, Usage, open, open_prefixed, seal, seal_prefixed};

/// A ticket with its session key, as its owner holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The service that it is for; `Auth` for the one that gets others.
    pub service: EntityType,
    /// What owner and service share.
    pub session_key: CryptoKey,
    /// How long it is valid from when it was handed out.
    pub validity: Duration,
    /// What the owner shows to the service.
    pub blob: TicketBlob,
}

/// A ticket as it travels: sealed for the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(byte = 1)]
pub struct TicketBlob {
    /// Which of the service's rotating secrets opens it; [`SECRET_ID_MON`] for the `mon.` key.
    pub secret_id: u64,
    /// The sealed [`TicketInfo`].
    pub sealed: Bytes,
}

/// The secret id of tickets that monitors make for each other.
pub const SECRET_ID_MON: u64 = u64::MAX;

/// What a service finds in a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[denc(byte = 1)]
pub struct TicketInfo {
    /// Who it was handed to.
    pub ticket: AuthTicket,
    /// What owner and service share.
    pub session_key: CryptoKey,
}

/// Who holds a ticket, for how long and with which caps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthTicket {
    /// The owner.
    pub name: EntityName,
    /// Its cluster-wide id; 0 between monitors.
    pub global_id: GlobalId,
    /// When it was made, by the wall clock of the monitor that made it.
    pub created: UTime,
    /// When it ends, by the same clock.
    pub expires: UTime,
    /// What the owner may do with the service.
    pub caps: TicketCaps,
}

/// `AuthCapsInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[denc(byte = 1)]
pub struct TicketCaps {
    /// Whether everything is allowed, whatever `caps` says (`AUTH_NONE`).
    pub allow_all: bool,
    /// The caps: an encoded string, or empty.
    pub caps: Bytes,
}

impl AuthTicket {
    /// Whether it has ended.
    #[must_use]
    pub fn is_expired(&self, wall: UTime) -> bool {
        self.expires < wall
    }
}

impl TicketBlob {
    /// Seals a ticket for its service.
    ///
    /// # Errors
    /// [`SealError::UnusableKey`].
    pub fn seal(
        info: &TicketInfo,
        secret_id: u64,
        secret: &CryptoKey,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, SealError> {
        Ok(Self { secret_id, sealed: seal(secret, Usage::TicketInfo, info, rng)?.into() })
    }

    /// Opens a ticket with the secret that its id names.
    ///
    /// # Errors
    /// Any of [`SealError`].
    pub fn open(&self, secret: &CryptoKey) -> Result<TicketInfo, SealError> {
        open(secret, Usage::TicketInfo, &self.sealed)
    }
}

/// Appends a `service_ticket_reply`: session keys sealed under `key`, blobs under `blob_key` if there is
/// one (the old session key, when a ticket is renewed).
pub(crate) fn encode_reply(
    out: &mut Vec<u8>,
    tickets: &[Ticket],
    key: &CryptoKey,
    blob_key: Option<&CryptoKey>,
    rng: &mut dyn CryptoRng,
) -> Result<(), SealError> {
    REPLY_VERSION.encode(out);
    (tickets.len() as u32).encode(out);
    for ticket in tickets {
        ticket.service.encode(out);
        REPLY_VERSION.encode(out);
        let service_ticket = ServiceTicket {
            session_key: ticket.session_key.clone(),
            validity: UTime::from_duration(ticket.validity),
        };
        seal_prefixed(out, key, Usage::ServiceTicket, &service_ticket, rng)?;
        let blob = ticket.blob.to_bytes();
        blob_key.is_some().encode(out);
        match blob_key {
            None => blob.encode(out),
            Some(old) => seal_prefixed(out, old, Usage::TicketBlob, &blob, rng)?,
        }
    }
    Ok(())
}

/// Reads a `service_ticket_reply`; the inverse of [`encode_reply`].
pub(crate) fn decode_reply(
    input: &mut Reader<'_>,
    key: &CryptoKey,
    blob_key: Option<&CryptoKey>,
) -> Result<Vec<Ticket>, SealError> {
    input.version_byte("service ticket reply", REPLY_VERSION)?;
    let count = input.count(TICKET_SIZE_MIN)?;
    let mut tickets = Vec::new();
    for _ in 0..count {
        let service = EntityType::decode(input)?;
        input.version_byte("service ticket", REPLY_VERSION)?;
        let ServiceTicket { session_key, validity } = open_prefixed(key, Usage::ServiceTicket, input)?;
        let blob = if bool::decode(input)? {
            open_prefixed::<Bytes>(blob_key.ok_or(SealError::Damaged)?, Usage::TicketBlob, input)?
        } else {
            Bytes::decode(input)?
        };
        let blob = TicketBlob::from_bytes(&blob)?;
        tickets.push(Ticket { service, session_key, validity: validity.to_duration(), blob });
    }
    Ok(tickets)
}

const REPLY_VERSION: u8 = 1;
/// Service, version, two lengths and the flag between them.
const TICKET_SIZE_MIN: usize = 4 + 1 + 4 + 1 + 4;

#[derive(Debug, Encode, Decode)]
#[denc(byte = 1)]
struct ServiceTicket {
    session_key: CryptoKey,
    validity: UTime,
}

const AUTH_TICKET_VERSION: u8 = 2;
/// The user id of an abandoned feature; 20.2.4 refuses tickets with another value.
const AUID: u64 = u64::MAX;
const NO_FLAGS: u32 = 0;

impl Encode for AuthTicket {
    fn encode(&self, out: &mut Vec<u8>) {
        AUTH_TICKET_VERSION.encode(out);
        self.name.encode(out);
        self.global_id.encode(out);
        AUID.encode(out);
        self.created.encode(out);
        self.expires.encode(out);
        self.caps.encode(out);
        NO_FLAGS.encode(out);
    }
}

impl Decode for AuthTicket {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = input.version_byte("AuthTicket", AUTH_TICKET_VERSION)?;
        let name = EntityName::decode(input)?;
        let global_id = GlobalId::decode(input)?;
        if version >= 2 {
            u64::decode(input)?;
        }
        let (created, expires) = Decode::decode(input)?;
        let caps = TicketCaps::decode(input)?;
        u32::decode(input)?;
        Ok(Self { name, global_id, created, expires, caps })
    }
    const SIZE_MIN: usize = 50;
}
