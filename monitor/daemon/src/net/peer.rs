//! A session with another monitor: one task that keeps it, connects when it is down, and takes over incoming
//! connections as the session's rules say.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mon_core::event::Event;
use mon_types::addr::AddrVec;
use mon_types::features::Features;
use mon_types::message::Envelope;
use mon_wire::{Connection, Identity, Incoming, Policy, Session, SessionEvent, SessionFrame, SessionKey};
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};

use super::dial::dial;
use super::handshake::{self, HandshakeError};
use super::registry::PeerEntry;
use super::socket::{Socket, Turn};
use super::{Shared, sleep_until};
use crate::queue::Stopping;

/// What a peer's task is told. When the sender is dropped, the session is forgotten.
#[derive(Debug)]
pub(super) enum PeerCommand {
    /// Send this.
    Send(Box<Envelope>),
    /// The monmap has the peer: stay connected.
    Keep,
    /// The peer has called.
    Incoming(Box<Call>),
}

/// An authenticated incoming connection with the ident that it brought.
pub(super) struct Call {
    connection: Connection,
    socket: Socket,
    ident: SessionFrame,
    /// Gets the connection back when the peer was told something else than yes.
    answered: oneshot::Sender<(Box<Connection>, Socket)>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({:?})", self.connection)
    }
}

/// Failed calls in a row after which a session with a monitor that is not in the map is forgotten.
const STRANGER_FAILURES_MAX: u32 = 10;

/// Commands that are taken over from the engine at a time.
const BATCH: usize = 256;

/// Queues a message, starting a session if there is none.
pub(super) fn send(shared: &Arc<Shared>, to: &AddrVec, message: Envelope) {
    let Some(key) = SessionKey::of(to) else {
        debug!("no msgr2 address in {to}, message dropped");
        return;
    };
    if *to == shared.config.addrs {
        // The core never means to; a session with ourselves would look like a peer that comes and goes.
        error!(kind = message.message.kind(), "message to ourselves dropped");
        return;
    }
    command(shared, key, to, PeerCommand::Send(Box::new(message)));
}

/// Keeps sessions with exactly these peers.
pub(super) fn set(shared: &Arc<Shared>, peers: &[AddrVec], reset: bool) {
    let keys: Vec<_> = peers.iter().filter_map(SessionKey::of).collect();
    shared.registry.peers().retain(|key, _| !reset && keys.contains(key));
    for (key, peer) in keys.into_iter().zip(peers.iter().filter(|peer| SessionKey::of(peer).is_some())) {
        command(shared, key, peer, PeerCommand::Keep);
    }
}

/// Forgets a session.
pub(super) fn drop_session(shared: &Shared, peer: &AddrVec) {
    if let Some(key) = SessionKey::of(peer) {
        shared.registry.peers().remove(&key);
    }
}

fn command(shared: &Arc<Shared>, key: SessionKey, addrs: &AddrVec, command: PeerCommand) {
    let mut peers = shared.registry.peers();
    let entry = peers.entry(key).or_insert_with(|| spawn(shared, key, addrs));
    if let Err(mpsc::error::SendError(command)) = entry.commands.send(command) {
        // The task ended by itself: a new one takes its place.
        *entry = spawn(shared, key, addrs);
        let _sent = entry.commands.send(command);
    }
}

/// Hands an incoming connection to the session that it belongs to, as often as the peer comes with another
/// ident on it.
pub(super) async fn incoming(
    shared: &Arc<Shared>,
    mut connection: Connection,
    mut socket: Socket,
    mut ident: SessionFrame,
) {
    let limit = shared.config.client_limits.handshake_age_max;
    loop {
        let addrs = match &ident {
            SessionFrame::ClientIdent(ident) => &ident.addrs,
            SessionFrame::Reconnect(reconnect) => &reconnect.addrs,
            _ => return,
        };
        let Some(key) = SessionKey::of(addrs) else {
            info!("monitor at {} shows no msgr2 address, refused", connection.remote());
            return;
        };
        let (answered, answer) = oneshot::channel();
        let addrs = addrs.clone();
        let call = Call { connection, socket, ident, answered };
        command(shared, key, &addrs, PeerCommand::Incoming(Box::new(call)));
        let Ok((back, back_socket)) = answer.await else { return };
        (connection, socket) = (*back, back_socket);
        let again = handshake::next_frame(&mut connection, &mut socket, shared);
        ident = match tokio::time::timeout(limit, again).await {
            Ok(Ok(ident)) => ident,
            Ok(Err(error)) => return debug!("monitor at {}: {error}", connection.remote()),
            Err(_) => return,
        };
    }
}

fn spawn(shared: &Arc<Shared>, key: SessionKey, addrs: &AddrVec) -> PeerEntry {
    let generation = shared.registry.next_id();
    let (commands, receiver) = mpsc::unbounded_channel();
    let session = session(shared, addrs);
    let peer =
        Peer { shared: shared.clone(), key, session, socket: None, call: None, kept: false, failures: 0 };
    tokio::spawn(peer.run_to_end(receiver, generation));
    PeerEntry { generation, commands }
}

/// A session that has not stood yet.
fn session(shared: &Shared, addrs: &AddrVec) -> Session {
    let identity = Identity {
        features_required: Features::REQUIRED_OF_MONS.0,
        ..Identity::clone(&shared.identity.load())
    };
    let limits = shared.config.peer_limits.clone();
    Session::new(Policy::Peer, Arc::new(identity), addrs.clone(), limits, shared.global_seq.clone())
}

type Dialing = Pin<Box<dyn Future<Output = Result<(Connection, Socket), HandshakeError>> + Send>>;

struct Peer {
    shared: Arc<Shared>,
    key: SessionKey,
    session: Session,
    socket: Option<Socket>,
    /// Our own call, while it is made.
    call: Option<Dialing>,
    /// The monmap has it.
    kept: bool,
    failures: u32,
}

impl Peer {
    async fn run_to_end(mut self, commands: mpsc::UnboundedReceiver<PeerCommand>, generation: u64) {
        // An error means that the engine has ended; then nobody needs to know more.
        let _stopping = self.run(commands).await;
        let mut peers = self.shared.registry.peers();
        if peers.get(&self.key).is_some_and(|entry| entry.generation == generation) {
            peers.remove(&self.key);
        }
    }

    async fn run(&mut self, mut commands: mpsc::UnboundedReceiver<PeerCommand>) -> Result<(), Stopping> {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let now = self.shared.clock.now().mono;
            while let Some(event) = self.session.poll_event(now) {
                self.deliver(event).await?;
            }
            if !self.session.is_attached() {
                self.socket = None;
            }
            if self.session.poll_dial(now) {
                let to = self.key.addr().socket;
                self.call = to.map(|to| Box::pin(dial(self.shared.clone(), to)) as Dialing);
            }
            if let Some(socket) = &mut self.socket
                && socket.is_written()
                && let Some(bytes) = self.session.poll_transmit(now)
            {
                socket.write(bytes);
            }
            if !self.kept && self.failures >= STRANGER_FAILURES_MAX {
                return Ok(());
            }
            tokio::select! {
                turn = turn(&mut self.socket) => match turn {
                    Ok(Turn::Received(bytes)) => self.session.handle_bytes(self.shared.clock.now().mono, &bytes),
                    Ok(Turn::Wrote) => {}
                    Err(error) => self.session.handle_lost(self.shared.clock.now().mono, error.to_string()),
                },
                made = call(&mut self.call) => {
                    self.call = None;
                    self.called(made).await?;
                }
                count = commands.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        // The engine forgot the peer; what it said before still goes out.
                        if let Some(socket) = &mut self.socket {
                            socket.finish(&mut self.session, now).await;
                        }
                        return Ok(());
                    }
                    let now = self.shared.clock.now().mono;
                    for command in batch.drain(..) {
                        self.handle_command(now, command).await?;
                    }
                }
                () = sleep_until(&self.shared.clock, self.session.poll_timeout()) => {
                    self.session.handle_timeout(self.shared.clock.now().mono);
                }
            }
        }
    }

    async fn handle_command(&mut self, now: Duration, command: PeerCommand) -> Result<(), Stopping> {
        match command {
            PeerCommand::Send(message) => {
                if let Err(error) = self.session.send(now, message.to_raw()) {
                    // A lossless session must not have gaps: begin another.
                    warn!("giving up the session with monitor {}: {error}", self.session.peer());
                    self.session = session(&self.shared, self.session.peer());
                    self.session.set_persistent(now, self.kept);
                    self.call = None;
                    self.down().await?;
                }
            }
            PeerCommand::Keep => {
                self.kept = true;
                self.session.set_persistent(now, true);
            }
            PeerCommand::Incoming(call) => self.take_call(*call),
        }
        Ok(())
    }

    fn take_call(&mut self, call: Call) {
        let Call { connection, mut socket, ident, answered } = call;
        match self.session.attach_incoming(connection, &ident, rand::random()) {
            Ok(Incoming::Attached) => {
                self.socket = Some(socket);
                self.call = None;
                self.failures = 0;
            }
            Ok(Incoming::Answered(connection)) => drop(answered.send((connection, socket))),
            Ok(Incoming::Refused(mut connection, error)) => {
                info!("monitor {} refused: {error}", self.session.peer());
                if let Some(answer) = connection.poll_transmit() {
                    socket.write_last(&answer);
                }
            }
            Err(error) => info!("monitor {}: {error}", self.session.peer()),
        }
    }

    async fn called(&mut self, made: Result<(Connection, Socket), HandshakeError>) -> Result<(), Stopping> {
        match made {
            Ok((connection, socket)) => {
                if self.session.attach_outgoing(connection, rand::random()) {
                    self.socket = Some(socket);
                }
                Ok(())
            }
            Err(error) => {
                debug!("cannot reach monitor {}: {error}", self.session.peer());
                self.failures = self.failures.saturating_add(1);
                self.session.handle_dial_failed(self.shared.clock.now().mono);
                self.down().await
            }
        }
    }

    async fn deliver(&mut self, event: SessionEvent) -> Result<(), Stopping> {
        match event {
            SessionEvent::Opened(opened) => {
                self.failures = 0;
                let event = Event::PeerConnected { peer: opened.addrs, features: opened.features };
                self.shared.events.peer(event).await
            }
            SessionEvent::Message(raw) => match Envelope::decode(&raw) {
                Ok(message) => {
                    let peer = self.session.peer().clone();
                    let event = Event::PeerMessage { peer, message };
                    self.shared.events.peer_message(event, raw.payload_len()).await
                }
                Err(error) => {
                    // The same bytes would come again after a reconnect: skip them, and say so loudly.
                    warn!("message {} of monitor {} cannot be read: {error}", raw.kind, self.session.peer());
                    Ok(())
                }
            },
            SessionEvent::Alive => Ok(()),
            SessionEvent::Down(error) | SessionEvent::Closed(error) => {
                debug!("connection with monitor {}: {error}", self.session.peer());
                self.down().await
            }
        }
    }

    async fn down(&mut self) -> Result<(), Stopping> {
        self.shared.events.peer(Event::PeerDown { peer: self.session.peer().clone() }).await
    }
}

/// A turn of the socket, if there is one.
async fn turn(socket: &mut Option<Socket>) -> std::io::Result<Turn> {
    match socket {
        Some(socket) => socket.turn().await,
        None => std::future::pending().await,
    }
}

/// The end of our call, if one is made.
async fn call(call: &mut Option<Dialing>) -> Result<(Connection, Socket), HandshakeError> {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}
