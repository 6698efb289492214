//! One connection, from its first byte on: banner, HELLO, authentication, signatures, then the frames of a
//! session, with keepalives and time limits.
//!
//! ```text
//! connector                       acceptor
//! banner, HELLO            <->    banner, HELLO                        Event::Hello (connector)
//! AUTH_REQUEST              ->                                         Event::AuthRequest
//!                          <-     AUTH_REPLY_MORE | AUTH_BAD_METHOD    Event::AuthReplyMore, ..
//! AUTH_REQUEST_MORE         ->                                         Event::AuthRequestMore
//!                          <-     AUTH_DONE                            Event::AuthDone
//! AUTH_SIGNATURE           <->    AUTH_SIGNATURE  (first in the new mode)   Event::Authenticated
//! (COMPRESSION_REQUEST      ->    COMPRESSION_DONE: off)
//! idents, messages, ..     <->                                         Event::Frame
//! ```
//! Each event of the exchange hands the turn to the application; until it answers nothing more is read.

mod error;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mon_types::addr::EntityAddr;
use mon_types::encode::Encode;
use mon_types::entity::EntityType;
use mon_types::message::RawMessage;
use mon_types::time::UTime;

use crate::auth::{AuthBadMethod, AuthDone, AuthRequest, Hello, Mode};
use crate::banner;
use crate::crypto::{self, Transcript};
use crate::frame::{Frame, FrameReader, FrameWriter};
use crate::limits::Limits;
use crate::session_frame::{MESSAGE_HEADER_LEN, SessionFrame, body, write_message};
use crate::tag::Tag;

pub use error::ConnectionError;

/// What happened on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Connector: the other side has shown itself. Answer with [`Connection::auth_request`].
    Hello(Hello),
    /// Acceptor: answer with [`Connection::auth_reply_more`], [`Connection::auth_done`] or
    /// [`Connection::auth_bad_method`].
    AuthRequest(AuthRequest),
    /// Acceptor: the next words of the method; answer as [`Event::AuthRequest`].
    AuthRequestMore(Bytes),
    /// Connector: the next words of the method. Answer with [`Connection::auth_request_more`].
    AuthReplyMore(Bytes),
    /// Connector: refused. Another [`Connection::auth_request`] may follow, or the end.
    AuthBadMethod(AuthBadMethod),
    /// Connector: agreed. When the payload proves the other side, [`Connection::auth_complete`].
    AuthDone(AuthDone),
    /// Both signatures fit: identification comes next.
    Authenticated,
    /// A frame of the session.
    Frame(SessionFrame),
    /// The other side asked whether we live, and was answered.
    Alive,
}

/// Which side of a connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// We called.
    Connector,
    /// We were called.
    Acceptor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Banner,
    Hello,
    /// The application has the turn.
    Application,
    /// Connector: a reply to our request is due. Acceptor: a (further) request.
    Auth,
    /// AUTH_SIGNATURE is due.
    Signature,
    Session,
}

/// The state of one connection. See the crate's documentation for how to drive it.
pub struct Connection {
    side: Side,
    phase: Phase,
    limits: Arc<Limits>,
    our_kind: EntityType,
    remote: EntityAddr,
    reader: FrameReader,
    writer: FrameWriter,
    out: BytesMut,
    transcript: Option<Box<Transcript>>,
    /// What the peer's signature must be.
    signature_due: [u8; 32],
    modes_offered: Vec<u32>,
    first_request_seen: bool,
    peer_kind: u8,
    global_id: u64,
    mode: Option<Mode>,
    /// The session stands: only silence ends the connection from now on.
    established: bool,
    opened_at: Duration,
    received_at: Duration,
    asked_at: Option<Duration>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { side, phase, remote, mode, .. } = self;
        write!(f, "Connection({side:?}, {remote}, {phase:?}, {mode:?})")
    }
}

impl Connection {
    /// Starts a connection over a socket that was connected (`Connector`) or accepted (`Acceptor`) at
    /// `now`; `remote` is the other end's address, which HELLO tells it.
    #[must_use]
    pub fn new(
        side: Side,
        our_kind: EntityType,
        remote: EntityAddr,
        limits: Arc<Limits>,
        now: Duration,
    ) -> Self {
        let banner = banner::encode();
        let transcript = Transcript { sent: banner.clone(), received: Vec::new() };
        Self {
            side,
            phase: Phase::Banner,
            limits,
            our_kind,
            remote,
            reader: FrameReader::default(),
            writer: FrameWriter::default(),
            out: BytesMut::from(banner.as_slice()),
            transcript: Some(Box::new(transcript)),
            signature_due: [0; 32],
            modes_offered: Vec::new(),
            first_request_seen: false,
            peer_kind: 0,
            global_id: 0,
            mode: None,
            established: false,
            opened_at: now,
            received_at: now,
            asked_at: None,
        }
    }

    /// Which side we are.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    /// The peer's entity type as its HELLO says; 0 before. It is a claim, not proven.
    #[must_use]
    pub fn peer_kind(&self) -> u8 {
        self.peer_kind
    }

    /// The global id that authentication gave the connector.
    #[must_use]
    pub fn global_id(&self) -> u64 {
        self.global_id
    }

    /// The mode, once authentication chose it.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// The other end's address.
    #[must_use]
    pub fn remote(&self) -> EntityAddr {
        self.remote
    }

    /// How many bytes were received that are no whole frame yet.
    #[must_use]
    pub fn incomplete_bytes(&self) -> usize {
        self.reader.incomplete_bytes()
    }

    /// Takes received bytes. Call [`Self::poll_event`] until it has nothing more before the next bytes.
    ///
    /// # Errors
    /// Whatever ends the connection.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) -> Result<(), ConnectionError> {
        self.received_at = now;
        self.asked_at = None;
        let bytes_max = self.frame_bytes_max() * 2 + (64 << 10);
        if self.reader.pending().len() > bytes_max {
            return Err(ConnectionError::Ahead);
        }
        self.reader.push(bytes);
        Ok(())
    }

    /// The next event among the bytes received so far.
    ///
    /// # Errors
    /// Whatever ends the connection.
    pub fn poll_event(&mut self) -> Result<Option<Event>, ConnectionError> {
        loop {
            let event = match self.phase {
                Phase::Application => return Ok(None),
                Phase::Banner => {
                    let Some(length) = banner::decode(self.reader.pending())? else { return Ok(None) };
                    let banner = self.reader.pending().split_to(length);
                    if let Some(transcript) = &mut self.transcript {
                        transcript.received.extend_from_slice(&banner);
                    }
                    self.phase = Phase::Hello;
                    self.write(Tag::Hello, &Hello { kind: self.our_kind as u8, seen: self.remote })?;
                    None
                }
                Phase::Hello | Phase::Auth | Phase::Signature | Phase::Session => {
                    let Some(frame) = self.next_frame()? else { return Ok(None) };
                    self.handle_frame(frame)?
                }
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Bytes to write to the socket; call again until it has none.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    /// When [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let handshake = (!self.established).then(|| self.opened_at + self.limits.handshake_age_max);
        let silence = self.limits.silence_max.map(|max| self.received_at + max);
        let keepalive = match self.limits.keepalive_after {
            Some(after) if self.established && self.asked_at.is_none() => Some(self.received_at + after),
            _ => None,
        };
        [handshake, silence, keepalive].into_iter().flatten().min()
    }

    /// Does what is due by now: asks a silent peer, or gives it up.
    ///
    /// # Errors
    /// The handshake or the silence lasts too long.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), ConnectionError> {
        let age_max = self.limits.handshake_age_max;
        if !self.established && now >= self.opened_at + age_max {
            return Err(ConnectionError::HandshakeTooSlow(age_max));
        }
        if let Some(max) = self.limits.silence_max
            && now >= self.received_at + max
        {
            return Err(ConnectionError::Silent(max));
        }
        if let Some(after) = self.limits.keepalive_after
            && self.established
            && self.asked_at.is_none()
            && now >= self.received_at + after
        {
            self.asked_at = Some(now);
            self.write(Tag::Keepalive2, &UTime::from_duration(now))?;
        }
        Ok(())
    }

    /// Sends a frame of the session; the session's own state machine decides which.
    pub(crate) fn send(&mut self, frame: &SessionFrame) -> Result<(), ConnectionError> {
        Ok(frame.write(&mut self.writer, &mut self.out)?)
    }

    pub(crate) fn send_message(
        &mut self,
        seq: u64,
        ack_seq: u64,
        message: &RawMessage,
    ) -> Result<(), ConnectionError> {
        Ok(write_message(&mut self.writer, seq, ack_seq, message, &mut self.out)?)
    }

    /// Bytes that wait to be taken with `poll_transmit`.
    pub(crate) fn out_len(&self) -> usize {
        self.out.len()
    }

    /// The session stands: the handshake's time limit ends.
    pub(crate) fn set_established(&mut self) {
        self.established = true;
    }

    fn frame_bytes_max(&self) -> usize {
        match self.phase {
            Phase::Session => self.limits.message_bytes_max + MESSAGE_HEADER_LEN,
            Phase::Banner | Phase::Hello | Phase::Application | Phase::Auth | Phase::Signature => {
                self.limits.handshake_frame_bytes_max
            }
        }
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, ConnectionError> {
        let bytes_max = self.frame_bytes_max();
        let Some(transcript) = &mut self.transcript else { return Ok(self.reader.next(bytes_max, None)?) };
        let frame = self.reader.next(bytes_max, Some(&mut transcript.received))?;
        if transcript.received.len() > self.limits.handshake_bytes_max {
            return Err(ConnectionError::HandshakeTooLong(self.limits.handshake_bytes_max));
        }
        Ok(frame)
    }

    fn handle_frame(&mut self, frame: Frame) -> Result<Option<Event>, ConnectionError> {
        let tag = frame.tag;
        let first = &frame.segments[0];
        let malformed = |error| ConnectionError::Malformed { tag, error };
        match (self.phase, self.side, tag) {
            (Phase::Hello, side, Tag::Hello) => {
                let hello: Hello = body(first).map_err(malformed)?;
                self.peer_kind = hello.kind;
                match side {
                    Side::Acceptor => {
                        self.phase = Phase::Auth;
                        Ok(None)
                    }
                    Side::Connector => self.hand_over(Event::Hello(hello)),
                }
            }
            (Phase::Auth, Side::Acceptor, Tag::AuthRequest) if !self.first_request_seen => {
                let request: AuthRequest = body(first).map_err(malformed)?;
                self.first_request_seen = true;
                self.modes_offered.clone_from(&request.preferred_modes);
                self.hand_over(Event::AuthRequest(request))
            }
            (Phase::Auth, Side::Acceptor, Tag::AuthRequestMore) if self.first_request_seen => {
                let payload = body(first).map_err(malformed)?;
                self.hand_over(Event::AuthRequestMore(payload))
            }
            (Phase::Auth, Side::Connector, Tag::AuthReplyMore) => {
                let payload = body(first).map_err(malformed)?;
                self.hand_over(Event::AuthReplyMore(payload))
            }
            (Phase::Auth, Side::Connector, Tag::AuthBadMethod) => {
                let refusal = body(first).map_err(malformed)?;
                self.hand_over(Event::AuthBadMethod(refusal))
            }
            (Phase::Auth, Side::Connector, Tag::AuthDone) => {
                let done: AuthDone = body(first).map_err(malformed)?;
                let offered = self.modes_offered.contains(&done.mode);
                let Some(mode) = Mode::from_number(done.mode).filter(|_| offered) else {
                    return Err(ConnectionError::Mode(done.mode));
                };
                self.global_id = done.global_id;
                self.mode = Some(mode);
                self.hand_over(Event::AuthDone(done))
            }
            (Phase::Signature, _, Tag::AuthSignature) => {
                if !crypto::equal(first, &self.signature_due) {
                    return Err(ConnectionError::BadSignature);
                }
                self.phase = Phase::Session;
                Ok(Some(Event::Authenticated))
            }
            (Phase::Session, _, _) => self.handle_session_frame(frame),
            _ => Err(ConnectionError::Unexpected(tag)),
        }
    }

    fn handle_session_frame(&mut self, frame: Frame) -> Result<Option<Event>, ConnectionError> {
        let tag = frame.tag;
        let malformed = |error| ConnectionError::Malformed { tag, error };
        let frame = match SessionFrame::decode(frame).map_err(malformed)? {
            Ok(frame) => return Ok(Some(Event::Frame(frame))),
            Err(other) => other,
        };
        match (tag, self.side) {
            (Tag::Keepalive2, _) => {
                let stamp: UTime = body(&frame.segments[0]).map_err(malformed)?;
                self.check_reading()?;
                self.write(Tag::Keepalive2Ack, &stamp)?;
                Ok(Some(Event::Alive))
            }
            (Tag::Keepalive2Ack, _) => Ok(None),
            // Our banner does not offer it; a peer that asks all the same is told "off".
            (Tag::CompressionRequest, Side::Acceptor) if !self.established => {
                self.check_reading()?;
                self.write(Tag::CompressionDone, &(false, 0u32))?;
                Ok(None)
            }
            _ => Err(ConnectionError::Unexpected(tag)),
        }
    }

    fn check_reading(&self) -> Result<(), ConnectionError> {
        // What the session has queued is bounded elsewhere and taken piece by piece.
        match self.out.len() > self.limits.control_bytes_max + crate::session::TRANSMIT_BYTES {
            true => Err(ConnectionError::NotReading(self.limits.control_bytes_max)),
            false => Ok(()),
        }
    }

    fn hand_over(&mut self, event: Event) -> Result<Option<Event>, ConnectionError> {
        self.phase = Phase::Application;
        Ok(Some(event))
    }

    fn write(&mut self, tag: Tag, content: &dyn Encode) -> Result<(), ConnectionError> {
        let mut bytes = Vec::new();
        content.encode(&mut bytes);
        let start = self.out.len();
        self.writer.write(tag, [&bytes, &[], &[], &[]], &mut self.out)?;
        if let Some(transcript) = &mut self.transcript {
            transcript.sent.extend_from_slice(&self.out[start..]);
            if transcript.sent.len() > self.limits.handshake_bytes_max {
                return Err(ConnectionError::HandshakeTooLong(self.limits.handshake_bytes_max));
            }
        }
        Ok(())
    }
}
