//! Handing out tickets.

use std::time::Duration;

use mon_types::crypto_key::CryptoKey;
use mon_types::encode::Encode;
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::GlobalId;
use mon_types::time::UTime;
use rand_core::CryptoRng;

use crate::protocol::{GET_AUTH_SESSION_KEY, ResponseHeader};
use crate::refusal::Refusal;
use crate::rotating::{SERVICES, generate_key};
use crate::server::AuthView;
use crate::ticket::{AuthTicket, Ticket, TicketBlob, TicketCaps, TicketInfo, encode_reply};

/// Who gets a ticket, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner<'a> {
    pub(crate) entity: &'a EntityName,
    pub(crate) global_id: GlobalId,
    pub(crate) wall: UTime,
}

/// Appends the head of an answer and a new AUTH ticket, its session key sealed under the owner's `key`;
/// gives that session key. `old_session_key` seals the blob when a ticket is renewed.
pub(crate) fn encode_auth_ticket(
    out: &mut Vec<u8>,
    view: &AuthView,
    owner: Owner<'_>,
    key: &CryptoKey,
    old_session_key: Option<&CryptoKey>,
    rng: &mut dyn CryptoRng,
) -> Result<CryptoKey, Refusal> {
    ResponseHeader { request: GET_AUTH_SESSION_KEY, status: 0 }.encode(out);
    let ticket = make(view, owner, EntityType::Auth, key, rng)?;
    let session_key = ticket.session_key.clone();
    encode_reply(out, &[ticket], key, old_session_key, rng)?;
    Ok(session_key)
}

/// Appends tickets for a set of services, as far as those have secrets, under the AUTH session key. An
/// empty set appends nothing. Returns how many there are.
pub(crate) fn encode_service_tickets(
    out: &mut Vec<u8>,
    view: &AuthView,
    owner: Owner<'_>,
    services: u32,
    session_key: &CryptoKey,
    rng: &mut dyn CryptoRng,
) -> Result<usize, Refusal> {
    let mut tickets = Vec::new();
    for service in SERVICES {
        if service == EntityType::Auth || services & service as u32 == 0 {
            continue;
        }
        match make(view, owner, service, session_key, rng) {
            Ok(ticket) => tickets.push(ticket),
            Err(Refusal::NoServiceSecret) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    if !tickets.is_empty() {
        encode_reply(out, &tickets, session_key, None, rng)?;
    }
    Ok(tickets.len())
}

/// Makes one ticket. Its session key is of the type of `like`: the owner's own key, or the AUTH session
/// key, which had that type. The blob has the type of the service's current secret. (Measured with aes and
/// aes256k clients of a 20.2.4 cluster.)
fn make(
    view: &AuthView,
    owner: Owner<'_>,
    service: EntityType,
    like: &CryptoKey,
    rng: &mut dyn CryptoRng,
) -> Result<Ticket, Refusal> {
    let current = view.rotating.get(&service).and_then(|secrets| secrets.current(owner.wall));
    let (secret_id, secret) = current.ok_or(Refusal::NoServiceSecret)?;
    let validity = view.ttl_of(service);
    let session_key = generate_key(like.kind(), owner.wall, rng);
    let info = TicketInfo {
        ticket: AuthTicket {
            name: owner.entity.clone(),
            global_id: owner.global_id,
            created: owner.wall,
            expires: expiry(owner.wall, validity),
            caps: caps(view, owner.entity, service),
        },
        session_key: session_key.clone(),
    };
    let blob = TicketBlob::seal(&info, secret_id, &secret.key, rng)?;
    Ok(Ticket { service, session_key, validity, blob })
}

/// AUTH tickets carry no caps.
fn caps(view: &AuthView, entity: &EntityName, service: EntityType) -> TicketCaps {
    let auth = view.entity(entity).filter(|_| service != EntityType::Auth);
    let caps = auth.and_then(|auth| auth.caps.get(service.as_str())).cloned().unwrap_or_default();
    TicketCaps { allow_all: false, caps }
}

fn expiry(wall: UTime, validity: Duration) -> UTime {
    UTime::from_duration(wall.to_duration().saturating_add(validity))
}
