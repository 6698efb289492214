//! Authorizers: showing a service a ticket for it. Monitors authenticate each other this way, with a
//! ticket that each makes for itself and seals under the `mon.` key.
//!
//! ```text
//! Authorizer:         u8 1 | u64 global_id | u32 service | TicketBlob | sealed Authorize
//! Authorize:          u8 2 | u64 nonce | u8 have_challenge | u64 challenge + 1
//! AuthorizeChallenge: u8 1 | u64 challenge                      (sealed, without a length)
//! AuthorizeReply:     u8 2 | u64 nonce + 1 | string connection_secret
//!
//! AUTH_REQUEST       authorizer without challenge  -->
//!                                       <--  AUTH_REPLY_MORE   challenge
//! AUTH_REQUEST_MORE  authorizer with challenge + 1 -->
//!                                       <--  AUTH_DONE         reply
//! ```

use std::time::Duration;

use bytes::Bytes;
use mon_types::crypto_key::CryptoKey;
use mon_types::encode::{Decode, DecodeError, Encode, Reader};
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::GlobalId;
use mon_types::time::UTime;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::protocol::AUTH_MODE_AUTHORIZER;
use crate::rotating::generate_key;
use crate::seal::{SealError, Usage, open, open_prefixed, seal, seal_prefixed};
use crate::ticket::{AuthTicket, SECRET_ID_MON, Ticket, TicketBlob, TicketCaps, TicketInfo};

/// The side that shows a ticket.
#[derive(Debug)]
pub struct Authorizer {
    ticket: Ticket,
    global_id: GlobalId,
    nonce: u64,
}

impl Authorizer {
    /// For a connection to a service (or to a monitor's in-session requests, with the AUTH ticket).
    pub fn new(ticket: Ticket, global_id: GlobalId, rng: &mut dyn CryptoRng) -> Self {
        Self { ticket, global_id, nonce: rng.next_u64() }
    }

    /// For a connection to another monitor.
    ///
    /// # Errors
    /// [`SealError::UnusableKey`] when the `mon.` key is none.
    pub fn for_monitor(
        mon_key: &CryptoKey,
        ttl: Duration,
        wall: UTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, SealError> {
        let session_key = generate_key(mon_key.kind(), wall, rng);
        let ticket = AuthTicket {
            name: EntityName::mon(),
            global_id: GlobalId(0),
            created: wall,
            expires: UTime::from_duration(wall.to_duration() + ttl),
            caps: TicketCaps::default(),
        };
        let info = TicketInfo { ticket, session_key: session_key.clone() };
        let blob = TicketBlob::seal(&info, SECRET_ID_MON, mon_key, rng)?;
        let ticket = Ticket { service: EntityType::Mon, session_key, validity: ttl, blob };
        Ok(Self::new(ticket, GlobalId(0), rng))
    }

    /// The payload of `AUTH_REQUEST`.
    ///
    /// # Errors
    /// [`SealError::UnusableKey`].
    pub fn request(&self, rng: &mut dyn CryptoRng) -> Result<Bytes, SealError> {
        self.with_challenge(None, rng)
    }

    /// The payload of `AUTH_REQUEST_MORE`, given that of `AUTH_REPLY_MORE`.
    ///
    /// # Errors
    /// When the challenge does not open with the session key.
    pub fn answer(&self, challenge: &[u8], rng: &mut dyn CryptoRng) -> Result<Bytes, SealError> {
        let Challenge { challenge } = open(&self.ticket.session_key, Usage::AuthorizeChallenge, challenge)?;
        self.with_challenge(Some(challenge), rng)
    }

    /// Checks the payload of `AUTH_DONE`; gives the connection secret, empty in crc mode.
    ///
    /// # Errors
    /// When the service did not know the session key.
    pub fn verify(&self, reply: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let reply: Reply =
            open_prefixed(&self.ticket.session_key, Usage::AuthorizeReply, &mut Reader::new(reply))?;
        if reply.nonce_plus_one != self.nonce.wrapping_add(1) {
            return Err(SealError::Damaged);
        }
        Ok(reply.connection_secret)
    }

    /// The key that both sides sign the handshake with.
    #[must_use]
    pub fn session_key(&self) -> &CryptoKey {
        &self.ticket.session_key
    }

    fn with_challenge(&self, challenge: Option<u64>, rng: &mut dyn CryptoRng) -> Result<Bytes, SealError> {
        let mut out = Vec::new();
        AUTH_MODE_AUTHORIZER.encode(&mut out);
        self.global_id.encode(&mut out);
        self.ticket.service.encode(&mut out);
        self.ticket.blob.encode(&mut out);
        let authorize = Authorize {
            nonce: self.nonce,
            have_challenge: challenge.is_some(),
            challenge_plus_one: challenge.map_or(0, |challenge| challenge.wrapping_add(1)),
        };
        seal_prefixed(&mut out, &self.ticket.session_key, Usage::Authorize, &authorize, rng)?;
        Ok(out.into())
    }
}

/// An authorizer as the service reads it, its ticket opened.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) info: TicketInfo,
    pub(crate) nonce: u64,
    /// What it answers to a challenge, plus one.
    pub(crate) challenge_plus_one: Option<u64>,
}

/// Reads an authorizer for one of `services`. `secret` finds the key that a ticket for that service is
/// sealed under.
pub(crate) fn open_authorizer<'k>(
    input: &mut Reader<'_>,
    service: EntityType,
    secret: impl FnOnce(u64) -> Option<&'k CryptoKey>,
) -> Result<Shown, SealError> {
    input.version_byte("authorizer", AUTH_MODE_AUTHORIZER)?;
    let global_id = GlobalId::decode(input)?;
    let for_service = EntityType::decode(input)?;
    let blob = TicketBlob::decode(input)?;
    if for_service != service {
        return Err(DecodeError::Invalid { what: "authorizer service", value: for_service as u64 }.into());
    }
    let info = blob.open(secret(blob.secret_id).ok_or(SealError::Damaged)?)?;
    if info.ticket.global_id != global_id {
        return Err(DecodeError::Invalid { what: "authorizer global id", value: global_id.0 }.into());
    }
    let authorize: Authorize = open_prefixed(&info.session_key, Usage::Authorize, input)?;
    let challenge_plus_one = authorize.have_challenge.then_some(authorize.challenge_plus_one);
    Ok(Shown { info, nonce: authorize.nonce, challenge_plus_one })
}

impl Shown {
    /// The payload that asks for an answer to `challenge`.
    pub(crate) fn challenge(&self, challenge: u64, rng: &mut dyn CryptoRng) -> Result<Bytes, SealError> {
        let challenge = Challenge { challenge };
        Ok(seal(&self.info.session_key, Usage::AuthorizeChallenge, &challenge, rng)?.into())
    }

    /// The payload that ends the handshake.
    pub(crate) fn reply(&self, secret: &[u8], rng: &mut dyn CryptoRng) -> Result<Bytes, SealError> {
        let reply = Reply {
            nonce_plus_one: self.nonce.wrapping_add(1),
            connection_secret: Zeroizing::new(secret.to_vec()),
        };
        let mut out = Vec::new();
        seal_prefixed(&mut out, &self.info.session_key, Usage::AuthorizeReply, &reply, rng)?;
        Ok(out.into())
    }
}

#[derive(Debug)]
struct Authorize {
    nonce: u64,
    have_challenge: bool,
    challenge_plus_one: u64,
}

#[derive(Debug, Encode, Decode)]
#[denc(byte = 1)]
struct Challenge {
    challenge: u64,
}

struct Reply {
    nonce_plus_one: u64,
    connection_secret: Zeroizing<Vec<u8>>,
}

const VERSION: u8 = 2;

impl Encode for Authorize {
    fn encode(&self, out: &mut Vec<u8>) {
        VERSION.encode(out);
        self.nonce.encode(out);
        self.have_challenge.encode(out);
        self.challenge_plus_one.encode(out);
    }
}

impl Decode for Authorize {
    /// Version 1, from before challenges were added, ends after the nonce.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = input.version_byte("CephXAuthorize", VERSION)?;
        let nonce = u64::decode(input)?;
        let (have_challenge, challenge_plus_one) =
            if version >= 2 { Decode::decode(input)? } else { (false, 0) };
        Ok(Self { nonce, have_challenge, challenge_plus_one })
    }
}

impl Encode for Reply {
    fn encode(&self, out: &mut Vec<u8>) {
        VERSION.encode(out);
        self.nonce_plus_one.encode(out);
        self.connection_secret.as_slice().encode(out);
    }
}

impl Decode for Reply {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = input.version_byte("CephXAuthorizeReply", VERSION)?;
        let nonce_plus_one = u64::decode(input)?;
        let secret = if version >= 2 { input.slice()? } else { &[] };
        Ok(Self { nonce_plus_one, connection_secret: Zeroizing::new(secret.to_vec()) })
    }
}
