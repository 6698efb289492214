//! `MAuth` inside a session: new tickets, a renewed AUTH ticket, rotating secrets for daemons.
//!
//! ```text
//! 0x0100 | Authenticate                              -> as in the handshake, without connection secret
//! 0x0200 | authorizer for AUTH | u8 1, u32 services  -> 0x0200, 0 | service_ticket_reply
//! 0x0400                                             -> 0x0400, 0 | sealed RotatingSecrets
//! ```

use bytes::Bytes;
use mon_types::encode::{Decode, Encode, Reader};
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::GlobalId;
use mon_types::time::UTime;
use rand_core::CryptoRng;

use crate::authorizer::open_authorizer;
use crate::grant::{Owner, encode_auth_ticket, encode_service_tickets};
use crate::protocol::{
    Authenticate, GET_AUTH_SESSION_KEY, GET_PRINCIPAL_SESSION_KEY, GET_ROTATING_KEY, ResponseHeader,
    ServiceTicketRequest,
};
use crate::refusal::Refusal;
use crate::seal::{Usage, seal_prefixed};
use crate::server::{AuthView, reclaim};

/// Whose session it is, as the handshake established.
#[derive(Debug, Clone, Copy)]
pub struct Principal<'a> {
    /// The name.
    pub entity: &'a EntityName,
    /// The cluster-wide id.
    pub global_id: GlobalId,
}

/// Answers the payload of a `MAuth`; gives the payload of the `MAuthReply` with result 0.
///
/// # Errors
/// A [`Refusal`], whose code is the reply's result; its payload is then empty.
pub fn answer(
    view: &AuthView,
    principal: Principal<'_>,
    payload: &[u8],
    wall: UTime,
    rng: &mut dyn CryptoRng,
) -> Result<Bytes, Refusal> {
    if !view.ready {
        return Err(Refusal::NotReady);
    }
    let owner = Owner { entity: principal.entity, global_id: principal.global_id, wall };
    let mut input = Reader::new(payload);
    match u16::decode(&mut input)? {
        GET_AUTH_SESSION_KEY => renew(view, owner, &mut input, rng),
        GET_PRINCIPAL_SESSION_KEY => service_tickets(view, owner, &mut input, rng),
        GET_ROTATING_KEY => rotating_secrets(view, owner, rng),
        other => Err(Refusal::UnknownRequest(other)),
    }
}

/// Renews the AUTH ticket. The proof in the request is made with the challenge of a handshake that is
/// over and forgotten, and is not needed: the session is authenticated, the old ticket is shown, and only
/// who has the entity's key can open the answer.
fn renew(
    view: &AuthView,
    owner: Owner<'_>,
    input: &mut Reader<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<Bytes, Refusal> {
    let request = Authenticate::decode(input)?;
    let auth = view.entity(owner.entity).ok_or(Refusal::UnknownEntity)?;
    if !view.allowed_ciphers.contains(&auth.key.kind()) {
        return Err(Refusal::Cipher(auth.key.kind()));
    }
    let old_session_key = reclaim(view, owner.entity, owner.global_id, &request)?;
    let mut out = Vec::new();
    let session_key = encode_auth_ticket(&mut out, view, owner, &auth.key, Some(&old_session_key), rng)?;
    if request.other_keys != 0 {
        Bytes::new().encode(&mut out);
        let mut extra = Vec::new();
        encode_service_tickets(&mut extra, view, owner, request.other_keys, &session_key, rng)?;
        extra.as_slice().encode(&mut out);
    }
    Ok(out.into())
}

fn service_tickets(
    view: &AuthView,
    owner: Owner<'_>,
    input: &mut Reader<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<Bytes, Refusal> {
    let secrets = view.rotating.get(&EntityType::Auth);
    let shown = open_authorizer(input, EntityType::Auth, |id| secrets?.find(id).map(|secret| &secret.key))?;
    let ticket = &shown.info.ticket;
    if ticket.name != *owner.entity || ticket.global_id != owner.global_id {
        return Err(Refusal::TicketBad);
    }
    if ticket.is_expired(owner.wall) {
        return Err(Refusal::TicketExpired);
    }
    let ServiceTicketRequest { keys } = ServiceTicketRequest::decode(input)?;
    let mut out = Vec::new();
    ResponseHeader { request: GET_PRINCIPAL_SESSION_KEY, status: 0 }.encode(&mut out);
    match encode_service_tickets(&mut out, view, owner, keys, &shown.info.session_key, rng)? {
        0 => Err(Refusal::NoServiceSecret),
        _ => Ok(out.into()),
    }
}

fn rotating_secrets(view: &AuthView, owner: Owner<'_>, rng: &mut dyn CryptoRng) -> Result<Bytes, Refusal> {
    let auth = view.entity(owner.entity).ok_or(Refusal::UnknownEntity)?;
    let secrets = view.rotating.get(&owner.entity.kind).ok_or(Refusal::NoServiceSecret)?;
    let mut out = Vec::new();
    ResponseHeader { request: GET_ROTATING_KEY, status: 0 }.encode(&mut out);
    seal_prefixed(&mut out, &auth.key, Usage::RotatingSecrets, secrets, rng)?;
    Ok(out.into())
}
