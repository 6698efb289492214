//! The monitor's side of a handshake.
//!
//! ```text
//! client                                          monitor
//!   AUTH_REQUEST   10 | name | global_id  ------>   known method, cluster ready
//!                  <------  AUTH_REPLY_MORE   1 | server challenge
//!   AUTH_REQUEST_MORE   proof, old ticket ------>   proof holds, id new or rightly reclaimed
//!                                                   (pause: NeedGlobalId, for a new one)
//!                  <------  AUTH_DONE   AUTH ticket, connection secret, service tickets
//! ```
//! Another monitor sends an authorizer instead (see `authorizer`). A handshake is judged by an
//! [`AuthView`], an immutable picture of the auth database; each step may get a newer one.

use bytes::Bytes;
use mon_types::auth::EntityAuth;
use mon_types::crypto_key::CryptoKey;
use mon_types::encode::{Decode, Encode, Reader};
use mon_types::entity::{EntityName, EntityType};
use mon_types::id::GlobalId;
use mon_types::time::UTime;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::authorizer::{Shown, open_authorizer};
use crate::grant::{Owner, encode_auth_ticket, encode_service_tickets};
use crate::proof::{self, Challenges};
use crate::protocol::{
    AUTH_MODE_AUTHORIZER, AUTH_MODE_MON, Authenticate, CONNECTION_SECRET_BYTES, GET_AUTH_SESSION_KEY,
    ServerChallenge,
};
use crate::refusal::Refusal;
use crate::seal::{Usage, seal_prefixed};
use crate::ticket::SECRET_ID_MON;
pub use crate::view::{AuthView, TicketTtl};

/// The circumstances of one step.
pub struct Context<'a> {
    /// The auth database as it is now.
    pub view: &'a AuthView,
    /// Wall-clock time.
    pub wall: UTime,
    /// Whether the connection will be in secure mode, and needs a secret for it.
    pub secure: bool,
    /// Where challenges and keys come from.
    pub rng: &'a mut dyn CryptoRng,
}

/// What to do after a step.
#[derive(Debug)]
pub enum Step {
    /// Send `AUTH_REPLY_MORE` with this payload.
    More(Bytes),
    /// The proof holds, but the client needs a new global id: call [`ServerHandshake::global_id`].
    NeedGlobalId,
    /// Send `AUTH_DONE`.
    Done(Box<Authenticated>),
    /// Send `AUTH_BAD_METHOD` with [`Refusal::code`] and close.
    Refused(Refusal),
}

/// A handshake that ended well.
pub struct Authenticated {
    /// Who it is.
    pub entity: EntityName,
    /// Its cluster-wide id; 0 for a monitor.
    pub global_id: GlobalId,
    /// Its capabilities with monitors, in text; empty for a monitor, which is above them.
    pub caps: String,
    /// The key to sign the handshake with; none without authentication.
    pub session_key: Option<CryptoKey>,
    /// What the keys of secure mode are cut from; empty in crc mode.
    pub connection_secret: Zeroizing<Vec<u8>>,
    /// The payload of `AUTH_DONE`.
    pub payload: Bytes,
    /// Whether it showed the `mon.` ticket that only monitors can make.
    pub is_monitor: bool,
    /// How it came by its global id.
    pub origin: IdOrigin,
    /// The key that is to replace its present one, when it proved that one.
    pub used_pending_key: Option<CryptoKey>,
}

/// How a client came by its global id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdOrigin {
    /// Just allocated.
    New,
    /// Taken back with the ticket that it belongs to.
    Reclaimed,
    /// Taken back without, which `allow_insecure_reclaim` lets legacy clients do.
    ReclaimedInsecurely,
    /// It has none (a monitor).
    None,
}

/// One handshake with a peer that connected to us.
#[derive(Debug, Default)]
pub struct ServerHandshake {
    state: State,
}

/// `CEPH_AUTH_NONE`.
pub const METHOD_NONE: u32 = 1;
/// `CEPH_AUTH_CEPHX`.
pub const METHOD_CEPHX: u32 = 2;

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    /// A client was sent a challenge.
    Client {
        login: Login,
        challenge: u64,
    },
    /// A monitor was sent a challenge.
    Monitor {
        challenge: u64,
    },
    /// A client has proven its key and waits for a global id.
    Proven(Proven),
    /// One without authentication waits for a global id.
    Unauthenticated {
        entity: EntityName,
    },
    Over,
}

/// Who logs in.
#[derive(Debug)]
struct Login {
    entity: EntityName,
    /// The id that it claims to have already.
    claimed: Option<GlobalId>,
}

/// A client whose key is proven.
#[derive(Debug)]
struct Proven {
    entity: EntityName,
    /// The key that it proved; the answer is sealed under it.
    key: CryptoKey,
    used_pending_key: bool,
    other_keys: u32,
    /// Set when it showed its old AUTH ticket: the new one is sealed under its session key.
    old_session_key: Option<CryptoKey>,
}

impl ServerHandshake {
    /// One that has heard nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The methods that a refusal should name.
    #[must_use]
    pub fn methods(view: &AuthView) -> &'static [u32] {
        if view.allow_none { &[METHOD_CEPHX, METHOD_NONE] } else { &[METHOD_CEPHX] }
    }

    /// Takes the method and payload of `AUTH_REQUEST`. A client may ask again with another method after
    /// a refusal, so this starts over.
    pub fn request(&mut self, context: &mut Context<'_>, method: u32, payload: &[u8]) -> Step {
        self.state = State::Over;
        self.start(context, method, payload).unwrap_or_else(Step::Refused)
    }

    /// Takes the payload of `AUTH_REQUEST_MORE`.
    pub fn more(&mut self, context: &mut Context<'_>, payload: &[u8]) -> Step {
        let step = match std::mem::replace(&mut self.state, State::Over) {
            State::Client { login, challenge } => self.check_proof(context, login, challenge, payload),
            State::Monitor { challenge } => finish_monitor(context, challenge, payload),
            State::Start | State::Proven(_) | State::Unauthenticated { .. } | State::Over => {
                Err(Refusal::OutOfTurn)
            }
        };
        step.unwrap_or_else(Step::Refused)
    }

    /// Goes on after [`Step::NeedGlobalId`]; without an id the client is refused for now.
    pub fn global_id(&mut self, context: &mut Context<'_>, id: Option<GlobalId>) -> Step {
        let state = std::mem::replace(&mut self.state, State::Over);
        let Some(id) = id.filter(|id| *id != GlobalId(0)) else { return Step::Refused(Refusal::NoGlobalId) };
        let step = match state {
            State::Proven(proven) => finish_client(context, proven, id, IdOrigin::New),
            State::Unauthenticated { entity } => Ok(finish_unauthenticated(entity, id, IdOrigin::New)),
            State::Start | State::Client { .. } | State::Monitor { .. } | State::Over => {
                Err(Refusal::OutOfTurn)
            }
        };
        step.unwrap_or_else(Step::Refused)
    }

    fn start(&mut self, context: &mut Context<'_>, method: u32, payload: &[u8]) -> Result<Step, Refusal> {
        let mode = payload.first().copied();
        match (method, mode) {
            (METHOD_CEPHX, Some(AUTH_MODE_AUTHORIZER)) => self.start_monitor(context, payload),
            (METHOD_CEPHX, Some(AUTH_MODE_MON)) => {
                let login = Login::decode(context.view, payload)?;
                let challenge = context.rng.next_u64().max(1);
                self.state = State::Client { login, challenge };
                Ok(Step::More(ServerChallenge { challenge }.to_bytes()))
            }
            (METHOD_NONE, Some(AUTH_MODE_MON)) if context.view.allow_none => {
                let Login { entity, claimed } = Login::decode(context.view, payload)?;
                match claimed {
                    Some(id) => Ok(finish_unauthenticated(entity, id, IdOrigin::ReclaimedInsecurely)),
                    None => {
                        self.state = State::Unauthenticated { entity };
                        Ok(Step::NeedGlobalId)
                    }
                }
            }
            (METHOD_CEPHX, _) => Err(Refusal::UnknownMode),
            _ => Err(Refusal::Method(method)),
        }
    }

    fn start_monitor(&mut self, context: &mut Context<'_>, payload: &[u8]) -> Result<Step, Refusal> {
        let shown = open_monitor(context.view, payload)?;
        let challenge = context.rng.next_u64();
        let payload = shown.challenge(challenge, context.rng)?;
        self.state = State::Monitor { challenge };
        Ok(Step::More(payload))
    }

    fn check_proof(
        &mut self,
        context: &mut Context<'_>,
        login: Login,
        challenge: u64,
        payload: &[u8],
    ) -> Result<Step, Refusal> {
        let mut input = Reader::new(payload);
        match u16::decode(&mut input)? {
            GET_AUTH_SESSION_KEY => {}
            other => return Err(Refusal::UnknownRequest(other)),
        }
        let request = Authenticate::decode(&mut input)?;
        let auth = context.view.entity(&login.entity).ok_or(Refusal::UnknownEntity)?;
        let challenges = Challenges { server: challenge, client: request.challenge };
        let (key, used_pending_key) = proven_key(auth, challenges, request.proof)?;
        if !context.view.allowed_ciphers.contains(&key.kind()) {
            return Err(Refusal::Cipher(key.kind()));
        }
        let mut proven = Proven {
            entity: login.entity,
            key: key.clone(),
            used_pending_key,
            other_keys: request.other_keys,
            old_session_key: None,
        };
        match login.claimed {
            None if request.old_ticket.sealed.is_empty() => {
                self.state = State::Proven(proven);
                Ok(Step::NeedGlobalId)
            }
            None => Err(Refusal::SuperfluousTicket),
            Some(id) => {
                let origin = match reclaim(context.view, &proven.entity, id, &request) {
                    Ok(session_key) => {
                        proven.old_session_key = Some(session_key);
                        IdOrigin::Reclaimed
                    }
                    Err(_) if request.is_legacy && context.view.allow_insecure_reclaim => {
                        IdOrigin::ReclaimedInsecurely
                    }
                    Err(refusal) => return Err(refusal),
                };
                finish_client(context, proven, id, origin)
            }
        }
    }
}

impl Login {
    fn decode(view: &AuthView, payload: &[u8]) -> Result<Self, Refusal> {
        if !view.ready {
            return Err(Refusal::NotReady);
        }
        let mut input = Reader::new(payload);
        let (_mode, entity) = <(u8, EntityName)>::decode(&mut input)?;
        let id = GlobalId::decode(&mut input)?;
        Ok(Self { entity, claimed: (id != GlobalId(0)).then_some(id) })
    }
}

/// The key that the proof was made with: the present one or the pending one. Both are tried whatever the
/// first says, so that time tells nothing.
fn proven_key(auth: &EntityAuth, challenges: Challenges, proof: u64) -> Result<(&CryptoKey, bool), Refusal> {
    let present = proof::verify(&auth.key, challenges, proof)?;
    let pending = match auth.pending() {
        Some(key) => proof::verify(key, challenges, proof)?.then_some(key),
        None => None,
    };
    match pending {
        _ if present => Ok((&auth.key, false)),
        Some(key) => Ok((key, true)),
        None => Err(Refusal::WrongKey),
    }
}

/// Whether the old ticket belongs to the global id that is claimed; gives its session key. An ended
/// ticket is good enough: it is as old as the id, and the secret that opens it is gone soon after.
pub(crate) fn reclaim(
    view: &AuthView,
    entity: &EntityName,
    id: GlobalId,
    request: &Authenticate,
) -> Result<CryptoKey, Refusal> {
    let blob = &request.old_ticket;
    if blob.sealed.is_empty() {
        return Err(Refusal::TicketMissing);
    }
    let secret = view.rotating.get(&EntityType::Auth).and_then(|secrets| secrets.find(blob.secret_id));
    let info = secret.and_then(|secret| blob.open(&secret.key).ok()).ok_or(Refusal::TicketBad)?;
    if info.ticket.global_id != id || info.ticket.name != *entity {
        return Err(Refusal::TicketBad);
    }
    Ok(info.session_key)
}

fn finish_client(
    context: &mut Context<'_>,
    proven: Proven,
    id: GlobalId,
    origin: IdOrigin,
) -> Result<Step, Refusal> {
    let Context { view, wall, rng, secure } = context;
    let caps = view.entity(&proven.entity).and_then(|auth| auth.caps_for(EntityType::Mon));
    // Who has the key of all monitors can do everything anyway; its keyring need not say so.
    let own = (proven.entity == EntityName::mon()).then(|| "allow *".to_owned());
    let caps = caps.filter(|caps| !caps.is_empty()).or(own).ok_or(Refusal::NoCaps)?;
    let connection_secret = connection_secret(*secure, *rng);

    let Proven { entity, key, used_pending_key, other_keys, old_session_key } = proven;
    let used_pending_key = used_pending_key.then(|| key.clone());
    let mut payload = Vec::new();
    let owner = Owner { entity: &entity, global_id: id, wall: *wall };
    let session_key = encode_auth_ticket(&mut payload, view, owner, &key, old_session_key.as_ref(), *rng)?;
    // Clients before Nautilus ask for no other keys and know nothing of what follows.
    if other_keys != 0 {
        let mut sealed = Vec::new();
        seal_prefixed(
            &mut sealed,
            &session_key,
            Usage::ConnectionSecret,
            connection_secret.as_slice(),
            *rng,
        )?;
        sealed.as_slice().encode(&mut payload);
        let mut extra = Vec::new();
        encode_service_tickets(&mut extra, view, owner, other_keys, &session_key, *rng)?;
        extra.as_slice().encode(&mut payload);
    }
    Ok(Step::Done(Box::new(Authenticated {
        entity,
        global_id: id,
        caps,
        session_key: Some(session_key),
        connection_secret,
        payload: payload.into(),
        is_monitor: false,
        origin,
        used_pending_key,
    })))
}

/// Without authentication everything is allowed (`AuthNoneServiceHandler`).
fn finish_unauthenticated(entity: EntityName, id: GlobalId, origin: IdOrigin) -> Step {
    Step::Done(Box::new(Authenticated {
        entity,
        global_id: id,
        caps: "allow *".into(),
        session_key: None,
        connection_secret: Zeroizing::default(),
        payload: Bytes::new(),
        is_monitor: false,
        origin,
        used_pending_key: None,
    }))
}

fn open_monitor(view: &AuthView, payload: &[u8]) -> Result<Shown, Refusal> {
    let mon_key = |id| (id == SECRET_ID_MON).then_some(&view.mon.key);
    let shown = open_authorizer(&mut Reader::new(payload), EntityType::Mon, mon_key)?;
    if shown.info.ticket.name != EntityName::mon() {
        return Err(Refusal::UnknownEntity);
    }
    Ok(shown)
}

/// The ticket's times are not looked at: whoever sealed it has the `mon.` key now, and clocks must not
/// keep monitors apart.
fn finish_monitor(context: &mut Context<'_>, challenge: u64, payload: &[u8]) -> Result<Step, Refusal> {
    let shown = open_monitor(context.view, payload)?;
    if shown.challenge_plus_one != Some(challenge.wrapping_add(1)) {
        return Err(Refusal::WrongKey);
    }
    let connection_secret = connection_secret(context.secure, context.rng);
    let payload = shown.reply(&connection_secret, context.rng)?;
    Ok(Step::Done(Box::new(Authenticated {
        entity: EntityName::mon(),
        global_id: GlobalId(0),
        caps: String::new(),
        session_key: Some(shown.info.session_key),
        connection_secret,
        payload,
        is_monitor: true,
        origin: IdOrigin::None,
        used_pending_key: None,
    })))
}

fn connection_secret(secure: bool, rng: &mut dyn CryptoRng) -> Zeroizing<Vec<u8>> {
    let mut secret = Zeroizing::new(vec![0; if secure { CONNECTION_SECRET_BYTES } else { 0 }]);
    rng.fill_bytes(&mut secret);
    secret
}

impl std::fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticated")
            .field("entity", &self.entity)
            .field("global_id", &self.global_id)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
