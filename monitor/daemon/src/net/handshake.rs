//! Runs a connection's handshake over a socket, judging it by the auth database as it is at each step.

use std::io;

use mon_cephx::refusal::Refusal;
use mon_cephx::server::{Authenticated, Context, ServerHandshake, Step};
use mon_types::entity::EntityType;
use mon_wire::auth::{AuthBadMethod, AuthMethod, AuthRequest, Mode};
use mon_wire::{Connection, ConnectionError, Event, Secret, SessionFrame};
use tracing::{debug, info};

use super::Shared;
use super::socket::{Socket, Turn};

/// Why a connection did not come to a session.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// The socket failed.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// The other side does not keep to the protocol.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The other side did not prove itself, again and again.
    #[error("gave up after {0} refused authentications")]
    Refused(u32),
    /// The other side refused us.
    #[error("authentication refused with error {0}; check that the mon. keys are the same")]
    RefusedUs(i32),
    /// The other side's answer does not fit our key.
    #[error("{0}; check that the mon. keys are the same")]
    Seal(#[from] mon_cephx::seal::SealError),
    /// Too many others came after it.
    #[error("pushed out by newer connections before it was authenticated")]
    Crowded,
    /// Time is up.
    #[error("handshake took too long")]
    TooSlow,
    /// The process is ending.
    #[error("the monitor is stopping")]
    Stopping,
}

/// An authenticated connection that was accepted.
pub(super) struct Established {
    pub(super) connection: Connection,
    pub(super) authenticated: Box<Authenticated>,
}

/// Refusals on one connection before it is closed; a client may try another method.
const REFUSALS_MAX: u32 = 3;

/// Reads and writes until the connection has an event.
pub(super) async fn next_event(
    connection: &mut Connection,
    socket: &mut Socket,
    shared: &Shared,
) -> Result<Event, HandshakeError> {
    loop {
        let event = connection.poll_event()?;
        flush(connection, socket, shared).await?;
        if let Some(event) = event {
            return Ok(event);
        }
        if let Turn::Received(bytes) = socket.turn().await? {
            connection.handle_bytes(shared.clock.now().mono, &bytes)?;
        }
    }
}

/// Writes everything that the connection has to say. In a handshake each side waits for the other, so there
/// is nothing else to do meanwhile.
async fn flush(
    connection: &mut Connection,
    socket: &mut Socket,
    shared: &Shared,
) -> Result<(), HandshakeError> {
    loop {
        if socket.is_written() {
            let Some(bytes) = connection.poll_transmit() else { return Ok(()) };
            socket.write(bytes);
        }
        if let Turn::Received(bytes) = socket.turn().await? {
            connection.handle_bytes(shared.clock.now().mono, &bytes)?;
        }
    }
}

/// The next frame of the session that is to be.
pub(super) async fn next_frame(
    connection: &mut Connection,
    socket: &mut Socket,
    shared: &Shared,
) -> Result<SessionFrame, HandshakeError> {
    loop {
        match next_event(connection, socket, shared).await? {
            Event::Frame(frame) => return Ok(frame),
            Event::Alive | Event::Authenticated => {}
            Event::Hello(_)
            | Event::AuthRequest(_)
            | Event::AuthRequestMore(_)
            | Event::AuthReplyMore(_)
            | Event::AuthBadMethod(_)
            | Event::AuthDone(_) => return Err(ConnectionError::OutOfTurn.into()),
        }
    }
}

/// The accepting side, up to both signatures.
pub(super) async fn accept(
    mut connection: Connection,
    socket: &mut Socket,
    shared: &Shared,
) -> Result<Established, HandshakeError> {
    let mut server = ServerHandshake::new();
    let mut request = None;
    let mut refusals = 0;
    let mut done = None;
    loop {
        let event = next_event(&mut connection, socket, shared).await?;
        let mut judge = Judge { shared, server: &mut server };
        let mut step = match event {
            Event::AuthRequest(asked) => {
                let step = judge.request(&connection, &asked);
                request = Some(asked);
                step
            }
            Event::AuthRequestMore(payload) => {
                judge.more(mode(shared, &connection, request.as_ref()), &payload)
            }
            Event::Authenticated => {
                let authenticated = done.ok_or(ConnectionError::OutOfTurn)?;
                return Ok(Established { connection, authenticated });
            }
            Event::Alive => continue,
            Event::Hello(_)
            | Event::AuthReplyMore(_)
            | Event::AuthBadMethod(_)
            | Event::AuthDone(_)
            | Event::Frame(_) => return Err(ConnectionError::OutOfTurn.into()),
        };
        let mode = mode(shared, &connection, request.as_ref());
        if let Step::NeedGlobalId = step {
            let id = shared.requests.global_id().await.map_err(|_| HandshakeError::Stopping)?;
            step = Judge { shared, server: &mut server }.global_id(mode, id);
        }
        match step {
            Step::More(payload) => connection.auth_reply_more(&payload)?,
            Step::Done(authenticated) => {
                let session_key = authenticated
                    .session_key
                    .as_ref()
                    .map_or_else(Secret::default, |key| key.secret().into());
                let secret = Secret::from(authenticated.connection_secret.as_slice());
                let payload = authenticated.payload.clone();
                let mode = mode.unwrap_or(Mode::Crc);
                connection.auth_done(authenticated.global_id.0, mode, payload, &session_key, &secret)?;
                done = Some(authenticated);
            }
            Step::Refused(refusal) => {
                refusals += 1;
                note(&connection, &refusal);
                refuse(&mut connection, shared, request.as_ref(), &refusal)?;
                if refusals >= REFUSALS_MAX {
                    flush(&mut connection, socket, shared).await?;
                    return Err(HandshakeError::Refused(refusals));
                }
            }
            Step::NeedGlobalId => return Err(ConnectionError::OutOfTurn.into()),
        }
    }
}

/// The mode that the peer prefers among those allowed for its kind; without authentication there is no key
/// to encrypt with.
fn mode(shared: &Shared, connection: &Connection, request: Option<&AuthRequest>) -> Option<Mode> {
    let request = request?;
    let allowed = allowed_modes(shared, connection);
    match request.method {
        AuthMethod::NONE => {
            Mode::choose(&request.preferred_modes, &[Mode::Crc]).filter(|mode| allowed.contains(mode))
        }
        _ => Mode::choose(&request.preferred_modes, allowed),
    }
}

fn allowed_modes<'a>(shared: &'a Shared, connection: &Connection) -> &'a [Mode] {
    if connection.peer_kind() == EntityType::Mon as u8 {
        &shared.config.cluster_modes
    } else {
        &shared.config.client_modes
    }
}

/// One handshake and what it is judged by. Randomness does not outlive a step, so that tasks can move.
struct Judge<'a> {
    shared: &'a Shared,
    server: &'a mut ServerHandshake,
}

impl Judge<'_> {
    fn step(
        &mut self,
        mode: Option<Mode>,
        step: impl FnOnce(&mut ServerHandshake, &mut Context<'_>) -> Step,
    ) -> Step {
        let Some(mode) = mode else { return Step::Refused(Refusal::Method(0)) };
        let view = self.shared.auth.load();
        let mut context = Context {
            view: &view,
            wall: self.shared.clock.now().wall,
            secure: mode == Mode::Secure,
            rng: &mut rand::rng(),
        };
        step(self.server, &mut context)
    }

    fn request(&mut self, connection: &Connection, asked: &AuthRequest) -> Step {
        let mode = mode(self.shared, connection, Some(asked));
        self.step(mode, |server, context| server.request(context, asked.method.0, &asked.payload))
    }

    fn more(&mut self, mode: Option<Mode>, payload: &[u8]) -> Step {
        self.step(mode, |server, context| server.more(context, payload))
    }

    fn global_id(&mut self, mode: Option<Mode>, id: Option<mon_types::id::GlobalId>) -> Step {
        self.step(mode, |server, context| server.global_id(context, id))
    }
}

fn refuse(
    connection: &mut Connection,
    shared: &Shared,
    request: Option<&AuthRequest>,
    refusal: &Refusal,
) -> Result<(), ConnectionError> {
    let methods = ServerHandshake::methods(&shared.auth.load());
    let modes = allowed_modes(shared, connection).iter().map(|&mode| mode as u32).collect();
    connection.auth_bad_method(&AuthBadMethod {
        method: request.map_or(AuthMethod::CEPHX, |request| request.method),
        result: refusal.code(),
        methods: methods.iter().copied().map(AuthMethod).collect(),
        modes,
    })
}

/// Only what an operator can act on is worth more than a debug line: anybody can connect.
fn note(connection: &Connection, refusal: &Refusal) {
    let remote = connection.remote();
    match refusal {
        Refusal::NotReady | Refusal::NoGlobalId => debug!("{remote} refused for now: {refusal}"),
        _ => info!("{remote} refused: {refusal}"),
    }
}
