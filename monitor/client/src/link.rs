//! One connection to one monitor, from the dial to its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use mon_cephx::client::{ClientHandshake, ClientSession};
use mon_types::addr::{AddrType, AddrVec, EntityAddr};
use mon_types::entity::EntityType;
use mon_types::features::Features;
use mon_types::id::GlobalId;
use mon_types::message::{Envelope, RawMessage};
use mon_types::release::Release;
use mon_wire::auth::AuthMethod;
use mon_wire::{
    Connection, ConnectionError, Event, GlobalSeq, Identity, Limits, Policy, Secret, Session, SessionEvent,
    Side,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::LinkError;
use crate::target::Target;

/// An open session with a monitor.
pub(crate) struct Link {
    monitor: SocketAddr,
    stream: TcpStream,
    session: Session,
    clock: Clock,
    received: BytesMut,
    outgoing: Bytes,
}

/// Time since the link was begun, as the state machines want it.
#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn now(self) -> Duration {
        self.0.elapsed()
    }
}

/// How much is read at a time.
const READ_BYTES: usize = 16 << 10;

impl Link {
    /// Connects, authenticates (keeping the global id of an earlier session) and identifies.
    pub(crate) async fn open(
        monitor: SocketAddr,
        target: &Target,
        earlier: Option<&ClientSession>,
    ) -> Result<(Self, ClientSession), LinkError> {
        let waited = target.connect_timeout;
        match tokio::time::timeout(waited, Self::open_patiently(monitor, target, earlier)).await {
            Ok(result) => result,
            Err(_) => Err(LinkError::Slow { monitor, waited }),
        }
    }

    async fn open_patiently(
        monitor: SocketAddr,
        target: &Target,
        earlier: Option<&ClientSession>,
    ) -> Result<(Self, ClientSession), LinkError> {
        let socket_error = |error| LinkError::Socket { monitor, error: Arc::new(error) };
        let protocol_error = |error| LinkError::Protocol { monitor, error: Box::new(error) };
        let clock = Clock(Instant::now());
        let mut stream = TcpStream::connect(monitor).await.map_err(socket_error)?;
        stream.set_nodelay(true).map_err(socket_error)?;

        let limits = Arc::new(limits(target));
        let remote = EntityAddr::msgr2(monitor);
        let mut connection =
            Connection::new(Side::Connector, EntityType::Client, remote, Arc::clone(&limits), clock.now());
        let mut handshake = Handshake { target, monitor, earlier, seen: EntityAddr::default(), cephx: None };
        let mut received = BytesMut::with_capacity(READ_BYTES);
        let auth = loop {
            if let Some(event) = connection.poll_event().map_err(protocol_error)? {
                if let Some(session) = handshake.handle(&mut connection, event)? {
                    break session;
                }
                continue;
            }
            while let Some(bytes) = connection.poll_transmit() {
                stream.write_all(&bytes).await.map_err(socket_error)?;
            }
            if stream.read_buf(&mut received).await.map_err(socket_error)? == 0 {
                return Err(protocol_error(ConnectionError::Socket("closed during the handshake".into())));
            }
            connection.handle_bytes(clock.now(), &received.split()).map_err(protocol_error)?;
        };

        let mut addr = handshake.seen;
        addr.kind = AddrType::Any;
        addr.nonce = rand::random();
        if let Some(socket) = &mut addr.socket {
            socket.set_port(0);
        }
        let identity = Arc::new(Identity {
            kind: EntityType::Client,
            addrs: AddrVec(vec![addr]),
            number: None,
            features_supported: Features::all(Release::Tentacle).0,
            features_required: 0,
        });
        // Attempts are told apart by our nonce, which is new each time.
        let global_seq = GlobalSeq::starting_at(0);
        let mut session = Session::new(Policy::Client, identity, AddrVec::msgr2(monitor), limits, global_seq);
        session.attach_outgoing(connection, rand::random());
        let mut link = Self { monitor, stream, session, clock, received, outgoing: Bytes::new() };
        link.wait_opened().await?;
        Ok((link, auth))
    }

    async fn wait_opened(&mut self) -> Result<(), LinkError> {
        loop {
            while let Some(event) = self.session.poll_event(self.clock.now()) {
                match event {
                    SessionEvent::Opened(_) => return Ok(()),
                    SessionEvent::Message(_) | SessionEvent::Alive => {}
                    SessionEvent::Down(error) | SessionEvent::Closed(error) => {
                        return Err(self.protocol(error));
                    }
                }
            }
            self.exchange().await?;
        }
    }

    /// The monitor at the other end.
    pub(crate) fn monitor(&self) -> SocketAddr {
        self.monitor
    }

    /// Queues a message; it leaves while [`Link::next`] is awaited.
    pub(crate) fn send(&mut self, message: &Envelope) -> Result<(), LinkError> {
        let now = self.clock.now();
        self.session.send(now, message.to_raw()).map_err(|error| self.protocol(error.into()))
    }

    /// The next message. Cancelling loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Envelope, LinkError> {
        loop {
            while let Some(event) = self.session.poll_event(self.clock.now()) {
                match event {
                    SessionEvent::Message(raw) => return self.decode(&raw),
                    SessionEvent::Opened(_) | SessionEvent::Alive => {}
                    SessionEvent::Down(error) | SessionEvent::Closed(error) => {
                        return Err(self.protocol(error));
                    }
                }
            }
            self.exchange().await?;
        }
    }

    fn decode(&self, raw: &RawMessage) -> Result<Envelope, LinkError> {
        let monitor = self.monitor;
        Envelope::decode(raw).map_err(|error| LinkError::Message { monitor, kind: raw.kind, error })
    }

    /// Writes or reads some bytes, or lets time pass until the session wants to know of it. Each branch is
    /// cancel-safe: what was not written stays in `outgoing`.
    async fn exchange(&mut self) -> Result<(), LinkError> {
        if self.outgoing.is_empty() {
            self.outgoing = self.session.poll_transmit(self.clock.now()).unwrap_or_default();
        }
        let due = self.session.poll_timeout().map(|due| tokio::time::Instant::from_std(self.clock.0 + due));
        let (mut reader, mut writer) = self.stream.split();
        let result = tokio::select! {
            written = writer.write(&self.outgoing), if !self.outgoing.is_empty() => {
                written.map(|count| self.outgoing.advance(count))
            }
            read = reader.read_buf(&mut self.received) => match read {
                Ok(0) => {
                    self.session.handle_lost(self.clock.now(), "closed by the monitor");
                    Ok(())
                }
                Ok(_) => {
                    self.session.handle_bytes(self.clock.now(), &self.received.split());
                    Ok(())
                }
                Err(error) => Err(error),
            },
            () = sleep_until(due) => {
                self.session.handle_timeout(self.clock.now());
                Ok(())
            }
        };
        result.map_err(|error| LinkError::Socket { monitor: self.monitor, error: Arc::new(error) })
    }

    fn protocol(&self, error: ConnectionError) -> LinkError {
        LinkError::Protocol { monitor: self.monitor, error: Box::new(error) }
    }
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn limits(target: &Target) -> Limits {
    let (ask, leave) = target.keepalive;
    Limits {
        handshake_age_max: target.connect_timeout,
        keepalive_after: Some(ask),
        silence_max: Some(leave),
        ..Limits::client()
    }
}

/// The answers to a connection's authentication events.
struct Handshake<'a> {
    target: &'a Target,
    monitor: SocketAddr,
    earlier: Option<&'a ClientSession>,
    seen: EntityAddr,
    cephx: Option<(ClientHandshake, Option<ClientSession>)>,
}

impl Handshake<'_> {
    /// Answers an event; gives what authentication yielded once both sides have signed.
    fn handle(
        &mut self,
        connection: &mut Connection,
        event: Event,
    ) -> Result<Option<ClientSession>, LinkError> {
        let monitor = self.monitor;
        let protocol = |error| LinkError::Protocol { monitor, error: Box::new(error) };
        let cephx = |error| LinkError::Cephx { monitor, error };
        match event {
            Event::Hello(hello) => {
                self.seen = hello.seen;
                self.request(connection).map_err(protocol)?;
            }
            Event::AuthBadMethod(_) if self.earlier.is_some() => {
                // The monitor does not let us keep our id (the ticket is too old): ask for a new one.
                self.earlier = None;
                self.request(connection).map_err(protocol)?;
            }
            Event::AuthBadMethod(refusal) => {
                let (method, code, allowed) = (refusal.method, refusal.result, refusal.methods);
                return Err(LinkError::Refused { monitor, method, code, allowed });
            }
            Event::AuthReplyMore(payload) => {
                let Some((handshake, _)) = &self.cephx else {
                    return Err(protocol(ConnectionError::OutOfTurn));
                };
                let answer = handshake.answer(&payload, &mut rand::rng()).map_err(cephx)?;
                connection.auth_request_more(&answer).map_err(protocol)?;
            }
            Event::AuthDone(done) => {
                let Some((handshake, session)) = &mut self.cephx else {
                    return Err(protocol(ConnectionError::OutOfTurn));
                };
                let got = handshake.finish(GlobalId(done.global_id), &done.payload).map_err(cephx)?;
                let (key, secret) = (got.auth.session_key.secret(), got.connection_secret.as_slice());
                connection.auth_complete(&Secret::from(key), &Secret::from(secret)).map_err(protocol)?;
                *session = Some(got);
            }
            Event::Authenticated => return Ok(self.cephx.take().and_then(|(_, session)| session)),
            Event::AuthRequest(_) | Event::AuthRequestMore(_) | Event::Frame(_) => {
                return Err(protocol(ConnectionError::OutOfTurn));
            }
            Event::Alive => {}
        }
        Ok(None)
    }

    fn request(&mut self, connection: &mut Connection) -> Result<(), ConnectionError> {
        let (entity, key) = (self.target.entity.clone(), self.target.key.clone());
        let handshake = match self.earlier {
            Some(session) => ClientHandshake::again(entity, key, session),
            None => ClientHandshake::new(entity, key),
        };
        let payload = handshake.request();
        self.cephx = Some((handshake, None));
        connection.auth_request(AuthMethod::CEPHX, &self.target.modes, payload)
    }
}
