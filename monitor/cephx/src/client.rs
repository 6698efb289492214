//! The client's side of a handshake with a monitor.
//!
//! [`ClientHandshake::request`] gives the payload of `AUTH_REQUEST`, [`ClientHandshake::answer`] that of
//! `AUTH_REQUEST_MORE`, and [`ClientHandshake::finish`] reads `AUTH_DONE`. What it got can reclaim its
//! global id later: [`ClientHandshake::again`].

use bytes::Bytes;
use mon_types::auth::RotatingSecrets;
use mon_types::crypto_key::CryptoKey;
use mon_types::encode::{Decode, Encode, Reader};
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::GlobalId;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::authorizer::Authorizer;
use crate::proof::{Challenges, prove};
use crate::protocol::{
    AUTH_MODE_MON, Authenticate, GET_AUTH_SESSION_KEY, GET_PRINCIPAL_SESSION_KEY, GET_ROTATING_KEY,
    ResponseHeader, ServerChallenge, ServiceTicketRequest,
};
use crate::seal::{SealError, Usage, open_prefixed};
use crate::ticket::{Ticket, TicketBlob, decode_reply};

/// One handshake as a client.
#[derive(Debug)]
pub struct ClientHandshake {
    entity: EntityName,
    key: CryptoKey,
    services: u32,
    old: Option<(GlobalId, Ticket)>,
}

/// What a client has after a handshake.
pub struct ClientSession {
    /// Its cluster-wide id.
    pub global_id: GlobalId,
    /// The AUTH ticket, whose session key signs the handshake.
    pub auth: Ticket,
    /// What the keys of secure mode are cut from; empty in crc mode.
    pub connection_secret: Zeroizing<Vec<u8>>,
    /// Tickets for services.
    pub tickets: Vec<Ticket>,
}

/// Why a monitor's answer is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The monitor does not know our key, or the answer was changed on the way.
    #[error("the monitor's answer does not open with our key: {0}; check the keyring")]
    Seal(#[from] SealError),
    /// An answer to something else.
    #[error("the monitor answered request {0:#x}, which was not asked")]
    OtherRequest(u16),
    /// The monitor says no.
    #[error("the monitor refused with error {0}")]
    Refused(i32),
    /// No AUTH ticket in the answer.
    #[error("the monitor gave no AUTH ticket")]
    NoTicket,
}

impl From<mon_types::encode::DecodeError> for ClientError {
    fn from(error: mon_types::encode::DecodeError) -> Self {
        Self::Seal(error.into())
    }
}

/// Services that librados asks tickets for: MON, OSD and MGR, with AUTH.
pub const USUAL_SERVICES: u32 =
    EntityType::Mon as u32 | EntityType::Osd as u32 | EntityType::Mgr as u32 | EntityType::Auth as u32;

impl ClientHandshake {
    /// As an entity with its key, asking for a new global id.
    #[must_use]
    pub fn new(entity: EntityName, key: CryptoKey) -> Self {
        Self { entity, key, services: USUAL_SERVICES, old: None }
    }

    /// As before, keeping the global id.
    #[must_use]
    pub fn again(entity: EntityName, key: CryptoKey, session: &ClientSession) -> Self {
        Self { old: Some((session.global_id, session.auth.clone())), ..Self::new(entity, key) }
    }

    /// The payload of `AUTH_REQUEST`.
    #[must_use]
    pub fn request(&self) -> Bytes {
        let mut out = Vec::new();
        AUTH_MODE_MON.encode(&mut out);
        self.entity.encode(&mut out);
        self.old.as_ref().map_or(GlobalId(0), |(id, _)| *id).encode(&mut out);
        out.into()
    }

    /// The payload of `AUTH_REQUEST_MORE`, given that of `AUTH_REPLY_MORE`.
    ///
    /// # Errors
    /// When the challenge does not decode, or our key cannot be used.
    pub fn answer(&self, payload: &[u8], rng: &mut dyn CryptoRng) -> Result<Bytes, ClientError> {
        let ServerChallenge { challenge: server } = ServerChallenge::from_bytes(payload)?;
        let client = rng.next_u64();
        let request = Authenticate {
            challenge: client,
            proof: prove(&self.key, Challenges { server, client })?,
            old_ticket: self.old.as_ref().map_or_else(TicketBlob::default, |(_, ticket)| ticket.blob.clone()),
            other_keys: self.services,
            is_legacy: false,
        };
        let mut out = Vec::new();
        GET_AUTH_SESSION_KEY.encode(&mut out);
        request.encode(&mut out);
        Ok(out.into())
    }

    /// Reads the payload of `AUTH_DONE`, which names the global id beside it.
    ///
    /// # Errors
    /// When the monitor does not know our key.
    pub fn finish(&self, global_id: GlobalId, payload: &[u8]) -> Result<ClientSession, ClientError> {
        let mut input = Reader::new(payload);
        let old_key = self.old.as_ref().map(|(_, ticket)| &ticket.session_key);
        check_header(&mut input, GET_AUTH_SESSION_KEY)?;
        let tickets = decode_reply(&mut input, &self.key, old_key)?;
        let auth =
            tickets.into_iter().find(|t| t.service == EntityType::Auth).ok_or(ClientError::NoTicket)?;
        let sealed = input.slice()?;
        let mut connection_secret = Zeroizing::default();
        if !sealed.is_empty() {
            let secret: Secret =
                open_prefixed(&auth.session_key, Usage::ConnectionSecret, &mut Reader::new(sealed))?;
            connection_secret = secret.0;
        }
        let extra = input.slice()?;
        let tickets = match extra {
            [] => Vec::new(),
            extra => decode_reply(&mut Reader::new(extra), &auth.session_key, None)?,
        };
        Ok(ClientSession { global_id, auth, connection_secret, tickets })
    }
}

impl ClientSession {
    /// The payload of a `MAuth` that asks for tickets for a set of services (entity type bits).
    ///
    /// # Errors
    /// [`SealError::UnusableKey`].
    pub fn service_tickets_request(
        &self,
        services: u32,
        rng: &mut dyn CryptoRng,
    ) -> Result<Bytes, SealError> {
        let mut out = GET_PRINCIPAL_SESSION_KEY.to_bytes().to_vec();
        let authorizer = Authorizer::new(self.auth.clone(), self.global_id, rng);
        out.extend_from_slice(&authorizer.request(rng)?);
        ServiceTicketRequest { keys: services }.encode(&mut out);
        Ok(out.into())
    }

    /// Reads the answer to it.
    ///
    /// # Errors
    /// When it is no such answer.
    pub fn service_tickets(&self, payload: &[u8]) -> Result<Vec<Ticket>, ClientError> {
        let mut input = Reader::new(payload);
        check_header(&mut input, GET_PRINCIPAL_SESSION_KEY)?;
        Ok(decode_reply(&mut input, &self.auth.session_key, None)?)
    }
}

/// The payload of a `MAuth` by which a daemon asks for its service's rotating secrets.
#[must_use]
pub fn rotating_secrets_request() -> Bytes {
    GET_ROTATING_KEY.to_bytes()
}

/// Reads the answer to it, with the daemon's own key.
///
/// # Errors
/// When it is no such answer.
pub fn rotating_secrets(payload: &[u8], key: &CryptoKey) -> Result<RotatingSecrets, ClientError> {
    let mut input = Reader::new(payload);
    check_header(&mut input, GET_ROTATING_KEY)?;
    Ok(open_prefixed(key, Usage::RotatingSecrets, &mut input)?)
}

fn check_header(input: &mut Reader<'_>, asked: u16) -> Result<(), ClientError> {
    match ResponseHeader::decode(input)? {
        ResponseHeader { request, .. } if request != asked => Err(ClientError::OtherRequest(request)),
        ResponseHeader { status: 0, .. } => Ok(()),
        ResponseHeader { status, .. } => Err(ClientError::Refused(status)),
    }
}

/// A string of bytes that is wiped.
struct Secret(Zeroizing<Vec<u8>>);

impl Decode for Secret {
    fn decode(input: &mut Reader<'_>) -> Result<Self, mon_types::encode::DecodeError> {
        Ok(Self(Zeroizing::new(input.slice()?.to_vec())))
    }
}

impl std::fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSession").field("global_id", &self.global_id).finish_non_exhaustive()
    }
}
